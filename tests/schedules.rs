//! The kernels' threads in four orders, and mistakes that must be caught.
//!
//! A result that depends on the order in which threads take turns misses a barrier. Copies of
//! kernels that were broken on purpose prove that the tests of the kernels can fail, and a family
//! of kernels that hang or misuse their warp proves that the runtime says so.

#![cfg(feature = "simt")]
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::cases::{self, Case, tolerance};
use common::host::{changed_library, library_of};
use common::{Build, exact_results, run, updates};
use invnet::device::Device;
use invnet::device::gpu::launch::Span;
use invnet::device::gpu::simt::{Schedule, Simt};
use invnet::device::gpu::{Gpu, Launch, Launcher, Precision};
use invnet::gradcheck::Input;

const ORDERS: [Schedule; 4] =
    [Schedule::Forward, Schedule::Backward, Schedule::Shuffled(1), Schedule::Shuffled(2)];

fn device(schedule: Schedule, precision: Precision) -> Box<dyn Device> {
    Box::new(Gpu::new(Simt::new(schedule), precision))
}

fn same_bits(name: &str, inputs: &[Input], build: &Build) {
    let all = [Precision::Fp32, Precision::Tf32, Precision::Bf16];
    // Only products know more than one.
    let precisions = if name.starts_with("matmul") || name.starts_with("conv") { &all } else { &all[..1] };
    for &precision in precisions {
        let want = run(device(Schedule::Forward, precision), inputs, build).0;
        for order in &ORDERS[1..] {
            let got = run(device(*order, precision), inputs, build).0;
            assert!(got == want, "{name}, {}: {order:?} differs from forward", precision.name());
        }
    }
}

/// Checks each of all on every core. A formula stays on its thread: each makes them all anew.
fn each<T>(all: impl Fn() -> Vec<T> + Sync, check: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let all = all();
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(one);
                }
            });
        }
    });
}

#[test]
fn every_order_gives_the_same_bits() {
    each(cases::all, |case| same_bits(&case.name, &case.inputs, &case.build));
    each(exact_results, |(inputs, build)| same_bits("exact", inputs, build));
    let by_warpgroups = || [cases::stored(), cases::wide()].into_iter().flatten().collect();
    each(by_warpgroups, |case: &Case| {
        for precision in [Precision::Tf32, Precision::Bf16] {
            let of = |order| Box::new(Gpu::new(Simt::new(order).of_arch(90), precision));
            let [want, rest @ ..] = ORDERS.map(|order| run(of(order), &case.inputs, &case.build).0);
            assert!(
                rest.iter().all(|got| *got == want),
                "{} by warpgroups in {}",
                case.name,
                precision.name()
            );
        }
    });
    let want = updates(device(Schedule::Forward, Precision::Fp32));
    for order in &ORDERS[1..] {
        assert_eq!(updates(device(*order, Precision::Fp32)), want);
    }
}

/// Whether a device made of the library fails one of the cases: wrong, or different by order.
fn caught(library: &Path, cases: &[Case]) -> bool {
    let on = |order| Gpu::new(Simt::from_library(library, order).unwrap(), Precision::Fp32);
    cases.iter().any(|case| {
        let want = case.exact();
        let allowed = tolerance(case, &want);
        let results = ORDERS.map(|order| run(Box::new(on(order)), &case.inputs, &case.build));
        // Not "greater": a NaN is wrong too.
        let right = |((g, w), a): ((&f64, &f64), &f64)| (g - w).abs() <= *a;
        let wrong = results.iter().any(|(_, got)| !got.iter().zip(&want).zip(&allowed).all(right));
        wrong || results.iter().any(|(bytes, _)| *bytes != results[0].0)
    })
}

/// Cases of one family, those whose name begins so.
fn family(cases: Vec<Case>, prefix: &str) -> Vec<Case> {
    cases.into_iter().filter(|case| case.name.starts_with(prefix)).collect()
}

#[test]
fn mutants_are_caught() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    };
    // What nothing is changed in passes: a change is what is caught.
    let intact = changed_library(&place("intact"), "softmax", ["struct Elementwise", "struct Elementwise"]);
    assert!(!caught(&intact, &family(cases::pixelwise(), "softmax")));
    // A missing barrier: slices are overwritten while other threads still read them.
    let barrier = [
        "            __syncthreads();\n        }\n\n        UNROLL for (u32 j = 0; j < TN; j += 4)",
        "        }\n\n        UNROLL for (u32 j = 0; j < TN; j += 4)",
    ];
    let library = changed_library(&place("barrier"), "matmul", barrier);
    assert!(caught(&library, &family(cases::products(), "matmul 33")), "a missing barrier");
    // Off by one: the last pixel of every piece is forgotten.
    let last = ["pixel = begin + lane; pixel < end;", "pixel = begin + lane; pixel + 1 < end;"];
    let library = changed_library(&place("last"), "moments", last);
    assert!(
        caught(&library, &family(cases::moments_and_their_field(), "moments")),
        "an end that is off by one"
    );
    // The field is computed by the same library, and was not changed.
    assert!(!caught(&library, &family(cases::moments_and_their_field(), "quadratic_field")));
    // A row that is forgotten in each piece, and a sum that is lost altogether.
    let last = ["r < end; r += 8", "r + 1 < end; r += 8"];
    let library = changed_library(&place("rows"), "reduce", last);
    assert!(caught(&library, &family(cases::whole_numbers(), "whole sum [10007, 17]")), "a forgotten row");
    let lost = ["sum = block_sum<256>(sum, scratch);", "sum = 0.0f * block_sum<256>(sum, scratch);"];
    let library = changed_library(&place("lost"), "reduce", lost);
    assert!(caught(&library, &family(cases::sums(), "sum [100003]")), "a lost sum");
    // A missing barrier between the passes of a transform.
    let passes =
        ["    __syncthreads();\n    if (half_down && half_along)", "    if (half_down && half_along)"];
    let library = changed_library(&place("passes"), "correlation", passes);
    assert!(caught(&library, &family(cases::correlations(), "correlation [3, 16, 8]")), "a missing barrier");
    // Links that do not wait for each other, and one that is taken for another.
    let links = ["        __syncthreads();\n    }\n}", "    }\n}"];
    let library = changed_library(&place("links"), "chain", links);
    assert!(caught(&library, &cases::chains()), "a missing barrier");
    let functions = ["case 18: return Div::of", "case 18: return Mul::of"];
    let library = changed_library(&place("functions"), "chain", functions);
    assert!(caught(&library, &cases::chains()), "another function");
    // A wrong stride: the vertical one used across.
    let stride = ["left = pixel.x * p->sw - p->pw;", "left = pixel.x * p->sh - p->pw;"];
    let library = changed_library(&place("stride"), "conv", stride);
    assert!(caught(&library, &family(cases::convolutions(), "conv 5")), "a wrong stride");
}

