//! The three phases of Algorithm 1 and what closes an iteration, recorded once as plans.

use std::cell::RefCell;

use super::config::{Config, Decay, Targets};
use super::dataset::Dataset;
use super::model::{Network, Optimiser, logits};
use super::objective::{Losses, Objective, Shapes, Side, Step, invariance_losses};
use super::task::Task;
use super::whitening::{identity, whitening};
use crate::error::Result;
use crate::invariance::{Property, measure_all};
use crate::nn::relax::Relax;
use crate::nn::shares::{Shares, with_shares};
use crate::nn::{self, Net, Norm, Weights};
use crate::op::{AdamSettings, LeafId, Symmetry};
use crate::plan::Plan;
use crate::rng;
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Var};

/// How fast running statistics follow the batches.
const MOMENTUM: f64 = 0.05;

/// The leaf that keeps the properties of held-out images, for whoever samples the generator.
pub(super) const TABLE: &str = "data.targets";

/// Targets in the table that `targets = "prior"` draws from.
const PRIOR_ROWS: usize = 1 << 15;

/// Streams of the random generator within a step.
mod stream {
    pub(super) const ROWS: u32 = 0;
    pub(super) const NOISE: u32 = 1;
    pub(super) const BETWEEN: u32 = 2;
    pub(super) const PRIOR: u32 = 3;
    pub(super) const MIX: u32 = 4;
    pub(super) const IMAGE_NOISE: u32 = 5;
    pub(super) const AUGMENT: u32 = 6;
}

/// A phase of Algorithm 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Generator step on the critic's score.
    Generator,
    /// Critic step.
    Critic,
    /// Projection step on the invariances.
    Projection,
}

impl Phase {
    /// All phases, in the order an iteration runs them.
    pub const ALL: [Self; 3] = [Self::Generator, Self::Critic, Self::Projection];

    /// The name used in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Critic => "critic",
            Self::Projection => "projection",
        }
    }
}

/// One phase, ready to replay.
pub(super) struct Recorded {
    pub(super) phase: Phase,
    /// How often an iteration runs it.
    pub(super) repeats: usize,
    pub(super) plan: Plan,
    /// Scalars of the last iterations, `[ring rows, names]`.
    pub(super) ring: LeafId,
    pub(super) names: Vec<String>,
}

/// All leaves of a training run and the plans over them.
pub(super) struct Phases {
    pub(super) phases: Vec<Recorded>,
    /// Advances the iteration count and the averaged weights.
    pub(super) closing: Plan,
    pub(super) iteration: LeafId,
    /// Leaves that are not part of a checkpoint: the data set and the rings.
    pub(super) transient: Vec<LeafId>,
}

/// Everything the formulas of a phase refer to.
struct Recorder<'a> {
    config: &'a Config,
    images: usize,
    /// How they are moved.
    symmetry: Symmetry,
    properties: &'a [Property],
    objective: Box<dyn Objective>,
    net: Net,
    generator: Network,
    critic: Network,
    maps: LeafId,
    /// Row numbers of a batch.
    batch_rows: LeafId,
    prior: Option<LeafId>,
    state: LeafId,
    iteration: LeafId,
    condition_mean: LeafId,
    condition_map: LeafId,
}

