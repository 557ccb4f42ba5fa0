//! `invnet generate`.

use std::io::Write;
use std::path::Path;

use super::output::{note, say};
use super::{GenerateArgs, also};
use crate::data::ClassMaps;
use crate::data::export::{write_atomically, write_npy_f32, write_npy_u8};
use crate::error::{Error, Result};
use crate::eval::view::{palette, picture};
use crate::train::dataset::measured;
use crate::train::{Sampler, Task};

/// Most samples drawn into the grid.
const SHOWN: usize = 64;

/// A target with properties left open, and where it was given.
struct Target {
    wanted: Vec<Option<f32>>,
    origin: String,
}

/// Writes samples, a grid of them, and what was asked and measured.
pub(super) fn run(args: &GenerateArgs, quiet: bool) -> Result<()> {
    let kind = args.device.kind();
    let (_, mut sampler) = Sampler::open(&args.run, kind)?;
    let (task, count) = (sampler.task().clone(), args.count as usize);
    let [height, width] = task.images().size;
    let targets = match &args.targets {
        Some(file) => read_table(file, &task)?,
        None => args.target.iter().map(|t| parse_target(t, &task)).collect::<Result<_>>()?,
    };
    let numbers = task.columns().len();
    let mut asked = task.sample_targets(count, args.seed);
    for (i, (row, target)) in asked.chunks_exact_mut(numbers).zip(targets.iter().cycle()).enumerate() {
        task.complete(&target.wanted, row, (args.seed, i), &target.origin)?;
    }
    for target in &targets {
        warn_outside(&target.wanted, &task);
    }
    args.device.announce(kind, false, quiet);
    let samples = sampler.sample(&asked, args.seed)?;
    let measured = measured(&task, &samples.maps)?;
    let data = ClassMaps {
        count,
        height,
        width,
        classes: task.images().classes,
        maps: samples.maps,
        names: task.names(),
        properties: measured,
        ..ClassMaps::default()
    };

    let folder = if args.run.is_file() { args.run.parent().unwrap_or(&args.run) } else { &args.run };
    let out = args.out.clone().unwrap_or_else(|| folder.join("generated"));
    std::fs::create_dir_all(&out).map_err(|e| Error::io(&out, e))?;
    write_npy_u8(out.join("samples.npy"), &data.maps, &[count, height, width])?;
    if args.soft {
        let shape = [count, height, width, data.classes];
        write_npy_f32(out.join("probabilities.npy"), &samples.probabilities, &shape)?;
    }
    write_measured(&out.join("measured.csv"), &data.names, &asked, &data.properties)?;
    let shown = count.min(SHOWN);
    picture(&task, &data.maps[..shown * height * width], &asked[..shown * numbers], 8)
        .write_png(out.join("samples.png"))?;
    let written = args.format.write(&out, "samples", &data, palette(task.look(), data.classes))?;
    if !quiet {
        say!(
            "{count} samples in {}: samples.npy, samples.png, measured.csv{}",
            out.display(),
            also(&written)
        )?;
    }
    Ok(())
}

fn property(name: &str, task: &Task, origin: &str) -> Result<usize> {
    task.names().iter().position(|n| *n == name.trim()).ok_or_else(|| {
        Error::Usage(format!("{origin}: unknown property {}: use {}", name.trim(), task.names().join(", ")))
    })
}

fn value(text: &str, name: &str, origin: &str) -> Result<f32> {
    match text.trim().parse::<f32>() {
        Ok(v) if v.is_finite() => Ok(v),
        _ => Err(Error::Usage(format!("{origin}: {name} = {}: must be a number", text.trim()))),
    }
}

fn parse_target(text: &str, task: &Task) -> Result<Target> {
    let origin = format!("--target {text}");
    let mut wanted = vec![None; task.names().len()];
    for part in text.split(',') {
        let Some((name, number)) = part.split_once('=') else {
            return Err(Error::Usage(format!("{origin}: expected name=number, found {part:?}")));
        };
        wanted[property(name, task, &origin)?] = Some(value(number, name.trim(), &origin)?);
    }
    Ok(Target { wanted, origin })
}

fn read_table(file: &Path, task: &Task) -> Result<Vec<Target>> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::file(file, e.to_string()))?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((_, header)) = lines.next() else {
        return Err(Error::file(file, "is empty: it needs a header of property names and a row a target"));
    };
    let shown = file.display().to_string();
    let columns: Vec<usize> =
        header.split(',').map(|name| property(name, task, &shown)).collect::<Result<_>>()?;
    let mut targets = Vec::new();
    for (number, line) in lines {
        let origin = format!("{shown}, line {}", number + 1);
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != columns.len() {
            let (have, want) = (cells.len(), columns.len());
            return Err(Error::Usage(format!("{origin}: {have} values for {want} columns")));
        }
        let mut wanted = vec![None; task.names().len()];
        for (cell, &column) in cells.iter().zip(&columns) {
            // An empty cell leaves the property open.
            if !cell.trim().is_empty() {
                wanted[column] = Some(value(cell, &task.names()[column], &origin)?);
            }
        }
        targets.push(Target { wanted, origin });
    }
    if targets.is_empty() {
        return Err(Error::file(file, "has a header and no rows"));
    }
    Ok(targets)
}

fn warn_outside(wanted: &[Option<f32>], task: &Task) {
    for (i, wanted) in wanted.iter().enumerate() {
        let (low, high) = task.range(i);
        if let Some(v) = wanted.filter(|&v| f64::from(v) < low || f64::from(v) > high) {
            note!("warning: {} = {v} is outside the trained range {low} to {high}", task.names()[i]);
        }
    }
}

fn write_measured(path: &Path, names: &[String], asked: &[f32], measured: &[f32]) -> Result<()> {
    write_atomically(path, |file| {
        let header: Vec<String> = names.iter().map(|n| format!("asked_{n},measured_{n}")).collect();
        writeln!(file, "{}", header.join(","))?;
        for (asked, measured) in asked.chunks_exact(names.len()).zip(measured.chunks_exact(names.len())) {
            let row: Vec<String> =
                asked.iter().zip(measured).map(|(a, m)| format!("{a:.4},{m:.4}")).collect();
            writeln!(file, "{}", row.join(","))?;
        }
        Ok(())
    })
}
