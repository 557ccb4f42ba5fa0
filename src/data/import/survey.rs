//! The first pass over a source: how many images of which size, which classes occur and how often.

use std::path::{Path, PathBuf};

use super::Options;
use super::collect::{Frame, MOST, Pass};
use crate::error::{Error, Result};
use crate::words::counted;

/// What is known of a source when it was read once.
pub(super) struct Survey<'a> {
    options: &'a Options,
    pub source: PathBuf,
    /// Rows and columns of every image.
    pub sizes: Vec<[usize; 2]>,
    /// Every file in the order read, with the number of its images.
    pub files: Vec<(PathBuf, usize)>,
    /// Sum over images of each class's share of the pixels.
    shares: [f64; MOST],
    /// Where a class is first seen.
    first: [Option<Place>; MOST],
}

/// A pixel of an image of a source.
pub(super) struct Place {
    path: PathBuf,
    /// The image in the file and the pixel in it.
    pixel: String,
}

impl Place {
    /// An error that begins with the pixel.
    pub fn error(&self, problem: String) -> Error {
        Error::file(&self.path, format!("{} {problem}", self.pixel))
    }
}

impl<'a> Survey<'a> {
    pub fn new(source: &Path, options: &'a Options) -> Self {
        Self {
            options,
            source: source.to_path_buf(),
            sizes: vec![],
            files: vec![],
            shares: [0.0; MOST],
            first: [const { None }; MOST],
        }
    }

    /// Whether a pixel has that class.
    pub fn occurs(&self, class: usize) -> bool {
        self.first[class].is_some()
    }

    /// Where a class that occurs is first seen.
    ///
    /// # Panics
    /// If it does not.
    pub fn first(&self, class: usize) -> &Place {
        self.first[class].as_ref().expect("a class that occurs")
    }

    /// Mean over images of each class's share of the pixels.
    pub fn shares(&self) -> [f64; MOST] {
        self.shares.map(|sum| sum / self.sizes.len() as f64)
    }

    /// Without another size asked for, all images must have one, and be square.
    fn check_size(&self, frame: &Frame) -> Result<()> {
        let [height, width] = [frame.height, frame.width];
        if let Some(tile) = self.options.tile {
            if height < tile || width < tile {
                return Err(frame.error(format!(
                    "is {} wide and {height} high, smaller than --tile {tile}: give a smaller one",
                    counted(width, "pixel")
                )));
            }
            return Ok(());
        }
        if self.options.size.is_some() {
            return Ok(());
        }
        match self.sizes.first() {
            None if height != width => Err(frame.error(format!(
                "is {} wide and {height} high, not square: give --size S to stretch it to a square, \
                 --size {height}x{width} to keep it, or --tile S to cut square windows",
                counted(width, "pixel")
            ))),
            Some(&[h, w]) if [h, w] != [height, width] => {
                let model = &self.files[0].0;
                Err(frame.error(format!(
                    "is {width} x {height} pixels, but {} before it has {w} x {h}: give --size to bring all to one size",
                    if model == frame.path { "an image".into() } else { model.display().to_string() }
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Pass for Survey<'_> {
    fn begin(&mut self, frame: &Frame) -> Result<()> {
        self.check_size(frame)
    }

    fn rows(&mut self, frame: &Frame, first: usize, classes: &[u8]) -> Result<()> {
        for (i, &class) in classes.iter().enumerate() {
            if self.first[class as usize].is_none() {
                let place = if frame.place.is_empty() { String::new() } else { format!("{}: ", frame.place) };
                let pixel = place + &frame.pixel(first * frame.width + i);
                self.first[class as usize] = Some(Place { path: frame.path.into(), pixel });
            }
        }
        Ok(())
    }

    fn end(&mut self, frame: &Frame, pixels: &[u64; MOST]) -> Result<()> {
        self.sizes.push([frame.height, frame.width]);
        match self.files.last_mut() {
            Some((path, images)) if path == frame.path => *images += 1,
            _ => self.files.push((frame.path.into(), 1)),
        }
        let all = (frame.height * frame.width) as f64;
        self.shares.iter_mut().zip(pixels).for_each(|(share, &n)| *share += n as f64 / all);
        Ok(())
    }
}
