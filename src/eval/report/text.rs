//! The report in words: a table for the terminal, a caption for the picture.

use std::fmt::Write as _;

use super::{Errors, Report};
use crate::eval::descriptors::{Likeness, Seam};
use crate::eval::variety::Variety;
use crate::invariance::View;
use crate::words::counted;

/// More properties than this are summed up in one line.
const LISTED: usize = 8;

impl Report {
    /// A short table of asked against measured.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        let _ = writeln!(text, "{}, measured after argmax", counted(self.samples, "random target"));
        let _ = writeln!(
            text,
            "{:12} {:>14} {:>9} {:>9} {:>9}",
            "property", "mean abs error", "bias", "p95", "unit"
        );
        for (property, first) in self.shown.task.placed() {
            let numbers = &self.properties[first..first + property.columns().len()];
            if numbers.len() > LISTED {
                // A curve is one line: the mean over its points.
                let mean = |f: fn(&Errors) -> f64| {
                    numbers.iter().map(|p| f(&p.argmax)).sum::<f64>() / numbers.len() as f64
                };
                let name = format!("{}..{}", numbers[0].name, numbers[numbers.len() - 1].name);
                let unit = &numbers[0].unit;
                row(&mut text, &name, [mean(|e| e.mean_abs_error), mean(|e| e.bias), mean(|e| e.p95)], unit);
                continue;
            }
            for p in numbers {
                let e = &p.argmax;
                row(&mut text, &p.name, [e.mean_abs_error, e.bias, e.p95], &p.unit);
                if e.missing > 0 {
                    let _ = writeln!(text, "{:12} missing in {}", "", counted(e.missing, "sample"));
                }
            }
        }
        for (name, value) in self.summary() {
            let _ = writeln!(text, "{name:26} {value}");
        }
        for d in &self.descriptors {
            let ratio = d.ratio.map_or(String::new(), |ratio| format!(", ratio {ratio:.1}"));
            let _ = writeln!(
                text,
                "{:26} {:.4} ± {:.4}, real {:.4} ± {:.4}{ratio}",
                d.name, d.generated.mean, d.generated.std, d.real.mean, d.real.std
            );
        }
        if let Some(Likeness { worst_ratio, worst_descriptor, mean_ratio }) = &self.likeness {
            let _ = writeln!(
                text,
                "distance from real images  {mean_ratio:.1} times that of real ones, \
                 at worst {worst_ratio:.1} ({worst_descriptor})"
            );
        }
        let Variety { nearest_training, nearest_held_out, distinct, coverage } = self.variety;
        let _ = writeln!(
            text,
            "{:26} {nearest_training:.3} of the pixels off in training, {nearest_held_out:.3} in held-out images",
            "nearest image"
        );
        let _ = writeln!(text, "{:26} {distinct:.2} of the samples of a target", "distinct");
        let _ = writeln!(text, "{:26} {coverage:.2} of the held-out numbers", "covered");
        if let Some(closed) = &self.closed {
            text += &closed.table();
        }
        text
    }

    /// What the picture shows, in a few sentences.
    pub(super) fn caption(&self) -> String {
        let numbers: Vec<String> =
            self.summary().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        let warnings: String = self.warnings.iter().map(|w| format!("Warning: {w}. ")).collect();
        format!(
            "{warnings}Panels: mean and standard deviation over {} of each of {}, measured on class maps. \
             Over {}: {}.",
            counted(self.repeats, "sample"),
            counted(self.targets.len(), "target"),
            counted(self.samples, "random target"),
            numbers.join(", ")
        )
    }

    /// The figures by which a run is judged.
    fn summary(&self) -> Vec<(&'static str, String)> {
        if let Some(f) = &self.figures {
            let side = 100.0 * f.mean_centroid_error / self.size[1] as f64;
            let mut lines = vec![
                ("centroid error", format!("{:.2} px ({side:.2} % of the side)", f.mean_centroid_error)),
                ("area error", format!("{:.1} %", 100.0 * f.mean_relative_area_error)),
                ("one piece", format!("{:.1} % of figures", 100.0 * f.single_component)),
                ("right shape", format!("{:.1} % of figures", 100.0 * f.right_shape)),
                ("overlap with the asked", format!("{:.3} IoU", f.iou)),
            ];
            if f.missing_figures > 0 {
                lines.push(("missing", counted(f.missing_figures, "figure")));
            }
            return lines;
        }
        let mut lines = Vec::new();
        if let [property] = self.shown.task.properties() {
            let (mean, worst) = match property.invariance().view() {
                View::Curve { .. } => ("error of the curve", "worst point of a target"),
                View::Shares => ("error of a fraction", "worst at a target"),
                View::Bars | View::Bubbles => ("error", "worst target"),
            };
            for (name, error) in [(mean, self.mean_abs_error), (worst, self.worst_target_error)] {
                lines.push((name, format!("{error:.*}", places(error, 4))));
            }
        }
        lines.push(("diversity of a target", format!("{:.2} of the pixels", self.diversity)));
        if let Some(Seam { ratio, standard_error }) = self.seam {
            let text = format!("{ratio:.2} \u{b1} {standard_error:.2}");
            lines.push(("class changes across the border over those inside", text));
        }
        lines
    }
}

/// A line of the table.
fn row(text: &mut String, name: &str, values: [f64; 3], unit: &str) {
    let [mean, bias, p95] = values;
    let places = places(mean, if unit.starts_with("px") { 2 } else { 4 });
    let _ = writeln!(text, "{name:12} {mean:14.places$} {bias:9.places$} {p95:9.places$} {unit:>9}");
}

/// Decimal places for an error: as usual, or as many as two of its digits take.
fn places(error: f64, usual: usize) -> usize {
    const MOST: usize = 7;
    let first = -error.abs().log10().floor();
    if error == 0.0 || !first.is_finite() {
        usual
    } else {
        usual.max((first + 1.0).max(0.0) as usize).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_two_digits_however_small() {
        for (error, usual, shown) in [
            (0.41234, 2, "0.41"),
            (0.026, 2, "0.026"),
            (0.0157, 4, "0.0157"),
            (8.4e-4, 4, "0.00084"),
            (3e-9, 4, "0.0000000"),
            (0.0, 4, "0.0000"),
            (12.0, 2, "12.00"),
            (f64::NAN, 2, "NaN"),
        ] {
            assert_eq!(format!("{error:.*}", places(error, usual)), shown);
        }
    }
}
