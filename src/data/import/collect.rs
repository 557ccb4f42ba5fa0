//! The way from a reader to what becomes of images: values arrive in whole rows, leave as classes.
//!
//! A source is read twice. The first pass surveys it: sizes, labels, shares. The second one, which
//! then knows what the classes are, makes the images. Both see rows as they are read, so that an
//! image larger than memory would like is never held as values.

use std::path::Path;

use super::Options;
use super::classify::{Refusal, Rule};
use super::colours::{Palette, Samples};
use super::grains::{self, Lost};
use super::levels::{Levels, largest};
use crate::error::{Error, Result};

/// Classes are bytes.
pub(super) const MOST: usize = 256;

/// Pixels as a file stores them, row-major.
pub(super) enum Values {
    Integers(Vec<i64>),
    Reals(Vec<f64>),
    /// Numbers of classes whatever the options say: of arrays with an entry for each class.
    Classes(Vec<u8>),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Reals(values) => values.len(),
            Self::Classes(values) => values.len(),
        }
    }
}

/// One image on its way into a data set.
pub(super) struct Picture<'a> {
    /// The file it is from.
    pub path: &'a Path,
    /// Where in the file, as an error will say; empty if the file is the image.
    pub place: String,
    pub height: usize,
    pub width: usize,
    /// `[H, W]`.
    pub values: Values,
}

/// An image before its pixels.
pub(super) struct Frame<'a> {
    /// The file it is from.
    pub path: &'a Path,
    /// Where in the file, as an error will say; empty if the file is the image.
    pub place: String,
    pub height: usize,
    pub width: usize,
}

impl Frame<'_> {
    /// An error about this image.
    pub fn error(&self, problem: impl Into<String>) -> Error {
        let place = if self.place.is_empty() { String::new() } else { format!("{}: ", self.place) };
        Error::file(self.path, place + &problem.into())
    }

    /// A pixel in words; rows and columns count from 0 at the top left.
    pub fn pixel(&self, i: usize) -> String {
        format!("the pixel in row {}, column {}", i / self.width, i % self.width)
    }
}

/// What becomes of images. Classes are as [`Rule`] has them, before any packing.
pub(super) trait Pass {
    /// An image begins.
    ///
    /// # Errors
    /// [`Error::File`] if its size does not fit.
    fn begin(&mut self, frame: &Frame) -> Result<()>;

    /// Whole rows of it, from row `first` on.
    ///
    /// # Errors
    /// If something made of them cannot be written.
    fn rows(&mut self, frame: &Frame, first: usize, classes: &[u8]) -> Result<()>;

    /// All rows were there; `pixels` counts those of each class.
    ///
    /// # Errors
    /// As `rows`.
    fn end(&mut self, frame: &Frame, pixels: &[u64; MOST]) -> Result<()>;
}

/// What a data set of ours says of its images, to be carried into what is made of it.
#[derive(Default)]
pub(super) struct Carried {
    /// Value of each class, or empty.
    pub labels: Vec<f64>,
    /// Whether an image is held out, or empty.
    pub held_out: Vec<bool>,
}

/// Takes images from readers.
pub(super) struct Collector<'a> {
    pub options: &'a Options,
    /// The number of the first class where numbers are classes: 1 in files that count from 1.
    pub first: i64,
    /// Number of classes, 1 to 256, if the source states it: it holds where numbers are classes, and
    /// the user's word has precedence.
    pub stated: Option<usize>,
    pub carried: Carried,
    pub palette: Palette,
    /// What became of grains.
    pub lost: Lost,
    /// How large values are.
    pub levels: Levels,
    /// Images that have begun.
    images: usize,
    pass: &'a mut dyn Pass,
}

impl<'a> Collector<'a> {
    pub fn new(options: &'a Options, palette: Palette, pass: &'a mut dyn Pass) -> Self {
        let (stated, carried) = (options.orientations, Carried::default());
        let (lost, levels) = (Lost::default(), Levels::default());
        Self { options, first: 0, stated, carried, palette, lost, levels, images: 0, pass }
    }

    /// What readers found out: the first label, the stated number of classes, what a data set of ours
    /// says, and colours.
    pub fn into_found(self) -> (i64, Option<usize>, Carried, Palette) {
        (self.first, self.stated, self.carried, self.palette)
    }

