//! Derivatives of formulas, on the CPU and on the kernels.

#[cfg(feature = "simt")]
use invnet::gradcheck::relative_error;
use invnet::gradcheck::{Input, Values, check};
use invnet::op::Border;

use super::common::{self, Build, real};
use super::{BORDERS, measure};

/// Formulas that use everything between them, and have no kink near ordinary numbers.
const SMOOTH: [&str; 9] = [
    "mean(abs(x[1] - 3) + min(x[0], 2 + x[1]) * max(x[2], x[1] - 3))",
    "mean(sqrt(x[1]) * ln(x[0]) - exp(x[2]) / (2 + tanh(x[1])) + sigmoid(x[0] * x[1]))",
    "sum(x[0]^3 - x[1]^2.5 + x[1]^x[2] + 2^x[0] - x[2]^-2 + x[1]^0.5 + 1 / x[0] + x[0] / 3)",
    "mean(shift(x[1]^2, 1, -2) * x[2] * row - shift(x[1], -1, 1)^2 * col)",
    "mean(blur(x[1]^2, 0.9) * x[2]^2)",
    "correlation(x[1] * x[0], blur(x[2], 0.7), 3)",
    "let s = correlation(x[1], x[1], 3); s[2] / s[0] - mean(s) * sum(s^2)",
    "let f = mean(x[1]); mean((x[1] - f)^2 * (x[2] + f)) / (f * (1 - f) + 4)",
    "correlation(x[1], 2, 2) * mean(x[0]) + sum(x[1] * col) / sum(x[1])",
];

#[test]
fn derivatives_agree_with_differences_to_second_order() {
    for border in BORDERS {
        for text in SMOOTH {
            // Magnitudes from 0.25 to 1.25: roots and logarithms are not steep there.
            let image = common::magnitudes(&[real(3, [2, 5, 6, 3])]);
            for outcome in check(text, &image, |_, x| measure(text, x[0], border)).unwrap() {
                assert!(outcome.holds(), "{text}, order {}: {:.1e}", outcome.order, outcome.error);
            }
        }
    }
}

#[cfg(feature = "simt")]
#[test]
fn formulas_run_on_the_kernels() {
    use invnet::device::gpu::Precision;
    use invnet::device::gpu::simt::Schedule;
    let image = real(4, [3, 10, 9, 3]);
    // Magnitudes from 0.25 to 1.25, as roots and logarithms want.
    let image = common::magnitudes(&[image]).remove(0);
    for border in BORDERS {
        for text in SMOOTH {
            // The value and the gradient in one.
            let build = || -> Build {
                Box::new(move |tape, x| {
                    let y = measure(text, x[0], border);
                    let gradient = tape.grad(y.square().sum(), &[x[0]])[0];
                    gradient * y.sum()
                })
            };
            let want = common::exact(std::slice::from_ref(&image), &build());
            let device = common::device(Schedule::Shuffled(2), Precision::Fp32);
            let (_, got) = common::run(device, std::slice::from_ref(&image), &build());
            // Some tens of roundings of terms that cancel a little.
            let error = relative_error(&got, &want);
            assert!(error < 1e4 * common::U, "{text}: {error:.1e}");
        }
    }
}

#[test]
fn at_a_kink_the_derivative_is_what_the_documents_say() {
    // Of equals the first counts; of 0 the magnitude has no slope.
    for (text, first, second) in [
        ("mean(max(x[0], x[1]))", 1.0, 0.0),
        ("mean(min(x[0], x[1]))", 1.0, 0.0),
        ("mean(max(x[0], 0.5))", 1.0, 0.0),
        ("mean(min(x[0], 0.5))", 1.0, 0.0),
        ("mean(max(0.5, x[0]))", 0.0, 0.0),
        ("mean(min(0.5, x[0]))", 0.0, 0.0),
        ("mean(abs(x[0] - x[1]))", 0.0, 0.0),
    ] {
        let image = Input { shape: [1, 4, 4, 2].into(), values: Values::Real(vec![0.5; 32]) };
        let build: Build = Box::new(move |tape, x| {
            tape.grad(measure(text, x[0], Border::Open).sum(), &[x[0]])[0].scale(16.0)
        });
        let gradient = common::exact(&[image], &build);
        assert!(gradient.chunks(2).all(|g| g == [first, second]), "{text}: {gradient:?}");
    }
}
