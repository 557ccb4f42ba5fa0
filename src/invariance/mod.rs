//! Properties of images in closed form, differentiable, and the losses that pull them to a target.
//!
//! A *kind* of property is one file and one line of [`KINDS`]; asked of images of some size and
//! classes it becomes a [`Property`]: named numbers with units, and the [`Invariance`] that measures
//! them on a tape, scales them for the networks, and says how a target is completed and shown.
//!
//! Numbers have two forms. A person asks in a person's units (pixels, degrees, shares). The networks
//! and the losses see *normalised* numbers: areas over the number of pixels, positions over the side,
//! so that each is of the order of 1. Pixel centres are at 0..W-1 and 0..H-1. Of figures, channel 0 is
//! the background and each other channel is one figure.

mod correlation;
mod cross;
mod curve;
mod directional;
pub mod formula;
mod fraction;
mod interface;
mod moments;
mod second_moments;
mod tally;

use std::sync::Arc;

pub(crate) use correlation::transformed;
pub use correlation::{Correlation, correlation, two_point_map};
pub use cross::{Cross, cross_correlation};
pub use directional::{Directional, directional};
pub use fraction::{Fraction, Fractions, fraction, fractions};
pub use interface::{Between, Intercept, Interface, intercepts, interface};
pub use moments::{Centroid, Extent, area, centroid};
pub use second_moments::{SecondMoments, second_moments};
pub use tally::{Flip, Tally};

use crate::op::Border;
use crate::options::{Key, Options};
use crate::tape::Var;

/// The images that properties are asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// Rows and columns, in pixels.
    pub size: [usize; 2],
    /// Classes of a pixel, the channels of an image.
    pub classes: usize,
    /// What lies beyond the edge.
    pub border: Border,
}

impl Images {
    /// Pixels of an image.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }
}

/// One number of a property, as a person asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name in targets and tables.
    pub name: String,
    /// Its unit; empty for a share.
    pub unit: String,
    /// The smallest and the largest value that any image could have.
    pub possible: (f64, f64),
    /// After how much it means the same again, as an angle does; none of most numbers.
    pub turn: Option<f64>,
    /// Whether it is a coordinate; pixel centres are at 0, 1, ...
    pub position: bool,
}

impl Column {
    /// A number with that name, unit and possible range.
    #[must_use]
    pub fn new(name: impl Into<String>, unit: &str, possible: (f64, f64)) -> Self {
        Self { name: name.into(), unit: unit.to_owned(), possible, position: false, turn: None }
    }

    /// The same number, which means the same again after so much.
    #[must_use]
    pub fn turning(self, turn: f64) -> Self {
        Self { turn: Some(turn), ..self }
    }

    /// How far a measured number is from an asked one, of an angle the short way round.
    #[must_use]
    pub fn error(&self, measured: f64, asked: f64) -> f64 {
        let error = measured - asked;
        self.turn.map_or(error, |turn| error - turn * (error / turn).round())
    }

    /// The same of a coordinate.
    #[must_use]
    pub fn coordinate(name: impl Into<String>, possible: (f64, f64)) -> Self {
        Self { position: true, ..Self::new(name, "px", possible) }
    }
}

/// How a report shows asked against measured.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// A bar for each target and number (paper Fig. 3).
    Bars,
    /// Points along a diagonal, for each number (paper Fig. 5 c).
    Bubbles,
    /// All numbers of a target as a curve over `x`.
    Curve {
        /// Where its points are.
        x: Vec<f64>,
        /// What that is.
        x_name: String,
        /// What the curve is of.
        y_name: String,
    },
    /// All numbers of a target as bars, one for each class (paper Fig. 7).
    Shares,
}

/// How nearly numbers of class maps can be met, where nothing else is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grain {
    /// Counts of pixels over their number: each within half a pixel.
    Count,
    /// Counts of pixels that sum to all: each within a pixel.
    Partition,
    /// Places in pixels.
    Place,
    /// Points of a curve of probabilities.
    Curve,
    /// Anything else: a share of the largest of the numbers, or of a turn.
    Share,
}

