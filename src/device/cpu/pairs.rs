//! Products of numbers rounded to bf16, added up in single precision.
//!
//! A factor is a pair of bf16 numbers in one word, the even term of a sum in its lower half. One
//! instruction of AVX-512 BF16 (`vdpbf16ps`) adds two products to a sum: the odd term first, each rounded
//! once, what is smaller than a normal number made zero. Machines without it do the same with two fused
//! multiply-adds, to the same bits.

use pulp::Simd;

use super::Real;
use super::block::{Block, Dot, Task};
use super::matmul::Factors;
use super::real::simd;
use crate::device::Precision;

/// Bits of a word that hold the odd term.
const ODD: u32 = 0xffff_0000;

/// The nearest bf16 number, ties to even, in the upper half of a word; zero if it is not normal, as the
/// instruction takes it.
#[inline(always)]
fn rounded(v: f32) -> u32 {
    let bits = v.to_bits();
    let infinite = 0x7f80_0000;
    let nan = bits & 0x7fff_ffff > infinite;
    let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let near = if nan { bits | 0x0040_0000 } else { up };
    near & if near & infinite == 0 { 0x8000_0000 } else { ODD }
}

/// The pair of an even and an odd term.
#[inline(always)]
fn pair(even: f32, odd: f32) -> u32 {
    rounded(even) >> 16 | rounded(odd)
}

/// Pairs of adjacent numbers of a row; an odd one at its end is paired with zero.
fn along(row: &[f32], to: &mut [u32]) {
    simd(
        #[inline(always)]
        || {
            let (whole, rest) = row.as_chunks::<2>();
            for (to, &[even, odd]) in to.iter_mut().zip(whole) {
                *to = pair(even, odd);
            }
            if let [last] = rest {
                to[whole.len()] = pair(*last, 0.0);
            }
        },
    );
}

/// Pairs of numbers of two rows that lie one below the other.
fn across(even: &[f32], odd: Option<&[f32]>, to: &mut [u32]) {
    simd(
        #[inline(always)]
        || match odd {
            Some(odd) => {
                for ((to, &even), &odd) in to.iter_mut().zip(even).zip(odd) {
                    *to = pair(even, odd);
                }
            }
            None => {
                for (to, &even) in to.iter_mut().zip(even) {
                    *to = pair(even, 0.0);
                }
            }
        },
    );
}

/// Numbers as words, which they are of the one element that has pairs.
fn words<T: Real>(numbers: &[T]) -> &[u32] {
    assert!(size_of::<T>() == size_of::<u32>(), "bf16 products of {}", std::any::type_name::<T>());
    bytemuck::cast_slice(numbers)
}

fn words_mut<T: Real>(numbers: &mut [T]) -> &mut [u32] {
    assert!(size_of::<T>() == size_of::<u32>(), "bf16 products of {}", std::any::type_name::<T>());
    bytemuck::cast_slice_mut(numbers)
}

/// Numbers that are taken out before pairs are written in their place.
const AT_A_TIME: usize = 256;

/// If products are of bf16, makes pairs of adjacent numbers of rows of `used` of `step`, in place: at the
/// beginning of each row.
pub(super) fn pair_along<T: Real>(rows: &mut [T], step: usize, used: usize, precision: Precision) {
    if precision != Precision::Bf16 {
        return;
    }
    let mut held = [0.0; AT_A_TIME];
    for row in words_mut(rows).chunks_exact_mut(step) {
        for first in (0..used).step_by(AT_A_TIME) {
            let held = &mut held[..AT_A_TIME.min(used - first)];
            held.copy_from_slice(&bytemuck::cast_slice(row)[first..][..held.len()]);
            along(held, &mut row[first / 2..]);
        }
    }
}

/// The same of numbers that lie one below the other in rows of `width`: each row of pairs takes the place
/// of a row, from the first on.
pub(super) fn pair_below<T: Real>(rows: &mut [T], width: usize, precision: Precision) {
    if precision != Precision::Bf16 {
        return;
    }
    let rows = words_mut(rows);
    let count = rows.len() / width;
    let mut held = [[0.0; AT_A_TIME]; 2];
    for (i, even) in (0..count).step_by(2).enumerate() {
        for first in (0..width).step_by(AT_A_TIME) {
            let part = AT_A_TIME.min(width - first);
            for (row, held) in (even..count).zip(&mut held) {
                held[..part].copy_from_slice(&bytemuck::cast_slice(rows)[row * width + first..][..part]);
            }
            let odd = (even + 1 < count).then_some(&held[1][..part]);
            across(&held[0][..part], odd, &mut rows[i * width + first..]);
        }
    }
}

