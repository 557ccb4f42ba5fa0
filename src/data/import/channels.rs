//! Arrays with some entries at every pixel: one for each class, one 1 among zeros or probabilities, or those of
//! a colour.

use super::collect::{Frame, Rows, Values};
use super::colours::Samples;
use super::layout::{COLOURS, Layout, Order};
use crate::error::{Error, Result};

/// An array of more images than this is not taken for the layers of one.
const MOST_LAYERS: usize = 16;
/// Probabilities that were rounded add up to 1 within this.
const ROUNDED: f64 = 1e-3;
/// An error lists at most so many entries.
const LISTED: usize = 8;

/// Adds rows of an image whose values are as `layout` says: whole rows, or with layers the whole image.
/// Three or four `bytes` a pixel are a colour where options or values say so.
///
/// # Errors
/// [`Error::File`] if a value does not fit.
pub(super) fn push(rows: &mut Rows, layout: &Layout, bytes: bool, values: Values) -> Result<()> {
    if layout.channels == 1 {
        if rows.options().argmax {
            let problem =
                "has one value for each pixel, and --argmax takes the largest of several: leave it out";
            return Err(rows.frame().error(problem));
        }
        return rows.rows(&values);
    }
    let options = rows.options();
    match &values {
        Values::Integers(values) if bytes && COLOURS.contains(&layout.channels) && !options.argmax => {
            let by_value = options.threshold.is_some() || !options.levels.is_empty();
            if rows.takes_colours() || by_value && !all_are_one(layout, values) {
                return colours(rows, layout, values);
            }
            if values.iter().any(|&v| v > 1) {
                rows.meet_colours();
            }
        }
        _ if options.colours.is_some() => {
            let problem = "--colours takes three or four bytes (uint8) a pixel: red, green, blue, opacity";
            return Err(rows.frame().error(problem));
        }
        _ => {}
    }
    let options = rows.options();
    if options.threshold.is_some() || !options.levels.is_empty() {
        return Err(rows.frame().error(format!(
            "has {} entries for each pixel, which say its class: --threshold and --levels have no place here",
            layout.channels
        )));
    }
    let entries: Vec<f64> = match values {
        Values::Integers(values) => values.into_iter().map(|v| v as f64).collect(),
        Values::Reals(values) => values,
        Values::Classes(_) => vec![],
    };
    let (pixels, first) = (entries.len() / layout.channels, rows.rows_before() * layout.width);
    let [of_pixel, of_entry] = if layout.order == Order::Layers { [1, pixels] } else { [layout.channels, 1] };
    let classes = (0..pixels).map(|pixel| {
        let entry = |class: usize| entries[pixel * of_pixel + class * of_entry];
        if options.argmax { largest(layout.channels, entry) } else { one(layout.channels, entry) }
            .ok_or_else(|| refuse(rows.frame(), first + pixel, layout.channels, options.argmax, entry))
    });
    let classes = classes.collect::<Result<Vec<u8>>>()?;
    rows.rows(&Values::Classes(classes))
}

/// Whether every pixel has one 1 among zeros.
fn all_are_one(layout: &Layout, values: &[i64]) -> bool {
    let (each, pixels) = (layout.channels, values.len() / layout.channels);
    let [of_pixel, of_entry] = if layout.order == Order::Layers { [1, pixels] } else { [each, 1] };
    (0..pixels).all(|pixel| one(each, |k| values[pixel * of_pixel + k * of_entry] as f64).is_some())
}

/// Adds rows of which each pixel is a colour.
fn colours(rows: &mut Rows, layout: &Layout, values: &[i64]) -> Result<()> {
    let (each, pixels) = (layout.channels, values.len() / layout.channels);
    let mixed: Vec<i64>;
    let values = if layout.order == Order::Layers {
        mixed = (0..values.len()).map(|i| values[i % each * pixels + i / each]).collect();
        &mixed
    } else {
        values
    };
    let options = rows.options();
    let guessed = options.colours.is_none() && options.threshold.is_none() && options.levels.is_empty();
    match rows.samples(&Samples { values, colours: 3, opaque: (each == 4).then_some(255), bits: 8 }) {
        Err(Error::File { path, problem }) if guessed => {
            let problem = format!("{problem}; if a pixel has entries of classes, --argmax takes the largest");
            Err(Error::File { path, problem })
        }
        other => other,
    }
}

/// The one entry that is 1, if all others are 0.
fn one(channels: usize, entry: impl Fn(usize) -> f64) -> Option<u8> {
    let class = (0..channels).find(|&c| entry(c) != 0.0).filter(|&c| entry(c) == 1.0)?;
    (class + 1..channels).all(|c| entry(c) == 0.0).then_some(class as u8)
}

/// The largest entry; of equal ones the first.
fn largest(channels: usize, entry: impl Fn(usize) -> f64) -> Option<u8> {
    let mut best = 0;
    for class in 0..channels {
        if entry(class).is_nan() {
            return None;
        }
        if entry(class) > entry(best) {
            best = class;
        }
    }
    Some(best as u8)
}

fn refuse(frame: &Frame, pixel: usize, channels: usize, argmax: bool, entry: impl Fn(usize) -> f64) -> Error {
    let mut list: Vec<String> = (0..channels.min(LISTED)).map(|c| entry(c).to_string()).collect();
    if channels > LISTED {
        list.push("...".into());
    }
    let what = format!("{} has the entries {}", frame.pixel(pixel), list.join(", "));
    frame.error(if argmax {
        format!("{what}, of which none is the largest")
    } else {
        format!(
            "{what}, not one 1 among zeros: --argmax takes the largest for the class, --layout says what else the axes are"
        )
    })
}

/// Looks for images that together are the layers of one: whole and fractional parts of every pixel.
pub(super) struct Layers {
    /// As far as there are values: a shape alone takes no memory.
    sums: Vec<f64>,
    /// Pixels of an image.
    pixels: usize,
    /// The place of the next value.
    at: usize,
    /// Whether they may still be.
    possible: bool,
}

impl Layers {
    /// For `count` images of `pixels` each.
    pub fn new(count: usize, pixels: usize) -> Self {
        let possible = (2..=MOST_LAYERS).contains(&count);
        Self { sums: Vec::new(), pixels, at: 0, possible }
    }

    /// Sees the next values, which end at the latest with their image.
    pub fn see(&mut self, values: &Values) {
        match values {
            _ if !self.possible => {}
            Values::Integers(values) => self.add(values.iter().map(|&v| v as f64)),
            Values::Reals(values) => self.add(values.iter().copied()),
            Values::Classes(_) => self.possible = false,
        }
    }

    fn add(&mut self, values: impl Iterator<Item = f64>) {
        for value in values {
            if !(0.0..=1.0).contains(&value) {
                self.possible = false;
                return;
            }
            match self.sums.get_mut(self.at) {
                Some(sum) => *sum += value,
                None => self.sums.push(value),
            }
            self.at = (self.at + 1) % self.pixels;
        }
    }

    /// What to say of these images if every pixel's values add up to 1.
    pub fn refusal(&self, count: usize) -> Option<String> {
        let found = self.possible && self.sums.iter().all(|sum| (sum - 1.0).abs() <= ROUNDED);
        found.then(|| {
            format!(
                "its {count} images add up to 1 at every pixel, as the classes of one image do: \
                 give --layout CHW if that is so, else --layout NHW"
            )
        })
    }
}
