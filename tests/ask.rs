//! `invnet ask`: what it prints, and what it refuses.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn invnet(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_invnet")).args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command printed that must succeed: results, and what is said beside.
fn good(folder: &Path, args: &[&str]) -> (String, String) {
    let output = invnet(folder, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

/// What a command said that must be refused as wrong use.
fn bad(folder: &Path, args: &[&str]) -> String {
    let output = invnet(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
    text(&output.stderr)
}

/// Thirty polycrystals of three classes, as `grains.npz`.
fn images() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let args =
        "data polycrystal --orientations 3 --size 16 --count 30 --grains 6 --periodic --out grains.npz";
    good(folder.path(), &args.split(' ').collect::<Vec<_>>());
    folder
}

fn ask(folder: &Path, what: &str, more: &[&str]) -> (String, String) {
    good(folder, &[["ask", what, "--on", "grains.npz"].as_slice(), more].concat())
}

fn numbers(folder: &Path, what: &str, more: &[&str]) -> Vec<Value> {
    let (json, _) = ask(folder, what, &[["--json"].as_slice(), more].concat());
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&value["images"], &value["classes"]), (&30.into(), &3.into()));
    value["numbers"].as_array().unwrap().clone()
}

#[test]
fn a_formula_is_measured_on_images() {
    let folder = images();
    let here = folder.path();
    let rows: Vec<Value> = ["mean(x[0])", "mean(x[1])", "-mean(x[2])"]
        .into_iter()
        .map(|formula| numbers(here, formula, &[]).remove(0))
        .collect();
    let of = |row: usize, key: &str| rows[row][key].as_f64().unwrap();
    assert!((of(0, "mean") + of(1, "mean") - of(2, "mean") - 1.0).abs() < 1e-6);
    for row in 0..3 {
        let [least, mean, most, spread] = ["least", "mean", "most", "deviation"].map(|key| of(row, key));
        assert!(least < mean && mean < most && spread > 0.0 && spread < most - least, "{rows:?}");
    }
    // A curve is a row a point; the border changes it.
    let curve = |border| numbers(here, "correlation(x[1], x[1], 5)", &["--border", border]);
    let (open, periodic) = (curve("open"), curve("periodic"));
    assert_eq!((open.len(), open[4]["name"].as_str()), (5, Some("formula4")));
    assert!((open[0]["mean"].as_f64().unwrap() - of(1, "mean")).abs() < 1e-6);
    // At no distance the border does not matter; the transforms of the two round differently.
    let apart = |r: usize| (open[r]["mean"].as_f64().unwrap() - periodic[r]["mean"].as_f64().unwrap()).abs();
    assert!(apart(0) < 1e-6 && apart(4) > 1e-4, "{} {}", apart(0), apart(4));
    // What is missing is counted, and left out of the rest.
    let missing = numbers(here, "mean(x[1]) / max(0, mean(x[1]) - 0.3)", &[]).remove(0);
    let count = missing["not_finite"].as_u64().unwrap();
    assert!(count > 0 && count < 30 && missing["mean"].as_f64().unwrap().is_finite(), "{missing}");

    let (table, said) = ask(here, "sum(x[1] * col) / sum(x[1])", &[]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(
        lines[0].starts_with("name") && lines[0].ends_with("not finite") && lines[0].len() == lines[1].len()
    );
    assert!(
        said.starts_with("formula: warning: sum(x[1] * col) / sum(x[1]) is no finite number where class 1"),
        "{said}"
    );
    assert!(said.ends_with("\n  sum(x[1] * col) / sum(x[1])\n  ^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"), "{said}");
    assert_eq!(ask(here, "sum(x[1] * col) / sum(x[1])", &["--quiet"]).1, "");
}

#[test]
fn every_property_of_a_configuration_is_measured() {
    let folder = images();
    let here = folder.path();
    let asks = "[[ask]]\nproperty = \"fractions\"\n[[ask]]\nname = \"p\"\nunit = \"of 1\"\nformula = \"mean(x[1])\"\n\
                [[ask]]\nproperty = \"correlation\"\nbins = 3\nname = \"own\"\n";
    fs::write(here.join("asks.toml"), asks).unwrap();
    let rows = numbers(here, "asks.toml", &[]);
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["f1", "f2", "f3", "p", "own0", "own1", "own2"]);
    assert_eq!((&rows[1]["mean"], &rows[3]["unit"]), (&rows[3]["mean"], &"of 1".into()));
    // The border is what the configuration says of its images, unless it is given.
    let border = |name: &str, more: &[&str]| {
        let (json, _) = ask(here, name, &[["--json"].as_slice(), more].concat());
        serde_json::from_str::<Value>(&json).unwrap()["border"].as_str().unwrap().to_owned()
    };
    assert_eq!(border("asks.toml", &[]), "open");
    for (file, data, expected) in [
        ("file.toml", "data = { source = \"elsewhere.npz\", border = \"periodic\" }", "periodic"),
        ("source.toml", "data = { source = \"polycrystal\", periodic = true, size = 32 }", "periodic"),
        ("open.toml", "data = \"polycrystal\"", "open"),
    ] {
        fs::write(here.join(file), format!("{data}\n{asks}")).unwrap();
        assert_eq!(border(file, &[]), expected, "{file}");
        assert_eq!(border(file, &["--border", "open"]), "open");
    }
}

#[test]
fn mistakes_say_what_and_where() {
    let folder = images();
    let here = folder.path();
    let on = |what: &str| bad(here, &["ask", what, "--on", "grains.npz"]);
    assert_eq!(
        on("mean(x[3])"),
        "error: is no class of the images: they have classes 0 to 2\n  mean(x[3])\n         ^\n"
    );
    assert!(on("meen(x[1])").contains("did you mean mean?"));
    assert!(on("mean(ln(x[1] - 1))").contains("formula: error: ln(x[1] - 1) is no finite number"));
    assert!(on("missing.toml").starts_with("error: missing.toml: "));
    fs::write(here.join("wrong.toml"), "[[ask]]\nname = \"a\"\nformula = \"mean(x[1]\"\n").unwrap();
    assert_eq!(
        on("wrong.toml"),
        "error: wrong.toml: ask.a.formula: is never closed by `)`\n  mean(x[1]\n      ^\n"
    );
    fs::write(here.join("wrong.toml"), "[[ask]]\nname = \"a\"\nformula = = 3\n").unwrap();
    assert!(on("wrong.toml").contains("wrong.toml: line 3, column 11: "));
    assert!(bad(here, &["ask", "mean(x[1])", "--on", "none.npz"]).contains("none.npz"));
    assert!(bad(here, &["ask", "mean(x[1])"]).contains("--on"));
}