    /// How values become classes.
    pub fn rule(&self) -> Rule<'a> {
        Rule { options: self.options, first: self.first, stated: self.stated }
    }

    /// Adds one image.
    ///
    /// # Errors
    /// [`Error::File`] if its size or a value does not fit.
    pub fn push(&mut self, picture: &Picture) -> Result<()> {
        let Picture { path, height, width, .. } = *picture;
        let mut image = self.begin(Frame { path, place: picture.place.clone(), height, width })?;
        image.rows(&picture.values)?;
        image.end()
    }

    /// Begins an image whose rows follow.
    ///
    /// # Errors
    /// [`Error::File`] if its size does not fit.
    pub fn begin<'c>(&'c mut self, frame: Frame<'c>) -> Result<Rows<'c>> {
        if frame.height == 0 || frame.width == 0 {
            return Err(frame.error("has no pixels"));
        }
        self.pass.begin(&frame)?;
        let rule = self.rule();
        let (palette, lost, levels) = (&mut self.palette, &mut self.lost, &mut self.levels);
        let pass = &mut *self.pass;
        let index = self.images;
        self.images += 1;
        Ok(Rows {
            rule,
            palette,
            lost,
            levels,
            pass,
            frame,
            index,
            rows: 0,
            largest: 0.0,
            grains: vec![],
            pixels: [0; MOST],
            refusal: None,
        })
    }
}

/// An image of which some rows are there.
pub(super) struct Rows<'c> {
    rule: Rule<'c>,
    palette: &'c mut Palette,
    lost: &'c mut Lost,
    levels: &'c mut Levels,
    pass: &'c mut dyn Pass,
    frame: Frame<'c>,
    /// The number of the image.
    index: usize,
    rows: usize,
    /// The largest value so far, if there is a threshold.
    largest: f64,
    /// Grain numbers of the rows, where they are to have orientations.
    grains: Vec<i64>,
    pixels: [u64; MOST],
    /// The first value that fits no class. The image is read on, to know what there is.
    refusal: Option<Refusal>,
}

impl Rows<'_> {
    pub fn frame(&self) -> &Frame<'_> {
        &self.frame
    }

    pub fn options(&self) -> &Options {
        self.rule.options
    }

    /// Rows that are there.
    pub fn rows_before(&self) -> usize {
        self.rows
    }

    /// Adds the next rows, one or more.
    ///
    /// # Errors
    /// [`Error::File`] if a value does not fit.
    pub fn rows(&mut self, values: &Values) -> Result<()> {
        let first = self.rows;
        self.rows += values.len() / self.frame.width;
        if self.rule.options.threshold.is_some() {
            self.largest = self.largest.max(largest(values).unwrap_or(0.0));
        }
        if self.rule.options.orientations.is_some() && !matches!(values, Values::Classes(_)) {
            let Values::Integers(numbers) = values else {
                return Err(self.frame.error("holds real numbers, and --orientations takes grain numbers"));
            };
            self.grains.extend_from_slice(numbers);
            return Ok(());
        }
        match &mut self.refusal {
            Some(refusal) => refusal.see(values),
            None => match self.rule.classes(&self.frame, first, values)? {
                Ok(classes) => {
                    classes.iter().for_each(|&class| self.pixels[class as usize] += 1);
                    self.pass.rows(&self.frame, first, &classes)?;
                }
                Err(mut refusal) => {
                    refusal.saw(&self.rule, &self.pixels);
                    self.refusal = Some(refusal);
                }
            },
        }
        Ok(())
    }

    /// Whether colours are classes.
    pub fn takes_colours(&self) -> bool {
        self.palette.is_classes()
    }

    /// Takes note that colours were met for which there is no rule.
    pub fn meet_colours(&mut self) {
        self.palette.met = true;
    }

    /// Adds the next rows from samples of grey or of colours.
    ///
    /// # Errors
    /// [`Error::File`] if a pixel does not fit.
    pub fn samples(&mut self, samples: &Samples) -> Result<()> {
        let first = self.rows * self.frame.width;
        let threshold = self.rule.options.threshold.is_some();
        let values = self.palette.values(&self.frame, first, threshold, samples)?;
        self.rows(&values)
    }

    /// Ends the image.
    ///
    /// # Errors
    /// [`Error::File`] if a value did not fit.
    pub fn end(mut self) -> Result<()> {
        if let Some(count) = self.rule.options.orientations.filter(|_| !self.grains.is_empty()) {
            let sides = [self.frame.height, self.frame.width];
            let classes = grains::orientations(&self.grains, sides, count, self.index);
            let (classes, lost) = classes.map_err(|problem| self.frame.error(problem))?;
            *self.lost = self.lost.and(lost);
            classes.iter().for_each(|&class| self.pixels[class as usize] += 1);
            self.pass.rows(&self.frame, 0, &classes)?;
        }
        if let Some(refusal) = self.refusal {
            return Err(self.frame.error(refusal.to_string()));
        }
        self.levels.see(self.frame.path, self.largest);
        debug_assert_eq!(self.rows, self.frame.height, "rows of {}", self.frame.path.display());
        self.pass.end(&self.frame, &self.pixels)
    }
}
