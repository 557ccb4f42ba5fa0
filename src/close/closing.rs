//! Samples from the generator until they are what was asked for.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::correct::{Search, scales};
use super::descend::{Descent, Pace};
use super::goal::{Goal, Miss};
use super::pixels::Pixels;
use super::tolerance::Tolerances;
use crate::error::Result;
use crate::train::dataset::Measurer;
use crate::train::{Sampler, Task};

/// Most passes of one draw of noise.
const PASSES: u32 = 8;
/// Most steps of one draw of noise along the gradient.
const STEPS: u32 = 60;
/// Largest error over its tolerance that pixels mend, where all that is asked follows single pixels: they
/// are few then.
const NEAR: f64 = 4.0;
/// The same of curves and of what else takes steps along the gradient.
const NEAR_CURVE: f64 = 6.0;
/// Most pixels that are flipped, of all.
const FLIPPED: f64 = 0.05;

/// How samples are closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How far numbers may be from what was asked.
    pub tolerances: Tolerances,
    /// Draws of noise of a sample, at least 1.
    pub tries: u32,
    /// Seed of the noise.
    pub seed: u64,
}

/// What a sample took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Passes of the generator, of all tries.
    pub passes: u32,
    /// Steps along the gradient, of all tries.
    pub steps: u32,
    /// Pixels changed in the sample delivered.
    pub flips: u32,
    /// Draws of noise.
    pub tries: u32,
    /// The draw that is delivered, counted from 0.
    pub draw: u32,
}

/// Samples, what they are and how near they came. Rows are in the order of the targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closed {
    /// Class of every pixel, `[N, H, W]`.
    pub maps: Vec<u8>,
    /// Class probabilities of the pass that a sample is from, before pixels were flipped, `[N, H, W, C]`.
    pub probabilities: Vec<f32>,
    /// The noise of that pass as the generator saw it, `[N, latent]`.
    pub z: Vec<f32>,
    /// What it was asked for then, `[N, P]`.
    pub r: Vec<f32>,
    /// Numbers measured on the class maps, in a person's units, `[N, P]`; NaN where there is nothing.
    pub measured: Vec<f32>,
    /// Tolerances in these units, `[N, P]`; infinite for numbers that a sample is not held to.
    pub tolerances: Vec<f32>,
    /// Whether all numbers that a sample is held to are within their tolerance, `[N]`.
    pub within: Vec<bool>,
    /// What each took, `[N]`.
    pub effort: Vec<Effort>,
}

/// What is kept of a pass.
#[derive(Clone, Debug, Default)]
struct Kept {
    map: Vec<u8>,
    probabilities: Vec<f32>,
    z: Vec<f64>,
    r: Vec<f64>,
    measured: Vec<f32>,
    flips: u32,
    draw: u32,
}

/// One sample on its way.
struct Job {
    index: usize,
    goal: Goal,
    search: Search,
    z: Vec<f64>,
    /// The nearest of the present draw, and how near it is.
    kept: Kept,
    miss: Miss,
    /// The nearest of the draws before.
    best: Option<(Kept, Miss)>,
    passes_of_draw: u32,
    effort: Effort,
}

/// Samples `first`, `first` + 1, ... of a set for each row of `asked` `[N, P]` in a person's units, closed on
/// what is `held` `[N, P]`. A sample depends on its number, its row and the settings alone: not on how many
/// are closed together, nor on the number of threads.
///
/// # Errors
/// If the device fails.
///
/// # Panics
/// If rows are not whole.
pub fn close(
    sampler: &mut Sampler,
    first: usize,
    asked: &[f32],
    held: &[bool],
    settings: &Settings,
) -> Result<Closed> {
    let task = sampler.task().clone();
    let width = task.columns().len();
    assert!(asked.len() == held.len() && asked.len().is_multiple_of(width), "rows of {width} numbers");
    let mut closing = Closing {
        measurer: Measurer::new(task.properties(), task.images(), sampler.batch_size())?,
        scales: scales(sampler.trained()),
        settings,
        sampler,
    };
    let rows = asked.chunks_exact(width).zip(held.chunks_exact(width)).zip(first..);
    let mut jobs: Vec<Job> = rows.map(|((asked, held), index)| closing.job(index, asked, held)).collect();
    let mut open: Vec<usize> = (0..jobs.len()).collect();
    for draw in 0..settings.tries.max(1) {
        for &i in &open {
            closing.draw(&mut jobs[i], draw);
        }
        closing.correct(&mut jobs, &open)?;
        closing.descend(&mut jobs, &open)?;
        closing.settle(&mut jobs, &open)?;
        open.retain(|&i| !jobs[i].miss.within());
        if open.is_empty() {
            break;
        }
    }
    Ok(collected(jobs, &task))
}

