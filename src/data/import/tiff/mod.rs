//! TIFF images: every page, grey of 1 to 64 bits, palette indices, real numbers, colour that is grey.
//!
//! Of a pyramid only the full image is read: pages that say they are reduced are no images, and
//! directories below a page are not looked into. Programs that write a stack as one page followed by
//! the pixels of the others say so in the page's description; see [`stack`] and [`raw`].

mod directories;
mod palette;
mod raw;
mod stack;

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use ::tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits};
use ::tiff::tags::Tag;
use ::tiff::{ColorType, TiffError};

use self::palette::Patched;
use self::raw::Raw;
use self::stack::Stack;
use super::collect::{Collector, Frame, Rows, Values};
use super::colours::Samples;
use super::jpeg::LOSSY;
use super::layout::Axes;
use super::png::unpack;
use super::{MOST_PIXELS, too_large};
use crate::error::{Error, Result};

type Pages = Decoder<Patched<BufReader<File>>>;

/// Bytes of one strip or tile, which is decoded at once.
const MOST_STRIP: usize = 1 << 30;
/// A strip or tile of so many bytes may be in any file; a larger one must be backed by bytes in the file,
/// of which each makes at most so many.
const SMALL: usize = 64 << 20;
const MOST_EXPANDED: usize = 4096;
/// Bytes of one entry of a directory: descriptions, and the offsets of many strips.
const MOST_ENTRY: usize = 64 << 20;
/// Pixels that are handed on at once, about.
const BAND: usize = 1 << 16;

/// A page that is an image.
struct Page {
    /// Its number in the file, from 0.
    index: usize,
    height: usize,
    width: usize,
}

/// Reads every page as one image, a few rows at a time where strips or tiles allow it. Palette pages
/// give their indices; where white is zero the levels are turned round, so that a larger level is
/// always lighter.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let damaged = |e| damaged(path, e);
    let mut file = BufReader::new(file);
    if let Some(problem) = directories::oversized(&mut file, length) {
        return Err(Error::file(path, problem));
    }
    file.rewind().map_err(|e| Error::io(path, e))?;
    let mut patched = Patched::new(file);
    let mut limits = Limits::default();
    let bytes = usize::try_from(length).unwrap_or(usize::MAX);
    limits.decoding_buffer_size = bytes.saturating_mul(MOST_EXPANDED).saturating_add(SMALL).min(MOST_STRIP);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    limits.ifd_value_size = bytes.min(MOST_ENTRY);
    patched.without_palettes(limits.clone()).map_err(damaged)?;
    let mut decoder = Decoder::new(patched).map_err(damaged)?.with_limits(limits);
    let pages = pages(path, &mut decoder, collector.options.threshold.is_some())?;
    decoder.seek_to_image(pages[0].index).map_err(damaged)?;
    let description = decoder.get_tag_ascii_string(Tag::ImageDescription).unwrap_or_default();
    let samples = usize::from(decoder.colortype().map_err(damaged)?.num_samples());
    let described = stack::described(&description, pages[0].height * pages[0].width * samples)
        .map_err(|problem| Error::file(path, problem))?;
    if let Some(Stack { by, channels, .. }) = described.filter(|stack| stack.channels > 1)
        && collector.options.layout != Some(Axes::Nhw)
    {
        let problem = format!(
            "has {channels} channels by its description by {by}: save the one that shows the classes, \
             or give --layout NHW if they are images of their own"
        );
        return Err(Error::file(path, problem));
    }
    if let Some(stack) = described.filter(|stack| stack.images != pages.len()) {
        if pages.len() > 1 {
            let (by, images, found) = (stack.by, stack.images, pages.len());
            let problem = format!(
                "has {found} pages, and its description by {by} says {images}: save it again as a plain stack"
            );
            return Err(Error::file(path, problem));
        }
        let raw = Raw::of(&mut decoder).map_err(damaged)?.ok_or_else(|| {
            let (by, images) = (stack.by, stack.images);
            Error::file(
                path,
                format!(
                    "has one page, and its description by {by} says {images}: save it again as a plain stack"
                ),
            )
        })?;
        return raw.stack(path, &pages[0], stack, length, decoder.inner(), collector);
    }
    for page in &pages {
        decoder.seek_to_image(page.index).map_err(damaged)?;
        let place = if pages.len() == 1 { String::new() } else { format!("page {}", page.index + 1) };
        let mut image = collector.begin(Frame { path, place, height: page.height, width: page.width })?;
        match Raw::of(&mut decoder).map_err(damaged)? {
            Some(raw) => raw.rows(decoder.inner(), &mut image)?,
            None => chunks(&mut decoder, &mut image)?,
        }
        image.end()?;
    }
    Ok(())
}

