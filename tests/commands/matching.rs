//! Samples of a person's image: what reading changes of it is said.

use std::path::Path;

use invnet::data::export::write_npy_u8;

use super::program::{good, invnet, text};

fn matched(here: &Path, more: &[&str]) -> String {
    let always =
        ["match", "thin.npy", "--no-model", "--best-effort", "--within=50%", "--overwrite", "--out=out"];
    let [_, said] = good(here, &[&always, more].concat());
    said
}

#[test]
fn what_reading_changes_of_an_image_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // Lines one pixel wide: none is the largest part of four pixels.
    let lines: Vec<u8> = (0..32 * 32).map(|i| 200 * u8::from(i % 4 == 0)).collect();
    write_npy_u8(here.join("thin.npy"), &lines, &[32, 32]).unwrap();
    let said = matched(here, &["--threshold=100", "--size=8"]);
    assert!(said.contains("warning: resizing to 8 x 8") && said.contains("f2 vanishes"), "{said}");
    let said = matched(here, &["--threshold=250", "--size=16"]);
    assert!(said.contains("warning: no pixel of the source is of class f2"), "{said}");
    let said = matched(here, &["--threshold=100", "--tile=8", "--stride=4"]);
    assert!(said.contains("images: the mean of their numbers is asked for"), "{said}");
    // What would do nothing is refused.
    for [one, other] in [["--run=run", "--ask=a.toml"], ["--no-model", "--tries=3"]] {
        let output = invnet(here, &["match", "thin.npy", one, other]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("cannot be used with '--"), "{said}");
    }
}
