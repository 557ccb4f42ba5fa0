//! Watches a run for losses that leave their range without becoming infinite: such a run ends like
//! any other, and its samples are worth nothing.
//!
//! Two rules. A loss has left its range when its size is more than `MULTIPLE` times its median size
//! until then (known to a power of two; losses of the critic and the generator, which cross zero, count
//! as `FLOOR` at least). And a critic that its gradient penalty holds has gradients of norm 1, so
//! that it scores two images no further apart than they are: when its norms or its Wasserstein estimate
//! are far beyond that (`STEEPEST`, `SLACK`), the penalty has lost hold of it.

use std::collections::BTreeMap;

/// A loss this many times its median until then has left its range.
const MULTIPLE: f64 = 1000.0;
/// The least median of a loss that crosses zero.
const FLOOR: f64 = 1.0;
/// Rows of a loss before its median means anything.
const ENOUGH: u64 = 20;
/// How many times its bound a Wasserstein estimate may be while the critic is still learning.
const SLACK: f64 = 10.0;
/// The same of a critic without a penalty, which nothing bounds but the learning rate.
const SLACK_WITHOUT: f64 = 10_000.0;
/// Norm of the critic's gradients that no penalty would let pass for long.
const STEEPEST: f64 = 100.0;

/// Exponents of the sizes of losses: 2^-64 and less, ..., 2^127 and more.
const EXPONENTS: usize = 192;
const LOWEST: i32 = -64;

/// How often a loss had a size, by powers of two.
#[derive(Clone)]
struct Sizes {
    count: u64,
    of_exponent: [u64; EXPONENTS],
}

impl Sizes {
    fn new() -> Self {
        Self { count: 0, of_exponent: [0; EXPONENTS] }
    }

    fn add(&mut self, value: f64) {
        let exponent = value.abs().log2().floor().clamp(f64::from(LOWEST), 127.0) as i32;
        self.of_exponent[(exponent - LOWEST) as usize] += 1;
        self.count += 1;
    }

    /// The power of two above the median.
    fn median(&self) -> f64 {
        let mut below = 0;
        let at = self.of_exponent.iter().position(|n| {
            below += n;
            2 * below >= self.count
        });
        2f64.powi(at.unwrap_or(0) as i32 + LOWEST + 1)
    }
}

/// A loss that left its range.
#[derive(Clone, Debug, PartialEq)]
struct Alarm {
    loss: String,
    first: u64,
    worst: f64,
    worst_at: u64,
}

/// What has been seen of a run's losses. The same rows give the same words, in one session or in many.
pub struct Watch {
    /// The largest Wasserstein estimate that is believed.
    bound: f64,
    sizes: BTreeMap<String, Sizes>,
    alarms: Vec<Alarm>,
}

impl Watch {
    /// A watch over a run on images of `[H, W]` pixels.
    #[must_use]
    pub fn new([h, w]: [usize; 2], lambda_gp: f64) -> Self {
        // Two images of classes differ by a one and a minus one in every pixel at most.
        let furthest = (2.0 * (h * w) as f64).sqrt();
        let slack = if lambda_gp > 0.0 { SLACK } else { SLACK_WITHOUT };
        Self { bound: slack * furthest, sizes: BTreeMap::new(), alarms: Vec::new() }
    }

    /// Takes in the losses after an iteration. Returns whether the run has just begun to blow up.
    pub fn see<'a>(&mut self, iteration: u64, losses: impl IntoIterator<Item = (&'a str, f64)>) -> bool {
        let calm = self.alarms.is_empty();
        for (loss, value) in losses {
            let sizes = self.sizes.entry(loss.to_owned()).or_insert_with(Sizes::new);
            let floor = match loss {
                "critic_loss" | "wasserstein" | "gradient_penalty" | "generator_loss" => FLOOR,
                _ => 0.0,
            };
            let far = sizes.count >= ENOUGH && value.abs() > MULTIPLE * sizes.median().max(floor);
            let unheld = match loss {
                "wasserstein" => value.abs() > self.bound,
                "gradient_penalty" => value > (STEEPEST - 1.0).powi(2),
                _ => false,
            };
            sizes.add(value);
            if far || unheld {
                match self.alarms.iter_mut().find(|a| a.loss == loss) {
                    Some(alarm) if value.abs() > alarm.worst.abs() => {
                        (alarm.worst, alarm.worst_at) = (value, iteration);
                    }
                    Some(_) => {}
                    None => self.alarms.push(Alarm {
                        loss: loss.to_owned(),
                        first: iteration,
                        worst: value,
                        worst_at: iteration,
                    }),
                }
            }
        }
        calm && !self.alarms.is_empty()
    }

    /// What to tell about the run so far, in one line; nothing if all is well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let first = self.alarms.iter().map(|a| a.first).min()?;
        let worst: Vec<String> = self
            .alarms
            .iter()
            .map(|a| format!("{} {:.3e} at iteration {}", a.loss, a.worst, a.worst_at))
            .collect();
        Some(format!("losses left their range from iteration {first} on: {}", worst.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(losses: impl Fn(u64) -> (f64, f64)) -> (Vec<u64>, Option<String>) {
        let mut watch = Watch::new([64; 2], 10.0);
        let started = (1..=1000).filter(|&i| {
            let (critic, area) = losses(i);
            watch.see(i, [("critic_loss", critic), ("area", area)])
        });
        (started.collect(), watch.warning())
    }

    #[test]
    fn a_run_that_calms_down_or_swings_is_well() {
        let calm = |i: u64| (-(20.0 / i as f64) * (i as f64).sin(), 1e-2 / i as f64);
        assert_eq!(watched(calm), (vec![], None));
    }

    #[test]
    fn a_sudden_and_a_slow_explosion_are_seen_once() {
        let sudden = |i: u64| (if i == 700 { 8.9e13 } else { -3.0 }, 1e-3);
        let (started, warning) = watched(sudden);
        assert_eq!(started, [700]);
        let warning = warning.unwrap_or_default();
        assert!(
            warning.contains("from iteration 700 on") && warning.contains("critic_loss 8.900e13"),
            "{warning}"
        );
        // Three per cent more with every iteration: never far from the one before.
        let slow = |i: u64| (1.03f64.powi(i as i32), 1e-3);
        assert_eq!(watched(slow).0.len(), 1);
        let bounded = |i: u64| (-3.0, if i == 900 { 5.0 } else { 1e-3 });
        assert_eq!(watched(bounded).0, [900]);
    }

    #[test]
    fn a_critic_that_the_penalty_does_not_hold_is_seen_at_once() {
        let seen = |lambda, loss, value| Watch::new([64; 2], lambda).see(1, [(loss, value)]);
        assert!(seen(10.0, "wasserstein", -14_014.0) && !seen(10.0, "wasserstein", 300.0));
        assert!(seen(0.0, "wasserstein", 3e7) && !seen(0.0, "wasserstein", -14_014.0));
        assert!(seen(10.0, "gradient_penalty", 5e8) && !seen(10.0, "gradient_penalty", 100.0));
    }
}
