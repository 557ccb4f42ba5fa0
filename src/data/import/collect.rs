//! From the values of images to class maps: the rule that makes classes, one size for all, measures.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Options, Resize, resize};
use crate::data::ClassMaps;
use crate::error::{Error, Result};

/// Without a stated number of classes, larger numbers than this are grey levels, not classes.
const MOST_ASSUMED: usize = 16;
/// Classes are bytes.
const MOST: usize = 256;
/// An error lists at most so many levels.
const LISTED: usize = 8;

/// The pixels of one image as its file stores them, `[H, W]` row-major.
pub(super) enum Values {
    Integers(Vec<i64>),
    Reals(Vec<f64>),
}

/// One image on its way into a data set.
pub(super) struct Picture<'a> {
    /// The file it is from.
    pub path: &'a Path,
    /// Where in the file, as an error will say; empty if the file is the image.
    pub place: String,
    pub height: usize,
    pub width: usize,
    pub values: Values,
}

/// Gathers images into a data set.
pub(super) struct Collector<'a> {
    pub options: &'a Options,
    /// The number of the first class where numbers are classes: 1 in files that count from 1.
    pub first: i64,
    /// Number of classes, 1 to 256, if the source states it: it holds where numbers are classes, and
    /// the user's word has precedence.
    pub stated: Option<usize>,
    size: Option<[usize; 2]>,
    /// The first image, to name when another differs in size.
    model: PathBuf,
    maps: Vec<u8>,
    count: usize,
    largest: u8,
}

impl<'a> Collector<'a> {
    /// An empty collection.
    ///
    /// # Errors
    /// [`Error::Usage`] if the options cannot be meant.
    pub fn new(options: &'a Options) -> Result<Self> {
        check(options)?;
        Ok(Self {
            options,
            first: 0,
            stated: None,
            size: None,
            model: PathBuf::new(),
            maps: Vec::new(),
            count: 0,
            largest: 0,
        })
    }

    /// Adds one image.
    ///
    /// # Errors
    /// [`Error::File`] if its size or a value does not fit.
    pub fn push(&mut self, picture: &Picture) -> Result<()> {
        let [height, width] = [picture.height, picture.width];
        self.check_size(picture)?;
        let map = self.classify(picture)?;
        self.largest = map.iter().copied().fold(self.largest, u8::max);
        match self.options.size {
            Some(size) if size != [height, width] => {
                let from = [height, width];
                self.maps.extend(match self.options.resize {
                    Resize::Area => resize::area(&map, from, size),
                    Resize::Nearest => resize::nearest(&map, from, size),
                });
            }
            _ => self.maps.extend(map),
        }
        self.count += 1;
        Ok(())
    }

