//! How well figures are drawn: one piece, the right shape, over the asked place.

use rayon::prelude::*;
use serde::Serialize;

use crate::data::figure::Figure;
use crate::eval::shapes::{Shape, figure, iou_with, recognise};
use crate::train::Task;

/// Quality of the figures of many samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Mean distance of centroids from where they were asked, in pixels, of the figures there are.
    pub mean_centroid_error: f64,
    /// Mean of |area - asked| / asked.
    pub mean_relative_area_error: f64,
    /// Figures of which there is no pixel.
    pub missing_figures: usize,
    /// Share of figures that are one 4-connected piece.
    pub single_component: f64,
    /// Share of figures recognised as the shape of their class.
    pub right_shape: f64,
    /// Mean circularity of figures, 1 for a disc.
    pub circularity: f64,
    /// Mean intersection over union with the asked figure.
    pub iou: f64,
}

/// What one figure adds.
#[derive(Clone, Copy)]
struct One {
    distance: Option<f64>,
    relative: f64,
    single: bool,
    right: bool,
    circularity: f64,
    iou: f64,
}

impl Figures {
    /// The figures of class maps `[N, H, W]` against the rows of numbers asked for; none where these
    /// do not ask for figures.
    pub(super) fn measure(task: &Task, maps: &[u8], asked: &[f32]) -> Option<Self> {
        let rows: Vec<Vec<Figure>> =
            asked.chunks_exact(task.columns().len()).map(|row| task.figures(row)).collect::<Option<_>>()?;
        let all: Vec<One> = maps
            .par_chunks(task.images().pixels())
            .zip(&rows)
            .flat_map_iter(|(map, figures)| (1u8..).zip(figures).map(|(class, f)| one(task, map, class, f)))
            .collect();
        // Summed in order, so that the same run gives the same report.
        let mean = |f: fn(&One) -> f64| all.iter().map(f).sum::<f64>() / all.len() as f64;
        let share = |f: fn(&One) -> bool| all.iter().filter(|o| f(o)).count() as f64 / all.len() as f64;
        let distances: Vec<f64> = all.iter().filter_map(|o| o.distance).collect();
        Some(Self {
            mean_centroid_error: distances.iter().sum::<f64>() / distances.len() as f64,
            mean_relative_area_error: mean(|o| o.relative),
            missing_figures: all.len() - distances.len(),
            single_component: share(|o| o.single),
            right_shape: share(|o| o.right),
            circularity: mean(|o| o.circularity),
            iou: mean(|o| o.iou),
        })
    }
}

fn one(task: &Task, map: &[u8], class: u8, asked: &Figure) -> One {
    let [h, w] = task.images().size;
    let found = figure(map, h, w, class);
    let (shape, area, [cx, cy]) = match asked {
        Figure::Disc(d) => (Shape::Disc, std::f64::consts::PI * d.r * d.r, [d.cx, d.cy]),
        Figure::Square(s) => (Shape::Square, s.side * s.side, [s.cx, s.cy]),
    };
    let (dx, dy) = (found.cx - cx, found.cy - cy);
    One {
        distance: (found.area > 0.0).then(|| (dx * dx + dy * dy).sqrt()),
        relative: (found.area - area).abs() / area,
        single: found.components == 1,
        right: recognise(map, h, w, class) == shape,
        circularity: found.circularity,
        iou: iou_with(map, h, w, class, |x, y| asked.contains(x, y)),
    }
}
