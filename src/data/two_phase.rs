//! The two-phase world (section 5 of the paper): binary microstructures of a mixture that separates.
//!
//! Each simulation of the Cahn-Hilliard equation ([`super::cahn_hilliard`]) has a mean composition
//! of its own and gives a snapshot at each of ten times, which grow by the same factor, so that the
//! domains grow by about the same share from one to the next. A pixel is class 1 where u > 0. The
//! public data set that the paper trains on (Pokuri et al. 2019) is such a set of snapshots.
//!
//! Lengths are in pixels of a grid whose shorter side is 64; other sizes scale them, and times, so that
//! the same pattern is seen at any resolution. There kappa and a step are 1, the part of an interface with
//! |u| < 1/2 is 1.6 pixels wide, and the mean chord of the minority phase is from 7 to 19 pixels in
//! nine of ten images, 11 in the middle. Smaller images are simulated on a grid that is a multiple
//! of theirs and averaged, because an interface needs its pixels. So long a step slows the fast
//! motions of short waves; what is at rest, such as an interface's profile, is the same.
//!
//! Compositions beyond the spinodal (volume fractions below about .22) do not separate from small
//! fluctuations, so all simulations begin with large ones, a few pixels wide: wherever one reaches
//! into the spinodal, a domain begins. This stands for nucleation, and its early patterns keep a
//! trace of the fluctuations.
//!
//! What is no two-phase microstructure is left out: see [`TwoPhaseWorld::generate_chunk`].

use std::sync::Arc;

use rayon::prelude::*;

use super::ClassMaps;
use super::cahn_hilliard::{Simulation, interface_length, mixture};
use super::source::{Chunked, Kind, Look, Part, Source, drawable};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::invariance::Images;
use crate::op::{Border, CahnHilliard, Symmetry};
use crate::rng;

/// `two-phase`.
pub(super) const TWO_PHASE: Kind = Kind {
    name: "two-phase",
    about: "phases that separate by the Cahn-Hilliard equation, of many fractions and coarsenesses",
    keys: &[],
    // As many as the public set of Pokuri et al. 2019.
    count: 34_000,
    examples: "invnet data two-phase --size 64 --out two-phase.npz\n  \
               invnet train two-phase-p1-quick --set data=two-phase.npz",
    make: |size, _| Ok(Arc::new(TwoPhaseWorld { size: drawable(size)? })),
};

/// Names of the properties of an image: the volume fraction of class 1, as measured.
pub const NAMES: [&str; 1] = ["p1"];

/// The grid at which the lengths and times below are stated, and the smallest that is simulated.
const REFERENCE: usize = 64;
/// Gradient energy at the reference.
const KAPPA: f64 = 1.0;
/// A step at the reference. Stable at any length; see the module about its accuracy.
const DT: f64 = 1.0;
/// Keeps the free energy from rising while |u| <= sqrt(5/3), which even the initial fluctuations
/// hardly exceed.
const STABILISER: f64 = 2.0;
/// Standard deviation of the initial fluctuations.
const NOISE: f64 = 0.35;
/// Reach of the filters that smooth them, at the reference.
const REACH: f64 = 2.0;
/// Largest magnitude of a mean composition. The phases are not quite pure, so that volume fractions
/// reach further than the (1 + m) / 2 of the lever rule.
const MEAN: f64 = 0.66;
/// Steps after which a snapshot is taken: 40 x 1.4^k.
const SNAPSHOTS: [u32; 10] = [40, 56, 78, 110, 154, 215, 301, 422, 590, 826];
/// Volume fractions of images that are kept.
const FRACTIONS: (f64, f64) = (0.15, 0.85);
/// Most pixels with |u| < 1/2, over those of planar interfaces of the same length.
const DIFFUSE: f64 = 1.25;
/// Least length of interfaces, in longer sides of the image.
const SIDES: f64 = 2.25;
/// Simulations at once; they give somewhat more images than a chunk needs.
const BATCH: usize = 32;
/// Batches after which a chunk that is still not full means that the device computes nonsense.
const BATCHES: usize = 8;

