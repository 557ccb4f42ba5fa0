//! What a trained generator achieved: random targets, and the paper's Fig. 3 protocol.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use super::figures::{BarPanel, ReportFigure, report_png};
use super::grid::grid_png;
use super::shapes::{diversity, figure, iou_with_disc};
use crate::data::circles::{Circle, from_properties};
use crate::data::export::write_atomically;
use crate::error::Result;
use crate::train::Sampler;

/// Seeds of the targets and of the noise: fixed, so that reports of two runs compare.
const TARGET_SEED: u64 = 0x7A26;
const NOISE_SEED: u64 = 0x5EED;

/// The Fig. 3 protocol: how many targets, and samples of each.
const BAR_TARGETS: usize = 8;
const BAR_SAMPLES: usize = 64;

/// Samples in the picture's grid, and in a row of it.
const GRID: usize = 30;
const GRID_COLUMNS: usize = 10;

/// Numbers of a property that a disc has: r, cx, cy.
const PER_FIGURE: usize = 3;

/// Errors of one property, measured minus asked, in its unit.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Errors {
    /// Mean of the absolute error.
    pub mean_abs_error: f64,
    /// Mean error.
    pub bias: f64,
    /// Standard deviation of the error.
    pub std: f64,
    /// 95th percentile of the absolute error.
    pub p95: f64,
}

/// One property over all samples.
#[derive(Clone, Debug, Serialize)]
pub struct Property {
    /// Name, as targets give it.
    pub name: String,
    /// Unit of the errors.
    pub unit: &'static str,
    /// Measured on the class map.
    pub argmax: Errors,
    /// Measured on the class probabilities.
    pub softmax: Errors,
    /// Mean absolute error over the asked value, on the class map; for areas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_relative_error: Option<f64>,
}

/// The measurements of a trained generator.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Random targets, one sample each.
    pub samples: usize,
    /// Pixels a side.
    pub size: usize,
    /// Radii and centres in pixels, areas in square pixels.
    pub properties: Vec<Property>,
    /// Mean distance of centroids from where they were asked, in pixels.
    pub mean_centroid_error: f64,
    /// Mean of |area - asked| / asked.
    pub mean_relative_area_error: f64,
    /// Share of figures that are one 4-connected piece.
    pub single_component: f64,
    /// Mean circularity of figures, 1 for a disc.
    pub circularity: f64,
    /// Mean intersection over union with the asked disc.
    pub iou: f64,
    /// Mean share of pixels that differ between two samples of one target.
    pub diversity: f64,
    /// Wall time of generation, argmax and soft measurement included.
    pub seconds_per_sample: f64,
    #[serde(skip)]
    figure: ReportFigureParts,
}

/// What the picture needs beside the numbers.
#[derive(Clone, Debug, Default)]
struct ReportFigureParts {
    panels: Vec<BarPanel>,
    maps: Vec<u8>,
    asked: Vec<[Circle; 2]>,
}

/// Radius and centre of both figures of every class map `[N, size, size]`: `[N, 6]` in pixels, the
/// radius being that of a disc of the measured area.
#[must_use]
pub fn measured_properties(maps: &[u8], size: usize) -> Vec<f32> {
    maps.par_chunks(size * size)
        .flat_map_iter(|map| {
            [1u8, 2].into_iter().flat_map(move |class| {
                let f = figure(map, size, size, class);
                [(f.area / std::f64::consts::PI).sqrt() as f32, f.cx as f32, f.cy as f32]
            })
        })
        .collect()
}

/// Quality of the figures of one sample, summed over its two.
#[derive(Clone, Copy, Default)]
struct Quality {
    single: f64,
    circularity: f64,
    iou: f64,
}

impl Report {
    /// Measures `count` random targets and the Fig. 3 protocol.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(sampler: &mut Sampler, count: usize) -> Result<Self> {
        let world = sampler.world();
        let (names, size) = (world.names(), world.size());
        let asked = world.sample_targets(count, TARGET_SEED);
        let start = Instant::now();
        let samples = sampler.sample(&asked, NOISE_SEED)?;
        let seconds_per_sample = start.elapsed().as_secs_f64() / count as f64;
        let hard = measured_properties(&samples.maps, size);