impl<T: Real> Block<'_, T, T> {
    /// Computes it in that precision, on this thread. For bf16 `a` and `b` hold pairs, as [`pair_along`] or
    /// [`pair_below`] leave them, where `k` and `rows` count numbers.
    pub(super) fn run_in(self, precision: Precision) {
        if precision != Precision::Bf16 {
            return self.run();
        }
        let Block { a, step, columns, rows, k, b, width, out, apart, accumulate } = self;
        let (k, out) = (k.div_ceil(2), bytemuck::cast_slice_mut(words_mut(out)));
        Block {
            a: words(a),
            step,
            columns,
            rows,
            k,
            b: &words(b)[..k * width],
            width,
            out,
            apart,
            accumulate,
        }
        .run_pairs();
    }
}

/// The two fused multiply-adds.
struct Fused;

/// A number, or a zero of its sign where it is not normal.
#[inline(always)]
fn flushed<S: Simd>(simd: S, v: S::f32s) -> S::f32s {
    let small = simd.less_than_f32s(simd.abs_f32s(v), simd.splat_f32s(f32::MIN_POSITIVE));
    let sign = simd.and_u32s(simd.transmute_u32s_f32s(v), simd.splat_u32s(0x8000_0000));
    simd.select_f32s(small, simd.transmute_f32s_u32s(sign), v)
}

impl Dot for Fused {
    type Factor = u32;
    type Sum = f32;
    type Vector<S: Simd> = S::u32s;

    #[inline(always)]
    fn splat<S: Simd>(simd: S, factor: u32) -> S::u32s {
        simd.splat_u32s(factor)
    }

    #[inline(always)]
    fn dot<S: Simd>(simd: S, a: S::u32s, b: S::u32s, sum: S::f32s) -> S::f32s {
        let (sixteen, mask) = (simd.splat_u32s(16), simd.splat_u32s(ODD));
        let even_a = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(a, sixteen));
        let even_b = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(b, sixteen));
        let odd_a = simd.transmute_f32s_u32s(simd.and_u32s(a, mask));
        let odd_b = simd.transmute_f32s_u32s(simd.and_u32s(b, mask));
        let odd = flushed(simd, simd.mul_add_f32s(odd_a, odd_b, flushed(simd, sum)));
        flushed(simd, simd.mul_add_f32s(even_a, even_b, odd))
    }
}

#[cfg(target_arch = "x86_64")]
mod instruction {
    use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps};

    use pulp::x86::V4;
    use pulp::{Simd, WithSimd};

    use super::{Block, Dot, Task};

    /// The one instruction. Only ever used with [`V4`].
    struct Instruction;

    impl Dot for Instruction {
        type Factor = u32;
        type Sum = f32;
        type Vector<S: Simd> = S::u32s;

        #[inline(always)]
        fn splat<S: Simd>(simd: S, factor: u32) -> S::u32s {
            simd.splat_u32s(factor)
        }

        #[inline(always)]
        #[allow(unsafe_code)]
        fn dot<S: Simd>(_: S, a: S::u32s, b: S::u32s, sum: S::f32s) -> S::f32s {
            const { assert!(size_of::<S::u32s>() == size_of::<__m512bh>()) };
            // SAFETY: `run` is the only caller and is not called on machines without the instruction;
            // all four are 64 bytes of which every pattern is a value.
            unsafe {
                let [a, b] = [a, b].map(|v| std::mem::transmute_copy::<S::u32s, __m512bh>(&v));
                let sum = std::mem::transmute_copy::<S::f32s, __m512>(&sum);
                std::mem::transmute_copy::<__m512, S::f32s>(&_mm512_dpbf16_ps(sum, a, b))
            }
        }
    }

    /// Whether this machine has it.
    pub(super) fn found() -> Option<V4> {
        if std::arch::is_x86_feature_detected!("avx512bf16") { V4::try_new() } else { None }
    }

    /// Computes a block with it.
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi1,bmi2")]
    pub(super) fn run(simd: V4, block: Block<'_, u32, f32>) {
        Task::<Instruction>(block).with_simd(simd);
    }
}

/// How this machine multiplies.
#[must_use]
pub(super) fn name() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if instruction::found().is_some() {
        return "bf16 by AVX-512 BF16";
    }
    "bf16 by fused multiply-adds"
}

/// Factors of two numbers, multiplied as this machine does it best.
pub struct Pairs;

impl Factors for Pairs {
    type Number = f32;
    type Factor = u32;
    const NUMBERS: usize = 2;

    fn along(row: &[f32], to: &mut [u32]) {
        along(row, to);
    }

    fn across(even: &[f32], odd: Option<&[f32]>, to: &mut [u32]) {
        across(even, odd, to);
    }

    fn run(block: Block<'_, u32, f32>) {
        block.run_pairs();
    }
}

