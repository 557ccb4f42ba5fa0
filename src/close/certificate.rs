//! What is said of closed samples, and whether it is true.
//!
//! `certificate.csv` has a row for each sample: what was asked, measured and tolerated, whether that is
//! within, what it took, and the seed and number that make the sample again. `certificate.json` has the
//! properties themselves and the sums of both files, so that whoever has the samples and these two can
//! measure again, without the run.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::goal::over;
use super::set::Effort;
use crate::data::export::{cell, quoted};
use crate::error::{Error, Result};
use crate::invariance::{Ask, Column, Images, Property};
use crate::op::Border;
use crate::train::Task;
use crate::train::dataset::Measurer;
use crate::words::{counted, verb};

/// The names of both files.
pub const TABLE: &str = "certificate.csv";
/// See [`TABLE`].
pub const SUMMARY: &str = "certificate.json";

/// The number of the format.
const FORMAT: u32 = 1;
/// Images measured at a time.
const TOGETHER: usize = 64;
/// Longest side of a sample: that of images that are read.
const LONGEST: usize = 16_384;
/// Numbers whose worst error is told.
const SHOWN: usize = 6;
/// Differences that are named one by one.
const NAMED: usize = 5;

/// How a number was met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Met {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Samples that are held to it.
    pub held: usize,
    /// Of these, how many are within its tolerance.
    pub within: usize,
    /// The widest tolerance.
    pub tolerance: f64,
    /// Mean of the absolute error of these samples, where it could be measured.
    pub mean_abs_error: f64,
    /// The largest one.
    pub worst: f64,
}

/// `certificate.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    format: u32,
    /// The program that wrote it, and its version.
    program: String,
    /// Rows and columns of a sample, in pixels.
    size: [usize; 2],
    classes: usize,
    periodic: bool,
    /// The properties, each as TOML.
    asks: Vec<String>,
    /// How near numbers had to come, in words.
    pub tolerances: String,
    /// Draws of noise that a sample could take.
    pub tries: u32,
    /// Seed of the noise.
    pub seed: u64,
    /// Samples.
    pub samples: usize,
    /// Those that have all they are held to.
    pub within: usize,
    /// Each number.
    pub numbers: Vec<Met>,
    /// Passes of the generator, steps along the gradient, pixels changed and draws of noise, a sample.
    pub passes: f64,
    /// See above.
    pub steps: f64,
    /// See above.
    pub flips: f64,
    /// See above.
    pub draws: f64,
    /// SHA-256 of the classes of all pixels, a byte each, in order.
    pub samples_sha256: String,
    /// SHA-256 of `certificate.csv`.
    pub table_sha256: String,
}

/// Rows of some samples, as they are certified.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The number of the first one in its set.
    pub index: usize,
    /// What was asked, `[N, P]`.
    pub asked: &'a [f32],
    /// What is measured, `[N, P]`.
    pub measured: &'a [f32],
    /// Tolerances, `[N, P]`, infinite for numbers that a sample is not held to.
    pub tolerances: &'a [f32],
    /// What each took, `[N]`.
    pub effort: &'a [Effort],
}

/// Writes the table, and counts what the summary says.
pub struct Certifier<'a> {
    columns: &'a [Column],
    summary: Summary,
    samples: Sha256,
    table: Sha256,
    sums: [u64; 4],
}

impl<'a> Certifier<'a> {
    /// Of the samples of a task; `seed`, `tries` and `tolerances` are told.
    #[must_use]
    pub fn new(task: &'a Task, seed: u64, tries: u32, tolerances: String) -> Self {
        let Images { size, classes, border } = *task.images();
        let columns = task.columns();
        let met = |c: &Column| Met {
            name: c.name.clone(),
            unit: c.unit.clone(),
            held: 0,
            within: 0,
            tolerance: 0.0,
            mean_abs_error: 0.0,
            worst: 0.0,
        };
        let summary = Summary {
            format: FORMAT,
            program: concat!("invnet ", env!("CARGO_PKG_VERSION")).into(),
            size,
            classes,
            periodic: border == Border::Periodic,
            asks: task.asks().iter().map(Ask::to_toml).collect(),
            tolerances,
            tries,
            seed,
            samples: 0,
            within: 0,
            numbers: columns.iter().map(met).collect(),
            passes: 0.0,
            steps: 0.0,
            flips: 0.0,
            draws: 0.0,
            samples_sha256: String::new(),
            table_sha256: String::new(),
        };
        Self { columns, summary, samples: Sha256::new(), table: Sha256::new(), sums: [0; 4] }
    }

