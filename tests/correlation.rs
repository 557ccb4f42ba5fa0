//! The two-point correlation against its definition: every pair of pixels, no transform.

#![allow(clippy::unwrap_used)]

use invnet::device::{Cpu, Device, radial};
use invnet::gradcheck::{largest, numbers};
use invnet::invariance::{Correlation, Fraction, Invariance, two_point_map};
use invnet::op::{Border, Direction};
use invnet::plan::Plan;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

const BORDERS: [Border; 2] = [Border::Periodic, Border::Open];

/// The results of a formula of some inputs.
fn evaluate<const R: usize>(
    device: impl Device + 'static,
    inputs: &[(&[f64], [usize; R])],
    build: impl for<'t> Fn(&[Var<'t>]) -> Vec<Var<'t>>,
) -> Vec<Vec<f64>> {
    let mut store = Store::new(device);
    let tape = Tape::new();
    let vars: Vec<Var<'_>> = inputs
        .iter()
        .enumerate()
        .map(|(i, (values, shape))| {
            let id = store.add_real(&format!("x{i}"), *shape, values).unwrap();
            store.var(&tape, id)
        })
        .collect();
    let outputs = build(&vars);
    let plan = Plan::new(&tape, &outputs, &store);
    plan.run(&mut store).unwrap();
    (0..outputs.len()).map(|i| plan.read(&mut store, i).unwrap()).collect()
}

/// The component of a vector between two of `extent` places, as the border sees it.
fn component(from: usize, to: usize, extent: usize, border: Border) -> isize {
    let d = to as isize - from as isize;
    let extent = extent as isize;
    match border {
        Border::Open => d,
        // -H/2 and +H/2 are one vector of the torus.
        Border::Periodic if 2 * d.abs() == extent => extent / 2,
        Border::Periodic if 2 * d > extent => d - extent,
        Border::Periodic if 2 * d < -extent => d + extent,
        Border::Periodic => d,
    }
}

/// The bin of a vector as [`component`] writes it.
fn bin(along: Direction, dy: isize, dx: isize, [h, w]: [usize; 2], border: Border) -> Option<usize> {
    let step = match along {
        Direction::Every => return Some(f64::hypot(dy as f64, dx as f64).round() as usize),
        Direction::Row => [0, 1],
        Direction::Column => [1, 0],
        Direction::Falling => [1, 1],
        Direction::Rising => [-1, 1],
    };
    let same = |a: isize, b: isize, extent: usize| match border {
        Border::Open => a == b,
        Border::Periodic => (a - b) % extent as isize == 0,
    };
    // Of a torus only the first half way round.
    let reach = if border == Border::Open { h.max(w) } else { h.max(w) / 2 + 1 };
    (0..reach).find(|&r| {
        let [down, right] = step.map(|s| s * r as isize);
        [1, -1].into_iter().any(|sign| same(dy, sign * down, h) && same(dx, sign * right, w))
    })
}

/// Mean of x(p) y(q) over the pairs that each vector joins, then over the vectors of each bin; and
/// how many vectors a bin has.
fn all_pairs(x: &[f64], y: &[f64], size: [usize; 2], bins: usize, border: Border) -> Vec<(f64, usize)> {
    all_pairs_along(Direction::Every, x, y, size, bins, border)
}

fn all_pairs_along(
    along: Direction,
    x: &[f64],
    y: &[f64],
    [h, w]: [usize; 2],
    bins: usize,
    border: Border,
) -> Vec<(f64, usize)> {
    let mut vectors = std::collections::BTreeMap::new();
    for p in 0..h * w {
        for q in 0..h * w {
            let dy = component(p / w, q / w, h, border);
            let dx = component(p % w, q % w, w, border);
            let (sum, pairs) = vectors.entry((dy, dx)).or_insert((0.0, 0.0));
            *sum += x[p] * y[q];
            *pairs += 1.0;
        }
    }
    let mut curve = vec![(0.0, 0); bins];
    for ((dy, dx), (sum, pairs)) in vectors {
        let bin = bin(along, dy, dx, [h, w], border);
        if let Some((mean, count)) = bin.and_then(|bin| curve.get_mut(bin)) {
            *mean += sum / pairs;
            *count += 1;
        }
    }
    curve.into_iter().map(|(sum, count)| (sum / count as f64, count)).collect()
}

/// Numbers in [0, 1), exact in single precision: their products are at most 1 and a correlation is
/// a mean of those, so that absolute and relative errors are alike.
fn soft(seed: u64, count: usize) -> Vec<f64> {
    numbers(seed, count).iter().map(|v| 0.5 + 0.5 * v).collect()
}

fn binary(seed: u64, count: usize, share: f64) -> Vec<f64> {
    soft(seed, count).iter().map(|&v| f64::from(v < share)).collect()
}

fn worst(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    largest(found.iter().zip(expected).map(|(a, b)| (a - b).abs()))
}

