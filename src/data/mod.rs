//! The worlds: where class maps with known properties come from, and how they reach a file.
//!
//! A world draws [`ClassMaps`]: images in which every pixel is a class number, together with
//! the properties that each image was drawn with. One file per world; [`export`] writes arrays.
//! Nothing here knows of a tape, a device or a network.

pub mod circles;
pub mod export;

/// A data set: `count` images of class numbers and the properties each was made with.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassMaps {
    /// Number of images, N.
    pub count: usize,
    /// Rows of an image in pixels, H.
    pub height: usize,
    /// Columns of an image in pixels, W.
    pub width: usize,
    /// Number of classes; every value of `maps` is below it. Class 0 is the background.
    pub classes: usize,
    /// Class of every pixel, `[N, H, W]` row-major.
    pub maps: Vec<u8>,
    /// Names of the P properties, e.g. `r1`.
    pub names: Vec<String>,
    /// Properties of every image in the world's own unit (pixels), `[N, P]` row-major.
    pub properties: Vec<f32>,
}

impl ClassMaps {
    /// The class map of image `i`, `[H, W]`.
    ///
    /// # Panics
    /// If there is no image `i`.
    #[must_use]
    #[track_caller]
    pub fn map(&self, i: usize) -> &[u8] {
        let pixels = self.height * self.width;
        &self.maps[i * pixels..(i + 1) * pixels]
    }

    /// The properties of image `i`, `[P]`, in the order of `names`.
    ///
    /// # Panics
    /// If there is no image `i`.
    #[must_use]
    #[track_caller]
    pub fn property(&self, i: usize) -> &[f32] {
        let properties = self.names.len();
        &self.properties[i * properties..(i + 1) * properties]
    }
}
