//! A source that was looked through, ready to be made into a data set.

use std::path::{Path, PathBuf};

use super::collect::{Carried, Collector, MOST, Pass};
use super::colours::{Colours, Palette, Shown, of_number, smoothed};
use super::grains::Lost;
use super::labels::Labels;
use super::levels::Levels;
use super::shares::{self, Shares};
use super::survey::Survey;
use super::tiles::{Cutter, Tiling};
use super::whole::{Trial, Whole};
use super::{Options, classify, folder, read_file};
use crate::data::ClassMaps;
use crate::error::{Error, Result};
use crate::op::Symmetry;
use crate::words::counted;

/// Takes each image of a data set in turn, `[H, W]`, and whether it is held out.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8], bool) -> Result<()>;

/// The least that training takes, and the least that is compared with.
const LEAST: [usize; 2] = [18, 2];
/// Windows that are advised are not smaller.
const LEAST_SIDE: usize = 8;
/// Pixels that are resized on trial to find a size to advise.
const TRIED: usize = 1 << 31;

/// A source that was read once and found to fit the options. [`Import::read`] makes the images.
pub struct Import<'a> {
    options: &'a Options,
    survey: Survey<'a>,
    labels: Labels,
    carried: Carried,
    palette: Palette,
    lost: Lost,
    levels: Levels,
    tiling: Option<Tiling>,
}

/// The images of a set that are from one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileImages {
    /// The file.
    pub path: PathBuf,
    /// Index of the first of them.
    pub first: usize,
    /// How many there are.
    pub count: usize,
}

/// Windows of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    /// Images for training, copies included.
    pub training: usize,
    /// Images that training never sees.
    pub held_out: usize,
    /// The part of the area that is kept for held-out windows.
    pub reserved: f64,
}

impl<'a> Import<'a> {
    /// Reads through a file or a folder, and checks all of it.
    ///
    /// # Errors
    /// [`Error::Usage`] for options that contradict each other, [`Error::File`] for a source that is
    /// damaged, empty or does not fit the options, [`Error::Io`] if it cannot be read.
    pub fn open(source: impl AsRef<Path>, options: &'a Options) -> Result<Self> {
        classify::check(options)?;
        let source = source.as_ref();
        let mut survey = Survey::new(source, options);
        let mut collector = Collector::new(options, Palette::of(options.colours.as_ref()), &mut survey);
        let mut outcome = pass(source, &mut collector);
        let (mut lost, mut levels) = (collector.lost, std::mem::take(&mut collector.levels));
        let colours_met = collector.palette.met && options.levels.is_empty();
        let (mut first, mut stated, mut carried, mut palette) = collector.into_found();
        if outcome.is_err() && colours_met {
            // There are colours, and no rule for them: each that occurs is a class.
            survey = Survey::new(source, options);
            let mut collector = Collector::new(options, Palette::of(Some(&Colours::All)), &mut survey);
            outcome = pass(source, &mut collector);
            (lost, levels) = (collector.lost, std::mem::take(&mut collector.levels));
            (first, stated, carried, palette) = collector.into_found();
        }
        outcome?;
        if palette.is_classes() {
            carried.labels = palette.numbers();
        }
        if survey.sizes.is_empty() {
            return Err(Error::file(source, "holds no image"));
        }
        let (flags, images) = (carried.held_out.len(), survey.sizes.len());
        if ![0, images].contains(&flags) {
            let problem =
                format!("says of {} whether it is held out, and has {images}", counted(flags, "image"));
            return Err(Error::file(source, problem));
        }
        let rule = classify::Rule { options, first, stated };
        let labels = Labels::of(&survey, &rule, &carried.labels, &palette)?;
        let tiling = Tiling::of(options);
        if let Some(tiling) = tiling {
            if !carried.held_out.is_empty() {
                let problem =
                    "says itself which images are held out: cut windows of the images it was made of";
                return Err(Error::file(source, problem));
            }
            check_totals(source, &tiling, &survey.sizes)?;
        }
        Ok(Self { options, survey, labels, carried, palette: palette.fixed(), lost, levels, tiling })
    }

