//! `invnet paper` as a user types it.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

use invnet::paper::PARTS;

/// Every row that the paper has.
const IDS: [&str; 11] = [
    "fig1",
    "fig3",
    "fig4",
    "fig5",
    "fig6",
    "fig7",
    "fig8",
    "convergence",
    "table1",
    "table1-left",
    "appendix",
];

fn invnet(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invnet"));
    command.args(words.split_whitespace()).current_dir(folder).output().unwrap()
}

#[test]
fn what_can_be_reproduced_is_listed_with_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let output = invnet(folder.path(), "paper");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    let first: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(first[1..12], IDS);
    assert_eq!(first[12], "all");
    assert!(text.lines().skip(1).all(|line| line.contains(" s ") || line.contains(" min ")), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a list writes nothing");
}

#[test]
fn bad_calls_say_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    for (words, says) in [
        ("paper fig2", "error: fig2: no such part of the paper: there are fig1, fig3, "),
        ("paper fig1 --seeds 0", "0 is not in 1..=100"),
        ("paper fig1 --quick --out report.json", "report.json: is to be a folder"),
        ("paper fig1 --quick --device nowhere", "must be auto, cpu, cuda, cuda:N or simt"),
    ] {
        let output = invnet(folder.path(), words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(says), "{words}: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn every_part_claims_something_that_was_measured_by_the_authors() {
    assert!(PARTS.iter().map(|part| part.id).eq(IDS));
    for part in PARTS {
        assert!(
            !part.claim.is_empty() && !part.paper.is_empty() && !part.claim.ends_with('.'),
            "{}",
            part.id
        );
        assert!(part.recipes.len() + part.compared.len() > 0, "{}", part.id);
    }
}

/// A run that is told nothing has no target to be given.
#[test]
fn a_generator_that_is_told_nothing_refuses_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = "--set size=16 --set width=2 --set batch=4 --set images=50 --set latent=4 --set sample_every=0 \
                --set eval_samples=20 --iterations=2 --device=cpu";
    let trained = invnet(folder.path(), &format!("train circles-wgan-gp-quick --out run {tiny}"));
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let asked = invnet(folder.path(), "generate --run run --count 2 --target r1=4 --device cpu");
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(asked.status.code() == Some(2) && said.contains("told nothing: give no target"), "{said}");
    let free = invnet(folder.path(), "generate --run run --count 2 --device cpu");
    assert!(free.status.success(), "{}", String::from_utf8_lossy(&free.stderr));
}
