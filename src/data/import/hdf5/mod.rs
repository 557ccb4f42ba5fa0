//! HDF5: arrays `[N, H, W]` or rows of images under a name, the cell arrays of DREAM.3D, and the
//! variables of MATLAB from version 7.3 on.
//!
//! The reader is written in Rust and made for files that are damaged: what it reports becomes an
//! error here. It is given limits, so that no size that a file states is taken on trust.

mod catalogue;
mod dream3d;
mod lzf;
mod matlab;
mod number;

use std::path::Path;

use hdf5_reader::error::Error as H5Error;
use hdf5_reader::filters::FilterRegistry;
use hdf5_reader::{Dataset, Hdf5File, OpenOptions, SliceInfo, SliceInfoElem};

use super::channels::{self, Layers};
use super::collect::{Carried, Collector, Frame, Picture, Values};
use super::layout::{Layout, Order, TwoAxes, layout};
use crate::error::{Error, Result};
use catalogue::{Catalogue, Entry};
use number::{Kind, Real, Whole};

/// Number of the filter LZF.
const LZF: u16 = 32_000;
/// Filters that people use and that are not read, by number.
const KNOWN: [(u16, &str); 8] = [
    (307, "bzip2"),
    (32_001, "Blosc"),
    (32_004, "LZ4"),
    (32_008, "Bitshuffle"),
    (32_013, "ZFP"),
    (32_015, "Zstandard"),
    (32_017, "SZ"),
    (32_026, "Blosc2"),
];
/// Bytes of decoded chunks to keep: a chunk often spans many images.
const CACHE: usize = 128 << 20;
/// Values that are read at once, about.
const BAND: usize = 1 << 18;
/// Arrays of so many bytes are read from any file; larger ones must be backed by bytes in the file.
const SMALL: u64 = 1 << 20;
/// Deflate makes at most so many bytes of one.
const MOST_EXPANDED: u64 = 1100;

/// Reads the images of one data set.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let file = open(path)?;
    let mut catalogue = Catalogue::of(&file).map_err(|e| damaged(path, &e))?;
    if let Some(asked) = &collector.options.dataset {
        catalogue.look_for(&file, asked);
    }
    if let Some(gap) = catalogue.gap.as_ref().filter(|_| catalogue.entries.is_empty()) {
        return Err(damaged(path, gap));
    }
    let source = Source { path, file, entries: catalogue.entries };
    if source.file.group("DataContainers").is_ok() || source.file.group("DataStructure").is_ok() {
        return dream3d::read(&source, collector);
    }
    if matlab::is_matlab(path) {
        return matlab::read(&source, collector);
    }
    let entry = source.find(collector.options.dataset.as_deref())?;
    let dataset = source.dataset(entry)?;
    if entry.path == "maps" {
        // Ours, or of somebody with other attributes.
        let stated = dataset.attribute("classes").and_then(|a| a.read_scalar::<Whole>()).ok();
        collector.stated = stated.map(|k| k.0).filter(|k| (1..=256).contains(k)).map(|k| k as usize);
        collector.carried = source.carried()?;
    }
    let options = collector.options;
    let layout = layout(&entry.shape, options, TwoAxes::Rows).map_err(|e| source.refuse(entry, &e))?;
    let Layout { count, height, width, channels, order } = layout;
    // Axes before that of images have the length 1.
    let axis = if order == Order::Images { 2 } else { entry.shape.iter().position(|&n| n > 1).unwrap_or(0) };
    let bands = Bands::of(entry, &dataset, &layout, if count == 1 { None } else { Some(axis) });
    let bytes = number::name(dataset.dtype()) == "u1";
    let possible = options.layout.is_none() && channels == 1;
    let mut layers = Layers::new(if possible { count } else { 1 }, height * width);
    for i in 0..count {
        let place = format!("`{}` image {i}", entry.path);
        let mut image = collector.begin(Frame { path, place, height, width })?;
        for selection in bands.of_image(&entry.shape, i) {
            let values = source.values(entry, &dataset, &selection)?;
            layers.see(&values);
            channels::push(&mut image, &layout, bytes, values)?;
        }
        image.end()?;
    }
    match layers.refusal(count) {
        Some(problem) => Err(source.refuse(entry, &problem)),
        None => Ok(()),
    }
}

/// How an image is read: a few rows at a time where they lie along an axis.
struct Bands {
    /// The axis of images, if there are several.
    images: Option<usize>,
    /// The axis of rows, their number, and how many are read at once.
    rows: Option<(usize, usize, usize)>,
}

