//! The parts of a configuration that are the same for every run: networks and training, as typed
//! values and as documented keys.

use serde::{Deserialize, Serialize};

use crate::device::gpu::Precision;
use crate::invariance::Images;
use crate::nn::{Downsampling, Family};
use crate::op::{Border, Symmetry};
use crate::options::Key;

/// What happens to the learning rates over a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// They stay.
    None,
    /// They fall linearly to zero at the last iteration.
    Linear,
    /// They fall to zero along 3 u^2 - 2 u^3, with u the part of the run that is left: late and softly.
    Smooth,
}

/// Which steps see class maps, as a person will, instead of probabilities. Gradients pass as if they
/// saw these (the straight-through estimator of Bengio, Leonard and Courville 2013).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crisp {
    /// None.
    None,
    /// Those of the projection.
    Projection,
    /// Those of critic and generator against each other.
    Critic,
    /// All.
    Both,
}

impl Crisp {
    /// Whether the projection sees class maps.
    #[must_use]
    pub fn projection(self) -> bool {
        matches!(self, Self::Projection | Self::Both)
    }

    /// Whether the critic does.
    #[must_use]
    pub fn critic(self) -> bool {
        matches!(self, Self::Critic | Self::Both)
    }
}

/// How real images are moved each time that they are seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augment {
    /// As their source says that they may be: not at all if it is a file, of which only a person knows.
    Auto,
    /// By these moves.
    #[serde(untagged)]
    By(Symmetry),
}

impl Augment {
    /// The moves, of images that a source says may be moved so.
    #[must_use]
    pub fn of(self, known: Symmetry) -> Symmetry {
        match self {
            Self::Auto => known,
            Self::By(moves) => moves,
        }
    }
}

/// Where the properties asked of the generator during training come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Targets {
    /// Measured on a batch of real images.
    Data,
    /// Drawn from all that can be asked for.
    Prior,
    /// Either, by a coin for each sample.
    Mix,
}

/// What the networks see beyond the edges of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edges {
    /// What lies there in the data.
    Auto,
    /// Zeros.
    Zero,
    /// The opposite edge: samples tile.
    Periodic,
}

impl Edges {
    /// The border of networks of these images.
    #[must_use]
    pub fn border(self, images: &Images) -> Border {
        match self {
            Self::Auto => images.border,
            Self::Zero => Border::Open,
            Self::Periodic => Border::Periodic,
        }
    }
}

/// The pair of networks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Networks {
    /// The architecture.
    pub family: Family,
    /// Channels of the layers next to the image.
    pub width: usize,
    /// What convolutions and matrix products multiply.
    pub precision: Precision,
    /// Length of the noise z.
    pub latent: usize,
    /// Standard deviation of z.
    pub z_scale: f64,
    /// What convolutions see beyond the edges.
    pub border: Edges,
    /// Whether every cell of the base grid has noise of its own, so that samples can be of any size.
    pub latent_map: bool,
    /// How many more numbers of z, the last ones, all cells share.
    pub latent_shared: usize,
    /// Whether the numbers asked for also scale and shift coarse features.
    pub modulate: bool,
    /// Images of a group within which the critic is told how much they differ.
    pub minibatch_std: usize,
    /// How the critic halves an image.
    pub downsampling: Downsampling,
    /// Rounds in which outlines of samples relax.
    pub relax: usize,
    /// Pixels at which the weights of the means of a round have fallen to zero.
    pub relax_width: usize,
    /// Whether samples have their logits shifted until classes fill the shares asked for.
    pub exact_shares: bool,
}

impl Networks {
    /// Numbers of the noise z: those of every cell, and those that cells share.
    #[must_use]
    pub fn noise(&self) -> usize {
        self.latent + self.latent_shared
    }
}

/// The keys of `[net]`.
pub(super) const NET: &[Key] = &[
    Key::word(
        "family",
        "dcgan",
        &["dcgan", "resize", "resnet"],
        "\"dcgan\", \"resize\" or \"resnet\"",
        "the pair of networks: resize has clean edges, resnet is the authors', far more arithmetic",
    )
    .also("net"),
    Key::whole("width", 16, (1, 256), "a whole number from 1 to 256", "channels next to the image"),
    Key::word(
        "precision",
        "fp32",
        &["fp32", "tf32", "bf16"],
        "\"fp32\", \"tf32\" or \"bf16\"",
        "of products; tf32 on a GPU only",
    ),
    Key::whole("latent", 128, (1, 4096), "a whole number from 1 to 4096", "length of the noise z"),
    Key::real(
        "z_scale",
        0.5,
        (0.0, 10.0),
        "a number from 0 to 10",
        "standard deviation of z: more is more varied and less exact",
    ),
    Key::word(
        "border",
        "auto",
        &["auto", "zero", "periodic"],
        "\"auto\", \"zero\" or \"periodic\"",
        "beyond the edges: zeros, or the opposite edge, so that samples tile; auto is as the images are",
    ),
    Key::flag(
        "latent_map",
        false,
        "noise for every cell, so that samples can be larger than the images; of textures only",
    ),
    Key::whole(
        "latent_shared",
        0,
        (0, 4096),
        "a whole number from 0 to 4096",
        "as many numbers more, which all cells share: images of one target differ as wholes",
    ),
    Key::flag(
        "modulate",
        false,
        "numbers asked for, and shared noise, also scale coarse features: coarseness and size are followed",
    ),
    Key::whole(
        "minibatch_std",
        0,
        (0, 4096),
        "a whole number from 0 to 4096",
        "the critic sees how much images of groups of so many differ, as far as they divide the batch",
    ),
    Key::word(
        "downsampling",
        "strided",
        &["strided", "pooled"],
        "\"strided\" or \"pooled\"",
        "the critic halves images by 4 x 4 filters of stride 2, or by 3 x 3 filters and means, as that of resnet always does",
    ),
    Key::whole(
        "relax",
        0,
        (0, 32),
        "a whole number from 0 to 32",
        "rounds that smooth outlines of samples and take specks away",
    ),
    Key::whole(
        "relax_width",
        5,
        (2, 16),
        "a whole number from 2 to 16",
        "pixels over which a round looks: about as many as half the width of features",
    ),
    Key::flag("exact_shares", true, "shifts the logits of a sample until classes fill the shares asked for"),
];

