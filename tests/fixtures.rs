//! The fixtures in `fixtures/`, and files that are not as they should be.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use invnet::device::Kind;
use invnet::error::Error;
use invnet::fixtures::{Place, check, load};
use invnet::gradcheck::Outcome;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path());
    entries.filter(|p| p.extension().is_some_and(|e| e == "safetensors")).collect()
}

#[test]
fn every_fixture_holds() {
    let files = files();
    assert!(files.len() >= 106, "only {} fixtures", files.len());
    for file in files {
        for o in check(&load(&file).unwrap(), Place::Oracle).unwrap() {
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
        let json: Value = serde_json::from_str(&text).unwrap();
        let tensors = json.as_object().unwrap();
        let (_, gradient) = tensors.iter().find(|(n, _)| n.starts_with("grad.")).unwrap();
        let at = 8 + header + gradient["data_offsets"][0].as_u64().unwrap() as usize;
        let value = f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        bytes[at..at + 8].copy_from_slice(&(value + 1e-4).to_le_bytes());
        let copy = folder.path().join(format!("{name}.safetensors"));
        std::fs::write(&copy, bytes).unwrap();
        let outcomes = check(&load(&copy).unwrap(), Place::Oracle).unwrap();
        assert!(outcomes.iter().any(|o| o.order == 1 && !o.holds()), "{name}: the change went unnoticed");
    }
}

/// A fixture file as JSON header and data.
#[derive(Clone)]
struct Parts {
    op: String,
    attrs: serde_json::Map<String, Value>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Parts {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = tensors.iter().map(|(name, view)| {
            let values = view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()));
            (name.to_owned(), (view.shape().to_vec(), values.collect()))
        });
        let attrs = serde_json::from_str(&metadata["attrs"]).unwrap();
        Self { op: metadata["op"].clone(), attrs, tensors: tensors.collect() }
    }

    fn write(&self, path: &Path) {
        let bytes = self.tensors.iter().map(|(name, (shape, values))| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name, shape.clone(), bytes)
        });
        let bytes: Vec<_> = bytes.collect();
        let views = bytes
            .iter()
            .map(|(name, shape, bytes)| (*name, TensorView::new(Dtype::F64, shape.clone(), bytes).unwrap()));
        let attrs = Value::from(self.attrs.clone()).to_string();
        let metadata = HashMap::from([("op".to_owned(), self.op.clone()), ("attrs".to_owned(), attrs)]);
        std::fs::write(path, serialize(views, Some(metadata)).unwrap()).unwrap();
    }

    /// What checking it says.
    fn check(&self, folder: &Path) -> Result<Vec<Outcome>, Error> {
        let path = folder.join("bad.safetensors");
        self.write(&path);
        load(&path).and_then(|f| check(&f, Place::Oracle))
    }

    /// A tensor of ones.
    fn with(mut self, name: &str, shape: &[usize]) -> Self {
        self.tensors.insert(name.into(), (shape.to_vec(), vec![1.0; shape.iter().product()]));
        self
    }

    fn without(mut self, name: &str) -> Self {
        assert!(self.tensors.remove(name).is_some(), "{name}");
        self
    }

    fn attr(mut self, name: &str, value: Value) -> Self {
        self.attrs.insert(name.into(), value);
        self
    }
}

/// One of the fixtures in the folder.
fn fixture(stem: &str) -> Parts {
    Parts::read(&folder().join(format!("{stem}.safetensors")))
}

/// A fixture whose inputs, `out` and `cotangent` hold ones.
fn ones(op: &str, inputs: &[(&str, &[usize])], out: &[usize]) -> Parts {
    let parts = Parts { op: op.into(), attrs: serde_json::Map::new(), tensors: BTreeMap::new() };
    let parts = parts.with("out", out).with("cotangent", out);
    inputs.iter().fold(parts, |parts, (name, shape)| parts.with(&format!("in.{name}"), shape))
}

/// A message of one line that names the file and is no accident of the program.
fn assert_is_a_refusal(what: &str, message: &str) {
    let accident = [
        "index",
        "out of bounds",
        "range end",
        "range start",
        "unwrap",
        "overflow",
        "divisor",
        "out of range",
    ];
    let accident = accident.iter().find(|word| message.contains(**word));
    assert!(message.contains("bad.safetensors") && message.lines().count() == 1, "{what}: {message}");
    assert!(accident.is_none(), "{what}: {message}");
}

