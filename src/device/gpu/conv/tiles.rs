//! Legs as products in tiles: the kernels that can compute one, and its launch.

use std::fmt::Write;

use super::{EIGHT, FOUR, Form};
use crate::device::Place;
use crate::device::gpu::launch::{Launcher, Span};
use crate::device::gpu::matmul::{self, Cut, TILES, Tiled, Tiles};
use crate::device::gpu::params::Conv;
use crate::device::gpu::{Gpu, Precision, blocks_for, word};
use crate::error::Result;
use crate::op::{Border, Leg};

/// The kernels, by leg, precision and tile, as [`matmul::TILES`] lists them.
const KERNELS: [[[&str; 3]; 3]; 3] = [
    [
        ["conv_y_64", "conv_y_128x64", "conv_y_128"],
        ["conv_y_tf32_64", "conv_y_tf32_128x64", "conv_y_tf32_128"],
        ["conv_y_bf16_64", "conv_y_bf16_128x64", "conv_y_bf16_128"],
    ],
    [
        ["conv_x_64", "conv_x_128x64", "conv_x_128"],
        ["conv_x_tf32_64", "conv_x_tf32_128x64", "conv_x_tf32_128"],
        ["conv_x_bf16_64", "conv_x_bf16_128x64", "conv_x_bf16_128"],
    ],
    [
        ["conv_w_64", "conv_w_128x64", "conv_w_128"],
        ["conv_w_tf32_64", "conv_w_tf32_128x64", "conv_w_tf32_128"],
        ["conv_w_bf16_64", "conv_w_bf16_128x64", "conv_w_bf16_128"],
    ],
];

/// The kernels for operands in bf16, by leg and tile.
const STORED: [[&str; 3]; 3] = [
    ["conv_y_stored_bf16_64", "conv_y_stored_bf16_128x64", "conv_y_stored_bf16_128"],
    ["conv_x_stored_bf16_64", "conv_x_stored_bf16_128x64", "conv_x_stored_bf16_128"],
    ["conv_w_stored_bf16_64", "conv_w_stored_bf16_128x64", "conv_w_stored_bf16_128"],
];

/// What a leg is computed with: operands as they lie in memory, in bf16 or to be rounded by the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operands {
    Stored,
    Single(Precision),
}

impl<L: Launcher> Gpu<L> {
    /// Cuts of a leg, by the model the soonest first.
    pub(super) fn conv_cuts(&self, form: &Form, tiles: &Tiles, split: bool) -> Vec<Cut> {
        let busy = self.launcher.multiprocessors() as usize;
        matmul::cuts(busy, form.extents(), form.classes(), split, tiles)
    }

    /// Kernels for a leg, by the model the best first: warpgroups' before others for operands in bf16, as no card has
    /// shown otherwise.
    fn tiled(&self, form: &Form, operands: Operands) -> Vec<Tiled> {
        let leg = form.leg as usize;
        let (kernels, precision) = match operands {
            Operands::Stored => (&STORED[leg], Precision::Bf16),
            Operands::Single(precision) => (&KERNELS[leg][precision as usize], precision),
        };
        let split = form.leg == Leg::W || precision != Precision::Fp32 && form.splits();
        let cuts = self.conv_cuts(form, &TILES[precision as usize], split);
        let plain = cuts.into_iter().map(|cut| Tiled { kernel: kernels[cut.tile], cut, shared: 0 });
        match operands {
            Operands::Stored => self.wide(form, precision).into_iter().chain(plain).collect(),
            Operands::Single(Precision::Tf32) => {
                let mut all: Vec<Tiled> = plain.chain(self.wide(form, precision)).collect();
                all.sort_by(|a, b| a.cut.time.total_cmp(&b.cut.time));
                all
            }
            Operands::Single(_) => plain.collect(),
        }
    }

    /// Whether kernels that are trusted compute a leg, of operands that they can read.
    pub(super) fn in_tiles(&self, form: &Form, operands: Operands) -> bool {
        let readable =
            operands != Operands::Stored || form.rows().iter().all(|row| row.is_multiple_of(EIGHT));
        readable && self.tiled(form, operands).iter().any(|tiled| self.is_used(tiled.kernel))
    }

    /// A leg in tiles, on operands that they can read.
    pub(super) fn conv_tiles(
        &mut self,
        form: &Form,
        operands: Operands,
        [a, b]: [&Place; 2],
        (extra, params): (Span, Conv),
        y: &Place,
    ) -> Result<()> {
        let all = self.tiled(form, operands);
        let rounded = !matches!(operands, Operands::Single(Precision::Fp32 | Precision::Tf32));
        let filter = match form.leg {
            Leg::Y | Leg::X if rounded => self.narrowed(b)?,
            _ => Span::read(b),
        };
        let launch = |gpu: &mut Self, tiled: &Tiled| {
            gpu.conv_tiled(form, tiled, [Span::read(a), filter], (extra, params), y)
        };
        let tiled = self.choose(|| problem(form, operands, &params), &all, launch)?;
        launch(self, &tiled)
    }

    fn conv_tiled(
        &mut self,
        form: &Form,
        &Tiled { kernel, cut, shared }: &Tiled,
        [a, b]: [Span; 2],
        (extra, mut params): (Span, Conv),
        y: &Place,
    ) -> Result<()> {
        (params.pieces, params.piece) = (cut.pieces, cut.piece);
        let [m, n, _] = form.extents();
        let [rows, columns] = cut.tiles(m, n);
        if form.leg == Leg::W {
            let grid = [rows, columns, cut.pieces];
            return self.in_pieces(cut.pieces, y, |gpu, to| {
                gpu.launch_shared(kernel, grid, shared, &[a, b, to], &params)
            });
        }
        if cut.pieces == 1 {
            let grid = [rows, columns, word(form.classes())];
            return self.launch_shared(kernel, grid, shared, &[a, b, extra, Span::write(y)], &params);
        }
        let partial = self.scratch([cut.pieces as usize, y.shape.numel()])?;
        let bare = Conv { activate: 0, result_bf16: 0, ..params };
        let spans = [a, b, Span::NONE, Span::write(&partial)];
        self.launch_shared(kernel, [rows, columns, cut.pieces], shared, &spans, &bare)?;
        let spans = [Span::read(&partial), extra, Span::write(y)];
        self.launch("finish_pieces", blocks_for(y.shape.numel() / FOUR, 256), &spans, &params)
    }
}

/// A leg in words that tell it from all others: its extents, and what is read and written in how many bytes.
fn problem(form: &Form, operands: Operands, params: &Conv) -> String {
    let (leg, window) = (["y", "x", "w"][form.leg as usize], &form.window);
    let [image, kernel, stride, pad] =
        [window.image, window.kernel, window.stride, window.pad].map(|[a, b]| format!("{a}x{b}"));
    let operands = match operands {
        Operands::Stored => "stored bf16",
        Operands::Single(precision) => precision.name(),
    };
    let mut text = format!(
        "conv {leg}, {n} images {image} of {ci}, {kernel} to {co}, stride {stride}, pad {pad}, {operands}",
        n = form.n,
        ci = form.ci,
        co = form.co,
    );
    if window.border == Border::Periodic {
        text.push_str(", periodic");
    }
    let _ = write!(text, ", epilogue {} {} {}", params.activate, params.result_bf16, params.gate_bf16);
    text
}
