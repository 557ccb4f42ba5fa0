//! What several tests share: formulas on any device, and how far single precision may be off.

// Each program that includes this uses a part of it.
#![allow(dead_code, clippy::unwrap_used)]

pub mod cases;
#[cfg(feature = "simt")]
pub mod host;

#[cfg(feature = "simt")]
use std::sync::{Mutex, OnceLock};

#[cfg(feature = "simt")]
use invnet::device::Kind;
#[cfg(feature = "simt")]
use invnet::device::gpu::Launcher;
#[cfg(feature = "simt")]
use invnet::device::gpu::watch::{Launched, Watch};
#[cfg(feature = "simt")]
use invnet::device::gpu::{Gpu, Precision, cuda::Cuda, simt::Schedule, simt::Simt};
use invnet::device::{Cpu, Device};
use invnet::gradcheck::{Input, Values, numbers};
use invnet::op::Symmetry;
use invnet::plan::Plan;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

/// Unit roundoff of single precision.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// What the kernels run on: this machine's processor, or the first CUDA device if
/// `INVNET_TEST_DEVICE=cuda`.
#[cfg(feature = "simt")]
pub fn kind() -> Kind {
    std::env::var("INVNET_TEST_DEVICE").map_or(Kind::Simt, |name| name.parse().unwrap())
}

/// The kernels on this machine's processor: this program's, or those of the library `INVNET_TEST_KERNELS`,
/// which `scripts/mutants` has changed.
#[cfg(feature = "simt")]
pub fn simt(schedule: Schedule) -> Simt {
    let library = std::env::var_os("INVNET_TEST_KERNELS");
    library.map_or_else(|| Simt::new(schedule), |path| Simt::from_library(path.as_ref(), schedule).unwrap())
}

/// The kernels' device. A real GPU has an order of threads of its own.
#[cfg(feature = "simt")]
pub fn device(schedule: Schedule, precision: Precision) -> Box<dyn Device> {
    watched(schedule, precision).0
}

/// Multiprocessors that the kernels' device says it has, if `INVNET_TEST_MULTIPROCESSORS` says so: tiles
/// and pieces follow them.
#[cfg(feature = "simt")]
pub fn multiprocessors() -> Option<u32> {
    std::env::var("INVNET_TEST_MULTIPROCESSORS").ok().map(|number| number.parse().unwrap())
}

/// Opens a card for as long as the program runs: a context that nobody holds is made anew, in tenths of a second, by
/// each device that a case opens.
#[cfg(feature = "simt")]
fn hold(ordinal: usize) {
    static HELD: OnceLock<Mutex<Cuda>> = OnceLock::new();
    HELD.get_or_init(|| Mutex::new(Cuda::new(ordinal).unwrap()));
}

/// The kernels' device, and what it launches.
#[cfg(feature = "simt")]
pub fn opened(schedule: Schedule, precision: Precision) -> (Gpu<Watch>, Launched) {
    let launcher: Box<dyn Launcher> = match kind() {
        Kind::Cuda(ordinal) => {
            hold(ordinal);
            Box::new(Cuda::new(ordinal).unwrap())
        }
        _ => Box::new(simt(schedule)),
    };
    let (launcher, launched) = Watch::new(launcher, multiprocessors());
    (Gpu::new(launcher, precision), launched)
}

/// The same as a device, small operations in chains.
#[cfg(feature = "simt")]
pub fn watched(schedule: Schedule, precision: Precision) -> (Box<dyn Device>, Launched) {
    let (gpu, launched) = opened(schedule, precision);
    (Box::new(gpu), launched)
}

