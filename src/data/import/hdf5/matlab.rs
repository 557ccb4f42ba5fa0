//! MATLAB files of version 7.3, which are HDF5 files after a block of 512 bytes.
//!
//! MATLAB's first axis is the fastest, so a matrix `[H, W]` is stored as `[W, H]` and a stack
//! `[H, W, N]` as `[N, W, H]`: its axes are turned round here. A stack of squares is `[H, W, N]`, as
//! MATLAB has images, unless only its last two axes agree.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::catalogue::{self, Entry};
use super::{Source, at, everything};
use crate::data::import::collect::{Collector, Values};
use crate::error::{Error, Result};

/// How such a file begins.
const MAGIC: &[u8] = b"MATLAB 7.3 MAT-file";

/// Whether a file is MATLAB's.
pub(super) fn is_matlab(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    File::open(path).and_then(|mut f| f.read_exact(&mut start)).is_ok() && start == MAGIC
}

/// Reads the images of one variable.
pub(super) fn read(source: &Source, collector: &mut Collector) -> Result<()> {
    let entry = variable(source, collector.options.dataset.as_deref())?;
    let dataset = source.dataset(entry)?;
    let (axis, count, [height, width]) = stack(source, entry, collector.options.shape)?;
    if count == 0 || height == 0 || width == 0 {
        return Err(source.refuse(entry, "is empty"));
    }
    if height.checked_mul(width).is_none_or(|n| n > crate::data::import::MOST_PIXELS) {
        return Err(source.refuse(entry, &format!("has images of {height} x {width}, which is too large")));
    }
    for i in 0..count {
        let selection = axis.map_or_else(|| everything(&entry.shape), |axis| at(&entry.shape, axis, i));
        let values = match source.values(entry, &dataset, &selection)? {
            Values::Integers(v) => Values::Integers(transposed(&v, height, width)),
            Values::Reals(v) => Values::Reals(transposed(&v, height, width)),
            classes @ Values::Classes(_) => classes,
        };
        collector.push(&source.picture(entry, i, [height, width], values))?;
    }
    Ok(())
}

/// The variable asked for, or the only array of numbers. `#refs#` and `#subsystem#` are MATLAB's own,
/// and text is stored as numbers.
fn variable<'a>(source: &'a Source, asked: Option<&str>) -> Result<&'a Entry> {
    let is_text = |e: &Entry| {
        let class = source.file.dataset(&e.path).and_then(|d| d.attribute("MATLAB_class")?.read_string());
        class.is_ok_and(|c| c.trim_end_matches('\0') == "char")
    };
    let all: Vec<&Entry> = source.entries.iter().filter(|e| !e.path.starts_with('#')).collect();
    if let Some(asked) = asked {
        return source.named(asked, &all);
    }
    // Scalars are [1, 1].
    let large = |e: &Entry| e.is_images() && e.shape.iter().filter(|n| **n > 1).count() >= 2;
    let images: Vec<&Entry> = all.iter().copied().filter(|e| large(e) && !is_text(e)).collect();
    match images.as_slice() {
        [only] => Ok(only),
        [] => {
            let list = catalogue::list(all.iter().copied());
            Err(source.error(&format!("holds no array of images; its variables (last axis first): {list}")))
        }
        several => {
            let list = catalogue::list(several.iter().copied());
            Err(source
                .error(&format!("holds several variables: give --dataset, one of (last axis first) {list}")))
        }
    }
}

/// The stored axis along which images lie (none: one image), their number, their rows and columns.
fn stack(
    source: &Source,
    entry: &Entry,
    asked: Option<[usize; 2]>,
) -> Result<(Option<usize>, usize, [usize; 2])> {
    let refuse = |problem: String| -> Error { source.refuse(entry, &problem) };
    // As MATLAB shows it; axes of one element may follow.
    let mut shape: Vec<usize> = entry.shape.iter().rev().copied().collect();
    while shape.len() > 3 && shape.last() == Some(&1) {
        shape.pop();
    }
    let first = entry.shape.len() - shape.len();
    match (shape.as_slice(), asked) {
        (&[h, w], None) => Ok((None, 1, [h, w])),
        (&[h, w], Some(asked)) if asked == [h, w] => Ok((None, 1, [h, w])),
        // Images as rows, each read column by column as `image(:)'` has it.
        (&[n, values], Some([h, w])) if h * w == values => Ok((Some(1), n, [h, w])),
        (&[values, n], Some([h, w])) if h * w == values => Ok((Some(0), n, [h, w])),
        (&[h, w, n], asked) if asked == Some([h, w]) || (asked.is_none() && h == w) => {
            Ok((Some(first), n, [h, w]))
        }
        (&[n, h, w], asked) if asked == Some([h, w]) || (asked.is_none() && h == w) => {
            Ok((Some(first + 2), n, [h, w]))
        }
        (&[h, w, n], None) => Err(refuse(format!(
            "is {h} x {w} x {n} in MATLAB: give --shape {h},{w} for images along its last axis or --shape {w},{n} \
             along its first"
        ))),
        (shape, None) => Err(refuse(format!("has {} axes: need a matrix or a stack H x W x N", shape.len()))),
        (shape, Some([h, w])) => {
            Err(refuse(format!("has the size {shape:?} in MATLAB, not --shape {h},{w}")))
        }
    }
}

/// `[W, H]` to `[H, W]`.
fn transposed<T: Copy>(values: &[T], height: usize, width: usize) -> Vec<T> {
    (0..height).flat_map(|y| (0..width).map(move |x| values[x * height + y])).collect()
}
