//! The picture of an evaluation: panels of asked against measured, pictures of samples, a caption.
//!
//! A panel is what the paper draws for a kind of property: bars and whiskers (Fig. 3), bubbles
//! along a diagonal (Fig. 5 c), a curve in its band, bars of fractions (Fig. 7). In all of them the
//! asked value is a dashed line in one colour.

mod bars;
mod bubbles;
mod curve;
mod fractions;
mod legend;

use std::ops::Range;
use std::path::Path;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::canvas::{
    Area, FAINT, FINE, HEADING, INK, LABEL, MARGIN, TITLE, WIDTH, bold, drawn, label, line_width, sag, text,
    undrawable, wrapped, write_line,
};
use super::grid::Image;
use crate::error::Result;
pub use bars::BarPanel;
pub use bubbles::BubblePanel;
pub use curve::CurvePanel;
pub use fractions::FractionPanel;
use legend::Legend;

/// Asked against measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Panel {
    /// One property over a set of targets, a bar for each.
    Bars(BarPanel),
    /// One property over a range of asked values.
    Bubbles(BubblePanel),
    /// One target that is a curve.
    Curve(CurvePanel),
    /// One target that is a fraction for each class.
    Fractions(FractionPanel),
}

/// Everything that [`report_png`] shows, from top to bottom.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportFigure {
    /// Heading of the picture.
    pub title: String,
    /// The panels, three in a row.
    pub panels: Vec<Panel>,
    /// Pictures with their headings, e.g. real and generated samples; side by side where they fit.
    pub pictures: Vec<(String, Image)>,
    /// What the picture shows, in a few sentences; wrapped to the width.
    pub caption: String,
}

const COLUMNS: usize = 3;
/// Line height of running text.
const LEADING: usize = 60;
/// Room between pictures.
const GAP: usize = 72;
/// A panel is at most this many times as wide as high, unless it has a third of the width only.
const WIDEST: f64 = 1.6;

impl Panel {
    /// Height in fine pixels.
    fn height(&self) -> usize {
        match self {
            Self::Bars(_) => 600,
            Self::Curve(_) | Self::Fractions(_) => 720,
            Self::Bubbles(_) => 1040,
        }
    }

    #[track_caller]
    fn check(&self) {
        let (name, lengths) = match self {
            Self::Bars(p) => (&p.name, vec![p.targets.len(), p.mean.len(), p.std.len()]),
            Self::Bubbles(p) => (&p.name, vec![p.targets.len(), p.mean.len(), p.std.len()]),
            Self::Curve(p) => (&p.title, vec![p.x.len(), p.asked.len(), p.mean.len(), p.std.len()]),
            Self::Fractions(p) => {
                let names = [p.classes.len(), p.colours.len()];
                (&p.title, [p.asked.len(), p.mean.len(), p.std.len()].into_iter().chain(names).collect())
            }
        };
        assert!(lengths.iter().all(|n| *n == lengths[0]), "panel {name} of lengths {lengths:?}");
    }

    fn draw(&self, area: &Area) -> Result<()> {
        match self {
            Self::Bars(panel) => panel.draw(area),
            Self::Bubbles(panel) => panel.draw(area),
            Self::Curve(panel) => panel.draw(area),
            Self::Fractions(panel) => panel.draw(area),
        }
    }
}

/// Draws a report and writes it as a PNG file, 1600 pixels wide (more if a picture is wider).
///
/// Values that are not finite are drawn as 0 in bars, and left out elsewhere: a plot must not be
/// what stops a run.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) if the file cannot be written.
///
/// # Panics
/// If the lists of a panel differ in length.
#[track_caller]
pub fn report_png(path: impl AsRef<Path>, report: &ReportFigure) -> Result<()> {
    report.panels.iter().for_each(Panel::check);
    let widths: Vec<usize> = report.pictures.iter().map(cell_width).collect::<Result<_>>()?;
    let width = WIDTH.max(widths.iter().max().unwrap_or(&0) + 2 * MARGIN);
    let inner = width - 2 * MARGIN;
    let legend = Legend::new(&report.panels, inner)?;
    let caption = wrapped(&report.caption, &text(LABEL), inner)?;

    let legend_at = MARGIN + TITLE as usize + 30;
    let panels_at = legend_at + legend.height();
    let (panels, mut bottom) = panel_boxes(&report.panels, width, panels_at);
    bottom += 28;
    let pictures = picture_places(&report.pictures, &widths, inner, &mut bottom);
    let caption_at = bottom;
    let height = caption_at + caption.len() * LEADING + MARGIN / 2;

    let mut image = drawn(width, height, |area| {
        write_line(area, &report.title, &bold(TITLE), MARGIN, MARGIN)?;
        legend.draw(area, MARGIN, legend_at)?;
        for (panel, at) in report.panels.iter().zip(&panels) {
            let size = (at.width as u32, at.height as u32);
            panel.draw(&area.clone().shrink((at.x as i32, at.y as i32), size))?;
        }
        for ((heading, _), (x, y)) in report.pictures.iter().zip(&pictures) {
            write_line(area, heading, &bold(HEADING), *x, *y)?;
        }
        for (i, line) in caption.iter().enumerate() {
            write_line(area, line, &text(LABEL), MARGIN, caption_at + i * LEADING)?;
        }
        Ok(())
    })?;
    for ((_, picture), (x, y)) in report.pictures.iter().zip(pictures) {
        image.paste(picture, x / FINE, (y + under_heading()) / FINE);
    }
    image.write_png(path)
}

