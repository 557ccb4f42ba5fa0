//! How well figures are drawn: one piece, the right shape, over the asked place.

use rayon::prelude::*;
use serde::Serialize;

use super::errors::column;
use crate::data::{circle_square, circles};
use crate::eval::shapes::{Shape, figure, iou_with, recognise};
use crate::train::World;
use crate::train::world::{Family, PER_FIGURE};

/// Quality of the figures of many samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Mean distance of centroids from where they were asked, in pixels.
    pub mean_centroid_error: f64,
    /// Mean of |area - asked| / asked.
    pub mean_relative_area_error: f64,
    /// Share of figures that are one 4-connected piece.
    pub single_component: f64,
    /// Share of figures recognised as the shape of their class.
    pub right_shape: f64,
    /// Mean circularity of figures, 1 for a disc.
    pub circularity: f64,
    /// Mean intersection over union with the asked figure.
    pub iou: f64,
}

/// Sums over the two figures of a sample.
#[derive(Clone, Copy, Default)]
struct Sums {
    single: f64,
    right: f64,
    circularity: f64,
    iou: f64,
}

impl Figures {
    /// The figures of class maps against the rows of properties asked for; none in a world that has
    /// no figures.
    pub(super) fn measure(world: &World, maps: &[u8], asked: &[f32], measured: &[f32]) -> Option<Self> {
        let size = world.size();
        let shapes = match world.family() {
            Family::Circles(_) => [Shape::Disc; 2],
            Family::CircleSquare(_) => [Shape::Disc, Shape::Square],
            _ => return None,
        };
        let rows = asked.par_chunks_exact(2 * PER_FIGURE);
        let sums: Vec<Sums> = maps
            .par_chunks(size * size)
            .zip(rows)
            .map(|(map, row)| sample(world, map, row, shapes))
            .collect();
        // Summed in order, so that the same run gives the same report.
        let count = (2 * sums.len()) as f64;
        let mean = |f: fn(&Sums) -> f64| sums.iter().map(f).sum::<f64>() / count;
        let width = 2 * PER_FIGURE;
        let extent = |rows: &[f32], i: usize| -> Vec<f64> {
            // A radius stands for its area.
            let power = if matches!(world.family(), Family::Circles(_)) { 2 } else { 1 };
            column(rows, width, i).map(|v| v.powi(power)).collect()
        };
        let relative: f64 = [0, PER_FIGURE]
            .into_iter()
            .flat_map(|i| extent(asked, i).into_iter().zip(extent(measured, i)))
            .map(|(a, m)| (m - a).abs() / a)
            .sum();
        Some(Self {
            mean_centroid_error: centroid_error(asked, measured),
            mean_relative_area_error: relative / count,
            single_component: mean(|s| s.single),
            right_shape: mean(|s| s.right),
            circularity: mean(|s| s.circularity),
            iou: mean(|s| s.iou),
        })
    }
}

fn sample(world: &World, map: &[u8], row: &[f32], shapes: [Shape; 2]) -> Sums {
    let size = world.size();
    let row: &[f32; 2 * PER_FIGURE] = row.try_into().expect("two figures");
    let contains: [Box<dyn Fn(usize, usize) -> bool>; 2] = match world.family() {
        Family::CircleSquare(_) => {
            let (disc, square) = circle_square::from_properties(row);
            [Box::new(move |x, y| disc.contains(x, y)), Box::new(move |x, y| square.contains(x, y))]
        }
        _ => circles::from_properties(row).map(|disc| Box::new(move |x, y| disc.contains(x, y)) as Box<_>),
    };
    let mut sums = Sums::default();
    for (class, (contains, shape)) in (1u8..).zip(contains.iter().zip(shapes)) {
        let f = figure(map, size, size, class);
        sums.single += f64::from(u8::from(f.components == 1));
        sums.right += f64::from(u8::from(recognise(map, size, size, class) == shape));
        sums.circularity += f.circularity;
        sums.iou += iou_with(map, size, size, class, contains);
    }
    sums
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
