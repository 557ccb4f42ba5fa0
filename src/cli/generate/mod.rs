//! `invnet generate`: samples are written as they are made, so that memory does not grow with their
//! number; a table, a picture and other formats are made of them at the end.

mod arrays;
mod finish;
mod folder;
pub(super) mod gather;
mod record;

use std::path::{Path, PathBuf};

use clap::Args;

use super::interrupt::{self, Signal};
use super::lock::Lock;
use super::output::{bar, note, say};
use super::{GenerateArgs, room};
use crate::close::certificate::{self, Summary};
use crate::close::{self, Settings, Tolerances, held};
use crate::error::{Error, Result};
use crate::train::dataset::measured;
use crate::train::target::{self, Target};
use crate::train::{Sampler, Task};
use crate::words::{counted, noun, verb};
pub(super) use arrays::SAMPLES;
use arrays::{Arrays, Made};
use folder::Existing;
use record::{Closing, Record};

/// Numbers of probabilities held at a time, about.
const HELD: usize = 1 << 22;
/// As many times of samples that are closed: all of them stay in memory until the last is.
const CLOSED: usize = 2;
/// Targets about which something is said one by one.
const NAMED: usize = 5;

/// How near samples are to come.
#[derive(Args)]
pub(super) struct CloseArgs {
    /// How far samples may be from what is asked; may be repeated. In a number's unit or in per cent of
    /// it (of the image's side for positions); a name of a number, of a property, or none for all.
    /// [default: half a pixel of counts, .05 px, .001 of a correlation, .5 % of anything else]
    #[arg(long, value_name = "p1=0.001,r1=1%,...")]
    pub(super) within: Vec<String>,
    /// As near as pixels allow: counts to half a pixel, .02 px, .0005 of a correlation, .1 %.
    #[arg(long)]
    pub(super) exact: bool,
    /// Draws of noise for a sample that stays outside of its tolerances.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) tries: u32,
    /// Accept samples that miss what is asked, which are marked: do not exit with 3.
    #[arg(long)]
    pub(super) best_effort: bool,
}

impl CloseArgs {
    /// The same for whoever closes samples of a task.
    pub(super) fn settings(&self, task: &Task, seed: u64) -> Result<Settings> {
        let mut tolerances = if self.exact { Tolerances::exact(task) } else { Tolerances::usual(task) };
        self.within.iter().try_for_each(|text| tolerances.set(text, task, "--within"))?;
        Ok(Settings { tolerances, tries: self.tries, seed })
    }
}

/// Says of which numbers a tolerance was given though no target holds them.
fn tell_free(within: &[String], targets: &[Target], task: &Task) {
    let all: Vec<Vec<bool>> = targets.iter().map(|target| held(task, &target.wanted)).collect();
    let names = within.iter().flat_map(|text| text.split(',')).filter_map(|part| part.split_once('='));
    for name in names.map(|(name, _)| name.trim()) {
        let places = task.named(name);
        if !all.is_empty() && !places.iter().any(|&i| all.iter().any(|held| held[i])) {
            note!(
                "--within {name}: no target asks for it, so that no sample is held to it; give it in --target"
            );
        }
    }
}

