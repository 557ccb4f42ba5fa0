//! `invnet ask`: measures properties on images, so that they can be tried before a training.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::output::{note, print, say};
use crate::data::ClassMaps;
use crate::data::import::read_npz;
use crate::error::{Error, Result};
use crate::invariance::{Ask, Column, Images, Property};
use crate::op::Border;
use crate::train::Task;
use crate::train::config::Config;
use crate::train::dataset::measured_on;

/// What the help says after the options.
pub(super) const NOTES: &str =
    "A formula is one number for each image, or a curve. It is also tried on images
made up for it: what could spoil a training is said below the table.
docs/formula.md describes the language.

Examples:
  invnet ask \"mean(x[1])\" --on steel.npz
  invnet ask \"mean(abs(x[1] - shift(x[1], 0, 1)))\" --on steel.npz \\
    --border periodic
  invnet ask mine.toml --on steel.npz --json";

/// The name of a formula that was given without one.
const UNNAMED: &str = "formula";

/// Arguments of `ask`.
#[derive(Args)]
pub(super) struct AskArgs {
    /// A formula, or a configuration (a file that ends in .toml) whose every `[[ask]]` is measured.
    #[arg(value_name = "FORMULA|FILE.toml", allow_hyphen_values = true)]
    what: String,
    /// The images: an archive as `invnet data` writes it.
    #[arg(long, value_name = "FILE.npz")]
    on: PathBuf,
    /// What lies beyond the edge of an image [default: what the configuration says, else open].
    #[arg(long)]
    border: Option<BorderName>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What lies beyond the edge.
#[derive(Clone, Copy, ValueEnum)]
enum BorderName {
    /// Nothing.
    Open,
    /// The opposite edge.
    Periodic,
}

/// Measures what is asked and prints a row for each number.
pub(super) fn run(args: &AskArgs, quiet: bool) -> Result<()> {
    let maps = read_npz(&args.on)?;
    let size = [maps.height, maps.width];
    let border = args.border.map(|name| match name {
        BorderName::Open => Border::Open,
        BorderName::Periodic => Border::Periodic,
    });
    let images = |other: Border| Images { size, classes: maps.classes, border: border.unwrap_or(other) };
    let (images, properties) = if Path::new(&args.what).extension().is_some_and(|e| e == "toml") {
        let config = configuration(&args.what, &args.on)?;
        let images = images(edge(&config, &args.what)?);
        let of = |(i, ask): (usize, &Ask)| {
            ask.of(&images).map_err(|mistake| config.ask_mistake(&args.what, i, &mistake))
        };
        (images, config.asks.iter().enumerate().map(of).collect::<Result<_>>()?)
    } else {
        let images = images(Border::Open);
        (images, vec![own(&args.what, &images)?])
    };
    let rows = measured_on(&properties, &images, &maps.maps)?;
    let columns: Vec<&Column> = properties.iter().flat_map(Property::columns).collect();
    let statistics: Vec<Statistics> = (0..columns.len())
        .map(|i| Statistics::of(rows.iter().skip(i).step_by(columns.len()).copied()))
        .collect();
    if args.json {
        say!("{}", object(&maps, &images, &columns, &statistics))?;
    } else {
        print(table(&columns, &statistics))?;
    }
    let mut errors = Vec::new();
    for property in &properties {
        match property.invariance().check() {
            Ok(warnings) if !quiet => warnings.iter().for_each(|w| note!("{}: {w}", property.name())),
            Ok(_) => {}
            Err(error) => errors.push(format!("{}: {error}", property.name())),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Usage(errors.join("\n"))) }
}

/// A formula as a property.
fn own(text: &str, images: &Images) -> Result<Property> {
    let mut ask = Ask::new("formula").map_err(Error::Usage)?;
    for (key, value) in [("name", UNNAMED), ("formula", text)] {
        ask.options_mut().set(key, toml::Value::String(value.into())).map_err(Error::Usage)?;
    }
    ask.of(images).map_err(|(_, problem)| Error::Usage(problem))
}

/// A configuration; one that names no images is about those that are measured.
fn configuration(path: &str, on: &Path) -> Result<Config> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e.to_string()))?;
    match text.parse::<toml::Table>() {
        Ok(mut table) if !table.contains_key("data") => {
            table.insert("data".into(), toml::Value::String(on.display().to_string()));
            Config::from_toml(&table.to_string(), path)
        }
        _ => Config::from_toml(&text, path),
    }
}

/// What a configuration says of the edge of its images.
fn edge(config: &Config, origin: &str) -> Result<Border> {
    if config.data.is_file() {
        return Ok(if config.data.options().word("border") == "periodic" {
            Border::Periodic
        } else {
            Border::Open
        });
    }
    Ok(Task::source(config, origin)?.images().border)
}

/// What a number is on all images.
struct Statistics {
    mean: f64,
    deviation: f64,
    least: f64,
    most: f64,
    /// Images for which it is no finite number; the others count.
    missing: usize,
}

impl Statistics {
    fn of(values: impl Iterator<Item = f32>) -> Self {
        let (finite, missing): (Vec<f64>, Vec<f64>) = values.map(f64::from).partition(|v| v.is_finite());
        let count = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / count;
        let variance = finite.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        Self {
            mean,
            deviation: variance.sqrt(),
            least: finite.iter().copied().reduce(f64::min).unwrap_or(f64::NAN),
            most: finite.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
            missing: missing.len(),
        }
    }

    fn numbers(&self) -> [f64; 4] {
        [self.mean, self.deviation, self.least, self.most]
    }
}

fn table(columns: &[&Column], statistics: &[Statistics]) -> String {
    let width = |text: fn(&Column) -> &str, title: &str| {
        columns.iter().map(|c| text(c).chars().count()).max().unwrap_or(0).max(title.len())
    };
    let (name, unit) = (width(|c| &c.name, "name"), width(|c| &c.unit, "unit"));
    let head = ["mean", "deviation", "least", "most"].map(|title| format!("{title:>11}")).concat();
    let mut table = format!("{:name$}  {:unit$}{head}  not finite\n", "name", "unit");
    for (column, statistics) in columns.iter().zip(statistics) {
        let numbers = statistics.numbers().map(|v| format!("{:>11}", shown(v))).concat();
        table +=
            &format!("{:name$}  {:unit$}{numbers}  {:>10}\n", column.name, column.unit, statistics.missing);
    }
    table
}

/// A number in about five digits.
fn shown(value: f64) -> String {
    match value.abs() {
        size if size != 0.0 && !(1e-3..1e6).contains(&size) && value.is_finite() => format!("{value:.3e}"),
        size if size >= 100.0 => format!("{value:.2}"),
        _ => format!("{value:.5}"),
    }
}

fn object(maps: &ClassMaps, images: &Images, columns: &[&Column], statistics: &[Statistics]) -> Value {
    let rows: Vec<Value> = columns
        .iter()
        .zip(statistics)
        .map(|(column, s)| {
            json!({
                "name": column.name, "unit": column.unit, "mean": s.mean, "deviation": s.deviation,
                "least": s.least, "most": s.most, "not_finite": s.missing,
            })
        })
        .collect();
    json!({
        "images": maps.count, "size": images.size, "classes": images.classes,
        "border": if images.border == Border::Periodic { "periodic" } else { "open" },
        "numbers": rows,
    })
}
