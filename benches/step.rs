//! One iteration of Algorithm 1, and one step of each of its phases.
//!
//! `INVNET_BENCH_DEVICE` names the device and `INVNET_BENCH_PRECISION` the precision of products.
//! The iteration is what training runs: one graph where the device has graphs, and the losses
//! read back. A step alone is run op by op, so the phases of an iteration can be dearer apart.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Setup, setups, trial};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use invnet::device::Kind;
use invnet::train::phases::Phase;
use invnet::train::{Config, Trainer};

/// Image size and width.
fn sizes(setup: Setup) -> &'static [(usize, usize)] {
    match setup.kind {
        _ if trial() => &[(16, 4)],
        Kind::Cpu => &[(32, 16), (64, 32)],
        Kind::Cuda(_) => &[(32, 16), (64, 32), (128, 64)],
        Kind::Simt => &[(16, 4), (32, 8)],
    }
}

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("step");
    group.sample_size(10);
    for setup in setups() {
        for &(size, width) in sizes(setup) {
            let mut config = Config::preset("circles").unwrap();
            let settings = [format!("size={size}"), format!("width={width}"), "images=1024".into()];
            config.set_all(settings.iter().map(String::as_str), "bench").unwrap();
            config.net.precision = setup.precision;
            let mut trainer = Trainer::on(&config, setup.kind).unwrap();
            let size = format!("{setup}/{size}/{width}/{}", config.train.batch);
            // The first iteration takes memory, the second may record a graph.
            for _ in 0..if trial() { 0 } else { 2 } {
                trainer.advance(1, &|| false).unwrap();
            }
            group.bench_function(BenchmarkId::new("iteration", &size), |b| {
                b.iter(|| {
                    trainer.advance(1, &|| false).unwrap();
                    trainer.sync().unwrap();
                });
            });
            for phase in Phase::ALL {
                group.bench_function(BenchmarkId::new(phase.name(), &size), |b| {
                    b.iter(|| {
                        trainer.step(phase).unwrap();
                        trainer.sync().unwrap();
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
