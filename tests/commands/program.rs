//! The program as a process, and runs that take a second.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Makes a run small.
pub const TINY: [&str; 11] = [
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

pub fn invnet(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_invnet")).args(args).current_dir(folder).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must succeed and returns what it printed: results, then messages.
pub fn good(folder: &Path, args: &[&str]) -> [String; 2] {
    let output = invnet(folder, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    [text(&output.stdout), text(&output.stderr)]
}

/// Runs a command that must be refused as wrong use, in one line that says certain things.
pub fn bad(folder: &Path, args: &[&str], says: &[&str]) -> String {
    let output = invnet(folder, args);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    for part in says {
        assert!(message.contains(part), "{args:?} does not say {part:?}: {message}");
    }
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    message
}

/// `train circles-quick --out OUT` and more.
pub fn training<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [["train", "circles-quick", "--out", out].as_slice(), &TINY, more].concat()
}

/// Starts a command whose signals are as they are in a terminal, whatever runs the test.
pub fn start(folder: &Path, args: &[&str]) -> Child {
    Command::new("env")
        .arg("--default-signal=INT,TERM,HUP")
        .arg(env!("CARGO_BIN_EXE_invnet"))
        .args(args)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until something holds of a process that goes on.
pub fn wait_until(child: &mut Child, what: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if what() {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    panic!("it takes too long");
}

/// Sends a signal by name.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// The bytes of a file.
pub fn bytes(folder: &Path, file: &str) -> Vec<u8> {
    let path = folder.join(file);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The rows of a run's log, without their wall times.
pub fn log(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut rows: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for row in &mut rows {
        assert!(row.as_object_mut().unwrap().remove("seconds").is_some());
    }
    rows
}
