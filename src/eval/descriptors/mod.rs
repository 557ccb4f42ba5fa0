//! Descriptors of class maps, to judge images by what nobody asked a generator for.
//!
//! All are pure functions of a map `[h, w]` of class numbers, row-major, and of whether it is
//! periodic: whether its last row and column are beside its first. Lengths are in pixels. None is
//! differentiable, none is part of training. Each states what it does at the border of a map that
//! is not periodic.

mod compare;
mod correlation;
mod curvature;
mod frechet;
mod grains;
mod interface;
mod likeness;
mod lines;
mod regions;
mod seam;

pub use compare::{Comparison, Spread, compare, wasserstein1};
pub use correlation::{two_point, two_point_cluster};
pub use curvature::curvature;
pub use frechet::Frechet;
pub use grains::{Grain, grains};
pub(super) use interface::Crossings;
pub use interface::interface_length;
pub use likeness::Likeness;
pub use lines::{chords, lineal_path};
pub use regions::{Region, Regions, regions};
pub use seam::Seam;
