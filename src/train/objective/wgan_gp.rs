//! A Wasserstein GAN with gradient penalty (Gulrajani et al. 2017): nothing is asked for.

use super::{Kind, Losses, Objective, Step};

pub(super) const WGAN_GP: Kind = Kind {
    name: "wgan-gp",
    about: "a critic of images and nothing else: the generator is told nothing",
    keys: &[],
    make: |_| Box::new(WganGp),
};

struct WganGp;

impl Objective for WganGp {
    fn asks(&self) -> bool {
        false
    }

    fn critic_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        Losses::critic(&step.plain_critic_loss(), None)
    }

    fn generator_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        Losses::generator(step.plain_scores(), None)
    }
}
