//! The legs of convolution against their definition, on geometries that take every path.

#![allow(clippy::unwrap_used)]

use invnet::device::{Cpu, Real};
use invnet::gradcheck::{largest, numbers};
use invnet::op::{Border, Leg, Op, Window};
use invnet::plan::Plan;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

#[derive(Clone, Copy, Debug)]
struct Case {
    n: usize,
    ci: usize,
    co: usize,
    window: Window,
}

impl Case {
    fn shapes(&self) -> [Shape; 3] {
        let Window { image, kernel, out, .. } = self.window;
        [
            Shape::from([self.n, image[0], image[1], self.ci]),
            Shape::from([kernel[0], kernel[1], self.ci, self.co]),
            Shape::from([self.n, out[0], out[1], self.co]),
        ]
    }

    /// Calls `f` with the flat indices of every product x w g of the trilinear form.
    fn terms(&self, mut f: impl FnMut(usize, usize, usize)) {
        let Window { image: [h, w], kernel: [kh, kw], stride, pad, out: [oh, ow], border } = self.window;
        for n in 0..self.n {
            for (oy, ox) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
                for (ky, kx) in (0..kh).flat_map(|y| (0..kw).map(move |x| (y, x))) {
                    let from = |tap: usize, pad: usize| tap as isize - pad as isize;
                    let (y, x) = (from(oy * stride[0] + ky, pad[0]), from(ox * stride[1] + kx, pad[1]));
                    let (row, column) = (y.rem_euclid(h as isize), x.rem_euclid(w as isize));
                    if border == Border::Open && (row, column) != (y, x) {
                        continue;
                    }
                    let (y, x) = (row as usize, column as usize);
                    for (i, o) in (0..self.ci).flat_map(|i| (0..self.co).map(move |o| (i, o))) {
                        f(
                            ((n * h + y) * w + x) * self.ci + i,
                            ((ky * kw + kx) * self.ci + i) * self.co + o,
                            ((n * oh + oy) * ow + ox) * self.co + o,
                        );
                    }
                }
            }
        }
    }
}

/// All legs on a device, beside their definition in f64; the error of each relative to the sum of
/// the magnitudes of its terms, which is what rounding is proportional to.
fn errors<T: Real>(case: &Case) -> [f64; 3] {
    errors_of::<T>(case, |_, v| v)
}

