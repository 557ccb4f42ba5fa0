//! Whether images tile: class changes across the border against those inside.

use serde::Serialize;

/// How visible the border of a set of images is where copies of one lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seam {
    /// Share of class changes between neighbours across the border, over that between neighbours
    /// inside: 1 where nothing tells the border from any other line.
    pub ratio: f64,
    /// Standard error of the ratio, from how images differ.
    pub standard_error: f64,
}

impl Seam {
    /// Of class maps `[h, w]`. `None` if there is no change of class inside any of them, or a map has
    /// no inside.
    ///
    /// # Panics
    /// If a map does not have `h * w` pixels.
    #[must_use]
    #[track_caller]
    pub fn of(maps: &[&[u8]], h: usize, w: usize) -> Option<Self> {
        let shares: Vec<[f64; 2]> = maps.iter().map(|map| shares(map, h, w)).collect();
        let count = shares.len() as f64;
        let mean = |i: usize| shares.iter().map(|s| s[i]).sum::<f64>() / count;
        let (across, inside) = (mean(0), mean(1));
        let ratio = across / inside;
        // Of a ratio of means, to first order.
        let squares = shares.iter().map(|[across, inside]| (across - ratio * inside).powi(2)).sum::<f64>();
        let standard_error = (squares / (count - 1.0).max(1.0) / count).sqrt() / inside;
        (inside > 0.0 && h > 1 && w > 1).then_some(Self { ratio, standard_error })
    }
}

/// The share of pairs of neighbours of different classes across the border, and inside.
fn shares(map: &[u8], h: usize, w: usize) -> [f64; 2] {
    assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
    let differ = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    let rows: Vec<&[u8]> = map.chunks_exact(w).collect();
    let between_rows: usize = rows.windows(2).map(|pair| differ(pair[0], pair[1])).sum();
    let within_rows: usize = rows.iter().map(|row| differ(row, &row[1..])).sum();
    let over_the_edge = rows.iter().filter(|row| row[0] != row[w - 1]).count();
    let across = differ(rows[0], rows[h - 1]) + over_the_edge;
    let pairs_inside = (h - 1) * w + h * (w - 1);
    [across as f64 / (h + w) as f64, (between_rows + within_rows) as f64 / pairs_inside as f64]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rng;

    /// Blobs of white noise averaged over 3 x 3 pixels, around the edges or not.
    fn blobs(seed: u64, [h, w]: [usize; 2], periodic: bool) -> Vec<u8> {
        let noise = rng::normals(&rng::state(seed), 0, (h + 2) * (w + 2));
        let at = |y: usize, x: usize| {
            let (y, x) = if periodic { (y % h, x % w) } else { (y, x) };
            noise[y * (w + 2) + x]
        };
        let sum = |y: usize, x: usize| (0..9).map(|i| at(y + i / 3, x + i % 3)).sum::<f32>();
        (0..h * w).map(|i| u8::from(sum(i / w, i % w) > 0.0)).collect()
    }

    #[test]
    fn images_that_go_round_have_none_and_others_have_one() {
        for size in [[24, 24], [12, 30]] {
            let [round, flat] = [true, false].map(|periodic| {
                let maps: Vec<Vec<u8>> = (0..400).map(|seed| blobs(seed, size, periodic)).collect();
                let maps: Vec<&[u8]> = maps.iter().map(Vec::as_slice).collect();
                Seam::of(&maps, size[0], size[1]).unwrap()
            });
            assert!((round.ratio - 1.0).abs() < 3.0 * round.standard_error, "{size:?}: {round:?}");
            assert!(round.standard_error < 0.03, "{size:?}: {round:?}");
            assert!(flat.ratio > 1.5, "{size:?}: {flat:?}");
        }
    }

    #[test]
    fn known_maps_have_known_ratios() {
        // Columns 0 0 1 1: of 12 pairs along rows 4 change inside, of 4 over the edge all; of 12 and 4
        // down columns none.
        let stripes = [0, 0, 1, 1].repeat(4);
        let seam = Seam::of(&[&stripes, &stripes], 4, 4).unwrap();
        assert!((seam.ratio - (4.0 / 8.0) / (4.0 / 24.0)).abs() < 1e-12 && seam.standard_error < 1e-12);
        assert_eq!(Seam::of(&[&[0; 16]], 4, 4), None);
        assert_eq!(Seam::of(&[], 4, 4), None);
        assert_eq!(Seam::of(&[&[0, 1, 0]], 1, 3), None);
    }
}
