//! PNG: one image, its classes as indices of a palette, so that eyes and programs both can read it.

use std::io;
use std::path::Path;

use ::png::{PixelDimensions, Unit};

use super::{Exported, write_atomically};
use crate::error::Result;

/// Writes image `i`, 8 bits a pixel.
pub(super) fn write(path: &Path, data: &Exported, i: usize) -> Result<()> {
    // A data set always has a colour to give: without any, all classes are black.
    let colours = if data.palette.is_empty() { &[[0; 3]] } else { data.palette };
    let palette: Vec<u8> = colours.iter().cycle().take(data.classes.min(256)).flatten().copied().collect();
    write_atomically(path, |file| {
        let side = |n: usize| u32::try_from(n).map_err(io::Error::other);
        let mut encoder = ::png::Encoder::new(file, side(data.width)?, side(data.height)?);
        encoder.set_color(::png::ColorType::Indexed);
        encoder.set_depth(::png::BitDepth::Eight);
        encoder.set_palette(palette.as_slice());
        // Pixels a metre, of which the format counts up to 2^31.
        let density = data.units().metres().map(|side| (1.0 / side).round());
        if let Some(density) = density.filter(|d| (1.0..=f64::from(i32::MAX)).contains(d)) {
            let density = density as u32;
            encoder.set_pixel_dims(Some(PixelDimensions { xppu: density, yppu: density, unit: Unit::Meter }));
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&data.shown(i))?;
        Ok(writer.finish()?)
    })
}
