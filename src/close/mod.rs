//! Samples that have exactly what was asked: each is closed on its target, between the generator and
//! whoever wants the samples. Nothing here knows which images or which properties it has.
//!
//! A generator misses its targets by a little, and what it makes can be measured, so that it is asked
//! again. In this order, each for the samples that are not yet within their [`Tolerances`]:
//!
//! 1. `correct.rs`: the same noise, asked for as much more or less as was missing, by Broyden's method. Figures that
//!    are nearly there are moved as they are (`moved.rs`).
//! 2. `smooth.rs`: interfaces made smoother all at once, where curves are missing.
//! 3. `descend.rs`: noise and conditions moved along the gradient of the distance from the target. Both
//!    stay on what the generator has learned.
//! 4. `pixels/`: single pixels at interfaces change their class, or two exchange theirs, none that would
//!    make or remove a piece.
//! 5. New noise, and the same again.
//!
//! [`free`] does the third and the fourth without a generator, on noise that `fields.rs` filters.
//!
//! [`Closing`] strings them together, batch by batch, for as many sets of samples as there are; [`close`] does
//! so for one. [`certificate`] is what is said of the result.

pub mod certificate;
mod closing;
mod correct;
mod descend;
mod fields;
pub mod free;
mod goal;
mod job;
mod moved;
mod pixels;
mod set;
mod smooth;
mod tolerance;

pub use closing::{Closing, Order, close};
pub use set::{Closed, Effort, Settings};
pub use tolerance::{Tolerances, held};
