//! Sources of images: the worlds that are drawn or simulated, and files of a person's own.
//!
//! A *kind* of source is one file and one line of [`KINDS`]. Nothing above this room asks which one
//! it has: a [`Source`] says what its images are, makes them, and where a formula gives the numbers
//! that its images are drawn with, draws those too.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::figure::Figure;
use super::{ClassMaps, circle_square, circles, file, polycrystal, two_phase};
use crate::device::Device;
use crate::error::Result;
use crate::invariance::{Images, Mistake};
use crate::op::Symmetry;
use crate::options::{Key, Options};

/// What kind of picture an image is: it decides the colours, and what is worth comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Figures, classes 1 and up, on a background of class 0.
    Figures,
    /// A microstructure of phases.
    Phases,
    /// A polycrystal: every connected region is a grain.
    Grains,
}

impl Look {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Figures, Self::Phases, Self::Grains];

    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Figures => "figures",
            Self::Phases => "phases",
            Self::Grains => "grains",
        }
    }
}

/// Which images of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What the critic sees.
    Training,
    /// What training never sees.
    HeldOut,
}

impl Part {
    /// The seed of this part's images, where they are drawn.
    #[must_use]
    pub(super) fn seed(self, seed: u64) -> u64 {
        match self {
            Self::Training => seed,
            Self::HeldOut => seed.wrapping_add(1 << 40),
        }
    }
}

/// A number that a source draws its images with: its name as a property, its smallest and its
/// largest value in a person's units.
pub type Known = (String, (f64, f64));

/// Where images come from.
pub trait Source: Send + Sync {
    /// What its images are.
    fn images(&self) -> Images;

    /// What kind of picture they are.
    fn look(&self) -> Look;

    /// The moves that are known to leave an image as likely as it was.
    fn symmetry(&self) -> Symmetry {
        Symmetry::default()
    }

    /// At most `count` images of a part. The same seed gives the same bytes; the parts share none.
    ///
    /// # Errors
    /// If the device fails, on which simulations run.
    fn make(&self, part: Part, count: usize, seed: u64, device: &mut dyn Device) -> Result<ClassMaps>;

    /// The numbers whose distribution a formula gives; none where only images know.
    fn known(&self) -> Vec<Known> {
        Vec::new()
    }

    /// Numbers of some images in the order of [`Source::known`], `[N, K]`: the distribution of the
    /// images, but never their very numbers. Those of an image depend on the seed and its number alone.
    fn draw(&self, _images: Range<usize>, _seed: u64) -> Vec<f32> {
        Vec::new()
    }

    /// Itself, if its images take so long that a set is made in pieces, each kept until all are there.
    fn chunked(&self) -> Option<&dyn Chunked> {
        None
    }

    /// What each class was in the files that the images are from; empty where nothing was.
    fn labels(&self) -> Vec<f64> {
        Vec::new()
    }

    /// How images that are given are divided where `count` at most are trained on, in words; none of those
    /// that are made.
    fn division(&self, _count: usize) -> Option<String> {
        None
    }

    /// What a set of its images is not that could be expected of it, in words.
    fn remark(&self, _made: &ClassMaps) -> Option<String> {
        None
    }

    /// The figures that numbers, given by name, ask for; none if they do not say it all.
    fn figures(&self, _value: &dyn Fn(&str) -> Option<f64>) -> Option<Vec<Figure>> {
        None
    }
}

/// A source whose sets are made chunk by chunk. What a chunk holds depends on the seed and on its number
/// alone.
pub trait Chunked {
    /// Images of a chunk.
    fn chunk_length(&self) -> usize;

    /// Chunk number `number`.
    ///
    /// # Errors
    /// If the device fails.
    fn chunk(&self, number: usize, seed: u64, device: &mut dyn Device) -> Result<ClassMaps>;
}

/// Makes a source of images of `[H, W]` pixels from its options.
pub type Make = fn([usize; 2], &Options) -> Result<Arc<dyn Source>, Mistake>;

/// A kind of source.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name in a configuration and on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// Its keys, beside those of [`COMMON`].
    pub keys: &'static [Key],
    /// Images of a set of which no number is given.
    pub count: usize,
    /// Command lines that show its use.
    pub examples: &'static str,
    /// What makes it.
    pub make: Make,
}

/// Every kind that makes its images.
pub const KINDS: &[Kind] =
    &[circles::CIRCLES, circle_square::CIRCLE_SQUARE, two_phase::TWO_PHASE, polycrystal::POLYCRYSTAL];

/// The keys that every source has.
pub const COMMON: [Key; 2] = [
    Key::text("size", "", "pixels a side, or HxW", "pixels a side, or HxW"),
    Key::whole(
        "images",
        6000,
        (1, 1_000_000),
        "a whole number from 1 to 1000000",
        "images in the data set, kept as one byte a pixel",
    ),
];

/// Pixels a side where nothing is said.
const SIZE: usize = 64;

/// A source by name, and its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    name: String,
    options: Options,
}

impl Choice {
    /// The defaults of a kind of source, or of a file of images.
    ///
    /// # Errors
    /// If there is no such kind, and it is no name of a file.
    pub fn new(name: &str) -> Result<Self, String> {
        let keys = match KINDS.iter().find(|k| k.name == name) {
            Some(kind) => kind.keys,
            None if is_file(name) => file::KEYS,
            None => {
                let names: Vec<&str> = KINDS.iter().map(|k| k.name).collect();
                return Err(format!("must be {} or a file that ends in .npz", names.join(", ")));
            }
        };
        Ok(Self { name: name.to_owned(), options: Options::new(COMMON.iter().chain(keys).copied()) })
    }

