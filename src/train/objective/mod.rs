//! Objectives: what the critic sees, and what critic and generator minimise.
//!
//! An *objective* is one file and one line of [`KINDS`]. It says which parameters the critic has and
//! records both losses on the tape from a [`Step`], which is all that a step of training knows. Nothing
//! else knows which objective runs: data, networks, optimisers, checkpoints, sampling and evaluation are
//! the same for all.
//!
//! Every generator takes [z, r] with the same r. An objective that asks for nothing is one whose r is
//! zero, so that all objectives have the same generator.

mod acgan;
mod cgan;
mod hinge;
mod invnet;
mod joint;
mod relativistic;
mod stinis;
mod wgan_gp;

use crate::invariance::Property;
use crate::nn::objective::CriticLoss;
use crate::nn::{self, Net, Parameter, Weights};
use crate::options::{Key, Options};
use crate::tape::Var;

/// The losses of one step: what is minimised, and scalars for the log with their names.
pub struct Losses<'t> {
    /// What is minimised.
    pub total: Var<'t>,
    /// What is logged, in this order.
    pub logged: Vec<(String, Var<'t>)>,
}

impl<'t> Losses<'t> {
    /// The loss of a Wasserstein critic with gradient penalty, and `more` that is added to it: (name,
    /// loss, weight).
    #[must_use]
    pub fn critic(parts: &CriticLoss<'t>, more: Option<(&str, Var<'t>, f64)>) -> Self {
        let total = more.map_or(parts.total, |(_, loss, weight)| parts.total + loss.scale(weight));
        let mut logged = vec![
            ("critic_loss".to_owned(), total),
            ("wasserstein".to_owned(), parts.wasserstein),
            ("gradient_penalty".to_owned(), parts.penalty),
        ];
        logged.extend(more.map(|(name, loss, _)| (name.to_owned(), loss)));
        Self { total, logged }
    }

    /// The generator's loss against scores `[N, 1]`, and `more` as above.
    #[must_use]
    pub fn generator(scores: Var<'t>, more: Option<(&str, Var<'t>, f64)>) -> Self {
        let adversarial = -scores.mean();
        let total = more.map_or(adversarial, |(_, loss, weight)| adversarial + loss.scale(weight));
        let mut logged = vec![("generator_loss".to_owned(), total)];
        logged.extend(more.map(|(name, loss, _)| (name.to_owned(), loss)));
        Self { total, logged }
    }
}

/// A batch of images and the numbers that go with them.
#[derive(Clone, Copy)]
pub struct Side<'t> {
    /// Class probabilities `[N, H, W, C]`.
    pub images: Var<'t>,
    /// Numbers `[N, P]`, normalised: measured on real images, asked of generated ones.
    pub numbers: Var<'t>,
    /// The same as the generator sees them.
    pub r: Var<'t>,
}

/// What a step of the critic or of the generator can be made of. What an objective does not use costs
/// nothing: a plan holds only what its losses depend on.
pub struct Step<'a, 't> {
    /// The networks.
    pub net: &'a Net,
    /// The critic's weights.
    pub critic: &'a Weights<'t>,
    /// What is asked of the images.
    pub properties: &'a [Property],
    /// Real images.
    pub real: Side<'t>,
    /// Generated ones.
    pub fake: Side<'t>,
    /// Uniform numbers `[N]`: where between a real and a generated image the penalty looks.
    pub between: Var<'t>,
    /// Normal numbers of the shape of the images.
    pub noise: Var<'t>,
    /// Weight of the gradient penalty.
    pub lambda_gp: f64,
}

impl<'t> Step<'_, 't> {
    /// The losses of a critic that sees nothing but the images.
    pub fn plain_critic_loss(&self) -> CriticLoss<'t> {
        let score = |x| nn::critic(self.net, self.critic, x);
        let Self { real, fake, between, lambda_gp, .. } = *self;
        nn::objective::critic_loss(score, real.images, fake.images, between, lambda_gp)
    }

    /// Its scores of the generated images.
    pub fn plain_scores(&self) -> Var<'t> {
        nn::critic(self.net, self.critic, self.fake.images)
    }

    /// The weighted sum of the invariance losses of generated images, and each of them by name.
    ///
    /// # Panics
    /// If nothing is asked for.
    pub fn invariance_losses(&self) -> Losses<'t> {
        invariance_losses(self.properties, self.fake)
    }
}

