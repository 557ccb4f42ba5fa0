//! What the trainer needs to know of a world: its images, its properties, and how properties in a
//! person's units become the normalised numbers a generator is conditioned on.

use super::config::WorldName;
use crate::data::ClassMaps;
use crate::data::circles::{CircleWorld, NAMES};
use crate::invariance::{Area, Centroid, Invariance};

/// A world of images of one size.
#[derive(Clone, Copy, Debug)]
pub struct World {
    circles: CircleWorld,
}

impl World {
    /// The world of that name with images of `size` x `size` pixels.
    #[must_use]
    pub fn new(name: WorldName, size: usize) -> Self {
        match name {
            WorldName::Circles => Self { circles: CircleWorld { size } },
        }
    }

    /// Number of classes of a pixel, the background included.
    #[must_use]
    pub fn classes(&self) -> usize {
        CircleWorld::CLASSES
    }

    /// Pixels a side.
    #[must_use]
    pub fn size(&self) -> usize {
        self.circles.size
    }

    /// Names of the properties a person asks for.
    #[must_use]
    pub fn names(&self) -> &'static [&'static str] {
        &NAMES
    }

    /// The trained range of property `i`, in pixels.
    #[must_use]
    pub fn range(&self, i: usize) -> (f64, f64) {
        if i.is_multiple_of(3) { self.circles.radius_range() } else { self.circles.centre_range() }
    }

    /// A data set.
    #[must_use]
    pub fn generate(&self, count: usize, seed: u64) -> ClassMaps {
        self.circles.generate(count, seed)
    }

    /// Properties from the distribution of the data, `[count, P]` in pixels.
    #[must_use]
    pub fn sample_targets(&self, count: usize, seed: u64) -> Vec<f32> {
        self.circles.sample_targets(count, seed)
    }

    /// The invariances of this world, in the order of the condition vector.
    #[must_use]
    pub fn invariances(&self) -> Vec<Box<dyn Invariance>> {
        vec![Box::new(Area), Box::new(Centroid)]
    }

    /// Length of the condition vector.
    #[must_use]
    pub fn condition_length(&self) -> usize {
        self.invariances().iter().map(|i| i.dimension(self.classes())).sum()
    }

    /// Properties `[N, P]` in pixels as condition vectors `[N, D]`: a1, a2, cx1, cy1, cx2, cy2,
    /// areas over pixels and positions over the size.
    #[must_use]
    pub fn condition(&self, properties: &[f32]) -> Vec<f64> {
        let size = self.circles.size as f64;
        let area = |r: f32| std::f64::consts::PI * f64::from(r).powi(2) / (size * size);
        let at = |c: f32| f64::from(c) / size;
        properties
            .chunks_exact(6)
            .flat_map(|p| [area(p[0]), area(p[3]), at(p[1]), at(p[2]), at(p[4]), at(p[5])])
            .collect()
    }

    /// The inverse of [`World::condition`]: measured vectors `[N, D]` as properties `[N, P]`.
    #[must_use]
    pub fn properties(&self, condition: &[f64]) -> Vec<f32> {
        let size = self.circles.size as f64;
        let radius = |a: f64| ((a.max(0.0) / std::f64::consts::PI).sqrt() * size) as f32;
        let at = |c: f64| (c * size) as f32;
        condition
            .chunks_exact(6)
            .flat_map(|c| [radius(c[0]), at(c[2]), at(c[3]), radius(c[1]), at(c[4]), at(c[5])])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_properties_are_inverse() {
        let world = World::new(WorldName::Circles, 64);
        let asked = world.sample_targets(50, 7);
        let back = world.properties(&world.condition(&asked));
        for (a, b) in asked.iter().zip(&back) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
}
