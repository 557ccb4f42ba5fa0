//! A folder of images.

use std::path::{Path, PathBuf};

use super::collect::Collector;
use super::read_file;
use crate::error::{Error, Result};

const READ: [&str; 8] = ["png", "tif", "tiff", "jpg", "jpeg", "bmp", "npy", "vti"];
/// Images that somebody may have meant, in formats that need other tools.
const REFUSED: [&str; 9] = ["gif", "webp", "pgm", "ppm", "jp2", "jxl", "heic", "avif", "dm3"];

/// Reads every image, array and VTK file in the order of their names, in which 2 is before 10. Hidden
/// files, folders and files of other kinds are left alone, but an image of another format is an error:
/// it may not be missed.
pub(super) fn read(folder: &Path, collector: &mut Collector) -> Result<()> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        let path = entry.path();
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if entry.file_name().to_string_lossy().starts_with('.') || path.is_dir() {
            continue;
        }
        if REFUSED.contains(&extension.as_str()) {
            return Err(Error::file(
                path,
                "is an image that is not read: convert it to PNG or take it out of the folder",
            ));
        }
        if READ.contains(&extension.as_str()) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::file(folder, format!("holds no file that ends in .{}", READ.join(", ."))));
    }
    // First as text, so that names equal but for zeros in front of numbers have an order too.
    files.sort();
    files.sort_by(|a, b| alphanumeric_sort::compare_path(a, b));
    files.iter().try_for_each(|path| read_file(path, collector))
}