struct Closing<'a> {
    sampler: &'a mut Sampler,
    measurer: Measurer,
    scales: Vec<f64>,
    settings: &'a Settings,
}

impl Closing<'_> {
    fn job(&self, index: usize, asked: &[f32], held: &[bool]) -> Job {
        let task = self.sampler.task();
        let mut tolerance = self.settings.tolerances.of(asked, task);
        tolerance.iter_mut().zip(held).filter(|(_, held)| !**held).for_each(|(t, _)| *t = f64::INFINITY);
        let goal = Goal::new(asked, tolerance, task);
        let search = Search::new(&goal.target, &goal.reach, &self.scales);
        Job {
            index,
            goal,
            search,
            z: Vec::new(),
            kept: Kept::default(),
            miss: Miss::NOTHING,
            best: None,
            passes_of_draw: 0,
            effort: Effort::default(),
        }
    }

    /// New noise, and the search from its beginning.
    fn draw(&self, job: &mut Job, draw: u32) {
        job.retire();
        job.z = self.sampler.noise_of(self.settings.seed, draw, job.index);
        let target = self.sampler.trained().normalised(&job.goal.asked);
        job.search = Search::new(&target, &job.goal.reach, &self.scales);
        job.passes_of_draw = 0;
        job.effort.tries = draw + 1;
    }

    /// Passes of the samples `open`, each asked again until it is near enough. Sample k has row k mod their
    /// number of the batch, and a row takes in its next sample as soon as it is free.
    fn correct(&mut self, jobs: &mut [Job], open: &[usize]) -> Result<()> {
        let (batch, length) = (self.sampler.batch_size(), self.scales.len());
        let task = self.sampler.task().clone();
        let (pixels, classes, noise) = (task.images().pixels(), task.images().classes, self.sampler.noise());
        let mut waiting: Vec<VecDeque<usize>> = vec![VecDeque::new(); batch];
        open.iter().for_each(|&i| waiting[jobs[i].index % batch].push_back(i));
        let (mut z, mut r) = (vec![0.0; batch * noise], vec![0.0; batch * length]);
        loop {
            let rows: Vec<(usize, usize)> =
                waiting.iter().enumerate().filter_map(|(row, jobs)| Some((row, *jobs.front()?))).collect();
            if rows.is_empty() {
                return Ok(());
            }
            for &(row, i) in &rows {
                z[row * noise..][..noise].copy_from_slice(&jobs[i].z);
                let seen = self.sampler.seen(jobs[i].search.asked());
                r[row * length..][..length].copy_from_slice(&seen);
            }
            let (maps, soft) = self.sampler.pass(&z, &r)?;
            let probabilities = self.sampler.probabilities()?;
            let measured = self.measurer.measure(&maps)?;
            for &(row, i) in &rows {
                let job = &mut jobs[i];
                let measured = &measured[row * length..][..length];
                job.effort.passes += 1;
                job.passes_of_draw += 1;
                let z = job.z.clone();
                job.offer(measured, &task, || Kept {
                    map: maps[row * pixels..][..pixels].to_vec(),
                    probabilities: probabilities[row * pixels * classes..][..pixels * classes].to_vec(),
                    z,
                    r: r[row * length..][..length].to_vec(),
                    ..Kept::default()
                });
                if job.done(&task) {
                    waiting[row].pop_front();
                } else {
                    let soft = &soft[row * length..][..length];
                    let trained = self.sampler.trained();
                    let mut normalised = trained.normalised(measured);
                    normalised.iter_mut().zip(soft).filter(|(m, _)| m.is_nan()).for_each(|(m, s)| *m = *s);
                    job.search.step(&normalised, trained);
                }
            }
        }
    }

    /// Steps of the samples `open` along the gradient, where single pixels cannot mend what is missing.
    fn descend(&mut self, jobs: &mut [Job], open: &[usize]) -> Result<()> {
        let (batch, length) = (self.sampler.batch_size(), self.scales.len());
        let task = self.sampler.task().clone();
        let (pixels, classes, noise) = (task.images().pixels(), task.images().classes, self.sampler.noise());
        let pace = Pace::latent(self.sampler.z_scale());
        let mut waiting: Vec<VecDeque<(usize, Descent)>> = vec![VecDeque::new(); batch];
        for &i in open.iter().filter(|&&i| jobs[i].descends(&task)) {
            let Job { kept, goal, index, .. } = &jobs[i];
            let descent = Descent::new([kept.z.clone(), kept.r.clone()], pace, &goal.target, &goal.reach);
            waiting[index % batch].push_back((i, descent));
        }
        let row = |values: &mut [f64], row: usize, from: &[f64]| {
            values[row * from.len()..][..from.len()].copy_from_slice(from);
        };
        let (mut z, mut r) = (vec![0.0; batch * noise], vec![0.0; batch * length]);
        let (mut aim, mut weight) = (r.clone(), r.clone());
        loop {
            let mut rows = Vec::new();
            for (k, waiting) in waiting.iter().enumerate() {
                // A row without a sample has no distance.
                row(&mut weight, k, &vec![0.0; length]);
                let Some((i, descent)) = waiting.front() else { continue };
                row(&mut z, k, &descent.point[0]);
                row(&mut r, k, &descent.point[1]);
                row(&mut aim, k, &descent.aim);
                row(&mut weight, k, &descent.weight);
                rows.push((k, *i));
            }
            if rows.is_empty() {
                return Ok(());
            }
            let slope = self.sampler.slope([&z, &r], &aim, &weight)?;
            let measured = self.measurer.measure(&slope.maps)?;
            for &(k, i) in &rows {
                let Some((_, descent)) = waiting[k].front_mut() else { continue };
                let measured = &measured[k * length..][..length];
                jobs[i].effort.steps += 1;
                jobs[i].offer(measured, &task, || Kept {
                    map: slope.maps[k * pixels..][..pixels].to_vec(),
                    probabilities: slope.probabilities[k * pixels * classes..][..pixels * classes].to_vec(),
                    z: descent.point[0].clone(),
                    r: descent.point[1].clone(),
                    ..Kept::default()
                });
                let hard = task.normalised(measured);
                let [by_z, by_r] = [(0, noise), (1, length)].map(|(of, len)| &slope.by[of][k * len..][..len]);
                descent.step(&slope.soft[k * length..][..length], &hard, [by_z, by_r]);
                if descent.steps >= STEPS || !jobs[i].descends(&task) {
                    waiting[k].pop_front();
                }
            }
        }
    }

    /// Flips pixels of the samples `open` that are not within yet.
    fn settle(&mut self, jobs: &mut [Job], open: &[usize]) -> Result<()> {
        let task = self.sampler.task().clone();
        let most = (FLIPPED * task.images().pixels() as f64) as usize;
        let open: Vec<bool> = (0..jobs.len()).map(|i| open.binary_search(&i).is_ok()).collect();
        let flipped: Vec<(&mut Job, Vec<u8>, usize)> = jobs
            .par_iter_mut()
            .zip(open)
            .filter(|(job, open)| *open && !job.miss.within())
            .filter_map(|(job, _)| {
                let Job { kept, goal, .. } = &*job;
                let (properties, images) = (task.properties(), task.images());
                let Kept { map, probabilities, .. } = kept;
                let mut pixels =
                    Pixels::new(properties, images, map, probabilities, &goal.target, &goal.reach)?;
                let flips = pixels.settle(most);
                let map = pixels.into_map();
                (flips > 0).then_some((job, map, flips))
            })
            .collect();
        // In the rows that they have in a batch, as sums may be rounded otherwise in another.
        let (batch, pixels, width) =
            (self.sampler.batch_size(), task.images().pixels(), task.columns().len());
        let mut rows: Vec<VecDeque<(&mut Job, Vec<u8>, usize)>> =
            (0..batch).map(|_| VecDeque::new()).collect();
        for one in flipped {
            rows[one.0.index % batch].push_back(one);
        }
        let mut maps = vec![0; batch * pixels];
        loop {
            let together: Vec<_> = rows
                .iter_mut()
                .enumerate()
                .filter_map(|(row, jobs)| Some((row, jobs.pop_front()?)))
                .collect();
            if together.is_empty() {
                return Ok(());
            }
            for (row, (_, map, _)) in &together {
                maps[row * pixels..][..pixels].copy_from_slice(map);
            }
            let measured = self.measurer.measure(&maps)?;
            for (row, (job, map, flips)) in together {
                let measured = &measured[row * width..][..width];
                let miss = job.goal.miss(measured, &task);
                if miss.less(job.miss) {
                    job.miss = miss;
                    job.kept.map = map;
                    job.kept.measured = measured.to_vec();
                    job.kept.flips += flips as u32;
                }
            }
        }
    }
}