/// Algorithm 1 and what is kept of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Training {
    /// Samples a step.
    pub batch: usize,
    /// Iterations of Algorithm 1.
    pub iterations: u64,
    /// Seed of data, weights and noise.
    pub seed: u64,
    /// Generator steps an iteration.
    pub n_g: usize,
    /// Critic steps an iteration.
    pub n_d: usize,
    /// Projection steps an iteration.
    pub n_i: usize,
    /// Learning rate of the generator step.
    pub lr_g: f64,
    /// Learning rate of the critic step.
    pub lr_d: f64,
    /// Learning rate of the projection step.
    pub lr_i: f64,
    /// What happens to the rates.
    pub lr_decay: Decay,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Weight of the gradient penalty.
    pub lambda_gp: f64,
    /// Where targets come from.
    pub targets: Targets,
    /// How real images are moved each time that they are seen.
    pub augment: Augment,
    /// Which steps see class maps.
    pub crisp: Crisp,
    /// Whether the generator sees numbers of zero mean and unit variance, uncorrelated.
    pub standardise: bool,
    /// Decay of the average of the generator's weights; 0 for none.
    pub ema: f64,
    /// Iterations between rows of `metrics.jsonl`.
    pub log_every: u64,
    /// Iterations between grids of samples; 0 for none.
    pub sample_every: u64,
    /// Iterations between checkpoints.
    pub checkpoint_every: u64,
    /// Samples measured for the report.
    pub eval_samples: usize,
}

const RATE: &str = "a number above 0, at most 1";
const RATES: (f64, f64) = (1e-12, 1.0);
const STEPS: &str = "a whole number from 0 to 100";
const DECAY: &str = "a number from 0 to 0.99999";
const DECAYS: (f64, f64) = (0.0, 0.99999);

/// The keys of `[train]`.
pub(super) const TRAIN: &[Key] = &[
    Key::whole("batch", 32, (2, 4096), "a whole number from 2 to 4096", "samples a step"),
    Key::whole("iterations", 1500, (1, 10_000_000), "a whole number from 1 to 10000000", "of Algorithm 1"),
    Key::whole("seed", 0, (0, 1 << 53), "a whole number from 0 to 2^53", "of data, weights and noise"),
    Key::whole("n_g", 1, (0, 100), STEPS, "generator steps an iteration"),
    Key::whole("n_d", 2, (0, 100), STEPS, "critic steps an iteration"),
    Key::whole("n_i", 2, (0, 100), STEPS, "projection steps an iteration, each with new targets"),
    Key::real("lr_g", 2e-3, RATES, RATE, "learning rates of Adam, one for each kind of step"),
    Key::real("lr_d", 2e-3, RATES, RATE, "of the critic"),
    Key::real("lr_i", 2e-3, RATES, RATE, "of the projection"),
    Key::word(
        "lr_decay",
        "linear",
        &["none", "linear", "smooth"],
        "\"none\", \"linear\" or \"smooth\"",
        "the last two fall to zero at the last iteration",
    ),
    Key::real("beta1", 0.0, DECAYS, DECAY, "no momentum against a moving opponent (Gulrajani et al. 2017)"),
    Key::real("beta2", 0.9, DECAYS, DECAY, "of Adam's second moment"),
    Key::real("lambda_gp", 10.0, (0.0, 1e6), "a number from 0 to 1000000", "weight of the gradient penalty"),
    Key::word(
        "targets",
        "data",
        &["data", "prior", "mix"],
        "\"data\", \"prior\" or \"mix\"",
        "asked in training: measured on real batches, or evenly over what can be asked",
    ),
    Key::words(
        "augment",
        &[Symmetry::NAMES[0], "auto", Symmetry::NAMES[1], Symmetry::NAMES[2], Symmetry::NAMES[3]],
        2,
        "\"none\", \"auto\", or \"shifts\", \"flips\", \"rotations\" or several, as in \"flips+rotations\"",
        "moves of real images, anew each time, that leave one as likely; auto is those known of a world",
    ),
    Key::word(
        "crisp",
        "none",
        &["none", "projection", "critic", "both"],
        "\"none\", \"projection\", \"critic\" or \"both\"",
        "steps that see class maps, as a person will, with gradients as of probabilities",
    ),
    Key::flag("standardise", true, "the generator sees numbers of zero mean and unit variance, uncorrelated"),
    Key::real("ema", 0.0, DECAYS, DECAY, "average of the generator's weights with this decay; 0 is off"),
    Key::whole("log_every", 10, (1, 10_000), "a whole number from 1 to 10000", "iterations between log rows"),
    Key::whole(
        "sample_every",
        100,
        (0, 10_000_000),
        "a whole number from 0 to 10000000",
        "iterations between grids in samples/; 0 is off",
    ),
    Key::whole(
        "checkpoint_every",
        100,
        (1, 10_000_000),
        "a whole number from 1 to 10000000",
        "iterations between checkpoints",
    ),
    Key::whole(
        "eval_samples",
        1000,
        (1, 100_000),
        "a whole number from 1 to 100000",
        "targets measured for the report",
    ),
];