#[test]
fn bad_fixtures_are_one_line_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let pair = |n: usize| json!([n, n]);
    let image: &[usize] = &[1, 3, 3, 1];
    let conv = |stride: usize| {
        let parts = ones("conv", &[("x", image), ("w", &[2, 2, 1, 1])], &[1, 2, 2, 1]);
        parts.attr("stride", pair(stride)).attr("padding", pair(0))
    };
    let transposed = |extra: usize| {
        let parts = ones("conv_transpose", &[("x", &[1, 2, 2, 1]), ("w", &[2, 2, 1, 1])], &[1, 5, 5, 1]);
        parts.attr("stride", pair(2)).attr("padding", pair(0)).attr("output_padding", pair(extra))
    };
    let weight = |g: &[usize]| {
        let parts = ones("conv_weight", &[("x", image), ("g", g)], &[2, 2, 1, 1]);
        parts.attr("stride", pair(1)).attr("padding", pair(0)).attr("kernel", pair(2))
    };
    let norm = |op: &str, x: &[usize]| {
        let channel: &[usize] = &[*x.last().unwrap()];
        ones(op, &[("x", x), ("gamma", channel), ("beta", channel)], x).attr("eps", json!(1e-5))
    };
    let gather = |row: f64| {
        let mut parts = fixture("gather");
        parts.tensors.get_mut("in.rows").unwrap().1[0] = row;
        parts
    };
    let two = |op: &str| ones(op, &[("x", &[2, 2])], &[2, 2]);
    let cases = [
        (two("frobnicate"), "unknown operation"),
        (ones("exp", &[], &[2, 2]), "needs a tensor in.x"),
        (two("scale"), "needs the attribute by"),
        (ones("exp", &[("x", &[3, 3])], &[2, 2]), "out is [2, 2]"),
        (two("exp").with("grad.x", &[3, 3]), "grad.x has no input of its name and shape"),
        (two("exp").with("grad.y", &[2, 2]), "grad.y has no input of its name and shape"),
        (two("reshape").attr("shape", json!([3])), "reshape"),
        // What nobody would compare.
        (two("exp").with("Grad.x", &[2, 2]), "Grad.x is none that a fixture has"),
        (two("exp").with("in.y", &[2, 2]), "exp has no input y"),
        (two("exp").attr("slope", json!(0.2)), "exp has no attribute slope"),
        (conv(1).attr("dilation", json!(2)), "conv has no attribute dilation"),
        (two("exp").with("tangent.x", &[2, 2]), "tangent.x without grad.x"),
        (fixture("mul_same").without("gradgrad.a"), "no gradgrad.a"),
        (fixture("mul_one_tangent").without("gradgrad.a"), "no gradgrad.a"),
        (fixture("exp").without("tangent.x"), "no tangent that they are along"),
        (fixture("exp").without("grad.x"), "without grad.x"),
        // What has no meaning.
        (conv(0), "stride must be above 0"),
        (transposed(2), "output_padding [2, 2]: must be less than stride"),
        (weight(&[1, 3, 3, 1]), "no convolution of [1, 3, 3, 1]"),
        (weight(&[2, 2, 2, 1]), "no convolution of [1, 3, 3, 1]"),
        (norm("batch_norm", &[4]), "needs 2 or 4 axes"),
        (norm("layer_norm", &[4, 3]), "needs 4 axes"),
        (norm("batch_norm", &[2, 3, 2, 2]).with("in.gamma", &[2, 2]), "in.gamma is [2, 2]: it must be [2]"),
        (ones("softmax", &[("x", &[])], &[]), "axes"),
        (ones("concat", &[("x0", &[2, 2]), ("x1", &[2, 3])], &[4, 2]).attr("axis", json!(0)), "along axis 0"),
        (ones("concat", &[("x0", &[2, 2])], &[2, 2]).attr("axis", json!(5)), "along axis 5"),
        (
            ones("matmul", &[("a", &[2, 2]), ("b", &[3, 3])], &[2, 2])
                .attr("transpose_a", json!(false))
                .attr("transpose_b", json!(false)),
            "matmul: [2, 2] by [3, 3]",
        ),
        (ones("volume_fraction", &[("x", image)], &[1, 1]).attr("phase", json!(1)), "phase = 1"),
        (gather(7.0), "must be below 5"),
        (gather(0.5), "whole numbers"),
        (gather(-1.0), "whole numbers"),
        (
            ones("gather", &[("table", &[5, 3]), ("rows", &[4])], &[4, 3]).with("grad.rows", &[4]),
            "without a gradient",
        ),
        (fixture("one_hot").attr("classes", json!(2)), "in.maps holds"),
    ];
    for (parts, expected) in cases {
        let outcome = parts.check(folder.path());
        let message =
            outcome.map(|o| panic!("{} {:?} passed: {o:?}", parts.op, parts.attrs)).unwrap_err().to_string();
        assert!(message.contains(expected), "{}, {expected:?}: {message}", parts.op);
        assert_is_a_refusal(&parts.op, &message);
    }
    assert!(weight(&[1, 2, 2, 1]).check(folder.path()).is_ok() && transposed(1).check(folder.path()).is_ok());
    let path = folder.path().join("bad.safetensors");
    for attrs in ["not json", "[1]"] {
        let tensor = TensorView::new(Dtype::F64, vec![1], &[0; 8]).unwrap();
        let metadata =
            HashMap::from([("op".to_owned(), "exp".to_owned()), ("attrs".to_owned(), attrs.to_owned())]);
        std::fs::write(&path, serialize([("out", tensor)], Some(metadata)).unwrap()).unwrap();
        assert_is_a_refusal(attrs, &load(&path).unwrap_err().to_string());
    }
}

