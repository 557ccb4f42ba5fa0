//! VTK image data in XML (`.vti`): what invnet writes, and what ParaView and VTK save.
//!
//! The images are the slices along z of an array over cells, else over points; x runs along a row and
//! the first row is the one of the least y. Values are text, base64 or raw bytes after the XML, whole
//! or compressed by zlib: "XML file formats" in the VTK documentation.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use roxmltree::{Document, Node, ParsingOptions};

use super::MOST_PIXELS;
use super::collect::{Collector, Picture, Values};
use super::numpy::Header;
use crate::error::{Error, Result};
use crate::words::counted;

/// What ends the part that is XML.
const APPENDED: &[u8] = b"<AppendedData";
/// The array that invnet writes.
const OURS: &str = "class";
/// Zlib makes at most so many bytes of one.
const MOST_EXPANDED: usize = 1100;

/// Whether a file begins like VTK's XML.
pub(super) fn is_vtk(start: &[u8]) -> bool {
    start.starts_with(b"<?xml ") || start.starts_with(b"<VTKFile")
}

/// Reads the slices of one array.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let refuse = |problem: String| Error::file(path, problem);
    let (xml, appended) = split(&bytes).map_err(refuse)?;
    let options = ParsingOptions { nodes_limit: 100_000, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&xml, options)
        .map_err(|e| refuse(format!("is no whole VTK file: {}", e.to_string().replace('\n', " "))))?;
    let image = Image::of(&document, appended).map_err(refuse)?;
    let array = image.array(collector.options.dataset.as_deref()).map_err(refuse)?;
    let refuse = |problem: String| Error::file(path, format!("`{}` {problem}", array.name));
    let [width, height, count] = array.sides;
    let values = image.values(&array).map_err(refuse)?;
    for i in 0..count {
        let values = values.slice(i * width * height, width * height);
        let place = if count > 1 { format!("`{}` slice {i}", array.name) } else { String::new() };
        collector.push(&Picture { path, place, height, width, values })?;
    }
    Ok(())
}

/// Appended data, and whether they are raw.
type Appended<'a> = Option<(&'a [u8], bool)>;

/// The XML, closed where appended data begin, and those data with their encoding.
fn split(bytes: &[u8]) -> Result<(String, Appended<'_>), String> {
    let utf8 = |part: &[u8]| {
        String::from_utf8(part.to_vec()).map_err(|_| "is no VTK file: its XML is not of UTF-8".to_string())
    };
    let Some(at) = bytes.windows(APPENDED.len()).position(|w| w == APPENDED) else {
        return Ok((utf8(bytes)?, None));
    };
    let rest = &bytes[at..];
    let damaged = || "is cut short in its appended data".to_string();
    let end = rest.iter().position(|b| *b == b'>').ok_or_else(damaged)?;
    let raw = String::from_utf8_lossy(&rest[..end]).contains("raw");
    let start = rest[end..].iter().position(|b| *b == b'_').ok_or_else(damaged)?;
    Ok((utf8(&bytes[..at])? + "</VTKFile>", Some((&rest[end + start + 1..], raw))))
}

/// An image data file.
struct Image<'a> {
    root: Node<'a, 'a>,
    /// Points along x, y and z less one.
    extent: [usize; 3],
    piece: Node<'a, 'a>,
    appended: Option<(&'a [u8], bool)>,
}

/// One of its arrays.
struct Array<'a> {
    name: &'a str,
    node: Node<'a, 'a>,
    /// Values along x, y and z.
    sides: [usize; 3],
}

