//! Files that other programs read, one format a file, and the way every file is written.
//!
//! A file appears under its name only when it is whole: [`write_atomically`] is the one place that
//! creates files which somebody may read while, or after, the program is killed.
//!
//! | format | written | holds |
//! | --- | --- | --- |
//! | `npy` | `STEM.npy` | classes, `u1` `[N, H, W]` |
//! | `npz` | `STEM.npz` | the data set: classes, properties, names, labels, what is held out |
//! | `png` | `STEM-png/STEM_000000.png`, ... | an image each, classes as indices of a palette |
//! | `tiff` | `STEM.tiff` | a page for each image, classes as 8-bit grey levels |
//! | `csv` | `STEM.csv` | the properties, a row for each image; no pixels |
//! | `vti` | `STEM-vti/STEM_000000.vti`, ... | VTK image data each: classes in cells of a physical size |
//! | `hdf5` | `STEM.h5` | `/maps`, `/properties`, `/names` |
//! | `dream3d` | `STEM.dream3d` | an image geometry, each image a slice along z; phases count from 1 |
//!
//! `npz` and `hdf5` hold everything; the others neither what a class was (`labels`) nor, but for `csv`, what
//! is held out. Bytes depend on the data only: no file holds a time.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::ClassMaps;
use crate::error::{Error, Result};

mod csv;
mod dream3d;
mod growing;
mod hdf5;
mod numpy;
mod pieces;
mod png;
mod tiff;
mod units;
mod vti;

pub(crate) use csv::{cell, quoted};
pub use growing::{Element, GrowingArray};
pub use pieces::Stored;
pub use units::{Quantity, Units};

pub use numpy::{write_npy_f32, write_npy_u8, write_npz, write_npz_by_map};

/// A file format to write class maps in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy array.
    Npy,
    /// NumPy archive, the format of data sets.
    Npz,
    /// An indexed image for each map.
    Png,
    /// One file, a page for each map.
    Tiff,
    /// Table of properties.
    Csv,
    /// VTK XML image data, a file for each map.
    Vti,
    /// HDF5 with plain arrays.
    Hdf5,
    /// HDF5 in the layout of DREAM.3D.
    Dream3d,
}

impl Format {
    const ALL: [Self; 8] =
        [Self::Npy, Self::Npz, Self::Png, Self::Tiff, Self::Csv, Self::Vti, Self::Hdf5, Self::Dream3d];

    /// The name a user types.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Npz => "npz",
            Self::Png => "png",
            Self::Tiff => "tiff",
            Self::Csv => "csv",
            Self::Vti => "vti",
            Self::Hdf5 => "hdf5",
            Self::Dream3d => "dream3d",
        }
    }

    /// The most pixels a file can have, of a format that is put together in memory: writing takes several
    /// bytes for each.
    #[must_use]
    pub fn most_pixels(self) -> Option<usize> {
        match self {
            Self::Hdf5 => Some(1 << 31),
            // Phases are four bytes each.
            Self::Dream3d => Some(1 << 29),
            _ => None,
        }
    }

    /// Whether a file says what the classes were (`labels`).
    #[must_use]
    pub fn keeps_labels(self) -> bool {
        matches!(self, Self::Npz | Self::Hdf5)
    }

    /// Whether a file says which images are held out.
    #[must_use]
    pub fn keeps_split(self) -> bool {
        matches!(self, Self::Npz | Self::Hdf5 | Self::Csv)
    }
}

/// Refuses more images than a format has room for; `shape` is `[N, H, W]`.
///
/// # Errors
/// [`Error::Usage`] with the format, the limit and what has none.
pub fn check_pixels(formats: &[Format], shape: [usize; 3]) -> Result<()> {
    let pixels = shape.iter().fold(1, |all: usize, &n| all.saturating_mul(n));
    match formats.iter().find(|format| format.most_pixels().is_some_and(|most| pixels > most)) {
        Some(format) => {
            let ([n, h, w], most) = (shape, format.most_pixels().unwrap_or_default());
            Err(Error::Usage(format!(
                "--format {}: {n} images of {h} x {w} are more than the {most} pixels that it can hold, being put \
                 together in memory: npy, npz and tiff have no limit",
                format.name()
            )))
        }
        None => Ok(()),
    }
}

impl FromStr for Format {
    type Err = String;

    /// A format by name.
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|f| f.name() == name)
            .ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Class maps and what is known of them, to be written in any format.
