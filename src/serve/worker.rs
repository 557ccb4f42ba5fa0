//! The one that computes. A panic costs the requests that it has, not those that wait, nor the server:
//! another one takes its place.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Shared;
use super::answer::{Answer, Refusal};
use super::ask::{Ask, Sample};
use super::catalog::Catalog;
use super::files::{self, FileFormat};
use super::generators::{Generators, Made};
use super::image::Image;
use super::queue::{Job, Queue};
use super::training;
use crate::close::{Effort, Tolerances};
use crate::device::Kind;
use crate::train::Task;
use crate::train::dataset::{have_mean, mean_numbers, measured};

/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(200);
/// Rows of a table that are sent; of a longer one as many, evenly spaced.
const ROWS: usize = 256;
/// Requests for samples that it has at a time.
const MOST: usize = 32;
/// Pixels from which a request is large, and how many of those it has at a time: a small one never waits for
/// all of a large one.
const LARGE: usize = 1 << 16;
const MOST_LARGE: usize = 2;

/// Computes until it is told to stop.
pub(super) fn run(shared: &Shared, device: Kind, stop: &dyn Fn() -> bool) {
    let mut cold = true;
    let turn = |worker: &mut Worker<'_>| {
        if std::mem::take(&mut cold) {
            // Whoever opens the page waits for no file. What is wrong is said to whoever asks.
            let _ = worker.warm_up();
        }
        worker.turn(&shared.queue);
    };
    supervise(|| Worker::new(&shared.catalog, device), turn, stop);
}

/// Lets a worker have turn after turn until told to stop, and another one in its place if one breaks down.
fn supervise<W>(mut fresh: impl FnMut() -> W, mut turn: impl FnMut(&mut W), stop: &dyn Fn() -> bool) {
    let mut worker = fresh();
    while !stop() {
        if catch_unwind(AssertUnwindSafe(|| turn(&mut worker))).is_err() {
            // Its requests are told so as they are dropped.
            worker = fresh();
        }
    }
}

/// Owns the generators.
struct Worker<'a> {
    catalog: &'a Catalog,
    generators: Generators,
    working: HashMap<u64, Work>,
    count: u64,
}

/// A request for samples that are being made.
struct Work {
    job: Job,
    sample: Sample,
    file: Option<FileFormat>,
    /// The image whose numbers they are to have, and these.
    image: Option<Value>,
    until: Instant,
}

impl<'a> Worker<'a> {
    fn new(catalog: &'a Catalog, device: Kind) -> Self {
        Self { catalog, generators: Generators::new(device), working: HashMap::new(), count: 0 }
    }

    /// Opens the first run as the page will ask for it.
    fn warm_up(&mut self) -> Result<(), Refusal> {
        let view = self.catalog.view(0);
        let wanted = vec![None; view.task.columns().len()];
        let tolerances = Tolerances::usual(&view.task);
        let (run, count, seed, size, closed, seconds) = (0, 4, 0, None, false, 1.0);
        let ask = Sample { run, wanted, count, seed, size, closed, tolerances, seconds };
        self.generators.begin(0, &ask, self.catalog)?;
        while self.generators.step(&|_| false).is_empty() {}
        Ok(())
    }

    /// Takes over what waits and fits, then computes one batch.
    fn turn(&mut self, queue: &Queue) {
        let mut patience = if self.working.is_empty() { LOOK } else { Duration::ZERO };
        while let Some(job) = queue.next(patience, &|ask| self.fits(ask)) {
            self.begin(job);
            patience = Duration::ZERO;
        }
        self.look_after();
        let working = &self.working;
        let hurry =
            |id| working.get(&id).is_none_or(|work| work.job.is_vain() || work.until <= Instant::now());
        for (id, outcome) in self.generators.step(&hurry) {
            if let Some(work) = self.working.remove(&id) {
                let outcome = outcome.and_then(|made| self.answer(&work, &made));
                work.job.finish(&outcome.map(Arc::new));
            }
        }
    }

