//! The nearest of some images, however they are moved: a generator that remembers one may have seen it moved, or its
//! samples begin at pixels of their own.

use num_complex::Complex;
use rayon::prelude::*;

use crate::device::Plane;
use crate::op::Symmetry;

/// Most images whose neighbours are looked for.
const SAMPLES: usize = 256;
/// The same of images that any shift leaves as likely, and most images that they are compared with: each pair takes a
/// transform.
const SHIFTED: [usize; 2] = [32, 128];

/// Mean share of pixels in which some of the class maps `[N, H, W]` differ from the nearest of `others`, over all moves
/// of a symmetry; `size` is `[H, W]`. 1 if there is no other.
#[must_use]
pub fn nearest(maps: &[u8], others: &[u8], size: [usize; 2], symmetry: Symmetry) -> f64 {
    let pixels = size[0] * size[1];
    let [samples, among] = if symmetry.shifts { SHIFTED } else { [SAMPLES, usize::MAX] };
    let maps: Vec<&[u8]> = maps.chunks_exact(pixels).take(samples).collect();
    let others: Vec<&[u8]> = others.chunks_exact(pixels).take(among).collect();
    let least: Vec<usize> = if symmetry.shifts {
        let shifts = Shifts::of(size, maps.iter().chain(&others).flat_map(|map| map.iter()).max());
        let others: Vec<_> = others.par_iter().map(|map| shifts.spectra(map)).collect();
        over_moves(&maps, size, symmetry, |map| {
            let spectra = shifts.spectra(map);
            others.iter().map(|other| shifts.differing(&spectra, other)).min()
        })
    } else {
        let differing = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| usize::from(a != b)).sum();
        over_moves(&maps, size, symmetry, |map| others.iter().map(|other| differing(map, other)).min())
    };
    least.iter().sum::<usize>() as f64 / (maps.len() * pixels) as f64
}

/// Of each map the fewest pixels that `to_others` gives of it as it may lie; all of them where there are no others.
fn over_moves(
    maps: &[&[u8]],
    size: [usize; 2],
    symmetry: Symmetry,
    to_others: impl Fn(&[u8]) -> Option<usize> + Sync,
) -> Vec<usize> {
    let least = |map: &&[u8]| symmetry.unshifted(size).filter_map(|by| to_others(&by.of(map))).min();
    maps.par_iter().map(|map| least(map).unwrap_or(map.len())).collect()
}

/// What compares class maps at all shifts at a time.
struct Shifts {
    plane: Plane<f32>,
    classes: u8,
    pixels: usize,
}

impl Shifts {
    /// For maps of `[H, W]` pixels whose largest class that is.
    fn of([h, w]: [usize; 2], largest: Option<&u8>) -> Self {
        Self { plane: Plane::new(h, w), classes: largest.map_or(0, |&class| class), pixels: h * w }
    }

    /// The spectra of where each class is.
    fn spectra(&self, map: &[u8]) -> Vec<Vec<Complex<f32>>> {
        let of = |class| {
            let mut field: Vec<f32> = map.iter().map(|&c| f32::from(u8::from(c == class))).collect();
            let mut spectrum = vec![Complex::default(); self.plane.len()];
            self.plane.forward(&mut field, &mut spectrum);
            spectrum
        };
        (0..=self.classes).map(of).collect()
    }

    /// Pixels in which two maps differ at the shift at which that is fewest.
    fn differing(&self, a: &[Vec<Complex<f32>>], b: &[Vec<Complex<f32>>]) -> usize {
        // Of the correlations of all classes: so many pixels agree at a shift.
        let mut product = vec![Complex::default(); self.plane.len()];
        for (a, b) in a.iter().zip(b) {
            for ((sum, a), b) in product.iter_mut().zip(a).zip(b) {
                *sum += a.conj() * b;
            }
        }
        let mut agreeing = vec![0.0; self.pixels];
        self.plane.backward(&mut product, &mut agreeing);
        let most = agreeing.iter().fold(0.0, |most: f32, &v| most.max(v)) / self.pixels as f32;
        self.pixels - (most.round() as usize).min(self.pixels)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rng;

    fn none() -> Symmetry {
        Symmetry::default()
    }

    /// Maps of noise of three classes.
    fn noise(count: usize, [h, w]: [usize; 2]) -> Vec<u8> {
        let word = |i: usize| rng::philox(&[5, 0, 0], 0, i as u64)[0];
        (0..count * h * w).map(|i| rng::index(word(i), 3) as u8).collect()
    }

    #[test]
    fn what_is_remembered_is_near() {
        let others: Vec<u8> = (0..64).map(|i| u8::from(i % 3 == 0)).collect();
        assert_eq!(nearest(&others[16..48], &others, [4, 4], none()), 0.0);
        let mut one_off = others[..16].to_vec();
        one_off[3] ^= 1;
        assert_eq!(nearest(&one_off, &others, [4, 4], none()), 1.0 / 16.0);
        assert_eq!(nearest(&one_off, &[], [4, 4], none()), 1.0);
    }

    #[test]
    fn what_was_moved_is_near_under_that_move_alone() {
        let (size, pixels) = ([12, 12], 144);
        let others = noise(6, size);
        for text in ["shifts", "flips", "rotations", "shifts+flips+rotations"] {
            let symmetry: Symmetry = text.parse().unwrap();
            let mut moved = Vec::new();
            for (i, other) in others.chunks_exact(pixels).enumerate() {
                let by = symmetry.draw(size, [0x5000_0000 + i as u32, 0x9000_0000, 0xffff_ffff]);
                let mut map = by.of(other);
                map[i] = (map[i] + 1) % 3;
                moved.extend(map);
            }
            assert_eq!(nearest(&moved, &others, size, symmetry), 1.0 / 144.0, "{text}");
            // Noise agrees in a third of its pixels, at the best shift in half.
            assert!(nearest(&moved, &others, size, none()) > 0.4, "{text}");
            assert!(nearest(&moved, &noise(12, size)[6 * pixels..], size, symmetry) > 0.4, "{text}");
        }
    }
}