/// Writes samples, a grid of them, and what was asked and measured.
pub(super) fn run(args: &GenerateArgs, quiet: bool) -> Result<()> {
    let out = out_folder(args);
    room::check_folder_name(&out)?;
    let kind = args.device.kind();
    let (config, mut sampler) = Sampler::open_at(&args.run, kind, args.size)?;
    if !config.objective.make().asks() && (args.targets.is_some() || !args.target.is_empty()) {
        let (run, objective) = (args.run.display(), config.objective.name());
        return Err(Error::Usage(format!(
            "--target: the run {run} has the objective {objective}, whose generator is told nothing: give no target"
        )));
    }
    let task = sampler.task().clone();
    let targets = match &args.targets {
        Some(file) => target::read(file, args.ignore_unknown, &task)?,
        None => args.target.iter().map(|t| target::parse(t, &task)).collect::<Result<_>>()?,
    };
    let count = args.count as usize;
    check_number(&targets, count)?;
    tell_free(&args.close.within, &targets, &task);
    let closing = if args.one_shot { None } else { Some(args.close.settings(&task, args.seed)?) };
    let asking = Asking { task: &task, targets: &targets, seed: args.seed, closing };
    asking.check()?;
    let [i, n] = args.shard.unwrap_or([1, 1]);
    if n > count {
        let (samples, shards) = (counted(count, "sample"), counted(count, "shard"));
        let make = verb(count, "makes", "make");
        return Err(Error::Usage(format!("--shard {i}/{n}: {samples} {make} {shards} at most")));
    }
    let device = kind.to_string().split(':').next().unwrap_or_default().to_owned();
    let latents = [args.soft, args.latents];
    let mut record = Record::new(&args.run, device, (args.seed, count, [i, n]), &targets, latents)?;
    record.size = task.images().size;
    args.format.check([record.range().len(), record.size[0], record.size[1]])?;
    record.closing = asking
        .closing
        .as_ref()
        .map(|settings| Closing { tolerances: settings.tolerances.text(&task), tries: settings.tries });
    record.files = arrays::names(&record)
        .into_iter()
        .map(String::from)
        .chain(finish::names(&args.format, args.tile, record.closing.is_some()))
        .collect();
    let existing = match (args.overwrite, args.resume) {
        (true, _) => Existing::Overwrite,
        (_, true) => Existing::Resume,
        _ => Existing::Keep,
    };
    folder::check_room(&out, &record, existing)?;
    let _lock = Lock::take(&out)?;
    // Another process may have written since.
    folder::check_room(&out, &record, existing)?;
    if existing == Existing::Resume {
        crate::data::export::remove_leftovers(&out)?;
        if let Some(found) = Record::read(&out)? {
            let new = found.files.into_iter().filter(|file| !record.files.contains(file)).collect::<Vec<_>>();
            record.files.extend(new);
        }
    } else {
        folder::clear(&out)?;
    }
    record.write(&out)?;
    asking.tell(quiet);
    args.device.announce(kind, false, quiet);
    interrupt::listen()?;
    let mut arrays = Arrays::open(&out, &record, &task, sampler.noise())?;
    let stopped = collect(&mut sampler, &mut arrays, &asking, &record, quiet)?;
    arrays.sync()?;
    // What follows can be made again from the arrays.
    interrupt::stop_listening();
    let (missing, summary) = finish::write(&out, &arrays, &task, &record, &args.format, args.tile)?;
    if let Some(signal) = stopped {
        let message = format!(
            "{signal}: {} of {} {} in {}; continue with: {}",
            arrays.rows(),
            counted(record.range().len(), "sample"),
            verb(arrays.rows(), "is", "are"),
            out.display(),
            again()
        );
        return Err(Error::Interrupted { exit_code: signal.exit_code(), message });
    }
    record.complete = true;
    record.write(&out)?;
    if !quiet {
        let files = record.files.join(", ");
        say!("{} in {}: {files}, {}", counted(arrays.rows(), "sample"), out.display(), record::FILE)?;
        tell_missing(missing)?;
    }
    match summary {
        Some(summary) => tell_closed(&summary, !targets.is_empty() && !args.close.best_effort, quiet),
        None => Ok(()),
    }
}

/// Says how near samples came. It is a failure that some miss what a person asked for, unless that is
/// accepted.
pub(super) fn tell_closed(summary: &Summary, strict: bool, quiet: bool) -> Result<()> {
    if !quiet {
        say!("{}", summary.line())?;
    }
    let missed = summary.samples - summary.within;
    if missed == 0 || !strict {
        return Ok(());
    }
    Err(Error::Missed(format!(
        "{missed} of {} {} what was asked: see {}; --best-effort accepts that, more --tries or a wider \
         --within may help",
        counted(summary.samples, "sample"),
        verb(missed, "misses", "miss"),
        certificate::TABLE
    )))
}

/// Says how many numbers could not be measured.
fn tell_missing(missing: usize) -> Result<()> {
    if missing == 0 {
        return Ok(());
    }
    let (numbers, are) = (counted(missing, "number"), verb(missing, "is", "are"));
    say!("{numbers} {are} missing: empty in measured.csv, NaN in measured.npy")
}

fn out_folder(args: &GenerateArgs) -> PathBuf {
    let run = if args.run.is_file() { args.run.parent().unwrap_or(Path::new("")) } else { &args.run };
    let name = match args.shard {
        Some([i, n]) => format!("generated-{i}-of-{n}"),
        None => "generated".into(),
    };
    args.out.clone().unwrap_or_else(|| run.join(name))
}

fn check_number(targets: &[Target], count: usize) -> Result<()> {
    if targets.len() <= count {
        return Ok(());
    }
    let n = targets.len();
    Err(Error::Usage(format!(
        "{n} targets for --count {count}: targets are used in turn, so give --count {n} or more"
    )))
}

/// Makes the samples that are not there yet. Returns the signal that stopped it.
fn collect(
    sampler: &mut Sampler,
    arrays: &mut Arrays,
    asking: &Asking,
    record: &Record,
    quiet: bool,
) -> Result<Option<Signal>> {
    let task = asking.task;
    let range = record.range();
    let held = HELD / (task.images().pixels() * task.images().classes);
    // Whole batches; of samples that are closed several, as the last ones do not fill a batch.
    let batches = if asking.closing.is_some() { CLOSED } else { 1 };
    let step = (held.max(1) * batches).next_multiple_of(sampler.batch_size());
    let text = format!("{{pos}}/{{len}} {}  {{per_sec}}  {{eta}} left", noun(range.len(), "sample"));
    let bar = bar(range.len() as u64, &text, quiet);
    bar.set_position(arrays.rows() as u64);
    bar.reset_eta();
    loop {
        let first = range.start + arrays.rows();
        // Whole batches, so that the same ones are computed whatever came before.
        let last = (first + 1).next_multiple_of(step).min(range.end);
        if first >= range.end {
            bar.finish_and_clear();
            return Ok(None);
        }
        if let Some(signal) = interrupt::caught() {
            bar.finish_and_clear();
            return Ok(Some(signal));
        }
        let asked = asking.rows(first, last - first)?;
        arrays.push(&asking.make(sampler, first, &asked)?, &asked)?;
        bar.inc((last - first) as u64);
    }
}

