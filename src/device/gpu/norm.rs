//! Launches of `kernels/norm.cu`.

use bytemuck::Pod;

use super::launch::{Access, Launcher, Span};
use super::params::Norm;
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::Over;

/// Turns of a thread that works on elements, so that a root serves several of them.
const TURNS: u64 = 8;

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The two kernels of a name, by what shares a mean.
macro_rules! kernel {
    ($over:expr, $name:literal, $end:literal) => {
        match $over {
            Over::Batch => concat!($name, "_batch", $end),
            Over::Layer => concat!($name, "_layer", $end),
        }
    };
}

impl<L: Launcher> Gpu<L> {
    pub(super) fn norm_params(&self, over: Over, x: &Place, eps: f64) -> Norm {
        let (numel, channels) = (x.shape.numel(), x.shape.channels());
        let (rows, columns) = match over {
            Over::Batch => (numel / channels, channels),
            Over::Layer => (x.shape[0], numel / x.shape[0]),
        };
        let (pieces, piece) = match over {
            Over::Batch => self.pieces(columns.div_ceil(32), rows, 256),
            Over::Layer => self.pieces(rows, columns, 2048),
        };
        let width = if columns % 4 == 0 { 4 } else { 1 };
        Norm { rows: word(rows), columns: word(columns), pieces, piece, width, eps: eps as f32 }
    }

    /// The grid of a kernel that works on elements: about [`TURNS`] turns a thread. Threads keep to
    /// their columns where all of them together advance by whole rows (batch), or to their block's row
    /// (layer).
    pub(super) fn element_grid(over: Over, p: &Norm) -> [u32; 3] {
        let turn = 256 * p.width;
        match over {
            Over::Batch => {
                let whole = p.columns / gcd(p.columns, turn);
                let numel = u64::from(p.rows) * u64::from(p.columns);
                let blocks = numel.div_ceil(u64::from(turn) * TURNS).next_multiple_of(u64::from(whole));
                [u32::try_from(blocks).expect("a tensor has fewer than 2^32 elements"), 1, 1]
            }
            Over::Layer => [p.rows, u64::from(p.columns).div_ceil(u64::from(turn) * TURNS) as u32, 1],
        }
    }

    /// Launches a kernel that adds up each group in pieces.
    pub(super) fn group_sums<P: Pod>(
        &mut self,
        over: Over,
        kernel: &'static str,
        inputs: &[Span],
        (p, params): (&Norm, &P),
        partial: Span,
    ) -> Result<()> {
        let across = match over {
            Over::Batch => p.columns.div_ceil(32),
            Over::Layer => p.rows,
        };
        let mut spans = inputs.to_vec();
        spans.push(partial);
        self.launch(kernel, [across, p.pieces, 1], &spans, params)
    }

    pub(super) fn stats(&mut self, over: Over, x: &Place, y: &Place) -> Result<()> {
        let p = self.norm_params(over, x, 0.0);
        let groups = over.groups(&x.shape);
        let partial = self.scratch([p.pieces as usize, 2, groups])?;
        self.group_sums(over, kernel!(over, "stats", ""), &[Span::read(x)], (&p, &p), Span::write(&partial))?;
        self.launch(
            kernel!(over, "stats", "_finish"),
            blocks_for(groups, 256),
            &[Span::read(x), Span::read(&partial), Span::write(y)],
            &p,
        )
    }

    pub(super) fn normalise(
        &mut self,
        over: Over,
        eps: f64,
        x: &Place,
        stats: &Place,
        y: &Place,
    ) -> Result<()> {
        let p = self.norm_params(over, x, eps);
        self.launch(
            kernel!(over, "normalise", ""),
            Self::element_grid(over, &p),
            &[Span::read(x), Span::read(stats), Span::write(y)],
            &p,
        )
    }

    pub(super) fn normalise_grad(
        &mut self,
        over: Over,
        eps: f64,
        x: &Place,
        stats: &Place,
        g: &Place,
        out: &Place,
    ) -> Result<()> {
        let p = self.norm_params(over, x, eps);
        let groups = over.groups(&x.shape);
        // The sums of all pieces, then the means they give.
        let sums = 2 * groups * p.pieces as usize;
        let start = sums.next_multiple_of(16);
        let scratch = self.scratch([start + 2 * groups])?;
        let part = |from: usize, length: usize, access| Span {
            offset: from * size_of::<f32>(),
            bytes: length * size_of::<f32>(),
            access,
            ..Span::read(&scratch)
        };
        let fields = [Span::read(x), Span::read(stats), Span::read(g)];
        self.group_sums(
            over,
            kernel!(over, "cotangent", ""),
            &fields,
            (&p, &p),
            part(0, sums, Access::Write),
        )?;
        self.launch(
            kernel!(over, "cotangent", "_finish"),
            blocks_for(groups, 256),
            &[part(0, sums, Access::Read), part(start, 2 * groups, Access::Write)],
            &p,
        )?;
        let means = part(start, 2 * groups, Access::Read);
        self.launch(
            kernel!(over, "normalise_grad", ""),
            Self::element_grid(over, &p),
            &[fields[0], fields[1], fields[2], means, Span::write(out)],
            &p,
        )
    }
}