/// The world of images that show two phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoPhaseWorld {
    /// Rows and columns of an image, in pixels.
    pub size: [usize; 2],
}

impl TwoPhaseWorld {
    /// Number of classes: u <= 0 is class 0, u > 0 is class 1.
    pub const CLASSES: usize = 2;

    /// Images of a chunk.
    pub const CHUNK: usize = 256;

    /// Smallest and largest volume fraction of class 1.
    #[must_use]
    pub fn fraction_range(&self) -> (f64, f64) {
        FRACTIONS
    }

    /// Generates `count` images: the first of as many chunks as that takes, so that the first images
    /// of a larger set are the images of a smaller one. The same seed gives the same bytes on any
    /// number of threads of one kind of device; another seed gives other simulations, so that two
    /// sets share none. `progress` is told the images that are done and `count`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn generate(
        &self,
        device: &mut dyn Device,
        count: usize,
        seed: u64,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<ClassMaps> {
        let mut all = self.no_images();
        for chunk in 0..self.chunks(count) {
            all.append(&self.generate_chunk(device, seed, chunk)?);
            progress(all.count.min(count), count);
        }
        all.truncate(count);
        Ok(all)
    }

    /// How many chunks hold `count` images.
    #[must_use]
    pub fn chunks(&self, count: usize) -> usize {
        count.div_ceil(Self::CHUNK)
    }

    /// Chunk number `chunk` of a seed, always [`Self::CHUNK`] images: what it holds depends on
    /// these two alone. No simulation is in two chunks, and its snapshots follow each other.
    ///
    /// A snapshot is kept if
    /// - its interfaces are clean: at most 1.25 times as many pixels have |u| < 1/2 as planar
    ///   interfaces of the same length have, which is 2 artanh(1/2) sqrt(2 kappa) for each pixel of
    ///   length. That leaves out early ones;
    /// - its interfaces are longer than 2.25 longer sides of the image: more than one straight band. That
    ///   leaves out late ones;
    /// - its volume fraction is within [`Self::fraction_range`].
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If there are no such chunks: simulations are numbered in 32 bits.
    pub fn generate_chunk(&self, device: &mut dyn Device, seed: u64, chunk: usize) -> Result<ClassMaps> {
        let mut kept = Vec::new();
        for batch in 0..BATCHES {
            let first = u32::try_from((chunk * BATCHES + batch) * BATCH).expect("chunks below 2^24");
            kept.extend(self.simulate(device, seed, first)?);
            if kept.len() >= Self::CHUNK {
                return Ok(self.gather(&kept));
            }
        }
        Err(Error::Device {
            device: device.name(),
            problem: format!(
                "of {} simulated two-phase fields only {} separated: its Cahn-Hilliard steps are wrong",
                BATCHES * BATCH,
                kept.len()
            ),
        })
    }

    /// The snapshots worth keeping of [`BATCH`] simulations, numbered from `first`: one simulation
    /// after another, in the order of time.
    fn simulate(&self, device: &mut dyn Device, seed: u64, first: u32) -> Result<Vec<Vec<u8>>> {
        let grid = self.grid();
        let scale = grid[0].min(grid[1]) as f64 / REFERENCE as f64;
        let stepping = CahnHilliard {
            steps: 0,
            dt: DT * scale.powi(2),
            kappa: KAPPA * scale.powi(2),
            stabiliser: STABILISER,
        };
        let reach = (REACH * scale).round() as usize;
        let mixtures: Vec<Vec<f64>> = (0..BATCH as u32)
            .into_par_iter()
            .map(|i| mixture(mean(seed, first + i), NOISE, reach, grid, seed, first + i))
            .collect();
        let mut simulation =
            Simulation::new(device, stepping, [BATCH, grid[0], grid[1]], &mixtures.concat())?;
        let mut kept = vec![Vec::new(); BATCH];
        let mut steps = 0;
        for until in SNAPSHOTS {
            simulation.advance(until - steps)?;
            steps = until;
            let fields = simulation.fields()?;
            kept.par_iter_mut().zip(fields.par_chunks_exact(grid[0] * grid[1])).for_each(|(kept, u)| {
                if is_separated(u, grid, stepping.kappa) {
                    let map = self.threshold(u);
                    if (FRACTIONS.0..=FRACTIONS.1).contains(&fraction(&map)) {
                        kept.push(map);
                    }
                }
            });
        }
        Ok(kept.into_iter().flatten().collect())
    }

