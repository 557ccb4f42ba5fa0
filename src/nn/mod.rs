//! Networks: generators and critics as formulas over named weights.
//!
//! A network is a list of [`Parameter`]s and a function from [`Weights`] and an input to an
//! output; nothing is stored in between. All families double the image at every level from a base
//! grid up to `size`, and the critic mirrors the generator.
//!
//! No network has a bias that its losses cannot feel: one before a norm that takes it out again, or
//! one that shifts every score alike, of which a Wasserstein loss sees differences only. The gradient
//! of such a bias is rounding, which Adam divides by its own size: it would walk by a learning step
//! each time, and add its way to the scores.

mod dcgan;
mod minibatch;
pub mod objective;
pub mod relax;
mod resize;
mod resnet;
pub mod shares;
mod size;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use minibatch::minibatch_group;
pub use size::{Base, advice, base, nearest_sizes};

use crate::op::{Border, Over};
use crate::shape::Shape;
use crate::tape::Var;

/// Added to a variance before its root is taken.
const NORM_EPS: f64 = 1e-5;

/// The architecture of a generator and critic pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Strided and transposed 4 x 4 convolutions (Radford et al. 2016), no norm in the critic.
    Dcgan,
    /// The residual pair of Gulrajani et al. 2017, layer norm in the critic.
    Resnet,
    /// The same critic, and a generator of 3 x 3 filters on repeated pixels (Odena et al. 2016): edges
    /// without checkerboards, at the same cost.
    Resize,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Dcgan, Self::Resnet, Self::Resize];

    /// Its name in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dcgan => "dcgan",
            Self::Resnet => "resnet",
            Self::Resize => "resize",
        }
    }
}

/// How the critic of [`Family::Dcgan`] and [`Family::Resize`] halves an image; that of [`Family::Resnet`] has means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Downsampling {
    /// 4 x 4 filters at every other pixel.
    Strided,
    /// 3 x 3 filters at every pixel and means of 2 x 2 behind them, from the second layer on: what it sees does not
    /// depend on which pixels it skips (anti-aliasing, Zhang 2019). The first sees what alternates from pixel to pixel.
    Pooled,
}

/// What fixes the shapes of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Net {
    /// The architecture.
    pub family: Family,
    /// Height and width of the images, which have a [`base`].
    pub size: [usize; 2],
    /// Channels next to the image.
    pub width: usize,
    /// Channels of the image: classes of a pixel.
    pub classes: usize,
    /// What convolutions see beyond the edges of an image.
    pub border: Border,
    /// Whether every cell of the base grid has an input [z, r] of its own. The generator is then
    /// convolutional throughout, and makes images from a base grid of any size.
    pub latent_map: bool,
    /// How many numbers at the end of the noise z all cells of a latent map share.
    pub shared: usize,
    /// How many numbers at the end of an input also scale and shift coarse features; 0 for none.
    pub modulated: usize,
    /// Images of a group within which a critic is told how much they differ; 0: it is told nothing.
    pub minibatch_std: usize,
    /// How the critic halves an image.
    pub downsampling: Downsampling,
}

impl Net {
    /// A pair that sees zeros beyond the edges, and has one input [z, r] an image.
    #[must_use]
    pub fn new(family: Family, size: [usize; 2], width: usize, classes: usize) -> Self {
        let (border, latent_map, shared, modulated) = (Border::Open, false, 0, 0);
        let (minibatch_std, downsampling) = (0, Downsampling::Strided);
        Self {
            family,
            size,
            width,
            classes,
            border,
            latent_map,
            shared,
            modulated,
            minibatch_std,
            downsampling,
        }
    }

    /// The base of the pair's images.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn base(&self) -> Base {
        base(self.size).unwrap_or_else(|| panic!("{}", advice(self.size)))
    }

    /// How often the image doubles from the base grid.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.base().levels
    }

    /// Cells of the base grid.
    fn cells(&self) -> usize {
        self.base().grid.iter().product()
    }

    /// Cells of the base grid that one input of the generator gives features to.
    fn cells_an_input(&self) -> usize {
        if self.latent_map { 1 } else { self.cells() }
    }
}

/// How a parameter begins.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Init {
    /// The same value everywhere.
    Constant(f64),
    /// Normal with this standard deviation.
    Normal(f64),
}

/// A tensor that training changes.
#[derive(Clone, PartialEq, Debug)]
pub struct Parameter {
    /// Dotted name, unique in its network.
    pub name: String,
    /// Extents.
    pub shape: Shape,
    /// How it begins.
    pub init: Init,
}

