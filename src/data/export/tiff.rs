//! TIFF: one file with a page for each image, the classes as grey levels 0, 1, ... of 8 bits.

use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use ::tiff::encoder::colortype::Gray8;
use ::tiff::encoder::compression::DeflateLevel;
use ::tiff::encoder::{Compression, TiffEncoder, TiffKind};

use super::{Exported, write_atomically};
use crate::error::Result;

/// From here on offsets of 32 bits might not do, compressed or not.
const BIG: usize = 1 << 31;

/// Writes all images, compressed by deflate.
pub(super) fn write(path: &Path, data: &Exported) -> Result<()> {
    write_atomically(path, |file: &mut BufWriter<_>| {
        if data.maps.len() < BIG {
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
    for i in 0..data.count {
        encoder.write_image::<Gray8>(width, height, data.map(i)).map_err(io::Error::other)?;
    }
    Ok(())
}
