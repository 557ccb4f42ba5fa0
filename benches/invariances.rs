//! The invariance kernels and what surrounds them, against the bandwidth of the device.
//!
//! Each is bound by memory, but the correlation by its transforms: its throughput counts the bytes
//! that any implementation must move, so intermediate results do not count. Inputs and results rotate
//! through more memory than a cache holds. The table at the end compares each with a copy on the same
//! device in the same run.
//!
//!     INVNET_BENCH_DEVICE=cuda cargo bench --bench invariances

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "common/case.rs"]
mod case;
mod common;

use std::time::Duration;

use case::Case;
use common::{Setup, setups, trial};
use criterion::{BenchmarkId, Criterion, Throughput};
use invnet::device::Kind;
use invnet::gradcheck::{Input, Values, numbers};
use invnet::invariance::{
    Between, Centroid, Extent, Images, Intercept, Interface, Invariance, SecondMoments,
};
use invnet::nn::objective;
use invnet::op::{Border, Direction};
use invnet::shape::Shape;
use invnet::tape::{Tape, Var};

/// A training batch of the paper's size, and one whose extents divide nothing.
const SHAPES: [[usize; 4]; 2] = [[32, 128, 128, 3], [33, 101, 97, 5]];
/// Bytes one sweep over the copies of a case moves: several times the last-level cache.
const SWEEP_CPU: u64 = 128 << 20;
const SWEEP_GPU: u64 = 512 << 20;

/// Names of the measurement that the others are compared with.
const COPY: &str = "copy";