/// How a property is measured, and what follows from its definition.
pub trait Invariance: Send + Sync {
    /// Measures images `[N, H, W, C]` of class probabilities: `[N, D]`, normalised, D the number of
    /// columns.
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t>;

    /// Squared distance, summed over the numbers and averaged over the batch (paper Eq. 3, 6 to 9).
    fn loss<'t>(&self, measured: Var<'t>, target: Var<'t>) -> Var<'t> {
        (measured - target).square().sum().scale(1.0 / measured.shape()[0] as f64)
    }

    /// Measures one class map `[H, W]`, normalised `[D]`, with NaN where there is nothing to measure;
    /// none where the tape's measure of the crisp image says it all.
    fn on_map(&self, _map: &[u8]) -> Option<Vec<f64>> {
        None
    }

    /// A person's numbers `[D]`, normalised.
    fn normalised(&self, asked: &[f32]) -> Vec<f64> {
        asked.iter().map(|&v| f64::from(v)).collect()
    }

    /// Normalised numbers `[D]` in a person's units.
    fn in_units(&self, normalised: &[f64]) -> Vec<f32> {
        normalised.iter().map(|&v| v as f32).collect()
    }

    /// Whether its numbers hang together, with each other and with other properties, so that those
    /// a target leaves open must come from one image.
    fn joint(&self) -> bool {
        true
    }

    /// Fills the numbers `[D]` that a target leaves open; `row` holds those of an image, and afterwards the
    /// target, which has what is given as it is given.
    ///
    /// # Errors
    /// What no image can have.
    fn complete(&self, target: &[Option<f32>], row: &mut [f32]) -> Result<(), String> {
        fill(target, row);
        Ok(())
    }

    /// Numbers `[D]` from all that can be asked for, made of random words; `ranges` are those of
    /// the data. None where only images know what is possible.
    fn prior(&self, _ranges: &[(f64, f64)], _words: &mut dyn Iterator<Item = u32>) -> Option<Vec<f32>> {
        None
    }

    /// How nearly its numbers can be met.
    fn grain(&self) -> Grain {
        Grain::Share
    }

    /// Brings normalised numbers `[D]` to the nearest that an image could have, beyond what the possible
    /// ranges of its columns say.
    fn nearest_possible(&self, _normalised: &mut [f64]) {}

    /// Its numbers of a class map of such images as they follow single pixels, where that is cheap.
    fn tally(&self, _images: &Images, _map: &[u8]) -> Option<Box<dyn Tally>> {
        None
    }

    /// The class whose share of the image its number `i` is on class maps; none of a number that is no
    /// share.
    fn share(&self, _i: usize) -> Option<usize> {
        None
    }

    /// The class whose centre its number `i` is a coordinate of, and which one: 0 along the rows, 1 down the
    /// columns.
    fn place(&self, _i: usize) -> Option<(usize, usize)> {
        None
    }

    /// The class whose two-point correlation its numbers are, at distances of 0, 1, ... pixels.
    fn two_point(&self) -> Option<usize> {
        None
    }

    /// Targets `[D]` that a report repeats; none leaves the choice to the data.
    fn protocol(&self) -> Vec<Vec<f32>> {
        Vec::new()
    }

    /// Tries it out before a training: what may go wrong.
    ///
    /// # Errors
    /// What makes it impossible to train with.
    fn check(&self) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    /// How a report shows it.
    fn view(&self) -> View;
}

/// Takes over what a target gives.
fn fill(target: &[Option<f32>], row: &mut [f32]) {
    for (value, wanted) in row.iter_mut().zip(target) {
        *value = wanted.unwrap_or(*value);
    }
}

/// What the maker of a property returns.
pub struct Made {
    /// Its numbers.
    pub columns: Vec<Column>,
    /// How they are measured.
    pub invariance: Box<dyn Invariance>,
}

