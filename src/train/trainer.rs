//! Algorithm 1: replays the recorded phases, reads the losses, writes checkpoints.

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::dataset::{Dataset, Real};
use super::description::Description;
use super::phases::{Phase, Phases, TABLE};
use super::sampler::Sampler;
use crate::device::{Device, GraphId, Kind, Settled, launches_together};
use crate::error::{Error, Result};
use crate::first_use;
use crate::invariance::Images;
use crate::plan::Cost;
use crate::store::Store;

/// The losses of one iteration, each of the last step of its phase.
#[derive(Clone, PartialEq, Debug)]
pub struct LogRow {
    /// Iterations done, this one included: counted from 1.
    pub iteration: u64,
    /// (name, value), phase by phase.
    pub values: Vec<(String, f64)>,
}

impl LogRow {
    /// The value of that name; none for a phase that does not run.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }
}

/// How an iteration is run.
#[derive(Clone, Copy)]
enum Replay {
    /// Op by op: the first iteration, which also takes all the memory there will ever be.
    First,
    /// The next iteration may be captured as a graph.
    Capture,
    /// One launch.
    Graph(GraphId),
    /// Op by op, always: the device has no graphs.
    Plans,
}

/// A training run in memory.
pub struct Trainer {
    config: Config,
    kind: Kind,
    replay: Replay,
    store: Store,
    phases: Phases,
    real: Real,
    images: Images,
    description: Description,
    warnings: Vec<String>,
    iteration: u64,
    ring_rows: u64,
}

impl Trainer {
    /// Makes the data set, initialises the networks and records the phases, on the CPU.
    ///
    /// # Errors
    /// If the device fails.
    pub fn new(config: &Config) -> Result<Self> {
        Self::on(config, Kind::Cpu)
    }

    /// The same on a device of that kind.
    ///
    /// # Errors
    /// If the device is not there or fails.
    pub fn on(config: &Config, kind: Kind) -> Result<Self> {
        Self::opened(config, kind, None)
    }

    /// The same, to go on from a checkpoint of a run with the same configuration, and with its kernels.
    ///
    /// # Errors
    /// If the device is not there or fails, if the file cannot be read or is of another run, or if the images
    /// of a file have changed since.
    pub fn resume(config: &Config, kind: Kind, path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::read(path)?;
        // Before its first iteration a run has found nothing out, and has no bits to keep.
        let begun = checkpoint.values("iteration").is_none_or(|done| done != [0.0]);
        let settled = begun.then(|| checkpoint.description().settled());
        let mut trainer = Self::opened(config, kind, settled)?;
        let avoided = trainer.store.device().settled().avoided;
        if !avoided.is_empty() {
            log::warn!("{}: goes on without kernels {}, as it began", path.display(), avoided.join(", "));
        }
        trainer.restore(&checkpoint, path)?;
        Ok(trainer)
    }

    fn opened(config: &Config, kind: Kind, settled: Option<&Settled>) -> Result<Self> {
        let mut device = first_use::open_timed(kind, config.net.precision)?;
        if let Some(settled) = settled {
            device.settle(settled);
        }
        let data = Dataset::of(config, &mut *kind.for_data()?)?;
        Ok(Self { kind, ..Self::with_dataset(config, device, data)? })
    }

    /// The same on any device. Samples are then drawn on the CPU.
    ///
    /// # Errors
    /// If the device fails.
    pub fn with_device(config: &Config, device: Box<dyn Device>) -> Result<Self> {
        Self::with_dataset(config, device, Dataset::of(config, &mut *Kind::Cpu.for_data()?)?)
    }

    /// The same on any device, with images that stand for those of the configuration: what runs does not
    /// depend on them, what comes out means nothing.
    ///
    /// # Errors
    /// If the configuration cannot be trained with or the device fails.
    pub fn on_stand_ins(config: &Config, device: Box<dyn Device>) -> Result<Self> {
        Self::with_dataset(config, device, Dataset::stand_in(config)?)
    }

    fn with_dataset(config: &Config, device: Box<dyn Device>, data: Dataset) -> Result<Self> {
        let mut store = Store::on(device);
        let ring_rows = config.train.log_every;
        let phases = Phases::record(&mut store, config, &data, ring_rows as usize)?;
        // Images to judge by: as many of those trained on as are held out.
        let mut training = data.images;
        training.truncate(data.held_out.count);
        Ok(Self {
            config: config.clone(),
            kind: Kind::Cpu,
            replay: Replay::First,
            store,
            phases,
            images: *data.task.images(),
            description: Description::of(config, &data.task),
            real: Real { held_out: data.held_out, training },
            warnings: data.warnings,
            iteration: 0,
            ring_rows,
        })
    }

    /// What the images are.
    #[must_use]
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// Images to judge generated ones by.
    #[must_use]
    pub fn real(&self) -> &Real {
        &self.real
    }

    /// How a file's images are divided, and what may go wrong with the properties asked for.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Runs every iteration to come op by op.
    pub fn without_graphs(&mut self) {
        self.replay = Replay::Plans;
    }

