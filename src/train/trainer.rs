//! Algorithm 1: replays the recorded phases, reads the losses, writes checkpoints.

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::phases::{Phase, Phases};
use super::sampler::Sampler;
use crate::device::Cpu;
use crate::error::{Error, Result};
use crate::store::Store;

/// The losses of one iteration, each of the last step of its phase.
#[derive(Clone, PartialEq, Debug)]
pub struct LogRow {
    /// Counted from 0.
    pub iteration: u64,
    /// (name, value), phase by phase.
    pub values: Vec<(&'static str, f64)>,
}

impl LogRow {
    /// The value of that name; none for a phase that does not run.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }
}

/// A training run in memory.
pub struct Trainer {
    config: Config,
    store: Store,
    phases: Phases,
    iteration: u64,
    ring_rows: u64,
}

impl Trainer {
    /// Makes the data set, initialises the networks and records the phases.
    ///
    /// # Errors
    /// If the device fails.
    pub fn new(config: &Config) -> Result<Self> {
        let mut store = Store::new(Cpu::<f32>::new());
        let ring_rows = config.log_every;
        let phases = Phases::record(&mut store, config, ring_rows as usize)?;
        Ok(Self { config: config.clone(), store, phases, iteration: 0, ring_rows })
    }

    /// Iterations done so far.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// Runs up to `count` iterations, fewer if `stop` says so after one of them, and reads their
    /// losses.
    ///
    /// # Errors
    /// [`Error::Diverged`] at the first loss that is not finite.
    ///
    /// # Panics
    /// If `count` is more than `log_every`: the losses would not fit in their ring.
    pub fn advance(&mut self, count: u64, stop: &dyn Fn() -> bool) -> Result<Vec<LogRow>> {
        assert!(count <= self.ring_rows, "{count} iterations in a ring of {}", self.ring_rows);
        let first = self.iteration;
        for _ in 0..count {
            for phase in &self.phases.phases {
                for _ in 0..phase.repeats {
                    phase.plan.run(&mut self.store)?;
                }
            }
            self.phases.closing.run(&mut self.store)?;
            self.iteration += 1;
            if stop() {
                break;
            }
        }
        self.losses(first)
    }

    /// Losses of the iterations from `first` to the present.
    fn losses(&mut self, first: u64) -> Result<Vec<LogRow>> {
        let mut rows: Vec<LogRow> =
            (first..self.iteration).map(|iteration| LogRow { iteration, values: Vec::new() }).collect();
        let mut rings = Vec::new();
        for phase in &self.phases.phases {
            rings.push((phase.phase, &phase.names, self.store.read(phase.ring)?));
        }
        for row in &mut rows {
            let at = (row.iteration % self.ring_rows) as usize;
            for (phase, names, ring) in &rings {
                let values = &ring[at * names.len()..][..names.len()];
                if let Some(&value) = values.iter().find(|v| !v.is_finite()) {
                    let phase = phase.name().to_owned();
                    return Err(Error::Diverged { iteration: row.iteration, phase, value });
                }
                row.values.extend(names.iter().copied().zip(values.iter().copied()));
            }
        }
        Ok(rows)
    }

    /// Everything the run changes.
    ///
    /// # Errors
    /// If the device fails.
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        Checkpoint::take(&mut self.store, &self.phases.transient)
    }

    /// Writes a checkpoint under a temporary name, then renames it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        self.checkpoint()?.write(path)
    }

    /// Continues from a checkpoint of a run with the same configuration.
    ///
    /// # Errors
    /// If the file cannot be read or is of another run.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        Checkpoint::read(path)?.restore(&mut self.store, &self.phases.transient, path)?;
        self.iteration = self.store.read(self.phases.iteration)?[0] as u64;
        Ok(())
    }

    /// The generator as it is now.
    ///
    /// # Errors
    /// If the device fails.
    pub fn sampler(&mut self) -> Result<Sampler> {
        let checkpoint = self.checkpoint()?;
        Sampler::new(&self.config, &checkpoint, Path::new("the running checkpoint"))
    }

    /// Bytes on the device: leaves, the arena of the planner, working space.
    #[must_use]
    pub fn device_bytes(&self) -> usize {
        self.store.device_bytes()
    }

    /// Bytes of the largest plan's arena.
    #[must_use]
    pub fn arena_bytes(&self) -> usize {
        self.phases.phases.iter().map(|p| p.plan.arena_bytes()).max().unwrap_or(0)
    }

    /// Runs one step of one phase, outside of any iteration (for measurements), and returns its
    /// floating-point operations; none if the configuration leaves the phase out.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(&mut self, phase: Phase) -> Result<Option<u64>> {
        let Some(recorded) = self.phases.phases.iter().find(|p| p.phase == phase) else { return Ok(None) };
        recorded.plan.run(&mut self.store)?;
        Ok(Some(recorded.plan.flops()))
    }
}
