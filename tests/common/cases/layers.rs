//! Normalisation, and the passes of the gradient penalty.

use invnet::gradcheck::Input;
use invnet::op::Over;
use invnet::shape::Shape;
use invnet::tape::{Tape, Var};

use super::super::{U, real, values};
use super::{Bound, Case, case, images, together};

/// Groups of a field: for each the elements' indices.
fn groups(shape: &Shape, over: Over) -> Vec<Vec<usize>> {
    let (n, count) = (shape.numel(), over.groups(shape));
    match over {
        Over::Batch => (0..count).map(|g| (g..n).step_by(count).collect()).collect(),
        Over::Layer => (0..count).map(|g| (g * (n / count)..(g + 1) * (n / count)).collect()).collect(),
    }
}

/// Mean, variance, and the errors that single precision may make in either: sums of x less the
/// first element of the group.
fn statistics(x: &[f64], group: &[usize]) -> [f64; 4] {
    let n = group.len() as f64;
    let first = x[group[0]];
    let mean = group.iter().map(|&i| x[i]).sum::<f64>() / n;
    let variance = group.iter().map(|&i| (x[i] - mean).powi(2)).sum::<f64>() / n;
    let (mut d, mut d2) = (0.0, 0.0);
    for &i in group {
        d += (x[i] - first).abs() / n;
        d2 += (x[i] - first).powi(2) / n;
    }
    let roundings = together(group.len()) + 4.0;
    [mean, variance, U * (roundings * d + mean.abs() + d), U * (roundings * d2 + 3.0 * roundings * d * d)]
}

pub fn normalisation() -> Vec<Case> {
    const EPS: f64 = 1e-3;
    fn stats_bound(over: Over, inputs: &[Input]) -> Vec<f64> {
        let all: Vec<[f64; 4]> =
            groups(&inputs[0].shape, over).iter().map(|g| statistics(values(&inputs[0]), g)).collect();
        all.iter().map(|s| s[2]).chain(all.iter().map(|s| s[3])).map(|b| b + 1e-30).collect()
    }
    fn normalise_bound(over: Over, inputs: &[Input], y: &[f64]) -> Vec<f64> {
        let x = values(&inputs[0]);
        let mut bound = vec![0.0; y.len()];
        for group in groups(&inputs[0].shape, over) {
            let [_, variance, dm, dv] = statistics(x, &group);
            let r = (variance + EPS).sqrt().recip();
            for i in group {
                bound[i] = r * (dm + U * x[i].abs()) + y[i].abs() * (dv * r * r + 6.0 * U);
            }
        }
        bound
    }
    fn grad_bound(over: Over, inputs: &[Input]) -> Vec<f64> {
        let (x, g) = (values(&inputs[0]), values(&inputs[1]));
        let mut bound = vec![0.0; x.len()];
        for group in groups(&inputs[0].shape, over) {
            let [mean, variance, dm, dv] = statistics(x, &group);
            let n = group.len() as f64;
            let r = (variance + EPS).sqrt().recip();
            let y = |i: usize| (x[i] - mean) * r;
            // What y may be off by, relative to one.
            let slack = r * (dm + 2.0 * U) + dv * r * r + 6.0 * U + U * (together(group.len()) + 4.0);
            let mg: f64 = group.iter().map(|&i| g[i].abs()).sum::<f64>() / n;
            let mgy: f64 = group.iter().map(|&i| (g[i] * y(i)).abs()).sum::<f64>() / n;
            for &i in &group {
                bound[i] = r * slack * 2.0 * (g[i].abs() + mg + (1.0 + y(i).abs()) * (mgy + mg));
            }
        }
        bound
    }
    let mut cases = Vec::new();
    for shape in images().into_iter().filter(|s| s.numel() > s[3]) {
        let x = || vec![real(1, shape)];
        let pair = || vec![real(1, shape), real(2, shape)];
        let name = |op: &str| format!("{op} {shape:?}");
        cases.extend([
            case(name("stats/batch"), x(), Bound::Of(|i, _| stats_bound(Over::Batch, i)), |_, x| {
                x[0].stats(Over::Batch)
            }),
            case(name("stats/layer"), x(), Bound::Of(|i, _| stats_bound(Over::Layer, i)), |_, x| {
                x[0].stats(Over::Layer)
            }),
            case(
                name("normalise/batch"),
                x(),
                Bound::Of(|i, y| normalise_bound(Over::Batch, i, y)),
                |_, x| x[0].normalise(Over::Batch, EPS),
            ),
            case(
                name("normalise/layer"),
                x(),
                Bound::Of(|i, y| normalise_bound(Over::Layer, i, y)),
                |_, x| x[0].normalise(Over::Layer, EPS),
            ),
            case(
                name("normalise_grad/batch"),
                pair(),
                Bound::Of(|i, _| grad_bound(Over::Batch, i)),
                |_, x| x[0].normalise_grad(x[0].stats(Over::Batch), x[1], Over::Batch, EPS),
            ),
            case(
                name("normalise_grad/layer"),
                pair(),
                Bound::Of(|i, _| grad_bound(Over::Layer, i)),
                |_, x| x[0].normalise_grad(x[0].stats(Over::Layer), x[1], Over::Layer, EPS),
            ),
        ]);
    }
    cases
}

