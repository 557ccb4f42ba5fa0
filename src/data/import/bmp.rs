//! BMP images: grey, palettes and colours of 8 bits.

use std::path::Path;

use zune_bmp::BmpDecoder;
use zune_core::bit_depth::BitDepth;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::MOST_PIXELS;
use super::collect::{Collector, Frame};
use super::colours::Samples;
use crate::error::{Error, Result};

/// Reads one image. Palettes count by their colours: the order of a palette is the program's that
/// wrote it.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let refuse = |problem: String| Error::file(path, problem);
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let options =
        DecoderOptions::default().set_strict_mode(true).set_max_width(1 << 16).set_max_height(1 << 16);
    let damaged = |e: &dyn std::fmt::Debug| {
        let text = format!("{e:?}").replace(['\n', '\r'], " ");
        refuse(format!("damaged, cut short or of a kind that is not read: {text}"))
    };
    let mut decoder = BmpDecoder::new_with_options(ZCursor::new(&bytes), options);
    decoder.decode_headers().map_err(|e| damaged(&e))?;
    let Some((width, height)) = decoder.dimensions() else { return Err(refuse("has no header".into())) };
    // One bit a pixel, run-length encoded at 255 pixels to two bytes, is the most a byte can hold.
    let most = bytes.len().saturating_mul(1024).min(MOST_PIXELS);
    if width.checked_mul(height).is_none_or(|n| n > most) {
        return Err(refuse(format!("says that it is {width} x {height} pixels, which is too large")));
    }
    let channels = match (decoder.depth(), decoder.colorspace()) {
        (BitDepth::Eight, Some(ColorSpace::Luma)) => 1,
        (BitDepth::Eight, Some(ColorSpace::RGB)) => 3,
        (BitDepth::Eight, Some(ColorSpace::RGBA)) => 4,
        (_, other) => return Err(refuse(format!("has pixels of the kind {other:?}: save it as PNG"))),
    };
    let pixels = decoder.decode().map_err(|e| damaged(&e))?;
    if pixels.len() != width * height * channels {
        return Err(refuse("is damaged: it holds another number of pixels than it says".into()));
    }
    let samples: Vec<i64> = pixels.into_iter().map(i64::from).collect();
    let opaque = (channels == 4).then_some(255);
    let mut image = collector.begin(Frame { path, place: String::new(), height, width })?;
    image.samples(&Samples { values: &samples, colours: channels.min(3), opaque, bits: 8 })?;
    image.end()
}
