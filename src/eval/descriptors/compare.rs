//! Whether generated images are like real ones: distributions of descriptors side by side.
//!
//! An invariance loss can hold a number at its target while the images look like nothing; what the
//! critic taught is in the numbers that nobody asked for. Two samples of real images are not equal
//! either, so beside each distance stands that between halves of the real images ([`super::likeness`]).

use rayon::prelude::*;
use serde::Serialize;

use super::correlation::{Frame, Groups, Shift};
use super::likeness::Distances;
use super::{chords, curvature, grains, interface_length, lineal_path, regions};
use crate::data::source::Look;
use crate::eval::shapes::{extent, figure};

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
}

/// One descriptor in generated and in real images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the descriptor.
    pub name: String,
    /// Its unit; empty if it has none.
    pub unit: &'static str,
    /// In the generated images.
    pub generated: Spread,
    /// In the real images.
    pub real: Spread,
    /// Wasserstein-1 distance between the generated and the real values, in the unit.
    pub wasserstein: f64,
    /// The same between halves of the real images, on average. These are half as many, so where two sets
    /// are equally distributed this is about sqrt(2) times the distance above.
    pub wasserstein_real: f64,
    /// The distance of generated to real images over that of real ones to each other, both between halves:
    /// about 1 where they are equally distributed. Where real images hardly differ in a whole number, the
    /// scale is one image in a half that is off by one; where they do not differ at all in any other
    /// number, there is no ratio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// Distances at which two-point functions and the lineal path are compared, in pixels; those of up
/// to half the shorter side are.
const RADII: [usize; 4] = [2, 4, 8, 16];
/// A grain of fewer pixels than this is hardly one.
const TINY: usize = 5;

/// Values of one descriptor, of an image or of many.
struct Values {
    name: String,
    unit: &'static str,
    values: Vec<f64>,
    /// Whether they are whole numbers, which do not differ by less than one.
    whole: bool,
}

impl Values {
    /// Of whole numbers.
    fn whole(self) -> Self {
        Self { whole: true, ..self }
    }
}

/// Measures one map. Every map has the same descriptors in the same order.
type Measure = Box<dyn Fn(&[u8]) -> Vec<Values> + Sync>;

/// Compares generated with real class maps `[h, w]`. In parallel; the result depends on the images
/// and their order alone. Where generated images were asked for what real ones have, they stand in the
/// order of those.
///
/// Values are one for each image, or one for each grain with the grains of all images pooled. The
/// mean chord of a phase that has none in an image counts as 0.
///
/// # Panics
/// If there is no generated image, if there are fewer than two real ones, or if one does not have
/// `h * w` pixels.
#[must_use]
#[track_caller]
pub fn compare(
    look: Look,
    generated: &[&[u8]],
    real: &[&[u8]],
    h: usize,
    w: usize,
    periodic: bool,
) -> Vec<Comparison> {
    let counts = (generated.len(), real.len());
    assert!(counts.0 > 0 && counts.1 > 1, "{} generated and {} real images to compare", counts.0, counts.1);
    let last = generated.iter().chain(real).flat_map(|map| map.iter()).max().copied().unwrap_or(0);
    let measure = measure(look, Frame { h, w, periodic }, last);
    let all = |maps: &[&[u8]]| maps.par_iter().map(|map| measure(map)).collect::<Vec<_>>();
    let (generated, real) = (all(generated), all(real));
    let descriptors = 0..generated[0].len();
    descriptors
        .into_par_iter()
        .map(|d| {
            let lists = |images: &[Vec<Values>]| -> Vec<Vec<f64>> {
                images.iter().map(|image| image[d].values.clone()).collect()
            };
            let (ours, theirs) = (lists(&generated), lists(&real));
            let distances = Distances::of(&slices(&ours), &slices(&theirs));
            let Values { name, unit, whole, .. } = &generated[0][d];
            let least = if *whole { 2.0 / theirs.iter().flatten().count() as f64 } else { 0.0 };
            let (ours, theirs) = (ours.concat(), theirs.concat());
            Comparison {
                name: name.clone(),
                unit,
                generated: spread(&ours),
                real: spread(&theirs),
                wasserstein: wasserstein1(&ours, &theirs),
                wasserstein_real: distances.real,
                ratio: distances.ratio(least),
            }
        })
        .collect()
}

fn slices(lists: &[Vec<f64>]) -> Vec<&[f64]> {
    lists.iter().map(Vec::as_slice).collect()
}

/// The measure of images of classes up to `last`.
fn measure(look: Look, frame: Frame, last: u8) -> Measure {
    match look {
        Look::Phases => {
            let tools = Phases::new(frame, last.max(1));
            Box::new(move |map| tools.measure(map))
        }
        Look::Grains => Box::new(move |map| measure_grains(map, frame)),
        Look::Figures => Box::new(move |map| measure_figures(map, frame, last)),
    }
}

/// All descriptors of each of some maps of classes up to `last`; of one that has a value for each grain
/// their mean.
pub(super) fn profiles(look: Look, maps: &[&[u8]], frame: Frame, last: u8) -> Vec<Vec<f64>> {
    let measure = measure(look, frame, last);
    let mean = |d: &Values| d.values.iter().sum::<f64>() / d.values.len().max(1) as f64;
    maps.par_iter().map(|map| measure(map).iter().map(mean).collect()).collect()
}

/// What the descriptors of images of phases share.
struct Phases {
    frame: Frame,
    /// The last phase.
    last: u8,
    /// Distances and the vectors of their bins.
    rings: Vec<(usize, Vec<Shift>)>,
}