        let mut properties = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let column = |rows: &[f32]| -> Vec<f64> {
                rows.iter().skip(i).step_by(names.len()).map(|&v| f64::from(v)).collect()
            };
            let (asked, hard, soft) = (column(&asked), column(&hard), column(&samples.soft));
            properties.push(property((*name).to_owned(), "px", &asked, &hard, &soft, false));
            if i % PER_FIGURE == 0 {
                let area =
                    |r: Vec<f64>| -> Vec<f64> { r.iter().map(|r| std::f64::consts::PI * r * r).collect() };
                let name = format!("area{}", i / PER_FIGURE + 1);
                properties.push(property(name, "px^2", &area(asked), &area(hard), &area(soft), true));
            }
        }

        let circles: Vec<[Circle; 2]> = asked.as_chunks::<6>().0.iter().map(from_properties).collect();
        let qualities: Vec<Quality> = samples
            .maps
            .par_chunks(size * size)
            .zip(&circles)
            .map(|(map, discs)| quality(map, size, discs))
            .collect();
        // Two figures a sample; summed in order, so that the same run gives the same report.
        let mean = |f: fn(&Quality) -> f64| qualities.iter().map(f).sum::<f64>() / (2 * count) as f64;
        let areas: Vec<f64> = properties.iter().filter_map(|p| p.mean_relative_error).collect();
        let (panels, diversity) = bars(sampler)?;
        let shown = count.min(GRID);
        Ok(Self {
            samples: count,
            size,
            mean_centroid_error: centroid_error(&asked, &hard),
            mean_relative_area_error: areas.iter().sum::<f64>() / areas.len() as f64,
            properties,
            single_component: mean(|q| q.single),
            circularity: mean(|q| q.circularity),
            iou: mean(|q| q.iou),
            diversity,
            seconds_per_sample,
            figure: ReportFigureParts {
                panels,
                maps: samples.maps[..shown * size * size].to_vec(),
                asked: circles[..shown].to_vec(),
            },
        })
    }

    /// Writes `report.json` and `report.png` to a folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("numbers and names are JSON");
        write_atomically(folder.join("report.json"), |file| writeln!(file, "{text}"))?;
        let shown = self.figure.asked.len();
        let grid = grid_png(
            &self.figure.maps,
            shown,
            self.size,
            self.size,
            GRID_COLUMNS.min(shown),
            Some(&self.figure.asked),
        );
        let title = format!("Asked against generated, {0} x {0} pixels", self.size);
        let caption = format!(
            "Bars: mean over {BAR_SAMPLES} samples of each of {BAR_TARGETS} targets, measured on class maps. \
             Grid: one sample of each of {shown} random targets, the asked outline drawn over it. \
             Over {} random targets: centroid error {:.2} px, area error {:.1} %, one piece {:.1} %, IoU {:.3}.",
            self.samples,
            self.mean_centroid_error,
            100.0 * self.mean_relative_area_error,
            100.0 * self.single_component,
            self.iou
        );
        let panels = self.figure.panels.clone();
        report_png(folder.join("report.png"), &ReportFigure { title, panels, grid, caption })
    }

    /// A short table of asked against measured.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{} random targets, measured after argmax", self.samples);
        let _ = writeln!(
            text,
            "{:10} {:>14} {:>9} {:>9} {:>9}",
            "property", "mean abs error", "bias", "p95", "unit"
        );
        for p in &self.properties {
            let e = &p.argmax;
            let _ = writeln!(
                text,
                "{:10} {:14.2} {:9.2} {:9.2} {:>9}",
                p.name, e.mean_abs_error, e.bias, e.p95, p.unit
            );
        }
        let side = 100.0 * self.mean_centroid_error / self.size as f64;
        let _ = writeln!(
            text,
            "centroid error      {:8.2} px ({side:.2} % of the side)",
            self.mean_centroid_error
        );
        let _ = writeln!(text, "area error          {:8.2} %", 100.0 * self.mean_relative_area_error);
        let _ = writeln!(text, "one piece           {:8.1} % of figures", 100.0 * self.single_component);
        let _ = writeln!(text, "overlap with disc   {:8.3} IoU", self.iou);
        text
    }
}