#[derive(Clone, Debug)]
pub struct Exported<'a> {
    /// Number of images, N.
    pub count: usize,
    /// Rows of an image, H.
    pub height: usize,
    /// Columns of an image, W.
    pub width: usize,
    /// Number of classes.
    pub classes: usize,
    /// Class of every pixel, `[N, H, W]` row-major; empty if they are `stored`.
    pub maps: &'a [u8],
    /// What holds maps and properties, where they are not in memory.
    pub stored: Option<&'a dyn Stored>,
    /// Names of the P properties.
    pub names: Vec<&'a str>,
    /// What the properties are, `[P]`.
    pub quantities: Vec<Quantity>,
    /// Properties of every image, `[N, P]` row-major, NaN where one is missing; empty if they are
    /// `stored`.
    pub properties: &'a [f32],
    /// Value of each class where the images are from, or empty.
    pub labels: &'a [f64],
    /// Whether training may not see an image, or empty.
    pub held_out: &'a [bool],
    /// Side of a pixel in `unit`.
    pub spacing: f64,
    /// Unit of length, for people: nothing is converted.
    pub unit: &'a str,
    /// Colours of the classes in formats that have any; used again from the start if there are more
    /// classes.
    pub palette: &'a [[u8; 3]],
    /// Where row 0 of an image is, in formats that are looked at.
    pub origin: Origin,
}

/// Where row 0 of an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Origin {
    /// At the top.
    #[default]
    Upper,
    /// At the bottom.
    Lower,
}

impl<'a> Exported<'a> {
    /// A data set with pixels of side 1 px.
    #[must_use]
    pub fn new(data: &'a ClassMaps, palette: &'a [[u8; 3]]) -> Self {
        Self {
            count: data.count,
            height: data.height,
            width: data.width,
            classes: data.classes,
            maps: &data.maps,
            stored: None,
            names: data.names.iter().map(String::as_str).collect(),
            quantities: data.names.iter().map(|name| Quantity::of_name(name)).collect(),
            properties: &data.properties,
            labels: &data.labels,
            held_out: &data.held_out,
            spacing: 1.0,
            unit: "px",
            palette,
            origin: Origin::Upper,
        }
    }

    /// The physical size of a pixel.
    fn units(&self) -> Units<'a> {
        Units { spacing: self.spacing, unit: self.unit }
    }

    /// The class map of image `i`, `[H, W]`.
    fn map(&self, i: usize) -> &'a [u8] {
        &self.maps[i * self.height * self.width..][..self.height * self.width]
    }

    /// The rows of image `i` from the top of a picture down, `[H, W]`.
    fn shown(&self, i: usize) -> Cow<'a, [u8]> {
        match self.origin {
            Origin::Upper => Cow::Borrowed(self.map(i)),
            Origin::Lower => Cow::Owned(self.map(i).rchunks_exact(self.width).flatten().copied().collect()),
        }
    }

    /// The properties of image `i`, `[P]`.
    fn row(&self, i: usize) -> &'a [f32] {
        &self.properties[i * self.names.len()..][..self.names.len()]
    }
}

/// Writes the maps in every format asked for, once each, into `folder`, which is made if it is not
/// there. Returns the files and the folders of files that were written.
///
/// # Errors
/// [`Error::Io`] if something cannot be written, [`Error::Usage`] for a spacing that is no length and for
/// more pixels than a format can hold (before anything is written).
///
/// # Panics
/// If `maps` or `properties` do not have the stated shapes.
#[track_caller]
pub fn write_all(
    folder: impl AsRef<Path>,
    stem: &str,
    formats: &[Format],
    data: &Exported,
) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    if data.stored.is_none() {
        checked_shape(data.maps.len(), &[data.count, data.height, data.width]);
        checked_shape(data.properties.len(), &[data.count, data.names.len()]);
    }
    assert_eq!(data.names.len(), data.quantities.len(), "a quantity for every property");
    if !(data.spacing.is_finite() && data.spacing > 0.0) {
        return Err(Error::Usage(format!("--spacing {}: must be a length above 0", data.spacing)));
    }
    check_pixels(formats, [data.count, data.height, data.width])?;
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut written = Vec::new();
    for (i, &format) in formats.iter().enumerate() {
        if !formats[..i].contains(&format) {
            let path = path_of(folder, stem, format);
            write(&path, stem, format, data)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// The file, or the folder of files, that [`write_all`] writes in a format.
#[must_use]
pub fn path_of(folder: impl AsRef<Path>, stem: &str, format: Format) -> PathBuf {
    folder.as_ref().join(match format {
        Format::Png | Format::Vti => format!("{stem}-{}", format.name()),
        Format::Hdf5 => format!("{stem}.h5"),
        _ => format!("{stem}.{}", format.name()),
    })
}

fn write(path: &Path, stem: &str, format: Format, data: &Exported) -> Result<()> {
    match format {
        Format::Npy => numpy::write_maps(path, data),
        Format::Npz => numpy::write_data_set(path, data),
        Format::Png => each(path, stem, "png", data, png::write),
        Format::Tiff => tiff::write(path, data),
        Format::Csv => csv::write(path, data),
        Format::Vti => each(path, stem, "vti", data, vti::write),
        Format::Hdf5 => data.in_memory(path, |data| hdf5::write(path, data)),
        Format::Dream3d => data.in_memory(path, |data| dream3d::write(path, data)),
    }
}

/// Writes a file for every image into `folder`, numbered from 0, and removes those of an
/// earlier, larger set: they would be read together.
fn each(
    folder: &Path,
    stem: &str,
    extension: &str,
    data: &Exported,
    write: impl Fn(&Path, &Exported, usize) -> Result<()> + Sync,
) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let name = |i: usize| format!("{stem}_{i:06}.{extension}");
    data.pieces(folder, |first, piece| {
        (0..piece.count).into_par_iter().try_for_each(|i| write(&folder.join(name(first + i)), piece, i))
    })?;
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let path = entry.map_err(|e| Error::io(folder, e))?.path();
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if number(&file, stem).is_some_and(|i: usize| i >= data.count && file == name(i)) {
            fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        }
    }
    Ok(())
}

