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

    pub(super) fn apply(&self, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
        let one = T::one();
        p.par_chunks_mut(CHUNK)
            .zip(g.par_chunks(CHUNK))
            .zip(m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK)))
            .each(&|((p, g), (m, v))| {
                simd(
                    #[inline(always)]
                    || {
                        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                            *m = self.beta1 * *m + (one - self.beta1) * g;
                            *v = self.beta2 * *v + (one - self.beta2) * g * g;
                            *p -= self.rate * *m / ((*v * self.correction).sqrt() + self.eps);
                        }
                    },
                );
            });
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
