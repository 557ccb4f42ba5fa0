//! The generators that are open, and what they make.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::answer::Refusal;
use super::ask::Sample;
use super::catalog::Catalog;
use crate::close::certificate::whole;
use crate::close::{Effort, Settings, close, held};
use crate::device::Kind;
use crate::error::{Error, Result};
use crate::train::dataset::Measurer;
use crate::train::{Critic, Sampler, Task};

/// Generators that stay open; the one that was used longest ago goes first.
const MOST: usize = 6;
/// Draws of noise of a sample: somebody waits.
pub(super) const TRIES: u32 = 1;
/// Samples that are measured at a time.
const MEASURED: usize = 16;
/// A checkpoint is looked at again after so long: a run may be under way.
const LOOK: Duration = Duration::from_secs(1);

/// One generator.
struct Opened {
    run: usize,
    size: Option<[usize; 2]>,
    sampler: Sampler,
    measurer: Measurer,
    /// None of a run whose critic sees more than an image.
    critic: Option<Critic>,
    /// Which checkpoint it is of.
    stamp: Stamp,
    looked: Instant,
}

/// When a file was written, and its length.
type Stamp = Option<(SystemTime, u64)>;

/// All that are open, the last used at the end.
pub(super) struct Generators {
    device: Kind,
    open: Vec<Opened>,
}

/// Samples with all that is said of them.
pub(super) struct Made {
    pub(super) task: Task,
    /// Class maps, `[N, H, W]`.
    pub(super) maps: Vec<u8>,
    /// Asked and measured, `[N, P]`.
    pub(super) asked: Vec<f32>,
    pub(super) measured: Vec<f32>,
    /// How far a measured number may be off, `[N, P]`; infinite where it is not held to what was asked.
    pub(super) tolerance: Vec<f32>,
    /// What closing took, `[N]`; none where there was none.
    pub(super) effort: Option<Vec<Effort>>,
    /// What the critic says, `[N]`: larger is more like a real image.
    pub(super) score: Option<Vec<f32>>,
}

impl Generators {
    pub(super) fn new(device: Kind) -> Self {
        Self { device, open: Vec::new() }
    }

    /// The samples that are asked for.
    pub(super) fn make(&mut self, ask: &Sample, catalog: &Catalog) -> Result<Made, Refusal> {
        let opened = self.get(ask, catalog)?;
        let task = opened.sampler.task().clone();
        let asked = rows(ask, &task)?;
        let held = held(&task, &ask.wanted).repeat(ask.count);
        let (maps, measured, tolerance, effort) = if ask.closed {
            let settings = Settings { tolerances: ask.tolerances.clone(), tries: TRIES, seed: ask.seed };
            let made = close(&mut opened.sampler, 0, &asked, &held, &settings)?;
            (made.maps, made.measured, made.tolerances, Some(made.effort))
        } else {
            let maps = opened.sampler.sample(&asked, ask.seed)?.maps;
            let measured = opened.measurer.measure(&maps)?;
            let tolerance =
                asked.chunks_exact(task.columns().len()).flat_map(|row| ask.tolerances.of(row, &task));
            let tolerance =
                tolerance.zip(&held).map(|(t, held)| if *held { t as f32 } else { f32::INFINITY });
            (maps, measured, tolerance.collect(), None)
        };
        let score = opened.critic.as_mut().map(|critic| critic.score(&maps)).transpose()?;
        Ok(Made { task, maps, asked, measured, tolerance, effort, score })
    }

    /// Opens what is asked for, if it is not open as it now is.
    fn get(&mut self, ask: &Sample, catalog: &Catalog) -> Result<&mut Opened, Refusal> {
        let path = Sampler::checkpoint_of(catalog.path(ask.run));
        let at = self.open.iter().position(|o| o.run == ask.run && o.size == ask.size);
        let mut opened = at.map(|at| self.open.remove(at));
        if let Some(old) = opened.as_mut().filter(|o| o.looked.elapsed() >= LOOK) {
            old.looked = Instant::now();
            if stamp(&path) != old.stamp {
                opened = None;
                catalog.refresh(ask.run)?;
            }
        }
        let opened = match opened {
            Some(opened) => opened,
            None => open(ask, &path, self.device)?,
        };
        if self.open.len() >= MOST {
            self.open.remove(0);
        }
        self.open.push(opened);
        Ok(self.open.last_mut().expect("one was added"))
    }
}

fn open(ask: &Sample, path: &Path, device: Kind) -> Result<Opened> {
    // Before it is read: one that is written meanwhile is noticed.
    let stamp = stamp(path);
    let (config, sampler) = Sampler::open_at(path, device, ask.size)?;
    if sampler.task().columns().len() != ask.wanted.len() {
        return Err(Error::file(path, "is of another run now: load the page again"));
    }
    let critic = match ask.size {
        None => Critic::open(&config, sampler.task(), path, device)?,
        Some(_) => None,
    };
    let measurer = Measurer::new(sampler.task().properties(), sampler.task().images(), MEASURED)?;
    Ok(Opened { run: ask.run, size: ask.size, sampler, measurer, critic, stamp, looked: Instant::now() })
}

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

/// What every sample is asked for, `[N, P]`: as `generate --target` does it.
fn rows(ask: &Sample, task: &Task) -> Result<Vec<f32>> {
    let mut asked = task.targets(0..ask.count, ask.seed);
    for (k, row) in asked.chunks_exact_mut(task.columns().len()).enumerate() {
        task.complete(&ask.wanted, row, (ask.seed, k), "target")?;
    }
    Ok(asked)
}

impl Made {
    /// Whether all numbers of a sample are within their tolerance, `[N]`.
    pub(super) fn within(&self) -> Vec<bool> {
        let columns = self.task.columns();
        let rows = |values| <[f32]>::chunks_exact(values, columns.len());
        let rows = rows(&self.asked).zip(rows(&self.measured)).zip(rows(&self.tolerance));
        rows.map(|((asked, measured), tolerance)| whole(columns, measured, asked, tolerance)).collect()
    }
}
