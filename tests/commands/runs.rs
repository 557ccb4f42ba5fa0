//! Training that is stopped, killed, resumed, lengthened, started twice.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use super::program::{bad, bytes, good, invnet, log, signal, start, text, training, wait_until};

/// More iterations than pass before a test has stopped the run.
const LONG: &str = "--iterations=500";

fn has_rows(run: &Path) -> bool {
    fs::metadata(run.join("metrics.jsonl")).is_ok_and(|m| m.len() > 0)
}

/// A run that two ways led to: what it is made of is the same to the last bit.
fn assert_same(here: &Path, a: &str, b: &str) {
    for file in ["checkpoint.safetensors", "config.toml"] {
        assert!(bytes(&here.join(a), file) == bytes(&here.join(b), file), "{file} of {a} and {b} differs");
    }
    assert_eq!(log(&here.join(a)), log(&here.join(b)));
}

#[test]
fn a_signal_stops_what_follows_and_the_printed_command_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &training("whole", &[LONG]));
    let binaries = Path::new(env!("CARGO_BIN_EXE_invnet")).parent().unwrap();
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let out = format!("Ann's {name} run");
        let mut child = start(here, &training(&out, &[LONG]));
        wait_until(&mut child, || has_rows(&here.join(&out)));
        signal(&child, name);
        let status = child.wait().unwrap();
        let mut message = String::new();
        child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        assert_eq!(status.code(), Some(code), "{message}");
        let command = message.rsplit_once("continue with: ").unwrap().1.trim();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        let resumed =
            Command::new("sh").args(["-c", command]).env("PATH", path).current_dir(here).output().unwrap();
        assert!(resumed.status.success(), "{command}: {}", text(&resumed.stderr));
        assert_same(here, "whole", &out);
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let args = training("run", &["--iterations=300"]);
    let mut child = Command::new("env")
        .args(["--ignore-signal=HUP", env!("CARGO_BIN_EXE_invnet")])
        .args(&args)
        .current_dir(here)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until(&mut child, || has_rows(&here.join("run")));
    signal(&child, "HUP");
    assert!(child.wait().unwrap().success());
    assert!(here.join("run/report.json").exists());
}

#[test]
fn one_process_writes_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut child = start(here, &training("run", &["--iterations=1000000"]));
    wait_until(&mut child, || has_rows(&here.join("run")));
    let who = format!("process {} on ", child.id());
    for more in ["--resume", "--overwrite"] {
        bad(here, &["train", "circles-quick", "--out=run", more], &["run: ", &who, "is writing here"]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The lock went with its holder.
    good(here, &["train", "--out=run", "--resume", "--seconds=0.1"]);
    assert!(!here.join("run/.lock").exists());
}

#[test]
fn a_run_without_its_checkpoint_is_not_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &training("run", &["--iterations=4"]));
    fs::remove_file(here.join("run/checkpoint.safetensors")).unwrap();
    let before = bytes(here, "run/metrics.jsonl");
    bad(
        here,
        &["train", "circles-quick", "--out=run", "--resume"],
        &["checkpoint.safetensors", "missing", "--overwrite"],
    );
    assert_eq!(bytes(here, "run/metrics.jsonl"), before);
    bad(here, &["train", "--resume", "--out=nowhere"], &["nowhere", "no run to resume"]);
    assert!(!here.join("nowhere").exists());
    bad(here, &["train", "--resume"], &["--out"]);
    // Killed after the configuration had gone or before it had come.
    fs::remove_file(here.join("run/config.toml")).unwrap();
    bad(here, &training("run", &["--iterations=4"]), &["run", "config.toml", "--overwrite"]);
    good(here, &training("run", &["--iterations=4", "--overwrite"]));
}

#[test]
fn a_run_is_lengthened_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let steady = "--set=lr_decay=none";
    good(here, &training("whole", &["--iterations=12", steady]));
    good(here, &training("cut", &["--iterations=8", steady]));
    good(here, &["train", "--resume", "--out=cut", "--iterations=12"]);
    assert_same(here, "whole", "cut");
    assert_eq!(
        log(&here.join("cut")).iter().map(|r| r["iteration"].as_u64().unwrap()).collect::<Vec<_>>(),
        [2, 4, 6, 8, 10, 12]
    );
    bad(here, &["train", "--resume", "--out=cut", "--iterations=10"], &["10", "12 already"]);
}

