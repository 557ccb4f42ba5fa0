//! Images of a person's own: a `.npz` data set, as `invnet data` writes it.
//!
//! Its last tenth (at most 1,024 images) is held out of training.

use std::path::Path;

use super::ClassMaps;
use super::import::read_npz;
use super::source::{Look, Part, Problem, Source};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::invariance::Images;
use crate::op::Border;
use crate::options::{Key, Options};

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
            let problem = format!("holds {} classes, the configuration says {classes}", all.classes);
            return Err(Error::file(path, problem).into());
        }
        if !(2..=16).contains(&all.classes) {
            let problem = format!("holds {} classes: from 2 to 16 can be learned", all.classes);
            return Err(Error::file(path, problem).into());
        }
        let border = if options.word("border") == "periodic" { Border::Periodic } else { Border::Open };
        let look = match options.word("look") {
            "auto" if all.classes == 2 => Look::Phases,
            "auto" => Look::Grains,
            name => Look::ALL.into_iter().find(|l| l.name() == name).expect("a word of the key"),
        };
        let images = Images { size: [h, w], classes: all.classes, border };
        let (training, held_out) = split(path, all)?;
        Ok(Self { images, look, training, held_out })
    }
}

/// A file's images for training, and those held out.
fn split(path: &Path, mut all: ClassMaps) -> Result<(ClassMaps, ClassMaps)> {
    let kept = (all.count / 10).min(HELD_OUT);
    if kept < 2 {
        return Err(Error::file(path, format!("holds {} images: training needs 20 at least", all.count)));
    }
    let held_out = all.split_off(all.count - kept);
    all.truncate(all.count - GAP.min(kept));
    Ok((all, held_out))
}

impl Source for File {
    fn images(&self) -> Images {
        self.images
    }

    fn look(&self) -> Look {
        self.look
    }

    fn make(&self, part: Part, count: usize, _seed: u64, _device: &mut dyn Device) -> Result<ClassMaps> {
        let mut images = match part {
            Part::Training => self.training.clone(),
            Part::HeldOut => self.held_out.clone(),
        };
        images.truncate(count);
        Ok(images)
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
    }
}
