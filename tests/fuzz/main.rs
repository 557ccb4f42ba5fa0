//! Damaged files of every kind that is read: no panic, no memory but for what is there, and every
//! refusal one line.
//!
//! `cargo test` tries [`FEW`] mutants; `scripts/fuzz` as many as are asked for, by the variable
//! `INVNET_FUZZ_INPUTS`, of the kinds whose names hold `INVNET_FUZZ_KIND`. Mutant `i` depends on `i` alone; a failure prints it and keeps the file.

mod mutate;
mod own;
mod readers;
mod tables;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use invnet::error::{Error, Result};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Mutants in the test command.
const FEW: u64 = 3_000;
/// Memory that reading a file may take: so many bytes, and so many for each of its own. A strip of a
/// TIFF may take 64 MiB in any file, and values are 8 bytes each; decoders may make 1032 bytes of one
/// (deflate).
const MEMORY_AT_ALL: usize = 192 << 20;
const MEMORY_PER_BYTE: usize = 8192;

/// Reads a file; the number of the attempt chooses its options.
type Read = Box<dyn Fn(&Path, u64) -> Result<()>>;

/// Something that reads a file; the number chooses among its options.
pub struct Target {
    name: String,
    bytes: Vec<u8>,
    read: Read,
}

/// What one input did.
struct Outcome {
    refused: bool,
    memory: usize,
}

fn try_one(target: &Target, path: &Path, bytes: &[u8], number: u64) -> Outcome {
    fs::write(path, bytes).expect("writes");
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.read)(path, number)));
    let memory = MEMORY.peak_usage().saturating_sub(before);
    let keep = |what: &str| {
        let kept =
            std::env::temp_dir().join(format!("invnet-fuzz-{number}-{}", target.name.replace(' ', "-")));
        fs::write(&kept, bytes).expect("writes");
        panic!("{} {number}: {what}; the file is {}", target.name, kept.display())
    };
    let most = MEMORY_AT_ALL + MEMORY_PER_BYTE * bytes.len();
    if memory > most {
        keep(&format!("took {memory} bytes of memory, {most} are allowed"));
    }
    match outcome {
        Err(_) => keep("panicked"),
        Ok(Err(error)) => {
            if let Some(wrong) = wrong_with(&error) {
                keep(&format!("{wrong}: {error:?}"));
            }
            Outcome { refused: true, memory }
        }
        Ok(Ok(())) => Outcome { refused: false, memory },
    }
}

/// What is wrong with a refusal, if anything.
fn wrong_with(error: &Error) -> Option<&'static str> {
    let text = error.to_string();
    let controls = text.chars().any(|c| c.is_control());
    match text.lines().count() {
        1 if text.len() > 4000 => Some("a refusal of more than 4,000 characters"),
        1 if controls => Some("a refusal with control characters"),
        1 => None,
        _ => Some("a refusal that is not one line"),
    }
}

#[test]
fn no_damaged_file_panics_or_takes_memory() {
    let kind = std::env::var("INVNET_FUZZ_KIND").unwrap_or_default();
    let all = readers::targets().into_iter().chain(own::targets()).chain(tables::targets());
    let targets: Vec<Target> = all.filter(|target| target.name.contains(&kind)).collect();
    assert!(!targets.is_empty(), "no kind of file is called {kind}");
    let inputs = std::env::var("INVNET_FUZZ_INPUTS").map_or(FEW, |n| n.parse().expect("a number of inputs"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("input");
    let (mut refused, mut worst) = (vec![0u64; targets.len()], vec![0; targets.len()]);
    for number in 0..inputs {
        let i = (number % targets.len() as u64) as usize;
        let (target, other) = (&targets[i], &targets[(number / 3) as usize % targets.len()]);
        // The whole file comes first.
        let bytes = match number / targets.len() as u64 {
            0 => target.bytes.clone(),
            _ => mutate::mutated(&target.bytes, &other.bytes, number),
        };
        let outcome = try_one(target, &path, &bytes, number / targets.len() as u64);
        refused[i] += u64::from(outcome.refused);
        worst[i] = worst[i].max(outcome.memory);
    }
    println!("{inputs} inputs of {} kinds; refused, most memory:", targets.len());
    for (i, target) in targets.iter().enumerate() {
        println!("  {:<24} {:>8} {:>10} KiB", target.name, refused[i], worst[i] >> 10);
        assert!(
            inputs < 100 * targets.len() as u64 || refused[i] > 0,
            "{}: no mutant was refused",
            target.name
        );
    }
}

#[test]
fn promises_of_headers_take_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("input");
    for (name, bytes) in readers::promises() {
        let read = |path: &Path, _: u64| {
            let options = invnet::data::import::Options {
                size: Some([8, 8]),
                threshold: Some(1.0),
                ..Default::default()
            };
            invnet::data::import::import(path, &options).map(|_| ())
        };
        let target = Target { name: name.into(), bytes: vec![], read: Box::new(read) };
        let outcome = try_one(&target, &path, &bytes, 0);
        assert!(outcome.refused, "{name}: a file of {} bytes was read", bytes.len());
        assert!(outcome.memory < 100 << 20, "{name}: took {} bytes", outcome.memory);
    }
}
