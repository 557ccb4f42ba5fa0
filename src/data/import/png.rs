//! PNG images: grey of 1 to 16 bits, palette indices, and colour that is grey.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::collect::{Collector, Frame, Rows};
use super::colours::Samples;
use super::{MOST_PIXELS, too_large};
use crate::error::{Error, Result};

/// Bytes the decoder may take for itself, text chunks and a row included.
const MOST_BYTES: usize = 64 << 20;
/// Bytes of an interlaced image, which is decoded at once.
const MOST_INTERLACED: usize = 1 << 30;
/// Pixels that are handed on at once, about.
const BAND: usize = 1 << 16;

/// Reads one image, row by row unless it is interlaced. Palette images give their indices, whatever
/// the colours; levels are as stored, 0 to 255 or 65535, or less at fewer bits.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let damaged = |e: ::png::DecodingError| match e {
        ::png::DecodingError::LimitsExceeded => {
            let most = MOST_BYTES >> 20;
            Error::file(
                path,
                format!("takes more than {most} MiB beside its pixels: save it without metadata"),
            )
        }
        e => Error::file(path, format!("damaged or cut short: {e}")),
    };
    let limits = ::png::Limits { bytes: MOST_BYTES };
    let mut decoder = ::png::Decoder::new_with_limits(BufReader::new(file), limits);
    decoder.set_transformations(::png::Transformations::IDENTITY);
    decoder.ignore_checksums(false);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    let palette = info.palette.as_deref().unwrap_or_default().to_vec();
    let form = Form { kind: info.color_type, bits: info.bit_depth as usize, palette };
    let interlaced = info.interlaced;
    if info.is_animated() {
        return Err(Error::file(path, "is animated: save its frames as files"));
    }
    if width.saturating_mul(height) > MOST_PIXELS {
        return Err(Error::file(path, format!("says that it is an image of {}", too_large(height, width))));
    }
    let row_bytes = (width * form.kind.samples() * form.bits).div_ceil(8);
    let rows_at_once = (BAND / width.max(1)).max(1);
    let mut image = collector.begin(Frame { path, place: String::new(), height, width })?;
    if interlaced {
        let bytes = reader.output_buffer_size().filter(|&n| n <= MOST_INTERLACED);
        let Some(bytes) = bytes else {
            let most = MOST_INTERLACED >> 20;
            let problem =
                format!("is interlaced and takes more than {most} MiB: save it without interlacing");
            return Err(Error::file(path, problem));
        };
        let mut data = vec![0; bytes];
        reader.next_frame(&mut data).map_err(damaged)?;
        reader.finish().map_err(damaged)?;
        for rows in data.chunks(rows_at_once * row_bytes) {
            form.push(&mut image, rows, row_bytes)?;
        }
    } else {
        let mut band = Vec::with_capacity(rows_at_once * row_bytes);
        while let Some(row) = reader.next_row().map_err(damaged)? {
            band.extend_from_slice(row.data());
            if band.len() == rows_at_once * row_bytes {
                form.push(&mut image, &band, row_bytes)?;
                band.clear();
            }
        }
        form.push(&mut image, &band, row_bytes)?;
        // Up to the last chunk: a file that was cut in its tail is damaged too.
        reader.finish().map_err(damaged)?;
    }
    image.end()
}

/// What the samples of an image are.
struct Form {
    kind: ::png::ColorType,
    bits: usize,
    /// Red, green and blue of every index.
    palette: Vec<u8>,
}

impl Form {
    /// Hands on whole rows.
    fn push(&self, image: &mut Rows, rows: &[u8], row_bytes: usize) -> Result<()> {
        use ::png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
        let samples = unpack(rows, row_bytes, image.frame().width * self.kind.samples(), self.bits);
        let opaque = Some((1 << self.bits) - 1);
        let (colours, opaque) = match self.kind {
            Indexed if image.takes_colours() => return self.push_palette(image, &samples),
            Grayscale | Indexed => (1, None),
            GrayscaleAlpha => (1, opaque),
            Rgb => (3, None),
            Rgba => (3, opaque),
        };
        image.samples(&Samples { values: &samples, colours, opaque, bits: self.bits as u32 })
    }

    /// Hands on the colours of a palette.
    fn push_palette(&self, image: &mut Rows, indices: &[i64]) -> Result<()> {
        let mut samples = Vec::with_capacity(3 * indices.len());
        for &index in indices {
            let Some(colour) = self.palette.get(3 * index as usize..).and_then(|c| c.first_chunk::<3>())
            else {
                return Err(image.frame().error(format!("has no colour {index} in its palette")));
            };
            samples.extend(colour.map(i64::from));
        }
        image.samples(&Samples { values: &samples, colours: 3, opaque: None, bits: 8 })
    }
}

/// Samples of `bits` bits, the first in the highest bits, from rows that begin at whole bytes.
pub(super) fn unpack(data: &[u8], row_bytes: usize, row_samples: usize, bits: usize) -> Vec<i64> {
    let row = |row: &[u8], samples: &mut Vec<i64>| match bits {
        16 => samples.extend(row.as_chunks::<2>().0.iter().map(|&b| i64::from(u16::from_be_bytes(b)))),
        8 => samples.extend(row.iter().map(|&b| i64::from(b))),
        _ => samples.extend(
            (0..row_samples)
                .map(|i| i64::from(row[i * bits / 8] >> (8 - bits - i * bits % 8)) & ((1 << bits) - 1)),
        ),
    };
    let rows = data.chunks_exact(row_bytes.max(1));
    let mut samples = Vec::with_capacity(rows.len() * row_samples);
    rows.for_each(|bytes| row(bytes, &mut samples));
    samples
}
