//! The launcher of NVIDIA GPUs, unmodified, on a stand-in driver over the host runtime; every
//! kernel through the real compiler; and where operands of products lie in shared memory.
//!
//! A process loads one driver, so each scenario runs this program again in an environment of its
//! own. Without NVRTC the scenarios are skipped, loudly, or fail where `CI` is set.

#![cfg(feature = "simt")]
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod compiling;
mod cubins;
mod faults;
mod first_use;
mod launcher;
mod layouts;
mod runs;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use invnet::device::gpu::Launcher;
use invnet::device::gpu::cuda::{self, Cuda};
use invnet::device::gpu::launch::{Launch, Span};
use invnet::device::gpu::params::Elementwise;
use invnet::device::{BufferId, Place};
use invnet::error;
use invnet::op::DType;

/// The stand-in as `libcuda.so`, in a folder of its own, built once.
fn driver() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(folder) = env::var_os("STANDIN") {
            return folder.into();
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("standin");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let built = Command::new(env::var("CXX").unwrap_or_else(|_| "c++".into()))
            .args([
                "-std=c++17",
                "-O1",
                "-fPIC",
                "-shared",
                "-fvisibility=hidden",
                "-Wall",
                "-Wextra",
                "-Werror",
            ])
            .args(["-Wl,-soname,libcuda.so.1", "-Wl,-Bsymbolic", "-I"])
            .arg(&kernels)
            .arg(kernels.join("host/libcuda.cpp"))
            .args([
                "-Wl,--whole-archive",
                env!("INVNET_HOST_LIBRARY"),
                "-Wl,--no-whole-archive",
                "-pthread",
                "-o",
            ])
            .arg(folder.join("libcuda.so.1"))
            .status();
        assert!(built.expect("a C++ compiler").success(), "the stand-in driver does not compile");
        std::os::unix::fs::symlink("libcuda.so.1", folder.join("libcuda.so")).unwrap();
        folder
    })
}

/// Where NVRTC is for the scenarios: as the environment says, else what `scripts/setup-nvrtc` put
/// into `target/`, else wherever the launcher finds one.
fn compiler() -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/nvrtc");
    let given =
        env::var_os("INVNET_NVRTC").map(PathBuf::from).or_else(|| fetched.is_dir().then_some(fetched));
    let probe = in_process("probe_compiler", &given, &[]).output().unwrap();
    if probe.status.success() {
        return Some(given.unwrap_or_default());
    }
    let why = "no NVRTC (run scripts/setup-nvrtc, or let INVNET_NVRTC name one)";
    assert!(env::var_os("CI").is_none(), "{why}: {}", String::from_utf8_lossy(&probe.stderr));
    // Not `eprintln!`, which is shown for tests that fail only.
    std::io::stderr().write_all(format!("SKIPPED, NOTHING WAS TESTED: {why}\n").as_bytes()).unwrap();
    None
}

/// This program again, to run one test as the scenario itself.
fn in_process(test: &str, nvrtc: &Option<PathBuf>, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env("SCENARIO", test).env("STANDIN", driver());
    command.env("LD_LIBRARY_PATH", driver()).env("INVNET_CACHE", driver().join("cache"));
    command.env("INVNET_NVRTC", nvrtc.clone().unwrap_or_default());
    for variable in ["CUDA_VISIBLE_DEVICES", "INVNET_DUMP_KERNELS"] {
        command.env_remove(variable);
    }
    command.envs(settings.iter().copied());
    command
}

fn is_scenario(test: &str) -> bool {
    env::var("SCENARIO").is_ok_and(|name| name == test)
}

/// Runs `body` in a process with those settings; what it printed.
fn scenario(test: &str, settings: &[(&str, &str)], body: impl FnOnce()) -> Option<String> {
    if is_scenario(test) {
        body();
        return None;
    }
    let output = in_process(test, &Some(compiler()?), settings).output().unwrap();
    let printed =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    Some(printed)
}

/// A scenario whose error says all of `words`.
fn refused(test: &str, settings: &[(&str, &str)], words: &[&str], body: fn() -> error::Result<()>) {
    let printed = scenario(test, settings, || println!("<{}>", body().unwrap_err()));
    for (word, printed) in words.iter().filter_map(|word| Some((word, printed.as_ref()?))) {
        assert!(printed.contains(word), "{word:?} is not in {printed}");
    }
}

#[test]
fn probe_compiler() {
    if is_scenario("probe_compiler") {
        cuda::nvrtc().unwrap();
    }
}

/// Four numbers at the beginning of a block.
fn four(buffer: BufferId) -> Place {
    Place { buffer, offset: 0, shape: [4].into(), dtype: DType::Real }
}

fn fill(cuda: &mut Cuda, block: BufferId, value: f32, shared: u32) -> error::Result<()> {
    let place = four(block);
    let params = Elementwise { n: 4, channels: 1, a: value, b: 0.0 };
    cuda.launch(&Launch {
        kernel: "fill",
        grid: [1, 1, 1],
        shared,
        spans: &[Span::write(&place)],
        table: 0,
        params: bytemuck::bytes_of(&params),
    })
}

fn read(cuda: &mut Cuda, block: BufferId) -> [f32; 4] {
    let mut values = [0.5; 4];
    cuda.download(block, 0, bytemuck::cast_slice_mut(&mut values)).unwrap();
    values
}
