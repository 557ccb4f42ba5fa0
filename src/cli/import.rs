//! `invnet data import`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::output::{note, print, say};
use super::{FormatArg, also, beside, room};
use crate::data::ClassMaps;
use crate::data::export::{path_of, quoted, write_atomically, write_npz_by_map};
use crate::data::import::{
    Axes, Colours, FileImages, Import, Options, Resize, Shares, Windows, left_alone, read_npz,
};
use crate::error::{Error, Result};
use crate::eval::palette::{FIGURES, Rgb, TWO_PHASE};
use crate::nn;
use crate::words::counted;

/// What the help says after the options.
pub(super) const NOTES: &str = "\
Read are PNG, TIFF (uncompressed, LZW, deflate, ZSTD, PackBits, Fax group 4;
JPEG in TIFF with a threshold), JPEG with a threshold, BMP, .npy, .npz, HDF5,
MATLAB 7.3 (.mat), DREAM.3D (6.5 and NX), VTK image data (.vti) and matrices as
text (.txt, .csv: a line for each row of pixels); of a folder PNG, TIFF, JPEG,
BMP, .npy and .vti. A file is known by its first bytes, not by its name.

Values become classes in one of three ways. By default they are labels, whole
numbers from 0 (palette indices too), and those that occur are packed: labels
0, 2, 5 are the classes 0, 1, 2. --keep-labels keeps gaps, and --classes K
keeps labels that are all below K. --levels lists the value of each class.
--threshold makes two, and takes the brightness of a colour (0.299 R + 0.587 G
+ 0.114 B). Where there are colours each is a class: those of --colours in that
order, else all that occur, the darkest first; shades of smoothed edges are a
warning. What each class was is printed
and is the array `labels` of the archive (a colour as the number 0xRRGGBB). A
value that does not fit is an error that names its file and pixel.

Resizing (--size) loses what is finer than a new pixel. Each class's share
before and after is printed; a change of more than 0.01, or of more than a
tenth of a share, is a warning that names a size or windows that keep it.

--tile cuts windows at the images' own scale, from one large micrograph or
many. The corner at the lower right of each image, about a tenth of its area,
is kept for held-out windows; windows partly in it are left out, so that
nothing is both trained on and held out. The archive says which are which
(`held_out`), and training obeys. --flips (4 copies), --rotations (4) or both
(8) add copies of the windows for training. Of PNG without interlacing, TIFF
and .npy only a few rows are in memory, with --format the whole set at last. An
image has at most 268435456 pixels (16384 x 16384).

Arrays are [H, W] or [N, H, W]; axes of length 1 count for none. [N, H, W, C]
and [N, C, H, W] hold an entry for each class: one 1 among zeros, or with
--argmax any numbers, of which the largest says the class. Three or four bytes
a pixel that are none of these are its colour, with opacity if four; of one
image [H, W, 3] --colours says so. Where a shape may be
meant in two ways --layout must say which. Of a TIFF every page is an image but
reduced copies and masks; stacks of ImageJ, OME and tifffile with one page are
read whole.

The files of a folder are read in natural order (2 before 10); OUT.files.csv
lists which images are from which file.

Data sets and variables in files are listed where --dataset must choose. MATLAB
stacks are H x W x N. In DREAM.3D files Phases is read, else FeatureIds, both
counted from 1; images are the slices along z. --orientations N makes a
polycrystal of FeatureIds: grains are coloured so that adjoining ones differ,
if N are enough: those that are not kept apart are counted in a warning.
With --dataset EulerAngles cells are binned by the first angle, phi1, into N
classes of equal width.

Examples:
  invnet data import micrographs --levels 0,128,255 --size 64 --out steel.npz
  invnet data import micrograph.png --threshold 128 --tile 64 --stride 32 \\
    --flips --rotations --out windows.npz
  invnet data import ebsd.png --colours red,blue,lime --size 64 --out ebsd.npz
  invnet data import field.npy --threshold 0.5 --out field.npz
  invnet data import softmax.npy --layout NCHW --argmax --out classes.npz
  invnet data import data.h5 --dataset morphology --threshold 0.5 --size 64 \\
    --out two.npz
  invnet data import ebsd.dream3d --orientations 5 --size 64 --out grains.npz";

/// At most so many lines are printed of files.
const SHOWN: usize = 6;

