//! A folder of images.

use std::path::{Path, PathBuf};

use super::collect::Collector;
use super::read_file;
use crate::error::{Error, Result};

const READ: [&str; 8] = ["png", "tif", "tiff", "jpg", "jpeg", "bmp", "npy", "vti"];
/// Images that somebody may have meant, in formats that need other tools.
const REFUSED: [&str; 9] = ["gif", "webp", "pgm", "ppm", "jp2", "jxl", "heic", "avif", "dm3"];

/// Reads every image, array and VTK file in the order of their names, in which 2 is before 10. Folders and
/// files of other kinds are left alone, but an image of another format is an error: it may not be missed.
pub(super) fn read(folder: &Path, collector: &mut Collector) -> Result<()> {
    let (files, others) = contents(folder)?;
    if let Some(image) = others.iter().find(|path| is_one_of(path, &REFUSED)) {
        return Err(Error::file(
            image,
            "is an image that is not read: convert it to PNG or take it out of the folder",
        ));
    }
    if files.is_empty() {
        return Err(Error::file(folder, format!("holds no file that ends in .{}", READ.join(", ."))));
    }
    files.iter().try_for_each(|path| read_file(path, collector))
}

/// What a folder holds that [`import`](super::import) does not read, in order.
///
/// # Errors
/// If the folder cannot be listed.
pub fn left_alone(folder: &Path) -> Result<Vec<PathBuf>> {
    contents(folder).map(|(_, others)| others)
}

/// The files of a folder that are read, and what else there is that is not hidden, each in order.
fn contents(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    // First as text, so that names equal but for zeros in front of numbers have an order too.
    paths.sort();
    paths.sort_by(|a, b| alphanumeric_sort::compare_path(a, b));
    Ok(paths.into_iter().partition(|path| is_one_of(path, &READ) && !path.is_dir()))
}

fn is_one_of(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    extensions.contains(&extension.as_str())
}