/// A mistake in the options of a property: the key, and what is wrong.
pub type Mistake = (&'static str, String);

/// A kind of property.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name in a configuration.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its keys, beside those of [`COMMON`].
    pub keys: &'static [Key],
    /// The weight of its loss where none is given.
    pub weight: f64,
    /// Asks it of images. The second argument is the name that the person gave, or empty.
    pub make: fn(&Options, &str, &Images) -> Result<Made, Mistake>,
}

/// Every kind of property.
pub const KINDS: &[Kind] = &[
    moments::AREA,
    moments::RADIUS,
    moments::CENTROID,
    second_moments::SECOND_MOMENTS,
    fraction::FRACTION,
    fraction::FRACTIONS,
    correlation::CORRELATION,
    directional::DIRECTIONAL,
    cross::CROSS,
    interface::INTERFACE,
    interface::INTERCEPT,
    formula::FORMULA,
];

/// The keys that every property has.
pub const COMMON: [Key; 2] = [
    Key::text("name", "", "a word", "names its numbers, and it in the log; empty for the usual names"),
    Key::real("weight", -1.0, (0.0, 1e6), "a number from 0 to 1000000", "of its loss"),
];

/// The key of a class that a property concerns.
pub const OF: Key =
    Key::whole("of", 1, (0, 255), "a class of the images, counted from 0", "the class that counts");

/// One property that is asked for: a kind and its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    kind: &'static str,
    options: Options,
}

impl Ask {
    /// The defaults of a kind of property.
    ///
    /// # Errors
    /// If there is no such kind: what is wrong.
    pub fn new(kind: &str) -> Result<Self, String> {
        let Some(kind) = KINDS.iter().find(|k| k.name == kind) else {
            let names: Vec<&str> = KINDS.iter().map(|k| k.name).collect();
            return Err(format!("no such property: there are {}", names.join(", ")));
        };
        let mut options = Options::new(COMMON.iter().chain(kind.keys).copied());
        options.set("weight", toml::Value::Float(kind.weight))?;
        Ok(Self { kind: kind.name, options })
    }

    /// As a table of a configuration: its kind and its options.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut table = self.options.to_table();
        table.insert("property".into(), toml::Value::String(self.kind.into()));
        table.to_string()
    }

    /// What [`Ask::to_toml`] wrote.
    ///
    /// # Errors
    /// If it is of a kind or has a key that there is not: what is wrong.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let mut table = text.parse::<toml::Table>().map_err(|e| e.message().to_owned())?;
        let kind = table.remove("property");
        let mut ask = Self::new(kind.as_ref().and_then(toml::Value::as_str).unwrap_or_default())?;
        for (key, value) in table {
            ask.options.set(&key, value).map_err(|problem| format!("{key}: {problem}"))?;
        }
        Ok(ask)
    }

    /// The name of its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What it is called in a log and in `--set ask.NAME.KEY`: the name it was given, or its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.options.word("name") {
            "" => self.kind,
            name => name,
        }
    }

    /// Its options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Its options, to be changed.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Whether the name that it was given, if any, is one that tables and `--target` can have.
    #[must_use]
    pub fn well_named(&self) -> bool {
        let mut letters = self.options.word("name").chars();
        letters.next().is_none_or(char::is_alphabetic)
            && letters.all(|c| c.is_alphanumeric() || "_-".contains(c))
    }

    /// The property, asked of images.
    ///
    /// # Errors
    /// If these images cannot be asked for it: the key and what is wrong.
    pub fn of(&self, images: &Images) -> Result<Property, Mistake> {
        let kind = KINDS.iter().find(|k| k.name == self.kind).expect("made of a kind");
        let made = (kind.make)(&self.options, self.options.word("name"), images)?;
        Ok(Property {
            name: self.name().to_owned(),
            weight: self.options.real("weight"),
            columns: made.columns,
            invariance: made.invariance.into(),
        })
    }
}