/// The pages that are images, which must be of one size: others are levels of a pyramid, previews or
/// labels, and no slices of one stack.
fn pages(path: &Path, decoder: &mut Pages, threshold: bool) -> Result<Vec<Page>> {
    let damaged = |e| damaged(path, e);
    let mut pages: Vec<Page> = Vec::new();
    let mut index = 0;
    loop {
        let (width, height) = decoder.dimensions().map_err(damaged)?;
        let page = Page { index, height: height as usize, width: width as usize };
        if page.width.saturating_mul(page.height) > MOST_PIXELS {
            let what = too_large(page.height, page.width);
            return Err(Error::file(path, format!("page {} says that it is an image of {what}", index + 1)));
        }
        if let Some(depth) = decoder.find_tag_unsigned::<u32>(Tag::Unknown(stack::DEPTH)).map_err(damaged)?
            && depth > 1
        {
            let problem = format!("page {} is {depth} images deep: save the stack as pages", index + 1);
            return Err(Error::file(path, problem));
        }
        if let Some(problem) = compression(decoder, threshold).map_err(damaged)? {
            return Err(Error::file(path, format!("page {} {problem}", index + 1)));
        }
        if decoder.find_tag(Tag::Unknown(stack::METAMORPH)).map_err(damaged)?.is_some() {
            return Err(Error::file(
                path,
                "is a stack of MetaMorph, which is not read: save it as a plain stack",
            ));
        }
        if !is_copy(decoder).map_err(damaged)? {
            if let Some(first) = pages.first().filter(|f| [f.height, f.width] != [page.height, page.width]) {
                return Err(Error::file(
                    path,
                    format!(
                        "page {} has {} x {} pixels and page {} has {} x {}: they are no stack; \
                         save the pages that are images as files of a folder",
                        index + 1,
                        page.width,
                        page.height,
                        first.index + 1,
                        first.width,
                        first.height
                    ),
                ));
            }
            pages.push(page);
        }
        if !decoder.more_images() {
            break;
        }
        decoder.next_image().map_err(damaged)?;
        index += 1;
    }
    if pages.is_empty() {
        return Err(Error::file(path, "says of all its pages that they are reduced copies or masks"));
    }
    Ok(pages)
}

/// What is wrong with the compression of a page, if anything.
fn compression(decoder: &mut Pages, threshold: bool) -> Result<Option<String>, TiffError> {
    let number = decoder.find_tag_unsigned::<u16>(Tag::Compression)?.unwrap_or(1);
    // None, Fax group 4, LZW, deflate by two numbers, PackBits, Zstandard.
    if [1, 4, 5, 8, 32_946, 32_773, 50_000].contains(&number) {
        return Ok(None);
    }
    const JPEG: u16 = 7;
    if number == JPEG {
        return Ok((!threshold).then(|| LOSSY.to_owned()));
    }
    let name =
        COMPRESSIONS.iter().find(|(n, _)| *n == number).map_or("a method of its own", |(_, name)| name);
    Ok(Some(format!(
        "is compressed by {name} (number {number}), which is not read: save it uncompressed or with LZW, deflate \
         or ZSTD, for instance tiffcp -c lzw IN OUT"
    )))
}

/// Compressions that are not read, by number.
const COMPRESSIONS: [(u16, &str); 13] = [
    (2, "Huffman runs (Fax group 3 in one dimension)"),
    (3, "Fax group 3"),
    (6, "JPEG of the old kind"),
    (22_610, "JPEG XR"),
    (32_766, "NeXT"),
    (33_003, "JPEG 2000"),
    (33_005, "JPEG 2000"),
    (34_712, "JPEG 2000"),
    (34_887, "LERC"),
    (34_925, "LZMA"),
    (50_001, "WebP"),
    (50_002, "JPEG XL"),
    (52_546, "JPEG XL"),
];

