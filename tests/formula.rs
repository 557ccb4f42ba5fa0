//! Formulas against the properties they spell out, against plain loops, and against differences.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Build, real};
use invnet::gradcheck::{Input, Values, check, numbers, relative_error};
use invnet::invariance::formula::{self, Formula, Severity};
use invnet::invariance::{Between, Images, area, centroid, correlation, fractions, interface};
use invnet::op::Border;
use invnet::shape::Shape;
use invnet::tape::Var;
use invnet::train::{Config, Trainer};

const BORDERS: [Border; 2] = [Border::Periodic, Border::Open];

fn images(size: [usize; 2], border: Border) -> Images {
    Images { size, classes: 3, border }
}

fn measure<'t>(text: &str, x: Var<'t>, border: Border) -> Var<'t> {
    let s = x.shape();
    let images = Images { size: [s[1], s[2]], classes: s[3], border };
    let formula = Formula::parse(text).and_then(|f| f.on(&images));
    formula.unwrap_or_else(|e| panic!("{e}")).measure(x)
}

/// Soft images `[N, H, W, 3]`: three probabilities that sum to 1.
fn soft(seed: u64, n: usize, [h, w]: [usize; 2]) -> Input {
    let shape = Shape::from([n, h, w, 3]);
    let mut values: Vec<f64> = numbers(seed, shape.numel()).iter().map(|v| (2.0 * v).exp()).collect();
    for pixel in values.chunks_exact_mut(3) {
        let sum: f64 = pixel.iter().sum();
        pixel.iter_mut().for_each(|p| *p /= sum);
    }
    Input { shape, values: Values::Real(values) }
}

/// What a formula and a property are, with their first derivative along a cotangent and their second
/// along a direction.
fn orders(image: &Input, measure: impl for<'t> Fn(Var<'t>) -> Var<'t> + Clone + 'static) -> [Vec<f64>; 3] {
    [0, 1, 2].map(|order| {
        let measure = measure.clone();
        let build: Build = Box::new(move |tape, x| {
            let y = measure(x[0]);
            let cotangent = tape.affine_cotangent(y.shape());
            let phi = (y * cotangent).sum();
            if order == 0 {
                return y;
            }
            let first = tape.grad(phi, &[x[0]])[0];
            if order == 1 {
                return first;
            }
            tape.grad((first * x[1]).sum(), &[x[0]])[0]
        });
        let along = Input { shape: image.shape, values: Values::Real(numbers(5, image.shape.numel())) };
        common::exact(&[image.clone(), along], &build)
    })
}

/// Weights that differ from entry to entry of a measure `[N, D]`.
trait Weights {
    fn affine_cotangent(&self, shape: Shape) -> Var<'_>;
}

impl Weights for invnet::tape::Tape {
    fn affine_cotangent(&self, shape: Shape) -> Var<'_> {
        let m = [0.3, 0.7, -1.1, 0.0, 0.0, 0.0].map(|c| self.fill(c, [1, 1, 1]));
        self.concat(&m, 2).quadratic_field([1, shape[0], shape[1], 1]).reshape(shape)
    }
}

#[track_caller]
fn assert_equal(name: &str, got: &[Vec<f64>; 3], want: &[Vec<f64>; 3]) {
    for (order, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(order == 2 || want.iter().any(|v| v.abs() > 1e-6), "{name}: nothing to compare");
        let error = relative_error(got, want);
        assert!(error < 1e-12, "{name}: order {order} differs by {error:.1e}");
    }
}

