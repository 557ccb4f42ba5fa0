//! The arrays that samples are collected in, all of one length, written as they come.

use std::io;
use std::path::Path;

use super::record::Record;
use crate::data::export::{Element, GrowingArray, Stored};
use crate::error::Result;
use crate::train::{Samples, Task};

pub(in crate::cli) const SAMPLES: &str = "samples.npy";
const ASKED: &str = "asked.npy";
const MEASURED: &str = "measured.npy";
const PROBABILITIES: &str = "probabilities.npy";
const Z: &str = "z.npy";
const R: &str = "r.npy";

/// Arrays in files, a row for each sample.
#[derive(Debug)]
pub(in crate::cli) struct Arrays {
    /// Classes, `[N, H, W]`.
    samples: GrowingArray,
    /// What was asked for, `[N, P]`.
    asked: GrowingArray,
    /// What was measured, `[N, P]`, NaN for what is missing.
    measured: GrowingArray,
    /// Probabilities of classes, `[N, H, W, C]`.
    probabilities: Option<GrowingArray>,
    /// Noise `[N, latent]` and conditions `[N, P]`, as the generator sees them.
    latents: Option<[GrowingArray; 2]>,
}

/// The files of a record.
pub(in crate::cli) fn names(record: &Record) -> Vec<&'static str> {
    let mut names = vec![SAMPLES, ASKED, MEASURED];
    names.extend(record.soft.then_some(PROBABILITIES));
    names.extend(record.latents.then_some([Z, R]).into_iter().flatten());
    names
}

impl Arrays {
    /// The arrays of a record in a folder, with the samples that all of them have. Those that are not
    /// there begin.
    ///
    /// # Errors
    /// If a file is no such array or cannot be written.
    pub(in crate::cli) fn open(folder: &Path, record: &Record, task: &Task, latent: usize) -> Result<Self> {
        let mut arrays = Self::each(record, task, latent, |name, element, row| {
            GrowingArray::open_or_create(folder.join(name), element, row)
        })?;
        let rows = arrays.common();
        arrays.all_mut().try_for_each(|a| a.truncate(rows))?;
        Ok(arrays)
    }

    /// The same of arrays that are not to be changed.
    ///
    /// # Errors
    /// If one is not there or no such array.
    pub(in crate::cli) fn look_at(
        folder: &Path,
        record: &Record,
        task: &Task,
        latent: usize,
    ) -> Result<Self> {
        Self::each(record, task, latent, |name, element, row| {
            GrowingArray::look_at(folder.join(name), element, row)
        })
    }

    /// The arrays of a record, each got by its name, elements and shape of a row.
    fn each(
        record: &Record,
        task: &Task,
        latent: usize,
        array: impl Fn(&str, Element, &[usize]) -> Result<GrowingArray>,
    ) -> Result<Self> {
        let [h, w] = task.images().size;
        let (classes, numbers) = (task.images().classes, task.columns().len());
        Ok(Self {
            samples: array(SAMPLES, Element::Byte, &[h, w])?,
            asked: array(ASKED, Element::Float, &[numbers])?,
            measured: array(MEASURED, Element::Float, &[numbers])?,
            probabilities: record
                .soft
                .then(|| array(PROBABILITIES, Element::Float, &[h, w, classes]))
                .transpose()?,
            latents: if record.latents {
                Some([array(Z, Element::Float, &[latent])?, array(R, Element::Float, &[numbers])?])
            } else {
                None
            },
        })
    }

    /// Samples that all arrays have.
    pub(in crate::cli) fn common(&self) -> usize {
        self.all().map(GrowingArray::rows).min().unwrap_or(0)
    }

    fn all(&self) -> impl Iterator<Item = &GrowingArray> {
        let always = [&self.samples, &self.asked, &self.measured];
        always.into_iter().chain(&self.probabilities).chain(self.latents.iter().flatten())
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut GrowingArray> {
        let always = [&mut self.samples, &mut self.asked, &mut self.measured];
        always.into_iter().chain(&mut self.probabilities).chain(self.latents.iter_mut().flatten())
    }

    /// Samples that are there.
    pub(in crate::cli) fn rows(&self) -> usize {
        self.samples.rows()
    }

    /// Adds samples.
    pub(in crate::cli) fn push(&mut self, samples: &Samples, asked: &[f32], measured: &[f32]) -> Result<()> {
        self.samples.push(&samples.maps)?;
        self.asked.push_numbers(asked)?;
        self.measured.push_numbers(measured)?;
        if let Some(array) = &mut self.probabilities {
            array.push_numbers(&samples.probabilities)?;
        }
        if let Some([z, r]) = &mut self.latents {
            z.push_numbers(&samples.z)?;
            r.push_numbers(&samples.r)?;
        }
        Ok(())
    }

    /// Adds all samples of other arrays of the same kind.
    pub(in crate::cli) fn copy(&mut self, other: &Self) -> Result<()> {
        let rows = other.common();
        self.all_mut().zip(other.all()).try_for_each(|(array, other)| array.copy(other, 0..rows))
    }

    /// Brings everything to the disk.
    pub(in crate::cli) fn sync(&self) -> Result<()> {
        self.all().try_for_each(GrowingArray::sync)
    }

    /// What was asked for, `[count, P]`.
    pub(in crate::cli) fn asked(&self, first: usize, count: usize) -> io::Result<Vec<f32>> {
        self.asked.read_numbers(first, count)
    }
}

impl Stored for Arrays {
    fn maps(&self, first: usize, count: usize) -> io::Result<Vec<u8>> {
        self.samples.read(first, count)
    }

    fn properties(&self, first: usize, count: usize) -> io::Result<Vec<f32>> {
        self.measured.read_numbers(first, count)
    }
}
