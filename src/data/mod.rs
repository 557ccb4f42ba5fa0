//! The sources: where class maps come from, and how they reach a file.
//!
//! A [`source`] makes [`ClassMaps`]: images in which every pixel is a class number, together with
//! the numbers that each image was drawn with. One file per source; [`export`] writes arrays.
//! A source that is simulated runs on a [`Device`](crate::device::Device); nothing here knows of a
//! tape or a network.

pub mod cahn_hilliard;
pub mod circle_square;
pub mod circles;
pub mod export;
pub mod figure;
mod file;
pub mod import;
pub mod lattice;
pub mod polycrystal;
mod seeded;
pub mod source;
pub mod two_phase;

/// A data set: `count` images of class numbers and the properties each was made with.
///
/// The default has no image, no class and no property: a start for the fields that a source has
/// nothing to say of, `ClassMaps { count, .., ..ClassMaps::default() }`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassMaps {
    /// Number of images, N.
    pub count: usize,
    /// Rows of an image in pixels, H.
    pub height: usize,
    /// Columns of an image in pixels, W.
    pub width: usize,
    /// Number of classes; every value of `maps` is below it. Class 0 is the
    /// background where a world has one.
    pub classes: usize,
    /// Class of every pixel, `[N, H, W]` row-major.
    pub maps: Vec<u8>,
    /// Names of the P properties, e.g. `r1`.
    pub names: Vec<String>,
    /// Properties of every image in the world's own units, `[N, P]` row-major.
    pub properties: Vec<f32>,
    /// The value that each class had where the images are from, `[classes]`; empty where class
    /// numbers are the values. NaN for a class without one.
    pub labels: Vec<f64>,
    /// Whether training may not see an image, `[N]`; empty where the set leaves that open.
    pub held_out: Vec<bool>,
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

    /// Keeps the images before `at` and returns the others.
    ///
    /// # Panics
    /// If there are fewer images.
    #[must_use]
    #[track_caller]
    pub fn split_off(&mut self, at: usize) -> Self {
        let rest = Self {
            count: self.count - at,
            maps: self.maps.split_off(at * self.height * self.width),
            names: self.names.clone(),
            properties: self.properties.split_off(at * self.names.len()),
            labels: self.labels.clone(),
            held_out: self.held_out.split_off(at.min(self.held_out.len())),
            ..*self
        };
        self.count = at;
        rest
    }

    /// Adds the images of another set after these.
    ///
    /// # Panics
    /// If its images are of another size or have other classes, labels or properties, or if only one
    /// of the sets says what is held out.
    #[track_caller]
    pub fn append(&mut self, other: &Self) {
        let kind = |set: &Self| (set.height, set.width, set.classes);
        assert!(self.labels == other.labels, "append: labels {:?} with {:?}", self.labels, other.labels);
        assert!(self.held_out.is_empty() == other.held_out.is_empty(), "append: one set has held-out images");
        assert!(
            kind(self) == kind(other) && self.names == other.names,
            "append: {:?} with {:?} and {:?} with {:?}",
            kind(self),
            self.names,
            kind(other),
            other.names
        );
        self.count += other.count;
        self.maps.extend_from_slice(&other.maps);
        self.properties.extend_from_slice(&other.properties);
        self.held_out.extend_from_slice(&other.held_out);
    }

    /// Copies of the given images, in the order given.
    ///
    /// # Panics
    /// If there is no such image.
    #[must_use]
    #[track_caller]
    pub fn select(&self, images: &[usize]) -> Self {
        let flags = if self.held_out.is_empty() { &[][..] } else { images };
        Self {
            count: images.len(),
            maps: images.iter().flat_map(|&i| self.map(i)).copied().collect(),
            names: self.names.clone(),
            properties: images.iter().flat_map(|&i| self.property(i)).copied().collect(),
            labels: self.labels.clone(),
            held_out: flags.iter().map(|&i| self.held_out[i]).collect(),
            ..*self
        }
    }

    /// Keeps the first `count` images, if there are more.
    pub fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count);
        self.maps.truncate(self.count * self.height * self.width);
        self.properties.truncate(self.count * self.names.len());
        self.held_out.truncate(self.count);
    }
}
