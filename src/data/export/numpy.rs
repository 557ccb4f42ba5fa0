//! NumPy arrays, and the archives that hold data sets.

use std::io::{self, Seek, Write};
use std::path::Path;

use npyz::{AutoSerialize, DType, WriteOptions, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use super::{Exported, checked_shape, write_atomically};
use crate::data::ClassMaps;
use crate::error::{Error, Result};

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

/// Writes the maps of a set as an array, `[N, H, W]`.
pub(super) fn write_maps(path: &Path, data: &Exported) -> Result<()> {
    let shape = [data.count, data.height, data.width].map(|n| n as u64);
    write_atomically(path, |file| {
        WriteOptions::new_header_only()
            .dtype(<u8 as AutoSerialize>::default_dtype())
            .shape(&shape)
            .writer(&mut *file)
            .write_header_only()?;
        data.filling(|_, piece| file.write_all(piece.maps))
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
/// (`i8`, a scalar); where the set has them `labels` (`f8` `[K]`, the value of each class where the
/// images are from) and `held_out` (`u1` `[N]`, 1 for images that training may not see).
///
/// The bytes depend on the data only: the archive holds no time.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
pub fn write_npz(path: impl AsRef<Path>, data: &ClassMaps) -> Result<()> {
    write_data_set(path.as_ref(), &Exported::new(data, &[]))
}

pub(super) fn write_data_set(path: &Path, data: &Exported) -> Result<()> {
    write_atomically(path, |file| {
        let shape = [data.count, data.height, data.width];
        let archive = begin(file, shape, &mut |maps| data.filling(|_, piece| maps.write_all(piece.maps)))?;
        finish(archive, data)
    })
}

/// The same for a set whose maps are in no memory: `fill` is given what takes each map, `[H, W]`, and
/// returns the set without them. `shape` is `[N, H, W]`.
///
/// # Errors
/// What `fill` returns, and [`Error::Io`] if the file cannot be written.
///
/// # Panics
/// If `fill` gives other maps than `shape` says.
pub fn write_npz_by_map(
    path: impl AsRef<Path>,
    shape: [usize; 3],
    fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<ClassMaps>,
) -> Result<ClassMaps> {
    let mut outcome = None;
    let mut fill = Some(fill);
    let written = write_atomically(&path, |file| {
        let archive = begin(file, shape, &mut |maps| {
            let Some(fill) = fill.take() else { return Ok(()) };
            let mut bytes = 0;
            let filled = fill(&mut |map| {
                bytes += map.len();
                maps.write_all(map)
            });
            if filled.is_ok() {
                assert_eq!(bytes, shape.iter().product::<usize>(), "maps of shape {shape:?}");
            }
            let failed = filled.is_err();
            outcome = Some(filled);
            if failed { Err(io::Error::other("nothing to write")) } else { Ok(()) }
        })?;
        match &outcome {
            Some(Ok(data)) => finish(archive, &Exported::new(data, &[])),
            _ => Ok(()),
        }
    });
    match outcome {
        Some(Err(error)) => Err(error),
        Some(Ok(data)) => written.map(|()| data),
        None => Err(written.err().unwrap_or_else(|| Error::file(&path, "was not written"))),
    }
}

/// Begins an archive with its maps.
fn begin<W: Write + Seek>(
    file: W,
    shape: [usize; 3],
    maps: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<ZipWriter<W>> {
    let mut archive = ZipWriter::new(file);
    start(&mut archive, "maps", shape.iter().product())?;
    WriteOptions::new_header_only()
        .dtype(<u8 as AutoSerialize>::default_dtype())
        .shape(&shape.map(|n| n as u64))
        .writer(&mut archive)
        .write_header_only()?;
    maps(&mut archive)?;
    Ok(archive)
}

/// Begins an array of an archive: what is written next is its header and its contents.
fn start<W: Write + Seek>(archive: &mut ZipWriter<W>, name: &str, bytes: usize) -> io::Result<()> {
    // The zip format must be told beforehand of entries that may pass 4 GiB.
    let options = SimpleFileOptions::default()
        .large_file(u32::try_from(bytes).is_err())
        .last_modified_time(DateTime::default());
    Ok(archive.start_file(format!("{name}.npy"), options)?)
}

/// Writes a whole array into an archive.
fn write_array<W: Write + Seek, T: AutoSerialize>(
    archive: &mut ZipWriter<W>,
    name: &str,
    shape: &[u64],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    start(archive, name, 0)?;
    let mut array = WriteOptions::new().default_dtype().shape(shape).writer(archive).begin_nd()?;
    array.extend(values)?;
    array.finish()
}

/// Writes everything but the maps.
fn finish<W: Write + Seek>(mut archive: ZipWriter<W>, data: &Exported) -> io::Result<()> {
    let properties = data.names.len();
    start(&mut archive, "properties", 4 * data.count * properties)?;
    let rows = [data.count, properties].map(|n| n as u64);
    let mut array = WriteOptions::new().default_dtype().shape(&rows).writer(&mut archive).begin_nd()?;
    data.filling(|_, piece| piece.properties.iter().try_for_each(|value| array.push(value)))?;
    array.finish()?;

    // Fixed-width strings as wide as the longest name; NumPy has no strings of width 0.
    let widest = data.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(1);
    let text = format!("<U{widest}").parse().map_err(io::Error::other)?;
    start(&mut archive, "names", 0)?;
    let mut array = WriteOptions::<str>::new()
        .dtype(DType::Plain(text))
        .shape(&[properties as u64])
        .writer(&mut archive)
        .begin_nd()?;
    for name in &data.names {
        array.push(*name)?;
    }
    array.finish()?;

    write_array(&mut archive, "classes", &[], [data.classes as i64])?;
    if !data.labels.is_empty() {
        let shape = checked_shape(data.labels.len(), &[data.classes]);
        write_array(&mut archive, "labels", &shape, data.labels.iter().copied())?;
    }
    if !data.held_out.is_empty() {
        let shape = checked_shape(data.held_out.len(), &[data.count]);
        write_array(&mut archive, "held_out", &shape, data.held_out.iter().map(|&flag| u8::from(flag)))?;
    }

    // Dropping the writer would finish the archive too, but swallow what goes wrong.
    archive.finish()?;
    Ok(())
}
