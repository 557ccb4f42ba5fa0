//! The commands as a person types them, with good and with bad input.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const TINY: [&str; 11] = [
    "--set=size=16",
    "--set=width=2",
    "--set=batch=4",
    "--set=images=50",
    "--set=latent=4",
    "--set=log_every=2",
    "--set=checkpoint_every=4",
    "--set=sample_every=6",
    "--set=eval_samples=20",
    // After so few iterations figures are too frayed to be smoothed.
    "--set=relax=0",
    "--set=modulate=false",
];

fn invnet(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_invnet")).args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must succeed and returns what it printed.
fn good(folder: &Path, args: &[&str]) -> String {
    let output = invnet(folder, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs a command that must be refused as wrong use, in one line that says certain things.
fn bad(folder: &Path, args: &[&str], says: &[&str]) {
    let output = invnet(folder, args);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    for part in says {
        assert!(message.contains(part), "{args:?} does not say {part:?}: {message}");
    }
    // clap's own messages end with a pointer to --help and may take several lines.
    if !message.contains("--help") {
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    }
}

fn train(folder: &Path, out: &str, iterations: &str) {
    let args =
        [["train", "circles-quick", "--out", out, "--iterations", iterations].as_slice(), &TINY].concat();
    good(folder, &args);
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The log without its wall times.
fn losses(path: &Path) -> Vec<serde_json::Value> {
    let mut rows = lines(path);
    for row in &mut rows {
        assert!(row.as_object_mut().unwrap().remove("seconds").is_some());
    }
    rows
}

#[test]
fn a_run_leaves_every_file_and_can_be_sampled_and_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    train(here, "run", "8");
    let run = here.join("run");
    for file in
        ["config.toml", "metrics.jsonl", "checkpoint.safetensors", "report.json", "report.png", "losses.png"]
    {
        assert!(fs::metadata(run.join(file)).unwrap().len() > 0, "{file}");
    }
    assert!(run.join("samples/000006.png").exists());
    let rows = lines(&run.join("metrics.jsonl"));
    assert_eq!(rows.iter().map(|r| r["iteration"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 4, 6, 8]);
    let names =
        "seconds critic_loss wasserstein gradient_penalty generator_loss invariance_loss radius centroid";
    for name in names.split(' ') {
        assert!(rows[0][name].is_number(), "{name}");
    }

    let out =
        good(here, &["generate", "--run=run", "--count=5", "--target=r1=3,cx1=6", "--soft", "--best-effort"]);
    assert!(out.contains("5 samples"), "{out}");
    let csv = fs::read_to_string(run.join("generated/measured.csv")).unwrap();
    let mut rows = csv.lines();
    assert!(
        rows.next().unwrap().starts_with("asked_r1,measured_r1,asked_r2,measured_r2,asked_cx1,measured_cx1")
    );
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|r| r.starts_with("3,") && r.split(',').nth(4) == Some("6")), "{rows:?}");
    assert!(
        rows.iter().any(|r| r.split(',').nth(6) != rows[0].split(',').nth(6)),
        "open properties never vary"
    );
    let header = |file: &str| text(&fs::read(run.join("generated").join(file)).unwrap()[..128]);
    assert!(
        header("samples.npy").contains("(5, 16, 16") && header("samples.npy").contains("u1"),
        "{}",
        header("samples.npy")
    );
    assert!(
        header("probabilities.npy").contains("(5, 16, 16, 3") && header("probabilities.npy").contains("f4")
    );
    assert!(run.join("generated/samples.png").exists());

    fs::write(here.join("asked.csv"), "r2,cy2\n2,5\n3.5,\n").unwrap();
    good(here, &["generate", "--run=run", "--count=3", "--targets=asked.csv", "--out=g", "--best-effort"]);
    let csv = fs::read_to_string(here.join("g/measured.csv")).unwrap();
    let asked: Vec<&str> = csv.lines().skip(1).map(|l| l.split(',').nth(2).unwrap()).collect();
    assert_eq!(asked, ["2", "3.5", "2"]);

    good(here, &["evaluate", "--run=run", "--samples=30", "--closed", "--out=e"]);
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(here.join("e/report.json")).unwrap()).unwrap();
    assert_eq!(report["samples"], 30);
    let closed = &report["closed"];
    assert_eq!(closed["samples"], 30);
    assert_eq!(closed["passes"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>(), 30);
    let errors = |number: &serde_json::Value, of: &str| number[of]["mean_abs_error"].as_f64().unwrap();
    assert_eq!(closed["numbers"].as_array().unwrap().len(), report["properties"].as_array().unwrap().len());
    for number in closed["numbers"].as_array().unwrap() {
        assert!(errors(number, "closed") <= errors(number, "one_shot"), "{number}");
    }
    for name in ["single_component", "circularity", "iou", "diversity", "seconds_per_sample"] {
        assert!(report[name].is_number(), "{name}");
    }
    for property in report["properties"].as_array().unwrap() {
        for (of, what) in ["argmax", "softmax"]
            .iter()
            .flat_map(|o| ["mean_abs_error", "bias", "std", "p95"].map(|w| (o, w)))
        {
            assert!(property[*of][what].is_number(), "{property}");
        }
    }
}

/// A preset of every source, what of it does not fit tiny images, how it is asked, and a column of
/// what was measured.
const PRESETS: [(&str, &str, &str, &str); 5] = [
    ("circle-square-quick", "seed=0", "area1=60,cx2=8", "asked_area1"),
    ("two-phase-p1-quick", "seed=0", "p1=0.4", "asked_p1"),
    ("two-phase-p2-quick", "bins=8", "s0=0.4", "asked_s0"),
    ("two-phase-quick", "ask.correlation.bins=8", "p1=0.4", "asked_p1"),
    ("polycrystal-quick", "data.grains=6", "f1=0.5", "asked_f1"),
];

#[test]
fn every_preset_trains_generates_and_evaluates() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (preset, setting, target, column) in PRESETS {
        let more = ["--set", setting, "--iterations=3", "--out", preset];
        good(here, &[["train", preset].as_slice(), &more, &TINY].concat());
        let run = format!("--run={preset}");
        good(here, &["generate", &run, "--count=3", "--best-effort", "--target", target]);
        let csv = fs::read_to_string(here.join(preset).join("generated/measured.csv")).unwrap();
        assert!(csv.starts_with(column), "{csv}");
        let asked: f64 = csv.lines().nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        let wanted: f64 = target.split(['=', ',']).nth(1).unwrap().parse().unwrap();
        // A curve is the data's nearest, the others are taken at their word.
        assert!(
            (asked - wanted).abs() < if preset.contains("p2") { 0.05 } else { 1e-6 },
            "{preset}: {asked}"
        );
        let table = good(here, &["evaluate", &run, "--samples=20"]);
        assert!(table.contains("20 random targets"), "{table}");
        let json = fs::read_to_string(here.join(preset).join("evaluated/report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(report["worst_target_error"].as_f64().unwrap() > 0.0);
        assert!(report["targets"].as_array().unwrap().len() >= 6);
        let descriptors = report["descriptors"].as_array().unwrap();
        assert!(
            !descriptors.is_empty() && descriptors.iter().all(|d| d["wasserstein"].is_number()),
            "{json}"
        );
        assert_eq!(report["right_shape"].is_number(), preset.starts_with("circle"));
    }
    bad(
        here,
        &["generate", "--run=polycrystal-quick", "--count=1", "--target=f1=0.9,f2=0.9"],
        &["sum to 1.8", "within 0.005"],
    );
    bad(
        here,
        &["generate", "--run=two-phase-p1-quick", "--count=1", "--target=p1=50"],
        &["p1 = 50 is impossible", "from 0 to 1"],
    );
    // A copy of the checkpoint is enough.
    fs::copy(here.join("two-phase-quick/checkpoint.safetensors"), here.join("copy.safetensors")).unwrap();
    let copy = [
        "generate",
        "--run=copy.safetensors",
        "--count=2",
        "--target=p1=0.4",
        "--out=from-copy",
        "--one-shot",
    ];
    good(here, &copy);
    bad(here, &["generate", "--run=two-phase-p1-quick", "--count=1", "--target=f1=0.9"], &["f1", "p1"]);
}

#[test]
fn a_set_of_ones_own_is_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let args = ["--size=16", "--count=60", "--orientations=3", "--grains=6", "--out=mine.npz"];
    good(here, &[["data", "polycrystal"].as_slice(), &args].concat());
    let few = ["--size=16", "--count=19", "--grains=6", "--out=few.npz"];
    good(here, &[["data", "polycrystal"].as_slice(), &few].concat());
    let train = |more: &[&str]| -> Vec<String> {
        let args = ["train", "polycrystal-quick", "--iterations=2", "--out=run", "--set=data=mine.npz"];
        args.iter().chain(&TINY).chain(more).map(|a| (*a).to_owned()).collect()
    };
    let args = train(&["--set=orientations=3"]);
    good(here, &args.iter().map(String::as_str).collect::<Vec<_>>());
    for (more, says) in [
        (["--set=orientations=2", "--overwrite"], "3 classes"),
        (["--set=classes=4", "--overwrite"], "3 classes"),
        (["--set=size=32", "--overwrite"], "16 x 16"),
        (["--set=world=circles", "--overwrite"], "unknown key"),
        (["--set=data=absent.npz", "--overwrite"], "absent.npz"),
        (["--set=data=few.npz", "--overwrite"], "19 images: training needs 20"),
    ] {
        let args = train(&more);
        bad(here, &args.iter().map(String::as_str).collect::<Vec<_>>(), &[says]);
    }
    assert!(here.join("run/checkpoint.safetensors").exists(), "a mistake costs no earlier run");

    let args = ["--size=16", "--count=60", "--orientations=3", "--grains=6", "--seed=1", "--out=mine.npz"];
    let args = [args.as_slice(), &["--overwrite"]].concat();
    good(here, &[["data", "polycrystal"].as_slice(), &args].concat());
    bad(here, &["train", "polycrystal-quick", "--out=run", "--resume"], &["other images", "mine.npz"]);
    let args = ["--size=16", "--count=4", "--grains=4", "--out=x.csv", "--format=csv"];
    bad(here, &[["data", "polycrystal"].as_slice(), &args].concat(), &["x.csv", ".npz"]);
    bad(here, &["data", "circles", "--out=y.npz", "--format=vti", "--spacing=0"], &["--spacing", "above 0"]);
    assert!(!here.join("y.npz").exists());
}

#[test]
fn simulated_sets_are_the_same_whether_interrupted_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let two_phase = |out: &str| {
        let out = format!("--out={out}");
        good(here, &["data", "two-phase", "--size=16", "--count=300", "--seed=4", "--device=cpu", &out])
    };
    let said = two_phase("whole.npz");
    assert!(said.contains("300 images of 16 x 16") && said.contains("s an image"), "{said}");
    assert!(!here.join("whole.npz.parts").exists());
    // The first chunk of an interrupted set; marked by its time of writing.
    fs::create_dir(here.join("cut.npz.parts")).unwrap();
    good(
        here,
        &["data", "two-phase", "--size=16", "--count=256", "--seed=4", "--device=cpu", "--out=first.npz"],
    );
    let part = here.join("cut.npz.parts/16-4-00000.npz");
    fs::copy(here.join("first.npz"), &part).unwrap();
    let said = two_phase("cut.npz");
    assert!(said.contains("256 simulated"), "{said}");
    let [whole, cut] = ["whole.npz", "cut.npz"].map(|file| fs::read(here.join(file)).unwrap());
    assert!(whole == cut);
}

#[test]
fn a_killed_run_resumes_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    train(here, "whole", "400");
    let mut args = vec!["train", "circles-quick", "--out", "cut", "--iterations", "400"];
    args.extend(TINY);
    let mut child = Command::new(env!("CARGO_BIN_EXE_invnet"))
        .args(&args)
        .current_dir(here)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Killed as soon as it has passed a checkpoint, wherever it is then.
    let passed = || fs::read_to_string(here.join("cut/metrics.jsonl")).is_ok_and(|t| t.lines().count() > 2);
    let patience = Instant::now();
    while !passed() && patience.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!here.join("cut/report.json").exists(), "it had finished before it was killed");
    // A mark on a row that the checkpoint knows of: it is there afterwards only if the run went
    // on from the checkpoint and did not start again.
    let metrics = here.join("cut/metrics.jsonl");
    let marked = fs::read_to_string(&metrics).unwrap().replacen('{', "{\"mark\":1,", 1);
    fs::write(&metrics, marked).unwrap();
    good(here, &["train", "circles-quick", "--out=cut", "--resume"]);
    let text = fs::read_to_string(&metrics).unwrap();
    assert!(text.starts_with("{\"mark\":1,"), "it started from the beginning");
    fs::write(&metrics, text.replacen("\"mark\":1,", "", 1)).unwrap();
    for file in ["checkpoint.safetensors", "config.toml"] {
        let [a, b] = ["whole", "cut"].map(|run| fs::read(here.join(run).join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
    let [a, b] = ["whole", "cut"].map(|run| losses(&here.join(run).join("metrics.jsonl")));
    assert_eq!(a, b);
}

#[test]
fn stopping_for_time_leaves_a_run_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut args = vec!["train", "circles-quick", "--out=r", "--iterations=1000000", "--seconds=0.5"];
    args.extend(TINY);
    good(here, &args);
    assert!(here.join("r/report.json").exists());
    let before = lines(&here.join("r/metrics.jsonl")).len();
    good(here, &["train", "circles-quick", "--out=r", "--resume", "--seconds=0.5"]);
    let after = lines(&here.join("r/metrics.jsonl"));
    assert!(after.len() > before);
    let iterations: Vec<u64> = after.iter().map(|r| r["iteration"].as_u64().unwrap()).collect();
    assert!(iterations.windows(2).all(|w| w[1] == w[0] + 2), "{iterations:?}");
}

#[test]
fn data_presets_and_bench_print_what_they_promise() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &["data", "circles", "--size=32", "--count=20", "--out=c.npz"]);
    assert_eq!(fs::read(here.join("c.npz")).unwrap()[..2], *b"PK");
    let list = good(here, &["presets"]);
    assert!(list.contains("circles-quick") && list.contains("circles "), "{list}");
    let preset = good(here, &["presets", "circles"]);
    fs::write(here.join("mine.toml"), &preset).unwrap();
    assert!(preset.lines().filter(|l| l.contains(" = ")).count() >= 28);
    let mut args = vec!["train", "mine.toml", "--iterations=2", "-q"];
    args.extend(TINY);
    good(here, &args);
    assert!(here.join("runs/mine/report.json").exists());
    let bench = ["bench", "step", "--size=16", "--width=2", "--batch=2", "--iterations=3", "--device=cpu"];
    let table = good(here, &bench);
    assert!(
        ["GFLOP/s", "GB/s", "share", "conv_weight", "medians of 3 "].iter().all(|w| table.contains(w)),
        "{table}"
    );
    assert!(table.lines().all(|line| line.chars().count() <= 110), "{table}");
    let json = good(here, &[&bench[..], &["--json"]].concat());
    let times: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(times["iterations"], 3);
    // A convolution's weight gradient reads an image and a cotangent.
    let kind = &times["kinds"]["conv_weight"];
    for name in ["calls", "ms", "gflop", "gbyte"] {
        assert!(kind[name].as_f64().unwrap() > 0.0, "{kind}");
    }
    assert!(times["peak"]["product_gflops"].as_f64().unwrap() > 0.0);
    for name in ["ms_iteration", "ms_generator", "ms_projection", "ms_critic", "gflops", "peak_mib"] {
        assert!(times[name].as_f64().unwrap() > 0.0, "{name}");
    }
    assert!(good(here, &["--version"]).starts_with("invnet "));
    assert!(good(here, &["--help"]).contains("Examples:"));
}

