//! Flags reach what they are about.

use std::fs;
use std::io::Write;
use std::path::Path;

use invnet::data::export::write_npy_u8;
use invnet::data::import::{Options, Resize, import, read_npz};
use invnet::data::polycrystal::PolycrystalWorld;

#[cfg(feature = "simt")]
use super::program::log;
use super::program::{bad, bytes, good, invnet, text, training};

#[test]
fn threads_reach_the_pool_and_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let [devices, _] = good(here, &["devices", "--threads=3"]);
    assert!(devices.starts_with("cpu     3 threads\n"), "{devices}");
    for wrong in ["--threads=0", "--threads=1025", "--threads=two"] {
        assert_eq!(invnet(here, &["devices", wrong]).status.code(), Some(2), "{wrong}");
    }
    // Large enough to be split: 4 x 32 x 32 x 16 numbers, and more data than a piece.
    let large = ["--set=size=32", "--set=width=16", "--set=images=300", "--iterations=2", "--device=cpu"];
    for threads in ["1", "5"] {
        let more = [large.as_slice(), &["--threads", threads]].concat();
        good(here, &training(threads, &more));
        good(here, &["generate", "--run", threads, "--count=9", "--device=cpu", "--threads", threads]);
        let samples = ["--size=16", "--count=40", "--grains=9", "--threads", threads, "--out"];
        good(here, &[["data", "polycrystal"].as_slice(), &samples, &[&format!("{threads}.npz")]].concat());
    }
    for file in ["checkpoint.safetensors", "generated/samples.npy", "generated/measured.csv"] {
        let [one, five] = ["1", "5"].map(|run| bytes(&here.join(run), file));
        assert!(one == five, "{file}");
    }
    assert!(bytes(here, "1.npz") == bytes(here, "5.npz"));
}

#[test]
fn flags_of_a_polycrystal_are_those_of_its_world() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // Each other than the default.
    let world = PolycrystalWorld {
        size: 24,
        grains: 9,
        grains_to: 30,
        spread: 0.6,
        periodic: true,
        orientations: 4,
        concentration: 1.5,
        coarsen: 2,
    };
    let flags = "data polycrystal --size 24 --count 3 --seed 5 --grains 9 --grains-to 30 --spread 0.6 \
                 --periodic --orientations 4 --concentration 1.5 --coarsen 2 --out flags.npz";
    good(here, &flags.split_whitespace().collect::<Vec<_>>());
    assert_eq!(read_npz(here.join("flags.npz")).unwrap(), world.generate(3, 5));
    // And each changes something.
    for left_out in
        ["--grains-to 30 ", "--spread 0.6 ", "--periodic ", "--concentration 1.5 ", "--coarsen 2 "]
    {
        let fewer = flags.replace(left_out, "").replace("flags.npz", "fewer.npz") + " --overwrite";
        good(here, &fewer.split_whitespace().collect::<Vec<_>>());
        assert!(bytes(here, "fewer.npz") != bytes(here, "flags.npz"), "{left_out}changes nothing");
    }
}

/// Images of labels 0, 1, 3 in `labels.npy` [2, 24, 24], probabilities in `soft.npy` [2, 3, 6, 6], rows
/// of pixels in `rows.npy` [2, 24], coloured in `colours.png`, two arrays in `two.npz`.
fn sources(here: &Path) {
    let labels: Vec<u8> = (0..2 * 24 * 24).map(|i| [0, 1, 3, 1, 0][(i * i / 7 + i / 3) % 5]).collect();
    write_npy_u8(here.join("labels.npy"), &labels, &[2, 24, 24]).unwrap();
    write_npy_u8(here.join("rows.npy"), &labels[..48], &[2, 24]).unwrap();
    let soft: Vec<u8> = (0..2 * 3 * 36).map(|i| (i * 37 % 101) as u8).collect();
    write_npy_u8(here.join("soft.npy"), &soft, &[2, 3, 6, 6]).unwrap();
    let mut archive = zip::ZipWriter::new(fs::File::create(here.join("two.npz")).unwrap());
    for (name, value) in [("a", 0u8), ("b", 1)] {
        let pixels: Vec<u8> = (0..16).map(|i| value * (i % 2)).collect();
        write_npy_u8(here.join("one.npy"), &pixels, &[4, 4]).unwrap();
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&fs::read(here.join("one.npy")).unwrap()).unwrap();
    }
    archive.finish().unwrap();
    fs::remove_file(here.join("one.npy")).unwrap();
    let mut encoder = png::Encoder::new(fs::File::create(here.join("colours.png")).unwrap(), 4, 4);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..16).flat_map(|i| [[255, 0, 0], [0, 0, 255]][i / 3 % 2]).collect();
    encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).unwrap();
}

