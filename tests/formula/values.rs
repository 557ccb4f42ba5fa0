//! What formulas are: against properties that are built in, and against plain loops.

use invnet::gradcheck::Input;
use invnet::invariance::{Between, area, centroid, correlation, fractions, interface};
use invnet::op::Border;

use super::common::{self, Build};
use super::{BORDERS, assert_equal, documented_as, measure, orders, soft};

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
        ("mean(x[0]) * (abs(-2) + sqrt(2) + exp(0.3) + ln(3) + 2 * tanh(0.4) + 3 * sigmoid(0.5))", |l| {
            let sigmoid = 1.0 / (1.0 + (-0.5f64).exp());
            let known = 2.0 + 2f64.sqrt() + 0.3f64.exp() + 3f64.ln() + 2.0 * 0.4f64.tanh() + 3.0 * sigmoid;
            mean(&l.classes[0]) * known
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