    /// Whether there is room for a request.
    fn fits(&self, ask: &Ask) -> bool {
        let sample = match ask {
            Ask::Sample { sample, .. } | Ask::Match { sample, .. } => sample,
            _ => return true,
        };
        let pixels = |sample: &Sample| sample.pixels(&self.catalog.view(sample.run));
        let large = self.working.values().filter(|work| pixels(&work.sample) > LARGE).count();
        self.working.len() < MOST
            && (pixels(sample) <= LARGE || large < MOST_LARGE)
            && self.generators.fits(sample)
    }

    /// Answers a request, or begins to make its samples.
    fn begin(&mut self, job: Job) {
        let begun = match &job.ask {
            Ask::Sample { sample, file } => Ok((sample.clone(), *file, None)),
            Ask::Match { sample, image } => {
                self.matched(sample, image).map(|(s, image)| (s, None, Some(image)))
            }
            ask => {
                let outcome = self.at_once(ask).map(Arc::new);
                return job.finish(&outcome);
            }
        };
        let id = self.count;
        self.count += 1;
        let begun = begun.and_then(|work| self.generators.begin(id, &work.0, self.catalog).map(|()| work));
        match begun {
            Err(refusal) => job.finish(&Err(refusal)),
            Ok((sample, file, image)) => {
                let until = Instant::now() + Duration::from_secs_f64(sample.seconds);
                self.working.insert(id, Work { job, sample, file, image, until });
            }
        }
    }

    /// Lets go of what nobody waits for, and ends what has had its time.
    fn look_after(&mut self) {
        let (now, generators) = (Instant::now(), &mut self.generators);
        self.working.retain(|id, work| {
            if work.job.is_vain() {
                generators.forget(*id);
                return false;
            }
            if work.until <= now {
                generators.end(*id);
            }
            true
        });
    }

    /// The request for samples with the numbers of an image, and what is said of the image.
    fn matched(&self, sample: &Sample, image: &Image) -> Result<(Sample, Value), Refusal> {
        let view = self.catalog.view(sample.run);
        let task = image.task(&view)?;
        // As `invnet match` does.
        let pixels = task.images().pixels();
        let taken = if have_mean(&task, task.look()) { &image.maps[..] } else { &image.maps[..pixels] };
        let numbers = mean_numbers(&task, &measured(&task, taken)?);
        let found = numbers.iter().map(|v| Some(*v).filter(|v| v.is_finite()));
        // What is given beside the image prevails over it.
        let wanted = sample.wanted.iter().zip(found).map(|(given, found)| given.or(found)).collect();
        let said = json!({
            "size": image.size, "count": taken.len() / pixels, "maps": STANDARD.encode(taken),
            "measured": named(&task, &numbers)[0], "warnings": image.warnings,
        });
        Ok((Sample { wanted, ..sample.clone() }, said))
    }

    /// The answer to what asks for no samples.
    fn at_once(&self, ask: &Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::Measure { run, image } => {
                let task = image.task(&self.catalog.view(*run))?;
                let rows = measured(&task, &image.maps)?;
                Ok(Answer::json(&json!({
                    "size": image.size, "classes": task.images().classes, "maps": STANDARD.encode(&image.maps),
                    "measured": named(&task, &rows), "warnings": image.warnings,
                })))
            }
            Ask::Table { run } => Ok(table(&self.catalog.view(*run).task)),
            Ask::Training { run, iteration: None } => {
                Ok(training::log(self.catalog.path(*run), &self.catalog.view(*run).config))
            }
            Ask::Training { run, iteration: Some(at) } => training::picture(self.catalog.path(*run), *at),
            Ask::Sample { .. } | Ask::Match { .. } => unreachable!("samples take their time"),
        }
    }

    /// Samples that are done, as they were asked for.
    fn answer(&self, work: &Work, made: &Made) -> Result<Answer, Refusal> {
        let (name, path) = (self.catalog.name(work.sample.run), self.catalog.path(work.sample.run));
        if let Some(format) = work.file {
            return Ok(files::file(made, &work.sample, format, name, path)?);
        }
        let mut object = object(made, &work.sample, name, path);
        if let Some(image) = &work.image {
            object["image"] = image.clone();
        }
        Ok(Answer::json(&object))
    }
}

