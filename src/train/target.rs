//! What is asked for: `--target`, or a table as spreadsheets and this program write them.
//!
//! A table has a header of names and a row for each target. Cells are separated by commas, semicolons
//! or tabs, whichever the header has, and may be quoted; where commas do not separate them they may
//! be decimal. An empty cell leaves its number open. Of a table that has `asked_NAME` columns those
//! are the targets, so that `measured.csv` can be asked for again, and columns that this program
//! itself adds to its tables are passed over.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::Task;
use crate::error::{Error, Result};
use crate::words::counted;

/// Columns of this program's own tables that ask for nothing.
const NOT_ASKED: [&str; 12] = [
    "image",
    "held_out",
    "outside_range",
    "sample",
    "within",
    "passes",
    "steps",
    "flips",
    "tries",
    "draw",
    "seed",
    "index",
];
/// What this program writes of a number beside what is asked for.
const BESIDE: [&str; 4] = ["measured_", "asked_", "tolerance_", "within_"];

/// Whether tables have a column of that name beside the numbers asked for.
pub(super) fn is_taken(name: &str) -> bool {
    NOT_ASKED.contains(&name) || BESIDE.iter().any(|prefix| name.starts_with(prefix))
}

/// A target with numbers left open, and where it was given.
#[derive(Clone, Debug)]
pub struct Target {
    /// The numbers of a task, `[P]`, each in its unit.
    pub wanted: Vec<Option<f32>>,
    /// The option, or the file and line, for messages.
    pub origin: String,
}

/// The number of a name.
fn property(name: &str, task: &Task) -> Option<usize> {
    task.columns().iter().position(|c| c.name == name)
}

/// The number of a name with its unit behind it, in brackets: `r1 (px)`.
fn with_unit(text: &str, task: &Task) -> Option<usize> {
    let (name, unit) = text.strip_suffix([')', ']'])?.split_once(['(', '['])?;
    property(name.trim_end(), task).filter(|&at| task.columns()[at].unit == unit.trim())
}

fn value(text: &str, name: &str, origin: &str) -> Result<f32> {
    match text.trim().parse::<f32>() {
        Ok(v) if v.is_finite() => Ok(v),
        _ => Err(Error::usage(format!("{origin}: {name} = {}: must be a number", text.trim()))),
    }
}

/// Reads `name=number,...`.
///
/// # Errors
/// If a part is no number of the task or stands twice.
pub fn parse(text: &str, task: &Task) -> Result<Target> {
    let origin = format!("--target {text}");
    let mut wanted = vec![None; task.columns().len()];
    for part in text.split(',') {
        let Some((name, number)) = part.split_once('=') else {
            return Err(Error::usage(format!("{origin}: expected name=number, found {part:?}")));
        };
        let name = name.trim();
        let Some(at) = property(name, task) else {
            let names = task.names().join(", ");
            return Err(Error::usage(format!("{origin}: unknown property {name}: use {names}")));
        };
        if wanted[at].replace(value(number, name, &origin)?).is_some() {
            return Err(Error::usage(format!("{origin}: {name} stands twice")));
        }
    }
    Ok(Target { wanted, origin })
}

/// Reads the targets of a table; `ignore_unknown` passes over columns that are no number of the task.
///
/// # Errors
/// If the file cannot be read or is no table of these numbers.
pub fn read(file: &Path, ignore_unknown: bool, task: &Task) -> Result<Vec<Target>> {
    let bytes = std::fs::read(file).map_err(|e| Error::file(file, e.to_string()))?;
    let text = text_of(&bytes).map_err(|problem| Error::file(file, problem))?;
    let separator = separator(text);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for row in reader.records() {
        rows.push(row.map_err(|e| Error::file(file, format!("is no table: {e}")))?);
    }
    let blank = |row: &StringRecord| row.iter().all(|cell| cell.trim().is_empty());
    while rows.last().is_some_and(&blank) {
        rows.pop();
    }
    let Some((header, rows)) = rows.split_first() else {
        return Err(Error::file(file, "is empty: it needs a header of property names and a row a target"));
    };
    let columns = columns(header, rows, file, ignore_unknown, task)?;
    let mut targets = Vec::new();
    for row in rows {
        let origin = format!("{}, line {}", file.display(), line(row, text));
        if row.len() != header.len() {
            let (have, want) = (row.len(), header.len());
            let (values, columns) = (counted(have, "value"), counted(want, "column"));
            return Err(Error::usage(format!("{origin}: {values} for {columns}")));
        }
        let mut wanted = vec![None; task.columns().len()];
        for (cell, &column) in row.iter().zip(&columns) {
            if let Some(column) = column.filter(|_| !cell.trim().is_empty()) {
                let cell = if separator == b',' { cell.to_owned() } else { cell.replace(',', ".") };
                wanted[column] = Some(value(&cell, &task.columns()[column].name, &origin)?);
            }
        }
        targets.push(Target { wanted, origin });
    }
    if targets.is_empty() {
        return Err(Error::file(file, "has a header and no rows"));
    }
    Ok(targets)
}