    /// Pixels of a side of the grid that is simulated for each of the image.
    fn block(&self) -> usize {
        REFERENCE.div_ceil(self.size[0].min(self.size[1]))
    }

    /// Rows and columns of that grid.
    fn grid(&self) -> [usize; 2] {
        self.size.map(|side| side * self.block())
    }

    /// The class map of a field of the grid.
    fn threshold(&self, u: &[f64]) -> Vec<u8> {
        let ([h, w], [_, across], block) = (self.size, self.grid(), self.block());
        let mut sums = vec![0.0; h * w];
        for (i, u) in u.iter().enumerate() {
            sums[i / across / block * w + i % across / block] += u;
        }
        sums.into_iter().map(|sum| u8::from(sum > 0.0)).collect()
    }

    /// A chunk of these images. Where there are more, those left out are spread over all.
    fn gather(&self, kept: &[Vec<u8>]) -> ClassMaps {
        let mut chunk = self.no_images();
        for i in 0..Self::CHUNK {
            let map = &kept[i * kept.len() / Self::CHUNK];
            chunk.maps.extend(map);
            chunk.properties.push(fraction(map) as f32);
        }
        chunk.count = Self::CHUNK;
        chunk
    }

    fn no_images(&self) -> ClassMaps {
        ClassMaps {
            count: 0,
            height: self.size[0],
            width: self.size[1],
            classes: Self::CLASSES,
            names: NAMES.map(String::from).to_vec(),
            ..ClassMaps::default()
        }
    }
}

impl Source for TwoPhaseWorld {
    fn images(&self) -> Images {
        Images { size: self.size, classes: Self::CLASSES, border: Border::Periodic }
    }

    fn look(&self) -> Look {
        Look::Phases
    }

    fn symmetry(&self) -> Symmetry {
        Symmetry { shifts: true, flips: true, rotations: self.size[0] == self.size[1] }
    }

    fn make(&self, part: Part, count: usize, seed: u64, device: &mut dyn Device) -> Result<ClassMaps> {
        self.generate(device, count, part.seed(seed), &mut |_, _| {})
    }

    fn chunked(&self) -> Option<&dyn Chunked> {
        Some(self)
    }
}

impl Chunked for TwoPhaseWorld {
    fn chunk_length(&self) -> usize {
        Self::CHUNK
    }

    fn chunk(&self, number: usize, seed: u64, device: &mut dyn Device) -> Result<ClassMaps> {
        self.generate_chunk(device, seed, number)
    }
}

/// Mean composition of simulation number `number`. Multiples of the golden ratio, modulo 1 and from
/// a start of the seed's own, fill the range evenly whatever their count (Weyl 1916).
fn mean(seed: u64, number: u32) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    // The step sets it apart from the fluctuations, which are drawn at step 0.
    let [low, high, _] = rng::state(seed);
    let start = rng::unit(rng::philox(&[low, high, 1], 0, 0)[0]);
    MEAN * (2.0 * (start + f64::from(number) * GOLDEN).fract() - 1.0)
}

/// Whether a field on that grid has clean interfaces, and enough of them.
fn is_separated(u: &[f64], grid: [usize; 2], kappa: f64) -> bool {
    let length = interface_length(u, grid);
    let diffuse = u.iter().filter(|u| u.abs() < 0.5).count() as f64;
    let planar = 2.0 * 0.5f64.atanh() * (2.0 * kappa).sqrt();
    length > SIDES * grid[0].max(grid[1]) as f64 && diffuse <= DIFFUSE * planar * length
}

/// Volume fraction of class 1.
fn fraction(map: &[u8]) -> f64 {
    map.iter().filter(|&&class| class == 1).count() as f64 / map.len() as f64
}
