//! Every operation and the composites of training, to second order, against central differences.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeSet;

use invnet::device::Cpu;
use invnet::gradcheck::{Input, Outcome, Values, check, numbers};
use invnet::nn::objective;
use invnet::nn::{self, Downsampling, Family, Net, Norm, Weights};
use invnet::op::{Binary, Border, CahnHilliard, CorrelationLeg, DType, LeafId, Leg, Op, Over, Second, Unary};
use invnet::plan::Plan;
use invnet::samples::samples;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

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

/// One row an operation: the match is exhaustive, so that a new one needs a row, and the rows are the
/// list.
macro_rules! operations {
    ($($pattern:pat => $name:literal, $differentiable:literal;)*) => {
        const OPERATIONS: &[(&str, bool)] = &[$(($name, $differentiable)),*];

        fn row(op: &Op) -> (&'static str, bool) {
            match op { $($pattern => ($name, $differentiable)),* }
        }
    };
}

// Without a derivative: no real input, piecewise constant, or a change in place; `cahn_hilliard`
// simulates data only, and a plan makes `conv_bias` and its like after everything is differentiated.
operations! {
    Op::Leaf(_) => "leaf", false;
    Op::Fill(_) => "fill", false;
    Op::Unary(Unary::Neg) => "neg", true;
    Op::Unary(Unary::Exp) => "exp", true;
    Op::Unary(Unary::Ln) => "ln", true;
    Op::Unary(Unary::Sqrt) => "sqrt", true;
    Op::Unary(Unary::Recip) => "recip", true;
    Op::Unary(Unary::Square) => "square", true;
    Op::Unary(Unary::Tanh) => "tanh", true;
    Op::Unary(Unary::Sigmoid) => "sigmoid", true;
    Op::Unary(Unary::LeakyRelu(_)) => "leaky_relu", true;
    Op::Unary(Unary::LeakyMask(_)) => "leaky_mask", true;
    Op::Unary(Unary::Scale(_)) => "scale", true;
    Op::Unary(Unary::Shift(_)) => "shift", true;
    Op::Unary(Unary::Pow(_)) => "pow", true;
    Op::Binary(Binary::Add) => "add", true;
    Op::Binary(Binary::Sub) => "sub", true;
    Op::Binary(Binary::Mul) => "mul", true;
    Op::Binary(Binary::Div) => "div", true;
    Op::Binary(Binary::Gate(_)) => "gate", true;
    Op::SumTo => "sum_to", true;
    Op::Broadcast => "broadcast", true;
    Op::Reshape => "reshape", true;
    Op::Detach => "detach", false;
    Op::Permute(_) => "permute", true;
    Op::Slice(_) => "slice", true;
    Op::Pad(_) => "pad", true;
    Op::Concat(_) => "concat", false;
    Op::Part(_) => "part", false;
    Op::MatMul { .. } => "matmul", true;
    Op::Conv(Leg::Y, _) => "conv", true;
    Op::Conv(Leg::X, _) => "conv_transpose", true;
    Op::Conv(Leg::W, _) => "conv_weight", true;
    Op::ConvBias(Leg::X, ..) => "conv_transpose_bias", false;
    Op::ConvBias(Leg::Y | Leg::W, ..) => "conv_bias", false;
    Op::ConvGate(Leg::X, ..) => "conv_transpose_gate", false;
    Op::ConvGate(Leg::Y | Leg::W, ..) => "conv_gate", false;
    Op::SpreadTaps { .. } => "spread_taps", true;
    Op::GatherTaps { .. } => "gather_taps", true;
    Op::MeanPool(_) => "mean_pool", true;
    Op::Upsample(_) => "upsample", true;
    Op::Softmax => "softmax", true;
    Op::SoftmaxGrad => "softmax_grad", true;
    Op::Stats(_) => "stats", true;
    Op::Normalise(..) => "normalise", true;
    Op::NormaliseGrad(..) => "normalise_grad", true;
    Op::NormRelu(..) => "norm_relu", false;
    Op::NormReluSums(..) => "norm_relu_sums", false;
    Op::NormReluGrad(..) => "norm_relu_grad", false;
    Op::NormReluSecond(Second::Sums, ..) => "norm_relu_second_sums", false;
    Op::NormReluSecond(Second::ByG, ..) => "norm_relu_second_by_g", false;
    Op::NormReluSecond(Second::ByX, ..) => "norm_relu_second_by_x", false;
    Op::Moments => "moments", true;
    Op::QuadraticField => "quadratic_field", true;
    Op::Boundary(..) => "boundary", true;
    Op::BoundaryGrad(..) => "boundary_grad", true;
    Op::Correlation(CorrelationLeg::Curve, ..) => "correlation", true;
    Op::Correlation(CorrelationLeg::Field, ..) => "correlation_field", true;
    Op::CahnHilliard(_) => "cahn_hilliard", false;
    Op::Interpolate => "interpolate", true;
    Op::RowNorm(_) => "row_norm", true;
    Op::OneHot => "one_hot", false;
    Op::Augment(_) => "augment", false;
    Op::Gather => "gather", true;
    Op::ScatterAdd => "scatter_add", true;
    Op::ArgMax => "argmax", false;
    Op::Uniform(_) => "uniform", false;
    Op::Normal(_) => "normal", false;
    Op::RandomIndex { .. } => "random_index", false;
    Op::Adam(_) => "adam", false;
    Op::Lerp => "lerp", false;
    Op::Tick => "tick", false;
    Op::Record => "record", false;
}

