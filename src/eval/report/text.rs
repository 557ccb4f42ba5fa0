//! The report in words: a table for the terminal, a caption for the picture.

use std::fmt::Write as _;

use super::Report;
use crate::train::world::Family;

/// More properties than this are summed up in one line.
const LISTED: usize = 8;

impl Report {
    /// A short table of asked against measured.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("{} random targets, measured after argmax\n", self.samples);
        if self.properties.len() <= LISTED {
            let _ = writeln!(
                text,
                "{:10} {:>14} {:>9} {:>9} {:>9}",
                "property", "mean abs error", "bias", "p95", "unit"
            );
            for p in &self.properties {
                let e = &p.argmax;
                let places = if p.unit.is_empty() { 4 } else { 2 };
                let _ = writeln!(
                    text,
                    "{:10} {:14.places$} {:9.places$} {:9.places$} {:>9}",
                    p.name, e.mean_abs_error, e.bias, e.p95, p.unit
                );
            }
        }
        for (name, value) in self.summary() {
            let _ = writeln!(text, "{name:26} {value}");
        }
        for d in &self.descriptors {
            let _ = writeln!(
                text,
                "{:26} {:.4} ± {:.4}, real {:.4} ± {:.4}",
                d.name, d.generated.mean, d.generated.std, d.real.mean, d.real.std
            );
        }
        text
    }

    /// What the picture shows, in a few sentences.
    pub(super) fn caption(&self) -> String {
        let numbers: Vec<String> =
            self.summary().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        format!(
            "Panels: mean and standard deviation over {} samples of each of {} targets, measured on class maps. \
             Over {} random targets: {}.",
            self.repeats,
            self.targets.len(),
            self.samples,
            numbers.join(", ")
        )
    }

    /// The figures by which a run is judged.
    fn summary(&self) -> Vec<(&'static str, String)> {
        if let Some(f) = &self.figures {
            let side = 100.0 * f.mean_centroid_error / self.size as f64;
            return vec![
                ("centroid error", format!("{:.2} px ({side:.2} % of the side)", f.mean_centroid_error)),
                ("area error", format!("{:.1} %", 100.0 * f.mean_relative_area_error)),
                ("one piece", format!("{:.1} % of figures", 100.0 * f.single_component)),
                ("right shape", format!("{:.1} % of figures", 100.0 * f.right_shape)),
                ("overlap with the asked", format!("{:.3} IoU", f.iou)),
            ];
        }
        let worst = |name| (name, format!("{:.4}", self.worst_target_error));
        let mean = |name| (name, format!("{:.4}", self.mean_abs_error));
        let mut lines = match self.shown.world.family() {
            Family::Correlation { .. } => vec![mean("error of the curve"), worst("worst point of a target")],
            Family::Fractions { .. } => vec![mean("error of a fraction"), worst("worst at a target")],
            _ => vec![mean("error of p1"), worst("worst target")],
        };
        lines.push(("diversity of a target", format!("{:.2} of the pixels", self.diversity)));
        lines
    }
}
