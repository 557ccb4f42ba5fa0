//! The trained generator alone: asked properties in, images out.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::model::Network;
use super::opened::{at_size, read, task};
use super::origin::from_origins;
use super::phases::{ShareLeaves, Trained, net, noise_shape};
use super::task::Task;
use super::whitening;
use crate::device::{Cpu, Kind};
use crate::error::{Error, Result};
use crate::first_use;
use crate::nn::relax::Relax;
use crate::nn::{self, Init, Net};
use crate::op::{Border, LeafId, Symmetry};
use crate::plan::Plan;
use crate::rng;
use crate::store::Store;

/// Images of the size of training that are generated at a time; of larger ones as many pixels. On the CPU the bits
/// of a sample depend neither on its row of a batch nor on their number. On a GPU, whose tiles may end within an
/// image, sample k has row k mod their number, whatever set it is made in.
const BATCH: usize = 32;
/// Fewest rows of a batch: sums over an axis of one are other sums.
const FEWEST: usize = 2;

/// Generated images and what they measure.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Samples {
    /// Class of every pixel, `[N, H, W]`.
    pub maps: Vec<u8>,
    /// Probability of every class, `[N, H, W, C]`.
    pub probabilities: Vec<f32>,
    /// Numbers measured on the probabilities, `[N, P]` in a person's units.
    pub soft: Vec<f32>,
    /// Noise, as the generator sees it, `[N, latent]`, of a latent map cell by cell.
    pub z: Vec<f32>,
    /// What was asked for, as the generator sees it, `[N, P]`.
    pub r: Vec<f32>,
}

/// A generator with running statistics, ready to sample.
pub struct Sampler {
    /// What the generator learned to be asked for.
    trained: Task,
    /// The same of the images it makes, which may be larger.
    task: Task,
    /// Images at a time.
    batch: usize,
    /// Whether fewer take less time.
    shrinks: bool,
    /// Numbers of noise an image, and their shape.
    noise: usize,
    grid: [usize; 2],
    latent: usize,
    z_scale: f64,
    mean: Vec<f64>,
    map: Vec<f64>,
    store: Store,
    net: Net,
    network: Network,
    shares: Option<ShareLeaves>,
    relax: Relax,
    /// Whether images begin at a pixel of their own.
    anywhere: bool,
    /// The moves that leave its samples as likely.
    symmetry: Symmetry,
    /// Batches of some number of rows that were asked for.
    lanes: Vec<Lane>,
    /// The lane of the last pass, its rows that were of use, and the numbers of their images.
    last: (usize, Vec<usize>, Vec<usize>),
}

/// A batch of so many rows.
struct Lane {
    rows: usize,
    z: LeafId,
    r: LeafId,
    plan: Plan,
    descent: Option<Descent>,
}

/// The generator with the gradient of a distance from targets, in one plan.
struct Descent {
    /// What is to be measured, normalised, `[N, P]`.
    target: LeafId,
    /// What an error of each number counts, `[N, P]`; 0 for numbers that do not.
    weight: LeafId,
    /// Outputs: probabilities, class maps, soft numbers, gradients by z and r.
    plan: Plan,
}

/// A batch and the gradient of its distance from targets.
pub(crate) struct Slope {
    /// `[N, H, W]`.
    pub(crate) maps: Vec<u8>,
    /// Normalised, `[N, P]`.
    pub(crate) soft: Vec<f64>,
    /// By noise `[N, latent]` and by conditions `[N, P]`, as the generator sees them.
    pub(crate) by: [Vec<f64>; 2],
    /// `[N, H, W, C]`.
    pub(crate) probabilities: Vec<f32>,
}

impl Sampler {
    /// The generator of a checkpoint (its averaged weights, if the run averages); `path` is named
    /// in errors.
    ///
    /// # Errors
    /// If the checkpoint is of another configuration or the device is not there.
    pub fn new(config: &Config, checkpoint: &Checkpoint, path: &Path, kind: Kind) -> Result<Self> {
        Self::sized(config, checkpoint, path, kind, None)
    }

