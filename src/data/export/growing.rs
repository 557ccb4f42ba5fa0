//! `.npy` arrays that grow along their first axis, for results too large to be held in memory.
//!
//! The header has the length that NumPy's own have for any number of rows, so that it is rewritten in
//! place. Rows are written before the header that counts them: whenever the process ends, the file is
//! an array of all rows but the last few, and going on from there gives the bytes of a file that was
//! written without a break.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Bytes of the header; the data begin after it.
const HEADER: usize = 128;
/// NumPy's mark, version 1.0, and the length of what follows.
const MAGIC: [u8; 10] = [0x93, b'N', b'U', b'M', b'P', b'Y', 1, 0, (HEADER - 10) as u8, 0];

/// Bytes copied at a time.
const COPIED: usize = 1 << 22;

/// What the elements of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `u1`.
    Byte,
    /// `f4`.
    Float,
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Float => 4,
        }
    }

    fn descr(self) -> &'static str {
        match self {
            Self::Byte => "|u1",
            Self::Float => "<f4",
        }
    }
}

/// An array `[N, ...]` in a file, N growing.
#[derive(Debug)]
pub struct GrowingArray {
    path: PathBuf,
    file: File,
    element: Element,
    /// Shape of a row.
    row: Vec<usize>,
    rows: usize,
}

impl GrowingArray {
    /// A new file without rows.
    ///
    /// # Errors
    /// If there is a file of that name, or it cannot be written.
    pub fn create(path: impl AsRef<Path>, element: Element, row: &[usize]) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|e| Error::io(&path, e))?;
        let mut array = Self { path, file, element, row: row.to_vec(), rows: 0 };
        array.count(0)?;
        Ok(array)
    }

    /// A file that is there, with as many rows as are whole in it.
    ///
    /// # Errors
    /// If it is no such array.
    pub fn open(path: impl AsRef<Path>, element: Element, row: &[usize]) -> Result<Self> {
        Self::open_with(path.as_ref(), true, element, row)
    }

    /// The same of a file that is only read.
    ///
    /// # Errors
    /// If it is no such array.
    pub fn look_at(path: impl AsRef<Path>, element: Element, row: &[usize]) -> Result<Self> {
        Self::open_with(path.as_ref(), false, element, row)
    }

    fn open_with(path: &Path, write: bool, element: Element, row: &[usize]) -> Result<Self> {
        let path = path.to_path_buf();
        let file = OpenOptions::new().read(true).write(write).open(&path).map_err(|e| Error::io(&path, e))?;
        let mut array = Self { path, file, element, row: row.to_vec(), rows: 0 };
        let mut found = [0; HEADER];
        let length = array.file.seek(SeekFrom::End(0)).map_err(|e| Error::io(&array.path, e))? as usize;
        array.file.rewind().map_err(|e| Error::io(&array.path, e))?;
        let read = array.file.read_exact(&mut found);
        // NumPy spells the shape without the last comma.
        let rows = read.ok().and_then(|()| rows_of(&found));
        let rows = rows.filter(|&rows| words(&array.header(rows)) == words(&found));
        let Some(rows) = rows else {
            let problem = format!("is not an array of {} with rows of {:?}", element.descr(), array.row);
            return Err(Error::file(&array.path, problem));
        };
        array.rows = rows.min((length - HEADER) / array.row_bytes());
        Ok(array)
    }

    /// The file as [`GrowingArray::open`] finds it, or a new one where there is none, or none that had
    /// got as far as its header.
    ///
    /// # Errors
    /// As both.
    pub fn open_or_create(path: impl AsRef<Path>, element: Element, row: &[usize]) -> Result<Self> {
        let path = path.as_ref();
        match path.metadata() {
            Ok(there) if there.len() >= HEADER as u64 => return Self::open(path, element, row),
            Ok(_) => std::fs::remove_file(path).map_err(|e| Error::io(path, e))?,
            Err(_) => {}
        }
        Self::create(path, element, row)
    }

    /// Rows in the file.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of a row.
    fn row_bytes(&self) -> usize {
        self.element.bytes() * self.row.iter().product::<usize>()
    }

    fn header(&self, rows: usize) -> [u8; HEADER] {
        // As npyz spells it, so that an array is the same however it came about.
        let sides: Vec<String> = self.row.iter().map(|n| format!("{n}, ")).collect();
        let shape = format!("({rows}, {})", sides.concat());
        let text =
            format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}", self.element.descr());
        assert!(text.len() < HEADER - MAGIC.len(), "a shape of {shape} in a header of {HEADER} bytes");
        let mut header = [b' '; HEADER];
        header[..MAGIC.len()].copy_from_slice(&MAGIC);
        header[MAGIC.len()..][..text.len()].copy_from_slice(text.as_bytes());
        header[HEADER - 1] = b'\n';
        header
    }

    /// Writes the header for that many rows.
    fn count(&mut self, rows: usize) -> Result<()> {
        let header = self.header(rows);
        let written = self.file.rewind().and_then(|()| self.file.write_all(&header));
        written.map_err(|e| Error::io(&self.path, e))?;
        self.rows = rows;
        Ok(())
    }

    /// Forgets all rows from number `rows` on.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn truncate(&mut self, rows: usize) -> Result<()> {
        assert!(rows <= self.rows, "{rows} of {} rows", self.rows);
        self.count(rows)?;
        let length = (HEADER + rows * self.row_bytes()) as u64;
        self.file.set_len(length).map_err(|e| Error::io(&self.path, e))
    }

    /// Adds rows of bytes.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If they are not whole rows, or the elements are no bytes.
    pub fn push(&mut self, rows: &[u8]) -> Result<()> {
        assert_eq!(self.element, Element::Byte);
        self.append(rows)
    }

    /// Adds rows of numbers.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If they are not whole rows, or the elements are bytes.
    pub fn push_numbers(&mut self, rows: &[f32]) -> Result<()> {
        assert_eq!(self.element, Element::Float);
        let bytes: Vec<u8> = rows.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.append(&bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let row = self.row_bytes();
        assert!(bytes.len().is_multiple_of(row), "{} bytes in rows of {row}", bytes.len());
        let end = SeekFrom::Start((HEADER + self.rows * row) as u64);
        let written = self.file.seek(end).and_then(|_| self.file.write_all(bytes));
        written.map_err(|e| Error::io(&self.path, e))?;
        self.count(self.rows + bytes.len() / row)
    }

    /// Adds rows of another array of the same kind.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    ///
    /// # Panics
    /// If the arrays are not of one kind, or there are no such rows.
    pub fn copy(&mut self, other: &Self, rows: std::ops::Range<usize>) -> Result<()> {
        assert!(self.element == other.element && self.row == other.row);
        let step = (COPIED / self.row_bytes().max(1)).max(1);
        for first in rows.clone().step_by(step) {
            let bytes =
                other.read(first, step.min(rows.end - first)).map_err(|e| Error::io(&other.path, e))?;
            self.append(&bytes)?;
        }
        Ok(())
    }

    /// Reads rows of bytes.
    ///
    /// # Errors
    /// If the file cannot be read.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn read(&self, first: usize, count: usize) -> io::Result<Vec<u8>> {
        assert!(first + count <= self.rows, "rows {first} to {} of {}", first + count, self.rows);
        let row = self.row_bytes();
        // With a place of its own in the file, so that reading disturbs nobody.
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start((HEADER + first * row) as u64))?;
        let mut bytes = vec![0; count * row];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads rows of numbers.
    ///
    /// # Errors
    /// If the file cannot be read.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn read_numbers(&self, first: usize, count: usize) -> io::Result<Vec<f32>> {
        let bytes = self.read(first, count)?;
        Ok(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// If that fails.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|e| Error::io(&self.path, e))
    }
}

