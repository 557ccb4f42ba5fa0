//! Files that are made from the collected arrays, piece by piece: the table, the picture, the formats
//! asked for.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::arrays::{Arrays, SAMPLES};
use super::record::Record;
use crate::cli::FormatArg;
use crate::close::Effort;
use crate::close::certificate::{self, Certifier, Rows, Summary};
use crate::data::export::{
    Exported, Format, Quantity, Stored, Units, cell, path_of, quoted, write_atomically,
};
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

/// What a table says of a sample that was closed.
const CLOSING: [&str; 5] = ["within", "passes", "steps", "flips", "tries"];

/// Most samples drawn as tiles, and how many in a row.
const TILED: usize = 16;
const TILES_ACROSS: usize = 4;

/// The files that will be made, by name.
pub(in crate::cli) fn names(format: &FormatArg, tile: Option<u32>, closed: bool) -> Vec<String> {
    let chosen = &format.format;
    // The array is there whatever is asked for.
    let once = |&(i, f): &(usize, &Format)| *f != Format::Npy && !chosen[..i].contains(f);
    let formats = chosen.iter().enumerate().filter(once);
    let formats = formats.map(|(_, &f)| path_of("", STEM, f).display().to_string());
    let tiles = tile.map(|_| TILES.to_owned());
    let certificate = if closed { &[certificate::TABLE, certificate::SUMMARY][..] } else { &[] };
    let always = [TABLE, PICTURE].iter().chain(certificate).map(|&name| name.to_owned());
    always.chain(tiles).chain(formats).collect()
}

/// Makes them of the samples that are there; returns how many numbers are missing, and how near samples
/// came that were closed.
pub(in crate::cli) fn write(
    folder: &Path,
    arrays: &Arrays,
    task: &Task,
    record: &Record,
    format: &FormatArg,
    tile: Option<u32>,
) -> Result<(usize, Option<Summary>)> {
    let missing = table(&folder.join(TABLE), arrays, task, &format.units())?;
    let summary = certify(folder, arrays, task, record)?;
    let shown = arrays.rows().min(SHOWN);
    let read = |what: io::Result<Vec<f32>>| what.map_err(|e| Error::io(folder, e));
    let asked = read(arrays.asked(0, shown))?;
    let maps = arrays.maps(0, shown).map_err(|e| Error::io(folder, e))?;
    picture(task, &maps, &asked, 8).write_png(folder.join(PICTURE))?;
    if let Some(times) = tile {
        let maps = &maps[..shown.min(TILED) * task.images().pixels()];
        tiled(task, maps, times as usize, TILES_ACROSS).write_png(folder.join(TILES))?;
    }
    let [height, width] = task.images().size;
    let classes = task.images().classes;
    let closing = if summary.is_some() { &CLOSING[..] } else { &[] };
    let all = Together { arrays, task };
    let data = Exported {
        names: task.columns().iter().map(|c| c.name.as_str()).chain(closing.iter().copied()).collect(),
        quantities: task
            .columns()
            .iter()
            .map(quantity)
            .chain(closing.iter().map(|name| Quantity::of_name(name)))
            .collect(),
        labels: task.labels(),
        ..Exported::stored(&all, [arrays.rows(), height, width], classes, palette(task.look(), classes))
    };
    format.write_exported(folder, STEM, data)?;
    Ok((missing, summary))
}

/// Samples with what is measured of them, and what closing took beside it.
#[derive(Debug)]
struct Together<'a> {
    arrays: &'a Arrays,
    task: &'a Task,
}

impl Stored for Together<'_> {
    fn maps(&self, first: usize, count: usize) -> io::Result<Vec<u8>> {
        self.arrays.maps(first, count)
    }

    fn properties(&self, first: usize, count: usize) -> io::Result<Vec<f32>> {
        let measured = self.arrays.properties(first, count)?;
        let Some(closing) = closing_of(self.arrays, self.task, first, count, &measured)? else {
            return Ok(measured);
        };
        let rows = measured.chunks_exact(self.task.columns().len()).zip(closing);
        Ok(rows.flat_map(|(row, closing)| row.iter().copied().chain(closing)).collect())
    }
}