/// The number in a name such as `STEM_000012.png`.
fn number(file: &str, stem: &str) -> Option<usize> {
    file.strip_prefix(stem)?.strip_prefix('_')?.split('.').next()?.parse().ok()
}

/// Whether a file has a name that [`write_all`] gives to one of many files of a set.
#[must_use]
pub fn is_numbered(file: &str, stem: &str) -> bool {
    let extension = Path::new(file).extension().unwrap_or_default();
    number(file, stem).is_some_and(|i| {
        ["png", "vti"].iter().any(|e| extension == *e && file == format!("{stem}_{i:06}.{e}"))
    })
}

/// Writes a file so that `path` holds either what it held before or all of the new content.
///
/// `write` fills a temporary file in the same folder, which is synchronised and then renamed.
/// When anything fails the temporary file is removed and `path` is as it was.
///
/// # Errors
/// [`Error::Io`] with `path`, whatever step failed.
pub fn write_atomically<F>(path: impl AsRef<Path>, write: F) -> Result<()>
where
    F: FnOnce(&mut BufWriter<File>) -> io::Result<()>,
{
    let path = path.as_ref();
    let temporary = temporary_name(path).map_err(|source| Error::io(path, source))?;
    let outcome = fill(&temporary, write).and_then(|()| fs::rename(&temporary, path));
    if outcome.is_err() {
        // The first failure is the one to report; a leftover that cannot be removed adds nothing.
        let _ = fs::remove_file(&temporary);
    }
    outcome.map_err(|source| Error::io(path, source))?;
    synchronise_folder(path);
    Ok(())
}

fn fill<F>(temporary: &Path, write: F) -> io::Result<()>
where
    F: FnOnce(&mut BufWriter<File>) -> io::Result<()>,
{
    let mut file = BufWriter::with_capacity(1 << 18, File::create(temporary)?);
    write(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()
}

/// A name beside `path` that no other writer uses: writers differ in process or in count.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    static WRITERS: AtomicU64 = AtomicU64::new(0);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{}.tmp", std::process::id(), WRITERS.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(temporary))
}

/// Whether a file name is one of those given to files while they are written.
#[must_use]
pub fn is_leftover(name: &str) -> bool {
    let numbers =
        name.strip_prefix('.').and_then(|n| n.strip_suffix(".tmp")).and_then(|n| n.rsplit_once('.'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    numbers.and_then(|(_, n)| n.split_once('-')).is_some_and(|(a, b)| is_number(a) && is_number(b))
}

/// Removes the half-written files that a killed process left in a folder, if there is one. Nobody may
/// be writing there.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read or a file not removed.
pub fn remove_leftovers(folder: &Path) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| Error::io(folder, e))?,
    };
    for entry in entries {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        if is_leftover(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).map_err(|e| Error::io(entry.path(), e))?;
        }
    }
    Ok(())
}

/// Makes the rename itself survive a power failure. Best effort: the content is safe already, and
/// some file systems do not let a folder be opened.
fn synchronise_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// `shape` as the file format wants it, if it describes `len` elements.
#[track_caller]
fn checked_shape(len: usize, shape: &[usize]) -> Vec<u64> {
    assert_eq!(len, shape.iter().product::<usize>(), "array of shape {shape:?} with {len} elements");
    shape.iter().map(|&n| n as u64).collect()
}
