//! Launches of `kernels/reduce.cu`.

use super::launch::{Launcher, Span};
use super::params::Reduce;
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;
use crate::shape::Shape;

impl<L: Launcher> Gpu<L> {
    /// Sums x over the axes that y has with extent 1, one run of neighbouring axes at a time, the
    /// last first. Intermediate sums lie one after another in the working space.
    pub(super) fn sum_to(&mut self, x: &Place, y: &Place) -> Result<()> {
        let kept = y.shape.padded_to(x.shape.rank());
        // Runs of axes: (extent, summed).
        let mut runs: Vec<(usize, bool)> = Vec::new();
        for axis in (0..x.shape.rank()).filter(|&axis| x.shape[axis] != 1) {
            let summed = kept[axis] == 1;
            match runs.last_mut() {
                Some((extent, same)) if *same == summed => *extent *= x.shape[axis],
                _ => runs.push((x.shape[axis], summed)),
            }
        }
        if !runs.iter().any(|&(_, summed)| summed) {
            return self.copy(x, 0, &x.shape.strides(), &Place { shape: x.shape, ..*y });
        }
        // The steps, each with the elements of its result.
        let mut steps = Vec::new();
        while let Some(at) = runs.iter().rposition(|&(_, summed)| summed) {
            let product = |part: &[(usize, bool)]| part.iter().map(|r| r.0).product::<usize>();
            let (outer, inner) = (product(&runs[..at]), product(&runs[at + 1..]));
            let reduced = runs.remove(at).0;
            let columns = if inner == 1 { outer } else { outer * inner.div_ceil(32) };
            let (pieces, piece) = self.pieces(columns, reduced, 1024);
            steps.push((outer, reduced, inner, pieces, piece));
        }
        let room = |&(outer, _, inner, pieces, _): &(usize, usize, usize, u32, u32)| {
            (outer * inner * pieces as usize).next_multiple_of(16)
                + if pieces > 1 { (outer * inner).next_multiple_of(16) } else { 0 }
        };
        let scratch = self.scratch([steps.iter().map(room).sum::<usize>()])?;
        let mut from = Span::read(x);
        let mut used = 0;
        let mut take = |elements: usize| {
            let bytes = elements * size_of::<f32>();
            let span = Span { offset: used, bytes, ..Span::write(&scratch) };
            used += bytes.next_multiple_of(64);
            span
        };
        let last = steps.len() - 1;
        for (i, (outer, reduced, inner, pieces, piece)) in steps.into_iter().enumerate() {
            let result = if i == last { Span::write(y) } else { take(outer * inner) };
            if pieces == 1 {
                self.sum_middle(from, [outer, reduced, inner], 1, piece, result)?;
            } else {
                let partial = take(outer * inner * pieces as usize);
                self.sum_middle(from, [outer, reduced, inner], pieces, piece, partial)?;
                let partial = Span { access: super::launch::Access::Read, ..partial };
                self.sum_middle(partial, [outer, pieces as usize, inner], 1, pieces, result)?;
            }
            from = Span { access: super::launch::Access::Read, ..result };
        }
        Ok(())
    }

    /// x [outer, reduced, inner] summed over the middle to [outer, pieces, inner].
    pub(super) fn sum_middle(
        &mut self,
        x: Span,
        [outer, reduced, inner]: [usize; 3],
        pieces: u32,
        piece: u32,
        y: Span,
    ) -> Result<()> {
        // A span says by its bytes what its numbers are.
        let from = x.bytes / (outer * reduced * inner).max(1);
        let params = Reduce {
            reduced: word(reduced),
            inner: word(inner),
            pieces,
            piece,
            scale: 1.0,
            bf16: u32::from(from == size_of::<u16>()),
        };
        if inner == 1 {
            return self.launch("sum_rows", [word(outer), pieces, 1], &[x, y], &params);
        }
        if outer == 1 && pieces == 1 && reduced <= FEW && inner >= MANY {
            let width = if inner % 4 == 0 { 4 } else { 1 };
            return self.launch("sum_few", blocks_for(inner, 256 * width), &[x, y], &params);
        }
        // The grid's z axis is short: many planes go in several launches.
        for first in (0..outer).step_by(MOST_PLANES) {
            let planes = MOST_PLANES.min(outer - first);
            let part = |span: Span, plane: usize| Span {
                offset: span.offset + first * plane,
                bytes: planes * plane,
                ..span
            };
            let spans =
                [part(x, reduced * inner * from), part(y, pieces as usize * inner * size_of::<f32>())];
            self.launch("sum_columns", [word(inner.div_ceil(32)), pieces, word(planes)], &spans, &params)?;
        }
        Ok(())
    }
}

/// Whether a sum is of all rows of so many that `sum_columns` does it at once, which reads bf16 too.
pub(super) fn sums_columns(x: &Shape, y: &Shape) -> bool {
    let columns = x.channels();
    columns > 1 && *y == Shape::from([columns]) && x.numel() > FEW * columns
}

/// Terms up to which a thread sums a column by itself, and columns from which there are threads enough.
const FEW: usize = 64;
const MANY: usize = 4096;
/// Most blocks along the z axis of a grid.
const MOST_PLANES: usize = 65_535;
