//! The times of Table 1.

use serde_json::json;

use super::{cost, row};
use crate::data::export::{Element, GrowingArray};
use crate::data::source::Part as Images;
use crate::error::{Error, Result};
use crate::paper::clock::Clock;
use crate::paper::recipe::FRACTION;
use crate::paper::run::Run;
use crate::paper::{Bench, Finding, Part};
use crate::train::Task;

pub(super) const TABLE1: Part = Part {
    id: "table1",
    claim: "100,000 microstructures, training included, take less time than by simulation",
    paper: "1.84 s an image simulated, 184,000 s for 100,000; 57,600 s training, 0.0110 s an image, 58,700 s \
            in all",
    recipes: &[&FRACTION],
    compared: &[],
    measuring: 70.0,
    make,
};

/// Images of the comparison.
const COUNT: usize = 100_000;
/// Images that are simulated to time one.
const SIMULATED: usize = 256;
/// Images that are sampled and written at a time.
const PIECE: usize = 992;
const SEED: u64 = 0x5EF1;
const FILE: &str = "table1-samples.npy";

/// What the paper's Table 1 says: an image simulated, training, an image sampled, in seconds.
const PAPER: [f64; 3] = [1.84, 57_600.0, 0.0110];

/// Seconds of the wall and of the processor.
type Seconds = (f64, Option<f64>);

fn make(bench: &mut Bench<'_>) -> Result<Finding> {
    let run = bench.trained(&FRACTION, 0)?;
    let (simulated, simulation) = simulate(bench, &run)?;
    let sampling = sample(bench, &run)?;
    let count = COUNT as f64;
    // Processor time where the system tells it, since other work on the machine lengthens the other.
    let training = (run.history.seconds, run.history.processor_seconds);
    let processor = [simulation.1, training.1, sampling.1].iter().all(Option::is_some);
    let of = |(wall, cpu): Seconds| if processor { cpu.unwrap_or(wall) } else { wall };
    let (one_simulated, trained, one_sampled) =
        (of(simulation) / simulated as f64, of(training), of(sampling) / count);
    let (all_simulated, all_sampled) = (one_simulated * count, trained + one_sampled * count);
    let even =
        if one_simulated > one_sampled { trained / (one_simulated - one_sampled) } else { f64::INFINITY };
    let paper_even = PAPER[1] / (PAPER[0] - PAPER[2]);
    let kind = if processor { "processor time of all cores" } else { "wall time" };
    let table = vec![
        row(&["", "paper (s)", "here, processor (s)", "here, wall (s)"]),
        line("an image simulated", PAPER[0], simulation, simulated as f64),
        line("100,000 images simulated", PAPER[0] * count, simulation, simulated as f64 / count),
        line("training", PAPER[1], training, 1.0),
        line("an image sampled", PAPER[2], sampling, count),
        line(
            "100,000 images sampled, training included",
            58_700.0,
            (training.0 + sampling.0, training.1.zip(sampling.1).map(|(a, b)| a + b)),
            1.0,
        ),
        vec![
            "images after which training has paid".into(),
            format!("{paper_even:.0}"),
            shown_count(even),
            String::new(),
        ],
    ];
    Ok(Finding {
        ours: format!(
            "{one_simulated:.4} s an image simulated, {all_simulated:.0} s for 100,000; {trained:.0} s \
             training, {one_sampled:.5} s an image, {all_sampled:.0} s in all; even after {} images ({kind})",
            shown_count(even)
        ),
        holds: all_sampled < all_simulated,
        note: format!(
            "Rule: training and 100,000 samples take less {kind} than simulating 100,000 images. Here both \
             run on the same machine, where the paper compares a processor of four cores with a GPU. The \
             solver is this program's own, semi-implicit and spectral, and takes ten snapshots of each \
             simulation; an image is of {} x {} pixels. {COUNT} samples were made, measured on their \
             probabilities, and written to a file as they came.",
            run.config.data.size().ok().flatten().map_or(0, |s| s[0]),
            run.config.data.size().ok().flatten().map_or(0, |s| s[1]),
        ),
        table,
        pictures: Vec::new(),
        numbers: json!({
            "training": cost(&run),
            "simulated": { "images": simulated, "seconds": simulation.0, "processor_seconds": simulation.1 },
            "sampled": { "images": COUNT, "seconds": sampling.0, "processor_seconds": sampling.1 },
            "break_even_images": if even.is_finite() { json!(even) } else { json!(null) },
        }),
    })
}

fn shown_count(images: f64) -> String {
    if images.is_finite() { format!("{images:.0}") } else { "never".into() }
}

/// A row of the table: the seconds over a number.
fn line(what: &str, paper: f64, (wall, processor): Seconds, over: f64) -> Vec<String> {
    let seconds = |s: f64| if s >= 100.0 { format!("{s:.0}") } else { format!("{s:.4}") };
    let processor = processor.map_or_else(|| "not told".into(), |p| seconds(p / over));
    vec![what.to_owned(), seconds(paper), processor, seconds(wall / over)]
}

/// Simulates images as a data set is made; how many there were.
fn simulate(bench: &mut Bench<'_>, run: &Run) -> Result<(usize, Seconds)> {
    bench.watch.at("simulating images", 0, 0)?;
    let source = Task::source(&run.config, "table1")?;
    let mut device = bench.kind.for_data()?;
    let clock = Clock::start();
    // Of a seed that no training has.
    let made = source.make(Images::HeldOut, SIMULATED, SEED, &mut *device)?;
    Ok((made.count, clock.elapsed()))
}

/// Samples all images into a file, which is removed at the end.
fn sample(bench: &mut Bench<'_>, run: &Run) -> Result<Seconds> {
    let mut sampler = run.sampler(bench.kind)?;
    let path = bench.folder.join(FILE);
    if path.exists() {
        std::fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
    }
    let [h, w] = sampler.task().images().size;
    let clock = Clock::start();
    let mut file = GrowingArray::create(&path, Element::Byte, &[h, w])?;
    let mut done = 0;
    while done < COUNT {
        bench.watch.at("sampling", done as u64, COUNT as u64)?;
        let piece = PIECE.min(COUNT - done);
        let targets = sampler.task().targets(done..done + piece, SEED);
        file.push(&sampler.sample_from(done, &targets, SEED)?.maps)?;
        done += piece;
    }
    file.sync()?;
    let seconds = clock.elapsed();
    drop(file);
    std::fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
    Ok(seconds)
}
