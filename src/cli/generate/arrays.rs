//! The arrays that samples are collected in, all of one length, written as they come.

use std::io;
use std::path::Path;

use super::record::Record;
use crate::close::Effort;
use crate::data::export::{Element, GrowingArray, Stored};
use crate::error::Result;
use crate::train::Task;

pub(in crate::cli) const SAMPLES: &str = "samples.npy";
const ASKED: &str = "asked.npy";
const MEASURED: &str = "measured.npy";
const PROBABILITIES: &str = "probabilities.npy";
const Z: &str = "z.npy";
const R: &str = "r.npy";
const TOLERANCES: &str = "tolerances.npy";
const EFFORT: &str = "effort.npy";

/// Numbers of an effort.
const EFFORTS: usize = 5;

/// What is added to the arrays, a row for each sample.
pub(in crate::cli) struct Made {
    /// `[N, H, W]`.
    pub(in crate::cli) maps: Vec<u8>,
    /// `[N, H, W, C]`.
    pub(in crate::cli) probabilities: Vec<f32>,
    /// `[N, latent]` and `[N, P]`, as the generator sees them.
    pub(in crate::cli) latents: [Vec<f32>; 2],
    /// `[N, P]`.
    pub(in crate::cli) measured: Vec<f32>,
    /// `[N, P]` and `[N]`, of samples that were closed.
    pub(in crate::cli) closing: Option<(Vec<f32>, Vec<Effort>)>,
}

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
    /// Tolerances `[N, P]`, and passes, steps, flips, tries and the draw `[N, 5]`.
    closing: Option<[GrowingArray; 2]>,
}

/// The files of a record.
pub(in crate::cli) fn names(record: &Record) -> Vec<&'static str> {
    let mut names = vec![SAMPLES, ASKED, MEASURED];
    names.extend(record.soft.then_some(PROBABILITIES));
    names.extend(record.latents.then_some([Z, R]).into_iter().flatten());
    names.extend(record.closing.as_ref().map(|_| [TOLERANCES, EFFORT]).into_iter().flatten());
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
            closing: if record.closing.is_some() {
                Some([
                    array(TOLERANCES, Element::Float, &[numbers])?,
                    array(EFFORT, Element::Float, &[EFFORTS])?,
                ])
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
        let more = self.latents.iter().chain(&self.closing).flatten();
        always.into_iter().chain(&self.probabilities).chain(more)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut GrowingArray> {
        let always = [&mut self.samples, &mut self.asked, &mut self.measured];
        let more = self.latents.iter_mut().chain(&mut self.closing).flatten();
        always.into_iter().chain(&mut self.probabilities).chain(more)
    }

    /// Samples that are there.
    pub(in crate::cli) fn rows(&self) -> usize {
        self.samples.rows()
    }

    /// Adds samples that were made for what was asked.
    pub(in crate::cli) fn push(&mut self, made: &Made, asked: &[f32]) -> Result<()> {
        self.samples.push(&made.maps)?;
        self.asked.push_numbers(asked)?;
        self.measured.push_numbers(&made.measured)?;
        if let Some(array) = &mut self.probabilities {
            array.push_numbers(&made.probabilities)?;
        }
        if let Some(arrays) = &mut self.latents {
            arrays.iter_mut().zip(&made.latents).try_for_each(|(array, rows)| array.push_numbers(rows))?;
        }
        if let (Some([to, effort]), Some((tolerances, took))) = (&mut self.closing, &made.closing) {
            to.push_numbers(tolerances)?;
            let numbers = |e: &Effort| [e.passes, e.steps, e.flips, e.tries, e.draw].map(|n| n as f32);
            effort.push_numbers(&took.iter().flat_map(numbers).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Tolerances `[count, P]` and what each sample took, `[count]`, of samples that were closed.
    pub(in crate::cli) fn closing(
        &self,
        first: usize,
        count: usize,
    ) -> io::Result<Option<(Vec<f32>, Vec<Effort>)>> {
        let Some([tolerances, effort]) = &self.closing else { return Ok(None) };
        let rows = effort.read_numbers(first, count)?;
        let of = |row: &[f32; EFFORTS]| {
            let [passes, steps, flips, tries, draw] = row.map(|n| n as u32);
            Effort { passes, steps, flips, tries, draw }
        };
        let effort = rows.as_chunks::<EFFORTS>().0.iter().map(of).collect();
        Ok(Some((tolerances.read_numbers(first, count)?, effort)))
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
