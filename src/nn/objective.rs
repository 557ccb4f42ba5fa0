//! The losses of a Wasserstein GAN with gradient penalty (Gulrajani et al. 2017).

use crate::tape::Var;

/// Inside the root of a norm, so that a zero gradient has a derivative.
const NORM_EPS: f64 = 1e-12;

/// The parts of the critic's loss, each a scalar.
pub struct CriticLoss<'t> {
    /// What the critic minimises: -wasserstein + penalty.
    pub total: Var<'t>,
    /// E[D(real)] - E[D(fake)], the estimate of the Wasserstein-1 distance.
    pub wasserstein: Var<'t>,
    /// The gradient penalty, lambda included.
    pub penalty: Var<'t>,
}

/// lambda E[(||g|| - 1)^2] over the samples of g `[N, H, W, C]`.
pub fn norm_penalty(gradient: Var<'_>, lambda: f64) -> Var<'_> {
    gradient.row_norm(NORM_EPS).shift(-1.0).square().mean().scale(lambda)
}

/// The penalty on the norm of grad D(x^) at x^ = fake + u (real - fake), with u `[N]` uniform.
pub fn gradient_penalty<'t>(
    critic: impl Fn(Var<'t>) -> Var<'t>,
    real: Var<'t>,
    fake: Var<'t>,
    u: Var<'t>,
    lambda: f64,
) -> Var<'t> {
    let point = real.interpolate(fake, u);
    norm_penalty(real.tape().grad(critic(point).sum(), &[point])[0], lambda)
}

/// The critic's loss on a real and a generated batch `[N, H, W, C]`.
pub fn critic_loss<'t>(
    critic: impl Fn(Var<'t>) -> Var<'t>,
    real: Var<'t>,
    fake: Var<'t>,
    u: Var<'t>,
    lambda: f64,
) -> CriticLoss<'t> {
    let n = real.shape()[0];
    // One pass over both: larger products, and each weight's gradient in one piece.
    let scores = critic(real.tape().concat(&[real, fake], 0));
    let mean = |start: usize| scores.slice(&[start, 0], [n, 1]).mean();
    let wasserstein = mean(0) - mean(n);
    let penalty = gradient_penalty(&critic, real, fake, u, lambda);
    CriticLoss { total: penalty - wasserstein, wasserstein, penalty }
}

/// The generator's loss: -E[D(fake)].
pub fn generator_loss<'t>(critic: impl Fn(Var<'t>) -> Var<'t>, fake: Var<'t>) -> Var<'t> {
    -critic(fake).mean()
}
