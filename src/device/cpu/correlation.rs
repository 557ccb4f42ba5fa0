//! The two-point correlation: one Fourier transform a field, and a matrix product.
//!
//! By Parseval, <x, A_r y> = (1 / P) sum_k Re(conj(X_k) Y_k) B_r(k), with P the pixels of the
//! transformed image and B_r the transform of A_r's weights. B_r is real, and even in both
//! frequencies unless it is of a diagonal, so that a quarter or a half of it is enough, and the sum
//! over all curves of a batch is one product of the folded spectra `[N, Q]` with a table `[R, Q]`. No
//! image is ever transformed back for a curve, and a field, sum_r g_r A_r y, is one transform there and
//! one back.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::pieces::*;
use num_complex::Complex;

use super::fft::{Plane, complex_scratch};
use super::matmul::{Mat, product};
use super::{Real, scratch};
use crate::device::Precision;
use crate::op::{Border, Direction};
use crate::shape::Shape;

/// Tables of every geometry that was met, in each precision.
type Tables = HashMap<(TypeId, Geometry), Arc<dyn Any + Send + Sync>>;

/// The geometry of a correlation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Geometry {
    h: usize,
    w: usize,
    bins: usize,
    along: Direction,
    border: Border,
}

impl Geometry {
    fn new(shape: &Shape, bins: usize, along: Direction, border: Border) -> Self {
        Self { h: shape[1], w: shape[2], bins, along, border }
    }

    /// The extents that are transformed: zeros keep the copies of an open image apart.
    fn torus(&self) -> [usize; 2] {
        match self.border {
            Border::Periodic => [self.h, self.w],
            Border::Open => [2 * self.h, 2 * self.w],
        }
    }

    /// Extents of the part of a spectrum that holds all of a B_r: column frequencies, then rows'.
    fn part(&self) -> [usize; 2] {
        let [h, w] = self.torus();
        [w / 2 + 1, if self.along.even() { h / 2 + 1 } else { h }]
    }

    /// 1 / (vectors in the bin, pairs of pixels that the vector joins) of the vector that leads to a
    /// place of the torus, if it is in a bin.
    fn weight(&self, counts: &[usize], at: [usize; 2]) -> Option<(usize, f64)> {
        let torus = self.torus();
        let bin = self.along.bin(at, torus)?;
        let count = *counts.get(bin)?;
        let [dy, dx] = [0, 1].map(|axis| at[axis].min(torus[axis] - at[axis]));
        let pairs = match self.border {
            Border::Periodic => self.h * self.w,
            Border::Open => self.h.checked_sub(dy)? * self.w.checked_sub(dx)?,
        };
        (pairs > 0).then(|| (bin, 1.0 / (count * pairs) as f64))
    }

    /// B_r on its part of the spectrum, `[R, Q]`, computed once in double precision.
    fn table<T: Real>(self) -> Arc<Vec<T>> {
        static TABLES: Mutex<Option<Tables>> = Mutex::new(None);
        let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (TypeId::of::<T>(), self);
        let held =
            tables.get_or_insert_default().entry(key).or_insert_with(|| Arc::new(self.tabulate::<T>()));
        Arc::clone(held).downcast().expect("its type is part of its key")
    }

    fn tabulate<T: Real>(self) -> Vec<T> {
        let counts = self.along.counts([self.h, self.w], self.bins, self.border);
        let [th, tw] = self.torus();
        let plane = Plane::<f64>::new(th, tw);
        let [qw, qh] = self.part();
        let mut table = vec![T::zero(); self.bins * qw * qh];
        table.par_chunks_mut(qw * qh).enumerate().each(&|(bin, row)| {
            let mut weights = vec![0.0; th * tw];
            for (i, weight) in weights.iter_mut().enumerate() {
                if let Some((_, value)) = self.weight(&counts, [i / tw, i % tw]).filter(|(of, _)| *of == bin)
                {
                    *weight = value;
                }
            }
            let mut spectrum = vec![Complex::default(); plane.len()];
            plane.forward(&mut weights, &mut spectrum);
            for (line, spectrum) in row.chunks_exact_mut(qh).zip(spectrum.chunks_exact(th)) {
                for (b, value) in line.iter_mut().zip(spectrum) {
                    *b = T::of(value.re);
                }
            }
        });
        table
    }

    /// The spectrum of one field.
    fn spectrum<T: Real>(&self, plane: &Plane<T>, x: &[T], spectrum: &mut [Complex<T>]) {
        scratch::with(plane.h * plane.w, |image: &mut [T]| {
            if plane.w == self.w {
                image.copy_from_slice(x);
            } else {
                image.fill(T::zero());
                for (to, from) in image.chunks_exact_mut(plane.w).zip(x.chunks_exact(self.w)) {
                    to[..self.w].copy_from_slice(from);
                }
            }
            plane.forward(image, spectrum);
        });
    }
}

