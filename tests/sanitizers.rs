//! Every kernel under AddressSanitizer and ThreadSanitizer.
//!
//! The launches of many cases are recorded with the contents of their tensors, a few of each
//! kernel, and replayed by a program of its own (`kernels/host/replay.cpp`): every tensor in
//! memory of exactly its size, every CUDA thread a fiber that ThreadSanitizer knows.

#![cfg(feature = "simt")]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use common::host::replayer;
use common::{Build, cases, exact_results, run, updates};
use invnet::device::BufferId;
use invnet::device::gpu::launch::{Access, FAMILIES, Span};
use invnet::device::gpu::params::{
    Conv, Elementwise, Image, MatMul, Norm, NormRelu, Penalty, Record, Reduce,
};
use invnet::device::gpu::simt::{Schedule, Simt};
use invnet::device::gpu::{Gpu, Launch, Precision};

/// Launches kept of each kernel, and the most bytes of tensors that one may have.
const KEPT: usize = 3;
const MOST_BYTES: usize = 5 << 18;

/// A launch as `replay.cpp` reads it.
fn encode(launch: &Launch<'_>, memory: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, value: usize| bytes.extend((value as u64).to_ne_bytes());
    number(&mut bytes, launch.kernel.len());
    bytes.extend(launch.kernel.as_bytes());
    for extent in launch.grid {
        number(&mut bytes, extent as usize);
    }
    number(&mut bytes, launch.shared as usize);
    number(&mut bytes, launch.table);
    number(&mut bytes, launch.spans.len());
    for (span, contents) in launch.spans.iter().zip(memory) {
        number(&mut bytes, span.buffer.0);
        number(&mut bytes, span.offset);
        number(&mut bytes, span.bytes);
        bytes.extend(*contents);
    }
    number(&mut bytes, launch.params.len());
    bytes.extend(launch.params);
    bytes
}

/// Whether a convolution's result goes through a mask.
fn gated(launch: &Launch<'_>) -> bool {
    let has = |prefix| launch.kernel.starts_with(prefix);
    (has("conv_x") || has("conv_y")) && bytemuck::pod_read_unaligned::<Conv>(launch.params).activate == 3
}

