//! The calculus, on one page: the vector-Jacobian product of every operation.
//!
//! Every derivative is written with recorded operations, so the gradient of a gradient is just
//! more tape. Adjoint pairs and legs close the families: the derivative of a convolution leg is
//! the other two legs, of a sum a broadcast, of moments a quadratic field.

use crate::op::{Binary, CorrelationLeg, Leg, Op, Over, Unary};
use crate::shape::{MAX_RANK, Shape};
use crate::tape::{Tape, Var};

impl Tape {
    /// Gradients of the scalar `y` with respect to each of `wrt`, recorded on this tape (and so
    /// differentiable again). A variable that `y` does not depend on gets zeros.
    ///
    /// # Panics
    /// If `y` is not a scalar.
    #[track_caller]
    pub fn grad<'t>(&'t self, y: Var<'t>, wrt: &[Var<'t>]) -> Vec<Var<'t>> {
        assert!(y.shape().numel() == 1, "grad: {:?} is not a scalar", y.shape());
        self.pullback(y, self.fill(1.0, y.shape()), wrt)
    }

    /// The vector-Jacobian product: gradients of <y, cotangent> with respect to each of `wrt`.
    ///
    /// # Panics
    /// If the cotangent does not have the shape of `y`.
    #[track_caller]
    pub fn pullback<'t>(&'t self, y: Var<'t>, cotangent: Var<'t>, wrt: &[Var<'t>]) -> Vec<Var<'t>> {
        assert!(y.shape() == cotangent.shape(), "pullback: {:?} of {:?}", cotangent.shape(), y.shape());
        let needed = self.descendants(wrt, y.id());
        let mut cotangents: Vec<Option<Var<'t>>> = vec![None; y.id() + 1];
        cotangents[y.id()] = Some(cotangent);
        for id in (0..=y.id()).rev() {
            let Some(g) = cotangents[id] else { continue };
            if !needed[id] {
                continue;
            }
            let node = self.node(id);
            let inputs: Vec<Var<'t>> = node.inputs.iter().map(|&i| self.var(i)).collect();
            let wanted: Vec<bool> = node.inputs.iter().map(|&i| needed[i]).collect();
            if !wanted.contains(&true) {
                continue;
            }
            for (input, contribution) in inputs.iter().zip(vjp(&node.op, &inputs, self.var(id), g, &wanted)) {
                let Some(contribution) = contribution else { continue };
                debug_assert_eq!(contribution.shape(), input.shape(), "vjp of {}", node.op.name());
                let slot = &mut cotangents[input.id()];
                *slot = Some(slot.map_or(contribution, |sum| sum + contribution));
            }
        }
        wrt.iter()
            .map(|v| cotangents.get(v.id()).copied().flatten().unwrap_or_else(|| self.fill(0.0, v.shape())))
            .collect()
    }
}

