//! Grain numbers to orientations: a polycrystal that was measured or simulated elsewhere.
//!
//! A grain is a connected region of one number. Its orientation is a colour of the graph of adjoining
//! grains, by the [`colouring`] of the polycrystal world and with fractions drawn as that world draws
//! them, so that adjoining grains differ. Which numbers there are does not matter. Images are coloured
//! one by one, each as a function of its grains and its index.

use crate::data::lattice::{self, Lattice};
use crate::data::polycrystal::{self, colouring};
use crate::data::seeded::{Stream, generator};
use crate::words::{counted, verb};

/// More grains than this in one image are no grains; colouring takes the square of their number.
const MOST: usize = 20_000;
/// The number of pixels that no grain has: those that were not indexed. They go to grains beside them.
const NONE: i64 = 0;
/// With so many orientations grains that adjoin differ.
const ENOUGH: usize = 6;
/// Concentration of the fractions that are aimed at: what the polycrystal world has by default.
const CONCENTRATION: f64 = 5.0;

/// What colouring grains could not keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// Pairs of adjoining grains that have one orientation, and look like one grain.
    pairs: usize,
    /// The fewest orientations with which there would be none, if there are so few.
    least: Option<usize>,
    /// Pixels of no grain, which were given to those beside them.
    unindexed: usize,
}

impl Lost {
    /// That of two images.
    pub fn and(self, other: Self) -> Self {
        let least = match (self.pairs, other.pairs) {
            (0, _) => other.least,
            (_, 0) => self.least,
            _ => self.least.zip(other.least).map(|(a, b)| a.max(b)),
        };
        Self { pairs: self.pairs + other.pairs, least, unindexed: self.unindexed + other.unindexed }
    }

    /// What should be said of it; `count` is the number of orientations.
    pub fn warnings(&self, count: usize) -> Vec<String> {
        let mut warnings = vec![];
        if self.pairs > 0 {
            let advice =
                self.least.map_or(String::new(), |n| format!(": --orientations {n} keeps them apart"));
            warnings.push(format!(
                "{count} orientations are too few: {} of adjoining grains {} one and {} like one grain{advice}",
                counted(self.pairs, "pair"),
                verb(self.pairs, "has", "have"),
                verb(self.pairs, "looks", "look"),
            ));
        }
        if self.unindexed > 0 {
            warnings.push(format!(
                "{} of no grain ({NONE}, not indexed) {} given to grains beside them",
                counted(self.unindexed, "pixel"),
                verb(self.unindexed, "was", "were")
            ));
        }
        warnings
    }
}

/// The orientation of every pixel of image `index`, `[H, W]`, of 2 to 16, and what that lost.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn orientations(
    numbers: &[i64],
    [height, width]: [usize; 2],
    count: usize,
    index: usize,
) -> Result<(Vec<u8>, Lost), String> {
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
    let adjoining = lattice.adjoining(&grains);
    let coloured = |count: usize| {
        let mut rng = generator(0, Stream::Images, index);
        let targets = polycrystal::dirichlet(count, CONCENTRATION, &mut rng);
        colouring::colour(&adjoining, &areas, &targets, &mut rng)
    };
    let alike = |colours: &[u8]| {
        let beside = |g: usize| adjoining[g].iter().map(|&n| n as usize).filter(move |&n| n > g);
        (0..areas.len()).map(|g| beside(g).filter(|&n| colours[n] == colours[g]).count()).sum()
    };
    let colours = coloured(count);
    let pairs = alike(&colours);
    let lost = Lost {
        pairs,
        // Four are enough in a plane, if not for every method.
        least: (count + 1..=ENOUGH).find(|&more| pairs > 0 && alike(&coloured(more)) == 0),
        unindexed: numbers.iter().filter(|&&number| number == NONE).count(),
    };
    Ok((grains.iter().map(|&grain| colours[grain as usize]).collect(), lost))
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
        let (whole, lost) = orientations(&numbers, [h, w], 4, 0).expect("coloured");
        assert_eq!(lost, Lost::default());
        numbers[3 * w + 3] = NONE;
        numbers[0] = NONE;
        let (mended, lost) = orientations(&numbers, [h, w], 4, 0).expect("coloured");
        assert_eq!(mended, whole, "the same grains");
        assert_eq!((lost.pairs, lost.unindexed), (0, 2));
        // Three stripes that all adjoin: a stripe across two.
        let three: Vec<i64> =
            (0..h * w).map(|i| if i / w < 4 { 1 } else { 2 + i64::from(i % w >= 4) }).collect();
        let (_, lost) = orientations(&three, [h, w], 2, 0).expect("coloured");
        assert_eq!(lost, Lost { pairs: 1, least: Some(3), unindexed: 0 });
        let said = lost.and(Lost { unindexed: 5, ..Lost::default() }).warnings(2);
        assert!(
            said[0].contains("1 pair of adjoining grains has one") && said[0].contains("--orientations 3")
        );
        assert!(said[1].contains("5 pixels of no grain"), "{said:?}");
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
