//! CSV: the properties as a table, a row for each image; the pixels are in the other formats.

use std::io::Write;
use std::path::Path;

use super::{Exported, write_atomically};
use crate::error::Result;

/// Writes the number of each image and its properties, with as many digits as tell them apart; a column
/// `held_out` where the set says what is held out.
pub(super) fn write(path: &Path, data: &Exported) -> Result<()> {
    write_atomically(path, |file| {
        let names = std::iter::once("image".to_owned()).chain(data.names.iter().map(|name| quoted(name)));
        let flag = (!data.held_out.is_empty()).then(|| "held_out".to_owned());
        writeln!(file, "{}", names.chain(flag).collect::<Vec<_>>().join(","))?;
        for i in 0..data.count {
            write!(file, "{i}")?;
            for value in data.row(i) {
                write!(file, ",{value}")?;
            }
            if let Some(&flag) = data.held_out.get(i) {
                write!(file, ",{}", u8::from(flag))?;
            }
            writeln!(file)?;
        }
        Ok(())
    })
}

/// A name in quotation marks if it needs them (RFC 4180).
pub(crate) fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.into()
    }
}
