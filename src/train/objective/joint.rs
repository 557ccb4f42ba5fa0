//! One loss for the generator, -E[D(G)] + mu L_I (Eq. 2 of the paper), instead of alternating between
//! its two parts.

use super::{Kind, Losses, Objective, Step};
use crate::options::{Key, Options};

pub(super) const JOINT: Kind = Kind {
    name: "joint",
    about: "InvNet with one loss for the generator instead of alternation (the paper's Eq. 2)",
    keys: &[Key::real(
        "mu",
        100.0,
        (0.0, 1e6),
        "a number from 0 to 1000000",
        "weight of the invariance loss in the generator's",
    )],
    make: |options: &Options| Box::new(Joint { mu: options.real("mu") }),
};

struct Joint {
    mu: f64,
}

impl Objective for Joint {
    fn critic_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        Losses::critic(&step.plain_critic_loss(), None)
    }

    fn generator_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        let invariance = step.invariance_losses();
        let mut losses =
            Losses::generator(step.plain_scores(), Some(("invariance_loss", invariance.total, self.mu)));
        // The first is the sum, which is there already.
        losses.logged.extend(invariance.logged.into_iter().skip(1));
        losses
    }
}
