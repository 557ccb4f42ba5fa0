//! Which of several kernels that are right computes a product: the model's choice, or the one that was fastest on
//! the card when the product was first asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::launch::Launcher;
use super::matmul::Tiled;
use super::{Gpu, is_fast};
use crate::error::Result;

/// Rounds in which candidates are timed in turn, and launches of each in a round, after one that warms up.
const ROUNDS: usize = 3;
const LAUNCHES: usize = 4;
/// Part of the time of the model's choice that another has to save.
const WORTH: f64 = 0.02;
/// Times of the best by the model up to which another is a candidate: it is not off by more. Candidates at most, and
/// among them cuts of one kernel.
const NEAR: f64 = 1.6;
const CANDIDATES: usize = 8;
const CUTS: usize = 2;

/// Keeps choices from one run of the program to the next.
pub trait Choices: Send {
    /// The candidate that was chosen for a problem among these.
    fn recall(&self, problem: &str, candidates: &[String]) -> Option<usize>;

    /// Says that a problem is about to be timed; false if what is found could not be kept. Then the model chooses:
    /// another run would find something else, and have other bits.
    fn begin(&self, problem: &str, candidates: &[String]) -> bool;

    /// Keeps a choice.
    fn keep(&self, problem: &str, candidates: &[String], chosen: usize);
}

/// What a device knows of its choices.
#[derive(Default)]
pub(super) struct Chosen {
    /// Without these nothing is timed.
    kept: Option<Box<dyn Choices>>,
    /// Names of candidates by their problem.
    known: BTreeMap<String, String>,
}

impl Chosen {
    pub(super) fn known(&self) -> &BTreeMap<String, String> {
        &self.known
    }

    /// Keeps to these, and times nothing from here on.
    pub(super) fn settle(&mut self, known: &BTreeMap<String, String>) {
        self.known.clone_from(known);
        self.kept = None;
    }
}

impl<L: Launcher> Gpu<L> {
    /// Times the candidates for a product when it is first asked for, and takes the fastest from then on.
    #[must_use]
    pub fn timed(mut self, choices: Box<dyn Choices>) -> Self {
        self.chosen.kept = Some(choices);
        self
    }

    /// Whether a kernel may compute something: portable ones may, others if they are trusted.
    pub(super) fn is_used(&self, kernel: &'static str) -> bool {
        !is_fast(kernel) || self.trusts(kernel)
    }

    /// The one of `all`, by the model the best first, that computes a problem; those that are not trusted are passed
    /// over. `launch` runs one: several times here, so it must overwrite its result and change nothing else.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If none is trusted.
    pub(super) fn choose(
        &mut self,
        problem: impl FnOnce() -> String,
        all: &[Tiled],
        launch: impl FnMut(&mut Self, &Tiled) -> Result<()>,
    ) -> Result<Tiled> {
        let first = *all.iter().find(|tiled| self.is_used(tiled.kernel)).expect("a kernel that computes it");
        if self.chosen.kept.is_none() && self.chosen.known.is_empty() {
            return Ok(first);
        }
        let problem = problem();
        if let Some(name) = self.chosen.known.get(&problem) {
            let named = all.iter().find(|tiled| tiled.name() == *name && self.is_used(tiled.kernel));
            return Ok(*named.unwrap_or(&first));
        }
        // What a graph records has run before.
        let Some(kept) = self.chosen.kept.take_if(|_| !self.capturing) else { return Ok(first) };
        let candidates: Vec<Tiled> =
            near(first, all).into_iter().filter(|tiled| self.is_used(tiled.kernel)).collect();
        let names: Vec<String> = candidates.iter().map(Tiled::name).collect();
        let chosen = match kept.recall(&problem, &names) {
            Some(chosen) => chosen,
            // Nothing can be kept here, so nothing is timed from here on.
            None if !kept.begin(&problem, &names) => return Ok(first),
            // Said too, so that a run goes on with it when the model has changed.
            None if candidates.len() == 1 => {
                kept.keep(&problem, &names, 0);
                0
            }
            None => {
                let fastest = self.fastest(&candidates, launch)?;
                kept.keep(&problem, &names, fastest);
                fastest
            }
        };
        self.chosen.kept = Some(kept);
        self.chosen.known.insert(problem, names[chosen].clone());
        Ok(candidates[chosen])
    }

