//! The white canvas that plots are drawn on, with its colours and its font.
//!
//! The font is compiled in, so a plot looks the same on a machine that has none. A plot is drawn
//! in memory at twice its size and then reduced, since the plotting library puts letters and thick
//! lines on whole pixels. All lengths of this module and of the plots are in these fine pixels.

use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::grid::Image;
use super::palette::{FIGURES, Rgb};
use crate::error::{Error, Result};

/// Fine pixels for one pixel of the picture, along each axis.
pub(super) const FINE: usize = 2;
/// Width of a plot: 1600 pixels of the picture.
pub(super) const WIDTH: usize = 1600 * FINE;
pub(super) const MARGIN: usize = 36 * FINE;

/// Sizes of text, from a plot's heading to its axis labels.
pub(super) const TITLE: u32 = 68;
pub(super) const HEADING: u32 = 50;
pub(super) const LABEL: u32 = 40;

pub(super) const INK: RGBColor = RGBColor(0x1c, 0x1c, 0x1c);
pub(super) const FAINT: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// What was measured: areas in the lighter colour, lines in the darker, single values pale.
pub(super) const MEASURED: RGBColor = rgb(FIGURES[1]);
pub(super) const MEASURED_LINE: RGBColor = rgb(FIGURES[6]);
pub(super) const PALE: RGBColor = rgb(FIGURES[9]);
/// What was asked for.
pub(super) const ASKED: RGBColor = rgb(FIGURES[7]);

const FONT: &str = "DejaVu Sans";

pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Drawing into memory fails only if the program asks for something that cannot be drawn.
pub(super) fn undrawable(problem: impl std::fmt::Display) -> Error {
    Error::Failed(format!("a plot could not be drawn: {problem}"))
}

/// Runs `draw` on a white canvas and reduces it to the picture.
pub(super) fn drawn(width: usize, height: usize, draw: impl FnOnce(&Area) -> Result<()>) -> Result<Image> {
    let (width, height) = (width.next_multiple_of(FINE), height.next_multiple_of(FINE));
    let mut fine = Image::new(width, height, [0xff; 3]);
    let size = (u32::try_from(width).map_err(undrawable)?, u32::try_from(height).map_err(undrawable)?);
    let area = BitMapBackend::with_buffer(&mut fine.rgb, size).into_drawing_area();
    draw(&area)?;
    area.present().map_err(undrawable)?;
    drop(area);
    Ok(reduced(&fine))
}

/// Every pixel of the picture is the mean of its fine pixels.
fn reduced(fine: &Image) -> Image {
    let mut image = Image::new(fine.width / FINE, fine.height / FINE, [0; 3]);
    let share = (FINE * FINE) as u32;
    for (i, value) in image.rgb.iter_mut().enumerate() {
        let (x, y, channel) = (i / 3 % image.width, i / 3 / image.width, i % 3);
        let mut sum = 0;
        for dy in 0..FINE {
            for dx in 0..FINE {
                sum += u32::from(fine.rgb[((y * FINE + dy) * fine.width + x * FINE + dx) * 3 + channel]);
            }
        }
        *value = ((sum + share / 2) / share) as u8;
    }
    image
}

/// Makes the built-in font known, once. If that failed, drawing text fails and says so.
fn load_fonts() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
        let _ = register_font(FONT, FontStyle::Bold, dejavu::sans::bold());
    });
}

/// Running text.
pub(super) fn text(size: u32) -> TextStyle<'static> {
    load_fonts();
    (FONT, size).into_font().color(&INK)
}

/// The same text in bold.
pub(super) fn bold(size: u32) -> TextStyle<'static> {
    load_fonts();
    (FONT, size, FontStyle::Bold).into_font().color(&INK)
}

/// How far the plotting library draws text of `size` above where its layout has it.
pub(super) fn sag(size: u32) -> i32 {
    size as i32 / 5
}

/// Writes one line of text with the top left corner of its capitals at (`x`, `y`).
pub(super) fn write_line(area: &Area, line: &str, style: &TextStyle, x: usize, y: usize) -> Result<()> {
    let sag = sag(style.font.get_size() as u32);
    area.draw_text(line, style, (x as i32, y as i32 + sag)).map_err(undrawable)
}

/// Width of a line of text.
pub(super) fn line_width(line: &str, style: &TextStyle) -> Result<usize> {
    let ((left, _), (right, _)) = style.font.layout_box(line).map_err(undrawable)?;
    Ok(right.abs_diff(left) as usize)
}

/// Breaks `prose` into lines of at most `width`, between words; its own line breaks stay.
pub(super) fn wrapped(prose: &str, style: &TextStyle, width: usize) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for paragraph in prose.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let longer = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
            if !line.is_empty() && line_width(&longer, style)? > width {
                lines.push(std::mem::replace(&mut line, word.to_string()));
            } else {
                line = longer;
            }
        }
        lines.push(line);
    }
    Ok(lines)
}

/// A colour, as the plotting library has it.
pub(super) const fn rgb([r, g, b]: Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

/// An axis label: enough digits to tell neighbours apart, thousands as k.
pub(super) fn label(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e4 {
        format!("{}k", (value / 100.0).round() / 10.0)
    } else if magnitude == 0.0 || magnitude >= 1e-3 {
        format!("{}", (value * 1e4).round() / 1e4)
    } else {
        format!("{value:.0e}")
    }
}

/// The label of a count: nothing between whole numbers.
pub(super) fn whole_label(value: f64) -> String {
    if value.fract() == 0.0 { label(value) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_distinct() {
        let cases = [
            (0.0, "0"),
            (0.25, "0.25"),
            (-3.0, "-3"),
            (1500.0, "1500"),
            (12_500.0, "12.5k"),
            (0.001, "0.001"),
            (2e-4, "2e-4"),
            (0.1 + 0.2, "0.3"),
        ];
        for (value, expected) in cases {
            assert_eq!(label(value), expected);
        }
        assert_eq!((whole_label(3.0), whole_label(3.5)), ("3".into(), String::new()));
    }

    #[test]
    fn prose_is_broken_between_words_and_none_is_lost() {
        let prose =
            "Eight targets, many samples of each; whiskers are standard deviations.\nA second paragraph.";
        let style = text(LABEL);
        let lines = wrapped(prose, &style, 700).expect("measures");
        assert!(lines.len() >= 3);
        for line in &lines {
            assert!(line_width(line, &style).expect("measures") <= 700, "{line}");
        }
        let words = |s: &str| s.split_whitespace().map(String::from).collect::<Vec<_>>();
        assert_eq!(words(&lines.join(" ")), words(prose));
        assert_eq!(lines.last().map(String::as_str), Some("A second paragraph."));
    }

    #[test]
    fn a_picture_is_the_mean_of_its_fine_pixels() {
        let mut fine = Image::new(4, 2, [0xff; 3]);
        fine.rgb[..3].copy_from_slice(&[0, 0, 0]);
        let image = reduced(&fine);
        assert_eq!((image.width, image.height), (2, 1));
        assert_eq!(image.rgb, [191, 191, 191, 255, 255, 255]);
    }
}
