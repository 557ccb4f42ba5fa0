//! Filters rounded to bf16, kept while they do not change: tensor cores read half as many bytes of them, and
//! nobody rounds them again for every tile. Adam writes a filter's copy beside the filter.

use std::collections::{HashMap, HashSet};

use super::launch::{Access, Launcher, Span};
use super::{Gpu, Workspace};
use crate::device::{BufferId, Place};
use crate::error::Result;

/// The copies of a device.
#[derive(Default)]
pub(super) struct Shadows {
    /// Of each filter that has a block of its own.
    kept: HashMap<BufferId, Shadow>,
    /// Of a filter in a block whose contents come and go.
    passing: Workspace,
    /// The blocks that operations write their results to.
    written: HashSet<BufferId>,
}

#[derive(Default)]
struct Shadow {
    copy: Workspace,
    /// Whether it is of the filter as it is now.
    fresh: bool,
}

impl Shadows {
    /// An operation writes its result to a block.
    pub(super) fn written(&mut self, block: BufferId) {
        self.written.insert(block);
    }

    /// What a block holds has changed.
    pub(super) fn changed(&mut self, block: BufferId) {
        if let Some(shadow) = self.kept.get_mut(&block) {
            shadow.fresh = false;
        }
    }

    /// Anything may have changed.
    pub(super) fn all_changed(&mut self) {
        self.kept.values_mut().for_each(|shadow| shadow.fresh = false);
    }

    /// Where who changes a filter is to write its copy, which from then on is of the filter as it is; nowhere if the
    /// filter has none of its own.
    pub(super) fn renewed(&mut self, filter: &Place) -> Span {
        let bytes = filter.shape.numel() * size_of::<u16>();
        let shadow = self.kept.get_mut(&filter.buffer).filter(|shadow| shadow.copy.bytes == bytes);
        let Some(shadow) = shadow.filter(|_| filter.offset == 0) else { return Span::NONE };
        let Some(buffer) = shadow.copy.block else { return Span::NONE };
        shadow.fresh = true;
        Span { buffer, offset: 0, bytes, access: Access::Write }
    }

    /// A block is given back: so is the copy of what it held.
    pub(super) fn gone(&mut self, block: BufferId) -> Option<BufferId> {
        self.written.remove(&block);
        self.kept.remove(&block).and_then(|shadow| shadow.copy.block)
    }

    /// Bytes of all copies.
    pub(super) fn bytes(&self) -> usize {
        self.passing.bytes + self.kept.values().map(|shadow| shadow.copy.bytes).sum::<usize>()
    }
}

impl<L: Launcher> Gpu<L> {
    /// A filter of a whole number of fours, in bf16; valid until the next call.
    pub(super) fn narrowed(&mut self, filter: &Place) -> Result<Span> {
        let bytes = filter.shape.numel() * size_of::<u16>();
        let passing = [self.widened.block, self.turned.block].contains(&Some(filter.buffer));
        let passes = passing || self.shadows.written.contains(&filter.buffer);
        let lasting = filter.offset == 0 && !passes;
        let (copy, fresh) = if lasting {
            let shadow = self.shadows.kept.entry(filter.buffer).or_default();
            (&mut shadow.copy, std::mem::replace(&mut shadow.fresh, true))
        } else {
            (&mut self.shadows.passing, false)
        };
        let buffer = copy.hold(&mut self.launcher, bytes, self.capturing)?;
        let span = Span { buffer, offset: 0, bytes, access: Access::Write };
        if !fresh {
            self.narrow(filter, span)?;
        }
        Ok(Span { access: Access::Read, ..span })
    }
}
