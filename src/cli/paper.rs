//! `invnet paper`: the figures and tables of the paper, trained, measured and drawn here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::ProgressBar;

use super::lock::Lock;
use super::output::{bar, note, say};
use super::{DeviceArg, interrupt, room};
use crate::device::Kind;
use crate::error::{Error, Result};
use crate::paper::report::{duration, is_current, last, make};
use crate::paper::{Bench, PARTS, Part, Watch, part};
use crate::words::counted;

pub(super) const NOTES: &str =
    "Without ID: lists what there is, how long each takes, and what was found last.

Written to DIR: report.md with its pictures, report.json, results/ID.json, and
the trainings in runs/, which parts share. Ctrl-C, TERM and HUP keep all that
was done; the same command goes on. `all` begins with the cheapest part and
leaves out what was found already with the same settings; a part by name is
measured again.

Without --quick: the paper's sizes and iterations, for a CUDA host.

Examples:
  invnet paper
  invnet paper fig1 --quick
  invnet paper all --quick --seeds 1";

/// Arguments of `paper`.
#[derive(Args)]
pub(super) struct PaperArgs {
    /// A figure or table, or `all`.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Small settings, for two CPU cores.
    #[arg(long)]
    quick: bool,
    /// Seeds of every training.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Where to write.
    #[arg(long, default_value = "paper", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs the command.
pub(super) fn run(args: &PaperArgs, quiet: bool) -> Result<()> {
    room::check_folder_name(&args.out)?;
    match args.id.as_deref() {
        None => list(args),
        Some("all") => reproduce(args, PARTS.iter().collect(), true, quiet),
        Some(id) => {
            let part = part(id).ok_or_else(|| {
                let ids: Vec<&str> = PARTS.iter().map(|part| part.id).collect();
                Error::Usage(format!("{id}: no such part of the paper: there are {}, all", ids.join(", ")))
            })?;
            reproduce(args, vec![part], false, quiet)
        }
    }
}

/// Tells of nothing: for estimates.
struct Silent;

impl Watch for Silent {
    fn at(&mut self, _: &str, _: u64, _: u64) -> Result<()> {
        Ok(())
    }

    fn worked(&mut self, _: f64) {}
}

fn bench<'a>(args: &'a PaperArgs, quick: bool, kind: Kind, watch: &'a mut dyn Watch) -> Bench<'a> {
    Bench { folder: &args.out, quick, seeds: args.seeds, kind, watch, trained: 0.0, session: 0.0 }
}

fn list(args: &PaperArgs) -> Result<()> {
    let mut silent = Silent;
    let quick = bench(args, true, Kind::Cpu, &mut silent);
    say!("{:12} {:>9}  {:22} claim", "part", "--quick", "found last")?;
    for part in PARTS {
        let time = duration(quick.left(part, &mut Vec::new())?);
        let found = last(&args.out, part.id).map_or("-".to_owned(), |o| {
            let holds = if o.holds { "holds" } else { "does not hold" };
            format!("{holds}, {}, {}", o.scale, duration(o.seconds))
        });
        say!("{:12} {time:>9}  {found:22} {}", part.id, part.claim)?;
    }
    let mut seen = Vec::new();
    let all = PARTS.iter().map(|part| quick.left(part, &mut seen)).sum::<Result<f64>>()?;
    let seeds = counted(args.seeds as usize, "seed");
    say!(
        "{:12} {:>9}  on two idle cores, {seeds} of what is compared; parts share trainings",
        "all",
        duration(all)
    )
}

/// Shows a bar of the whole with time left, and what is being done with its time left.
struct Progress {
    bar: ProgressBar,
    part: &'static str,
    quiet: bool,
    /// What is being done, since when, and how much of it was done then.
    doing: (String, Instant, u64),
    /// The last tenth that was told where there is no terminal.
    told: u64,
    again: String,
}

/// Steps of the bar for a second of work.
const STEPS: f64 = 100.0;

impl Progress {
    fn new(seconds: f64, quiet: bool, again: String) -> Self {
        let bar = bar((seconds * STEPS) as u64, "{percent:>3} %  {eta} left  {msg}", quiet);
        let doing = (String::new(), Instant::now(), 0);
        Self { bar, part: "", quiet, doing, told: 0, again }
    }
}

impl Watch for Progress {
    fn at(&mut self, what: &str, done: u64, of: u64) -> Result<()> {
        if self.doing.0 != what {
            self.doing = (what.to_owned(), Instant::now(), done);
            self.told = 0;
            if self.bar.is_hidden() && !self.quiet {
                note!("{}: {what}", self.part);
            }
        }
        let (_, since, first) = &self.doing;
        let mut message = format!("{}: {what}", self.part);
        if of > 0 {
            message = format!("{message}, {done} of {of}");
            if done > *first {
                let each = since.elapsed().as_secs_f64() / (done - first) as f64;
                message = format!("{message}, {} left", duration(each * (of - done) as f64));
            }
            let tenth = 10 * done / of;
            if tenth > self.told && self.bar.is_hidden() && !self.quiet {
                note!("{message}");
                self.told = tenth;
            }
        }
        self.bar.set_message(message);
        self.bar.tick();
        interrupt::caught().map_or(Ok(()), |signal| {
            let message = format!("{signal}: stopped; go on with: {}", self.again);
            Err(Error::Interrupted { exit_code: signal.exit_code(), message })
        })
    }