/// Every fixture with one shape or attribute changed: refused in words, or checked.
#[test]
fn no_malformed_shape_or_attribute_is_an_accident() {
    let folder = tempfile::tempdir().unwrap();
    let mut refused = 0;
    let mut examine = |what: &str, parts: Parts| {
        if let Err(error) = parts.check(folder.path()) {
            assert_is_a_refusal(what, &error.to_string());
            refused += 1;
        }
    };
    for file in files() {
        let whole = Parts::read(&file);
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        // Of critics that see more than an image two are enough: the others have the same inputs.
        if ["dcgan_beside_image", "resnet_"]
            .iter()
            .any(|of| stem.starts_with(&format!("gradient_penalty_{of}")))
        {
            continue;
        }
        // Derivatives only add shapes that must agree.
        let bare = Parts {
            tensors: whole
                .tensors
                .into_iter()
                .filter(|(name, _)| !name.contains("grad") && !name.starts_with("tangent"))
                .collect(),
            ..whole
        };
        for (name, (shape, _)) in &bare.tensors {
            // A critic has a dozen weights, all of which are treated alike.
            if bare.op == "gradient_penalty"
                && !["real", "u", "linear.w", "real_beside", "fake_beside", "projection.w"]
                    .map(|input| format!("in.{input}"))
                    .contains(name)
            {
                continue;
            }
            let mut shapes = vec![
                vec![],
                [vec![1], shape.clone()].concat(),
                [shape.clone(), vec![2]].concat(),
                vec![3; 6],
            ];
            for axis in 0..shape.len() {
                let mut changed = shape.clone();
                changed.remove(axis);
                shapes.push(changed);
                for extent in [0, 1, shape[axis] + 1] {
                    let mut changed = shape.clone();
                    changed[axis] = extent;
                    shapes.push(changed);
                }
            }
            for changed in shapes.into_iter().filter(|s| s.len() <= 6) {
                let what = format!("{stem}, {name} {changed:?}");
                examine(&what, bare.clone().with(name, &changed));
            }
        }
        for name in bare.attrs.keys() {
            let values =
                [json!(-1), json!(0), json!(1), json!(1 << 20), json!(1u64 << 63), json!(0.5), json!(1e308)];
            let lists = [
                json!([]),
                json!([0]),
                json!([9, 9]),
                json!([0, 0, 0]),
                json!([1 << 20, 1 << 20, 1 << 20, 1 << 20]),
            ];
            let others = [json!(null), json!("dcgan"), json!({"a": 1}), json!(true)];
            for value in values.into_iter().chain(lists).chain(others) {
                examine(&format!("{stem}, {name} = {value}"), bare.clone().attr(name, value));
            }
        }
    }
    assert!(refused > 4000, "only {refused} were refused");
}

#[test]
fn fixtures_hold_on_devices_in_single_precision() {
    let mut places = vec![Place::Device(Kind::Cpu)];
    if cfg!(feature = "simt") {
        places.push(Place::Device(Kind::Simt));
    }
    for place in places {
        let mut worst = [0.0f64; 3];
        for file in files() {
            for o in check(&load(&file).unwrap(), place).unwrap() {
                assert!(o.holds(), "{} order {} on {place:?}: {:.1e}", o.name, o.order, o.error);
                worst[usize::from(o.order)] = worst[usize::from(o.order)].max(o.error);
            }
        }
        // It is single precision that was tested.
        assert!(worst.iter().all(|&w| w > 1e-8), "{place:?}: {worst:?}");
        println!("{place:?}: {worst:?}");
    }
}

fn gradcheck(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_invnet")).arg("gradcheck").args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_file_that_cannot_be_checked_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("a_cut.safetensors"), [1; 20]).unwrap();
    fixture("exp").write(&path("b_good.safetensors"));
    let all = folder.path().to_str().unwrap();
    let absent = path("absent").display().to_string();
    let on = ["--device=cpu", all, &absent];
    let (code, out, said) = gradcheck(&on);
    assert_eq!(code, Some(2), "{out}{said}");
    assert!(
        out.contains("b_good") && said.contains("a_cut.safetensors") && said.contains("absent"),
        "{out}{said}"
    );
    assert!(said.contains("3 checks hold, and 2 could not be checked"), "{said}");
    // A miss is worse, wherever it stands.
    let mut wrong = fixture("exp");
    wrong.tensors.get_mut("grad.x").unwrap().1[0] += 1e-3;
    for name in ["a.safetensors", "c.safetensors"] {
        wrong.write(&path(name));
        let (code, out, said) = gradcheck(&on);
        assert!(code == Some(1) && out.contains("MISS"), "{out}{said}");
        assert!(said.contains("of 6 checks misses its tolerance, and 2 could not be checked"), "{said}");
        std::fs::remove_file(path(name)).unwrap();
    }
    let good = path("b_good.safetensors").display().to_string();
    let (code, out, said) = gradcheck(&["--device=cpu", &good]);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{out}");
    let (code, _, said) = gradcheck(&["--device=quantum", &good]);
    assert!(code == Some(2) && said.contains("auto, cpu, cuda"), "{said}");
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