/// Launches of a kernel, those with the same tensors given together: a bias may be missing, or be a mask.
type Recorded = BTreeMap<(&'static str, Vec<bool>), Vec<Vec<u8>>>;

/// How long the sum is that a kernel cuts into pieces, their number, and how long each is but the last.
fn pieces(launch: &Launch<'_>) -> Option<[u32; 3]> {
    let has = |prefix| launch.kernel.starts_with(prefix);
    let of = |Norm { pieces, piece, .. }: Norm, length| Some([length, pieces, piece]);
    if has("sum_few") {
        None
    } else if has("sum_") {
        let Reduce { reduced, pieces, piece, .. } = bytemuck::pod_read_unaligned(launch.params);
        Some([reduced, pieces, piece])
    } else if has("matmul_") {
        let MatMul { k, piece, .. } = bytemuck::pod_read_unaligned(launch.params);
        Some([k, launch.grid[2], piece])
    } else if has("conv_w_") {
        let Conv { n, oh, ow, pieces, piece, .. } = bytemuck::pod_read_unaligned(launch.params);
        Some([n * oh * ow, pieces, piece])
    } else if has("moments") {
        let Image { h, w, pieces, piece, .. } = bytemuck::pod_read_unaligned(launch.params);
        Some([h * w, pieces, piece])
    } else if has("row_norms") {
        let Penalty { width, pieces, piece, .. } = bytemuck::pod_read_unaligned(launch.params);
        Some([width, pieces, piece])
    } else if launch.kernel == "stats_batch" || launch.kernel == "cotangent_batch" {
        let norm: Norm = bytemuck::pod_read_unaligned(launch.params);
        of(norm, norm.rows)
    } else if launch.kernel == "norm_relu_sums" {
        let NormRelu { rows, pieces, piece, .. } = bytemuck::pod_read_unaligned(launch.params);
        Some([rows, pieces, piece])
    } else if launch.kernel == "norm_layer_sums" || launch.kernel == "norm_layer_second_sums" {
        let NormRelu { columns, channels, pieces, piece, .. } = bytemuck::pod_read_unaligned(launch.params);
        Some([columns / channels, pieces, piece])
    } else if launch.kernel == "stats_layer" || launch.kernel == "cotangent_layer" {
        let norm: Norm = bytemuck::pod_read_unaligned(launch.params);
        of(norm, norm.columns)
    } else {
        None
    }
}

/// What the cases of all tests reach.
#[derive(Clone, Default)]
struct Reached {
    /// A few launches of every kernel.
    launches: Recorded,
    /// The kernels that cut sums into pieces, and whether ever one had a last piece that was shorter.
    ragged: BTreeMap<&'static str, bool>,
}

fn record() -> Reached {
    let recorded = Arc::new(Mutex::new(Reached::default()));
    let device_of = |precision, arch| {
        let mut simt = Simt::new(Schedule::Forward).of_arch(arch);
        let to = Arc::clone(&recorded);
        simt.observe(Box::new(move |launch, memory| {
            let mut to = to.lock().unwrap();
            if let Some([length, pieces, piece]) = pieces(launch) {
                *to.ragged.entry(launch.kernel).or_default() |= pieces > 1 && length % piece != 0;
            }
            if memory.iter().map(|m| m.len()).sum::<usize>() > MOST_BYTES {
                return;
            }
            // Of updates, which take any number of tensors, the first few launches will do.
            let mut given: Vec<bool> = launch.spans.iter().map(|span| span.bytes > 0).take(4).collect();
            given.push(gated(launch));
            let kept = to.launches.entry((launch.kernel, given)).or_default();
            if kept.len() < KEPT {
                let bytes = encode(launch, memory);
                if !kept.contains(&bytes) {
                    kept.push(bytes);
                }
            }
        }));
        Box::new(Gpu::new(simt, precision))
    };
    let device = |precision| device_of(precision, 80);
    for case in cases::stored().iter().chain(&cases::wide()) {
        for arch in [80, 90] {
            run(device_of(Precision::Bf16, arch), &case.inputs, &case.build);
        }
        run(device_of(Precision::Tf32, 90), &case.inputs, &case.build);
    }
    for case in cases::all() {
        run(device(Precision::Fp32), &case.inputs, &case.build);
    }
    for precision in [Precision::Tf32, Precision::Bf16] {
        for case in
            [cases::products(), cases::convolutions(), cases::fused(), cases::stored()].into_iter().flatten()
        {
            run(device(precision), &case.inputs, &case.build);
        }
    }
    for (inputs, build) in exact_results() {
        let build: Build = build;
        run(device(Precision::Fp32), &inputs, &build);
    }
    updates(device(Precision::Fp32));
    recorded.lock().unwrap().clone()
}

fn write(recorded: &Recorded, folder: &Path) -> PathBuf {
    let path = folder.join("launches");
    let bytes: Vec<u8> = recorded.values().flatten().flatten().copied().collect();
    std::fs::write(&path, bytes).unwrap();
    path
}

fn replay(program: &Path, launches: &Path, blocks: &str) -> (bool, String) {
    let output = Command::new(program)
        .arg(launches)
        .arg(blocks)
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .env("TSAN_OPTIONS", "report_signal_unsafe=0")
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// A launch that leaves its memory: 16 numbers are written where 15 have room.
fn overrun() -> Vec<u8> {
    let params = Elementwise { n: 16, channels: 1, a: 2.0, b: 0.0 };
    let spans = [span(0, 64, Access::Read), span(1, 60, Access::Write)];
    let grid = [1, 1, 1];
    let launch = Launch {
        kernel: "scale",
        grid,
        shared: 0,
        spans: &spans,
        table: 0,
        params: bytemuck::bytes_of(&params),
    };
    encode(&launch, &[&[0; 64], &[0; 60]])
}

/// A launch whose second scalar is the number that another thread writes.
fn race() -> Vec<u8> {
    let params = Record { rows: 1, columns: 2 };
    let spans = [
        span(0, 8, Access::Update),
        span(1, 4, Access::Read),
        span(2, 4, Access::Read),
        span(0, 8, Access::Read),
    ];
    let grid = [1, 1, 1];
    let params = bytemuck::bytes_of(&params);
    let launch = Launch { kernel: "record", grid, shared: 0, spans: &spans, table: 18, params };
    encode(&launch, &[&[0; 8], &[0; 4], &[0; 4], &[0; 8]])
}

fn span(buffer: usize, bytes: usize, access: Access) -> Span {
    Span { buffer: BufferId(buffer), offset: 0, bytes, access }
}

/// What the cases reach, recorded once.
fn reached() -> &'static Reached {
    static REACHED: OnceLock<Reached> = OnceLock::new();
    REACHED.get_or_init(record)
}

/// Replays every launch under a sanitizer, and one in which it must find what is wrong.
fn replay_all(sanitizer: &str, blocks: &str, wrong: &[u8], says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let program = replayer(folder.path(), sanitizer);
    let launches = write(&reached().launches, folder.path());
    let (good, text) = replay(&program, &launches, blocks);
    assert!(good && text.contains("launches"), "{sanitizer}: {text}");
    // That the program can say no.
    let file = folder.path().join("wrong");
    std::fs::write(&file, wrong).unwrap();
    let (good, text) = replay(&program, &file, "0");
    assert!(!good && text.contains(says), "{sanitizer} misses what is wrong: {text}");
}

#[test]
fn cases_reach_every_kernel_and_a_shorter_last_piece_of_each() {
    let Reached { launches: recorded, ragged } = reached();
    let even: Vec<_> = ragged.iter().filter(|(_, ragged)| !**ragged).collect();
    assert!(ragged.len() > 30 && even.is_empty(), "no last piece is shorter: {even:?}");
    for kernel in FAMILIES.iter().flat_map(|family| family.kernels) {
        let launches = recorded.iter().filter(|((name, _), kept)| *name == kernel.name && !kept.is_empty());
        let given: Vec<&[bool]> = launches.map(|((_, given), _)| given.as_slice()).collect();
        assert!(
            !given.is_empty(),
            "no case of at most {MOST_BYTES} bytes reaches the kernel {}",
            kernel.name
        );
        // Those that may add a bias or apply a mask, with either and without.
        if kernel.name.starts_with("conv_y") || kernel.name.starts_with("conv_x") {
            let ways = [[true, false], [true, true], [false, false]];
            let there = ways.map(|way| given.iter().any(|given| [given[2], given[4]] == way));
            assert_eq!(there, [true; 3], "{}: with a bias, with a mask, without", kernel.name);
        }
    }
}

#[test]
fn every_kernel_keeps_to_its_memory() {
    replay_all("address", "8", &overrun(), "heap-buffer-overflow");
}

#[test]
fn every_kernel_orders_its_threads() {
    replay_all("thread", "2", &race(), "data race");
}
