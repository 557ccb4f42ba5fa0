//! Palette pages as grey ones. The decoder refuses palettes, though their indices are stored just
//! like levels; the colours do not matter here.

use std::io::{self, Read, Seek, SeekFrom};

use ::tiff::TiffError;
use ::tiff::decoder::{Decoder, Limits};
use ::tiff::tags::{ByteOrder, Tag};

/// Values of the tag `PhotometricInterpretation`.
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

/// A file that is read with some of its bytes changed.
pub(super) struct Patched<R> {
    inner: R,
    at: u64,
    /// Places, in order, and the byte that is read there.
    changes: Vec<(u64, u8)>,
}

impl<R: Read + Seek> Patched<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, at: 0, changes: Vec::new() }
    }

    /// Declares the indices of palette pages to be grey levels.
    pub fn without_palettes(&mut self, limits: Limits) -> Result<(), TiffError> {
        let mut decoder = Decoder::new(&mut *self)?.with_limits(limits);
        let little = decoder.byte_order() == ByteOrder::LittleEndian;
        let mut directories = Vec::new();
        loop {
            let palette = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)? == Some(PALETTE);
            directories.extend(decoder.ifd_pointer().filter(|_| palette).map(|pointer| pointer.0));
            if !decoder.more_images() {
                break;
            }
            decoder.next_image()?;
        }
        let mut start = [0; 4];
        self.seek(SeekFrom::Start(0))?;
        self.read_exact(&mut start)?;
        // The version is 43 for files with 64-bit offsets.
        let big = if little { start[2] == 43 } else { start[3] == 43 };
        let value = if little { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
        for directory in directories {
            if let Some(place) = self.place_of_interpretation(directory, little, big)? {
                self.changes.extend([(place, value[0]), (place + 1, value[1])]);
            }
        }
        self.changes.sort_unstable();
        self.changes.dedup();
        self.seek(SeekFrom::Start(0))?;
        Ok(())
    }

    /// Where the value of `PhotometricInterpretation` stands, a short, in the directory at `offset`: a
    /// count of entries, then entries of tag, type, count and value.
    fn place_of_interpretation(&mut self, offset: u64, little: bool, big: bool) -> io::Result<Option<u64>> {
        let (head, entry, value) = if big { (8, 20, 12) } else { (2, 12, 8) };
        let mut at = offset.saturating_add(head);
        // Tags ascend, so the search ends at the latest where the bytes do.
        loop {
            let mut tag = [0; 2];
            self.seek(SeekFrom::Start(at))?;
            self.read_exact(&mut tag)?;
            let tag = if little { u16::from_le_bytes(tag) } else { u16::from_be_bytes(tag) };
            if tag >= Tag::PhotometricInterpretation.to_u16() {
                return Ok((tag == Tag::PhotometricInterpretation.to_u16()).then_some(at + value));
            }
            at = at.saturating_add(entry);
        }
    }
}

impl<R: Read> Read for Patched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let end = self.at + n as u64;
        let first = self.changes.partition_point(|&(place, _)| place < self.at);
        for &(place, byte) in self.changes[first..].iter().take_while(|(place, _)| *place < end) {
            buffer[(place - self.at) as usize] = byte;
        }
        self.at = end;
        Ok(n)
    }
}

impl<R: Seek> Seek for Patched<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.inner.seek(to)?;
        Ok(self.at)
    }
}
