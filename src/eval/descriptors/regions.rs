//! Connected regions of a class map: its pieces, clusters and grains.
//!
//! Two pixels are connected if they share an edge and have one class (4-connectivity); pixels that
//! touch at a corner only are two regions. On a periodic map the last row is beside the first, and
//! the last column beside the first. (J. Hoshen, R. Kopelman: Percolation and cluster distribution.
//! Physical Review B 14 (1976), 3438-3445, for the notion; the labelling here floods.)

use crate::data::lattice::{Lattice, areas};

/// A connected region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The class of its pixels.
    pub class: u8,
    /// Number of its pixels.
    pub area: usize,
}

/// The regions of a class map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    /// For every pixel, `[h, w]` row-major, the number of its region.
    pub labels: Vec<u32>,
    /// The regions of all classes, numbered in the order of their first pixels.
    pub regions: Vec<Region>,
}

impl Regions {
    /// The areas of the regions of one class.
    pub fn areas(&self, class: u8) -> impl Iterator<Item = usize> {
        self.regions.iter().filter(move |region| region.class == class).map(|region| region.area)
    }

    /// The number of the largest region of one class, of equals the first; none if there is none.
    #[must_use]
    pub fn largest(&self, class: u8) -> Option<usize> {
        let of_class = self.regions.iter().enumerate().filter(|(_, region)| region.class == class);
        of_class.max_by_key(|(i, region)| (region.area, std::cmp::Reverse(*i))).map(|(i, _)| i)
    }
}

/// The connected regions of all classes of a map `[h, w]`.
///
/// # Panics
/// If `map` does not have `h * w` pixels.
#[must_use]
#[track_caller]
pub fn regions(map: &[u8], h: usize, w: usize, periodic: bool) -> Regions {
    assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
    let labels = Lattice { height: h, width: w, periodic }.pieces(map);
    let mut regions: Vec<Region> = areas(&labels).into_iter().map(|area| Region { class: 0, area }).collect();
    for (&label, &class) in labels.iter().zip(map) {
        regions[label as usize].class = class;
    }
    Regions { labels, regions }
}
