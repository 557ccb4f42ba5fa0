//! One sample on its way to what was asked for.

use super::correct::Search;
use super::descend::Descent;
use super::goal::{Goal, Miss, reach};
use super::moved::{Figure, figures};
use super::set::Effort;
use crate::train::Task;

/// Most passes of one draw of noise.
const PASSES: u32 = 8;
/// Most steps of one draw of noise along the gradient.
const STEPS: u32 = 60;

/// What is kept of a pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// `[H, W]`.
    pub(super) map: Vec<u8>,
    /// The class map of the pass itself, `[H, W]`.
    pub(super) pass: Vec<u8>,
    /// `[H, W, C]`.
    pub(super) probabilities: Vec<f32>,
    pub(super) z: Vec<f64>,
    pub(super) r: Vec<f64>,
    pub(super) measured: Vec<f32>,
    pub(super) draw: u32,
}

/// One sample.
pub(super) struct Job {
    /// Its number in its set.
    pub(super) index: usize,
    pub(super) goal: Goal,
    /// The figures that it places.
    pub(super) figures: Vec<Figure>,
    /// Where the search for what to ask begins, and where it is.
    start: Search,
    pub(super) search: Search,
    pub(super) z: Vec<f64>,
    /// The nearest of the present draw, and how near it is.
    pub(super) kept: Kept,
    pub(super) miss: Miss,
    /// The nearest of the draws before.
    best: Option<(Kept, Miss)>,
    passes_of_draw: u32,
    /// Its way along the gradient, in a draw that has come to it.
    pub(super) descent: Option<Descent>,
    pub(super) effort: Effort,
}

impl Job {
    /// Of a goal of `task`, asked of a generator that `trained` on what has these `scales`.
    pub(super) fn new(index: usize, goal: Goal, [task, trained]: [&Task; 2], scales: &[f64]) -> Self {
        let Goal { asked, tolerance, .. } = &goal;
        let start = Search::new(&trained.normalised(asked), &reach(asked, tolerance, trained), scales);
        Self {
            index,
            figures: figures(&goal, task),
            goal,
            search: start.clone(),
            start,
            z: Vec::new(),
            kept: Kept::default(),
            miss: Miss::NOTHING,
            best: None,
            passes_of_draw: 0,
            descent: None,
            effort: Effort::default(),
        }
    }

    /// Begins a draw: its noise, and the search from its beginning.
    pub(super) fn draw(&mut self, draw: u32, z: Vec<f64>) {
        self.retire();
        self.z = z;
        self.search = self.start.clone();
        self.passes_of_draw = 0;
        self.descent = None;
        self.effort.tries = draw + 1;
    }

    /// Its way along the gradient.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn descent(&mut self) -> &mut Descent {
        self.descent.as_mut().expect("a sample that descends has a way")
    }

    /// Counts a pass.
    pub(super) fn passed(&mut self) {
        self.effort.passes += 1;
        self.passes_of_draw += 1;
    }

    /// Ends a draw.
    fn retire(&mut self) {
        let kept = (std::mem::take(&mut self.kept), std::mem::replace(&mut self.miss, Miss::NOTHING));
        if !kept.0.map.is_empty() && self.best.as_ref().is_none_or(|(_, best)| kept.1.less(*best)) {
            self.best = Some(kept);
        }
    }

    /// The nearest of all draws, and what it took.
    pub(super) fn delivered(mut self) -> (Goal, Kept, Miss, Effort) {
        self.retire();
        let (kept, miss) = self.best.unwrap_or_default();
        let flips = kept.map.iter().zip(&kept.pass).filter(|(a, b)| a != b).count() as u32;
        let effort = Effort { flips, draw: kept.draw, ..self.effort };
        (self.goal, kept, miss, effort)
    }

    /// Whether there is anything to deliver yet.
    pub(super) fn has_something(&self) -> bool {
        self.best.is_some() || !self.kept.map.is_empty()
    }

    /// Keeps a map that a pass led to if it is the nearest so far, or the first.
    pub(super) fn offer(&mut self, measured: &[f32], task: &Task, kept: impl FnOnce() -> Kept) {
        let miss = self.goal.miss(measured, task);
        if self.kept.map.is_empty() || miss.less(self.miss) {
            self.miss = miss;
            let (measured, draw) = (measured.to_vec(), self.effort.tries - 1);
            self.kept = Kept { measured, draw, ..kept() };
        }
    }

    /// Whether steps along the gradient are worth it: single pixels cannot mend what is missing.
    pub(super) fn descends(&self, task: &Task) -> bool {
        let over = self.descent.as_ref().is_some_and(|d| d.steps >= STEPS);
        !over && !self.miss.near() && !self.goal.is_whole(task)
    }

    /// Whether no further pass is worth it.
    pub(super) fn is_corrected(&self) -> bool {
        self.miss.near() || self.passes_of_draw >= PASSES
    }
}
