//! Normalisation and its derivatives in few passes.

use invnet::device::Cpu;
use invnet::op::Over;
use invnet::tape::{Tape, Var};

use super::{Both, Build, EPS, becomes, both, change, cpu, devices, folds, layer, never};

#[test]
fn normalisation_takes_scale_shift_and_relu_with_it() {
    for channels in [1, 3, 8, 20, 33] {
        let (field, vector) = ([5, 6, 7, channels], [channels]);
        let inputs: [&[usize]; 3] = [&field, &vector, &vector];
        folds(&inputs, |_, x| vec![layer(Over::Batch, x)], &["stats", "norm_relu"]);
        folds(&inputs, |_, x| vec![layer(Over::Layer, x)], &["stats", "norm_relu"]);
    }
    // What is normalised is read by another: it is computed for him.
    becomes(
        &[&[5, 6, 7, 3], &[3], &[3]],
        |_, x| {
            let field = x[0].normalise(Over::Batch, EPS);
            vec![(field * x[1] + x[2]).relu(), field]
        },
        &["stats", "normalise", "norm_relu"],
    );
    // What is between is asked for.
    becomes(
        &[&[5, 6, 7, 3], &[3], &[3]],
        |_, x| {
            let shifted = x[0].normalise(Over::Batch, EPS) * x[1] + x[2];
            vec![shifted.relu(), shifted, x[0].normalise(Over::Batch, EPS)]
        },
        &["stats", "normalise", "mul", "add", "leaky_relu", "normalise"],
    );
}

#[test]
fn its_derivative_over_a_batch_is_two_passes() {
    for channels in [1, 3, 16, 20, 40] {
        let (field, vector) = ([5, 6, 7, channels], [channels]);
        let inputs: [&[usize]; 4] = [&field, &vector, &vector, &field];
        let build: Build = |tape, x| {
            let y = layer(Over::Batch, x);
            let gradients = tape.pullback(y, x[3], &x[..3]);
            vec![y, gradients[0], gradients[1], gradients[2]]
        };
        for device in devices() {
            let Both { planned, results: [ours, apart], .. } = both(device, &inputs, build);
            assert_eq!(planned, ["stats", "norm_relu", "norm_relu_sums", "norm_relu_grad"]);
            assert_eq!(ours[0], apart[0]);
            // Sums of other terms in another order: 210 roundings, of numbers that cancel.
            for (ours, apart) in ours.iter().zip(&apart) {
                let most = apart.iter().fold(0.0f64, |most, v| most.max(v.abs()));
                let off = ours.iter().zip(apart).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(off <= 2e-5 * most, "{channels} channels: {off:e} of {most:e}");
            }
        }
    }
    // Where gamma stays as it is, the tape's operations do it.
    let inputs: [&[usize]; 4] = [&[5, 6, 7, 3], &[3], &[3], &[5, 6, 7, 3]];
    let build: Build = |tape, x| tape.pullback(layer(Over::Batch, x), x[3], &[x[0], x[2]]);
    let Both { planned, results: [ours, apart], .. } = both(cpu, &inputs, build);
    assert!(planned.contains(&"normalise_grad") && ours == apart, "{planned:?}");
}

/// A formula becomes these operations, and its results are those of op by op within `part` of the largest number.
#[track_caller]
fn nearly(inputs: &[&[usize]], build: Build, to: &[&str], part: f64) {
    for device in devices() {
        let Both { planned, results: [ours, apart], .. } = both(device, inputs, build);
        assert_eq!(planned, to);
        for (which, (ours, apart)) in ours.iter().zip(&apart).enumerate() {
            let most = apart.iter().fold(0.0f64, |most, v| most.max(v.abs()));
            let off = ours.iter().zip(apart).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(most > 0.0 && off <= part * most, "result {which}: {off:e} of {most:e}");
        }
    }
}

