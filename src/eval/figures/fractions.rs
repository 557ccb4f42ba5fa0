//! Fractions of the classes: the paper's Fig. 7.

use super::Axes;
use super::bars::{bars, draw_bar, reach};
use crate::error::Result;
use crate::eval::canvas::{Area, rgb};
use crate::eval::palette::Rgb;

/// One target of a fraction for each class, and what many samples of it gave: a bar in the class's
/// colour for the mean, a whisker of one standard deviation, a dashed line at the asked fraction.
#[derive(Clone, Debug, PartialEq)]
pub struct FractionPanel {
    /// Above the panel, e.g. which target it is.
    pub title: String,
    /// Short name of each class, under its bar.
    pub classes: Vec<String>,
    /// Colour of each class.
    pub colours: Vec<Rgb>,
    /// The asked fraction of each class.
    pub asked: Vec<f64>,
    /// Mean of the measured fractions of each class.
    pub mean: Vec<f64>,
    /// Standard deviation of the measured fractions of each class.
    pub std: Vec<f64>,
}

impl FractionPanel {
    pub(super) fn draw(&self, area: &Area) -> Result<()> {
        let bars = bars(&self.asked, &self.mean, &self.std);
        let count = bars.len();
        let name = |x: f64| {
            let class = if x.fract() == 0.0 { self.classes.get((x - 1.0) as usize) } else { None };
            class.cloned().unwrap_or_default()
        };
        let axes = Axes {
            title: &self.title,
            x: 0.4..count as f64 + 0.6,
            y: reach(&bars),
            x_name: "class",
            y_name: "fraction".into(),
            x_labels: count.max(1),
            x_label: &name,
            scale: false,
        };
        let mut chart = axes.draw(area)?;
        for ((x, bar), colour) in (1..).zip(bars).zip(&self.colours) {
            draw_bar(&mut chart, f64::from(x), bar, rgb(*colour))?;
        }
        Ok(())
    }
}
