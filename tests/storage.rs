//! Results that plans store in bf16: all that is computed of them has the bits that it has when they are stored in single
//! precision, but sums over images.

#![cfg(feature = "simt")]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::host::changed_library;
use common::{cases, multiprocessors, watched};
use half::bf16;
use invnet::device::gpu::launch::FAMILIES;
use invnet::device::gpu::simt::{Schedule, Simt};
use invnet::device::gpu::watch::Watch;
use invnet::device::gpu::{Gpu, Precision};
use invnet::device::{BufferId, Device, Place};
use invnet::error::Result;
use invnet::gradcheck::numbers;
use invnet::op::{Border, Op, Over, Window};
use invnet::plan::Plan;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

/// A device that is never asked what it runs in bf16.
struct Single(Box<dyn Device>);

impl Device for Single {
    fn name(&self) -> String {
        self.0.name()
    }
    fn real_bytes(&self) -> usize {
        self.0.real_bytes()
    }
    fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
        self.0.alloc(bytes)
    }
    fn free(&mut self, block: BufferId) {
        self.0.free(block);
    }
    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
        self.0.upload(to, bytes)
    }
    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.0.download(from, offset, bytes)
    }
    fn run(&mut self, op: &Op, inputs: &[Place], output: &Place) -> Result<()> {
        self.0.run(op, inputs, output)
    }
    fn sync(&mut self) -> Result<()> {
        self.0.sync()
    }
    fn workspace_bytes(&self) -> usize {
        self.0.workspace_bytes()
    }
}

type Build = for<'t> fn(&'t Tape, &[Var<'t>]) -> Vec<Var<'t>>;

/// What a plan computes, the kernels it launches and the bytes of its arena.
struct Ran {
    results: Vec<Vec<f64>>,
    kernels: BTreeSet<&'static str>,
    arena: usize,
}

impl Ran {
    /// Whether a kernel ran whose name begins and goes on so.
    fn reached(&self, begins: &str, with: &str) -> bool {
        self.kernels.iter().any(|name| name.starts_with(begins) && name.contains(with))
    }
}

fn run(precision: Precision, single: bool, shapes: &[&[usize]], build: Build) -> Ran {
    let (device, launched) = watched(Schedule::Forward, precision);
    let (results, arena) = planned(if single { Box::new(Single(device)) } else { device }, shapes, build);
    let kernels = launched.lock().unwrap().iter().copied().collect();
    Ran { results, kernels, arena }
}

/// What a plan computes on a device, and the bytes of its arena.
fn planned(device: Box<dyn Device>, shapes: &[&[usize]], build: Build) -> (Vec<Vec<f64>>, usize) {
    let mut store = Store::on(device);
    let tape = Tape::new();
    let leaf = |(i, shape): (usize, &&[usize])| {
        let values = numbers(i as u64 + 1, shape.iter().product());
        let leaf = store.add_real(&format!("x{i}"), *shape, &values).unwrap();
        store.var(&tape, leaf)
    };
    let vars: Vec<Var<'_>> = shapes.iter().enumerate().map(leaf).collect();
    let outputs = build(&tape, &vars);
    let plan = Plan::new(&tape, &outputs, &store);
    plan.run(&mut store).unwrap();
    let results = (0..outputs.len()).map(|i| plan.read(&mut store, i).unwrap()).collect();
    (results, plan.arena_bytes())
}

/// A plan stores some results in bf16, and single precision gives the same bits. Both.
#[track_caller]
fn keeps_its_bits(shapes: &[&[usize]], build: Build) -> [Ran; 2] {
    let [ours, single] = [false, true].map(|single| run(Precision::Bf16, single, shapes, build));
    for (i, (ours, single)) in ours.results.iter().zip(&single.results).enumerate() {
        assert!(ours.iter().any(|&v| v != 0.0), "result {i} is all zeros");
        let same = ours.iter().zip(single).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && ours.len() == single.len(), "result {i} has other bits");
    }
    assert!(!single.reached("", "stored") && !single.reached("gate_bf16", ""), "{:?}", single.kernels);
    assert!(ours.arena <= single.arena, "{} and {} bytes", ours.arena, single.arena);
    [ours, single]
}

