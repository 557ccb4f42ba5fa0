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

/// What to say of classes that training, or what it is compared with, never sees.
pub(super) fn absent(shares: &[Shares], data: &ClassMaps, threshold: bool) -> Vec<String> {
    let all = |is: &dyn Fn(&Shares) -> bool| {
        let names = shares.iter().enumerate().filter(|(_, share)| is(share)).map(|(i, _)| name(i, data));
        names.collect::<Vec<_>>().join(", ")
    };
    let part = |part: usize| all(&|s| s.set > 0.0 && s.parts.is_some_and(|parts| parts[part] == 0.0));
    let other = if threshold { "give another --threshold" } else { "leave it out" };
    let lists = [
        ("no pixel of the source is of class", all(&|s| s.source == 0.0), other),
        ("no window for training shows class", part(0), "give more images, or others"),
        ("no held-out window shows class", part(1), "give more images, or others"),
    ];
    let some = lists.into_iter().filter(|(_, names, _)| !names.is_empty());
    some.map(|(what, names, advice)| format!("{what} {names}: {advice}")).collect()
}

/// The classes whose share changed, in words.
pub(super) fn changed(shares: &[Shares], data: &ClassMaps) -> Vec<String> {
    let changed = shares.iter().enumerate().filter(|(_, share)| differ(share.source, share.set));
    changed
        .map(|(i, &Shares { source, set, .. })| match name(i, data) {
            name if set == 0.0 => format!("{name} vanishes (it was {source:.4})"),
            name => format!("{name} has {set:.4} instead of {source:.4}"),
        })
        .collect()
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