/// The number of the line that a row of `text` begins in: its position is where the row before ended, line
/// breaks still to come.
fn line(row: &StringRecord, text: &str) -> u64 {
    let Some(position) = row.position() else { return 0 };
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    let breaks = rest.iter().take_while(|byte| b"\r\n".contains(byte)).filter(|&&byte| byte == b'\n');
    position.line() + breaks.count() as u64
}

/// The text of a file, without the mark that some programs put before it.
fn text_of(bytes: &[u8]) -> Result<&str, &'static str> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err("is in UTF-16: save it as CSV in UTF-8"),
        [b'P', b'K', 3, 4, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => {
            Err("is a spreadsheet's own file, and no table in text: save it as CSV in UTF-8")
        }
        _ if bytes.contains(&0) => Err("is no text: save the table as CSV in UTF-8"),
        [b'{' | b'[', ..] => Err("is JSON, and no table: give a header of names and a row for each target"),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            std::str::from_utf8(rest).map_err(|_| "is not text in UTF-8: save it as CSV in UTF-8")
        }
    }
}

/// What separates cells: the first of tab, semicolon and comma that the header has outside quotation marks.
fn separator(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let bare: String = header.split('"').step_by(2).collect();
    *b"\t;".iter().find(|&&c| bare.contains(char::from(c))).unwrap_or(&b',')
}

/// Which number each column of a table asks for; none for columns that are passed over.
fn columns(
    header: &StringRecord,
    rows: &[StringRecord],
    file: &Path,
    ignore_unknown: bool,
    task: &Task,
) -> Result<Vec<Option<usize>>> {
    let own = header
        .iter()
        .any(|name| name.trim().strip_prefix("asked_").is_some_and(|n| property(n, task).is_some()));
    let mut found: Vec<Option<usize>> = Vec::new();
    for (i, name) in header.iter().enumerate() {
        let name = name.trim();
        let asked = if own { name.strip_prefix("asked_") } else { Some(name) };
        let column = asked.and_then(|name| property(name, task).or_else(|| with_unit(name, task)));
        if column.is_some() && found.contains(&column) {
            return Err(Error::file(file, format!("the column {name} stands twice")));
        }
        let empty = || rows.iter().all(|row| row.get(i).is_none_or(|cell| cell.trim().is_empty()));
        // Spreadsheets and data frames number their rows in a first column without a name.
        let passed = match column {
            Some(_) => true,
            None if name.is_empty() => i == 0 || empty(),
            None => is_own(name, task),
        };
        if !passed && !ignore_unknown {
            let what = if name.is_empty() {
                format!("column {} has no name", i + 1)
            } else {
                format!("the column {name} is no property")
            };
            let names = task.names().join(", ");
            return Err(Error::file(
                file,
                format!("{what}: properties are {names}; --ignore-unknown skips it"),
            ));
        }
        found.push(column);
    }
    if found.iter().all(Option::is_none) {
        let names = task.names().join(", ");
        return Err(Error::file(file, format!("no column is a property: they are {names}")));
    }
    Ok(found)
}

/// Whether this program writes such a column beside the numbers: what was measured, or a number in
/// units of length.
fn is_own(name: &str, task: &Task) -> bool {
    let bare = BESIDE.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let of = |column: &crate::invariance::Column| {
        bare.strip_prefix(column.name.as_str())
            .is_some_and(|rest| rest.starts_with('_') || (rest.is_empty() && bare != name))
    };
    NOT_ASKED.contains(&name) || task.columns().iter().any(of)
}