impl Phases {
    fn new(frame: Frame, last: u8) -> Self {
        let reach = frame.h.min(frame.w) / 2;
        let rings = RADII.into_iter().filter(|&r| r <= reach).map(|r| (r, frame.ring(r))).collect();
        Self { frame, last, rings }
    }

    fn measure(&self, map: &[u8]) -> Vec<Values> {
        let Frame { h, w, periodic } = self.frame;
        let fraction = |phase| one(format!("fraction of phase {phase}"), "", share(map, phase));
        let mut all: Vec<Values> = (1..=self.last).map(fraction).collect();
        all.push(one("interface length per area".into(), "1/px", interface_length(map, h, w, periodic)));
        all.push(one("curvature of interfaces".into(), "1/px", curvature(map, h, w, periodic)));
        let pieces = regions(map, h, w, periodic);
        for phase in 0..=self.last {
            let chords = chords(map, h, w, phase, periodic);
            let mean = chords.iter().sum::<usize>() as f64 / chords.len().max(1) as f64;
            all.push(one(format!("mean chord of phase {phase}"), "px", mean));
            all.push(one(format!("pieces of phase {phase}"), "", pieces.areas(phase).count() as f64).whole());
        }
        let bins = self.rings.last().map_or(0, |(r, _)| (r + 1).min(h.min(w)));
        for phase in 1..=self.last {
            let lineal = lineal_path(map, h, w, phase, periodic, bins);
            let class = Groups::class(map, phase, self.frame);
            let clusters = Groups::clusters(&pieces, phase, self.frame);
            for (r, ring) in &self.rings {
                let both = self.frame.mean(ring, |v| class.count(v));
                let together = self.frame.mean(ring, |v| clusters.count(v));
                all.push(one(format!("S2 of phase {phase} at {r} px"), "", both));
                all.push(one(format!("C2 of phase {phase} at {r} px"), "", together));
                let lineal =
                    lineal.get(*r).map(|&l| one(format!("lineal path of phase {phase} at {r} px"), "", l));
                all.extend(lineal);
            }
        }
        all
    }
}

fn measure_grains(map: &[u8], Frame { h, w, periodic }: Frame) -> Vec<Values> {
    let grains = grains(map, h, w, periodic);
    let count = grains.len() as f64;
    let tiny = grains.iter().filter(|grain| grain.area < TINY).count() as f64;
    let each = |name: &str, unit, value: fn(&super::Grain) -> f64| Values {
        name: name.into(),
        unit,
        values: grains.iter().map(value).collect(),
        whole: false,
    };
    vec![
        each("grain area", "px^2", |grain| grain.area as f64).whole(),
        each("equivalent diameter of a grain", "px", |grain| grain.equivalent_diameter()),
        each("neighbours of a grain", "", |grain| grain.neighbours as f64).whole(),
        one("grains of an image".into(), "", count).whole(),
        one(format!("share of grains under {TINY} px^2"), "", tiny / count),
        one("interface length per area".into(), "1/px", interface_length(map, h, w, periodic)),
    ]
}

/// Circularity and extent of an absent figure are 0.
fn measure_figures(map: &[u8], Frame { h, w, periodic }: Frame, classes: u8) -> Vec<Values> {
    let length = interface_length(map, h, w, periodic);
    let mut all = vec![one("interface length per area".into(), "1/px", length)];
    for class in 1..=classes {
        let found = figure(map, h, w, class);
        all.push(one(format!("area of class {class}"), "px^2", found.area).whole());
        all.push(one(format!("pieces of class {class}"), "", found.components as f64).whole());
        all.push(one(format!("circularity of class {class}"), "", found.circularity));
        all.push(one(format!("extent of class {class}"), "", extent(map, h, w, class)));
    }
    all
}

fn one(name: String, unit: &'static str, value: f64) -> Values {
    Values { name, unit, values: vec![value], whole: false }
}

fn share(map: &[u8], class: u8) -> f64 {
    map.iter().filter(|&&c| c == class).count() as f64 / map.len() as f64
}

fn spread(values: &[f64]) -> Spread {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    Spread { mean, std: (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt() }
}

/// The Wasserstein-1 distance between two samples of finite numbers: the area between their
/// cumulative distributions, exactly. It is the least mean distance over which values must be moved
/// to turn one sample into the other. (C. Villani, Topics in Optimal Transportation, 2003,
/// section 2.2.)
///
/// # Panics
/// If a sample is empty.
#[must_use]
#[track_caller]
pub fn wasserstein1(a: &[f64], b: &[f64]) -> f64 {
    assert!(!a.is_empty() && !b.is_empty(), "samples of {} and {} numbers", a.len(), b.len());
    let (n, m) = (a.len(), b.len());
    // Each value, and whether it is of the first sample.
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|&v| (v, true)).chain(b.iter().map(|&v| (v, false))).collect();
    // The order of equal values is free: nothing lies between them.
    all.par_sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    // How many values of either sample lie below; whole numbers, so that equal samples are 0 apart.
    let (mut below_a, mut below_b, mut distance) = (0, 0, 0.0);
    for pair in all.windows(2) {
        let (value, first) = pair[0];
        *(if first { &mut below_a } else { &mut below_b }) += 1;
        distance += (below_a * m).abs_diff(below_b * n) as f64 * (pair[1].0 - value);
    }
    distance / (n * m) as f64
}