#[test]
fn every_differentiable_operation_has_a_sample() {
    let mut own = BTreeSet::new();
    for sample in samples() {
        let tape = Tape::new();
        let leaf = |(i, input): (usize, &Input)| {
            let dtype = match input.values {
                Values::Real(_) | Values::Constant(_) => DType::Real,
                Values::Labels(_) => DType::U8,
                Values::Words(_) => DType::U32,
            };
            tape.leaf(LeafId(i), input.shape, dtype)
        };
        let inputs: Vec<Var<'_>> = sample.inputs.iter().enumerate().map(leaf).collect();
        (sample.build)(&tape, &inputs);
        let recorded: Vec<&str> = tape.nodes().iter().map(|node| node.op.name()).collect();
        for node in tape.nodes() {
            assert_eq!(row(&node.op).0, node.op.name());
        }
        // What it is named after, or a composition that has no operation of its own.
        let name = sample.name.split('/').next().unwrap();
        assert!(recorded.contains(&name) || name == "concat", "{} records {recorded:?}", sample.name);
        own.insert(name);
    }
    for (name, _) in OPERATIONS.iter().filter(|(_, differentiable)| *differentiable) {
        assert!(own.contains(name), "{name} has no sample");
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
    let cases = Family::ALL.into_iter().flat_map(|family| {
        [
            (family, 0, Downsampling::Strided),
            (family, 2, Downsampling::Strided),
            (family, 0, Downsampling::Pooled),
        ]
    });
    for (family, minibatch_std, downsampling) in cases {
        let net = Net { minibatch_std, downsampling, ..Net::new(family, [16, 16], 1, 2) };
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

/// A bias that shifts all scores, or that a norm takes out, has a gradient of rounding only.
#[test]
fn every_parameter_is_felt_by_its_loss() {
    let families = Family::ALL.into_iter();
    for (family, latent_map) in families.flat_map(|family| [(family, false), (family, true)]) {
        let downsampling = if latent_map { Downsampling::Pooled } else { Downsampling::Strided };
        let net = Net {
            latent_map,
            modulated: 2,
            minibatch_std: 2,
            downsampling,
            ..Net::new(family, [16, 16], 2, 3)
        };
        let mut store = Store::new(Cpu::<f64>::new());
        let mut add = |prefix: &str, parameters: &[nn::Parameter]| -> Vec<(String, LeafId)> {
            let leaf = |(i, p): (usize, &nn::Parameter)| {
                // As after some training: every channel lets something through.
                let centre = if p.name.ends_with("gamma") { 1.0 } else { 0.0 };
                let values: Vec<f64> =
                    numbers(40 + i as u64, p.shape.numel()).iter().map(|v| centre + 0.3 * v).collect();
                (p.name.clone(), store.add_real(&format!("{prefix}.{}", p.name), p.shape, &values).unwrap())
            };
            parameters.iter().enumerate().map(leaf).collect()
        };
        let (generator, critic) =
            (add("g", &nn::generator_parameters(&net, 5)), add("d", &nn::critic_parameters(&net)));
        let z = if latent_map { Shape::from([4, 4, 4, 5]) } else { Shape::from([4, 5]) };
        let [z, real] = [("z", z), ("real", Shape::from([4, 16, 16, 3]))]
            .map(|(name, shape)| store.add_real(name, shape, &numbers(7, shape.numel())).unwrap());
        let tape = Tape::new();
        let vars = |leaves: &[(String, LeafId)]| -> Vec<(String, Var<'_>)> {
            leaves.iter().map(|(name, id)| (name.clone(), store.var(&tape, *id))).collect()
        };
        let (g, d) = (vars(&generator), vars(&critic));
        let weights = Weights::new(d.iter().cloned());
        let noted = RefCell::new(Vec::new());
        let logits =
            nn::generator(&net, &Weights::new(g.iter().cloned()), store.var(&tape, z), &Norm::Batch(&noted));
        // As certain of their pixels as trained images are: of grey ones means are all alike.
        let [real, fake] = [store.var(&tape, real), logits].map(|logits| logits.scale(6.0).softmax());
        let score = |x| nn::critic(&net, &weights, x);
        let u = tape.fill(0.3, [4]);
        let critic_loss = objective::critic_loss(score, real, fake, u, 10.0).total;
        let generator_loss = score(fake).mean();
        for (loss, parameters) in [(critic_loss, &d), (generator_loss, &g)] {
            let wrt: Vec<Var<'_>> = parameters.iter().map(|(_, var)| *var).collect();
            let plan = Plan::new(&tape, &tape.grad(loss, &wrt), &store);
            plan.run(&mut store).unwrap();
            let largest = |i: usize, store: &mut Store| {
                plan.read(store, i).unwrap().iter().fold(0.0f64, |m, v| m.max(v.abs()))
            };
            let sizes: Vec<f64> = (0..wrt.len()).map(|i| largest(i, &mut store)).collect();
            let most = sizes.iter().fold(0.0f64, |m, &v| m.max(v));
            // Rounding in double precision is a hundred million times smaller.
            for ((name, _), size) in parameters.iter().zip(&sizes) {
                assert!(*size > 1e-8 * most, "{family:?}: the gradient of {name} is {size:e} of {most:e}");
            }
        }
    }
}

/// Steps of an equation: a smooth function that says it has no derivative.
fn blind(x: Var<'_>) -> Var<'_> {
    x.cahn_hilliard(CahnHilliard { steps: 1, dt: 0.5, kappa: 1.0, stabiliser: 2.0 })
}

#[test]
fn a_wrong_derivative_is_caught() {
    let misses = |name: &str, inputs: &[Input], build: for<'t> fn(&'t Tape, &[Var<'t>]) -> Var<'t>| {
        let outcomes = check(name, inputs, build).unwrap();
        [!outcomes[0].holds(), !outcomes[1].holds()]
    };
    let field = || vec![real(1, &[1, 4, 4], 1.0)];
    // Zero, where it is not.
    assert!(misses("blind", &field(), |_, x| blind(x[0]))[0]);
    // A part of it.
    assert!(misses("blind product", &field(), |_, x| x[0] * blind(x[0]))[0]);
    // Right, but its own derivative is not: at zero x f(x) has the gradient f(0) + 0.
    let zero = vec![Input { shape: Shape::from([1, 4, 4]), values: Values::Real(vec![0.0; 16]) }];
    assert_eq!(misses("blind at zero", &zero, |_, x| x[0] * blind(x[0])), [false, true]);
    // As of statistics of x, where they are of something else.
    let two = vec![real(1, &[3, 4], 1.0), real(2, &[3, 4], 1.0)];
    assert!(
        misses("foreign", &two, |_, x| x[0].normalise_with(x[1].stats(Over::Batch), Over::Batch, 1e-3))[0]
    );
    // And nothing is, where all is right.
    let own = misses("own", &two, |_, x| x[0].normalise(Over::Batch, 1e-3) * x[1]);
    assert_eq!(own, [false; 2]);
}

#[test]
fn no_kink_passes() {
    // Where the slope changes within a step the differences disagree with the recorded gradient.
    let kink = Input { shape: Shape::from([1]), values: Values::Real(vec![0.0]) };
    let outcomes = check("kink", &[kink], |_, x| x[0].relu()).unwrap();
    assert!(!outcomes[0].holds(), "relu at its kink: error {}", outcomes[0].error);
    // Nor does a jump make a gradient of what is flat on either side.
    let x = real(1, &[3], 1.0);
    let outcomes =
        check("mask", &[x], |_, x| x[0].gate(x[0], 0.5) + x[0].scale(1e6).leaky_mask(0.0)).unwrap();
    assert_holds(&outcomes);
}
