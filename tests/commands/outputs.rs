//! Nothing is replaced that was not asked for.

use std::fs;

use super::program::{bad, bytes, good, training};

#[test]
fn data_sets_and_reports_are_replaced_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let data = |more: &[&'static str]| {
        [["data", "circles", "--size=16", "--count=4", "--out=c.npz"].as_slice(), more].concat()
    };
    good(here, &data(&[]));
    let before = bytes(here, "c.npz");
    bad(here, &data(&["--seed=1"]), &["c.npz", "--overwrite"]);
    fs::write(here.join("c.csv"), "mine").unwrap();
    fs::remove_file(here.join("c.npz")).unwrap();
    bad(here, &data(&["--format=csv"]), &["c.csv", "--overwrite"]);
    assert!(!here.join("c.npz").exists() && bytes(here, "c.csv") == b"mine");
    good(here, &data(&["--format=csv", "--overwrite"]));
    assert_eq!(bytes(here, "c.npz"), before);
    assert!(bytes(here, "c.csv").starts_with(b"image,r1"));

    good(here, &training("run", &["--iterations=2"]));
    good(here, &["evaluate", "--run=run", "--samples=5"]);
    assert!(here.join("run/evaluated/report.png").exists());
    bad(here, &["evaluate", "--run=run", "--samples=5"], &["report.json", "--overwrite"]);
    good(here, &["evaluate", "--run=run", "--samples=6", "--overwrite"]);
}

#[test]
fn names_do_not_contradict_what_they_name() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for out in ["x.csv", "x.h5", "x", "x.npz.old"] {
        bad(here, &["data", "circles", "--size=16", "--count=2", "--out", out], &[out, ".npz"]);
    }
    bad(here, &training("run.npz", &[]), &["run.npz", "folder"]);
    fs::write(here.join("file"), "mine").unwrap();
    bad(here, &training("file", &[]), &["file", "folder"]);
    good(here, &training("run-1.5", &["--iterations=1"]));
    bad(here, &["evaluate", "--run=run-1.5", "--out=report.json"], &["report.json", "folder"]);
    assert_eq!(fs::read_dir(here).unwrap().count(), 2);
}
