//! Images of a person's own: a `.npz` data set, as `invnet data` writes it.
//!
//! The images that it says are held out are (at most 1,024 of them); if it says nothing, its last tenth, and
//! ten before them are left out. Where fewer are wanted than there are, they are spread over all.

use std::path::Path;

use super::ClassMaps;
use super::import::read_npz;
use super::source::{Look, Part, Problem, Source};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::invariance::Images;
use crate::op::Border;
use crate::options::{Key, Options};
use crate::words::{counted, verb};

/// Images held out at most.
const HELD_OUT: usize = 1024;
/// Images left out between those for training and those held out: neighbours in a file are often
/// snapshots of one simulation, or slices of one specimen.
const GAP: usize = 10;

/// The keys of a file.
pub(super) const KEYS: &[Key] = &[
    Key::whole("classes", 0, (0, 16), "a whole number from 0 to 16", "classes it must have; 0 for any")
        .also("orientations"),
    Key::word(
        "border",
        "open",
        &["open", "periodic"],
        "\"open\" or \"periodic\"",
        "what lies beyond an image: nothing, or its opposite side",
    ),
    Key::word(
        "look",
        "auto",
        &["auto", "figures", "phases", "grains"],
        "\"auto\", \"figures\", \"phases\" or \"grains\"",
        "what a report compares; auto: phases if there are two classes, else grains",
    ),
];

/// The images of a file.
pub struct File {
    name: String,
    /// Images of the file.
    count: usize,
    images: Images,
    look: Look,
    training: ClassMaps,
    held_out: ClassMaps,
}

impl File {
    /// Reads a file, whose images must be of `size` if one is given.
    ///
    /// # Errors
    /// If it is no data set, or does not fit the options.
    pub(super) fn read(path: &Path, size: Option<[usize; 2]>, options: &Options) -> Result<Self, Problem> {
        let all = read_npz(path)?;
        let (h, w) = (all.height, all.width);
        if let Some([height, width]) = size.filter(|size| *size != [h, w]) {
            let asked = if height == width { height.to_string() } else { format!("{height}x{width}") };
            let problem = format!(
                "holds images of {h} x {w}, the configuration says size = {asked}: \
                 leave size out, or invnet data import --size {asked}"
            );
            return Err(Error::file(path, problem).into());
        }
        let classes = options.whole("classes");
        if classes != 0 && classes != all.classes {
            let problem =
                format!("holds {}, the configuration says {classes}", counted(all.classes, "class"));
            return Err(Error::file(path, problem).into());
        }
        if !(2..=16).contains(&all.classes) {
            let problem = format!("holds {}: from 2 to 16 can be learned", counted(all.classes, "class"));
            return Err(Error::file(path, problem).into());
        }
        let border = if options.word("border") == "periodic" { Border::Periodic } else { Border::Open };
        let look = match options.word("look") {
            "auto" if all.classes == 2 => Look::Phases,
            "auto" => Look::Grains,
            name => Look::ALL.into_iter().find(|l| l.name() == name).expect("a word of the key"),
        };
        let images = Images { size: [h, w], classes: all.classes, border };
        let (name, count) = (path.display().to_string(), all.count);
        let (training, held_out) = split(path, all)?;
        Ok(Self { name, count, images, look, training, held_out })
    }
}

/// A file's images for training, and those held out.
fn split(path: &Path, mut all: ClassMaps) -> Result<(ClassMaps, ClassMaps)> {
    if !all.held_out.is_empty() {
        let (held_out, training): (Vec<usize>, _) = (0..all.count).partition(|&i| all.held_out[i]);
        if training.is_empty() || held_out.len() < 2 {
            let (t, h) = (counted(training.len(), "image"), held_out.len());
            let problem = format!("has {t} for training and {h} held out: training needs 1 and 2 at least");
            return Err(Error::file(path, problem));
        }
        let held_out = all.select(&held_out);
        return Ok((all.select(&training), spread(&held_out, HELD_OUT)));
    }
    let kept = (all.count / 10).min(HELD_OUT);
    if kept < 2 {
        return Err(Error::file(
            path,
            format!("holds {}: training needs 20 at least", counted(all.count, "image")),
        ));
    }
    let held_out = all.split_off(all.count - kept);
    all.truncate(all.count - GAP.min(kept));
    Ok((all, held_out))
}

/// So many images at most, spread over all: windows follow each other as they lie in an image.
fn spread(all: &ClassMaps, most: usize) -> ClassMaps {
    let count = all.count.min(most);
    all.select(&(0..count).map(|i| i * all.count / count).collect::<Vec<_>>())
}

