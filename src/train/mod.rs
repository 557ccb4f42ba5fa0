//! Training: Algorithm 1 of the paper on device buffers.
//!
//! [`Trainer`] records the three phases once and replays them; [`Checkpoint`] is everything they
//! change; [`Sampler`] is the generator alone, for use after training.

pub mod checkpoint;
pub mod config;
pub mod critic;
pub mod dataset;
pub mod description;
mod model;
pub mod objective;
mod opened;
mod origin;
pub mod phases;
pub mod sampler;
pub mod target;
pub mod task;
pub mod trainer;
pub mod watch;
pub(crate) mod whitening;

pub use checkpoint::Checkpoint;
pub use config::Config;
pub use critic::Critic;
pub use sampler::{Sampler, Samples};
pub use task::Task;
pub use trainer::{LogRow, Trainer};
pub use watch::Watch;