    /// What kind of device computes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What a person calls the device.
    pub fn device_name(&mut self) -> String {
        self.store.device().name()
    }

    /// Waits until the device has done everything asked of it.
    ///
    /// # Errors
    /// If something that ran earlier failed.
    pub fn sync(&mut self) -> Result<()> {
        self.store.device().sync()
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
            self.iterate()?;
            self.iteration += 1;
            if stop() {
                break;
            }
        }
        self.losses(first)
    }

    /// One iteration: op by op at first, as one graph from the second on where there are graphs.
    fn iterate(&mut self) -> Result<()> {
        match self.replay {
            Replay::Graph(graph) => return self.store.device().replay(graph),
            Replay::Capture if self.store.device().begin_capture()? => {
                self.run_plans()?;
                let graph = self.store.device().end_capture()?;
                self.replay = Replay::Graph(graph);
                return self.store.device().replay(graph);
            }
            Replay::First if launches_together() => self.replay = Replay::Capture,
            Replay::First => self.replay = Replay::Plans,
            Replay::Capture => self.replay = Replay::Plans,
            Replay::Plans => {}
        }
        self.run_plans()
    }

    fn run_plans(&mut self) -> Result<()> {
        for phase in &self.phases.phases {
            for _ in 0..phase.repeats {
                phase.plan.run(&mut self.store)?;
            }
        }
        self.phases.closing.run(&mut self.store)
    }

    /// Losses of the iterations after `first`.
    fn losses(&mut self, first: u64) -> Result<Vec<LogRow>> {
        let mut rows: Vec<LogRow> =
            (first + 1..=self.iteration).map(|iteration| LogRow { iteration, values: Vec::new() }).collect();
        let mut rings = Vec::new();
        for phase in &self.phases.phases {
            rings.push((phase.phase, &phase.names, self.store.read(phase.ring)?));
        }
        for row in &mut rows {
            let at = ((row.iteration - 1) % self.ring_rows) as usize;
            for (phase, names, ring) in &rings {
                let values = &ring[at * names.len()..][..names.len()];
                if let Some(&value) = values.iter().find(|v| !v.is_finite()) {
                    let what = format!("the {} loss", phase.name());
                    return Err(Error::Diverged { iteration: row.iteration, what, value });
                }
                row.values.extend(names.iter().cloned().zip(values.iter().copied()));
            }
        }
        Ok(rows)
    }

    /// Everything the run changes.
    ///
    /// # Errors
    /// If the device fails.
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        let description = self.description.settled_as(self.store.device().settled());
        Checkpoint::take(&mut self.store, &self.phases.transient, description)
    }

    /// Writes a checkpoint under a temporary name, then renames it.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a number of it is not finite: from such a checkpoint no run could go on.
    /// If the file cannot be written.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        let checkpoint = self.checkpoint()?;
        if let Some((name, value)) = checkpoint.not_finite() {
            let what = format!("tensor {name}");
            return Err(Error::Diverged { iteration: self.iteration, what, value });
        }
        checkpoint.write(path)
    }

    /// Continues from a checkpoint of a run with the same configuration, with the kernels that this one has:
    /// [`Trainer::resume`] takes those of the run.
    ///
    /// # Errors
    /// If the file cannot be read or is of another run, or if the images of a file have changed since.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        self.restore(&Checkpoint::read(path)?, path)
    }

    fn restore(&mut self, checkpoint: &Checkpoint, path: &Path) -> Result<()> {
        let measured = self.table()?;
        checkpoint.restore(&mut self.store, &self.phases.transient, path)?;
        if self.config.data.is_file() && self.table()? != measured {
            let problem = format!("is of a run on other images than {} holds now", self.config.data.name());
            return Err(Error::file(path, problem));
        }
        self.iteration = self.store.read(self.phases.iteration)?[0] as u64;
        Ok(())
    }

    /// Numbers of the images held out, where targets are drawn from them.
    fn table(&mut self) -> Result<Option<Vec<f64>>> {
        self.store.find(TABLE).map(|leaf| self.store.read(leaf)).transpose()
    }

    /// The generator as it is now.
    ///
    /// # Errors
    /// If the device fails.
    pub fn sampler(&mut self) -> Result<Sampler> {
        let checkpoint = self.checkpoint()?;
        Sampler::new(&self.config, &checkpoint, Path::new("the running checkpoint"), self.kind)
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

    /// Of each phase's plan the bytes of its arena, and the most that are alive in it at a time.
    pub fn arenas(&self) -> impl Iterator<Item = (Phase, [usize; 2])> {
        self.phases.phases.iter().map(|p| (p.phase, [p.plan.arena_bytes(), p.plan.held_bytes()]))
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

    /// Runs one step of one phase operation by operation, outside of any iteration, and says what each
    /// took; nothing if the configuration leaves the phase out.
    ///
    /// # Errors
    /// If the device fails.
    pub fn profile(&mut self, phase: Phase) -> Result<Vec<Cost>> {
        match self.phases.phases.iter().find(|p| p.phase == phase) {
            Some(recorded) => recorded.plan.profile(&mut self.store),
            None => Ok(Vec::new()),
        }
    }
}
