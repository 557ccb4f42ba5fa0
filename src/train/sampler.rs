//! The trained generator alone: asked properties in, images out.

use std::path::{Path, PathBuf};

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

/// Images generated at a time. Sample k has row k mod this of a batch, whatever set or part of a set it
/// is made in, so that its bits do not depend on its neighbours.
pub const BATCH: usize = 32;

/// Generated images and what they measure.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Samples {
    /// Class of every pixel, `[N, H, W]`.
    pub maps: Vec<u8>,
    /// Probability of every class, `[N, H, W, C]`.
    pub probabilities: Vec<f32>,
    /// Numbers measured on the probabilities, `[N, P]` in a person's units.
    pub soft: Vec<f32>,
    /// Noise, as the generator sees it, `[N, latent]`.
    pub z: Vec<f32>,
    /// What was asked for, as the generator sees it, `[N, P]`.
    pub r: Vec<f32>,
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
        let task = task(config, checkpoint, path)?;
        let length = task.columns().len();
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

    /// The file of a run's checkpoint, given its directory or that very file.
    #[must_use]
    pub fn checkpoint_of(run: &Path) -> PathBuf {
        if run.is_file() { run.to_path_buf() } else { run.join("checkpoint.safetensors") }
    }

    /// The generator of a run directory or of a copy of its checkpoint, and the run's configuration.
    ///
    /// # Errors
    /// If there is no run.
    pub fn open(run: &Path, kind: Kind) -> Result<(Config, Self)> {
        let (config, checkpoint, path) = read(run)?;
        let sampler = Self::new(&config, &checkpoint, &path, kind)?;
        Ok((config, sampler))
    }

    /// What the generator of a run can be asked for, and the run's configuration, without the
    /// generator.
    ///
    /// # Errors
    /// If there is no run.
    pub fn task_of(run: &Path) -> Result<(Config, Task)> {
        let (config, checkpoint, path) = read(run)?;
        let task = task(&config, &checkpoint, &path)?;
        Ok((config, task))
    }

    /// What the generator was trained to be asked for.
    #[must_use]
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// One image for each row of `targets` `[N, P]` in a person's units. The noise of image i depends on
    /// the seed and on i alone.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If `targets` is not whole rows.
    pub fn sample(&mut self, targets: &[f32], seed: u64) -> Result<Samples> {
        self.sample_from(0, targets, seed)
    }

    /// The same of the images from number `first` on of a larger set.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If `targets` is not whole rows.
    pub fn sample_from(&mut self, first: usize, targets: &[f32], seed: u64) -> Result<Samples> {
        let width = self.task.columns().len();
        assert!(targets.len().is_multiple_of(width), "targets have {width} numbers a row");
        let count = targets.len() / width;
        let mut samples = Samples::default();
        let mut done = 0;
        while done < count {
            let at = (first + done) % BATCH;
            let n = (BATCH - at).min(count - done);
            self.batch(first + done, &targets[done * width..][..n * width], seed, &mut samples)?;
            done += n;
        }
        debug_assert_eq!(samples.soft.len(), count * width);
        Ok(samples)
    }

    /// The images from number `first` on, of one batch.
    fn batch(&mut self, first: usize, targets: &[f32], seed: u64, samples: &mut Samples) -> Result<()> {
        let length = self.mean.len();
        let (at, n) = (first % BATCH, targets.len() / length);
        let mut asked = self.task.normalised(targets);
        whitening::apply(&mut asked, &self.mean, &self.map);
        let state = rng::state(seed);
        let noise: Vec<f64> = (first..first + n)
            .flat_map(|i| rng::normals(&state, i as u32, self.latent))
            .map(|v| f64::from(v) * self.z_scale)
            .collect();
        for (leaf, values, row) in [(self.r, &asked, length), (self.z, &noise, self.latent)] {
            let mut padded = vec![0.0; BATCH * row];
            padded[at * row..][..values.len()].copy_from_slice(values);
            self.store.write(leaf, &padded)?;
        }
        self.plan.run(&mut self.store)?;
        // The part of a batch's numbers that these images have.
        let of = |len: usize| len / BATCH * at..len / BATCH * (at + n);
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
        let probabilities = self.plan.read(&mut self.store, 0)?;
        samples.probabilities.extend(single(&probabilities[of(probabilities.len())]));
        let maps = self.plan.read_bytes(&mut self.store, 1)?;
        samples.maps.extend_from_slice(&maps[of(maps.len())]);
        let measured = self.plan.read(&mut self.store, 2)?;
        samples.soft.extend(self.task.in_units(&measured[of(measured.len())]));
        samples.z.extend(single(&noise));
        samples.r.extend(single(&asked));
        Ok(())
    }
}

/// The checkpoint of a run, its configuration and its file.
fn read(run: &Path) -> Result<(Config, Checkpoint, PathBuf)> {
    let path = Sampler::checkpoint_of(run);
    if !run.exists() {
        return Err(Error::file(run, "no such directory of a run, and no such checkpoint"));
    }
    if !path.exists() {
        return Err(Error::file(&path, "no checkpoint yet: train first"));
    }
    let checkpoint = Checkpoint::read(&path)?;
    let config = checkpoint.description().config(&path.display().to_string())?;
    Ok((config, checkpoint, path))
}

/// What a checkpoint's generator can be asked for, with its table.
fn task(config: &Config, checkpoint: &Checkpoint, path: &Path) -> Result<Task> {
    let task = checkpoint.description().task(config, &path.display().to_string())?;
    if !task.needs_table() {
        return Ok(task);
    }
    let length = task.columns().len();
    let rows = checkpoint.values(TABLE).filter(|v| !v.is_empty() && v.len().is_multiple_of(length));
    let rows = rows
        .ok_or_else(|| Error::file(path, format!("no tensor {TABLE}: the checkpoint is of another run")))?;
    task.with_table(&rows.iter().map(|&v| v as f32).collect::<Vec<f32>>())
}
