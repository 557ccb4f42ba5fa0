//! What a trained generator achieved: random targets, repeated ones, and real images beside it.

mod closed;
mod errors;
pub mod matched;
mod quality;
mod repeated;
mod text;

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::descriptors::{self, Comparison, Frechet, Likeness, Seam};
use super::figures::{ReportFigure, report_png};
use super::neighbours::nearest;
use super::obedience;
use super::variety::{self, Variety};
use super::view::{picture, tiled};
use crate::data::ClassMaps;
use crate::data::export::write_atomically;
use crate::error::Result;
use crate::op::Border;
use crate::train::dataset::{Real, measured};
use crate::train::{Sampler, Samples, Task};
pub use closed::ClosedReport;
pub use errors::Errors;
use errors::column;
pub use quality::Figures;
use repeated::Repeated;
pub use repeated::Target;

/// Seeds of the targets and of the noise: fixed, so that reports of two runs compare.
const TARGET_SEED: u64 = 0x7A26;
const NOISE_SEED: u64 = 0x5EED;

/// Samples in each picture, and in a row of it.
const SHOWN: usize = 30;
const COLUMNS: usize = 10;
/// Samples shown as tiles.
const TILES: usize = 3;

/// One property over all samples.
#[derive(Clone, Debug, Serialize)]
pub struct Property {
    /// Name, as targets give it.
    pub name: String,
    /// Unit of the errors; empty for a share of the image.
    pub unit: String,
    /// Measured on the class map.
    pub argmax: Errors,
    /// Measured on the class probabilities.
    pub softmax: Errors,
}

/// The measurements of a trained generator.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What to know before any number is believed.
    pub warnings: Vec<String>,
    /// Random targets, one sample each.
    pub samples: usize,
    /// Rows and columns of an image, in pixels.
    pub size: [usize; 2],
    /// Errors over the random targets, in the properties' units.
    pub properties: Vec<Property>,
    /// Mean absolute error over all properties and random targets, after argmax. Of figures this mixes
    /// areas and positions, and only serves to compare runs.
    pub mean_abs_error: f64,
    /// Quality of figures, where they are asked for.
    #[serde(flatten)]
    pub figures: Option<Figures>,
    /// Samples of each repeated target.
    pub repeats: usize,
    /// Repeated targets.
    pub targets: Vec<Target>,
    /// Largest mean absolute error of a property at a repeated target; of figures that of an area.
    pub worst_target_error: f64,
    /// Mean share of pixels that differ between two samples of one target.
    pub diversity: f64,
    /// Descriptors that no loss sees, of samples at the data's own targets and of held-out images.
    pub descriptors: Vec<Comparison>,
    /// The descriptors in one figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likeness: Option<Likeness>,
    /// Whether samples are remembered, repeated or left out.
    pub variety: Variety,
    /// How far those of the generated images are from those of held-out ones, all together.
    pub frechet: Frechet,
    /// How visible the border is where samples lie side by side as tiles, if images go round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seam: Option<Seam>,
    /// Wall time of generation, argmax and soft measurement included.
    pub seconds_per_sample: f64,
    /// Samples closed on their targets, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<ClosedReport>,
    #[serde(skip)]
    shown: Shown,
}

/// What the picture needs beside the numbers.
#[derive(Clone, Debug)]
struct Shown {
    task: Task,
    generated: Vec<u8>,
    asked: Vec<f32>,
    real: Vec<u8>,
    repeated: Vec<u8>,
}