impl<'a> Image<'a> {
    fn of(document: &'a Document, appended: Option<(&'a [u8], bool)>) -> Result<Self, String> {
        let root = document.root_element();
        let kind = root.attribute("type").unwrap_or("no type");
        if root.tag_name().name() != "VTKFile" || kind != "ImageData" {
            return Err(format!("is XML, but not of VTK image data ({kind}): save it as .vti"));
        }
        let child = |of: Node<'a, 'a>, name: &str| of.children().find(|n| n.has_tag_name(name));
        let damaged = || "is a damaged VTK file: it lacks its extent or its piece".to_string();
        let data = child(root, "ImageData").ok_or_else(damaged)?;
        let whole = data.attribute("WholeExtent").and_then(extent).ok_or_else(damaged)?;
        let mut pieces = data.children().filter(|n| n.has_tag_name("Piece"));
        let (Some(piece), None) = (pieces.next(), pieces.next()) else {
            return Err("is a VTK file of several pieces or none: save it as one".into());
        };
        if piece.attribute("Extent").and_then(extent) != Some(whole) {
            return Err("is a VTK file whose piece is not the whole image: save it as one".into());
        }
        Ok(Self { root, extent: whole, piece, appended })
    }

    /// The array asked for, ours, or the only one.
    fn array(&self, asked: Option<&str>) -> Result<Array<'a>, String> {
        let mut arrays = Vec::new();
        for (group, more) in [("CellData", 0), ("PointData", 1)] {
            // An axis without cells is flat.
            let sides = self.extent.map(|n| (n + more).max(1));
            let groups = self.piece.children().filter(|n| n.has_tag_name(group));
            for node in groups.flat_map(|g| g.children()).filter(|n| n.has_tag_name("DataArray")) {
                let name = node.attribute("Name").unwrap_or_default();
                let components = node.attribute("NumberOfComponents").unwrap_or("1");
                if components == "1" || asked == Some(name) {
                    arrays.push((Array { name, node, sides }, components));
                }
            }
        }
        let names: Vec<&str> = arrays.iter().map(|(a, _)| a.name).collect();
        let only = names.len() == 1;
        let found = arrays.into_iter().find(|(a, _)| match asked {
            Some(asked) => a.name == asked,
            None => only || a.name == OURS,
        });
        let (array, components) = found.ok_or_else(|| match (asked, names.as_slice()) {
            (_, []) => "holds no array of numbers over cells or points".to_string(),
            (Some(asked), names) => format!("has no array `{asked}`: it has {}", names.join(", ")),
            (None, names) => format!("holds several arrays: give --dataset, one of {}", names.join(", ")),
        })?;
        if components != "1" {
            return Err(format!("`{}` holds {components} numbers for each cell: one is needed", array.name));
        }
        let [x, y, _] = array.sides;
        if x.checked_mul(y).is_none_or(|n| n > MOST_PIXELS) {
            return Err(format!("`{}` has slices of {x} x {y} pixels, which is too large", array.name));
        }
        Ok(array)
    }

    /// All values of an array, x the fastest.
    fn values(&self, array: &Array) -> Result<Stored, String> {
        let of = |key: &str| array.node.attribute(key).unwrap_or_default();
        let (kind, format) = (of("type"), of("format"));
        let header = element(kind, self.root.attribute("byte_order") == Some("BigEndian"))
            .ok_or_else(|| format!("holds {kind}: need integers or real numbers"))?;
        let [x, y, z] = array.sides;
        let count = x.checked_mul(y).and_then(|n| n.checked_mul(z)).ok_or("is too large")?;
        if format == "ascii" {
            let text = array.node.text().unwrap_or_default();
            return ascii(text, header.letter == 'f', count).map(Stored::Numbers);
        }
        let bytes = if format == "appended" {
            let (data, raw) = self.appended.ok_or("has its values in appended data, and there are none")?;
            let offset: usize = of("offset").parse().map_err(|_| "has no offset into the appended data")?;
            let data = data.get(offset..).ok_or("is cut short")?;
            if raw {
                self.block(data, count, header.size)?
            } else {
                self.block(&decoded(data)?, count, header.size)?
            }
        } else if format == "binary" {
            self.block(&decoded(array.node.text().unwrap_or_default().as_bytes())?, count, header.size)?
        } else {
            return Err(format!("is in the format `{format}`: need ascii, binary or appended"));
        };
        Ok(Stored::Bytes(header, bytes))
    }

    /// The bytes of an array from what was stored: a header of sizes, then data, compressed or not.
    fn block(&self, stored: &[u8], count: usize, size: usize) -> Result<Vec<u8>, String> {
        let short = || "is cut short".to_string();
        let wide = self.root.attribute("header_type") == Some("UInt64");
        let big = self.root.attribute("byte_order") == Some("BigEndian");
        let word = if wide { 8 } else { 4 };
        let number = |i: usize| {
            let mut bytes = [0; 8];
            bytes[..word].copy_from_slice(stored.get(i * word..(i + 1) * word)?);
            if big {
                bytes[..word].reverse();
            }
            usize::try_from(u64::from_le_bytes(bytes)).ok()
        };
        let wanted = count.checked_mul(size).ok_or("is too large")?;
        match self.root.attribute("compressor") {
            None => {
                let there = number(0).ok_or_else(short)?;
                if there != wanted {
                    return Err(format!(
                        "holds {}, where its extent asks for {wanted}",
                        counted(there, "byte")
                    ));
                }
                stored.get(word..).and_then(|d| d.get(..wanted)).map(<[u8]>::to_vec).ok_or_else(short)
            }
            Some("vtkZLibDataCompressor") => {
                if wanted > stored.len().saturating_mul(MOST_EXPANDED) {
                    return Err(format!(
                        "is cut short: {} cannot hold {wanted}",
                        counted(stored.len(), "byte")
                    ));
                }
                let blocks = number(0).filter(|n| *n <= stored.len()).ok_or_else(short)?;
                let mut out = Vec::new();
                let mut at = word.saturating_mul(3 + blocks);
                for block in 0..blocks {
                    let length = number(3 + block).ok_or_else(short)?;
                    let data = stored.get(at..).and_then(|d| d.get(..length)).ok_or_else(short)?;
                    let room = (wanted + 1).saturating_sub(out.len()) as u64;
                    let unpacked = ZlibDecoder::new(data).take(room).read_to_end(&mut out);
                    unpacked.map_err(|e| format!("is damaged: {e}"))?;
                    at += length;
                }
                if out.len() != wanted {
                    return Err(format!(
                        "holds {}, where its extent asks for {wanted}",
                        counted(out.len(), "byte")
                    ));
                }
                Ok(out)
            }
            Some(other) => Err(format!("is compressed by {other}: save it with zlib or without")),
        }
    }
}

