//! What the axes of an array are.

use std::fmt;
use std::str::FromStr;

use super::Options;
use crate::words::counted;

/// Entries of a pixel that has a colour: red, green, blue, and perhaps opacity.
pub(super) const COLOURS: std::ops::RangeInclusive<usize> = 3..=4;

/// The axes of an array, slowest first: N images, H rows, W columns, C entries a pixel, one for each
/// class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axes {
    /// One image.
    Hw,
    /// Images.
    Nhw,
    /// Images, of which the same pixel of all stands together.
    Hwn,
    /// One image, the entries of a pixel together.
    Hwc,
    /// One image, a layer for each class.
    Chw,
    /// Images, the entries of a pixel together.
    Nhwc,
    /// Images, each a layer for each class.
    Nchw,
}

impl Axes {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Hw, Self::Nhw, Self::Hwn, Self::Hwc, Self::Chw, Self::Nhwc, Self::Nchw];

    /// The letters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hw => "HW",
            Self::Nhw => "NHW",
            Self::Hwn => "HWN",
            Self::Hwc => "HWC",
            Self::Chw => "CHW",
            Self::Nhwc => "NHWC",
            Self::Nchw => "NCHW",
        }
    }
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Axes {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|axes| axes.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// How the values of an array follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Image by image, pixel by pixel, each with its entries.
    Pixels,
    /// Image by image, layer by layer.
    Layers,
    /// Pixel by pixel, each with its value in every image.
    Images,
}

/// Images in an array: how many, rows and columns of each, entries of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub count: usize,
    pub height: usize,
    pub width: usize,
    /// 1 where a pixel has one value, else an entry for each class.
    pub channels: usize,
    pub order: Order,
}

/// What an array with two axes is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TwoAxes {
    /// One image `[H, W]`.
    Image,
    /// A row of `H * W` values for each image; images are square unless their shape is given.
    Rows,
}

/// Images in an array of the given shape, as far as the options say what it is: rows and columns, the
/// axes, or that it has colours, whose axis is then one of 3 or of 4. Else an axis of length 1 is none, and
/// a shape that may be meant in two ways is an error that asks.
///
/// # Errors
/// What is wrong with the shape, in words.
pub(super) fn layout(shape: &[usize], options: &Options, two: TwoAxes) -> Result<Layout, String> {
    let (asked, stated) = (options.shape, options.layout);
    let coloured = options.colours.as_ref().map_or(Ok(None), |_| of_colours(shape));
    let axes = if stated.is_some() { stated } else { coloured? };
    let layout = match (axes, shape) {
        (Some(axes), _) => as_stated(shape, axes)?,
        (None, &[count, values]) => of_two(count, values, asked, two)?,
        (None, &[_, _, _]) => of_three(shape, asked)?,
        (None, _) => of_four(shape, options.argmax)?,
    };
    let Layout { count, height, width, channels, .. } = layout;
    if let Some([h, w]) = asked.filter(|&a| a != [height, width]) {
        return Err(format!("its images are {height} x {width}, not --shape {h}x{w}"));
    }
    if [count, height, width, channels].contains(&0) {
        return Err(format!("is empty: its shape is {shape:?}"));
    }
    if height.checked_mul(width).is_none_or(|n| n > super::MOST_PIXELS) {
        return Err(format!("has images of which each {}", super::too_large(height, width)));
    }
    if channels > super::collect::MOST {
        return Err(format!("has {channels} entries for each pixel: at most 256 can be classes"));
    }
    Ok(layout)
}

fn images(count: usize, height: usize, width: usize) -> Layout {
    Layout { count, height, width, channels: 1, order: Order::Pixels }
}

fn as_stated(shape: &[usize], axes: Axes) -> Result<Layout, String> {
    let long = without_ones(shape, axes.name().len());
    let at = |letter: char| axes.name().find(letter).map_or(1, |i| long[i]);
    if long.len() != axes.name().len() {
        return Err(format!("its shape is {shape:?}, of other axes than --layout {axes}"));
    }
    let order = match axes {
        Axes::Hwn => Order::Images,
        Axes::Chw | Axes::Nchw => Order::Layers,
        _ => Order::Pixels,
    };
    Ok(Layout { count: at('N'), height: at('H'), width: at('W'), channels: at('C'), order })
}