#[test]
fn bad_input_is_one_line_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    train(here, "run", "2");
    let before = fs::read(here.join("run/checkpoint.safetensors")).unwrap();
    bad(here, &["train", "circles-quick", "--out=run"], &["run", "--resume", "--overwrite"]);
    bad(here, &["train", "nonsense"], &["nonsense", "circles-quick"]);
    bad(here, &["train", "absent.toml"], &["absent.toml"]);
    bad(here, &["train", "circles", "--set=widht=3"], &["--set", "widht", "did you mean width"]);
    bad(here, &["train", "circles", "--set=size=50"], &["size = 50", "48 x 48 and 56 x 56"]);
    bad(here, &["train", "circles", "--iterations=0"], &["iterations = 0", "1 to"]);
    bad(here, &["train", "circles", "--seconds=-1"], &["--seconds"]);
    bad(here, &["train", "circles", "--resume", "--out=nowhere"], &["nowhere", "no run to resume"]);
    bad(here, &["train", "circles", "--device=gpu"], &["gpu"]);
    fs::write(here.join("broken.toml"), "data = \"circles\"\nbatch = = 2\n").unwrap();
    bad(here, &["train", "broken.toml"], &["broken.toml", "line 2"]);
    fs::create_dir(here.join("mine")).unwrap();
    fs::write(here.join("mine/thesis.tex"), "x").unwrap();
    bad(here, &["train", "circles", "--out=mine", "--overwrite"], &["mine", "not a run"]);
    assert!(here.join("mine/thesis.tex").exists());

    bad(here, &["generate", "--run=absent", "--count=1"], &["absent"]);
    bad(here, &["generate", "--run=run", "--count=1", "--target=radius=3"], &["radius", "r1, r2"]);
    bad(here, &["generate", "--run=run", "--count=1", "--target=r1=big"], &["r1 = big", "number"]);
    bad(here, &["generate", "--run=run", "--count=1", "--target=r1=nan"], &["r1 = nan"]);
    bad(here, &["generate", "--run=run", "--count=0"], &["0"]);
    fs::write(here.join("t.csv"), "r1,cx1\n1,2\n3\n").unwrap();
    bad(here, &["generate", "--run=run", "--count=1", "--targets=t.csv"], &["t.csv, line 3"]);
    fs::write(here.join("t.csv"), "").unwrap();
    bad(here, &["generate", "--run=run", "--count=1", "--targets=t.csv"], &["t.csv", "empty"]);
    bad(here, &["gradcheck", "absent"], &["absent"]);
    bad(here, &["ask", "mean(x[1])", "--on", "run"], &["run", "is a folder", ".npz"]);
    bad(here, &["presets", "absent"], &["absent", "circles"]);
    bad(here, &["bench", "step", "--size=21"], &["size = 21"]);
    bad(here, &["bench", "step", "--iterations=0"], &["--iterations", "from 1 to"]);
    assert!(!here.join("run/generated").exists());
    assert_eq!(fs::read(here.join("run/checkpoint.safetensors")).unwrap(), before);

    let output = invnet(here, &["generate", "--run=run", "--count=1", "--target=r1=7", "--one-shot"]);
    assert!(output.status.success());
    assert!(
        text(&output.stderr).contains("warning: r1 = 7 is outside the trained range"),
        "{}",
        text(&output.stderr)
    );
    bad(here, &["generate", "--run=run/config.toml", "--count=1"], &["config.toml", "is no checkpoint"]);
    fs::write(here.join("run/checkpoint.safetensors"), &before[..before.len() / 2]).unwrap();
    bad(here, &["generate", "--run=run", "--count=1"], &["checkpoint.safetensors", "damaged"]);
    good(
        here,
        &[
            "train",
            "circles-quick",
            "--out=run",
            "--overwrite",
            "--iterations=1",
            "-q",
            "--set=size=16",
            "--set=width=1",
            "--set=eval_samples=1",
        ],
    );
}

