//! Working space that is taken once and used again: the blocks a convolution unfolds into.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Real;

/// One cache line, so that every tensor begins on one.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([u64; 8]);

impl Line {
    pub(super) const ZERO: Self = Self([0; 8]);
}

static HELD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Blocks not in use on this thread. A stack, because a thread that waits inside one task may
    /// be given another.
    static SPARE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `numel` numbers with unspecified contents to `f`.
pub(super) fn with<T: Real, R>(numel: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    let mut block = take((numel * size_of::<T>()).div_ceil(size_of::<Line>()));
    let result = f(&mut bytemuck::cast_slice_mut(&mut block)[..numel]);
    give_back(block);
    result
}

fn take(lines: usize) -> Vec<Line> {
    let mut block = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if block.len() < lines {
        HELD.fetch_add((lines - block.len()) * size_of::<Line>(), Ordering::Relaxed);
        // Freed before its replacement is taken, so that the two never coexist.
        drop(block);
        block = vec![Line::ZERO; lines];
    }
    block
}

fn give_back(block: Vec<Line>) {
    SPARE.with_borrow_mut(|spare| spare.push(block));
}

/// Bytes held by all threads.
pub(super) fn held_bytes() -> usize {
    HELD.load(Ordering::Relaxed)
}
