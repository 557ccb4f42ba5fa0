//! HDF5 with plain arrays: `/maps` (`u1` `[N, H, W]`, with `classes`, `spacing` and `unit` as
//! attributes), `/properties` (`f4` `[N, P]`) and `/names` (text `[P]`); where the set has them
//! `/labels` (`f8` `[K]`) and `/held_out` (`u1` `[N]`).
//!
//! Files are of the format of HDF5 1.8, which everybody's library reads, and hold no time of their
//! making. A file is put together in memory: writing takes about twice the bytes of its arrays, for which
//! [`Format::most_pixels`](super::Format::most_pixels) sets a limit.

use std::io::{self, Write};
use std::path::Path;

use hdf5_writer::{
    AttributeBuilder, DatasetBuilder, Datatype, FILTER_DEFLATE, FilterDescription, H5WriteElement,
    Hdf5Builder, Result as H5Result, StringEncoding, StringPadding, StringSize, WriteOptions,
};

use super::{Exported, write_atomically};
use crate::error::{Error, Result};

/// Bytes of a chunk, about: large enough to compress, small enough to read one image.
const CHUNK: usize = 1 << 18;
const DEFLATE: u32 = 4;

/// Writes all arrays.
pub(super) fn write(path: &Path, data: &Exported) -> Result<()> {
    write_file(path, || {
        let maps = array("maps", data.maps, &[data.count, data.height, data.width])?
            .attribute(AttributeBuilder::scalar("classes", data.classes as i64)?)
            .attribute(AttributeBuilder::scalar("spacing", data.spacing)?)
            .attribute(text("unit", data.unit));
        let properties = array("properties", data.properties, &[data.count, data.names.len()])?;
        let names = DatasetBuilder::vlen_string_data("names", vec![data.names.len() as u64], &data.names)?;
        let mut file = Hdf5Builder::new().dataset(maps).dataset(properties).dataset(names);
        if !data.labels.is_empty() {
            file = file.dataset(array("labels", data.labels, &[data.labels.len()])?);
        }
        if !data.held_out.is_empty() {
            let flags: Vec<u8> = data.held_out.iter().map(|&flag| u8::from(flag)).collect();
            file = file.dataset(array("held_out", &flags, &[flags.len()])?);
        }
        Ok(file)
    })
}

/// Writes a file.
///
/// # Errors
/// [`Error::File`] for contents that HDF5 cannot hold, [`Error::Io`] as every writer.
pub(super) fn write_file(path: &Path, contents: impl FnOnce() -> H5Result<Hdf5Builder>) -> Result<()> {
    let bytes = contents().and_then(|file| file.into_plan()?.encode(WriteOptions::default()));
    let bytes = bytes.map_err(|e| Error::file(path, format!("cannot be written as HDF5: {e}")))?;
    write_atomically(path, |file| -> io::Result<()> { file.write_all(&bytes) })
}

/// An array under a path; compressed, unless it is small.
pub(super) fn array<T: H5WriteElement>(path: &str, data: &[T], shape: &[usize]) -> H5Result<DatasetBuilder> {
    let sides: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let array = DatasetBuilder::typed_data(path, sides.as_slice(), data)?;
    if size_of_val(data) <= CHUNK || shape.len() < 2 {
        return Ok(array);
    }
    let item = size_of_val(data) / shape[0];
    let mut chunk = sides;
    chunk[0] = ((CHUNK / item.max(1)) as u64).clamp(1, chunk[0]);
    let deflate = FilterDescription { id: FILTER_DEFLATE, name: None, client_data: vec![DEFLATE] };
    Ok(array.chunked(chunk).filter(deflate))
}

/// Text of fixed length, ended by a zero byte.
pub(super) fn text(name: &str, value: &str) -> AttributeBuilder {
    let encoding = if value.is_ascii() { StringEncoding::Ascii } else { StringEncoding::Utf8 };
    let bytes = [value.as_bytes(), &[0]].concat();
    let size = StringSize::Fixed(bytes.len() as u32);
    let padding = StringPadding::NullTerminate;
    AttributeBuilder::new(name, Datatype::String { size, encoding, padding }, vec![], bytes)
}
