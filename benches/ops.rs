//! Every operation's sample, the legs of the convolutions at the sizes training has, and steps of
//! the Cahn-Hilliard equation.
//!
//! `INVNET_BENCH_DEVICE` names the device and `INVNET_BENCH_PRECISION` the precision of products.
//! The samples are tiny: they show what an operation costs before it does any work.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "common/case.rs"]
mod case;
mod common;

use case::Case;
use common::{setups, trial};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use invnet::gradcheck::{Input, Values, numbers};
use invnet::op::{Border, CahnHilliard, Leg, Window};
use invnet::samples::samples;
use invnet::shape::Shape;

fn small(c: &mut Criterion) {
    let mut group = c.benchmark_group("sample");
    for setup in setups() {
        for sample in samples() {
            let mut case = None;
            group.bench_function(BenchmarkId::new(sample.name, setup), |b| {
                let build = || Case::new(setup, &sample.inputs, 1, |tape, x| vec![(sample.build)(tape, x)]);
                let case = case.get_or_insert_with(build);
                b.iter_custom(|runs| case.time(runs));
            });
        }
    }
    group.finish();
}

/// The critic's layers of the DCGAN pair: image size, channels in and out, and some of them on a
/// torus. The generator's are the same the other way round: its forward pass is the leg x.
fn layers() -> Vec<([usize; 3], Border)> {
    let mut all = Vec::new();
    for (size, width) in [(64, 32), (128, 64)] {
        let (mut side, mut from, mut to) = (size, 3, width);
        while side > 4 {
            all.push(([side, from, to], Border::Open));
            (side, from, to) = (side / 2, to, 2 * to);
        }
    }
    // One by unfolding, one by Winograd's transforms.
    all.extend([[64, 3, 32], [32, 32, 64]].map(|layer| (layer, Border::Periodic)));
    all
}

/// Operations are two for each multiply-add of the direct algorithm, whatever the device does: a
/// "Gelem/s" of criterion is a GFLOP/s.
fn convolutions(c: &mut Criterion) {
    let batch = if trial() { 1 } else { 32 };
    let mut group = c.benchmark_group("conv");
    group.sample_size(20);
    for setup in setups() {
        for ([side, from, to], border) in layers() {
            let window = Window::over([side, side], [4, 4], [2, 2], [1, 1], border).unwrap();
            let tensor = |seed: u64, shape: [usize; 4]| {
                let shape = Shape::from(shape);
                Input { shape, values: Values::Real(numbers(seed, shape.numel())) }
            };
            let x = || tensor(0, [batch, side, side, from]);
            let w = || tensor(1, [4, 4, from, to]);
            let g = || tensor(2, [batch, side / 2, side / 2, to]);
            for (leg, name) in [(Leg::Y, "y"), (Leg::X, "x"), (Leg::W, "w")] {
                let build = || match leg {
                    Leg::Y => Case::new(setup, &[x(), w()], 1, |_, x| vec![x[0].conv_leg_y(x[1], window)]),
                    Leg::X => Case::new(setup, &[g(), w()], 1, |_, x| vec![x[0].conv_leg_x(x[1], window)]),
                    Leg::W => Case::new(setup, &[x(), g()], 1, |_, x| vec![x[0].conv_leg_w(x[1], window)]),
                };
                let mut case = None;
                let flops = 2 * batch * (side / 2) * (side / 2) * 16 * from * to;
                group.throughput(Throughput::Elements(flops as u64));
                let torus = if border == Border::Periodic { ", periodic" } else { "" };
                let id = BenchmarkId::new(format!("{side}x{side} {from} to {to} {name}{torus}"), setup);
                group.bench_function(id, |b| {
                    let case = case.get_or_insert_with(build);
                    b.iter_custom(|runs| case.time(runs));
                });
            }
        }
    }
    group.finish();
}

/// Criterion's elements are steps of one image.
fn stepping(c: &mut Criterion) {
    let (images, steps) = if trial() { (1, 1) } else { (32, 10) };
    let mut group = c.benchmark_group("cahn_hilliard");
    group.sample_size(10).throughput(Throughput::Elements(images as u64 * u64::from(steps)));
    let stepping = CahnHilliard { steps, dt: 0.5, kappa: 1.0, stabiliser: 2.0 };
    for setup in setups() {
        for side in [64, 101, 128] {
            let shape = Shape::from([images, side, side]);
            let u = || Input { shape, values: Values::Real(numbers(0, shape.numel())) };
            let mut case = None;
            group.bench_function(BenchmarkId::new(format!("{side}x{side}"), setup), |b| {
                let build = || Case::new(setup, &[u()], 1, |_, x| vec![x[0].cahn_hilliard(stepping)]);
                let case = case.get_or_insert_with(build);
                b.iter_custom(|runs| case.time(runs));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, small, convolutions, stepping);
criterion_main!(benches);
