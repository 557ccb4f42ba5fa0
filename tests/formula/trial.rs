//! The trial of a formula before it is trained.

use invnet::invariance::Ask;
use invnet::invariance::formula::{self, Formula, Severity};
use invnet::op::Border;

use super::{BORDERS, images};

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

#[test]
fn a_property_says_what_its_formula_is_warned_of() {
    let warned = |formula: &str| {
        let mut ask = Ask::new("formula").unwrap();
        for (key, value) in [("name", "own"), ("formula", formula)] {
            ask.options_mut().set(key, toml::Value::String(value.into())).unwrap();
        }
        let property = ask.of(&images([64, 64], Border::Open)).map_err(|(_, problem)| problem).unwrap();
        property.invariance().check()
    };
    assert_eq!(warned("mean(x[1])"), Ok(Vec::new()));
    // What is no more than noted is not.
    assert_eq!(warned("mean(max(x[1], 0.5))"), Ok(Vec::new()));
    let warnings = warned("mean(x[0] + x[1] + x[2])").unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].contains("is the same, 1.000000, for every image"),
        "{warnings:?}"
    );
    let problem = warned("mean(ln(x[1] - 1))").unwrap_err();
    assert!(problem.contains("is no finite number on ordinary images"), "{problem}");
}
