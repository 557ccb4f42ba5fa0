//! Properties on the tape against the same on class maps, and on shapes whose numbers are known.

#![allow(clippy::unwrap_used)]

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use invnet::data::polycrystal::PolycrystalWorld;
use invnet::data::two_phase::TwoPhaseWorld;
use invnet::device::Cpu;
use invnet::eval::descriptors::{chords, interface_length};
use invnet::gradcheck::{Input, Values, check, numbers};
use invnet::invariance::{
    Ask, Between, Images, KINDS, Kind, Property, intercepts, interface, second_moments,
};
use invnet::op::{Border, Direction};
use invnet::plan::Plan;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

const BORDERS: [Border; 2] = [Border::Periodic, Border::Open];

/// A formula of images `[N, H, W, C]`, in double precision.
fn evaluate(
    images: &[f64],
    shape: [usize; 4],
    build: impl for<'t> Fn(Var<'t>) -> Vec<Var<'t>>,
) -> Vec<Vec<f64>> {
    let mut store = Store::new(Cpu::<f64>::new());
    let id = store.add_real("x", shape, images).unwrap();
    let tape = Tape::new();
    let outputs = build(store.var(&tape, id));
    let plan = Plan::new(&tape, &outputs, &store);
    plan.run(&mut store).unwrap();
    (0..outputs.len()).map(|i| plan.read(&mut store, i).unwrap()).collect()
}

/// Class maps as images of ones and zeros.
fn crisp(map: &[u8], classes: usize) -> Vec<f64> {
    map.iter().flat_map(|&c| (0..classes).map(move |k| f64::from(u8::from(usize::from(c) == k)))).collect()
}

/// A map whose pixels are of independent classes.
fn independent(seed: u64, count: usize, classes: usize) -> Vec<u8> {
    numbers(seed, count).iter().map(|v| ((0.5 + 0.5 * v) * classes as f64) as u8).collect()
}

/// Of the steps along each direction, the share for which the classes of both ends are as asked.
fn shares(map: &[u8], [h, w]: [usize; 2], border: Border, crosses: impl Fn(u8, u8) -> bool) -> [f64; 4] {
    [(0, 1), (1, 0), (1, 1), (-1, 1)].map(|(down, right)| {
        let (mut taken, mut crossing) = (0_u32, 0);
        for (y, x) in (0..h as isize).flat_map(|y| (0..w as isize).map(move |x| (y, x))) {
            let (mut to_y, mut to_x) = (y + down, x + right);
            if border == Border::Periodic {
                (to_y, to_x) = (to_y.rem_euclid(h as isize), to_x.rem_euclid(w as isize));
            }
            if (0..h as isize).contains(&to_y) && (0..w as isize).contains(&to_x) {
                let at = |y: isize, x: isize| map[y as usize * w + x as usize];
                taken += 1;
                crossing += u32::from(crosses(at(y, x), at(to_y, to_x)));
            }
        }
        if taken == 0 { 0.0 } else { f64::from(crossing) / f64::from(taken) }
    })
}

