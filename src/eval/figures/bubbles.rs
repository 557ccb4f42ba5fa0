//! Bubbles along a diagonal: the paper's Fig. 5 (c).

use plotters::prelude::*;

use super::{Axes, extent, with_unit};
use crate::error::Result;
use crate::eval::canvas::{
    ASKED, Area, FAINT, INK, LABEL, MEASURED, MEASURED_LINE, label, line_width, text, undrawable, write_line,
};

/// One property over a range of asked values: the asked value to the right, the mean of many
/// samples upward, a bubble whose area is in proportion to their standard deviation. On the dashed
/// diagonal measured equals asked.
#[derive(Clone, Debug, PartialEq)]
pub struct BubblePanel {
    /// Name of the property, e.g. `p1`.
    pub name: String,
    /// Its unit; empty if it has none.
    pub unit: String,
    /// The asked values, in the unit.
    pub targets: Vec<f64>,
    /// Mean of the measured values for each, in the unit.
    pub mean: Vec<f64>,
    /// Standard deviation of the measured values for each, in the unit.
    pub std: Vec<f64>,
}

/// Radius of the largest bubble, and of the dot in each one's middle.
const LARGEST: f64 = 44.0;
const DOT: i32 = 6;

impl BubblePanel {
    pub(super) fn draw(&self, area: &Area) -> Result<()> {
        let finite = |v: &[f64; 3]| v.iter().all(|v| v.is_finite());
        let points: Vec<[f64; 3]> = (0..self.targets.len())
            .map(|i| [self.targets[i], self.mean[i], self.std[i].abs()])
            .filter(finite)
            .collect();
        let (low, high) = extent(points.iter().flat_map(|p| [p[0], p[1]])).unwrap_or((0.0, 1.0));
        let air = 0.08 * (high - low);
        let range = low - air..high + air;
        let axes = Axes {
            title: "",
            x: range.clone(),
            y: range.clone(),
            x_name: &format!("asked {}", with_unit(&self.name, &self.unit)),
            y_name: format!("measured {}", with_unit(&self.name, &self.unit)),
            x_labels: 8,
            x_label: &label,
            scale: true,
        };
        let mut chart = axes.draw(area)?;
        let diagonal = [(range.start, range.start), (range.end, range.end)];
        chart
            .draw_series(DashedLineSeries::new(diagonal, 20, 12, ASKED.stroke_width(5)))
            .map_err(undrawable)?;
        let widest = points.iter().map(|p| p[2]).fold(0.0, f64::max);
        for [asked, mean, std] in points {
            chart.draw_series(bubble((asked, mean), std, widest)).map_err(undrawable)?;
        }
        draw_sizes(&chart.plotting_area().strip_coord_spec(), widest)
    }
}

/// A bubble for a standard deviation where the largest is `widest`, with a dot in the middle.
fn bubble<At: Copy>(at: At, std: f64, widest: f64) -> [Circle<At, i32>; 3] {
    let share = if widest > 0.0 { std / widest } else { 0.0 };
    let radius = (LARGEST * share.sqrt()).round() as i32;
    [
        Circle::new(at, radius, MEASURED.mix(0.5).filled()),
        Circle::new(at, radius, MEASURED_LINE.stroke_width(2)),
        Circle::new(at, DOT, INK.filled()),
    ]
}

/// What the bubbles' sizes mean, in the lower right corner, which points near the diagonal leave
/// free: two round values and their bubbles. Nothing if all deviations are 0.
fn draw_sizes(plot: &Area, widest: f64) -> Result<()> {
    let Some(value) = round_below(widest) else { return Ok(()) };
    let style = text(LABEL);
    let heading = "standard deviation";
    let (width, height) = plot.dim_in_pixel();
    let radius = LARGEST as i32;
    let names = [value / 4.0, value].map(label);
    let columns: [usize; 2] = [line_width(&names[0], &style)?, line_width(&names[1], &style)?];
    // Each entry: a bubble in a cell of the largest one's width, then its value.
    let cell = 2 * radius as usize + 16;
    let row = 2 * cell + columns[0] + columns[1] + 40;
    let inner = row.max(line_width(heading, &style)?);
    let (right, bottom) = (width as i32 - 24, height as i32 - 24);
    let (left, top) = (right - inner as i32 - 40, bottom - 2 * radius - LABEL as i32 - 56);
    let frame = [(left, top), (right, bottom)];
    plot.draw(&Rectangle::new(frame, WHITE.filled())).map_err(undrawable)?;
    plot.draw(&Rectangle::new(frame, FAINT.stroke_width(2))).map_err(undrawable)?;
    write_line(plot, heading, &style, left as usize + 20, top as usize + 20)?;
    let middle = bottom - 16 - radius;
    let mut x = left + 20;
    for ((name, column), std) in names.iter().zip(columns).zip([value / 4.0, value]) {
        for circle in bubble((x + radius, middle), std, widest) {
            plot.draw(&circle).map_err(undrawable)?;
        }
        let line = (x as usize + cell, (middle - LABEL as i32 / 3) as usize);
        write_line(plot, name, &style, line.0, line.1)?;
        x += (cell + column + 40) as i32;
    }
    Ok(())
}

/// The largest of 1, 2 and 4 times a power of ten that is at most `value`; a quarter of it is as
/// short a number. None for 0.
fn round_below(value: f64) -> Option<f64> {
    let power = value.log10().floor();
    let leading =
        [4.0, 2.0, 1.0].into_iter().find(|digit| digit * 10_f64.powf(power) <= value * (1.0 + 1e-9));
    leading.map(|digit| digit * 10_f64.powf(power)).filter(|v| v.is_normal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_explained_with_round_values() {
        for (value, expected) in [(0.0037, 0.002), (0.004, 0.004), (0.99, 0.4), (1.0, 1.0), (35.0, 20.0)] {
            let round = round_below(value).expect("above 0");
            assert!((round - expected).abs() < 1e-9 * expected, "{value} gives {round}");
        }
        assert_eq!(round_below(0.0), None);
    }
}
