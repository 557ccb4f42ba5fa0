//! The polycrystal world: grains, each of one orientation, that fill the image.
//!
//! An image is made in three steps, one file each: a [`tessellation`] whose cells have log-normal
//! sizes, an optional coarsening by a Monte-Carlo model of grain growth ([`potts`]), and an
//! orientation for every grain ([`colouring`]) so that adjoining grains differ and the area
//! fractions of the orientations come close to targets drawn for the image. [`lattice`] knows which
//! pixels are neighbours.
//!
//! A grain of an image is a connected region of one orientation; connected and adjoining mean along
//! edges of pixels, not corners, and across the border where the image is periodic. With four or
//! more orientations an image has as many grains as its tessellation (on a periodic image, a torus,
//! exceptions are conceivable). With two or three that is impossible in general, since grains that
//! all adjoin need an orientation each: there, cells that cannot help sharing one with a neighbour
//! are one grain with it, and grains are fewer and larger than asked.

pub mod colouring;
pub mod potts;
pub mod tessellation;

use std::ops::RangeInclusive;
use std::sync::Arc;

use rand::Rng;
use rayon::prelude::*;

use super::ClassMaps;
use super::lattice::{self, Lattice};
use super::seeded::{Stream, generator, images, uniform};
use super::source::{Kind, Look, Part, Source, square};
use crate::device::Device;
use crate::error::Result;
use crate::invariance::{Images, Mistake};
use crate::op::{Border, Symmetry};
use crate::options::{Key, Options};
use crate::rng::normal_pair;

/// `polycrystal`.
pub(super) const POLYCRYSTAL: Kind = Kind {
    name: "polycrystal",
    about: "grains of several orientations, none beside another of its own",
    keys: KEYS,
    count: 1000,
    examples: "invnet data polycrystal --size 128 --grains 60 --out grains.npz\n  \
               invnet data polycrystal --orientations 8 --coarsen 20 --periodic --out few.npz",
    make: open,
};

const KEYS: &[Key] = &[
    Key::whole(
        "orientations",
        5,
        (2, 16),
        "a whole number from 2 to 16",
        "orientations of grains: the classes of the images",
    ),
    Key::whole(
        "grains",
        40,
        (1, 1_000_000),
        "a whole number from 1 to a ninth of the pixels",
        "grains of an image before coarsening",
    ),
    Key::whole(
        "grains_to",
        0,
        (0, 1_000_000),
        "0, or a whole number from grains to a ninth of the pixels",
        "if not 0, each image has a number of its own from grains to this one, evenly in mean diameter",
    ),
    Key::real(
        "spread",
        0.3,
        (0.0, 1.0),
        "a number from 0 to 1",
        "standard deviation of the logarithm of a grain's diameter",
    ),
    Key::real(
        "concentration",
        5.0,
        (0.05, 1e6),
        "a number from 0.05 to 1000000",
        "of the fractions (Dirichlet): large makes them equal, 1 any, less skewed",
    ),
    Key::whole(
        "coarsen",
        0,
        (0, 100_000),
        "a whole number from 0 to 100000",
        "Monte-Carlo sweeps of coarsening (Potts)",
    ),
    Key::flag("periodic", false, "whether an image continues at its opposite border"),
];

fn open(size: [usize; 2], options: &Options) -> Result<Arc<dyn Source>, Mistake> {
    let world = PolycrystalWorld {
        size: square(size)?,
        grains: options.whole("grains"),
        grains_to: options.whole("grains_to"),
        spread: options.real("spread"),
        periodic: options.flag("periodic"),
        orientations: options.whole("orientations"),
        concentration: options.real("concentration"),
        coarsen: options.whole("coarsen"),
    };
    let most = world.max_grains();
    if world.grains > most {
        return Err(("grains", format!("must be at most size^2 / 9 = {most}")));
    }
    if world.grains_to != 0 && !(world.grains..=most).contains(&world.grains_to) {
        return Err(("grains_to", format!("must be 0, or from grains = {} to {most}", world.grains)));
    }
    Ok(Arc::new(world))
}

impl Source for PolycrystalWorld {
    fn images(&self) -> Images {
        let border = if self.periodic { Border::Periodic } else { Border::Open };
        Images { size: [self.size; 2], classes: self.orientations, border }
    }

    fn look(&self) -> Look {
        Look::Grains
    }

    fn symmetry(&self) -> Symmetry {
        Symmetry { shifts: self.periodic, flips: true, rotations: true }
    }

    fn make(&self, part: Part, count: usize, seed: u64, _: &mut dyn Device) -> Result<ClassMaps> {
        Ok(self.generate(count, part.seed(seed)))
    }

