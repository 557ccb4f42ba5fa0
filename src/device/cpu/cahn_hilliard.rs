//! Steps of the Cahn-Hilliard equation, one image a task; see [`CahnHilliard`] for the scheme.
//!
//! The spectrum is what is carried from step to step: its zero frequency, the mass, is never
//! touched, so no number of steps can change it.

use std::f64::consts::TAU;

use super::pieces::*;
use num_complex::Complex;

use super::fft::{Plane, complex_scratch};
use super::{Real, scratch};
use crate::op::CahnHilliard;
use crate::shape::Shape;

/// u `[N, H, W]` after `stepping.steps` steps.
pub(super) fn advance<T: Real>(stepping: &CahnHilliard, u: &[T], shape: &Shape, out: &mut [T]) {
    let (h, w) = (shape[1], shape[2]);
    let plane = Plane::new(h, w);
    let (keep, force) = factors(stepping, &plane);
    out.par_chunks_mut(h * w).zip(u.par_chunks(h * w)).each(&|(out, u)| {
        out.copy_from_slice(u);
        if stepping.steps > 0 {
            advance_one(stepping, &plane, [&keep, &force], out);
        }
    });
}

/// What the spectra of u and of u^3 - (1 + s) u are multiplied with, the inverse transform's H W
/// divided out of the second.
fn factors<T: Real>(stepping: &CahnHilliard, plane: &Plane<T>) -> (Vec<T>, Vec<T>) {
    let CahnHilliard { dt, kappa, stabiliser, .. } = *stepping;
    (0..plane.len())
        .map(|i| {
            let (column, row) = (i / plane.h, i % plane.h);
            let wave = |k: usize, extent: usize| TAU * k.min(extent - k) as f64 / extent as f64;
            let k2 = wave(row, plane.h).powi(2) + wave(column, plane.w).powi(2);
            let keep = 1.0 / (1.0 + dt * k2 * (stabiliser + kappa * k2));
            (T::of(keep), T::of(-dt * k2 * keep))
        })
        .unzip()
}

fn advance_one<T: Real>(stepping: &CahnHilliard, plane: &Plane<T>, [keep, force]: [&[T]; 2], u: &mut [T]) {
    let shift = T::of(1.0 + stepping.stabiliser);
    let scale = T::of(1.0 / (plane.h * plane.w) as f64);
    complex_scratch(3 * plane.len(), |spectra: &mut [Complex<T>]| {
        let (mass, rest) = spectra.split_at_mut(plane.len());
        let (work, forces) = rest.split_at_mut(plane.len());
        scratch::with(u.len(), |field: &mut [T]| {
            field.copy_from_slice(u);
            plane.forward(field, mass);
            for step in 0..stepping.steps {
                if step > 0 {
                    work.copy_from_slice(mass);
                    plane.backward(work, u);
                    u.iter_mut().for_each(|u| *u *= scale);
                }
                for (f, &u) in field.iter_mut().zip(u.iter()) {
                    *f = u * (u * u - shift);
                }
                plane.forward(field, forces);
                for ((m, f), (&keep, &force)) in
                    mass.iter_mut().zip(forces.iter()).zip(keep.iter().zip(force))
                {
                    *m = *m * keep + *f * force;
                }
            }
            plane.backward(mass, u);
            u.iter_mut().for_each(|u| *u *= scale);
        });
    });
}
