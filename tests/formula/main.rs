//! Formulas against the properties they spell out, against plain loops, and against differences.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod derivatives;
mod documents;
mod training;
mod trial;
mod values;

use common::Build;
use invnet::gradcheck::{Input, Values, numbers, relative_error};
use invnet::invariance::Images;
use invnet::invariance::formula::Formula;
use invnet::op::Border;
use invnet::shape::Shape;
use invnet::tape::Var;

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

/// The asks of the TOML blocks of `docs/formula.md`: name and formula.
fn documented() -> Vec<(String, String)> {
    let text = include_str!("../../docs/formula.md");
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