impl Phases {
    /// Adds the leaves of a run to the store and records its phases, with rings of `rows` rows.
    pub(super) fn record(store: &mut Store, config: &Config, data: &Dataset, rows: usize) -> Result<Self> {
        let Dataset { task, images: data, .. } = data;
        let length = task.columns().len();
        if task.needs_table() {
            let values: Vec<f64> = task.table().iter().map(|&v| f64::from(v)).collect();
            store.add_real(TABLE, [values.len() / length, length], &values)?;
        }
        let net = net(config, task);
        let input = config.net.noise() + length;
        let seed = config.train.seed;

        let maps = store.add_u8("data.maps", [data.count, data.height, data.width], &data.maps)?;
        let rows_of_batch: Vec<u32> = (0..config.train.batch as u32).collect();
        let batch_rows = store.add_u32("batch.rows", [rows_of_batch.len()], &rows_of_batch)?;
        let mut transient = vec![maps, batch_rows];
        let asked = task.normalised(&task.sample_targets(PRIOR_ROWS, seed));
        let prior = match config.train.targets {
            Targets::Data => None,
            Targets::Prior | Targets::Mix => {
                let prior = task.normalised(&task.prior(PRIOR_ROWS, seed));
                Some(store.add_real("data.prior", [PRIOR_ROWS, length], &prior)?)
            }
        };
        transient.extend(prior);
        let objective = config.objective.make();
        let (mean, mut map) =
            if config.train.standardise { whitening(&asked, length) } else { identity(length) };
        if !objective.asks() {
            // A generator that is told nothing: r is zero whatever was asked.
            map.fill(0.0);
        }
        let condition_mean = store.add_real("condition.mean", [length], &mean)?;
        let condition_map = store.add_real("condition.map", [length, length], &map)?;
        let state = store.add_u32("rng", [rng::STATE_WORDS], &rng::state(seed))?;
        let iteration = store.add_zeros("iteration", [])?;

        let statistics = nn::generator_statistics(&net, input);
        let parameters = nn::generator_parameters(&net, input);
        let generator = Network::add(store, "generator", &parameters, &statistics, seed, 0)?;
        let shapes = Shapes { net: &net, numbers: length, properties: task.properties().len() };
        let critic = Network::add(store, "critic", &objective.critic_parameters(&shapes), &[], seed, 1)?;

        let recorder = Recorder {
            config,
            images: data.count,
            symmetry: task.symmetry(),
            properties: task.properties(),
            objective,
            net,
            generator,
            critic,
            maps,
            batch_rows,
            prior,
            state,
            iteration,
            condition_mean,
            condition_map,
        };
        let mut phases = Vec::new();
        for phase in Phase::ALL {
            let (repeats, rate) = match phase {
                Phase::Generator => (config.train.n_g, config.train.lr_g),
                Phase::Critic => (config.train.n_d, config.train.lr_d),
                Phase::Projection => (config.train.n_i, config.train.lr_i),
            };
            if repeats == 0 {
                continue;
            }
            let recorded = recorder.phase(store, phase, repeats, rate, rows)?;
            transient.push(recorded.ring);
            phases.push(recorded);
        }
        let closing = recorder.closing(store)?;
        Ok(Self { phases, closing, iteration, transient })
    }
}

/// The networks of a configuration.
pub(super) fn net(config: &Config, task: &Task) -> Net {
    let images = task.images();
    Net {
        border: config.net.border.border(images),
        latent_map: config.net.latent_map,
        shared: config.net.latent_shared,
        modulated: if config.net.modulate { config.net.latent_shared + task.columns().len() } else { 0 },
        minibatch_std: nn::minibatch_group(config.train.batch, config.net.minibatch_std),
        downsampling: config.net.downsampling,
        ..Net::new(config.net.family, images.size, config.net.width, images.classes)
    }
}

/// The noise of `n` images: `[N, Z]`, or `[N, BH, BW, Z]` of a latent map on that grid.
pub(super) fn noise_shape(net: &Net, n: usize, [h, w]: [usize; 2], latent: usize) -> Shape {
    if net.latent_map { Shape::from([n, h, w, latent]) } else { Shape::from([n, latent]) }
}

/// The variables every phase starts from.
struct Batch<'t> {
    /// Real images, `[N, H, W, C]`.
    real: Var<'t>,
    /// The condition vectors asked for, normalised.
    asked: Var<'t>,
    /// The same as the generator sees them.
    r: Var<'t>,
    /// Noise.
    z: Var<'t>,
}

