//! Bars with whiskers: the paper's Fig. 3.

use plotters::prelude::*;

use super::{Axes, Chart, with_unit};
use crate::error::Result;
use crate::eval::canvas::{ASKED, Area, INK, MEASURED, undrawable, whole_label};

/// One property over a set of targets: what was asked and what many samples of each gave. A bar
/// shows the mean of the measured values, a whisker one standard deviation to either side and a
/// dashed line the asked value.
#[derive(Clone, Debug, PartialEq)]
pub struct BarPanel {
    /// Name of the property, e.g. `r1`.
    pub name: String,
    /// Its unit, e.g. `px`; empty if it has none.
    pub unit: String,
    /// What there is a bar for each of, e.g. `target`.
    pub each: &'static str,
    /// The asked value for each target, in the unit.
    pub targets: Vec<f64>,
    /// Mean of the measured values for each target, in the unit.
    pub mean: Vec<f64>,
    /// Standard deviation of the measured values for each target, in the unit.
    pub std: Vec<f64>,
}

/// Half the width of a bar and of a target's dashes, in distances between targets.
const BAR: f64 = 0.3;
const TARGET: f64 = 0.46;

/// Asked, mean and standard deviation of one bar.
pub(super) type Bar = [f64; 3];

impl BarPanel {
    pub(super) fn draw(&self, area: &Area) -> Result<()> {
        let bars = bars(&self.targets, &self.mean, &self.std);
        let count = bars.len();
        let axes = Axes {
            title: "",
            x: 0.4..count as f64 + 0.6,
            y: reach(&bars),
            x_name: self.each,
            y_name: with_unit(&self.name, &self.unit),
            x_labels: count.clamp(1, 12),
            x_label: &whole_label,
            scale: false,
        };
        let mut chart = axes.draw(area)?;
        (1..).zip(bars).try_for_each(|(i, bar)| draw_bar(&mut chart, f64::from(i), bar, MEASURED))
    }
}

/// The bars of a panel; what is not finite becomes 0.
pub(super) fn bars(asked: &[f64], mean: &[f64], std: &[f64]) -> Vec<Bar> {
    let finite = |v: f64| if v.is_finite() { v } else { 0.0 };
    asked.iter().zip(mean).zip(std).map(|((a, m), s)| [*a, *m, *s].map(finite)).collect()
}

/// The range of a y axis that shows 0 and the bars with their whiskers.
pub(super) fn reach(bars: &[Bar]) -> std::ops::Range<f64> {
    let ends = bars.iter().flat_map(|[asked, mean, std]| [*asked, mean - std, mean + std]);
    let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let high = if high > low { high } else { low + 1.0 };
    low * 1.1..high * 1.1
}

/// Draws a bar in the middle of item `x`.
pub(super) fn draw_bar(chart: &mut Chart, x: f64, [asked, mean, std]: Bar, colour: RGBColor) -> Result<()> {
    let bar = Rectangle::new([(x - BAR, 0.0), (x + BAR, mean)], colour.filled());
    chart.draw_series([bar]).map_err(undrawable)?;
    let whisker = [
        [(x, mean - std), (x, mean + std)],
        [(x - BAR / 3.0, mean - std), (x + BAR / 3.0, mean - std)],
        [(x - BAR / 3.0, mean + std), (x + BAR / 3.0, mean + std)],
    ];
    let lines = whisker.map(|line| PathElement::new(line, INK.stroke_width(3)));
    chart.draw_series(lines).map_err(undrawable)?;
    let dashes = (0..5).map(|i| {
        let from = x - TARGET + 2.0 * TARGET * f64::from(2 * i) / 9.0;
        PathElement::new([(from, asked), (from + 2.0 * TARGET / 9.0, asked)], ASKED.stroke_width(6))
    });
    chart.draw_series(dashes).map_err(undrawable)?;
    Ok(())
}
