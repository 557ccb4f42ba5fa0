//! How a world's images are looked at: their colours, the outlines of what was asked, and what is
//! measured on class maps.

use rayon::prelude::*;

use super::grid::{Image, Outline, grid_png};
use super::palette::{FIGURES, ORIENTATIONS, Rgb, TWO_PHASE};
use super::shapes::figure;
use crate::data::{circle_square, circles};
use crate::error::Result;
use crate::train::World;
use crate::train::dataset;
use crate::train::world::{Family, PER_FIGURE};

/// The colours of a world's classes.
#[must_use]
pub fn palette(world: &World) -> &'static [Rgb] {
    match world.family() {
        Family::Circles(_) | Family::CircleSquare(_) => &FIGURES,
        Family::VolumeFraction | Family::Correlation { .. } => &TWO_PHASE,
        Family::Fractions { .. } => &ORIENTATIONS,
    }
}

/// The figures asked for by each row of properties; nothing in worlds without figures.
#[must_use]
pub fn outlines(world: &World, properties: &[f32]) -> Vec<Vec<Outline>> {
    let rows = properties.as_chunks::<{ 2 * PER_FIGURE }>().0.iter();
    match world.family() {
        Family::Circles(_) => {
            rows.map(|row| circles::from_properties(row).map(Outline::Disc).to_vec()).collect()
        }
        Family::CircleSquare(_) => rows
            .map(|row| {
                let (disc, square) = circle_square::from_properties(row);
                vec![Outline::Disc(disc), Outline::Square(square)]
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A grid of class maps `[count, size, size]` in the world's colours, with the outlines of what each
/// was asked for if `asked` is not empty.
#[must_use]
pub fn picture(world: &World, maps: &[u8], asked: &[f32], columns: usize) -> Image {
    let size = world.size();
    let count = maps.len() / (size * size);
    let columns = columns.min(count).max(1);
    grid_png(maps, count, size, size, columns, palette(world), &outlines(world, asked))
}

/// The properties of class maps `[N, size, size]`, `[N, P]` in the world's units. A figure's radius is
/// that of a disc of its area, and an absent figure lies in the middle of the image.
///
/// # Errors
/// If the device that measures fails.
pub fn measured_properties(world: &World, maps: &[u8]) -> Result<Vec<f32>> {
    let size = world.size();
    let extent: fn(f64) -> f64 = match world.family() {
        Family::Circles(_) => |area| (area / std::f64::consts::PI).sqrt(),
        Family::CircleSquare(_) => |area| area,
        _ => return Ok(world.properties(&dataset::measure(world, maps)?)),
    };
    let rows = maps.par_chunks(size * size).flat_map_iter(|map| {
        [1u8, 2].into_iter().flat_map(move |class| {
            let f = figure(map, size, size, class);
            [extent(f.area) as f32, f.cx as f32, f.cy as f32]
        })
    });
    Ok(rows.collect())
}