impl Job {
    /// Ends a draw.
    fn retire(&mut self) {
        let kept = (std::mem::take(&mut self.kept), std::mem::replace(&mut self.miss, Miss::NOTHING));
        if !kept.0.map.is_empty() && self.best.as_ref().is_none_or(|(_, best)| kept.1.less(*best)) {
            self.best = Some(kept);
        }
    }

    /// Keeps a pass if it is the nearest so far, or the first.
    fn offer(&mut self, measured: &[f32], task: &Task, kept: impl FnOnce() -> Kept) {
        let miss = self.goal.miss(measured, task);
        if self.kept.map.is_empty() || miss.less(self.miss) {
            self.miss = miss;
            self.kept = Kept { measured: measured.to_vec(), draw: self.effort.tries - 1, ..kept() };
        }
    }

    /// Whether steps along the gradient are worth it: single pixels cannot mend what is missing.
    fn descends(&self, task: &Task) -> bool {
        !self.miss.within() && !self.follows_pixels(task) && self.miss.worst > NEAR_CURVE
    }

    /// Whether no further pass is worth it.
    fn done(&self, task: &Task) -> bool {
        if self.miss.within() || self.passes_of_draw >= PASSES {
            return true;
        }
        self.miss.worst <= NEAR && self.follows_pixels(task)
    }

    /// Whether all that it is held to follows single pixels.
    fn follows_pixels(&self, task: &Task) -> bool {
        task.placed().all(|(property, first)| {
            use crate::invariance::Grain::{Count, Partition, Place};
            let held = self.goal.reach[first..first + property.columns().len()].iter().any(|r| r.is_finite());
            !held || matches!(property.invariance().grain(), Count | Partition | Place)
        })
    }
}

/// Samples side by side.
fn collected(jobs: Vec<Job>, task: &Task) -> Closed {
    let mut all = Closed::default();
    let single = |values: Vec<f64>| values.into_iter().map(|v| v as f32);
    for mut job in jobs {
        job.retire();
        let Job { goal, best, effort, .. } = job;
        let (kept, miss) = best.unwrap_or_default();
        all.maps.extend(kept.map);
        all.probabilities.extend(kept.probabilities);
        all.z.extend(single(kept.z));
        all.r.extend(single(kept.r));
        all.measured.extend(kept.measured);
        all.tolerances.extend(single(goal.tolerance));
        all.within.push(miss.within());
        all.effort.push(Effort { flips: kept.flips, draw: kept.draw, ..effort });
    }
    debug_assert_eq!(all.measured.len(), all.within.len() * task.columns().len());
    all
}
