//! Products of bf16 factors on the CPU against double precision, and what a training is made of with them.

#![allow(clippy::unwrap_used)]

use invnet::device::{Cpu, Device, Precision};
use invnet::gradcheck::{largest, numbers};
use invnet::nn::{self, Family, Init, Net, Weights, objective};
use invnet::op::{Border, Window};
use invnet::plan::Plan;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

type Build<'a> = &'a dyn for<'t> Fn(&'t Tape, &[Var<'t>]) -> Vec<Var<'t>>;

fn run(device: impl Device + 'static, inputs: &[(Shape, Vec<f64>)], build: Build<'_>) -> Vec<Vec<f64>> {
    let mut store = Store::new(device);
    let leaves: Vec<_> = (inputs.iter().enumerate())
        .map(|(i, (shape, values))| store.add_real(&i.to_string(), *shape, values).unwrap())
        .collect();
    let tape = Tape::new();
    let vars: Vec<_> = leaves.iter().map(|&leaf| store.var(&tape, leaf)).collect();
    let outputs = build(&tape, &vars);
    let plan = Plan::new(&tape, &outputs, &store);
    plan.run(&mut store).unwrap();
    (0..outputs.len()).map(|i| plan.read(&mut store, i).unwrap()).collect()
}

fn bf16() -> Cpu<f32> {
    Cpu::<f32>::with_precision(Precision::Bf16)
}

/// Inputs that single precision holds exactly.
fn input(seed: u64, shape: impl Into<Shape>) -> (Shape, Vec<f64>) {
    let shape = shape.into();
    (shape, numbers(seed, shape.numel()).into_iter().map(|v| f64::from(v as f32)).collect())
}

/// The largest error of each output, in units of the largest sum of the magnitudes of its terms.
fn errors(inputs: &[(Shape, Vec<f64>)], build: Build<'_>) -> Vec<f64> {
    let exact = run(Cpu::<f64>::new(), inputs, build);
    let magnitudes: Vec<_> =
        inputs.iter().map(|(shape, v)| (*shape, v.iter().map(|v| v.abs()).collect())).collect();
    let magnitudes = run(Cpu::<f64>::new(), &magnitudes, build);
    let found = run(bf16(), inputs, build);
    let each = exact.iter().zip(&found).zip(&magnitudes);
    each.map(|((exact, found), magnitudes)| {
        let scale = magnitudes.iter().fold(0.0f64, |m, v| m.max(*v));
        largest(exact.iter().zip(found).map(|(e, f)| (e - f).abs())) / scale
    })
    .collect()
}

/// A convolution's inputs and all its legs.
fn legs(n: usize, [ci, co]: [usize; 2], window: Window) -> Vec<f64> {
    let Window { image: [h, w], kernel: [kh, kw], out: [oh, ow], .. } = window;
    let inputs = [input(1, [n, h, w, ci]), input(2, [kh, kw, ci, co]), input(3, [n, oh, ow, co])];
    errors(&inputs, &|_, v| {
        vec![v[0].conv_leg_y(v[1], window), v[2].conv_leg_x(v[1], window), v[0].conv_leg_w(v[2], window)]
    })
}

/// Unit roundoff of bf16.
const U: f64 = 1.0 / 256.0;

#[test]
fn matrix_products_err_by_no_more_than_rounding_of_both_factors() {
    let mut worst = 0.0f64;
    for (m, k, n) in [(1, 1, 1), (7, 33, 65), (130, 64, 31), (32, 301, 128)] {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let a = input(4, if ta { [k, m] } else { [m, k] });
            let b = input(5, if tb { [n, k] } else { [k, n] });
            let error = errors(&[a, b], &|_, v| vec![v[0].matmul_t(v[1], ta, tb)])[0];
            assert!(error <= 2.0 * U + U * U, "{m} {k} {n} {ta} {tb}: {error}");
            worst = worst.max(error);
        }
    }
    // Far below the bound would mean that nothing was rounded.
    assert!(worst > 0.1 * U, "{worst}");
}