/// Named variables of one network on a tape.
pub struct Weights<'t>(BTreeMap<String, Var<'t>>);

impl<'t> Weights<'t> {
    /// Weights from (name, variable) pairs.
    pub fn new(pairs: impl IntoIterator<Item = (String, Var<'t>)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The variable of that name.
    ///
    /// # Panics
    /// If there is none: the lists of parameters and the formulas disagree.
    #[track_caller]
    #[must_use]
    pub fn get(&self, name: &str) -> Var<'t> {
        *self.0.get(name).unwrap_or_else(|| panic!("no weight named {name}"))
    }
}

/// What batch normalisation normalises with.
pub enum Norm<'a, 't> {
    /// The batch's own statistics, which are noted down under the layer's name.
    Batch(&'a RefCell<Vec<(String, Var<'t>)>>),
    /// Running statistics `{layer}.running` `[2, C]`: mean and biased variance.
    Running,
}

/// The generator's parameters; `input` is the length of [z, r].
#[must_use]
pub fn generator_parameters(net: &Net, input: usize) -> Vec<Parameter> {
    match net.family {
        Family::Dcgan => dcgan::generator_parameters(net, input),
        Family::Resnet => resnet::generator_parameters(net, input),
        Family::Resize => resize::generator_parameters(net, input),
    }
}

/// The running statistics that inference needs: names as in [`Norm::Running`], shape `[2, C]`.
#[must_use]
pub fn generator_statistics(net: &Net, input: usize) -> Vec<(String, Shape)> {
    generator_parameters(net, input)
        .iter()
        .filter_map(|p| p.name.strip_suffix(".gamma").map(|layer| (layer, p.shape.numel())))
        .map(|(layer, channels)| (format!("{layer}.running"), Shape::from([2, channels])))
        .collect()
}

/// Inputs [z, r] of the generator: noise z `[N, Z]`, or `[N, BH, BW, Z]` of a latent map, and
/// conditions r `[N, R]`, the same for all of an image. Of a latent map the last `net.shared` numbers of z are
/// those of the first cell everywhere: what cells draw by themselves is over many cells always the mean, so
/// that images of one target could not differ as wholes.
pub fn generator_input<'t>(net: &Net, z: Var<'t>, r: Var<'t>) -> Var<'t> {
    let (shape, tape) = (z.shape(), z.tape());
    if shape.rank() == 2 {
        return tape.concat(&[z, r], 1);
    }
    let [n, h, w, own] = [shape[0], shape[1], shape[2], shape[3] - net.shared];
    let everywhere = |x: Var<'t>, length| x.reshape([n, 1, 1, length]).broadcast([n, h, w, length]);
    let r = everywhere(r, r.shape()[1]);
    if net.shared == 0 {
        return tape.concat(&[z, r], 3);
    }
    let shared = everywhere(z.slice(&[0, 0, 0, own], [n, 1, 1, net.shared]), net.shared);
    tape.concat(&[z.slice(&[0; 4], [n, h, w, own]), shared, r], 3)
}

/// Logits `[N, H, W, classes]` of inputs [z, r] `[N, input]`, or, of a latent map,
/// `[N, BH, BW, input]` with any base grid, which doubles as often as that of `net`.
pub fn generator<'t>(net: &Net, weights: &Weights<'t>, input: Var<'t>, norm: &Norm<'_, 't>) -> Var<'t> {
    match net.family {
        Family::Dcgan => dcgan::generator(net, weights, input, norm),
        Family::Resnet => resnet::generator(net, weights, input, norm),
        Family::Resize => resize::generator(net, weights, input, norm),
    }
}

/// The critic's parameters.
#[must_use]
pub fn critic_parameters(net: &Net) -> Vec<Parameter> {
    let mut all = match net.family {
        Family::Dcgan | Family::Resize => dcgan::critic_parameters(net),
        Family::Resnet => resnet::critic_parameters(net),
    };
    if net.minibatch_std > 0 {
        let linear = all.pop().expect("a critic ends in linear.w").shape[0];
        all.push(matrix("linear.w", linear + linear / net.cells(), 1));
    }
    all
}

