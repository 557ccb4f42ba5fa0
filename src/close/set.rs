//! Samples that were asked for together, and how far they have come.

use std::collections::VecDeque;

use super::descend::{Descent, Pace};
use super::job::Job;
use super::tolerance::Tolerances;
use crate::train::{Sampler, Task};

/// How samples are closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How far numbers may be from what was asked.
    pub tolerances: Tolerances,
    /// Draws of noise of a sample; 0: it is as the generator makes it, in one pass.
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
    /// Whether it was ended before its samples were done: see [`Closing::end`](super::Closing::end).
    pub ended: bool,
}

/// Samples that were asked for together.
pub(super) struct Set {
    pub(super) id: u64,
    pub(super) settings: Settings,
    pub(super) jobs: Vec<Job>,
    pub(super) stage: Stage,
    /// The draw of noise, counted from 0.
    draw: u32,
    /// Those that were not within when the draw began.
    open: Vec<usize>,
    /// Those of them that the stage is not done with.
    pub(super) waiting: VecDeque<usize>,
    pub(super) ended: bool,
}

/// What is done to the samples of a set, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Passes, each asked again until it is near enough.
    Correct,
    /// Steps along the gradient, where single pixels cannot mend what is missing.
    Descend,
    /// Flips of pixels of those that are not within yet.
    Settle,
    Done,
}

impl Set {
    /// At its first stage.
    pub(super) fn new(id: u64, settings: Settings, jobs: Vec<Job>, sampler: &Sampler, task: &Task) -> Self {
        let open = (0..jobs.len()).collect();
        let (stage, waiting) = (Stage::Correct, VecDeque::new());
        let mut set = Self { id, settings, jobs, stage, draw: 0, open, waiting, ended: false };
        set.enter(sampler, task);
        set
    }

    /// Goes on to the next stage.
    pub(super) fn leave(&mut self) {
        self.stage = match self.stage {
            _ if self.ended || self.settings.tries == 0 => Stage::Done,
            Stage::Correct => Stage::Descend,
            Stage::Descend => Stage::Settle,
            Stage::Settle | Stage::Done => {
                self.open.retain(|&i| !self.jobs[i].miss.within());
                self.draw += 1;
                let again = self.draw < self.settings.tries && !self.open.is_empty();
                if again { Stage::Correct } else { Stage::Done }
            }
        };
    }

    /// Begins a stage.
    pub(super) fn enter(&mut self, sampler: &Sampler, task: &Task) {
        let (jobs, stage) = (&mut self.jobs, self.stage);
        if stage == Stage::Correct {
            for &i in &self.open {
                let noise = sampler.noise_of(self.settings.seed, self.draw, jobs[i].index);
                jobs[i].draw(self.draw, noise);
            }
        }
        let pace = Pace::latent(sampler.z_scale());
        let wants = |job: &mut Job| match stage {
            Stage::Correct => true,
            Stage::Descend => {
                let descends = job.descends(task);
                if descends {
                    let Job { kept, goal, .. } = &*job;
                    let from = [kept.z.clone(), kept.r.clone()];
                    job.descent = Some(Descent::new(from, pace, &goal.target, &goal.reach));
                }
                descends
            }
            Stage::Settle => !job.miss.within(),
            Stage::Done => false,
        };
        self.waiting = self.open.iter().copied().filter(|&i| wants(&mut jobs[i])).collect();
    }

    /// Samples side by side.
    pub(super) fn delivered(self, task: &Task) -> Closed {
        let mut all = Closed { ended: self.ended, ..Closed::default() };
        let single = |values: Vec<f64>| values.into_iter().map(|v| v as f32);
        for job in self.jobs {
            let (goal, kept, miss, effort) = job.delivered();
            all.maps.extend(kept.map);
            all.probabilities.extend(kept.probabilities);
            all.z.extend(single(kept.z));
            all.r.extend(single(kept.r));
            all.measured.extend(kept.measured);
            all.tolerances.extend(single(goal.tolerance));
            all.within.push(miss.within());
            all.effort.push(effort);
        }
        debug_assert_eq!(all.measured.len(), all.within.len() * task.columns().len());
        all
    }
}
