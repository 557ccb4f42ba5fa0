//! An image of somebody's, as class maps.

use super::answer::Refusal;
use super::ask::MOST_PIXELS;
use super::catalog::View;
use super::files::Folder;
use crate::data::import::{self, Resize};
use crate::error::Error;
use crate::train::Task;

/// Class maps, none of which has a class that the run has not.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Image {
    /// Rows and columns of each.
    pub(super) size: [usize; 2],
    /// `[N, H, W]`.
    pub(super) maps: Vec<u8>,
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
        let options = import::Options { threshold, resize: Resize::Area, size, ..import::Options::default() };
        let own = |e: Error| {
            let problem = e.to_string().replace(&path.display().to_string(), "image");
            Refusal::wrong(format!("{problem} (here: \"threshold\", \"size\")"))
        };
        let data = import::import(&path, &options).map_err(own)?;
        if data.maps.len() > MOST_PIXELS {
            return Err(Refusal::wrong(format!("image: at most {MOST_PIXELS} pixels: give a smaller size")));
        }
        let classes = view.task.images().classes;
        if data.maps.iter().any(|&class| usize::from(class) >= classes) {
            return Err(Refusal::wrong(format!("image: has more classes than the {classes} of the run")));
        }
        Ok(Self { size: [data.height, data.width], maps: data.maps })
    }

    /// What a run asks for, of images of this size.
    pub(super) fn task(&self, view: &View) -> Result<Task, Refusal> {
        if self.size == view.task.images().size {
            return Ok(view.task.clone());
        }
        Ok(view.task.resized(&view.config, self.size, "image")?)
    }
}