    /// The fastest of the candidates; the first if none saves enough.
    fn fastest(
        &mut self,
        candidates: &[Tiled],
        mut launch: impl FnMut(&mut Self, &Tiled) -> Result<()>,
    ) -> Result<usize> {
        let mut times = vec![Duration::MAX; candidates.len()];
        for round in 0..ROUNDS {
            for (candidate, time) in candidates.iter().zip(&mut times) {
                if round == 0 {
                    launch(self, candidate)?;
                }
                let timer = self.launcher.start_timer()?;
                for _ in 0..LAUNCHES {
                    launch(self, candidate)?;
                }
                *time = self.launcher.stop_timer(timer)?.min(*time);
            }
        }
        let fastest = (0..times.len()).min_by_key(|&i| times[i]).unwrap_or(0);
        Ok(if times[fastest] < times[0].mul_f64(1.0 - WORTH) { fastest } else { 0 })
    }
}

/// Those, the model's choice first, of which a card may find another to be faster. None needs more than twice the
/// working space of the first.
fn near(first: Tiled, all: &[Tiled]) -> Vec<Tiled> {
    let mut near = vec![first];
    for tiled in all {
        let cuts = near.iter().filter(|other| other.kernel == tiled.kernel).count();
        let new = (tiled.kernel, tiled.cut) != (first.kernel, first.cut);
        let alike = tiled.cut.time <= NEAR * first.cut.time && tiled.cut.pieces <= 2 * first.cut.pieces;
        if new && alike && cuts < CUTS && near.len() < CANDIDATES {
            near.push(*tiled);
        }
    }
    near
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::device::gpu::Precision;
    use crate::device::gpu::dry::{Dry, Limits, Log};
    use crate::device::gpu::launch::Launch;
    use crate::device::{BufferId, Device, GraphId, Place, Settled, Timer};
    use crate::op::{Border, DType, Leg, Op, Window};
    use crate::shape::Shape;

    /// A card on which launches take the time that their kernels are said to take, and nothing is computed.
    struct Paced {
        inner: Dry,
        log: Log,
        begun: usize,
        slow: &'static str,
    }

    impl Launcher for Paced {
        fn name(&self) -> String {
            self.inner.name()
        }
        fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
            self.inner.alloc(bytes)
        }
        fn free(&mut self, block: BufferId) {
            self.inner.free(block);
        }
        fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
            self.inner.upload(to, bytes)
        }
        fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
            self.inner.download(from, offset, bytes)
        }
        fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
            self.inner.launch(launch)
        }
        fn sync(&mut self) -> Result<()> {
            Ok(())
        }
        fn start_timer(&mut self) -> Result<Timer> {
            self.begun = self.log.lock().unwrap().len();
            Ok(Timer::host())
        }
        fn stop_timer(&mut self, _: Timer) -> Result<Duration> {
            let log = self.log.lock().unwrap();
            let micros = log[self.begun..].iter().map(|seen| if seen.kernel == self.slow { 100 } else { 10 });
            Ok(Duration::from_micros(micros.sum()))
        }
        fn begin_capture(&mut self) -> Result<()> {
            self.inner.begin_capture()
        }
        fn end_capture(&mut self) -> Result<GraphId> {
            self.inner.end_capture()
        }
        fn replay(&mut self, graph: GraphId) -> Result<()> {
            self.inner.replay(graph)
        }
        fn multiprocessors(&self) -> u32 {
            self.inner.multiprocessors()
        }
        fn shared_limit(&self) -> u32 {
            self.inner.shared_limit()
        }
        fn arch(&self) -> u32 {
            self.inner.arch()
        }
    }

    /// Choices that tests can look into; `full` keeps none.
    #[derive(Clone, Default)]
    struct Shelf {
        choices: Arc<Mutex<BTreeMap<String, usize>>>,
        full: bool,
    }

    impl Choices for Shelf {
        fn recall(&self, problem: &str, candidates: &[String]) -> Option<usize> {
            self.choices.lock().unwrap().get(&format!("{problem}: {candidates:?}")).copied()
        }
        fn begin(&self, _: &str, _: &[String]) -> bool {
            !self.full
        }
        fn keep(&self, problem: &str, candidates: &[String], chosen: usize) {
            self.choices.lock().unwrap().insert(format!("{problem}: {candidates:?}"), chosen);
        }
    }

    /// A card on which one kernel is slow, and what it launches.
    fn card(slow: &'static str) -> (Gpu<Paced>, Log) {
        let (inner, log) = Dry::new(Limits { multiprocessors: 132, shared: 227 << 10, arch: 80 });
        let paced = Paced { inner, log: Arc::clone(&log), begun: 0, slow };
        (Gpu::new(paced, Precision::Tf32), log)
    }

    /// Kernels that a leg launches.
    fn launched(gpu: &mut Gpu<Paced>, log: &Log) -> Vec<&'static str> {
        let window = Window::over([32, 32], [4, 4], [2, 2], [1, 1], Border::Open).unwrap();
        let mut place = |shape: [usize; 4]| {
            let shape = Shape::from(shape);
            let buffer = gpu.alloc(4 * shape.numel()).unwrap();
            Place { buffer, offset: 0, shape, dtype: DType::Real }
        };
        let [x, w, y] = [[16, 32, 32, 32], [4, 4, 32, 128], [16, 16, 16, 128]].map(&mut place);
        log.lock().unwrap().clear();
        gpu.run(&Op::Conv(Leg::Y, window), &[x, w], &y).unwrap();
        log.lock().unwrap().iter().map(|seen| seen.kernel).filter(|name| name.starts_with("conv")).collect()
    }

    #[test]
    fn the_fastest_is_taken_once_and_for_all() {
        let (mut gpu, log) = card("");
        let [model] = launched(&mut gpu, &log)[..] else {
            panic!("no memory of choices, and several launches")
        };
        let shelf = Shelf::default();
        let (gpu, log) = card(model);
        let mut gpu = gpu.timed(Box::new(shelf.clone()));
        let first = launched(&mut gpu, &log);
        let last = *first.last().unwrap();
        assert!(first.len() > ROUNDS * LAUNCHES && last != model, "{first:?}");
        assert_eq!(launched(&mut gpu, &log), [last], "timed again");
        // Another run of the program, and one that goes on elsewhere from a checkpoint.
        let (other, log) = card("");
        assert_eq!(launched(&mut other.timed(Box::new(shelf.clone())), &log), [last]);
        let (mut resumed, log) = card("");
        resumed.settle(&gpu.settled());
        assert_eq!(launched(&mut resumed, &log), [last]);
        // Where the model is right, and where nothing can be kept.
        let (right, log) = card(last);
        assert_eq!(launched(&mut right.timed(Box::<Shelf>::default()), &log).last(), Some(&model));
        let (full, log) = card(model);
        let mut full = full.timed(Box::new(Shelf { full: true, ..Shelf::default() }));
        assert_eq!(launched(&mut full, &log), [model]);
        assert!(full.settled().chosen.is_empty(), "what was not timed is said to be the fastest");
        // A run that began without choices goes on without.
        let (plain, log) = card(model);
        let mut plain = plain.timed(Box::new(shelf.clone()));
        plain.settle(&Settled::default());
        assert_eq!(launched(&mut plain, &log), [model]);
        // One that began with what would be no candidate today, and with what is no kernel.
        for (name, taken) in [("conv_y_tf32_64 in 8 pieces", "conv_y_tf32_64"), ("conv_y_of_old", model)] {
            let (old, log) = card("");
            let mut old = old.timed(Box::new(shelf.clone()));
            let problem = gpu.settled().chosen.into_keys().next().unwrap();
            old.settle(&Settled {
                chosen: BTreeMap::from([(problem, name.to_owned())]),
                ..Settled::default()
            });
            assert_eq!(launched(&mut old, &log), [taken]);
        }
        // While a graph is captured.
        let (capturing, log) = card(model);
        let mut capturing = capturing.timed(Box::<Shelf>::default());
        capturing.begin_capture().unwrap();
        assert_eq!(launched(&mut capturing, &log), [model]);
    }

    #[test]
    fn a_kernel_that_is_wrong_is_no_candidate() {
        let (mut gpu, log) = card("");
        let [model] = launched(&mut gpu, &log)[..] else { panic!("several launches") };
        let (gpu, log) = card("");
        let mut gpu = gpu.judged(Box::new(move |kernel| kernel != model)).timed(Box::<Shelf>::default());
        let all = launched(&mut gpu, &log);
        assert!(all.len() > 1 && !all.contains(&model), "{all:?}");
        assert_eq!(gpu.settled().avoided, [model]);
    }
}
