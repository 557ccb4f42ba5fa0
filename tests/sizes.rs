//! Images of sizes that are neither square nor powers of two, through every command.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const TINY: [&str; 8] = [
    "--set=width=2",
    "--set=batch=4",
    "--set=images=50",
    "--set=latent=4",
    "--set=checkpoint_every=4",
    "--set=sample_every=0",
    "--set=eval_samples=12",
    "--iterations=2",
];

fn invnet(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_invnet")).args(args).current_dir(folder).output().unwrap()
}

fn good(folder: &Path, args: &[&str]) {
    let output = invnet(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn bad(folder: &Path, args: &[&str], says: &[&str]) {
    let output = invnet(folder, args);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    for part in says {
        assert!(message.contains(part), "{args:?} does not say {part:?}: {message}");
    }
}

fn train(folder: &Path, out: &str, preset: &str, more: &[&str]) {
    good(folder, &[&["train", preset, "--out", out], &TINY[..], more].concat());
}

/// The class maps of a `.npy` file, and their shape.
fn npy(file: &Path) -> (Vec<u8>, String) {
    let bytes = fs::read(file).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    (bytes[header..].to_vec(), String::from_utf8_lossy(&bytes[10..header]).into_owned())
}

fn png_size(file: &Path) -> [u32; 2] {
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(file).unwrap()));
    let info = decoder.read_info().unwrap().info().clone();
    [info.height, info.width]
}

/// Autocorrelation of class maps `[N, side, side]` of two classes on a torus, of unit variance: its mean
/// over `lag` rows and columns and over both, and the deviation of such means at other vectors that are as
/// long.
fn autocorrelation(maps: &[u8], side: usize, lag: usize) -> [f64; 2] {
    let fields: Vec<Vec<f64>> = maps
        .chunks_exact(side * side)
        .map(|map| {
            let mean = map.iter().map(|&c| f64::from(c)).sum::<f64>() / map.len() as f64;
            let scale = (mean * (1.0 - mean)).sqrt().max(1e-9);
            map.iter().map(|&c| (f64::from(c) - mean) / scale).collect()
        })
        .collect();
    let at = |[dy, dx]: [usize; 2]| {
        let of = |field: &Vec<f64>| -> f64 {
            let there = |i: usize| (i / side + dy) % side * side + (i % side + dx) % side;
            field.iter().enumerate().map(|(i, v)| v * field[there(i)]).sum()
        };
        fields.iter().map(of).sum::<f64>() / (fields.len() * side * side) as f64
    };
    // Three vectors of the same kind, moved off the lag by steps that no layer of the network makes.
    let mean = |l: usize| (at([l, 0]) + at([0, l]) + at([l, l])) / 3.0;
    let others: Vec<f64> = (lag + 1..side / 2).filter(|l| l % 4 != 0).map(mean).collect();
    let deviation = (others.iter().map(|v| v * v).sum::<f64>() / others.len() as f64).sqrt();
    [mean(lag), deviation]
}

