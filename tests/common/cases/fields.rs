//! Moments of figures and lengths of boundary.

use invnet::gradcheck::Input;
use invnet::op::Border;
use invnet::shape::Shape;
use invnet::steps::steps;

use super::super::{U, real, values};
use super::{Bound, Case, case, images};

/// Magnitudes of 1, u, v, u^2, u v, v^2 at every pixel, u and v counted from the middle.
fn quadratics(h: usize, w: usize) -> impl Iterator<Item = [f64; 6]> {
    let centred = |i: usize, extent: usize| (i as f64 - (extent as f64 - 1.0) / 2.0).abs();
    (0..h * w).map(move |i| {
        let (u, v) = (centred(i % w, w), centred(i / w, h));
        [1.0, u, v, u * u, u * v, v * v]
    })
}

pub fn moments_and_their_field() -> Vec<Case> {
    // A rounding for every pixel that is added, and those of its products.
    fn sums_bound(inputs: &[Input], moments: &[f64]) -> Vec<f64> {
        let [h, w, c] = [1, 2, 3].map(|axis| inputs[0].shape[axis]);
        let mut bound = vec![1e-30; moments.len()];
        for (image, bound) in values(&inputs[0]).chunks(h * w * c).zip(bound.chunks_mut(6 * c)) {
            for (pixel, powers) in image.chunks(c).zip(quadratics(h, w)) {
                for (x, bound) in pixel.iter().zip(bound.chunks_mut(6)) {
                    let each = (h * w + 5) as f64 * U * x.abs();
                    bound.iter_mut().zip(powers).for_each(|(b, power)| *b += each * power);
                }
            }
        }
        bound
    }
    // Six products of up to three factors, and five sums.
    fn field_bound(shape: Shape, coefficients: &Input) -> Vec<f64> {
        let coefficients = values(coefficients).chunks(6 * shape[3]);
        let one = |(m, power): (&f64, f64)| 8.0 * U * m.abs() * power;
        coefficients
            .flat_map(|image| {
                let pixel = move |powers: [f64; 6]| {
                    image.chunks(6).map(move |m| m.iter().zip(powers).map(one).sum::<f64>() + 1e-30)
                };
                quadratics(shape[1], shape[2]).flat_map(pixel)
            })
            .collect()
    }
    let mut cases = Vec::new();
    for shape in images().into_iter().chain([Shape::from([2, 3, 5, 300])]) {
        cases.push(case(
            format!("moments {shape:?}"),
            vec![real(1, shape)],
            Bound::Of(sums_bound),
            |_, x| x[0].moments(),
        ));
        let coefficients = real(2, [shape[0], shape[3], 6]);
        let bound = Bound::Each(field_bound(shape, &coefficients));
        cases.push(case(format!("quadratic_field {shape:?}"), vec![coefficients], bound, move |_, x| {
            x[0].quadratic_field(shape)
        }));
    }
    cases
}

/// The pixels, row by row, that the steps of an image `[H, W]` join, and what a step counts.
fn joined([h, w]: [usize; 2], border: Border, soft: f64) -> Vec<(usize, usize, f64)> {
    let mut all = Vec::new();
    for step in steps([h, w], border, soft).into_iter().filter(|step| step.weight > 0.0) {
        let [down, right] = if border == Border::Open { step.reach() } else { [0; 2] };
        for (y, x) in (0..h - down).flat_map(|y| (0..w - right).map(move |x| (y, x))) {
            let [from, to] = [step.from, step.to].map(|[dy, dx]| (y + dy) % h * w + (x + dx) % w);
            all.push((from, to, step.weight));
        }
    }
    all
}

pub fn boundaries() -> Vec<Case> {
    const SOFT: f64 = 0.05;
    // Of every term the difference, its square, the root and what is taken off it, and the weight; then a
    // rounding of the sum for every term.
    fn length_bound(x: &Input, border: Border) -> Bound {
        let [h, w, c] = [1, 2, 3].map(|axis| x.shape[axis]);
        let steps = joined([h, w], border, SOFT);
        let terms = (steps.len() + 10) as f64 * U;
        let image = |image: &[f64]| {
            let mut bound = vec![1e-30; c];
            for &(a, b, weight) in &steps {
                for (k, bound) in bound.iter_mut().enumerate() {
                    *bound += terms * weight * ((image[a * c + k] - image[b * c + k]).abs() + 2.0 * SOFT);
                }
            }
            bound
        };
        Bound::Each(values(x).chunks(h * w * c).flat_map(image).collect())
    }
    // No slope is steeper than 1; each is eight roundings off, and so is the sum of eight.
    fn field_bound(x: &Input, g: &Input, border: Border) -> Bound {
        let [h, w, c] = [1, 2, 3].map(|axis| x.shape[axis]);
        let steps = joined([h, w], border, SOFT);
        let image = |g: &[f64]| {
            let mut bound = vec![1e-30; h * w * c];
            for (&(a, b, weight), k) in steps.iter().flat_map(|step| (0..c).map(move |k| (step, k))) {
                for pixel in [a, b] {
                    bound[pixel * c + k] += 16.0 * U * weight * g[k].abs();
                }
            }
            bound
        };
        Bound::Each(values(g).chunks(c).flat_map(image).collect())
    }
    let mut cases = Vec::new();
    let shapes = images().into_iter().chain([Shape::from([2, 3, 5, 300]), Shape::from([2, 2, 1, 3])]);
    for (shape, border) in shapes.flat_map(|shape| [Border::Periodic, Border::Open].map(|b| (shape, b))) {
        let (x, g) = (real(1, shape), real(2, [shape[0], shape[3]]));
        let (of_length, of_field) = (length_bound(&x, border), field_bound(&x, &g, border));
        let name = |op: &str| format!("{op} {shape:?} {border:?}");
        cases.extend([
            case(name("boundary"), vec![x.clone()], of_length, move |_, x| x[0].boundary(border, SOFT)),
            case(name("boundary_grad"), vec![x, g], of_field, move |_, x| {
                x[0].boundary_grad(x[1], border, SOFT)
            }),
        ]);
    }
    cases
}
