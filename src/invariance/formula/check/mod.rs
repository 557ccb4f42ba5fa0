//! A formula tried out before it is trained: values and derivatives on small images made up for it.
//!
//! The images are soft (a softmax of random numbers), crisp (one class a pixel), and soft with a class
//! that is empty. Whatever is not finite is traced to the part that made it so: of values, the first
//! part that is not finite; of derivatives, the part whose operand has a derivative that is not, and
//! itself still has one. On the soft images first and second derivatives are held against central
//! differences along random directions, in f64, as `gradcheck` does.

mod images;
mod seen;

use std::fmt;
use std::ops::Range;

use super::show::marked;
use super::tree::Id;
use super::{Formula, Measure};
use crate::device::Cpu;
use crate::error::Result;
use crate::gradcheck::{Bench, Input, Values, numbers, tolerance};
use crate::invariance::Images;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::tape::{Tape, Var};
use images::Image;
use seen::Seen;

/// Sides of the images, at most, if the formula allows such small ones.
const SIDE: usize = 12;
/// Soft images.
const SOFT: usize = 2;
/// Steps of a difference. The smaller one is less likely to step over a kink, the larger one rounds
/// less: a derivative that agrees with either is right.
const STEPS: [f64; 2] = [1e-5, 1e-6];
/// Directions that derivatives are taken along.
const DIRECTIONS: u64 = 3;
/// Images that are tried before a derivative counts as different: a kink may happen to be near.
const ATTEMPTS: u64 = 3;
/// Relative differences of values below this are none.
const SAME: f64 = 1e-9;
/// Derivatives by a pixel below this, of the value, are none.
const FLAT: f64 = 1e-12;
/// Parts of a formula that are tried one by one for the cause of a difference.
const MOST_SUSPECTS: usize = 60;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// May spoil a training.
    Warning,
    /// Cannot be trained.
    Error,
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, with the part it is of.
    pub problem: String,
    /// Where that part stands in the formula, in bytes.
    pub at: Range<usize>,
}

/// What a check found, the worst first.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    text: String,
    findings: Vec<Finding>,
}

impl Report {
    /// All that was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What is at least that bad, each as the problem, the line of the formula and carets under the
    /// part.
    pub fn shown(&self, least: Severity) -> impl Iterator<Item = String> {
        let bad = self.findings.iter().filter(move |f| f.severity >= least);
        bad.map(|f| format!("{}: {}\n{}", f.severity, f.problem, marked(&self.text, &f.at)))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Tries a formula out on images of such a kind.
///
/// # Errors
/// What makes it impossible to train with, with its place.
pub fn check(formula: &Formula, images: &Images) -> Result<Report, String> {
    // What the person's images do not allow comes first, in their terms.
    let whole = formula.on(images).map_err(|e| e.to_string())?;
    let measure = small(formula, images).unwrap_or(whole);
    let mut findings = trial(formula, &measure).map_err(|e| e.to_string())?;
    findings.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.at.start));
    let report = Report { text: formula.text.clone(), findings };
    let errors: Vec<String> = report.shown(Severity::Error).collect();
    if errors.is_empty() { Ok(report) } else { Err(errors.join("\n")) }
}

/// The formula on the smallest images that it allows.
fn small(formula: &Formula, images: &Images) -> Option<Measure> {
    let mut side = SIDE;
    loop {
        let size = images.size.map(|s| s.min(side));
        match formula.on(&Images { size, ..*images }) {
            Ok(measure) => return Some(measure),
            Err(_) if size == images.size => return None,
            Err(_) => side *= 2,
        }
    }
}

fn trial(formula: &Formula, measure: &Measure) -> Result<Vec<Finding>> {
    let trial = Trial { formula, measure };
    let mut findings = trial.finite()?;
    if findings.iter().all(|f| f.severity < Severity::Error) {
        findings.extend(trial.differences()?);
    }
    Ok(findings)
}

struct Trial<'a> {
    formula: &'a Formula,
    measure: &'a Measure,
}