impl Recorder<'_> {
    fn phase(
        &self,
        store: &mut Store,
        phase: Phase,
        repeats: usize,
        rate: f64,
        rows: usize,
    ) -> Result<Recorded> {
        let settings =
            AdamSettings { beta1: self.config.train.beta1, beta2: self.config.train.beta2, eps: 1e-8 };
        let trained = if phase == Phase::Critic { &self.critic } else { &self.generator };
        let optimiser = Optimiser::add(store, &format!("adam.{}", phase.name()), trained, settings, rate)?;

        let tape = Tape::new();
        let batch = self.batch(store, &tape);
        let weights = self.generator.weights(store, &tape);
        let noted = RefCell::new(Vec::new());
        let fake = logits(&self.net, &weights, batch.z, batch.r, &Norm::Batch(&noted)).softmax();
        let critic_weights = self.critic.weights(store, &tape);
        let crisp = match phase {
            Phase::Projection => self.config.train.crisp.projection(),
            Phase::Generator | Phase::Critic => self.config.train.crisp.critic(),
        };
        let seen = if crisp {
            fake.argmax().one_hot(store.var(&tape, self.batch_rows), self.net.classes)
        } else {
            fake
        };
        let asked = Side { images: seen, numbers: batch.asked, r: batch.r };
        let Losses { total, logged } = match phase {
            Phase::Projection => invariance_losses(self.properties, asked),
            Phase::Generator => {
                self.objective.generator_loss(&self.step(store, &batch, asked, &critic_weights))
            }
            Phase::Critic => self.objective.critic_loss(&self.step(store, &batch, asked, &critic_weights)),
        };
        let decay = self.decay(store, &tape);
        let trained_weights = if phase == Phase::Critic { &critic_weights } else { &weights };
        let loss = if crisp && phase != Phase::Critic {
            // The gradient by the class maps is taken for that by the probabilities.
            (fake * tape.grad(total, &[seen])[0].detach()).sum()
        } else {
            total
        };
        optimiser.update(store, trained, trained_weights, loss, decay);
        if phase != Phase::Critic {
            self.generator.track_statistics(&weights, &noted.borrow(), &tape, MOMENTUM);
        }
        let (names, scalars): (Vec<String>, Vec<Var<'_>>) = logged.into_iter().unzip();
        let ring = store.add_zeros(&format!("log.{}", phase.name()), [rows, names.len()])?;
        tape.record(store.var(&tape, ring), store.var(&tape, self.iteration), &scalars);
        tape.tick(store.var(&tape, self.state));
        Ok(Recorded { phase, repeats, plan: Plan::new(&tape, &[], store), ring, names })
    }

    /// What the losses of an adversarial step are made of.
    fn step<'a, 't>(
        &'a self,
        store: &Store,
        batch: &Batch<'t>,
        fake: Side<'t>,
        critic: &'a Weights<'t>,
    ) -> Step<'a, 't> {
        let (tape, images) = (fake.images.tape(), batch.real);
        let real = match self.config.train.targets {
            // The numbers asked for are those of these images.
            Targets::Data => Side { images, ..fake },
            _ => {
                let numbers = measure_all(self.properties, images);
                Side { images, numbers, r: self.told(store, numbers) }
            }
        };
        let state = store.var(tape, self.state);
        Step {
            net: &self.net,
            critic,
            properties: self.properties,
            real,
            fake,
            between: tape.uniform(state, stream::BETWEEN, [self.config.train.batch]),
            noise: tape.normal(state, stream::IMAGE_NOISE, images.shape()),
            lambda_gp: self.config.train.lambda_gp,
        }
    }

    /// Numbers as the generator sees them.
    fn told<'t>(&self, store: &Store, numbers: Var<'t>) -> Var<'t> {
        let tape = numbers.tape();
        (numbers - store.var(tape, self.condition_mean)).matmul(store.var(tape, self.condition_map))
    }

    fn batch<'t>(&self, store: &Store, tape: &'t Tape) -> Batch<'t> {
        let (n, state) = (self.config.train.batch, store.var(tape, self.state));
        let real = self.real(store, tape);
        let from_data = || measure_all(self.properties, real);
        let from_prior = |prior| {
            let picked = tape.random_index(state, stream::PRIOR, n, PRIOR_ROWS as u32);
            store.var(tape, prior).gather(picked)
        };
        let asked = match (self.config.train.targets, self.prior) {
            (Targets::Prior, Some(prior)) => from_prior(prior),
            (Targets::Mix, Some(prior)) => {
                let (data, prior) = (from_data(), from_prior(prior));
                let coin = tape.uniform(state, stream::MIX, [n, 1]).shift(-0.5).leaky_mask(0.0);
                data + coin * (prior - data)
            }
            _ => from_data(),
        };
        let r = self.told(store, asked);
        let noise = noise_shape(&self.net, n, self.net.base().grid, self.config.net.noise());
        let z = tape.normal(state, stream::NOISE, noise).scale(self.config.net.z_scale);
        Batch { real, asked, r, z }
    }

    /// Real images of a batch, each moved anew if that is asked.
    fn real<'t>(&self, store: &Store, tape: &'t Tape) -> Var<'t> {
        let (n, state, maps) =
            (self.config.train.batch, store.var(tape, self.state), store.var(tape, self.maps));
        let rows = tape.random_index(state, stream::ROWS, n, self.images as u32);
        if self.symmetry.is_none() {
            return maps.one_hot(rows, self.net.classes);
        }
        let words = tape.random_index(state, stream::AUGMENT, n * Symmetry::WORDS, u32::MAX);
        maps.augment(rows, words, self.symmetry).one_hot(store.var(tape, self.batch_rows), self.net.classes)
    }

    /// The factor on every learning rate at the present iteration.
    fn decay<'t>(&self, store: &Store, tape: &'t Tape) -> Var<'t> {
        // The part of the run that is left.
        let left = || {
            let undone = store.var(tape, self.iteration).scale(-1.0 / self.config.train.iterations as f64);
            undone.shift(1.0).relu()
        };
        match self.config.train.lr_decay {
            Decay::None => tape.fill(1.0, []),
            Decay::Linear => left(),
            Decay::Smooth => left().square() * left().scale(-2.0).shift(3.0),
        }
    }

    /// Averages the generator's weights, if asked, and counts the iteration.
    fn closing(&self, store: &mut Store) -> Result<Plan> {
        let tape = Tape::new();
        let iteration = store.var(&tape, self.iteration);
        if self.config.train.ema > 0.0 {
            let averaged = self.generator.copy(store, "ema")?;
            let pairs: Vec<[Var<'_>; 2]> = averaged
                .parameters
                .iter()
                .chain(&averaged.statistics)
                .zip(self.generator.parameters.iter().chain(&self.generator.statistics))
                .map(|((_, target), (_, source))| [store.var(&tape, *target), store.var(&tape, *source)])
                .collect();
            // A plain mean at first, so that the average forgets the initial weights.
            let floor = 1.0 - self.config.train.ema;
            let weight = iteration.shift(1.0).recip().shift(-floor).relu().shift(floor);
            tape.lerp(weight, &pairs);
        }
        tape.tick(iteration);
        Ok(Plan::new(&tape, &[], store))
    }
}