    fn check_size(&mut self, picture: &Picture) -> Result<()> {
        let [height, width] = [picture.height, picture.width];
        let refuse = |problem: String| Err(picture.error(problem));
        if height == 0 || width == 0 {
            return refuse("has no pixels".into());
        }
        if self.options.size.is_some() {
            return Ok(());
        }
        match self.size {
            None => {
                if height != width {
                    return refuse(format!(
                        "is {width} pixels wide and {height} high, not square: give --size S to stretch it \
                         to a square, or --size {height}x{width} to keep it"
                    ));
                }
                self.size = Some([height, width]);
                self.model = picture.path.to_path_buf();
            }
            Some([h, w]) if [h, w] != [height, width] => {
                return refuse(format!(
                    "is {width} x {height} pixels, but {} before it has {w} x {h}: give --size to bring all to one size",
                    if self.model == picture.path {
                        "an image".into()
                    } else {
                        self.model.display().to_string()
                    }
                ));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn numbers_are_classes(&self) -> bool {
        self.options.threshold.is_none() && self.options.levels.is_empty()
    }

    /// Number of classes, if anybody says.
    fn classes(&self) -> Option<usize> {
        self.options.classes.or(self.stated.filter(|_| self.numbers_are_classes()))
    }

    /// The class of every pixel of an image.
    fn classify(&self, picture: &Picture) -> Result<Vec<u8>> {
        let classes = self.classes();
        match &picture.values {
            Values::Integers(values) if self.numbers_are_classes() => {
                let below = classes.unwrap_or(MOST_ASSUMED) as i64;
                let class =
                    |v: i64| v.checked_sub(self.first).filter(|c| (0..below).contains(c)).map(|c| c as u8);
                convert(values, class).map_err(|i| {
                    let numbers = if self.first == 0 {
                        format!("a class number below {below}")
                    } else {
                        format!("a number of {} to {}", self.first, self.first + below - 1)
                    };
                    let hint = if classes.is_some() { "" } else { " (or more --classes)" };
                    picture.error(format!(
                        "{}, where {numbers}{hint} is needed; {}",
                        at(picture, i, &values[i].to_string()),
                        levels_of(values)
                    ))
                })
            }
            Values::Integers(values) => self.by_value(picture, |i| values[i] as f64, values.len()),
            Values::Reals(values) => self.by_value(picture, |i| values[i], values.len()),
        }
    }

    /// Classes by threshold or by listed levels.
    fn by_value(&self, picture: &Picture, value: impl Fn(usize) -> f64, len: usize) -> Result<Vec<u8>> {
        let values: Vec<f64> = (0..len).map(value).collect();
        let refuse =
            |i: usize, why: &str| picture.error(format!("{}, {why}", at(picture, i, &values[i].to_string())));
        if let Some(threshold) = self.options.threshold {
            return convert(&values, |v| (!v.is_nan()).then_some(u8::from(v >= threshold)))
                .map_err(|i| refuse(i, "which no threshold can judge"));
        }
        let levels = &self.options.levels;
        if levels.is_empty() {
            let (low, high) =
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
            return Err(picture.error(format!(
                "holds real numbers from {} to {}: give --threshold T (class 1 from T on) or --levels",
                low as f32, high as f32
            )));
        }
        convert(&values, |v| levels.iter().position(|&l| l == v).map(|class| class as u8)).map_err(|i| {
            let listed: Vec<String> = levels.iter().map(f64::to_string).collect();
            refuse(i, &format!("which is not among --levels {}", listed.join(",")))
        })
    }

    /// The data set.
    ///
    /// # Errors
    /// [`Error::File`] with `source` if there is no image or only one class.
    pub fn finish(self, source: &Path) -> Result<ClassMaps> {
        let options = self.options;
        let Some([height, width]) = options.size.or(self.size).filter(|_| self.count > 0) else {
            return Err(Error::file(source, "holds no image"));
        };
        let assumed = match (options.threshold, options.levels.len()) {
            (Some(_), _) => 2,
            (None, 0) => self.largest as usize + 1,
            (None, levels) => levels,
        };
        let classes = self.classes().unwrap_or(assumed);
        if classes < 2 {
            return Err(Error::file(source, "every pixel is of class 0: if that is meant, give --classes"));
        }
        let mut properties = Vec::with_capacity(self.count * classes);
        for map in self.maps.chunks_exact(height * width) {
            let mut pixels = [0u32; MOST];
            map.iter().for_each(|&class| pixels[class as usize] += 1);
            properties.extend(pixels[..classes].iter().map(|&n| (f64::from(n) / map.len() as f64) as f32));
        }
        Ok(ClassMaps {
            count: self.count,
            height,
            width,
            classes,
            maps: self.maps,
            names: (1..=classes).map(|i| format!("f{i}")).collect(),
            properties,
        })
    }
}

impl Picture<'_> {
    /// An error about this image.
    pub fn error(&self, problem: String) -> Error {
        let place = if self.place.is_empty() { String::new() } else { format!("{}: ", self.place) };
        Error::file(self.path, place + &problem)
    }
}

/// The class of every value, or the index of the first that has none.
fn convert<T: Copy>(values: &[T], class: impl Fn(T) -> Option<u8>) -> Result<Vec<u8>, usize> {
    values.iter().enumerate().map(|(i, &v)| class(v).ok_or(i)).collect()
}

/// A value and where it is; rows and columns count from 0 at the top left.
fn at(picture: &Picture, i: usize, value: &str) -> String {
    format!("the pixel in row {}, column {} is {value}", i / picture.width, i % picture.width)
}

/// The levels of an image, and the options they call for.
fn levels_of(values: &[i64]) -> String {
    let levels: BTreeSet<i64> = values.iter().copied().collect();
    let (Some(low), Some(high)) = (levels.first(), levels.last()) else { return String::new() };
    if levels.len() > LISTED {
        return format!(
            "the image has {} levels, {low} to {high}: give --threshold T or --levels",
            levels.len()
        );
    }
    let list: Vec<String> = levels.iter().map(i64::to_string).collect();
    format!("if the levels of this image are the classes, give --levels {}", list.join(","))
}

/// Refuses options that contradict each other.
fn check(options: &Options) -> Result<()> {
    let refuse = |problem: String| Err(Error::Usage(problem));
    let levels = &options.levels;
    if options.threshold.is_some() && !levels.is_empty() {
        return refuse("--threshold and --levels both make classes of values: give one of them".into());
    }
    if let Some(value) = options.threshold.iter().chain(levels).find(|v| !v.is_finite()) {
        return refuse(format!("{value} is no threshold and no level: give a finite number"));
    }
    if let Some((i, level)) = levels.iter().enumerate().find(|&(i, l)| levels[..i].contains(l)) {
        return refuse(format!("--levels names {level} twice: a level is one class (here {i} too)"));
    }
    if levels.len() == 1 || levels.len() > MOST {
        return refuse(format!("--levels names {} values: 2 to {MOST} can be classes", levels.len()));
    }
    let least = if options.threshold.is_some() { 2 } else { levels.len().max(1) };
    if let Some(classes) = options.classes.filter(|c| !(least..=MOST).contains(c)) {
        return refuse(format!("--classes {classes}: must be {least} to {MOST}"));
    }
    for (name, value) in [("--size", options.size), ("--shape", options.shape)] {
        if let Some([h, w]) = value.filter(|[h, w]| *h == 0 || *w == 0 || *h > 8192 || *w > 8192) {
            return refuse(format!("{name} {h}x{w}: rows and columns must be 1 to 8192"));
        }
    }
    Ok(())
}
