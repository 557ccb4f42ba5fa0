//! The one that computes. A panic costs the request that caused it and the open generators, not the
//! server.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Shared;
use super::answer::{Answer, Refusal};
use super::ask::{Ask, Image, MOST_PIXELS, Sample};
use super::files::{self, Folder};
use super::generators::{Generators, Made};
use super::training;
use crate::close::{Effort, Tolerances};
use crate::data::import::{self, Resize};
use crate::device::Kind;
use crate::error::Error;
use crate::train::Task;
use crate::train::dataset::measured;

/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(200);
/// Rows of a table that are sent; of a longer one as many, evenly spaced.
const ROWS: usize = 256;

/// Owns the generators.
pub(super) struct Worker {
    shared: Arc<Shared>,
    device: Kind,
    generators: Generators,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, device: Kind) -> Self {
        Self { shared, device, generators: Generators::new(device) }
    }

    /// Works until it is told to stop.
    pub(super) fn run(&mut self, stop: &dyn Fn() -> bool) {
        // Whoever opens the page waits for no file.
        let _ = self.guarded(|worker| worker.warm_up());
        while !stop() {
            if let Some(job) = self.shared.queue.next(LOOK) {
                let outcome = self.guarded(|worker| worker.answer(&job.ask).map(Arc::new));
                job.finish(&outcome);
            }
        }
    }

    /// Runs some work; if it panics, that is the answer, and the generators are opened anew.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(outcome) => outcome,
            Err(_) => {
                self.generators = Generators::new(self.device);
                Err(Refusal::new(
                    500,
                    "this request broke the generator, which is opened again: please report it",
                ))
            }
        }
    }

    /// Opens the first run as the page will ask for it.
    fn warm_up(&mut self) -> Result<(), Refusal> {
        let wanted = vec![None; self.shared.catalog.view(0).task.columns().len()];
        let tolerances = Tolerances::usual(&self.shared.catalog.view(0).task);
        let ask = Sample { run: 0, wanted, count: 1, seed: 0, size: None, closed: false, tolerances };
        self.generators.make(&ask, &self.shared.catalog).map(|_| ())
    }

    fn answer(&mut self, ask: &Ask) -> Result<Answer, Refusal> {
        let Shared { catalog, .. } = &*self.shared;
        match ask {
            Ask::Sample { sample, file: None } => {
                let made = self.generators.make(sample, catalog)?;
                Ok(Answer::json(&object(&made, sample, catalog.name(sample.run), catalog.path(sample.run))))
            }
            Ask::Sample { sample, file: Some(format) } => {
                let made = self.generators.make(sample, catalog)?;
                let (name, path) = (catalog.name(sample.run), catalog.path(sample.run));
                Ok(files::file(&made, sample, *format, name, path)?)
            }
            Ask::Measure { run, image } => {
                let (task, maps) = maps(&catalog.view(*run), image)?;
                let rows = measured(&task, &maps)?;
                let [h, w] = task.images().size;
                Ok(Answer::json(&json!({
                    "size": [h, w], "classes": task.images().classes, "maps": STANDARD.encode(&maps),
                    "measured": named(&task, &rows),
                })))
            }
            Ask::Match { sample, image } => {
                let (task, maps) = maps(&catalog.view(sample.run), image)?;
                let rows = measured(&task, &maps[..task.images().pixels()])?;
                let found = rows.iter().map(|v| Some(*v).filter(|v| v.is_finite()));
                // What is given beside the image prevails over it.
                let wanted = sample.wanted.iter().zip(found).map(|(given, found)| given.or(found)).collect();
                let sample = Sample { wanted, ..sample.clone() };
                let made = self.generators.make(&sample, catalog)?;
                let mut object = object(&made, &sample, catalog.name(sample.run), catalog.path(sample.run));
                object["image"] = json!({
                    "size": task.images().size, "maps": STANDARD.encode(&maps), "measured": named(&task, &rows)[0],
                });
                Ok(Answer::json(&object))
            }
            Ask::Table { run } => Ok(table(&catalog.view(*run).task)),
            Ask::Training { run, iteration: None } => {
                Ok(training::log(catalog.path(*run), &catalog.view(*run).config))
            }
            Ask::Training { run, iteration: Some(at) } => training::picture(catalog.path(*run), *at),
        }
    }
}

/// Samples, for a program.
fn object(made: &Made, ask: &Sample, run: &str, path: &std::path::Path) -> Value {
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
        "within": made.within(),
        "closed": ask.closed,
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

/// Class maps of somebody's image, and the task at their size.
fn maps(view: &super::catalog::View, image: &Image) -> Result<(Task, Vec<u8>), Refusal> {
    let (size, maps) = match image {
        Image::Maps { size, maps } => (*size, maps.clone()),
        Image::File { bytes, threshold, size } => {
            let folder = Folder::new()?;
            // The name is ours; what is in the file decides how it is read.
            let path = folder.0.join("image");
            std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
            let options = import::Options {
                threshold: *threshold,
                resize: Resize::Area,
                size: *size,
                ..import::Options::default()
            };
            let data = import::import(&path, &options);
            let own = |e: Error| {
                let problem = e.to_string().replace(&path.display().to_string(), "image");
                Refusal::wrong(format!("{problem} (here: \"threshold\", \"size\")"))
            };
            let data = data.map_err(own)?;
            if data.maps.len() > MOST_PIXELS {
                return Err(Refusal::wrong(format!(
                    "image: at most {MOST_PIXELS} pixels: give a smaller size"
                )));
            }
            ([data.height, data.width], data.maps)
        }
    };
    let task = if size == view.task.images().size {
        view.task.clone()
    } else {
        view.task.resized(&view.config, size, "image")?
    };
    let classes = view.task.images().classes;
    if maps.iter().any(|&class| usize::from(class) >= classes) {
        return Err(Refusal::wrong(format!("image: has more classes than the {classes} of the run")));
    }
    Ok((task, maps))
}
