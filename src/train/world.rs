//! What the trainer needs to know of a world: its properties, and how properties in a person's
//! units become the normalised numbers a generator is conditioned on.
//!
//! Two kinds of worlds. Where a formula gives the distribution of the properties (figures), targets
//! are drawn from it. Where only images do (microstructures), targets are rows of a table measured
//! on images that training never sees, so that every asked set of numbers can be realised.

use std::sync::Arc;

use super::config::{Config, WorldName};
use crate::data::circle_square::{self, CircleSquareWorld};
use crate::data::circles::{self, CircleWorld};
use crate::error::{Error, Result};
use crate::invariance::{Area, Centroid, Correlation, Fractions, Invariance, VolumeFraction};
use crate::op::Border;
use crate::rng;

/// The phase whose volume fraction and correlation count.
pub const PHASE: usize = 1;

/// Numbers of a property that a figure has: its size, cx, cy.
pub const PER_FIGURE: usize = 3;

/// Streams of the generator that draws targets.
mod stream {
    pub(super) const ROWS: u32 = 0;
    pub(super) const PRIOR: u32 = 1;
}

/// What an image is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Family {
    /// Radius and centre of two discs.
    Circles(CircleWorld),
    /// Area and centre of a disc and of a square.
    CircleSquare(CircleSquareWorld),
    /// The volume fraction of one of two phases.
    VolumeFraction,
    /// The two-point correlation of one of two phases.
    Correlation {
        /// Numbers of the curve.
        bins: usize,
    },
    /// The fractions of all classes.
    Fractions {
        /// Number of classes.
        classes: usize,
    },
}

/// A world of images of one size.
#[derive(Clone, Debug)]
pub struct World {
    size: usize,
    family: Family,
    /// Properties of images held out of training, `[M, P]`; empty where a formula gives targets.
    table: Arc<[f32]>,
}

