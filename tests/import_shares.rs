//! What resizing and windows do to the classes is said, and the advice holds.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use invnet::data::import::{Import, Options, import};

fn npy(path: &Path, side: usize, pixel: impl Fn(usize, usize) -> u8) {
    let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({side}, {side}), }}\n");
    let pixels: Vec<u8> = (0..side * side).map(|i| pixel(i / side, i % side)).collect();
    let head =
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    fs::write(path, [head, pixels].concat()).expect("writes");
}

fn sized(side: usize) -> Options {
    Options { size: Some([side, side]), ..Options::default() }
}

fn warnings(path: &Path, options: &Options) -> Vec<String> {
    let source = Import::open(path, options).expect("reads");
    let data = source.read(&mut |_, _| Ok(())).expect("reads");
    source.warnings(&data).expect("warns")
}

/// A precipitate of 4 x 4 pixels in every 12 x 12, and a line of one pixel across.
fn alloy(y: usize, x: usize) -> u8 {
    if y == 100 { 2 } else { u8::from(y % 12 < 4 && x % 12 < 4) }
}

#[test]
fn a_share_that_resizing_changes_is_a_warning_with_advice_that_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.npy");
    npy(&path, 256, alloy);
    let said = warnings(&path, &sized(16));
    let [said] = said.as_slice() else { panic!("one warning: {said:?}") };
    for part in ["resizing to 16 x 16", "f2 (label 1) vanishes", "f3 (label 2) vanishes", "--tile 16 instead"]
    {
        if !part.contains("label") {
            assert!(said.contains(part), "{said}");
        }
    }
    assert!(
        said.contains("f2 vanishes (it was 0.1") && said.contains("f3 vanishes (it was 0.0039)"),
        "{said}"
    );
    let advised = said.split("--size ").nth(1).and_then(|t| t.split(' ').next()).expect("a size");
    let advised: usize = advised.parse().expect("a number");
    assert!(advised > 16 && advised.is_power_of_two());
    assert_eq!(warnings(&path, &sized(advised)), Vec::<String>::new());
    // The next smaller one does not hold: the advice is no larger than need be.
    assert!(!warnings(&path, &sized(advised / 2)).is_empty());
    let windows = Options { tile: Some(16), ..Options::default() };
    let count: usize = said
        .split(" cuts ")
        .nth(1)
        .and_then(|t| t.split(' ').next())
        .expect("a count")
        .parse()
        .expect("a number");
    let data = import(&path, &windows).expect("as advised");
    assert_eq!(count, data.count);
}

#[test]
fn what_keeps_its_share_is_no_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.npy");
    npy(&path, 256, |y, x| u8::from(y / 64 % 2 == x / 64 % 2));
    assert_eq!(warnings(&path, &sized(64)), Vec::<String>::new());
    assert_eq!(warnings(&path, &Options::default()), Vec::<String>::new());
    // A change of one percentage point and more, or of a tenth of a small share: some rows are solid,
    // and single pixels elsewhere are what is lost.
    for (solid, single, warned) in
        [(124, 0.009, false), (124, 0.012, true), (4, 0.0016, false), (4, 0.002, true)]
    {
        let pixels = (single * 65536.0) as usize;
        npy(&path, 256, |y, x| {
            let far = y >= 128 && y % 4 == 0 && x % 4 == 0;
            u8::from(y < solid || far && (y - 128) / 4 * 64 + x / 4 < pixels)
        });
        let said = warnings(&path, &sized(64));
        assert_eq!(!said.is_empty(), warned, "{solid} {single}: {said:?}");
    }
}

#[test]
fn a_class_that_is_in_no_window_of_a_part_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.npy");
    // Class 2 only at the top left, where nothing is held out.
    npy(&path, 128, |y, x| if y < 8 && x < 8 { 2 } else { u8::from((y / 4 + x / 4) % 2 == 0) });
    let windows = Options { tile: Some(16), ..Options::default() };
    let said = warnings(&path, &windows);
    assert!(said.len() == 1 && said[0].starts_with("no held-out window shows class f3"), "{said:?}");
    // The last columns are in a window, whatever the stride.
    npy(&path, 130, |y, x| if x > 127 && y < 20 { 2 } else { u8::from((y / 4 + x / 4) % 2 == 0) });
    let data = import(&path, &windows).expect("reads");
    assert!(data.maps.contains(&2));
}