/// The same of filters whose numbers, by their place, are changed.
fn errors_of<T: Real>(case: &Case, filter: impl Fn(usize, f64) -> f64) -> [f64; 3] {
    let [xs, ws, gs] = case.shapes();
    let mut values = [xs, ws, gs].map(|s| numbers(s.numel() as u64, s.numel()));
    values[1].iter_mut().enumerate().for_each(|(i, v)| *v = filter(i, *v));
    let mut store = Store::new(Cpu::<T>::new());
    let leaves = [("x", xs), ("w", ws), ("g", gs)];
    let ids: Vec<_> =
        leaves.iter().zip(&values).map(|((n, s), v)| store.add_real(n, *s, v).unwrap()).collect();
    let tape = Tape::new();
    let [x, w, g]: [Var<'_>; 3] = std::array::from_fn(|i| store.var(&tape, ids[i]));
    let legs = [x.conv_leg_y(w, case.window), g.conv_leg_x(w, case.window), x.conv_leg_w(g, case.window)];
    for (leg, op) in [Leg::Y, Leg::X, Leg::W].into_iter().zip(tape.nodes().iter().skip(3)) {
        assert_eq!(op.op, Op::Conv(leg, case.window));
    }
    let plan = Plan::new(&tape, &legs, &store);
    plan.run(&mut store).unwrap();
    let [xv, wv, gv] = &values;
    let mut expected = [vec![0.0; gv.len()], vec![0.0; xv.len()], vec![0.0; wv.len()]];
    let mut magnitude = expected.clone();
    case.terms(|i, j, k| {
        for (leg, at, product) in [(0, k, xv[i] * wv[j]), (1, i, gv[k] * wv[j]), (2, j, xv[i] * gv[k])] {
            expected[leg][at] += product;
            magnitude[leg][at] += product.abs();
        }
    });
    std::array::from_fn(|leg| {
        let found = plan.read(&mut store, leg).unwrap();
        let scale = magnitude[leg].iter().fold(1e-3f64, |m, v| m.max(*v));
        largest(found.iter().zip(&expected[leg]).map(|(f, e)| (f - e).abs())) / scale
    })
}

fn case(
    n: usize,
    ci: usize,
    co: usize,
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
) -> Case {
    Case { n, ci, co, window: Window::over(image, kernel, stride, pad, Border::Open).unwrap() }
}

fn periodic(
    n: usize,
    [ci, co]: [usize; 2],
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
) -> Case {
    Case { n, ci, co, window: Window::over(image, kernel, stride, pad, Border::Periodic).unwrap() }
}

fn cases() -> Vec<Case> {
    let mut all = vec![
        case(1, 1, 1, [1, 1], [1, 1], [1, 1], [0, 0]),
        case(2, 3, 5, [7, 5], [3, 2], [2, 1], [1, 0]),
        case(1, 5, 3, [9, 11], [5, 3], [3, 2], [2, 1]),
        case(3, 4, 2, [6, 6], [1, 1], [1, 1], [0, 0]),
        case(2, 3, 4, [5, 8], [3, 3], [1, 1], [1, 1]),
        case(2, 2, 3, [4, 5], [4, 4], [2, 2], [3, 3]),
        case(1, 17, 9, [10, 6], [2, 4], [2, 3], [0, 1]),
        case(5, 3, 16, [16, 16], [4, 4], [2, 2], [1, 1]),
        case(2, 16, 3, [16, 12], [4, 4], [2, 2], [1, 1]),
        // Windows that lie in the padding altogether.
        case(2, 3, 2, [5, 7], [1, 1], [2, 2], [1, 2]),
        // Stride 1 with more padding than the flipped filter can undo.
        case(1, 2, 2, [3, 3], [2, 2], [1, 1], [2, 2]),
        // A weight gradient too large to be cut into pieces.
        case(2, 65, 64, [6, 6], [3, 3], [1, 1], [1, 1]),
        // Nearly the Winograd geometry: an image that is not a multiple of 4, another padding.
        case(2, 8, 8, [10, 8], [4, 4], [2, 2], [1, 1]),
        case(2, 8, 8, [8, 8], [4, 4], [2, 2], [2, 2]),
        // A large filter on images that Winograd leaves; more pixels than a product takes at a time.
        case(2, 40, 33, [10, 6], [4, 4], [2, 2], [1, 1]),
        case(36, 33, 32, [10, 6], [4, 4], [2, 2], [1, 1]),
        // One with another geometry, and one tap only.
        case(1, 40, 41, [7, 9], [4, 3], [2, 1], [1, 2]),
        case(3, 130, 129, [5, 4], [1, 1], [1, 1], [0, 0]),
    ];
    for (n, ci, co, image) in [
        (1, 8, 8, [4, 4]),
        (3, 9, 17, [8, 12]),
        (5, 33, 8, [16, 4]),
        (2, 8, 33, [4, 16]),
        (1, 16, 16, [24, 20]),
        // More tiles than a block holds.
        (6, 40, 40, [48, 48]),
    ] {
        all.push(case(n, ci, co, image, [4, 4], [2, 2], [1, 1]));
        all.push(periodic(n, [ci, co], image, [4, 4], [2, 2], [1, 1]));
    }
    for (n, ci, co, image) in [
        (1, 8, 8, [4, 4]),
        (3, 9, 17, [5, 11]),
        (5, 33, 8, [16, 6]),
        // Several images a task, the last task with fewer; images cut at both edges.
        (7, 16, 40, [9, 7]),
        (30, 8, 9, [8, 8]),
        // Several tasks an image, the last of them lower.
        (2, 8, 3, [61, 40]),
        (2, 3, 8, [40, 61]),
        // More tiles than the weight's leg holds at a time.
        (3, 40, 33, [48, 44]),
    ] {
        all.push(case(n, ci, co, image, [3, 3], [1, 1], [1, 1]));
        all.push(periodic(n, [ci, co], image, [3, 3], [1, 1], [1, 1]));
    }
    let (one, two) = ([1, 1], [2, 2]);
    all.extend([
        // The layers of the networks, on sides that are no multiples of four.
        periodic(2, [3, 5], [6, 10], [4, 4], two, one),
        periodic(3, [40, 33], [6, 10], [4, 4], two, one),
        periodic(2, [9, 8], [14, 6], [4, 4], two, one),
        periodic(2, [3, 4], [5, 7], [3, 3], one, one),
        periodic(1, [2, 3], [3, 6], [1, 1], one, [0, 0]),
        // A filter that reaches over one edge only, and one that is not where it should be.
        periodic(2, [3, 2], [6, 5], [2, 3], [2, 1], [0, 0]),
        periodic(2, [3, 2], [6, 5], [2, 3], [3, 5], [5, 4]),
        periodic(1, [5, 3], [9, 15], [5, 4], [3, 5], [2, 1]),
        // A filter as far beyond either edge as it may reach: every pixel twice, three times.
        periodic(2, [2, 3], [4, 3], [9, 7], [2, 1], [4, 3]),
        periodic(1, [3, 2], [1, 1], [3, 3], one, one),
        // At stride 1, padding that the turned filter cannot undo.
        periodic(1, [2, 2], [3, 4], [2, 2], one, [3, 2]),
        // A weight gradient too large to be cut into pieces.
        periodic(2, [65, 64], [6, 6], [3, 3], one, one),
    ]);
    all
}

#[test]
fn legs_equal_their_definition_in_double_precision() {
    for case in cases() {
        for (leg, error) in ["y", "x", "w"].iter().zip(errors::<f64>(&case)) {
            assert!(error < 1e-14, "{leg} of {case:?}: {error:.1e}");
        }
    }
}

#[test]
fn legs_equal_their_definition_in_single_precision() {
    for case in cases() {
        for (leg, error) in ["y", "x", "w"].iter().zip(errors::<f32>(&case)) {
            // Rounding of sums of K terms grows like sqrt(K) at worst here, and is divided by the
            // sum of magnitudes, which grows like K; the Winograd path adds a small factor.
            assert!(error < 4.0 * f64::from(f32::EPSILON), "{leg} of {case:?}: {error:.1e}");
        }
    }
}

/// Blurs do the same to every channel; filters that nearly do, and others of the same geometry, do not.
#[test]
fn blurs_equal_their_definition() {
    let one = [1, 1];
    for c in [1, 2, 5] {
        for case in [
            case(2, c, c, [9, 20], [1, 7], one, [0, 3]),
            case(2, c, c, [9, 20], [7, 1], one, [3, 0]),
            case(1, c, c, [3, 4], [5, 7], one, [2, 3]),
            case(3, c, c, [8, 6], [3, 2], one, [0, 1]),
            periodic(2, [c, c], [9, 20], [1, 7], one, [0, 3]),
            periodic(2, [c, c], [9, 20], [7, 1], one, [3, 0]),
            periodic(1, [c, c], [70, 300], [3, 5], one, [1, 2]),
        ] {
            let tap = |i: usize| ((i / (c * c)) as f64 * 0.7).sin();
            let of = |off: f64, last: f64| {
                move |i: usize, _: f64| match (i % (c * c) / c == i % c, i % (c * c) + 1 == c * c) {
                    (true, end) => tap(i) + if end { last } else { 0.0 },
                    (false, _) => off,
                }
            };
            for (off, last) in [(0.0, 0.0), (0.3, 0.0), (0.0, 0.4)] {
                for (leg, error) in ["y", "x"].iter().zip(errors_of::<f64>(&case, of(off, last))) {
                    assert!(error < 1e-14, "{leg} of {case:?}: {error:.1e}");
                }
                for (leg, error) in ["y", "x"].iter().zip(errors_of::<f32>(&case, of(off, last))) {
                    assert!(error < 4.0 * f64::from(f32::EPSILON), "{leg} of {case:?}: {error:.1e}");
                }
            }
        }
    }
}

#[test]
fn a_periodic_convolution_halves_and_its_adjoint_doubles() {
    let tape = Tape::new();
    let w = tape.fill(0.0, [4, 4, 2, 3]);
    let half = tape.fill(0.0, [1, 6, 10, 2]).conv(w, [2, 2], [1, 1], Border::Periodic);
    assert_eq!(*half.shape(), [1, 3, 5, 3]);
    let back = half.conv_transpose(w, [2, 2], [1, 1], [0, 0], Border::Periodic);
    assert_eq!(*back.shape(), [1, 6, 10, 2]);
    let over = |image, kernel, stride, pad| Window::over(image, kernel, stride, pad, Border::Periodic);
    for (image, kernel, stride, pad) in [
        ([5, 6], [4, 4], [2, 2], [1, 1]), // a step left over
        ([4, 4], [4, 4], [0, 2], [1, 1]),
        ([4, 4], [3, 3], [1, 1], [5, 1]), // twice round before the image
        ([4, 4], [3, 7], [1, 1], [1, 1]), // and behind it
    ] {
        assert_eq!(over(image, kernel, stride, pad), None, "{image:?} {kernel:?} {stride:?} {pad:?}");
    }
    assert!(over([4, 4], [3, 6], [1, 1], [4, 1]).is_some());
}

#[test]
#[should_panic(expected = "does not close")]
fn a_periodic_window_that_does_not_close_is_refused() {
    let tape = Tape::new();
    let (g, w) = (tape.fill(0.0, [1, 2, 3, 1]), tape.fill(0.0, [3, 3, 1, 1]));
    g.conv_transpose(w, [2, 2], [1, 1], [1, 1], Border::Periodic);
}

/// Changes of resolution beside a 3 x 3 convolution: what is folded equals what it stands for, with its
/// derivatives by image and filter.
#[test]
fn a_convolution_takes_in_the_change_of_resolution_beside_it() {
    for (border, image) in
        [Border::Open, Border::Periodic].into_iter().flat_map(|b| [[2, 2], [4, 6], [8, 4]].map(|i| (b, i)))
    {
        let shapes = [Shape::from([2, image[0], image[1], 3]), Shape::from([3, 3, 3, 5])];
        let mut store = Store::new(Cpu::<f64>::new());
        let leaves: Vec<_> = (shapes.iter().enumerate())
            .map(|(i, s)| store.add_real(&format!("{i}"), *s, &numbers(i as u64, s.numel())).unwrap())
            .collect();
        let tape = Tape::new();
        let [x, w]: [Var<'_>; 2] = std::array::from_fn(|i| store.var(&tape, leaves[i]));
        let pairs = [
            [x.upsample_conv(w, border), x.upsample(2).conv(w, [1, 1], [1, 1], border)],
            [x.conv_mean_pool(w, border), x.conv(w, [1, 1], [1, 1], border).mean_pool(2)],
        ];
        let mut outputs = Vec::new();
        for y in pairs.into_iter().flatten() {
            // A cotangent that is no constant, so that no sum hides a place.
            let grads = tape.grad(y.square().sum(), &[x, w]);
            outputs.extend([y, grads[0], grads[1]]);
        }
        let plan = Plan::new(&tape, &outputs, &store);
        plan.run(&mut store).unwrap();
        for (i, j) in [0, 1, 2, 6, 7, 8].map(|i| (i, i + 3)) {
            let (a, b) = (plan.read(&mut store, i).unwrap(), plan.read(&mut store, j).unwrap());
            assert_eq!(a.len(), b.len());
            let scale = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let error = largest(a.iter().zip(&b).map(|(a, b)| (a - b).abs())) / scale;
            assert!(error < 1e-14, "{border:?} {image:?} output {i}: {error:.1e}");
        }
    }
}
