//! Grain numbers to orientations: a polycrystal that was measured or simulated elsewhere.
//!
//! A grain is a connected region of one number. Its orientation is a colour of the graph of adjoining
//! grains, by the [`colouring`] of the polycrystal world and with fractions drawn as that world draws
//! them, so that adjoining grains differ. Which numbers there are does not matter. Images are coloured
//! one by one, each as a function of its grains and its index.

use crate::data::lattice::{self, Lattice};
use crate::data::polycrystal::{self, colouring};
use crate::data::seeded::{Stream, generator};

/// More grains than this in one image are no grains; colouring takes the square of their number.
const MOST: usize = 20_000;
/// The number of pixels that no grain has: those that were not indexed. They go to grains beside them.
const NONE: i64 = 0;
/// Concentration of the fractions that are aimed at: what the polycrystal world has by default.
const CONCENTRATION: f64 = 5.0;

/// The orientation of every pixel of image `index`, `[H, W]`, of 2 to 16.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn orientations(
    numbers: &[i64],
    [height, width]: [usize; 2],
    count: usize,
    index: usize,
) -> Result<Vec<u8>, String> {
    let lattice = Lattice { height, width, periodic: false };
    let pieces = lattice.pieces(numbers);
    let mut kept = vec![true; pieces.iter().max().map_or(0, |&last| last as usize + 1)];
    for (&piece, &number) in pieces.iter().zip(numbers) {
        kept[piece as usize] = number != NONE;
    }
    if !kept.contains(&true) {
        return Err(format!("has no grain: every pixel is {NONE}"));
    }
    let grains = lattice.absorb(pieces, &kept);
    let areas = lattice::areas(&grains);
    if areas.len() > MOST {
        return Err(format!(
            "has {} connected regions of one number, more than {MOST}: grain numbers are needed",
            areas.len()
        ));
    }
    let mut rng = generator(0, Stream::Images, index);
    let targets = polycrystal::dirichlet(count, CONCENTRATION, &mut rng);
    let colours = colouring::colour(&lattice.adjoining(&grains), &areas, &targets, &mut rng);
    Ok(grains.iter().map(|&grain| colours[grain as usize]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjoining_grains_differ_and_unindexed_pixels_join_them() {
        // Four quarters, a pixel of none at the centre and one in a corner.
        let (h, w) = (8, 8);
        let mut numbers: Vec<i64> =
            (0..h * w).map(|i| 7 + 2 * i64::from(i / w >= 4) + i64::from(i % w >= 4)).collect();
        let whole = orientations(&numbers, [h, w], 4, 0).expect("coloured");
        numbers[3 * w + 3] = NONE;
        numbers[0] = NONE;
        let mended = orientations(&numbers, [h, w], 4, 0).expect("coloured");
        assert_eq!(mended, whole, "the same grains");
        let at = |y: usize, x: usize| whole[y * w + x];
        assert!(at(0, 0) != at(0, 7) && at(0, 0) != at(7, 0) && at(7, 7) != at(0, 7) && at(7, 7) != at(7, 0));
        assert!(whole.iter().all(|&c| c < 4) && (0..4).all(|y| (0..4).all(|x| at(y, x) == at(0, 0))));
    }

    #[test]
    fn what_is_no_polycrystal_is_refused() {
        let says = |numbers: &[i64], side, count| orientations(numbers, side, count, 0).expect_err("refused");
        assert!(says(&[0; 4], [2, 2], 4).contains("no grain"));
        let noise: Vec<i64> = (1..=160 * 160).collect();
        assert!(says(&noise, [160, 160], 4).contains("25600 connected regions"));
    }
}