#[test]
fn curves_are_means_over_all_pairs() {
    for (seed, [h, w]) in (0..).zip([[8, 8], [7, 9], [5, 12], [16, 11], [1, 6], [13, 1]]) {
        for border in BORDERS {
            let bins = radial::most_bins([h, w], border);
            for (x, y) in [
                (soft(seed, h * w), soft(seed + 100, h * w)),
                (binary(seed, h * w, 0.4), binary(seed + 100, h * w, 0.7)),
            ] {
                let expected = [(&x, &x), (&x, &y)].map(|(x, y)| {
                    let curve = all_pairs(x, y, [h, w], bins, border);
                    curve.into_iter().map(|(mean, _)| mean).collect::<Vec<f64>>()
                });
                let inputs = [(x.as_slice(), [1, h, w]), (y.as_slice(), [1, h, w])];
                let found = [
                    evaluate(Cpu::<f32>::new(), &inputs, |v| both(v, bins, border)),
                    evaluate(Cpu::<f64>::new(), &inputs, |v| both(v, bins, border)),
                ];
                for (found, tolerance) in found.iter().zip([1e-6, 1e-12]) {
                    for (found, expected) in found.iter().zip(&expected) {
                        let error = worst(found, expected);
                        assert!(error <= tolerance, "{h} x {w} {border:?}: {error:.1e} over {tolerance:.0e}");
                    }
                }
            }
        }
    }
}

#[test]
fn curves_along_a_direction_are_means_over_its_pairs() {
    use Direction::{Column, Falling, Rising, Row};
    for (seed, size @ [h, w]) in (0..).zip([[8, 8], [7, 9], [6, 10], [10, 6], [5, 5], [1, 6], [12, 1]]) {
        let (x, y) = (soft(seed, h * w), soft(seed + 100, h * w));
        let inputs = [(x.as_slice(), [1, h, w]), (y.as_slice(), [1, h, w])];
        for (along, border) in
            [Row, Column, Falling, Rising].into_iter().flat_map(|d| BORDERS.map(|b| (d, b)))
        {
            let bins = along.most_bins(size, border);
            let expected =
                [(&x, &x), (&x, &y)].map(|(x, y)| all_pairs_along(along, x, y, size, bins, border));
            let counted: Vec<usize> = expected[0].iter().map(|&(_, count)| count).collect();
            assert_eq!(along.counts(size, bins, border), counted, "{size:?} {along:?} {border:?}");
            let found = evaluate(Cpu::<f64>::new(), &inputs, |v| {
                [v[0], v[1]].map(|other| v[0].correlation_along(other, along, bins, border)).to_vec()
            });
            for (found, expected) in found.iter().zip(&expected) {
                let expected: Vec<f64> = expected.iter().map(|&(mean, _)| mean).collect();
                assert!(
                    worst(found, &expected) < 1e-12,
                    "{size:?} {along:?} {border:?}: {found:?} {expected:?}"
                );
            }
        }
    }
}

#[test]
fn stripes_are_correlated_along_themselves_only() {
    // Stripes of 4 rows: the same along a row, of period 8 along a column and both diagonals.
    let (side, bins) = (16, 9);
    let x: Vec<f64> = (0..side * side).map(|i| f64::from(u8::from(i / side % 8 < 4))).collect();
    let across: Vec<f64> = (0..bins).map(|r| 0.125 * f64::from((r as i32 - 4).abs())).collect();
    for along in [Direction::Row, Direction::Column, Direction::Falling, Direction::Rising] {
        let found = evaluate(Cpu::<f64>::new(), &[(&x, [1, side, side])], |v| {
            vec![v[0].correlation_along(v[0], along, bins, Border::Periodic)]
        });
        let expected = if along == Direction::Row { vec![0.5; bins] } else { across.clone() };
        assert!(worst(&found[0], &expected) < 1e-12, "{along:?}: {:?}", found[0]);
    }
    // A falling diagonal line is one class along itself, and of one pixel along the other diagonal.
    let line: Vec<f64> = (0..side * side).map(|i| f64::from(u8::from(i / side == i % side))).collect();
    let found = evaluate(Cpu::<f64>::new(), &[(&line, [1, side, side])], |v| {
        [Direction::Falling, Direction::Rising]
            .map(|along| v[0].correlation_along(v[0], along, bins, Border::Periodic))
            .to_vec()
    });
    let share = 1.0 / side as f64;
    let alone: Vec<f64> = (0..bins).map(|r| if r % 8 == 0 { share } else { 0.0 }).collect();
    assert!(worst(&found[0], &vec![share; bins]) < 1e-12 && worst(&found[1], &alone) < 1e-12, "{found:?}");
}

/// The correlation of the first field with itself, and with the second.
fn both<'t>(v: &[Var<'t>], bins: usize, border: Border) -> Vec<Var<'t>> {
    vec![v[0].correlation(bins, border), v[0].correlation_with(v[1], bins, border)]
}

