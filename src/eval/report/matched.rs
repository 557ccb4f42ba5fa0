//! A person's image beside samples that are to have its properties.

use std::path::Path;

use super::errors::{Errors, column};
use super::repeated::{Target, panels};
use crate::close::Closed;
use crate::data::ClassMaps;
use crate::error::Result;
use crate::eval::figures::{Panel, ReportFigure, report_png};
use crate::eval::grid::grid_png;
use crate::eval::view::{palette, picture};
use crate::train::Task;
use crate::words::counted;

/// Samples shown, and how many in a row.
const SHOWN: usize = 8;
const ACROSS: usize = 4;

/// Writes a picture of the images, samples, and what was asked, `[P]`, over what came.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, task: &Task, images: &ClassMaps, asked: &[f32], closed: &Closed) -> Result<()> {
    let width = asked.len();
    let count = closed.within.len();
    let errors: Vec<Errors> = (0..width)
        .map(|i| {
            let of = &task.columns()[i];
            let asked = f64::from(asked[i]);
            Errors::of(column(&closed.measured, width, i).map(|measured| of.error(measured, asked)))
        })
        .collect();
    let target = Target {
        asked: asked.iter().map(|&v| f64::from(v)).collect(),
        mean: asked.iter().zip(&errors).map(|(&a, e)| f64::from(a) + e.bias).collect(),
        std: errors.iter().map(|e| e.std).collect(),
        mean_abs_error: errors.iter().map(|e| e.mean_abs_error).collect(),
    };
    let worst = closed
        .measured
        .chunks_exact(width)
        .flat_map(|row| task.columns().iter().zip(row).zip(asked))
        .map(|((column, &m), &a)| column.error(f64::from(m), f64::from(a)).abs())
        .fold(0.0, f64::max);
    let mean = errors.iter().map(|e| e.mean_abs_error).sum::<f64>() / width as f64;
    let within = closed.within.iter().filter(|w| **w).count();
    let shown = count.min(SHOWN) * task.images().pixels();
    let colours = palette(task.look(), task.images().classes);
    let (first, h, w) = (images.count.min(SHOWN), images.height, images.width);
    let title = match images.count {
        1 => "The image".to_owned(),
        all => format!("The images, the first of {all}"),
    };
    let pictures = vec![
        (title, grid_png(&images.maps[..first * h * w], first, h, w, first.min(ACROSS), colours, &[])),
        (format!("Samples, the first of {count}"), picture(task, &closed.maps[..shown], &[], ACROSS)),
    ];
    let figure = ReportFigure {
        title: "Samples with the properties of an image".into(),
        // One number of one target is a point: the table has it.
        panels: panels(&[target], task).into_iter().filter(|p| !matches!(p, Panel::Bubbles(_))).collect(),
        pictures,
        caption: format!(
            "Asked is what is measured of the image{}, measured are the class maps of {}, {within} within \
             tolerances: mean absolute error {mean:.5}, largest {worst:.5}.",
            if images.count > 1 { "s, on average" } else { "" },
            counted(count, "sample")
        ),
    };
    report_png(path, &figure)
}
