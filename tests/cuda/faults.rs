//! What can be missing or fail, and what the launcher says then.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use invnet::device::Device;
use invnet::device::gpu::cuda::{Cuda, devices};
use invnet::device::gpu::{Gpu, Launcher, Precision};
use invnet::error;
use invnet::op::{Op, Unary};

use crate::{driver, fill, four, is_scenario, refused, scenario};

fn open() -> error::Result<()> {
    let report = devices().remove(0);
    assert!(report.problem.is_some(), "{report}");
    Cuda::new(0).map(|_| ())
}

#[test]
fn a_damaged_driver() {
    let folder = driver().join("hollow");
    fs::create_dir_all(&folder).unwrap();
    for name in ["libcuda.so", "libcuda.so.1"] {
        fs::write(folder.join(name), "no library").unwrap();
    }
    let settings = [("LD_LIBRARY_PATH", folder.to_str().unwrap())];
    let words =
        ["--device cuda: the CUDA driver's library cannot be loaded", "hollow/libcuda.so.1", "install"];
    refused("faults::a_damaged_driver", &settings, &words, open);
}

/// The functions of the driver that the launcher calls.
pub fn functions() -> Vec<&'static str> {
    let source = include_str!("../../src/device/gpu/cuda/driver.rs");
    let table = source.split("functions! {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let mut names: Vec<&str> = table.split(" = \"").skip(1).map(|r| r.split('"').next().unwrap()).collect();
    names.push("cuDriverGetVersion");
    assert!(names.len() > 30 && names.iter().all(|name| name.starts_with("cu")), "{names:?}");
    names
}

/// A folder with the stand-in in which a function has another name.
pub fn without(function: &str) -> PathBuf {
    let folder = driver().join(format!("without-{function}"));
    fs::create_dir_all(&folder).unwrap();
    let mut library = fs::read(driver().join("libcuda.so.1")).unwrap();
    let symbol = format!("\0{function}\0").into_bytes();
    let places: Vec<usize> =
        (0..library.len() - symbol.len()).filter(|&at| library[at..].starts_with(&symbol)).collect();
    assert!(!places.is_empty(), "the stand-in lacks {function}");
    for at in places {
        library[at + function.len()] = b'_';
    }
    fs::write(folder.join("libcuda.so.1"), library).unwrap();
    folder
}

