//! What a checkpoint says of itself, so that a copy of the one file is enough to generate.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::task::Task;
use crate::data::source::Look;
use crate::device::Settled;
use crate::error::{Error, Result};
use crate::invariance::Images;
use crate::op::Border;

/// The number of the format; another one is not read.
const FORMAT: u32 = 1;

/// A run, as its checkpoint describes it. Standardisation and the table of targets are tensors.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Description {
    format: u32,
    /// The program that wrote it, and its version.
    program: String,
    /// The configuration, as TOML.
    config: String,
    /// Rows and columns of an image, in pixels.
    size: [usize; 2],
    classes: usize,
    periodic: bool,
    look: String,
    /// What each class was in the files that the images are from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<f64>,
    /// What its card found out of its kernels.
    #[serde(flatten)]
    settled: Settled,
    /// The numbers asked for, in the order of the condition vector: (name, unit).
    columns: Vec<(String, String)>,
}

impl Description {
    /// Describes a run.
    pub(super) fn of(config: &Config, task: &Task) -> Self {
        let images = task.images();
        Self {
            format: FORMAT,
            program: concat!("invnet ", env!("CARGO_PKG_VERSION")).into(),
            config: config.to_toml(),
            size: images.size,
            classes: images.classes,
            periodic: images.border == Border::Periodic,
            look: task.look().name().into(),
            labels: task.labels().to_vec(),
            settled: Settled::default(),
            columns: task.columns().iter().map(|c| (c.name.clone(), c.unit.clone())).collect(),
        }
    }

    /// The same run, on a card that found this out of its kernels.
    pub(super) fn settled_as(&self, settled: Settled) -> Self {
        Self { settled, ..self.clone() }
    }

    /// What its card found out of its kernels.
    #[must_use]
    pub fn settled(&self) -> &Settled {
        &self.settled
    }

    /// Reads what a file says; `origin` is the file.
    ///
    /// # Errors
    /// If it is no description, or one of another format.
    pub(super) fn parse(text: &str, origin: &str) -> Result<Self> {
        let wrong = |problem: String| Error::Usage(format!("{origin}: {problem}"));
        let found: Self =
            serde_json::from_str(text).map_err(|e| wrong(format!("its description is damaged ({e})")))?;
        if found.format != FORMAT {
            let (format, program) = (found.format, found.program);
            return Err(wrong(format!(
                "is of format {format}, written by {program}: this is format {FORMAT}"
            )));
        }
        Ok(found)
    }

    /// As text.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("numbers and words are JSON")
    }

    /// The configuration of the run.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn config(&self, origin: &str) -> Result<Config> {
        Config::from_toml(&self.config, origin)
    }

    /// What was asked of the images, without its table; a file of images need not be there any more.
    ///
    /// # Errors
    /// If it is of properties that are no longer there.
    pub fn task(&self, config: &Config, origin: &str) -> Result<Task> {
        if !config.data.is_file() {
            return Task::of(config, origin);
        }
        let border = if self.periodic { Border::Periodic } else { Border::Open };
        let images = Images { size: self.size, classes: self.classes, border };
        let look = Look::ALL.into_iter().find(|l| l.name() == self.look).unwrap_or(Look::Grains);
        Task::restore(config, images, look, origin).map(|task| task.with_labels(self.labels.clone()))
    }
}
