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

impl<'t> CriticLoss<'t> {
    /// Of the scores `[2 N, 1]` of N real and then N generated images, and the penalty.
    #[must_use]
    pub fn of(scores: Var<'t>, penalty: Var<'t>) -> Self {
        let n = scores.shape()[0] / 2;
        let mean = |start: usize| scores.slice(&[start, 0], [n, 1]).mean();
        let wasserstein = mean(0) - mean(n);
        Self { total: penalty - wasserstein, wasserstein, penalty }
    }
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

/// What a critic sees beside the images, and whether the penalty holds its slope there too.
#[derive(Clone, Copy)]
pub struct Beside<'t> {
    /// Numbers `[N, K]` of the real images.
    pub real: Var<'t>,
    /// Those of the generated ones.
    pub fake: Var<'t>,
    /// Whether the penalty is on the gradient with respect to image and numbers together, or to the
    /// image alone.
    pub penalised: bool,
}

/// The penalty on a critic of (images, numbers). Its point lies between the numbers as it does between
/// the images.
pub fn gradient_penalty_beside<'t>(
    critic: impl Fn(Var<'t>, Var<'t>) -> Var<'t>,
    real: Var<'t>,
    fake: Var<'t>,
    beside: Beside<'t>,
    u: Var<'t>,
    lambda: f64,
) -> Var<'t> {
    let (n, tape) = (real.shape()[0], real.tape());
    let c = beside.real.interpolate(beside.fake, u);
    if !beside.penalised {
        return gradient_penalty(|x| critic(x, c), real, fake, u, lambda);
    }
    let x = real.interpolate(fake, u);
    let gradients = tape.grad(critic(x, c).sum(), &[x, c]);
    let flat = gradients[0].reshape([n, x.shape().numel() / n]);
    norm_penalty(tape.concat(&[flat, gradients[1]], 1), lambda)
}

/// The loss of a critic of (images, numbers).
pub fn critic_loss_beside<'t>(
    critic: impl Fn(Var<'t>, Var<'t>) -> Var<'t>,
    real: Var<'t>,
    fake: Var<'t>,
    beside: Beside<'t>,
    u: Var<'t>,
    lambda: f64,
) -> CriticLoss<'t> {
    let tape = real.tape();
    let numbers = tape.concat(&[beside.real, beside.fake], 0);
    let scores = critic(tape.concat(&[real, fake], 0), numbers);
    CriticLoss::of(scores, gradient_penalty_beside(&critic, real, fake, beside, u, lambda))
}

/// The critic's loss on a real and a generated batch `[N, H, W, C]`.
pub fn critic_loss<'t>(
    critic: impl Fn(Var<'t>) -> Var<'t>,
    real: Var<'t>,
    fake: Var<'t>,
    u: Var<'t>,
    lambda: f64,
) -> CriticLoss<'t> {
    // One pass over both: larger products, and each weight's gradient in one piece.
    let scores = critic(real.tape().concat(&[real, fake], 0));
    CriticLoss::of(scores, gradient_penalty(&critic, real, fake, u, lambda))
}