    fn worked(&mut self, seconds: f64) {
        self.bar.inc((seconds * STEPS) as u64);
    }
}

/// The command that goes on.
fn again(args: &PaperArgs) -> String {
    let mut words = vec!["invnet paper".to_owned(), args.id.clone().unwrap_or_default()];
    words.extend(args.quick.then(|| "--quick".into()));
    if args.seeds != 3 {
        words.push(format!("--seeds {}", args.seeds));
    }
    if args.out != Path::new("paper") {
        words.push(format!("--out {}", room::quoted(&args.out.display().to_string())));
    }
    words.join(" ")
}

fn reproduce(args: &PaperArgs, mut parts: Vec<&'static Part>, only_new: bool, quiet: bool) -> Result<()> {
    let kind = args.device.kind();
    let made = !args.out.exists();
    fs::create_dir_all(&args.out).map_err(|e| Error::io(&args.out, e))?;
    let _lock = Lock::take(&args.out)?;
    if made && !quiet {
        say!("writing to {}", args.out.display())?;
    }
    args.device.announce(kind, true, quiet);
    interrupt::listen()?;
    let mut silent = Silent;
    let estimates = bench(args, args.quick, kind, &mut silent);
    if only_new {
        let mut new = Vec::new();
        for part in parts {
            let found = last(&args.out, part.id);
            if !found.map_or(Ok(false), |found| is_current(&found, part, &estimates))? {
                new.push(part);
            }
        }
        parts = new;
    }
    // The cheapest first, so that there is something to look at soon.
    let alone = |part: &Part| estimates.left(part, &mut Vec::new());
    let mut costs = parts.iter().map(|part| Ok((alone(part)?, *part))).collect::<Result<Vec<_>>>()?;
    costs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let parts: Vec<&Part> = costs.into_iter().map(|(_, part)| part).collect();
    let mut counted = Vec::new();
    let seconds = parts.iter().map(|part| estimates.left(part, &mut counted)).sum::<Result<f64>>()?;
    if !quiet && !parts.is_empty() && kind == Kind::Cpu {
        note!("about {} on two idle cores", duration(seconds));
    }
    let mut progress = Progress::new(seconds, quiet, again(args));
    for part in &parts {
        progress.part = part.id;
        let outcome = make(&mut bench(args, args.quick, kind, &mut progress), part)?;
        let holds = if outcome.holds { "holds" } else { "does not hold" };
        progress.bar.suspend(|| say!("{:12} {holds}: {}", outcome.id, outcome.ours))?;
    }
    progress.bar.finish_and_clear();
    if parts.is_empty() && !quiet {
        say!("all was found already with these settings; name a part to measure it again")?;
    }
    if !quiet {
        say!("see {0}/report.md and {0}/report.json", args.out.display())?;
    }
    Ok(())
}
