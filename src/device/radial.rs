//! Bins of lattice vectors by their length: what a radial correlation averages over.
//!
//! A vector v = (rows, columns) is in bin r = floor(|v| + 1/2), its length rounded to the nearest
//! pixel. No length is half way between two bins: a sum of two squares is never r^2 + r + 1/4.
//!
//! On a periodic image every vector of the torus counts once, by its shortest representative
//! (components from -H/2 to H/2; +H/2 and -H/2 are one vector). On an open one the vectors are
//! those between two pixels of the image, with components from -(H - 1) to H - 1.

use crate::op::Border;

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
pub fn most_bins([h, w]: [usize; 2], border: Border) -> usize {
    match border {
        Border::Periodic => h.min(w) / 2 + 1,
        Border::Open => h.min(w),
    }
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