#[test]
fn its_derivative_over_a_layer_is_two_passes() {
    for channels in [1, 3, 16, 20, 40] {
        let (field, vector) = ([5, 6, 7, channels], [channels]);
        let inputs: [&[usize]; 5] = [&field, &vector, &vector, &field, &field];
        let build: Build = |tape, x| {
            let y = layer(Over::Layer, x);
            let gradients = tape.pullback(y, x[3], &x[..3]);
            vec![y, gradients[0] + x[4], gradients[1], gradients[2]]
        };
        // Of 42 to 1,680 terms of a sample that cancel.
        nearly(&inputs, build, &["stats", "norm_relu", "norm_relu_sums", "norm_relu_grad"], 2e-5);
    }
    // The derivative by x alone, as that of a penalty's gradient.
    nearly(
        &[&[5, 6, 7, 3], &[3], &[3], &[5, 6, 7, 3]],
        |tape, x| tape.pullback(layer(Over::Layer, x), x[3], &x[..1]),
        &["stats", "norm_relu_sums", "norm_relu_grad"],
        2e-5,
    );
}

#[test]
fn repeated_pixels_are_added_as_they_are() {
    for (over, channels) in [(0, 3), (0, 8), (1, 3), (1, 8)] {
        let (field, vector) = ([5, 6, 8, channels], [channels]);
        let inputs: [&[usize]; 5] = [&field, &vector, &vector, &field, &[5, 3, 4, channels]];
        let build: [Build; 2] = [
            |tape, x| {
                let gradients = tape.pullback(layer(Over::Batch, x), x[3], &x[..3]);
                vec![gradients[0] + x[4].upsample(2), gradients[1], gradients[2]]
            },
            |tape, x| {
                let gradients = tape.pullback(layer(Over::Layer, x), x[3], &x[..3]);
                vec![x[4].upsample(2) + gradients[0], gradients[1], gradients[2]]
            },
        ];
        nearly(&inputs, build[over], &["stats", "norm_relu_sums", "norm_relu_grad"], 2e-5);
    }
}

/// <h, D> derived by x, gamma and g, with D the derivative of a normalised layer; and another field added.
fn derived_again<'t>(tape: &'t Tape, x: &[Var<'t>]) -> Vec<Var<'t>> {
    let d = tape.pullback(layer(Over::Layer, x), x[3], &x[..1])[0];
    let [by_x, by_gamma, by_g] = [0, 1, 3].map(|i| tape.pullback(d, x[4], &[x[i]])[0]);
    vec![d, by_x + x[5], by_gamma, by_g]
}

#[test]
fn a_layer_derived_twice_is_few_passes() {
    const TO: [&str; 6] = [
        "stats",
        "norm_relu_sums",
        "norm_relu_grad",
        "norm_relu_second_sums",
        "norm_relu_second_by_g",
        "norm_relu_second_by_x",
    ];
    for channels in [1, 3, 16, 20, 40] {
        let (field, vector) = ([5, 6, 7, channels], [channels]);
        let inputs: [&[usize]; 6] = [&field, &vector, &vector, &field, &field, &field];
        nearly(&inputs, derived_again, &TO, 1e-4);
    }
    // In double precision to 12 digits: it is the same formula.
    let inputs: [&[usize]; 6] =
        [&[5, 6, 7, 20], &[20], &[20], &[5, 6, 7, 20], &[5, 6, 7, 20], &[5, 6, 7, 20]];
    let Both { planned, results: [ours, apart], .. } =
        both(|| Box::new(Cpu::<f64>::new()), &inputs, derived_again);
    assert_eq!(planned, TO);
    for (ours, apart) in ours.iter().flatten().zip(apart.iter().flatten()) {
        assert!((ours - apart).abs() <= 1e-12 * (1.0 + apart.abs()), "{ours} and {apart}");
    }
    // Where somebody reads what is in between, and across a change, it stays.
    for build in [
        (|tape, x| {
            let u = x[3].gate(layer(Over::Layer, x), 0.2);
            [derived_again(tape, x), vec![u]].concat()
        }) as Build,
        |tape, x| {
            let stats = x[0].stats(Over::Layer);
            let q = x[0].normalise_grad(stats, x[4], Over::Layer, EPS);
            [derived_again(tape, x), vec![q]].concat()
        },
        |tape, x| {
            let d = tape.pullback(layer(Over::Layer, x), x[3], &x[..1])[0];
            change(tape, x[2]);
            let gradients = tape.pullback(d, x[4], &[x[0], x[1], x[3]]);
            vec![d, gradients[0], gradients[1], gradients[2]]
        },
    ] {
        never(&inputs[..6], build, "norm_relu_second_sums");
    }
}