/// Kernels that do what a kernel must not.
const FAULTS: &str = r#"
#include "simt.cuh"
KERNEL(64) divergent(float* y) {
    begin_kernel();
    if (threadIdx.x < 40) __syncthreads();
    else
        __syncthreads();
    y[threadIdx.x] = 1.0f;
}
KERNEL(64) leaves(float* y) {
    begin_kernel();
    if (threadIdx.x == 7) return;
    __syncthreads();
    y[threadIdx.x] = 1.0f;
}
KERNEL(64) far(float* y) {
    begin_kernel();
    if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, threadIdx.x == 5 ? 20 : 0);
}
KERNEL(64) outside(float* y) { begin_kernel(); y[threadIdx.x] = __shfl_sync(0x0000ffffu, 1.0f, 0); }
KERNEL(64) lonely(float* y) {
    begin_kernel();
    if (threadIdx.x != 3) __syncwarp();
    y[threadIdx.x] = 1.0f;
}
KERNEL(64) hungry(float* y) {
    begin_kernel();
    SHARED(float, scratch, 13000);
    scratch[threadIdx.x] = 1.0f;
    y[threadIdx.x] = scratch[threadIdx.x];
}
KERNEL(64) partial(float* y) {
    begin_kernel();
    const u32 low = threadIdx.x % 32 < 16;
    const float v = __shfl_sync(low ? 0x0000ffffu : 0xffff0000u, (float)threadIdx.x, low ? 3 : 19);
    y[threadIdx.x] = v + (float)__popc(__ballot_sync(FULL_WARP, low));
}
KERNEL(64) early(float* y) {
    if (threadIdx.x == 9) return;
    begin_kernel();
    y[threadIdx.x] = 1.0f;
}
extern const simt::Kernel simt_family_faults[] = {
    SIMT_KERNEL(divergent, 64), SIMT_KERNEL(leaves, 64), SIMT_KERNEL(far, 64), SIMT_KERNEL(outside, 64),
    SIMT_KERNEL(lonely, 64), SIMT_KERNEL(hungry, 64), SIMT_KERNEL(partial, 64), SIMT_KERNEL(early, 64),
    {},
};
"#;

#[test]
fn faults_name_kernel_block_and_thread() {
    let folder = tempfile::tempdir().unwrap();
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/simt.cuh");
    let text = FAULTS.replace("simt.cuh", kernels.to_str().unwrap());
    let library = library_of(folder.path(), "faults", &text);
    let launch = |kernel: &'static str, order: Schedule| {
        let mut simt = Simt::from_library(&library, order).unwrap();
        let buffer = simt.alloc(256).unwrap();
        let span = Span { buffer, offset: 0, bytes: 256, access: invnet::device::gpu::launch::Access::Write };
        let grid = [3, 1, 1];
        simt.launch(&Launch { kernel, grid, shared: 0, spans: &[span], table: 0, params: &[] })?;
        let mut bytes = [0; 256];
        simt.download(buffer, 0, &mut bytes)?;
        Ok::<Vec<f32>, invnet::error::Error>(bytemuck::allocation::pod_collect_to_vec(&bytes))
    };
    for order in ORDERS {
        for (kernel, says) in [
            ("divergent", "divergent barrier: thread 0 waits in __syncthreads"),
            ("leaves", "but thread 7 has returned"),
            ("far", "a shuffle reads a lane outside its mask (lane 20)"),
            ("outside", "is called by a lane outside its mask"),
            ("lonely", "some of its lanes never come"),
            ("hungry", "more than 48 KiB of static shared memory"),
            ("early", "thread 9: returned without begin_kernel()"),
        ] {
            let message = launch(kernel, order).unwrap_err().to_string();
            assert!(message.contains(&format!("kernel {kernel}, block (")), "{message}");
            assert!(message.contains("thread ") && message.contains(says), "{kernel}: {message}");
        }
        // The runtime still works afterwards, and masks may be parts of a warp.
        let values = launch("partial", order).unwrap();
        let want = |i: usize| ((i / 32 * 32) + if i % 32 < 16 { 3 } else { 19 }) as f32 + 16.0;
        assert!(values.iter().enumerate().all(|(i, &v)| v == want(i)), "{values:?}");
    }
}
