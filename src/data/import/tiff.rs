//! TIFF images: every page, grey of 1 to 64 bits, palette indices, real numbers, colour that is grey.

use std::io::Cursor;
use std::path::Path;

use ::tiff::decoder::{Decoder, DecodingResult};
use ::tiff::tags::{ByteOrder, Tag};
use ::tiff::{ColorType, TiffError};

use super::collect::{Collector, Picture, Values};
use super::png::only_grey;
use super::{MOST_PIXELS, png};
use crate::error::{Error, Result};

/// Values of the tag `PhotometricInterpretation`.
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

/// Reads every page as one image. Palette pages give their indices; where white is zero the levels
/// are turned round, so that a larger level is always lighter.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let mut bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let damaged =
        |e: TiffError| Error::file(path, format!("damaged, cut short or of a kind that is not read: {e}"));
    without_palettes(&mut bytes).map_err(damaged)?;
    let mut decoder = Decoder::new(Cursor::new(&bytes)).map_err(damaged)?;
    let mut page = 0;
    loop {
        page += 1;
        let place = if page == 1 && !decoder.more_images() { String::new() } else { format!("page {page}") };
        let (width, height) = decoder.dimensions().map_err(damaged)?;
        let (width, height) = (width as usize, height as usize);
        if width.saturating_mul(height) > MOST_PIXELS {
            let what = format!("page {page} says that it is {width} x {height} pixels, which is too large");
            return Err(Error::file(path, what));
        }
        let colour = decoder.colortype().map_err(damaged)?;
        let data = decoder.read_image().map_err(damaged)?;
        let values = values(path, data, width, height, colour)?;
        collector.push(&Picture { path, place, height, width, values })?;
        if !decoder.more_images() {
            return Ok(());
        }
        decoder.next_image().map_err(damaged)?;
    }
}

fn values(
    path: &Path,
    data: DecodingResult,
    width: usize,
    height: usize,
    colour: ColorType,
) -> Result<Values> {
    fn integers<T: Into<i64>>(v: Vec<T>) -> Vec<i64> {
        v.into_iter().map(Into::into).collect()
    }
    let samples = match data {
        DecodingResult::U8(v) if colour.bit_depth() < 8 => {
            let row = width * colour.num_samples() as usize;
            png::unpack(&v, (row * colour.bit_depth() as usize).div_ceil(8), row, colour.bit_depth() as usize)
        }
        DecodingResult::U8(v) => integers(v),
        DecodingResult::U16(v) => integers(v),
        DecodingResult::U32(v) => integers(v),
        DecodingResult::I8(v) => integers(v),
        DecodingResult::I16(v) => integers(v),
        DecodingResult::I32(v) => integers(v),
        DecodingResult::I64(v) => v,
        // No class and no level is that large: what is beyond i64 is refused either way.
        DecodingResult::U64(v) => v.into_iter().map(|v| i64::try_from(v).unwrap_or(i64::MAX)).collect(),
        DecodingResult::F16(v) => {
            return reals(path, v.into_iter().map(f64::from).collect(), width * height, colour);
        }
        DecodingResult::F32(v) => {
            return reals(path, v.into_iter().map(f64::from).collect(), width * height, colour);
        }
        DecodingResult::F64(v) => return reals(path, v, width * height, colour),
    };
    if samples.len() != width * height * colour.num_samples() as usize {
        return Err(Error::file(path, "stores its colours as planes, which is not read: save it as grey"));
    }
    let opaque = (1i64 << colour.bit_depth().min(62)) - 1;
    let levels = match colour {
        ColorType::Gray(_) => samples,
        ColorType::RGB(_) => only_grey(path, &samples, width, 3, None)?,
        ColorType::RGBA(_) => only_grey(path, &samples, width, 3, Some(opaque))?,
        ColorType::GrayA(_) => only_grey(path, &samples, width, 1, Some(opaque))?,
        other => return Err(of_another_kind(path, other)),
    };
    Ok(Values::Integers(levels))
}

fn reals(path: &Path, values: Vec<f64>, pixels: usize, colour: ColorType) -> Result<Values> {
    match colour {
        ColorType::Gray(_) if values.len() == pixels => Ok(Values::Reals(values)),
        other => Err(of_another_kind(path, other)),
    }
}

fn of_another_kind(path: &Path, colour: ColorType) -> Error {
    Error::file(path, format!("has pixels of the kind {colour:?}: only grey levels and palettes are read"))
}

/// Declares the indices of palette pages to be grey levels. The decoder refuses palettes, though
/// their indices are stored just like levels; the colours do not matter here.
fn without_palettes(bytes: &mut [u8]) -> Result<(), TiffError> {
    let mut places = Vec::new();
    let mut decoder = Decoder::new(Cursor::new(&*bytes))?;
    let little = decoder.byte_order() == ByteOrder::LittleEndian;
    // Byte 2 is the version, 43 for files with 64-bit offsets.
    let big = bytes.get(if little { 2 } else { 3 }) == Some(&43);
    loop {
        let palette = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)? == Some(PALETTE);
        if let Some(offset) = decoder.ifd_pointer().filter(|_| palette) {
            places.extend(place_of_interpretation(bytes, offset.0 as usize, little, big));
        }
        if !decoder.more_images() {
            break;
        }
        decoder.next_image()?;
    }
    for place in places {
        let value = if little { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
        bytes[place..place + 2].copy_from_slice(&value);
    }
    Ok(())
}

/// Where the value of `PhotometricInterpretation` stands, a short, in the directory at `offset`:
/// a count of entries, then entries of tag, type, count and value.
fn place_of_interpretation(bytes: &[u8], offset: usize, little: bool, big: bool) -> Option<usize> {
    let short = |at: usize| {
        let pair = [*bytes.get(at)?, *bytes.get(at.checked_add(1)?)?];
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let (head, entry, value) = if big { (8, 20, 12) } else { (2, 12, 8) };
    let first = offset.checked_add(head)?;
    // Tags ascend, so the search ends at the latest where the bytes do.
    let mut at = first;
    while short(at)? < Tag::PhotometricInterpretation.to_u16() {
        at = at.checked_add(entry)?;
    }
    let found = short(at)? == Tag::PhotometricInterpretation.to_u16();
    (found && short(at + value).is_some()).then_some(at + value)
}
