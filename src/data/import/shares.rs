//! Each class's share of the pixels before and after, and what to say when it changed.

use crate::data::ClassMaps;

/// A share has changed if it moved by more than this, ...
const ABSOLUTE: f64 = 0.01;
/// ... or by more than this part of itself.
const RELATIVE: f64 = 0.1;

/// One class's share of the pixels, a mean over images of equal weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// In the images of the source.
    pub source: f64,
    /// In the images of the set.
    pub set: f64,
    /// In those for training and in those held out, where the set says which is which.
    pub parts: Option<[f64; 2]>,
}

pub(super) fn of(source: &[f64], data: &ClassMaps) -> Vec<Shares> {
    let mean = |class: usize, of: &dyn Fn(usize) -> bool| {
        let images = (0..data.count).filter(|&i| of(i));
        let (sum, count) =
            images.fold((0.0, 0), |(sum, n), i| (sum + f64::from(data.property(i)[class]), n + 1));
        sum / f64::from(count.max(1))
    };
    let held_out = |i: usize| data.held_out[i];
    let class = |(class, &source): (usize, &f64)| Shares {
        source,
        set: mean(class, &|_| true),
        parts: (!data.held_out.is_empty()).then(|| [mean(class, &|i| !held_out(i)), mean(class, &held_out)]),
    };
    source.iter().enumerate().map(class).collect()
}

/// Whether a share is no longer what it was.
pub(super) fn differ(source: f64, set: f64) -> bool {
    let change = (source - set).abs();
    // Fractions are kept in single precision: what that rounds is no change.
    change > ABSOLUTE || change > RELATIVE * source + 1e-6
}

/// What to say of classes that no image has, from the start.
pub(super) fn absent(shares: &[Shares], data: &ClassMaps) -> Vec<String> {
    let none: Vec<String> =
        (0..shares.len()).filter(|&i| shares[i].source == 0.0).map(|i| name(i, data)).collect();
    if none.is_empty() {
        return vec![];
    }
    let what = if none.len() == 1 { "class" } else { "classes" };
    vec![format!(
        "no pixel of the source has the {what} {}: training cannot learn what it never sees",
        none.join(", ")
    )]
}

/// The classes whose share changed, in words.
pub(super) fn changed(shares: &[Shares], data: &ClassMaps) -> Vec<String> {
    let mut all = vec![];
    for (i, share) in shares.iter().enumerate() {
        let name = name(i, data);
        let Shares { source, set, parts } = *share;
        if source > 0.0 && set == 0.0 {
            all.push(format!("{name} vanishes (it was {source:.4})"));
        } else if differ(source, set) {
            all.push(format!("{name} has {set:.4} instead of {source:.4}"));
        } else if let Some(part) =
            parts.filter(|_| source > 0.0).and_then(|p| p.iter().position(|&s| s == 0.0))
        {
            all.push(format!("{name} is in no window {}", ["for training", "that is held out"][part]));
        }
    }
    all
}

/// `what` made of the images does not hold what they do.
pub(super) fn warning(what: &str, changed: &[String], advice: &str) -> String {
    let (points, percent, changed) = (100.0 * ABSOLUTE, 100.0 * RELATIVE, changed.join(", "));
    let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
    format!("{what}: by more than {points} percentage point or {percent} % of a share, {changed}{advice}")
}

/// A class as the report names it, with its label if that is another number.
pub(super) fn name(class: usize, data: &ClassMaps) -> String {
    match data.labels.get(class) {
        Some(label) if *label != class as f64 && label.is_finite() => {
            format!("{} (label {label})", data.names[class])
        }
        _ => data.names[class].clone(),
    }
}
