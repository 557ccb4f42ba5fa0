//! The images of a run, those held out of it, and what is measured on them.

use std::sync::Arc;

use super::config::Config;
use super::task::Task;
use crate::data::ClassMaps;
use crate::data::source::{Look, Part, Source};
use crate::device::{Cpu, Device};
use crate::error::{Error, Result, SOMEWHERE};
use crate::invariance::{Column, Images, Property, measure_all};
use crate::op::LeafId;
use crate::plan::Plan;
use crate::store::Store;
use crate::tape::Tape;

/// Images held out: targets come from them where no formula gives any, and reports compare with
/// them.
const HELD_OUT: usize = 1024;
/// Images of noise that stand for a data set.
const STAND_INS: usize = 64;
/// Most images measured at a time, and most of their pixels, if that is less.
const BATCH: usize = 64;
const PIXELS: usize = 1 << 20;

/// The images of a run.
pub struct Dataset {
    /// What is asked of them, with its table.
    pub task: Task,
    /// What the critic sees.
    pub images: ClassMaps,
    /// What training never sees.
    pub held_out: ClassMaps,
    /// How a file's images are divided, and what may go wrong with the properties.
    pub warnings: Vec<String>,
}

impl Dataset {
    /// Makes or reads the images of a configuration. Simulations run on `device`.
    ///
    /// # Errors
    /// If the file does not fit the configuration, a property cannot be trained with, or the device
    /// fails.
    pub fn of(config: &Config, device: &mut dyn Device) -> Result<Self> {
        let origin = SOMEWHERE;
        let source = Task::source(config, origin)?;
        let mut task = Task::with_source(config, &source, origin)?;
        // Before images are made, which may take minutes.
        let mut warnings = checked(&task)?;
        let count = config.data.options().whole("images");
        warnings.splice(0..0, source.division(count));
        let images = source.make(Part::Training, count, config.train.seed, device)?;
        let held_out = hold_out(&source, config, device)?;
        if task.needs_table() {
            let mut rows = measured(&task, &held_out.maps)?;
            // A person's file may hold out a dozen windows: their numbers are no range, and no law.
            rows.extend(measured(&task, &spread(&images, HELD_OUT.saturating_sub(held_out.count)))?);
            task = task.with_table(&rows)?;
        }
        Ok(Self { task, images, held_out, warnings })
    }

    /// Images of noise of the right size and classes, some of every mixture, that take no time to make:
    /// where only shapes matter.
    ///
    /// # Errors
    /// If the configuration's source or properties cannot be trained with.
    pub fn stand_in(config: &Config) -> Result<Self> {
        let origin = SOMEWHERE;
        let source = Task::source(config, origin)?;
        let mut task = Task::with_source(config, &source, origin)?;
        let (pixels, [height, width]) = (task.images().pixels(), task.images().size);
        let classes = task.images().classes as u64;
        let label = |i: usize| {
            let (image, noise) = ((i / pixels) as u64, (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32);
            // Image k takes its classes from k + 1 equal parts, the last to one class.
            (noise % (image % 7 + classes)).min(classes - 1) as u8
        };
        let count = STAND_INS;
        let maps: Vec<u8> = (0..count * pixels).map(label).collect();
        if task.needs_table() {
            let rows = measured(&task, &maps)?;
            task = task.with_table(&rows)?;
        }
        let images = ClassMaps {
            count,
            height,
            width,
            classes: task.images().classes,
            maps,
            names: Vec::new(),
            properties: Vec::new(),
            labels: Vec::new(),
            held_out: Vec::new(),
        };
        Ok(Self { task, held_out: images.clone(), images, warnings: Vec::new() })
    }
}

/// Class maps of so many of the images, or of all, evenly spaced.
fn spread(images: &ClassMaps, wanted: usize) -> Vec<u8> {
    let (pixels, taken) = (images.height * images.width, wanted.min(images.count));
    (0..taken).flat_map(|i| &images.maps[i * images.count / taken * pixels..][..pixels]).copied().collect()
}

/// Tries the properties out: what may go wrong.
///
/// # Errors
/// If one of them cannot be trained with.
fn checked(task: &Task) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for property in task.properties() {
        let place = |problem: String| format!("ask.{}: {problem}", property.name());
        let found = property.invariance().check().map_err(|problem| Error::Usage(place(problem)))?;
        warnings.extend(found.into_iter().map(place));
    }
    Ok(warnings)
}

/// Real images to judge generated ones by.
pub struct Real {
    /// Images that training never sees.
    pub held_out: ClassMaps,
    /// As many of those it does.
    pub training: ClassMaps,
}

impl Real {
    /// Those of a configuration.
    ///
    /// # Errors
    /// As [`Dataset::of`].
    pub fn of(config: &Config, device: &mut dyn Device) -> Result<Self> {
        let source = Task::source(config, SOMEWHERE)?;
        let held_out = hold_out(&source, config, device)?;
        let count = held_out.count.min(config.data.options().whole("images"));
        let training = source.make(Part::Training, count, config.train.seed, device)?;
        Ok(Self { held_out, training })
    }
}

fn hold_out(source: &Arc<dyn Source>, config: &Config, device: &mut dyn Device) -> Result<ClassMaps> {
    source.make(Part::HeldOut, HELD_OUT, config.train.seed, device)
}

