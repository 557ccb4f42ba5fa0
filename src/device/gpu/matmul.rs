//! Launches of `kernels/matmul.cu` and `kernels/matmul_mma.cu`, and the choice of tiles and precision
//! that convolutions share.

use super::launch::{Launcher, Span};
use super::params::MatMul;
use super::{Gpu, Precision, word};
use crate::device::Place;
use crate::error::Result;

/// The kernels, by precision, size of the tile (64, 128), and whether a and b are transposed.
const KERNELS: [[[[&str; 2]; 2]; 2]; 3] = [
    [
        [["matmul_nn_64", "matmul_nt_64"], ["matmul_tn_64", "matmul_tt_64"]],
        [["matmul_nn_128", "matmul_nt_128"], ["matmul_tn_128", "matmul_tt_128"]],
    ],
    [
        [["matmul_nn_tf32_64", "matmul_nt_tf32_64"], ["matmul_tn_tf32_64", "matmul_tt_tf32_64"]],
        [["matmul_nn_tf32_128", "matmul_nt_tf32_128"], ["matmul_tn_tf32_128", "matmul_tt_tf32_128"]],
    ],
    [
        [["matmul_nn_bf16_64", "matmul_nt_bf16_64"], ["matmul_tn_bf16_64", "matmul_tt_bf16_64"]],
        [["matmul_nn_bf16_128", "matmul_nt_bf16_128"], ["matmul_tn_bf16_128", "matmul_tt_bf16_128"]],
    ],
];

/// How a product [M, N] over K is cut: square tiles, and pieces of K.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// 64 or 128.
    pub(super) tile: usize,
    pub(super) pieces: u32,
    pub(super) piece: u32,
}

impl<L: Launcher> Gpu<L> {
    /// Large tiles where they keep the device busy, pieces of K where the tiles alone do not.
    pub(super) fn cut(&self, [m, n, k]: [usize; 3], split: bool) -> Cut {
        let busy = self.launcher.multiprocessors() as usize;
        let tiles = |side: usize| m.div_ceil(side) * n.div_ceil(side);
        let tile = if m.min(n) > 64 && (split || tiles(128) >= busy) { 128 } else { 64 };
        let wanted = if split { (2 * busy).div_ceil(tiles(tile)) } else { 1 };
        // No piece is shorter than what hides the cost of adding it up again.
        let pieces = wanted.min(k.div_ceil(256)).clamp(1, 256);
        let piece = k.div_ceil(pieces).next_multiple_of(16).max(16);
        Cut { tile, pieces: word(k.div_ceil(piece).max(1)), piece: word(piece) }
    }

    /// The precision of a product's kernel: the one that was asked for if tensor cores can read its
    /// operands, whose rows in memory are as long as `rows`; else single precision.
    pub(super) fn product_precision(&self, rows: &[usize], tensors: &[&Place]) -> Precision {
        // Groups of four numbers are whole and aligned, and offsets fit a word.
        let readable = rows.iter().all(|row| row % 4 == 0)
            && tensors.iter().all(|tensor| u32::try_from(tensor.shape.numel()).is_ok());
        if readable && self.launcher.tensor_cores() { self.precision } else { Precision::Fp32 }
    }

    /// Where the pieces of a product of `numel` elements go, and a launch that adds them up.
    pub(super) fn in_pieces(
        &mut self,
        pieces: u32,
        y: &Place,
        launch: impl FnOnce(&mut Self, Span) -> Result<()>,
    ) -> Result<()> {
        if pieces == 1 {
            return launch(self, Span::write(y));
        }
        let numel = y.shape.numel();
        let partial = self.scratch([pieces as usize, numel])?;
        launch(self, Span::write(&partial))?;
        self.sum_middle(Span::read(&partial), [1, pieces as usize, numel], 1, pieces, Span::write(y))
    }

    pub(super) fn matmul(&mut self, a: &Place, ta: bool, b: &Place, tb: bool, y: &Place) -> Result<()> {
        let [m, n] = [y.shape[0], y.shape[1]];
        let k = a.shape[usize::from(!ta)];
        let cut = self.cut([m, n, k], true);
        let rows = [if ta { m } else { k }, if tb { k } else { n }];
        let precision = self.product_precision(&rows, &[a, b, y]);
        let large = usize::from(cut.tile == 128);
        let kernel = KERNELS[precision as usize][large][usize::from(ta)][usize::from(tb)];
        let params = MatMul {
            m: word(m),
            n: word(n),
            k: word(k),
            transpose_a: u32::from(ta),
            transpose_b: u32::from(tb),
            pieces: cut.pieces,
            piece: cut.piece,
        };
        let grid = [word(m.div_ceil(cut.tile)), word(n.div_ceil(cut.tile)), cut.pieces];
        let (a, b) = (Span::read(a), Span::read(b));
        self.in_pieces(cut.pieces, y, |gpu, to| gpu.launch(kernel, grid, &[a, b, to], &params))
    }
}