#[cfg(feature = "simt")]
#[test]
fn the_kernels_train_generate_and_evaluate_without_a_gpu() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let args = ["train", "circles-quick", "--device=simt", "--out=run", "--iterations=8"];
    good(path, &[args.as_slice(), &TINY].concat());
    good(path, &["generate", "--run=run", "--count=5", "--device=simt", "--one-shot", "--out=kernels"]);
    good(path, &["generate", "--run=run", "--count=5", "--device=cpu", "--one-shot", "--out=cpu"]);
    // One network on two devices: the same pictures but where two classes are nearly equal.
    let read = |out: &str| fs::read(path.join(out).join("samples.npy")).unwrap();
    let (kernels, cpu) = (read("kernels"), read("cpu"));
    let differ = kernels.iter().zip(&cpu).filter(|(a, b)| a != b).count();
    assert!(kernels.len() == cpu.len() && differ <= kernels.len() / 100, "{differ} pixels differ");
    let table = good(path, &["evaluate", "--run=run", "--samples=20", "--device=simt"]);
    assert!(table.contains("centroid error"), "{table}");
}

#[test]
fn a_device_that_is_not_there_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // A number that no machine has; without a driver the message is about the driver.
    let args = ["train", "circles-quick", "--out", "run", "--device", "cuda:4096"];
    bad(path, &args, &["--device cuda"]);
    assert!(!path.join("run").exists());
    bad(path, &["train", "circles-quick", "--device=tpu"], &["tpu", "auto, cpu, cuda"]);
    bad(path, &["train", "circles-quick", "--set=precision=fp8"], &["precision", "tf32"]);
    let devices = good(path, &["devices"]);
    assert!(devices.contains("cpu ") && devices.contains("cuda") && devices.contains("simt "), "{devices}");
}

