//! Whether a generator remembers, repeats itself or leaves out: what a mean over samples does not show.

use rayon::prelude::*;
use serde::Serialize;

/// Two samples of one target are distinct if more than this share of their pixels differ.
const DISTINCT: f64 = 0.01;
/// The neighbour within whose distance a number counts as reached (Naeem et al. 2020).
const NEIGHBOUR: usize = 5;

/// Variety of generated images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Variety {
    /// Mean share of pixels in which a sample differs from its nearest training image, of as many as there are
    /// held-out images, over all moves under which it is as likely ([`nearest`](super::neighbours::nearest)).
    pub nearest_training: f64,
    /// The same from its nearest held-out image. Much more than from training images would say that
    /// samples are remembered.
    pub nearest_held_out: f64,
    /// Share of samples that differ in more than a hundredth of their pixels from all others of the same
    /// target; small where the target fixes the image.
    pub distinct: f64,
    /// Share of the held-out images' numbers near which a sample's measured ones are: nearer than the
    /// fifth neighbour among held-out images (coverage, Naeem et al. 2020). Of samples of the same law
    /// about 0.97.
    pub coverage: f64,
}

/// Share of maps that differ in more than `DISTINCT` of their pixels from every other.
#[must_use]
pub fn distinct(maps: &[&[u8]]) -> f64 {
    let alone = |i: usize| {
        let others = (0..maps.len()).filter(|&j| j != i);
        let mut shares = others.map(|j| {
            let differing = maps[i].iter().zip(maps[j]).filter(|(a, b)| a != b).count();
            differing as f64 / maps[i].len() as f64
        });
        shares.all(|share| share > DISTINCT)
    };
    (0..maps.len()).filter(|&i| alone(i)).count() as f64 / maps.len() as f64
}

/// Share of the real rows of `width` numbers within whose fifth neighbour's distance a generated row lies,
/// every number scaled to the deviation of the real ones. Rows with a number missing count as never near.
#[must_use]
pub fn coverage(generated: &[f32], real: &[f32], width: usize) -> f64 {
    let scales: Vec<f64> = (0..width).map(|i| deviation(real, width, i)).collect();
    let rows = |all: &[f32]| -> Vec<Vec<f64>> {
        let scaled = |row: &[f32]| row.iter().zip(&scales).map(|(&v, s)| f64::from(v) / s).collect();
        all.chunks_exact(width).filter(|row| row.iter().all(|v| v.is_finite())).map(scaled).collect()
    };
    let (generated, real) = (rows(generated), rows(real));
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let reached = |i: usize| {
        let mut others: Vec<f64> =
            (0..real.len()).filter(|&j| j != i).map(|j| distance(&real[i], &real[j])).collect();
        others.sort_by(f64::total_cmp);
        let reach = others.get(NEIGHBOUR - 1).copied().unwrap_or(f64::INFINITY);
        generated.iter().any(|row| distance(row, &real[i]) <= reach)
    };
    (0..real.len()).into_par_iter().filter(|&i| reached(i)).count() as f64 / real.len().max(1) as f64
}

/// Standard deviation of number `i` of the rows; 1 if it is the same in all.
fn deviation(rows: &[f32], width: usize, i: usize) -> f64 {
    let values: Vec<f64> =
        rows.iter().skip(i).step_by(width).map(|&v| f64::from(v)).filter(|v| v.is_finite()).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    if deviation > 0.0 { deviation } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    fn normals(seed: u64, count: usize) -> Vec<f32> {
        rng::normals(&rng::state(seed), 0, count)
    }

    #[test]
    fn copies_are_not_distinct() {
        let maps: Vec<Vec<u8>> =
            (0..4).map(|i| (0..100).map(|p| u8::from(p / 25 == i.min(2))).collect()).collect();
        let maps: Vec<&[u8]> = maps.iter().map(Vec::as_slice).collect();
        assert_eq!(distinct(&maps), 0.5);
    }

    #[test]
    fn coverage_is_high_of_the_same_law_and_low_of_a_part_of_it() {
        let real = normals(1, 800);
        let same = coverage(&normals(2, 800), &real, 2);
        let narrow: Vec<f32> = normals(3, 800).iter().map(|v| 0.1 * v).collect();
        let part = coverage(&narrow, &real, 2);
        assert!(same > 0.94 && part < 0.4, "{same} and {part}");
    }
}
