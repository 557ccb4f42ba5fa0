//! Loops over pieces on all threads: rayon's iterators, whose machinery is compiled once for each kind of pieces.

pub(in crate::device::cpu) use rayon::prelude::*;

/// [`ParallelIterator::for_each`] of a closure behind a pointer. rayon compiles its splitting, stealing and waiting
/// anew for every closure that it is given, which here would be a hundred times.
pub(in crate::device::cpu) trait Pieces: ParallelIterator {
    fn each(self, f: &(dyn Fn(Self::Item) + Sync)) {
        self.for_each(f);
    }
}

impl<I: ParallelIterator> Pieces for I {}