#[test]
fn a_driver_without_a_function() {
    for function in functions() {
        let folder = without(function);
        let output = Command::new(env!("CARGO_BIN_EXE_invnet"))
            .arg("devices")
            .env("LD_LIBRARY_PATH", &folder)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{function}: {output:?}");
        for word in ["lacks a function", function, "libcuda.so.1", "install"] {
            assert!(printed.contains(word), "{word:?} is not in {printed}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}

/// Every call of the launcher once; what went wrong, if anything.
fn everything() -> error::Result<()> {
    let report = devices().remove(0);
    println!("{report}");
    let mut cuda = Cuda::new(0)?;
    let block = cuda.alloc(16)?;
    fill(&mut cuda, block, 1.0, 64 << 10)?;
    cuda.resources("fill")?;
    cuda.upload(block, &[1])?;
    cuda.begin_capture()?;
    fill(&mut cuda, block, 2.0, 0)?;
    let graph = cuda.end_capture()?;
    cuda.replay(graph)?;
    let timer = cuda.start_timer()?;
    cuda.stop_timer(timer)?;
    cuda.download(block, 0, &mut [0])?;
    cuda.free(block);
    cuda.sync()
}

#[test]
fn a_status_that_nobody_knows() {
    let test = "faults::a_status_that_nobody_knows";
    let report = || match everything() {
        Ok(()) => println!("<nothing went wrong>"),
        Err(error) => println!("<{error}>"),
    };
    if is_scenario(test) {
        return report();
    }
    // What gives something back has nobody to tell.
    let quiet = ["Release", "Destroy", "Unload", "MemFree", "GetErrorName", "GetErrorString"];
    for (i, call) in functions().into_iter().enumerate() {
        let status = ["36", "227", "722", "917", "2147483647", "-1"][i % 6];
        let settings = [("INVNET_STANDIN_CALL", call), ("INVNET_STANDIN_STATUS", status)];
        let Some(printed) = scenario(test, &settings, report) else { return };
        let found = printed.split('<').nth(1).unwrap().split('>').next().unwrap();
        assert!(!found.contains('\n'), "{call}: {found}");
        let shown = if status == "-1" { "4294967295" } else { status };
        let explained = printed.contains(&format!("status {shown}"));
        let silent = quiet.iter().any(|word| call.contains(word));
        assert!(
            if silent { found == "nothing went wrong" } else { explained },
            "{call}, {status}: {printed}"
        );
    }
}

#[test]
fn no_compiler() {
    let folder = driver().join("empty");
    fs::create_dir_all(&folder).unwrap();
    let settings = [("INVNET_NVRTC", folder.to_str().unwrap())];
    refused("faults::no_compiler", &settings, &["no NVRTC", "empty (INVNET_NVRTC)", "install"], open);
}

#[test]
fn no_device() {
    let settings = [("INVNET_STANDIN_FAULT", "nodevice"), ("CUDA_VISIBLE_DEVICES", "7")];
    refused("faults::no_device", &settings, &["sees no device", "CUDA_VISIBLE_DEVICES is \"7\""], open);
}

#[test]
fn an_old_device() {
    let words = ["--device cuda:0: Stand-in has compute capability 6.1: 7.0 (Volta) or newer"];
    refused("faults::an_old_device", &[("INVNET_STANDIN_FAULT", "old")], &words, open);
}

#[test]
fn an_old_driver() {
    let words = ["the driver is for CUDA 11.4: install one for CUDA 12.0"];
    refused("faults::an_old_driver", &[("INVNET_STANDIN_DRIVER", "11040")], &words, open);
}

#[test]
fn no_such_device() {
    refused(
        "faults::no_such_device",
        &[],
        &["--device cuda:3: there is no such device: the last is cuda:0"],
        || Cuda::new(3).map(|_| ()),
    );
}

#[test]
fn no_memory() {
    let words = ["cuda:0: out of memory: 100 bytes", "0 MiB in use; 4096 of its 4096 MiB are free"];
    refused("faults::no_memory", &[("INVNET_STANDIN_FAULT", "oom")], &words, || {
        Cuda::new(0)?.alloc(100).map(|_| ())
    });
}

/// Launches `fill`, waits, launches `neg` and `exp_`, and waits again.
pub fn fill_neg_exp() -> error::Result<()> {
    let mut cuda = Cuda::new(0)?;
    let block = cuda.alloc(16)?;
    fill(&mut cuda, block, 1.0, 0)?;
    cuda.sync()?;
    let mut gpu = Gpu::new(cuda, Precision::Fp32).one_by_one();
    let other = gpu.alloc(16)?;
    for op in [Unary::Neg, Unary::Exp] {
        gpu.run(&Op::Unary(op), &[four(block)], &four(other))?;
    }
    println!("launched");
    gpu.sync()
}

#[test]
fn a_refused_launch() {
    let words = ["launching fill with 1 x 1 x 1 blocks of 256: too many resources"];
    refused("faults::a_refused_launch", &[("INVNET_STANDIN_FAULT", "launch")], &words, fill_neg_exp);
}

#[test]
fn a_fault_of_a_kernel() {
    let settings = [("INVNET_STANDIN_FAULT", "sync"), ("INVNET_STANDIN_KERNEL", "exp_")];
    // Comes to light at the wait, and does not suspect what is known to have ended.
    let words =
        ["launched", "waiting: an illegal memory access", "ILLEGAL_ADDRESS", "after kernels neg, exp_;"];
    refused("faults::a_fault_of_a_kernel", &settings, &words, fill_neg_exp);
}

#[test]
fn a_fault_of_a_kernel_that_is_waited_for() {
    let settings =
        [("INVNET_STANDIN_FAULT", "sync"), ("INVNET_STANDIN_KERNEL", "exp_"), ("CUDA_LAUNCH_BLOCKING", "1")];
    let words =
        ["launching exp_ with 1 x 1 x 1 blocks of 256: an illegal memory access", "after kernels neg>"];
    refused("faults::a_fault_of_a_kernel_that_is_waited_for", &settings, &words, fill_neg_exp);
}

#[test]
fn code_the_driver_refuses() {
    let settings = [("INVNET_STANDIN_FAULT", "image"), ("INVNET_STANDIN_DRIVER", "12000")];
    let words = ["loading the kernels of elementwise", "is newer than the driver, which is for CUDA 12.0"];
    refused("faults::code_the_driver_refuses", &settings, &words, fill_neg_exp);
}