#[test]
fn a_formula_equals_the_property_it_spells_out() {
    let image = soft(1, 2, [9, 12]);
    let n = 2;
    for border in BORDERS {
        assert_equal(
            "fraction",
            &orders(&image, move |x| measure("mean(x[1])", x, border)),
            &orders(&image, move |x| fractions(x).slice(&[0, 1], [n, 1])),
        );
        assert_equal(
            "area",
            &orders(&image, move |x| measure("sum(x[2]) / pixels", x, border)),
            &orders(&image, move |x| area(x).slice(&[0, 1], [n, 1])),
        );
        for (column, text) in [
            "sum(x[1] * col) / (sum(x[1]) + 1e-6) / width",
            "let mass = sum(x[1]) + 1e-6; sum(x[1] * row) / mass / height",
        ]
        .into_iter()
        .enumerate()
        {
            assert_equal(
                "centroid",
                &orders(&image, move |x| measure(text, x, border)),
                &orders(&image, move |x| centroid(x).slice(&[0, column], [n, 1])),
            );
        }
        assert_equal(
            "correlation",
            &orders(&image, move |x| measure("correlation(x[1], x[1], 5)", x, border)),
            &orders(&image, move |x| correlation(x, 1, 5, border)),
        );
        let crofton = documented_as("crofton");
        assert_equal(
            "interface",
            &orders(&image, move |x| measure(&crofton, x, border)),
            &orders(&image, move |x| interface(x, Between::Class(1), border)),
        );
        assert_equal(
            "a point of it",
            &orders(&image, move |x| measure("let s = correlation(x[1], x[1], 5); s[3]", x, border)),
            &orders(&image, move |x| correlation(x, 1, 5, border).slice(&[0, 3], [n, 1])),
        );
    }
}

/// A field of one image, worked out pixel by pixel.
struct Loops {
    size: [usize; 2],
    border: Border,
    classes: [Vec<f64>; 3],
}

impl Loops {
    fn new(image: &Input, border: Border) -> Self {
        let size = [image.shape[1], image.shape[2]];
        let channel = |c: usize| common::values(image).iter().skip(c).step_by(3).copied().collect();
        Self { size, border, classes: [channel(0), channel(1), channel(2)] }
    }

    fn each(&self, f: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        let [h, w] = self.size;
        (0..h * w).map(|i| f(i / w, i % w)).collect()
    }

    /// The value at a place that may lie beyond the edge.
    fn at(&self, field: &[f64], row: isize, column: isize) -> f64 {
        let [h, w] = self.size.map(|s| s as isize);
        let inside = (0..h).contains(&row) && (0..w).contains(&column);
        if self.border == Border::Open && !inside {
            return 0.0;
        }
        field[(row.rem_euclid(h) * w + column.rem_euclid(w)) as usize]
    }

    fn shift(&self, field: &[f64], rows: isize, columns: isize) -> Vec<f64> {
        self.each(|r, c| self.at(field, r as isize - rows, c as isize - columns))
    }