#[test]
fn interfaces_on_the_tape_are_those_of_class_maps() {
    for (seed, size @ [h, w]) in (0..).zip([[8, 8], [7, 12], [5, 1], [1, 6], [1, 1], [16, 9]]) {
        for classes in 2..=4 {
            let map = independent(seed, h * w, classes);
            for border in BORDERS {
                let other = if classes == 2 { 0 } else { 2 };
                let found = evaluate(&crisp(&map, classes), [1, h, w, classes], |x| {
                    [Between::All, Between::Class(1), Between::Classes(1, usize::from(other))]
                        .map(|between| interface(x, between, border))
                        .to_vec()
                });
                let periodic = border == Border::Periodic;
                let of_one: Vec<u8> = map.iter().map(|&c| u8::from(c == 1)).collect();
                let [rows, columns, falling, rising] =
                    shares(&map, size, border, |p, q| (p, q) == (1, other) || (p, q) == (other, 1));
                let expected = [
                    interface_length(&map, h, w, periodic),
                    interface_length(&of_one, h, w, periodic),
                    PI / 8.0 * (rows + columns + (falling + rising) * FRAC_1_SQRT_2),
                ];
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found[0] - expected).abs() < 1e-12,
                        "{size:?} {classes} {border:?}: {found:?}, {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn soft_interfaces_count_once_and_even_grey_counts_nothing() {
    let (h, w) = (16, 16);
    // A band of columns 4 to 11 whose edges pass from 0 to 1 over so many steps.
    let band = |steps: usize| -> Vec<f64> {
        let ramp = |x: usize| ((x as f64 - 3.0) / steps as f64).clamp(0.0, 1.0);
        (0..h * w).flat_map(|i| [ramp((i % w).min(15 - i % w))].map(|v| [1.0 - v, v])).flatten().collect()
    };
    let length = |image: &[f64]| {
        evaluate(image, [1, h, w, 2], |x| vec![interface(x, Between::Class(1), Border::Periodic)])[0][0]
    };
    let crisp = length(&band(1));
    for (steps, least) in [(1, 1.0), (2, 0.95), (3, 0.90), (4, 0.86)] {
        let ratio = length(&band(steps)) / crisp;
        assert!((least - 0.005..1.0 + 1e-12).contains(&ratio), "over {steps} steps: {ratio}");
    }
    assert!(length(&[0.7, 0.3].repeat(h * w)).abs() < 1e-12);
    // Noise of a hundredth, which squares to nothing.
    let noisy: Vec<f64> = numbers(3, h * w).iter().flat_map(|v| [0.9 - 0.01 * v, 0.1 + 0.01 * v]).collect();
    assert!(length(&noisy) < 0.01 * crisp, "{}", length(&noisy));
}

#[test]
fn all_interfaces_are_those_of_all_pairs_of_classes_and_soft_ones_too() {
    let shape @ [_, h, w, classes] = [1, 6, 7, 3];
    let soft: Vec<f64> = numbers(9, h * w * classes);
    for border in BORDERS {
        let found = evaluate(&soft, shape, |x| {
            let x = x.softmax();
            [Between::All, Between::Class(0), Between::Class(1), Between::Class(2)]
                .into_iter()
                .chain([Between::Classes(0, 1), Between::Classes(0, 2), Between::Classes(1, 2)])
                .map(|between| interface(x, between, border))
                .collect()
        });
        let sum = |range: std::ops::Range<usize>| found[range].iter().map(|v| v[0]).sum::<f64>();
        assert!((found[0][0] - 0.5 * sum(1..4)).abs() < 1e-12);
        // Classes 0 and 1 as one have the boundary of class 2, whose channel is what they leave.
        assert!((found[0][0] - sum(4..7)).abs() < 1e-12, "{found:?}");
    }
}

#[test]
fn intercepts_are_the_mean_chords_of_generated_images() {
    let phases =
        TwoPhaseWorld { size: [64, 64] }.generate(&mut Cpu::<f32>::new(), 24, 5, &mut |_, _| {}).unwrap();
    let (mut lines, mut expected) = (0.0, 0.0);
    for i in 0..phases.count {
        let map = phases.map(i);
        // Of the phase that is less: lines that lie wholly in a class have no chord.
        let class = u8::from(2 * map.iter().filter(|&&c| c == 1).count() < map.len());
        let found = evaluate(&crisp(map, 2), [1, 64, 64, 2], |x| {
            vec![intercepts(x, Some(usize::from(class)), Border::Periodic)]
        });
        let all = chords(map, 64, 64, class, true);
        lines += 1.0 / found[0][0];
        expected += all.iter().sum::<usize>() as f64 / all.len() as f64;
    }
    assert!((lines / expected - 1.0).abs() < 0.03, "phases: {lines} and {expected}");
    let world = PolycrystalWorld {
        size: 64,
        grains: 30,
        grains_to: 0,
        spread: 0.3,
        periodic: true,
        orientations: 5,
        concentration: 5.0,
        coarsen: 0,
    };
    let grains = world.generate(12, 3);
    let (mut lines, mut expected) = (0.0, 0.0);
    for i in 0..grains.count {
        let map = grains.map(i);
        let found = evaluate(&crisp(map, 5), [1, 64, 64, 5], |x| vec![intercepts(x, None, Border::Periodic)]);
        let all: Vec<usize> = (0..5).flat_map(|class| chords(map, 64, 64, class, true)).collect();
        lines += 1.0 / found[0][0];
        expected += all.iter().sum::<usize>() as f64 / all.len() as f64;
    }
    assert!((lines / expected - 1.0).abs() < 0.03, "grains: {lines} and {expected}");
}

#[test]
fn stripes_have_the_chords_of_their_width() {
    // Stripes of 4 and 12 columns. Rows alone would find 4 and 12: along columns nothing is met, and the
    // four directions together weigh that as the formula does, 5 % short.
    let map: Vec<u8> = (0..32 * 32).map(|i| u8::from(i % 16 < 4)).collect();
    let found = evaluate(&crisp(&map, 2), [1, 32, 32, 2], |x| {
        [Some(1), Some(0), None].map(|of| intercepts(x, of, Border::Periodic)).to_vec()
    });
    let length = PI / 8.0 * (1.0 + 2.0 * FRAC_1_SQRT_2) / 8.0;
    for (found, expected) in found.iter().zip([0.25 * PI / length, 0.75 * PI / length, PI / 2.0 / length]) {
        assert!((1.0 / found[0] - expected).abs() < 1e-6, "{} instead of {expected}", 1.0 / found[0]);
    }
}

/// An ellipse with half axes `a` and `b` whose long one lies at `degrees` from the x axis towards y.
fn ellipse(side: usize, [cx, cy]: [f64; 2], [a, b]: [f64; 2], degrees: f64) -> Vec<u8> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    (0..side * side)
        .map(|i| {
            let (x, y) = ((i % side) as f64 - cx, (i / side) as f64 - cy);
            let (along, across) = (x * cos + y * sin, y * cos - x * sin);
            u8::from((along / a).powi(2) + (across / b).powi(2) <= 1.0)
        })
        .collect()
}

/// Angle in degrees and aspect ratio of the one figure of a map.
fn figure(map: &[u8], [h, w]: [usize; 2]) -> [f64; 2] {
    let found = evaluate(&crisp(map, 2), [1, h, w, 2], |x| vec![second_moments(x)]);
    let [x, y] = [found[0][0], found[0][1]];
    let e = f64::hypot(x, y);
    [y.atan2(x).to_degrees() / 2.0, ((1.0 + e) / (1.0 - e)).sqrt()]
}

#[test]
fn ellipses_have_their_angle_and_aspect_ratio() {
    for degrees in [0.0, 20.0, 45.0, 67.0, 90.0, -30.0, -75.0] {
        for centre in [[32.0, 32.0], [18.3, 40.7]] {
            let [angle, aspect] = figure(&ellipse(64, centre, [14.0, 7.0], degrees), [64, 64]);
            let off = (angle - degrees + 90.0).rem_euclid(180.0) - 90.0;
            assert!(off.abs() < 1.0 && (aspect / 2.0 - 1.0).abs() < 0.02, "{degrees}: {angle}, {aspect}");
        }
    }
    let [_, aspect] = figure(&ellipse(64, [30.5, 33.2], [9.0, 9.0], 0.0), [64, 64]);
    assert!((1.0..1.02).contains(&aspect), "a disc: {aspect}");
}

#[test]
fn rectangles_of_pixels_have_the_aspect_of_their_sides() {
    // 6 columns by 2 rows, of square pixels: exact, wherever it lies; a single pixel is round.
    for (columns, rows) in [(6, 2), (1, 1), (3, 3), (9, 1)] {
        let map: Vec<u8> = (0..12 * 20)
            .map(|i| u8::from((8..8 + columns).contains(&(i % 20)) && (3..3 + rows).contains(&(i / 20))))
            .collect();
        let [angle, aspect] = figure(&map, [12, 20]);
        assert!((aspect - f64::from(columns) / f64::from(rows)).abs() < 1e-4, "{columns} x {rows}: {aspect}");
        assert!(columns == rows || angle.abs() < 1e-4, "{angle}");
    }
}

#[test]
fn correlations_with_every_class_sum_to_the_fraction() {
    // Whatever v is, the other end of it is of some class.
    let shape @ [_, h, w, classes] = [1, 12, 12, 3];
    let map = independent(4, h * w, classes);
    let fraction = map.iter().filter(|&&c| c == 0).count() as f64 / (h * w) as f64;
    for along in [Direction::Every, Direction::Row, Direction::Rising] {
        let found = evaluate(&crisp(&map, classes), shape, |x| {
            let class = |c: usize| x.slice(&[0, 0, 0, c], [1, h, w, 1]).reshape([1, h, w]);
            (0..classes).map(|c| class(0).correlation_along(class(c), along, 7, Border::Periodic)).collect()
        });
        for r in 0..7 {
            let sum: f64 = found.iter().map(|curve| curve[r]).sum();
            assert!((sum - fraction).abs() < 1e-12, "{along:?}, {r}: {sum} and {fraction}");
        }
        assert!(found[1][0].abs() < 1e-12, "a pixel has one class");
    }
}

/// Every kind of property, asked of images of three classes.
fn every_kind(border: Border, size: [usize; 2]) -> Vec<Property> {
    let images = Images { size, classes: 3, border };
    let one = |kind: &Kind| {
        let mut ask = Ask::new(kind.name).unwrap();
        if ask.options().has("bins") {
            ask.options_mut().set("bins", toml::Value::Integer(3)).unwrap();
        }
        if ask.options().has("formula") {
            for (key, value) in [("name", "own"), ("formula", "correlation(x[1], x[2], 3)")] {
                ask.options_mut().set(key, toml::Value::String(value.into())).unwrap();
            }
        }
        ask.of(&images).map_err(|(key, problem)| format!("{}: {key} {problem}", kind.name)).unwrap()
    };
    KINDS.iter().map(one).collect()
}

#[test]
fn every_kind_holds_to_second_order() {
    let shape = Shape::from([1, 5, 6, 3]);
    // Far from even, so that differences see no more of the rounded kink of a crossing than they can.
    let values = numbers(11, shape.numel()).iter().map(|v| 4.0 * v).collect();
    let input = Input { shape, values: Values::Real(values) };
    for border in BORDERS {
        for property in every_kind(border, [5, 6]) {
            let name = format!("{} {border:?}", property.name());
            let of = property.invariance();
            for o in check(&name, std::slice::from_ref(&input), |_, x| of.measure(x[0].softmax())).unwrap() {
                assert!(o.holds(), "{} order {}: {:.1e} over {:.0e}", o.name, o.order, o.error, o.tolerance);
            }
        }
    }
}

#[test]
fn every_kind_measures_of_a_map_what_it_measures_of_the_crisp_image() {
    let size @ [h, w] = [16, 16];
    // Two ellipses; class 2 is round and has no angle.
    let long = ellipse(16, [5.0, 5.0], [4.6, 2.2], 30.0);
    let round = ellipse(16, [11.0, 11.0], [3.5, 3.5], 0.0);
    let map: Vec<u8> = long.iter().zip(&round).map(|(&a, &b)| if b == 1 { 2 } else { a }).collect();
    let (mut compared, mut told) = (0, [0; 2]);
    let map = &map;
    for border in BORDERS {
        for property in every_kind(border, size) {
            let of = property.invariance();
            let found = &evaluate(&crisp(map, 3), [1, h, w, 3], |x| vec![of.measure(x)])[0];
            let pixels = |class: usize| (0..h * w).filter(move |&at| usize::from(map[at]) == class);
            for (i, &value) in found.iter().enumerate() {
                if let Some(class) = of.share(i) {
                    let share = pixels(class).count() as f64 / (h * w) as f64;
                    assert!((value - share).abs() < 1e-6, "{}: {value} of {share}", property.name());
                    told[0] += 1;
                }
                if let Some((class, axis)) = of.place(i) {
                    let along = pixels(class).map(|at| [at % w, at / w][axis]).sum::<usize>() as f64;
                    let (centre, found) = (along / pixels(class).count() as f64, of.in_units(found)[i]);
                    assert!(
                        (f64::from(found) - centre).abs() < 1e-3,
                        "{}: {found}, {centre}",
                        property.name()
                    );
                    told[1] += 1;
                }
            }
            let Some(expected) = of.on_map(map) else { continue };
            for (found, expected) in of.in_units(found).iter().zip(of.in_units(&expected)) {
                let off = (found - expected).abs();
                // Sums divided by an area that is a millionth too large.
                assert!(expected.is_nan() || off < 1e-3, "{}: {found} and {expected}", property.name());
                compared += usize::from(expected.is_finite());
            }
            assert_eq!(property.columns().len(), expected.len());
        }
    }
    // Area, radius, centroid, angle and aspect of two figures, of which one has no angle.
    assert_eq!(compared, 2 * (2 + 2 + 4 + 3));
    // Areas and radii, a fraction, all fractions, a curve's beginning; centroids.
    assert_eq!(told, [2 * (2 + 2 + 1 + 3 + 1), 2 * 4]);
}

#[test]
fn what_images_cannot_be_asked_for_is_refused_in_a_line() {
    let images = Images { size: [32, 16], classes: 3, border: Border::Periodic };
    for (kind, key, value, wrong, says) in [
        ("interface", "of", "3", "of", "a class from 0 to 2, or \"any\""),
        ("interface", "of", "all", "of", "a class from 0 to 2, or \"any\""),
        ("interface", "with", "1", "with", "not be 1, the class itself"),
        ("interface", "of", "any", "", ""),
        ("intercept", "of", "-1", "of", "or \"any\""),
        ("intercept", "of", "2", "", ""),
        ("cross-correlation", "with", "1", "with", "other than 1"),
        ("cross-correlation", "bins", "10", "bins", "at most 9 for images of 32 x 16"),
        ("directional-correlation", "direction", "up", "direction", "\"row\", \"column\""),
        ("directional-correlation", "direction", "row", "bins", "at most 9"),
        ("directional-correlation", "direction", "column", "", ""),
    ] {
        let mut ask = Ask::new(kind).unwrap();
        let number = value.parse().ok().filter(|_| key == "bins" || key == "with" && kind != "interface");
        let value = number.map_or_else(|| toml::Value::String(value.into()), toml::Value::Integer);
        let result = ask.options_mut().set(key, value).map_err(|problem| (key, problem));
        let problem = result.and_then(|()| ask.of(&images).map(|_| ()));
        match problem {
            Ok(()) => assert_eq!(wrong, "", "{kind}: {key}"),
            Err((key, problem)) => assert!(key == wrong && problem.contains(says), "{kind}: {key} {problem}"),
        }
    }
}

#[test]
fn numbers_have_the_names_that_they_are_asked_for_by() {
    let images = Images { size: [16, 16], classes: 3, border: Border::Periodic };
    for (kind, key, value, names) in [
        ("area", "", "", "area1 area2"),
        ("radius", "", "", "r1 r2"),
        ("centroid", "", "", "cx1 cy1 cx2 cy2"),
        ("second-moments", "", "", "angle1 aspect1 angle2 aspect2"),
        ("fraction", "", "", "p1"),
        ("fraction", "name", "share", "share"),
        ("fractions", "", "", "f1 f2 f3"),
        ("fractions", "name", "g", "g1 g2 g3"),
        ("interface", "", "", "interface"),
        ("interface", "name", "own", "own"),
        ("intercept", "", "", "intercept"),
        ("intercept", "of", "2", "chord2"),
        ("intercept", "name", "own", "own"),
    ] {
        let mut ask = Ask::new(kind).unwrap();
        if !key.is_empty() {
            ask.options_mut().set(key, toml::Value::String(value.into())).unwrap();
        }
        let property = ask.of(&images).map_err(|(_, problem)| problem).unwrap();
        let found: Vec<&str> = property.columns().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(found.join(" "), names, "{kind} {value}");
    }
}