/// The axes of an array that has colours, if one of them can be that of red, green, blue and perhaps
/// opacity.
fn of_colours(shape: &[usize]) -> Result<Option<Axes>, String> {
    let ([last, first], [ends, begins]) = match shape {
        [c, _, d] => ([*d, *c], [Axes::Hwc, Axes::Chw]),
        [_, c, _, d] => ([*d, *c], [Axes::Nhwc, Axes::Nchw]),
        _ => return Ok(None),
    };
    match [last, first].map(|n| COLOURS.contains(&n)) {
        [true, true] => Err(format!(
            "its shape is {shape:?}, of which two axes may be that of colours: --layout {ends} or {begins} says which"
        )),
        [true, false] => Ok(Some(ends)),
        [false, true] => Ok(Some(begins)),
        [false, false] => Ok(None),
    }
}

fn of_two(count: usize, values: usize, asked: Option<[usize; 2]>, two: TwoAxes) -> Result<Layout, String> {
    match asked {
        Some(asked) if [count, values] == asked => Ok(images(1, count, values)),
        Some([height, width]) if height * width != values => {
            let product = height * width;
            Err(format!(
                "a row holds {}, and --shape {height}x{width} is {product}",
                counted(values, "value")
            ))
        }
        Some([height, width]) => Ok(images(count, height, width)),
        None if two == TwoAxes::Image => Ok(images(1, count, values)),
        None => {
            let side = values.isqrt();
            if side * side != values {
                return Err(format!(
                    "a row holds {}, which is no square image: give --shape H,W",
                    counted(values, "value")
                ));
            }
            Ok(images(count, side, side))
        }
    }
}

fn of_three(shape: &[usize], asked: Option<[usize; 2]>) -> Result<Layout, String> {
    let &[a, b, c] = shape else { return of_four(shape, false) };
    if c == 1 && asked.is_none_or(|asked| asked == [a, b]) {
        return Ok(images(1, a, b));
    }
    // Images are about square. If the first two axes are more alike than the last two, it may be
    // those that are rows and columns.
    let unlike = |a: usize, b: usize| a.max(b) as f64 / a.min(b).max(1) as f64;
    if asked.is_some() || a == 1 || b == c || unlike(a, b) > 2.0 * unlike(b, c) {
        return Ok(images(a, b, c));
    }
    let colours = if COLOURS.contains(&c) { ", or its colours (--colours all)" } else { "" };
    Err(format!(
        "its shape {shape:?} may be {} of {b} x {c} (--layout NHW), {} of {a} x {b} (--layout HWN) or one of {a} x {b} \
         with {} (--layout HWC){colours}: say which",
        counted(a, "image"),
        counted(c, "image"),
        counted(c, "class")
    ))
}

/// A shape of at most so many axes, if enough are of length 1: the first of these are left out.
fn without_ones(shape: &[usize], axes: usize) -> Vec<usize> {
    let mut long = shape.to_vec();
    while let Some(one) = long.iter().position(|&n| n == 1).filter(|_| long.len() > axes) {
        long.remove(one);
    }
    long
}