    /// The same, of images of another size than in training, if one is given.
    ///
    /// # Errors
    /// As [`Sampler::new`], and if the generator does not make images of that size.
    pub fn sized(
        config: &Config,
        checkpoint: &Checkpoint,
        path: &Path,
        kind: Kind,
        size: Option<[usize; 2]>,
    ) -> Result<Self> {
        let trained = task(config, checkpoint, path)?;
        let (task, grid) = at_size(config, &trained, size)?;
        let length = task.columns().len();
        let net = net(config, &trained);
        let input = config.net.noise() + length;
        let prefix = if config.train.ema > 0.0 { "ema" } else { "generator" };
        let batch = (BATCH * trained.images().pixels() / task.images().pixels()).clamp(1, BATCH);
        let mut store = match kind {
            Kind::Cpu => Store::new(Cpu::<f32>::with_precision(config.net.precision).for_batches_of(batch)),
            kind => Store::on(first_use::open(kind, config.net.precision)?),
        };
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
        let shares = share_leaves(&mut store, config, &task, &mean, &map)?;
        let (latent, z_scale) = (config.net.noise(), config.net.z_scale);
        let noise = noise_shape(&net, 1, grid, latent).numel();
        // On a GPU a batch takes the time of its launches, whatever there is in it.
        let (shrinks, lanes, last) = (kind == Kind::Cpu, Vec::new(), (0, Vec::new(), Vec::new()));
        // Where a border is measured as one it stays where it is.
        let periodic = [net.border, task.images().border] == [Border::Periodic; 2];
        let (anywhere, augment) = (net.latent_map && periodic, task.symmetry());
        Ok(Self {
            trained,
            task,
            batch,
            shrinks,
            noise,
            grid,
            latent,
            z_scale,
            mean,
            map,
            store,
            net,
            network,
            shares,
            relax: Relax { rounds: config.net.relax, width: config.net.relax_width },
            anywhere,
            symmetry: Symmetry { shifts: anywhere || augment.shifts, ..augment },
            lanes,
            last,
        })
    }

    /// The smallest batch that holds so many images.
    fn lane(&mut self, images: usize) -> Result<usize> {
        assert!(images <= self.batch, "{images} images in a batch of {}", self.batch);
        let rows =
            if self.shrinks { images.next_power_of_two().max(FEWEST).min(self.batch) } else { self.batch };
        if let Some(at) = self.lanes.iter().position(|lane| lane.rows == rows) {
            return Ok(at);
        }
        let noise = noise_shape(&self.net, rows, self.grid, self.latent);
        let z = self.store.add_zeros(&format!("z.{rows}"), noise)?;
        let r = self.store.add_zeros(&format!("r.{rows}"), [rows, self.mean.len()])?;
        let plan = Trained {
            store: &self.store,
            net: &self.net,
            network: &self.network,
            properties: self.task.properties(),
            relax: self.relax,
            shares: self.shares.as_ref(),
        }
        .sampling_plan(z, r);
        self.lanes.push(Lane { rows, z, r, plan, descent: None });
        Ok(self.lanes.len() - 1)
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
        Self::open_at(run, kind, None)
    }

    /// The same, of images of another size than in training, if one is given.
    ///
    /// # Errors
    /// If there is no run, or it does not make images of that size.
    pub fn open_at(run: &Path, kind: Kind, size: Option<[usize; 2]>) -> Result<(Config, Self)> {
        let (config, checkpoint, path) = read(run)?;
        let sampler = Self::sized(&config, &checkpoint, &path, kind, size)?;
        Ok((config, sampler))
    }

    /// What the generator of a run can be asked for at a size, and the numbers of noise of an image,
    /// without the generator.
    ///
    /// # Errors
    /// If there is no run, or it does not make images of that size.
    pub fn task_of(run: &Path, size: Option<[usize; 2]>) -> Result<(Task, usize)> {
        let (config, checkpoint, path) = read(run)?;
        let trained = task(&config, &checkpoint, &path)?;
        let (task, grid) = at_size(&config, &trained, size)?;
        let noise = noise_shape(&net(&config, &trained), 1, grid, config.net.noise());
        Ok((task, noise.numel()))
    }

    /// The configuration of a run, what its generator can be asked for, and what the sides of larger or
    /// smaller images must be multiples of, if it makes any; without the generator.
    ///
    /// # Errors
    /// If there is no run.
    pub fn described(run: &Path) -> Result<(Config, Task, Option<usize>)> {
        let (config, checkpoint, path) = read(run)?;
        let task = task(&config, &checkpoint, &path)?;
        let net = net(&config, &task);
        let step = net.latent_map.then(|| 1 << net.levels());
        Ok((config, task, step))
    }

