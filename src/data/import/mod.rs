//! Data sets from files: a user's own images and fields, and the `.npz` archives of the generators.
//!
//! Each format has a file that turns its images into plain values, a few rows at a time where the
//! format allows it; `collect` makes classes of them by the rule in `classify`, the same for every
//! format. A source is read twice: `survey` finds sizes, labels and shares, then `whole` or `tiles`
//! makes images, which [`Import::read`] hands on one by one. What does not fit is refused with the
//! file, the place in it and a way out; what changes is said; nothing is guessed.
//!
//! A source is recognised by its first bytes, never by its name:
//!
//! | source | images in it |
//! | --- | --- |
//! | a folder | those of its files with images, in the natural order of their names |
//! | PNG, JPEG, BMP | one; a JPEG takes a threshold |
//! | TIFF | one a page but reduced copies and masks, or as many as a stack's description says |
//! | `.npy`, `.npz` | `[N, H, W]`, or one `[H, W]`; with an axis of classes more, one for each (see [`Axes`]) |
//! | HDF5 | `[N, H, W]`, or a row of `H * W` values for each |
//! | MATLAB from 7.3 on | a matrix `H x W`, or a stack `H x W x N` |
//! | DREAM.3D | the slices along z of a cell array |
//! | VTK image data (`.vti`) | the slices along z of an array over cells or points |
//! | numbers as text | one; an empty line begins another |

mod bmp;
mod channels;
mod classify;
mod collect;
mod colours;
mod folder;
mod grains;
mod hdf5;
mod jpeg;
mod labels;
mod layout;
mod levels;
mod npz;
mod numpy;
mod png;
mod resize;
mod shares;
mod source;
mod survey;
mod text;
mod tiff;
mod tiles;
mod vti;
mod whole;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use collect::Collector;
pub use colours::Colours;
pub use folder::left_alone;
pub use layout::Axes;
pub use npz::read_npz;
pub use shares::Shares;
pub use source::{FileImages, Import, Sink, Windows, import};

use crate::error::{Error, Result};

/// How an image becomes one of another size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// The class with the largest share of a new pixel's area.
    #[default]
    Area,
    /// The class at a new pixel's centre.
    Nearest,
}

/// What to make of a source. The default takes class numbers of square images as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Rows and columns of the result; without it images must be square, of one size, and stay so.
    pub size: Option<[usize; 2]>,
    /// How to reach that size.
    pub resize: Resize,
    /// Values from here on are class 1, values below are class 0.
    pub threshold: Option<f64>,
    /// The value of each class in turn; a pixel with any other value is an error.
    pub levels: Vec<f64>,
    /// Which colours are classes; without it all that occur, if there are any and nothing else says what
    /// classes are.
    pub colours: Option<Colours>,
    /// Number of classes; without it as many as the levels or the threshold say, or as many labels as
    /// occur. Labels that are all below it stay as they are.
    pub classes: Option<usize>,
    /// Labels stay the numbers they are, even where some between them do not occur.
    pub keep_labels: bool,
    /// Name of the array in an archive or HDF5 file.
    pub dataset: Option<String>,
    /// Rows and columns of images that are stored as rows of `H * W` values.
    pub shape: Option<[usize; 2]>,
    /// The axes of an array, where its shape leaves that open.
    pub layout: Option<Axes>,
    /// Of an entry for each class, the largest says the class; without it one is 1 and the others 0.
    pub argmax: bool,
    /// Cut square windows of this side, at the images' own scale.
    pub tile: Option<usize>,
    /// Pixels from one window to the next; without it windows touch.
    pub stride: Option<usize>,
    /// Take windows for training also as in a mirror: left to right, upside down, and both.
    pub flips: bool,
    /// Take windows for training also turned by one, two and three quarters.
    pub rotations: bool,
    /// Number of orientations to give to grains: whole numbers are grains, which are coloured so that
    /// adjoining ones differ; Euler angles of DREAM.3D are binned.
    pub orientations: Option<usize>,
}

/// More pixels in one image are taken for damage: 16,384 x 16,384.
const MOST_PIXELS: usize = 1 << 28;

/// Why an image of that many pixels is not read.
fn too_large(height: usize, width: usize) -> String {
    format!("{width} x {height} pixels is too large: an image has at most {MOST_PIXELS} (16384 x 16384)")
}