#[test]
fn windows_unlike_their_image_are_a_warning_with_a_stride_that_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.npy");
    // Class 1 in rows that windows of 32 pass over if they begin at every 64th.
    npy(&path, 416, |y, x| u8::from(y / 32 % 2 == 1 || x % 32 == 0));
    let windows = |stride| Options { tile: Some(32), stride: Some(stride), ..Options::default() };
    let said = warnings(&path, &windows(64));
    assert!(said.len() == 1 && said[0].starts_with("the windows are not like the images"), "{said:?}");
    assert!(said[0].ends_with("; --tile 32 keeps the shares"), "{said:?}");
    assert_eq!(warnings(&path, &windows(32)), Vec::<String>::new());
}

fn invnet(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_invnet")).current_dir(folder).args(args).output().expect("runs")
}

#[test]
fn the_command_says_shares_labels_parts_and_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    npy(&here.join("a.npy"), 256, |y, x| [1, 4][usize::from(alloy(y, x) > 0)]);
    let output = invnet(here, &["data", "import", "a.npy", "--size=16", "--out=a.npz"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("labels: f1 is 1, f2 is 4"), "{out}{err}");
    assert!(err.starts_with("warning: resizing to 16 x 16") && err.lines().count() == 1, "{err}");
    assert!(err.contains("f2 (label 4) vanishes"), "{err}");
    let output =
        invnet(here, &["data", "import", "a.npy", "--tile=16", "--rotations", "--out=b.npz", "--format=csv"]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("for training") && out.contains("held out, in the corner"), "{out}");
    let table = fs::read_to_string(here.join("b.csv")).expect("a table");
    assert!(table.starts_with("image,f1,f2,held_out\n"), "{table}");
    assert!(table.lines().skip(1).any(|l| l.ends_with(",1")) && table.lines().any(|l| l.ends_with(",0")));

    // A folder: the files are listed, a few of many, and all in a table beside the set.
    fs::create_dir(here.join("slices")).expect("a folder");
    for i in 1..=12 {
        let path = here.join(format!("slices/s{i}.png"));
        let mut encoder = png::Encoder::new(fs::File::create(path).expect("a file"), 2, 2);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().and_then(|mut w| w.write_image_data(&[0, 1, 0, i % 2])).expect("writes");
    }
    let output = invnet(here, &["data", "import", "slices", "--out=s.npz"]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("image 0: slices/s1.png") && out.contains("image 11: slices/s12.png"), "{out}");
    assert!(out.contains("s.files.csv") && out.contains("... 7 more files"), "{out}");
    let table = fs::read_to_string(here.join("s.files.csv")).expect("a table");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        (lines.len(), lines[0], lines[2], lines[12]),
        (13, "first,count,file", "1,1,slices/s2.png", "11,1,slices/s12.png")
    );
    // It does not outlive the set that it is of.
    assert!(invnet(here, &["data", "import", "a.npy", "--out=s.npz", "--overwrite"]).status.success());
    assert!(!here.join("s.files.csv").exists());

    let output = invnet(here, &["data", "import", "a.npy", "--levels", "-1,1", "--out=c.npz"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && err.contains("not among --levels -1,1"), "{err}");
}

#[test]
fn one_threshold_for_images_of_other_bit_depths_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let pixel = |y: usize, x: usize| if (y + x).is_multiple_of(3) { 200 } else { 30 };
    npy(&at("a.npy"), 16, pixel);
    npy(&at("b.npy"), 16, |y, x| pixel(y, x) / 2);
    let options = Options { threshold: Some(60.0), ..Options::default() };
    assert_eq!(warnings(folder.path(), &options), Vec::<String>::new());
    // The same in sixteen bits.
    let text = "{'descr': '<u2', 'fortran_order': False, 'shape': (16, 16), }\n";
    let pixels = (0..256).flat_map(|i| (u16::from(pixel(i / 16, i % 16)) * 257).to_le_bytes());
    let mut file =
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    file.extend(pixels);
    fs::write(at("c.npy"), file).expect("writes");
    let said = warnings(folder.path(), &options);
    let [said] = said.as_slice() else { panic!("one warning: {said:?}") };
    for part in ["up to 100 in", "b.npy and to 51400 in", "c.npy, and --threshold 60 is for both"] {
        assert!(said.contains(part), "{said}");
    }
    // Without a threshold every value is a class, and that is another matter.
    assert_eq!(warnings(&at("a.npy"), &Options { levels: vec![30.0, 200.0], ..Options::default() }), [""; 0]);
}