/// Whether a page says that it is a reduced copy of another, or a mask.
fn is_copy(decoder: &mut Pages) -> Result<bool, TiffError> {
    const REDUCED: u32 = 1;
    const MASK: u32 = 4;
    const OLD_REDUCED: u32 = 2;
    let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType)?.unwrap_or(0);
    let old = decoder.find_tag_unsigned::<u32>(Tag::Unknown(stack::SUBFILE_TYPE))?;
    Ok(kind & (REDUCED | MASK) > 0 || old == Some(OLD_REDUCED))
}

/// Decodes an image strip by strip, or one row of tiles after the other.
fn chunks(decoder: &mut Pages, image: &mut Rows) -> Result<()> {
    let (path, width, height) = (image.frame().path.to_path_buf(), image.frame().width, image.frame().height);
    let damaged = |e| damaged(&path, e);
    let colour = decoder.colortype().map_err(damaged)?;
    let samples = colour.num_samples() as usize;
    let planes = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(damaged)? == Some(2);
    if planes && samples > 1 {
        return Err(image.frame().error(
            "stores its colours as planes, which is not read: save those of a pixel together, or as grey",
        ));
    }
    if decoder.get_chunk_type() == ChunkType::Strip {
        let strips = decoder.strip_count().map_err(damaged)?;
        for strip in 0..strips {
            let data = decoder.read_chunk(strip).map_err(damaged)?;
            let rows = decoder.chunk_data_dimensions(strip).1 as usize;
            let step = (BAND / width.max(1)).max(1);
            for first in (0..rows).step_by(step) {
                let values = values(image.frame(), &data, [first, step.min(rows - first)], width, colour)?;
                push(image, values, samples, colour)?;
            }
        }
        return Ok(());
    }
    let (tile_width, tile_height) = decoder.chunk_dimensions();
    let (across, down) = (width.div_ceil(tile_width as usize), height.div_ceil(tile_height as usize));
    // Tiles with what they have beyond the image: where it leaves out a part of each row, the decoder takes many tiles of LZW
    // to be cut short.
    let tile_width = tile_width as usize;
    let row_bytes = (tile_width * samples * usize::from(colour.bit_depth())).div_ceil(8);
    let mut data = DecodingResult::U8(Vec::new());
    for band in 0..down {
        let rows = (tile_height as usize).min(height - band * tile_height as usize);
        let mut whole: Option<Values> = None;
        for i in 0..across {
            let index = (band * across + i) as u32;
            decoder.read_chunk_to_buffer(&mut data, index, row_bytes).map_err(damaged)?;
            let part = values(image.frame(), &data, [0, rows], tile_width, colour)?;
            let at = i * tile_width * samples;
            let band = whole.get_or_insert_with(|| part.zeros(rows * width * samples));
            if !band.place(&part, [at, width * samples], tile_width * samples) {
                return Err(Error::file(&path, "has tiles of unlike numbers"));
            }
        }
        if let Some(values) = whole {
            push(image, values, samples, colour)?;
        }
    }
    Ok(())
}

/// Hands on whole rows of samples as levels.
fn push(image: &mut Rows, values: Values, samples: usize, colour: ColorType) -> Result<()> {
    let bits = u32::from(colour.bit_depth()).min(16);
    let opaque = Some((1i64 << bits) - 1);
    let (colours, opaque) = match colour {
        ColorType::Gray(_) if samples == 1 => (1, None),
        // Only of JPEG: luma and two differences.
        ColorType::YCbCr(_) => {
            let Values::Integers(samples) = values else {
                return Err(of_another_kind(image.frame(), colour));
            };
            return image.rows(&Values::Integers(samples.into_iter().step_by(3).collect()));
        }
        ColorType::RGB(1..=16) => (3, None),
        ColorType::RGBA(1..=16) => (3, opaque),
        ColorType::GrayA(1..=16) => (1, opaque),
        other => return Err(of_another_kind(image.frame(), other)),
    };
    match values {
        Values::Integers(values) if colours == 3 || opaque.is_some() || image.takes_colours() => {
            image.samples(&Samples { values: &values, colours, opaque, bits })
        }
        values if samples == 1 => image.rows(&values),
        _ => Err(of_another_kind(image.frame(), colour)),
    }
}

