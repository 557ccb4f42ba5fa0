//! Which kernels were fastest on a card, kept from one run of the program to the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;

use crate::device::gpu::Choices;
use crate::device::gpu::cuda::{Cuda, cache};

/// Whether products are timed on a card: unless `INVNET_TUNE=0` says that the model alone is to choose, so that all
/// cards of a kind have the same bits.
pub(super) fn wanted() -> bool {
    env::var_os("INVNET_TUNE").is_none_or(|value| value != "0")
}

/// Choices on a card, in the folder of compiled kernels.
pub(super) struct Kept {
    ordinal: usize,
    /// What a kernel depends on: card, driver, source and compiler.
    circumstances: RefCell<BTreeMap<String, Vec<String>>>,
}

impl Kept {
    /// Those of a card.
    pub(super) fn of(ordinal: usize) -> Self {
        Self { ordinal, circumstances: RefCell::default() }
    }

    /// All that a choice depends on; none if the card cannot be asked.
    fn key(&self, problem: &str, candidates: &[String]) -> Option<Vec<String>> {
        let mut key = vec![problem.to_owned()];
        let mut known = self.circumstances.borrow_mut();
        for candidate in candidates {
            let kernel = candidate.split(' ').next().unwrap_or_default();
            if !known.contains_key(kernel) {
                let found = Cuda::new(self.ordinal).ok()?.circumstances(kernel);
                known.insert(kernel.to_owned(), found);
            }
            key.push(candidate.clone());
            key.extend(known[kernel].iter().cloned());
        }
        Some(key)
    }
}

/// What files of choices are called.
const NAME: &str = "choice";
/// What stands there while candidates are timed: the place of none.
const BEGUN: f64 = -1.0;

impl Choices for Kept {
    fn recall(&self, problem: &str, candidates: &[String]) -> Option<usize> {
        let chosen = cache::recall(NAME, &self.key(problem, candidates)?)?;
        (0..candidates.len()).find(|&index| index as f64 == chosen)
    }

    fn begin(&self, problem: &str, candidates: &[String]) -> bool {
        let Some(key) = self.key(problem, candidates) else { return false };
        cache::remember(NAME, &key, BEGUN);
        cache::recall(NAME, &key) == Some(BEGUN)
    }

    fn keep(&self, problem: &str, candidates: &[String], chosen: usize) {
        if let Some(key) = self.key(problem, candidates) {
            cache::remember(NAME, &key, chosen as f64);
        }
    }
}
