//! Which fast kernels a device uses: each may be judged before its first use.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::Gpu;
use super::launch::{FAMILIES, Launcher};

/// Says whether a kernel is right on the device that asks.
pub type Judge = Box<dyn Fn(&'static str) -> bool + Send>;

/// Whether a kernel has a portable one that can stand in for it: those of tensor cores, and those of
/// convolutions to few channels.
#[must_use]
pub fn is_fast(kernel: &str) -> bool {
    ["_tf32_", "_bf16_", "_few"].iter().any(|part| kernel.contains(part))
}

/// What a device knows of its fast kernels.
#[derive(Default)]
pub(super) struct Trust {
    /// Without one all are used.
    judge: Option<Judge>,
    /// Whether each that was asked for is used. In a cell: plans ask too, and change nothing.
    known: RefCell<BTreeMap<&'static str, bool>>,
}

impl Trust {
    fn uses(&self, kernel: &'static str) -> bool {
        let known = self.known.borrow().get(kernel).copied();
        known.unwrap_or_else(|| {
            let right = self.judge.as_ref().is_none_or(|judge| judge(kernel));
            self.known.borrow_mut().insert(kernel, right);
            right
        })
    }

    pub(super) fn avoided(&self) -> Vec<String> {
        let known = self.known.borrow();
        known.iter().filter(|&(_, used)| !used).map(|(&kernel, _)| kernel.to_owned()).collect()
    }

    pub(super) fn avoid(&self, kernels: &[String]) {
        let all = FAMILIES.iter().flat_map(|family| family.kernels).map(|kernel| kernel.name);
        let named = all.filter(|&name| is_fast(name) && kernels.iter().any(|kernel| kernel == name));
        self.known.borrow_mut().extend(named.map(|name| (name, false)));
    }
}

impl<L: Launcher> Gpu<L> {
    /// Has every fast kernel judged before its first use, and does without those that are not right.
    #[must_use]
    pub fn judged(mut self, judge: Judge) -> Self {
        self.trust.judge = Some(judge);
        self
    }

    /// Whether a fast kernel is used.
    pub(super) fn trusts(&self, kernel: &'static str) -> bool {
        self.trust.uses(kernel)
    }
}