/// This command with `--resume`, ready to be pasted.
fn again() -> String {
    let words = std::env::args().skip(1).filter(|word| word != "--overwrite" && word != "--resume");
    let words = std::iter::once("invnet".to_owned()).chain(words).chain(["--resume".into()]);
    words.map(|word| room::quoted(&word)).collect::<Vec<_>>().join(" ")
}

/// What every sample is asked for.
struct Asking<'a> {
    task: &'a Task,
    /// Used in turn.
    targets: &'a [Target],
    seed: u64,
    /// How samples are closed on it.
    closing: Option<Settings>,
}

impl Asking<'_> {
    /// Numbers of the samples from `first` on, `[count, P]`. Those of a sample depend on the seed and
    /// its number alone.
    fn rows(&self, first: usize, count: usize) -> Result<Vec<f32>> {
        let mut asked = self.task.targets(first..first + count, self.seed);
        if !self.targets.is_empty() {
            for (k, row) in (first..).zip(asked.chunks_exact_mut(self.task.columns().len())) {
                let target = &self.targets[k % self.targets.len()];
                self.task.complete(&target.wanted, row, (self.seed, k), &target.origin)?;
            }
        }
        Ok(asked)
    }

    /// The samples from `first` on, made for these numbers.
    fn make(&self, sampler: &mut Sampler, first: usize, asked: &[f32]) -> Result<Made> {
        let Some(settings) = &self.closing else {
            let made = sampler.sample_from(first, asked, self.seed)?;
            return Ok(Made {
                measured: measured(self.task, &made.maps)?,
                maps: made.maps,
                probabilities: made.probabilities,
                latents: [made.z, made.r],
                closing: None,
            });
        };
        let width = self.task.columns().len();
        let open = vec![None; width];
        let wanted = |k: usize| match self.targets {
            [] => &open,
            targets => &targets[k % targets.len()].wanted,
        };
        let held: Vec<bool> =
            (first..first + asked.len() / width).flat_map(|k| held(self.task, wanted(k))).collect();
        let made = close::close(sampler, first, asked, &held, settings)?;
        Ok(Made {
            maps: made.maps,
            probabilities: made.probabilities,
            latents: [made.z, made.r],
            measured: made.measured,
            closing: Some((made.tolerances, made.effort)),
        })
    }

    /// Refuses targets that cannot be, before anything is written.
    fn check(&self) -> Result<()> {
        self.rows(0, self.targets.len()).map(|_| ())
    }

    /// Says what is asked for other than it was given, or outside the trained range.
    fn tell(&self, quiet: bool) {
        let columns = self.task.columns();
        let Ok(rows) = self.rows(0, self.targets.len()) else { return };
        let (mut outside, mut changed) = (0, 0);
        for (target, row) in self.targets.iter().zip(rows.chunks_exact(columns.len())) {
            let mut other = Vec::new();
            for (i, (wanted, &asked)) in target.wanted.iter().zip(row).enumerate() {
                let Some(wanted) = *wanted else { continue };
                let ((low, high), name) = (self.task.range(i), &columns[i].name);
                if f64::from(wanted) < low || f64::from(wanted) > high {
                    outside += 1;
                    if outside <= NAMED {
                        let (low, high) = (low as f32, high as f32);
                        let range = match self.task.table().len() / columns.len() {
                            0 => "the trained range".to_owned(),
                            images => format!("what the {} have,", counted(images, "held-out image")),
                        };
                        note!("warning: {name} = {wanted} is outside {range} {low} to {high}");
                    }
                }
                if (wanted - asked).abs() > 1e-6 * wanted.abs() {
                    other.push(format!("{name} = {asked}"));
                }
            }
            changed += usize::from(!other.is_empty());
            if !other.is_empty() && changed <= NAMED && !quiet {
                note!(
                    "note: {}: what an image can have is {}: this is asked for",
                    target.origin,
                    other.join(", ")
                );
            }
        }
        if outside > NAMED {
            note!("warning: {} more: see outside_range in measured.csv", outside - NAMED);
        }
        if changed > NAMED && !quiet {
            note!("note: {}: see asked_ in measured.csv", counted(changed - NAMED, "more target"));
        }
    }
}
