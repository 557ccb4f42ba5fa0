//! The fixtures in `fixtures/`, and files that are not as they should be.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use invnet::error::Error;
use invnet::fixtures::{check, load};
use safetensors::tensor::{Dtype, TensorView, serialize};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.filter(|p| p.extension().is_some_and(|e| e == "safetensors")).collect()
}

#[test]
fn every_fixture_holds() {
    let files = files();
    assert!(files.len() >= 80, "only {} fixtures", files.len());
    for file in files {
        for o in check(&load(&file).unwrap()).unwrap() {
            assert!(o.holds(), "{} order {}: {:.1e} over {:.0e}", o.name, o.order, o.error, o.tolerance);
        }
    }
}

#[test]
fn a_changed_value_misses() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["softmax", "layer_norm", "gradient_penalty_dcgan"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{name}.safetensors"));
        let mut bytes = std::fs::read(source).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let text = String::from_utf8(bytes[8..8 + header].to_vec()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let tensors = json.as_object().unwrap();
        let (_, gradient) = tensors.iter().find(|(n, _)| n.starts_with("grad.")).unwrap();
        let at = 8 + header + gradient["data_offsets"][0].as_u64().unwrap() as usize;
        let value = f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        bytes[at..at + 8].copy_from_slice(&(value + 1e-4).to_le_bytes());
        let copy = folder.path().join(format!("{name}.safetensors"));
        std::fs::write(&copy, bytes).unwrap();
        let outcomes = check(&load(&copy).unwrap()).unwrap();
        assert!(outcomes.iter().any(|o| o.order == 1 && !o.holds()), "{name}: the change went unnoticed");
    }
}

/// Writes a fixture of f64 tensors and gives back what checking it says.
fn verdict(op: &str, attrs: &str, tensors: &[(&str, Vec<usize>)]) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.safetensors");
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, s)| [1.0f64].repeat(s.iter().product()).iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, shape), bytes)| (*name, TensorView::new(Dtype::F64, shape.clone(), bytes).unwrap()));
    let metadata = HashMap::from([("op".to_owned(), op.to_owned()), ("attrs".to_owned(), attrs.to_owned())]);
    std::fs::write(&path, serialize(views, Some(metadata)).unwrap()).unwrap();
    match load(&path).and_then(|f| check(&f)) {
        Err(e) => e,
        Ok(o) => panic!("{op} {attrs} {tensors:?} passed: {o:?}"),
    }
}

#[test]
fn bad_fixtures_are_one_line_that_names_the_file() {
    let square = |n: usize| vec![n, n];
    let out = |n| [("out", square(n)), ("cotangent", square(n))];
    let with = |extra: Vec<(&'static str, Vec<usize>)>, n| [extra, out(n).to_vec()].concat();
    let cases = [
        ("frobnicate", "{}", with(vec![("in.x", square(2))], 2), "unknown operation"),
        ("exp", "{}", with(vec![], 2), "needs a tensor in.x"),
        ("exp", "not json", with(vec![("in.x", square(2))], 2), "attrs is not JSON"),
        ("scale", "{}", with(vec![("in.x", square(2))], 2), "needs the attribute by"),
        ("exp", "{}", with(vec![("in.x", square(3))], 2), "out is [2, 2]"),
        (
            "exp",
            "{}",
            with(vec![("in.x", square(2)), ("grad.x", square(3))], 2),
            "no input of its name and shape",
        ),
        (
            "matmul",
            r#"{"transpose_a":false,"transpose_b":false}"#,
            with(vec![("in.a", square(2)), ("in.b", square(3))], 2),
            "matmul: [2, 2] by [3, 3]",
        ),
        ("reshape", r#"{"shape":[3]}"#, with(vec![("in.x", square(2))], 2), "reshape"),
        (
            "conv",
            r#"{"stride":[0,1],"padding":[0,0]}"#,
            with(vec![("in.x", vec![1, 3, 3, 1]), ("in.w", vec![2, 2, 1, 1])], 2),
            "conv",
        ),
    ];
    for (op, attrs, tensors, expected) in cases {
        let message = verdict(op, attrs, &tensors).to_string();
        assert!(message.contains(expected) && message.contains("bad.safetensors"), "{op}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/softmax.safetensors");
    let whole = std::fs::read(source).unwrap();
    let path = folder.path().join("cut.safetensors");
    for length in [0, 4, 8, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let message = load(&path).unwrap_err().to_string();
        assert!(message.contains("cut.safetensors"), "{length} bytes: {message}");
    }
    assert!(load(&folder.path().join("absent.safetensors")).is_err());
}
