//! Images as a whole, brought to the size asked for.

use super::collect::{Frame, MOST, Pass};
use super::labels::Labels;
use super::{Options, Resize, Sink, resize};
use crate::error::Result;

/// Hands on every image.
pub(super) struct Whole<'a> {
    options: &'a Options,
    labels: &'a Labels,
    /// Whether an image is held out, where the source says.
    held_out: &'a [bool],
    sink: Sink<'a>,
    map: Vec<u8>,
    images: usize,
}

impl<'a> Whole<'a> {
    pub fn new(options: &'a Options, labels: &'a Labels, held_out: &'a [bool], sink: Sink<'a>) -> Self {
        Self { options, labels, held_out, sink, map: Vec::new(), images: 0 }
    }
}

impl Pass for Whole<'_> {
    fn begin(&mut self, _: &Frame) -> Result<()> {
        self.map.clear();
        Ok(())
    }

    fn rows(&mut self, _: &Frame, _: usize, classes: &[u8]) -> Result<()> {
        self.map.extend(classes.iter().map(|&class| self.labels.class(class)));
        Ok(())
    }

    fn end(&mut self, frame: &Frame, _: &[u64; MOST]) -> Result<()> {
        let held_out = self.held_out.get(self.images) == Some(&true);
        self.images += 1;
        let from = [frame.height, frame.width];
        match self.options.size {
            Some(size) if size != from => {
                (self.sink)(&resized(&self.map, from, size, self.options.resize), held_out)
            }
            _ => (self.sink)(&self.map, held_out),
        }
    }
}

fn resized(map: &[u8], from: [usize; 2], to: [usize; 2], how: Resize) -> Vec<u8> {
    match how {
        Resize::Area => resize::area(map, from, to),
        Resize::Nearest => resize::nearest(map, from, to),
    }
}

/// The share of every class that other sizes would keep, of the first images.
pub(super) struct Trial<'a> {
    labels: &'a Labels,
    how: Resize,
    /// Each size with the sum over images of each class's share.
    pub sizes: Vec<([usize; 2], Vec<f64>)>,
    map: Vec<u8>,
    /// Pixels that may still be resized.
    left: usize,
    /// Images that were.
    pub images: usize,
}

impl<'a> Trial<'a> {
    pub fn new(labels: &'a Labels, how: Resize, sizes: Vec<[usize; 2]>, most: usize) -> Self {
        let sizes = sizes.into_iter().map(|size| (size, vec![0.0; labels.classes()])).collect();
        Self { labels, how, sizes, map: Vec::new(), left: most, images: 0 }
    }
}

impl Pass for Trial<'_> {
    fn begin(&mut self, _: &Frame) -> Result<()> {
        self.map.clear();
        Ok(())
    }

    fn rows(&mut self, _: &Frame, _: usize, classes: &[u8]) -> Result<()> {
        if self.left > 0 {
            self.map.extend(classes.iter().map(|&class| self.labels.class(class)));
        }
        Ok(())
    }

    fn end(&mut self, frame: &Frame, _: &[u64; MOST]) -> Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left = self.left.saturating_sub(self.map.len());
        self.images += 1;
        for (size, shares) in &mut self.sizes {
            let map = resized(&self.map, [frame.height, frame.width], *size, self.how);
            let mut pixels = [0u64; MOST];
            map.iter().for_each(|&class| pixels[class as usize] += 1);
            shares.iter_mut().zip(&pixels).for_each(|(share, &n)| *share += n as f64 / map.len() as f64);
        }
        Ok(())
    }
}
