//! `invnet generate`.

use std::io::Write;
use std::path::Path;

use super::GenerateArgs;
use crate::data::circles::{Circle, from_properties};
use crate::data::export::{write_atomically, write_npy_f32, write_npy_u8};
use crate::error::{Error, Result};
use crate::eval::grid::grid_png;
use crate::eval::report::measured_properties;
use crate::train::{Sampler, World};

/// Most samples drawn into the grid.
const SHOWN: usize = 64;

/// A target with properties left open.
type Target = Vec<Option<f32>>;

/// Writes samples, a grid of them, and what was asked and measured.
pub(super) fn run(args: &GenerateArgs, quiet: bool) -> Result<()> {
    let kind = args.device.kind();
    let (config, mut sampler) = Sampler::open(&args.run, kind)?;
    let (world, size, count) = (sampler.world(), config.size, args.count as usize);
    let targets = match &args.targets {
        Some(file) => read_table(file, &world)?,
        None => args.target.iter().map(|t| parse_target(t, &world)).collect::<Result<_>>()?,
    };
    for target in &targets {
        warn_outside(target, &world);
    }
    let width = world.names().len();
    let mut asked = world.sample_targets(count, args.seed);
    if !targets.is_empty() {
        for (row, target) in asked.chunks_exact_mut(width).zip(targets.iter().cycle()) {
            for (value, wanted) in row.iter_mut().zip(target) {
                *value = wanted.unwrap_or(*value);
            }
        }
    }
    args.device.announce(kind, quiet);
    let samples = sampler.sample(&asked, args.seed)?;
    let measured = measured_properties(&samples.maps, size);

    let out = args.out.clone().unwrap_or_else(|| args.run.join("generated"));
    std::fs::create_dir_all(&out).map_err(|e| Error::io(&out, e))?;
    write_npy_u8(out.join("samples.npy"), &samples.maps, &[count, size, size])?;
    if args.soft {
        let shape = [count, size, size, world.classes()];
        write_npy_f32(out.join("probabilities.npy"), &samples.probabilities, &shape)?;
    }
    write_measured(&out.join("measured.csv"), world.names(), &asked, &measured)?;
    let shown = count.min(SHOWN);
    let outlines: Vec<[Circle; 2]> = circles(&asked[..shown * width]);
    let columns = shown.min(8);
    grid_png(&samples.maps[..shown * size * size], shown, size, size, columns, Some(&outlines))
        .write_png(out.join("samples.png"))?;
    if !quiet {
        println!("{count} samples in {}: samples.npy, samples.png, measured.csv", out.display());
    }
    Ok(())
}

/// Rows of properties as circles.
pub(super) fn circles(properties: &[f32]) -> Vec<[Circle; 2]> {
    properties.as_chunks::<6>().0.iter().map(from_properties).collect()
}

fn property(name: &str, world: &World, origin: &str) -> Result<usize> {
    world.names().iter().position(|n| *n == name.trim()).ok_or_else(|| {
        Error::Usage(format!("{origin}: unknown property {}: use {}", name.trim(), world.names().join(", ")))
    })
}

fn value(text: &str, name: &str, origin: &str) -> Result<f32> {
    match text.trim().parse::<f32>() {
        Ok(v) if v.is_finite() => Ok(v),
        _ => Err(Error::Usage(format!("{origin}: {name} = {}: must be a number of pixels", text.trim()))),
    }
}

fn parse_target(text: &str, world: &World) -> Result<Target> {
    let origin = format!("--target {text}");
    let mut target = vec![None; world.names().len()];
    for part in text.split(',') {
        let Some((name, number)) = part.split_once('=') else {
            return Err(Error::Usage(format!("{origin}: expected name=number, found {part:?}")));
        };
        target[property(name, world, &origin)?] = Some(value(number, name.trim(), &origin)?);
    }
    Ok(target)
}

fn read_table(file: &Path, world: &World) -> Result<Vec<Target>> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::file(file, e.to_string()))?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((_, header)) = lines.next() else {
        return Err(Error::file(file, "is empty: it needs a header of property names and a row a target"));
    };
    let shown = file.display().to_string();
    let columns: Vec<usize> =
        header.split(',').map(|name| property(name, world, &shown)).collect::<Result<_>>()?;
    let mut targets = Vec::new();
    for (number, line) in lines {
        let origin = format!("{shown}, line {}", number + 1);
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != columns.len() {
            let (have, want) = (cells.len(), columns.len());
            return Err(Error::Usage(format!("{origin}: {have} values for {want} columns")));
        }
        let mut target = vec![None; world.names().len()];
        for (cell, &column) in cells.iter().zip(&columns) {
            // An empty cell leaves the property open.
            if !cell.trim().is_empty() {
                target[column] = Some(value(cell, world.names()[column], &origin)?);
            }
        }
        targets.push(target);
    }
    if targets.is_empty() {
        return Err(Error::file(file, "has a header and no rows"));
    }
    Ok(targets)
}

fn warn_outside(target: &Target, world: &World) {
    for (i, wanted) in target.iter().enumerate() {
        let (low, high) = world.range(i);
        if let Some(v) = wanted.filter(|&v| f64::from(v) < low || f64::from(v) > high) {
            eprintln!("warning: {} = {v} is outside the trained range {low} to {high}", world.names()[i]);
        }
    }
}

fn write_measured(path: &Path, names: &[&str], asked: &[f32], measured: &[f32]) -> Result<()> {
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