/// What [`CLOSING`] names of samples that were closed, `[count]`.
fn closing_of(
    arrays: &Arrays,
    task: &Task,
    first: usize,
    count: usize,
    measured: &[f32],
) -> io::Result<Option<Vec<[f32; 5]>>> {
    let Some((tolerances, effort)) = arrays.closing(first, count)? else { return Ok(None) };
    let (asked, width) = (arrays.asked(first, count)?, task.columns().len());
    let of = |(i, e): (usize, &Effort)| {
        let row = |all: &'_ [f32]| all[i * width..][..width].to_vec();
        let within = certificate::whole(task.columns(), &row(measured), &row(&asked), &row(&tolerances));
        let took = [e.passes, e.steps, e.flips, e.tries].map(|n| n as f32);
        [f32::from(u8::from(within)), took[0], took[1], took[2], took[3]]
    };
    Ok(Some(effort.iter().enumerate().map(of).collect()))
}

/// Writes the certificate of samples that were closed.
fn certify(folder: &Path, arrays: &Arrays, task: &Task, record: &Record) -> Result<Option<Summary>> {
    let Some(mut certifier) = certifier_of(task, record) else { return Ok(None) };
    write_atomically(folder.join(certificate::TABLE), |file| {
        certify_rows(&mut certifier, file, arrays, record)
    })?;
    let summary = certifier.finish();
    let text = serde_json::to_string_pretty(&summary).expect("numbers and names are JSON");
    write_atomically(folder.join(certificate::SUMMARY), |file| writeln!(file, "{text}"))?;
    Ok(Some(summary))
}

fn certifier_of<'a>(task: &'a Task, record: &Record) -> Option<Certifier<'a>> {
    let closing = record.closing.as_ref()?;
    Some(Certifier::new(task, record.seed, closing.tries, closing.tolerances.clone()))
}

/// Writes the table of a certificate.
fn certify_rows(
    certifier: &mut Certifier,
    file: &mut impl Write,
    arrays: &Arrays,
    record: &Record,
) -> io::Result<()> {
    certifier.header(file)?;
    for first in (0..arrays.rows()).step_by(ROWS) {
        let count = ROWS.min(arrays.rows() - first);
        let Some((tolerances, effort)) = arrays.closing(first, count)? else { continue };
        let (asked, measured) = (arrays.asked(first, count)?, arrays.properties(first, count)?);
        let rows = Rows {
            index: record.range().start + first,
            asked: &asked,
            measured: &measured,
            tolerances: &tolerances,
            effort: &effort,
        };
        certifier.rows(file, rows, &arrays.maps(first, count)?)?;
    }
    Ok(())
}

/// Refuses arrays that are not those which the certificate beside them is of. Samples that were not closed have
/// none.
pub(in crate::cli) fn check(folder: &Path, arrays: &Arrays, task: &Task, record: &Record) -> Result<()> {
    let Some(mut certifier) = certifier_of(task, record) else { return Ok(()) };
    let stated = Summary::read(&folder.join(certificate::SUMMARY))?;
    certify_rows(&mut certifier, &mut io::sink(), arrays, record).map_err(|e| Error::io(folder, e))?;
    let found = certifier.finish();
    let what = if found.samples_sha256 != stated.samples_sha256 {
        SAMPLES
    } else if found.table_sha256 != stated.table_sha256 {
        "asked.npy, measured.npy, tolerances.npy or effort.npy"
    } else {
        return Ok(());
    };
    let problem =
        format!("{what} was changed after it was certified: generate this part again, with --overwrite");
    Err(Error::file(folder, problem))
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
        let closed = arrays.closing(0, 0)?.is_some();
        header.extend(closed.then_some(CLOSING).into_iter().flatten().map(String::from));
        writeln!(file, "{}", header.join(","))?;
        for first in (0..arrays.rows()).step_by(ROWS) {
            let count = ROWS.min(arrays.rows() - first);
            let asked = arrays.asked(first, count)?;
            let measured = arrays.properties(first, count)?;
            let closing = closing_of(arrays, task, first, count, &measured)?;
            for (i, (asked, measured)) in
                asked.chunks_exact(columns.len()).zip(measured.chunks_exact(columns.len())).enumerate()
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
                row.extend(closing.iter().flat_map(|rows| rows[i]).map(cell));
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