/// The weighted sum of the invariance losses of generated images, and each of them by name.
///
/// # Panics
/// If nothing is asked for.
pub(super) fn invariance_losses<'t>(properties: &[Property], fake: Side<'t>) -> Losses<'t> {
    let n = fake.images.shape()[0];
    let mut start = 0;
    let mut total: Option<Var<'t>> = None;
    let mut logged = Vec::new();
    for property in properties {
        let (width, invariance) = (property.columns().len(), property.invariance());
        let asked = fake.numbers.slice(&[0, start], [n, width]);
        let loss = invariance.loss(invariance.measure(fake.images), asked);
        start += width;
        let weighted = loss.scale(property.weight());
        total = Some(total.map_or(weighted, |sum| sum + weighted));
        logged.push((property.name().to_owned(), loss));
    }
    let total = total.expect("a run asks for at least one property");
    logged.insert(0, ("invariance_loss".to_owned(), total));
    Losses { total, logged }
}

/// What fixes the shapes of a critic.
pub struct Shapes<'a> {
    /// The networks.
    pub net: &'a Net,
    /// Numbers asked for.
    pub numbers: usize,
    /// Properties asked for.
    pub properties: usize,
}

/// What the critic sees, and what both sides minimise.
pub trait Objective {
    /// Whether the generator is told what is asked.
    fn asks(&self) -> bool {
        true
    }

    /// Whether its critic judges an image alone: with nothing beside it, as [`nn::critic`] does.
    fn judges_images(&self) -> bool {
        true
    }

    /// Whether the projection on the invariances belongs to it.
    fn projects(&self) -> bool {
        false
    }

    /// The critic's parameters.
    fn critic_parameters(&self, shapes: &Shapes<'_>) -> Vec<Parameter> {
        nn::critic_parameters(shapes.net)
    }

    /// What the critic minimises.
    fn critic_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t>;

    /// What the generator minimises against the critic.
    fn generator_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t>;
}

/// A kind of objective.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name in a configuration.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its keys, which stand in `[train]`.
    pub keys: &'static [Key],
    /// Makes it of its options.
    pub make: fn(&Options) -> Box<dyn Objective>,
}

/// Every kind of objective.
pub const KINDS: &[Kind] = &[
    invnet::INVNET,
    wgan_gp::WGAN_GP,
    cgan::CGAN,
    acgan::ACGAN,
    stinis::STINIS,
    joint::JOINT,
    relativistic::RELATIVISTIC,
    hinge::HINGE,
];

/// The objective of a run: a kind and its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    name: &'static str,
    options: Options,
}

impl Choice {
    /// The defaults of a kind.
    ///
    /// # Errors
    /// If there is no such kind: what it must be.
    pub fn new(name: &str) -> Result<Self, String> {
        let Some(kind) = KINDS.iter().find(|k| k.name == name) else {
            let names: Vec<String> = KINDS.iter().map(|k| format!("\"{}\"", k.name)).collect();
            return Err(format!("must be {}", names.join(" or ")));
        };
        Ok(Self { name: kind.name, options: Options::new(kind.keys.iter().copied()) })
    }

    /// The name of the kind.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Its options, to be changed.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// The objective.
    #[must_use]
    pub fn make(&self) -> Box<dyn Objective> {
        let kind = KINDS.iter().find(|k| k.name == self.name).expect("made of a kind");
        (kind.make)(&self.options)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_and_their_keys_have_names_of_their_own() {
        for (i, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..i].iter().all(|k| k.name != kind.name), "{} stands twice", kind.name);
            assert!(!kind.about.is_empty());
            for (j, key) in kind.keys.iter().enumerate() {
                assert!(
                    kind.keys[..j].iter().all(|k| k.name != key.name),
                    "{}: {} twice",
                    kind.name,
                    key.name
                );
            }
            assert_eq!(Choice::new(kind.name).unwrap().name(), kind.name);
        }
        assert!(Choice::new("gan").unwrap_err().starts_with("must be \"invnet\" or \"wgan-gp\""));
    }
}
