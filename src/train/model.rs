//! Networks in a store: named leaves for parameters, their running statistics and optimisers.

use crate::error::Result;
use crate::nn::{self, Init, Norm, Parameter, Weights};
use crate::op::{AdamSettings, LeafId};
use crate::rng;
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Var};

/// Stream of the generator from which parameters are drawn; their index is added.
const INIT_STREAM: u32 = 1 << 16;

/// The leaves of one network.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    /// (name without prefix, leaf) of what gradients change.
    pub(super) parameters: Vec<(String, LeafId)>,
    /// The same of what batch normalisation averages.
    pub(super) statistics: Vec<(String, LeafId)>,
}

impl Network {
    /// Adds freshly initialised parameters under `{prefix}.`.
    pub(super) fn add(
        store: &mut Store,
        prefix: &str,
        parameters: &[Parameter],
        statistics: &[(String, Shape)],
        seed: u64,
        stream: u32,
    ) -> Result<Self> {
        let mut network = Self::default();
        for (i, p) in parameters.iter().enumerate() {
            let values = initial(p, seed, INIT_STREAM * (stream + 1) + i as u32);
            let leaf = store.add_real(&format!("{prefix}.{}", p.name), p.shape, &values)?;
            network.parameters.push((p.name.clone(), leaf));
        }
        for (name, shape) in statistics {
            // Mean 0 and variance 1 until the first batch.
            let channels = shape[1];
            let values: Vec<f64> = (0..2 * channels).map(|i| f64::from(u8::from(i >= channels))).collect();
            let leaf = store.add_real(&format!("{prefix}.{name}"), *shape, &values)?;
            network.statistics.push((name.clone(), leaf));
        }
        Ok(network)
    }

    /// A second set of leaves with the same values.
    pub(super) fn copy(&self, store: &mut Store, prefix: &str) -> Result<Self> {
        let mut duplicate = |leaves: &[(String, LeafId)]| -> Result<Vec<(String, LeafId)>> {
            leaves
                .iter()
                .map(|(name, leaf)| {
                    let values = store.read(*leaf)?;
                    let shape = store.place(*leaf).shape;
                    Ok((name.clone(), store.add_real(&format!("{prefix}.{name}"), shape, &values)?))
                })
                .collect()
        };
        Ok(Self { parameters: duplicate(&self.parameters)?, statistics: duplicate(&self.statistics)? })
    }

    /// Parameters and statistics as variables.
    pub(super) fn weights<'t>(&self, store: &Store, tape: &'t Tape) -> Weights<'t> {
        let all = self.parameters.iter().chain(&self.statistics);
        Weights::new(all.map(|(name, leaf)| (name.clone(), store.var(tape, *leaf))))
    }

    /// Records a move of every running statistic towards those noted down by [`Norm::Batch`].
    pub(super) fn track_statistics<'t>(
        &self,
        weights: &Weights<'t>,
        noted: &[(String, Var<'t>)],
        tape: &'t Tape,
        momentum: f64,
    ) {
        let pairs: Vec<[Var<'t>; 2]> =
            noted.iter().map(|(name, stats)| [weights.get(name), *stats]).collect();
        if !pairs.is_empty() {
            tape.lerp(tape.fill(momentum, []), &pairs);
        }
    }
}

fn initial(parameter: &Parameter, seed: u64, stream: u32) -> Vec<f64> {
    let count = parameter.shape.numel();
    match parameter.init {
        Init::Constant(value) => vec![value; count],
        Init::Normal(deviation) => rng::normals(&rng::state(seed), stream, count)
            .into_iter()
            .map(|v| f64::from(v) * deviation)
            .collect(),
    }
}

/// The state of Adam for one network and one phase: each phase has its own moments, because the
/// adversarial and the invariance gradients differ in size by orders of magnitude.
pub(super) struct Optimiser {
    settings: AdamSettings,
    rate: f64,
    step: LeafId,
    /// Of each parameter m and v, or v alone ([`AdamSettings::tensors`]).
    moments: Vec<Vec<LeafId>>,
}

impl Optimiser {
    pub(super) fn add(
        store: &mut Store,
        prefix: &str,
        network: &Network,
        settings: AdamSettings,
        rate: f64,
    ) -> Result<Self> {
        let step = store.add_zeros(&format!("{prefix}.step"), [])?;
        let mut moments = Vec::new();
        for (name, leaf) in &network.parameters {
            let shape = store.place(*leaf).shape;
            let kept = &["m", "v"][4 - settings.tensors()..];
            let zeros = kept.iter().map(|which| store.add_zeros(&format!("{prefix}.{name}.{which}"), shape));
            moments.push(zeros.collect::<Result<_>>()?);
        }
        Ok(Self { settings, rate, step, moments })
    }

    /// Records one update of the network's parameters along the gradient of `loss`; `decay` scales
    /// the learning rate.
    pub(super) fn update<'t>(
        &self,
        store: &Store,
        network: &Network,
        weights: &Weights<'t>,
        loss: Var<'t>,
        decay: Var<'t>,
    ) {
        let tape = loss.tape();
        let parameters: Vec<Var<'t>> = network.parameters.iter().map(|(name, _)| weights.get(name)).collect();
        let gradients = tape.grad(loss, &parameters);
        let updates: Vec<Vec<Var<'t>>> = parameters
            .iter()
            .zip(gradients)
            .zip(&self.moments)
            .map(|((&p, g), moments)| {
                [p, g].into_iter().chain(moments.iter().map(|&m| store.var(tape, m))).collect()
            })
            .collect();
        let step = store.var(tape, self.step);
        tape.adam(self.settings, step, decay.scale(self.rate), &updates);
        tape.tick(step);
    }
}

/// Logits `[N, H, W, C]` of inputs [z, r].
pub(super) fn logits<'t>(
    net: &nn::Net,
    weights: &Weights<'t>,
    z: Var<'t>,
    r: Var<'t>,
    norm: &Norm<'_, 't>,
) -> Var<'t> {
    nn::generator(net, weights, nn::generator_input(net, z, r), norm)
}