/// Cotangents of the inputs of `op`, given its result `y` and the cotangent `g` of `y`. Inputs
/// that are not wanted, and those the op is piecewise constant in, get `None`.
fn vjp<'t>(op: &Op, x: &[Var<'t>], y: Var<'t>, g: Var<'t>, wanted: &[bool]) -> Vec<Option<Var<'t>>> {
    let one = |v: Var<'t>| vec![Some(v)];
    // Recorded only where wanted: an unneeded leg never reaches the tape.
    let when = |i: usize, f: &dyn Fn() -> Var<'t>| wanted[i].then(f);
    match *op {
        Op::Unary(f) => match f {
            Unary::Neg => one(-g),
            Unary::Exp => one(g * y),
            Unary::Ln => one(g / x[0]),
            Unary::Sqrt => one((g / y).scale(0.5)),
            Unary::Recip => one(-(g * y.square())),
            Unary::Square => one((g * x[0]).scale(2.0)),
            Unary::Tanh => one(g * y.square().scale(-1.0).shift(1.0)),
            Unary::Sigmoid => one(g * y * y.scale(-1.0).shift(1.0)),
            Unary::LeakyRelu(slope) => one(g.gate(y, slope)), // y has the sign of x
            Unary::LeakyMask(_) => vec![None],
            Unary::Scale(by) => one(g.scale(by)),
            Unary::Shift(_) => one(g),
            Unary::Pow(p) => one((g * x[0].pow(p - 1.0)).scale(p)),
        },
        Op::Binary(f) => {
            let (a, b) = (x[0], x[1]);
            let (like_a, like_b) = (a.shape(), b.shape());
            match f {
                Binary::Add => vec![when(0, &|| g.sum_to(like_a)), when(1, &|| g.sum_to(like_b))],
                Binary::Sub => vec![when(0, &|| g.sum_to(like_a)), when(1, &|| -g.sum_to(like_b))],
                Binary::Mul => vec![when(0, &|| (g * b).sum_to(like_a)), when(1, &|| (g * a).sum_to(like_b))],
                Binary::Div => {
                    vec![when(0, &|| (g / b).sum_to(like_a)), when(1, &|| -(g * y / b).sum_to(like_b))]
                }
                Binary::Gate(slope) => vec![None, when(1, &|| g.gate(a, slope).sum_to(like_b))],
            }
        }
        Op::SumTo => one(g.broadcast(x[0].shape())),
        Op::Broadcast => one(g.sum_to(x[0].shape())),
        Op::Reshape => one(g.reshape(x[0].shape())),
        Op::Permute(axes) => {
            let mut inverse = axes;
            for (i, &axis) in axes[..y.shape().rank()].iter().enumerate() {
                inverse[axis] = i;
            }
            one(g.permute(&inverse[..y.shape().rank()]))
        }
        Op::Slice(start) => one(g.pad_into(&start[..x[0].shape().rank()], x[0].shape())),
        Op::Pad(start) => one(g.slice(&start[..x[0].shape().rank()], x[0].shape())),
        Op::MatMul { transpose_a: ta, transpose_b: tb } => {
            let (a, b) = (x[0], x[1]);
            vec![
                when(0, &|| if ta { b.matmul_t(g, tb, true) } else { g.matmul_t(b, false, !tb) }),
                when(1, &|| if tb { g.matmul_t(a, true, ta) } else { a.matmul_t(g, !ta, false) }),
            ]
        }
        Op::Conv(Leg::Y, window) => {
            vec![when(0, &|| g.conv_leg_x(x[1], window)), when(1, &|| x[0].conv_leg_w(g, window))]
        }
        Op::Conv(Leg::X, window) => {
            vec![when(0, &|| g.conv_leg_y(x[1], window)), when(1, &|| g.conv_leg_w(x[0], window))]
        }
        Op::Conv(Leg::W, window) => {
            vec![when(0, &|| x[1].conv_leg_x(g, window)), when(1, &|| x[0].conv_leg_y(g, window))]
        }
        Op::SpreadTaps { turned } => one(g.gather_taps(turned)),
        Op::GatherTaps { turned } => one(g.spread_taps(turned)),
        // Scaled while it is small.
        Op::MeanPool(k) => one(g.scale(1.0 / (k * k) as f64).upsample(k)),
        Op::Upsample(k) => one(g.mean_pool(k).scale((k * k) as f64)),
        Op::Softmax => one(y.softmax_grad(g)),
        Op::SoftmaxGrad => {
            let (s, h) = (x[0], x[1]);
            vec![
                when(0, &|| g * (h - (h * s).sum_last()) - h * (g * s).sum_last()),
                when(1, &|| s.softmax_grad(g)),
            ]
        }
        Op::Stats(over) => {
            // d mean = 1/n, d var = 2 (x - mean) / n.
            let groups = over.group_shape(&x[0].shape());
            let n = x[0].shape().numel() / groups.numel();
            let (mean, _) = y.mean_and_variance(groups);
            let (g_mean, g_var) = g.mean_and_variance(groups);
            one(((x[0] - mean) * g_var.scale(2.0) + g_mean).scale(1.0 / n as f64))
        }
        Op::Normalise(over, eps) => vec![when(0, &|| x[0].normalise_grad(x[1], g, over, eps)), None],
        Op::NormaliseGrad(over, eps) => {
            // First, so that sums of a fold may stand in its place.
            let by_g = when(2, &|| x[0].normalise_grad(x[1], g, over, eps));
            vec![when(0, &|| normalise_grad_by_x(x[0], x[1], x[2], g, over, eps)), None, by_g]
        }
        Op::Moments => one(g.quadratic_field(x[0].shape())),
        Op::QuadraticField => one(g.moments()),
        Op::Boundary(border, soft) => one(x[0].boundary_grad(g, border, soft)),
        Op::BoundaryGrad(border, soft) => x[0].boundary_grad_by(x[1], g, border, soft).map(Some).to_vec(),
        // Of a field with itself both halves are the same.
        Op::Correlation(CorrelationLeg::Curve, along, border) if x[0].id() == x[1].id() => {
            vec![when(0, &|| x[0].correlation_field(g, along, border).scale(2.0)), None]
        }
        Op::Correlation(CorrelationLeg::Curve, along, border) => vec![
            when(0, &|| x[1].correlation_field(g, along, border)),
            when(1, &|| x[0].correlation_field(g, along, border)),
        ],
        Op::Correlation(CorrelationLeg::Field, along, border) => vec![
            when(0, &|| g.correlation_field(x[1], along, border)),
            when(1, &|| g.correlation_along(x[0], along, x[1].shape()[1], border)),
        ],
        Op::Interpolate => {
            let u = x[2].reshape(per_sample(&y.shape()));
            vec![
                when(0, &|| g * u),
                when(1, &|| g - g * u),
                when(2, &|| (g * (x[0] - x[1])).sum_to(per_sample(&y.shape())).reshape(x[2].shape())),
            ]
        }
        Op::RowNorm(_) => one(x[0] * (g / y).reshape(per_sample(&x[0].shape()))),
        Op::Gather => vec![when(0, &|| g.scatter_add(x[1], x[0].shape())), None],
        Op::ScatterAdd => vec![when(0, &|| g.gather(x[1])), None],
        Op::ConvBias(..) | Op::ConvGate(..) | Op::Concat(_) | Op::Part(_) => made_by_a_plan(op),
        Op::NormRelu(..) | Op::NormReluSums(..) | Op::NormReluGrad(..) | Op::NormReluSecond(..) => {
            made_by_a_plan(op)
        }
        // No real input, no derivative (argmax is piecewise constant), one that is not wanted, or a change in
        // place.
        Op::Leaf(_)
        | Op::Fill(_)
        | Op::OneHot
        | Op::Augment(_)
        | Op::ArgMax
        | Op::Uniform(_)
        | Op::Normal(_)
        | Op::Detach => {
            vec![None; x.len()]
        }
        Op::CahnHilliard(_) | Op::RandomIndex { .. } | Op::Adam(_) | Op::Lerp | Op::Tick | Op::Record => {
            vec![None; x.len()]
        }
    }
}

