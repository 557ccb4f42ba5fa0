//! `invnet gather`: the parts that shards have written, joined.

use std::path::{Path, PathBuf};

use super::arrays::{self, Arrays};
use super::folder::{self, Existing};
use super::record::{self, Record};
use super::{finish, tell_missing};
use crate::cli::lock::Lock;
use crate::cli::output::say;
use crate::cli::{GatherArgs, room};
use crate::error::{Error, Result};
use crate::train::Sampler;
use crate::words::counted;

/// Joins parts into what one process would have written.
pub(in crate::cli) fn run(args: &GatherArgs, quiet: bool) -> Result<()> {
    room::check_folder_name(&args.out)?;
    let parts = in_order(&args.parts)?;
    let (_, first) = &parts[0];
    let run = args.run.clone().unwrap_or_else(|| PathBuf::from(&first.run));
    let checkpoint = Sampler::checkpoint_of(&run);
    let (task, noise) = Sampler::task_of(&run, Some(first.size))?;
    let mut record = first.clone();
    (record.shard, record.complete) = ([1, 1], false);
    if record.checkpoint != record::hash_of(&checkpoint)? {
        let problem = "is not the checkpoint that the parts were made with: give a copy of that one as --run";
        return Err(Error::file(&checkpoint, problem));
    }
    record.files = arrays::names(&record)
        .into_iter()
        .map(String::from)
        .chain(finish::names(&args.format, None, record.closing.is_some()))
        .collect();
    let existing = if args.overwrite { Existing::Overwrite } else { Existing::Keep };
    args.format.check([record.count, record.size[0], record.size[1]])?;
    let out = args.out.canonicalize().ok();
    if let Some((part, _)) = parts.iter().find(|(part, _)| out.is_some() && part.canonicalize().ok() == out) {
        return Err(Error::file(part, "is one of the parts: give another --out"));
    }
    folder::check_room(&args.out, &record, existing)?;
    let _lock = Lock::take(&args.out)?;
    folder::check_room(&args.out, &record, existing)?;
    // All of them, each against its certificate, before the first is copied.
    let mut opened = Vec::new();
    for (part, of) in &parts {
        let arrays = Arrays::look_at(part, of, &task, noise)?;
        if arrays.common() != of.range().len() {
            let problem = format!(
                "holds {} of {}: generate with --resume first",
                arrays.common(),
                counted(of.range().len(), "sample")
            );
            return Err(Error::file(part, problem));
        }
        if !of.complete {
            return Err(Error::file(part, "was not made to its end: generate with --resume first"));
        }
        finish::check(part, &arrays, &task, of)?;
        opened.push(arrays);
    }
    folder::clear(&args.out)?;
    record.write(&args.out)?;
    let mut all = Arrays::open(&args.out, &record, &task, noise)?;
    for part in &opened {
        all.copy(part)?;
    }
    all.sync()?;
    let (missing, summary) = finish::write(&args.out, &all, &task, &record, &args.format, None)?;
    record.complete = true;
    record.write(&args.out)?;
    if !quiet {
        let (n, out) = (all.rows(), args.out.display());
        let files = record.files.join(", ");
        let (samples, parts) = (counted(n, "sample"), counted(parts.len(), "part"));
        say!("{samples} of {parts} in {out}: {files}, {}", record::FILE)?;
        tell_missing(missing)?;
        if let Some(summary) = summary {
            say!("{}", summary.line())?;
        }
    }
    Ok(())
}

/// The parts in order, if they are all the shards of one set, each once.
fn in_order(folders: &[PathBuf]) -> Result<Vec<(&Path, Record)>> {
    let mut parts = Vec::new();
    for folder in folders {
        let record = Record::read(folder)?;
        let record = record
            .ok_or_else(|| Error::file(folder, "holds no generated samples: not the --out of a shard?"))?;
        parts.push((folder.as_path(), record));
    }
    parts.sort_by_key(|(_, record)| record.shard[0]);
    let Some((first_folder, first)) = parts.first() else {
        return Err(Error::Usage("nothing to gather: name the folders of the shards".into()));
    };
    let n = first.shard[1];
    for (folder, record) in &parts {
        if record.shard[1] != n {
            let problem = format!(
                "is one of {}, {} one of {n}",
                counted(record.shard[1], "shard"),
                first_folder.display()
            );
            return Err(Error::file(folder, problem));
        }
        if let Some(what) = first.difference(record) {
            let problem = format!("is not of one set with {}: {what} differs", first_folder.display());
            return Err(Error::file(folder, problem));
        }
    }
    if let Some(twice) = parts.windows(2).find(|pair| pair[0].1.shard == pair[1].1.shard) {
        let problem = format!("is shard {}/{n}, and so is {}", twice[1].1.shard[0], twice[0].0.display());
        return Err(Error::file(twice[1].0, problem));
    }
    let there: Vec<usize> = parts.iter().map(|(_, record)| record.shard[0]).collect();
    let absent: Vec<String> = (1..=n).filter(|i| !there.contains(i)).map(|i| format!("{i}/{n}")).collect();
    if !absent.is_empty() {
        return Err(Error::Usage(format!("shards are missing: {}", absent.join(", "))));
    }
    Ok(parts)
}