    fn line(&mut self, file: &mut impl Write, cells: &[String]) -> io::Result<()> {
        let line = cells.join(",") + "\n";
        self.table.update(line.as_bytes());
        file.write_all(line.as_bytes())
    }

    /// Writes the header.
    ///
    /// # Errors
    /// If the file takes nothing.
    pub fn header(&mut self, file: &mut impl Write) -> io::Result<()> {
        let mut cells = vec!["sample".to_owned()];
        for column in self.columns {
            let names = ["asked", "measured", "tolerance", "within"];
            cells.extend(names.map(|what| quoted(&format!("{what}_{}", column.name))));
        }
        cells.extend(
            ["within", "passes", "steps", "flips", "tries", "draw", "seed", "index"].map(String::from),
        );
        self.line(file, &cells)
    }

    /// Writes rows; `maps` are the samples, `[N, H, W]`.
    ///
    /// # Errors
    /// If the file takes nothing.
    pub fn rows(&mut self, file: &mut impl Write, rows: Rows, maps: &[u8]) -> io::Result<()> {
        self.samples.update(maps);
        let width = self.columns.len();
        for (i, effort) in rows.effort.iter().enumerate() {
            let of = |all: &'_ [f32]| all[i * width..][..width].to_vec();
            let (asked, measured, tolerances) = (of(rows.asked), of(rows.measured), of(rows.tolerances));
            let mut cells = vec![self.summary.samples.to_string()];
            let mut whole = true;
            for (c, column) in self.columns.iter().enumerate() {
                let (asked, measured, tolerance) = (asked[c], measured[c], tolerances[c]);
                let within = judged(column, measured, asked, tolerance);
                cells.extend([cell(asked), cell(measured), held_cell(tolerance)]);
                cells.push(within.map_or(String::new(), |w| u8::from(w).to_string()));
                let (Some(within), met) = (within, &mut self.summary.numbers[c]) else { continue };
                whole &= within;
                met.held += 1;
                met.tolerance = met.tolerance.max(f64::from(tolerance));
                met.within += usize::from(within);
                let error = column.error(f64::from(measured), f64::from(asked)).abs();
                if !error.is_nan() {
                    met.mean_abs_error += error;
                    met.worst = met.worst.max(error);
                }
            }
            let Effort { passes, steps, flips, tries, draw } = *effort;
            let took = [passes, steps, flips, tries];
            self.sums.iter_mut().zip(took).for_each(|(sum, n)| *sum += u64::from(n));
            cells.push(u8::from(whole).to_string());
            cells.extend(took.iter().chain([&draw]).map(u32::to_string));
            cells.extend([self.summary.seed.to_string(), (rows.index + i).to_string()]);
            self.line(file, &cells)?;
            self.summary.samples += 1;
            self.summary.within += usize::from(whole);
        }
        Ok(())
    }

    /// The summary of all rows.
    #[must_use]
    pub fn finish(mut self) -> Summary {
        let n = self.summary.samples.max(1) as f64;
        let [passes, steps, flips, draws] = self.sums.map(|sum| sum as f64 / n);
        for met in &mut self.summary.numbers {
            met.mean_abs_error /= met.held.max(1) as f64;
        }
        Summary {
            passes,
            steps,
            flips,
            draws,
            samples_sha256: format!("{:x}", self.samples.finalize()),
            table_sha256: format!("{:x}", self.table.finalize()),
            ..self.summary
        }
    }
}

/// Whether all numbers of a sample that it is held to, `[P]` each, are within their tolerances.
#[must_use]
pub fn whole(columns: &[Column], measured: &[f32], asked: &[f32], tolerances: &[f32]) -> bool {
    let rows = columns.iter().zip(measured).zip(asked.iter().zip(tolerances));
    rows.into_iter().all(|((c, &m), (&a, &t))| judged(c, m, a, t).unwrap_or(true))
}

impl Summary {
    /// Reads `certificate.json`.
    ///
    /// # Errors
    /// If it is not there, or no summary of this format.
    pub fn read(path: &Path) -> Result<Self> {
        let json = fs::read_to_string(path).map_err(|e| {
            let hint = "a certificate is a table and the summary beside it";
            Error::file(path, format!("cannot be read: {e}; {hint}"))
        })?;
        let summary: Self =
            serde_json::from_str(&json).map_err(|e| Error::file(path, format!("is no certificate ({e})")))?;
        if summary.format != FORMAT {
            let problem = format!("is of format {}: this is format {FORMAT}", summary.format);
            return Err(Error::file(path, problem));
        }
        Ok(summary)
    }

