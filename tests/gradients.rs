//! Every operation and the composites of training, to second order, against central differences.

#![allow(clippy::unwrap_used)]

use invnet::gradcheck::{Input, Outcome, Values, check, numbers};
use invnet::nn::{self, Family, Net, Weights};
use invnet::op::{Border, Over};
use invnet::samples::samples;
use invnet::shape::Shape;
use invnet::tape::{Tape, Var};
use invnet::train::objective;

fn assert_holds(outcomes: &[Outcome]) {
    for o in outcomes {
        assert!(
            o.holds(),
            "{} order {}: error {:.1e}, tolerance {:.0e}",
            o.name,
            o.order,
            o.error,
            o.tolerance
        );
    }
}

fn real(seed: u64, dims: &[usize], by: f64) -> Input {
    let shape = Shape::new(dims);
    Input { shape, values: Values::Real(numbers(seed, shape.numel()).iter().map(|v| v * by).collect()) }
}

#[test]
fn every_operation_holds_to_second_order() {
    for sample in samples() {
        assert_holds(&check(sample.name, &sample.inputs, sample.build).unwrap());
    }
}

#[test]
fn every_differentiable_operation_has_a_sample() {
    let tape = Tape::new();
    let mut seen = std::collections::BTreeSet::new();
    for sample in samples() {
        let inputs: Vec<Var<'_>> = sample
            .inputs
            .iter()
            .enumerate()
            .map(|(i, input)| {
                let dtype = match input.values {
                    Values::Real(_) | Values::Constant(_) => invnet::op::DType::Real,
                    Values::Labels(_) => invnet::op::DType::U8,
                    Values::Words(_) => invnet::op::DType::U32,
                };
                tape.leaf(invnet::op::LeafId(i), input.shape, dtype)
            })
            .collect();
        (sample.build)(&tape, &inputs);
    }
    seen.extend(tape.nodes().iter().map(|n| n.op.name()));
    // Everything else either has no real input or changes its inputs in place.
    let differentiable = [
        "neg",
        "exp",
        "ln",
        "sqrt",
        "recip",
        "square",
        "tanh",
        "sigmoid",
        "leaky_relu",
        "leaky_mask",
        "scale",
        "shift",
        "pow",
        "add",
        "sub",
        "mul",
        "div",
        "gate",
        "sum_to",
        "broadcast",
        "reshape",
        "permute",
        "slice",
        "pad",
        "matmul",
        "conv",
        "conv_transpose",
        "conv_weight",
        "mean_pool",
        "upsample",
        "softmax",
        "softmax_grad",
        "stats",
        "normalise",
        "normalise_grad",
        "moments",
        "affine_field",
        "correlation",
        "correlation_field",
        "gather",
        "scatter_add",
    ];
    for name in differentiable {
        assert!(seen.contains(name), "{name} has no sample");
    }
}

/// Weights and images of a small critic whose scores the penalty is taken of.
fn penalty_inputs(norm: bool) -> Vec<Input> {
    let mut inputs = vec![
        real(1, &[2, 4, 4, 2], 1.0),
        real(2, &[2, 4, 4, 2], 1.0),
        real(3, &[3, 3, 2, 3], 0.5),
        real(4, &[3], 0.5),
        real(5, &[12, 1], 0.5),
    ];
    if norm {
        inputs.push(real(6, &[3], 1.0));
    }
    inputs
}

fn small_critic<'t>(x: Var<'t>, w: &[Var<'t>]) -> Var<'t> {
    let h = x.conv(w[0], [2, 2], [1, 1], Border::Open) + w[1];
    let h = match w.get(3) {
        Some(&gamma) => (h.normalise(Over::Layer, 1e-3) * gamma).tanh(),
        None => h.leaky_relu(0.2),
    };
    h.reshape([x.shape()[0], 12]).matmul(w[2])
}

#[test]
fn gradient_penalties_hold_to_second_order_in_weights_and_images() {
    for (name, norm) in [("penalty/leaky", false), ("penalty/layer_norm", true)] {
        let outcomes = check(name, &penalty_inputs(norm), |tape, x| {
            let u = tape.fill(0.3, [2]);
            objective::gradient_penalty(|image| small_critic(image, &x[2..]), x[0], x[1], u, 10.0)
        });
        assert_holds(&outcomes.unwrap());
    }
}

#[test]
fn whole_critics_hold_to_second_order() {
    for family in [Family::Dcgan, Family::Resnet] {
        let net = Net::new(family, [16, 16], 1, 2);
        let parameters = nn::critic_parameters(&net);
        let mut inputs: Vec<Input> =
            parameters.iter().enumerate().map(|(i, p)| real(20 + i as u64, &p.shape, 0.7)).collect();
        let image = Shape::from([2, 16, 16, 2]);
        inputs.push(Input { shape: image, values: Values::Constant(numbers(9, image.numel())) });
        let outcomes = check(&format!("{family:?}"), &inputs, |_, x| {
            let (image, weights) = x.split_last().unwrap();
            let names = parameters.iter().map(|p| p.name.clone());
            nn::critic(&net, &Weights::new(names.zip(weights.iter().copied())), *image).square()
        });
        assert_holds(&outcomes.unwrap());
    }
}

#[test]
fn a_wrong_derivative_is_caught() {
    // The mask has no derivative, so where the slope changes within a step the differences
    // disagree with the recorded gradient: at a kink the check must miss.
    let kink = Input { shape: Shape::from([1]), values: Values::Real(vec![0.0]) };
    let outcomes = check("kink", &[kink], |_, x| x[0].relu()).unwrap();
    assert!(!outcomes[0].holds(), "relu at its kink: error {}", outcomes[0].error);
    // And a function that the tape is told is constant.
    let x = real(1, &[3], 1.0);
    let outcomes =
        check("mask", &[x], |_, x| x[0].gate(x[0], 0.5) + x[0].scale(1e6).leaky_mask(0.0)).unwrap();
    assert_holds(&outcomes);
}