/// The samples of some rows of a decoded strip or tile that is `width` pixels wide.
fn values(
    frame: &Frame,
    data: &DecodingResult,
    [first, rows]: [usize; 2],
    width: usize,
    colour: ColorType,
) -> Result<Values> {
    fn integers<T: Copy + Into<i64>>(v: &[T]) -> Values {
        Values::Integers(v.iter().map(|&v| v.into()).collect())
    }
    fn reals<T: Copy + Into<f64>>(v: &[T]) -> Values {
        Values::Reals(v.iter().map(|&v| v.into()).collect())
    }
    let (row, bits) = (width * colour.num_samples() as usize, colour.bit_depth() as usize);
    let part = |row: usize| first * row..(first + rows) * row;
    let short = || frame.error("is damaged: a strip or tile is shorter than it says");
    Ok(match data {
        DecodingResult::U8(v) if bits < 8 => {
            let bytes = (row * bits).div_ceil(8);
            Values::Integers(unpack(v.get(part(bytes)).ok_or_else(short)?, bytes, row, bits))
        }
        DecodingResult::U8(v) => integers(v.get(part(row)).ok_or_else(short)?),
        DecodingResult::U16(v) => integers(v.get(part(row)).ok_or_else(short)?),
        DecodingResult::U32(v) => integers(v.get(part(row)).ok_or_else(short)?),
        DecodingResult::I8(v) => integers(v.get(part(row)).ok_or_else(short)?),
        DecodingResult::I16(v) => integers(v.get(part(row)).ok_or_else(short)?),
        DecodingResult::I32(v) => integers(v.get(part(row)).ok_or_else(short)?),
        DecodingResult::I64(v) => integers(v.get(part(row)).ok_or_else(short)?),
        DecodingResult::U64(v) => {
            // No class and no level is that large: what is beyond i64 is refused either way.
            let v = v.get(part(row)).ok_or_else(short)?;
            Values::Integers(v.iter().map(|&v| i64::try_from(v).unwrap_or(i64::MAX)).collect())
        }
        DecodingResult::F16(v) => reals(v.get(part(row)).ok_or_else(short)?),
        DecodingResult::F32(v) => reals(v.get(part(row)).ok_or_else(short)?),
        DecodingResult::F64(v) => reals(v.get(part(row)).ok_or_else(short)?),
    })
}

impl Values {
    /// As many zeros of the same kind.
    fn zeros(&self, len: usize) -> Self {
        match self {
            Self::Integers(_) => Self::Integers(vec![0; len]),
            Self::Reals(_) => Self::Reals(vec![0.0; len]),
            Self::Classes(_) => Self::Classes(vec![0; len]),
        }
    }

    /// Puts rows of `width` values at `at` of rows of `stride`, as much of each as has room. Returns whether they are of one
    /// kind.
    fn place(&mut self, part: &Self, [at, stride]: [usize; 2], width: usize) -> bool {
        fn place<T: Copy>(whole: &mut [T], part: &[T], [at, stride]: [usize; 2], width: usize) {
            for (to, from) in whole.chunks_exact_mut(stride).zip(part.chunks_exact(width)) {
                let to = &mut to[at..];
                let room = to.len().min(width);
                to[..room].copy_from_slice(&from[..room]);
            }
        }
        match (self, part) {
            (Self::Integers(whole), Self::Integers(part)) => place(whole, part, [at, stride], width),
            (Self::Reals(whole), Self::Reals(part)) => place(whole, part, [at, stride], width),
            _ => return false,
        }
        true
    }
}

fn damaged(path: &Path, error: TiffError) -> Error {
    Error::file(
        path,
        match error {
            TiffError::LimitsExceeded => format!(
                "has a strip or tile of more than {} MiB, or than a file of its size holds: save it in smaller \
                 strips or uncompressed",
                MOST_STRIP >> 20
            ),
            error => format!("damaged, cut short or of a kind that is not read: {error}"),
        },
    )
}

fn of_another_kind(frame: &Frame, colour: ColorType) -> Error {
    let name = format!("{colour:?}");
    let name = name.split(['(', ' ', '{']).next().unwrap_or_default();
    frame.error(format!(
        "has {name} pixels of {} bits: grey levels, RGB and palettes are read",
        colour.bit_depth()
    ))
}
