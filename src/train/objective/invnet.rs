//! InvNet: a Wasserstein critic of the images alone, and the projection on the invariances between
//! (Algorithm 1 of the paper).

use super::{Kind, Losses, Objective, Step};

pub(super) const INVNET: Kind = Kind {
    name: "invnet",
    about: "a critic of images, and a projection on what is asked (the paper's Algorithm 1)",
    keys: &[],
    make: |_| Box::new(InvNet),
};

struct InvNet;

impl Objective for InvNet {
    fn projects(&self) -> bool {
        true
    }

    fn critic_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        Losses::critic(&step.plain_critic_loss(), None)
    }

    fn generator_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        Losses::generator(step.plain_scores(), None)
    }
}