/// A convolution that halves an image, or doubles it as leg x.
fn halving(large: usize) -> Window {
    Window::over([large; 2], [4, 4], [2, 2], [1, 1], Border::Open).unwrap()
}

/// The critic's score of images `x`: filters and biases of two layers, and a matrix.
fn score<'t>(x: Var<'t>, net: &[Var<'t>]) -> Var<'t> {
    let first = (x.conv_leg_y(net[0], halving(16)) + net[1]).leaky_relu(0.2);
    let second = (first.conv_leg_y(net[2], halving(8)) + net[3]).leaky_relu(0.2);
    let third = (second.conv_leg_y(net[4], halving(4)) + net[5]).leaky_relu(0.2);
    let n = x.shape()[0];
    third.reshape([n, third.shape().numel() / n]).matmul(net[6])
}

const CRITIC: [&[usize]; 7] =
    [&[4, 4, 3, 16], &[16], &[4, 4, 16, 24], &[24], &[4, 4, 24, 72], &[72], &[288, 1]];

fn critic_shapes() -> Vec<&'static [usize]> {
    [&[5, 16, 16, 3][..]].into_iter().chain(CRITIC).collect()
}

/// Images have gradients; the penalty's has some by the filters, without biases.
#[test]
fn the_penalty_of_a_critic_keeps_its_bits() {
    let [ours, single] = keeps_its_bits(&critic_shapes(), |tape, x| {
        let slope = tape.grad(score(x[0], &x[1..]).sum(), &x[..1])[0];
        let penalty = slope.row_norm(1e-12).shift(-1.0).square().sum();
        let filters = [x[1], x[3], x[5], x[7]];
        let mut all = tape.grad(penalty, &filters);
        all.extend([penalty, slope]);
        all
    });
    assert!(ours.arena < single.arena, "{} and {} bytes", ours.arena, single.arena);
    for leg in ["conv_y", "conv_x", "conv_w"] {
        assert!(ours.reached(leg, "stored_bf16"), "{leg}: {:?}", ours.kernels);
    }
    assert!(ours.reached("gate_bf16", ""), "{:?}", ours.kernels);
}

/// What is stored for sums over images is off by half a unit in the last place of bf16: the gradients of biases
/// differ by that, nothing else does.
#[test]
fn gradients_of_biases_are_off_by_rounding_alone() {
    fn gradients<'t>(tape: &'t Tape, x: &[Var<'t>], wrt: &[Var<'t>]) -> Vec<Var<'t>> {
        tape.grad(score(x[0], &x[1..]).square().sum(), wrt)
    }
    fn layer<'t>(x: &[Var<'t>]) -> Var<'t> {
        x[0].conv_leg_y(x[1], Window::over([8, 6], [3, 3], [1, 1], [1, 1], Border::Open).unwrap())
    }
    keeps_its_bits(&critic_shapes(), |tape, x| gradients(tape, x, &[x[0], x[1], x[3], x[5], x[7]]));
    let biases: Build = |tape, x| gradients(tape, x, &[x[1], x[2], x[3], x[4], x[5], x[6]]);
    let [ours, single] = [false, true].map(|single| run(Precision::Bf16, single, &critic_shapes(), biases));
    for layer in 0..3 {
        let filters = [&ours, &single].map(|ran| ran.results[2 * layer].clone());
        assert_eq!(filters[0], filters[1], "layer {layer}");
    }
    // One layer by itself, whose terms are known.
    let shapes: &[&[usize]] = &[&[5, 8, 6, 12], &[3, 3, 12, 16], &[1, 1, 16, 16]];
    let sums: Build = |_, x| {
        let y = layer(x);
        vec![y.sum_to([16]), y.conv_leg_y(x[2], point([8, 6]))]
    };
    let [ours, single] = [false, true].map(|single| run(Precision::Bf16, single, shapes, sums));
    assert_eq!(ours.results[1], single.results[1]);
    let y = stored(shapes, |_, x| vec![layer(x)]);
    let of_channel = |c: usize| y.iter().skip(c).step_by(16);
    for (c, (&ours, &single)) in ours.results[0].iter().zip(&single.results[0]).enumerate() {
        let sum: f64 = of_channel(c).sum();
        let size: f64 = of_channel(c).map(|v| v.abs()).sum();
        assert!((ours - sum).abs() <= 1e-6 * size, "{ours} and {sum}");
        assert!((single - sum).abs() > 1e-6 * size, "nothing was rounded");
    }
}