#[test]
fn flags_of_an_import_are_the_options_of_the_reader() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sources(here);
    let none = Options::default;
    let cut = || Options { tile: Some(8), stride: Some(4), ..none() };
    let cases: Vec<(&str, Options)> = vec![
        ("labels.npy", none()),
        ("labels.npy --keep-labels", Options { keep_labels: true, ..none() }),
        ("labels.npy --classes 6", Options { classes: Some(6), ..none() }),
        ("labels.npy --threshold 1.5", Options { threshold: Some(1.5), ..none() }),
        ("labels.npy --levels 3,1,0", Options { levels: vec![3.0, 1.0, 0.0], ..none() }),
        ("labels.npy --size 9x7", Options { size: Some([9, 7]), ..none() }),
        (
            "labels.npy --size 9x7 --resize nearest",
            Options { size: Some([9, 7]), resize: Resize::Nearest, ..none() },
        ),
        (
            "labels.npy --layout HWN --size 8",
            Options { layout: "HWN".parse().ok(), size: Some([8, 8]), ..none() },
        ),
        ("labels.npy --tile 8 --stride 5", Options { stride: Some(5), ..cut() }),
        ("labels.npy --tile 8 --stride 4", cut()),
        ("labels.npy --tile 8 --stride 4 --flips", Options { flips: true, ..cut() }),
        ("labels.npy --tile 8 --stride 4 --rotations", Options { rotations: true, ..cut() }),
        ("labels.npy --orientations 3", Options { orientations: Some(3), ..none() }),
        ("rows.npy --shape 4,6 --size 4x6", Options { shape: Some([4, 6]), size: Some([4, 6]), ..none() }),
        ("soft.npy --layout NCHW --argmax", Options { layout: "NCHW".parse().ok(), argmax: true, ..none() }),
        (
            "two.npz --dataset a --classes 2",
            Options { dataset: Some("a".into()), classes: Some(2), ..none() },
        ),
        (
            "two.npz --dataset b --classes 2",
            Options { dataset: Some("b".into()), classes: Some(2), ..none() },
        ),
        ("colours.png --colours blue,red", Options { colours: "blue,red".parse().ok(), ..none() }),
        ("colours.png --colours red,blue", Options { colours: "red,blue".parse().ok(), ..none() }),
    ];
    let mut sets = Vec::new();
    for (flags, options) in cases {
        let words = format!("data import {flags} --out set.npz --overwrite -q");
        good(here, &words.split_whitespace().collect::<Vec<_>>());
        let set = read_npz(here.join("set.npz")).unwrap();
        let source = here.join(flags.split(' ').next().unwrap());
        assert!(set == import(&source, &options).unwrap(), "{flags}");
        if let Some((other, _)) = sets.iter().find(|(_, other)| *other == set) {
            panic!("{flags}: the same set as {other}");
        }
        sets.push((flags, set));
    }
}

#[test]
fn flags_of_the_benchmark_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let flags = "bench step --net resnet --size 16 --width 3 --batch 2 --device cpu --threads 2";
    let [table, _] = good(here, &flags.split_whitespace().collect::<Vec<_>>());
    assert!(
        table.starts_with("Resnet 16 x 16, width 3, batch 2, cpu (2 threads, f32): medians of "),
        "{table}"
    );
    let flops = |words: &str| {
        let words = format!("bench step --size 16 --width 2 --device cpu --json {words}");
        let [json, _] = good(here, &words.split_whitespace().collect::<Vec<_>>());
        let times: serde_json::Value = serde_json::from_str(&json).unwrap();
        // Operations of an iteration: no clock.
        (times["gflops"].as_f64().unwrap() * times["ms_iteration"].as_f64().unwrap() * 1e6).round()
    };
    let two = flops("--batch 2");
    // Losses and the optimiser have some that do not grow with the batch.
    assert!((1.7..=2.0).contains(&(flops("--batch 4") / two)));
    assert!(flops("--batch 2 --net resnet") != two);
    let [cgan, acgan] = ["cgan", "acgan"].map(|of| flops(&format!("--batch 2 --objective {of}")));
    assert!(acgan < two, "a second head costs less than the projection: {acgan} of {two}");
    assert!(acgan < cgan, "a critic that sees six numbers beside three classes costs more: {acgan}, {cgan}");
    for (wrong, says) in [
        ("--net unet", "dcgan, resize or resnet"),
        ("--precision fp8", "fp32, tf32 or bf16"),
        ("--objective gan", "\"acgan\""),
    ] {
        let output = invnet(here, &[vec!["bench", "step"], wrong.split(' ').collect()].concat());
        assert!(output.status.code() == Some(2) && text(&output.stderr).contains(says), "{wrong}");
    }
}