/// How images are read.
#[derive(Args)]
pub(super) struct ReadArgs {
    /// Bring images to S x S pixels, or to H x W, stretching what has another shape.
    #[arg(long, value_name = "S|HxW", value_parser = sides)]
    size: Option<[usize; 2]>,
    /// How: the class with the largest share of the area, or the class at the centre.
    #[arg(long, default_value = "area", requires = "size")]
    resize: ResizeName,
    /// Values from T on are class 1, values below are class 0.
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// The value of class 0, of class 1, and so on.
    #[arg(long, value_name = "A,B,...", value_delimiter = ',', allow_hyphen_values = true)]
    levels: Vec<f64>,
    /// The colour of class 0, of class 1, and so on: names or #rrggbb, or `all` that occur.
    #[arg(long, value_name = "A,B,...|all")]
    colours: Option<Colours>,
    /// Number of classes [default: as many as there are].
    #[arg(long, value_name = "K")]
    classes: Option<usize>,
    /// Keep labels as they are, with classes that do not occur between them.
    #[arg(long)]
    keep_labels: bool,
    /// Cut windows of S x S pixels instead of resizing.
    #[arg(long, value_name = "S")]
    tile: Option<usize>,
    /// Pixels from one window to the next [default: S, windows touch].
    #[arg(long, value_name = "D")]
    stride: Option<usize>,
    /// Name of the array in an archive or HDF5 file.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Rows and columns of images that are stored as rows of H * W values [default: square].
    #[arg(long, value_name = "H,W", value_parser = sides)]
    shape: Option<[usize; 2]>,
    /// Axes of an array: HW, NHW, HWN, HWC, CHW, NHWC or NCHW [default: by its shape].
    #[arg(long, value_name = "AXES")]
    layout: Option<Axes>,
    /// Take the largest entry of a pixel for its class, of probabilities for instance.
    #[arg(long)]
    argmax: bool,
    /// Whole numbers are grains: colour them with N orientations, 2 to 16.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=16))]
    orientations: Option<u8>,
}

impl ReadArgs {
    /// The same for the reader.
    pub(super) fn options(&self) -> Options {
        Options {
            size: self.size,
            resize: match self.resize {
                ResizeName::Area => Resize::Area,
                ResizeName::Nearest => Resize::Nearest,
            },
            threshold: self.threshold,
            levels: self.levels.clone(),
            colours: self.colours.clone(),
            classes: self.classes,
            keep_labels: self.keep_labels,
            dataset: self.dataset.clone(),
            shape: self.shape,
            layout: self.layout,
            argmax: self.argmax,
            tile: self.tile,
            stride: self.stride,
            orientations: self.orientations.map(usize::from),
            ..Options::default()
        }
    }
}

/// Arguments of `data import`.
#[derive(Args)]
pub(super) struct ImportArgs {
    /// A folder of images, or one file.
    source: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE.npz")]
    out: PathBuf,
    #[command(flatten)]
    read: ReadArgs,
    /// Also take windows for training in a mirror: left to right, upside down, and both.
    #[arg(long)]
    flips: bool,
    /// Also take windows for training turned by 90, 180 and 270 degrees.
    #[arg(long)]
    rotations: bool,
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
    let table = folder.join(format!("{stem}.files.csv"));
    let beside = args.format.format.iter().map(|&format| path_of(folder, &stem, format));
    let targets: Vec<PathBuf> = [args.out.clone(), table.clone()].into_iter().chain(beside).collect();
    targets.iter().try_for_each(|target| room::check_absent(target, args.overwrite))?;
    let options = Options { flips: args.flips, rotations: args.rotations, ..args.read.options() };
    let import = Import::open(&args.source, &options)?;
    check_source(&targets, &import)?;
    // Before there are files of this command's own.
    let others = if args.source.is_dir() { left_alone(&args.source)? } else { vec![] };
    let [height, width] = import.size();
    args.format.check([import.count(), height, width])?;
    let data = write_npz_by_map(&args.out, [import.count(), height, width], |write| {
        import.read(&mut |map, _| write(map).map_err(|e| Error::io(&args.out, e)))
    })?;
    let written = if args.format.format.is_empty() {
        vec![]
    } else {
        let palette: &[Rgb] = if data.classes == 2 { &TWO_PHASE } else { &FIGURES };
        args.format.write_beside(&args.out, &read_npz(&args.out)?, palette)?
    };
    if args.source.is_dir() {
        write_files(&table, &import.files())?;
    } else if table.exists() {
        // Of the set that was replaced.
        std::fs::remove_file(&table).map_err(|e| Error::io(&table, e))?;
    }
    if !quiet {
        print(summary(&args.out, &written, &import, &data))?;
        if args.source.is_dir() {
            say!("  all files are listed in {}", table.display())?;
        }
    }
    if let Some(first) = others.first() {
        let more = others.len() - 1;
        let rest = if more == 0 { "is".into() } else { format!("and {more} more in the folder are") };
        note!("note: {} {rest} of no kind that is read from a folder", first.display());
    }
    for kept in args.format.kept_back(&args.out, &data) {
        note!("note: {kept}");
    }
    tell_warnings(&import, &data)
}

