//! VTK image data in XML, which ParaView opens: one image, its classes in cells of a physical size.
//!
//! A pixel is a cell, `spacing` wide and high; the corner of pixel (0, 0) is the origin. Rows go along
//! y, so row 0 is at y = 0: in a view with y upward the picture stands on its head. The unit and the
//! image's properties are field data. The classes follow the XML as raw bytes ("appended"), after an
//! underscore and their number as 64 little-endian bits: see "XML file formats" in the VTK
//! documentation.

use std::io::Write;
use std::path::Path;

use super::{Exported, write_atomically};
use crate::error::Result;

/// Writes image `i`.
pub(super) fn write(path: &Path, data: &Exported, i: usize) -> Result<()> {
    let Exported { width, height, spacing, .. } = *data;
    let extent = format!("0 {width} 0 {height} 0 1");
    let mut fields = String::new();
    for (name, value) in data.names.iter().zip(data.row(i)) {
        let name = escaped(name);
        fields += &format!(
            "      <DataArray type=\"Float32\" Name=\"{name}\" NumberOfTuples=\"1\" format=\"ascii\">{value}</DataArray>\n"
        );
    }
    // VTK keeps text as the numbers of its bytes, ended by 0.
    let unit: String = data.unit.bytes().map(|byte| format!("{byte} ")).collect();
    write_atomically(path, |file| {
        write!(
            file,
            r#"<?xml version="1.0"?>
<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">
  <ImageData WholeExtent="{extent}" Origin="0 0 0" Spacing="{spacing} {spacing} {spacing}">
    <FieldData>
      <Array type="String" Name="unit" NumberOfTuples="1" format="ascii">{unit}0</Array>
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

/// Text inside an XML attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
