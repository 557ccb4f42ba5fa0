//! Many samples of each of a few targets: the paper's Figs. 3, 5 c and 7.

use serde::Serialize;

use super::errors::{Errors, column};
use crate::error::Result;
use crate::eval::figures::{BarPanel, BubblePanel, CurvePanel, FractionPanel, Panel};
use crate::eval::shapes::diversity;
use crate::eval::variety::distinct;
use crate::eval::view::palette;
use crate::invariance::View;
use crate::train::dataset::measured;
use crate::train::{Sampler, Task};

/// Seeds of the targets and of the noise: fixed, so that reports of two runs compare.
const TARGET_SEED: u64 = 0x7A27;
const NOISE_SEED: u64 = 0x5EEE;

/// Samples of a target where no number of samples was asked for.
const FEW: usize = 64;

/// Samples in the picture's strip, at least.
const STRIP: usize = 12;

/// One target and what many samples of it measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// The properties asked for.
    pub asked: Vec<f64>,
    /// Mean of the measured ones.
    pub mean: Vec<f64>,
    /// Standard deviation of the measured ones.
    pub std: Vec<f64>,
    /// Mean absolute error of each.
    pub mean_abs_error: Vec<f64>,
}

/// Targets taken from the data.
const FROM_DATA: usize = 6;
const DRAWN: usize = 8;

/// What repeated targets gave.
pub(super) struct Repeated {
    pub(super) targets: Vec<Target>,
    /// Samples of each target.
    pub(super) samples: usize,
    /// Share of pixels that differ between two samples of one target.
    pub(super) diversity: f64,
    /// Share of samples unlike any other of their target.
    pub(super) distinct: f64,
    /// A few samples of each target, target by target.
    pub(super) maps: Vec<u8>,
}

impl Repeated {
    /// Samples every target of the protocol; `count` samples in all where the property itself says
    /// what the targets are.
    pub(super) fn measure(sampler: &mut Sampler, count: usize) -> Result<Self> {
        let task = sampler.task().clone();
        let (width, pixels) = (task.columns().len(), task.images().pixels());
        let (rows, stated) = protocol(&task);
        let samples = if stated { count.div_ceil(rows.len() / width).max(2) } else { FEW };
        let mut all = Self { targets: Vec::new(), samples, diversity: 0.0, distinct: 0.0, maps: Vec::new() };
        for (t, row) in rows.chunks_exact(width).enumerate() {
            let drawn = sampler.sample(&row.repeat(samples), NOISE_SEED + t as u64)?;
            let measured = measured(&task, &drawn.maps)?;
            let asked: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
            let errors: Vec<Errors> = (0..width)
                .map(|i| {
                    let of = &task.columns()[i];
                    Errors::of(column(&measured, width, i).map(|measured| of.error(measured, asked[i])))
                })
                .collect();
            all.targets.push(Target {
                mean: asked.iter().zip(&errors).map(|(a, e)| a + e.bias).collect(),
                std: errors.iter().map(|e| e.std).collect(),
                mean_abs_error: errors.iter().map(|e| e.mean_abs_error).collect(),
                asked,
            });
            let maps: Vec<&[u8]> = drawn.maps.chunks_exact(pixels).collect();
            let (few, share) = (&maps[..maps.len().min(FEW)], width as f64 / rows.len() as f64);
            all.diversity += diversity(few) * share;
            all.distinct += distinct(few) * share;
            let shown = STRIP.div_ceil(rows.len() / width).min(samples);
            all.maps.extend_from_slice(&drawn.maps[..shown * pixels]);
        }
        Ok(all)
    }
}

/// The panels of the picture, property by property.
pub(super) fn panels(targets: &[Target], task: &Task) -> Vec<Panel> {
    task.placed()
        .flat_map(|(property, first)| {
            let columns = first..first + property.columns().len();
            let part = |rows: &[f64]| rows[columns.clone()].to_vec();
            match property.invariance().view() {
                View::Bars => columns.clone().map(|i| bars(targets, task, i)).collect::<Vec<_>>(),
                View::Bubbles => columns.clone().map(|i| bubbles(targets, task, i)).collect(),
                View::Curve { x, x_name, y_name } => targets
                    .iter()
                    .enumerate()
                    .map(|(i, t)| {
                        Panel::Curve(CurvePanel {
                            title: format!("target {}", i + 1),
                            x_name: x_name.clone(),
                            y_name: y_name.clone(),
                            x: x.clone(),
                            asked: part(&t.asked),
                            mean: part(&t.mean),
                            std: part(&t.std),
                        })
                    })
                    .collect(),
                View::Shares => targets
                    .iter()
                    .enumerate()
                    .map(|(i, t)| {
                        let classes = columns.len();
                        Panel::Fractions(FractionPanel {
                            title: format!("target {}", i + 1),
                            classes: (1..=classes).map(|k| k.to_string()).collect(),
                            colours: palette(task.look(), classes)[..classes].to_vec(),
                            asked: part(&t.asked),
                            mean: part(&t.mean),
                            std: part(&t.std),
                        })
                    })
                    .collect(),
            }
        })
        .collect()
}

/// (asked, mean, std) of number `i` over the targets.
fn over(targets: &[Target], i: usize) -> [Vec<f64>; 3] {
    let of = |rows: fn(&Target) -> &[f64]| targets.iter().map(|t| rows(t)[i]).collect();
    [of(|t| &t.asked), of(|t| &t.mean), of(|t| &t.std)]
}

fn bars(rows: &[Target], task: &Task, i: usize) -> Panel {
    let [targets, mean, std] = over(rows, i);
    let column = &task.columns()[i];
    let (name, unit) = (column.name.clone(), column.unit.clone());
    Panel::Bars(BarPanel { name, unit, each: "target", targets, mean, std })
}

fn bubbles(rows: &[Target], task: &Task, i: usize) -> Panel {
    let [targets, mean, std] = over(rows, i);
    let column = &task.columns()[i];
    Panel::Bubbles(BubblePanel { name: column.name.clone(), unit: column.unit.clone(), targets, mean, std })
}

/// The targets, `[T, P]`, and whether a property states them: where it is the only one asked for it
/// may; otherwise they are some of the data's distribution.
pub(super) fn protocol(task: &Task) -> (Vec<f32>, bool) {
    if let [property] = task.properties() {
        let stated = property.invariance().protocol();
        if !stated.is_empty() {
            return (stated.concat(), true);
        }
    }
    if !task.needs_table() {
        return (task.sample_targets(DRAWN, TARGET_SEED), false);
    }
    (spread_rows(task, FROM_DATA), false)
}

/// Held-out rows from the smallest to the largest first number.
fn spread_rows(task: &Task, count: usize) -> Vec<f32> {
    let width = task.columns().len();
    let mut rows: Vec<&[f32]> = task.table().chunks_exact(width).collect();
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    (0..count).flat_map(|i| rows[(2 * i + 1) * rows.len() / (2 * count)]).copied().collect()
}
