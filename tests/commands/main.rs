//! The commands as a person and a scheduler use them: interrupted, killed, called twice, out of order.

#![allow(clippy::unwrap_used)]

mod flags;
mod generate;
mod matching;
mod outputs;
mod program;
mod runs;
mod targets;
