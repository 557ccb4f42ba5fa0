//! Whether a generator obeys at all: its errors beside those of answering with any image of the data.

use crate::train::Task;

/// Seeds of the two draws that are compared.
const SEEDS: [u64; 2] = [0x0BED, 0x0BEE];
/// Draws compared.
const DRAWS: usize = 4096;
/// Numbers that are named one by one.
const NAMED: usize = 3;

/// The mean absolute error of each number, `[P]`, if every request were answered with an image drawn
/// from the data at random: the mean distance of two independent draws.
#[must_use]
pub fn chance(task: &Task) -> Vec<f64> {
    let width = task.columns().len();
    let [a, b] = SEEDS.map(|seed| task.sample_targets(DRAWS, seed));
    let mut sums = vec![0.0; width];
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        sums[i % width] += f64::from(a - b).abs();
    }
    sums.iter().map(|sum| sum / DRAWS as f64).collect()
}

/// What to tell about mean absolute errors `[P]` over targets of the data's distribution that are no
/// better than those of chance, in one line; nothing if all are. An error that is not a number, of what
/// was never there to be measured, is no better either.
#[must_use]
pub fn warning(task: &Task, errors: &[f64]) -> Option<String> {
    let chance = chance(task);
    let columns = task.columns().iter().zip(errors).zip(&chance);
    // What all images share cannot be missed by drawing one.
    let bad: Vec<String> = columns
        .filter(|((_, error), chance)| **chance > 0.0 && (error.is_nan() || *error >= *chance))
        .map(|((c, error), chance)| format!("{} is off by {error:.3}, by chance {chance:.3}", c.name))
        .collect();
    if bad.is_empty() {
        return None;
    }
    let more = bad.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let shown = bad[..bad.len().min(NAMED)].join("; ");
    Some(format!("no better than answering with any image of the data: {shown}{more}"))
}
