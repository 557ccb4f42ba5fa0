//! `invnet data import`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::output::print;
use super::{FormatArg, also, beside};
use crate::data::ClassMaps;
use crate::data::export::{path_of, write_npz};
use crate::data::import::{Options, Resize, import};
use crate::error::{Error, Result};
use crate::eval::palette::{FIGURES, Rgb, TWO_PHASE};

/// What the help says after the options.
pub(super) const NOTES: &str = "Values become classes in one of three ways. By default they are class numbers
0, 1, ... (palette indices too). --levels lists the value of each class.
--threshold makes two classes. A value that does not fit is an error that names
its file and pixel.

HDF5 and DREAM.3D need a build with HDF5:
  cargo build --release --features hdf5
In DREAM.3D files Phases is read, else FeatureIds, both counted from 1; images
are the slices along z.

Examples:
  invnet data import micrographs --levels 0,128,255 --size 64 --out steel.npz
  invnet data import field.npy --threshold 0.5 --out field.npz
  invnet data import data.h5 --dataset morphology --threshold 0.5 --size 64 \\
    --out two.npz";

/// Arguments of `data import`.
#[derive(Args)]
pub(super) struct ImportArgs {
    /// A folder of PNG and TIFF files (read in the order of their names), or one file.
    source: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE.npz")]
    out: PathBuf,
    /// Bring images to S x S pixels, or to H x W, stretching what has another shape; training needs
    /// squares of a power of two.
    #[arg(long, value_name = "S|HxW", value_parser = sides)]
    size: Option<[usize; 2]>,
    /// How: the class with the largest share of the area, or the class at the centre.
    #[arg(long, default_value = "area")]
    resize: ResizeName,
    /// Values from T on are class 1, values below are class 0.
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// The value of class 0, of class 1, and so on.
    #[arg(long, value_name = "A,B,...", value_delimiter = ',', allow_negative_numbers = true)]
    levels: Vec<f64>,
    /// Number of classes [default: as many as there are].
    #[arg(long, value_name = "K")]
    classes: Option<usize>,
    /// Name of the array in an archive or HDF5 file.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Rows and columns of images that are stored as rows of H * W values [default: square].
    #[arg(long, value_name = "H,W", value_parser = sides)]
    shape: Option<[usize; 2]>,
    /// Replace files that are there.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum ResizeName {
    Area,
    Nearest,
}

fn sides(text: &str) -> Result<[usize; 2], String> {
    let parts: Vec<usize> =
        text.split(['x', ',']).map(str::parse).collect::<Result<_, _>>().map_err(|_| "must be S or HxW")?;
    match parts[..] {
        [side] => Ok([side, side]),
        [height, width] => Ok([height, width]),
        _ => Err("must be S or HxW".into()),
    }
}

/// Reads, checks and measures a source, then writes a data set.
pub(super) fn run(args: &ImportArgs, quiet: bool) -> Result<()> {
    args.format.check_beside(&args.out)?;
    let (folder, stem) = beside(&args.out);
    let beside = args.format.format.iter().map(|&format| path_of(folder, &stem, format));
    for target in std::iter::once(args.out.clone()).chain(beside) {
        check_target(&target, args)?;
    }
    let options = Options {
        size: args.size,
        resize: match args.resize {
            ResizeName::Area => Resize::Area,
            ResizeName::Nearest => Resize::Nearest,
        },
        threshold: args.threshold,
        levels: args.levels.clone(),
        classes: args.classes,
        dataset: args.dataset.clone(),
        shape: args.shape,
    };
    let data = import(&args.source, &options)?;
    write_npz(&args.out, &data)?;
    let palette: &[Rgb] = if data.classes == 2 { &TWO_PHASE } else { &FIGURES };
    let written = args.format.write_beside(&args.out, &data, palette)?;
    if !quiet {
        print(summary(&args.out, &written, &data))?;
    }
    Ok(())
}

/// Refuses to write over what somebody may need, the source first of all.
fn check_target(target: &Path, args: &ImportArgs) -> Result<()> {
    if !target.exists() {
        return Ok(());
    }
    if !args.overwrite {
        return Err(Error::file(target, "is there already: give --overwrite to replace it"));
    }
    match (target.canonicalize(), args.source.canonicalize()) {
        (Ok(target), Ok(source)) if target == source => {
            Err(Error::file(&target, "is what is imported: give another --out"))
        }
        _ => Ok(()),
    }
}

fn summary(out: &Path, written: &[PathBuf], data: &ClassMaps) -> String {
    let ClassMaps { count, height, width, classes, .. } = data;
    let mut text = format!(
        "{}{}: {count} images of {height} x {width}, {classes} classes\n",
        out.display(),
        also(written)
    );
    text += "  fraction      min     mean      max\n";
    for (class, name) in data.names.iter().enumerate() {
        let values = data.properties.iter().skip(class).step_by(data.names.len());
        let (mut low, mut high, mut sum) = (f32::INFINITY, f32::NEG_INFINITY, 0.0);
        for &value in values {
            (low, high, sum) = (low.min(value), high.max(value), sum + f64::from(value));
        }
        text += &format!("  {name:<8} {low:8.4} {:8.4} {high:8.4}\n", sum / *count as f64);
    }
    if height != width || !width.is_power_of_two() {
        text += "  note: training needs squares of a power of two: import with --size 64, for instance\n";
    }
    text
}
