//! What was found, part by part, as files: `results/ID.json`, from which `report.json` and `report.md` are
//! made.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Bench, Clock, More, Outcome, PARTS, Part};
use crate::data::export::write_atomically;
use crate::error::{Error, Result};
use crate::words::counted;

/// The program, as reports name it.
const PROGRAM: &str = concat!("invnet ", env!("CARGO_PKG_VERSION"));

fn file_of(folder: &Path, id: &str) -> PathBuf {
    folder.join("results").join(format!("{id}.json"))
}

/// What was found last of a part; nothing if there is no such file, or none of this program.
#[must_use]
pub fn last(folder: &Path, id: &str) -> Option<Outcome> {
    serde_json::from_str(&fs::read_to_string(file_of(folder, id)).ok()?).ok()
}

/// Whether that is a part's result with these settings, and with trainings as they are configured now.
///
/// # Errors
/// If a recipe is no configuration.
pub fn is_current(outcome: &Outcome, part: &Part, bench: &Bench<'_>) -> Result<bool> {
    let wanted = (scale(bench), bench.seeds_of(part), PROGRAM, &*bench.configurations(part)?);
    Ok((&*outcome.scale, outcome.seeds, &*outcome.program, &*outcome.configurations) == wanted)
}

fn scale(bench: &Bench<'_>) -> &'static str {
    if bench.quick { "quick" } else { "paper" }
}

/// Makes a part and writes all reports anew.
///
/// # Errors
/// If it was stopped, or a file or the device fails.
pub fn make(bench: &mut Bench<'_>, part: &Part) -> Result<Outcome> {
    let results = bench.folder.join("results");
    fs::create_dir_all(&results).map_err(|e| Error::io(&results, e))?;
    bench.trained = 0.0;
    let (clock, before) = (Clock::start(), bench.session);
    let found = (part.make)(bench)?;
    // Time of trainings in this session stands in `trained` already.
    let measuring = clock.elapsed().0 - (bench.session - before);
    bench.watch.worked(part.measuring);
    let outcome = Outcome {
        id: part.id.into(),
        claim: part.claim.into(),
        paper: part.paper.into(),
        ours: found.ours,
        holds: found.holds,
        seeds: bench.seeds_of(part),
        seconds: bench.trained + measuring.max(0.0),
        scale: scale(bench).into(),
        configurations: bench.configurations(part)?,
        program: PROGRAM.into(),
        hardware: hardware(bench)?,
        load: load(),
        more: More { note: found.note, table: found.table, pictures: found.pictures, numbers: found.numbers },
    };
    let text = serde_json::to_string_pretty(&outcome).expect("numbers and words are JSON");
    write_atomically(file_of(bench.folder, part.id), |file| writeln!(file, "{text}"))?;
    write(bench.folder)?;
    Ok(outcome)
}

/// Writes `report.json` and `report.md` of all that was found.
fn write(folder: &Path) -> Result<()> {
    let all: Vec<Outcome> = PARTS.iter().filter_map(|part| last(folder, part.id)).collect();
    let text = serde_json::to_string_pretty(&all).expect("numbers and words are JSON");
    write_atomically(folder.join("report.json"), |file| writeln!(file, "{text}"))?;
    let text = markdown(&all);
    write_atomically(folder.join("report.md"), |file| file.write_all(text.as_bytes()))
}

/// The device, and the processor with its cores.
fn hardware(bench: &Bench<'_>) -> Result<String> {
    let device = bench.kind.open(crate::device::gpu::Precision::Fp32)?.name();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let processor = model.map_or("processor not named", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(format!("{device}; {processor}, {}", counted(cores, "core")))
}

fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Time in words.
#[must_use]
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

fn markdown(all: &[Outcome]) -> String {
    let mut text = String::from("# The paper, reproduced\n\n");
    text.push_str(
        "Joshi et al., *InvNet: Encoding Geometric and Statistical Invariances in Deep Generative Models*, \
         AAAI 2020: what its figures and tables claim, and what `invnet paper` measured. A claim *holds* by \
         the rule that stands with it, which was fixed before the measurement; numbers beside one another \
         are mean ± standard deviation over seeds.\n\n",
    );
    text.push_str(
        "| | claim | paper | here | holds | seeds | time |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for o in all {
        let holds = if o.holds { "yes" } else { "**no**" };
        let _ = writeln!(
            text,
            "| [{0}](#{0}) | {1} | {2} | {3} | {holds} | {4} | {5} |",
            o.id,
            cell(&o.claim),
            cell(&o.paper),
            cell(&o.ours),
            o.seeds,
            duration(o.seconds)
        );
    }
    for o in all {
        let verdict = if o.holds { "The claim holds here." } else { "The claim does not hold here." };
        let _ = writeln!(text, "\n## {}\n\n{}.\n", o.id, capital(&o.claim));
        let _ =
            writeln!(text, "- Paper: {}.\n- Here: {}.\n- {verdict}\n\n{}\n", o.paper, o.ours, o.more.note);
        table(&mut text, &o.more.table);
        for (file, caption) in &o.more.pictures {
            let _ = writeln!(text, "![{caption}]({file})\n");
        }
        let load = o.load.map_or(String::new(), |load| format!(" The load of the machine was {load:.1}."));
        let seeds = counted(o.seeds as usize, "seed");
        let settings = if o.scale == "quick" { "Quick settings" } else { "The paper's settings" };
        let time = duration(o.seconds);
        let _ = writeln!(
            text,
            "{settings}, {seeds}, {time} of training (shared with other parts) and measuring. {}; {}.{load}",
            o.program, o.hardware
        );
    }
    text.push_str(
        "\n## Definitions\n\nErrors are measured on class maps, after argmax, at targets that all models \
         share. *Diversity* is the share of pixels in which two samples of one target differ. *Right shape* \
         is the share of figures recognised as the shape of their class. The *Fréchet distance* is that of \
         Gaussians over descriptors that no loss sees (chords, interface, pieces, areas, neighbours, ...), \
         each in units of its deviation over real images, divided by their number; between two halves of the \
         real images it is what sampling alone leaves. A descriptor in which real images hardly differ, as the \
         share of specks, can make it very large. Every number stands in `report.json`.\n",
    );
    text
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Rows of which the first is a heading.
fn table(text: &mut String, rows: &[Vec<String>]) {
    for (i, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|c| cell(c)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if i == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
        }
    }
    if !rows.is_empty() {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Kind;
    use crate::paper::recipe::Recipe;
    use crate::paper::{Finding, Watch};
    use serde_json::json;

    #[test]
    fn a_report_shows_every_part_and_its_verdict() {
        let outcome = |id: &str, holds| Outcome {
            id: id.into(),
            claim: "circles obey".into(),
            paper: "0 | px".into(),
            ours: "1 px".into(),
            holds,
            seeds: 3,
            seconds: 100.0,
            scale: "quick".into(),
            configurations: String::new(),
            program: PROGRAM.into(),
            hardware: "cpu".into(),
            load: Some(1.0),
            more: More {
                note: "Rule.".into(),
                table: vec![vec!["a".into(), "b".into()], vec!["1".into(), "2".into()]],
                pictures: vec![("fig1.png".into(), "bars".into())],
                numbers: json!({ "x": 1 }),
            },
        };
        let text = markdown(&[outcome("fig1", true), outcome("fig3", false)]);
        for says in [
            "| [fig1](#fig1) | circles obey | 0 \\| px | 1 px | yes | 3 | 2 min |",
            "| **no** |",
            "## fig3\n\nCircles obey.",
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n",
            "![bars](fig1.png)",
            "The claim does not hold here.",
        ] {
            assert!(text.contains(says), "{says} in {text}");
        }
        // What a file holds is what it was made from.
        let written = serde_json::to_value(outcome("fig1", true)).expect("JSON");
        for key in
            ["id", "claim", "paper", "ours", "holds", "seeds", "seconds", "note", "numbers", "hardware"]
        {
            assert!(written.get(key).is_some(), "{key}");
        }
        let back: Outcome = serde_json::from_value(written).expect("an outcome");
        assert_eq!(back.more.numbers["x"], 1);
    }

    #[test]
    fn a_result_of_other_configurations_is_not_current() {
        const fn recipe(changes: &'static str) -> Recipe {
            let preset = ("circles-quick", changes);
            Recipe { name: "circles", label: "", quick: preset, full: preset, followed: false }
        }
        const FIRST: Recipe = recipe("iterations=600");
        const OTHER: Recipe = recipe("iterations=700");
        let part = |compared| Part {
            id: "fig1",
            claim: "it holds",
            paper: "",
            recipes: &[],
            compared,
            measuring: 0.0,
            make: |_| {
                let (ours, note, table, pictures) = Default::default();
                Ok(Finding { ours, holds: true, note, table, pictures, numbers: json!({}) })
            },
        };
        struct Deaf;
        impl Watch for Deaf {
            fn at(&mut self, _: &str, _: u64, _: u64) -> Result<()> {
                Ok(())
            }
            fn worked(&mut self, _: f64) {}
        }
        let (folder, mut deaf) = (tempfile::tempdir().expect("a folder"), Deaf);
        let (folder, kind) = (folder.path(), Kind::Cpu);
        let mut bench =
            Bench { folder, quick: true, seeds: 2, kind, watch: &mut deaf, trained: 0.0, session: 0.0 };
        make(&mut bench, &part(&[&FIRST])).expect("made");
        let found = last(folder, "fig1").expect("written");
        let current = |part: Part, bench: &Bench<'_>| is_current(&found, &part, bench).expect("a recipe");
        assert!(current(part(&[&FIRST]), &bench));
        assert!(!current(part(&[&OTHER]), &bench), "another configuration");
        assert!(!current(part(&[&FIRST, &OTHER]), &bench), "one more training");
        bench.seeds = 3;
        assert!(!current(part(&[&FIRST]), &bench), "more seeds");
    }

    #[test]
    fn times_are_short() {
        let shown = [20.0, 600.0, 20_000.0, 1e6].map(duration);
        assert_eq!(shown, ["20 s", "10 min", "5.6 h", "12 days"]);
    }
}