/// What the critic's score is a product with, `[N, F]`, of images `[N, H, W, classes]` of the size of
/// `net`.
pub fn critic_features<'t>(net: &Net, weights: &Weights<'t>, x: Var<'t>) -> Var<'t> {
    let x = match net.family {
        Family::Dcgan | Family::Resize => dcgan::critic_features(net, weights, x),
        Family::Resnet => resnet::critic_features(net, weights, x),
    };
    let flat = [x.shape()[0], x.shape().numel() / x.shape()[0]];
    let features = x.reshape(flat);
    if net.minibatch_std == 0 {
        features
    } else {
        x.tape().concat(&[features, minibatch::minibatch_std(x, net.minibatch_std)], 1)
    }
}

/// How many features those are.
#[must_use]
pub fn critic_feature_count(net: &Net) -> usize {
    critic_parameters(net).pop().expect("a critic ends in linear.w").shape[0]
}

/// Scores `[N, 1]` of images `[N, H, W, classes]` of the size of `net`.
pub fn critic<'t>(net: &Net, weights: &Weights<'t>, x: Var<'t>) -> Var<'t> {
    critic_features(net, weights, x).matmul(weights.get("linear.w"))
}

/// Scores `[N, 1]` of images beside numbers r `[N, P]` by projection (Miyato and Koyama 2018): with features
/// f of the images w f + r V f, where V are the weights `projection.w`.
pub fn critic_projected<'t>(net: &Net, weights: &Weights<'t>, x: Var<'t>, r: Var<'t>) -> Var<'t> {
    let features = critic_features(net, weights, x);
    let (n, count) = (features.shape()[0], features.shape()[1]);
    let product = features * r.matmul(weights.get("projection.w")).reshape([n, count]);
    features.matmul(weights.get("linear.w")) + product.sum_to([n, 1])
}

/// Numbers `[N, K]` as constant channels behind those of images: `[N, H, W, C + K]`.
pub fn with_channels<'t>(x: Var<'t>, numbers: Var<'t>) -> Var<'t> {
    let ([n, h, w], count) = ([x.shape()[0], x.shape()[1], x.shape()[2]], numbers.shape()[1]);
    let everywhere = numbers.reshape([n, 1, 1, count]).broadcast([n, h, w, count]);
    x.tape().concat(&[x, everywhere], 3)
}

/// A filter `[KH, KW, CI, CO]` (or CO, CI for a transposed convolution) whose sums have `fan_in`
/// terms, initialised after He et al. 2015.
fn filter(name: String, shape: [usize; 4], fan_in: usize) -> Parameter {
    Parameter { name, shape: Shape::from(shape), init: Init::Normal((2.0 / fan_in as f64).sqrt()) }
}

fn vector(name: String, channels: usize, value: f64) -> Parameter {
    Parameter { name, shape: Shape::from([channels]), init: Init::Constant(value) }
}

fn matrix(name: &str, rows: usize, columns: usize) -> Parameter {
    let init = Init::Normal((1.0 / rows as f64).sqrt());
    Parameter { name: name.to_owned(), shape: Shape::from([rows, columns]), init }
}

fn scale_and_shift(layer: &str, channels: usize) -> [Parameter; 2] {
    [vector(format!("{layer}.gamma"), channels, 1.0), vector(format!("{layer}.beta"), channels, 0.0)]
}

/// The generator's features `[N, BH, BW, C]` at its base: `layer` maps `[_, input]` to the features of
/// all cells that one input is of.
///
/// # Panics
/// If the input is not of this kind of network.
#[track_caller]
fn base_features<'t>(net: &Net, input: Var<'t>, layer: impl Fn(Var<'t>) -> Var<'t>) -> Var<'t> {
    let shape = input.shape();
    let (n, length) = (shape[0], shape.channels());
    assert!(shape.rank() == if net.latent_map { 4 } else { 2 }, "a generator's input: {shape:?} of {net:?}");
    let [h, w] = if net.latent_map { [shape[1], shape[2]] } else { net.base().grid };
    let features = layer(input.reshape([n * h * w / net.cells_an_input(), length]));
    features.reshape([n, h, w, features.shape().numel() / (n * h * w)])
}

/// Batch normalisation with scale and shift over the channels.
fn batch_norm<'t>(weights: &Weights<'t>, layer: &str, x: Var<'t>, norm: &Norm<'_, 't>) -> Var<'t> {
    let gamma = weights.get(&format!("{layer}.gamma"));
    let beta = weights.get(&format!("{layer}.beta"));
    match norm {
        Norm::Batch(noted) => {
            let stats = x.stats(Over::Batch);
            noted.borrow_mut().push((format!("{layer}.running"), stats));
            x.normalise_with(stats, Over::Batch, NORM_EPS) * gamma + beta
        }
        Norm::Running => {
            let channels = Shape::from([x.shape().channels()]);
            let (mean, variance) = weights.get(&format!("{layer}.running")).mean_and_variance(channels);
            let scale = gamma / variance.shift(NORM_EPS).sqrt();
            x * scale + (beta - mean * scale)
        }
    }
}

