//! The runs that are served, by name.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::answer::Refusal;
use crate::data::figure::Figure;
use crate::error::{Error, Result};
use crate::eval::view::palette;
use crate::invariance::{Property, View as Shape};
use crate::op::Border;
use crate::train::{Config, Sampler, Task};

/// A run and what is known of it.
struct Run {
    name: String,
    path: PathBuf,
    view: Mutex<Arc<View>>,
}

/// What a run can be asked for.
pub(super) struct View {
    pub(super) config: Config,
    pub(super) task: Task,
    /// What the sides of larger images must be multiples of; none where there are no others.
    pub(super) step: Option<usize>,
}

/// All runs.
pub(super) struct Catalog {
    runs: Vec<Run>,
}

impl Catalog {
    /// Reads what every run says of itself.
    ///
    /// # Errors
    /// If one cannot be read, or there is none.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self> {
        let mut runs: Vec<Run> = Vec::new();
        for path in paths {
            let word = name_of(path);
            let taken = |name: &str| runs.iter().any(|run| run.name == name);
            let mut name = word.clone();
            for i in 2.. {
                if !taken(&name) {
                    break;
                }
                name = format!("{word}-{i}");
            }
            runs.push(Run { name, path: path.clone(), view: Mutex::new(Arc::new(View::read(path)?)) });
        }
        if runs.is_empty() {
            return Err(Error::Usage("no run to serve: give --run DIR, or train one first".into()));
        }
        Ok(Self { runs })
    }

    /// The run of that name; of no name, the first.
    pub(super) fn named(&self, name: Option<&str>) -> Result<usize, Refusal> {
        let Some(name) = name else { return Ok(0) };
        self.runs.iter().position(|run| run.name == name).ok_or_else(|| {
            let names = self.runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(", ");
            Refusal::new(404, format!("no such run: there are {names}"))
        })
    }

    /// Where a run is.
    pub(super) fn path(&self, run: usize) -> &Path {
        &self.runs[run].path
    }

    /// Its name.
    pub(super) fn name(&self, run: usize) -> &str {
        &self.runs[run].name
    }

    /// What it can be asked for.
    pub(super) fn view(&self, run: usize) -> Arc<View> {
        self.runs[run].view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads again what a run says of itself: its checkpoint is another.
    pub(super) fn refresh(&self, run: usize) -> Result<()> {
        let view = Arc::new(View::read(&self.runs[run].path)?);
        *self.runs[run].view.lock().unwrap_or_else(PoisonError::into_inner) = view;
        Ok(())
    }

    /// All of it, for the page.
    pub(super) fn describe(&self) -> Value {
        let runs: Vec<Value> =
            (0..self.runs.len()).map(|i| self.view(i).describe(self.name(i), self.path(i))).collect();
        json!({
            "program": concat!("invnet ", env!("CARGO_PKG_VERSION")),
            "runs": runs,
            "limits": {"pixels": super::ask::MOST_PIXELS, "samples": super::ask::MOST_SAMPLES},
        })
    }
}

/// What a run is called: its folder, or the name of the file.
fn name_of(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let stem = if path.is_file() { path.file_stem() } else { path.file_name() };
    stem.map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned())
}

impl View {
    fn read(path: &Path) -> Result<Self> {
        let (config, task, step) = Sampler::described(path)?;
        Ok(Self { config, task, step })
    }

    fn describe(&self, name: &str, path: &Path) -> Value {
        let (task, images) = (&self.task, self.task.images());
        let columns = task.columns().iter().enumerate().map(|(i, column)| {
            let (low, high) = task.range(i);
            json!({
                "name": column.name, "unit": column.unit, "low": low, "high": high,
                "possible": [column.possible.0, column.possible.1], "turn": column.turn,
                "position": column.position,
            })
        });
        let start = task.sample_targets(1, 1);
        let figures = task.figures(&start).map(|figures| {
            let kind = |figure: &Figure| match figure {
                Figure::Disc(_) => "disc",
                Figure::Square(_) => "square",
            };
            figures.iter().map(kind).collect::<Vec<_>>()
        });
        let colours = palette(task.look(), images.classes).iter().cycle().take(images.classes);
        json!({
            "name": name,
            "path": path.display().to_string(),
            "source": self.config.data.name(),
            "look": task.look().name(),
            "size": images.size,
            "classes": images.classes,
            "periodic": images.border == Border::Periodic,
            "palette": colours.map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}")).collect::<Vec<_>>(),
            "columns": columns.collect::<Vec<_>>(),
            "properties": task.placed().map(|(p, first)| property(p, first)).collect::<Vec<_>>(),
            "start": start,
            "figures": figures,
            "step": self.step,
        })
    }
}

/// A property, and how it is shown.
fn property(property: &Property, first: usize) -> Value {
    let (view, x) = match property.invariance().view() {
        Shape::Bars => ("bars", None),
        Shape::Bubbles => ("bubbles", None),
        Shape::Shares => ("shares", None),
        Shape::Curve { x, x_name, y_name } => ("curve", Some((x, x_name, y_name))),
    };
    let (x, x_name, y_name) = x.unwrap_or_default();
    json!({
        "name": property.name(), "view": view, "first": first, "count": property.columns().len(),
        "x": x, "x_name": x_name, "y_name": y_name,
    })
}
