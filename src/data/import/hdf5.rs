//! HDF5: arrays `[N, H, W]` or rows of images under a name, and the cell arrays of DREAM.3D.
//!
//! A DREAM.3D file keeps image geometries in `/DataContainers`: `_SIMPL_GEOMETRY/DIMENSIONS` counts
//! cells along x, y and z, and arrays over the cells, `[z, y, x, 1]`, lie in a group beside it. Each
//! slice along z becomes an image. Feature and phase numbers count from 1, where 0 means none.
//!
//! The library is C and not made for hostile files: what it reports becomes an error here, but a
//! file that was made to harm it might.

use std::path::Path;

use hdf5_metno::types::{FloatSize, TypeDescriptor};
use hdf5_metno::{Dataset, File, Group};

use super::collect::{Collector, Picture, Values};
use super::layout::{Layout, TwoAxes, layout};
use crate::error::{Error, Result};

/// Bytes of decompressed chunks to keep: a chunk often spans many images.
const CACHE: usize = 256 << 20;
/// Arrays over cells that DREAM.3D itself makes, in the order of preference; both count from 1.
const CELL_ARRAYS: [&str; 2] = ["Phases", "FeatureIds"];

/// Reads the images of one data set.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let damaged = |e| damaged(path, &e);
    let options = File::with_options().with_fapl(|p| p.chunk_cache(12_421, CACHE, 0.75)).clone();
    let file = options.open(path).map_err(damaged)?;
    let asked = collector.options.dataset.clone();
    if file.link_exists("DataContainers") {
        return read_cells(path, &file, asked.as_deref(), collector);
    }
    let dataset = find(path, &file, asked.as_deref())?;
    let name = dataset.name();
    if name == "/maps" {
        // Ours, or of somebody with other attributes.
        let stated = dataset.attr("classes").and_then(|a| a.read_scalar::<i64>()).ok();
        collector.stated = stated.filter(|k| (1..=256).contains(k)).map(|k| k as usize);
    }
    let refuse = |problem: String| Error::file(path, format!("`{name}` {problem}"));
    let shape = layout(&dataset.shape(), collector.options.shape, None, TwoAxes::Rows).map_err(refuse)?;
    push(path, &dataset, shape, collector)
}

/// The data set asked for, or the one there is.
fn find(path: &Path, file: &File, asked: Option<&str>) -> Result<Dataset> {
    let all = file.datasets().map_err(|e| damaged(path, &e))?;
    let names = || all.iter().map(|d| d.name().trim_start_matches('/').to_owned()).collect::<Vec<_>>();
    if let Some(asked) = asked {
        let hint = if all.is_empty() { String::new() } else { format!(": it has {}", names().join(", ")) };
        return file
            .dataset(asked)
            .map_err(|_| Error::file(path, format!("has no data set `{asked}`{hint}")));
    }
    if let Some(maps) = all.iter().find(|d| d.name() == "/maps") {
        return Ok(maps.clone());
    }
    let images: Vec<&Dataset> = all.iter().filter(|d| d.ndim() >= 2).collect();
    match images.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Error::file(path, "has no array of images at its root: give --dataset GROUP/NAME")),
        _ => Err(Error::file(
            path,
            format!("holds several data sets: give --dataset, one of {}", names().join(", ")),
        )),
    }
}