/// Says what reading a source changed of its images.
pub(super) fn tell_warnings(import: &Import, data: &ClassMaps) -> Result<()> {
    import.warnings(data)?.iter().for_each(|warning| note!("warning: {warning}"));
    Ok(())
}

/// The table of which images are from which file.
fn write_files(path: &Path, files: &[FileImages]) -> Result<()> {
    write_atomically(path, |table| {
        writeln!(table, "first,count,file")?;
        for FileImages { path, first, count } in files {
            writeln!(table, "{first},{count},{}", quoted(&path.display().to_string()))?;
        }
        Ok(())
    })
}

/// Refuses to write over an image that is read, or into its folder of pictures.
fn check_source(targets: &[PathBuf], import: &Import) -> Result<()> {
    let files = import.files();
    for target in targets.iter().filter_map(|target| target.canonicalize().ok()) {
        let read = |file: &FileImages| file.path.canonicalize().is_ok_and(|path| path.starts_with(&target));
        if files.iter().any(read) {
            return Err(Error::file(&target, "is what is imported: give another --out"));
        }
    }
    Ok(())
}

fn summary(out: &Path, written: &[PathBuf], import: &Import, data: &ClassMaps) -> String {
    let ClassMaps { count, height, width, classes, .. } = data;
    let mut text = format!(
        "{}{}: {} of {height} x {width}, {}\n",
        out.display(),
        also(written),
        counted(*count, "image"),
        counted(*classes, "class")
    );
    let shares = import.shares(data);
    text += "  fraction      min     mean      max   source";
    text += if data.held_out.is_empty() { "\n" } else { " training held out\n" };
    for (class, name) in data.names.iter().enumerate() {
        let values = data.properties.iter().skip(class).step_by(data.names.len());
        let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        let Shares { source, set, parts } = shares[class];
        text += &format!("  {name:<8} {low:8.4} {set:8.4} {high:8.4} {source:8.4}");
        text += &parts.map_or(String::new(), |[t, h]| format!(" {t:8.4} {h:8.4}"));
        text += "\n";
    }
    if !data.labels.is_empty() {
        let labels = data.names.iter().zip(import.labels()).map(|(name, label)| format!("{name} is {label}"));
        text += &format!("  labels: {}\n", labels.collect::<Vec<_>>().join(", "));
    }
    if let Some(Windows { training, held_out, reserved }) = import.windows() {
        let percent = 100.0 * reserved;
        text += &format!(
            "  {} for training, {held_out} held out, in the corner at the lower right ({percent:.1} % of the area)\n",
            counted(training, "image")
        );
    }
    text += &files(&import.files());
    if nn::base([*height, *width]).is_none() {
        let option = if import.windows().is_some() { "--tile" } else { "--size" };
        text += &format!("  note: no training on {}: import with {option}\n", nn::advice([*height, *width]));
    }
    text
}

/// The files in order, the first and last of many.
fn files(files: &[FileImages]) -> String {
    let line = |FileImages { path, first, count }: &FileImages| match count {
        0 => format!("  no image: {}\n", path.display()),
        1 => format!("  image {first}: {}\n", path.display()),
        _ => format!("  images {first} to {}: {}\n", first + count - 1, path.display()),
    };
    match files {
        [] | [_] => String::new(),
        all if all.len() <= SHOWN => all.iter().map(line).collect(),
        all => {
            let (head, tail) = (&all[..SHOWN - 2], &all[all.len() - 1..]);
            let left = all.len() - SHOWN + 1;
            let lines = |files: &[FileImages]| files.iter().map(line).collect::<String>();
            format!("{}  ... {} ...\n{}", lines(head), counted(left, "more file"), lines(tail))
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn notes_fit_a_terminal() {
        // Longer lines would be broken where they should not.
        assert!(super::NOTES.lines().all(|line| line.chars().count() < 80));
    }
}
