//! What may be done to an image that leaves it as likely as it was: moved images are more images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Rows become columns and columns rows.
const TRANSPOSED: u8 = 4;
/// Rows in their other order.
const FLIPPED: u8 = 2;
/// Columns in their other order.
const MIRRORED: u8 = 1;

/// The moves under which images of a set are as likely as they are. A moved image is any that these lead to, each as
/// often.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Symmetry {
    /// By any number of rows and columns, round the edges: of images that repeat.
    pub shifts: bool,
    /// Left and right change places, top and bottom, or both.
    pub flips: bool,
    /// By quarters of a turn: of squares.
    pub rotations: bool,
}

impl Symmetry {
    /// What each is called, and that there is none.
    pub const NAMES: [&str; 4] = ["none", "shifts", "flips", "rotations"];
    /// Random words that move an image: rows, columns, orientation.
    pub const WORDS: usize = 3;

    /// Whether images stay as they are.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Which ways an image may lie: each the sum of what is done of transposing, flipping and mirroring.
    #[must_use]
    pub fn orientations(self) -> &'static [u8] {
        match (self.rotations, self.flips) {
            (false, false) => &[0],
            (false, true) => &[0, MIRRORED, FLIPPED, FLIPPED | MIRRORED],
            (true, false) => &[0, TRANSPOSED | MIRRORED, FLIPPED | MIRRORED, TRANSPOSED | FLIPPED],
            // Unturned ones first, then those as turned once.
            (true, true) => &[0, 1, 2, 3, 5, 4, 7, 6],
        }
    }

    /// The moves of an image of `[H, W]` pixels without steps.
    pub fn unshifted(self, size: [usize; 2]) -> impl Iterator<Item = Move> {
        self.orientations().iter().map(move |&way| Move { size, steps: [0; 2], way })
    }

    /// The move of an image of `[H, W]` pixels that random words choose.
    #[must_use]
    pub fn draw(self, size: [usize; 2], words: [u32; Self::WORDS]) -> Move {
        let below = |word: u32, count: usize| crate::rng::index(word, count as u32) as usize;
        let ways = self.orientations();
        let steps = if self.shifts { [below(words[0], size[0]), below(words[1], size[1])] } else { [0; 2] };
        Move { size, steps, way: ways[below(words[2], ways.len())] }
    }
}

/// One move of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Move {
    size: [usize; 2],
    steps: [usize; 2],
    way: u8,
}

impl Move {
    /// Row and column of the image that come to lie at a row and a column of the moved one.
    #[must_use]
    pub fn at(&self, [row, column]: [usize; 2]) -> [usize; 2] {
        let ([h, w], way) = (self.size, self.way);
        let [row, column] = if way & TRANSPOSED == 0 { [row, column] } else { [column, row] };
        let row = if way & FLIPPED == 0 { row } else { h - 1 - row };
        let column = if way & MIRRORED == 0 { column } else { w - 1 - column };
        let [row, column] = [row + self.steps[0], column + self.steps[1]];
        [if row < h { row } else { row - h }, if column < w { column } else { column - w }]
    }

    /// An image `[H, W]`, moved.
    #[must_use]
    pub fn of<T: Copy + Default>(&self, map: &[T]) -> Vec<T> {
        let mut moved = vec![T::default(); map.len()];
        self.write(map, &mut moved);
        moved
    }

    /// The same, to a place of its own.
    pub fn write<T: Copy>(&self, map: &[T], moved: &mut [T]) {
        let width = self.size[1];
        for (row, line) in moved.chunks_exact_mut(width).enumerate() {
            for (column, pixel) in line.iter_mut().enumerate() {
                let [row, column] = self.at([row, column]);
                *pixel = map[row * width + column];
            }
        }
    }
}

impl fmt::Display for Symmetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = [self.is_none(), self.shifts, self.flips, self.rotations];
        let names: Vec<&str> =
            Self::NAMES.iter().zip(on).filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        f.write_str(&names.join("+"))
    }
}

impl FromStr for Symmetry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::default();
        for name in text.split('+') {
            match name {
                "none" => {}
                "shifts" => all.shifts = true,
                "flips" => all.flips = true,
                "rotations" => all.rotations = true,
                _ => return Err(format!("{name} is none of {}", Self::NAMES.join(", "))),
            }
        }
        Ok(all)
    }
}

impl Serialize for Symmetry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Symmetry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> impl Iterator<Item = Symmetry> {
        (0..8).map(|bits| Symmetry { shifts: bits & 1 != 0, flips: bits & 2 != 0, rotations: bits & 4 != 0 })
    }

    #[test]
    fn names_survive_a_round_trip() {
        for symmetry in all() {
            assert_eq!(symmetry.to_string().parse(), Ok(symmetry));
        }
        assert_eq!(Symmetry::default().to_string(), "none");
        assert!("shifts+turns".parse::<Symmetry>().unwrap_err().contains("turns"));
    }

    /// What is moved twice is moved once by another of the same moves, and none is lost.
    #[test]
    fn the_ways_to_lie_are_a_group() {
        let side = 3;
        let whole: Vec<u8> = (0..9).collect();
        let moved = |image: &[u8], way: u8| Move { size: [side; 2], steps: [0; 2], way }.of(image);
        for symmetry in all() {
            let ways = symmetry.orientations();
            let images: BTreeSet<Vec<u8>> = ways.iter().map(|&way| moved(&whole, way)).collect();
            assert_eq!(images.len(), ways.len(), "{symmetry}");
            let twice: BTreeSet<Vec<u8>> =
                images.iter().flat_map(|image| ways.iter().map(|&way| moved(image, way))).collect();
            assert_eq!(images, twice, "{symmetry}");
        }
        let ways = |text: &str| text.parse::<Symmetry>().unwrap().orientations().len();
        assert_eq!(["none", "shifts", "flips", "rotations", "flips+rotations"].map(ways), [1, 1, 4, 4, 8]);
        // A quarter of a turn takes the first row to the last column, or to the first.
        for way in "rotations".parse::<Symmetry>().unwrap().orientations() {
            assert!(
                [[0, 1, 2], [2, 5, 8], [8, 7, 6], [6, 3, 0]]
                    .contains(&moved(&whole, *way)[..3].try_into().unwrap())
            );
        }
    }

    #[test]
    fn a_shift_goes_round_and_may_be_any() {
        let symmetry: Symmetry = "shifts".parse().unwrap();
        let size = [3, 5];
        let mut found = BTreeSet::new();
        for i in 0..200_u32 {
            let by = symmetry.draw(size, [i.wrapping_mul(0x9e37_79b9), i.wrapping_mul(0x85eb_ca6b), i]);
            let places: BTreeSet<[usize; 2]> =
                (0..15).map(|pixel| by.at([pixel / size[1], pixel % size[1]])).collect();
            assert!(places.len() == 15 && places.iter().all(|[r, c]| *r < 3 && *c < 5), "{by:?}");
            found.insert(by.at([0, 0]));
        }
        assert_eq!(found.len(), 15);
    }
}