/// Reads an array over the cells of the file's image geometry.
fn read_cells(path: &Path, file: &File, asked: Option<&str>, collector: &mut Collector) -> Result<()> {
    let damaged = |e| damaged(path, &e);
    let containers = file.group("DataContainers").and_then(|g| g.groups()).map_err(damaged)?;
    let with_image = |g: &&Group| g.dataset("_SIMPL_GEOMETRY/DIMENSIONS").is_ok();
    let containers: Vec<&Group> = containers.iter().filter(with_image).collect();
    let mut found: Vec<(Dataset, [usize; 3])> = Vec::new();
    let mut arrays = Vec::new();
    for container in &containers {
        let dimensions = container.dataset("_SIMPL_GEOMETRY/DIMENSIONS").and_then(|d| d.read_raw::<u64>());
        let Ok([x, y, z]) = <[u64; 3]>::try_from(dimensions.map_err(damaged)?) else {
            return Err(Error::file(
                path,
                format!("`{}`: DIMENSIONS must be three numbers", container.name()),
            ));
        };
        let cells = [z as usize, y as usize, x as usize];
        for group in container.groups().map_err(damaged)? {
            for dataset in group.datasets().map_err(damaged)? {
                if dataset.shape().get(..3) == Some(&cells) {
                    arrays.push(dataset.name());
                    found.push((dataset, cells));
                }
            }
        }
    }
    // By path, or by the last part of it.
    let is_named = |dataset: &Dataset, name: &str| {
        let path = dataset.name();
        path.trim_start_matches('/') == name.trim_start_matches('/') || path.rsplit('/').next() == Some(name)
    };
    let named = |name: &str| found.iter().filter(|(d, _)| is_named(d, name)).collect::<Vec<_>>();
    let candidates = match asked {
        Some(name) => named(name),
        None => CELL_ARRAYS.iter().map(|name| named(name)).find(|c| !c.is_empty()).unwrap_or_default(),
    };
    let list = if arrays.is_empty() { "none".into() } else { arrays.join(", ") };
    let wanted = asked.map_or_else(|| CELL_ARRAYS.join(" or "), String::from);
    let (dataset, [z, y, x]) = match candidates.as_slice() {
        [one] => *one,
        [] => {
            return Err(Error::file(
                path,
                format!("has no array {wanted} over the cells of an image geometry; there are: {list}"),
            ));
        }
        _ => {
            return Err(Error::file(
                path,
                format!("has several arrays {wanted}: give --dataset with its path, one of {list}"),
            ));
        }
    };
    if CELL_ARRAYS.iter().any(|name| dataset.name().ends_with(&format!("/{name}"))) {
        collector.first = 1;
    }
    let name = dataset.name();
    let refuse = |problem: String| Error::file(path, format!("`{name}` {problem}"));
    let shape = layout(&dataset.shape(), Some([*y, *x]), None, TwoAxes::Rows).map_err(refuse)?;
    if shape.count != *z {
        return Err(refuse(format!("holds {} slices of {z}", shape.count)));
    }
    push(path, dataset, shape, collector)
}

/// Reads a data set image by image.
fn push(path: &Path, dataset: &Dataset, shape: Layout, collector: &mut Collector) -> Result<()> {
    let damaged = |e| damaged(path, &e);
    let Layout { count, height, width, .. } = shape;
    let real = match dataset.dtype().and_then(|t| t.to_descriptor()).map_err(damaged)? {
        TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_) | TypeDescriptor::Boolean => false,
        TypeDescriptor::Float(FloatSize::U4 | FloatSize::U8) => true,
        other => {
            return Err(Error::file(
                path,
                format!("`{}` holds {other}: need integers or real numbers", dataset.name()),
            ));
        }
    };
    for i in 0..count {
        let values = if real {
            Values::Reals(image(dataset, i, count).map_err(damaged)?)
        } else {
            Values::Integers(image(dataset, i, count).map_err(damaged)?)
        };
        let place = format!("`{}` image {i}", dataset.name());
        collector.push(&Picture { path, place, height, width, values })?;
    }
    Ok(())
}

/// The values of one image, converted by the library.
fn image<T: hdf5_metno::H5Type + Copy>(
    dataset: &Dataset,
    i: usize,
    count: usize,
) -> hdf5_metno::Result<Vec<T>> {
    Ok(match dataset.ndim() {
        // One image, and `layout` saw to its size.
        2 if count == 1 => dataset.read_raw::<T>()?,
        2 => dataset.read_slice_1d::<T, _>((i, ..))?.to_vec(),
        3 => dataset.read_slice_2d::<T, _>((i, .., ..))?.iter().copied().collect(),
        _ => dataset.read_slice_2d::<T, _>((i, .., .., 0))?.iter().copied().collect(),
    })
}

fn damaged(path: &Path, error: &hdf5_metno::Error) -> Error {
    let text = error.to_string().replace('\n', " ");
    Error::file(path, format!("is a damaged, cut or unusual HDF5 file: {text}"))
}
