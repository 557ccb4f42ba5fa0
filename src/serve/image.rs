//! An image of somebody's, as class maps.

use super::answer::Refusal;
use super::ask::MOST_PIXELS;
use super::catalog::View;
use super::files::Folder;
use crate::data::import::{Import, Options, Resize};
use crate::error::Error;
use crate::train::Task;
use crate::words::counted;

/// Class maps, none of which has a class that the run has not.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Image {
    /// Rows and columns of each.
    pub(super) size: [usize; 2],
    /// `[N, H, W]`.
    pub(super) maps: Vec<u8>,
    /// What reading changed of it.
    pub(super) warnings: Vec<String>,
}

impl Image {
    /// Reads a file in one of the formats that are imported; of grey levels class 1 begins at the threshold.
    pub(super) fn read(
        bytes: &[u8],
        threshold: Option<f64>,
        size: Option<[usize; 2]>,
        view: &View,
    ) -> Result<Self, Refusal> {
        let folder = Folder::new()?;
        // The name is ours; what is in the file decides how it is read.
        let path = folder.0.join("image");
        std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
        let options = Options { threshold, resize: Resize::Area, size, ..Options::default() };
        let here = |text: String| {
            let text = text.replace(&path.display().to_string(), "image");
            format!("{text} (here: \"threshold\", \"size\")")
        };
        let own = |e: Error| Refusal::wrong(here(e.to_string()));
        let source = Import::open(&path, &options).map_err(own)?;
        let data = source.read_all().map_err(own)?;
        let warnings = source.warnings(&data).map_err(own)?.into_iter().map(here).collect();
        if data.maps.len() > MOST_PIXELS {
            let advice =
                if data.count == 1 { "give a smaller size" } else { "send fewer images, or smaller ones" };
            let (n, each) = (counted(data.count, "image"), data.height * data.width);
            let problem = format!("image: {n} of {each} pixels, at most {MOST_PIXELS} in all: {advice}");
            return Err(Refusal::wrong(problem));
        }
        let classes = view.task.images().classes;
        if data.maps.iter().any(|&class| usize::from(class) >= classes) {
            return Err(Refusal::wrong(format!("image: has more classes than the {classes} of the run")));
        }
        Ok(Self { size: [data.height, data.width], maps: data.maps, warnings })
    }

    /// What a run asks for, of images of this size.
    pub(super) fn task(&self, view: &View) -> Result<Task, Refusal> {
        if self.size == view.task.images().size {
            return Ok(view.task.clone());
        }
        Ok(view.task.resized(&view.config, self.size, "image")?)
    }
}
