//! `invnet generate`.

use std::io::Write;
use std::path::Path;

use super::{GenerateArgs, also};
use crate::data::ClassMaps;
use crate::data::export::{write_atomically, write_npy_f32, write_npy_u8};
use crate::error::{Error, Result};
use crate::eval::view::{measured_properties, palette, picture};
use crate::train::{Sampler, World};

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
    let (config, mut sampler) = Sampler::open(&args.run, kind)?;
    let (world, size, count) = (sampler.world().clone(), config.size, args.count as usize);
    let targets = match &args.targets {
        Some(file) => read_table(file, &world)?,
        None => args.target.iter().map(|t| parse_target(t, &world)).collect::<Result<_>>()?,
    };
    let width = world.names().len();
    let mut asked = world.sample_targets(count, args.seed);
    for (row, target) in asked.chunks_exact_mut(width).zip(targets.iter().cycle()) {
        world.complete(&target.wanted, row, &target.origin)?;
    }
    for target in &targets {
        warn_outside(&target.wanted, &world);
    }
    args.device.announce(kind, quiet);
    let samples = sampler.sample(&asked, args.seed)?;
    let measured = measured_properties(&world, &samples.maps)?;
    let data = ClassMaps {
        count,
        height: size,
        width: size,
        classes: world.classes(),
        maps: samples.maps,
        names: world.names(),
        properties: measured,
    };

    let out = args.out.clone().unwrap_or_else(|| args.run.join("generated"));
    std::fs::create_dir_all(&out).map_err(|e| Error::io(&out, e))?;
    write_npy_u8(out.join("samples.npy"), &data.maps, &[count, size, size])?;
    if args.soft {
        let shape = [count, size, size, world.classes()];
        write_npy_f32(out.join("probabilities.npy"), &samples.probabilities, &shape)?;
    }
    write_measured(&out.join("measured.csv"), &data.names, &asked, &data.properties)?;
    let shown = count.min(SHOWN);
    picture(&world, &data.maps[..shown * size * size], &asked[..shown * width], 8)
        .write_png(out.join("samples.png"))?;
    let written = args.format.write(&out, "samples", &data, palette(&world))?;
    if !quiet {
        println!(
            "{count} samples in {}: samples.npy, samples.png, measured.csv{}",
            out.display(),
            also(&written)
        );
    }
    Ok(())
}

fn property(name: &str, world: &World, origin: &str) -> Result<usize> {
    world.names().iter().position(|n| *n == name.trim()).ok_or_else(|| {
        Error::Usage(format!("{origin}: unknown property {}: use {}", name.trim(), world.names().join(", ")))
    })
}

fn value(text: &str, name: &str, origin: &str) -> Result<f32> {
    match text.trim().parse::<f32>() {
        Ok(v) if v.is_finite() => Ok(v),
        _ => Err(Error::Usage(format!("{origin}: {name} = {}: must be a number", text.trim()))),
    }
}

fn parse_target(text: &str, world: &World) -> Result<Target> {
    let origin = format!("--target {text}");
    let mut wanted = vec![None; world.names().len()];
    for part in text.split(',') {
        let Some((name, number)) = part.split_once('=') else {
            return Err(Error::Usage(format!("{origin}: expected name=number, found {part:?}")));
        };
        wanted[property(name, world, &origin)?] = Some(value(number, name.trim(), &origin)?);
    }
    Ok(Target { wanted, origin })
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
        let mut wanted = vec![None; world.names().len()];
        for (cell, &column) in cells.iter().zip(&columns) {
            // An empty cell leaves the property open.
            if !cell.trim().is_empty() {
                wanted[column] = Some(value(cell, &world.names()[column], &origin)?);
            }
        }
        targets.push(Target { wanted, origin });
    }
    if targets.is_empty() {
        return Err(Error::file(file, "has a header and no rows"));
    }
    Ok(targets)
}

fn warn_outside(wanted: &[Option<f32>], world: &World) {
    for (i, wanted) in wanted.iter().enumerate() {
        let (low, high) = world.range(i);
        if let Some(v) = wanted.filter(|&v| f64::from(v) < low || f64::from(v) > high) {
            eprintln!("warning: {} = {v} is outside the trained range {low} to {high}", world.names()[i]);
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
