//! One step of each phase of Algorithm 1, as `invnet bench step` measures them.

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use invnet::train::phases::Phase;
use invnet::train::{Config, Trainer};

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("step");
    group.sample_size(10);
    for (size, width) in [(32, 16), (64, 32)] {
        let mut config = Config::preset("circles").unwrap();
        (config.size, config.width, config.images) = (size, width, 1024);
        let mut trainer = Trainer::new(&config).unwrap();
        for phase in Phase::ALL {
            let id = BenchmarkId::new(phase.name(), format!("{size}/{width}/{}", config.batch));
            group.bench_function(id, |b| b.iter(|| trainer.step(phase).unwrap()));
        }
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