#[test]
fn rectangles_are_trained_evaluated_and_generated() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (size, name) in [("48x80", "(2, 48, 80"), ("24", "(2, 24, 24")] {
        train(here, size, "two-phase-quick", &[&format!("--set=size={size}"), "--set=bins=9"]);
        good(here, &["generate", "--run", size, "--count=2", "--tile=3"]);
        let (maps, header) = npy(&here.join(size).join("generated/samples.npy"));
        assert!(header.contains(name) && maps.iter().all(|&class| class < 2), "{header}");
        let report = fs::read_to_string(here.join(size).join("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        // Hardly trained, but on a torus: nothing tells the border from the rest.
        let (ratio, error) = (&report["seam"]["ratio"], &report["seam"]["standard_error"]);
        let (ratio, error) = (ratio.as_f64().unwrap(), error.as_f64().unwrap());
        assert!((ratio - 1.0).abs() < 4.0 * error + 0.05, "{size}: {ratio} +- {error}");
    }
    // Two tiles side by side, each three times across and down, with a gutter about them.
    let [height, width] = png_size(&here.join("48x80/generated/tiles.png"));
    assert!(height >= 3 * 48 && width >= 6 * 80 && height < 3 * 48 + 20, "{height} x {width}");
}

#[test]
fn a_latent_map_makes_larger_samples() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    train(here, "run", "two-phase-p1-quick", &["--set=size=16", "--set=latent_map=true"]);
    for (size, shape) in [("40x72", "(3, 40, 72"), ("16", "(3, 16, 16"), ("4", "(3, 4, 4")] {
        let args = ["generate", "--run=run", "--count=3", "--overwrite", "--target=p1=0.4", "--best-effort"];
        good(here, &[args.as_slice(), &["--size", size]].concat());
        let (_, header) = npy(&here.join("run/generated/samples.npy"));
        assert!(header.contains(shape), "{header}");
        let csv = fs::read_to_string(here.join("run/generated/measured.csv")).unwrap();
        assert!(csv.lines().nth(1).unwrap().starts_with("0.4,"), "{csv}");
    }
    // Every cell has noise of its own: no part of a sample is another part of it.
    good(here, &["generate", "--run=run", "--count=1", "--overwrite", "--size=16x64"]);
    let (map, _) = npy(&here.join("run/generated/samples.npy"));
    let shifted = map.iter().enumerate().filter(|&(i, &c)| c != map[i / 64 * 64 + (i + 16) % 64]);
    assert!(shifted.count() > 50, "a sample repeats at the size of training");
    good(here, &["generate", "--run=run", "--count=6", "--overwrite", "--size=96x96", "--one-shot"]);
    let (maps, _) = npy(&here.join("run/generated/samples.npy"));
    let [at, noise] = autocorrelation(&maps, 96, 16);
    assert!(at.abs() < 4.0 * noise, "a sample resembles itself at the size of training: {at}, noise {noise}");
    bad(
        here,
        &["generate", "--run=run", "--count=1", "--overwrite", "--size=50x80"],
        &["size 50x80", "multiples of 4", "48x80 and 52x80"],
    );
    bad(
        here,
        &["generate", "--run=run", "--count=1", "--overwrite", "--size=3"],
        &["multiples of 4", "the nearest is 4x4"],
    );
    bad(here, &["generate", "--run=run", "--count=1", "--target=p1=2", "--size=32"], &["p1 = 2"]);
}

#[test]
fn sizes_that_cannot_be_are_told_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let size = |size: &str| format!("--set=size={size}");
    bad(here, &["train", "two-phase-quick", &size("101")], &["data.size", "96 x 96 and 112 x 112"]);
    bad(here, &["train", "two-phase-quick", &size("48x224")], &["48 x 128 and 96 x 224"]);
    bad(here, &["train", "circles-quick", "--set=latent_map=true"], &["net.latent_map = true", "textures"]);
    bad(
        here,
        &["train", "two-phase-quick", "--set=minibatch_std=1"],
        &["net.minibatch_std = 1", "at least 2, or 0"],
    );
    bad(
        here,
        &["train", "two-phase-quick", "--set=augment=rotations", "--set=size=48x64"],
        &["train.augment = \"rotations\"", "48 x 64 are no squares"],
    );
    bad(
        here,
        &["train", "two-phase-quick", "--set=augment=shifts+turns"],
        &["augment = \"shifts+turns\"", "\"flips+rotations\""],
    );
    bad(
        here,
        &["train", "two-phase-quick", "--set=augment=auto+flips"],
        &["augment = \"auto+flips\"", "\"auto\""],
    );
    bad(
        here,
        &["train", "circles-quick", "--set=augment=shifts"],
        &["train.augment = \"shifts\"", "do not repeat"],
    );
    train(here, "fixed", "two-phase-p1-quick", &["--set=size=16", "--set=latent_map=false"]);
    bad(
        here,
        &["generate", "--run=fixed", "--count=1", "--size=32"],
        &["size 32x32", "16 x 16 only", "latent_map = true"],
    );
}