fn read_file(path: &Path, collector: &mut Collector) -> Result<()> {
    let mut start = Vec::new();
    // A name that leads nowhere is wrong use, like any other mistake in what was asked for.
    let file = File::open(path).map_err(|e| Error::file(path, format!("cannot be opened: {e}")))?;
    file.take(8).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    if let Some((_, kind)) = OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Err(Error::file(path, format!("is {kind}, which is not read: {}", way_round(kind))));
    }
    check_arrays(path, &start, collector.options)?;
    match start.as_slice() {
        [] => Err(Error::file(path, "is empty")),
        [0x89, b'P', b'N', b'G', ..] => png::read(path, collector),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => tiff::read(path, collector),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => numpy::read(path, collector),
        [b'P', b'K', 3, 4, ..] => npz::read(path, collector),
        HDF5 => hdf5::read(path, collector),
        b"MATLAB 7" => hdf5::read(path, collector),
        b"MATLAB 5" => Err(Error::file(path, MATLAB_5)),
        [0xff, 0xd8, 0xff, ..] => jpeg::read(path, collector),
        [b'B', b'M', ..] => bmp::read(path, collector),
        _ if vti::is_vtk(start.as_slice()) => vti::read(path, collector),
        _ if has_user_block(path) => hdf5::read(path, collector),
        _ if text::is_text(start.as_slice()) => text::read(path, collector),
        _ if text::is_named_so(path) => Err(Error::file(
            path,
            "is no table of numbers: it is to have a line for each row of pixels, and none of titles",
        )),
        _ => Err(Error::file(
            path,
            format!(
                "is of no kind that is read: its first bytes are of none of {READ}; a whole file begins with them"
            ),
        )),
    }
}

/// Refuses options that choose or describe an array in a file that has none to choose or describe.
fn check_arrays(path: &Path, start: &[u8], options: &Options) -> Result<()> {
    let [named, described] = match start {
        [b'P', b'K', ..] | HDF5 => [true; 2],
        [0x93, b'N', ..] => [false, true],
        b"MATLAB 7" => [true; 2],
        _ if vti::is_vtk(start) => [true, false],
        _ => [has_user_block(path); 2],
    };
    // Some programs call the slices of a stack channels, which --layout NHW sets right.
    let pages = matches!(start, [b'I', b'I', ..] | [b'M', b'M', ..]);
    let given = [
        (options.dataset.is_some() && !named, "--dataset chooses an array of several"),
        (options.shape.is_some() && !described, "--shape says what the rows of an array are"),
        (options.layout.is_some() && !described && !pages, "--layout says what the axes of an array are"),
        (options.argmax && !described, "--argmax takes the largest entry of a pixel of an array"),
    ];
    match given.iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(Error::file(path, format!("{what}, and this file has none: leave it out"))),
        None => Ok(()),
    }
}

/// Kinds that people have and that are not read, by how they begin.
const OTHERS: [(&[u8], &str); 21] = [
    (b"GIF8", "a GIF"),
    (b"RIFF", "a WebP"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"P1\n", "Netpbm"),
    (b"P2\n", "Netpbm"),
    (b"P4\n", "Netpbm"),
    (b"P5\n", "Netpbm"),
    (b"P6\n", "Netpbm"),
    (b"8BPS", "a file of Photoshop"),
    (b"v/1\x01", "OpenEXR"),
    (b"%PDF", "a PDF"),
    (b"SIMPLE  ", "FITS"),
    (b"CDF", "NetCDF of an old version"),
    (b"\0\0\0\x03\0\0", "a file of Digital Micrograph"),
    (b"\0\0\0\x04\0\0", "a file of Digital Micrograph"),
    (b"\x1f\x8b", "packed by gzip"),
    (b"BZh", "packed by bzip2"),
    (b"\xfd7zXZ", "packed by xz"),
];

/// What to do with such a file.
fn way_round(kind: &str) -> &'static str {
    if kind.starts_with("packed") { "unpack it first" } else { "save it as PNG, TIFF or .npy" }
}

/// What is read, for a message.
const READ: &str =
    "PNG, TIFF, JPEG, BMP, .npy, .npz, HDF5, MATLAB 7.3, DREAM.3D, VTK image data, numbers as text";
/// How HDF5 begins.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
const MATLAB_5: &str = "is a MATLAB file of an old version, which is not read: save it with -v7.3, for instance \
                        save('new.mat', 'x', '-v7.3'); in Python, np.save('x.npy', scipy.io.loadmat('old.mat')['x'])";

/// Whether HDF5 begins after a block of somebody's own: at byte 512, 1024, 2048 and so on.
fn has_user_block(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut start = [0; HDF5.len()];
    (9..=20).any(|power| {
        file.seek(SeekFrom::Start(1 << power)).and_then(|_| file.read_exact(&mut start)).is_ok()
            && start == HDF5
    })
}
