//! A conditional GAN (Mirza and Osindero 2014) in its Wasserstein form: the critic sees r beside the
//! image, its own numbers beside a real one and those asked for beside a generated one.
//!
//! r enters as constant channels, or by projection (Miyato and Koyama 2018): D(x, r) = w f(x) + r V f(x),
//! f the critic's features. The penalty is on the gradient with respect to the image.

use super::{Kind, Losses, Objective, Shapes, Step};
use crate::nn::objective::{Beside, critic_loss_beside};
use crate::nn::{self, Init, Net, Parameter};
use crate::options::{Key, Options};
use crate::shape::Shape;
use crate::tape::Var;

pub(super) const CGAN: Kind = Kind {
    name: "cgan",
    about: "a critic of images and their numbers (Mirza and Osindero 2014)",
    keys: &[Key::flag(
        "projection",
        false,
        "the critic sees r as a product with its features, not as constant channels",
    )],
    make: |options: &Options| Box::new(Cgan { projection: options.flag("projection") }),
};

struct Cgan {
    projection: bool,
}

impl Cgan {
    /// Scores `[N, 1]` of images beside r `[N, P]`.
    fn score<'t>(&self, step: &Step<'_, 't>, x: Var<'t>, r: Var<'t>) -> Var<'t> {
        if self.projection {
            return nn::critic_projected(step.net, step.critic, x, r);
        }
        nn::critic(&seeing(step.net, r.shape()[1]), step.critic, nn::with_channels(x, r))
    }
}

/// The critic of images that have `more` channels.
pub(super) fn seeing(net: &Net, more: usize) -> Net {
    Net { classes: net.classes + more, ..*net }
}

impl Objective for Cgan {
    fn judges_images(&self) -> bool {
        false
    }

    fn critic_parameters(&self, shapes: &Shapes<'_>) -> Vec<Parameter> {
        let Shapes { net, numbers, .. } = *shapes;
        if !self.projection {
            return nn::critic_parameters(&seeing(net, numbers));
        }
        let features = nn::critic_feature_count(net);
        let mut all = nn::critic_parameters(net);
        all.push(Parameter {
            name: "projection.w".into(),
            shape: Shape::from([numbers, features]),
            // So that both parts of the score are of one size.
            init: Init::Normal((1.0 / (numbers * features) as f64).sqrt()),
        });
        all
    }

    fn critic_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        let Step { real, fake, between, lambda_gp, .. } = *step;
        let beside = Beside { real: real.r, fake: fake.r, penalised: false };
        let score = |x, r| self.score(step, x, r);
        let parts = critic_loss_beside(score, real.images, fake.images, beside, between, lambda_gp);
        Losses::critic(&parts, None)
    }

    fn generator_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        Losses::generator(self.score(step, step.fake.images, step.fake.r), None)
    }
}