#[test]
fn what_may_change_changes_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &training("run", &["--iterations=4"]));
    let before = bytes(here, "run/config.toml");
    for (more, says) in [
        ("--set=width=3", "width may not change"),
        ("--seed=7", "seed may not change"),
        ("--set=lr_q=3", "lr_q"),
        ("--set=lr_g=-1", "lr_g"),
    ] {
        bad(here, &["train", "circles-quick", "--out=run", "--resume", more], &[says]);
    }
    bad(
        here,
        &["train", "polycrystal-quick", "--out=run", "--resume"],
        &["polycrystal-quick", "circles-quick"],
    );
    bad(here, &["train", "nonsense", "--out=run", "--resume"], &["nonsense"]);
    assert_eq!(bytes(here, "run/config.toml"), before);
    good(
        here,
        &[
            "train",
            "circles-quick",
            "--out=run",
            "--resume",
            "--iterations=8",
            "--set=lr_g=1e-5",
            "--set=log_every=3",
        ],
    );
    let config = String::from_utf8(bytes(here, "run/config.toml")).unwrap();
    assert!(config.contains("iterations = 8") && config.contains("log_every = 3"), "{config}");
    let rows = log(&here.join("run"));
    assert_eq!(rows.iter().map(|r| r["iteration"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 4, 6, 8]);
}

#[test]
fn a_run_that_blows_up_says_so_once_and_in_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // The critic's weights walk by one each step.
    let wild =
        ["--iterations=12", "--set=lr_d=1", "--set=net=resnet", "--set=width=8", "--set=lr_decay=none"];
    let says = "warning: losses left their range from iteration ";
    let [table, message] = good(here, &training("wild", &wild));
    assert_eq!(message.matches(says).count(), 1, "{message}");
    assert!(table.contains(&format!("images: circles\n{says}")), "{table}");
    let warnings = |report: &str| {
        let report: serde_json::Value = serde_json::from_slice(&bytes(here, report)).unwrap();
        report["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(warnings("wild/report.json")[0].starts_with("losses left their range"));
    let [table, _] = good(here, &["evaluate", "--run=wild", "--samples=20"]);
    assert!(table.starts_with(says), "{table}");
    // Two iterations teach nothing, and that is said too.
    let [table, message] = good(here, &training("calm", &["--iterations=2"]));
    assert!(!message.contains("left their range") && !table.contains("left their range"), "{message}");
    assert!(table.contains("\nwarning: no better than answering with any image of the data: "), "{table}");
    assert_eq!(warnings("calm/report.json").len(), 1);
}

#[test]
fn the_advice_after_a_loss_that_is_not_finite_can_be_followed() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &training("a run", &["--iterations=8"]));
    // The moments of Adam that an overflow would leave: the next step divides by nothing.
    let path = here.join("a run/checkpoint.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let at = 8 + header + json["critic.conv0.w"]["data_offsets"][0].as_u64().unwrap() as usize;
    let whole = bytes.clone();
    bytes[at..at + 4].copy_from_slice(&1e30f32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let output = invnet(here, &["train", "--out=a run", "--resume", "--iterations=20"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("training diverged"), "{message}");
    let command = message.rsplit_once("half the rates: invnet ").unwrap().1.trim();
    assert!(command.contains("--out 'a run'") && command.contains("--set lr_g=0.001 "), "{command}");
    // The checkpoint that was damaged here would be a good one there.
    fs::write(&path, whole).unwrap();
    let words = shlex::split(command).unwrap();
    good(here, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let config = fs::read_to_string(here.join("a run/config.toml")).unwrap();
    assert!(config.contains("lr_g = 0.001 ") && config.contains("iterations = 20 "), "{config}");
}

#[test]
fn a_run_on_a_file_goes_on_from_another_directory() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let data = ["data", "polycrystal", "--size=16", "--count=60", "--orientations=3", "--grains=6"];
    good(here, &[data.as_slice(), &["--out=mine.npz"]].concat());
    let own = ["train", "polycrystal-quick", "--out=run", "--iterations=2", "--set=data=mine.npz"];
    let small = ["orientations=3", "width=2", "batch=4", "latent=4", "eval_samples=20"]
        .map(|key| format!("--set={key}"));
    let small: Vec<&str> = small.iter().map(String::as_str).collect();
    good(here, &[own.as_slice(), &small].concat());
    let other = here.join("other");
    fs::create_dir(&other).unwrap();
    good(&other, &["train", "--resume", "--out=../run", "--iterations=4"]);
    good(&other, &["evaluate", "--run=../run", "--samples=20"]);
    // Moved images are found once they are named, and other images are not taken for them.
    fs::rename(here.join("mine.npz"), other.join("moved.npz")).unwrap();
    bad(here, &["train", "--resume", "--out=run", "--iterations=6"], &["mine.npz"]);
    good(&other, &["train", "--resume", "--out=../run", "--iterations=6", "--set=data=moved.npz"]);
    good(here, &["train", "--resume", "--out=run", "--iterations=8"]);
    good(here, &[data.as_slice(), &["--seed=5", "--out=else.npz"]].concat());
    bad(here, &["train", "--resume", "--out=run", "--set=data=else.npz"], &["other images", "else.npz"]);
    bad(here, &["train", "--resume", "--out=run", "--set=data=circles"], &["images may not change"]);
}
