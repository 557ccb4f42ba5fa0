//! Every operation on the kernels' device against the CPU in double precision, on odd shapes.
//!
//! The kernels run on the CPU (`Gpu<Simt>`): the same source, grids and arguments as on a GPU, and
//! on a GPU where `INVNET_TEST_DEVICE=cuda`.
//! What a result may be off by is known beforehand, from the number of roundings it takes.

#![cfg(feature = "simt")]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::cases::{self, Case, tolerance};
use common::{Build, U, exact, exact_results, real, run, updates};
use invnet::device::gpu::Precision;
use invnet::device::gpu::chain::{FUNCTIONS, function};
use invnet::device::gpu::simt::Schedule;
use invnet::device::{Cpu, Device};
use invnet::gradcheck::{Input, Values, largest};
use invnet::op::CahnHilliard;
use invnet::samples::samples;

fn device(schedule: Schedule) -> Box<dyn Device> {
    common::device(schedule, Precision::Fp32)
}

/// The largest error over its tolerance.
fn worst(case: &Case, device: Box<dyn Device>) -> f64 {
    let want = case.exact();
    let (_, got) = run(device, &case.inputs, &case.build);
    assert_eq!(got.len(), want.len(), "{}", case.name);
    let allowed = tolerance(case, &want);
    largest(got.iter().zip(&want).zip(&allowed).map(|((g, w), a)| (g - w).abs() / a))
}

