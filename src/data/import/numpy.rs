//! Arrays of NumPy: the `.npy` format, versions 1 to 3, of integers and real numbers.
//!
//! The header is a Python literal and is read here: a general parser of such literals can be made to
//! recurse or overflow by a damaged file.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use half::f16;

use super::channels::{self, Layers};
use super::collect::{Collector, Frame, Values};
use super::layout::{Layout, Order, TwoAxes, layout};
use crate::error::{Error, Result};
use crate::words::counted;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longer headers hold no array of numbers: NumPy's take 64 to 192 bytes.
const MOST_HEADER: usize = 1 << 16;
/// Bytes that are read at once, about.
const BAND: usize = 1 << 18;

/// What an array is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The letter of the type: `u`, `i`, `f`, `b` (truth values), `U` (text), ...
    pub letter: char,
    /// Bytes of an element, or characters of `U`.
    pub size: usize,
    pub big_endian: bool,
    /// The first axis is the fastest.
    pub fortran: bool,
    pub shape: Vec<usize>,
}

impl Header {
    /// Reads the header and leaves the reader at the data.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn read(reader: &mut impl Read) -> Result<Self, String> {
        let short = |_| "cut short in its header".to_string();
        let mut start = [0; 8];
        reader.read_exact(&mut start).map_err(short)?;
        if &start[..6] != MAGIC {
            return Err("is no NumPy array".into());
        }
        let length = if start[6] == 1 {
            let mut bytes = [0; 2];
            reader.read_exact(&mut bytes).map_err(short)?;
            usize::from(u16::from_le_bytes(bytes))
        } else {
            let mut bytes = [0; 4];
            reader.read_exact(&mut bytes).map_err(short)?;
            u32::from_le_bytes(bytes) as usize
        };
        if !(1..=3).contains(&start[6]) || length > MOST_HEADER {
            return Err("has a damaged header".into());
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text).map_err(short)?;
        let text = String::from_utf8_lossy(&text);
        Self::parse(&text)
            .ok_or_else(|| format!("has a header that is damaged or of no plain array: {}", text.trim()))
    }

    /// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`
    fn parse(text: &str) -> Option<Self> {
        let after = |key: &str| {
            let rest = &text[text.find(key)? + key.len()..];
            Some(rest.trim_start_matches(['\'', '"']).trim_start().strip_prefix(':')?.trim_start())
        };
        let descr = after("descr")?;
        let quote = descr.chars().next().filter(|q| "'\"".contains(*q))?;
        let mut descr = descr[1..].split(quote).next()?.chars();
        let order = descr.next().filter(|o| "<>|=".contains(*o))?;
        let letter = descr.next()?;
        let fortran = after("fortran_order")?;
        let shape = after("shape")?.strip_prefix('(')?.split(')').next()?;
        let header = Self {
            letter,
            size: descr.as_str().parse().ok()?,
            big_endian: order == '>',
            fortran: fortran.starts_with("True"),
            shape: shape
                .split(',')
                .map(|n| n.trim().trim_end_matches('L'))
                .filter(|n| !n.is_empty())
                .map(|n| n.parse().ok())
                .collect::<Option<_>>()?,
        };
        (header.fortran || fortran.starts_with("False")).then_some(header).filter(|h| h.bytes().is_some())
    }

    /// Bytes of one element.
    pub fn element(&self) -> usize {
        self.size.saturating_mul(if self.letter == 'U' { 4 } else { 1 })
    }

    /// Bytes of all data, if that is a number.
    pub fn bytes(&self) -> Option<usize> {
        self.shape.iter().try_fold(self.element(), |n, &axis| n.checked_mul(axis))
    }

    /// The type as NumPy writes it.
    pub fn name(&self) -> String {
        format!("{}{}", self.letter, self.size)
    }

    /// Elements from their bytes, or `None` if the type is not one of numbers.
    pub fn values(&self, bytes: &[u8]) -> Option<Values> {
        fn of<const N: usize, T>(bytes: &[u8], big: bool, from: impl Fn([u8; N]) -> T) -> Vec<T> {
            let element = |mut b: [u8; N]| {
                if big {
                    b.reverse();
                }
                from(b)
            };
            bytes.as_chunks::<N>().0.iter().map(|&b| element(b)).collect()
        }
        let big = self.big_endian;
        Some(match (self.letter, self.size) {
            ('u' | 'b', 1) => Values::Integers(of(bytes, big, |b| i64::from(u8::from_le_bytes(b)))),
            ('u', 2) => Values::Integers(of(bytes, big, |b| i64::from(u16::from_le_bytes(b)))),
            ('u', 4) => Values::Integers(of(bytes, big, |b| i64::from(u32::from_le_bytes(b)))),
            // No class is that large: what is beyond i64 is refused either way.
            ('u', 8) => {
                Values::Integers(of(bytes, big, |b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)))
            }
            ('i', 1) => Values::Integers(of(bytes, big, |b| i64::from(i8::from_le_bytes(b)))),
            ('i', 2) => Values::Integers(of(bytes, big, |b| i64::from(i16::from_le_bytes(b)))),
            ('i', 4) => Values::Integers(of(bytes, big, |b| i64::from(i32::from_le_bytes(b)))),
            ('i', 8) => Values::Integers(of(bytes, big, i64::from_le_bytes)),
            ('f', 2) => Values::Reals(of(bytes, big, |b| f64::from(f16::from_le_bytes(b)))),
            ('f', 4) => Values::Reals(of(bytes, big, |b| f64::from(f32::from_le_bytes(b)))),
            ('f', 8) => Values::Reals(of(bytes, big, f64::from_le_bytes)),
            _ => return None,
        })
    }
}

