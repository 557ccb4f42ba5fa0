//! Matrices of numbers as text: `.txt` and `.csv`, a line for each row of pixels.
//!
//! Values stand between commas, semicolons, tabs or spaces; with semicolons a comma may be the
//! decimal point. Lines that begin with `#` or `%` are comments, an empty line begins another image.
//! Numbers that are all whole are class numbers or levels, however they are written.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::MOST_PIXELS;
use super::collect::{Collector, Picture, Values};
use crate::error::{Error, Result};
use crate::words::counted;

/// Whether a file may be such a matrix, from its first bytes: numbers, separators and comments only.
pub(super) fn is_text(start: &[u8]) -> bool {
    let start = start.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(start);
    let number = |b: &u8| b"0123456789+-.,;eE \t\r\n\"nNaAiIfF".contains(b);
    matches!(start.iter().find(|b| !b.is_ascii_whitespace()), Some(b'#' | b'%'))
        || (!start.is_empty() && start.iter().all(number))
}

/// Whether a file is called text.
pub(super) fn is_named_so(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| ["txt", "csv", "tsv", "dat"].iter().any(|text| e.eq_ignore_ascii_case(text)))
}

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// One image as it comes.
#[derive(Default)]
struct Matrix {
    values: Vec<f64>,
    width: usize,
    height: usize,
}

/// Reads every matrix as one image.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let (mut matrix, mut images) = (Matrix::default(), 0);
    for (i, line) in BufReader::new(file).lines().enumerate() {
        let refuse = |problem: &str| Error::file(path, format!("line {}: {problem}", i + 1));
        let line = line.map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => refuse("is no text in UTF-8"),
            _ => Error::io(path, e),
        })?;
        let line = if i == 0 { line.trim_start_matches(BYTE_ORDER_MARK) } else { &line }.trim();
        if line.starts_with(['#', '%']) {
            continue;
        }
        if line.is_empty() {
            push(path, &mut matrix, &mut images, collector)?;
            continue;
        }
        let before = matrix.values.len();
        for word in words(line) {
            matrix.values.push(number(word, line).ok_or_else(|| {
                let word: String = word.chars().take(20).collect();
                refuse(&format!(
                    "`{word}` is no number: a matrix has a line of numbers for each row of pixels"
                ))
            })?);
        }
        let width = matrix.values.len() - before;
        if matrix.height > 0 && width != matrix.width {
            return Err(refuse(&format!(
                "has {}, the line before it {}",
                counted(width, "value"),
                matrix.width
            )));
        }
        (matrix.width, matrix.height) = (width, matrix.height + 1);
        if matrix.values.len() > MOST_PIXELS {
            return Err(refuse("is of an image that is too large"));
        }
    }
    push(path, &mut matrix, &mut images, collector)?;
    if images == 0 {
        return Err(Error::file(path, "holds no number"));
    }
    Ok(())
}

/// What stands between separators.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let separator = [';', '\t', ','].into_iter().find(|&s| line.contains(s));
    let line = separator.map_or(line, |s| line.strip_suffix(s).unwrap_or(line));
    line.split(move |c: char| separator.map_or(c.is_whitespace(), |s| c == s))
        .map(|word| word.trim().trim_matches('"'))
        .filter(move |word| separator.is_some() || !word.is_empty())
}

fn number(word: &str, line: &str) -> Option<f64> {
    if line.contains(';') && word.contains(',') {
        return word.replacen(',', ".", 1).parse().ok();
    }
    word.parse().ok()
}

fn push(path: &Path, matrix: &mut Matrix, images: &mut usize, collector: &mut Collector) -> Result<()> {
    let Matrix { values, width, height } = std::mem::take(matrix);
    if height == 0 {
        return Ok(());
    }
    // 2^53: every whole number up to it is one of these.
    let whole = |v: &f64| v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0;
    let values = if values.iter().all(whole) {
        Values::Integers(values.iter().map(|&v| v as i64).collect())
    } else {
        Values::Reals(values)
    };
    *images += 1;
    let place = if *images > 1 { format!("matrix {images}") } else { String::new() };
    collector.push(&Picture { path, place, height, width, values })
}
