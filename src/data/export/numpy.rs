//! NumPy arrays, and the archives that hold data sets.

use std::io::{self, Seek, Write};
use std::path::Path;

use npyz::npz::NpzWriter;
use npyz::zip::DateTime;
use npyz::zip::write::FileOptions;
use npyz::{AutoSerialize, DType, WriteOptions, WriterBuilder};

use super::{Exported, checked_shape, write_atomically};
use crate::data::ClassMaps;
use crate::error::Result;

/// Writes bytes as a `.npy` array (`u1`) of the given shape, row-major.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) if the file cannot be written.
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
/// [`Error::Io`](crate::error::Error::Io) if the file cannot be written.
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
/// [`Error::Io`](crate::error::Error::Io) if the file cannot be written.
pub fn write_npz(path: impl AsRef<Path>, data: &ClassMaps) -> Result<()> {
    write_data_set(path.as_ref(), &Exported::new(data, &[]))
}

pub(super) fn write_data_set(path: &Path, data: &Exported) -> Result<()> {
    write_atomically(path, |file| write_archive(file, data))
}

fn write_archive(file: impl Write + Seek, data: &Exported) -> io::Result<()> {
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
        .write_all(data.maps)?;

    let mut array = archive.array("properties", options)?.default_dtype().shape(&rows).begin_nd()?;
    array.extend(data.properties)?;
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
        array.push(*name)?;
    }
    array.finish()?;

    let mut array = archive.array("classes", options)?.default_dtype().shape(&[]).begin_nd()?;
    array.push(&(data.classes as i64))?;
    array.finish()?;

    // Dropping the writer would finish the archive too, but swallow what goes wrong.
    archive.zip_writer().finish().map_err(io::Error::from)?;
    Ok(())
}
