//! The layout of DREAM.3D 6.5, file version 7.0: an image geometry whose slices along z are the
//! images, with the array `Phases` over its cells. DREAM3D-NX reads it too.
//!
//! DREAM.3D counts phases from 1 and keeps 0 for "none", so class c is phase c + 1; importing takes
//! the 1 off again. Groups and attributes are those that SIMPL's reader asks for: names and kinds of
//! the geometry, matrix type and tuple dimensions (x, y, z) of the cells, component and tuple
//! dimensions of the array, the two versions at the root. The pipeline is empty: none made the file.

use std::path::Path;

use hdf5_writer::{AttributeBuilder, H5WriteElement, Hdf5Builder, Result as H5Result};

use super::Exported;
use super::hdf5::{array, text, write_file};
use crate::error::Result;

/// Attribute matrices of cells have this type.
const CELL: u32 = 3;
/// Image geometries have this type.
const IMAGE: u32 = 0;

const GEOMETRY: &str = "DataContainers/ImageDataContainer/_SIMPL_GEOMETRY";
const CELLS: &str = "DataContainers/ImageDataContainer/CellData";

/// Writes all images as one stack.
pub(super) fn write(path: &Path, data: &Exported) -> Result<()> {
    write_file(path, || {
        let file = Hdf5Builder::new()
            .attribute(text("FileVersion", "7.0"))
            .attribute(text("DREAM3D Version", "6.5.0"))
            // Groups that must be there; a group is made by what it holds.
            .group_attribute("DataContainerBundles", numbers("Count", &[0u32])?)
            .group_attribute("Pipeline", numbers("Pipeline Version", &[2i32])?);
        cells(geometry(file, data)?, data)
    })
}

/// Cells along x, y and z.
fn dimensions(data: &Exported) -> [u64; 3] {
    [data.width, data.height, data.count].map(|n| n as u64)
}

fn geometry(file: Hdf5Builder, data: &Exported) -> H5Result<Hdf5Builder> {
    let within = |name: &str| format!("{GEOMETRY}/{name}");
    Ok(file
        .group_attribute(GEOMETRY, text("GeometryName", "ImageGeometry"))
        .group_attribute(GEOMETRY, text("GeometryTypeName", "ImageGeometry"))
        .group_attribute(GEOMETRY, numbers("GeometryType", &[IMAGE])?)
        .group_attribute(GEOMETRY, numbers("SpatialDimensionality", &[3u32])?)
        .group_attribute(GEOMETRY, numbers("UnitDimensionality", &[3u32])?)
        .dataset(array(&within("DIMENSIONS"), &dimensions(data).map(|n| n as i64), &[3])?)
        .dataset(array(&within("ORIGIN"), &[0f32; 3], &[3])?)
        .dataset(array(&within("SPACING"), &[data.spacing as f32; 3], &[3])?))
}

fn cells(file: Hdf5Builder, data: &Exported) -> H5Result<Hdf5Builder> {
    let [x, y, z] = dimensions(data);
    let phases: Vec<i32> = data.maps.iter().map(|&class| i32::from(class) + 1).collect();
    let shape = [data.count, data.height, data.width, 1];
    let phases = array(&format!("{CELLS}/Phases"), &phases, &shape)?
        .attribute(text("ObjectType", "DataArray<int32_t>"))
        .attribute(text("Tuple Axis Dimensions", &format!("x={x},y={y},z={z}")))
        .attribute(numbers("DataArrayVersion", &[2i32])?)
        .attribute(numbers("ComponentDimensions", &[1u64])?)
        .attribute(numbers("TupleDimensions", &[x, y, z])?);
    Ok(file
        .group_attribute(CELLS, numbers("AttributeMatrixType", &[CELL])?)
        .group_attribute(CELLS, numbers("TupleDimensions", &[x, y, z])?)
        .dataset(phases))
}

fn numbers<T: H5WriteElement>(name: &str, values: &[T]) -> H5Result<AttributeBuilder> {
    AttributeBuilder::vector(name, values)
}
