//! A critic with margins (Lim and Ye 2017; Miyato et al. 2018): it is content once real images score above 1 and
//! generated ones below -1, and learns of the others alone. Its slope is held at real images (R1 of Mescheder et
//! al. 2018). With the projection on the invariances between, as in InvNet.

use super::{Kind, Losses, Objective, Step};
use crate::nn;
use crate::tape::Var;

pub(super) const HINGE: Kind = Kind {
    name: "hinge",
    about: "InvNet with a critic content with margins, its slope held at real images (R1 of Mescheder et al. 2018)",
    keys: &[],
    make: |_| Box::new(Hinge),
};

struct Hinge;

/// E max(0, 1 - D(x)) + E max(0, 1 + D(y)) of the scores of real and generated images.
fn margins<'t>(real: Var<'t>, fake: Var<'t>) -> Var<'t> {
    (-real).shift(1.0).relu().mean() + fake.shift(1.0).relu().mean()
}

impl Objective for Hinge {
    fn projects(&self) -> bool {
        true
    }

    fn critic_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        let tape = step.real.images.tape();
        let real = nn::critic(step.net, step.critic, step.real.images);
        let slopes = tape.grad(real.sum(), &[step.real.images])[0].square().sum();
        let n = step.real.images.shape()[0];
        let slope = slopes.scale(0.5 * step.lambda_gp / n as f64);
        let fake = step.plain_scores();
        let total = margins(real, fake) + slope;
        let margin = real.mean() - fake.mean();
        let logged = [("critic_loss", total), ("margin", margin), ("gradient_penalty", slope)];
        Losses { total, logged: logged.map(|(name, loss)| (name.to_owned(), loss)).into() }
    }

    fn generator_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        Losses::generator(step.plain_scores(), None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::device::Cpu;
    use crate::plan::Plan;
    use crate::store::Store;
    use crate::tape::Tape;

    #[test]
    fn scores_beyond_their_margins_cost_nothing() {
        let mut store = Store::new(Cpu::<f64>::new());
        let [real, fake] = [("real", [3.0, 0.5]), ("fake", [-2.0, -0.25])]
            .map(|(name, scores)| store.add_real(name, [2, 1], &scores).unwrap());
        let tape = Tape::new();
        let loss = margins(store.var(&tape, real), store.var(&tape, fake));
        let plan = Plan::new(&tape, &[loss], &store);
        plan.run(&mut store).unwrap();
        assert_eq!(plan.read(&mut store, 0).unwrap(), [0.5 / 2.0 + 0.75 / 2.0]);
    }
}
