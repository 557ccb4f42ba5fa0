//! A curve that was asked for, and the band of what came.

use plotters::prelude::*;

use super::{Axes, extent};
use crate::error::Result;
use crate::eval::canvas::{ASKED, Area, MEASURED, MEASURED_LINE, label, undrawable};

/// One target that is a curve, e.g. a two-point correlation, and what many samples of it gave: the
/// asked curve dashed, the mean of the measured ones solid, in a band of one standard deviation to
/// either side.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePanel {
    /// Above the panel, e.g. which target it is.
    pub title: String,
    /// Name and unit of `x`, e.g. `r (px)`.
    pub x_name: String,
    /// Name and unit of the values.
    pub y_name: String,
    /// Where the curves have values, rising.
    pub x: Vec<f64>,
    /// The asked curve.
    pub asked: Vec<f64>,
    /// Mean of the measured curves.
    pub mean: Vec<f64>,
    /// Standard deviation of the measured curves at each `x`.
    pub std: Vec<f64>,
}

impl CurvePanel {
    pub(super) fn draw(&self, area: &Area) -> Result<()> {
        let points: Vec<[f64; 4]> = (0..self.x.len())
            .map(|i| [self.x[i], self.asked[i], self.mean[i], self.std[i]])
            .filter(|point| point.iter().all(|v| v.is_finite()))
            .collect();
        let (left, right) = extent(points.iter().map(|p| p[0])).unwrap_or((0.0, 1.0));
        let values = points.iter().flat_map(|[_, asked, mean, std]| [*asked, mean - std, mean + std]);
        // Zero is where most of these curves belong: shown, unless the values are far from it.
        let (low, high) = extent(values).unwrap_or((0.0, 1.0));
        let low = if low > 0.0 && low < 0.7 * high { 0.0 } else { low };
        let air = 0.05 * (high - low);
        let axes = Axes {
            title: &self.title,
            x: left..right,
            y: if low == 0.0 { 0.0 } else { low - air }..high + air,
            x_name: &self.x_name,
            y_name: self.y_name.clone(),
            x_labels: 8,
            x_label: &label,
            scale: true,
        };
        let mut chart = axes.draw(area)?;
        let line = |value: fn(&[f64; 4]) -> f64| points.iter().map(move |p| (p[0], value(p)));
        let band: Vec<(f64, f64)> = line(|p| p[2] + p[3]).chain(line(|p| p[2] - p[3]).rev()).collect();
        chart.draw_series([Polygon::new(band, MEASURED.mix(0.45))]).map_err(undrawable)?;
        let mean = LineSeries::new(line(|p| p[2]), MEASURED_LINE.stroke_width(5));
        chart.draw_series(mean).map_err(undrawable)?;
        let asked: Vec<(f64, f64)> = line(|p| p[1]).collect();
        if asked.len() > 1 {
            let dashes = DashedLineSeries::new(asked, 20, 12, ASKED.stroke_width(5));
            chart.draw_series(dashes).map_err(undrawable)?;
        }
        Ok(())
    }
}
