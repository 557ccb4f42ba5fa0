//! The paper, reproduced: each figure and table of it that makes a claim, with what is trained for it,
//! measured, drawn and said.
//!
//! A [`Part`] is one row of [`PARTS`]. Parts share trainings ([`recipe`], `run`), which are kept in
//! folders of their own and go on where they were interrupted; what a part found is a file too, so that
//! the whole may be stopped at any time.

mod bench;
mod clock;
mod parts;
pub mod recipe;
pub mod report;
mod run;
mod statistics;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
pub use bench::{Bench, Watch};
use clock::Clock;
pub use parts::PARTS;
use recipe::Recipe;

/// A figure or table of the paper.
#[derive(Clone, Copy)]
pub struct Part {
    /// Its name on the command line and in reports.
    pub id: &'static str,
    /// What the paper claims.
    pub claim: &'static str,
    /// The paper's figure for it.
    pub paper: &'static str,
    /// What is trained for it once.
    pub recipes: &'static [&'static Recipe],
    /// What it compares, which is trained for every seed.
    pub compared: &'static [&'static Recipe],
    /// Seconds that measuring takes on two idle cores in the quick settings, about.
    pub measuring: f64,
    /// Measures, draws, and says what was found.
    pub make: fn(&mut Bench<'_>) -> Result<Finding>,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// Our figure for the claim, in a line.
    pub ours: String,
    /// Whether the claim holds here, by the rule that the note states.
    pub holds: bool,
    /// The rule, what was measured and what was tried, in sentences.
    pub note: String,
    /// Rows of a table, the first its heading; empty for none.
    pub table: Vec<Vec<String>>,
    /// Pictures, file and caption.
    pub pictures: Vec<(String, String)>,
    /// Every number.
    pub numbers: Value,
}

/// A part as reports hold it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Which part.
    pub id: String,
    /// What the paper claims.
    pub claim: String,
    /// The paper's figure for it.
    pub paper: String,
    /// Ours.
    pub ours: String,
    /// Whether the claim holds here.
    pub holds: bool,
    /// Seeds that were trained with.
    pub seeds: u64,
    /// Wall time of its trainings, which parts may share, and of measuring.
    pub seconds: f64,
    /// The settings, `quick` or `paper`.
    pub scale: String,
    /// SHA-256 of the configurations of its trainings: what was measured with others is not current.
    #[serde(default)]
    pub configurations: String,
    /// The program and its version.
    pub program: String,
    /// What computed.
    pub hardware: String,
    /// The load of the machine when it was measured, as the system averages it over a minute: more than its
    /// cores mean that other work ran beside.
    pub load: Option<f64>,
    /// The rest of what was found.
    #[serde(flatten)]
    pub more: More,
}

/// What a report shows beside the verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct More {
    /// The rule of the verdict and what was tried.
    pub note: String,
    /// Rows of a table, the first its heading.
    pub table: Vec<Vec<String>>,
    /// Pictures, file and caption.
    pub pictures: Vec<(String, String)>,
    /// Every number.
    pub numbers: Value,
}

/// The part of that name.
#[must_use]
pub fn part(id: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.id == id)
}