fn property(
    name: String,
    unit: &'static str,
    asked: &[f64],
    hard: &[f64],
    soft: &[f64],
    relative: bool,
) -> Property {
    let mean_relative_error = relative
        .then(|| asked.iter().zip(hard).map(|(a, h)| (h - a).abs() / a).sum::<f64>() / asked.len() as f64);
    Property { name, unit, argmax: errors(asked, hard), softmax: errors(asked, soft), mean_relative_error }
}

fn errors(asked: &[f64], measured: &[f64]) -> Errors {
    let n = asked.len() as f64;
    let differences: Vec<f64> = measured.iter().zip(asked).map(|(m, a)| m - a).collect();
    let bias = differences.iter().sum::<f64>() / n;
    let mut sizes: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    Errors {
        mean_abs_error: sizes.iter().sum::<f64>() / n,
        bias,
        std: (differences.iter().map(|d| (d - bias).powi(2)).sum::<f64>() / n).sqrt(),
        p95: sizes[(0.95 * (n - 1.0)).round() as usize],
    }
}

/// Mean Euclidean distance of both centroids.
fn centroid_error(asked: &[f32], measured: &[f32]) -> f64 {
    let figures = asked.chunks_exact(PER_FIGURE).zip(measured.chunks_exact(PER_FIGURE));
    let distance = |(a, m): (&[f32], &[f32])| {
        let [dx, dy] = [1, 2].map(|i| f64::from(a[i] - m[i]));
        (dx * dx + dy * dy).sqrt()
    };
    figures.map(distance).sum::<f64>() / (asked.len() / PER_FIGURE) as f64
}

fn quality(map: &[u8], size: usize, discs: &[Circle; 2]) -> Quality {
    let mut sum = Quality::default();
    for (class, disc) in (1u8..).zip(discs) {
        let f = figure(map, size, size, class);
        sum.single += f64::from(u8::from(f.components == 1));
        sum.circularity += f.circularity;
        sum.iou += iou_with_disc(map, size, size, class, disc);
    }
    sum
}

/// Many samples of each of a few targets: a panel a property, and the diversity between samples.
fn bars(sampler: &mut Sampler) -> Result<(Vec<BarPanel>, f64)> {
    let world = sampler.world();
    let (names, size) = (world.names(), world.size());
    let targets = world.sample_targets(BAR_TARGETS, TARGET_SEED + 1);
    let mut panels: Vec<BarPanel> = names
        .iter()
        .map(|name| BarPanel {
            name: (*name).to_owned(),
            unit: "px".into(),
            targets: Vec::new(),
            mean: Vec::new(),
            std: Vec::new(),
        })
        .collect();
    let mut differing = 0.0;
    for (t, target) in targets.chunks_exact(names.len()).enumerate() {
        let samples = sampler.sample(&target.repeat(BAR_SAMPLES), NOISE_SEED + 1 + t as u64)?;
        let measured = measured_properties(&samples.maps, size);
        for (i, panel) in panels.iter_mut().enumerate() {
            let column = measured.iter().skip(i).step_by(names.len()).map(|&v| f64::from(v));
            let asked = f64::from(target[i]);
            let e = errors(&[asked; BAR_SAMPLES], &column.collect::<Vec<f64>>());
            panel.targets.push(asked);
            panel.mean.push(asked + e.bias);
            panel.std.push(e.std);
        }
        let maps: Vec<&[u8]> = samples.maps.chunks_exact(size * size).collect();
        differing += diversity(&maps) / BAR_TARGETS as f64;
    }
    Ok((panels, differing))
}
