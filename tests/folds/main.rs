//! What plans fold: fewer operations with the bits of op by op, on the CPU and on the kernels' host, and nothing
//! where somebody else looks.

#![allow(clippy::unwrap_used)]

#[cfg(feature = "simt")]
#[path = "../common/mod.rs"]
mod common;
mod norms;

use invnet::device::{Cpu, Device};
use invnet::gradcheck::numbers;
use invnet::op::{Border, Over};
use invnet::plan::Plan;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

type Build = for<'t> fn(&'t Tape, &[Var<'t>]) -> Vec<Var<'t>>;

/// What operations of a plan and of op by op are called, and what both compute.
struct Both {
    planned: Vec<&'static str>,
    /// Operations op by op.
    eager: usize,
    results: [Vec<Vec<f64>>; 2],
}

fn both(device: impl Fn() -> Box<dyn Device>, inputs: &[&[usize]], build: Build) -> Both {
    let run = |planned: bool| {
        let mut store = Store::on(device());
        let leaves: Vec<_> = inputs
            .iter()
            .enumerate()
            .map(|(i, shape)| {
                let values = numbers(i as u64 + 1, shape.iter().product());
                store.add_real(&format!("x{i}"), *shape, &values).unwrap()
            })
            .collect();
        let tape = Tape::new();
        let vars: Vec<Var<'_>> = leaves.iter().map(|&leaf| store.var(&tape, leaf)).collect();
        let outputs = build(&tape, &vars);
        let plan =
            if planned { Plan::new(&tape, &outputs, &store) } else { Plan::eager(&tape, &outputs, &store) };
        let names: Vec<&str> = plan.profile(&mut store).unwrap().iter().map(|cost| cost.name).collect();
        let results: Vec<Vec<f64>> = (0..outputs.len()).map(|i| plan.read(&mut store, i).unwrap()).collect();
        (names, results)
    };
    let ((planned, ours), (eager, apart)) = (run(true), run(false));
    Both { planned, eager: eager.len(), results: [ours, apart] }
}

fn cpu() -> Box<dyn Device> {
    Box::new(Cpu::<f32>::new())
}

/// Every device there is: the CPU, and the kernels on its host.
fn devices() -> Vec<fn() -> Box<dyn Device>> {
    #[cfg(feature = "simt")]
    {
        use invnet::device::gpu::Precision;
        use invnet::device::gpu::simt::Schedule;
        vec![cpu, || common::device(Schedule::Forward, Precision::Fp32)]
    }
    #[cfg(not(feature = "simt"))]
    vec![cpu]
}

/// A formula folds to these operations and keeps its bits.
#[track_caller]
fn folds(inputs: &[&[usize]], build: Build, to: &[&str]) {
    let eager = becomes(inputs, build, to);
    assert!(to.len() < eager, "{eager} operations before");
}

/// The same, or it stays as it is: how many operations it has op by op.
#[track_caller]
fn becomes(inputs: &[&[usize]], build: Build, to: &[&str]) -> usize {
    let mut before = 0;
    for device in devices() {
        let Both { planned, eager, results: [ours, apart] } = both(device, inputs, build);
        assert_eq!(planned, to);
        before = eager;
        let bits =
            |results: &[Vec<f64>]| -> Vec<u64> { results.iter().flatten().map(|v| v.to_bits()).collect() };
        assert!(bits(&ours) == bits(&apart), "{to:?} has other bits than op by op");
        assert!(ours.iter().flatten().any(|&v| v != 0.0));
    }
    before
}

#[test]
fn twins_are_computed_once() {
    folds(
        &[&[3, 5]],
        |_, x| vec![x[0].exp().sum() + x[0].exp().sum().scale(2.0)],
        &["exp", "sum_to", "scale", "add"],
    );
    // Not across a change, and 0 is not -0.
    becomes(
        &[&[4], &[]],
        |tape, x| {
            let before = x[0].exp();
            tape.lerp(tape.fill(0.5, []), &[[x[0], x[0].scale(3.0)]]);
            let zeros = tape.fill(0.0, [4]) + tape.fill(-0.0, [4]).recip();
            // The second sum is of what has changed.
            vec![
                before.sum(),
                x[0].exp().sum(),
                x[1] + x[1],
                x[1] + x[1].scale(1.0),
                zeros,
                tape.fill(0.0, [4]),
            ]
        },
        &[
            "scale", "fill", "exp", "lerp", "fill", "recip", "fill", "add", "sum_to", "exp", "sum_to", "add",
            "scale", "add", "fill",
        ],
    );
}

#[test]
fn constants_are_made_once_and_scale() {
    folds(
        &[&[3, 5]],
        |tape, x| {
            let quarter = tape.fill(1.0, []).scale(0.3).scale(0.25);
            vec![x[0] * quarter.broadcast([3, 5]), -quarter.reshape([1]), quarter * x[0].exp()]
        },
        &["scale", "fill", "exp", "scale"],
    );
    // Rounded before they are multiplied these factors have another product; two constants, and one that is stretched by
    // what it scales.
    becomes(
        &[&[1, 5]],
        |tape, x| {
            let [part, five] = [0.3, 5.0].map(|value| tape.fill(value, [3, 1]));
            vec![part.scale(0.7), x[0] * five, part * five]
        },
        &["fill", "scale", "fill", "mul", "fill", "scale"],
    );
}

#[test]
fn padded_sums_are_joined() {
    let parts: &[&[usize]] = &[&[3, 2, 5], &[3, 1, 5], &[3, 4, 5]];
    folds(parts, |tape, x| vec![tape.concat(x, 1)], &["concat", "concat"]);
    folds(&[&[6, 4], &[1, 4]], |tape, x| vec![tape.concat(&[x[0], x[1]], 0)], &["concat"]);
    // In the other order; with a gap it stays a padding.
    folds(
        &[&[2, 3], &[2, 4]],
        |_, x| vec![x[0].pad_into(&[0, 4], [2, 7]) + x[1].pad_into(&[0, 0], [2, 7])],
        &["concat"],
    );
    folds(
        &[&[2, 3], &[2, 4]],
        |_, x| vec![x[0].pad_into(&[0, 1], [2, 9]) + x[1].pad_into(&[0, 4], [2, 9])],
        &["concat", "pad"],
    );
    // Apart, or above each other.
    becomes(
        &[&[2, 3], &[2, 3]],
        |_, x| {
            let pad = |i: usize, at: [usize; 2]| x[i].pad_into(&at, [5, 9]);
            vec![
                (pad(0, [0, 0]) + pad(1, [0, 4])).scale(1.0).scale(1.0),
                pad(0, [0, 0]) + pad(1, [2, 3]),
                pad(0, [1, 1]) + pad(0, [1, 1]),
            ]
        },
        &["pad", "pad", "add", "scale", "scale", "pad", "add", "pad", "add"],
    );
}

#[test]
fn a_mask_joins_the_convolution_before_it() {
    let shapes: &[&[usize]] = &[&[2, 8, 12, 5], &[4, 4, 5, 7], &[2, 4, 6, 7], &[2, 4, 6, 7], &[2, 8, 12, 5]];
    folds(
        shapes,
        |_, x| {
            let y = x[0].conv(x[1], [2, 2], [1, 1], Border::Open).gate(x[2], 0.2);
            let back = x[3].conv_transpose(x[1], [2, 2], [1, 1], [0, 0], Border::Periodic).gate(x[4], 0.0);
            vec![y, back]
        },
        &["conv_gate", "conv_transpose_gate"],
    );
    // Every algorithm of the CPU: Winograd of 3 and 4 taps, few and many channels, large filters, unfolded.
    for (n, h, ci, co, kernel, stride, pad) in [
        (2, 8, 8, 16, 3, 1, 1),
        (7, 16, 8, 40, 4, 2, 1),
        (2, 8, 8, 8, 4, 2, 1),
        (2, 9, 3, 5, 3, 2, 0),
        (1, 8, 3, 4, 5, 1, 2),
        (200, 4, 8, 8, 4, 2, 1),
    ] {
        let out = (h + 2 * pad - kernel) / stride + 1;
        let image = [n, h, h, ci];
        let (filter, result) = ([kernel, kernel, ci, co], [n, out, out, co]);
        let inputs: [&[usize]; 5] = [&image, &filter, &result, &result, &image];
        CASE.set([stride, pad, h - ((out - 1) * stride + kernel - 2 * pad)]);
        folds(
            &inputs,
            |_, x| {
                let [stride, pad, extra] = CASE.get();
                let forward = x[0].conv(x[1], [stride; 2], [pad; 2], Border::Open);
                let back = x[3].conv_transpose(x[1], [stride; 2], [pad; 2], [extra; 2], Border::Open);
                vec![forward.gate(x[2], 0.2), back.gate(x[4], 0.2)]
            },
            &["conv_gate", "conv_transpose_gate"],
        );
    }
    // Somebody else looks, or the mask is stretched.
    becomes(
        &[&[2, 8, 8, 3], &[3, 3, 3, 4], &[2, 8, 8, 4], &[4]],
        |_, x| {
            let y = x[0].conv(x[1], [1, 1], [1, 1], Border::Open);
            let z = x[0].conv(x[1], [1, 1], [1, 1], Border::Periodic);
            vec![y.gate(x[2], 0.2), y, z.gate(x[3], 0.2), x[0].square(), x[0].square()]
        },
        &["conv", "gate", "conv", "gate", "square", "square"],
    );
}

thread_local! {
    /// Stride, padding and lines that are left over, of the case at hand.
    static CASE: std::cell::Cell<[usize; 3]> = const { std::cell::Cell::new([0; 3]) };
}

const EPS: f64 = 1e-3;

fn layer<'t>(over: Over, x: &[Var<'t>]) -> Var<'t> {
    (x[0].normalise(over, EPS) * x[1] + x[2]).leaky_relu(0.2)
}

