//! AC-GAN (Odena, Olah and Shlens 2017) with continuous labels: beside its score the critic has a second
//! head that learns r on real images, and the generator is pulled to the asked r through that head.

use super::{Kind, Losses, Objective, Shapes, Step};
use crate::nn::objective::{CriticLoss, gradient_penalty};
use crate::nn::{self, Init, Parameter};
use crate::options::{Key, Options};
use crate::shape::Shape;
use crate::tape::Var;

/// How far the head's numbers are from those of the images, squared and averaged.
const LOSS: &str = "label_loss";
/// The same of generated images, which pulls the generator.
const PULL: &str = "label_pull";

pub(super) const ACGAN: Kind = Kind {
    name: "acgan",
    about: "a critic that also estimates the numbers of an image (Odena et al. 2017)",
    keys: &[
        Key::real(
            "label_weight",
            1.0,
            (0.0, 1e6),
            "a number from 0 to 1000000",
            "weight of the critic's estimate of r in its loss",
        ),
        Key::real(
            "label_pull",
            1.0,
            (0.0, 1e6),
            "a number from 0 to 1000000",
            "weight of the pull to the asked r in the generator's loss",
        ),
    ],
    make: |options: &Options| {
        Box::new(Acgan { weight: options.real("label_weight"), pull: options.real("label_pull") })
    },
};

struct Acgan {
    weight: f64,
    pull: f64,
}

/// The mean squared error of the head on images whose features these are, `[N, F]`.
fn error<'t>(step: &Step<'_, 't>, features: Var<'t>, r: Var<'t>) -> Var<'t> {
    let estimate = features.matmul(step.critic.get("head.w")) + step.critic.get("head.b");
    (estimate - r).square().mean()
}

impl Objective for Acgan {
    fn critic_parameters(&self, shapes: &Shapes<'_>) -> Vec<Parameter> {
        let Shapes { net, numbers, .. } = *shapes;
        let features = nn::critic_feature_count(net);
        let mut all = nn::critic_parameters(net);
        let init = Init::Normal((1.0 / features as f64).sqrt());
        all.push(Parameter { name: "head.w".into(), shape: Shape::from([features, numbers]), init });
        all.push(Parameter {
            name: "head.b".into(),
            shape: Shape::from([numbers]),
            init: Init::Constant(0.0),
        });
        all
    }

    fn critic_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        let Step { net, critic, real, fake, between, lambda_gp, .. } = *step;
        let both = real.images.tape().concat(&[real.images, fake.images], 0);
        let features = nn::critic_features(net, critic, both);
        let scores = features.matmul(critic.get("linear.w"));
        let score = |x| nn::critic(net, critic, x);
        let penalty = gradient_penalty(score, real.images, fake.images, between, lambda_gp);
        let of_real = features.slice(&[0, 0], [real.r.shape()[0], features.shape()[1]]);
        let label = error(step, of_real, real.r);
        Losses::critic(&CriticLoss::of(scores, penalty), Some((LOSS, label, self.weight)))
    }

    fn generator_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        let features = nn::critic_features(step.net, step.critic, step.fake.images);
        let scores = features.matmul(step.critic.get("linear.w"));
        Losses::generator(scores, Some((PULL, error(step, features, step.fake.r), self.pull)))
    }
}
