//! Several curves in one panel, told apart by colour and named in it.

use std::path::Path;

use plotters::prelude::*;

use super::canvas::{
    FAINT, INK, LABEL, MARGIN, TITLE, WIDTH, bold, drawn, label, rgb, sag, text, undrawable, whole_label,
    write_line,
};
use super::palette::{FIGURES, Rgb};
use crate::error::Result;

/// A curve with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it is of.
    pub name: String,
    /// x and y; values that are not finite, or on a logarithmic axis not positive, are left out.
    pub points: Vec<(f64, f64)>,
}

/// What [`lines_png`] draws.
#[derive(Clone, Debug, PartialEq)]
pub struct LinesFigure {
    /// Above the panel.
    pub title: String,
    /// What x is.
    pub x_name: String,
    /// What y is.
    pub y_name: String,
    /// The curves, six at most for colours of their own.
    pub lines: Vec<Line>,
    /// A dashed level, if there is one.
    pub level: Option<f64>,
}

const HEIGHT: usize = 1200;
/// Colours of lines on white: those of the palette that are dark enough.
const COLOURS: [Rgb; 6] = [FIGURES[6], FIGURES[7], FIGURES[3], FIGURES[4], FIGURES[8], FIGURES[2]];

/// Draws curves over a logarithmic y axis and writes them as a PNG file, 1600 pixels wide.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) if the file cannot be written.
pub fn lines_png(path: impl AsRef<Path>, figure: &LinesFigure) -> Result<()> {
    let shown = |line: &Line| -> Vec<(f64, f64)> {
        let visible = |p: &&(f64, f64)| p.0.is_finite() && p.1.is_finite() && p.1 > 0.0;
        line.points.iter().filter(visible).copied().collect()
    };
    let lines: Vec<Vec<(f64, f64)>> = figure.lines.iter().map(shown).collect();
    let all = || lines.iter().flatten();
    let right = all().map(|p| p.0).fold(1.0, f64::max);
    let values = || all().map(|p| p.1).chain(figure.level);
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    // A decade at least, so that there is a tick.
    let (low, high) = if low <= high { (low / 1.5, (high * 1.5).max(low * 10.0)) } else { (0.1, 1.0) };
    let top = MARGIN + TITLE as usize + 12;
    let image = drawn(WIDTH, top + HEIGHT + MARGIN / 2, |area| {
        write_line(area, &figure.title, &bold(TITLE), MARGIN, MARGIN)?;
        let panel =
            area.clone().shrink((MARGIN as i32 / 2, top as i32), ((WIDTH - MARGIN) as u32, HEIGHT as u32));
        let mut chart = ChartBuilder::on(&panel)
            .margin(24)
            .margin_right(56)
            .x_label_area_size(116)
            .y_label_area_size(200)
            .build_cartesian_2d(0.0..right, (low..high).log_scale())
            .map_err(undrawable)?;
        chart
            .configure_mesh()
            .bold_line_style(FAINT.stroke_width(2))
            .light_line_style(TRANSPARENT)
            .axis_style(INK.stroke_width(2))
            .label_style(text(LABEL))
            .axis_desc_style(text(LABEL))
            .set_all_tick_mark_size(10)
            .x_desc(&figure.x_name)
            .y_desc(&figure.y_name)
            .x_labels(8)
            .y_labels(8)
            .y_label_offset(sag(LABEL))
            .x_label_formatter(&|v| whole_label(*v))
            .y_label_formatter(&|v| if *v >= 1e5 { format!("{v:.0e}") } else { label(*v) })
            .draw()
            .map_err(undrawable)?;
        if let Some(level) = figure.level {
            let dashes = (0..40).map(|i| {
                let from = right * f64::from(i) / 40.0;
                PathElement::new([(from, level), (from + right / 80.0, level)], INK.stroke_width(4))
            });
            chart.draw_series(dashes).map_err(undrawable)?;
        }
        for ((line, points), colour) in figure.lines.iter().zip(&lines).zip(COLOURS.iter().cycle()) {
            let style = rgb(*colour).stroke_width(6);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style))
                .map_err(undrawable)?
                .label(line.name.as_str())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 60, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .legend_area_size(80)
            .margin(24)
            .label_font(text(LABEL))
            .background_style(WHITE.mix(0.85))
            .border_style(FAINT)
            .draw()
            .map_err(undrawable)
    })?;
    image.write_png(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_lines_are_drawn_without_complaint() {
        let path = std::env::temp_dir().join(format!("invnet-lines-{}.png", std::process::id()));
        let values: [&[f64]; 6] =
            [&[], &[2.0], &[0.0, f64::NAN, 1e-7], &[3.0; 9], &[-1.0, 1e30], &[f64::INFINITY]];
        let lines: Vec<Line> = values
            .into_iter()
            .map(|v| Line {
                name: "loss".into(),
                points: (0..).map(f64::from).zip(v.iter().copied()).collect(),
            })
            .collect();
        for (lines, level) in [(lines, Some(2.5)), (vec![], None)] {
            let [title, x_name, y_name] = ["odd", "iteration", "loss"].map(String::from);
            lines_png(&path, &LinesFigure { title, x_name, y_name, lines, level }).expect("draws");
        }
        std::fs::remove_file(&path).expect("was written");
    }
}