/// Where the sampler keeps what makes the conditions that a generator sees the shares that were asked for.
pub(super) struct ShareLeaves {
    /// Asked shares of classes are r map + mean, `[P, C]` and `[C]`.
    pub(super) map: LeafId,
    pub(super) mean: LeafId,
    /// 1 for each class that is asked for, `[C]`.
    pub(super) which: LeafId,
    /// How many are asked for.
    pub(super) count: usize,
}

/// A trained generator as it is sampled.
pub(super) struct Trained<'a> {
    pub(super) store: &'a Store,
    pub(super) net: &'a Net,
    pub(super) network: &'a Network,
    pub(super) properties: &'a [Property],
    /// How outlines relax.
    pub(super) relax: Relax,
    /// Shares that are met exactly.
    pub(super) shares: Option<&'a ShareLeaves>,
}

impl Trained<'_> {
    /// Images of [z, r] with running statistics.
    fn images<'t>(&self, tape: &'t Tape, z: Var<'t>, r: Var<'t>) -> Var<'t> {
        let weights: Weights<'_> = self.network.weights(self.store, tape);
        let drawn = logits(self.net, &weights, z, r, &Norm::Running);
        let shares = self.shares.map(|leaves| {
            let [map, mean, which] =
                [leaves.map, leaves.mean, leaves.which].map(|leaf| self.store.var(tape, leaf));
            Shares { asked: r.matmul(map) + mean, which, count: leaves.count }
        });
        let exact = |logits| shares.as_ref().map_or(logits, |shares| with_shares(logits, shares));
        self.relax.apply(drawn, self.net.border, exact).softmax()
    }

    /// A plan over a batch: outputs probabilities, class maps and the measured condition vectors.
    pub(super) fn sampling_plan(&self, z: LeafId, r: LeafId) -> Plan {
        let tape = Tape::new();
        let x = self.images(&tape, self.store.var(&tape, z), self.store.var(&tape, r));
        Plan::new(&tape, &[x, x.argmax(), measure_all(self.properties, x)], self.store)
    }

    /// The same with the gradient of a distance from targets: `leaves` are z, r, targets and weights.
    /// Outputs probabilities, class maps, measured numbers, and the gradients by z and r.
    pub(super) fn slope_plan(&self, leaves: [LeafId; 4]) -> Plan {
        let tape = Tape::new();
        let [z, r, target, weight] = leaves.map(|leaf| self.store.var(&tape, leaf));
        let x = self.images(&tape, z, r);
        let measured = measure_all(self.properties, x);
        // Images do not meet before this sum: each gradient is that of its own image.
        let distance = ((measured - target) * weight).square().sum();
        let slopes = tape.grad(distance, &[z, r]);
        Plan::new(&tape, &[x, x.argmax(), measured, slopes[0], slopes[1]], self.store)
    }
}