/// How a case records its formula.
pub type Build = Box<dyn for<'t> Fn(&'t Tape, &[Var<'t>]) -> Var<'t>>;

/// A real input of numbers of magnitude 0.25 to 1.25, exact in single precision.
pub fn real(seed: u64, shape: impl Into<Shape>) -> Input {
    let shape = shape.into();
    let values = numbers(seed, shape.numel());
    let values = values.into_iter().map(|v| f64::from((v + 0.25f64.copysign(v)) as f32)).collect();
    Input { shape, values: Values::Real(values) }
}

/// 1, 2 or 3 with the sign of a number of magnitude up to 1.25.
pub fn whole(value: f64) -> f64 {
    (value.abs() * 2.4).floor().min(2.0).copysign(value) + 1.0f64.copysign(value)
}

/// Results of whole numbers, exactly: the double precision of the CPU computes convolutions by way of sixths
/// (Winograd) and leaves 1e-12 beside them.
pub fn settled(results: Vec<f64>) -> Vec<f64> {
    let settle = |v: f64| {
        let near = (v * 1024.0).round() / 1024.0;
        assert!((v - near).abs() <= 1e-9 * v.abs().max(1.0), "{v} is no sum of whole numbers");
        near
    };
    results.into_iter().map(settle).collect()
}

pub fn words(values: &[u32]) -> Input {
    Input { shape: Shape::from([values.len()]), values: Values::Words(values.to_vec()) }
}

pub fn labels(shape: impl Into<Shape>, values: Vec<u8>) -> Input {
    Input { shape: shape.into(), values: Values::Labels(values) }
}

/// The values of a real input.
pub fn values(input: &Input) -> &[f64] {
    match &input.values {
        Values::Real(v) | Values::Constant(v) => v,
        _ => &[],
    }
}

/// The inputs with every number's sign dropped.
pub fn magnitudes(inputs: &[Input]) -> Vec<Input> {
    let mut all = inputs.to_vec();
    for input in &mut all {
        if let Values::Real(v) | Values::Constant(v) = &mut input.values {
            v.iter_mut().for_each(|v| *v = v.abs());
        }
    }
    all
}

/// The bytes of a formula's result on a device, and how to read them as reals.
pub fn run(device: Box<dyn Device>, inputs: &[Input], build: &Build) -> (Vec<u8>, Vec<f64>) {
    let mut store = Store::on(device);
    let tape = Tape::new();
    let vars: Vec<Var<'_>> = inputs
        .iter()
        .enumerate()
        .map(|(i, input)| {
            let name = format!("x{i}");
            let id = match &input.values {
                Values::Real(v) | Values::Constant(v) => store.add_real(&name, input.shape, v),
                Values::Labels(v) => store.add_u8(&name, input.shape, v),
                Values::Words(v) => store.add_u32(&name, input.shape, v),
            };
            store.var(&tape, id.unwrap())
        })
        .collect();
    let y = build(&tape, &vars);
    let plan = Plan::new(&tape, &[y], &store);
    plan.run(&mut store).unwrap();
    let bytes = plan.read_bytes(&mut store, 0).unwrap();
    let reals = match y.dtype() {
        invnet::op::DType::Real => plan.read(&mut store, 0).unwrap(),
        _ => Vec::new(),
    };
    (bytes, reals)
}

/// The result in double precision.
pub fn exact(inputs: &[Input], build: &Build) -> Vec<f64> {
    run(Box::new(Cpu::<f64>::new()), inputs, build).1
}

/// Every op that works in place, a few steps of each: the leaves afterwards, one after another.
/// The tensors are more than one launch takes.
pub fn updates(device: Box<dyn Device>) -> Vec<f64> {
    let mut store = Store::on(device);
    let settings = invnet::op::AdamSettings { beta1: 0.5, beta2: 0.9, eps: 1e-8 };
    let forgetful = invnet::op::AdamSettings { beta1: 0.0, ..settings };
    let step = store.add_zeros("step", []).unwrap();
    let count = store.add_u32("count", [3], &[4, 5, u32::MAX]).unwrap();
    let ring = store.add_zeros("ring", [3, 2]).unwrap();
    let mut quads = Vec::new();
    for i in 0..70 {
        // Sizes around the 4,096 elements of a block, fours and not.
        let size = [1, 7, 1023, 4096, 4097, 3000][i % 6];
        let mut add = |name: &str, seed: usize| {
            let values = numbers((4 * i + seed) as u64, size);
            let magnitude = |v: &f64| if name == "v" { v.abs() } else { *v };
            store
                .add_real(&format!("{name}{i}"), [size], &values.iter().map(magnitude).collect::<Vec<_>>())
                .unwrap()
        };
        quads.push([add("p", 0), add("g", 1), add("m", 2), add("v", 3)]);
    }
    let tape = Tape::new();
    let vars: Vec<[Var<'_>; 4]> = quads.iter().map(|q| q.map(|id| store.var(&tape, id))).collect();
    let step_var = store.var(&tape, step);
    tape.adam(settings, step_var, tape.fill(0.01, []), &vars);
    // Without first moments: from the end, so that other sizes begin a launch.
    let without: Vec<[Var<'_>; 3]> = vars.iter().rev().map(|&[p, g, _, v]| [p, g, v]).collect();
    tape.adam(forgetful, step_var, tape.fill(0.02, []), &without);
    let pairs: Vec<[Var<'_>; 2]> = vars.iter().map(|[p, g, ..]| [*g, *p]).collect();
    tape.lerp(tape.fill(0.25, []), &pairs);
    tape.record(store.var(&tape, ring), step_var, &[vars[0][0].sum(), vars[1][0].sum()]);
    tape.tick(step_var);
    tape.tick(store.var(&tape, count));
    let plan = Plan::new(&tape, &[], &store);
    for _ in 0..4 {
        plan.run(&mut store).unwrap();
    }
    let mut all: Vec<f64> = [step, ring].into_iter().flat_map(|id| store.read(id).unwrap()).collect();
    all.extend(quads.as_flattened().iter().flat_map(|&id| store.read(id).unwrap()));
    all.extend(
        store
            .read_bytes(count)
            .unwrap()
            .chunks(4)
            .map(|b| f64::from(u32::from_ne_bytes(b.try_into().unwrap()))),
    );
    all
}

/// A few numbers of each stream, and the largest of some: results that are not real, or not
/// rounded.
pub fn exact_results() -> Vec<(Vec<Input>, Build)> {
    let mut all: Vec<(Vec<Input>, Build)> = Vec::new();
    for (seed, n) in [(7u64, 1usize), (u64::MAX, 1023), (123_456_789_012, 5000)] {
        let state = || vec![words(&[seed as u32, (seed >> 32) as u32, 3])];
        all.push((state(), Box::new(move |t, x| t.uniform(x[0], 4, [n]))));
        all.push((state(), Box::new(move |t, x| t.normal(x[0], 5, [n]))));
        all.push((state(), Box::new(move |t, x| t.random_index(x[0], 6, n, 1000))));
    }
    for c in [1, 2, 3, 6, 17] {
        // Few values, so that equals meet.
        let steps = numbers(c as u64, 5 * 9 * c).iter().map(|v| (v * 3.0).round()).collect();
        let input = Input { shape: Shape::from([5, 9, c]), values: Values::Real(steps) };
        all.push((vec![input], Box::new(|_, x| x[0].argmax())));
    }
    // Every way to lie, and the longest steps.
    for (size, moves) in [
        ([6, 9], "shifts+flips"),
        ([7, 7], "shifts+flips+rotations"),
        ([5, 5], "rotations"),
        ([3, 8], "none"),
    ] {
        let (rows, symmetry): (Vec<u32>, Symmetry) =
            ((0..33).map(|i| i * 3 % 4).collect(), moves.parse().unwrap());
        let way = |i: u32| [u32::MAX - i, i.wrapping_mul(0x9e37_79b9), i << 27];
        let moves: Vec<u32> = (0..33).flat_map(way).collect();
        let pixels = 4 * size[0] * size[1];
        let maps = labels([4, size[0], size[1]], (0..pixels).map(|i| (i * i % 251) as u8).collect());
        let inputs = vec![maps, words(&rows), words(&moves)];
        all.push((inputs, Box::new(move |_, x| x[0].augment(x[1], x[2], symmetry))));
    }
    all
}
