//! A formula as a property that is asked for.

use super::{Formula, Measure, Severity, check};
use crate::invariance::{Column, Images, Invariance, Kind, Made, Mistake, View, numbered};
use crate::options::{Key, Options};
use crate::tape::Var;

/// `formula`: one number, named as the property, or a curve, named with 0, 1, ... after that.
pub(in crate::invariance) const FORMULA: Kind = Kind {
    name: "formula",
    about: "a formula of one's own, over the classes x[0], x[1], ... of the image: see docs/formula.md",
    keys: &[TEXT, UNIT],
    weight: 10.0,
    make,
};

const TEXT: Key =
    Key::text("formula", "", "a text, as \"mean(x[1])\"", "what is measured: one number or a curve");
const UNIT: Key = Key::text("unit", "", "a text, as \"1/px\"", "of its numbers");

fn make(options: &Options, name: &str, images: &Images) -> Result<Made, Mistake> {
    if name.is_empty() {
        return Err(("name", "a formula needs a name for its number".into()));
    }
    let formula = Formula::parse(options.word("formula")).map_err(|e| ("formula", e.to_string()))?;
    let measure = formula.on(images).map_err(|e| ("formula", e.to_string()))?;
    let column = |name| Column::new(name, options.word("unit"), (f64::NEG_INFINITY, f64::INFINITY));
    let columns = match measure.points() {
        None => vec![column(name.to_owned())],
        Some(points) => numbered(name, 0, points).map(column).collect(),
    };
    Ok(Made { columns, invariance: Box::new(Own { name: name.to_owned(), formula, measure }) })
}

/// A property that a person made up.
struct Own {
    name: String,
    formula: Formula,
    measure: Measure,
}

impl Invariance for Own {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.measure.measure(x)
    }

    fn check(&self) -> Result<Vec<String>, String> {
        let report = check(&self.formula, self.measure.images())?;
        Ok(report.shown(Severity::Warning).collect())
    }

    fn view(&self) -> View {
        match self.measure.points() {
            None => View::Bubbles,
            Some(points) => View::Curve {
                x: (0..points).map(|i| i as f64).collect(),
                x_name: "point of the curve".into(),
                y_name: self.name.clone(),
            },
        }
    }
}