    /// Number of images of the data set.
    #[must_use]
    pub fn count(&self) -> usize {
        match self.tiling {
            Some(tiling) => tiling.totals(&self.survey.sizes).iter().sum(),
            None => self.survey.sizes.len(),
        }
    }

    /// Rows and columns of its images.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        match (self.tiling, self.options.size) {
            (Some(tiling), _) => [tiling.side; 2],
            (None, Some(size)) => size,
            (None, None) => self.survey.sizes[0],
        }
    }

    /// The labels of the classes in words: numbers, or colours.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        let colours = self.palette.is_classes();
        let show = |&label: &f64| {
            if colours { Shown(of_number(label as u32)).to_string() } else { label.to_string() }
        };
        self.labels.values.iter().map(show).collect()
    }

    /// Which images are from which file, in order.
    #[must_use]
    pub fn files(&self) -> Vec<FileImages> {
        let (mut first, mut sizes) = (0, self.survey.sizes.as_slice());
        let mut files = Vec::with_capacity(self.survey.files.len());
        for (path, images) in &self.survey.files {
            let (own, rest) = sizes.split_at(*images);
            sizes = rest;
            let count = self.tiling.map_or(*images, |tiling| tiling.totals(own).iter().sum());
            files.push(FileImages { path: path.clone(), first, count });
            first += count;
        }
        files
    }

    /// What became of the images as windows, if windows are cut.
    #[must_use]
    pub fn windows(&self) -> Option<Windows> {
        let tiling = self.tiling?;
        let [training, held_out] = tiling.totals(&self.survey.sizes);
        let sizes = self.survey.sizes.iter();
        let corner: usize = sizes.clone().map(|&size| tiling.grid(size).corner_area(size)).sum();
        let area: usize = sizes.map(|[height, width]| height * width).sum();
        Some(Windows { training, held_out, reserved: corner as f64 / area as f64 })
    }

    /// Reads the source again and hands every image to `sink`. Returns the data set without its maps:
    /// a set may be larger than memory.
    ///
    /// # Errors
    /// What `sink` returns; [`Error::File`] if the source is no longer what it was.
    pub fn read(&self, sink: Sink) -> Result<ClassMaps> {
        let [height, width] = self.size();
        let classes = self.labels.classes();
        let mut data = ClassMaps {
            height,
            width,
            classes,
            names: (1..=classes).map(|i| format!("f{i}")).collect(),
            labels: self.labels.values.clone(),
            ..ClassMaps::default()
        };
        let says = self.tiling.is_some() || !self.carried.held_out.is_empty();
        let mut measure = |map: &[u8], held_out: bool| {
            let mut pixels = [0u32; MOST];
            map.iter().for_each(|&class| pixels[class as usize] += 1);
            let share = |&n: &u32| (f64::from(n) / map.len() as f64) as f32;
            data.properties.extend(pixels[..classes].iter().map(share));
            if says {
                data.held_out.push(held_out);
            }
            data.count += 1;
            sink(map, held_out)
        };
        match self.tiling {
            Some(tiling) => self.again(&mut Cutter::new(tiling, &self.labels, &mut measure))?,
            None => {
                let held_out = &self.carried.held_out;
                self.again(&mut Whole::new(self.options, &self.labels, held_out, &mut measure))?;
            }
        }
        if data.count != self.count() {
            return Err(Error::file(&self.survey.source, "changed while it was read"));
        }
        Ok(data)
    }

    /// The same with its maps.
    ///
    /// # Errors
    /// As [`Import::read`].
    pub fn read_all(&self) -> Result<ClassMaps> {
        let mut maps = Vec::new();
        let data = self.read(&mut |map, _| {
            maps.extend_from_slice(map);
            Ok(())
        })?;
        Ok(ClassMaps { maps, ..data })
    }

    /// Each class's share in the source, and in the set that [`Import::read`] made of it.
    #[must_use]
    pub fn shares(&self, data: &ClassMaps) -> Vec<Shares> {
        shares::of(&self.labels.pick(&self.survey.shares()), data)
    }

    /// What should be said of classes whose share is not what it was, or that are in no image, each with
    /// advice that was tried; of grains that are not kept apart; of colours that may be no classes.
    ///
    /// # Errors
    /// As [`Import::read`].
    pub fn warnings(&self, data: &ClassMaps) -> Result<Vec<String>> {
        let shares = self.shares(data);
        let mut warnings = shares::absent(&shares, data, self.options.threshold.is_some());
        let changed = shares::changed(&shares, data);
        if !changed.is_empty() {
            let (what, advice) = match (self.tiling, self.options.size) {
                (Some(tiling), _) => {
                    ("the windows are not like the images".into(), self.other_stride(tiling, &shares)?)
                }
                (None, Some(size)) => {
                    let [h, w] = size;
                    let what = format!("resizing to {h} x {w} changed what the images show");
                    (what, self.other_size(size, &shares)?)
                }
                (None, None) => ("the images are not like their source".into(), String::new()),
            };
            warnings.push(shares::warning(&what, &changed, &advice));
        }
        warnings
            .extend(self.options.orientations.map(|count| self.lost.warnings(count)).into_iter().flatten());
        warnings.extend(self.options.threshold.and_then(|threshold| self.levels.warning(threshold)));
        if self.palette.is_classes() && !matches!(self.options.colours, Some(Colours::List(_))) {
            warnings.extend(smoothed(&self.palette.colours, &self.survey.shares()));
        }
        Ok(warnings)
    }

    /// A size at which the shares hold, and windows.
    fn other_size(&self, size: [usize; 2], before: &[Shares]) -> Result<String> {
        let largest = [0, 1].map(|axis| self.survey.sizes.iter().map(|s| s[axis]).max().unwrap_or(1));
        let mut sizes = vec![];
        let mut next = size.map(|n| 2 * n);
        // One beyond the largest image, where every pixel has its own again.
        while next.iter().all(|&n| n <= classify::MOST_SIDE) {
            sizes.push(next);
            if next[0] >= largest[0] && next[1] >= largest[1] {
                break;
            }
            next = next.map(|n| 2 * n);
        }
        let mut trial = Trial::new(&self.labels, self.options.resize, sizes, TRIED);
        self.again(&mut trial)?;
        let keeps = |after: &[f64]| {
            before.iter().zip(after).all(|(s, &after)| !shares::differ(s.source, after / trial.images as f64))
        };
        let mut advice = vec![];
        if let Some((size, _)) = trial.sizes.iter().find(|(_, after)| keeps(after)) {
            let [h, w] = *size;
            let text = if h == w { h.to_string() } else { format!("{h}x{w}") };
            advice.push(format!("--size {text} keeps the shares"));
        }
        if let [side, other] = size
            && side == other
        {
            let touching = Tiling { side, stride: side, symmetry: Symmetry::default() };
            let overlapping = Tiling { stride: side.div_ceil(2), ..touching };
            if let Some(tiling) = usable(&[touching, overlapping], &self.survey.sizes) {
                let count: usize = tiling.totals(&self.survey.sizes).iter().sum();
                advice.push(format!(
                    "{} instead cuts {} and keeps the scale",
                    flags(&tiling),
                    counted(count, "window")
                ));
            }
        }
        Ok(advice.join(", "))
    }

    /// A stride at which the shares hold.
    fn other_stride(&self, tiling: Tiling, before: &[Shares]) -> Result<String> {
        let pixels = tiling.side * tiling.side;
        let others = [2, 4, 8].map(|part| Tiling { stride: tiling.stride.div_ceil(part), ..tiling });
        let in_time = |t: &Tiling| t.totals(&self.survey.sizes).iter().sum::<usize>() <= TRIED / pixels;
        for other in others.into_iter().filter(|t| t.stride < tiling.stride && in_time(t)) {
            let (mut shares, mut images) = (vec![0.0; before.len()], 0);
            let mut count = |map: &[u8], _| {
                let mut classes = [0u64; MOST];
                map.iter().for_each(|&class| classes[class as usize] += 1);
                shares.iter_mut().zip(&classes).for_each(|(share, &n)| *share += n as f64 / pixels as f64);
                images += 1;
                Ok(())
            };
            self.again(&mut Cutter::new(other, &self.labels, &mut count))?;
            if before.iter().zip(&shares).all(|(s, sum)| !shares::differ(s.source, sum / f64::from(images))) {
                return Ok(format!("{} keeps the shares", flags(&other)));
            }
        }
        Ok(String::new())
    }

    fn again(&self, next: &mut dyn Pass) -> Result<()> {
        pass(&self.survey.source, &mut Collector::new(self.options, self.palette.clone(), next))
    }
}