type Build = Box<dyn for<'t> Fn(&'t Tape, &[Var<'t>]) -> Vec<Var<'t>>>;

/// One thing to measure.
struct Subject {
    name: &'static str,
    inputs: Vec<Input>,
    /// What it must move: inputs read once, results written once.
    bytes: u64,
    build: Build,
}

fn subject(
    name: &'static str,
    inputs: Vec<Input>,
    bytes: u64,
    build: impl for<'t> Fn(&'t Tape, &[Var<'t>]) -> Vec<Var<'t>> + 'static,
) -> Subject {
    Subject { name, inputs, bytes, build: Box::new(build) }
}

/// What was measured, for the table.
struct Row {
    name: &'static str,
    shape: String,
    seconds: f64,
    bytes: u64,
}

/// Numbers between 0 and 1, as probabilities are.
fn image(seed: u64, shape: Shape) -> Input {
    let values = numbers(seed, shape.numel()).into_iter().map(|v| 0.5 + 0.5 * v).collect();
    Input { shape, values: Values::Real(values) }
}

fn subjects(shape: Shape) -> Vec<Subject> {
    let [n, pixels, channels] = [shape[0], shape[0] * shape[1] * shape[2], shape[3]];
    let tensor = 4 * shape.numel() as u64;
    let x = || image(0, shape);
    let cotangent = || image(1, Shape::from([n, channels, 6]));
    let target = |length: usize| image(2, Shape::from([n, length]));
    let figures = channels - 1;
    let images = Images { size: [shape[1], shape[2]], classes: channels, border: Border::Open };
    let labels = (0..pixels).map(|i| (i % channels) as u8).collect();
    let maps = Input { shape: Shape::from([n, shape[1], shape[2]]), values: Values::Labels(labels) };
    // A fixed permutation: 7 divides no size of a batch here.
    let rows = Values::Words((0..n).map(|i| (i * 7 % n) as u32).collect());
    let rows = Input { shape: Shape::from([n]), values: rows };
    vec![
        subject("softmax forward", vec![x()], 2 * tensor, |_, x| vec![x[0].softmax()]),
        subject("softmax backward", vec![x(), x()], 3 * tensor, |_, x| vec![x[0].softmax_grad(x[1])]),
        subject("moments forward", vec![x()], tensor, |_, x| vec![x[0].moments()]),
        subject("moments backward", vec![cotangent()], tensor, move |_, x| vec![x[0].quadratic_field(shape)]),
        subject("moments both", vec![x(), cotangent()], 2 * tensor, |tape, x| {
            let y = x[0].moments();
            [y].into_iter().chain(tape.pullback(y, x[1], &x[..1])).collect()
        }),
        subject("area loss forward", vec![x(), target(figures)], tensor, move |_, x| {
            vec![loss(&Extent { images, radius: false }, x)]
        }),
        subject("area loss both", vec![x(), target(figures)], 2 * tensor, move |_, x| {
            both(loss(&Extent { images, radius: false }, x), x[0])
        }),
        subject("centroid loss forward", vec![x(), target(2 * figures)], tensor, move |_, x| {
            vec![loss(&Centroid { images }, x)]
        }),
        subject("centroid loss both", vec![x(), target(2 * figures)], 2 * tensor, move |_, x| {
            both(loss(&Centroid { images }, x), x[0])
        }),
        subject("second moments loss both", vec![x(), target(2 * figures)], 2 * tensor, move |_, x| {
            both(loss(&SecondMoments { images }, x), x[0])
        }),
        subject("boundary forward", vec![x()], tensor, |_, x| vec![x[0].boundary(Border::Open, 0.05)]),
        subject("boundary backward", vec![x(), target(channels)], 2 * tensor, |_, x| {
            vec![x[0].boundary_grad(x[1], Border::Open, 0.05)]
        }),
        // Of one class only its channel is read; the gradient has all.
        subject("interface loss both", vec![x(), target(1)], tensor + tensor / channels as u64, |_, x| {
            let of = Interface { between: Between::Class(1), border: Border::Open };
            both(loss(&of, x), x[0])
        }),
        subject("intercept loss both", vec![x(), target(1)], 2 * tensor, |_, x| {
            both(loss(&Intercept { of: None, border: Border::Open }, x), x[0])
        }),
        subject("one-hot gather", vec![maps, rows], pixels as u64 + tensor, move |_, x| {
            vec![x[0].one_hot(x[1], channels)]
        }),
        subject("penalty point", vec![x(), x(), image(3, Shape::from([n]))], 3 * tensor, |_, x| {
            vec![x[0].interpolate(x[1], x[2])]
        }),
        subject("penalty norm forward", vec![x()], tensor, |_, x| vec![objective::norm_penalty(x[0], 10.0)]),
        subject("penalty norm both", vec![x()], 2 * tensor, |_, x| {
            both(objective::norm_penalty(x[0], 10.0), x[0])
        }),
    ]
}

/// The correlation S2 of one phase `[N, H, W]` with itself, radial and along a row and a diagonal, in
/// every bin there is; and the radial one with another phase.
fn correlations(shape: Shape) -> Vec<Subject> {
    let field = 4 * shape.numel() as u64;
    let x = || image(0, shape);
    let mut all = Vec::new();
    for (forward, back, along) in [
        ("S2 forward", "S2 both", Direction::Every),
        ("S2 row forward", "S2 row both", Direction::Row),
        ("S2 diagonal forward", "S2 diagonal both", Direction::Falling),
    ] {
        let bins = along.most_bins([shape[1], shape[2]], Border::Periodic);
        let curve = image(1, Shape::from([shape[0], bins]));
        all.push(subject(forward, vec![x()], field, move |_, x| {
            vec![x[0].correlation_along(x[0], along, bins, Border::Periodic)]
        }));
        all.push(subject(back, vec![x(), curve], 2 * field, move |tape, x| {
            let y = x[0].correlation_along(x[0], along, bins, Border::Periodic);
            [y].into_iter().chain(tape.pullback(y, x[1], &x[..1])).collect()
        }));
    }
    let bins = Direction::Every.most_bins([shape[1], shape[2]], Border::Periodic);
    let inputs = vec![x(), image(2, shape), image(1, Shape::from([shape[0], bins]))];
    all.push(subject("S2 of two both", inputs, 4 * field, move |tape, x| {
        let y = x[0].correlation_with(x[1], bins, Border::Periodic);
        [y].into_iter().chain(tape.pullback(y, x[2], &x[..2])).collect()
    }));
    all
}

/// The loss of an invariance of `x[0]` with the target `x[1]`.
fn loss<'t>(invariance: &dyn Invariance, x: &[Var<'t>]) -> Var<'t> {
    invariance.loss(invariance.measure(x[0]), x[1])
}

