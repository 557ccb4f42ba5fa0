//! A property in closed form, written by a person: `mean(abs(x[1] - shift(x[1], 0, 1)))`.
//!
//! `parse.rs` reads the text into the parts of `tree.rs`; `types.rs` says what each is on given images;
//! `record.rs` writes them with operations of the tape; `check.rs` tries a formula out before it is
//! trained. The language is described in `docs/formula.md`.

mod check;
mod kind;
mod parse;
mod record;
mod show;
#[cfg(test)]
mod tests;
mod tree;
mod types;

pub(super) use kind::FORMULA;

pub use check::{Finding, Report, Severity, check};
pub use show::FormulaError;

use crate::invariance::Images;
use crate::tape::Var;
use parse::Fault;
use record::Value;
use tree::Node;
use types::{Type, Typed};

/// A formula that was read without a mistake.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    text: String,
    nodes: Vec<Node>,
}

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// The first mistake and its place.
    pub fn parse(text: &str) -> Result<Self, FormulaError> {
        let nodes = parse::parse(text).map_err(|fault| located(fault, text))?;
        Ok(Self { text: text.to_owned(), nodes })
    }

    /// The text that was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The formula on images of a size, with their classes and their border.
    ///
    /// # Errors
    /// The first part that cannot be measured on such images, and its place.
    pub fn on(&self, images: &Images) -> Result<Measure, FormulaError> {
        let typed = types::types(&self.nodes, images).map_err(|fault| located(fault, &self.text))?;
        Ok(Measure { nodes: self.nodes.clone(), typed, images: *images })
    }
}

fn located(fault: Fault, text: &str) -> FormulaError {
    FormulaError { problem: fault.problem, text: text.to_owned(), at: fault.at }
}

/// A formula that fits certain images.
pub struct Measure {
    nodes: Vec<Node>,
    typed: Typed,
    images: Images,
}

impl Measure {
    /// Points of the curve that the formula is; none if it is one number.
    #[must_use]
    pub fn points(&self) -> Option<usize> {
        match self.typed.types.last() {
            Some(Type::Curve(points)) => Some(*points),
            _ => None,
        }
    }

    /// The images that it measures.
    #[must_use]
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// Measures images `[N, H, W, C]`: `[N, D]`, with D the number of points, or 1.
    ///
    /// # Panics
    /// If the images are of another size or have other classes.
    #[track_caller]
    pub fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        let values = self.record(x);
        values.last().and_then(|v| v.var()).expect("a result depends on the image")
    }

    /// The value of every part.
    fn record<'t>(&self, x: Var<'t>) -> Vec<Value<'t>> {
        let (s, [h, w]) = (x.shape(), self.images.size);
        assert!(
            s.rank() == 4 && s[1..] == [h, w, self.images.classes],
            "formula of images of {h} x {w} with {} classes: {s:?}",
            self.images.classes
        );
        record::record(&self.nodes, &self.typed, &self.images, x)
    }
}
