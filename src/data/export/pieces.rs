//! Sets that are written piece by piece, so that one which is not in memory need never be.

use std::fmt::Debug;
use std::io;
use std::path::Path;

use super::{Exported, Quantity};
use crate::error::{Error, Result};

/// Pixels of a piece, about.
const PIXELS: usize = 1 << 22;

/// Holds maps and properties of many images outside of memory.
pub trait Stored: Sync + Debug {
    /// The class maps of images `first` on, `[count, H, W]`.
    ///
    /// # Errors
    /// If they cannot be read.
    fn maps(&self, first: usize, count: usize) -> io::Result<Vec<u8>>;

    /// Their properties, `[count, P]`.
    ///
    /// # Errors
    /// If they cannot be read.
    fn properties(&self, first: usize, count: usize) -> io::Result<Vec<f32>>;
}

impl<'a> Exported<'a> {
    /// A set of `[N, H, W]` pixels that is stored elsewhere, without the names of its properties.
    #[must_use]
    pub fn stored(
        stored: &'a dyn Stored,
        [count, height, width]: [usize; 3],
        classes: usize,
        palette: &'a [[u8; 3]],
    ) -> Self {
        Self {
            count,
            height,
            width,
            classes,
            maps: &[],
            stored: Some(stored),
            names: Vec::new(),
            quantities: Vec::<Quantity>::new(),
            properties: &[],
            labels: &[],
            held_out: &[],
            spacing: 1.0,
            unit: "px",
            palette,
            origin: super::Origin::Upper,
        }
    }

    /// Gives the images in pieces that are in memory, in order, each with the number of its first.
    /// `path` is named in errors of reading.
    pub(super) fn pieces(
        &self,
        path: &Path,
        mut take: impl FnMut(usize, &Exported) -> Result<()>,
    ) -> Result<()> {
        let Some(stored) = self.stored else { return take(0, self) };
        let most = (PIXELS / (self.height * self.width).max(1)).max(1);
        for first in (0..self.count).step_by(most) {
            let count = most.min(self.count - first);
            let read = |e| Error::io(path, e);
            let maps = stored.maps(first, count).map_err(read)?;
            let properties = stored.properties(first, count).map_err(read)?;
            let piece =
                Exported { count, maps: &maps, properties: &properties, stored: None, ..self.clone() };
            take(first, &piece)?;
        }
        Ok(())
    }

    /// The same for what fills a file.
    pub(super) fn filling(&self, mut take: impl FnMut(usize, &Exported) -> io::Result<()>) -> io::Result<()> {
        // Where it was going is added by who writes the file.
        let taken =
            self.pieces(Path::new(""), |first, piece| take(first, piece).map_err(|e| Error::io("", e)));
        taken.map_err(|error| match error {
            Error::Io { source, .. } => source,
            other => io::Error::other(other),
        })
    }

    /// The whole set in memory, for formats that cannot be written otherwise.
    pub(super) fn in_memory(&self, path: &Path, write: impl FnOnce(&Exported) -> Result<()>) -> Result<()> {
        let Some(stored) = self.stored else { return write(self) };
        let read = |e| Error::io(path, e);
        let maps = stored.maps(0, self.count).map_err(read)?;
        let properties = stored.properties(0, self.count).map_err(read)?;
        write(&Exported { maps: &maps, properties: &properties, stored: None, ..self.clone() })
    }
}
