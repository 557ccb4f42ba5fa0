//! Bins of lattice vectors: what a two-point correlation averages over.
//!
//! A radial correlation sorts them by their length. A vector v = (rows, columns) is in bin r = floor(|v| + 1/2), its length rounded to the nearest
//! pixel. No length is half way between two bins: a sum of two squares is never r^2 + r + 1/4.
//!
//! On a periodic image every vector of the torus counts once, by its shortest representative
//! (components from -H/2 to H/2; +H/2 and -H/2 are one vector). On an open one the vectors are
//! those between two pixels of the image, with components from -(H - 1) to H - 1.
//!
//! Along one of four lattice directions bin r holds the vectors v and -v of r steps, which are one
//! where a torus makes them so.

use crate::op::{Border, Direction};

impl Direction {
    /// Most bins of an image `[H, W]` for which every bin has its vectors.
    #[must_use]
    pub fn most_bins(self, [h, w]: [usize; 2], border: Border) -> usize {
        let extent = match self {
            Self::Row => w,
            Self::Column => h,
            Self::Every | Self::Falling | Self::Rising => h.min(w),
        };
        match border {
            Border::Periodic => extent / 2 + 1,
            Border::Open => extent,
        }
    }

    /// Number of lattice vectors in each of `bins` bins of an image `[H, W]`.
    #[must_use]
    pub fn counts(self, [h, w]: [usize; 2], bins: usize, border: Border) -> Vec<usize> {
        let periodic = border == Border::Periodic;
        let opposite = |r: usize| match self {
            Self::Every => unreachable!("counted below"),
            Self::Row => 2 * r == w,
            Self::Column => 2 * r == h,
            Self::Falling | Self::Rising => 2 * r == h && 2 * r == w,
        };
        match self {
            Self::Every => counts([h, w], bins, border),
            _ => (0..bins).map(|r| if r == 0 || (periodic && opposite(r)) { 1 } else { 2 }).collect(),
        }
    }

    /// The bin of the vector that leads from place (0, 0) of a torus `[H, W]` to place `[row, column]`,
    /// if it is in one.
    #[must_use]
    pub fn bin(self, [row, column]: [usize; 2], [h, w]: [usize; 2]) -> Option<usize> {
        let [back, left] = [(h - row) % h, (w - column) % w];
        let diagonal = |a: [usize; 2], b: [usize; 2]| {
            [a, b].into_iter().filter(|[rows, columns]| rows == columns).map(|[r, _]| r).min()
        };
        match self {
            Self::Every => Some(bin(row.min(back), column.min(left))),
            Self::Row => (row == 0).then(|| column.min(left)),
            Self::Column => (column == 0).then(|| row.min(back)),
            Self::Falling => diagonal([row, column], [back, left]),
            Self::Rising => diagonal([row, left], [back, column]),
        }
    }

    /// Whether its bins are alike on both sides of the axes, and not only about the zero vector.
    #[must_use]
    pub fn even(self) -> bool {
        !matches!(self, Self::Falling | Self::Rising)
    }
}

/// The bin of the vector with these components, in pixels.
#[must_use]
pub fn bin(rows: usize, columns: usize) -> usize {
    let squared = rows * rows + columns * columns;
    let root = squared.isqrt();
    // |v| >= root + 1/2 exactly if |v|^2 > root^2 + root.
    root + usize::from(squared > root * root + root)
}

/// Most bins of an image `[H, W]` for which no circle of a bin leaves the vectors there are.
#[must_use]
pub fn most_bins(size: [usize; 2], border: Border) -> usize {
    Direction::Every.most_bins(size, border)
}

/// Number of lattice vectors in each of `bins` bins of an image `[H, W]`.
#[must_use]
pub fn counts([h, w]: [usize; 2], bins: usize, border: Border) -> Vec<usize> {
    let mut counts = vec![0; bins];
    // How many vectors have that magnitude of a component.
    let mates = |d: usize, extent: usize| match (border, d) {
        (_, 0) => 1,
        (Border::Periodic, d) if 2 * d == extent => 1,
        _ => 2,
    };
    let reach = |extent: usize| match border {
        Border::Periodic => extent / 2,
        Border::Open => extent - 1,
    };
    for dy in 0..=reach(h) {
        for dx in 0..=reach(w) {
            if let Some(count) = counts.get_mut(bin(dy, dx)) {
                *count += mates(dy, h) * mates(dx, w);
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_rounded_lengths() {
        for dy in 0..80 {
            for dx in 0..80 {
                let length = f64::hypot(dy as f64, dx as f64);
                assert_eq!(bin(dy, dx), length.round() as usize, "{dy}, {dx}");
            }
        }
    }

    #[test]
    fn every_vector_of_a_torus_is_in_one_bin() {
        for [h, w] in [[8, 8], [7, 9], [5, 12]] {
            assert_eq!(counts([h, w], h + w, Border::Periodic).iter().sum::<usize>(), h * w);
            assert_eq!(
                counts([h, w], 2 * (h + w), Border::Open).iter().sum::<usize>(),
                (2 * h - 1) * (2 * w - 1)
            );
        }
        // The zero vector; the four unit vectors and the four diagonals, of length 1.41.
        assert_eq!(counts([64, 64], 3, Border::Periodic), [1, 8, 12]);
    }
}