impl Trial<'_> {
    fn finding(&self, severity: Severity, part: Id, what: &str) -> Finding {
        let at = self.measure.nodes[part].at.clone();
        let text = self.formula.text[at.clone()].split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = text.chars().take(40).collect();
        let dots = if short == text { "" } else { "..." };
        Finding { severity, problem: format!("{short}{dots} {what}"), at }
    }

    /// What is not finite, or at a kink, or the same everywhere.
    fn finite(&self) -> Result<Vec<Finding>> {
        let Images { size: [h, w], classes, .. } = self.measure.images;
        let kinds = self.kinds();
        let pixels: Vec<f64> = (0..kinds.len() as u64)
            .zip(&kinds)
            .flat_map(|(i, kind)| kind.image(i, [h, w], classes))
            .collect();
        let shape = Shape::from([kinds.len(), h, w, classes]);
        let mut bench =
            Bench::on(Box::new(Cpu::<f64>::new()), &[Input { shape, values: Values::Real(pixels) }])?;
        let tape = Tape::new();
        let x = bench.vars(&tape)[0];
        let values = self.measure.record(x);
        // Parts that do not depend on the image are the same in every one: nothing to look for.
        let varies = |id: &Id| self.measure.typed.depends[*id] && values[*id].var().is_some();
        let parts: Vec<Id> = (0..values.len()).filter(varies).collect();
        let vars: Vec<Var<'_>> = parts.iter().filter_map(|&id| values[id].var()).collect();
        let y = *vars.last().expect("a result depends on the image");
        let cotangent = bench.leaf("cotangent", y.shape(), &numbers(1, y.shape().numel()))?;
        let tangent = bench.leaf("tangent", x.shape(), &numbers(2, x.shape().numel()))?;
        let phi = (y * bench.store.var(&tape, cotangent)).sum();
        let wrt: Vec<Var<'_>> = vars.iter().copied().chain([x]).collect();
        let first = tape.grad(phi, &wrt);
        let psi = (first[vars.len()] * bench.store.var(&tape, tangent)).sum();
        let second = tape.grad(psi, &vars);
        let (by_part, by_pixel) = first.split_at(vars.len());
        let outputs = [&vars, by_part, &second, by_pixel].concat();
        let plan = Plan::new(&tape, &outputs, &bench.store);
        let found = bench.evaluate(&plan, outputs.len())?;
        let (of_values, rest) = found.split_at(vars.len());
        let (of_first, rest) = rest.split_at(vars.len());
        let (of_second, slope) = rest.split_at(vars.len());

        let ids: Vec<usize> = vars.iter().map(|v| v.id()).collect();
        let seen = Seen { trial: self, parts: &parts, ids: &ids, values: &values, images: kinds.len() };
        Ok(seen.findings(&kinds, of_values, [of_first, of_second], &slope[0]))
    }

    fn kinds(&self) -> Vec<Image> {
        let empty = (0..self.measure.images.classes).map(Image::Without);
        [Image::Soft; SOFT].into_iter().chain([Image::Crisp]).chain(empty).collect()
    }

    /// Whether derivatives agree with differences.
    fn differences(&self) -> Result<Vec<Finding>> {
        let last = self.measure.nodes.len() - 1;
        let Some((order, error)) = self.differs(last)? else { return Ok(Vec::new()) };
        let ordinal = if order == 1 { "first" } else { "second" };
        // The first part that has the same trouble by itself.
        let mut cause = last;
        if last < MOST_SUSPECTS {
            for part in 0..last {
                if self.measure.typed.depends[part] && self.differs(part)?.is_some() {
                    cause = part;
                    break;
                }
            }
        }
        let what = format!(
            "has a {ordinal} derivative that differs from a central difference by {error:.0e} of its \
             size: it is too steep, or has a kink near ordinary images"
        );
        Ok(vec![self.finding(Severity::Warning, cause, &what)])
    }

    /// The order and the error of a derivative of a part that agrees with no difference.
    fn differs(&self, part: Id) -> Result<Option<(u8, f64)>> {
        let mut worst = None;
        for attempt in 0..ATTEMPTS {
            worst = self.difference(part, attempt)?;
            if worst.is_none() {
                break;
            }
        }
        Ok(worst)
    }

    fn difference(&self, part: Id, attempt: u64) -> Result<Option<(u8, f64)>> {
        let Images { size: [h, w], classes, .. } = self.measure.images;
        let shape = Shape::from([SOFT, h, w, classes]);
        let at: Vec<f64> = (0..SOFT as u64)
            .flat_map(|i| Image::Soft.image(100 * (attempt + 1) + i, [h, w], classes))
            .collect();
        let mut bench =
            Bench::on(Box::new(Cpu::<f64>::new()), &[Input { shape, values: Values::Real(at.clone()) }])?;
        let tape = Tape::new();
        let x = bench.vars(&tape)[0];
        let Some(y) = self.measure.record(x)[part].var() else { return Ok(None) };
        let cotangent = bench.leaf("cotangent", y.shape(), &numbers(3, y.shape().numel()))?;
        let phi = (y * bench.store.var(&tape, cotangent)).sum();
        let gradient = tape.grad(phi, &[x])[0];
        let tangent = bench.leaf("tangent", shape, &vec![0.0; shape.numel()])?;
        let second = tape.grad((gradient * bench.store.var(&tape, tangent)).sum(), &[x])[0];
        let first = Plan::new(&tape, &[phi, gradient], &bench.store);
        let second = Plan::new(&tape, &[second], &bench.store);
        let here = bench.evaluate(&first, 2)?;
        let size = here[0][0].abs();

        for direction in 0..DIRECTIONS {
            let along = numbers(10 + direction, at.len());
            bench.store.write(tangent, &along)?;
            let hessian = bench.evaluate(&second, 1)?.remove(0);
            let slope = dot(&here[1], &along);
            // What the slope is a sum of, so that its terms may cancel.
            let terms: f64 = here[1].iter().zip(&along).map(|(g, t)| (g * t).abs()).sum();
            let mut errors = [f64::INFINITY; 2];
            for step in STEPS {
                let mut moved = |by: f64| -> Result<Vec<Vec<f64>>> {
                    let there: Vec<f64> = at.iter().zip(&along).map(|(x, t)| x + by * t).collect();
                    bench.store.write(bench.leaves[0], &there)?;
                    bench.evaluate(&first, 2)
                };
                let (ahead, behind) = (moved(step)?, moved(-step)?);
                let difference = (ahead[0][0] - behind[0][0]) / (2.0 * step);
                let scale = terms.max(size).max(1e-3);
                errors[0] = errors[0].min((slope - difference).abs() / scale);
                let scale = largest(&hessian).max(largest(&here[1])).max(1e-3);
                let errors_of_second = ahead[1].iter().zip(&behind[1]).zip(&hessian);
                let worst = errors_of_second.map(|((a, b), h)| ((a - b) / (2.0 * step) - h).abs());
                errors[1] = errors[1].min(worst.fold(0.0, f64::max) / scale);
            }
            bench.store.write(bench.leaves[0], &at)?;
            for (order, error) in [(1, errors[0]), (2, errors[1])] {
                if error > tolerance(order) {
                    return Ok(Some((order, error)));
                }
            }
        }
        Ok(None)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}
