//! The trained generator alone: asked properties in, images out.

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::model::Network;
use super::phases::{TABLE, net, sampling_plan};
use super::task::Task;
use super::whitening;
use crate::device::Kind;
use crate::error::{Error, Result};
use crate::nn::{self, Init};
use crate::op::LeafId;
use crate::plan::Plan;
use crate::rng;
use crate::store::Store;

/// Most images generated at a time.
const BATCH: usize = 32;

/// Generated images and what they measure.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Samples {
    /// Class of every pixel, `[N, H, W]`.
    pub maps: Vec<u8>,
    /// Probability of every class, `[N, H, W, C]`.
    pub probabilities: Vec<f32>,
    /// Numbers measured on the probabilities, `[N, P]` in a person's units.
    pub soft: Vec<f32>,
}

/// A generator with running statistics, ready to sample.
pub struct Sampler {
    task: Task,
    latent: usize,
    z_scale: f64,
    mean: Vec<f64>,
    map: Vec<f64>,
    store: Store,
    z: LeafId,
    r: LeafId,
    plan: Plan,
}

impl Sampler {
    /// The generator of a checkpoint (its averaged weights, if the run averages); `path` is named
    /// in errors.
    ///
    /// # Errors
    /// If the checkpoint is of another configuration or the device is not there.
    pub fn new(config: &Config, checkpoint: &Checkpoint, path: &Path, kind: Kind) -> Result<Self> {
        let mut task = checkpoint.description().task(config, &path.display().to_string())?;
        let length = task.columns().len();
        if task.needs_table() {
            let rows = checkpoint.values(TABLE).filter(|v| !v.is_empty() && v.len().is_multiple_of(length));
            let rows = rows.ok_or_else(|| {
                Error::file(path, format!("no tensor {TABLE}: the checkpoint is of another run"))
            })?;
            let rows: Vec<f32> = rows.iter().map(|&v| v as f32).collect();
            task = task.with_table(&rows)?;
        }
        let net = net(config, &task);
        let input = config.net.latent + length;
        let prefix = if config.train.ema > 0.0 { "ema" } else { "generator" };
        let mut store = Store::on(kind.open(config.net.precision)?);
        let statistics = nn::generator_statistics(&net, input);
        let mut parameters = nn::generator_parameters(&net, input);
        // About to be read from the checkpoint: no need to draw them first.
        parameters.iter_mut().for_each(|p| p.init = Init::Constant(0.0));
        let network = Network::add(&mut store, prefix, &parameters, &statistics, 0, 0)?;
        checkpoint.restore(&mut store, &[], path)?;
        let tensor = |name: &str, count: usize| {
            let values = checkpoint.values(name).filter(|v| v.len() == count);
            values.ok_or_else(|| Error::file(path, format!("no tensor {name} of {count} numbers")))
        };
        let (mean, map) = (tensor("condition.mean", length)?, tensor("condition.map", length * length)?);
        let z = store.add_zeros("z", [BATCH, config.net.latent])?;
        let r = store.add_zeros("r", [BATCH, length])?;
        let plan = sampling_plan(&store, &net, &network, task.properties(), z, r);
        let (latent, z_scale) = (config.net.latent, config.net.z_scale);
        Ok(Self { task, latent, z_scale, mean, map, store, z, r, plan })
    }

    /// The generator of a run directory or of a copy of its checkpoint, and the run's configuration.
    ///
    /// # Errors
    /// If there is no run.
    pub fn open(run: &Path, kind: Kind) -> Result<(Config, Self)> {
        let path = if run.is_file() { run.to_path_buf() } else { run.join("checkpoint.safetensors") };
        if !run.exists() {
            return Err(Error::file(run, "no such directory of a run, and no such checkpoint"));
        }
        if !path.exists() {
            return Err(Error::file(&path, "no checkpoint yet: train first"));
        }
        let checkpoint = Checkpoint::read(&path)?;
        let config = checkpoint.description().config(&path.display().to_string())?;
        let sampler = Self::new(&config, &checkpoint, &path, kind)?;
        Ok((config, sampler))
    }

    /// What the generator was trained to be asked for.
    #[must_use]
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// One image for each row of `targets` `[N, P]` in a person's units. The noise of image i depends on the
    /// seed and on i alone.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If `targets` is not whole rows.
    pub fn sample(&mut self, targets: &[f32], seed: u64) -> Result<Samples> {
        let width = self.task.columns().len();
        assert!(targets.len().is_multiple_of(width), "targets have {width} numbers a row");
        let length = self.mean.len();
        let state = rng::state(seed);
        let count = targets.len() / width;
        let mut samples = Samples::default();
        for (batch, rows) in targets.chunks(BATCH * width).enumerate() {
            let n = rows.len() / width;
            let mut r = self.task.normalised(rows);
            whitening::apply(&mut r, &self.mean, &self.map);
            r.resize(BATCH * length, 0.0);
            let z: Vec<f64> = (0..BATCH)
                .flat_map(|i| rng::normals(&state, (batch * BATCH + i) as u32, self.latent))
                .map(|v| f64::from(v) * self.z_scale)
                .collect();
            self.store.write(self.z, &z)?;
            self.store.write(self.r, &r)?;
            self.plan.run(&mut self.store)?;
            let first = |len: usize| len / BATCH * n;
            let probabilities = self.plan.read(&mut self.store, 0)?;
            samples
                .probabilities
                .extend(probabilities[..first(probabilities.len())].iter().map(|&v| v as f32));
            let maps = self.plan.read_bytes(&mut self.store, 1)?;
            samples.maps.extend_from_slice(&maps[..first(maps.len())]);
            let measured = self.plan.read(&mut self.store, 2)?;
            samples.soft.extend(self.task.in_units(&measured[..n * length]));
        }
        debug_assert_eq!(samples.soft.len(), count * width);
        Ok(samples)
    }
}
