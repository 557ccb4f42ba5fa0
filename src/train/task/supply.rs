//! Where targets come from: the distribution of a source, or rows of a table.

use std::ops::Range;

use super::{Drawn, Task};
use crate::rng;

/// Streams of the generator that draws targets.
mod stream {
    pub(super) const ROWS: u32 = 0;
    pub(super) const PRIOR: u32 = 1;
    pub(super) const NEAREST: u32 = 2;
}

/// Rows of the table that are near enough to complete a target from, and the least share of it.
const NEAREST: usize = 16;
const NEAREST_SHARE: usize = 64;

impl Task {
    /// The range of number `i` in the data, in its unit.
    #[must_use]
    pub fn range(&self, i: usize) -> (f64, f64) {
        if let Some(drawn) = &self.drawn {
            return drawn.known[drawn.places[i]].1;
        }
        let column = self.table.iter().skip(i).step_by(self.columns.len()).map(|&v| f64::from(v));
        column.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
    }

    /// Numbers from the distribution of the data, `[count, P]`.
    #[must_use]
    pub fn sample_targets(&self, count: usize, seed: u64) -> Vec<f32> {
        self.targets(0..count, seed)
    }

    /// Those of some samples, `[N, P]`: the numbers of a sample depend on the seed and its number alone.
    #[must_use]
    pub fn targets(&self, samples: Range<usize>, seed: u64) -> Vec<f32> {
        if let Some(Drawn { source, known, places }) = &self.drawn {
            let rows = source.draw(samples, seed);
            return rows.chunks_exact(known.len()).flat_map(|row| places.iter().map(|&i| row[i])).collect();
        }
        let rows = u32::try_from(self.table.len() / self.columns.len()).unwrap_or(u32::MAX);
        draws(seed, stream::ROWS, samples.start)
            .take(samples.len())
            .flat_map(|word| self.row(rng::index(word, rows) as usize))
            .copied()
            .collect()
    }

    pub(super) fn row(&self, i: usize) -> &[f32] {
        let width = self.columns.len();
        &self.table[i * width..][..width]
    }

    /// Numbers that training may ask for beside those of the data, `[count, P]`: evenly over all that
    /// a property can be, where it is the only one asked for and a formula says what that is; else as
    /// in the data.
    #[must_use]
    pub fn prior(&self, count: usize, seed: u64) -> Vec<f32> {
        if let [property] = &self.properties[..] {
            let ranges: Vec<(f64, f64)> = (0..self.columns.len()).map(|i| self.range(i)).collect();
            let mut words = draws(seed, stream::PRIOR, 0);
            let rows = (0..count).map(|_| property.invariance().prior(&ranges, &mut words));
            if let Some(rows) = rows.collect::<Option<Vec<_>>>() {
                return rows.concat();
            }
        }
        self.sample_targets(count, seed)
    }

    /// One of the rows of the table that are nearest in the numbers given, each number over its range, of
    /// an angle the short way round.
    pub(super) fn nearest(&self, target: &[Option<f32>], seed: u64, index: usize) -> &[f32] {
        let count = self.table.len() / self.columns.len();
        let given = target.iter().enumerate().filter_map(|(i, t)| Some((i, f64::from((*t)?))));
        let given: Vec<(usize, f64, f64)> = given
            .map(|(i, wanted)| {
                let (low, high) = self.range(i);
                let farthest = self.columns[i].turn.map_or(f64::INFINITY, |turn| turn / 2.0);
                (i, wanted, (high - low).min(farthest).max(1e-9))
            })
            .collect();
        let distance = |row: &[f32]| -> f64 {
            let of = |&(i, wanted, scale): &(usize, f64, f64)| {
                (self.columns[i].error(f64::from(row[i]), wanted) / scale).powi(2)
            };
            given.iter().map(of).sum()
        };
        let mut near: Vec<(f64, usize)> = (0..count).map(|i| (distance(self.row(i)), i)).collect();
        let kept = (count / NEAREST_SHARE).clamp(1, NEAREST);
        let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if kept < count {
            near.select_nth_unstable_by(kept, order);
            near.truncate(kept);
        }
        near.sort_unstable_by(order);
        let word = draws(seed, stream::NEAREST, index).next().unwrap_or(0);
        self.row(near[rng::index(word, kept as u32) as usize].1)
    }
}

/// The words of a stream, from number `first` on.
fn draws(seed: u64, stream: u32, first: usize) -> impl Iterator<Item = u32> {
    let state = rng::state(seed);
    (first as u64 / 4..).flat_map(move |block| rng::philox(&state, stream, block)).skip(first % 4)
}