/// The one result of a build, computed in single precision and rounded to bf16.
fn stored(shapes: &[&[usize]], build: Build) -> Vec<f64> {
    let whole = run(Precision::Bf16, true, shapes, build);
    whole.results[0].iter().map(|&v| bf16::from_f64(v).to_f64()).collect()
}

/// A mean that is only multiplied is stored, with the bits of one that is not; a mean of what is stored is off by the
/// rounding of its terms.
#[test]
fn means_are_stored_and_take_what_is() {
    let shapes: &[&[usize]] = &[&[5, 8, 6, 12], &[1, 1, 12, 16], &[1, 1, 16, 24]];
    fn layer<'t>(x: &[Var<'t>]) -> Var<'t> {
        x[0].conv_leg_y(x[1], point([8, 6]))
    }
    let [ours, _] =
        keeps_its_bits(shapes, |_, x| vec![layer(x).mean_pool(2).conv_leg_y(x[2], point([4, 3]))]);
    assert!(ours.reached("conv_y_stored", "bf16"), "{:?}", ours.kernels);

    let twice: Build = |_, x| {
        let y = layer(x);
        vec![y.mean_pool(2), y.conv_leg_y(x[2], point([8, 6]))]
    };
    let [ours, single] = [false, true].map(|single| run(Precision::Bf16, single, shapes, twice));
    assert!(ours.reached("conv_y_stored", "bf16"), "{:?}", ours.kernels);
    assert_eq!(ours.results[1], single.results[1]);
    // Of [5, 8, 6, 16] numbers, those of the blocks of [5, 4, 3, 16] means.
    let y = stored(shapes, |_, x| vec![layer(x)]);
    let mut rounded = 0;
    for (i, (&ours, &single)) in ours.results[0].iter().zip(&single.results[0]).enumerate() {
        let [n, r, s, c] = [i / 192, i / 48 % 4, i / 16 % 3, i % 16];
        let block = [[0, 0], [0, 1], [1, 0], [1, 1]];
        let mean: f64 =
            block.map(|[dr, ds]| y[((n * 8 + 2 * r + dr) * 6 + 2 * s + ds) * 16 + c]).iter().sum::<f64>()
                / 4.0;
        assert!((ours - mean).abs() <= 1e-6, "{ours} and {mean}");
        rounded += usize::from((single - mean).abs() > 1e-6);
    }
    assert!(10 * rounded > 9 * single.results[0].len(), "nothing was rounded");
}

/// A window of single pixels.
fn point(image: [usize; 2]) -> Window {
    Window::over(image, [1, 1], [1, 1], [0, 0], Border::Open).unwrap()
}