    /// How near samples came, in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut text = format!("{} of {} within ", self.within, counted(self.samples, "sample"));
        let held: Vec<&Met> = self.numbers.iter().filter(|met| met.held > 0).collect();
        match held[..] {
            [] => return format!("{text}nothing: no number is held to a tolerance; {TABLE}"),
            [met] => {
                text += &format!("{} {}; worst {}", met.name, short(met.tolerance), short(met.worst));
            }
            _ => {
                // First those that are missed.
                let mut held = held.clone();
                held.sort_by_key(|met| met.within == met.held);
                let shown = held.iter().map(|m| format!("{} {}", m.name, short(m.worst)));
                let more = if held.len() > SHOWN { ", ..." } else { "" };
                text += "tolerances; worst ";
                text += &shown.take(SHOWN).collect::<Vec<_>>().join(", ");
                text += more;
            }
        }
        text + &format!("; {:.1} passes a sample; {TABLE}", self.passes)
    }
}

/// A number in two digits.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (1 - value.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Whether a measured number is within the tolerance, if a sample is held to it.
fn judged(column: &Column, measured: f32, asked: f32, tolerance: f32) -> Option<bool> {
    tolerance.is_finite().then(|| over(column, measured, asked, f64::from(tolerance)) <= 1.0)
}

/// Nothing where a sample is not held to a number.
fn held_cell(tolerance: f32) -> String {
    if tolerance.is_finite() { cell(tolerance) } else { String::new() }
}

/// A certificate, read again.
pub struct Certificate {
    /// What it says of all samples.
    pub summary: Summary,
    properties: Vec<Property>,
    images: Images,
    asked: Vec<f32>,
    measured: Vec<f32>,
    tolerances: Vec<f32>,
    within: Vec<bool>,
}

