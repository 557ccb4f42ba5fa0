//! Pixels with colours: levels where all are grey, classes where a colour means a class.
//!
//! A threshold takes the luma of a colour, 0.299 R + 0.587 G + 0.114 B. Else a colour is a class: one
//! of those that the user lists, in that order, or all that occur, from the darkest to the lightest.

use std::fmt;
use std::str::FromStr;

use super::collect::{Frame, Values};
use crate::error::Result;
use crate::words::counted;

/// 8 bits each of red, green and blue.
pub type Rgb = [u8; 3];

/// More colours than this are shades of a photograph or of smoothed edges, and no classes.
const MOST: usize = 32;
/// An error lists at most so many colours.
const LISTED: usize = 8;

/// Fewer shades than this between colours may be classes.
const SHADES: usize = 3;
/// Shades of an edge are rarer than what lies beside it, by this factor at least.
const RARER: f64 = 4.0;
/// A mixture of two colours may be so far from the line between them: what whole levels round.
const OFF_LINE: f64 = 2.0;

/// Colours that can be named: the basic ones of CSS, and orange.
const NAMES: [(&str, Rgb); 20] = [
    ("black", [0, 0, 0]),
    ("white", [255, 255, 255]),
    ("red", [255, 0, 0]),
    ("lime", [0, 255, 0]),
    ("blue", [0, 0, 255]),
    ("yellow", [255, 255, 0]),
    ("cyan", [0, 255, 255]),
    ("aqua", [0, 255, 255]),
    ("magenta", [255, 0, 255]),
    ("fuchsia", [255, 0, 255]),
    ("gray", [128, 128, 128]),
    ("grey", [128, 128, 128]),
    ("silver", [192, 192, 192]),
    ("maroon", [128, 0, 0]),
    ("green", [0, 128, 0]),
    ("navy", [0, 0, 128]),
    ("olive", [128, 128, 0]),
    ("purple", [128, 0, 128]),
    ("teal", [0, 128, 128]),
    ("orange", [255, 165, 0]),
];

/// Which colours are classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Colours {
    /// All that occur.
    All,
    /// These, the class of each its place.
    List(Vec<Rgb>),
}

impl FromStr for Colours {
    type Err = String;

    /// `all`, or names and `#rrggbb` with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        let colours: Vec<Rgb> = text.split(',').map(|word| colour(word.trim())).collect::<Result<_, _>>()?;
        if let Some(i) = (1..colours.len()).find(|&i| colours[..i].contains(&colours[i])) {
            return Err(format!("{} stands twice: a colour is one class", Shown(colours[i])));
        }
        if !(2..=MOST).contains(&colours.len()) {
            return Err(format!("{}: 2 to {MOST} can be classes", counted(colours.len(), "colour")));
        }
        Ok(Self::List(colours))
    }
}

fn colour(word: &str) -> Result<Rgb, String> {
    let digits = word.strip_prefix('#').filter(|d| d.len() == 6);
    if let Some(number) = digits.and_then(|d| u32::from_str_radix(d, 16).ok()) {
        return Ok(of_number(number));
    }
    let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    named.map(|(_, colour)| *colour).ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        format!("`{word}` is no colour: write #rrggbb, or one of {}", names.join(", "))
    })
}

/// A colour as people write it.
pub struct Shown(pub Rgb);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

/// The number `0xRRGGBB`, by which a data set keeps a colour as the label of a class.
#[must_use]
pub fn number([r, g, b]: Rgb) -> u32 {
    u32::from_be_bytes([0, r, g, b])
}

/// The colour of such a number.
#[must_use]
pub fn of_number(number: u32) -> Rgb {
    let [_, r, g, b] = number.to_be_bytes();
    [r, g, b]
}

/// Brightness of a colour as the eye has it (Rec. 601), of the same range as its parts.
pub(super) fn luma<T: Copy + Into<i64>>([r, g, b]: [T; 3]) -> f64 {
    // In whole numbers, so that grey is exactly its level.
    let sum = 299 * r.into() + 587 * g.into() + 114 * b.into();
    sum as f64 / 1000.0
}

/// Samples of some whole rows, pixel by pixel.
pub(super) struct Samples<'a> {
    pub values: &'a [i64],
    /// 1 for grey, 3 for red, green and blue.
    pub colours: usize,
    /// What the opacity of every pixel must be, if each has one.
    pub opaque: Option<i64>,
    /// Bits of a sample, 1 to 16.
    pub bits: u32,
}

/// The colours of a source as it is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Palette {
    /// Whether colours are classes; else they are refused, and noted.
    classes: bool,
    /// Whether the colours are given; else those that occur are added.
    fixed: bool,
    pub colours: Vec<Rgb>,
    /// Whether a pixel was refused because it has a colour.
    pub met: bool,
}