impl Bands {
    fn of(entry: &Entry, dataset: &Dataset, layout: &Layout, images: Option<usize>) -> Self {
        let Layout { height, width, channels, order, .. } = *layout;
        let after = images.map_or(0, |axis| axis + 1);
        let lies = |&axis: &usize| {
            entry.shape[axis] == height
                && entry.shape[axis + 1..].iter().product::<usize>() == width * channels
        };
        let axis = (after..entry.shape.len()).find(lies).filter(|_| order == Order::Pixels);
        let rows = axis.map(|axis| {
            let chunk = dataset.chunks().unwrap_or_default();
            let bytes = chunk
                .iter()
                .fold(dataset.raw_element_size().unwrap_or(1), |n, &side| n.saturating_mul(side as usize));
            // A chunk that is not kept is decoded once.
            let whole = if bytes > CACHE { chunk.get(axis).map_or(1, |&side| side as usize) } else { 1 };
            (axis, height, (BAND / (width * channels)).max(whole).clamp(1, height))
        });
        Self { images, rows }
    }

    /// What to read of image `i`, in order.
    fn of_image(&self, shape: &[usize], i: usize) -> Vec<SliceInfo> {
        let image = self.images.map_or_else(|| everything(shape), |axis| at(shape, axis, i));
        let Some((axis, height, step)) = self.rows else { return vec![image] };
        let band = |first: usize| {
            let mut band = image.clone();
            let (start, end) = (first as u64, (first + step).min(height) as u64);
            band.selections[axis] = SliceInfoElem::Slice { start, end, step: 1 };
            band
        };
        (0..height).step_by(step).map(band).collect()
    }
}

fn open(path: &Path) -> Result<Hdf5File> {
    let mut filters = FilterRegistry::new();
    filters.register(LZF, Box::new(|_, data, _| lzf::decode(data).map_err(H5Error::DecompressionError)));
    let limit = usize::try_from(most_bytes(path)?).unwrap_or(usize::MAX);
    let options = OpenOptions::default()
        .with_filter_registry(filters)
        .with_max_read_bytes(limit)
        .with_chunk_cache_bytes(CACHE)
        .with_max_chunk_bytes(limit);
    let file = Hdf5File::open_with_options(path, options).map_err(|e| damaged(path, &e))?;
    let (says, there) = (file.superblock().eof_address, length(path)?);
    if says > there {
        return Err(Error::file(
            path,
            format!("is a cut HDF5 file: it says {says} bytes, and {there} are there"),
        ));
    }
    Ok(file)
}

fn length(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len())
}

/// The largest array that a file of this size can hold.
fn most_bytes(path: &Path) -> Result<u64> {
    Ok(SMALL.saturating_add(length(path)?.saturating_mul(MOST_EXPANDED)))
}

/// An open file and what it holds.
struct Source<'a> {
    path: &'a Path,
    file: Hdf5File,
    entries: Vec<Entry>,
}