/// What came out when samples were measured again.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Samples measured.
    pub samples: usize,
    /// Those that have all they are held to.
    pub within: usize,
    /// What is not as certified, the first few; empty if all is.
    pub differences: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl Certificate {
    /// Reads a certificate, given its table, its summary or their folder.
    ///
    /// # Errors
    /// If a file is not there or no certificate, or the table is not the one that the summary is of.
    pub fn read(path: &Path) -> Result<Self> {
        let named = matches!(path.extension().and_then(|e| e.to_str()), Some("csv" | "json"));
        if path.is_file() && !named {
            let problem = "is no certificate: name its table (.csv), its summary (.json) or their folder";
            return Err(Error::file(path, problem));
        }
        let (table, beside) = files(path);
        let rows =
            fs::read_to_string(&table).map_err(|e| Error::file(&table, format!("cannot be read: {e}")))?;
        let summary = Summary::read(&beside)?;
        let [h, w] = summary.size;
        if ![h, w].iter().all(|side| (1..=LONGEST).contains(side)) || !(2..=256).contains(&summary.classes) {
            let problem =
                format!("is no certificate: of {h} x {w} pixels and {}", counted(summary.classes, "class"));
            return Err(Error::file(&beside, problem));
        }
        if format!("{:x}", Sha256::digest(rows.as_bytes())) != summary.table_sha256 {
            return Err(Error::Failed(format!("{}: was changed after it was written", table.display())));
        }
        let border = if summary.periodic { Border::Periodic } else { Border::Open };
        let images = Images { size: summary.size, classes: summary.classes, border };
        let asked = |text: &String| -> Result<Property> {
            let ask = Ask::from_toml(text).map_err(|p| Error::file(&beside, p))?;
            ask.of(&images).map_err(|(key, problem)| Error::file(&beside, format!("{key}: {problem}")))
        };
        let properties = summary.asks.iter().map(asked).collect::<Result<_>>()?;
        let mut certificate = Self {
            summary,
            properties,
            images,
            asked: Vec::new(),
            measured: Vec::new(),
            tolerances: Vec::new(),
            within: Vec::new(),
        };
        certificate.take(&rows).map_err(|problem| Error::file(&table, problem))?;
        Ok(certificate)
    }

    /// Takes over the rows of the table.
    fn take(&mut self, text: &str) -> Result<(), String> {
        let width = self.columns().count();
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        for (k, row) in reader.records().enumerate() {
            let row = row.map_err(|e| format!("is no table: {e}"))?;
            let number = |i: usize, open: f32| match row.get(i) {
                Some("") => Ok(open),
                Some(cell) => cell.parse::<f32>().map_err(|_| format!("row {k}: {cell} is no number")),
                None => Err(format!("row {k} is cut short")),
            };
            for c in 0..width {
                self.asked.push(number(1 + 4 * c, f32::NAN)?);
                self.measured.push(number(2 + 4 * c, f32::NAN)?);
                self.tolerances.push(number(3 + 4 * c, f32::INFINITY)?);
            }
            self.within.push(number(1 + 4 * width, 0.0)? == 1.0);
        }
        Ok(())
    }

    fn columns(&self) -> impl Iterator<Item = &Column> {
        self.properties.iter().flat_map(Property::columns)
    }

    /// The images that it is of.
    #[must_use]
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// Measures samples `[N, H, W]` again, from their pixels alone. Files may show row 0 at the bottom: what
    /// was certified upside down is turned.
    ///
    /// # Errors
    /// If the device that measures fails.
    pub fn check(&self, maps: &[u8]) -> Result<Checked> {
        let (pixels, width) = (self.images.pixels(), self.columns().count());
        let certified = |maps: &[u8]| format!("{:x}", Sha256::digest(maps)) == self.summary.samples_sha256;
        let turned: Vec<u8>;
        let (mut maps, mut same_pixels) = (maps, certified(maps));
        if !same_pixels {
            let upside_down =
                |map: &[u8]| map.rchunks_exact(self.images.size[1]).flatten().copied().collect();
            turned = maps.chunks_exact(pixels).flat_map(|map| -> Vec<u8> { upside_down(map) }).collect();
            if certified(&turned) {
                (maps, same_pixels) = (&turned, true);
            }
        }
        let count = maps.len() / pixels;
        let mut all = Vec::new();
        if count != self.within.len() {
            all.push(format!(
                "there {} {}, certified {}",
                verb(count, "is", "are"),
                counted(count, "sample"),
                self.within.len()
            ));
        }
        let measured = Measurer::new(&self.properties, &self.images, TOGETHER)?.measure(maps)?;
        let mut whole = 0;
        for (k, row) in measured.chunks_exact(width).enumerate().take(self.within.len()) {
            let mut within = true;
            for (c, column) in self.columns().enumerate() {
                let at = k * width + c;
                let (found, certified) = (row[c], self.measured[at]);
                let same = over(column, found, certified, rounding(column, certified)) <= 1.0
                    || (found.is_nan() && certified.is_nan());
                if !same {
                    all.push(format!("sample {k}: {} is {found}, certified is {certified}", column.name));
                }
                within &= judged(column, found, self.asked[at], self.tolerances[at]).unwrap_or(true);
            }
            if within != self.within[k] {
                let is = |w: bool| if w { "within its tolerances" } else { "not within its tolerances" };
                all.push(format!("sample {k} is {}, certified as {}", is(within), is(self.within[k])));
            }
            whole += usize::from(within);
        }
        let certified = self.within.iter().filter(|&&within| within).count();
        if self.summary.within != certified || self.summary.samples != self.within.len() {
            let said = format!("{} of {}", self.summary.within, self.summary.samples);
            let rows = self.within.len();
            all.push(format!(
                "the summary has {said} within their tolerances, its table {certified} of {rows}"
            ));
        }
        if all.is_empty() && !same_pixels {
            all.push("pixels are not those that were certified, though they measure the same".into());
        }
        let more = all.len().saturating_sub(NAMED);
        all.truncate(NAMED);
        Ok(Checked { samples: count, within: whole, differences: all, more })
    }
}

/// How far the same map may measure otherwise on another processor: sums in single precision.
fn rounding(column: &Column, certified: f32) -> f64 {
    let of = if column.turn.is_some() { 1e-3 } else { f64::from(certified.abs()).max(1e-3) };
    2e-5 * of
}

/// The table and the summary of a certificate, whichever is named.
fn files(path: &Path) -> (PathBuf, PathBuf) {
    if path.is_dir() {
        return (path.join(TABLE), path.join(SUMMARY));
    }
    (path.with_extension("csv"), path.with_extension("json"))
}
