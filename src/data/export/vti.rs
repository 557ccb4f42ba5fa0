//! VTK image data in XML, which ParaView opens: one image, its classes in cells of a physical size.
//!
//! A pixel is a cell, `spacing` wide and high. Rows are stored from row 0 on; where row 0 is the top
//! (the field data `origin` says `upper`) the second axis of the image points down, from y = height, so
//! that a view with y upward shows what a picture shows. The unit and the image's properties are
//! field data; one that is missing is left out. The classes follow the XML as raw bytes ("appended"), after an
//! underscore and their number as 64 little-endian bits: see "XML file formats" in the VTK
//! documentation.

use std::io::Write;
use std::path::Path;

use super::{Exported, Origin, write_atomically};
use crate::error::Result;

/// Writes image `i`.
pub(super) fn write(path: &Path, data: &Exported, i: usize) -> Result<()> {
    let Exported { width, height, spacing, .. } = *data;
    let extent = format!("0 {width} 0 {height} 0 1");
    let mut fields = String::new();
    for (name, value) in data.names.iter().zip(data.row(i)).filter(|(_, value)| !value.is_nan()) {
        let name = escaped(name);
        fields += &format!(
            "      <DataArray type=\"Float32\" Name=\"{name}\" NumberOfTuples=\"1\" format=\"ascii\">{value}</DataArray>\n"
        );
    }
    let unit = text(data.unit);
    let (origin, y, direction) = match data.origin {
        Origin::Upper => ("upper", height as f64 * spacing, r#" Direction="1 0 0 0 -1 0 0 0 1""#),
        Origin::Lower => ("lower", 0.0, ""),
    };
    let origin = text(origin);
    write_atomically(path, |file| {
        write!(
            file,
            r#"<?xml version="1.0"?>
<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">
  <ImageData WholeExtent="{extent}" Origin="0 {y} 0" Spacing="{spacing} {spacing} {spacing}"{direction}>
    <FieldData>
      <Array type="String" Name="unit" NumberOfTuples="1" format="ascii">{unit}0</Array>
      <Array type="String" Name="origin" NumberOfTuples="1" format="ascii">{origin}0</Array>
{fields}    </FieldData>
    <Piece Extent="{extent}">
      <CellData Scalars="class">
        <DataArray type="UInt8" Name="class" format="appended" offset="0"/>
      </CellData>
    </Piece>
  </ImageData>
  <AppendedData encoding="raw">
_"#
        )?;
        file.write_all(&((width * height) as u64).to_le_bytes())?;
        file.write_all(data.map(i))?;
        file.write_all(b"\n  </AppendedData>\n</VTKFile>\n")
    })
}

/// Text as VTK keeps it: the numbers of its bytes; a 0 ends it.
fn text(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte} ")).collect()
}

/// Text inside an XML attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