/// Reads an array file.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    read_images(path, "", &mut BufReader::with_capacity(1 << 18, file), collector)
}

/// Reads the images of one array; `name` is its name in an archive.
pub(super) fn read_images(
    path: &Path,
    name: &str,
    reader: &mut impl Read,
    collector: &mut Collector,
) -> Result<()> {
    let named = if name.is_empty() { String::new() } else { format!("`{name}` ") };
    let refuse = |problem: String| Error::file(path, format!("{named}{problem}"));
    let header = Header::read(reader).map_err(refuse)?;
    let options = collector.options;
    let layout = layout(&header.shape, options, TwoAxes::Image).map_err(refuse)?;
    if header.values(&[]).is_none() {
        return Err(refuse(format!("holds {}: need integers, f2, f4 or f8", header.name())));
    }
    let array = Array { path, named: &named, header: &header, layout };
    if !header.fortran && layout.order != Order::Images {
        array.push(reader, collector)?;
        return end(reader).map_err(refuse);
    }
    // Images lie across the whole file.
    let len = header.bytes().unwrap_or(usize::MAX);
    let mut all = take(reader, len).map_err(refuse)?;
    end(reader).map_err(refuse)?;
    if header.fortran {
        all = reversed(&header, &all);
    }
    if layout.order == Order::Images {
        all = image_by_image(&all, layout.count, header.element());
    }
    array.push(&mut all.as_slice(), collector)
}

/// An array whose images follow each other.
struct Array<'a> {
    path: &'a Path,
    named: &'a str,
    header: &'a Header,
    layout: Layout,
}

impl Array<'_> {
    /// Reads image by image, a few rows at a time where the order allows it.
    fn push(&self, data: &mut dyn Read, collector: &mut Collector) -> Result<()> {
        let Layout { count, height, width, channels, order } = self.layout;
        let (path, named) = (self.path, self.named);
        let bytes = (self.header.letter, self.header.size) == ('u', 1);
        let row = width * channels * self.header.element();
        let rows_at_once = if order == Order::Layers { height } else { (BAND / row.max(1)).clamp(1, height) };
        let stated = collector.options.layout.is_some();
        let mut layers = Layers::new(if stated || channels > 1 { 1 } else { count }, height * width);
        for i in 0..count {
            let place =
                if count > 1 || !named.is_empty() { format!("{named}image {i}") } else { String::new() };
            let mut image = collector.begin(Frame { path, place, height, width })?;
            for first in (0..height).step_by(rows_at_once) {
                let rows = rows_at_once.min(height - first);
                let data = take(data, rows * row).map_err(|e| {
                    Error::file(path, format!("{named}{e}: it holds {i} of {}", counted(count, "image")))
                })?;
                let values = self.header.values(&data).unwrap_or(Values::Integers(vec![]));
                layers.see(&values);
                channels::push(&mut image, &self.layout, bytes, values)?;
            }
            image.end()?;
        }
        if let Some(problem) = layers.refusal(count) {
            return Err(Error::file(path, format!("{named}{problem}")));
        }
        Ok(())
    }
}

/// Exactly `len` bytes. Memory is taken as they come: a damaged header may promise any number.
pub(super) fn take(reader: &mut dyn Read, len: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(len as u64).read_to_end(&mut bytes).map_err(|e| format!("is damaged: {e}"))?;
    if bytes.len() == len { Ok(bytes) } else { Err("is cut short".into()) }
}

/// Nothing may follow the data; for an entry of an archive this is where its checksum is compared.
pub(super) fn end(reader: &mut impl Read) -> Result<(), String> {
    match reader.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err("holds more than its header says".into()),
        Err(e) => Err(format!("is damaged: {e}")),
    }
}

/// The elements of an array whose first axis is the fastest, in the order with the last the fastest.
fn reversed(header: &Header, bytes: &[u8]) -> Vec<u8> {
    let element = header.element();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = vec![0; header.shape.len()];
    for _ in 0..bytes.len() / element {
        let at = index.iter().zip(&header.shape).rev().fold(0, |at, (i, n)| at * n + i);
        out.extend_from_slice(&bytes[at * element..(at + 1) * element]);
        for (i, &n) in index.iter_mut().zip(&header.shape).rev() {
            *i += 1;
            if *i < n {
                break;
            }
            *i = 0;
        }
    }
    out
}

/// Elements `[pixels, images]` in the order `[images, pixels]`.
fn image_by_image(bytes: &[u8], images: usize, element: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for image in 0..images {
        let of_image = bytes.chunks_exact(element).skip(image).step_by(images);
        of_image.for_each(|value| out.extend_from_slice(value));
    }
    out
}
