//! Every operation's sample, and the invariance kernels and convolutions at the sizes training has.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use invnet::device::Cpu;
use invnet::gradcheck::{Values, numbers};
use invnet::plan::Plan;
use invnet::samples::samples;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

/// Forward and backward of a formula over real inputs of the given shapes, as two plans.
fn plans(shapes: &[Shape], build: impl for<'t> Fn(&[Var<'t>]) -> Var<'t>) -> (Store, Plan, Plan) {
    let mut store = Store::new(Cpu::<f32>::new());
    let ids: Vec<_> = shapes
        .iter()
        .enumerate()
        .map(|(i, s)| store.add_real(&format!("x{i}"), *s, &numbers(i as u64, s.numel())).unwrap())
        .collect();
    let tape = Tape::new();
    let vars: Vec<Var<'_>> = ids.iter().map(|&id| store.var(&tape, id)).collect();
    let y = build(&vars);
    let forward = Plan::new(&tape, &[y], &store);
    let gradients = tape.pullback(y, tape.fill(1.0, y.shape()), &vars);
    let both: Vec<Var<'_>> = [y].into_iter().chain(gradients).collect();
    let backward = Plan::new(&tape, &both, &store);
    (store, forward, backward)
}

fn small(c: &mut Criterion) {
    let mut group = c.benchmark_group("sample");
    for sample in samples() {
        let mut store = Store::new(Cpu::<f32>::new());
        let tape = Tape::new();
        let vars: Vec<Var<'_>> = sample
            .inputs
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
        let plan = Plan::new(&tape, &[(sample.build)(&tape, &vars)], &store);
        group.bench_function(sample.name, |b| b.iter(|| plan.run(black_box(&mut store)).unwrap()));
    }
    group.finish();
}

/// Operations bound by memory, on a batch of 32 images of 128 x 128 with three classes.
fn images(c: &mut Criterion) {
    let shape = Shape::from([32, 128, 128, 3]);
    let bytes = 4 * shape.numel() as u64;
    let mut group = c.benchmark_group("image");
    let mut add = |name: &str, build: for<'t> fn(&[Var<'t>]) -> Var<'t>| {
        let (mut store, forward, backward) = plans(&[shape], build);
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(BenchmarkId::new(name, "forward"), |b| {
            b.iter(|| forward.run(&mut store).unwrap())
        });
        group
            .bench_function(BenchmarkId::new(name, "both"), |b| b.iter(|| backward.run(&mut store).unwrap()));
    };
    add("moments", |x| x[0].moments());
    add("area", |x| invnet::invariance::area(x[0]));
    add("centroid", |x| invnet::invariance::centroid(x[0]));
    add("fractions", |x| invnet::invariance::fractions(x[0]));
    add("softmax", |x| x[0].softmax());
    add("leaky_relu", |x| x[0].leaky_relu(0.2));
    group.finish();
}

/// The convolutions of the critic at 64 x 64, width 32, batch 32; elements are multiply-adds of the
/// direct algorithm.
fn convolutions(c: &mut Criterion) {
    let mut group = c.benchmark_group("conv");
    group.sample_size(20);
    for (side, from, to) in [(64, 3, 32), (32, 32, 64), (16, 64, 128), (8, 128, 256)] {
        let shapes = [Shape::from([32, side, side, from]), Shape::from([4, 4, from, to])];
        let (mut store, forward, backward) = plans(&shapes, |x| x[0].conv(x[1], [2, 2], [1, 1]));
        let name = format!("{side}x{side} {from} to {to}");
        group.throughput(Throughput::Elements(forward.flops() / 2));
        group.bench_function(BenchmarkId::new(&name, "y"), |b| b.iter(|| forward.run(&mut store).unwrap()));
        group.throughput(Throughput::Elements(backward.flops() / 2));
        group.bench_function(BenchmarkId::new(&name, "y, x, w"), |b| {
            b.iter(|| backward.run(&mut store).unwrap())
        });
    }
    group.finish();
}

criterion_group!(benches, small, images, convolutions);
criterion_main!(benches);