/// Reads every image of a source.
fn pass(source: &Path, collector: &mut Collector) -> Result<()> {
    if source.is_dir() { folder::read(source, collector) } else { read_file(source, collector) }
}

/// Reads a source into memory; see [`Import`] for what else there is to know of it.
///
/// # Errors
/// As [`Import::open`].
pub fn import(source: impl AsRef<Path>, options: &Options) -> Result<ClassMaps> {
    Import::open(source, options)?.read_all()
}

/// Refuses windows that are too few to train with.
fn check_totals(source: &Path, tiling: &Tiling, sizes: &[[usize; 2]]) -> Result<()> {
    let enough = |[training, held]: [usize; 2]| training >= LEAST[0] && held >= LEAST[1];
    let found = tiling.totals(sizes);
    if enough(found) {
        return Ok(());
    }
    let advice = match usable(&others(tiling), sizes) {
        _ if sizes.len() >= LEAST[0] + LEAST[1] && sizes.iter().all(|s| *s == [tiling.side; 2]) => {
            "the images have the size of a window: leave --tile out, and they are taken whole".into()
        }
        Some(other) => {
            let [training, held] = other.totals(sizes);
            format!("{} gives {training} and {held}", flags(&other))
        }
        None => "give a larger image, or more of them".into(),
    };
    let ([training, held], [t, h]) = (found, LEAST);
    let problem = format!(
        "{} gives {} for training and {held} held out, {t} and {h} are the least: {advice}",
        flags(tiling),
        counted(training, "window")
    );
    Err(Error::file(source, problem))
}