/// Samples, for a program.
fn object(made: &Made, ask: &Sample, run: &str, path: &Path) -> Value {
    let images = made.task.images();
    json!({
        "run": run,
        "size": images.size,
        "classes": images.classes,
        "maps": STANDARD.encode(&made.maps),
        "seed": ask.seed,
        "asked": named(&made.task, &made.asked),
        "measured": named(&made.task, &made.measured),
        "tolerance": named(&made.task, &made.tolerance),
        "within": made.within,
        "closed": ask.closed,
        "ended": made.ended,
        "effort": made.effort.as_ref().map(|all| all.iter().map(effort).collect::<Vec<_>>()),
        "score": made.score,
        "command": files::command(made, ask, path),
    })
}

/// What closing a sample took.
fn effort(effort: &Effort) -> Value {
    json!({"passes": effort.passes, "steps": effort.steps, "flips": effort.flips})
}

/// Rows `[N, P]` as objects; null for what is missing.
fn named(task: &Task, rows: &[f32]) -> Vec<Map<String, Value>> {
    let names = task.names();
    // A number in as few digits as tell it from its neighbours in single precision.
    let value = |v: &f32| v.to_string().parse::<f64>().map_or(Value::Null, |v| json!(v));
    rows.chunks_exact(names.len())
        .map(|row| names.iter().cloned().zip(row.iter().map(value)).collect())
        .collect()
}

/// Numbers that real images have together: rows, and for each number how it is spread.
fn table(task: &Task) -> Answer {
    let width = task.columns().len();
    let rows = if task.needs_table() { task.table().to_vec() } else { task.sample_targets(ROWS, 0) };
    let count = rows.len() / width;
    let quantile = |i: usize, q: f64| {
        let mut column: Vec<f32> = rows.iter().skip(i).step_by(width).copied().collect();
        column.sort_by(f32::total_cmp);
        column[((count - 1) as f64 * q).round() as usize]
    };
    let kept: Vec<&[f32]> = rows.chunks_exact(width).step_by(count.div_ceil(ROWS)).collect();
    let band: Vec<[f32; 3]> = (0..width).map(|i| [0.05, 0.5, 0.95].map(|q| quantile(i, q))).collect();
    Answer::json(&json!({"names": task.names(), "rows": kept, "band": band}))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_worker_that_breaks_down_is_replaced_and_who_waited_for_it_is_told() {
        let (queue, broken) = (Queue::new(), Ask::Table { run: 13 });
        let asks = [broken, Ask::Table { run: 0 }, Ask::Table { run: 1 }];
        let mut answers = asks.map(|ask| queue.add(ask, None).unwrap());
        let (workers, turns) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let fresh = || workers.set(workers.get() + 1);
        let turn = |(): &mut ()| {
            turns.set(turns.get() + 1);
            let Some(job) = queue.next(Duration::ZERO, &|_| true) else { return };
            if job.ask == (Ask::Table { run: 13 }) {
                // As a panic does, without its message.
                std::panic::resume_unwind(Box::new("broken"));
            }
            job.finish(&Ok(Arc::new(Answer::json(&Value::Null))));
        };
        supervise(fresh, turn, &|| turns.get() == 4);
        let statuses = answers.each_mut().map(|answer| answer.try_recv().unwrap().err().map(|r| r.status));
        assert_eq!(statuses, [Some(503), None, None]);
        assert_eq!(workers.get(), 2);
    }
}