#[test]
fn own_images_become_a_data_set_or_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let formats = ["--format=png,tiff,csv,vti", "--spacing=0.5", "--unit=um"];
    good(here, &[["data", "circles", "--size=16", "--count=4", "--out=c.npz"].as_slice(), &formats].concat());
    for file in ["c-png/c_000003.png", "c.tiff", "c.csv", "c-vti/c_000003.vti"] {
        assert!(fs::metadata(here.join(file)).unwrap().len() > 0, "{file}");
    }
    let out = good(here, &["data", "import", "c-png", "--out=a.npz", "--format=npy"]);
    assert!(out.starts_with("a.npz, a.npy: 4 images of 16 x 16, 3 classes\n"), "{out}");
    let fraction: Vec<&str> = out.lines().nth(2).unwrap().split_whitespace().collect();
    assert!(fraction[0] == "f1" && fraction[1..].iter().all(|v| v.parse::<f32>().unwrap() > 0.5), "{out}");
    let out = good(here, &["data", "import", "c.tiff", "--threshold=1", "--size=12", "--out=b.npz"]);
    assert!(out.contains("12 x 12, 2 classes") && !out.contains("note:"), "{out}");
    let out = good(here, &["data", "import", "c.tiff", "--threshold=1", "--size=13x12", "--out=e.npz"]);
    assert!(out.contains("note: no training on 13 x 12") && out.contains("import with --size"), "{out}");

    bad(here, &["data", "import", "c.tiff", "--out=a.npz"], &["a.npz", "--overwrite"]);
    bad(
        here,
        &["data", "import", "c.tiff", "--out=c.npz", "--format=tiff", "--overwrite"],
        &["c.tiff", "imported"],
    );
    bad(here, &["data", "import", "c.tiff", "--out=d.npz", "--levels=0,1"], &["c.tiff", "row", "is 2"]);
    bad(here, &["data", "import", "c.tiff", "--out=d.npz", "--size=3x4x5"], &["HxW"]);
    bad(here, &["data", "import", "absent", "--out=d.npz"], &["absent"]);
    bad(here, &["data", "import", "c.tiff", "--out=d.npz", "--format=bmp"], &["bmp", "npy, npz, png"]);
    let whole = fs::read(here.join("c.tiff")).unwrap();
    fs::write(here.join("half.tiff"), &whole[..whole.len() / 2]).unwrap();
    bad(here, &["data", "import", "half.tiff", "--out=d.npz"], &["half.tiff", "damaged"]);
    assert!(!here.join("d.npz").exists());
}
