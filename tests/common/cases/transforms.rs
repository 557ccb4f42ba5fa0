//! What transforms: the correlation, and steps of phase separation.

use invnet::gradcheck::{Input, Values};
use invnet::op::{Border, CahnHilliard, Direction};

use super::super::{U, real, values};
use super::{Bound, Case, case};

/// What a transform [H, W] misses of a number, relative to the root mean square of all. Rounding is
/// noise that is spread evenly: two units roundoff, at most, for each halving of an axis; those of the
/// direct sum of the m terms that are left grow with the root of m.
fn transform_noise(extents: [usize; 2]) -> f64 {
    let of = |n: usize| {
        let odd = n >> n.trailing_zeros();
        2.0 * f64::from(n.trailing_zeros()) + if odd > 1 { 2.0 * (odd as f64).sqrt() } else { 0.0 }
    };
    U * (4.0 + of(extents[0]) + of(extents[1]))
}

/// The extents that a correlation is transformed on.
fn torus([h, w]: [usize; 2], border: Border) -> [usize; 2] {
    match border {
        Border::Periodic => [h, w],
        Border::Open => [h, w].map(|n| (2 * n - 1).next_power_of_two()),
    }
}

/// Of each bin the sum, and the sum of squares, of what its vectors' sums are multiplied with:
/// 1 / (vectors in the bin, pairs of pixels).
fn bin_weights([h, w]: [usize; 2], bins: usize, along: Direction, border: Border) -> Vec<[f64; 2]> {
    let counts = along.counts([h, w], bins, border);
    let mut weights = vec![[0.0; 2]; bins];
    let open = border == Border::Open;
    let torus @ [rows, columns] = if open { [2 * h - 1, 2 * w - 1] } else { [h, w] };
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let Some(bin) = along.bin([row, column], torus).filter(|&bin| bin < bins) else { continue };
        let (dy, dx) = (row.min(rows - row), column.min(columns - column));
        let pairs = if open { (h - dy) * (w - dx) } else { h * w };
        let weight = 1.0 / (counts[bin] * pairs) as f64;
        weights[bin][0] += weight;
        weights[bin][1] += weight * weight;
    }
    weights
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Six standard deviations of the noise of a transform there, of the other factor's, of one back, and
/// of the sums between: an entry is a product of two norms.
const DEVIATIONS: f64 = 6.0 * 4.0;

