//! The rule that makes classes of values, and what to say where it cannot.

use std::collections::BTreeSet;
use std::fmt;

use super::Options;
use super::collect::{Frame, MOST, Values};
use super::colours::Colours;
use crate::data::polycrystal::PolycrystalWorld;
use crate::error::{Error, Result};
use crate::words::counted;

/// Without a stated number of classes, larger numbers than this are grey levels, not labels.
const MOST_ASSUMED: usize = 16;
/// An error lists at most so many levels.
const LISTED: usize = 8;
/// An image of more than this many levels is not looked through further.
const COUNTED: usize = 1 << 16;
/// The longest side of an image that is asked for.
pub(super) const MOST_SIDE: usize = 16_384;

/// How values become classes.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    pub options: &'a Options,
    /// The number of the first class where numbers are classes.
    pub first: i64,
    /// Number of classes as the source states it.
    pub stated: Option<usize>,
}

/// Why an image has no classes. It is filled as the image is read on, so that the advice covers all
/// of it.
pub(super) enum Refusal {
    /// A number that is no label.
    Number { problem: String, levels: BTreeSet<i64> },
    /// Real numbers, and no rule for them. The levels are the first few, as they came.
    Reals { low: f64, high: f64, levels: Vec<f64> },
}

impl Rule<'_> {
    /// Whether whole numbers are labels of classes as they stand.
    pub fn numbers_are_classes(&self) -> bool {
        self.options.threshold.is_none() && self.listed() == 0
    }

    /// Number of levels or colours that the user lists.
    pub fn listed(&self) -> usize {
        match &self.options.colours {
            Some(Colours::List(colours)) => colours.len(),
            _ => self.options.levels.len(),
        }
    }

    /// Number of classes, if the source says.
    pub fn stated(&self) -> Option<usize> {
        self.stated.filter(|_| self.numbers_are_classes())
    }

    /// The class of every pixel of rows from `row` on, before any packing: a label less the first one,
    /// the place of a level in the list, the side of the threshold.
    ///
    /// # Errors
    /// [`Error::File`] for a value that fits nothing; a [`Refusal`] where advice needs the whole image.
    pub fn classes(&self, frame: &Frame, row: usize, values: &Values) -> Result<Result<Vec<u8>, Refusal>> {
        let start = row * frame.width;
        match values {
            Values::Classes(classes) => Ok(Ok(classes.clone())),
            _ if self.options.colours.is_some() => {
                Err(frame.error("holds numbers and no colours: leave --colours out"))
            }
            Values::Integers(values) if self.numbers_are_classes() => Ok(self.labels(frame, start, values)),
            Values::Integers(values) => {
                let values: Vec<f64> = values.iter().map(|&v| v as f64).collect();
                self.by_value(frame, start, &values).map(Ok)
            }
            Values::Reals(values) if self.numbers_are_classes() => {
                let mut refusal =
                    Refusal::Reals { low: f64::INFINITY, high: f64::NEG_INFINITY, levels: vec![] };
                refusal.see_reals(values);
                Ok(Err(refusal))
            }
            Values::Reals(values) => self.by_value(frame, start, values).map(Ok),
        }
    }

    fn labels(&self, frame: &Frame, start: usize, values: &[i64]) -> Result<Vec<u8>, Refusal> {
        // A number of classes that the user gives is compared when all labels are known.
        let below = match (self.options.classes, self.stated()) {
            (Some(_), _) => MOST,
            (None, stated) => stated.unwrap_or(MOST_ASSUMED),
        } as i64;
        let class = |v: i64| v.checked_sub(self.first).filter(|c| (0..below).contains(c)).map(|c| c as u8);
        convert(values, class).map_err(|i| {
            let numbers = if self.first == 0 {
                format!("a class number below {below}")
            } else {
                format!("a number of {} to {}", self.first, self.first + below - 1)
            };
            let many = self.options.classes.is_none() && self.stated().is_none();
            let hint = if many && values[i] >= self.first { " (or more --classes)" } else { "" };
            let problem =
                format!("{} is {}, where {numbers}{hint} is needed", frame.pixel(start + i), values[i]);
            let mut refusal = Refusal::Number { problem, levels: BTreeSet::new() };
            refusal.see_numbers(values);
            refusal
        })
    }

    /// Classes by threshold or by listed levels.
    fn by_value(&self, frame: &Frame, start: usize, values: &[f64]) -> Result<Vec<u8>> {
        let refuse =
            |i: usize, why: &str| frame.error(format!("{} is {}, {why}", frame.pixel(start + i), values[i]));
        if let Some(threshold) = self.options.threshold {
            return convert(values, |v| (!v.is_nan()).then_some(u8::from(v >= threshold)))
                .map_err(|i| refuse(i, "which no threshold can judge: give such pixels a number first"));
        }
        let levels = &self.options.levels;
        convert(values, |v| levels.iter().position(|&l| l == v).map(|class| class as u8))
            .map_err(|i| refuse(i, &format!("which is not among --levels {}", list(levels.iter()))))
    }
}