/// Levels whose features numbers scale and shift: they say where grains and phases lie, and how coarse they are.
const MODULATED: usize = 2;

/// Standard deviation of the weights of [`modulated`] at first, where noise is among the numbers.
const SHARED_INIT: f64 = 0.2;

/// What [`modulated`] needs at a level with so many channels.
fn modulation(net: &Net, level: usize, channels: usize) -> Option<Parameter> {
    (net.modulated > 0 && level < MODULATED).then(|| Parameter {
        name: format!("modulate{level}.w"),
        shape: Shape::from([net.modulated, 2 * channels]),
        // What noise says at first decides what it comes to mean: of zeros it is nothing that a critic could
        // pull apart. Numbers asked for have their meaning from the losses.
        init: if net.shared > 0 { Init::Normal(SHARED_INIT) } else { Init::Constant(0.0) },
    })
}

/// Features x `[N, H, W, C]` times 1 + r A plus r B, r being the numbers at the end of the input: a batch norm's
/// scale and shift that follow what is asked, and what noise says of the whole image (Dumoulin, Shlens and
/// Kudlur 2017). Numbers that are only part of an
/// input can add to features, but what they add is as large in a fine image as in a coarse one.
fn modulated<'t>(net: &Net, weights: &Weights<'t>, level: usize, input: Var<'t>, x: Var<'t>) -> Var<'t> {
    if net.modulated == 0 || level >= MODULATED {
        return x;
    }
    let (shape, n, channels) = (input.shape(), x.shape()[0], x.shape().channels());
    // The same for all cells of an image.
    let (mut start, mut extent) = (vec![0; shape.rank()], vec![1; shape.rank()]);
    (start[shape.rank() - 1], extent[0], extent[shape.rank() - 1]) =
        (shape.channels() - net.modulated, n, net.modulated);
    let r = input.slice(&start, &*extent).reshape([n, net.modulated]);
    let by = r.matmul(weights.get(&format!("modulate{level}.w")));
    let part = |from: usize| by.slice(&[0, from], [n, channels]).reshape([n, 1, 1, channels]);
    x * part(0).shift(1.0) + part(channels)
}

/// Layer normalisation over each sample, with scale and shift over the channels.
fn layer_norm<'t>(weights: &Weights<'t>, layer: &str, x: Var<'t>) -> Var<'t> {
    x.normalise(Over::Layer, NORM_EPS) * weights.get(&format!("{layer}.gamma"))
        + weights.get(&format!("{layer}.beta"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::DType;
    use crate::op::LeafId;
    use crate::tape::Tape;

    fn weights<'t>(tape: &'t Tape, parameters: &[Parameter]) -> Weights<'t> {
        Weights::new(parameters.iter().map(|p| (p.name.clone(), tape.leaf(LeafId(0), p.shape, DType::Real))))
    }

    #[test]
    fn every_size_maps_noise_to_images_and_images_to_scores() {
        for family in Family::ALL {
            let squares = [16, 32, 64, 96, 128, 256].map(|side| [side, side]);
            for size in squares.into_iter().chain([[48, 80], [64, 128], [12, 20]]) {
                let net = Net::new(family, size, 3, 4);
                let tape = Tape::new();
                let noted = RefCell::new(Vec::new());
                let generator_weights = weights(&tape, &generator_parameters(&net, 10));
                let x = generator(&net, &generator_weights, tape.fill(0.0, [2, 10]), &Norm::Batch(&noted));
                assert_eq!(*x.shape(), [2, size[0], size[1], 4]);
                let names: Vec<String> = noted.borrow().iter().map(|(name, _)| name.clone()).collect();
                let mut wanted: Vec<String> =
                    generator_statistics(&net, 10).into_iter().map(|(n, _)| n).collect();
                wanted.sort();
                let mut sorted = names;
                sorted.sort();
                assert_eq!(sorted, wanted);
                let scores = critic(&net, &weights(&tape, &critic_parameters(&net)), x);
                assert_eq!(*scores.shape(), [2, 1]);
            }
        }
    }
}