fn of_four(shape: &[usize], argmax: bool) -> Result<Layout, String> {
    // More axes than four are usual where most are 1, of time, depth or colour.
    let long = without_ones(shape, 4);
    let unclear = |what: &str| {
        Err(format!("its shape is {shape:?}: {what} (--layout NHW, NHWC and so on says what the axes are)"))
    };
    match long[..] {
        [height, width, 1, 1] if height > 1 => Ok(images(1, height, width)),
        // Three layers of one image, or three images.
        [1, layers, height, width] if layers > 1 && layers < height.min(width) && width > 1 && !argmax => {
            Err(format!(
                "its shape {shape:?} may be {} of {height} x {width} (--layout NHW) or one with {} (--layout NCHW): \
                 say which",
                counted(layers, "image"),
                counted(layers, "class")
            ))
        }
        [count, height, width, 1] | [count, 1, height, width] => Ok(images(count, height, width)),
        [count, height, width, channels] if channels < height.min(width) => {
            Ok(Layout { channels, ..images(count, height, width) })
        }
        [count, channels, height, width] if channels < height.min(width) => {
            Ok(Layout { channels, order: Order::Layers, ..images(count, height, width) })
        }
        [_, _, _, _] => unclear("no axis is short enough to be one of classes"),
        _ => unclear("need [H, W], [N, H, W], or an axis of classes more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shape: &[usize]) -> Result<Layout, String> {
        layout(shape, &Options::default(), TwoAxes::Image)
    }

    #[test]
    fn shapes_say_what_the_axes_are_or_the_user_must() {
        let of = |count, height, width, channels, order| Ok(Layout { count, height, width, channels, order });
        use Order::{Images, Layers, Pixels};
        assert_eq!(read(&[64, 48]), of(1, 64, 48, 1, Pixels));
        assert_eq!(read(&[64, 64, 1]), of(1, 64, 64, 1, Pixels));
        assert_eq!(read(&[9, 64, 64]), of(9, 64, 64, 1, Pixels));
        assert_eq!(read(&[9, 480, 640]), of(9, 480, 640, 1, Pixels));
        assert_eq!(read(&[1, 2, 4]), of(1, 2, 4, 1, Pixels));
        assert_eq!(read(&[9, 64, 64, 1]), of(9, 64, 64, 1, Pixels));
        assert_eq!(read(&[9, 1, 64, 64]), of(9, 64, 64, 1, Pixels));
        assert_eq!(read(&[1, 1, 64, 64]), of(1, 64, 64, 1, Pixels));
        assert_eq!(read(&[1, 9, 1, 64, 64]), of(9, 64, 64, 1, Pixels));
        assert_eq!(read(&[64, 48, 1, 1]), of(1, 64, 48, 1, Pixels));
        assert_eq!(read(&[1, 64, 48, 1, 1]), of(1, 64, 48, 1, Pixels));
        assert!(
            read(&[1, 3, 64, 64]).expect_err("may be two").contains("3 images of 64 x 64 (--layout NHW)")
        );
        let argmax = Options { argmax: true, ..Options::default() };
        assert_eq!(layout(&[1, 3, 64, 64], &argmax, TwoAxes::Image), of(1, 64, 64, 3, Layers));
        assert_eq!(read(&[9, 64, 64, 3]), of(9, 64, 64, 3, Pixels));
        assert_eq!(read(&[9, 3, 64, 64]), of(9, 64, 64, 3, Layers));
        // Read as [N, H, W] these would be stripes.
        for shape in [[64, 64, 3], [480, 640, 40], [512, 512, 200], [64, 3, 64], [64, 1, 64]] {
            let text = read(&shape).expect_err("may be two things");
            assert!(text.contains("--layout NHW") && text.contains("--layout HWN"), "{text}");
        }
        assert!(read(&[2, 2, 2, 2]).expect_err("unclear").contains("--layout"));
        assert!(read(&[2, 3, 4, 5, 6]).expect_err("unclear").contains("its shape is"));
        assert!(read(&[7]).expect_err("unclear").contains("its shape is"));
        let stated = |axes: &str, shape: &[usize]| {
            let layout = Some(axes.parse().expect("axes"));
            super::layout(shape, &Options { layout, ..Options::default() }, TwoAxes::Rows)
        };
        assert_eq!(stated("hw", &[4, 9]), of(1, 4, 9, 1, Pixels));
        assert_eq!(stated("NHW", &[64, 64, 3]), of(64, 64, 3, 1, Pixels));
        assert_eq!(stated("NHW", &[1, 3, 64, 48]), of(3, 64, 48, 1, Pixels));
        assert_eq!(stated("NCHW", &[1, 3, 64, 48]), of(1, 64, 48, 3, Layers));
        assert_eq!(stated("HWN", &[64, 48, 3]), of(3, 64, 48, 1, Images));
        assert_eq!(stated("HWC", &[64, 48, 3]), of(1, 64, 48, 3, Pixels));
        assert_eq!(stated("CHW", &[3, 64, 48]), of(1, 64, 48, 3, Layers));
        assert_eq!(stated("NCHW", &[2, 3, 4, 5]), of(2, 4, 5, 3, Layers));
        assert!(stated("NHW", &[4, 9]).expect_err("two axes").contains("other axes than --layout NHW"));
        let colours = Some(crate::data::import::Colours::All);
        let coloured = |shape: &[usize]| {
            layout(shape, &Options { colours: colours.clone(), ..Options::default() }, TwoAxes::Image)
        };
        assert_eq!(coloured(&[64, 48, 3]), of(1, 64, 48, 3, Pixels));
        assert_eq!(coloured(&[64, 4, 4]), of(1, 64, 4, 4, Pixels));
        assert_eq!(coloured(&[4, 64, 48]), of(1, 64, 48, 4, Layers));
        assert_eq!(coloured(&[9, 8, 8, 3]), of(9, 8, 8, 3, Pixels));
        assert_eq!(coloured(&[9, 3, 8, 8]), of(9, 8, 8, 3, Layers));
        assert_eq!(coloured(&[9, 64, 64]), of(9, 64, 64, 1, Pixels));
        assert!(coloured(&[3, 64, 3]).expect_err("two").contains("--layout HWC or CHW"));
        assert!("WHN".parse::<Axes>().expect_err("unknown").contains("HWN"));
    }
}
