//! TIFF: one file with a page for each image, the classes as grey levels 0, 1, ... of 8 bits, and their
//! resolution if the unit of length is one of the metre.

use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use ::tiff::encoder::colortype::Gray8;
use ::tiff::encoder::compression::DeflateLevel;
use ::tiff::encoder::{Compression, Rational, TiffEncoder, TiffKind};
use ::tiff::tags::ResolutionUnit;

use super::{Exported, write_atomically};
use crate::error::Result;

/// From here on offsets of 32 bits might not do, compressed or not.
const BIG: usize = 1 << 31;

/// Writes all images, compressed by deflate.
pub(super) fn write(path: &Path, data: &Exported) -> Result<()> {
    write_atomically(path, |file: &mut BufWriter<_>| {
        if data.count * data.height * data.width < BIG {
            pages(TiffEncoder::new(file).map_err(io::Error::other)?, data)
        } else {
            pages(TiffEncoder::new_big(file).map_err(io::Error::other)?, data)
        }
    })
}

fn pages<W: Write + Seek, K: TiffKind>(encoder: TiffEncoder<W, K>, data: &Exported) -> io::Result<()> {
    let mut encoder = encoder.with_compression(Compression::Deflate(DeflateLevel::Balanced));
    let side = |n: usize| u32::try_from(n).map_err(io::Error::other);
    let (width, height) = (side(data.width)?, side(data.height)?);
    let density = data.units().metres().and_then(density);
    data.filling(|_, piece| {
        for i in 0..piece.count {
            let mut page = encoder.new_image::<Gray8>(width, height).map_err(io::Error::other)?;
            if let Some(density) = &density {
                page.resolution(ResolutionUnit::Centimeter, density.clone());
            }
            page.write_data(&piece.shown(i)).map_err(io::Error::other)?;
        }
        Ok(())
    })
}

/// Pixels a centimetre as a fraction of two numbers of 32 bits; none beyond their range.
fn density(metres: f64) -> Option<Rational> {
    let density = 0.01 / metres;
    // As many decimals as there is room for.
    let d = [1_000_000u32, 1000, 1].into_iter().find(|&d| density * f64::from(d) < f64::from(u32::MAX))?;
    let n = (density * f64::from(d)).round() as u32;
    (n > 0).then_some(Rational { n, d })
}
