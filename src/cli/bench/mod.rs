//! `invnet bench step`: how long one iteration takes, and where.

mod kinds;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::output::say;
use crate::device::Kind;
use crate::device::gpu::Precision;
use crate::error::Result;
use crate::nn::Family;
use crate::train::config::Training;
use crate::train::objective::Choice;
use crate::train::phases::Phase;
use crate::train::{Config, Trainer};
use crate::words::counted;

pub use kinds::{KindCost, Peak};

/// Iterations that do not count: the first takes memory, the second captures a graph.
const WARM: usize = 2;
/// Iterations measured, if not told how many: at least the first, then until the second or the time is
/// reached.
const FEWEST: usize = 5;
const MOST: usize = 30;
const TIME: Duration = Duration::from_secs(20);

/// What `bench step` is asked to measure.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The pair.
    pub net: Family,
    /// Pixels a side.
    pub size: usize,
    /// Channels next to the image.
    pub width: usize,
    /// Samples a step.
    pub batch: usize,
    /// What products multiply.
    pub precision: Precision,
    /// The objective.
    pub objective: Choice,
    /// Iterations to measure; if none, as many as some seconds hold.
    pub iterations: Option<usize>,
}

/// What `bench step` measures; times are medians, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct StepTimes {
    /// What computed.
    pub device: String,
    /// One generator and five critic steps, and five of the projection where the objective has one.
    pub ms_iteration: f64,
    /// One generator step.
    pub ms_generator: f64,
    /// One projection step, where the objective has one.
    pub ms_projection: Option<f64>,
    /// One critic step.
    pub ms_critic: f64,
    /// The shortest and the longest iteration.
    pub ms_range: [f64; 2],
    /// Nominal operations of an iteration (direct algorithms) over its time.
    pub gflops: f64,
    /// Peak resident memory of this process, in MiB (what the engine holds where the system does
    /// not tell).
    pub peak_mib: f64,
    /// Memory the engine holds: leaves, planned arena, working space, in MiB.
    pub device_mib: f64,
    /// Of each phase the memory of its planned arena, which they share, and the most that is alive in it at a
    /// time, in MiB.
    pub arenas_mib: BTreeMap<&'static str, [f64; 2]>,
    /// Iterations measured.
    pub iterations: usize,
    /// What the device can do.
    pub peak: Peak,
    /// An iteration's operations by name.
    pub kinds: BTreeMap<&'static str, KindCost>,
}

/// Measures whole iterations of a pair on random data.
///
/// # Errors
/// If a value is out of range or the device fails.
pub fn measure(asked: &Asked, kind: Kind) -> Result<StepTimes> {
    let mut config = Config::preset("circles")?;
    config.net.precision = asked.precision;
    config.net.family = asked.net;
    let [size, width, batch] = [("size", asked.size), ("width", asked.width), ("batch", asked.batch)]
        .map(|(k, v)| format!("{k}={v}"));
    config.set_all([&*size, &*width, &*batch, "images=1024"], "bench step")?;
    if !asked.objective.make().projects() {
        config.train.n_i = 0;
    }
    config.objective = asked.objective.clone();
    // How often an iteration runs each phase: the paper's settings.
    let Training { n_g, n_i, n_d, .. } = config.train;
    let steps = [(Phase::Generator, n_g), (Phase::Critic, n_d), (Phase::Projection, n_i)];
    let steps = if n_i == 0 { &steps[..2] } else { &steps[..] };
    let mut trainer = Trainer::on(&config, kind)?;
    let device = trainer.device_name();
    let started = Instant::now();
    let mut whole = Vec::new();
    let most = asked.iterations.unwrap_or(MOST);
    for round in 0..most + WARM {
        let beginning = Instant::now();
        trainer.advance(1, &|| false)?;
        if round >= WARM {
            whole.push(milliseconds(beginning.elapsed()));
        }
        let enough = asked.iterations.is_none() && whole.len() >= FEWEST;
        if enough && started.elapsed() > TIME {
            break;
        }
    }
    let mut times: [Vec<f64>; 3] = Default::default();
    let mut operations = 0;
    for (&(phase, repeats), times) in steps.iter().zip(&mut times) {
        for _ in 0..whole.len().min(FEWEST) {
            let start = Instant::now();
            let flops = trainer.step(phase)?.unwrap_or(0);
            trainer.sync()?;
            times.push(milliseconds(start.elapsed()));
            if times.len() == 1 {
                operations += flops * repeats as u64;
            }
        }
    }
    let mut kinds = BTreeMap::new();
    for &(phase, repeats) in steps {
        kinds::add(&mut kinds, &trainer.profile(phase)?, repeats);
    }
    let ms_iteration = median(&mut whole);
    let [ms_generator, ms_critic, ms_projection] =
        times.each_mut().map(|t| if t.is_empty() { f64::NAN } else { median(t) });
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let device_mib = mib(trainer.device_bytes());
    let arenas_mib = trainer.arenas().map(|(phase, bytes)| (phase.name(), bytes.map(mib))).collect();
    let peak_mib = peak_resident_mib().unwrap_or(device_mib);
    drop(trainer);
    Ok(StepTimes {
        device,
        ms_iteration,
        ms_generator,
        ms_projection: Some(ms_projection).filter(|_| n_i > 0),
        ms_critic,
        ms_range: [whole[0], whole[whole.len() - 1]],
        gflops: operations as f64 / ms_iteration / 1e6,
        peak_mib,
        device_mib,
        arenas_mib,
        iterations: whole.len(),
        peak: Peak::of(kind.open(asked.precision)?)?,
        kinds,
    })
}

/// Runs the command: a table, or one JSON object.
///
/// # Errors
/// If a value is out of range or the device fails.
pub fn step(asked: &Asked, device: Kind, json: bool) -> Result<()> {
    let times = measure(asked, device)?;
    if json {
        return say!("{}", serde_json::json!(times));
    }
    let Asked { net, size, width, batch, objective, .. } = asked;
    let other = if objective.make().projects() { String::new() } else { format!(" {}", objective.name()) };
    say!(
        "{net:?}{other} {size} x {size}, width {width}, batch {batch}, {}: medians of {}",
        times.device,
        counted(times.iterations, "iteration")
    )?;
    let [least, most] = times.ms_range;
    let projections = times.ms_projection.map_or("", |_| "5 projection, ");
    let iteration = format!("iteration (1 generator, {projections}5 critic steps)");
    say!("  {iteration} {:10.1} ms, {least:.1} to {most:.1}", times.ms_iteration)?;
    say!("  generator step  {:10.1} ms", times.ms_generator)?;
    if let Some(ms) = times.ms_projection {
        say!("  projection step {ms:10.1} ms")?;
    }
    say!("  critic step     {:10.1} ms", times.ms_critic)?;
    say!("  {:.0} GFLOP/s, counted for direct algorithms", times.gflops)?;
    say!("  {:.0} MiB peak of the process, {:.0} MiB of it the engine's", times.peak_mib, times.device_mib)?;
    for (phase, [arena, held]) in &times.arenas_mib {
        say!("    {phase}: an arena of {arena:.1} MiB, {held:.1} MiB of it alive at a time at most")?;
    }
    kinds::print(&times.kinds, &times.peak)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The high-water mark of resident memory, where the system tells (Linux).
fn peak_resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}