#[test]
fn what_is_added_joins_the_pass_before_it() {
    folds(&[&[2, 3, 4, 5], &[2, 6, 8, 5]], |_, x| vec![x[0].upsample(2) + x[1]], &["upsample"]);
    folds(&[&[2, 3, 4, 5], &[2, 6, 8, 5]], |_, x| vec![x[1] + x[0].upsample(2)], &["upsample"]);
    // To one of the two; not to what another reads, nor what is stretched.
    folds(
        &[&[2, 3, 4, 5], &[2, 3, 4, 5]],
        |_, x| vec![x[0].upsample(2).exp() + x[1].upsample(2)],
        &["upsample", "exp", "upsample"],
    );
    becomes(
        &[&[2, 3, 4, 5], &[2, 6, 8, 5], &[5]],
        |_, x| {
            let larger = x[0].upsample(2);
            vec![larger + x[1], larger + larger, x[0].upsample(3) + x[2]]
        },
        &["upsample", "add", "add", "upsample", "add"],
    );
}

/// A formula keeps its bits, and this operation is none of the plan's.
#[track_caller]
fn never(inputs: &[&[usize]], build: Build, folded: &str) {
    for device in devices() {
        let Both { planned, results: [ours, apart], .. } = both(device, inputs, build);
        assert!(!planned.contains(&folded), "{planned:?}");
        assert!(ours == apart, "{planned:?} has other numbers than op by op");
    }
}

