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
use std::sync::{Arc, Mutex};

use common::host::replayer;
use common::{Build, cases, exact_results, run, updates};
use invnet::device::BufferId;
use invnet::device::gpu::launch::{Access, FAMILIES, Span};
use invnet::device::gpu::params::{Elementwise, Record};
use invnet::device::gpu::simt::{Schedule, Simt};
use invnet::device::gpu::{Gpu, Launch, Precision};

/// Launches kept of each kernel, and the most bytes of tensors that one may have.
const KEPT: usize = 3;
const MOST_BYTES: usize = 1 << 20;

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

type Recorded = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// A few launches of every kernel that the cases of all tests reach.
fn record() -> Recorded {
    let recorded = Arc::new(Mutex::new(Recorded::new()));
    let device = |precision| {
        let mut simt = Simt::new(Schedule::Forward);
        let to = Arc::clone(&recorded);
        simt.observe(Box::new(move |launch, memory| {
            let mut to = to.lock().unwrap();
            let kept = to.entry(launch.kernel).or_default();
            if kept.len() < KEPT && memory.iter().map(|m| m.len()).sum::<usize>() <= MOST_BYTES {
                let bytes = encode(launch, memory);
                if !kept.contains(&bytes) {
                    kept.push(bytes);
                }
            }
        }));
        Box::new(Gpu::new(simt, precision))
    };
    for case in cases::all() {
        run(device(Precision::Fp32), &case.inputs, &case.build);
    }
    for precision in [Precision::Tf32, Precision::Bf16] {
        for case in cases::products().into_iter().chain(cases::convolutions()) {
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

#[test]
fn every_kernel_keeps_to_its_memory_and_orders_its_threads() {
    let recorded = record();
    for kernel in FAMILIES.iter().flat_map(|family| family.kernels) {
        assert!(recorded.contains_key(kernel.name), "no case reaches the kernel {}", kernel.name);
    }
    let folder = tempfile::tempdir().unwrap();
    let launches = write(&recorded, folder.path());
    for (sanitizer, blocks, wrong, says) in
        [("address", "8", overrun(), "heap-buffer-overflow"), ("thread", "2", race(), "data race")]
    {
        let own = folder.path().join(sanitizer);
        std::fs::create_dir(&own).unwrap();
        let program = replayer(&own, sanitizer);
        let (good, text) = replay(&program, &launches, blocks);
        assert!(good && text.contains("launches"), "{sanitizer}: {text}");
        // That the program can say no.
        let file = own.join("wrong");
        std::fs::write(&file, wrong).unwrap();
        let (good, text) = replay(&program, &file, "0");
        assert!(!good && text.contains(says), "{sanitizer} misses what is wrong: {text}");
    }
}