impl Source for File {
    fn images(&self) -> Images {
        self.images
    }

    fn look(&self) -> Look {
        self.look
    }

    fn make(&self, part: Part, count: usize, _seed: u64, _device: &mut dyn Device) -> Result<ClassMaps> {
        let all = match part {
            Part::Training => &self.training,
            Part::HeldOut => &self.held_out,
        };
        Ok(spread(all, count))
    }

    fn labels(&self) -> Vec<f64> {
        self.training.labels.clone()
    }

    fn division(&self, count: usize) -> Option<String> {
        let (training, held_out) = (self.training.count, self.held_out.count);
        let trained = training.min(count);
        let mut said = format!(
            "{}: of {} {trained} {} trained on",
            self.name,
            counted(self.count, "image"),
            verb(trained, "is", "are")
        );
        if trained < training {
            said += &format!(" (data.images = {count}; there are {training})");
        }
        said += &format!(", {held_out} held out");
        match self.count - training - held_out {
            0 => {}
            rest => said += &format!(", {rest} left out"),
        }
        Some(said)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::export::write_npz;
    use crate::data::source::Choice;
    use crate::device::Cpu;

    #[test]
    fn neighbours_of_held_out_images_are_not_trained_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.npz");
        let mut device = Cpu::<f32>::new();
        let mut choice = Choice::new("polycrystal").unwrap();
        choice.options_mut().set("size", toml::Value::Integer(16)).unwrap();
        choice.options_mut().set("grains", toml::Value::Integer(6)).unwrap();
        let Ok(source) = choice.open() else { panic!("opens") };
        let all = source.make(Part::Training, 200, 1, &mut device).unwrap();
        write_npz(&file, &all).unwrap();
        let Ok(own) = Choice::new(file.to_str().unwrap()).unwrap().open() else { panic!("opens") };
        let [training, held_out] =
            [Part::Training, Part::HeldOut].map(|part| own.make(part, 1000, 0, &mut device).unwrap());
        assert_eq!((training.count, held_out.count), (200 - 20 - GAP, 20));
        assert!(all.maps.starts_with(&training.maps) && all.maps.ends_with(&held_out.maps));
        assert_eq!((own.images().classes, own.look()), (5, Look::Grains));
        let said = own.division(1000).unwrap();
        assert!(
            said.ends_with("own.npz: of 200 images 170 are trained on, 20 held out, 10 left out"),
            "{said}"
        );
        // Fewer than there are come from all over the file.
        let few = own.make(Part::Training, 17, 0, &mut device).unwrap();
        assert_eq!(few, training.select(&(0..17).map(|i| 10 * i).collect::<Vec<_>>()));
    }

    #[test]
    fn what_a_file_holds_out_is_held_out_and_the_rest_is_spread() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.npz");
        let mut device = Cpu::<f32>::new();
        let maps: Vec<u8> = (0..50 * 16).map(|i| (i * i / 5 % 3 % 2) as u8).collect();
        let mut all = ClassMaps {
            count: 50,
            height: 4,
            width: 4,
            classes: 2,
            maps,
            held_out: (0..50).map(|i| i % 5 == 2).collect(),
            ..ClassMaps::default()
        };
        write_npz(&file, &all).unwrap();
        let choice = Choice::new(file.to_str().unwrap()).unwrap();
        let Ok(own) = choice.open() else { panic!("opens") };
        let said = own.division(10).unwrap();
        assert!(
            said.ends_with(
                "own.npz: of 50 images 10 are trained on (data.images = 10; there are 40), 10 held out"
            ),
            "{said}"
        );
        // Of the 40 others every fourth: numbers 0, 5, 10, ... of all.
        let images = own.make(Part::Training, 10, 0, &mut device).unwrap();
        assert_eq!(images, all.select(&[0, 5, 10, 15, 20, 25, 30, 35, 40, 45]));
        let images = own.make(Part::HeldOut, 1000, 0, &mut device).unwrap();
        assert_eq!(images, all.select(&[2, 7, 12, 17, 22, 27, 32, 37, 42, 47]));
        all.held_out = vec![true; 50];
        write_npz(&file, &all).unwrap();
        let Err(Problem::File(error)) = choice.open() else { panic!("nothing to train on") };
        let error = error.to_string();
        assert!(error.contains("own.npz") && error.contains("0 images for training"), "{error}");
    }
}
