//! What the numbers of a formula's parts, and their derivatives, say about it.

use super::images::Image;
use super::{FLAT, Finding, SAME, SOFT, Severity, Trial, largest};
use crate::invariance::formula::record::Value;
use crate::invariance::formula::tree::{Function, Id, Operator, Part};

/// Numbers of every part that depends on the image.
pub(super) struct Seen<'a, 't> {
    pub(super) trial: &'a Trial<'a>,
    pub(super) parts: &'a [Id],
    /// The nodes of the tape; parts may share one.
    pub(super) ids: &'a [usize],
    pub(super) values: &'a [Value<'t>],
    pub(super) images: usize,
}

impl Seen<'_, '_> {
    /// All there is to say, given the values of the parts, their first and second derivatives, and the
    /// derivative by the pixels.
    pub(super) fn findings(
        &self,
        kinds: &[Image],
        values: &[Vec<f64>],
        [first, second]: [&[Vec<f64>]; 2],
        slope: &[f64],
    ) -> Vec<Finding> {
        let mut findings = self.not_finite(kinds, values, first, second);
        findings.extend(self.kinks(values));
        findings.extend(self.constant(values).or_else(|| self.flat(values, slope)));
        findings
    }

    /// Of image `i`, whether all are finite in the precision that devices compute in.
    fn is_finite(&self, numbers: &[f64], i: usize) -> bool {
        let each = numbers.len() / self.images;
        numbers[i * each..(i + 1) * each].iter().all(|v| v.abs() <= f64::from(f32::MAX))
    }

    fn not_finite(
        &self,
        kinds: &[Image],
        values: &[Vec<f64>],
        first: &[Vec<f64>],
        second: &[Vec<f64>],
    ) -> Vec<Finding> {
        let mut found: Vec<(Id, bool, Vec<Image>)> = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            let value = (0..self.parts.len()).find(|&k| !self.is_finite(&values[k], i));
            let culprit = match value {
                Some(k) => Some((self.parts[k], true)),
                None => self
                    .cause(i, first)
                    // A training differentiates twice where images are soft.
                    .or_else(|| if *kind == Image::Soft { self.cause(i, second) } else { None })
                    .map(|part| (part, false)),
            };
            let Some((part, of_value)) = culprit else { continue };
            match found.iter_mut().find(|(p, v, _)| (*p, *v) == (part, of_value)) {
                Some((.., kinds)) => kinds.push(*kind),
                None => found.push((part, of_value, vec![*kind])),
            }
        }
        found.into_iter().map(|(part, of_value, kinds)| self.describe(part, of_value, &kinds)).collect()
    }

    fn describe(&self, part: Id, of_value: bool, kinds: &[Image]) -> Finding {
        let what = if of_value { "is no finite number" } else { "has a derivative that is not finite" };
        if kinds.contains(&Image::Soft) {
            return self.trial.finding(Severity::Error, part, &format!("{what} on ordinary images"));
        }
        if kinds.contains(&Image::Crisp) {
            // Data are crisp, so they have to have a value; generated images only come near.
            let severity = if of_value { Severity::Error } else { Severity::Warning };
            let what = format!("{what} where a class is 0 or 1, as in class maps: add a small number within");
            return self.trial.finding(severity, part, &what);
        }
        let empty: Vec<String> = kinds
            .iter()
            .filter_map(|k| if let Image::Without(class) = k { Some(class.to_string()) } else { None })
            .collect();
        let what = format!("{what} where class {} is empty", empty.join(" or "));
        self.trial.finding(Severity::Warning, part, &what)
    }

    /// The part at which a derivative stops being finite: it has an operand whose derivative is not.
    fn cause(&self, i: usize, derivatives: &[Vec<f64>]) -> Option<Id> {
        // The last on the tape: derivatives come from there. Parts of one node are in any order.
        let infinite = (0..self.parts.len()).filter(|&k| !self.is_finite(&derivatives[k], i));
        let operand = infinite.max_by_key(|&k| self.ids[k])?;
        let uses = |part: &Id| {
            let operands = self.trial.measure.nodes[*part].part.operands();
            let node = |id: &Id| self.values[*id].var().map(|v| v.id());
            // A name is its value, and does nothing to it.
            let named = matches!(self.trial.measure.nodes[*part].part, Part::Name(_));
            !named && operands.iter().any(|id| node(id) == Some(self.ids[operand]))
        };
        let users: Vec<Id> = self.parts.iter().copied().filter(uses).collect();
        let steep = |part: &&Id| {
            let part = self.trial.measure.nodes[**part].part;
            matches!(
                part,
                Part::Of(Function::Sqrt | Function::Ln, _) | Part::Both(Operator::Div | Operator::Pow, ..)
            )
        };
        users.iter().find(steep).or(users.first()).copied().or(Some(self.parts[operand]))
    }

    /// Kinks: those that soft images are at, and those that there are.
    fn kinks(&self, values: &[Vec<f64>]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let of = |id: Id| self.parts.iter().position(|&p| p == id).map(|k| &values[k]);
        let soft = |numbers: &Vec<f64>| numbers.len() / self.images * SOFT;
        for &part in self.parts {
            let (met, all, rule) = match self.trial.measure.nodes[part].part {
                Part::Of(Function::Abs, a) => {
                    let Some(a) = of(a) else { continue };
                    let met = a[..soft(a)].iter().filter(|v| **v == 0.0).count();
                    (met, soft(a), "where its argument is 0: its derivative there is 0")
                }
                Part::Both(Operator::Min | Operator::Max, a, b) => {
                    let rule = "where both are equal: the first one counts for the derivative";
                    // The result is one of the two; of equals it is both.
                    match (of(a), of(b)) {
                        (Some(a), Some(b)) if a.len() == b.len() => {
                            let met = a[..soft(a)].iter().zip(b).filter(|(a, b)| a == b).count();
                            (met, soft(a), rule)
                        }
                        _ => (0, 0, rule),
                    }
                }
                _ => continue,
            };
            let (severity, what) = if met > 0 {
                let what = format!("is at its kink at {met} of {all} places of ordinary images, {rule}");
                (Severity::Warning, what)
            } else {
                (Severity::Note, format!("has a kink {rule}"))
            };
            findings.push(self.trial.finding(severity, part, &what));
        }
        findings
    }

    /// Whether all images have the same value.
    fn constant(&self, values: &[Vec<f64>]) -> Option<Finding> {
        let result = values.last()?;
        let each = result.len() / self.images;
        // The soft images and the crisp one.
        let rows: Vec<&[f64]> = result.chunks_exact(each).take(SOFT + 1).collect();
        let size = largest(&rows.concat());
        let same = |row: &&[f64]| row.iter().zip(rows[0]).all(|(a, b)| (a - b).abs() <= SAME * size);
        let last = *self.parts.last()?;
        let what = format!("is the same, {:.6}, for every image that was tried", rows[0][0]);
        rows.iter().all(same).then(|| self.trial.finding(Severity::Warning, last, &what))
    }

    /// Whether soft images, changed a little, have the same value.
    fn flat(&self, values: &[Vec<f64>], slope: &[f64]) -> Option<Finding> {
        let soft = |numbers: &[f64]| largest(&numbers[..numbers.len() / self.images * SOFT]);
        let none = soft(slope) <= FLAT * soft(values.last()?);
        let what = "has no slope on ordinary images: training cannot change it";
        none.then(|| self.trial.finding(Severity::Warning, *self.parts.last().unwrap_or(&0), what))
    }
}
