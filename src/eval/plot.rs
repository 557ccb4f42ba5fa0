//! The plot of a training run: its losses over the iterations.

use std::ops::Range;
use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::canvas::{
    Area, FAINT, HEADING, INK, LABEL, MARGIN, MEASURED_LINE, PALE, TITLE, WIDTH, bold, drawn, label, sag,
    text, undrawable, whole_label, write_line,
};
use crate::error::Result;

/// One quantity of a training run, a panel of [`losses_png`].
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Name of the quantity.
    pub name: String,
    /// Iteration and value; values that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// Whether to plot on a logarithmic axis; values that are not positive are left out.
    pub log: bool,
}

const COLUMNS: usize = 3;
const PANEL_HEIGHT: usize = 720;

/// Draws the losses of a training run over its iterations, three panels in a row, and writes them
/// as a PNG file, 1600 pixels wide. Where a panel has many values they are drawn pale, under their
/// running mean.
///
/// Values that cannot be shown are left out, and a curve without any gives an empty panel: a plot
/// must not be what stops a run.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) if the file cannot be written.
pub fn losses_png(path: impl AsRef<Path>, title: &str, curves: &[Curve]) -> Result<()> {
    let columns = curves.len().clamp(1, COLUMNS);
    let top = MARGIN + TITLE as usize + 12;
    let height = top + curves.len().div_ceil(columns) * PANEL_HEIGHT + MARGIN / 2;
    let image = drawn(WIDTH, height, |area| {
        write_line(area, title, &bold(TITLE), MARGIN, MARGIN)?;
        let width = (WIDTH - MARGIN) / columns;
        for (i, curve) in curves.iter().enumerate() {
            let (x, y) = (MARGIN / 2 + i % columns * width, top + i / columns * PANEL_HEIGHT);
            let panel = area.clone().shrink((x as i32, y as i32), (width as u32, PANEL_HEIGHT as u32));
            draw_curve(&panel, curve)?;
        }
        Ok(())
    })?;
    image.write_png(path)
}

fn draw_curve(area: &Area, curve: &Curve) -> Result<()> {
    let shown = |&(x, y): &(f64, f64)| x.is_finite() && y.is_finite() && (!curve.log || y > 0.0);
    let points: Vec<(f64, f64)> = curve.points.iter().copied().filter(shown).collect();
    let (x0, x1) = extent(points.iter().map(|p| p.0)).unwrap_or((0.0, 1.0));
    let x = x0..if x1 > x0 { x1 } else { x0 + 1.0 };
    if curve.log {
        let (y0, y1) = extent(points.iter().map(|p| p.1)).unwrap_or((0.1, 1.0));
        // A little air above and below, and in all more than 2.5, so that there is a tick.
        let air = (2.6 * y0 / y1).sqrt().max((y1 / y0).powf(0.03)).max(1.1);
        let y = y0 / air..y1 * air;
        let ticks = log_ticks(&y);
        draw_axes(area, curve, &points, x, y.log_scale().with_key_points(ticks))
    } else {
        let (y0, y1) = extent(points.iter().map(|p| p.1)).unwrap_or((0.0, 1.0));
        let air = ((y1 - y0) * 0.06).max(y1.abs().max(1e-6) * 0.02);
        draw_axes(area, curve, &points, x, y0 - air..y1 + air)
    }
}

/// The smallest and the largest value, if there is any.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((low.min(v), high.max(v)))
    })
}

/// Ticks of a logarithmic axis: 1, 2 and 5 of each decade, or powers of ten if those would be too
/// many, or every second, third, ... of these.
fn log_ticks(range: &Range<f64>) -> Vec<f64> {
    let first = range.start.log10().floor() as i32;
    let last = range.end.log10().ceil() as i32;
    let (digits, step): (&[u8], _) = match last - first {
        0..=3 => (&[1, 2, 5], 1),
        decades => (&[1], decades / 8 + 1),
    };
    // A multiple of the step, so that ticks do not depend on where the data start.
    let start = first.div_euclid(step) * step;
    (start..=last)
        .step_by(step as usize)
        // Parsing gives the nearest number to 2e-5, where a product with a power of ten need not.
        .flat_map(|power| digits.iter().filter_map(move |digit| format!("{digit}e{power}").parse().ok()))
        .filter(|tick| range.contains(tick))
        .collect()
}

fn draw_axes<Y>(area: &Area, curve: &Curve, points: &[(f64, f64)], x: Range<f64>, y: Y) -> Result<()>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .caption(&curve.name, bold(HEADING))
        .margin(24)
        .margin_right(56)
        .x_label_area_size(116)
        .y_label_area_size(168)
        .build_cartesian_2d(x, y)
        .map_err(undrawable)?;
    chart
        .configure_mesh()
        .bold_line_style(FAINT.stroke_width(2))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.stroke_width(2))
        .label_style(text(LABEL))
        .axis_desc_style(text(LABEL))
        .set_all_tick_mark_size(10)
        .x_desc("iteration")
        .x_labels(6)
        .y_labels(6)
        .y_label_offset(sag(LABEL))
        .x_label_formatter(&|v| whole_label(*v))
        .y_label_formatter(&|v| label(*v))
        .draw()
        .map_err(undrawable)?;
    let (pale, strong) = (PALE.stroke_width(2), MEASURED_LINE.stroke_width(5));
    let window = points.len() / 40;
    if window > 1 {
        chart.draw_series(LineSeries::new(points.iter().copied(), pale)).map_err(undrawable)?;
    }
    if let [point] = points {
        chart.draw_series([Circle::new(*point, 8, strong.filled())]).map_err(undrawable)?;
    }
    chart.draw_series(LineSeries::new(running_mean(points, window), strong)).map_err(undrawable)?;
    Ok(())
}

/// The mean over `window` points on either side, fewer at the ends.
fn running_mean(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    (0..points.len())
        .map(|i| {
            let near = &points[i.saturating_sub(window)..(i + window + 1).min(points.len())];
            (points[i].0, near.iter().map(|p| p.1).sum::<f64>() / near.len() as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_logarithmic_axis_has_a_few_ticks() {
        assert_eq!(log_ticks(&(0.015..1.2)), [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]);
        assert_eq!(log_ticks(&(0.5e-3..20.0)), [1e-3, 1e-2, 1e-1, 1.0, 10.0]);
        for exponent in -300..300 {
            for span in [2.6, 30.0, 1e6, 1e40] {
                let start = 1.7 * 10_f64.powf(f64::from(exponent) / 3.0);
                let ticks = log_ticks(&(start..start * span));
                assert!((1..=10).contains(&ticks.len()), "{start} times {span}: {ticks:?}");
            }
        }
    }

    #[test]
    fn odd_curves_are_drawn_without_complaint() {
        let path = std::env::temp_dir().join(format!("invnet-losses-{}.png", std::process::id()));
        let values: [&[f64]; 6] =
            [&[], &[2.0], &[0.0, f64::NAN, 1e-7], &[0.0; 9], &[-1e6, 1e30], &[1.0, f64::INFINITY]];
        let mut curves = Vec::new();
        for (values, log) in values.into_iter().flat_map(|v| [(v, false), (v, true)]) {
            let points = (0..).map(f64::from).zip(values.iter().copied()).collect();
            curves.push(Curve { name: "loss".into(), points, log });
        }
        losses_png(&path, "odd", &curves).expect("draws");
        losses_png(&path, "none", &[]).expect("draws");
        std::fs::remove_file(&path).expect("was written");
    }
}
