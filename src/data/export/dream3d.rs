//! The layout of DREAM.3D 6.5, file version 7.0: an image geometry whose slices along z are the
//! images, with the array `Phases` over its cells.
//!
//! DREAM.3D counts phases from 1 and keeps 0 for "none", so class c is phase c + 1; importing takes
//! the 1 off again. Groups and attributes are those that SIMPL's reader asks for: names and kinds of
//! the geometry, matrix type and tuple dimensions (x, y, z) of the cells, component and tuple
//! dimensions of the array, the two versions at the root. The pipeline is empty: none made the file.

use std::path::Path;

use hdf5_metno::types::FixedAscii;
use hdf5_metno::{Group, H5Type, Location, Result as H5Result};

use super::Exported;
use super::hdf5::{array, write_file};
use crate::error::Result;

/// Attribute matrices of cells have this type.
const CELL: u32 = 3;
/// Image geometries have this type.
const IMAGE: u32 = 0;
/// Text attributes have a fixed length there; the longest is the list of axis dimensions.
type Text = FixedAscii<96>;

/// Writes all images as one stack.
pub(super) fn write(path: &Path, data: &Exported) -> Result<()> {
    write_file(path, |file| {
        text(file, "FileVersion", "7.0")?;
        text(file, "DREAM3D Version", "6.5.0")?;
        group(file, "DataContainerBundles")?;
        group(file, "Pipeline")?;
        let container = group(&group(file, "DataContainers")?, "ImageDataContainer")?;
        geometry(&group(&container, "_SIMPL_GEOMETRY")?, data)?;
        cells(&group(&container, "CellData")?, data)
    })
}

/// Cells along x, y and z.
fn dimensions(data: &Exported) -> [u64; 3] {
    [data.width, data.height, data.count].map(|n| n as u64)
}

fn geometry(group: &Group, data: &Exported) -> H5Result<()> {
    text(group, "GeometryName", "ImageGeometry")?;
    text(group, "GeometryTypeName", "ImageGeometry")?;
    numbers(group, "GeometryType", &[IMAGE])?;
    numbers(group, "SpatialDimensionality", &[3u32])?;
    numbers(group, "UnitDimensionality", &[3u32])?;
    array(group, "DIMENSIONS", &dimensions(data).map(|n| n as i64), &[3])?;
    array(group, "ORIGIN", &[0f32; 3], &[3])?;
    array(group, "SPACING", &[data.spacing as f32; 3], &[3])?;
    Ok(())
}

fn cells(group: &Group, data: &Exported) -> H5Result<()> {
    let [x, y, z] = dimensions(data);
    numbers(group, "AttributeMatrixType", &[CELL])?;
    numbers(group, "TupleDimensions", &[x, y, z])?;
    let phases: Vec<i32> = data.maps.iter().map(|&class| i32::from(class) + 1).collect();
    let phases = array(group, "Phases", &phases, &[data.count, data.height, data.width, 1])?;
    text(&phases, "ObjectType", "DataArray<int32_t>")?;
    text(&phases, "Tuple Axis Dimensions", &format!("x={x},y={y},z={z}"))?;
    numbers(&phases, "DataArrayVersion", &[2i32])?;
    numbers(&phases, "ComponentDimensions", &[1u64])?;
    numbers(&phases, "TupleDimensions", &[x, y, z])
}

fn group(parent: &Group, name: &str) -> H5Result<Group> {
    parent.create_group_builder().obj_track_times(false).create(name)
}

fn text(at: &Location, name: &str, value: &str) -> H5Result<()> {
    let value = Text::from_ascii(value).map_err(|e| hdf5_metno::Error::from(format!("{value:?}: {e}")))?;
    at.new_attr::<Text>().create(name)?.write_scalar(&value)
}

fn numbers<T: H5Type>(at: &Location, name: &str, values: &[T]) -> H5Result<()> {
    at.new_attr::<T>().shape(values.len()).create(name)?.write_raw(values)
}
