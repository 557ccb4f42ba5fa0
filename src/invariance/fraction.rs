//! Volume fractions: of one class (p1, paper Eq. 8), or of all classes (paper Eq. 9).

use super::tally::Additive;
use super::{Column, Grain, Images, Invariance, Kind, Made, Mistake, OF, Tally, View, class, fill, numbered};
use crate::options::Options;
use crate::rng;
use crate::tape::Var;

/// Mean of each channel: `[N, H, W, C]` to `[N, C]`.
pub fn fractions(x: Var<'_>) -> Var<'_> {
    let s = x.shape();
    x.sum_to([s[0], 1, 1, s[3]]).reshape([s[0], s[3]]).scale(1.0 / (s[1] * s[2]) as f64)
}

/// Mean of channel `class`: `[N, H, W, C]` to `[N, 1]`.
///
/// # Panics
/// If there is no such channel.
#[track_caller]
pub fn fraction(x: Var<'_>, class: usize) -> Var<'_> {
    fractions(x).slice(&[0, class], [x.shape()[0], 1])
}

/// `fraction`: the share of one class, `p1` of class 1.
pub(super) const FRACTION: Kind = Kind {
    name: "fraction",
    about: "share of the image that one class fills",
    keys: &[OF],
    weight: 10.0,
    make: |options, name, images| {
        let class = class(options, "of", images)?;
        let name = if name.is_empty() { format!("p{class}") } else { name.to_owned() };
        Ok(Made { columns: vec![share(name)], invariance: Box::new(Fraction { class }) })
    },
};

/// `fractions`: the share of every class, `f1`, `f2`, ... of class 0, 1, ...
pub(super) const FRACTIONS: Kind = Kind {
    name: "fractions",
    about: "share of the image that each class fills",
    keys: &[],
    weight: 10.0,
    make: all,
};

fn all(_: &Options, name: &str, images: &Images) -> Result<Made, Mistake> {
    let prefix = if name.is_empty() { "f" } else { name };
    let columns = numbered(prefix, 1, images.classes).map(share).collect();
    Ok(Made { columns, invariance: Box::new(Fractions { classes: images.classes }) })
}

fn share(name: String) -> Column {
    Column::new(name, "", (0.0, 1.0))
}

/// The share of the image that one class fills: the first moment p1 of paper Eq. 8.
pub struct Fraction {
    /// Its channel.
    pub class: usize,
}

impl Invariance for Fraction {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        fraction(x, self.class)
    }

    fn joint(&self) -> bool {
        false
    }

    fn grain(&self) -> Grain {
        Grain::Count
    }

    fn share(&self, _: usize) -> Option<usize> {
        Some(self.class)
    }

    fn tally(&self, images: &Images, map: &[u8]) -> Option<Box<dyn Tally>> {
        let (of, pixels) = (self.class, images.pixels() as f64);
        let add = move |class: u8, _: usize, by: f64, sums: &mut [f64]| {
            sums[0] += if usize::from(class) == of { by } else { 0.0 };
        };
        let numbers = move |sums: &[f64], numbers: &mut [f64]| numbers[0] = sums[0] / pixels;
        Some(Box::new(Additive::new(map, 1, add, numbers)))
    }

    /// Evenly over the range of the data.
    fn prior(&self, ranges: &[(f64, f64)], words: &mut dyn Iterator<Item = u32>) -> Option<Vec<f32>> {
        let (low, high) = ranges[0];
        Some(vec![(low + (high - low) * rng::unit(words.next()?)) as f32])
    }

    /// From .2 to .8.
    fn protocol(&self) -> Vec<Vec<f32>> {
        (4..=16).map(|i| vec![i as f32 / 20.0]).collect()
    }

    fn view(&self) -> View {
        View::Bubbles
    }
}

/// The share of the image that each class fills; they sum to 1.
pub struct Fractions {
    /// Number of classes.
    pub classes: usize,
}

/// What the sum of asked fractions may differ from 1: three times .333 is meant as thirds.
const SUM_TOLERANCE: f32 = 0.005;

impl Invariance for Fractions {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        fractions(x)
    }

    fn joint(&self) -> bool {
        false
    }

    /// The open fractions share what is left, in the proportions of the image. All of them, if they
    /// are nearly 1, are scaled to be 1.
    fn complete(&self, target: &[Option<f32>], row: &mut [f32]) -> Result<(), String> {
        let given: f32 = target.iter().flatten().sum();
        let open: f32 = target.iter().zip(&*row).filter(|(t, _)| t.is_none()).map(|(_, r)| r).sum();
        let whole = target.iter().all(Option::is_some);
        if given > 1.0 + SUM_TOLERANCE || (whole && given < 1.0 - SUM_TOLERANCE) {
            let least = if whole { "" } else { "at most " };
            // Digits that single precision made up are nobody's.
            let given = (f64::from(given) * 1e6).round() / 1e6;
            return Err(format!("fractions sum to {given}: must sum to {least}1, within {SUM_TOLERANCE}"));
        }
        let rest = (1.0 - given).max(0.0);
        // Where the row has nothing of the open classes they share what is left.
        let share = rest / target.iter().filter(|t| t.is_none()).count().max(1) as f32;
        row.iter_mut().for_each(|r| *r = if open > 0.0 { *r * rest / open } else { share });
        fill(target, row);
        if whole || given > 1.0 {
            row.iter_mut().for_each(|r| *r /= given);
        }
        Ok(())
    }

    fn grain(&self) -> Grain {
        Grain::Partition
    }

    fn share(&self, i: usize) -> Option<usize> {
        Some(i)
    }

    /// The nearest that are not negative and sum to 1: what is above a level that all share is kept (J.
    /// Duchi et al., Efficient projections onto the l1-ball, ICML 2008).
    fn nearest_possible(&self, normalised: &mut [f64]) {
        let mut sorted = normalised.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let (mut sum, mut level) = (0.0, 0.0);
        for (i, v) in sorted.iter().enumerate() {
            sum += v;
            let candidate = (sum - 1.0) / (i + 1) as f64;
            if *v > candidate {
                level = candidate;
            }
        }
        normalised.iter_mut().for_each(|v| *v = (*v - level).max(0.0));
    }

    fn tally(&self, images: &Images, map: &[u8]) -> Option<Box<dyn Tally>> {
        let pixels = images.pixels() as f64;
        let add = |class: u8, _: usize, by: f64, sums: &mut [f64]| sums[usize::from(class)] += by;
        let numbers = move |sums: &[f64], numbers: &mut [f64]| {
            numbers.iter_mut().zip(sums).for_each(|(number, sum)| *number = sum / pixels);
        };
        Some(Box::new(Additive::new(map, self.classes, add, numbers)))
    }

    /// Evenly over all that sum to 1: normalised exponentials.
    fn prior(&self, _: &[(f64, f64)], words: &mut dyn Iterator<Item = u32>) -> Option<Vec<f32>> {
        // Away from 1 so that the logarithm is finite.
        let parts: Vec<f64> =
            words.take(self.classes).map(|word| -(1.0 - rng::unit(word)).ln() + 1e-9).collect();
        let sum: f64 = parts.iter().sum();
        Some(parts.iter().map(|part| (part / sum) as f32).collect())
    }

    fn protocol(&self) -> Vec<Vec<f32>> {
        distributions(self.classes)
    }

    fn view(&self) -> View {
        View::Shares
    }
}