    /// Two or three orientations cannot keep all grains apart.
    fn remark(&self, made: &ClassMaps) -> Option<String> {
        if self.orientations >= ENOUGH {
            return None;
        }
        let lattice = Lattice::square(self.size, self.periodic);
        let maps = made.maps.chunks_exact(self.size * self.size).take(COUNTED);
        let grains: Vec<usize> = maps.map(|map| lattice::areas(&lattice.pieces(map)).len()).collect();
        let mean = grains.iter().sum::<usize>() as f64 / grains.len().max(1) as f64;
        Some(format!(
            "with {} orientations adjoining grains cannot all differ; those that share one are one grain: {mean:.1} an \
             image on average, where {} were begun with. --orientations {ENOUGH} keeps them apart",
            self.orientations, self.grains
        ))
    }
}

/// Orientations that keep all grains of a plane apart.
const ENOUGH: usize = 4;
/// Images whose grains are counted for a remark.
const COUNTED: usize = 100;

/// The world of images of `size` x `size` pixels that show a polycrystal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolycrystalWorld {
    /// Rows and columns of an image, in pixels.
    pub size: usize,
    /// Number of grains of the tessellation: mean area is the image's over it. At least 1, at most
    /// [`max_grains`](Self::max_grains); coarsening leaves fewer, and so do two or three orientations.
    pub grains: usize,
    /// If not 0, each image has a number of grains of its own from `grains` to this one, evenly in the
    /// mean diameter, which is as the root of one over the number.
    pub grains_to: usize,
    /// Standard deviation of the natural logarithm of a grain's equivalent diameter sqrt(4 area / pi)
    /// before coarsening, in [`SPREADS`](Self::SPREADS); 0 for equal areas.
    pub spread: f64,
    /// Whether the image continues at the opposite border.
    pub periodic: bool,
    /// Number of orientations, K, in [`ORIENTATIONS`](Self::ORIENTATIONS); they are the classes.
    pub orientations: usize,
    /// Concentration of the symmetric Dirichlet distribution of the target fractions of an image,
    /// above 0: large gives equal fractions, 1 any with equal probability, small skewed ones.
    pub concentration: f64,
    /// Monte-Carlo sweeps of coarsening; 0 leaves the tessellation as it is.
    pub coarsen: usize,
}

/// One image with its grains.
#[derive(Clone, Debug, PartialEq)]
pub struct Polycrystal {
    /// Grain of every pixel, `[H, W]`: numbers from 0 in the order in which rows meet them.
    pub grains: Vec<u32>,
    /// Orientation of every grain, below the world's number of them.
    pub orientations: Vec<u8>,
    /// The fractions `[K]` that were aimed at; what came of them is [`Polycrystal::fractions`]. Grains
    /// that do not adjoin cannot fill much: of equal hexagons one orientation has at most a third.
    pub targets: Vec<f64>,
}

impl Polycrystal {
    /// The class map `[H, W]`: the orientation of every pixel.
    #[must_use]
    pub fn map(&self) -> Vec<u8> {
        self.grains.iter().map(|&grain| self.orientations[grain as usize]).collect()
    }

    /// Number of pixels of every grain.
    #[must_use]
    pub fn areas(&self) -> Vec<usize> {
        lattice::areas(&self.grains)
    }

    /// Area fraction of every orientation, `[K]`.
    #[must_use]
    pub fn fractions(&self) -> Vec<f64> {
        let mut pixels = vec![0; self.targets.len()];
        for (area, &orientation) in self.areas().iter().zip(&self.orientations) {
            pixels[usize::from(orientation)] += area;
        }
        pixels.iter().map(|&count| count as f64 / self.grains.len() as f64).collect()
    }
}

impl PolycrystalWorld {
    /// Numbers of orientations there can be.
    pub const ORIENTATIONS: RangeInclusive<usize> = 2..=16;
    /// Standard deviations of the logarithm of the diameter there can be.
    pub const SPREADS: RangeInclusive<f64> = 0.0..=1.0;

    /// The most grains an image can have: nine pixels for each.
    #[must_use]
    pub fn max_grains(&self) -> usize {
        (self.size * self.size / 9).max(1)
    }