/// Where a panel lies, in fine pixels.
struct Place {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// The places of the panels, and the row below the last.
fn panel_boxes(panels: &[Panel], width: usize, top: usize) -> (Vec<Place>, usize) {
    let mut places = Vec::new();
    let mut y = top;
    let room = width - MARGIN;
    for row in panels.chunks(COLUMNS) {
        let height = row.iter().map(Panel::height).max().unwrap_or(0);
        // A few panels share the width, a last row stays in the columns of those above.
        let share = (room / panels.len().min(COLUMNS)).min((height as f64 * WIDEST) as usize);
        let width = share.max(room / COLUMNS);
        places.extend((0..row.len()).map(|i| Place { x: MARGIN / 2 + i * width, y, width, height }));
        y += height;
    }
    (places, y)
}

/// From the top of a picture's heading to the picture, a whole number of the picture's pixels.
fn under_heading() -> usize {
    (HEADING as usize + 10).next_multiple_of(FINE)
}

fn cell_width((heading, picture): &(String, Image)) -> Result<usize> {
    Ok(line_width(heading, &bold(HEADING))?.max(picture.width * FINE))
}

/// Top left corners of the pictures' headings, in rows from `top` on; `top` becomes the row below.
fn picture_places(
    pictures: &[(String, Image)],
    widths: &[usize],
    inner: usize,
    top: &mut usize,
) -> Vec<(usize, usize)> {
    let (mut x, mut row_height) = (0, 0);
    let mut places = Vec::new();
    for ((_, picture), &width) in pictures.iter().zip(widths) {
        if x > 0 && x + width > inner {
            *top += row_height;
            (x, row_height) = (0, 0);
        }
        places.push((MARGIN + x, *top));
        x += width + GAP;
        row_height = row_height.max(under_heading() + picture.height * FINE + 36);
    }
    *top += row_height;
    places
}

type Chart<'a> = ChartContext<'a, BitMapBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The frame of a panel.
struct Axes<'a> {
    /// Above the panel; none if empty.
    title: &'a str,
    x: Range<f64>,
    y: Range<f64>,
    x_name: &'a str,
    y_name: String,
    /// Most labels of the x axis.
    x_labels: usize,
    x_label: &'a dyn Fn(f64) -> String,
    /// Whether the x axis is a scale, with lines across the panel, or a row of items.
    scale: bool,
}

impl Axes<'_> {
    fn draw<'a>(&self, area: &Area<'a>) -> Result<Chart<'a>> {
        let mut builder = ChartBuilder::on(area);
        if !self.title.is_empty() {
            builder.caption(self.title, bold(LABEL));
        }
        let mut chart = builder
            .margin(20)
            .margin_right(44)
            .x_label_area_size(112)
            .y_label_area_size(170)
            .build_cartesian_2d(self.x.clone(), self.y.clone())
            .map_err(undrawable)?;
        let mut mesh = chart.configure_mesh();
        if !self.scale {
            mesh.disable_x_mesh();
        }
        mesh.bold_line_style(FAINT.stroke_width(2))
            .light_line_style(TRANSPARENT)
            .axis_style(INK.stroke_width(2))
            .label_style(text(LABEL))
            .axis_desc_style(text(LABEL))
            .set_all_tick_mark_size(10)
            .x_desc(self.x_name)
            .y_desc(&self.y_name)
            .x_labels(self.x_labels)
            .y_labels(6)
            .y_label_offset(sag(LABEL))
            .x_label_formatter(&|v| (self.x_label)(*v))
            .y_label_formatter(&|v| label(*v))
            .draw()
            .map_err(undrawable)?;
        Ok(chart)
    }
}

/// A quantity with its unit, if it has one.
fn with_unit(name: &str, unit: &str) -> String {
    if unit.is_empty() { name.to_owned() } else { format!("{name} ({unit})") }
}