fn made_by_a_plan(op: &Op) -> ! {
    unreachable!("{}: a plan makes it, after differentiation", op.name())
}

/// The shape `[N, 1, ...]` that broadcasts one number per sample.
fn per_sample(shape: &Shape) -> Shape {
    let mut dims = [1; MAX_RANK];
    dims[0] = shape[0];
    Shape::new(&dims[..shape.rank()])
}

/// Derivative by x of phi = <h, r (g - mean g - y mean(g y))>, with y the normalised x.
///
/// With a = mean(g y), b = mean(h y) and S = mean(h g) - mean(h) mean(g) - a b, phi = n r S. Then
/// dy = r P dx and dr = -r^2 y dx / n give r P(-r (b g + a h)) - r^2 y S, where r P is
/// [`Op::NormaliseGrad`] itself.
pub(crate) fn normalise_grad_by_x<'t>(
    x: Var<'t>,
    stats: Var<'t>,
    g: Var<'t>,
    h: Var<'t>,
    over: Over,
    eps: f64,
) -> Var<'t> {
    let groups = over.group_shape(&x.shape());
    let n = x.shape().numel() / groups.numel();
    let mean = |v: Var<'t>| v.sum_to(groups).scale(1.0 / n as f64);
    let (_, variance) = stats.mean_and_variance(groups);
    let r = variance.shift(eps).sqrt().recip();
    let y = x.normalise_with(stats, over, eps);
    let (a, b) = (mean(g * y), mean(h * y));
    let s = mean(h * g) - mean(h) * mean(g) - a * b;
    x.normalise_grad(stats, -((g * b + h * a) * r), over, eps) - y * (r.square() * s)
}