impl Report {
    /// Measures `count` random targets and the repeated ones, and compares with held-out images, and with
    /// as many of those trained on.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(sampler: &mut Sampler, real: &Real, count: usize) -> Result<Self> {
        let Real { held_out, training } = real;
        let task = sampler.task().clone();
        let (width, pixels, size) = (task.columns().len(), task.images().pixels(), task.images().size);
        let asked = task.sample_targets(count, TARGET_SEED);
        let start = Instant::now();
        let samples = sampler.sample(&asked, NOISE_SEED)?;
        let seconds_per_sample = start.elapsed().as_secs_f64() / count as f64;
        let hard = measured(&task, &samples.maps)?;
        let errors = |measured: &[f32], i: usize| {
            let pairs = column(measured, width, i).zip(column(&asked, width, i));
            Errors::of(pairs.map(|(measured, asked)| task.columns()[i].error(measured, asked)))
        };
        let properties: Vec<Property> = task
            .columns()
            .iter()
            .enumerate()
            .map(|(i, column)| Property {
                name: column.name.clone(),
                unit: column.unit.clone(),
                argmax: errors(&hard, i),
                softmax: errors(&samples.soft, i),
            })
            .collect();
        let repeated = Repeated::measure(sampler, count)?;
        let worst = repeated.targets.iter().flat_map(|t| &t.mean_abs_error).fold(0.0_f64, |m, &e| m.max(e));
        let (alike, numbers, own) = like_held_out(sampler, held_out, &samples, &hard, count)?;
        let descriptors = compare(&task, &alike, held_out);
        let symmetry = sampler.symmetry();
        let variety = Variety {
            nearest_training: nearest(&alike, &training.maps, size, symmetry),
            nearest_held_out: nearest(&alike, &held_out.maps, size, symmetry),
            distinct: repeated.distinct,
            coverage: variety::coverage(&numbers, &own, width),
        };
        let shown = SHOWN.min(count);
        let means: Vec<f64> = properties.iter().map(|p| p.argmax.mean_abs_error).collect();
        Ok(Self {
            warnings: obedience::warning(&task, &means).into_iter().collect(),
            samples: count,
            size,
            mean_abs_error: properties.iter().map(|p| p.argmax.mean_abs_error).sum::<f64>() / width as f64,
            properties,
            figures: Figures::measure(&task, &samples.maps, &asked),
            repeats: repeated.samples,
            worst_target_error: worst,
            diversity: repeated.diversity,
            likeness: Likeness::of(&descriptors),
            descriptors,
            variety,
            frechet: frechet(&task, &alike, held_out),
            seam: seam(&task, &samples.maps),
            seconds_per_sample,
            closed: None,
            targets: repeated.targets,
            shown: Shown {
                generated: samples.maps[..shown * pixels].to_vec(),
                asked: asked[..shown * width].to_vec(),
                real: picked(held_out, shown).concat(),
                repeated: repeated.maps,
                task,
            },
        })
    }

    /// Writes `report.json` and `report.png` to a folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("numbers and names are JSON");
        write_atomically(folder.join("report.json"), |file| writeln!(file, "{text}"))?;
        self.write_picture(&folder.join("report.png"))
    }

    /// Draws the report.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_picture(&self, path: &Path) -> Result<()> {
        let Shown { task, generated, asked, real, repeated } = &self.shown;
        let mut pictures = Vec::new();
        let columns = if self.figures.is_some() {
            let heading = "Asked (outline) against generated (colour)";
            pictures.push((heading.to_owned(), picture(task, generated, asked, COLUMNS)));
            COLUMNS
        } else {
            let strip = repeated.len() / task.images().pixels();
            let heading = "Samples of the repeated targets, in order";
            pictures.push((heading.to_owned(), picture(task, repeated, &[], strip)));
            pictures.push((
                "Generated, at targets of held-out images".into(),
                picture(task, generated, &[], COLUMNS / 2),
            ));
            COLUMNS / 2
        };
        if let Some(closed) = &self.closed {
            let (shown, asked) = (closed.samples.min(SHOWN), [].as_slice());
            let maps = &closed.maps[..shown * task.images().pixels()];
            pictures.push(("Closed on their targets".into(), picture(task, maps, asked, columns)));
        }
        pictures.push(("Real, held out of training".into(), picture(task, real, &[], columns)));
        if let Some(Seam { ratio, standard_error }) = self.seam {
            let first = &generated[..TILES.min(self.samples) * task.images().pixels()];
            let heading = format!(
                "Generated samples, each 3 x 3 times: class changes across the border over those inside \
                 {ratio:.2} \u{b1} {standard_error:.2}"
            );
            pictures.push((heading, tiled(task, first, 3, TILES)));
        }
        let figure = ReportFigure {
            title: format!("Asked against generated, {} x {} pixels", self.size[0], self.size[1]),
            panels: repeated::panels(&self.targets, task),
            pictures,
            caption: self.caption(),
        };
        report_png(path, &figure)
    }
}

/// The seam of samples of images that go round; none of others.
fn seam(task: &Task, maps: &[u8]) -> Option<Seam> {
    let (images, [h, w]) = (task.images(), task.images().size);
    let maps: Vec<&[u8]> = maps.chunks_exact(images.pixels()).collect();
    if images.border == Border::Periodic { Seam::of(&maps, h, w) } else { None }
}

/// Up to `count` numbers from all over a set of images: neighbours may be snapshots of one simulation.
fn spread(images: usize, count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(images);
    (0..count).map(move |i| i * images / count)
}

/// The maps of those images.
fn picked(set: &ClassMaps, count: usize) -> Vec<&[u8]> {
    spread(set.count, count).map(|i| set.map(i)).collect()
}

/// Class maps generated for what held-out images have, one by one, where their numbers are known; the
/// numbers measured on them, and those of the held-out images. Else the samples of random targets.
fn like_held_out(
    sampler: &mut Sampler,
    held_out: &ClassMaps,
    samples: &Samples,
    hard: &[f32],
    count: usize,
) -> Result<(Vec<u8>, Vec<f32>, Vec<f32>)> {
    let task = sampler.task().clone();
    let own = measured(&task, &picked(held_out, count.max(2)).concat())?;
    if !task.needs_table() || own.iter().any(|v| !v.is_finite()) {
        return Ok((samples.maps.clone(), hard.to_vec(), own));
    }
    let maps = sampler.sample(&own, NOISE_SEED)?.maps;
    let numbers = measured(&task, &maps)?;
    Ok((maps, numbers, own))
}

/// The distance of all of them together.
fn frechet(task: &Task, generated: &[u8], real: &ClassMaps) -> Frechet {
    let images = task.images();
    let [generated, real] = [generated, &real.maps].map(|maps| maps.chunks_exact(images.pixels()).collect());
    let (generated, real): (Vec<&[u8]>, Vec<&[u8]>) = (generated, real);
    Frechet::of(task.look(), &generated, &real, images.size, images.border == Border::Periodic)
}

/// Descriptors that no loss sees.
fn compare(task: &Task, generated: &[u8], real: &ClassMaps) -> Vec<Comparison> {
    let (images, [h, w]) = (task.images(), task.images().size);
    let generated: Vec<&[u8]> = generated.chunks_exact(images.pixels()).collect();
    let real = picked(real, generated.len().max(2));
    descriptors::compare(task.look(), &generated, &real, h, w, images.border == Border::Periodic)
}
