//! The files of a run, and the rules for a folder that is to hold one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::lock;
use crate::data::export::is_leftover;
use crate::error::{Error, Result};

pub(super) const CONFIG: &str = "config.toml";
pub(super) const METRICS: &str = "metrics.jsonl";
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";
pub(super) const LOSSES: &str = "losses.png";
/// A folder of pictures.
pub(super) const SAMPLES: &str = "samples";

/// Everything a run writes, and so everything `--overwrite` removes. The configuration makes a folder
/// a run, so it goes last: killed on the way, what is left can still be overwritten.
const FILES: [&str; 6] = [METRICS, CHECKPOINT, LOSSES, "report.json", "report.png", CONFIG];

/// What is in a folder, without the lock and what a kill left half written.
fn entries(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let names = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|e| Ok(e?.file_name().to_string_lossy().into_owned()))
            .collect::<std::io::Result<Vec<_>>>()
    });
    let mut names = names.map_err(|e| Error::io(folder, e))?;
    names.retain(|name| name != lock::FILE && !is_leftover(name));
    Ok(names)
}

/// Says why there is no room for a new run, if there is none.
pub(super) fn check_room(folder: &Path, overwrite: bool) -> Result<()> {
    let names = entries(folder)?;
    let of_a_run = |name: &String| name == SAMPLES || FILES.contains(&name.as_str());
    let problem = if names.is_empty() {
        return Ok(());
    } else if names.iter().any(|name| name == CONFIG) {
        "holds a run: --resume continues it, --overwrite replaces it"
    } else if names.iter().all(of_a_run) {
        "holds what is left of a run without its config.toml: --overwrite replaces it"
    } else {
        return Err(Error::file(folder, "is not empty and not a run: choose another --out"));
    };
    if overwrite { Ok(()) } else { Err(Error::file(folder, problem)) }
}

/// Makes room for a new run.
pub(super) fn clear(folder: &Path) -> Result<()> {
    remove_leftovers(folder)?;
    let samples = folder.join(SAMPLES);
    if samples.exists() {
        fs::remove_dir_all(&samples).map_err(|e| Error::io(&samples, e))?;
    }
    for file in FILES {
        let path = folder.join(file);
        if path.exists() {
            fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        }
    }
    Ok(())
}

/// Removes what a kill left half written, here and among the pictures. The caller holds the lock.
pub(super) fn remove_leftovers(folder: &Path) -> Result<()> {
    for folder in [folder.to_path_buf(), folder.join(SAMPLES)] {
        crate::data::export::remove_leftovers(&folder)?;
    }
    Ok(())
}

/// Where a run is found that was given no `--out`.
pub(super) fn default_for(preset: &str) -> PathBuf {
    let name = Path::new(preset).file_stem().unwrap_or_default();
    Path::new("runs").join(name)
}