/// Winograd's transforms enlarge what rounding does: four roundoffs of the largest sum hold all that was
/// seen, with a margin of a third.
#[test]
fn convolutions_err_by_a_few_roundoffs() {
    let (one, two) = ([1, 1], [2, 2]);
    let over = |image, kernel, stride, pad, border| Window::over(image, kernel, stride, pad, border).unwrap();
    let mut worst = 0.0f64;
    for border in [Border::Open, Border::Periodic] {
        for (n, channels, window, rounded) in [
            // Four outputs a tile, cut at the edges; no transforms.
            (12, [32, 40], over([24, 20], [4, 4], two, one, border), true),
            (3, [33, 32], over([60, 44], [4, 4], two, one, border), true),
            (2, [64, 48], over([8, 8], [4, 4], two, one, border), true),
            (2, [32, 33], over([10, 6], [1, 1], one, [0, 0], border), true),
            (2, [32, 32], over([10, 15], [5, 3], [2, 1], [2, 1], border), true),
            // Single precision: few channels, and 3 x 3, which is faster so.
            (2, [16, 64], over([16, 16], [4, 4], two, one, border), false),
            (2, [32, 32], over([12, 9], [3, 3], one, one, border), false),
        ] {
            let errors = legs(n, channels, window);
            for (leg, error) in ["y", "x", "w"].into_iter().zip(errors) {
                let bound = if rounded { 4.0 * U } else { 1e-6 };
                assert!(error <= bound, "{leg} of {channels:?} {window:?}: {error:.1e}");
                worst = worst.max(error);
                assert!(
                    !rounded || error > 1e-5,
                    "{leg} of {channels:?} {window:?}: {error:.1e}, not rounded"
                );
            }
        }
    }
    assert!(worst > 0.1 * U, "{worst}");
}

/// The critic's loss with its penalty, a second derivative, and the gradient of both by every weight.
#[test]
fn the_gradient_penalty_and_its_gradient_follow_double_precision() {
    for family in [Family::Dcgan, Family::Resnet] {
        let net = Net::new(family, [16, 16], 32, 3);
        let parameters = nn::critic_parameters(&net);
        let image = |seed| {
            let (shape, values) = input(seed, [8, 16, 16, 3]);
            (shape, values.into_iter().map(|v| 0.5 + 0.5 * v).collect::<Vec<f64>>())
        };
        let mut inputs = vec![image(1), image(2), (Shape::from([8]), vec![0.3; 8])];
        for (i, p) in parameters.iter().enumerate() {
            let (mean, deviation) = match p.init {
                Init::Constant(v) => (v, 0.0),
                Init::Normal(v) => (0.0, 1.7 * v),
            };
            let values = numbers(9 + i as u64, p.shape.numel()).into_iter().map(|v| mean + deviation * v);
            inputs.push((p.shape, values.collect::<Vec<f64>>()));
        }
        let [exact, found] = [0, 1].map(|rounded| {
            let build: Build<'_> = &|tape, v| {
                let named = parameters.iter().map(|p| p.name.clone()).zip(v[3..].iter().copied());
                let weights = Weights::new(named);
                let critic = |x| nn::critic(&net, &weights, x);
                let loss = objective::critic_loss(critic, v[0], v[1], v[2], 10.0);
                let mut all = vec![loss.penalty, loss.wasserstein];
                all.extend(tape.grad(loss.total, &v[3..]));
                all
            };
            if rounded == 0 { run(Cpu::<f64>::new(), &inputs, build) } else { run(bf16(), &inputs, build) }
        });
        // All gradients as one vector: how far it is from the exact one, relative to its length.
        let flat = |all: &[Vec<f64>]| -> Vec<f64> { all[2..].concat() };
        let (exact_gradient, gradient) = (flat(&exact), flat(&found));
        let length = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
        let off = length(&mut exact_gradient.iter().zip(&gradient).map(|(a, b)| a - b))
            / length(&mut exact_gradient.iter().copied());
        assert!(off < 0.05, "{family:?}: {off}");
        for (name, i) in [("penalty", 0), ("wasserstein", 1)] {
            let (a, b) = (exact[i][0], found[i][0]);
            assert!((a - b).abs() < 0.02 * a.abs().max(0.1), "{family:?} {name}: {a} {b}");
        }
    }
}

#[test]
fn the_device_says_how_it_multiplies() {
    assert!(bf16().name().contains("bf16 by "), "{}", bf16().name());
    for precision in [Precision::Fp32, Precision::Tf32] {
        assert!(Cpu::<f32>::with_precision(precision).name().contains("f32"));
    }
}
