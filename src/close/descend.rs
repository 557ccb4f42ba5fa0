//! Noise and conditions moved along the gradient of the distance from a target.
//!
//! The distance is the sum of the squared errors of the soft image over their tolerances; a weak prior
//! keeps the noise as long as noise is. Each sample has Adam moments and a number of steps of its own (D. P.
//! Kingma and J. Ba, Adam, ICLR 2015), so that none depends on what else is in its batch. What counts is the
//! class map: the soft image aims past the target by as much as the two last differed.

const BETA: [f64; 2] = [0.9, 0.95];

/// How fast a point moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Length of a step of each part.
    rates: [f64; 2],
    /// What the usual length of the first part, squared, adds to the distance, as a share of it.
    prior: f64,
    /// The usual square of one of its numbers.
    usual: f64,
}

impl Pace {
    /// Of noise and conditions; these have unit variance.
    pub(super) fn latent(z_scale: f64) -> Self {
        Self { rates: [0.05 * z_scale, 0.03], prior: 0.05, usual: z_scale.powi(2) }
    }

    /// Of logits.
    pub(super) const FREE: Self = Self { rates: [0.3, 0.0], prior: 0.0, usual: 1.0 };
}

/// The state of one sample's descent.
#[derive(Clone, Debug)]
pub(super) struct Descent {
    /// Noise and conditions, as the generator sees them.
    pub(super) point: [Vec<f64>; 2],
    /// First and second moments of each.
    moments: [[Vec<f64>; 2]; 2],
    pace: Pace,
    target: Vec<f64>,
    /// What the soft image aims at.
    pub(super) aim: Vec<f64>,
    /// What an error counts, 0 for numbers that do not.
    pub(super) weight: Vec<f64>,
    /// Steps made.
    pub(super) steps: u32,
}

impl Descent {
    /// Starts at a pass; `target` and `reach`, `[P]`, are normalised.
    pub(super) fn new(point: [Vec<f64>; 2], pace: Pace, target: &[f64], reach: &[f64]) -> Self {
        let moments = point.each_ref().map(|p| [vec![0.0; p.len()], vec![0.0; p.len()]]);
        let weight = reach.iter().map(|r| if r.is_finite() { 1.0 / r } else { 0.0 }).collect();
        Self { point, moments, pace, target: target.to_vec(), aim: target.to_vec(), weight, steps: 0 }
    }

    /// Takes over what the image measured, normalised, on probabilities and on the class map, and the
    /// gradients by noise and conditions, and moves on.
    pub(super) fn step(&mut self, soft: &[f64], hard: &[f64], gradients: [&[f64]; 2]) {
        self.steps += 1;
        let rows = soft.iter().zip(hard).zip(self.target.iter().zip(&self.weight));
        let distance: f64 =
            self.aim.iter().zip(soft).zip(&self.weight).map(|((a, s), w)| ((s - a) * w).powi(2)).sum();
        self.aim = rows
            .map(|((soft, hard), (target, weight))| {
                // What the class map does not show cannot be aimed past.
                let gap = if *weight > 0.0 && hard.is_finite() { soft - hard } else { 0.0 };
                target + gap
            })
            .collect();
        let usual = self.point[0].len() as f64 * self.pace.usual;
        let pull = if usual > 0.0 { 2.0 * self.pace.prior * distance / usual } else { 0.0 };
        let correct = BETA.map(|beta| 1.0 - beta.powi(self.steps as i32));
        for (i, gradient) in gradients.into_iter().enumerate() {
            let [first, second] = &mut self.moments[i];
            for (k, value) in self.point[i].iter_mut().enumerate() {
                let g = gradient[k] + if i == 0 { pull * *value } else { 0.0 };
                first[k] = BETA[0] * first[k] + (1.0 - BETA[0]) * g;
                second[k] = BETA[1] * second[k] + (1.0 - BETA[1]) * g * g;
                let (m, v) = (first[k] / correct[0], second[k] / correct[1]);
                *value -= self.pace.rates[i] * m / (v.sqrt() + 1e-12);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_map_comes_to_the_target_though_the_soft_image_differs() {
        // Soft numbers are linear in the point; the class map's are larger by a tenth and .2.
        let mut descent = Descent::new([vec![1.0, -0.5], vec![0.3]], Pace::latent(1.0), &[0.8], &[1e-3]);
        let measure = |p: &[Vec<f64>; 2]| 0.3 * p[0][0] + 0.1 * p[0][1] + 0.2 * p[1][0];
        let mut hard = 0.0;
        for _ in 0..200 {
            let soft = measure(&descent.point);
            hard = 1.1 * soft + 0.2;
            let slope = 2.0 * (soft - descent.aim[0]) * descent.weight[0].powi(2);
            let [z, r] = [[0.3 * slope, 0.1 * slope], [0.2 * slope; 2]];
            descent.step(&[soft], &[hard], [&z, &r[..1]]);
        }
        assert!((hard - 0.8).abs() < 0.02, "{hard}");
    }
}