/// Where warpgroups multiply, a leg w of which one factor is stored has the other rounded first; elsewhere that one
/// stays in single precision.
#[test]
fn warpgroups_have_the_other_factor_rounded() {
    let shapes: &[&[usize]] = &[&[5, 8, 6, 12], &[1, 1, 12, 16], &[5, 8, 6, 24]];
    let builds: [Build; 2] = [
        |_, x| vec![x[0].conv_leg_y(x[1], point([8, 6])).conv_leg_w(x[2], point([8, 6]))],
        |_, x| vec![x[2].conv_leg_w(x[0].conv_leg_y(x[1], point([8, 6])), point([8, 6]))],
    ];
    for build in builds {
        let [older, newer] = [80, 90].map(|arch| {
            let (launcher, launched) =
                Watch::new(Box::new(common::simt(Schedule::Forward)), multiprocessors());
            let device = Gpu::new(launcher.of_arch(arch), Precision::Bf16);
            let results = planned(Box::new(device), shapes, build).0;
            let kernels = launched.lock().unwrap().clone();
            assert_eq!(
                kernels.iter().any(|name| name.contains("conv_w_wide_bf16")),
                arch == 90,
                "{kernels:?}"
            );
            results[0].clone()
        });
        let largest = older.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        for (a, b) in older.iter().zip(&newer) {
            assert!((a - b).abs() <= 1e-5 * largest, "{a} and {b}");
        }
    }
}

/// Normalisation with scale, shift and ReLU between transposed convolutions, and the way back.
#[test]
fn a_generator_keeps_its_bits() {
    let shapes: &[&[usize]] = &[
        &[5, 4, 4, 72],
        &[4, 4, 24, 72],
        &[4, 4, 16, 24],
        &[3, 3, 16, 12],
        &[72],
        &[72],
        &[24],
        &[24],
        &[16],
        &[16],
    ];
    let [ours, _] = keeps_its_bits(shapes, |tape, x| {
        let image = generator(x, Over::Batch);
        let mut all = tape.grad(image.square().sum(), x);
        all.push(image);
        all
    });
    for kernel in ["conv_x_stored", "conv_y_stored", "conv_w_stored"] {
        assert!(ours.reached(kernel, "bf16"), "{kernel}: {:?}", ours.kernels);
    }
    let [ours, _] = keeps_its_bits(shapes, |_, x| vec![generator(x, Over::Layer)]);
    assert!(ours.reached("conv_x_stored", "bf16"), "{:?}", ours.kernels);
}

fn generator<'t>(x: &[Var<'t>], over: Over) -> Var<'t> {
    let relu = |v: Var<'t>, i: usize| (v.normalise(over, 1e-3) * x[4 + 2 * i] + x[5 + 2 * i]).leaky_relu(0.0);
    let first = relu(x[0], 0).conv_leg_x(x[1], halving(8));
    let second = relu(first, 1).conv_leg_x(x[2], halving(16));
    let third = relu(second, 2);
    let last = Window::over([16; 2], [3, 3], [1, 1], [1, 1], Border::Open).unwrap();
    third.conv_leg_y(x[3], last)
}

/// What anybody reads otherwise stays in single precision, and so does all of it elsewhere.
#[test]
fn what_is_not_only_multiplied_is_stored_whole() {
    fn layer<'t>(x: &[Var<'t>]) -> (Var<'t>, Window) {
        let window = point([8, 6]);
        (x[0].conv_leg_y(x[1], window), window)
    }
    let cases: [(&str, bool, usize, Build); 6] = [
        ("nobody else", true, 16, |_, x| {
            let (y, window) = layer(x);
            vec![y.conv_leg_y(x[2], window)]
        }),
        ("an output", false, 16, |_, x| {
            let (y, window) = layer(x);
            vec![y, y.conv_leg_y(x[2], window)]
        }),
        ("an element-wise reader", false, 16, |_, x| {
            let (y, window) = layer(x);
            vec![y.exp().sum(), y.conv_leg_y(x[2], window)]
        }),
        ("a matrix product", false, 16, |_, x| {
            let (y, window) = layer(x);
            let rows = y.reshape([240, 16]);
            vec![rows.matmul_t(rows, true, false), y.conv_leg_y(x[2], window)]
        }),
        ("one factor of two", false, 16, |_, x| {
            let (y, window) = layer(x);
            vec![y.conv_leg_w(x[3], window)]
        }),
        ("channels that are no eights", false, 12, |_, x| {
            let (y, window) = layer(x);
            vec![y.conv_leg_y(x[2], window)]
        }),
    ];
    for (name, stored, channels, build) in cases {
        let shapes: [&[usize]; 4] =
            [&[5, 8, 6, 12], &[1, 1, 12, channels], &[1, 1, channels, 24], &[5, 8, 6, 24]];
        for precision in [Precision::Fp32, Precision::Tf32, Precision::Bf16] {
            let ran = run(precision, false, &shapes, build);
            let expected = stored && precision == Precision::Bf16;
            assert_eq!(ran.reached("", "stored"), expected, "{name}, {precision:?}: {:?}", ran.kernels);
        }
    }
    // A sum of rounded numbers is a gradient's price, nobody else's.
    let sum: Build = |_, x| vec![layer(x).0.sum_to([16])];
    let shapes: [&[usize]; 2] = [&[5, 8, 6, 12], &[1, 1, 12, 16]];
    let [ours, single] = [false, true].map(|single| run(Precision::Bf16, single, &shapes, sum));
    assert_eq!(ours.results, single.results);
}