/// <x, A_r y> `[N, R]` of fields `[N, H, W]`; without `y`, of x with itself.
pub(super) fn curve<T: Real>(
    x: &[T],
    y: Option<&[T]>,
    shape: &Shape,
    along: Direction,
    border: Border,
    out: &mut [T],
) {
    let (n, pixels) = (shape[0], shape[1] * shape[2]);
    if n == 0 {
        return;
    }
    let geometry = Geometry::new(shape, out.len() / n, along, border);
    let [th, tw] = geometry.torus();
    let plane = Plane::new(th, tw);
    let [qw, qh] = geometry.part();
    let scale = T::of(1.0 / (th * tw) as f64);
    scratch::with(n * qw * qh, |folded: &mut [T]| {
        folded.par_chunks_mut(qw * qh).enumerate().each(&|(i, folded)| {
            let image = i * pixels..(i + 1) * pixels;
            complex_scratch(2 * plane.len(), |spectra: &mut [Complex<T>]| {
                let (a, b) = spectra.split_at_mut(plane.len());
                geometry.spectrum(&plane, &x[image.clone()], a);
                match y {
                    Some(y) => {
                        geometry.spectrum(&plane, &y[image], b);
                        fold(a, b, [th, tw], scale, folded);
                    }
                    None => fold(a, a, [th, tw], scale, folded),
                }
            });
        });
        let table = geometry.table::<T>();
        let (spectra, table) = (Mat::new(folded, n, qw * qh), Mat::new(&table, geometry.bins, qw * qh));
        product(spectra, table.t(), false, out, true, Precision::Fp32);
    });
}

/// scale Re(conj(a) b), summed over frequencies at which a B_r is the same: `[W/2 + 1, H/2 + 1]` of one
/// that is even in both, else `[W/2 + 1, H]`.
fn fold<T: Real>(a: &[Complex<T>], b: &[Complex<T>], [h, w]: [usize; 2], scale: T, folded: &mut [T]) {
    let rows = folded.len() / (w / 2 + 1);
    let lines = a.chunks_exact(h).zip(b.chunks_exact(h)).zip(folded.chunks_exact_mut(rows));
    for (column, ((a, b), folded)) in lines.enumerate() {
        // The frequency -column is not stored.
        let mates = if column == 0 || 2 * column == w { scale } else { scale + scale };
        let at = |row: usize| a[row].re * b[row].re + a[row].im * b[row].im;
        for (row, sum) in folded.iter_mut().enumerate() {
            let mirror = (h - row) % h;
            let both = if mirror == row || rows == h { at(row) } else { at(row) + at(mirror) };
            *sum = mates * both;
        }
    }
}

/// sum_r g_r A_r y of fields y `[N, H, W]` and curves g `[N, R]`.
pub(super) fn field<T: Real>(
    y: &[T],
    g: &[T],
    shape: &Shape,
    along: Direction,
    border: Border,
    out: &mut [T],
) {
    let (n, pixels) = (shape[0], shape[1] * shape[2]);
    if n == 0 {
        return;
    }
    let geometry = Geometry::new(shape, g.len() / n, along, border);
    let [th, tw] = geometry.torus();
    let plane = Plane::new(th, tw);
    let [qw, qh] = geometry.part();
    let scale = T::of(1.0 / (th * tw) as f64);
    scratch::with(n * qw * qh, |filters: &mut [T]| {
        let table = geometry.table::<T>();
        let curves = Mat::new(g, n, geometry.bins);
        product(curves, Mat::new(&table, geometry.bins, qw * qh), false, filters, true, Precision::Fp32);
        let images = out.par_chunks_mut(pixels).zip(y.par_chunks(pixels)).zip(filters.par_chunks(qw * qh));
        images.each(&|((out, y), filter)| {
            complex_scratch(plane.len(), |spectrum: &mut [Complex<T>]| {
                geometry.spectrum(&plane, y, spectrum);
                for (line, filter) in spectrum.chunks_exact_mut(th).zip(filter.chunks_exact(qh)) {
                    for (row, value) in line.iter_mut().enumerate() {
                        *value *= scale * filter[if along.even() { row.min(th - row) } else { row }];
                    }
                }
                if tw == geometry.w {
                    plane.backward(spectrum, out);
                } else {
                    scratch::with(th * tw, |image: &mut [T]| {
                        plane.backward(spectrum, image);
                        for (to, from) in out.chunks_exact_mut(geometry.w).zip(image.chunks_exact(tw)) {
                            to.copy_from_slice(&from[..geometry.w]);
                        }
                    });
                }
            });
        });
    });
}
