//! The options that choose file formats beside the usual ones.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::room;
use crate::data::ClassMaps;
use crate::data::export::{Exported, Format, Origin, Units, check_pixels, path_of, write_all};
use crate::error::{Error, Result};
use crate::eval::palette::Rgb;

/// Further formats, and the physical size of a pixel.
#[derive(Args)]
pub(super) struct FormatArg {
    /// Write these formats too: npy, npz, png, tiff, csv, vti, hdf5, dream3d. The last two are put
    /// together in memory: of 2147483648 and 536870912 pixels in all at most.
    #[arg(long, value_name = "FORMAT,...", value_delimiter = ',')]
    pub(super) format: Vec<Format>,
    /// Side of a pixel in the --unit, for formats with a physical size; tables get columns in it too:
    /// a position c is at (c + 0.5) LENGTH from the corner of pixel (0, 0).
    #[arg(long, default_value_t = 1.0, value_name = "LENGTH", value_parser = length, requires = "unit")]
    spacing: f64,
    /// Unit of that length; of m, cm, mm, um and nm PNG and TIFF get a resolution.
    #[arg(long, default_value = "px", value_name = "UNIT")]
    unit: String,
    /// Where row 0 of an image is: upper, as in a picture, or lower. VTI, PNG and TIFF show it there.
    #[arg(long, default_value = "upper", value_name = "SIDE")]
    origin: OriginName,
}

#[derive(Clone, Copy, ValueEnum)]
enum OriginName {
    Upper,
    Lower,
}

fn length(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(length) if length.is_finite() && length > 0.0 => Ok(length),
        _ => Err("must be a length above 0".into()),
    }
}

impl FormatArg {
    /// Refuses what is no archive, and a format that would be written over the archive `out`.
    pub(super) fn check_beside(&self, out: &Path) -> Result<()> {
        room::check_archive_name(out)?;
        let (folder, stem) = beside(out);
        let clash =
            |format: &&Format| !matches!(format, Format::Npz) && path_of(folder, &stem, **format) == out;
        match self.format.iter().find(clash) {
            Some(format) => {
                let problem = format!("is what --format {} writes too: name it .npz", format.name());
                Err(Error::file(out, problem))
            }
            None => Ok(()),
        }
    }

    /// Refuses to replace the archive `out` or what is to be written beside it, unless asked to.
    pub(super) fn check_absent(&self, out: &Path, overwrite: bool) -> Result<()> {
        let (folder, stem) = beside(out);
        let beside = self.format.iter().map(|&format| path_of(folder, &stem, format));
        std::iter::once(out.to_path_buf())
            .chain(beside)
            .try_for_each(|path| room::check_absent(&path, overwrite))
    }

    /// Refuses a size of pixels in pixels, and more images than a format has room for; `shape` is `[N, H, W]`.
    pub(super) fn check(&self, shape: [usize; 3]) -> Result<()> {
        if self.unit == "px" && self.spacing != 1.0 {
            let problem = "a pixel is 1 px wide: give --unit um, or another unit of length";
            return Err(Error::Usage(format!("--spacing {} --unit px: {problem}", self.spacing)));
        }
        check_pixels(&self.format, shape)
    }

    /// Writes class maps as `folder/stem.*`; returns what was written.
    pub(super) fn write_exported(&self, folder: &Path, stem: &str, data: Exported) -> Result<Vec<PathBuf>> {
        let origin = match self.origin {
            OriginName::Upper => Origin::Upper,
            OriginName::Lower => Origin::Lower,
        };
        let data = Exported { spacing: self.spacing, unit: &self.unit, origin, ..data };
        write_all(folder, stem, &self.format, &data)
    }

    /// The physical size of a pixel.
    pub(super) fn units(&self) -> Units<'_> {
        Units { spacing: self.spacing, unit: &self.unit }
    }

    /// Writes a data set beside its archive `out`; returns what was written.
    pub(super) fn write_beside(&self, out: &Path, data: &ClassMaps, palette: &[Rgb]) -> Result<Vec<PathBuf>> {
        if self.format.is_empty() {
            return Ok(Vec::new());
        }
        let (folder, stem) = beside(out);
        self.write_exported(folder, &stem, Exported::new(data, palette))
    }

    /// What formats do not say that the archive `out` of a data set does, a line for each.
    pub(super) fn kept_back(&self, out: &Path, data: &ClassMaps) -> Vec<String> {
        let line = |missing: bool, keeps: fn(Format) -> bool, what: &str| {
            let silent = self.format.iter().filter(|format| !keeps(**format));
            let silent: Vec<&str> = silent.map(|format| format.name()).collect();
            let said = format!("{}: no word of {what}: that stands in {}", silent.join(", "), out.display());
            (missing && !silent.is_empty()).then_some(said)
        };
        [
            line(!data.labels.is_empty(), Format::keeps_labels, "what each class was"),
            line(!data.held_out.is_empty(), Format::keeps_split, "which images are held out"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The folder of an archive and its name without the extension.
pub(super) fn beside(out: &Path) -> (&Path, String) {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    (out.parent().unwrap_or(Path::new("")), stem)
}

/// What was written, to add to a line about the archive.
pub(super) fn also(written: &[PathBuf]) -> String {
    written.iter().map(|path| format!(", {}", path.display())).collect()
}