/// Every kernel of operands in bf16, with biases and masks: the bits of the one that rounds them itself.
#[test]
fn every_kernel_of_stored_operands_has_the_bits_of_one_that_rounds() {
    let mut reached = BTreeSet::new();
    // Without sums, which are off by what is rounded.
    for case in cases::stored().iter().filter(|case| !case.name.contains(" all ")) {
        let bytes = |single: bool| {
            let (device, launched) = watched(Schedule::Forward, Precision::Bf16);
            let device = if single { Box::new(Single(device)) } else { device };
            let bytes = common::run(device, &case.inputs, &case.build).0;
            reached.extend(launched.lock().unwrap().iter().copied());
            bytes
        };
        let [ours, single] = [false, true].map(bytes);
        assert!(ours == single, "{}: other bits", case.name);
    }
    let kernels = FAMILIES.iter().flat_map(|family| family.kernels).map(|kernel| kernel.name);
    let missed: Vec<&str> =
        kernels.filter(|name| name.contains("_stored_") && !reached.contains(name)).collect();
    assert!(multiprocessors().is_some() || missed.is_empty(), "no case reaches {missed:?}");
}

/// Of a mask and a result in bf16 each half counts.
#[test]
fn a_wrong_half_is_caught() {
    let shapes: [&[usize]; 5] =
        [&[5, 9, 8, 12], &[1, 1, 12, 24], &[1, 1, 24, 40], &[5, 9, 8, 12], &[1, 1, 12, 40]];
    let build: Build = |_, x| {
        let window = point([9, 8]);
        let gate = x[3].conv_leg_y(x[4], window);
        let masked = x[0].conv_leg_y(x[1], window).conv_leg_y(x[2], window).gate(gate, 0.2);
        vec![masked.conv_leg_x(x[2], window), gate.conv_leg_x(x[2], window)]
    };
    for (wrong, change) in [
        (true, ["v.x << 16", "v.x"]),
        (true, ["v.y & 0xffff0000u", "v.y << 16"]),
        (
            true,
            [
                "u16*>(result) + (u64)start + n) = bf16_four(v)",
                "u16*>(result) + (u64)start + (n ^ 4)) = bf16_four(v)",
            ],
        ),
        (true, ["u16*>(extra) + (u64)start + n)", "u16*>(extra) + (u64)start + (n ^ 4))"]),
        (false, ["v.y & 0xffff0000u", "v.y & 0xffff0000u /* as it was */"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let library = changed_library(folder.path(), "conv_stored_mma", change);
        let device = || {
            let simt = Simt::from_library(&library, Schedule::Forward).unwrap();
            Box::new(Gpu::new(simt, Precision::Bf16))
        };
        let results = [false, true].map(|single| {
            let device: Box<dyn Device> = if single { Box::new(Single(device())) } else { device() };
            planned(device, &shapes, build).0
        });
        assert_eq!(results[0] != results[1], wrong, "{change:?}");
    }
}