/// Normalisation with scale, shift and LeakyReLU, its derivatives by all three, and those of a layer once more, which
/// plans fold.
pub fn norm_relus() -> Vec<Case> {
    const EPS: f64 = 1e-3;
    /// What the normalised number is off by, relative to one more than itself, and that number.
    fn slack(x: &[f64], group: &[usize]) -> (f64, f64, f64) {
        let [mean, variance, dm, dv] = statistics(x, group);
        let r = (variance + EPS).sqrt().recip();
        (r * (dm + 2.0 * U) + dv * r * r + 6.0 * U, mean, r)
    }
    fn forward(over: Over, inputs: &[Input]) -> Vec<f64> {
        let [x, gamma, beta] = [0, 1, 2].map(|i| values(&inputs[i]));
        let mut bound = vec![0.0; x.len()];
        for group in groups(&inputs[0].shape, over) {
            let (slack, mean, r) = slack(x, &group);
            for i in group {
                let c = i % gamma.len();
                let y = ((x[i] - mean) * r).abs();
                bound[i] = (slack + 4.0 * U) * (1.0 + y) * gamma[c].abs() + 4.0 * U * beta[c].abs();
            }
        }
        bound
    }
    /// Of the derivatives by x, gamma and beta, one behind the other.
    fn back(over: Over, inputs: &[Input]) -> Vec<f64> {
        let [x, gamma, g] = [0, 1, 3].map(|i| values(&inputs[i]));
        let count = gamma.len();
        let mut by_x = vec![0.0; x.len()];
        let (mut by_gamma, mut by_beta) = (vec![0.0; count], vec![0.0; count]);
        for group in groups(&inputs[0].shape, over) {
            let (slack, mean, r) = slack(x, &group);
            let n = group.len() as f64;
            // A layer's derivatives by gamma and beta add up as many more.
            let slack = slack + U * (together(x.len()) + 8.0);
            let y = |i: usize| ((x[i] - mean) * r).abs();
            let u = |i: usize| (g[i] * gamma[i % count]).abs();
            let sum: f64 = group.iter().map(|&i| u(i)).sum();
            let weighted: f64 = group.iter().map(|&i| u(i) * (1.0 + y(i))).sum();
            for &i in &group {
                let parts = u(i) + sum / n + (1.0 + y(i)) * (weighted + sum) / n;
                by_x[i] = r * 2.0 * slack * parts;
                by_gamma[i % count] += slack * g[i].abs() * (1.0 + y(i));
                by_beta[i % count] += slack * g[i].abs();
            }
        }
        [by_x, by_gamma, by_beta].concat()
    }
    /// Of D, the derivative of a layer by x, and of <h, D> by x, gamma and g.
    fn again(inputs: &[Input]) -> Vec<f64> {
        let [x, gamma, g, h] = [0, 1, 3, 4].map(|i| values(&inputs[i]));
        let count = gamma.len();
        let [mut first, mut by_x, mut by_g] = [(); 3].map(|()| vec![0.0; x.len()]);
        let mut by_gamma = vec![0.0; count];
        for group in groups(&inputs[0].shape, Over::Layer) {
            let (slack, mean, r) = slack(x, &group);
            let slack = slack + U * (together(x.len()) + 8.0);
            let y = |i: usize| 1.0 + ((x[i] - mean) * r).abs();
            let u = |i: usize| (g[i] * gamma[i % count]).abs();
            let mean =
                |of: &dyn Fn(usize) -> f64| group.iter().map(|&i| of(i)).sum::<f64>() / group.len() as f64;
            // Means of absolute values, which those of u, u y, h and h y are no larger than.
            let (of_u, of_h) = (mean(&|i| u(i) * y(i)), mean(&|i| h[i].abs() * y(i)));
            let of_both = mean(&|i| h[i].abs() * u(i)) + 2.0 * of_u * of_h;
            for &i in &group {
                let d = r * (u(i) + y(i) * of_u);
                let q = r * (h[i].abs() + y(i) * of_h);
                first[i] = 2.0 * slack * d;
                // Each term has up to four factors that are off by as much.
                by_x[i] = 4.0 * slack * (r * (of_h * d + of_u * q) + r * r * of_both * y(i));
                by_gamma[i % count] += 2.0 * slack * g[i].abs() * q;
                by_g[i] = 2.0 * slack * gamma[i % count].abs() * q;
            }
        }
        [first, by_x, by_gamma, by_g].concat()
    }
    let mut cases = Vec::new();
    for shape in images().into_iter().filter(|s| s.numel() > s[3]) {
        let c = shape.channels();
        let inputs = || vec![real(1, shape), real(2, [c]), real(3, [c]), real(4, shape)];
        for (name, over) in [("batch", Over::Batch), ("layer", Over::Layer)] {
            let bound = Bound::Each(forward(over, &inputs()));
            cases.push(case(format!("norm_relu/{name} {shape:?}"), inputs(), bound, move |_, x| {
                (x[0].normalise(over, EPS) * x[1] + x[2]).leaky_relu(0.2)
            }));
        }
        for (name, over) in [("batch", Over::Batch), ("layer", Over::Layer)] {
            for more in Added::of(shape) {
                let bound = Bound::Each(back(over, &inputs()).into_iter().map(|b| b + U).collect());
                let name = format!("norm_relu_grad/{name} {shape:?} {more:?}");
                let inputs = [inputs(), vec![real(6, more.shape(shape))]].concat();
                cases.push(case(name, inputs, bound, move |tape, x| {
                    let y = (x[0].normalise(over, EPS) * x[1] + x[2]).leaky_relu(0.2);
                    let mut parts = tape.pullback(y, x[3], &x[..3]);
                    parts[0] = more.to(parts[0], x[4]);
                    joined(tape, &parts)
                }));
            }
        }
        for more in Added::of(shape) {
            let inputs = || [inputs(), vec![real(5, shape), real(6, more.shape(shape))]].concat();
            let bound = Bound::Each(again(&inputs()).into_iter().map(|b| b + U).collect());
            let name = format!("norm_relu_second {shape:?} {more:?}");
            cases.push(case(name, inputs(), bound, move |tape, x| {
                let y = (x[0].normalise(Over::Layer, EPS) * x[1] + x[2]).leaky_relu(0.2);
                let d = tape.pullback(y, x[3], &x[..1])[0];
                let mut parts = tape.pullback(d, x[4], &[x[0], x[1], x[3]]);
                parts[0] = more.to(parts[0], x[5]);
                joined(tape, &[vec![d], parts].concat())
            }));
        }
    }
    cases
}

