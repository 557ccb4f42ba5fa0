//! The directories of a file, looked through before the decoder does: an entry that says it is larger
//! than the file would have memory set aside for it.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};

/// Directories that are looked through.
const MOST: usize = 1 << 16;
/// Bytes of an element, by the number of its type.
const SIZES: [u64; 19] = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8];

/// Looks for an entry of more bytes than the file has; says what is wrong, if anything. What cannot be
/// followed is left to the decoder.
pub(super) fn oversized(file: &mut (impl Read + Seek), length: u64) -> Option<String> {
    let mut reader = Reader { file, little: true };
    let found = reader.find(length).ok().flatten();
    found.map(|(tag, bytes)| {
        format!("is damaged: the entry {tag} says that it is of {bytes} bytes, more than the file")
    })
}

struct Reader<'a, R> {
    file: &'a mut R,
    little: bool,
}

impl<R: Read + Seek> Reader<'_, R> {
    /// The tag and the size of the first entry that is too large.
    fn find(&mut self, length: u64) -> io::Result<Option<(u64, u64)>> {
        self.file.seek(SeekFrom::Start(0))?;
        // `II` begins a little-endian file.
        self.little = self.number(2)? == 0x4949;
        let big = self.number(2)? == 43;
        if big {
            self.number(4)?;
        }
        let (count_width, word) = if big { (8, 8) } else { (2, 4) };
        let mut seen = HashSet::new();
        let mut at = self.number(word)?;
        while at != 0 && seen.len() < MOST && seen.insert(at) {
            self.file.seek(SeekFrom::Start(at))?;
            for _ in 0..self.number(count_width)? {
                let (tag, kind, count) = (self.number(2)?, self.number(2)?, self.number(word)?);
                self.number(word)?;
                let size = SIZES.get(kind as usize).copied().unwrap_or(0);
                let bytes = size.saturating_mul(count);
                if bytes > length {
                    return Ok(Some((tag, bytes)));
                }
            }
            at = self.number(word)?;
        }
        Ok(None)
    }

    /// An unsigned number of so many bytes, at most eight.
    fn number(&mut self, width: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact(&mut bytes[..width])?;
        if !self.little {
            bytes[..width].reverse();
        }
        Ok(u64::from_le_bytes(bytes))
    }
}
