//! What commands may write where: nothing is replaced unasked, and a name says what it holds.

use std::path::Path;

use crate::error::{Error, Result};

/// Extensions that promise a file of a known format.
const OF_FILES: [&str; 14] = [
    "npy",
    "npz",
    "png",
    "tif",
    "tiff",
    "csv",
    "vti",
    "h5",
    "hdf5",
    "dream3d",
    "json",
    "toml",
    "txt",
    "safetensors",
];

/// Refuses a folder that is named like a file.
pub(super) fn check_folder_name(out: &Path) -> Result<()> {
    let extension = out.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if OF_FILES.contains(&extension.as_str()) && !out.is_dir() {
        return Err(Error::file(out, format!("is to be a folder: name it without .{extension}")));
    }
    if out.is_file() {
        return Err(Error::file(out, "is a file: name a folder"));
    }
    Ok(())
}

/// Refuses an archive that is named like something else, or has no folder.
pub(super) fn check_archive_name(out: &Path) -> Result<()> {
    if !out.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz")) {
        let better = out.with_extension("npz");
        return Err(Error::file(out, format!("is to be an .npz archive: name it {}", better.display())));
    }
    match out.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        Some(folder) => {
            Err(Error::file(out, format!("there is no folder {}: make it first", folder.display())))
        }
        None => Ok(()),
    }
}

/// Refuses to replace what is there, unless asked to.
pub(super) fn check_absent(path: &Path, overwrite: bool) -> Result<()> {
    if overwrite || path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::file(path, "is there already: give --overwrite to replace it, or another --out"))
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,+@%-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // Only a NUL cannot be quoted, and no argument holds one.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}