    /// Draws one polycrystal.
    ///
    /// # Panics
    /// If a field is out of its range.
    #[track_caller]
    pub fn sample(&self, rng: &mut impl Rng) -> Polycrystal {
        assert!(
            Self::ORIENTATIONS.contains(&self.orientations)
                && (1..=self.max_grains()).contains(&self.grains)
                && Self::SPREADS.contains(&self.spread)
                && self.concentration > 0.0
                && self.concentration.is_finite(),
            "out of range: {self:?}"
        );
        let lattice = Lattice::square(self.size, self.periodic);
        let number = self.number(rng);
        let mut grains = tessellation::laguerre(lattice, number, self.spread, rng);
        if self.coarsen > 0 {
            potts::coarsen(lattice, &mut grains, self.coarsen, [rng.random(), rng.random()]);
        }
        let targets = dirichlet(self.orientations, self.concentration, rng);
        let orientations =
            colouring::colour(&lattice.adjoining(&grains), &lattice::areas(&grains), &targets, rng);
        // Cells that could not help sharing an orientation with a neighbour are one grain.
        let map: Vec<u32> = grains.iter().map(|&g| u32::from(orientations[g as usize])).collect();
        let grains = lattice.pieces(&map);
        let mut orientations = vec![0; lattice::areas(&grains).len()];
        for (&grain, &orientation) in grains.iter().zip(&map) {
            orientations[grain as usize] = orientation as u8;
        }
        Polycrystal { grains, orientations, targets }
    }

    /// How many grains an image begins with.
    fn number(&self, rng: &mut impl Rng) -> usize {
        if self.grains_to == 0 {
            return self.grains;
        }
        let [few, many] = [self.grains, self.grains_to].map(|n| (n as f64).powf(-0.5));
        let number = uniform(rng, (many, few)).powi(-2).round() as usize;
        number.clamp(self.grains, self.grains_to)
    }

    /// The polycrystal of image `index` of [`generate`](Self::generate) with that seed.
    ///
    /// # Panics
    /// If a field is out of its range.
    #[must_use]
    #[track_caller]
    pub fn polycrystal(&self, seed: u64, index: usize) -> Polycrystal {
        self.sample(&mut generator(seed, Stream::Images, index))
    }

    /// Draws `count` images in parallel; classes are orientations, and the properties of an image are
    /// its measured area fractions `f1`..`fK`. The same `seed` gives the same bytes on any number of
    /// threads, and the first images of a larger set are the images of a smaller one.
    ///
    /// # Panics
    /// If a field is out of its range.
    #[must_use]
    pub fn generate(&self, count: usize, seed: u64) -> ClassMaps {
        images((count, self.size, self.orientations), self.names(), seed, |rng, map, row| {
            let polycrystal = self.sample(rng);
            map.copy_from_slice(&polycrystal.map());
            for (value, fraction) in row.iter_mut().zip(polycrystal.fractions()) {
                *value = fraction as f32;
            }
        })
    }

    /// Draws the area fractions `[count, K]` of `count` images: the distribution of
    /// [`generate`](Self::generate), but never its very images. Measured, so that images with these
    /// fractions exist.
    ///
    /// # Panics
    /// If a field is out of its range.
    #[must_use]
    pub fn sample_targets(&self, count: usize, seed: u64) -> Vec<f32> {
        (0..count)
            .into_par_iter()
            .flat_map_iter(|i| self.sample(&mut generator(seed, Stream::Targets, i)).fractions())
            .map(|fraction| fraction as f32)
            .collect()
    }

    /// Names of the properties: `f1`..`fK`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        (1..=self.orientations).map(|k| format!("f{k}")).collect()
    }
}

/// A standard normal number.
fn normal(rng: &mut impl Rng) -> f64 {
    f64::from(normal_pair(rng.random(), rng.random())[0])
}

/// A point of the symmetric Dirichlet distribution: `count` gamma variates over their sum.
pub(super) fn dirichlet(count: usize, concentration: f64, rng: &mut impl Rng) -> Vec<f64> {
    let logs: Vec<f64> = (0..count).map(|_| ln_gamma_variate(concentration, rng)).collect();
    // Over the largest one: all of them can be too small for a number.
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let variates: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
    let sum: f64 = variates.iter().sum();
    // Rounded, so that no image depends on the last bit of a library's exp or ln.
    variates.iter().map(|variate| f64::from((variate / sum) as f32)).collect()
}

/// Logarithm of a gamma variate, by Marsaglia and Tsang, "A simple method for generating gamma
/// variables", ACM TOMS 26 (2000): a cube of a shifted normal, rejected rarely. A shape `a` below 1
/// is had from `a` + 1 and a uniform U by the factor U^(1/a).
fn ln_gamma_variate(shape: f64, rng: &mut impl Rng) -> f64 {
    // 1 - u is never 0.
    let mut ln_uniform = || (1.0 - rng.random::<f64>()).ln();
    let boost = if shape < 1.0 { ln_uniform() / shape } else { 0.0 };
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let ln_u = (1.0 - rng.random::<f64>()).ln();
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && ln_u < x * x / 2.0 + d - d * v + d * v.ln() {
            return (d * v).ln() + boost;
        }
    }
}
