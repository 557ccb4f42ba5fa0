//! `invnet generate`: samples are written as they are made, so that memory does not grow with their
//! number; a table, a picture and other formats are made of them at the end.

mod arrays;
mod finish;
mod folder;
pub(super) mod gather;
mod record;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::interrupt::{self, Signal};
use super::lock::Lock;
use super::output::{note, say};
use super::{GenerateArgs, room};
use crate::error::{Error, Result};
use crate::train::dataset::measured;
use crate::train::target::{self, Target};
use crate::train::{Sampler, Task};
use arrays::Arrays;
use folder::Existing;
use record::Record;

/// Numbers of probabilities held at a time, about.
const HELD: usize = 1 << 22;
/// Targets about which something is said one by one.
const NAMED: usize = 5;

/// Writes samples, a grid of them, and what was asked and measured.
pub(super) fn run(args: &GenerateArgs, quiet: bool) -> Result<()> {
    let out = out_folder(args);
    room::check_folder_name(&out)?;
    let kind = args.device.kind();
    let (_, mut sampler) = Sampler::open_at(&args.run, kind, args.size)?;
    let task = sampler.task().clone();
    let targets = match &args.targets {
        Some(file) => target::read(file, args.ignore_unknown, &task)?,
        None => args.target.iter().map(|t| target::parse(t, &task)).collect::<Result<_>>()?,
    };
    let count = args.count as usize;
    check_number(&targets, count)?;
    let asking = Asking { task: &task, targets: &targets, seed: args.seed };
    asking.check()?;
    let [i, n] = args.shard.unwrap_or([1, 1]);
    if n > count {
        return Err(Error::Usage(format!("--shard {i}/{n}: {count} samples make {count} shards at most")));
    }
    let device = kind.to_string().split(':').next().unwrap_or_default().to_owned();
    let latents = [args.soft, args.latents];
    let mut record = Record::new(&args.run, device, (args.seed, count, [i, n]), &targets, latents)?;
    record.size = task.images().size;
    args.format.check_pixels([record.range().len(), record.size[0], record.size[1]])?;
    record.files = arrays::names(&record)
        .into_iter()
        .map(String::from)
        .chain(finish::names(&args.format, args.tile))
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
    let missing = finish::write(&out, &arrays, &task, &args.format, args.tile)?;
    if let Some(signal) = stopped {
        let message = format!(
            "{signal}: {} of {} samples are in {}; continue with: {}",
            arrays.rows(),
            record.range().len(),
            out.display(),
            again()
        );
        return Err(Error::Interrupted { exit_code: signal.exit_code(), message });
    }
    record.complete = true;
    record.write(&out)?;
    if !quiet {
        let files = record.files.join(", ");
        say!("{} samples in {}: {files}, {}", arrays.rows(), out.display(), record::FILE)?;
        tell_missing(missing)?;
    }
    Ok(())
}

/// Says how many numbers could not be measured.
fn tell_missing(missing: usize) -> Result<()> {
    if missing == 0 {
        return Ok(());
    }
    say!("{missing} numbers are missing: empty cells in measured.csv, NaN in measured.npy")
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
    let step = held.max(1).next_multiple_of(sampler.batch_size());
    let bar = progress(range.len(), arrays.rows(), quiet);
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
        let samples = sampler.sample_from(first, &asked, record.seed)?;
        let measured = measured(task, &samples.maps)?;
        arrays.push(&samples, &asked, &measured)?;
        bar.inc((last - first) as u64);
    }
}

fn progress(count: usize, done: usize, quiet: bool) -> ProgressBar {
    let visible = !quiet && std::io::stderr().is_terminal();
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(count as u64), target);
    let template = "{bar:24} {pos}/{len} samples  {per_sec}  {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_position(done as u64);
    bar.reset_eta();
    bar
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
                        note!("warning: {name} = {wanted} is outside the trained range {low} to {high}");
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
            note!("note: {} more targets: see asked_ in measured.csv", changed - NAMED);
        }
    }
}
