//! JPEG photographs, which take a threshold: what JPEG stores of an image is near it, not it.

use std::path::Path;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::MOST_PIXELS;
use super::collect::{Collector, Picture, Values};
use super::colours::luma;
use crate::error::{Error, Result};

/// What lossy images are refused with.
pub(super) const LOSSY: &str = "is compressed by JPEG, which changes values, so that none says a class for certain: give --threshold T \
     (0 to 255), or save it as PNG or TIFF where it was made";
/// Pixels that any file may hold.
const SMALL: usize = 1 << 20;
/// The format's own limit.
const MOST_SIDE: usize = 65_535;

/// Reads one image. A colour counts by its luma.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let refuse = |problem: String| Error::file(path, problem);
    if collector.options.threshold.is_none() {
        return Err(refuse(LOSSY.into()));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let damaged = |e| refuse(format!("damaged, cut short or of a kind that is not read: {}", one_line(&e)));
    let options = DecoderOptions::default()
        // A file that was cut is an error and not an image that ends in grey.
        .set_strict_mode(true)
        .set_max_width(MOST_SIDE)
        .set_max_height(MOST_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let Some(info) = decoder.info() else { return Err(refuse("has no header".into())) };
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    // A byte holds a few blocks of 64 pixels, or the end of a run of them.
    let most = (SMALL + 1024 * bytes.len()).min(MOST_PIXELS);
    if width * height > most {
        return Err(refuse(format!(
            "says that it is {width} x {height} pixels, more than a file of its size holds"
        )));
    }
    let grey = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => true,
        Some(ColorSpace::YCbCr | ColorSpace::RGB) => false,
        other => {
            let kind = other.map_or("unknown colours".into(), |c| format!("colours of the kind {c:?}"));
            return Err(refuse(format!("has {kind}: save it as grey or as RGB")));
        }
    };
    let colours = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode().map_err(damaged)?;
    let values: Vec<f64> = if grey {
        pixels.iter().map(|&v| f64::from(v)).collect()
    } else {
        pixels.as_chunks::<3>().0.iter().map(|&rgb| luma(rgb)).collect()
    };
    if values.len() != width * height {
        return Err(refuse("is damaged: it holds another number of pixels than it says".into()));
    }
    let picture = Picture { path, place: String::new(), height, width, values: Values::Reals(values) };
    collector.push(&picture)
}

fn one_line(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").replace(['\n', '\r'], " ")
}
