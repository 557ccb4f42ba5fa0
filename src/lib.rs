//! Generative networks whose samples obey stated geometry and statistics.
//!
//! InvNet (Joshi, Cho et al., "InvNet: Encoding Geometric and Statistical Invariances in Deep
//! Generative Models", AAAI 2020) on a compute engine of its own. The floors, lowest first, each
//! using only what is below it:
//!
//! - the engine: [`shape`], [`op`], [`steps`], [`tape`] (with its calculus in `vjp.rs` and its vocabulary in
//!   `ops.rs`), [`device`], [`store`], [`plan`], [`gradcheck`];
//! - [`nn`], [`invariance`], [`data`]: networks, properties, worlds;
//! - [`train`], [`close`] and [`eval`]: Algorithm 1, samples closed on their targets, and what was
//!   achieved;
//! - `serve`: the page, and the interface that it speaks;
//! - [`paper`]: the paper's figures and tables, measured here;
//! - [`cli`]: the commands.

// Either stream may be full or closed, of which these panic: `cli::output` has what does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
pub mod close;
pub mod data;
pub mod device;
pub mod error;
pub mod eval;
pub mod first_use;
pub mod fixtures;
pub mod gradcheck;
pub mod invariance;
pub mod nn;
pub mod op;
mod ops;
pub mod options;
pub mod paper;
pub mod plan;
pub mod rng;
pub mod samples;
#[cfg(feature = "page")]
pub mod serve;
pub mod shape;
pub mod steps;
pub mod store;
mod symmetry;
pub mod tape;
pub mod train;
mod vjp;
mod window;
pub mod words;
