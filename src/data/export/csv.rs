//! CSV: the properties as a table, a row for each image; the pixels are in the other formats.

use std::io::Write;
use std::path::Path;

use super::{Exported, write_atomically};
use crate::error::Result;

/// Writes the number of each image and its properties, with as many digits as tell them apart, then
/// those that have one in the unit of length; a column `held_out` where the set says what is held out.
/// A property that is missing is an empty cell.
pub(super) fn write(path: &Path, data: &Exported) -> Result<()> {
    let units = data.units();
    let columns: Vec<_> = data.names.iter().zip(&data.quantities).collect();
    let measures: Vec<Option<String>> = columns.iter().map(|(name, q)| units.column(name, **q)).collect();
    write_atomically(path, |file| {
        let names = data.names.iter().copied().chain(measures.iter().flatten().map(String::as_str));
        let flag = (!data.held_out.is_empty()).then_some("held_out");
        let names = std::iter::once("image").chain(names).chain(flag).map(quoted);
        writeln!(file, "{}", names.collect::<Vec<_>>().join(","))?;
        data.filling(|first, piece| {
            for i in 0..piece.count {
                write!(file, "{}", first + i)?;
                for &value in piece.row(i) {
                    write!(file, ",{}", cell(value))?;
                }
                for ((&value, (_, q)), measure) in piece.row(i).iter().zip(&columns).zip(&measures) {
                    if measure.is_some() {
                        write!(file, ",{}", cell(units.value(value, **q)))?;
                    }
                }
                if let Some(&flag) = piece.held_out.get(i) {
                    write!(file, ",{}", u8::from(flag))?;
                }
                writeln!(file)?;
            }
            Ok(())
        })
    })
}

/// A number with as many digits as give the same number again; nothing for one that is missing.
pub(crate) fn cell(value: f32) -> String {
    if value.is_nan() { String::new() } else { value.to_string() }
}

/// A name in quotation marks if it needs them (RFC 4180).
pub(crate) fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.into()
    }
}