    /// The Gaussian mean over all pixels, and over many copies of a periodic image.
    fn blur(&self, field: &[f64], sigma: f64) -> Vec<f64> {
        let [h, w] = self.size.map(|s| s as isize);
        let copies = if self.border == Border::Periodic { 6 } else { 0 };
        let bell = |d: isize| (-0.5 * (d as f64 / sigma).powi(2)).exp();
        self.each(|row, column| {
            let (mut sum, mut weights) = (0.0, 0.0);
            for r in -copies * h..(copies + 1) * h {
                for c in -copies * w..(copies + 1) * w {
                    let weight = bell(r - row as isize) * bell(c - column as isize);
                    sum += weight * self.at(field, r, c);
                    weights += weight;
                }
            }
            sum / weights
        })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn every_function_is_what_it_says() {
    type Reference = fn(&Loops) -> f64;
    let cases: Vec<(&str, Reference)> = vec![
        ("mean(x[0] * row - 2 * col / width)", |l| {
            mean(
                &l.each(|r, c| {
                    l.classes[0][r * l.size[1] + c] * r as f64 - 2.0 * c as f64 / l.size[1] as f64
                }),
            )
        }),
        ("sum(x[1]) * height + pixels + pi", |l| {
            l.classes[1].iter().sum::<f64>() * l.size[0] as f64
                + (l.size[0] * l.size[1]) as f64
                + std::f64::consts::PI
        }),
        ("mean(-x[1]^2 + 2^-x[2] + x[1]^x[2] + x[0]^1.5 + x[0]^-1 + x[1]^0.5 + x[1]^0 + x[2]^7)", |l| {
            let f = |i: usize| {
                let [a, b, c] = [0, 1, 2].map(|k| l.classes[k][i]);
                -b * b + 2f64.powf(-c) + b.powf(c) + a.powf(1.5) + 1.0 / a + b.sqrt() + 1.0 + c.powi(7)
            };
            mean(&(0..l.classes[0].len()).map(f).collect::<Vec<_>>())
        }),
        ("mean(abs(x[0]-x[1]) + min(x[0],x[2]) + 3*max(x[0],x[2]) - min(0.3,x[1]) + max(x[1],0.3))", |l| {
            let f = |i: usize| {
                let [a, b, c] = [0, 1, 2].map(|k| l.classes[k][i]);
                (a - b).abs() + a.min(c) + 3.0 * a.max(c) - b.min(0.3) + b.max(0.3)
            };
            mean(&(0..l.classes[0].len()).map(f).collect::<Vec<_>>())
        }),
        ("mean(min(x[1], 0.3) + 2 * max(0.3, x[1])) / mean(sqrt(x[1]) + ln(1 + x[2]))", |l| {
            let up = |i: usize| l.classes[1][i].min(0.3) + 2.0 * l.classes[1][i].max(0.3);
            let down = |i: usize| l.classes[1][i].sqrt() + (1.0 + l.classes[2][i]).ln();
            let all = |f: &dyn Fn(usize) -> f64| mean(&(0..l.classes[0].len()).map(f).collect::<Vec<_>>());
            all(&up) / all(&down)
        }),
        ("mean(exp(x[0]) * tanh(3 * x[1]) - sigmoid(x[2] - 1) - 1 / (1 + x[1]) + (2 - x[0]) / 4)", |l| {
            let f = |i: usize| {
                let [a, b, c] = [0, 1, 2].map(|k| l.classes[k][i]);
                a.exp() * (3.0 * b).tanh() - 1.0 / (1.0 + (1.0 - c).exp()) - 1.0 / (1.0 + b) + (2.0 - a) / 4.0
            };
            mean(&(0..l.classes[0].len()).map(f).collect::<Vec<_>>())
        }),
        ("mean(x[1] * shift(x[2], 2, 0) + x[1] * shift(x[0], -3, 4) + row * shift(x[1], 0, -1))", |l| {
            let [a, b, c] = &l.classes;
            let (down, both, left) = (l.shift(c, 2, 0), l.shift(a, -3, 4), l.shift(b, 0, -1));
            mean(&l.each(|r, k| {
                let i = r * l.size[1] + k;
                b[i] * down[i] + b[i] * both[i] + r as f64 * left[i]
            }))
        }),
        ("mean(col * shift(1, 0, 1) * x[1] * shift(mean(x[1]), 1, 0))", |l| {
            let one = vec![mean(&l.classes[1]); l.classes[1].len()];
            let (beside, below) = (l.shift(&vec![1.0; one.len()], 0, 1), l.shift(&one, 1, 0));
            mean(&l.each(|r, c| {
                let i = r * l.size[1] + c;
                c as f64 * beside[i] * l.classes[1][i] * below[i]
            }))
        }),
        ("mean(blur(x[1], 0.8) * x[2] + blur(x[1] * col, min(height, width) / 4) * x[0])", |l| {
            let [a, b, c] = &l.classes;
            let with_column = l.each(|r, k| b[r * l.size[1] + k] * k as f64);
            let (fine, coarse) =
                (l.blur(b, 0.8), l.blur(&with_column, l.size[0].min(l.size[1]) as f64 / 4.0));
            mean(&(0..a.len()).map(|i| fine[i] * c[i] + coarse[i] * a[i]).collect::<Vec<_>>())
        }),
        ("let s = correlation(x[0], x[2], 1); sum(s) + mean(s * s) - s[0] * mean(x[1])", |l| {
            let zero =
                mean(&(0..l.classes[0].len()).map(|i| l.classes[0][i] * l.classes[2][i]).collect::<Vec<_>>());
            zero + zero * zero - zero * mean(&l.classes[1])
        }),
    ];
    for size in [[8, 11], [10, 8]] {
        let image = soft(2, 1, size);
        for border in BORDERS {
            for (text, reference) in &cases {
                let text = (*text).to_owned();
                let want = reference(&Loops::new(&image, border));
                let shown = text.clone();
                let build: Build = Box::new(move |_, x| measure(&text, x[0], border));
                let got = common::exact(std::slice::from_ref(&image), &build);
                assert!((got[0] - want).abs() < 1e-12 * want.abs().max(1.0), "{shown}: {got:?} for {want}");
            }
        }
    }
}

/// Formulas that use everything between them, and have no kink near ordinary numbers.
const SMOOTH: [&str; 9] = [
    "mean(abs(x[1] - 3) + min(x[0], 2 + x[1]) * max(x[2], x[1] - 3))",
    "mean(sqrt(x[1]) * ln(x[0]) - exp(x[2]) / (2 + tanh(x[1])) + sigmoid(x[0] * x[1]))",
    "sum(x[0]^3 - x[1]^2.5 + x[1]^x[2] + 2^x[0] - x[2]^-2 + x[1]^0.5 + 1 / x[0] + x[0] / 3)",
    "mean(shift(x[1]^2, 1, -2) * x[2] * row - shift(x[1], -1, 1)^2 * col)",
    "mean(blur(x[1]^2, 0.9) * x[2]^2)",
    "correlation(x[1] * x[0], blur(x[2], 0.7), 3)",
    "let s = correlation(x[1], x[1], 3); s[2] / s[0] - mean(s) * sum(s^2)",
    "let f = mean(x[1]); mean((x[1] - f)^2 * (x[2] + f)) / (f * (1 - f) + 4)",
    "correlation(x[1], 2, 2) * mean(x[0]) + sum(x[1] * col) / sum(x[1])",
];

#[test]
fn derivatives_agree_with_differences_to_second_order() {
    for border in BORDERS {
        for text in SMOOTH {
            // Magnitudes from 0.25 to 1.25: roots and logarithms are not steep there.
            let image = common::magnitudes(&[real(3, [2, 5, 6, 3])]);
            for outcome in check(text, &image, |_, x| measure(text, x[0], border)).unwrap() {
                assert!(outcome.holds(), "{text}, order {}: {:.1e}", outcome.order, outcome.error);
            }
        }
    }
}

#[cfg(feature = "simt")]
#[test]
fn formulas_run_on_the_kernels() {
    use invnet::device::gpu::Precision;
    use invnet::device::gpu::simt::Schedule;
    let image = real(4, [3, 10, 9, 3]);
    // Magnitudes from 0.25 to 1.25, as roots and logarithms want.
    let image = common::magnitudes(&[image]).remove(0);
    for border in BORDERS {
        for text in SMOOTH {
            // The value and the gradient in one.
            let build = || -> Build {
                Box::new(move |tape, x| {
                    let y = measure(text, x[0], border);
                    let gradient = tape.grad(y.square().sum(), &[x[0]])[0];
                    gradient * y.sum()
                })
            };
            let want = common::exact(std::slice::from_ref(&image), &build());
            let device = common::device(Schedule::Shuffled(2), Precision::Fp32);
            let (_, got) = common::run(device, std::slice::from_ref(&image), &build());
            // Some tens of roundings of terms that cancel a little.
            let error = relative_error(&got, &want);
            assert!(error < 1e4 * common::U, "{text}: {error:.1e}");
        }
    }
}

#[test]
fn at_a_kink_the_derivative_is_what_the_documents_say() {
    // Of equals the first counts; of 0 the magnitude has no slope.
    for (text, first, second) in [
        ("mean(max(x[0], x[1]))", 1.0, 0.0),
        ("mean(min(x[0], x[1]))", 1.0, 0.0),
        ("mean(max(x[0], 0.5))", 1.0, 0.0),
        ("mean(min(x[0], 0.5))", 1.0, 0.0),
        ("mean(max(0.5, x[0]))", 0.0, 0.0),
        ("mean(min(0.5, x[0]))", 0.0, 0.0),
        ("mean(abs(x[0] - x[1]))", 0.0, 0.0),
    ] {
        let image = Input { shape: [1, 4, 4, 2].into(), values: Values::Real(vec![0.5; 32]) };
        let build: Build = Box::new(move |tape, x| {
            tape.grad(measure(text, x[0], Border::Open).sum(), &[x[0]])[0].scale(16.0)
        });
        let gradient = common::exact(&[image], &build);
        assert!(gradient.chunks(2).all(|g| g == [first, second]), "{text}: {gradient:?}");
    }
}

#[test]
fn a_check_finds_what_cannot_be_trained_and_where() {
    // Formula, severity, what is said, where.
    let cases = [
        ("mean(ln(x[1] - 1))", Severity::Error, "is no finite number on ordinary images", "ln(x[1] - 1)"),
        ("mean(x[1] / row)", Severity::Error, "is no finite number on ordinary images", "x[1] / row"),
        // Devices compute in single precision.
        ("mean(exp(200 * x[1]))", Severity::Error, "is no finite number", "exp(200 * x[1])"),
        ("mean(exp(800 + 1000 * x[1]))", Severity::Error, "no finite number", "exp(800 + 1000 * x[1])"),
        (
            "mean(sqrt(0 * x[1]))",
            Severity::Error,
            "derivative that is not finite on ordinary",
            "sqrt(0 * x[1])",
        ),
        ("mean(-x[1] * ln(x[1]))", Severity::Error, "where a class is 0 or 1, as in class maps", "ln(x[1])"),
        ("let d = x[1] - x[1]; mean(d^1.5) + mean(x[1])", Severity::Error, "derivative that is not", "d^1.5"),
        ("mean(sqrt(x[1] * (1 - x[1])))", Severity::Warning, "as in class maps", "sqrt(x[1] * (1 - x[1]))"),
        (
            "sum(x[1] * col) / sum(x[1])",
            Severity::Warning,
            "is no finite number where class 1 is empty",
            "sum(x[1] * col) / sum(x[1])",
        ),
        (
            "let n = sum(x[1]) * sum(x[2]); 1 / n",
            Severity::Warning,
            "is no finite number where class 1 or 2 is empty",
            "1 / n",
        ),
        ("sqrt(sum(x[2]))", Severity::Warning, "not finite where class 2 is empty", "sqrt(sum(x[2]))"),
        (
            "mean(abs(shift(x[1], 0, 0) - x[1])) + mean(x[1])",
            Severity::Warning,
            "at 288 of 288 places",
            "abs",
        ),
        ("mean(max(x[1], x[1]))", Severity::Warning, "at its kink at 288 of 288 places", "max(x[1], x[1])"),
        ("mean(sigmoid(1e6 * (x[1] - 0.3)))", Severity::Warning, "has no slope on ordinary images", "mean("),
        ("mean(sigmoid(3e3 * (x[1] - 0.3)))", Severity::Warning, "differs from a central", "sigmoid("),
        ("mean(x[0] + x[1] + x[2])", Severity::Warning, "is the same, 1.000000, for every image", "mean("),
        ("mean(abs(x[1] - x[2]))", Severity::Note, "has a kink where its argument is 0", "abs(x[1] - x[2])"),
        ("mean(max(x[1], 0.5))", Severity::Note, "has a kink where both are equal", "max(x[1], 0.5)"),
    ];
    for border in BORDERS {
        for (text, severity, says, place) in cases {
            let formula = Formula::parse(text).unwrap();
            let shown: Vec<String> = match formula::check(&formula, &images([64, 64], border)) {
                Ok(report) => report.shown(severity).collect(),
                Err(errors) => {
                    assert_eq!(severity, Severity::Error, "{text}: {errors}");
                    vec![errors]
                }
            };
            let [found] = &shown[..] else { panic!("{text}: {shown:?}") };
            let mut lines = found.lines();
            let (first, line, carets) = (lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap());
            assert!(first.starts_with(&format!("{severity}: ")) && first.contains(says), "{text}: {found}");
            assert!(line[carets.find('^').unwrap()..].starts_with(place), "{text}: {found}");
        }
    }
}

#[test]
fn a_check_has_nothing_against_good_formulas() {
    for text in [
        "mean(x[1])",
        "mean(x[1])^2 / (1 + mean(x[2]))",
        "correlation(x[1], x[1], 17)",
        "correlation(x[1], x[2], width / 4 + 1)[8]",
        "mean(blur(x[1], 6)^2)",
        "mean(x[1] * shift(x[1], 0, 40))",
        "sum(x[1] * col) / (sum(x[1]) + 1e-3)",
        "mean(-x[1] * ln(x[1] + 1e-6))",
    ] {
        for border in BORDERS {
            let report = formula::check(&Formula::parse(text).unwrap(), &images([64, 64], border)).unwrap();
            assert!(report.findings().is_empty(), "{text}: {:?}", report.findings());
        }
    }
    // A property that images of this size cannot have is refused in their terms.
    let long = Formula::parse("correlation(x[1], x[1], 40)").unwrap();
    let problem = formula::check(&long, &images([64, 64], Border::Periodic)).unwrap_err();
    assert!(problem.starts_with("must be from 1 to 33 points for periodic images of 64 x 64\n"), "{problem}");
}

/// The asks of the TOML blocks of `docs/formula.md`: name and formula.
fn documented() -> Vec<(String, String)> {
    let text = include_str!("../docs/formula.md");
    let mut found = Vec::new();
    for block in text.split("```toml\n").skip(1) {
        let table: toml::Table = block.split("```").next().unwrap().parse().unwrap();
        for ask in table["ask"].as_array().unwrap() {
            let word = |key: &str| ask[key].as_str().unwrap().to_owned();
            found.push((word("name"), word("formula")));
        }
    }
    found
}

/// The formula of that name.
fn documented_as(name: &str) -> String {
    documented().into_iter().find(|(n, _)| n == name).unwrap().1
}

#[test]
fn every_example_of_the_documents_can_be_trained() {
    let all = documented();
    assert!(all.len() >= 11, "{all:?}");
    for (name, text) in &all {
        let formula = Formula::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        for border in BORDERS {
            let report = formula::check(&formula, &images([64, 64], border)).unwrap();
            let bad: Vec<String> = report.shown(Severity::Warning).collect();
            // In an open image the pixels of the frame have no neighbour, and are at a kink.
            let kinks = bad.iter().all(|b| border == Border::Open && b.contains("at its kink"));
            assert!(kinks, "{name}: {}", bad.join("\n"));
        }
    }
    // The table of functions is whole.
    let text = include_str!("../docs/formula.md");
    for name in [
        "abs(",
        "sqrt(",
        "exp(",
        "ln(",
        "tanh(",
        "sigmoid(",
        "min(",
        "max(",
        "mean(",
        "sum(",
        "shift(",
        "blur(",
        "correlation(",
        "`row`",
        "`col`",
        "`height`",
        "`width`",
        "`pixels`",
        "`pi`",
    ] {
        assert!(text.contains(name), "{name} is not described");
    }
}

/// A class map of 16 x 16 with stripes of class 1 of `width` pixels every 8, upright or flat.
fn stripes(width: usize, upright: bool) -> Vec<f64> {
    let class = |i: usize| usize::from((if upright { i % 16 } else { i / 16 }) % 8 < width);
    (0..256).flat_map(|i| [0, 1, 2].map(|c| f64::from(u8::from(class(i) == c)))).collect()
}

#[test]
fn the_examples_measure_what_the_documents_say() {
    let on = |name: &str, image: Vec<f64>| {
        let text = documented().into_iter().find(|(n, t)| n == name && !t.starts_with("mean(abs")).unwrap().1;
        let input = Input { shape: [1, 16, 16, 3].into(), values: Values::Real(image) };
        let build: Build = Box::new(move |_, x| measure(&text, x[0], Border::Periodic));
        common::exact(&[input], &build)
    };
    let near = |got: f64, want: f64, within: f64| assert!((got - want).abs() < within, "{got} for {want}");
    // Four upright interfaces of 16 pixels.
    near(on("interface", stripes(3, true))[0], std::f64::consts::PI / 4.0 * 64.0 / 256.0, 1e-12);
    // Pieces of 3 pixels along the rows, and along the columns no ends: 96 pixels of class 1, two
    // lines through each, 32 pieces.
    near(on("intercept", stripes(3, true))[0], 6.0, 0.1);
    near(on("compactness", stripes(3, true))[0], std::f64::consts::PI / 4.0 * 64.0 / 96.0, 0.01);
    near(on("anisotropy", stripes(3, true))[0], 1.0, 0.01);
    near(on("anisotropy", stripes(3, false))[0], -1.0, 0.01);
    // A share of class 0 that rises by .5 over the rows.
    let share = |row: f64| 0.25 + 0.5 * (row + 0.5) / 16.0;
    let ramp =
        (0..256).flat_map(|i| [share(f64::from(i / 16)), 1.0 - share(f64::from(i / 16)), 0.0]).collect();
    near(on("gradient", ramp)[0], 0.5, 1e-9);
    // Lines of one pixel every two are one grey to a lens of 4.
    let fine = (0..256).flat_map(|i| [f64::from(i % 2), f64::from(1 - i % 2), 0.0]).collect();
    near(on("contrast", fine)[0], 1e-3, 1e-6);
    let half = (0..256).flat_map(|i| if i % 16 < 8 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] }).collect();
    assert!(on("contrast", half)[0] > 0.1);
    // Stripes every 8 pixels: eight away along the rows is the same again.
    assert!(
        on("order8", stripes(4, true))[0]
            > on("order8", (0..256).flat_map(|i| [f64::from(i % 2), f64::from(1 - i % 2), 0.0]).collect())[0]
    );
    near(on("contact", stripes(3, true))[0], 64.0 / 256.0, 1e-12);
    assert_eq!(on("near", stripes(3, true)).len(), 9);
    near(on("near", stripes(3, true))[0], 0.0, 1e-12);
    // The upper quarter is one flat stripe of 3 rows in 4.
    near(on("top", stripes(3, false))[0], 0.75, 0.1);
}

