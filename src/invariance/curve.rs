//! Curves of which a target gives some points.

use crate::op::Border;

/// What is given, and of a curve between its points the row, as far from it as the points nearest on both sides
/// are; `[0, 1]` is never left.
pub(super) fn follow(target: &[Option<f32>], row: &mut [f32]) {
    let given: Vec<(usize, f32)> =
        target.iter().zip(&*row).enumerate().filter_map(|(i, (t, r))| Some((i, (*t)? - r))).collect();
    for (i, value) in row.iter_mut().enumerate() {
        let after = given.partition_point(|&(at, _)| at < i);
        let off = match (after.checked_sub(1).map(|before| given[before]), given.get(after)) {
            (Some((a, from)), Some(&(b, to))) => from + (to - from) * (i - a) as f32 / (b - a) as f32,
            (Some((_, off)), None) | (None, Some(&(_, off))) => off,
            (None, None) => 0.0,
        };
        *value = target[i].unwrap_or((*value + off).clamp(0.0, 1.0));
    }
}

/// Refuses points of a periodic image's curve that a class of its share, the first of the row, cannot have: where
/// pixels at a distance are both of it, each is, and where not both, one is of the rest.
pub(super) fn within_share(target: &[Option<f32>], row: &[f32], border: Border) -> Result<(), String> {
    const ROUNDING: f32 = 1e-5;
    let (share, periodic) = (row[0], border == Border::Periodic);
    let (low, high) = ((2.0 * share - 1.0).max(0.0), share);
    let wrong = |v: f32| !(low - ROUNDING..=high + ROUNDING).contains(&v);
    let found = target.iter().enumerate().find_map(|(i, t)| Some((i, t.filter(|&v| periodic && wrong(v))?)));
    match found {
        Some((i, v)) => Err(format!(
            "a correlation of {v} at distance {i} is impossible where the class fills {share}: it is from {low} to {high}"
        )),
        None => Ok(()),
    }
}
