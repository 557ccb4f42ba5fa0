//! The rules for a folder that is to hold generated samples.

use std::fs;
use std::path::Path;

use super::record::{self, Record};
use crate::cli::room;
use crate::data::export::{is_numbered, remove_leftovers};
use crate::error::{Error, Result};

/// What may be done with samples that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Existing {
    /// Nothing.
    Keep,
    /// They are removed.
    Overwrite,
    /// They are continued.
    Resume,
}

/// Says why there is no room for the files of `record`, if there is none.
pub(in crate::cli) fn check_room(folder: &Path, record: &Record, existing: Existing) -> Result<()> {
    let found = Record::read(folder)?;
    match (&found, existing) {
        (Some(_), Existing::Overwrite) => Ok(()),
        (Some(found), Existing::Resume) => {
            let of = |r: &Record| {
                if r.shard == [1, 1] {
                    "all samples".into()
                } else {
                    format!("shard {}/{}", r.shard[0], r.shard[1])
                }
            };
            if found.shard != record.shard {
                let problem =
                    format!("holds {}, and these are {}: give another --out", of(found), of(record));
                return Err(Error::file(folder, problem));
            }
            match found.difference(record) {
                Some(what) => {
                    Err(Error::file(folder, format!("cannot be resumed: {what} is not what it was")))
                }
                None => Ok(()),
            }
        }
        (Some(found), Existing::Keep) => {
            let on = if found.complete { "" } else { "--resume goes on, " };
            let problem =
                format!("holds generated samples: {on}--overwrite replaces them, or choose another --out");
            Err(Error::file(folder, problem))
        }
        (None, Existing::Resume) => {
            Err(Error::file(folder, format!("has no {}: there is nothing to resume", record::FILE)))
        }
        (None, _) => record.files.iter().try_for_each(|file| {
            let path = folder.join(file);
            // It cannot be told from what somebody else made.
            room::check_absent(&path, false).map_err(|_| {
                Error::file(
                    path,
                    "is there already, and no record says that it was generated: choose another --out",
                )
            })
        }),
    }
}

/// Removes what a record lists, the record last: killed on the way, the rest can still be removed.
pub(in crate::cli) fn clear(folder: &Path) -> Result<()> {
    remove_leftovers(folder)?;
    let Some(record) = Record::read(folder)? else { return Ok(()) };
    for path in super::finish::paths(folder, &record) {
        if path.is_dir() {
            remove_numbered(&path)?;
        } else if path.exists() {
            fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        }
    }
    let path = folder.join(record::FILE);
    fs::remove_file(&path).map_err(|e| Error::io(&path, e))
}

/// Removes a folder of numbered files; anything else in it stays.
fn remove_numbered(folder: &Path) -> Result<()> {
    remove_leftovers(folder)?;
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let path = entry.map_err(|e| Error::io(folder, e))?.path();
        if path.file_name().is_some_and(|name| is_numbered(&name.to_string_lossy(), "samples")) {
            fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        }
    }
    // Only if it is empty now.
    let _ = fs::remove_dir(folder);
    Ok(())
}
