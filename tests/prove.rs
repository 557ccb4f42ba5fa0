//! The proof of a device, on the kernels' host, and what is made of it.

#![cfg(all(unix, feature = "simt"))]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use invnet::nn::Family;
use serde_json::{Value, json};

fn adopt(folder: &Path, proof: &Value) -> (bool, String) {
    let file = folder.join("proof.json");
    fs::write(&file, proof.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/adopt-proof");
    let output = Command::new("python3").arg(script).arg(&file).arg("--root").arg(folder).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_proof_holds_and_fills_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proof.json");
    let output = Command::new(env!("CARGO_BIN_EXE_invnet"))
        .args(["devices", "--prove", "--device", "simt", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    for word in ["comparisons hold", "graphs have the bits of single launches: yes", "us each"] {
        assert!(printed.contains(word), "{word:?} is not in {printed}");
    }
    let mut proof: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(proof["holds"], true);
    // Each pair of networks, and each precision.
    assert_eq!(proof["iterations"].as_array().unwrap().len(), 3 * Family::ALL.len());
    let kernels = proof["kernels"].as_array().unwrap();
    let missed: Vec<&Value> =
        kernels.iter().filter(|k| k["compared"] == false).map(|k| &k["kernel"]).collect();
    // Results that are whole numbers have no derivative to compare; figures of simulations are tests'.
    assert!(missed.len() < kernels.len() / 4, "{missed:?}");
    let products = kernels.iter().filter(|k| k["kernel"].as_str().unwrap().starts_with("conv_"));
    assert!(products.clone().count() > 20 && products.clone().all(|k| k["compared"] == true), "{missed:?}");

    // Not of a card, so nothing is taken from it.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir(folder.path().join("kernels")).unwrap();
    for name in ["kernels/README.md", "BENCHMARKS.md"] {
        fs::copy(root.join(name), folder.path().join(name)).unwrap();
    }
    let (taken, why) = adopt(folder.path(), &proof);
    assert!(!taken && why.contains("no card"), "{why}");

    // As a card would have sent it.
    proof["card"] = json!({
        "name": "Card X", "capability": [9, 0], "multiprocessors": 132, "clock_mhz": 1980, "bandwidth": 3350.0,
        "memory": 80_000_000_000_u64, "driver": [12, 9], "nvrtc": [12, 9]
    });
    for timing in proof["timings"].as_array_mut().unwrap() {
        timing["share"] = json!(if timing["kernel"] == "adam" { 0.875 } else { 0.5 });
    }
    for _ in 0..2 {
        let (taken, why) = adopt(folder.path(), &proof);
        assert!(taken, "{why}");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let row = |line: &&str| line.starts_with("| `adam` |");
        let table = read("kernels/README.md");
        assert!(table.lines().find(row).unwrap().ends_with("| POSND | 88 % (Card X) |"), "{table}");
        // A second time replaces the first.
        assert_eq!(read("BENCHMARKS.md").matches("## Kernels on Card X").count(), 1);
    }
    proof["holds"] = json!(false);
    let (taken, why) = adopt(folder.path(), &proof);
    assert!(!taken && why.contains("does not hold"), "{why}");
}

#[test]
fn what_cannot_be_proven_is_said() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_invnet")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["devices", "--prove", "--device", "cpu"]);
    assert!(code == Some(2) && said.contains("--prove is of the kernels"), "{said}");
    let (code, said) = run(&["devices", "--json", "x"]);
    assert!(code == Some(2) && said.contains("--prove"), "{said}");
}
