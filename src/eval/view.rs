//! How images are looked at: their colours, and the outlines of what was asked.

use super::grid::{Image, grid_png};
use super::palette::{FIGURES, ORIENTATIONS, Rgb, TWO_PHASE};
use crate::data::figure::Figure;
use crate::data::source::Look;
use crate::train::Task;

/// The colours of classes.
#[must_use]
pub fn palette(look: Look, classes: usize) -> &'static [Rgb] {
    match look {
        Look::Phases if classes <= TWO_PHASE.len() => &TWO_PHASE,
        Look::Figures | Look::Phases => &FIGURES,
        Look::Grains => &ORIENTATIONS,
    }
}

/// A grid of class maps `[count, H, W]`, each drawn `times` across and down, side by side.
#[must_use]
pub fn tiled(task: &Task, maps: &[u8], times: usize, columns: usize) -> Image {
    let (images, [h, w]) = (task.images(), task.images().size);
    let count = maps.len() / images.pixels();
    let tiles: Vec<u8> = maps
        .chunks_exact(images.pixels())
        .flat_map(|map| {
            map.chunks_exact(w).flat_map(|row| row.repeat(times)).collect::<Vec<_>>().repeat(times)
        })
        .collect();
    let colours = palette(task.look(), images.classes);
    grid_png(&tiles, count, h * times, w * times, columns.min(count).max(1), colours, &[])
}

/// A grid of class maps `[count, H, W]`, with the outlines of the figures that each was asked for
/// if `asked` is not empty.
#[must_use]
pub fn picture(task: &Task, maps: &[u8], asked: &[f32], columns: usize) -> Image {
    let (images, [h, w]) = (task.images(), task.images().size);
    let count = maps.len() / images.pixels();
    let columns = columns.min(count).max(1);
    let outlines: Vec<Vec<Figure>> =
        asked.chunks_exact(task.columns().len()).filter_map(|row| task.figures(row)).collect();
    grid_png(maps, count, h, w, columns, palette(task.look(), images.classes), &outlines)
}
