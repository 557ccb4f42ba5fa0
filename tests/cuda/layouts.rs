//! Where operands lie in shared memory: as the instructions that read them want it, and so that no bank serves a warp twice.

use std::path::Path;
use std::process::Command;

#[test]
fn operands_lie_as_instructions_read_them_and_in_different_banks() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layouts");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiled = Command::new(std::env::var("CXX").unwrap_or_else(|_| "c++".into()))
        .args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Wno-unused-function", "-Werror", "-I"])
        .arg(root.join("kernels"))
        .arg(root.join("tests/cuda/layouts.cpp"))
        .arg("-o")
        .arg(&program)
        .status();
    assert!(compiled.expect("a C++ compiler").success(), "layouts.cpp does not compile");
    let output = Command::new(&program).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    for kind in ["fragment", "copy", "deposit"] {
        assert!(printed.lines().filter(|line| line.starts_with(kind)).count() >= 14, "{kind}: {printed}");
    }
    for line in printed.lines() {
        // Numbers in single precision are turned as they are written, two to a bank (gemm_fp32.cuh).
        let turned = line.starts_with("deposit Fp32") && line.contains("along k");
        let most = if turned { " 2" } else { " 1" };
        assert!(line.ends_with(most) && !line.starts_with("wrong"), "{line}");
    }
}