impl World {
    /// The world of a configuration, without its table.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let size = config.size;
        let family = match config.world {
            WorldName::Circles => Family::Circles(CircleWorld { size }),
            WorldName::CircleSquare => Family::CircleSquare(CircleSquareWorld { size }),
            WorldName::TwoPhaseP1 => Family::VolumeFraction,
            WorldName::TwoPhaseP2 => Family::Correlation { bins: config.bins },
            WorldName::Polycrystal => Family::Fractions { classes: config.orientations },
        };
        Self { size, family, table: Arc::new([]) }
    }

    /// The same with measured properties to draw targets from.
    ///
    /// # Panics
    /// If it is not whole rows, or if this world needs none.
    #[must_use]
    pub fn with_table(mut self, rows: Vec<f32>) -> Self {
        assert!(self.needs_table() && !rows.is_empty() && rows.len().is_multiple_of(self.names().len()));
        self.table = rows.into();
        self
    }

    /// Whether targets come from a table of measured properties.
    #[must_use]
    pub fn needs_table(&self) -> bool {
        !matches!(self.family, Family::Circles(_) | Family::CircleSquare(_))
    }

    /// The table of measured properties, `[M, P]`.
    #[must_use]
    pub fn table(&self) -> &[f32] {
        &self.table
    }

    /// What an image is asked for.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Number of classes of a pixel.
    #[must_use]
    pub fn classes(&self) -> usize {
        match self.family {
            Family::Circles(_) => CircleWorld::CLASSES,
            Family::CircleSquare(_) => CircleSquareWorld::CLASSES,
            Family::VolumeFraction | Family::Correlation { .. } => 2,
            Family::Fractions { classes } => classes,
        }
    }

    /// Pixels a side.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Names of the properties a person asks for.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let numbered = |letter: &str, from: usize, count: usize| {
            (from..from + count).map(|i| format!("{letter}{i}")).collect()
        };
        match self.family {
            Family::Circles(_) => circles::NAMES.map(String::from).to_vec(),
            Family::CircleSquare(_) => circle_square::NAMES.map(String::from).to_vec(),
            Family::VolumeFraction => vec!["p1".into()],
            Family::Correlation { bins } => numbered("s", 0, bins),
            Family::Fractions { classes } => numbered("f", 1, classes),
        }
    }

    /// The unit of property `i`; empty for a share of the image.
    #[must_use]
    pub fn unit(&self, i: usize) -> &'static str {
        match self.family {
            Family::CircleSquare(_) if i.is_multiple_of(PER_FIGURE) => "px^2",
            Family::Circles(_) | Family::CircleSquare(_) => "px",
            _ => "",
        }
    }

    /// The trained range of property `i`, in its unit.
    #[must_use]
    pub fn range(&self, i: usize) -> (f64, f64) {
        match self.family {
            Family::Circles(w) if i.is_multiple_of(PER_FIGURE) => w.radius_range(),
            Family::Circles(w) => w.centre_range(),
            Family::CircleSquare(w) if i.is_multiple_of(PER_FIGURE) => w.area_range(),
            Family::CircleSquare(w) => w.centre_range(),
            _ => {
                let column = self.table.iter().skip(i).step_by(self.names().len()).map(|&v| f64::from(v));
                column.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
            }
        }
    }

    /// Properties from the distribution of the data, `[count, P]`.
    #[must_use]
    pub fn sample_targets(&self, count: usize, seed: u64) -> Vec<f32> {
        match self.family {
            Family::Circles(w) => w.sample_targets(count, seed),
            Family::CircleSquare(w) => w.sample_targets(count, seed),
            _ => {
                let width = self.names().len();
                let rows = u32::try_from(self.table.len() / width).unwrap_or(u32::MAX);
                draws(seed, stream::ROWS, count)
                    .flat_map(|word| &self.table[rng::index(word, rows) as usize * width..][..width])
                    .copied()
                    .collect()
            }
        }
    }

    /// Properties that training may ask for beside those of the data, `[count, P]`: volume fractions
    /// evenly over the trained range, class fractions evenly over all that sum to one, curves and
    /// figures as in the data.
    #[must_use]
    pub fn prior(&self, count: usize, seed: u64) -> Vec<f32> {
        match self.family {
            Family::VolumeFraction => {
                let (low, high) = self.range(0);
                let at = |word| (low + (high - low) * rng::unit(word)) as f32;
                draws(seed, stream::PRIOR, count).map(at).collect()
            }
            Family::Fractions { classes } => {
                let words: Vec<u32> = draws(seed, stream::PRIOR, count * classes).collect();
                words.chunks_exact(classes).flat_map(flat_simplex).collect()
            }
            _ => self.sample_targets(count, seed),
        }
    }

    /// Fills the properties that a target leaves open, given a row of the data's distribution.
    ///
    /// Figures and volume fractions are independent, so the row's values stand. Fractions sum to one,
    /// so the row's are scaled to what is left. A curve must be one that an image can have, so it is
    /// the data's nearest in what is given.
    ///
    /// # Errors
    /// If fractions cannot sum to one; `origin` is named.
    pub fn complete(&self, target: &[Option<f32>], row: &mut [f32], origin: &str) -> Result<()> {
        match self.family {
            Family::Correlation { .. } if target.iter().any(Option::is_none) => {
                let distance = |candidate: &&[f32]| -> f32 {
                    let given = candidate.iter().zip(target).filter_map(|(c, t)| Some((c - (*t)?).powi(2)));
                    given.sum()
                };
                let nearest = self.table.chunks_exact(row.len());
                if target.iter().any(Option::is_some)
                    && let Some(nearest) = nearest.min_by(|a, b| distance(a).total_cmp(&distance(b)))
                {
                    row.copy_from_slice(nearest);
                }
            }
            Family::Fractions { .. } => {
                let given: f32 = target.iter().flatten().sum();
                let open: f32 = target.iter().zip(&*row).filter(|(t, _)| t.is_none()).map(|(_, r)| r).sum();
                let whole = target.iter().all(Option::is_some);
                let negative = target.iter().flatten().any(|&f| f < 0.0);
                if negative || given > 1.0005 || (whole && given < 0.9995) {
                    return Err(Error::Usage(format!("{origin}: fractions must be positive and sum to 1")));
                }
                let rest = (1.0 - given).max(0.0);
                // Where the row has nothing of the open classes they share what is left.
                let share = rest / target.iter().filter(|t| t.is_none()).count().max(1) as f32;
                row.iter_mut().for_each(|r| *r = if open > 0.0 { *r * rest / open } else { share });
                fill(target, row);
            }
            _ => fill(target, row),
        }
        Ok(())
    }

    /// The invariances of this world, in the order of the condition vector.
    #[must_use]
    pub fn invariances(&self) -> Vec<Box<dyn Invariance>> {
        match self.family {
            Family::Circles(_) | Family::CircleSquare(_) => vec![Box::new(Area), Box::new(Centroid)],
            Family::VolumeFraction => vec![Box::new(VolumeFraction { phase: PHASE })],
            Family::Correlation { bins } => {
                vec![Box::new(Correlation { phase: PHASE, bins, border: Border::Periodic, weights: None })]
            }
            Family::Fractions { .. } => vec![Box::new(Fractions)],
        }
    }

    /// Length of the condition vector.
    #[must_use]
    pub fn condition_length(&self) -> usize {
        self.invariances().iter().map(|i| i.dimension(self.classes())).sum()
    }

    /// Properties `[N, P]` as condition vectors `[N, D]`. Of figures: a1, a2, cx1, cy1, cx2, cy2, areas
    /// over pixels and positions over the size; of microstructures the properties themselves.
    #[must_use]
    pub fn condition(&self, properties: &[f32]) -> Vec<f64> {
        let side = self.size as f64;
        let area = |p: f32| match self.family {
            Family::Circles(_) => std::f64::consts::PI * f64::from(p).powi(2) / (side * side),
            _ => f64::from(p) / (side * side),
        };
        let at = |c: f32| f64::from(c) / side;
        match self.family {
            Family::Circles(_) | Family::CircleSquare(_) => properties
                .chunks_exact(2 * PER_FIGURE)
                .flat_map(|p| [area(p[0]), area(p[3]), at(p[1]), at(p[2]), at(p[4]), at(p[5])])
                .collect(),
            _ => properties.iter().map(|&p| f64::from(p)).collect(),
        }
    }

    /// The inverse of [`World::condition`]: measured vectors `[N, D]` as properties `[N, P]`.
    #[must_use]
    pub fn properties(&self, condition: &[f64]) -> Vec<f32> {
        let side = self.size as f64;
        let extent = |a: f64| match self.family {
            Family::Circles(_) => ((a.max(0.0) / std::f64::consts::PI).sqrt() * side) as f32,
            _ => (a * side * side) as f32,
        };
        let at = |c: f64| (c * side) as f32;
        match self.family {
            Family::Circles(_) | Family::CircleSquare(_) => condition
                .chunks_exact(2 * PER_FIGURE)
                .flat_map(|c| [extent(c[0]), at(c[2]), at(c[3]), extent(c[1]), at(c[4]), at(c[5])])
                .collect(),
            _ => condition.iter().map(|&c| c as f32).collect(),
        }
    }
}

