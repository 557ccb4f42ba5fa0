//! PNG images: grey of 1 to 16 bits, palette indices, and colour that is grey.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::MOST_PIXELS;
use super::collect::{Collector, Picture, Values};
use crate::error::{Error, Result};

/// Bytes the decoder may take for itself, text chunks and a row included.
const MOST_BYTES: usize = 64 << 20;

/// Reads one image. Palette images give their indices, whatever the colours; levels are as stored,
/// 0 to 255 or 65535, or less at fewer bits.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let damaged = |e: ::png::DecodingError| Error::file(path, format!("damaged or cut short: {e}"));
    let limits = ::png::Limits { bytes: MOST_BYTES };
    let mut decoder = ::png::Decoder::new_with_limits(BufReader::new(file), limits);
    decoder.set_transformations(::png::Transformations::IDENTITY);
    decoder.ignore_checksums(false);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    if info.is_animated() {
        return Err(Error::file(path, "is animated: save its frames as files"));
    }
    let buffer = reader.output_buffer_size().filter(|_| width.saturating_mul(height) <= MOST_PIXELS);
    let Some(bytes) = buffer else {
        return Err(Error::file(
            path,
            format!("says that it is {width} x {height} pixels, which is too large"),
        ));
    };
    let mut data = vec![0; bytes];
    let frame = reader.next_frame(&mut data).map_err(damaged)?;
    // Up to the last chunk: a file that was cut in its tail is damaged too.
    reader.finish().map_err(damaged)?;

    let samples = frame.color_type.samples();
    let samples_of_row = unpack(&data, frame.line_size, width * samples, frame.bit_depth as usize);
    let values = grey(path, samples_of_row, width, frame.color_type, frame.bit_depth as u32)?;
    let picture = Picture { path, place: String::new(), height, width, values: Values::Integers(values) };
    collector.push(&picture)
}

/// Samples of `bits` bits, the first in the highest bits, from rows that begin at whole bytes.
pub(super) fn unpack(data: &[u8], row_bytes: usize, row_samples: usize, bits: usize) -> Vec<i64> {
    let row = |row: &[u8]| -> Vec<i64> {
        match bits {
            16 => row.as_chunks::<2>().0.iter().map(|&b| i64::from(u16::from_be_bytes(b))).collect(),
            8 => row.iter().map(|&b| i64::from(b)).collect(),
            _ => (0..row_samples)
                .map(|i| i64::from(row[i * bits / 8] >> (8 - bits - i * bits % 8)) & ((1 << bits) - 1))
                .collect(),
        }
    };
    data.chunks_exact(row_bytes.max(1)).flat_map(row).collect()
}

/// One level a pixel, from samples of the given kind.
fn grey(path: &Path, samples: Vec<i64>, width: usize, kind: ::png::ColorType, bits: u32) -> Result<Vec<i64>> {
    use ::png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    match kind {
        Grayscale | Indexed => Ok(samples),
        GrayscaleAlpha => only_grey(path, &samples, width, 1, Some((1 << bits) - 1)),
        Rgb => only_grey(path, &samples, width, 3, None),
        Rgba => only_grey(path, &samples, width, 3, Some((1 << bits) - 1)),
    }
}

/// Levels from `colours` samples a pixel that must be equal, and, with `opaque`, one of opacity that
/// must have this value.
pub(super) fn only_grey(
    path: &Path,
    samples: &[i64],
    width: usize,
    colours: usize,
    opaque: Option<i64>,
) -> Result<Vec<i64>> {
    let each = colours + usize::from(opaque.is_some());
    let pixels = samples.chunks_exact(each).enumerate();
    pixels
        .map(|(i, pixel)| {
            let at = || format!("the pixel in row {}, column {}", i / width, i % width);
            let (colour, alpha) = pixel.split_at(colours);
            if colour.iter().any(|c| *c != colour[0]) {
                let what =
                    format!("{} has the colour {colour:?}: only grey levels and palettes are read", at());
                return Err(Error::file(path, what));
            }
            if alpha.first() != opaque.as_ref() {
                return Err(Error::file(
                    path,
                    format!("{} is transparent: what it shows is not clear", at()),
                ));
            }
            Ok(colour[0])
        })
        .collect()
}
