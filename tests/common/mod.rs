//! What several tests share: formulas on any device, and how far single precision may be off.

#![allow(dead_code, clippy::unwrap_used)]

use invnet::device::{Cpu, Device};
use invnet::gradcheck::{Input, Values, numbers};
use invnet::plan::Plan;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

/// Unit roundoff of single precision.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// How a case records its formula.
pub type Build = Box<dyn for<'t> Fn(&'t Tape, &[Var<'t>]) -> Var<'t>>;

/// A real input of numbers of magnitude 0.25 to 1.25, exact in single precision.
pub fn real(seed: u64, shape: impl Into<Shape>) -> Input {
    let shape = shape.into();
    let values = numbers(seed, shape.numel());
    let values = values.into_iter().map(|v| f64::from((v + 0.25f64.copysign(v)) as f32)).collect();
    Input { shape, values: Values::Real(values) }
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
pub fn run(device: impl Device + 'static, inputs: &[Input], build: &Build) -> (Vec<u8>, Vec<f64>) {
    let mut store = Store::new(device);
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
    run(Cpu::<f64>::new(), inputs, build).1
}
