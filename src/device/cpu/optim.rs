//! Updates in place: Adam and exponential averages.

use super::pieces::*;

use super::Real;
use super::real::{CHUNK, simd};
use crate::op::AdamSettings;

/// One step of Adam with its bias corrections folded into two numbers.
pub(super) struct Adam<T> {
    beta1: T,
    beta2: T,
    /// rate / (1 - beta1^t)
    rate: T,
    /// 1 / (1 - beta2^t)
    correction: T,
    eps: T,
}

impl<T: Real> Adam<T> {
    /// The update after `step` earlier ones.
    pub(super) fn new(settings: AdamSettings, step: T, rate: T) -> Self {
        let t = step.to_f64().unwrap_or(0.0) + 1.0;
        let rate = rate.to_f64().unwrap_or(0.0);
        Self {
            beta1: T::of(settings.beta1),
            beta2: T::of(settings.beta2),
            rate: T::of(rate / (1.0 - settings.beta1.powf(t))),
            correction: T::of(1.0 / (1.0 - settings.beta2.powf(t))),
            eps: T::of(settings.eps),
        }
    }

    /// One step along the gradients g; without first moments m they are the gradients.
    pub(super) fn apply(&self, p: &mut [T], g: &[T], m: Option<&mut [T]>, v: &mut [T]) {
        let chunks = p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(v.par_chunks_mut(CHUNK));
        match m {
            Some(m) => chunks.zip(m.par_chunks_mut(CHUNK)).each(&|(((p, g), v), m)| {
                simd(
                    #[inline(always)]
                    || {
                        for (((p, &g), v), m) in p.iter_mut().zip(g).zip(v).zip(m) {
                            *m = self.beta1 * *m + (T::one() - self.beta1) * g;
                            self.step(p, g, *m, v);
                        }
                    },
                );
            }),
            None => chunks.each(&|((p, g), v)| {
                simd(
                    #[inline(always)]
                    || p.iter_mut().zip(g).zip(v).for_each(|((p, &g), v)| self.step(p, g, g, v)),
                );
            }),
        }
    }

    #[inline(always)]
    fn step(&self, p: &mut T, g: T, m: T, v: &mut T) {
        *v = self.beta2 * *v + (T::one() - self.beta2) * g * g;
        *p -= self.rate * m / ((*v * self.correction).sqrt() + self.eps);
    }
}

/// target += weight (source - target)
pub(super) fn lerp<T: Real>(target: &mut [T], source: &[T], weight: T) {
    target.par_chunks_mut(CHUNK).zip(source.par_chunks(CHUNK)).each(&|(target, source)| {
        simd(
            #[inline(always)]
            || {
                for (t, &s) in target.iter_mut().zip(source) {
                    *t += weight * (s - *t);
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remembers_nothing_is_the_gradient() {
        let settings = AdamSettings { beta1: 0.0, beta2: 0.9, eps: 1e-8 };
        // More than one chunk, the last one ragged.
        let g: Vec<f32> = (0..2 * CHUNK + 3).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
        let (mut m, mut v) = (vec![9.0; g.len()], vec![0.5; g.len()]);
        let mut p = vec![1.0; g.len()];
        let (mut p_alone, mut v_alone) = (p.clone(), v.clone());
        for step in 0..3 {
            let update = Adam::new(settings, step as f32, 0.01);
            update.apply(&mut p, &g, Some(&mut m), &mut v);
            update.apply(&mut p_alone, &g, None, &mut v_alone);
        }
        assert_eq!((p, v), (p_alone, v_alone));
        assert_eq!(m, g);
    }
}
