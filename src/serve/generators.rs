//! The generators that are open, and what they make: requests of one run share its batches.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::answer::Refusal;
use super::ask::Sample;
use super::catalog::Catalog;
use crate::close::{Closed, Closing, Effort, Order, Settings, held};
use crate::device::Kind;
use crate::error::{Error, Result};
use crate::train::{Critic, Sampler, Task};

/// Generators that stay open; the one that was used longest ago goes first.
const MOST: usize = 6;
/// Draws of noise of a sample: somebody waits.
pub(super) const TRIES: u32 = 1;
/// A checkpoint is looked at again after so long: a run may be under way.
const LOOK: Duration = Duration::from_secs(1);

/// One generator.
struct Opened {
    run: usize,
    size: Option<[usize; 2]>,
    sampler: Sampler,
    closing: Closing,
    /// None of a run whose critic sees more than an image.
    critic: Option<Critic>,
    /// What it is asked for at present.
    asked: Vec<Asked>,
    /// Which checkpoint it is of.
    stamp: Stamp,
    looked: Instant,
    /// Whether the checkpoint is another now: it ends what it has begun.
    stale: bool,
}

/// What a set of samples was asked for.
struct Asked {
    id: u64,
    /// `[N, P]`.
    numbers: Vec<f32>,
    closed: bool,
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
    /// Whether all numbers of a sample are within their tolerance, `[N]`.
    pub(super) within: Vec<bool>,
    /// What closing took, `[N]`; none where there was none.
    pub(super) effort: Option<Vec<Effort>>,
    /// What the critic says, `[N]`: larger is more like a real image.
    pub(super) score: Option<Vec<f32>>,
    /// Whether time was over before all were closed.
    pub(super) ended: bool,
}

/// A set of samples that is done, or why there is none.
pub(super) type Outcome = (u64, Result<Made, Refusal>);

impl Generators {
    pub(super) fn new(device: Kind) -> Self {
        Self { device, open: Vec::new() }
    }

    /// Whether one more could be opened for this, or is open.
    pub(super) fn fits(&self, ask: &Sample) -> bool {
        self.open.len() < MOST || self.open.iter().any(|o| o.is_idle() || o.makes(ask))
    }

    /// Begins to make samples; `id` names them from now on.
    pub(super) fn begin(&mut self, id: u64, ask: &Sample, catalog: &Catalog) -> Result<(), Refusal> {
        let opened = self.get(ask, catalog)?;
        let task = opened.sampler.task();
        let asked = rows(ask, task)?;
        let held = held(task, &ask.wanted).repeat(ask.count);
        let tries = if ask.closed { TRIES } else { 0 };
        let settings = Settings { tolerances: ask.tolerances.clone(), tries, seed: ask.seed };
        opened.closing.begin(&opened.sampler, id, &Order { first: 0, asked: &asked, held: &held }, settings);
        opened.asked.push(Asked { id, numbers: asked, closed: ask.closed });
        Ok(())
    }

    /// Computes one batch, of the generator whose turn it is; returns the samples that are done. For `hurry`
    /// see [`Closing::step`].
    pub(super) fn step(&mut self, hurry: &(dyn Fn(u64) -> bool + Sync)) -> Vec<Outcome> {
        let Some(at) = self.open.iter().position(|o| !o.is_idle()) else { return Vec::new() };
        // The next step is another's.
        let mut opened = self.open.remove(at);
        let done = opened.step(hurry);
        self.open.push(opened);
        self.open.retain(|o| !(o.stale && o.is_idle()));
        done
    }

    /// Time is over for some samples: the nearest that they came to must do.
    pub(super) fn end(&mut self, id: u64) {
        self.open.iter_mut().for_each(|o| o.closing.end(id));
    }

    /// Nobody wants some samples any more.
    pub(super) fn forget(&mut self, id: u64) {
        for opened in &mut self.open {
            opened.closing.forget(id);
            opened.asked.retain(|asked| asked.id != id);
        }
    }

    /// Opens what is asked for, if it is not open as it now is.
    fn get(&mut self, ask: &Sample, catalog: &Catalog) -> Result<&mut Opened, Refusal> {
        let path = Sampler::checkpoint_of(catalog.path(ask.run));
        let mut at = self.open.iter().position(|o| o.makes(ask));
        if let Some(old) = at.map(|at| &mut self.open[at]).filter(|o| o.looked.elapsed() >= LOOK) {
            old.looked = Instant::now();
            if stamp(&path) != old.stamp {
                old.stale = true;
                at = None;
                catalog.refresh(ask.run)?;
            }
        }
        self.open.retain(|o| !(o.stale && o.is_idle()));
        let opened = match at {
            Some(at) => self.open.remove(at),
            None => open(ask, &path, self.device)?,
        };
        if self.open.len() >= MOST
            && let Some(idle) = self.open.iter().position(Opened::is_idle)
        {
            self.open.remove(idle);
        }
        self.open.push(opened);
        Ok(self.open.last_mut().expect("one was added"))
    }
}

impl Opened {
    fn makes(&self, ask: &Sample) -> bool {
        self.run == ask.run && self.size == ask.size && !self.stale
    }

    fn is_idle(&self) -> bool {
        self.closing.is_idle()
    }

    fn step(&mut self, hurry: &(dyn Fn(u64) -> bool + Sync)) -> Vec<Outcome> {
        if let Err(error) = self.closing.step(&mut self.sampler, hurry) {
            // Whatever it is, it is of the device that all share.
            let refusal = Refusal::from(error);
            return self
                .asked
                .drain(..)
                .map(|asked| {
                    self.closing.forget(asked.id);
                    (asked.id, Err(refusal.clone()))
                })
                .collect();
        }
        let mut done = Vec::new();
        while let Some((id, closed)) = self.closing.finished() {
            if let Some(at) = self.asked.iter().position(|asked| asked.id == id) {
                let asked = self.asked.remove(at);
                done.push((id, self.made(asked, closed).map_err(Refusal::from)));
            }
        }
        done
    }

    fn made(&mut self, asked: Asked, made: Closed) -> Result<Made> {
        let score = self.critic.as_mut().map(|critic| critic.score(&made.maps)).transpose()?;
        Ok(Made {
            task: self.sampler.task().clone(),
            maps: made.maps,
            asked: asked.numbers,
            measured: made.measured,
            tolerance: made.tolerances,
            within: made.within,
            effort: asked.closed.then_some(made.effort),
            score,
            ended: made.ended,
        })
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
    let (closing, looked) = (Closing::new(&sampler)?, Instant::now());
    let (run, size, asked, stale) = (ask.run, ask.size, Vec::new(), false);
    Ok(Opened { run, size, sampler, closing, critic, asked, stamp, looked, stale })
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
