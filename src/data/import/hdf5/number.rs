//! Numbers of any width and byte order, as whole numbers or as real ones.

use half::f16;
use hdf5_reader::error::{Error, Result};
use hdf5_reader::{ByteOrder, Datatype, H5Type, VarLenKind};

/// An element of an integer array or of an enumeration, whose numbers are its values. What is beyond
/// `i64` becomes the largest: no class is that large.
#[derive(Clone, Copy, Default)]
pub(super) struct Whole(pub i64);

/// An element of a real array of half, single or double precision.
#[derive(Clone, Copy, Default)]
pub(super) struct Real(pub f64);

/// What is stored under a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Whole,
    Real,
    Text,
    Other,
}

impl Kind {
    pub fn of(datatype: &Datatype) -> Self {
        match datatype {
            Datatype::FixedPoint { size: 1 | 2 | 4 | 8, .. } | Datatype::Bitfield { size: 1, .. } => {
                Self::Whole
            }
            Datatype::Enum { base, .. } => Self::of(base),
            Datatype::FloatingPoint { size: 2 | 4 | 8, .. } => Self::Real,
            Datatype::String { .. } | Datatype::VarLen { kind: VarLenKind::String, .. } => Self::Text,
            _ => Self::Other,
        }
    }
}

/// A type as NumPy names it, or in a word.
pub(super) fn name(datatype: &Datatype) -> String {
    match datatype {
        Datatype::FixedPoint { size, signed: true, .. } => format!("i{size}"),
        Datatype::FixedPoint { size, .. } => format!("u{size}"),
        Datatype::FloatingPoint { size, .. } => format!("f{size}"),
        Datatype::Enum { base, members } => format!("enumeration of {} {}", members.len(), name(base)),
        Datatype::String { .. } | Datatype::VarLen { kind: VarLenKind::String, .. } => "text".into(),
        Datatype::Compound { fields, .. } => format!("compound of {}", fields.len()),
        Datatype::VarLen { .. } => "sequences".into(),
        Datatype::Array { .. } => "arrays".into(),
        Datatype::Opaque { .. } => "opaque bytes".into(),
        Datatype::Reference { .. } => "references".into(),
        Datatype::Bitfield { size, .. } => format!("bits of {size} bytes"),
    }
}

/// Whether a real type is one of IEEE 754, from its message: exponent and mantissa stand in bytes 12
/// to 15. (Others, such as bfloat16, have the same width.)
pub(super) fn is_ieee(datatype: &Datatype, message: &[u8]) -> bool {
    let parts: &[u8] = match datatype {
        Datatype::FloatingPoint { size: 2, .. } => &[10, 5, 0, 10],
        Datatype::FloatingPoint { size: 4, .. } => &[23, 8, 0, 23],
        Datatype::FloatingPoint { size: 8, .. } => &[52, 11, 0, 52],
        _ => return true,
    };
    message.get(12..16) == Some(parts)
}

/// Bytes and order of one element.
fn width(datatype: &Datatype) -> (usize, ByteOrder) {
    match datatype {
        Datatype::FixedPoint { size, byte_order, .. }
        | Datatype::FloatingPoint { size, byte_order }
        | Datatype::Bitfield { size, byte_order } => (usize::from(*size), *byte_order),
        Datatype::Enum { base, .. } => width(base),
        // Nothing of these is asked for; an element of no bytes would divide by zero.
        _ => (1, ByteOrder::LittleEndian),
    }
}

fn signed(datatype: &Datatype) -> bool {
    match datatype {
        Datatype::FixedPoint { signed, .. } => *signed,
        Datatype::Enum { base, .. } => signed(base),
        _ => false,
    }
}

/// Every element of some bytes.
fn elements<const N: usize, T>(bytes: &[u8], order: ByteOrder, from: impl Fn([u8; N]) -> T) -> Vec<T> {
    let element = |&(mut element): &[u8; N]| {
        if order == ByteOrder::BigEndian {
            element.reverse();
        }
        from(element)
    };
    bytes.as_chunks::<N>().0.iter().map(element).collect()
}

/// Decodes one element with the method that decodes many.
fn one<T: H5Type + Copy>(bytes: &[u8], datatype: &Datatype) -> Result<T> {
    let all = T::decode_vec(bytes, datatype, 1).unwrap_or_else(|| Err(mismatch(datatype)))?;
    all.first().copied().ok_or_else(|| Error::InvalidData("an element is cut short".into()))
}

fn mismatch(datatype: &Datatype) -> Error {
    Error::TypeMismatch { expected: "numbers".into(), actual: name(datatype) }
}

impl H5Type for Whole {
    fn hdf5_type() -> Datatype {
        Datatype::FixedPoint { size: 8, signed: true, byte_order: ByteOrder::LittleEndian }
    }

    fn from_bytes(bytes: &[u8], datatype: &Datatype) -> Result<Self> {
        one(bytes, datatype)
    }

    fn element_size(datatype: &Datatype) -> usize {
        width(datatype).0
    }

    fn decode_vec(bytes: &[u8], datatype: &Datatype, _count: usize) -> Option<Result<Vec<Self>>> {
        if Kind::of(datatype) != Kind::Whole {
            return Some(Err(mismatch(datatype)));
        }
        let (size, order) = width(datatype);
        let beyond = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
        Some(Ok(match (size, signed(datatype)) {
            (1, false) => elements(bytes, order, |b| Self(i64::from(u8::from_le_bytes(b)))),
            (2, false) => elements(bytes, order, |b| Self(i64::from(u16::from_le_bytes(b)))),
            (4, false) => elements(bytes, order, |b| Self(i64::from(u32::from_le_bytes(b)))),
            (_, false) => elements(bytes, order, |b| Self(beyond(u64::from_le_bytes(b)))),
            (1, true) => elements(bytes, order, |b| Self(i64::from(i8::from_le_bytes(b)))),
            (2, true) => elements(bytes, order, |b| Self(i64::from(i16::from_le_bytes(b)))),
            (4, true) => elements(bytes, order, |b| Self(i64::from(i32::from_le_bytes(b)))),
            (_, true) => elements(bytes, order, |b| Self(i64::from_le_bytes(b))),
        }))
    }
}

impl H5Type for Real {
    fn hdf5_type() -> Datatype {
        Datatype::FloatingPoint { size: 8, byte_order: ByteOrder::LittleEndian }
    }

    fn from_bytes(bytes: &[u8], datatype: &Datatype) -> Result<Self> {
        one(bytes, datatype)
    }

    fn element_size(datatype: &Datatype) -> usize {
        width(datatype).0
    }

    fn decode_vec(bytes: &[u8], datatype: &Datatype, _count: usize) -> Option<Result<Vec<Self>>> {
        if Kind::of(datatype) != Kind::Real {
            return Some(Err(mismatch(datatype)));
        }
        let (size, order) = width(datatype);
        Some(Ok(match size {
            2 => elements(bytes, order, |b| Self(f64::from(f16::from_le_bytes(b)))),
            4 => elements(bytes, order, |b| Self(f64::from(f32::from_le_bytes(b)))),
            _ => elements(bytes, order, |b| Self(f64::from_le_bytes(b))),
        }))
    }
}
