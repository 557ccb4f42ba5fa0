//! How far a measured number may be from what was asked.

use crate::error::{Error, Result};
use crate::invariance::{Grain, Property};
use crate::train::Task;

/// What the tolerance of a number follows from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// How nearly such a number can be met.
    Grain,
    /// So much, in its unit.
    Absolute(f64),
    /// That share: of the number asked, of a coordinate of the image's side, of an angle of a turn.
    Share(f64),
}

/// What counts pass by default and at best: pixels of a place, of a curve, a share of anything else.
const USUAL: [f64; 3] = [0.05, 1e-3, 5e-3];
const FINEST: [f64; 3] = [0.02, 5e-4, 1e-3];

/// A little more than half a pixel, so that the nearest count is within it after rounding.
const HALF: f64 = 0.5005;

/// How far each number asked for may be missed.
#[derive(Clone, Debug, PartialEq)]
pub struct Tolerances {
    rules: Vec<Rule>,
    exact: bool,
}

impl Tolerances {
    /// The usual ones: counts and areas to half a pixel (fractions of all classes to one, as they sum to
    /// 1), places to .05 pixels, correlation curves to .001, anything else to half a per cent.
    #[must_use]
    pub fn usual(task: &Task) -> Self {
        Self { rules: vec![Rule::Grain; task.columns().len()], exact: false }
    }

    /// As near as pixels allow: counts as always, places to .02 pixels, curves to .0005, anything else to
    /// .1 per cent.
    #[must_use]
    pub fn exact(task: &Task) -> Self {
        Self { exact: true, ..Self::usual(task) }
    }

    /// Takes over what a person gave: `p1=0.0005,cx1=0.1`, `1%`, `correlation=2%`. A name is that of a number
    /// or of a property; a later entry prevails.
    ///
    /// # Errors
    /// What is wrong with it, naming `origin`.
    pub fn set(&mut self, text: &str, task: &Task, origin: &str) -> Result<()> {
        let wrong = |problem: String| Error::Usage(format!("{origin} {text}: {problem}"));
        for part in text.split(',') {
            let (name, number) = part.split_once('=').map_or((None, part), |(n, v)| (Some(n.trim()), v));
            let number = number.trim();
            let (digits, share) = number.strip_suffix('%').map_or((number, false), |d| (d, true));
            let value = digits.trim().parse::<f64>().ok().filter(|v| v.is_finite() && *v > 0.0);
            let Some(value) = value else {
                return Err(wrong(format!("{part}: must be name=number, name=number% or number%, above 0")));
            };
            if name.is_none() && !share {
                let problem =
                    format!("{part}: numbers differ in their units: give name={number} or {number}%");
                return Err(wrong(problem));
            }
            let rule = if share { Rule::Share(value / 100.0) } else { Rule::Absolute(value) };
            let places = name.map_or_else(|| (0..self.rules.len()).collect(), |name| task.named(name));
            if let (true, Some(name)) = (places.is_empty(), name) {
                let names = task.names().join(", ");
                return Err(wrong(format!("unknown property {name}: use {names}")));
            }
            places.into_iter().for_each(|at| self.rules[at] = rule);
        }
        Ok(())
    }

    /// Those of a target `[P]`, in the numbers' units.
    #[must_use]
    pub fn of(&self, target: &[f32], task: &Task) -> Vec<f64> {
        let usual = task.placed().flat_map(|(property, first)| {
            let target = &target[first..first + property.columns().len()];
            usual(property, target, task.images().pixels(), if self.exact { FINEST } else { USUAL })
        });
        let side = *task.images().size.iter().max().unwrap_or(&1) as f64;
        usual
            .zip(&self.rules)
            .zip(task.columns().iter().zip(target))
            .map(|((usual, rule), (column, &asked))| match *rule {
                Rule::Grain => usual,
                Rule::Absolute(value) => value,
                Rule::Share(share) => {
                    let of =
                        column.turn.unwrap_or(if column.position { side } else { f64::from(asked.abs()) });
                    share * of
                }
            })
            .collect()
    }

    /// In words, the same for the same tolerances.
    #[must_use]
    pub fn text(&self, task: &Task) -> String {
        let own = self.rules.iter().zip(task.columns()).filter_map(|(rule, column)| match rule {
            Rule::Grain => None,
            Rule::Absolute(value) => Some(format!("{}={value}", column.name)),
            Rule::Share(share) => Some(format!("{}={}%", column.name, share * 100.0)),
        });
        let first = if self.exact { "exact" } else { "usual" };
        std::iter::once(first.to_owned()).chain(own).collect::<Vec<_>>().join(",")
    }
}

/// Tolerances of the numbers of a property in their units, from how nearly they can be met.
fn usual(property: &Property, target: &[f32], pixels: usize, [place, curve, share]: [f64; 3]) -> Vec<f64> {
    let invariance = property.invariance();
    // A step of the normalised number in its unit.
    let of_pixels = |count: f64| {
        let by = count / pixels as f64;
        let middle = invariance.normalised(target);
        let [up, down] =
            [by, -by].map(|by| invariance.in_units(&middle.iter().map(|v| v + by).collect::<Vec<_>>()));
        let farther = |i: usize| {
            [up[i], down[i]]
                .map(|v| (f64::from(v) - f64::from(target[i])).abs())
                .into_iter()
                .fold(0.0, f64::max)
        };
        (0..target.len()).map(farther).collect()
    };
    match invariance.grain() {
        Grain::Count => of_pixels(HALF),
        Grain::Partition => of_pixels(2.0 * HALF),
        Grain::Place => vec![place; target.len()],
        Grain::Curve => vec![curve; target.len()],
        Grain::Share => {
            let largest = target.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max);
            let alone = |c: &crate::invariance::Column, asked: f32| match c.turn {
                Some(turn) => share * turn,
                // Numbers of several units have nothing to do with each other.
                None if property.columns().iter().any(|c| c.turn.is_some()) => share * f64::from(asked.abs()),
                None => share * largest,
            };
            property.columns().iter().zip(target).map(|(c, &asked)| alone(c, asked)).collect()
        }
    }
}

/// Which numbers of a target a sample is held to: all, if none was given; else those given and those that
/// do not hang together with others. What a target leaves open of numbers that do only follows those given.
#[must_use]
pub fn held(task: &Task, wanted: &[Option<f32>]) -> Vec<bool> {
    let none = wanted.iter().all(Option::is_none);
    task.placed()
        .flat_map(|(property, first)| {
            let free = none || !property.invariance().joint();
            wanted[first..first + property.columns().len()].iter().map(move |w| free || w.is_some())
        })
        .collect()
}