/// A scalar and its gradient.
fn both<'t>(y: Var<'t>, x: Var<'t>) -> Vec<Var<'t>> {
    vec![y, y.tape().grad(y, &[x])[0]]
}

/// Bytes that all copies of a subject move together.
fn sweep(setup: Setup) -> u64 {
    match setup.kind {
        _ if trial() => 0,
        Kind::Cpu => SWEEP_CPU,
        Kind::Cuda(_) => SWEEP_GPU,
        // What runs the kernels there has no bandwidth to speak of.
        Kind::Simt => 0,
    }
}

/// Measures one subject; none if criterion was asked for others.
fn measure(criterion: &mut Criterion, setup: Setup, shape: Shape, subject: &Subject) -> Option<Row> {
    let shape = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
    let mut group = criterion.benchmark_group(subject.name);
    group.throughput(Throughput::Bytes(subject.bytes));
    let (mut case, mut samples) = (None, Vec::new());
    group.bench_function(BenchmarkId::new(setup.to_string(), &shape), |bencher| {
        let copies = sweep(setup).div_ceil(subject.bytes).max(1) as usize;
        let case = case.get_or_insert_with(|| Case::new(setup, &subject.inputs, copies, &subject.build));
        bencher.iter_custom(|runs| {
            let time = case.time(runs);
            samples.push((time.as_secs_f64() / runs as f64, runs));
            time
        });
    });
    group.finish();
    (!samples.is_empty()).then(|| Row {
        name: subject.name,
        shape,
        seconds: median(samples),
        bytes: subject.bytes,
    })
}

/// The median of the runs, by what each sample says of its own.
fn median(mut samples: Vec<(f64, u64)>) -> f64 {
    samples.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = samples.iter().map(|&(_, runs)| runs).sum::<u64>() / 2;
    let mut below = 0;
    for &(seconds, runs) in &samples {
        below += runs;
        if below > half {
            return seconds;
        }
    }
    f64::NAN
}

fn print(setup: Setup, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    let bandwidth = |row: &Row| row.bytes as f64 / row.seconds;
    let copy = rows.iter().find(|row| row.name == COPY).map(bandwidth);
    println!("\n{setup}: bytes that must move, against a copy");
    println!("{:<24} {:<16} {:>10} {:>10} {:>8}", "", "shape", "ms", "GB/s", "share");
    for row in rows {
        let share = copy.map_or("-".to_owned(), |copy| format!("{:.0} %", 100.0 * bandwidth(row) / copy));
        let (ms, rate) = (row.seconds * 1e3, bandwidth(row) / 1e9);
        println!("{:<24} {:<16} {ms:>10.4} {rate:>10.1} {share:>8}", row.name, row.shape);
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut tables = Vec::new();
    for setup in setups() {
        let shape = Shape::from([(sweep(setup) as usize / 8).max(1 << 16)]);
        let copy =
            subject(COPY, vec![image(0, shape)], 8 * shape.numel() as u64, |_, x| vec![x[0].scale(0.5)]);
        let mut rows: Vec<Row> = measure(&mut criterion, setup, shape, &copy).into_iter().collect();
        for shape in SHAPES.map(Shape::from) {
            for subject in subjects(shape) {
                rows.extend(measure(&mut criterion, setup, shape, &subject));
            }
            let field = Shape::from([shape[0], shape[1], shape[2]]);
            for subject in correlations(field) {
                rows.extend(measure(&mut criterion, setup, field, &subject));
            }
        }
        tables.push((setup, rows));
    }
    criterion.final_summary();
    for (setup, rows) in &tables {
        print(*setup, rows);
    }
}