/// Fractions of K classes: equal; one of .4, of .5 and of .6; two large ones; rising evenly.
fn distributions(classes: usize) -> Vec<Vec<f32>> {
    let k = classes as f32;
    let with = |given: &[(usize, f32)]| {
        let rest = 1.0 - given.iter().map(|(_, f)| f).sum::<f32>();
        let mut row = vec![rest / (k - given.len() as f32).max(1.0); classes];
        given.iter().for_each(|&(i, f)| row[i % classes] = f);
        let sum: f32 = row.iter().sum();
        row.iter().map(|f| f / sum).collect::<Vec<f32>>()
    };
    let rising: Vec<f32> = (1..=classes).map(|i| 2.0 * i as f32 / (k * (k + 1.0))).collect();
    vec![
        with(&[]),
        with(&[(0, 0.4)]),
        with(&[(2, 0.5)]),
        with(&[(classes - 1, 0.6)]),
        with(&[(0, 0.35), (1, 0.35)]),
        rising,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_sum_to_one_and_are_skewed() {
        for classes in 2..=16 {
            for row in distributions(classes) {
                assert_eq!(row.len(), classes);
                assert!(
                    (row.iter().sum::<f32>() - 1.0).abs() < 1e-5 && row.iter().all(|&f| f > 0.0),
                    "{row:?}"
                );
            }
        }
        assert!((distributions(5)[3][4] - 0.6).abs() < 1e-6);
    }

    #[test]
    fn fractions_share_what_is_left_and_sum_to_one() {
        let of = Fractions { classes: 3 };
        let mut row = [0.5, 0.3, 0.2];
        assert_eq!(of.complete(&[None, Some(0.6), None], &mut row), Ok(()));
        assert!((row[0] - 0.4 * 5.0 / 7.0).abs() < 1e-6 && row[1] == 0.6, "{row:?}");
        assert_eq!(of.complete(&[Some(0.333); 3], &mut row), Ok(()));
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
        for target in [[Some(0.9), Some(0.9), None], [Some(0.3); 3]] {
            let problem = of.complete(&target, &mut row).err().unwrap_or_default();
            assert!(problem.contains("sum to") && problem.contains("within 0.005"), "{problem}");
        }
    }

    #[test]
    fn the_prior_of_fractions_is_even() {
        let of = Fractions { classes: 5 };
        let mut words = (0..5000u64).flat_map(|block| rng::philox(&rng::state(1), 1, block));
        let rows: Vec<Vec<f32>> = (0..4000).filter_map(|_| of.prior(&[], &mut words)).collect();
        assert_eq!(rows.len(), 4000);
        for row in &rows {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5 && row.iter().all(|&f| f > 0.0));
        }
        // Of five evenly distributed fractions one is above a half with probability 5 (1/2)^4.
        let skewed = rows.iter().filter(|row| row.iter().any(|&f| f > 0.5)).count();
        assert!((skewed as f64 / 4000.0 - 0.3125).abs() < 0.03, "{skewed}");
    }
}