/// The smallest and the largest finite value, if there is any, never the same.
fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|v| v.is_finite());
    let range = finite.fold(None, |range, v| {
        let (low, high): (f64, f64) = range.unwrap_or((v, v));
        Some((low.min(v), high.max(v)))
    });
    range.map(|(low, high)| if high > low { (low, high) } else { (low - 0.5, high + 0.5) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::palette::ORIENTATIONS;

    /// Draws a report and reads it back: width, and the pixels.
    fn shown(name: &str, report: &ReportFigure) -> (usize, Vec<u8>) {
        let path = std::env::temp_dir().join(format!("invnet-{name}-{}.png", std::process::id()));
        report_png(&path, report).expect("draws");
        let file = std::io::BufReader::new(std::fs::File::open(&path).expect("opens"));
        let mut reader = png::Decoder::new(file).read_info().expect("a picture");
        let mut pixels = vec![0; reader.output_buffer_size().expect("fits")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        std::fs::remove_file(&path).expect("was written");
        (info.width as usize, pixels)
    }

    fn count(pixels: &[u8], colour: [u8; 3]) -> usize {
        pixels.as_chunks::<3>().0.iter().filter(|p| **p == colour).count()
    }

    fn bars(targets: Vec<f64>) -> Panel {
        let (mean, std) = (targets.clone(), vec![f64::NAN; targets.len()]);
        Panel::Bars(BarPanel { name: "r1".into(), unit: String::new(), each: "target", targets, mean, std })
    }

    fn report(panels: Vec<Panel>, pictures: Vec<(String, Image)>) -> ReportFigure {
        ReportFigure { title: "odd".into(), panels, pictures, caption: String::new() }
    }

    #[test]
    fn a_report_is_as_wide_as_it_must_be_and_shows_its_pictures_whole() {
        for (panels, side) in
            [(vec![], 10), (vec![bars(vec![]), bars(vec![0.0]), bars(vec![-3.0; 40])], 1900)]
        {
            let picture = |blue| ("heading".to_owned(), Image::new(side, 20, [1, 2, blue]));
            let (width, pixels) = shown("wide", &report(panels, vec![picture(3), picture(4)]));
            assert_eq!(width, 1600.max(side + MARGIN));
            assert_eq!((count(&pixels, [1, 2, 3]), count(&pixels, [1, 2, 4])), (side * 20, side * 20));
        }
    }

    #[test]
    fn odd_panels_are_drawn_without_complaint() {
        let lists: [&[f64]; 6] =
            [&[], &[0.4], &[f64::NAN, f64::INFINITY], &[0.0; 5], &[-1e6, 1e30], &[0.1, f64::NAN, 0.3]];
        let mut panels = Vec::new();
        for list in lists {
            let [asked, mean, std] = [list; 3].map(<[f64]>::to_vec);
            let (name, unit) = ("p1".to_owned(), "px".to_owned());
            panels.push(bars(asked.clone()));
            panels.push(Panel::Bubbles(BubblePanel {
                name: name.clone(),
                unit,
                targets: asked.clone(),
                mean: mean.clone(),
                std: std.clone(),
            }));
            panels.push(Panel::Curve(CurvePanel {
                title: name.clone(),
                x_name: "r (px)".into(),
                y_name: "S2".into(),
                x: asked.clone(),
                asked: asked.clone(),
                mean: mean.clone(),
                std: std.clone(),
            }));
            panels.push(Panel::Fractions(FractionPanel {
                title: name,
                classes: (0..list.len()).map(|i| i.to_string()).collect(),
                colours: ORIENTATIONS[..list.len()].to_vec(),
                asked,
                mean,
                std,
            }));
        }
        let (width, _) = shown("odd", &report(panels, vec![]));
        assert_eq!(width, 1600);
    }

    #[test]
    fn a_bar_of_a_fraction_has_its_class_colour_and_height() {
        let panel = |mean: Vec<f64>| {
            Panel::Fractions(FractionPanel {
                title: "skewed".into(),
                classes: vec!["1".into(), "2".into()],
                colours: vec![[10, 200, 30], [200, 10, 30]],
                asked: vec![0.8, 0.2],
                mean,
                std: vec![0.0; 2],
            })
        };
        let (_, pixels) = shown("fractions", &report(vec![panel(vec![0.8, 0.2])], vec![]));
        // The taller bar has four times the area, less what lines across both cover.
        let areas = [count(&pixels, [10, 200, 30]) as f64, count(&pixels, [200, 10, 30]) as f64];
        assert!((3.6..4.8).contains(&(areas[0] / areas[1])), "{areas:?}");
    }

    #[test]
    #[should_panic(expected = "panel r1 of lengths [1, 2, 1]")]
    fn a_panel_with_a_missing_value_is_a_mistake() {
        let panel = BarPanel {
            name: "r1".into(),
            unit: String::new(),
            each: "target",
            targets: vec![1.0],
            mean: vec![1.0, 2.0],
            std: vec![0.0],
        };
        let _ = report_png("unused.png", &report(vec![Panel::Bars(panel)], vec![]));
    }
}