#[test]
fn bins_hold_the_vectors_that_round_to_them() {
    for extents in [[8, 8], [7, 9], [5, 12], [1, 6]] {
        for border in BORDERS {
            let bins = radial::most_bins(extents, border);
            let ones = vec![1.0; extents[0] * extents[1]];
            let counted: Vec<usize> =
                all_pairs(&ones, &ones, extents, bins, border).iter().map(|&(_, count)| count).collect();
            assert_eq!(radial::counts(extents, bins, border), counted, "{extents:?} {border:?}");
        }
    }
}

#[test]
fn independent_pixels_have_no_correlation_but_with_themselves() {
    let (n, side, bins) = (3, 256, 40);
    let share = 0.3;
    let x = binary(7, n * side * side, share);
    for border in BORDERS {
        let found =
            evaluate(Cpu::<f32>::new(), &[(&x, [n, side, side])], |v| vec![v[0].correlation(bins, border)]);
        for (curve, image) in found[0].chunks_exact(bins).zip(x.chunks_exact(side * side)) {
            let p1 = image.iter().sum::<f64>() / image.len() as f64;
            // Single precision: a mean of zeros and ones.
            assert!((curve[0] - p1).abs() < 1e-6, "S2(0) = {}, p1 = {p1}", curve[0]);
            for (r, s2) in curve.iter().enumerate().skip(1) {
                // S2(v) of one vector is a mean of N products that are 1 with probability p^2; the
                // four or more independent vectors of a bin halve its deviation. Five of those.
                let deviation = 0.5 * (share * share * (1.0 - share * share) / (side * side) as f64).sqrt();
                assert!((s2 - p1 * p1).abs() < 5.0 * deviation, "S2({r}) = {s2}, p1^2 = {}", p1 * p1);
            }
        }
    }
}

#[test]
fn maps_agree_with_curves_and_with_sums() {
    for extents @ [h, w] in [[8, 8], [7, 9], [5, 12]] {
        let x = soft(21, h * w);
        for border in BORDERS {
            let (map, [rows, columns]) = two_point_map(&x, extents, border);
            let open = border == Border::Open;
            let centre @ [top, left] = if open { [h - 1, w - 1] } else { [h / 2, w / 2] };
            assert_eq!([rows, columns], if open { [2 * h - 1, 2 * w - 1] } else { extents });
            assert_eq!(map.len(), rows * columns, "{centre:?}");
            let bins = radial::most_bins(extents, border);
            let mut sums = vec![(0.0, 0); bins];
            for (i, s2) in map.iter().enumerate() {
                let bin = radial::bin((i / columns).abs_diff(top), (i % columns).abs_diff(left));
                if let Some((sum, count)) = sums.get_mut(bin) {
                    *sum += s2;
                    *count += 1;
                }
            }
            let curve: Vec<f64> = sums.iter().map(|&(sum, count)| sum / f64::from(count)).collect();
            let expected = all_pairs(&x, &x, extents, bins, border);
            let error = worst(&curve, &expected.iter().map(|&(mean, _)| mean).collect::<Vec<f64>>());
            // Double precision, sums of a few hundred numbers below one.
            assert!(error < 1e-12, "{extents:?} {border:?}: {error:.1e}");
            // All pairs of pixels of a torus together: S2 has the mean p1^2.
            if border == Border::Periodic {
                let p1 = x.iter().sum::<f64>() / (h * w) as f64;
                assert!((map.iter().sum::<f64>() / (h * w) as f64 - p1 * p1).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn invariances_measure_their_phase_and_weigh_their_bins() {
    let (n, h, w, bins) = (2, 6, 7, 4);
    let first = soft(31, n * h * w);
    let image: Vec<f64> = first.iter().flat_map(|&v| [1.0 - v, v]).collect();
    let weights = vec![2.0, 1.0, 1.0, 0.0];
    let s2 = |weights| Correlation { phase: 1, bins, border: Border::Periodic, weights };
    let found = evaluate(Cpu::<f64>::new(), &[(&image, [n, h, w, 2])], |v| {
        let (plain, weighted) = (s2(None), s2(Some(weights.clone())));
        let measured = plain.measure(v[0]);
        let target = v[0].tape().fill(0.25, [n, bins]);
        let fraction = Fraction { class: 1 }.measure(v[0]);
        vec![measured, plain.loss(measured, target), weighted.loss(measured, target), fraction]
    });
    let mut losses = [0.0; 2];
    for (i, field) in first.chunks_exact(h * w).enumerate() {
        let curve = all_pairs(field, field, [h, w], bins, Border::Periodic);
        for (r, (mean, _)) in curve.into_iter().enumerate() {
            assert!((found[0][i * bins + r] - mean).abs() < 1e-12);
            losses[0] += (mean - 0.25).powi(2) / n as f64;
            losses[1] += weights[r] * (mean - 0.25).powi(2) / n as f64;
        }
        let p1 = field.iter().sum::<f64>() / field.len() as f64;
        assert!((found[3][i] - p1).abs() < 1e-12);
    }
    assert!(worst(&[found[1][0], found[2][0]], &losses) < 1e-12, "{found:?} {losses:?}");
}