/// Takes over what a target gives.
fn fill(target: &[Option<f32>], row: &mut [f32]) {
    for (value, wanted) in row.iter_mut().zip(target) {
        *value = wanted.unwrap_or(*value);
    }
}

/// The first words of a stream.
fn draws(seed: u64, stream: u32, count: usize) -> impl Iterator<Item = u32> {
    let state = rng::state(seed);
    (0..count.div_ceil(4) as u64).flat_map(move |block| rng::philox(&state, stream, block)).take(count)
}

/// Positive numbers that sum to one, evenly over all such: normalised exponentials.
fn flat_simplex(words: &[u32]) -> Vec<f32> {
    // Away from 1 so that the logarithm is finite.
    let parts: Vec<f64> = words.iter().map(|&word| -(1.0 - rng::unit(word)).ln() + 1e-9).collect();
    let sum: f64 = parts.iter().sum();
    parts.iter().map(|part| (part / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn world(preset: &str) -> World {
        World::of(&Config::preset(preset).unwrap())
    }

    #[test]
    fn conditions_and_properties_are_inverse() {
        for preset in ["circles", "circle-square"] {
            let world = world(preset);
            let asked = world.sample_targets(50, 7);
            let back = world.properties(&world.condition(&asked));
            for (a, b) in asked.iter().zip(&back) {
                assert!((a - b).abs() < 1e-4 * a.abs(), "{a} {b}");
            }
        }
    }

    #[test]
    fn priors_stay_where_they_should_and_cover_it() {
        let world = world("polycrystal");
        let width = world.names().len();
        let rows = world.prior(4000, 1);
        for row in rows.chunks_exact(width) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5 && row.iter().all(|&f| f > 0.0));
        }
        // Of five evenly distributed fractions one is above a half with probability 5 (1/2)^4.
        let skewed = rows.chunks_exact(width).filter(|row| row.iter().any(|&f| f > 0.5)).count();
        assert!((skewed as f64 / 4000.0 - 0.3125).abs() < 0.03, "{skewed}");

        let world = self::world("two-phase-p1").with_table(vec![0.2, 0.9, 0.4]);
        let rows = world.prior(1000, 1);
        assert!(rows.iter().all(|p| (0.2..=0.9).contains(p)) && rows.iter().any(|p| *p > 0.85));
        assert!(world.sample_targets(50, 3).iter().all(|p| world.table().contains(p)));
    }

    #[test]
    fn open_properties_are_filled_with_what_an_image_can_have() {
        let crystal = world("polycrystal");
        let mut row = [0.1, 0.3, 0.2, 0.2, 0.2];
        crystal.complete(&[Some(0.5), None, None, None, None], &mut row, "t").unwrap();
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6 && row[0] == 0.5 && row[1] > row[2]);
        let mut pure = [1.0, 0.0, 0.0, 0.0, 0.0];
        crystal.complete(&[Some(0.5), None, None, None, None], &mut pure, "t").unwrap();
        assert_eq!(pure, [0.5, 0.125, 0.125, 0.125, 0.125]);
        let over = [Some(0.7), Some(0.5), None, None, None];
        assert!(crystal.complete(&over, &mut row, "t").unwrap_err().to_string().contains("sum to 1"));
        assert!(crystal.complete(&[Some(0.1); 5], &mut row, "t").is_err());

        let mut curves = world("two-phase-p2");
        curves.family = Family::Correlation { bins: 2 };
        let curves = curves.with_table(vec![0.3, 0.2, 0.6, 0.5]);
        let mut row = [0.3, 0.2];
        curves.complete(&[Some(0.55), None], &mut row, "t").unwrap();
        assert_eq!(row, [0.6, 0.5]);
    }
}