/// A header as far as it says something: without blanks and the comma that may close a shape.
fn words(header: &[u8; HEADER]) -> Vec<u8> {
    let text: Vec<u8> = header.iter().copied().filter(|b| *b != b' ').collect();
    let closes = |i: usize| text[i] == b',' && matches!(text.get(i + 1), Some(b')' | b'}'));
    (0..text.len()).filter(|&i| !closes(i)).map(|i| text[i]).collect()
}

/// The first number of the shape in a header.
fn rows_of(header: &[u8; HEADER]) -> Option<usize> {
    let text = std::str::from_utf8(&header[MAGIC.len()..]).ok()?;
    text.split_once("'shape': (")?.1.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::export::{write_npy_f32, write_npy_u8};

    #[test]
    fn grown_arrays_are_those_written_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let bytes: Vec<u8> = (0..60).collect();
        let mut array = GrowingArray::create(at("a"), Element::Byte, &[3, 4]).unwrap();
        array.push(&bytes[..12]).unwrap();
        array.push(&bytes[12..]).unwrap();
        write_npy_u8(at("b"), &bytes, &[5, 3, 4]).unwrap();
        let text = |name: &str| String::from_utf8_lossy(&std::fs::read(at(name)).unwrap()).into_owned();
        assert_eq!(text("a"), text("b"));
        assert_eq!(array.read(1, 2).unwrap(), bytes[12..36]);

        let numbers: Vec<f32> = (0..6).map(|i| i as f32 / 3.0).collect();
        let mut array = GrowingArray::create(at("c"), Element::Float, &[2]).unwrap();
        array.push_numbers(&numbers).unwrap();
        write_npy_f32(at("d"), &numbers, &[3, 2]).unwrap();
        assert!(std::fs::read(at("c")).unwrap() == std::fs::read(at("d")).unwrap());
        assert_eq!(array.read_numbers(2, 1).unwrap(), numbers[4..]);
        assert!(GrowingArray::create(at("c"), Element::Float, &[2]).is_err(), "nothing is replaced");
    }

    #[test]
    fn a_file_cut_anywhere_goes_on_to_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes: Vec<u8> = (0..40).collect();
        let mut array = GrowingArray::create(&path, Element::Byte, &[4]).unwrap();
        array.push(&bytes).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in HEADER..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut array = GrowingArray::open(&path, Element::Byte, &[4]).unwrap();
            let rows = array.rows();
            assert_eq!(rows, (cut - HEADER) / 4);
            array.truncate(rows).unwrap();
            array.push(&bytes[rows * 4..]).unwrap();
            assert!(std::fs::read(&path).unwrap() == whole, "cut at {cut}");
        }
        // As numpy.save writes it.
        let numpy = String::from_utf8_lossy(&whole[..HEADER]).replace("(10, 4, )", "(10, 4)  ");
        assert!(numpy.contains("(10, 4)"), "{numpy}");
        let spelled = [&MAGIC, &numpy.as_bytes()[numpy.len() - (HEADER - MAGIC.len())..], &whole[HEADER..]];
        std::fs::write(&path, spelled.concat()).unwrap();
        let array = GrowingArray::look_at(&path, Element::Byte, &[4]).unwrap();
        assert_eq!((array.rows(), array.read(9, 1).unwrap()), (10, bytes[36..].to_vec()));
        let other = GrowingArray::open(&path, Element::Byte, &[5]).unwrap_err().to_string();
        assert!(other.contains("rows of [5]"), "{other}");
    }
}