    /// The moves that leave its samples as likely: those of images in training, and shifts where samples begin
    /// anywhere.
    #[must_use]
    pub fn symmetry(&self) -> Symmetry {
        self.symmetry
    }

    /// Numbers of noise of an image.
    #[must_use]
    pub fn noise(&self) -> usize {
        self.noise
    }

    /// Images that are made at a time.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.batch
    }

    /// What the generator is asked for, and the size of its images.
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
            // No two of a batch have one row.
            let n = (self.batch - (first + done) % self.batch).min(count - done);
            self.batch(first + done, &targets[done * width..][..n * width], seed, &mut samples)?;
            done += n;
        }
        debug_assert_eq!(samples.soft.len(), count * width);
        Ok(samples)
    }

    /// The images from number `first` on, at most a batch.
    fn batch(&mut self, first: usize, targets: &[f32], seed: u64, samples: &mut Samples) -> Result<()> {
        let n = targets.len() / self.mean.len();
        let asked = self.seen(self.trained.normalised(targets));
        let noise: Vec<f64> = (first..first + n).flat_map(|i| self.noise_of(seed, 0, i)).collect();
        let (maps, measured) = self.pass(&(first..first + n).collect::<Vec<_>>(), &noise, &asked)?;
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
        samples.probabilities.extend(self.probabilities()?);
        samples.maps.extend(maps);
        samples.soft.extend(self.task.in_units(&measured));
        samples.z.extend(single(&noise));
        samples.r.extend(single(&asked));
        Ok(())
    }
}

/// For whoever asks again and again: rows of a batch, chosen and filled by the caller.
impl Sampler {
    /// The task in whose normalised numbers the generator is asked: that of its training.
    pub(crate) fn trained(&self) -> &Task {
        &self.trained
    }

    /// Standard deviation of a number of noise.
    pub(crate) fn z_scale(&self) -> f64 {
        self.z_scale
    }

    /// The noise of image `index`, and of attempts after the first (which is number 0).
    pub(crate) fn noise_of(&self, seed: u64, attempt: u32, index: usize) -> Vec<f64> {
        let mut state = rng::state(seed);
        state[rng::STATE_WORDS - 1] = attempt;
        let normals = rng::normals(&state, index as u32, self.noise);
        normals.into_iter().map(|v| f64::from(v) * self.z_scale).collect()
    }

    /// Normalised numbers `[N, P]` as the generator sees them.
    pub(crate) fn seen(&self, mut normalised: Vec<f64>) -> Vec<f64> {
        whitening::apply(&mut normalised, &self.mean, &self.map);
        normalised
    }

    /// The row of a batch that the image of a number must have, which no other one can have beside it; none where
    /// any will do.
    pub(crate) fn row(&self, number: usize) -> Option<usize> {
        (!self.shrinks).then_some(number % self.batch)
    }

    /// The rows of a batch for images of these numbers.
    fn places(&self, numbers: &[usize]) -> Vec<usize> {
        numbers.iter().enumerate().map(|(i, &number)| self.row(number).unwrap_or(i)).collect()
    }

    /// The images of these numbers, of noise `[N, latent]` and of conditions `[N, P]` as the generator sees them, at
    /// most a batch: class maps and soft numbers, normalised.
    pub(crate) fn pass(&mut self, numbers: &[usize], z: &[f64], r: &[f64]) -> Result<(Vec<u8>, Vec<f64>)> {
        let places = self.places(numbers);
        let at = self.lane(places.len())?;
        let Self { store, lanes, .. } = self;
        let Lane { rows, plan, .. } = &lanes[at];
        write(store, &lanes[at], &places, [z, r])?;
        plan.run(store)?;
        let (maps, soft) =
            (of(&plan.read_bytes(store, 1)?, &places, *rows), of(&plan.read(store, 2)?, &places, *rows));
        self.last = (at, places, numbers.to_vec());
        Ok((self.begun(maps, numbers), soft))
    }