/// The numbers that a task asks for, of class maps `[N, H, W]`: see [`measured_on`].
///
/// # Errors
/// If the device that measures fails.
pub fn measured(task: &Task, maps: &[u8]) -> Result<Vec<f32>> {
    measured_on(task.properties(), task.images(), maps)
}

/// Whether the numbers of several images have a mean that says what to ask for: figures, and places and angles of
/// anything, have none.
pub fn have_mean(task: &Task, look: Look) -> bool {
    look != Look::Figures && !task.columns().iter().any(|c| c.position || c.turn.is_some())
}

/// The mean `[P]` of rows `[N, P]` of numbers, of each over those that have it; NaN where none does.
pub fn mean_numbers(task: &Task, rows: &[f32]) -> Vec<f32> {
    let width = task.columns().len();
    let mean = |i: usize| {
        let found = rows.iter().skip(i).step_by(width).filter(|v| v.is_finite());
        let (sum, count) = found.fold((0.0, 0.0), |(sum, n), &v| (sum + f64::from(v), n + 1.0));
        (sum / count) as f32
    };
    (0..width).map(mean).collect()
}

/// The numbers of properties of class maps `[N, H, W]`, `[N, P]` in a person's units; NaN where an image
/// has nothing to measure.
///
/// # Errors
/// If the device that measures fails.
pub fn measured_on(properties: &[Property], images: &Images, maps: &[u8]) -> Result<Vec<f32>> {
    Measurer::new(properties, images, BATCH)?.measure(maps)
}

/// What a transform in single precision makes of 0, at most.
const ROUNDED: f32 = 1e-6;
/// Fewest rows of a batch: sums over an axis of one are other sums.
const FEWEST: usize = 2;

/// What measures class maps, ready to do so again and again.
pub struct Measurer {
    properties: Vec<Property>,
    images: Images,
    together: usize,
    store: Store,
    /// Batches of some number of rows that were asked for.
    lanes: Vec<Lane>,
}

/// A number of a class map without what rounding takes from 0 where there is nothing below.
fn possible(value: f32, column: &Column) -> f32 {
    let rounded = column.possible.0 == 0.0 && (-ROUNDED..=0.0).contains(&value);
    if rounded { 0.0 } else { value }
}

/// A batch of so many class maps.
struct Lane {
    rows: usize,
    batch: LeafId,
    plan: Plan,
}

impl Measurer {
    /// Measures properties of images, at most `together` at a time.
    ///
    /// # Errors
    /// If the device that measures fails.
    pub fn new(properties: &[Property], images: &Images, together: usize) -> Result<Self> {
        let together = (PIXELS / images.pixels()).clamp(1, together);
        let store = Store::new(Cpu::<f32>::new());
        Ok(Self { properties: properties.to_vec(), images: *images, together, store, lanes: Vec::new() })
    }

    /// The smallest batch that holds so many maps.
    fn lane(&mut self, maps: usize) -> Result<usize> {
        let rows = maps.next_power_of_two().max(FEWEST).min(self.together);
        if let Some(at) = self.lanes.iter().position(|lane| lane.rows == rows) {
            return Ok(at);
        }
        let (pixels, [h, w], store) = (self.images.pixels(), self.images.size, &mut self.store);
        let batch = store.add_u8(&format!("maps.{rows}"), [rows, h, w], &vec![0; rows * pixels])?;
        let numbers: Vec<u32> = (0..rows as u32).collect();
        let numbers = store.add_u32(&format!("rows.{rows}"), [rows], &numbers)?;
        let tape = Tape::new();
        let x = store.var(&tape, batch).one_hot(store.var(&tape, numbers), self.images.classes);
        let plan = Plan::new(&tape, &[measure_all(&self.properties, x)], store);
        self.lanes.push(Lane { rows, batch, plan });
        Ok(self.lanes.len() - 1)
    }

    /// The numbers of class maps `[N, H, W]`: see [`measured_on`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(&mut self, maps: &[u8]) -> Result<Vec<f32>> {
        let pixels = self.images.pixels();
        let width: usize = self.properties.iter().map(|p| p.columns().len()).sum();
        let mut found = Vec::with_capacity(maps.len() / pixels * width);
        for maps in maps.chunks(self.together * pixels) {
            let at = self.lane(maps.len() / pixels)?;
            let Lane { rows, batch, plan } = &self.lanes[at];
            let mut padded = maps.to_vec();
            padded.resize(rows * pixels, 0);
            self.store.write_bytes(*batch, &padded)?;
            plan.run(&mut self.store)?;
            found.extend_from_slice(&plan.read(&mut self.store, 0)?[..maps.len() / pixels * width]);
        }
        let mut rows = Vec::with_capacity(found.len());
        for (map, row) in maps.chunks_exact(pixels).zip(found.chunks_exact(width)) {
            let mut rest = row;
            for property in &self.properties {
                let numbers;
                (numbers, rest) = rest.split_at(property.columns().len());
                // Where a class map has a measure of its own, that is it.
                let own = property.invariance().on_map(map);
                let numbers = property.invariance().in_units(own.as_deref().unwrap_or(numbers));
                rows.extend(numbers.iter().zip(property.columns()).map(|(&v, column)| possible(v, column)));
            }
        }
        Ok(rows)
    }
}
