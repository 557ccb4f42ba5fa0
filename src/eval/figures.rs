//! The picture of an evaluation: the bar and whisker panels of the paper's Fig. 3 above a grid of
//! asked against generated.

use std::path::Path;

use plotters::prelude::*;

use super::canvas::{
    Area, FAINT, FINE, HEADING, INK, LABEL, MARGIN, TITLE, WIDTH, bold, class_colour, drawn, label,
    line_width, sag, text, undrawable, whole_label, wrapped, write_line,
};
use super::grid::Image;
use crate::error::Result;

/// One property over a set of targets: what was asked and what many samples of each gave.
#[derive(Clone, Debug, PartialEq)]
pub struct BarPanel {
    /// Name of the property, e.g. `r1`.
    pub name: String,
    /// Its unit, e.g. `px`; empty if it has none.
    pub unit: String,
    /// The asked value for each target, in the unit.
    pub targets: Vec<f64>,
    /// Mean of the measured values for each target, in the unit.
    pub mean: Vec<f64>,
    /// Standard deviation of the measured values for each target, in the unit.
    pub std: Vec<f64>,
}

/// Everything that [`report_png`] shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportFigure {
    /// Heading of the picture.
    pub title: String,
    /// The panels, three in a row.
    pub panels: Vec<BarPanel>,
    /// Asked against generated; shown under the panels.
    pub grid: Image,
    /// What the picture shows, in a few sentences; wrapped to the width.
    pub caption: String,
}

const COLUMNS: usize = 3;
const PANEL_HEIGHT: usize = 600;
/// Line height of running text.
const LEADING: usize = 60;
/// Half the width of a bar and of a target's dashes, in distances between targets.
const BAR: f64 = 0.3;
const TARGET: f64 = 0.46;

/// Draws a report and writes it as a PNG file, 1600 pixels wide (more if the grid is wider).
///
/// For each target a bar shows the mean of the measured values, a whisker one standard deviation
/// to either side and a dashed line the asked value.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) if the file cannot be written.
///
/// # Panics
/// If a panel does not have as many means and deviations as targets.
#[track_caller]
pub fn report_png(path: impl AsRef<Path>, report: &ReportFigure) -> Result<()> {
    for panel in &report.panels {
        let lengths = [panel.mean.len(), panel.std.len()];
        assert_eq!(lengths, [panel.targets.len(); 2], "means and deviations of panel {}", panel.name);
    }
    let width = WIDTH.max(report.grid.width * FINE + 2 * MARGIN);
    let caption = wrapped(&report.caption, &text(LABEL), width - 2 * MARGIN)?;
    // From top to bottom: title, legend, panels, heading and grid, caption.
    let legend_at = MARGIN + TITLE as usize + 30;
    let panels_at = legend_at + LABEL as usize + 24;
    let heading_at = panels_at + report.panels.len().div_ceil(COLUMNS) * PANEL_HEIGHT + 28;
    let grid_at = heading_at + HEADING as usize + 10;
    let caption_at = grid_at + report.grid.height * FINE + 36;
    let height = caption_at + caption.len() * LEADING + MARGIN / 2;

    let mut image = drawn(width, height, |area| {
        write_line(area, &report.title, &bold(TITLE), MARGIN, MARGIN)?;
        draw_legend(area, MARGIN, legend_at)?;
        let panel_width = (width - MARGIN) / COLUMNS;
        for (i, panel) in report.panels.iter().enumerate() {
            let (x, y) = (MARGIN / 2 + i % COLUMNS * panel_width, panels_at + i / COLUMNS * PANEL_HEIGHT);
            let area = area.clone().shrink((x as i32, y as i32), (panel_width as u32, PANEL_HEIGHT as u32));
            draw_panel(&area, panel)?;
        }
        write_line(area, "Asked (outline) against generated (colour)", &bold(HEADING), MARGIN, heading_at)?;
        for (i, line) in caption.iter().enumerate() {
            write_line(area, line, &text(LABEL), MARGIN, caption_at + i * LEADING)?;
        }
        Ok(())
    })?;
    image.paste(&report.grid, (image.width - report.grid.width) / 2, grid_at / FINE);
    image.write_png(path)
}

fn target_style() -> ShapeStyle {
    class_colour(7).stroke_width(6)
}

