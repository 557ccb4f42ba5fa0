//! Where planes of complex numbers lie while blocks transform them (`kernels/fft.cuh`).

use super::launch::{Launcher, Span};
use super::{Gpu, word};
use crate::error::Result;

/// Threads of a block that transforms a plane.
pub(super) const THREADS: usize = 512;

/// Room for one plane a block.
pub(super) struct Planes {
    /// Complex numbers before the plane in shared memory.
    pub(super) tables: u32,
    /// Bytes of shared memory.
    pub(super) shared: u32,
    /// The planes in the working space, [`Span::NONE`] if they fit in shared memory.
    pub(super) far: Span,
}

impl<L: Launcher> Gpu<L> {
    /// Room for `count` blocks that each transform a plane `[H, W]` and keep `reals` numbers of their
    /// own beside the roots of unity.
    ///
    /// # Panics
    /// If not even the roots fit.
    pub(super) fn planes(&mut self, count: usize, [h, w]: [usize; 2], reals: usize) -> Result<Planes> {
        const COMPLEX: usize = size_of::<[f32; 2]>();
        let longest_block = [h, w].into_iter().map(|n| n >> n.trailing_zeros()).max().unwrap_or(1);
        let blocks = if longest_block > 1 { longest_block.max(THREADS) } else { 0 };
        let tables = h + w + blocks + reals.div_ceil(2);
        let (limit, bytes) = (self.launcher.shared_limit() as usize, COMPLEX * tables);
        let with_plane = bytes + COMPLEX * h * w;
        if with_plane <= limit {
            return Ok(Planes { tables: word(tables), shared: word(with_plane), far: Span::NONE });
        }
        assert!(bytes <= limit, "a transform of {h} x {w} needs {bytes} bytes a block, which has {limit}");
        let far = self.scratch([count, h, w, 2])?;
        Ok(Planes { tables: word(tables), shared: word(bytes), far: Span::write(&far) })
    }
}