/// What is added to the derivative of a field by a pass.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Added {
    Nothing,
    /// As large a field.
    Alike,
    /// Pixels, each repeated so often along either axis.
    Repeated(usize),
}

impl Added {
    /// What can be added to a field of that shape.
    fn of(field: Shape) -> Vec<Self> {
        let repeated = [2, 3].into_iter().find(|&k| (1..3).all(|axis| field[axis].is_multiple_of(k)));
        [Self::Nothing, Self::Alike].into_iter().chain(repeated.map(Self::Repeated)).collect()
    }

    /// Of what is added.
    fn shape(self, field: Shape) -> Shape {
        match self {
            Self::Repeated(k) => Shape::from([field[0], field[1] / k, field[2] / k, field[3]]),
            _ => field,
        }
    }

    fn to<'t>(self, field: Var<'t>, more: Var<'t>) -> Var<'t> {
        match self {
            Self::Nothing => field,
            Self::Alike => field + more,
            Self::Repeated(k) => field + more.upsample(k),
        }
    }
}

/// The numbers of several tensors, one behind the other.
fn joined<'t>(tape: &'t Tape, parts: &[Var<'t>]) -> Var<'t> {
    let flat: Vec<Var<'t>> = parts.iter().map(|part| part.reshape([part.shape().numel()])).collect();
    tape.concat(&flat, 0)
}

/// The passes of the gradient penalty.
pub fn penalties() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in images() {
        let [n, width] = [shape[0], shape.numel() / shape[0]];
        // Of b and of u (a - b), whose parts are at most 1.25.
        let between = |_: &[Input], y: &[f64]| vec![U * 8.0; y.len()];
        cases.push(case(
            format!("interpolate {shape:?}"),
            vec![real(1, shape), real(2, shape), real(3, [n])],
            Bound::Of(between),
            |_, x| x[0].interpolate(x[1], x[2]),
        ));
        cases.push(case(
            format!("row_norm {shape:?}"),
            vec![real(4, shape)],
            Bound::Units(together(width) + 4.0),
            |_, x| x[0].row_norm(1e-3),
        ));
    }
    cases
}