/// Windows to advise, those most like the ones asked for first: closer ones, with copies, smaller ones.
fn others(tiling: &Tiling) -> Vec<Tiling> {
    let mut others = vec![];
    for side in [tiling.side, tiling.side / 2, tiling.side / 4] {
        let all = Symmetry { shifts: false, flips: true, rotations: true };
        for copies in [*tiling, Tiling { symmetry: all, ..*tiling }] {
            let strides = [1, 2, 4, 8].map(|part| Tiling { side, stride: (side / part).max(1), ..copies });
            others.extend(strides);
        }
    }
    others.retain(|other| other.side >= LEAST_SIDE && other.stride <= tiling.stride);
    others
}

/// The first that gives enough windows.
fn usable(others: &[Tiling], sizes: &[[usize; 2]]) -> Option<Tiling> {
    others.iter().copied().find(|other| {
        let [training, held] = other.totals(sizes);
        sizes.iter().flatten().all(|&n| n >= other.side) && training >= LEAST[0] && held >= LEAST[1]
    })
}

/// The options that ask for it.
fn flags(tiling: &Tiling) -> String {
    let mut text = format!("--tile {}", tiling.side);
    if tiling.stride != tiling.side {
        text += &format!(" --stride {}", tiling.stride);
    }
    text += if tiling.symmetry.flips { " --flips" } else { "" };
    text += if tiling.symmetry.rotations { " --rotations" } else { "" };
    text
}