impl Palette {
    /// What the user asks for, if anything.
    pub fn of(asked: Option<&Colours>) -> Self {
        match asked {
            None => Self::default(),
            Some(Colours::All) => Self { classes: true, ..Self::default() },
            Some(Colours::List(list)) => {
                Self { classes: true, fixed: true, colours: list.clone(), met: false }
            }
        }
    }

    /// Whether classes are of colours.
    pub fn is_classes(&self) -> bool {
        self.classes
    }

    /// The same colours, and no others.
    pub fn fixed(self) -> Self {
        Self { fixed: true, ..self }
    }

    /// What rows of samples are: `first` is the number of the first pixel, `threshold` whether one will
    /// be applied.
    ///
    /// # Errors
    /// [`Error::File`](crate::error::Error::File) for a colour that is none of a list, or one too many, and for transparency.
    pub fn values(
        &mut self,
        frame: &Frame,
        first: usize,
        threshold: bool,
        samples: &Samples,
    ) -> Result<Values> {
        let each = samples.colours + usize::from(samples.opaque.is_some());
        if samples.opaque.is_some() {
            let clear = samples.values.chunks_exact(each).position(|p| p.last() != samples.opaque.as_ref());
            if let Some(i) = clear {
                let pixel = frame.pixel(first + i);
                return Err(frame.error(format!("{pixel} is transparent: what it shows is not clear")));
            }
        }
        let pixels = samples.values.chunks_exact(each).map(|pixel| &pixel[..samples.colours]);
        let is_grey = |pixel: &[i64]| pixel.iter().all(|c| *c == pixel[0]);
        if self.classes {
            return self.classes_of(frame, first, samples.bits, pixels).map(Values::Classes);
        }
        if threshold && samples.colours == 3 {
            return Ok(Values::Reals(pixels.map(|p| luma([p[0], p[1], p[2]])).collect()));
        }
        if let Some(i) = pixels.clone().position(|pixel| !is_grey(pixel)) {
            self.met = true;
            let pixel = frame.pixel(first + i);
            let colour = samples.values[i * each..].first_chunk::<3>().copied().unwrap_or_default();
            return Err(frame.error(format!(
                "{pixel} has the colour {colour:?}, which --levels cannot judge: give --colours or --threshold T"
            )));
        }
        Ok(Values::Integers(pixels.map(|pixel| pixel[0]).collect()))
    }

    fn classes_of<'a>(
        &mut self,
        frame: &Frame,
        first: usize,
        bits: u32,
        pixels: impl Iterator<Item = &'a [i64]>,
    ) -> Result<Vec<u8>> {
        let largest = (1i64 << bits) - 1;
        let mut last: Option<(&[i64], u8)> = None;
        let mut classes = Vec::with_capacity(pixels.size_hint().0);
        for (i, pixel) in pixels.enumerate() {
            if let Some((of, class)) = last
                && of == pixel
            {
                classes.push(class);
                continue;
            }
            let part = |k: usize| pixel[k.min(pixel.len() - 1)];
            // Levels of other depths to 8 bits, where that loses nothing.
            let exact = |v: i64| (v * 255 % largest == 0).then_some((v * 255 / largest) as u8);
            let [Some(r), Some(g), Some(b)] = [0, 1, 2].map(|k| exact(part(k))) else {
                let pixel = frame.pixel(first + i);
                return Err(frame.error(format!("{pixel} has a colour of more than 8 bits: save it with 8")));
            };
            let class = self.class(frame, first + i, [r, g, b])?;
            last = Some((pixel, class));
            classes.push(class);
        }
        Ok(classes)
    }

    fn class(&mut self, frame: &Frame, pixel: usize, colour: Rgb) -> Result<u8> {
        if let Some(class) = self.colours.iter().position(|c| *c == colour) {
            return Ok(class as u8);
        }
        if self.fixed {
            let list = list(&self.colours);
            let problem = format!(
                "{} has the colour {}, which is not among --colours {list}",
                frame.pixel(pixel),
                Shown(colour)
            );
            return Err(frame.error(problem));
        }
        if self.colours.len() == MOST {
            return Err(frame.error(format!(
                "has more than {MOST} colours, as photographs and smoothed edges have (antialiasing): save it \
                 without smoothing, or give --threshold T, which takes brightness"
            )));
        }
        self.colours.push(colour);
        Ok((self.colours.len() - 1) as u8)
    }

    /// Numbers of the colours, by class.
    pub fn numbers(&self) -> Vec<f64> {
        self.colours.iter().map(|&colour| f64::from(number(colour))).collect()
    }
}

