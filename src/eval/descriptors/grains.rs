//! Grains: the connected regions of a polycrystal, whatever their class.
//!
//! Boundaries between grains lie where classes differ, so two grains of one orientation that touch
//! are one region here. (Areas, equivalent diameters and neighbours as in S. Torquato, Random
//! Heterogeneous Materials, 2002, chapter 8, and in stereology at large.)

use std::f64::consts::PI;

use super::regions::{Regions, regions};
use crate::data::lattice::Lattice;

/// A connected region of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grain {
    /// Its class, e.g. an orientation.
    pub class: u8,
    /// Number of its pixels; for a grain that the border cuts, of those on the image.
    pub area: usize,
    /// Number of other grains with which it shares an edge of a pixel.
    pub neighbours: usize,
}

impl Grain {
    /// The diameter of a disc of the same area, in pixels.
    #[must_use]
    pub fn equivalent_diameter(&self) -> f64 {
        (4.0 * self.area as f64 / PI).sqrt()
    }
}

/// The grains of a class map `[h, w]` in the order of their first pixels. A grain that the border
/// of an image cuts counts with what is visible of it; a periodic image has no border.
///
/// # Panics
/// If `map` does not have `h * w` pixels.
#[must_use]
#[track_caller]
pub fn grains(map: &[u8], h: usize, w: usize, periodic: bool) -> Vec<Grain> {
    let Regions { labels, regions } = regions(map, h, w, periodic);
    let adjoining = Lattice { height: h, width: w, periodic }.adjoining(&labels);
    regions
        .iter()
        .zip(adjoining)
        .map(|(region, beside)| Grain { class: region.class, area: region.area, neighbours: beside.len() })
        .collect()
}