fn check(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        let ratio = worst(case, device(Schedule::Shuffled(1)));
        if ratio.is_nan() || ratio > 1.0 {
            failures.push(format!("{}: {ratio:.2} times what is allowed", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn pointwise() {
    check(&cases::pointwise());
}

#[test]
fn broadcasting() {
    check(&cases::broadcasting());
}

#[test]
fn chains() {
    check(&cases::chains());
}

#[test]
fn sums() {
    check(&cases::sums());
}

#[test]
fn whole_numbers() {
    check(&cases::whole_numbers());
}

#[test]
fn moving() {
    check(&cases::moving());
}

#[test]
fn pixelwise() {
    check(&cases::pixelwise());
}

#[test]
fn boundaries_and_their_gradient() {
    check(&cases::boundaries());
}

#[test]
fn moments_and_their_field() {
    check(&cases::moments_and_their_field());
}

#[test]
fn normalisation() {
    check(&cases::normalisation());
}

#[test]
fn normalisation_with_scale_shift_and_relu() {
    check(&cases::norm_relus());
}

#[test]
fn products() {
    check(&cases::products());
}

#[test]
fn convolutions() {
    check(&cases::convolutions());
}

#[test]
fn fused() {
    check(&cases::fused());
}

#[test]
fn penalties() {
    check(&cases::penalties());
}

#[test]
fn correlations() {
    check(&cases::correlations());
}

#[test]
fn stepping() {
    check(&cases::stepping());
}

#[test]
fn many_steps_change_no_mass() {
    let mean = |steps: u32| {
        let stepping = CahnHilliard { steps, dt: 0.5, kappa: 1.0, stabiliser: 2.0 };
        let build: Build = Box::new(move |_, x| x[0].shift(0.3).cahn_hilliard(stepping));
        let u = run(device(Schedule::Forward), &[real(1, [1, 16, 16])], &build).1;
        u.iter().sum::<f64>() / u.len() as f64
    };
    let drift = mean(4000) - mean(1);
    // The mean over 256 pixels of what the last transform rounds; a mass that is carried from step to
    // step misses by several units.
    assert!(drift.abs() <= 0.5 * U, "the mean drifts by {drift:e}");
}

/// The declarations that also drive gradient checks and benches: value, first gradient and the
/// gradient's gradient of each, so that whatever a derivative records has run on this device.
#[test]
fn samples_and_their_derivatives() {
    for sample in samples() {
        let single = |input: &Input| {
            let mut input = input.clone();
            if let Values::Real(v) = &mut input.values {
                v.iter_mut().for_each(|v| *v = f64::from(*v as f32));
            }
            input
        };
        let inputs: Vec<Input> = sample.inputs.iter().map(single).collect();
        let record = sample.build;
        for order in 0..3 {
            let build: Build = Box::new(move |tape, x| {
                let y = record(tape, x);
                let reals: Vec<_> =
                    x.iter().copied().filter(|v| v.dtype() == invnet::op::DType::Real).collect();
                let mut outputs = vec![y];
                for _ in 0..order {
                    let mut scalar = tape.fill(0.0, []);
                    for output in &outputs {
                        scalar = scalar + output.square().sum();
                    }
                    outputs = tape.grad(scalar, &reals);
                }
                let flat: Vec<_> = outputs.iter().map(|v| v.reshape([v.shape().numel()])).collect();
                tape.concat(&flat, 0)
            });
            let want = exact(&inputs, &build);
            let (_, got) = run(device(Schedule::Backward), &inputs, &build);
            let scale = want.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
            let error = largest(got.iter().zip(&want).map(|(g, w)| (g - w).abs() / scale));
            // Composites of a few hundred roundings, relative to their largest entry.
            assert!(error < 1e4 * U, "{} order {order}: {error:.1e}", sample.name);
        }
    }
}

#[test]
fn random_streams_and_largest_classes_have_the_same_bits() {
    for (inputs, build) in exact_results() {
        let want = run(Box::new(Cpu::<f32>::new()), &inputs, &build).0;
        assert_eq!(run(device(Schedule::Forward), &inputs, &build).0, want);
    }
}

#[test]
fn updates_in_place() {
    let want = updates(Box::new(Cpu::<f64>::new()));
    let got = updates(device(Schedule::Shuffled(3)));
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(&want).enumerate() {
        // Four steps of a dozen roundings each; a sum of 7 numbers in the ring.
        assert!((g - w).abs() <= 64.0 * U * (1.0 + w.abs()), "leaf value {i}: {g}, not {w}");
    }
}

#[test]
fn chains_have_the_bits_of_single_launches() {
    let Case { inputs, build, .. } = cases::chains().remove(0);
    let (gpu, apart) = common::opened(Schedule::Forward, Precision::Fp32);
    let (wanted, values) = run(Box::new(gpu.one_by_one()), &inputs, &build);
    assert!(values.iter().all(|v| v.is_finite() && *v != 0.0), "{values:?}");
    let reached: BTreeSet<_> = apart.lock().unwrap().iter().filter_map(|kernel| function(kernel)).collect();
    let missing = (0..FUNCTIONS.len()).filter(|i| !reached.contains(i)).map(|i| FUNCTIONS[i]);
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
    for schedule in [Schedule::Forward, Schedule::Backward, Schedule::Shuffled(5)] {
        let (gpu, together) = common::opened(schedule, Precision::Fp32);
        let (found, _) = run(Box::new(gpu), &inputs, &build);
        assert!(found == wanted, "{schedule:?}");
        let (apart, together) = (apart.lock().unwrap().len(), together.lock().unwrap().clone());
        assert!(together.contains(&"chain") && 4 * together.len() < apart, "{apart} launches, {together:?}");
    }
}

/// Of logits this far below the largest nothing is left, neither a probability nor a gradient, alike on all devices;
/// in particular no subnormal number.
#[test]
fn what_is_negligible_is_zero() {
    for c in [2, 3, 4, 5, 6, 9, 40] {
        for (below, counts) in [(33.2, true), (33.4, false), (80.0, false), (95.0, false), (1e30, false)] {
            let mut x = vec![-below; 3 * c];
            (0..3).for_each(|pixel| x[pixel * c + pixel % c] = 0.0);
            let logits = Input { values: Values::Real(x), ..real(1, [3, c]) };
            let build: Build = Box::new(|tape, x| {
                let y = x[0].softmax();
                tape.concat(&[y, y.softmax_grad(x[1])], 0)
            });
            let inputs = [logits, real(2, [3, c])];
            let (_, found) = run(device(Schedule::Forward), &inputs, &build);
            for (i, (wanted, found)) in exact(&inputs, &build).into_iter().zip(found).enumerate() {
                let what = format!("{c} channels, {below} below, number {i}: {found}");
                let top = i % (3 * c) / c % c == i % c;
                assert!(!(found as f32).is_subnormal(), "{what}");
                assert!(top || (found != 0.0) == counts, "{what}");
                assert!(
                    (found - wanted).abs() <= 1e-5 * wanted.abs() + 1e-6 * f64::from(top),
                    "{what}, not {wanted}"
                );
            }
        }
    }
}

#[test]
fn a_pixel_of_nans_stays_nan() {
    for c in [3, 5, 40] {
        let mut input = real(1, [2, c]);
        if let Values::Real(v) = &mut input.values {
            v[..c].fill(f64::NAN);
        }
        let build: Build = Box::new(|_, x| x[0].softmax());
        let (_, y) = run(device(Schedule::Forward), &[input], &build);
        assert!(y[..c].iter().all(|v| v.is_nan()) && y[c..].iter().all(|v| v.is_finite()), "{c} channels");
    }
}