impl Source<'_> {
    /// The data set asked for, or the one there is.
    fn find(&self, asked: Option<&str>) -> Result<&Entry> {
        if let Some(asked) = asked {
            return self.named(asked, &self.entries.iter().collect::<Vec<_>>());
        }
        if let Some(maps) = self.entries.iter().find(|e| e.path == "maps") {
            return Ok(maps);
        }
        let images: Vec<&Entry> = self.entries.iter().filter(|e| e.is_images()).collect();
        match images.as_slice() {
            [only] if !only.path.contains('/') => Ok(only),
            [] => Err(self.error(&format!(
                "holds no array of images; its data sets: {}",
                catalogue::list(&self.entries)
            ))),
            [only] => Err(self.error(&format!(
                "has its array of images in a group: give --dataset {}; its data sets: {}",
                only.path,
                catalogue::list(&self.entries)
            ))),
            several => Err(self.error(&format!(
                "holds several data sets: give --dataset, one of {}",
                catalogue::list(several.iter().copied())
            ))),
        }
    }

    /// The entry that a user means, by path or by the last part of it.
    fn named<'b>(&self, asked: &str, among: &[&'b Entry]) -> Result<&'b Entry> {
        if let Some(entry) = among.iter().find(|e| e.path == asked.trim_matches('/')) {
            return Ok(entry);
        }
        let named: Vec<&Entry> = among.iter().copied().filter(|e| e.is_named(asked)).collect();
        let list = || catalogue::list(among.iter().copied());
        match named.as_slice() {
            [one] => Ok(one),
            [] => Err(self.error(&format!("has no data set `{asked}`; there are: {}", list()))),
            _ => Err(self.error(&format!(
                "has several data sets `{asked}`: give --dataset with its path, one of {}",
                list()
            ))),
        }
    }

    /// What a set of ours says of its labels and of what is held out.
    fn carried(&self) -> Result<Carried> {
        let list = |name: &str| -> Result<Vec<f64>> {
            let Some(entry) = self.entries.iter().find(|e| e.path == name && e.shape.len() == 1) else {
                return Ok(vec![]);
            };
            let dataset = self.dataset(entry)?;
            Ok(match self.values(entry, &dataset, &everything(&entry.shape))? {
                Values::Reals(values) => values,
                Values::Integers(values) => values.into_iter().map(|v| v as f64).collect(),
                _ => vec![],
            })
        };
        let held_out = list("held_out")?.into_iter().map(|flag| flag != 0.0).collect();
        Ok(Carried { labels: list("labels")?, held_out })
    }

    /// Opens a data set of numbers.
    fn dataset(&self, entry: &Entry) -> Result<Dataset> {
        let dataset = self.file.dataset(&entry.path).map_err(|e| self.unreadable(entry, &e))?;
        let real = |message: Vec<u8>| number::is_ieee(dataset.dtype(), &message);
        if entry.kind == Kind::Real && !dataset.raw_datatype().is_ok_and(real) {
            let problem = "holds real numbers that are not of IEEE 754 (bfloat16?): save it as float32";
            return Err(self.refuse(entry, problem));
        }
        if !matches!(entry.kind, Kind::Whole | Kind::Real) {
            let problem = format!("holds {}: need integers or real numbers", number::name(dataset.dtype()));
            return Err(self.refuse(entry, &problem));
        }
        let bytes = dataset.raw_byte_len().map_err(|e| self.unreadable(entry, &e))?;
        if bytes as u64 > most_bytes(self.path)? {
            let problem = format!("says that its shape is {:?}, more than this file can hold", entry.shape);
            return Err(self.refuse(entry, &problem));
        }
        Ok(dataset)
    }

    /// The values of a selection.
    fn values(&self, entry: &Entry, dataset: &Dataset, selection: &SliceInfo) -> Result<Values> {
        let values = if entry.kind == Kind::Real {
            let array = dataset.read_slice::<Real>(selection);
            array.map(|a| Values::Reals(a.into_raw_vec_and_offset().0.into_iter().map(|v| v.0).collect()))
        } else {
            let array = dataset.read_slice::<Whole>(selection);
            array.map(|a| Values::Integers(a.into_raw_vec_and_offset().0.into_iter().map(|v| v.0).collect()))
        };
        values.map_err(|e| self.unreadable(entry, &e))
    }

    /// Image `i` of a data set.
    fn picture(&self, entry: &Entry, i: usize, side: [usize; 2], values: Values) -> Picture<'_> {
        let [height, width] = side;
        Picture { path: self.path, place: format!("`{}` image {i}", entry.path), height, width, values }
    }

    fn error(&self, problem: &str) -> Error {
        Error::file(self.path, problem)
    }

    fn refuse(&self, entry: &Entry, problem: &str) -> Error {
        self.error(&format!("`{}` {problem}", entry.path))
    }

    /// Why the values of a data set cannot be read, with a way round where there is one.
    fn unreadable(&self, entry: &Entry, error: &H5Error) -> Error {
        let text = match root(error) {
            H5Error::UnsupportedFilter(what) => {
                let number = what.rsplit(' ').next().and_then(|n| n.parse::<u16>().ok());
                let name = KNOWN.iter().find(|(id, _)| Some(*id) == number).map_or("an unknown method", |k| k.1);
                let number = number.map_or(String::new(), |n| format!(" (filter {n})"));
                format!(
                    "is compressed with {name}{number}, which is not read: save it with gzip or LZF, for instance \
                     h5repack -f GZIP=4 IN OUT where that filter is installed"
                )
            }
            H5Error::UnsupportedLayoutClass(3) => {
                "is a virtual data set, which keeps its values in other files: import those, or copy it into a \
                 data set of its own"
                    .into()
            }
            other if other.to_string().contains("external raw data") => {
                format!("keeps its values in another file, which is not read: {other}")
            }
            other => format!("is damaged or unusual: {}", one_line(other)),
        };
        self.refuse(entry, &text)
    }
}

/// The reason at the end of a chain.
fn root(mut error: &H5Error) -> &H5Error {
    while let H5Error::Context { source, .. } = error {
        error = source;
    }
    error
}

fn one_line(error: &H5Error) -> String {
    error.to_string().replace(['\n', '\r'], " ")
}

fn damaged(path: &Path, error: &H5Error) -> Error {
    match root(error) {
        H5Error::Io(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::io(path, std::io::Error::new(e.kind(), e.to_string()))
        }
        H5Error::UnsupportedLayoutClass(3) => {
            Error::file(path, "has a virtual data set, which hides the others: name one with --dataset")
        }
        other => Error::file(path, format!("is a damaged, cut or unusual HDF5 file: {}", one_line(other))),
    }
}

/// All of an array.
fn everything(shape: &[usize]) -> SliceInfo {
    SliceInfo::all(shape.len())
}

/// What lies at an index of an axis.
fn at(shape: &[usize], axis: usize, index: usize) -> SliceInfo {
    let mut selection = everything(shape);
    selection.selections[axis] = SliceInfoElem::Index(index as u64);
    selection
}
