//! Two-point functions of a class: S2, both points in the class, and C2, both in one cluster of it.
//!
//! A bin r holds the lattice vectors v with floor(|v| + 1/2) = r. On a periodic map v is the minimum
//! image of a shift, one for each pixel; otherwise all shifts that leave an overlap. The value of a
//! vector is the number of pixel pairs v apart over the number of pairs there could be (all pixels,
//! or the overlap), and the value of a bin the mean over its vectors.
//!
//! (S. Torquato, Random Heterogeneous Materials, 2002, sections 2.2 and 2.7; S. Torquato,
//! J. D. Beasley, Y. C. Chiew: Two-point cluster function for continuum percolation. Journal of
//! Chemical Physics 88 (1988), 6540-6547.)

use std::cmp::Ordering;

use super::regions::{Regions, regions};
use crate::device::radial;
use crate::op::Border;

/// A shift by rows and columns, and for how many of its bin it stands: a shift and its opposite
/// have the same pairs.
pub(super) type Shift = ([isize; 2], f64);

/// What an image is like, all but its pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) periodic: bool,
}

impl Frame {
    /// The vectors of bin `r`, row by row, one of each pair of opposites.
    pub(super) fn ring(self, r: usize) -> Vec<Shift> {
        let span = |n: usize| {
            let n = n as isize;
            if self.periodic { -(n - 1) / 2..=n / 2 } else { 1 - n..=n - 1 }
        };
        // Half a period is its own opposite.
        let opposite = |d: isize, n: usize| if self.periodic && 2 * d == n as isize { d } else { -d };
        let reach = r as isize + 1;
        let mut ring = Vec::new();
        for dy in span(self.h).filter(|dy| dy.abs() <= reach) {
            for dx in span(self.w).filter(|dx| dx.abs() <= reach) {
                if radial::bin(dy.unsigned_abs(), dx.unsigned_abs()) != r {
                    continue;
                }
                match [dy, dx].cmp(&[opposite(dy, self.h), opposite(dx, self.w)]) {
                    Ordering::Less => {}
                    Ordering::Equal => ring.push(([dy, dx], 1.0)),
                    Ordering::Greater => ring.push(([dy, dx], 2.0)),
                }
            }
        }
        ring
    }

    /// The mean over a bin's vectors of pairs found over pairs possible.
    pub(super) fn mean(self, ring: &[Shift], pairs: impl Fn([isize; 2]) -> f64) -> f64 {
        let overlap = |n: usize, d: isize| if self.periodic { n } else { n - d.unsigned_abs() };
        let (mut sum, mut vectors) = (0.0, 0.0);
        for &([dy, dx], weight) in ring {
            sum += weight * pairs([dy, dx]) / (overlap(self.h, dy) * overlap(self.w, dx)) as f64;
            vectors += weight;
        }
        sum / vectors
    }

    #[track_caller]
    fn check(self, map: &[u8], bins: usize) {
        let Self { h, w, periodic } = self;
        assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
        let border = if periodic { Border::Periodic } else { Border::Open };
        let most = radial::most_bins([h, w], border);
        assert!(bins <= most, "{bins} bins on a map of {h} x {w}: at most {most}");
    }
}

/// The two-point probability S2(r) of `class`, r = 0..bins: that both of two pixels r apart are in
/// it. S2(0) is the fraction of the class.
///
/// By counting pairs: the time is that of `h * w` comparisons for each vector, about pi `bins`^2 / 2
/// of them.
///
/// # Panics
/// If `map` does not have `h * w` pixels, or if `bins` is more than half the shorter side and one
/// (periodic) or the shorter side (not periodic).
#[must_use]
#[track_caller]
pub fn two_point(map: &[u8], h: usize, w: usize, class: u8, periodic: bool, bins: usize) -> Vec<f64> {
    let frame = Frame { h, w, periodic };
    frame.check(map, bins);
    Groups::class(map, class, frame).curve(bins)
}

/// The two-point cluster function C2(r) of `class`, r = 0..bins: the probability that two pixels r
/// apart are in it and in one 4-connected piece of it. C2(0) is the fraction of the class.
///
/// By counting pairs, as [`two_point`], whatever the number of clusters.
///
/// # Panics
/// As [`two_point`].
#[must_use]
#[track_caller]
pub fn two_point_cluster(map: &[u8], h: usize, w: usize, class: u8, periodic: bool, bins: usize) -> Vec<f64> {
    let frame = Frame { h, w, periodic };
    frame.check(map, bins);
    Groups::clusters(&regions(map, h, w, periodic), class, frame).curve(bins)
}

/// Pixels in groups, to count the pairs within groups shift by shift: for a few bins of a small map
/// that is less work than a transform of all shifts.
pub(super) struct Groups {
    frame: Frame,
    /// Columns of `labels`: twice those of a periodic map, so that no shifted row is cut.
    columns: usize,
    /// For every pixel the number of its group, from 1 on; 0 for pixels of none.
    labels: Vec<u32>,
}

impl Groups {
    fn new(labels: &[u32], frame: Frame) -> Self {
        let copies = if frame.periodic { 2 } else { 1 };
        let rows = labels.chunks_exact(frame.w).flat_map(|row| row.repeat(copies));
        Self { frame, columns: copies * frame.w, labels: rows.collect() }
    }

    /// All pixels of a class in one group.
    pub(super) fn class(map: &[u8], class: u8, frame: Frame) -> Self {
        let labels: Vec<u32> = map.iter().map(|&c| u32::from(c == class)).collect();
        Self::new(&labels, frame)
    }

    /// Each cluster of a class is a group.
    pub(super) fn clusters(regions: &Regions, class: u8, frame: Frame) -> Self {
        let inside = |label: u32| regions.regions[label as usize].class == class;
        let labels: Vec<u32> = regions.labels.iter().map(|&l| if inside(l) { l + 1 } else { 0 }).collect();
        Self::new(&labels, frame)
    }

    /// Their two-point function, r = 0..bins.
    fn curve(&self, bins: usize) -> Vec<f64> {
        (0..bins).map(|r| self.frame.mean(&self.frame.ring(r), |v| self.count(v))).collect()
    }

    /// The number of pairs `[dy, dx]` apart that lie in one group.
    pub(super) fn count(&self, [dy, dx]: [isize; 2]) -> f64 {
        let Frame { h, w, periodic } = self.frame;
        let row = |y: usize| &self.labels[y * self.columns..(y + 1) * self.columns];
        let mut pairs = 0;
        for y in 0..h {
            let shifted = y as isize + dy;
            let other = if periodic { shifted.rem_euclid(h as isize) } else { shifted };
            if !(0..h as isize).contains(&other) {
                continue;
            }
            let (a, b) = (row(y), row(other as usize));
            let cut = dx.unsigned_abs();
            pairs += match periodic {
                true => same(&a[..w], &b[dx.rem_euclid(w as isize) as usize..]),
                false if dx >= 0 => same(a, &b[cut..]),
                false => same(&a[cut..], b),
            };
        }
        f64::from(pairs)
    }
}

/// In how many places both rows, as long as the shorter is, have one group.
fn same(a: &[u32], b: &[u32]) -> u32 {
    a.iter().zip(b).map(|(a, b)| u32::from((a == b) & (*a != 0))).sum()
}
