//! What can be missing or fail, and what the launcher says then.

use std::fs;

use invnet::device::Device;
use invnet::device::gpu::cuda::{Cuda, devices};
use invnet::device::gpu::{Gpu, Launcher, Precision};
use invnet::error;
use invnet::op::{Op, Unary};

use crate::{driver, fill, four, refused};

fn open() -> error::Result<()> {
    let report = devices().remove(0);
    assert!(report.problem.is_some(), "{report}");
    Cuda::new(0).map(|_| ())
}

#[test]
fn no_driver() {
    // Files that are no libraries hide the driver of this machine, if it has one.
    let folder = driver().join("hollow");
    fs::create_dir_all(&folder).unwrap();
    for name in ["libcuda.so", "libcuda.so.1"] {
        fs::write(folder.join(name), "no library").unwrap();
    }
    let settings = [("LD_LIBRARY_PATH", folder.to_str().unwrap())];
    refused(
        "faults::no_driver",
        &settings,
        &["--device cuda: no CUDA driver", "libcuda.so.1", "install"],
        open,
    );
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
    let mut gpu = Gpu::new(cuda, Precision::Fp32);
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
fn code_the_driver_refuses() {
    let settings = [("INVNET_STANDIN_FAULT", "image"), ("INVNET_STANDIN_DRIVER", "12000")];
    let words = ["loading the kernels of elementwise", "is newer than the driver, which is for CUDA 12.0"];
    refused("faults::code_the_driver_refuses", &settings, &words, fill_neg_exp);
}
