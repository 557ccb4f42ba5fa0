//! The trained generator alone: asked properties in, images out.

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::model::Network;
use super::phases::{TABLE, sampling_plan};
use super::world::World;
use crate::device::Kind;
use crate::error::{Error, Result};
use crate::nn::{self, Init, Net};
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
    /// Properties measured on the probabilities, `[N, P]` in the world's units.
    pub soft: Vec<f32>,
}

/// A generator with running statistics, ready to sample.
pub struct Sampler {
    world: World,
    latent: usize,
    z_scale: f64,
    mean: Vec<f64>,
    scale: Vec<f64>,
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
        let mut world = World::of(config);
        if world.needs_table() {
            let rows = checkpoint
                .values(TABLE)
                .filter(|v| !v.is_empty() && v.len().is_multiple_of(world.names().len()));
            let rows = rows.ok_or_else(|| {
                Error::file(path, format!("no tensor {TABLE}: the checkpoint is of another world"))
            })?;
            world = world.with_table(rows.iter().map(|&v| v as f32).collect());
        }
        let net = Net::new(config.net, [config.size; 2], config.width, world.classes());
        let length = world.condition_length();
        let input = config.latent + length;
        let prefix = if config.ema > 0.0 { "ema" } else { "generator" };
        let mut store = Store::on(kind.open(config.precision)?);
        let statistics = nn::generator_statistics(&net, input);
        let mut parameters = nn::generator_parameters(&net, input);
        // About to be read from the checkpoint: no need to draw them first.
        parameters.iter_mut().for_each(|p| p.init = Init::Constant(0.0));
        let network = Network::add(&mut store, prefix, &parameters, &statistics, 0, 0)?;
        checkpoint.restore(&mut store, &[], path)?;
        let column = |name: &str| {
            let values = checkpoint.values(name).filter(|v| v.len() == length);
            values.ok_or_else(|| Error::file(path, format!("no tensor {name} of length {length}")))
        };
        let (mean, scale) = (column("condition.mean")?, column("condition.scale")?);
        let z = store.add_zeros("z", [BATCH, config.latent])?;
        let r = store.add_zeros("r", [BATCH, length])?;
        let plan = sampling_plan(&store, &net, &network, &world.invariances(), z, r);
        Ok(Self { world, latent: config.latent, z_scale: config.z_scale, mean, scale, store, z, r, plan })
    }

    /// The generator of a run directory, and the run's configuration.
    ///
    /// # Errors
    /// If the directory does not hold a run.
    pub fn open(run: &Path, kind: Kind) -> Result<(Config, Self)> {
        let file = run.join("config.toml");
        let text = std::fs::read_to_string(&file)
            .map_err(|e| Error::file(&file, format!("{e}: not the directory of a run?")))?;
        let config = Config::from_toml(&text, &file.display().to_string())?;
        let path = run.join("checkpoint.safetensors");
        if !path.exists() {
            return Err(Error::file(&path, "no checkpoint yet: train first"));
        }
        let sampler = Self::new(&config, &Checkpoint::read(&path)?, &path, kind)?;
        Ok((config, sampler))
    }

    /// The world the generator was trained in.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// One image for each row of `targets` `[N, P]` in pixels. The noise of image i depends on the
    /// seed and on i alone.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If `targets` is not whole rows.
    pub fn sample(&mut self, targets: &[f32], seed: u64) -> Result<Samples> {
        let width = self.world.names().len();
        assert!(targets.len().is_multiple_of(width), "targets have {width} numbers a row");
        let length = self.mean.len();
        let state = rng::state(seed);
        let count = targets.len() / width;
        let mut samples = Samples::default();
        for (batch, rows) in targets.chunks(BATCH * width).enumerate() {
            let n = rows.len() / width;
            let mut r = self.world.condition(rows);
            for row in r.chunks_exact_mut(length) {
                for ((v, mean), scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                    *v = (*v - mean) * scale;
                }
            }
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
            samples.soft.extend(self.world.properties(&measured[..n * length]));
        }
        debug_assert_eq!(samples.soft.len(), count * width);
        Ok(samples)
    }
}
