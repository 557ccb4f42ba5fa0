//! Many samples of each of a few targets: the paper's Figs. 3, 5 c and 7.

use serde::Serialize;

use super::errors::{Errors, column};
use crate::error::Result;
use crate::eval::figures::{BarPanel, BubblePanel, CurvePanel, FractionPanel, Panel};
use crate::eval::shapes::diversity;
use crate::eval::view::{measured_properties, palette};
use crate::train::world::Family;
use crate::train::{Sampler, World};

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

/// What repeated targets gave.
pub(super) struct Repeated {
    pub(super) targets: Vec<Target>,
    /// Samples of each target.
    pub(super) samples: usize,
    /// Share of pixels that differ between two samples of one target.
    pub(super) diversity: f64,
    /// A few samples of each target, target by target.
    pub(super) maps: Vec<u8>,
}

impl Repeated {
    /// Samples every target of the world's protocol; `count` samples in all where the targets are a
    /// grid over the trained range.
    pub(super) fn measure(sampler: &mut Sampler, count: usize) -> Result<Self> {
        let world = sampler.world().clone();
        let (width, size) = (world.names().len(), world.size());
        let rows = protocol(&world);
        let samples = match world.family() {
            Family::VolumeFraction | Family::Fractions { .. } => count.div_ceil(rows.len() / width).max(2),
            _ => FEW,
        };
        let mut all = Self { targets: Vec::new(), samples, diversity: 0.0, maps: Vec::new() };
        for (t, row) in rows.chunks_exact(width).enumerate() {
            let drawn = sampler.sample(&row.repeat(samples), NOISE_SEED + t as u64)?;
            let measured = measured_properties(&world, &drawn.maps)?;
            let asked: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
            let errors: Vec<Errors> = (0..width)
                .map(|i| Errors::of(std::iter::repeat(asked[i]), column(&measured, width, i)))
                .collect();
            all.targets.push(Target {
                mean: asked.iter().zip(&errors).map(|(a, e)| a + e.bias).collect(),
                std: errors.iter().map(|e| e.std).collect(),
                mean_abs_error: errors.iter().map(|e| e.mean_abs_error).collect(),
                asked,
            });
            let maps: Vec<&[u8]> = drawn.maps.chunks_exact(size * size).collect();
            all.diversity += diversity(&maps[..maps.len().min(FEW)]) * width as f64 / rows.len() as f64;
            let shown = STRIP.div_ceil(rows.len() / width).min(samples);
            all.maps.extend_from_slice(&drawn.maps[..shown * size * size]);
        }
        Ok(all)
    }
}

/// The panels of the picture.
pub(super) fn panels(targets: &[Target], world: &World) -> Vec<Panel> {
    let names = world.names();
    // (asked, mean, std) of property i over the targets.
    let columns = |i: usize| -> [Vec<f64>; 3] {
        let of = |rows: fn(&Target) -> &[f64]| targets.iter().map(|t| rows(t)[i]).collect();
        [of(|t| &t.asked), of(|t| &t.mean), of(|t| &t.std)]
    };
    match world.family() {
        Family::VolumeFraction => {
            let [targets, mean, std] = columns(0);
            let (name, unit) = ("volume fraction p1".into(), String::new());
            vec![Panel::Bubbles(BubblePanel { name, unit, targets, mean, std })]
        }
        Family::Correlation { bins } => targets
            .iter()
            .map(|t| {
                Panel::Curve(CurvePanel {
                    title: format!("p1 = {:.2}", t.asked[0]),
                    x_name: "distance r (px)".into(),
                    y_name: "two-point correlation".into(),
                    x: (0..bins).map(|r| r as f64).collect(),
                    asked: t.asked.clone(),
                    mean: t.mean.clone(),
                    std: t.std.clone(),
                })
            })
            .collect(),
        Family::Fractions { classes } => targets
            .iter()
            .enumerate()
            .map(|(i, t)| {
                Panel::Fractions(FractionPanel {
                    title: format!("target {}", i + 1),
                    classes: (1..=classes).map(|k| k.to_string()).collect(),
                    colours: palette(world)[..classes].to_vec(),
                    asked: t.asked.clone(),
                    mean: t.mean.clone(),
                    std: t.std.clone(),
                })
            })
            .collect(),
        Family::Circles(_) | Family::CircleSquare(_) => names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let [targets, mean, std] = columns(i);
                let (name, unit) = (name.clone(), world.unit(i).into());
                Panel::Bars(BarPanel { name, unit, targets, mean, std })
            })
            .collect(),
    }
}

/// The targets, `[T, P]`: volume fractions from .2 to .8, sets of class fractions from equal to
/// skewed, otherwise some of the data's distribution.
fn protocol(world: &World) -> Vec<f32> {
    match world.family() {
        Family::VolumeFraction => (4..=16).map(|i| i as f32 / 20.0).collect(),
        Family::Fractions { classes } => distributions(classes).into_iter().flatten().collect(),
        Family::Correlation { .. } => spread_curves(world, 6),
        Family::Circles(_) | Family::CircleSquare(_) => world.sample_targets(8, TARGET_SEED),
    }
}

/// Fractions of K classes: equal; one of .4, of .5 and of .6; two large ones; rising evenly.
fn distributions(classes: usize) -> Vec<Vec<f32>> {
    let k = classes as f32;
    let with = |given: &[(usize, f32)]| {
        let rest = 1.0 - given.iter().map(|(_, f)| f).sum::<f32>();
        let mut row = vec![rest / (k - given.len() as f32).max(1.0); classes];
        given.iter().for_each(|&(i, f)| row[i % classes] = f);
        let sum: f32 = row.iter().sum();
        row.iter().map(|f| f / sum).collect::<Vec<f32>>()
    };
    let rising: Vec<f32> = (1..=classes).map(|i| 2.0 * i as f32 / (k * (k + 1.0))).collect();
    vec![
        with(&[]),
        with(&[(0, 0.4)]),
        with(&[(2, 0.5)]),
        with(&[(classes - 1, 0.6)]),
        with(&[(0, 0.35), (1, 0.35)]),
        rising,
    ]
}

/// Held-out curves from the smallest to the largest volume fraction.
fn spread_curves(world: &World, count: usize) -> Vec<f32> {
    let width = world.names().len();
    let mut rows: Vec<&[f32]> = world.table().chunks_exact(width).collect();
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    (0..count).flat_map(|i| rows[(2 * i + 1) * rows.len() / (2 * count)]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_sum_to_one_and_are_skewed() {
        for classes in 2..=16 {
            for row in distributions(classes) {
                assert_eq!(row.len(), classes);
                assert!(
                    (row.iter().sum::<f32>() - 1.0).abs() < 1e-5 && row.iter().all(|&f| f > 0.0),
                    "{row:?}"
                );
            }
        }
        assert!((distributions(5)[3][4] - 0.6).abs() < 1e-6);
    }
}
