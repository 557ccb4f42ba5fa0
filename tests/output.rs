//! Standard output full or closed, and help: every command.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use invnet::cli::Cli;

const TINY: &str = "--set=size=16 --set=width=2 --set=batch=4 --set=images=50 --set=latent=4 --set=log_every=2 --set=sample_every=0 --set=eval_samples=20 --iterations=2 --device=cpu";

/// Every command without further commands, as words.
fn commands() -> BTreeSet<String> {
    fn collect(command: &clap::Command, words: &str, all: &mut BTreeSet<String>) {
        let mut further = command.get_subcommands().filter(|c| c.get_name() != "help").peekable();
        if further.peek().is_none() {
            all.insert(words.trim().to_owned());
        }
        further.for_each(|c| collect(c, &format!("{words} {}", c.get_name()), all));
    }
    let mut all = BTreeSet::new();
    collect(&Cli::command(), "", &mut all);
    all
}

/// A call of every command that takes a second at most; what stands for OUT is new every time, `base`
/// was made before.
fn calls() -> Vec<(&'static str, String)> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/neg.safetensors");
    vec![
        ("paper", "--out=OUT".into()),
        ("presets", "".into()),
        ("presets", "circles-quick".into()),
        ("devices", "".into()),
        ("data circles", "--size=16 --count=3 --out=OUT.npz".into()),
        ("data circle-square", "--size=16 --count=3 --out=OUT.npz".into()),
        ("data two-phase", "--size=16 --count=1 --device=cpu --out=OUT.npz".into()),
        ("data polycrystal", "--size=16 --count=3 --grains=6 --out=OUT.npz".into()),
        ("data import", "base.npz --out=OUT.npz".into()),
        ("train", format!("circles-quick --out=OUT {TINY}")),
        ("train", format!("circles-quick --quiet --out=OUT {TINY}")),
        ("generate", "--run=base --count=2 --device=cpu --out=OUT".into()),
        ("gather", "part1 part2 --out=OUT".into()),
        ("check", "part1/samples.npy --asks part1/certificate.csv".into()),
        ("match", "base.npz --tile=8 --stride=1 --no-model --best-effort --within=5% --out=OUT".into()),
        ("ask", "mean(x[1]) --on base.npz".into()),
        ("serve", "--run=base --port=0 --device=cpu".into()),
        ("evaluate", "--run=base --samples=10 --device=cpu --out=OUT".into()),
        ("gradcheck", fixture.display().to_string()),
        ("bench step", "--size=16 --width=2 --batch=2 --device=cpu".into()),
        ("bench model", "--size=16 --width=4 --batch=2".into()),
    ]
}

/// A pipe that nobody reads from any more.
fn closed() -> Stdio {
    let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let pipe = reader.stdin.take().unwrap();
    reader.wait().unwrap();
    pipe.into()
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn invnet(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invnet"));
    command.args(words.split_whitespace()).current_dir(folder);
    command
}

fn fails(folder: &Path, words: &str, out: Stdio, reason: &str) {
    let output = invnet(folder, words).stdout(out).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error:")).collect();
    let told =
        matches!(errors[..], [one] if one.starts_with("error: standard output: ") && one.contains(reason));
    assert!(told && output.status.code() == Some(1), "{words}: {:?}, {said}", output.status);
}

#[test]
fn no_command_succeeds_or_panics_where_standard_output_is_full_or_closed() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for words in [
        "data circles --size=16 --count=3 --out=base.npz",
        &format!("train circles-quick --out=base {TINY}"),
        "generate --run=base --count=2 --shard=1/2 --device=cpu --out=part1",
        "generate --run=base --count=2 --shard=2/2 --device=cpu --out=part2",
    ] {
        assert!(invnet(here, words).stdout(Stdio::null()).status().unwrap().success(), "{words}");
    }
    let called: BTreeSet<String> = calls().iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(called, commands());
    let there = |(command, _): &(&str, String)| cfg!(feature = "page") || *command != "serve";
    let calls =
        calls().into_iter().filter(there).map(|(command, arguments)| format!("{command} {arguments}"));
    let helps = called.iter().map(|command| format!("{command} --help"));
    let others = ["--version", "--help", "data --help", "help bench"].map(str::to_owned);
    for (i, words) in calls.chain(helps).chain(others).enumerate() {
        fails(here, &words.replace("OUT", &format!("closed{i}")), closed(), "Broken pipe");
        if cfg!(target_os = "linux") {
            fails(here, &words.replace("OUT", &format!("full{i}")), full(), "No space left");
        }
    }
}

#[test]
fn standard_error_that_is_full_or_closed_changes_no_result() {
    let folder = tempfile::tempdir().unwrap();
    for (i, error) in [closed as fn() -> Stdio, full].into_iter().enumerate() {
        if i == 1 && !cfg!(target_os = "linux") {
            return;
        }
        let status = |words: &str| {
            let mut command = invnet(folder.path(), words);
            command.stdout(Stdio::null()).stderr(error()).status().unwrap().code()
        };
        assert_eq!(status(&format!("train circles-quick --out=run{i} {TINY}")), Some(0));
        assert_eq!(status("train no-such-preset"), Some(2));
        assert_eq!(status("no-such-command"), Some(2));
    }
}

#[test]
fn help_and_version_are_said_once() {
    let folder = tempfile::tempdir().unwrap();
    for (words, of) in [("--help", "Usage:"), ("train --help", "Usage:"), ("--version", "invnet")] {
        let said = invnet(folder.path(), words).output().unwrap().stdout;
        let said = String::from_utf8_lossy(&said);
        assert_eq!(said.matches(of).count(), 1, "{words}: {said}");
    }
}

#[test]
fn help_fits_eighty_columns() {
    fn check(command: &mut clap::Command, words: &str) {
        let help = command.render_long_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "invnet{words} --help: {line}");
        }
        // Wrapping an example would break it for who pastes it.
        let notes = [command.get_after_help(), command.get_after_long_help()];
        for line in notes.into_iter().flatten().map(ToString::to_string).collect::<String>().lines() {
            assert!(line.chars().count() <= 80, "invnet{words}: {line}");
        }
        let inner: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
        for name in inner {
            check(command.find_subcommand_mut(&name).unwrap(), &format!("{words} {name}"));
        }
    }
    let mut command = Cli::command();
    command.build();
    check(&mut command, "");
}

#[test]
fn the_columns_of_presets_align() {
    let folder = tempfile::tempdir().unwrap();
    let output = invnet(folder.path(), "presets").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let column = |line: &str| line.find("  ").map(|gap| line.len() - line[gap..].trim_start().len());
    let columns: BTreeSet<Option<usize>> = text.lines().map(column).collect();
    assert!(text.lines().count() > 5 && columns.len() == 1 && !columns.contains(&None), "{text}");
}