/// A property asked of images.
#[derive(Clone)]
pub struct Property {
    name: String,
    weight: f64,
    columns: Vec<Column>,
    invariance: Arc<dyn Invariance>,
}

impl Property {
    /// Its name in logs and in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The weight of its loss.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Its numbers.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How it is measured.
    #[must_use]
    pub fn invariance(&self) -> &dyn Invariance {
        &*self.invariance
    }
}

/// The numbers of several properties side by side, normalised: `[N, total]`.
pub fn measure_all<'t>(properties: &[Property], x: Var<'t>) -> Var<'t> {
    let parts: Vec<Var<'t>> = properties.iter().map(|p| p.invariance().measure(x)).collect();
    x.tape().concat(&parts, 1)
}

/// The class of a key, if the images have it.
///
/// # Errors
/// The key, and the classes that there are.
pub fn class(options: &Options, key: &'static str, images: &Images) -> Result<usize, Mistake> {
    let class = options.whole(key);
    if class < images.classes {
        return Ok(class);
    }
    Err((key, format!("the images have classes 0 to {}", images.classes - 1)))
}

/// `PREFIX0`, `PREFIX1`, ...: names of numbers counted from `first`.
fn numbered(prefix: &str, first: usize, count: usize) -> impl Iterator<Item = String> {
    (first..first + count).map(move |i| format!("{prefix}{i}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_and_their_keys_have_names_of_their_own() {
        for (i, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..i].iter().all(|k| k.name != kind.name), "{} stands twice", kind.name);
            assert!(!kind.about.is_empty() && kind.weight >= 0.0);
            let keys: Vec<&Key> = COMMON.iter().chain(kind.keys).collect();
            for (j, key) in keys.iter().enumerate() {
                assert!(keys[..j].iter().all(|k| k.name != key.name), "{}: {} twice", kind.name, key.name);
                assert!(!key.about.is_empty() && !key.allowed.is_empty(), "{}: {}", kind.name, key.name);
            }
        }
    }

    #[test]
    fn every_kind_measures_as_many_numbers_as_it_names() {
        use crate::device::Cpu;
        use crate::plan::Plan;
        use crate::store::Store;
        use crate::tape::Tape;
        let images = Images { size: [8, 8], classes: 3, border: Border::Periodic };
        for kind in KINDS {
            let mut ask = Ask::new(kind.name).unwrap();
            if ask.options().has("bins") {
                ask.options_mut().set("bins", toml::Value::Integer(4)).unwrap();
            }
            if ask.options().has("formula") {
                for (key, value) in [("name", "own"), ("formula", "correlation(x[1], x[2], 3)")] {
                    ask.options_mut().set(key, toml::Value::String(value.into())).unwrap();
                }
            }
            let property = ask.of(&images).map_err(|(key, problem)| format!("{key}: {problem}")).unwrap();
            assert_eq!(property.invariance().check(), Ok(Vec::new()), "{}", kind.name);
            let mut store = Store::new(Cpu::<f64>::new());
            let values: Vec<f64> = (0..2 * 64 * 3).map(|i| f64::from(i % 7) / 7.0).collect();
            let x = store.add_real("x", [2, 8, 8, 3], &values).unwrap();
            let tape = Tape::new();
            let measured = property.invariance().measure(store.var(&tape, x));
            let count = property.columns().len();
            assert_eq!(measured.shape().to_vec(), [2, count], "{}", kind.name);
            let plan = Plan::new(&tape, &[measured], &store);
            plan.run(&mut store).unwrap();
            let found = plan.read(&mut store, 0).unwrap();
            // What a person reads and asks for again is the same.
            for row in found.chunks_exact(count) {
                let again = property.invariance().normalised(&property.invariance().in_units(row));
                assert!(row.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-5), "{}: {row:?}", kind.name);
            }
        }
    }
}
