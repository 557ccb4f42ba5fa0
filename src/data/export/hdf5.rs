//! HDF5 with plain arrays: `/maps` (`u1` `[N, H, W]`, with `classes`, `spacing` and `unit` as
//! attributes), `/properties` (`f4` `[N, P]`) and `/names` (text `[P]`).

use std::io;
use std::path::Path;

use hdf5_metno::file::LibraryVersion;
use hdf5_metno::types::VarLenUnicode;
use hdf5_metno::{Dataset, File, Group, H5Type};

use super::{Exported, replace};
use crate::error::Result;

/// Bytes of a chunk, about: large enough to compress, small enough to read one image.
const CHUNK: usize = 1 << 18;
const DEFLATE: u8 = 4;

/// Writes all arrays.
pub(super) fn write(path: &Path, data: &Exported) -> Result<()> {
    write_file(path, |file| {
        let maps = array(file, "maps", data.maps, &[data.count, data.height, data.width])?;
        maps.new_attr::<i64>().create("classes")?.write_scalar(&(data.classes as i64))?;
        maps.new_attr::<f64>().create("spacing")?.write_scalar(&data.spacing)?;
        maps.new_attr::<VarLenUnicode>().create("unit")?.write_scalar(&text(data.unit)?)?;
        array(file, "properties", data.properties, &[data.count, data.names.len()])?;
        let names = data.names.iter().map(|name| text(name)).collect::<hdf5_metno::Result<Vec<_>>>()?;
        array(file, "names", &names, &[data.names.len()])?;
        Ok(())
    })
}

/// Fills a file whose only way in is its name, in the format of HDF5 1.8, which everybody's library
/// reads.
pub(super) fn write_file(path: &Path, fill: impl FnOnce(&File) -> hdf5_metno::Result<()>) -> Result<()> {
    replace(path, |temporary| {
        let options = File::with_options()
            .with_fapl(|p| p.libver_bounds(LibraryVersion::Earliest, LibraryVersion::V18))
            .with_fcpl(|p| p.obj_track_times(false))
            .clone();
        let file = options.create(temporary).map_err(io::Error::other)?;
        fill(&file).and_then(|()| file.close()).map_err(io::Error::other)?;
        std::fs::File::open(temporary)?.sync_all()
    })
}

/// A compressed array that holds no time of its making.
pub(super) fn array<T: H5Type>(
    group: &Group,
    name: &str,
    data: &[T],
    shape: &[usize],
) -> hdf5_metno::Result<Dataset> {
    let builder = group.new_dataset::<T>().obj_track_times(false);
    let elements: usize = shape.iter().product();
    let dataset = if elements * size_of::<T>() > CHUNK && shape.len() > 1 {
        let item = elements / shape[0] * size_of::<T>();
        let mut chunk = shape.to_vec();
        chunk[0] = (CHUNK / item.max(1)).clamp(1, shape[0]);
        builder.chunk(chunk).deflate(DEFLATE).shape(shape).create(name)?
    } else {
        builder.shape(shape).create(name)?
    };
    dataset.write_raw(data)?;
    Ok(dataset)
}

fn text(text: &str) -> hdf5_metno::Result<VarLenUnicode> {
    text.parse().map_err(|e| hdf5_metno::Error::from(format!("{text:?}: {e}")))
}