fn draw_legend(area: &Area, left: usize, top: usize) -> Result<()> {
    let style = text(LABEL);
    // Capitals are about 2/3 of the size of a text high.
    let middle = top as i32 + LABEL as i32 / 3;
    let mut x = left as i32;
    for name in ["mean of the samples", "\u{b1} one standard deviation", "asked"] {
        let line = |from: (i32, i32), to: (i32, i32), style| {
            area.draw(&PathElement::new([(x + from.0, middle + from.1), (x + to.0, middle + to.1)], style))
        };
        match name {
            "asked" => [0, 26, 52].into_iter().try_for_each(|at| line((at, 0), (at + 20, 0), target_style())),
            "mean of the samples" => area
                .draw(&Rectangle::new([(x, middle - 18), (x + 72, middle + 18)], class_colour(1).filled())),
            _ => [((36, -20), (36, 20)), ((22, -20), (50, -20)), ((22, 20), (50, 20))]
                .into_iter()
                .try_for_each(|(from, to)| line(from, to, INK.stroke_width(4))),
        }
        .map_err(undrawable)?;
        x += 92;
        write_line(area, name, &style, x as usize, top)?;
        x += line_width(name, &style)? as i32 + 80;
    }
    Ok(())
}

fn draw_panel(area: &Area, panel: &BarPanel) -> Result<()> {
    let count = panel.targets.len();
    let bars: Vec<[f64; 3]> = (0..count)
        .map(|i| [panel.targets[i], panel.mean[i], panel.std[i]].map(|v| if v.is_finite() { v } else { 0.0 }))
        .collect();
    let reach = |[target, mean, std]: [f64; 3]| [target, mean - std, mean + std];
    let (low, high) =
        bars.iter().flat_map(|&bar| reach(bar)).fold((0.0_f64, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    let high = if high > low { high } else { low + 1.0 };
    let name =
        if panel.unit.is_empty() { panel.name.clone() } else { format!("{} ({})", panel.name, panel.unit) };

    let mut chart = ChartBuilder::on(area)
        .margin(20)
        .margin_right(36)
        .x_label_area_size(112)
        .y_label_area_size(170)
        .build_cartesian_2d(0.4..count as f64 + 0.6, low * 1.1..high * 1.1)
        .map_err(undrawable)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(FAINT.stroke_width(2))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.stroke_width(2))
        .label_style(text(LABEL))
        .axis_desc_style(text(LABEL))
        .set_all_tick_mark_size(10)
        .x_desc("target")
        .y_desc(name)
        .x_labels(count.clamp(1, 12))
        .y_labels(6)
        .y_label_offset(sag(LABEL))
        .x_label_formatter(&|v| whole_label(*v))
        .y_label_formatter(&|v| label(*v))
        .draw()
        .map_err(undrawable)?;

    for (x, [target, mean, std]) in (1..).map(f64::from).zip(bars) {
        let bar = Rectangle::new([(x - BAR, 0.0), (x + BAR, mean)], class_colour(1).filled());
        chart.draw_series([bar]).map_err(undrawable)?;
        let whisker = [
            [(x, mean - std), (x, mean + std)],
            [(x - BAR / 3.0, mean - std), (x + BAR / 3.0, mean - std)],
            [(x - BAR / 3.0, mean + std), (x + BAR / 3.0, mean + std)],
        ];
        chart
            .draw_series(whisker.map(|line| PathElement::new(line, INK.stroke_width(2))))
            .map_err(undrawable)?;
        let dashes = (0..5).map(|i| {
            let from = x - TARGET + 2.0 * TARGET * f64::from(2 * i) / 9.0;
            PathElement::new([(from, target), (from + 2.0 * TARGET / 9.0, target)], target_style())
        });
        chart.draw_series(dashes).map_err(undrawable)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_as_wide_as_it_must_be_and_shows_its_grid() {
        let path = std::env::temp_dir().join(format!("invnet-report-{}.png", std::process::id()));
        let panel = |targets: Vec<f64>| BarPanel {
            name: "r1".into(),
            unit: String::new(),
            mean: targets.clone(),
            std: vec![f64::NAN; targets.len()],
            targets,
        };
        for (panels, grid_width) in
            [(vec![], 10), (vec![panel(vec![]), panel(vec![0.0]), panel(vec![-3.0; 40])], 1900)]
        {
            let grid = Image::new(grid_width, 20, [1, 2, 3]);
            let report = ReportFigure { title: "odd".into(), panels, grid, caption: String::new() };
            report_png(&path, &report).expect("draws");
            let file = std::io::BufReader::new(std::fs::File::open(&path).expect("opens"));
            let mut reader = png::Decoder::new(file).read_info().expect("a picture");
            let mut rgb = vec![0; reader.output_buffer_size().expect("fits")];
            let info = reader.next_frame(&mut rgb).expect("a frame");
            assert_eq!(info.width as usize, 1600.max(grid_width + MARGIN));
            assert_eq!(rgb.chunks_exact(3).filter(|p| *p == [1, 2, 3]).count(), grid_width * 20);
        }
        std::fs::remove_file(&path).expect("was written");
    }
}
