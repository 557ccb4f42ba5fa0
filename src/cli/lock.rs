//! One process at a time writes to a folder: an advisory lock that the system releases when its
//! holder ends, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::output::note;
use crate::error::{Error, Result};

/// The file that is locked. One that a kill leaves behind means nothing: the lock is on the open file.
pub(super) const FILE: &str = ".lock";

/// The right to write to a folder, until it is dropped.
pub(super) struct Lock {
    folder: PathBuf,
    /// Whether the folder was made for it.
    made: bool,
    /// None where the file system has no locks.
    file: Option<File>,
}

impl Lock {
    /// Takes the lock of a folder, which is made if it is not there.
    ///
    /// # Errors
    /// In one line with the host and the number of the process that holds it.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let made = !folder.exists();
        let path = folder.join(FILE);
        loop {
            fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
            let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = open.map_err(|e| Error::io(&path, e))?;
            match file.try_lock() {
                // Its last holder may have removed the file between the two calls: then this lock is on
                // a file that nobody else will find.
                Ok(()) if !is_at(&file, &path) => continue,
                Ok(()) => {
                    sign(&mut file).map_err(|e| Error::io(&path, e))?;
                    return Ok(Self { folder: folder.to_path_buf(), made, file: Some(file) });
                }
                Err(TryLockError::WouldBlock) => {
                    let who = holder(&mut file);
                    let problem =
                        format!("{who} is writing here: wait for it or stop it, or choose another --out");
                    return Err(Error::file(folder, problem));
                }
                Err(TryLockError::Error(e)) => {
                    let shown = folder.display();
                    note!("warning: {shown}: cannot be locked ({e}): let no second process write there");
                    return Ok(Self { folder: folder.to_path_buf(), made, file: None });
                }
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Still locked, so that it is this process's own file that goes.
            let _ = fs::remove_file(self.folder.join(FILE));
            if self.made {
                // Goes only if nothing was written.
                let _ = fs::remove_dir(&self.folder);
            }
        }
    }
}

/// Writes who holds the lock. In place: another file of this name would have another lock.
fn sign(file: &mut File) -> io::Result<()> {
    let host = gethostname::gethostname();
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{} {}", host.to_string_lossy(), std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // It may not have signed yet.
    let _ = file.read_to_string(&mut text);
    match text.trim().split_once(' ') {
        Some((host, process)) => format!("process {process} on {host}"),
        None => "another process".into(),
    }
}

/// Whether an open file is still the one of that name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |m: fs::Metadata| (m.dev(), m.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => number(open) == number(named),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_has_one_writer_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        let held = Lock::take(&folder).unwrap();
        let problem = Lock::take(&folder).err().unwrap().to_string();
        assert!(problem.contains(&format!("process {} on ", std::process::id())), "{problem}");
        drop(held);
        assert!(!folder.exists(), "nothing was written");
        let again = Lock::take(&folder).unwrap();
        fs::write(folder.join("made"), "").unwrap();
        drop(again);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "the lock's file is gone");
    }
}