    /// The name of the kind, or of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        is_file(&self.name)
    }

    /// Names another source; options that it has too keep their values.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn rename(&mut self, name: &str) -> Result<(), String> {
        let mut other = Self::new(name)?;
        if other.is_file() != self.is_file() && other.is_file() {
            // The size is the file's unless it is given again.
            self.options.set("size", toml::Value::String(String::new()))?;
        }
        for (key, value) in self.options.to_table() {
            if other.options.has(&key) {
                other.options.set(&key, value)?;
            }
        }
        *self = other;
        Ok(())
    }

    /// Its options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Its options, to be changed.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Rows and columns asked for; none where a file decides.
    ///
    /// # Errors
    /// If the text is no size.
    pub fn size(&self) -> Result<Option<[usize; 2]>, Mistake> {
        match self.options.word("size") {
            "" if self.is_file() => Ok(None),
            "" => Ok(Some([SIZE; 2])),
            text => parse_size(text)
                .map(Some)
                .ok_or_else(|| ("size", "must be a number of pixels, or HxW".into())),
        }
    }

    /// The source.
    ///
    /// # Errors
    /// If an option is out of range: the key and what is wrong; or if the file does not fit.
    pub fn open(&self) -> Result<Arc<dyn Source>, Problem> {
        let size = self.size()?;
        match KINDS.iter().find(|k| k.name == self.name) {
            Some(kind) => Ok((kind.make)(size.unwrap_or([SIZE; 2]), &self.options)?),
            None => Ok(Arc::new(file::File::read(Path::new(&self.name), size, &self.options)?)),
        }
    }
}

/// Why a source cannot be opened.
pub enum Problem {
    /// An option: the key, and what is wrong.
    Option(Mistake),
    /// The file.
    File(crate::error::Error),
}

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Self {
        Self::Option(mistake)
    }
}

impl From<crate::error::Error> for Problem {
    fn from(error: crate::error::Error) -> Self {
        Self::File(error)
    }
}

fn is_file(name: &str) -> bool {
    name.contains(['.', '/', '\\'])
}

/// Rows and columns, in pixels, as a person types them: `64` or `96x160`.
#[must_use]
pub fn parse_size(text: &str) -> Option<[usize; 2]> {
    let side = |part: &str| part.trim().parse::<usize>().ok().filter(|v| (1..=16384).contains(v));
    match text.split_once('x') {
        Some((h, w)) => Some([side(h)?, side(w)?]),
        None => side(text).map(|s| [s, s]),
    }
}

/// A size, for sources that draw any of at least 8 by 8 pixels.
pub(super) fn drawable(size: [usize; 2]) -> Result<[usize; 2], Mistake> {
    if size.iter().all(|&side| side >= 8) {
        Ok(size)
    } else {
        Err(("size", "this source draws 8 by 8 pixels at least".into()))
    }
}

/// One side of a square, for sources that draw no others.
pub(super) fn square([h, w]: [usize; 2]) -> Result<usize, Mistake> {
    if h == w && h >= 8 {
        Ok(h)
    } else {
        Err(("size", "this source draws squares of 8 pixels at least".into()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_and_their_keys_have_names_of_their_own() {
        for (i, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..i].iter().all(|k| k.name != kind.name) && !is_file(kind.name), "{}", kind.name);
            let keys: Vec<&Key> = COMMON.iter().chain(kind.keys).collect();
            for (j, key) in keys.iter().enumerate() {
                assert!(keys[..j].iter().all(|k| k.name != key.name), "{}: {} twice", kind.name, key.name);
                assert!(!key.about.is_empty() && !key.allowed.is_empty(), "{}: {}", kind.name, key.name);
            }
        }
    }

    #[test]
    fn every_kind_makes_what_it_says_and_draws_the_numbers_it_knows() {
        let mut device = crate::device::Cpu::<f32>::new();
        for kind in KINDS {
            let mut choice = Choice::new(kind.name).unwrap();
            choice.options_mut().set("size", toml::Value::Integer(16)).unwrap();
            if choice.options().has("grains") {
                choice.options_mut().set("grains", toml::Value::Integer(6)).unwrap();
            }
            let Ok(source) = choice.open() else { panic!("{} does not open", kind.name) };
            let images = source.images();
            assert_eq!(images.size, [16, 16]);
            let [one, other] =
                [Part::Training, Part::HeldOut].map(|part| source.make(part, 20, 3, &mut device).unwrap());
            assert_eq!((one.count, one.height, one.width, one.classes), (20, 16, 16, images.classes));
            assert!(one.maps.iter().all(|&c| usize::from(c) < images.classes));
            assert!(one.maps != other.maps, "{}: training sees what is held out", kind.name);
            let known = source.known();
            let rows = source.draw(0..50, 1);
            assert_eq!(rows.len(), 50 * known.len(), "{}", kind.name);
            for (i, value) in rows.iter().enumerate() {
                let (name, (low, high)) = &known[i % known.len()];
                assert!((*low..=*high).contains(&f64::from(*value)), "{}: {name} = {value}", kind.name);
            }
            if let Some(row) = rows.chunks_exact(known.len().max(1)).next() {
                let value =
                    |name: &str| known.iter().position(|(known, _)| known == name).map(|i| f64::from(row[i]));
                assert_eq!(source.figures(&value).map(|f| f.len()), Some(images.classes - 1));
                assert!(source.figures(&|_| None).is_none());
            }
        }
    }

    #[test]
    fn sizes_are_a_side_or_two() {
        assert_eq!(parse_size("64"), Some([64, 64]));
        assert_eq!(parse_size("96x160"), Some([96, 160]));
        for text in ["", "0", "x", "3x", "-4", "1e3", "20000"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
