//! Files that are made from the collected arrays, piece by piece: the table, the picture, the formats
//! asked for.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::arrays::Arrays;
use super::record::Record;
use crate::cli::FormatArg;
use crate::data::export::{Exported, Quantity, Stored, Units, cell, path_of, quoted, write_atomically};
use crate::error::{Error, Result};
use crate::eval::view::{palette, picture, tiled};
use crate::invariance::Column;
use crate::train::Task;

/// Most samples drawn into the picture.
const SHOWN: usize = 64;
/// Rows of the table made at a time.
const ROWS: usize = 4096;

const TABLE: &str = "measured.csv";
const PICTURE: &str = "samples.png";
const TILES: &str = "tiles.png";
const STEM: &str = "samples";

/// Most samples drawn as tiles, and how many in a row.
const TILED: usize = 16;
const TILES_ACROSS: usize = 4;

/// The files that will be made, by name.
pub(in crate::cli) fn names(format: &FormatArg, tile: Option<u32>) -> Vec<String> {
    let formats = format.format.iter().map(|&f| path_of("", STEM, f).display().to_string());
    let tiles = tile.map(|_| TILES.to_owned());
    [TABLE, PICTURE].map(String::from).into_iter().chain(tiles).chain(formats).collect()
}

/// Makes them of the samples that are there; returns how many numbers are missing.
pub(in crate::cli) fn write(
    folder: &Path,
    arrays: &Arrays,
    task: &Task,
    format: &FormatArg,
    tile: Option<u32>,
) -> Result<usize> {
    let missing = table(&folder.join(TABLE), arrays, task, &format.units())?;
    let shown = arrays.rows().min(SHOWN);
    let read = |what: std::io::Result<Vec<f32>>| what.map_err(|e| Error::io(folder, e));
    let asked = read(arrays.asked(0, shown))?;
    let maps = arrays.maps(0, shown).map_err(|e| Error::io(folder, e))?;
    picture(task, &maps, &asked, 8).write_png(folder.join(PICTURE))?;
    if let Some(times) = tile {
        let maps = &maps[..shown.min(TILED) * task.images().pixels()];
        tiled(task, maps, times as usize, TILES_ACROSS).write_png(folder.join(TILES))?;
    }
    let [height, width] = task.images().size;
    let classes = task.images().classes;
    let data = Exported {
        names: task.columns().iter().map(|c| c.name.as_str()).collect(),
        quantities: task.columns().iter().map(quantity).collect(),
        labels: task.labels(),
        ..Exported::stored(arrays, [arrays.rows(), height, width], classes, palette(task.look(), classes))
    };
    format.write_exported(folder, STEM, data)?;
    Ok(missing)
}

/// A row for each sample: what was asked and measured, each number also in the unit of length where
/// one was given, and what lies outside the trained range.
fn table(path: &Path, arrays: &Arrays, task: &Task, units: &Units) -> Result<usize> {
    let columns = task.columns();
    let ranges: Vec<(f64, f64)> = (0..columns.len()).map(|i| task.range(i)).collect();
    // Asked numbers have been rounded to single precision.
    let outside = |v: f32, (low, high): (f64, f64)| {
        let slack = 1e-6 * low.abs().max(high.abs());
        f64::from(v) < low - slack || f64::from(v) > high + slack
    };
    let measures: Vec<Option<String>> = columns.iter().map(|c| units.column(&c.name, quantity(c))).collect();
    let mut missing = 0;
    write_atomically(path, |file| {
        let mut header = Vec::new();
        for c in columns {
            header.extend(["asked", "measured"].map(|what| quoted(&format!("{what}_{}", c.name))));
        }
        for name in measures.iter().flatten() {
            header.extend(["asked", "measured"].map(|what| quoted(&format!("{what}_{name}"))));
        }
        header.push("outside_range".into());
        writeln!(file, "{}", header.join(","))?;
        for first in (0..arrays.rows()).step_by(ROWS) {
            let count = ROWS.min(arrays.rows() - first);
            let asked = arrays.asked(first, count)?;
            let measured = arrays.properties(first, count)?;
            for (asked, measured) in
                asked.chunks_exact(columns.len()).zip(measured.chunks_exact(columns.len()))
            {
                let pairs = || asked.iter().zip(measured);
                missing += measured.iter().filter(|v| v.is_nan()).count();
                let mut row: Vec<String> = pairs().flat_map(|(a, m)| [cell(*a), cell(*m)]).collect();
                for (((a, m), c), _) in
                    pairs().zip(columns).zip(&measures).filter(|(_, measure)| measure.is_some())
                {
                    row.extend([*a, *m].map(|v| cell(units.value(v, quantity(c)))));
                }
                let names =
                    asked.iter().zip(&ranges).zip(columns).filter(|((a, range), _)| outside(**a, **range));
                row.push(quoted(&names.map(|(_, c)| c.name.as_str()).collect::<Vec<_>>().join(" ")));
                writeln!(file, "{}", row.join(","))?;
            }
        }
        Ok(())
    })?;
    Ok(missing)
}

/// What a number is, as far as a unit of length concerns it.
fn quantity(column: &Column) -> Quantity {
    Quantity::of(&column.unit, column.position)
}

/// The files of a record, with their folder.
pub(in crate::cli) fn paths(folder: &Path, record: &Record) -> Vec<PathBuf> {
    record.files.iter().map(|file| folder.join(file)).collect()
}