/// The losses of ten iterations on tiny networks, asked for one property.
fn losses(ask: &str) -> Vec<Vec<f64>> {
    let text = format!(
        "data = {{ source = \"circles\", size = 16, images = 60 }}\n\
         net = {{ width = 2, latent = 4 }}\n\
         train = {{ batch = 4, iterations = 10, log_every = 10 }}\n\
         [[ask]]\nname = \"own\"\n{ask}\n"
    );
    let config = Config::from_toml(&text, "test").unwrap();
    let mut trainer = Trainer::new(&config).unwrap();
    let rows = trainer.advance(10, &|| false).unwrap();
    rows.iter().map(|row| row.values.iter().map(|(_, v)| *v).collect()).collect()
}

#[test]
fn a_formula_trains_as_the_property_it_equals() {
    let crofton = documented_as("crofton");
    for (built_in, formula) in [
        ("property = \"fraction\"\nof = 1", "mean(x[1])"),
        ("property = \"correlation\"\nof = 2\nbins = 5", "correlation(x[2], x[2], 5)"),
        ("property = \"interface\"\nof = \"1\"\nweight = 10", crofton.as_str()),
    ] {
        let want = losses(built_in);
        let got = losses(&format!("formula = \"\"\"{formula}\"\"\""));
        assert_eq!((want.len(), want[0].len()), (10, got[0].len()), "{formula}");
        for (iteration, (got, want)) in got.iter().zip(&want).enumerate() {
            for (got, want) in got.iter().zip(want) {
                assert!(
                    (got - want).abs() <= 1e-5 * want.abs().max(1.0),
                    "{formula}, {iteration}: {got} {want}"
                );
            }
        }
        assert!(want[0] != want[9], "{formula}: nothing was trained");
    }
}

