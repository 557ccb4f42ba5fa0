//! Files that other programs read: NumPy arrays and archives, and the way every file is written.
//!
//! A file appears under its name only when it is whole: [`write_atomically`] is the one place that
//! creates files which somebody may read while, or after, the program is killed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use npyz::npz::NpzWriter;
use npyz::zip::DateTime;
use npyz::zip::write::FileOptions;
use npyz::{AutoSerialize, DType, WriteOptions, WriterBuilder};

use super::ClassMaps;
use crate::error::{Error, Result};

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

/// Makes the rename itself survive a power failure. Best effort: the content is safe already, and
/// some file systems do not let a folder be opened.
fn synchronise_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Writes bytes as a `.npy` array (`u1`) of the given shape, row-major.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
///
/// # Panics
/// If `shape` does not have as many elements as `data`.
#[track_caller]
pub fn write_npy_u8(path: impl AsRef<Path>, data: &[u8], shape: &[usize]) -> Result<()> {
    let shape = checked_shape(data.len(), shape);
    write_atomically(path, |file| {
        // Header, then the bytes in one piece: element by element would take seconds.
        WriteOptions::new_header_only()
            .dtype(<u8 as AutoSerialize>::default_dtype())
            .shape(&shape)
            .writer(&mut *file)
            .write_header_only()?;
        file.write_all(data)
    })
}

/// Writes 32-bit floats as a `.npy` array (`f4`) of the given shape, row-major.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
///
/// # Panics
/// If `shape` does not have as many elements as `data`.
#[track_caller]
pub fn write_npy_f32(path: impl AsRef<Path>, data: &[f32], shape: &[usize]) -> Result<()> {
    let shape = checked_shape(data.len(), shape);
    write_atomically(path, |file| {
        let mut array = WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
        array.extend(data)?;
        array.finish()
    })
}

/// Writes a data set as a compressed `.npz` archive that `numpy.load` opens without pickle:
/// `maps` (`u1` `[N, H, W]`), `properties` (`f4` `[N, P]`), `names` (`U` `[P]`) and `classes`
/// (`i8`, a scalar).
///
/// The bytes depend on the data only: the archive holds no time.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
pub fn write_npz(path: impl AsRef<Path>, data: &ClassMaps) -> Result<()> {
    write_atomically(path, |file| write_archive(file, data))
}

fn write_archive(file: impl Write + Seek, data: &ClassMaps) -> io::Result<()> {
    let properties = data.names.len();
    let maps = checked_shape(data.maps.len(), &[data.count, data.height, data.width]);
    let rows = checked_shape(data.properties.len(), &[data.count, properties]);
    // The zip format must be told beforehand of entries that may pass 4 GiB.
    let options = FileOptions::default()
        .large_file(u32::try_from(data.maps.len()).is_err())
        .last_modified_time(DateTime::default());
    let mut archive = NpzWriter::new(file);
    archive
        .array::<u8>("maps", options)?
        .default_dtype()
        .shape(&maps)
        .write_header_only()?
        .write_all(&data.maps)?;

    let mut array = archive.array("properties", options)?.default_dtype().shape(&rows).begin_nd()?;
    array.extend(&data.properties)?;
    array.finish()?;

    // Fixed-width strings as wide as the longest name; NumPy has no strings of width 0.
    let widest = data.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(1);
    let text = format!("<U{widest}").parse().map_err(io::Error::other)?;
    let mut array = archive
        .array::<str>("names", options)?
        .dtype(DType::Plain(text))
        .shape(&[properties as u64])
        .begin_nd()?;
    for name in &data.names {
        array.push(name)?;
    }
    array.finish()?;

    let mut array = archive.array("classes", options)?.default_dtype().shape(&[]).begin_nd()?;
    array.push(&(data.classes as i64))?;
    array.finish()?;

    // Dropping the writer would finish the archive too, but swallow what goes wrong.
    archive.zip_writer().finish().map_err(io::Error::from)?;
    Ok(())
}

/// `shape` as the file format wants it, if it describes `len` elements.
#[track_caller]
fn checked_shape(len: usize, shape: &[usize]) -> Vec<u64> {
    assert_eq!(len, shape.iter().product::<usize>(), "array of shape {shape:?} with {len} elements");
    shape.iter().map(|&n| n as u64).collect()
}
