//! A critic of pairs (Huang et al. 2024, "R3GAN"): it tells how much more real a real image is than a generated
//! one, and its slope is held at both. With the projection on the invariances between, as in InvNet.

use super::{Kind, Losses, Objective, Step};
use crate::nn;
use crate::tape::Var;

pub(super) const RELATIVISTIC: Kind = Kind {
    name: "relativistic",
    about: "InvNet with a critic of pairs, its slope held at real and generated images (Huang et al. 2024)",
    keys: &[],
    make: |_| Box::new(Relativistic),
};

struct Relativistic;

/// ln(1 + e^-x), of any x without overflow.
fn softplus_of_negative(x: Var<'_>) -> Var<'_> {
    let size = x.relu().scale(2.0) - x;
    (-x).relu() + (-size).exp().shift(1.0).ln()
}

/// Scores of real images less those of generated ones, `[N, 1]`, and the slopes at both,
/// lambda / 2 (E |grad D(real)|^2 + E |grad D(fake)|^2): R1 and R2 of Mescheder et al. 2018.
fn margin_and_slope<'t>(step: &Step<'_, 't>) -> (Var<'t>, Var<'t>) {
    let tape = step.real.images.tape();
    let n = step.real.images.shape()[0];
    let both = tape.concat(&[step.real.images, step.fake.images], 0);
    let scores = nn::critic(step.net, step.critic, both);
    let slopes = tape.grad(scores.sum(), &[both])[0].square().sum();
    let part = |start: usize| scores.slice(&[start, 0], [n, 1]);
    (part(0) - part(n), slopes.scale(0.5 * step.lambda_gp / n as f64))
}

impl Objective for Relativistic {
    fn projects(&self) -> bool {
        true
    }

    fn critic_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        let (margin, slope) = margin_and_slope(step);
        let total = softplus_of_negative(margin).mean() + slope;
        let logged = [("critic_loss", total), ("margin", margin.mean()), ("gradient_penalty", slope)];
        Losses { total, logged: logged.map(|(name, loss)| (name.to_owned(), loss)).into() }
    }

    fn generator_loss<'t>(&self, step: &Step<'_, 't>) -> Losses<'t> {
        let real = nn::critic(step.net, step.critic, step.real.images);
        let total = softplus_of_negative(step.plain_scores() - real).mean();
        Losses { total, logged: vec![("generator_loss".to_owned(), total)] }
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
    fn no_margin_is_too_large() {
        let x = [-200.0, -1.0, 0.0, 1.0, 200.0];
        let mut store = Store::new(Cpu::<f32>::new());
        let leaf = store.add_real("x", [5], &x).unwrap();
        let tape = Tape::new();
        let plan = Plan::new(&tape, &[softplus_of_negative(store.var(&tape, leaf))], &store);
        plan.run(&mut store).unwrap();
        let found = plan.read(&mut store, 0).unwrap();
        let wanted = x.map(|x: f64| if x < -100.0 { -x } else { (-x).exp().ln_1p() });
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }
}