impl Refusal {
    /// Takes note of further values of the image.
    pub fn see(&mut self, values: &Values) {
        match values {
            Values::Integers(values) => self.see_numbers(values),
            Values::Reals(values) => self.see_reals(values),
            Values::Classes(_) => {}
        }
    }

    /// Takes note of the labels that were there before, with their number of pixels.
    pub fn saw(&mut self, rule: &Rule, pixels: &[u64; MOST]) {
        if let Self::Number { levels, .. } = self {
            levels.extend((0..MOST).filter(|&c| pixels[c] > 0).map(|c| c as i64 + rule.first));
        }
    }

    fn see_numbers(&mut self, values: &[i64]) {
        if let Self::Number { levels, .. } = self {
            for value in values {
                if levels.len() <= COUNTED {
                    levels.insert(*value);
                }
            }
        }
    }

    fn see_reals(&mut self, values: &[f64]) {
        if let Self::Reals { low, high, levels } = self {
            for &value in values {
                (*low, *high) = (low.min(value), high.max(value));
                if levels.len() <= LISTED && !levels.contains(&value) {
                    levels.push(value);
                }
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { problem, levels } if levels.len() <= LISTED => {
                let list = list(levels.iter());
                write!(f, "{problem}; if the levels of this image are the classes, give --levels {list}")
            }
            Self::Number { problem, levels } => {
                let more = if levels.len() > COUNTED { "more than " } else { "" };
                let (low, high) = (levels.first().unwrap_or(&0), levels.last().unwrap_or(&0));
                write!(
                    f,
                    "{problem}; the image has {more}{}, {low} to {high}: give --threshold T or --levels, or \
                     --orientations N if they are grains",
                    counted(levels.len().min(COUNTED), "level")
                )
            }
            Self::Reals { low, high, levels } => {
                let (low, high) = (*low as f32, *high as f32);
                write!(
                    f,
                    "holds real numbers from {low} to {high}: give --threshold T (class 1 from T on) or --levels"
                )?;
                if levels.len() <= LISTED && levels.iter().all(|v| v.is_finite()) {
                    let mut levels = levels.clone();
                    levels.sort_by(f64::total_cmp);
                    write!(f, " {}", list(levels.iter()))?;
                }
                Ok(())
            }
        }
    }
}

fn list<T: ToString>(values: impl Iterator<Item = T>) -> String {
    values.map(|v| v.to_string()).collect::<Vec<_>>().join(",")
}

/// The class of every value, or the index of the first that has none.
fn convert<T: Copy>(values: &[T], class: impl Fn(T) -> Option<u8>) -> Result<Vec<u8>, usize> {
    values.iter().enumerate().map(|(i, &v)| class(v).ok_or(i)).collect()
}

/// Refuses options that contradict each other.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn check(options: &Options) -> Result<()> {
    let refuse = |problem: String| Err(Error::Usage(problem));
    let levels = &options.levels;
    if options.threshold.is_some() && !levels.is_empty() {
        return refuse("--threshold and --levels both make classes of values: give one of them".into());
    }
    if options.colours.is_some() && (options.threshold.is_some() || !levels.is_empty()) {
        return refuse("--colours, --threshold and --levels all make classes: give one of them".into());
    }
    if options.colours.is_some() && options.argmax {
        return refuse("--colours makes classes of colours and --argmax of entries: give one of them".into());
    }
    if let Some(count) = options.orientations {
        let others = options.threshold.is_some() || options.colours.is_some() || !levels.is_empty();
        if others || options.classes.is_some() || options.argmax || options.keep_labels {
            return refuse(
                "--orientations takes grain numbers and makes the classes itself: leave out --threshold, \
                 --levels, --colours, --classes, --keep-labels and --argmax"
                    .into(),
            );
        }
        let range = PolycrystalWorld::ORIENTATIONS;
        if !range.contains(&count) {
            return refuse(format!("--orientations {count}: must be {} to {}", range.start(), range.end()));
        }
    }
    if let Some(value) = options.threshold.iter().chain(levels).find(|v| !v.is_finite()) {
        return refuse(format!("{value} is no threshold and no level: give a finite number"));
    }
    if let Some((i, level)) = levels.iter().enumerate().find(|&(i, l)| levels[..i].contains(l)) {
        return refuse(format!("--levels names {level} twice: a level is one class (here {i} too)"));
    }
    if levels.len() == 1 || levels.len() > MOST {
        return refuse(format!(
            "--levels names {}: 2 to {MOST} can be classes",
            counted(levels.len(), "value")
        ));
    }
    let listed = match &options.colours {
        Some(Colours::List(colours)) => colours.len(),
        _ => levels.len(),
    };
    let least = if options.threshold.is_some() { 2 } else { listed.max(1) };
    if let Some(classes) = options.classes.filter(|c| !(least..=MOST).contains(c)) {
        return refuse(format!("--classes {classes}: must be {least} to {MOST}"));
    }
    let made = if options.threshold.is_some() { 2 } else { listed };
    if let Some(classes) = options.classes.filter(|_| made > 0).filter(|&classes| classes != made) {
        let by = ["--threshold", "--colours", "--levels"]
            [if options.threshold.is_some() { 0 } else { 2 - usize::from(options.colours.is_some()) }];
        return refuse(format!("--classes {classes}: {by} makes {made} classes: leave --classes out"));
    }
    if options.keep_labels && made > 0 {
        return refuse(
            "--keep-labels is of labels, and --threshold, --levels and --colours make classes of values: leave it out"
                .into(),
        );
    }
    for (name, value) in [("--size", options.size), ("--shape", options.shape)] {
        let beyond = |side: &usize| !(1..=MOST_SIDE).contains(side);
        if let Some([h, w]) = value.filter(|sides| sides.iter().any(beyond)) {
            return refuse(format!("{name} {h}x{w}: rows and columns must be 1 to {MOST_SIDE}"));
        }
    }
    let Some(tile) = options.tile else {
        let given = [
            (options.stride.is_some(), "--stride"),
            (options.flips, "--flips"),
            (options.rotations, "--rotations"),
        ];
        return match given.iter().find(|(given, _)| *given) {
            Some((_, name)) => refuse(format!("{name} is of windows: give --tile S too")),
            None => Ok(()),
        };
    };
    if options.size.is_some() {
        return refuse("--tile keeps the scale and --size changes it: give one of them".into());
    }
    for (name, value, least) in [("--tile", tile, 2), ("--stride", options.stride.unwrap_or(tile), 1)] {
        if !(least..=MOST_SIDE).contains(&value) {
            return refuse(format!("{name} {value}: must be {least} to {MOST_SIDE} pixels"));
        }
    }
    Ok(())
}
