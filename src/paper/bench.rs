//! What a part works with: its trainings, measures of them, and a folder for pictures.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::recipe::{Recipe, estimate};
use super::run::{Run, history_of, train};
use super::{Part, clock::Clock};
use crate::device::Kind;
use crate::error::Result;
use crate::eval::report::Report;
use crate::train::dataset::Real;

/// Who is told of the work, and may stop it.
pub trait Watch {
    /// What is being done now; `done` of `of` iterations of it.
    ///
    /// # Errors
    /// To stop.
    fn at(&mut self, what: &str, done: u64, of: u64) -> Result<()>;

    /// So many of the estimated seconds of all work are behind.
    fn worked(&mut self, seconds: f64);
}

/// What parts work with.
pub struct Bench<'a> {
    /// Where everything is written.
    pub folder: &'a Path,
    /// Quick settings, or the paper's.
    pub quick: bool,
    /// Seeds of parts that compare.
    pub seeds: u64,
    /// What computes.
    pub kind: Kind,
    /// Who is told.
    pub watch: &'a mut dyn Watch,
    /// Wall seconds of the trainings that the present part used.
    pub trained: f64,
    /// Wall seconds of this session that went into trainings.
    pub session: f64,
}

impl Bench<'_> {
    /// Seeds that a part is trained with.
    #[must_use]
    pub fn seeds_of(&self, part: &Part) -> u64 {
        if part.compared.is_empty() { 1 } else { self.seeds }
    }

    /// Every training of a part: what is trained once, and for every seed what is compared.
    fn trainings<'p>(&self, part: &'p Part) -> impl Iterator<Item = (&'p Recipe, u64)> + use<'p> {
        let each = |recipes: &'p [&'p Recipe], seeds: u64| {
            recipes.iter().flat_map(move |recipe| (0..seeds).map(move |seed| (*recipe, seed)))
        };
        each(part.recipes, 1).chain(each(part.compared, self.seeds))
    }

    /// SHA-256 of the configurations of a part's trainings.
    ///
    /// # Errors
    /// If a recipe is no configuration.
    pub(super) fn configurations(&self, part: &Part) -> Result<String> {
        let mut all = Sha256::new();
        for (recipe, seed) in self.trainings(part) {
            all.update(recipe.config(self.quick, seed)?.to_toml());
        }
        Ok(format!("{:x}", all.finalize()))
    }

    /// The folder of a training.
    fn folder_of(&self, recipe: &Recipe, seed: u64) -> PathBuf {
        let scale = if self.quick { "quick" } else { "paper" };
        self.folder.join("runs").join(format!("{scale}-{}-{seed}", recipe.name))
    }

    /// Estimated seconds of work that a part still needs, beside the trainings named already.
    ///
    /// # Errors
    /// If a recipe is no configuration.
    pub fn left(&self, part: &Part, counted: &mut Vec<(&'static str, u64)>) -> Result<f64> {
        let mut seconds = part.measuring;
        for (recipe, seed) in self.trainings(part) {
            if counted.contains(&(recipe.name, seed)) {
                continue;
            }
            counted.push((recipe.name, seed));
            let config = recipe.config(self.quick, seed)?;
            let done = history_of(&self.folder_of(recipe, seed), &config).map_or(0, |h| h.iteration);
            let share = 1.0 - done as f64 / config.train.iterations as f64;
            seconds += share * estimate(&config);
        }
        Ok(seconds)
    }

    /// Trains, or goes on, or finds it done.
    ///
    /// # Errors
    /// If it was stopped, or a file or the device fails.
    pub fn trained(&mut self, recipe: &Recipe, seed: u64) -> Result<Run> {
        let (folder, config) = (self.folder_of(recipe, seed), recipe.config(self.quick, seed)?);
        let what = format!("training {}, seed {seed}", recipe.name);
        let each = estimate(&config) / config.train.iterations as f64;
        let watch = &mut *self.watch;
        let (clock, mut last) = (Clock::start(), None::<u64>);
        let run = train(folder, config, recipe.followed, self.kind, &mut |done, of| {
            watch.worked(each * (done - last.unwrap_or(done)) as f64);
            last = Some(done);
            watch.at(&what, done, of)
        })?;
        self.session += clock.elapsed().0;
        self.trained += run.history.seconds;
        Ok(run)
    }

    /// The same of all seeds.
    ///
    /// # Errors
    /// As [`Bench::trained`].
    pub fn trained_all(&mut self, recipe: &Recipe) -> Result<Vec<Run>> {
        (0..self.seeds).map(|seed| self.trained(recipe, seed)).collect()
    }

    /// Measures a generator on the targets that all runs on such images share.
    ///
    /// # Errors
    /// If it was stopped or the device fails.
    pub fn measure(&mut self, run: &Run, recipe: &Recipe) -> Result<Report> {
        self.watch.at(&format!("measuring {}", recipe.name), 0, 0)?;
        let mut sampler = run.sampler(self.kind)?;
        let real = Real::of(&run.config, &mut *self.kind.for_data()?)?;
        Report::measure(&mut sampler, &real, run.config.train.eval_samples)
    }
}