impl Block<'_, u32, f32> {
    /// Computes it, on this thread.
    pub(super) fn run_pairs(self) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = instruction::found() {
            // SAFETY: the instructions have just been found.
            #[allow(unsafe_code)]
            return unsafe { instruction::run(simd, self) };
        }
        self.run_fused();
    }

    /// The same without the instruction.
    fn run_fused(self) {
        pulp::Arch::new().dispatch(Task::<Fused>(self));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::matmul::{Mat, product};
    use crate::rng::philox;

    /// Numbers of every magnitude from below the smallest normal one, and ties between two of bf16.
    fn values(seed: u64, count: usize) -> Vec<f32> {
        let words = (0..count as u64).map(|i| philox(&[seed as u32, 0, 0], 0, i));
        words
            .map(|[sign, exponent, digits, kind]| {
                // Sums of products of numbers below 2^40 stay finite.
                let exponent = match kind % 8 {
                    0 => exponent % 2,
                    1 => exponent % 168,
                    _ => 120 + exponent % 14,
                };
                let digits = if kind % 5 == 0 { digits & 0x7f_8000 } else { digits & 0x7f_ffff };
                f32::from_bits(sign & 0x8000_0000 | exponent << 23 | digits)
            })
            .collect()
    }

    /// The definition: the odd term first, each rounded once, numbers that are not normal made zero.
    fn defined(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<u32> {
        let number = |v: f32| f32::from_bits(u32::from(half::bf16::from_f32(v).to_bits()) << 16);
        let normal = |v: f32| if v.is_normal() { v } else { 0f32.copysign(v) };
        let mut all = Vec::new();
        for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let mut sum = 0f32;
            for even in (0..k).step_by(2) {
                for p in [even + 1, even] {
                    let factor = |v: Option<f32>| v.map_or(0.0, |v| normal(number(v)));
                    let [x, y] = [(p < k).then(|| a[i * k + p]), (p < k).then(|| b[p * n + j])].map(factor);
                    sum = normal(x.mul_add(y, sum));
                }
            }
            all.push(sum.to_bits());
        }
        all
    }

    #[test]
    fn every_way_to_multiply_gives_the_bits_of_the_definition() {
        for [m, k, n] in [[1, 1, 3], [5, 2, 33], [29, 37, 50], [100, 64, 16], [13, 301, 70]] {
            let (a, b) = (values(1, m * k), values(2, k * n));
            let expected = defined(&a, &b, [m, k, n]);
            let turned = |x: &[f32], rows: usize, columns: usize| -> Vec<f32> {
                (0..columns).flat_map(|j| (0..rows).map(move |i| x[i * columns + j])).collect()
            };
            let (at, bt) = (turned(&a, m, k), turned(&b, k, n));
            for (a, b) in [
                (Mat::new(&a, m, k), Mat::new(&b, k, n)),
                (Mat::new(&at, k, m).t(), Mat::new(&b, k, n)),
                (Mat::new(&a, m, k), Mat::new(&bt, n, k).t()),
                (Mat::new(&at, k, m).t(), Mat::new(&bt, n, k).t()),
            ] {
                for share in [false, true] {
                    let mut out = vec![0.0; m * n];
                    product(a, b, false, &mut out, share, Precision::Bf16);
                    assert!(out.iter().map(|v| v.to_bits()).eq(expected.iter().copied()), "{m} {k} {n}");
                }
            }
            // The instruction, where there is one, against what stands in for it; to sums that are not zero.
            let (terms, width) = (k.div_ceil(2), 32);
            let (mut rows, mut panel) = (vec![0; m * terms], vec![0; terms * width]);
            for (row, to) in a.chunks_exact(k).zip(rows.chunks_exact_mut(terms)) {
                along(row, to);
            }
            let below = values(2, terms * 2 * width);
            for (two, to) in below.chunks_exact(2 * width).zip(panel.chunks_exact_mut(width)) {
                across(&two[..width], Some(&two[width..]), to);
            }
            let [one, other] = [true, false].map(|instruction| {
                let mut out = values(3, m * width);
                let block = Block {
                    a: &rows,
                    step: terms,
                    columns: false,
                    rows: m,
                    k: terms,
                    b: &panel,
                    width,
                    out: &mut out,
                    apart: width,
                    accumulate: true,
                };
                if instruction {
                    block.run_pairs()
                } else {
                    block.run_fused()
                }
                out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            });
            assert!(one == other, "{m} {k} {n}: {} and fused differ", name());
        }
    }

    #[test]
    fn factors_are_rounded_to_the_nearest() {
        for v in values(4, 4000).into_iter().chain([0.0, -0.0, f32::INFINITY, f32::MAX, f32::MIN]) {
            let near = half::bf16::from_f32(v);
            let expected =
                if near.is_normal() || !near.is_finite() { near.to_bits() } else { near.to_bits() & 0x8000 };
            assert_eq!(rounded(v) >> 16, u32::from(expected), "{v:e}");
        }
        assert!(f32::from_bits(rounded(f32::NAN)).is_nan());
    }
}