#[test]
fn a_formula_that_cannot_be_trained_stops_before_the_data_are_made() {
    let text =
        |formula: &str| format!("data = \"circles\"\n[[ask]]\nname = \"own\"\nformula = \"{formula}\"\n");
    let config = Config::from_toml(&text("mean(ln(x[1] - 1))"), "test").unwrap();
    let problem = Trainer::new(&config).err().unwrap().to_string();
    assert!(problem.starts_with("ask.own: error: ln(x[1] - 1) is no finite number"), "{problem}");
    assert!(problem.ends_with("\n  mean(ln(x[1] - 1))\n       ^^^^^^^^^^^^"), "{problem}");
    // A mistake of spelling, where the configuration is read.
    for (formula, says) in [
        (
            "meen(x[1])",
            "f.toml: ask.own.formula: unknown name \"meen\": did you mean mean?\n  meen(x[1])\n  ^^^^",
        ),
        ("mean(x[3])", "f.toml: ask.own.formula: is no class of the images: they have classes 0 to 2\n"),
    ] {
        let problem = Config::from_toml(&text(formula), "f.toml").unwrap_err();
        assert!(problem.to_string().starts_with(says), "{problem}");
        assert_eq!(problem.exit_code(), 2);
    }
    let unnamed = Config::from_toml("data = \"circles\"\n[[ask]]\nformula = \"mean(x[1])\"", "f.toml");
    assert!(unnamed.unwrap_err().to_string().contains("ask.formula.name = \"\": a formula needs a name"));
    // A text of several lines comes back from the configuration that a run keeps.
    let text = "data = \"circles\"\n[[ask]]\nname = \"own\"\nunit = \"1/px\"\nformula = \"\"\"\nlet a = x[1];\n\tmean(a)\"\"\"\n";
    let config = Config::from_toml(text, "test").unwrap();
    assert_eq!(Config::from_toml(&config.to_toml(), "test").unwrap(), config);
    assert_eq!(config.asks[0].options().word("formula"), "let a = x[1];\n\tmean(a)");
}