    /// The same, with the gradient of what `weight` `[N, P]` makes of the distance of the soft numbers from
    /// `target` `[N, P]`: the sum of ((measured - target) weight)^2. Recorded when it is first asked for.
    pub(crate) fn slope(
        &mut self,
        numbers: &[usize],
        point: [&[f64]; 2],
        target: &[f64],
        weight: &[f64],
    ) -> Result<Slope> {
        let places = &self.places(numbers)[..];
        let at = self.lane(places.len())?;
        let Self { store, lanes, .. } = self;
        let lane = &mut lanes[at];
        let rows = lane.rows;
        if lane.descent.is_none() {
            let shape = [rows, self.mean.len()];
            let target = store.add_zeros(&format!("target.{rows}"), shape)?;
            let weight = store.add_zeros(&format!("weight.{rows}"), shape)?;
            let leaves = [lane.z, lane.r, target, weight];
            let plan = Trained {
                store,
                net: &self.net,
                network: &self.network,
                properties: self.task.properties(),
                relax: self.relax,
                shares: self.shares.as_ref(),
            }
            .slope_plan(leaves);
            lane.descent = Some(Descent { target, weight, plan });
        }
        write(store, lane, places, point)?;
        let Some(Descent { target: to, weight: by, plan }) = &lane.descent else { unreachable!("just made") };
        // A row without an image has no distance.
        [(*to, target), (*by, weight)]
            .into_iter()
            .try_for_each(|(leaf, values)| fill(store, leaf, places, values))?;
        plan.run(store)?;
        let maps = of(&plan.read_bytes(store, 1)?, places, rows);
        let soft = of(&plan.read(store, 2)?, places, rows);
        let by = [of(&plan.read(store, 3)?, places, rows), of(&plan.read(store, 4)?, places, rows)];
        let probabilities = of(&plan.read_single(store, 0)?, places, rows);
        let (maps, probabilities) = (self.begun(maps, numbers), self.begun(probabilities, numbers));
        Ok(Slope { maps, soft, by, probabilities })
    }

    /// The class probabilities of the last pass.
    pub(crate) fn probabilities(&mut self) -> Result<Vec<f32>> {
        let (at, places, numbers) = &self.last;
        let Lane { rows, plan, .. } = &self.lanes[*at];
        let all = of(&plan.read_single(&mut self.store, 0)?, places, *rows);
        Ok(self.begun(all, numbers))
    }

    /// Images of these numbers, each from where it begins.
    fn begun<T: Copy>(&self, images: Vec<T>, numbers: &[usize]) -> Vec<T> {
        if self.anywhere { from_origins(&images, numbers, self.task.images().size) } else { images }
    }
}

/// Fills noise and conditions of a batch.
fn write(store: &mut Store, lane: &Lane, places: &[usize], [z, r]: [&[f64]; 2]) -> Result<()> {
    fill(store, lane.z, places, z)?;
    fill(store, lane.r, places, r)
}

/// Fills these rows of a leaf, the others with zeros.
fn fill(store: &mut Store, leaf: LeafId, places: &[usize], values: &[f64]) -> Result<()> {
    let mut all = vec![0.0; store.place(leaf).shape.numel()];
    let width = values.len() / places.len().max(1);
    for (&place, row) in places.iter().zip(values.chunks_exact(width.max(1))) {
        all[place * width..][..width].copy_from_slice(row);
    }
    store.write(leaf, &all)
}

/// What these of `rows` rows hold.
fn of<T: Copy>(values: &[T], places: &[usize], rows: usize) -> Vec<T> {
    let width = values.len() / rows;
    places.iter().flat_map(|place| &values[place * width..][..width]).copied().collect()
}

/// What the shares asked for are made of, if the run's samples meet them exactly.
fn share_leaves(
    store: &mut Store,
    config: &Config,
    task: &Task,
    mean: &[f64],
    map: &[f64],
) -> Result<Option<ShareLeaves>> {
    let shares = task.shares();
    if !config.net.exact_shares || shares.is_empty() || !config.objective.make().asks() {
        return Ok(None);
    }
    let (numbers, classes) = (mean.len(), task.images().classes);
    let back = whitening::inverse(map, numbers)
        .ok_or_else(|| Error::Failed("condition.map of the checkpoint has no inverse".into()))?;
    let (mut to_shares, mut at_mean, mut which) =
        (vec![0.0; numbers * classes], vec![0.0; classes], vec![0.0; classes]);
    for &(number, class) in &shares {
        (0..numbers).for_each(|i| to_shares[i * classes + class] = back[i * numbers + number]);
        at_mean[class] = mean[number];
        which[class] = 1.0;
    }
    Ok(Some(ShareLeaves {
        map: store.add_real("shares.map", [numbers, classes], &to_shares)?,
        mean: store.add_real("shares.mean", [classes], &at_mean)?,
        which: store.add_real("shares.which", [classes], &which)?,
        count: shares.len(),
    }))
}