pub fn correlations() -> Vec<Case> {
    fn extents(inputs: &[Input]) -> [usize; 3] {
        [0, 1, 2].map(|axis| inputs[0].shape[axis])
    }
    fn curve_bound(bins: usize, along: Direction, border: Border, inputs: &[Input]) -> Bound {
        let [_, h, w] = extents(inputs);
        let weights = bin_weights([h, w], bins, along, border);
        let noise = DEVIATIONS * transform_noise(torus([h, w], border));
        let other = inputs.last().unwrap();
        let images = values(&inputs[0]).chunks(h * w).zip(values(other).chunks(h * w));
        let one = |(x, y)| weights.iter().map(move |b| noise * norm(x) * norm(y) * b[0]);
        Bound::Each(images.flat_map(one).collect())
    }
    fn field_bound(along: Direction, border: Border, inputs: &[Input]) -> Bound {
        let [_, h, w] = extents(inputs);
        let bins = inputs[1].shape[1];
        let weights = bin_weights([h, w], bins, along, border);
        let noise = DEVIATIONS * transform_noise(torus([h, w], border));
        let images = values(&inputs[0]).chunks(h * w).zip(values(&inputs[1]).chunks(bins));
        let one = |(y, g): (&[f64], &[f64])| {
            let filter = g.iter().zip(&weights).map(|(g, b)| g * g * b[1]).sum::<f64>().sqrt();
            vec![noise * norm(y) * filter; h * w]
        };
        Bound::Each(images.flat_map(one).collect())
    }
    // Powers of two and others, an odd number of images (the last has no partner), and, of those that
    // the sanitizers take, one that is too large for shared memory.
    let sizes = [
        ([3, 16, 8], 5, Direction::Every, Border::Periodic),
        ([2, 9, 15], 5, Direction::Every, Border::Periodic),
        ([1, 100, 60], 60, Direction::Every, Border::Open),
        ([2, 8, 15], 4, Direction::Every, Border::Periodic),
        ([1, 1, 1], 1, Direction::Every, Border::Periodic),
        ([3, 1, 7], 1, Direction::Every, Border::Open),
        ([2, 20, 13], 13, Direction::Every, Border::Open),
        ([3, 12, 7], 1, Direction::Every, Border::Periodic),
        ([5, 32, 64], 17, Direction::Every, Border::Periodic),
        // Sides of images that are no powers of two.
        ([3, 48, 80], 25, Direction::Every, Border::Periodic),
        ([1, 96, 56], 29, Direction::Every, Border::Periodic),
        ([2, 12, 20], 12, Direction::Every, Border::Open),
        // Of even extents the last bin has one vector, but two along a diagonal of what is no square.
        ([3, 7, 16], 9, Direction::Row, Border::Periodic),
        ([2, 5, 12], 12, Direction::Row, Border::Open),
        ([3, 16, 9], 9, Direction::Column, Border::Periodic),
        ([2, 12, 5], 12, Direction::Column, Border::Open),
        ([3, 16, 16], 9, Direction::Falling, Border::Periodic),
        ([2, 8, 15], 5, Direction::Falling, Border::Periodic),
        ([1, 100, 60], 60, Direction::Falling, Border::Open),
        ([3, 16, 16], 9, Direction::Rising, Border::Periodic),
        ([2, 15, 8], 5, Direction::Rising, Border::Periodic),
        ([3, 7, 10], 7, Direction::Rising, Border::Open),
    ];
    let mut cases = Vec::new();
    for turn in 0..2 {
        for (i, (shape, bins, along, border)) in sizes.into_iter().enumerate() {
            let name = format!("correlation {shape:?} {bins} {along:?} {border:?}");
            if i % 2 == turn {
                let inputs = vec![real(1, shape)];
                let bound = curve_bound(bins, along, border, &inputs);
                cases.push(case(name + " itself", inputs, bound, move |_, x| {
                    x[0].correlation_along(x[0], along, bins, border)
                }));
                continue;
            }
            // A gradient is orders of magnitude smaller than an image.
            let tiny = |mut input: Input| {
                if let Values::Real(v) = &mut input.values {
                    v.iter_mut().for_each(|v| *v *= f64::powi(2.0, -20));
                }
                input
            };
            let inputs = vec![real(2, shape), tiny(real(3, shape))];
            let bound = curve_bound(bins, along, border, &inputs);
            cases.push(case(name, inputs, bound, move |_, x| {
                x[0].correlation_along(x[1], along, bins, border)
            }));
        }
    }
    for (shape, bins, along, border) in sizes {
        let inputs = vec![real(4, shape), real(5, [shape[0], bins])];
        let bound = field_bound(along, border, &inputs);
        let name = format!("correlation_field {shape:?} {bins} {along:?} {border:?}");
        cases.push(case(name, inputs, bound, move |_, x| x[0].correlation_field(x[1], along, border)));
    }
    cases
}

/// A few steps of phase separation: the more there are, the further rounding is carried.
pub fn stepping() -> Vec<Case> {
    const SETTINGS: CahnHilliard = CahnHilliard { steps: 3, dt: 0.5, kappa: 1.0, stabiliser: 2.0 };
    fn bound(inputs: &[Input], u: &[f64]) -> Vec<f64> {
        let CahnHilliard { steps, dt, kappa, stabiliser } = SETTINGS;
        // Of the inputs, |u| <= 1.25: |u^3 - 3 u| <= 2 and |3 u^2 - 3| <= 3.
        let (plane, slope) = (f64::hypot(1.25, 2.0), 3.0);
        // The largest number that the force is multiplied with.
        let force = 1.0 / (stabiliser + 2.0 * (kappa / dt).sqrt());
        let noise = transform_noise([inputs[0].shape[1], inputs[0].shape[2]]);
        // There, back, and a dozen roundings on the way; carried on by the steps that follow.
        let step = 6.0 * (2.0 * noise + 12.0 * U) * (1.0 + force) * plane;
        let carried: f64 = (0..steps).map(|step| (1.0 + force * slope).powi(step as i32)).sum();
        vec![step * carried; u.len()]
    }
    // The third is too large for shared memory.
    let shapes = [
        [3, 16, 8],
        [2, 9, 15],
        [1, 256, 128],
        [2, 8, 15],
        [1, 1, 1],
        [1, 1, 7],
        [5, 32, 64],
        [2, 48, 80],
        [1, 96, 112],
        [2, 12, 6],
    ];
    let steps = |shape| {
        case(format!("cahn_hilliard {shape:?}"), vec![real(1, shape)], Bound::Of(bound), |_, x| {
            x[0].cahn_hilliard(SETTINGS)
        })
    };
    let mut cases: Vec<Case> = shapes.into_iter().map(steps).collect();
    cases.push(case("cahn_hilliard/none", vec![real(2, [2, 5, 8])], Bound::Units(0.0), |_, x| {
        x[0].cahn_hilliard(CahnHilliard { steps: 0, ..SETTINGS })
    }));
    cases
}
