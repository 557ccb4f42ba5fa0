//! Data sets from files: a user's own images and fields, and the `.npz` archives of the generators.
//!
//! Each format has a file that turns its images into plain values, one image at a time; `collect`
//! makes classes of them, resizes, checks and measures, the same for every format. What does not fit
//! is refused with the file, the place in it and a way out; nothing is guessed.
//!
//! A source is recognised by its first bytes, never by its name:
//!
//! | source | images in it |
//! | --- | --- |
//! | a folder | its PNG and TIFF files in the order of their names |
//! | PNG, TIFF | one; one a page |
//! | `.npy`, `.npz` | `[N, H, W]`, or one `[H, W]` |
//! | HDF5 | `[N, H, W]`, or a row of `H * W` values for each |
//! | DREAM.3D | the slices along z of a cell array |

mod collect;
mod folder;
#[cfg_attr(not(feature = "hdf5"), path = "no_hdf5.rs")]
mod hdf5;
mod layout;
mod npz;
mod numpy;
mod png;
mod resize;
mod tiff;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use collect::Collector;
pub use npz::read_npz;

use super::ClassMaps;
use crate::error::{Error, Result};

/// How an image becomes one of another size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// The class with the largest share of a new pixel's area.
    #[default]
    Area,
    /// The class at a new pixel's centre.
    Nearest,
}

/// What to make of a source. The default takes class numbers of square images as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Rows and columns of the result; without it images must be square, of one size, and stay so.
    pub size: Option<[usize; 2]>,
    /// How to reach that size.
    pub resize: Resize,
    /// Values from here on are class 1, values below are class 0.
    pub threshold: Option<f64>,
    /// The value of each class in turn; a pixel with any other value is an error.
    pub levels: Vec<f64>,
    /// Number of classes; without it as many as the levels, the threshold or the largest number say.
    pub classes: Option<usize>,
    /// Name of the array in an archive or HDF5 file.
    pub dataset: Option<String>,
    /// Rows and columns of images that are stored as rows of `H * W` values.
    pub shape: Option<[usize; 2]>,
}

/// More pixels in one image are taken for damage: 8192 x 8192.
const MOST_PIXELS: usize = 1 << 26;

/// Reads class maps from a file or a folder, with the fraction of every class in every image as
/// properties `f1`, `f2`, ... of the classes 0, 1, ..., as the polycrystal world names them.
///
/// # Errors
/// [`Error::Usage`] for options that contradict each other, [`Error::File`] for a source that is
/// damaged, empty or does not fit the options, [`Error::Io`] if it cannot be read.
pub fn import(source: impl AsRef<Path>, options: &Options) -> Result<ClassMaps> {
    let source = source.as_ref();
    let mut collector = Collector::new(options)?;
    if source.is_dir() {
        folder::read(source, &mut collector)?;
    } else {
        read_file(source, &mut collector)?;
    }
    collector.finish(source)
}

fn read_file(path: &Path, collector: &mut Collector) -> Result<()> {
    let mut start = Vec::new();
    // A name that leads nowhere is wrong use, like any other mistake in what was asked for.
    let file = File::open(path).map_err(|e| Error::file(path, format!("cannot be opened: {e}")))?;
    file.take(8).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    match start.as_slice() {
        [] => Err(Error::file(path, "is empty")),
        [0x89, b'P', b'N', b'G', ..] => png::read(path, collector),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => tiff::read(path, collector),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => numpy::read(path, collector),
        [b'P', b'K', 3, 4, ..] => npz::read(path, collector),
        [0x89, b'H', b'D', b'F', b'\r', b'\n', 0x1a, b'\n'] => hdf5::read(path, collector),
        _ => Err(Error::file(
            path,
            "is no whole PNG, TIFF, .npy, .npz or HDF5 file: its first bytes are of none",
        )),
    }
}
