//! Samples closed on their targets beside the generator's one shot, at the same targets and with the same
//! noise: what exactness takes, and what it does to looks.

use std::fmt::Write as _;
use std::time::Instant;

use serde::Serialize;

use super::errors::{Errors, column};
use super::quality::Figures;
use super::repeated::protocol;
use super::{NOISE_SEED, TARGET_SEED, compare, picked};
use crate::close::{Closed, Settings, Tolerances, close};
use crate::data::ClassMaps;
use crate::error::Result;
use crate::eval::shapes::diversity;
use crate::train::dataset::measured;
use crate::train::{Sampler, Task};
use crate::words::{counted, verb};

/// Samples of each repeated target.
const REPEATS: usize = 16;
/// Draws of noise of a sample, as `generate` has by default.
const TRIES: u32 = 3;
/// Samples closed at a time.
const PIECE: usize = 512;
/// Numbers that are told one by one; more are told in one line.
const LISTED: usize = 8;

/// The same figure without and with closing.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Both<T> {
    /// What the generator makes at once.
    pub one_shot: T,
    /// The same, closed.
    pub closed: T,
}

/// Errors of one number.
#[derive(Clone, Debug, Serialize)]
pub struct Number {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Measured on class maps.
    #[serde(flatten)]
    pub errors: Both<Errors>,
}

/// The distance of a descriptor from that of real images.
#[derive(Clone, Debug, Serialize)]
pub struct Distance {
    /// Name of the descriptor.
    pub name: String,
    /// Its mean in real images.
    pub real: f64,
    /// Its mean in samples.
    pub mean: Both<f64>,
    /// Wasserstein-1 distances from real images.
    pub wasserstein: Both<f64>,
    /// That of real halves from each other.
    pub wasserstein_real: f64,
}

/// How often something took so much: as many samples as took 0, 1, 2, ...
type Histogram = Vec<usize>;

/// What closing does.
#[derive(Clone, Debug, Serialize)]
pub struct ClosedReport {
    /// Targets, one sample each.
    pub samples: usize,
    /// Samples of which every number is within its usual tolerance.
    pub within: usize,
    /// Every number.
    pub numbers: Vec<Number>,
    /// Passes of the generator.
    pub passes: Histogram,
    /// Steps along the gradient, in tens.
    pub steps_in_tens: Histogram,
    /// Draws of noise.
    pub tries: Histogram,
    /// Share of the pixels that are not as the generator made them.
    pub changed: f64,
    /// Wall time.
    pub seconds_per_sample: f64,
    /// Quality of figures, where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Both<Figures>>,
    /// Mean share of pixels that differ between two samples of one target.
    pub diversity: Both<f64>,
    /// Descriptors that no loss sees.
    pub descriptors: Vec<Distance>,
    /// Class maps to be shown.
    #[serde(skip)]
    pub(super) maps: Vec<u8>,
}

impl ClosedReport {
    /// Closes up to `count` samples: at what held-out images have where only images know what goes
    /// together, else at random targets.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(sampler: &mut Sampler, held_out: &ClassMaps, count: usize) -> Result<Self> {
        let task = sampler.task().clone();
        let own = measured(&task, &picked(held_out, count.max(2)).concat())?;
        let like_own = task.needs_table() && own.iter().all(|v| v.is_finite());
        let asked = if like_own { own } else { task.sample_targets(count, TARGET_SEED) };
        let once = sampler.sample(&asked, NOISE_SEED)?.maps;
        let start = Instant::now();
        let all = closed(sampler, &asked, NOISE_SEED)?;
        let seconds = start.elapsed().as_secs_f64();
        let samples = all.within.len();
        let histogram = |of: &dyn Fn(usize) -> u32| {
            let mut counts = Vec::new();
            for k in 0..samples {
                let at = of(k) as usize;
                counts.resize(counts.len().max(at + 1), 0);
                counts[at] += 1;
            }
            counts
        };
        let flips: u64 = all.effort.iter().map(|e| u64::from(e.flips)).sum();
        let figures = |maps: &[u8]| Figures::measure(&task, maps, &asked);
        Ok(Self {
            samples,
            within: all.within.iter().filter(|w| **w).count(),
            numbers: numbers(&task, &asked, [&measured(&task, &once)?, &all.measured]),
            passes: histogram(&|k| all.effort[k].passes),
            steps_in_tens: histogram(&|k| all.effort[k].steps.div_ceil(10)),
            tries: histogram(&|k| all.effort[k].tries),
            changed: flips as f64 / all.maps.len() as f64,
            seconds_per_sample: seconds / samples as f64,
            figures: figures(&once)
                .zip(figures(&all.maps))
                .map(|(one_shot, closed)| Both { one_shot, closed }),
            diversity: variety(sampler)?,
            descriptors: distances(&task, [&once, &all.maps], held_out),
            maps: all.maps,
        })
    }

    /// The same in words.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{} of {} within {} tolerances after closing, at {:.1} ms each\n",
            self.within,
            counted(self.samples, "sample"),
            verb(self.samples, "its", "their"),
            1e3 * self.seconds_per_sample
        );
        let of = |histogram: &Histogram, times: usize| {
            let sum: usize = histogram.iter().enumerate().map(|(took, samples)| took * samples).sum();
            (times * sum) as f64 / self.samples as f64
        };
        let _ = writeln!(
            text,
            "a sample: {:.1} passes, {:.0} steps, {:.1} draws of noise, {:.1} % of its pixels changed",
            of(&self.passes, 1),
            of(&self.steps_in_tens, 10),
            of(&self.tries, 1),
            100.0 * self.changed
        );
        let _ = writeln!(text, "{:34} {:>10} {:>10} {:>10}", "mean abs error", "one shot", "closed", "p95");
        let mut line = |name: &str, once: f64, closed: f64, p95: f64| {
            let _ = writeln!(text, "{name:34} {once:10.5} {closed:10.5} {p95:10.5}");
        };
        for part in self.numbers.chunk_by(|a, b| stem(a) == stem(b)) {
            if part.len() > LISTED {
                let name = format!("{}..{}", part[0].name, part[part.len() - 1].name);
                let mean = |f: fn(&Number) -> f64| part.iter().map(f).sum::<f64>() / part.len() as f64;
                let [once, closed] =
                    [mean(|n| n.errors.one_shot.mean_abs_error), mean(|n| n.errors.closed.mean_abs_error)];
                line(&name, once, closed, mean(|n| n.errors.closed.p95));
                continue;
            }
            for Number { name, errors: Both { one_shot, closed }, .. } in part {
                line(name, one_shot.mean_abs_error, closed.mean_abs_error, closed.p95);
            }
        }
        let mut line = |name: &str, [once, closed]: [f64; 2]| {
            let _ = writeln!(text, "{name:34} {once:10.4} {closed:10.4}");
        };
        if let Some(Both { one_shot, closed }) = self.figures {
            line("figures in one piece", [one_shot.single_component, closed.single_component]);
            line("figures of the right shape", [one_shot.right_shape, closed.right_shape]);
            line("circularity", [one_shot.circularity, closed.circularity]);
        }
        line("diversity of a target", [self.diversity.one_shot, self.diversity.closed]);
        if !self.descriptors.is_empty() {
            let _ = writeln!(
                text,
                "{:34} {:>10} {:>10} {:>10}",
                "distance from real images", "one shot", "closed", "of real"
            );
        }
        for Distance { name, wasserstein: Both { one_shot, closed }, wasserstein_real, .. } in
            &self.descriptors
        {
            let _ = writeln!(text, "{name:34} {one_shot:10.4} {closed:10.4} {wasserstein_real:10.4}");
        }
        text
    }
}