/// Changes a leaf in place.
fn change<'t>(tape: &'t Tape, leaf: Var<'t>) {
    tape.lerp(tape.fill(0.5, []), &[[leaf, leaf.scale(3.0).shift(1.0)]]);
}

#[test]
fn nothing_moves_across_a_change() {
    never(
        &[&[2, 4], &[2, 3]],
        |tape, x| {
            let (a, b) = (x[0].pad_into(&[0, 0], [2, 7]), x[1].pad_into(&[0, 4], [2, 7]));
            change(tape, x[0]);
            vec![a + b]
        },
        "concat",
    );
    let filtered: &[&[usize]] = &[&[2, 8, 8, 3], &[3, 3, 3, 4], &[4], &[2, 8, 8, 4]];
    never(
        filtered,
        |tape, x| {
            let y = x[0].conv(x[1], [1, 1], [1, 1], Border::Open);
            change(tape, x[1]);
            vec![y + x[2]]
        },
        "conv_bias",
    );
    never(
        filtered,
        |tape, x| {
            let y = x[0].conv(x[1], [1, 1], [1, 1], Border::Open);
            change(tape, x[1]);
            vec![y.gate(x[3], 0.2)]
        },
        "conv_gate",
    );
    let normalised: &[&[usize]] = &[&[5, 6, 7, 3], &[3], &[3], &[5, 6, 7, 3]];
    never(
        normalised,
        |tape, x| {
            let field = x[0].normalise(Over::Batch, EPS);
            change(tape, x[0]);
            vec![(field * x[1] + x[2]).relu()]
        },
        "norm_relu",
    );
    // The mask is that of the shift before.
    never(
        normalised,
        |tape, x| {
            let y = layer(Over::Batch, x);
            change(tape, x[2]);
            tape.pullback(y, x[3], &x[..3])
        },
        "norm_relu_sums",
    );
}

#[test]
fn what_is_asked_for_or_stretched_stays() {
    never(
        &[&[5, 6, 7, 3], &[3], &[3], &[5, 6, 7, 3]],
        |tape, x| {
            let shifted = x[0].normalise(Over::Batch, EPS) * x[1] + x[2];
            tape.pullback(shifted.leaky_relu(0.2), x[3], &[shifted, x[1], x[2], x[0]])
        },
        "norm_relu_sums",
    );
    never(
        &[&[2, 8, 8, 3], &[3, 3, 3, 1], &[4]],
        |_, x| vec![x[0].conv(x[1], [1, 1], [1, 1], Border::Open) + x[2]],
        "conv_bias",
    );
    never(&[&[5, 6, 7, 1], &[4], &[4]], |_, x| vec![layer(Over::Batch, x)], "norm_relu");
}

#[test]
fn a_slice_that_lies_as_it_is_moves_nothing() {
    folds(
        &[&[4, 32]],
        |_, x| {
            let y = x[0].exp();
            vec![y.slice(&[1, 0], [2, 32]).square(), -y.slice(&[3, 16], [1, 16])]
        },
        &["exp", "square", "neg"],
    );
    // Not aligned, not in one piece, not of something that may change.
    becomes(
        &[&[4, 24], &[4, 32]],
        |_, x| {
            let y = x[0].exp().exp();
            let z = x[1].slice(&[1, 0], [2, 32]);
            vec![
                y.slice(&[1, 0], [1, 24]).square(),
                y.slice(&[0, 0], [2, 16]).square(),
                z.square(),
                x[0].exp(),
            ]
        },
        &["exp", "exp", "slice", "square", "slice", "square", "slice", "square", "exp"],
    );
}