/// No device was asked for, so none is named.
#[test]
fn a_model_without_a_compiler_says_what_is_missing() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_invnet"));
    command
        .args("bench model --size 16 --width 4 --batch 2 --json".split(' '))
        .env("INVNET_NVRTC", "/nowhere");
    let output = command.output().unwrap();
    let model: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let lacks = model["lacks"].as_str().unwrap();
    assert!(lacks.starts_with("instructions are not counted: no NVRTC"), "{lacks}");
}

/// Widths in fours of more than eight channels, so that every layer but the image's has tensor cores.
#[cfg(feature = "simt")]
#[test]
fn a_run_in_lower_precision_differs_by_its_rounding_and_is_sampled() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let train = |device: &str, precision: &str| {
        let out = format!("{device}-{precision}");
        let precision = format!("--set=precision={precision}");
        let more = ["--set=width=12", "--set=n_i=1", "--set=n_d=1", "--set=log_every=1", "--iterations=2"];
        let device = format!("--device={device}");
        let more = [more.as_slice(), &["--set=lr_g=1e-5", "--set=lr_d=1e-5", "--set=lr_i=1e-5"]].concat();
        let [_, said] = good(here, &training(&out, &[more.as_slice(), &[&precision, &device]].concat()));
        (log(&here.join(&out)), said)
    };
    let (whole, _) = train("simt", "fp32");
    for (precision, least, most) in [("tf32", 1e-6, 2e-2), ("bf16", 1e-5, 1e-1)] {
        let (rows, _) = train("simt", precision);
        let mut worst = 0.0f64;
        for (row, exact) in rows.iter().zip(&whole) {
            for (name, value) in row.as_object().unwrap().iter().filter(|(_, v)| v.is_f64()) {
                let (value, exact) = (value.as_f64().unwrap(), exact[name].as_f64().unwrap());
                worst = worst.max((value - exact).abs() / (1.0 + exact.abs()));
            }
        }
        assert!(rows.len() == 2 && (least..most).contains(&worst), "{precision}: {worst:e}");
        let run = format!("--run=simt-{precision}");
        good(here, &["generate", &run, "--count=2", "--device=simt"]);
    }
    // The CPU has no tf32, and says so; it has bf16.
    let (whole, _) = train("cpu", "fp32");
    let (rows, said) = train("cpu", "tf32");
    assert_eq!(rows, whole);
    assert!(said.contains("precision = \"tf32\": the CPU computes in single precision"), "{said}");
    let (rows, said) = train("cpu", "bf16");
    assert!(rows != whole && said.contains("bf16 by "), "{said}");
    good(here, &["generate", "--run=cpu-bf16", "--count=2", "--device=cpu"]);
}

#[test]
fn options_that_would_be_ignored_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sources(here);
    for (flags, says) in [
        (
            "data import labels.npy --dataset a",
            "--dataset chooses an array of several, and this file has none",
        ),
        ("data import colours.png --shape 3,3", "--shape says what the rows"),
        ("data import colours.png --layout HW", "--layout says"),
        ("data import labels.npy --argmax", "--argmax takes the largest of several: leave it out"),
        ("data import labels.npy --keep-labels --levels 0,1,3", "--keep-labels is of labels"),
        (
            "data import labels.npy --classes 3 --threshold 1",
            "--threshold makes 2 classes: leave --classes out",
        ),
        ("data import labels.npy --classes 4 --levels 0,1,3", "--levels makes 3 classes"),
        ("data import labels.npy --spacing 0.5 --unit px", "a pixel is 1 px wide"),
    ] {
        let words = format!("{flags} --out set.npz");
        bad(here, &words.split_whitespace().collect::<Vec<_>>(), &[says]);
        assert!(!here.join("set.npz").exists(), "{flags}");
    }
    bad(here, &["devices", "--device=cuda:7"], &["--device cuda:7", "--prove"]);
    bad(here, &["train", "two.npz"], &["two.npz: is no preset", "--set data=FILE.npz"]);
    bad(
        here,
        &["train", "circles-quick", "--set=data=colours.png"],
        &["colours.png: is no data set", "invnet data import /", "colours.png --out mine.npz"],
    );
    // Without anything to bring to a size.
    let output = invnet(here, &["data", "import", "labels.npy", "--resize=nearest", "--out=set.npz"]);
    assert!(
        output.status.code() == Some(2) && text(&output.stderr).contains("--size"),
        "{}",
        text(&output.stderr)
    );
    // Two orientations do not keep grains apart.
    let [_, said] = good(
        here,
        &[
            "data",
            "polycrystal",
            "--size=32",
            "--count=3",
            "--orientations=2",
            "--out=two.npz",
            "--overwrite",
        ],
    );
    assert!(
        said.contains("with 2 orientations") && said.contains("--orientations 4 keeps them apart"),
        "{said}"
    );
    let [printed, said] = good(here, &["data", "import", "labels.npy", "--orientations=2", "--out=set.npz"]);
    assert!(said.contains("--orientations") && !printed.contains("labels:"), "{printed}{said}");
}