/// Values as they are in memory before they are looked at.
enum Stored {
    Bytes(Header, Vec<u8>),
    Numbers(Values),
}

impl Stored {
    /// Some of them, which are there.
    fn slice(&self, first: usize, count: usize) -> Values {
        let part = first..first + count;
        match self {
            Self::Bytes(header, bytes) => {
                let bytes = &bytes[part.start * header.size..part.end * header.size];
                header.values(bytes).unwrap_or(Values::Integers(vec![]))
            }
            Self::Numbers(Values::Integers(v)) => Values::Integers(v[part].to_vec()),
            Self::Numbers(Values::Reals(v)) => Values::Reals(v[part].to_vec()),
            Self::Numbers(Values::Classes(v)) => Values::Classes(v[part].to_vec()),
        }
    }
}

/// `0 64 0 64 0 1` to the differences.
fn extent(text: &str) -> Option<[usize; 3]> {
    let numbers: Vec<i64> = text.split_whitespace().map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let &[x0, x1, y0, y1, z0, z1] = numbers.as_slice() else { return None };
    let side = |low: i64, high: i64| usize::try_from(high.checked_sub(low)?).ok().filter(|n| *n < 1 << 32);
    Some([side(x0, x1)?, side(y0, y1)?, side(z0, z1)?])
}

/// The kind of a number, as NumPy has it.
fn element(kind: &str, big_endian: bool) -> Option<Header> {
    let (letter, bits) = if let Some(bits) = kind.strip_prefix("UInt") {
        ('u', bits)
    } else if let Some(bits) = kind.strip_prefix("Int") {
        ('i', bits)
    } else {
        ('f', kind.strip_prefix("Float")?)
    };
    let size = bits.parse::<usize>().ok()? / 8;
    let header = Header { letter, size, big_endian, fortran: false, shape: vec![] };
    header.values(&[]).is_some().then_some(header)
}

/// Bytes from base64 that may be of several parts, each padded, up to what is none.
fn decoded(text: &[u8]) -> Result<Vec<u8>, String> {
    let is_code = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let text: Vec<u8> =
        text.iter().copied().filter(|b| !b.is_ascii_whitespace()).take_while(|&b| is_code(b)).collect();
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        // Up to and with the padding.
        let end =
            rest.iter().position(|b| *b == b'=').map_or(rest.len(), |at| at.div_ceil(4) * 4).min(rest.len());
        let (part, after) = rest.split_at(end.max(1));
        STANDARD.decode_vec(part, &mut out).map_err(|e| format!("is damaged in its base64: {e}"))?;
        rest = after;
    }
    Ok(out)
}

fn ascii(text: &str, real: bool, count: usize) -> Result<Values, String> {
    let damaged = |word: &str| format!("has `{}` for a number", word.chars().take(20).collect::<String>());
    let words = text.split_ascii_whitespace();
    let (values, there) = if real {
        let values: Vec<f64> = words.map(|w| w.parse().map_err(|_| damaged(w))).collect::<Result<_, _>>()?;
        let there = values.len();
        (Values::Reals(values), there)
    } else {
        let values: Vec<i64> = words.map(|w| w.parse().map_err(|_| damaged(w))).collect::<Result<_, _>>()?;
        let there = values.len();
        (Values::Integers(values), there)
    };
    if there != count {
        return Err(format!("holds {}, where its extent asks for {count}", counted(there, "value")));
    }
    Ok(values)
}
