//! The approach of Stinis, Hagge, Tartakovsky and Yeung 2018, as the paper compares with it: the critic
//! sees an image x beside L_I(x), the residual of what was asked, as a constant channel for each
//! property. Real images have none; with their noisy-data option noise is added to them, and they have
//! the residual of that noise, so that the critic cannot tell them by an exact zero.
//!
//! The paper says nothing of the penalty. On image and residual together it holds the critic's slope
//! (Gulrajani et al. 2017 applied to what the critic sees); on the image alone nothing bounds the slope
//! along the residual, and the critic's loss falls without end.

use super::cgan::seeing;
use super::{Kind, Losses, Objective, Shapes, Side, Step};
use crate::invariance::Property;
use crate::nn::objective::{Beside, critic_loss_beside};
use crate::nn::{self, Parameter};
use crate::options::{Key, Options};
use crate::tape::Var;

pub(super) const STINIS: Kind = Kind {
    name: "stinis",
    about: "a critic of images and how far they are from what was asked (Stinis et al. 2018)",
    keys: &[
        Key::word(
            "penalise",
            "pair",
            &["pair", "image"],
            "\"pair\" or \"image\"",
            "the gradient that the penalty holds: of image and residual, or of the image alone",
        ),
        Key::real(
            "data_noise",
            0.0,
            (0.0, 10.0),
            "a number from 0 to 10",
            "standard deviation of noise on real images: the noisy-data option",
        ),
    ],
    make: |options: &Options| {
        Box::new(Stinis { pair: options.word("penalise") == "pair", noise: options.real("data_noise") })
    },
};

struct Stinis {
    pair: bool,
    noise: f64,
}

/// L_I of each image, `[N, properties]`: squared distances, summed over a property's numbers.
fn residual<'t>(properties: &[Property], side: Side<'t>) -> Var<'t> {
    let n = side.images.shape()[0];
    let mut start = 0;
    let parts: Vec<Var<'t>> = properties
        .iter()
        .map(|property| {
            let width = property.columns().len();
            let asked = side.numbers.slice(&[0, start], [n, width]);
            start += width;
            (property.invariance().measure(side.images) - asked).square().sum_to([n, 1])
        })
        .collect();
    side.images.tape().concat(&parts, 1)
}

fn score<'t>(step: &Step<'_, 't>, x: Var<'t>, residual: Var<'t>) -> Var<'t> {
    let net = seeing(step.net, residual.shape()[1]);
    nn::critic(&net, step.critic, nn::with_channels(x, residual))
}

impl Objective for Stinis {
    fn judges_images(&self) -> bool {
        false
    }

    fn critic_parameters(&self, shapes: &Shapes<'_>) -> Vec<Parameter> {
        nn::critic_parameters(&seeing(shapes.net, shapes.properties))
    }

    fn critic_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        let Step { real, fake, between, lambda_gp, properties, .. } = *step;
        let n = real.images.shape()[0];
        let (images, of_real) = if self.noise > 0.0 {
            let images = real.images + step.noise.scale(self.noise);
            (images, residual(properties, Side { images, ..real }))
        } else {
            (real.images, real.images.tape().fill(0.0, [n, properties.len()]))
        };
        let beside = Beside { real: of_real, fake: residual(properties, fake), penalised: self.pair };
        let score = |x, residual| score(step, x, residual);
        Losses::critic(&critic_loss_beside(score, images, fake.images, beside, between, lambda_gp), None)
    }

    fn generator_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        let beside = residual(step.properties, step.fake);
        Losses::generator(score(step, step.fake.images, beside), None)
    }
}