/// What numbers of one curve or of one list begin with.
fn stem(number: &Number) -> &str {
    number.name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// What a report is of, of all samples; what else closing knows of them, of a piece at a time.
fn closed(sampler: &mut Sampler, asked: &[f32], seed: u64) -> Result<Closed> {
    let settings = Settings { tolerances: Tolerances::usual(sampler.task()), tries: TRIES, seed };
    let width = sampler.task().columns().len();
    let mut all = Closed::default();
    for (piece, asked) in asked.chunks(PIECE * width).enumerate() {
        let found = close(sampler, piece * PIECE, asked, &vec![true; asked.len()], &settings)?;
        all.maps.extend(found.maps);
        all.measured.extend(found.measured);
        all.within.extend(found.within);
        all.effort.extend(found.effort);
    }
    Ok(all)
}

/// Errors of every number, of one shot and closed.
fn numbers(task: &Task, asked: &[f32], found: [&[f32]; 2]) -> Vec<Number> {
    let width = task.columns().len();
    let of = |i: usize| {
        let errors = found.map(|found| {
            let pairs = column(found, width, i).zip(column(asked, width, i));
            Errors::of(pairs.map(|(measured, asked)| task.columns()[i].error(measured, asked)))
        });
        let [one_shot, closed] = errors;
        let of = &task.columns()[i];
        Number { name: of.name.clone(), unit: of.unit.clone(), errors: Both { one_shot, closed } }
    };
    (0..width).map(of).collect()
}

/// How much samples of one target differ, on average over the targets that a report repeats.
fn variety(sampler: &mut Sampler) -> Result<Both<f64>> {
    let task = sampler.task().clone();
    let (width, pixels) = (task.columns().len(), task.images().pixels());
    let (rows, _) = protocol(&task);
    let mut both = Both { one_shot: 0.0, closed: 0.0 };
    for (t, row) in rows.chunks_exact(width).enumerate() {
        let (asked, seed) = (row.repeat(REPEATS), NOISE_SEED + 1 + t as u64);
        let share = width as f64 / rows.len() as f64;
        let of = |maps: &[u8]| share * diversity(&maps.chunks_exact(pixels).collect::<Vec<_>>());
        both.one_shot += of(&sampler.sample(&asked, seed)?.maps);
        both.closed += of(&closed(sampler, &asked, seed)?.maps);
    }
    Ok(both)
}

/// Distances of descriptors, of one shot and closed.
fn distances(task: &Task, [once, closed]: [&[u8]; 2], held_out: &ClassMaps) -> Vec<Distance> {
    let pairs = compare(task, once, held_out).into_iter().zip(compare(task, closed, held_out));
    let of = |(once, closed): (super::Comparison, super::Comparison)| Distance {
        mean: Both { one_shot: once.generated.mean, closed: closed.generated.mean },
        wasserstein: Both { one_shot: once.wasserstein, closed: closed.wasserstein },
        wasserstein_real: once.wasserstein_real,
        real: once.real.mean,
        name: once.name,
    };
    pairs.map(of).collect()
}
