//! CSV: the properties as a table, a row for each image; the pixels are in the other formats.

use std::io::Write;
use std::path::Path;

use super::{Exported, write_atomically};
use crate::error::Result;

/// Writes the number of each image and its properties, with as many digits as tell them apart.
pub(super) fn write(path: &Path, data: &Exported) -> Result<()> {
    write_atomically(path, |file| {
        let names = std::iter::once("image".to_owned()).chain(data.names.iter().map(|name| quoted(name)));
        writeln!(file, "{}", names.collect::<Vec<_>>().join(","))?;
        for i in 0..data.count {
            write!(file, "{i}")?;
            for value in data.row(i) {
                write!(file, ",{value}")?;
            }
            writeln!(file)?;
        }
        Ok(())
    })
}

/// A name in quotation marks if it needs them (RFC 4180).
fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.into()
    }
}
