//! The examples of `docs/formula.md`.

use invnet::gradcheck::{Input, Values};
use invnet::invariance::formula::{self, Formula, Severity};
use invnet::op::Border;

use super::common::{self, Build};
use super::{BORDERS, documented, images, measure};

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
    let text = include_str!("../../docs/formula.md");
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
