//! Uncompressed grey pixels, read straight from the file: rows of images in one large strip, and the
//! images of a stack that have no page of their own.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use ::tiff::TiffError;
use ::tiff::decoder::ChunkType;
use ::tiff::tags::{ByteOrder, Tag};

use super::stack::Stack;
use super::{BAND, Page, Pages};
use crate::data::import::collect::{Collector, Frame, Rows, Values};
use crate::data::import::numpy::Header;
use crate::error::{Error, Result};
use crate::words::{counted, verb};

const UNCOMPRESSED: u16 = 1;
const BLACK_IS_ZERO: u16 = 1;

/// Where pixels are and what they are.
pub(super) struct Raw {
    start: u64,
    kind: Header,
}

impl Raw {
    /// The pixels of the page at hand, if they lie in one piece, uncompressed, a whole number of bytes
    /// each.
    pub fn of(decoder: &mut Pages) -> Result<Option<Self>, TiffError> {
        let tag = |decoder: &mut Pages, tag, otherwise: u16| {
            Ok::<_, TiffError>(decoder.find_tag_unsigned::<u16>(tag)?.unwrap_or(otherwise))
        };
        let all = |decoder: &mut Pages, tag| decoder.find_tag_unsigned_vec::<u16>(tag);
        let compression = tag(decoder, Tag::Compression, UNCOMPRESSED)?;
        let interpretation = tag(decoder, Tag::PhotometricInterpretation, BLACK_IS_ZERO)?;
        let plain = compression == UNCOMPRESSED
            && interpretation == BLACK_IS_ZERO
            && tag(decoder, Tag::SamplesPerPixel, 1)? == 1
            && tag(decoder, Tag::Unknown(super::stack::FILL_ORDER), 1)? == 1
            && decoder.get_chunk_type() == ChunkType::Strip;
        let bits = all(decoder, Tag::BitsPerSample)?.unwrap_or_else(|| vec![1]);
        let format = all(decoder, Tag::SampleFormat)?.unwrap_or_else(|| vec![1]);
        let (letter, size) = match (format.first(), bits.first()) {
            (Some(1), Some(bits @ (8 | 16 | 32 | 64))) => ('u', bits / 8),
            (Some(2), Some(bits @ (8 | 16 | 32 | 64))) => ('i', bits / 8),
            (Some(3), Some(bits @ (32 | 64))) => ('f', bits / 8),
            _ => return Ok(None),
        };
        let (width, height) = decoder.dimensions()?;
        let row = u64::from(width) * u64::from(size);
        let rows = decoder.find_tag_unsigned::<u32>(Tag::RowsPerStrip)?.unwrap_or(height).min(height);
        let offsets = decoder.find_tag_unsigned_vec::<u64>(Tag::StripOffsets)?.unwrap_or_default();
        let in_one_piece = offsets.windows(2).all(|o| o[0].checked_add(row * u64::from(rows)) == Some(o[1]))
            && offsets.len() as u64 == u64::from(height).div_ceil(u64::from(rows.max(1)));
        let Some(&start) = offsets.first().filter(|_| plain && in_one_piece) else { return Ok(None) };
        let big_endian = decoder.byte_order() == ByteOrder::BigEndian;
        let kind = Header { letter, size: usize::from(size), big_endian, fortran: false, shape: vec![] };
        Ok(Some(Self { start, kind }))
    }

    /// Hands on all rows of an image that begins where the pixels do.
    pub fn rows(&self, file: &mut (impl Read + Seek), image: &mut Rows) -> Result<()> {
        self.rows_at(self.start, file, image)
    }

    /// Hands on the images of a stack, of which only the first has a page.
    pub fn stack(
        &self,
        path: &Path,
        page: &Page,
        stack: Stack,
        length: u64,
        file: &mut (impl Read + Seek),
        collector: &mut Collector,
    ) -> Result<()> {
        let Page { height, width, .. } = *page;
        let image_bytes = (height * width * self.kind.size) as u64;
        let there = length.saturating_sub(self.start) / image_bytes.max(1);
        if there < stack.images as u64 {
            let problem = format!(
                "is cut short: its description by {} says {}, and there {} {there}",
                stack.by,
                counted(stack.images, "image"),
                verb(there as usize, "is", "are")
            );
            return Err(Error::file(path, problem));
        }
        for i in 0..stack.images {
            let place = format!("image {} of the stack", i + 1);
            let mut image = collector.begin(Frame { path, place, height, width })?;
            self.rows_at(self.start + i as u64 * image_bytes, file, &mut image)?;
            image.end()?;
        }
        Ok(())
    }

    fn rows_at(&self, start: u64, file: &mut (impl Read + Seek), image: &mut Rows) -> Result<()> {
        let (path, width, height) =
            (image.frame().path.to_path_buf(), image.frame().width, image.frame().height);
        let read = |e: std::io::Error| Error::file(&path, format!("is cut short or cannot be read: {e}"));
        file.seek(SeekFrom::Start(start)).map_err(read)?;
        let step = (BAND / width.max(1)).clamp(1, height);
        let mut bytes = vec![0; step * width * self.kind.size];
        for first in (0..height).step_by(step) {
            bytes.truncate(step.min(height - first) * width * self.kind.size);
            file.read_exact(&mut bytes).map_err(read)?;
            image.rows(&self.kind.values(&bytes).unwrap_or(Values::Integers(vec![])))?;
        }
        Ok(())
    }
}