/// What to say of colours that lie between two others and are rarer, as smoothed edges have them. `colours` and
/// their `shares` of the pixels are in one order.
pub(super) fn smoothed(colours: &[Rgb], shares: &[f64]) -> Option<String> {
    let lies = |c: usize, a: usize, b: usize| {
        shares[c] * RARER < shares[a].min(shares[b]) && between(colours[c], colours[a], colours[b])
    };
    let is_shade = |c: usize| (0..colours.len()).any(|a| (0..a).any(|b| c != a && c != b && lies(c, a, b)));
    let (shades, own): (Vec<usize>, Vec<usize>) = (0..colours.len()).partition(|&c| is_shade(c));
    if shades.len() < SHADES {
        return None;
    }
    let own: Vec<Rgb> = own.iter().map(|&c| colours[c]).collect();
    let share: f64 = shades.iter().map(|&c| shares[c]).sum();
    let way = match own[..] {
        [a, b] if (luma(a) - luma(b)).abs() > 2.0 => {
            let middle = ((luma(a) + luma(b)) / 2.0).ceil();
            format!("--threshold {middle} makes two classes of {}", list(&own))
        }
        _ => format!("save it without smoothing, and give --colours {}", list(&own)),
    };
    Some(format!(
        "{} of {} lie between others and are rare ({:.2} % of the pixels), as smoothed edges have them (antialiasing), \
         and each is a class: {way}",
        shades.len(),
        counted(colours.len(), "colour"),
        100.0 * share
    ))
}

/// Whether a colour lies on the line between two others, as their mixtures do.
fn between(c: Rgb, a: Rgb, b: Rgb) -> bool {
    let from_a = |c: Rgb| [0, 1, 2].map(|k| f64::from(c[k]) - f64::from(a[k]));
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let (c, b) = (from_a(c), from_a(b));
    let along = dot(c, b) / dot(b, b);
    let off = [0, 1, 2].map(|k| c[k] - along * b[k]);
    along > 0.0 && along < 1.0 && dot(off, off).sqrt() <= OFF_LINE
}

/// From the darkest to the lightest.
pub(super) fn by_brightness(a: Rgb, b: Rgb) -> std::cmp::Ordering {
    luma(a).total_cmp(&luma(b)).then(a.cmp(&b))
}

fn list(colours: &[Rgb]) -> String {
    let mut list: Vec<String> = colours.iter().take(LISTED).map(|&c| Shown(c).to_string()).collect();
    if colours.len() > LISTED {
        list.push("...".into());
    }
    list.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_named_or_numbers() {
        let parse = |text: &str| text.parse::<Colours>();
        assert_eq!(parse("red, #0000FF"), Ok(Colours::List(vec![[255, 0, 0], [0, 0, 255]])));
        assert_eq!(parse("ALL"), Ok(Colours::All));
        for (text, says) in [
            ("red,rd", "`rd` is no colour: write #rrggbb"),
            ("#12345,red", "`#12345` is no colour"),
            ("red,#ff0000", "#ff0000 stands twice"),
            ("red", "1 colour: 2 to 32"),
            ("#é0000,red", "is no colour"),
        ] {
            assert!(parse(text).expect_err(text).contains(says), "{text}: {:?}", parse(text));
        }
        let (blue, red, green) = ([0, 0, 200], [200, 0, 0], [0, 200, 0]);
        let mixed = [blue, [50, 0, 150], [100, 0, 100], [150, 0, 50], red];
        let said = smoothed(&mixed, &[0.5, 0.03, 0.04, 0.03, 0.4]).expect("smoothed");
        assert!(said.contains("3 of 5 colours") && said.contains("10.00 %"), "{said}");
        assert!(said.contains("--threshold 42 makes two classes of #0000c8,#c80000"), "{said}");
        let more = smoothed(&[&mixed[..], &[green]].concat(), &[0.4, 0.03, 0.04, 0.03, 0.3, 0.2]);
        assert!(more.expect("smoothed").contains("--colours #0000c8,#c80000,#00c800"));
        // As many of each, or off the line: classes.
        assert!(smoothed(&mixed, &[0.2; 5]).is_none());
        assert!(
            smoothed(
                &[blue, [50, 90, 150], [100, 90, 100], [150, 90, 50], red],
                &[0.5, 0.03, 0.04, 0.03, 0.4]
            )
            .is_none()
        );
        assert_eq!(of_number(number([1, 2, 3])), [1, 2, 3]);
        assert_eq!((luma([200u8, 200, 200]), luma([0u8, 0, 255])), (200.0, 29.07));
    }
}
