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

/// Rows and columns of the tiles that there are, and the share of a full rate that blocks of them reach:
/// small ones read more for each number they multiply. From the instructions of the main loops and the
/// bytes that tiles take from cache (`invnet bench model`), not from a device.
pub(super) const TILES: [([usize; 2], f64); 3] = [([64, 64], 0.45), ([128, 64], 0.67), ([128, 128], 1.0)];
/// Those of matrix products: the same without the oblong.
const SQUARE: [usize; 2] = [0, 2];

/// How a product [M, N] over K is cut: tiles, and pieces of K.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Cut {
    /// Which of [`TILES`].
    pub(super) tile: usize,
    pub(super) pieces: u32,
    pub(super) piece: u32,
}

impl Cut {
    /// Tiles along the rows and the columns of a result.
    pub(super) fn tiles(&self, m: usize, n: usize) -> [u32; 2] {
        let ([rows, columns], _) = TILES[self.tile];
        [word(m.div_ceil(rows)), word(n.div_ceil(columns))]
    }
}

/// The cut of `classes` products alike, among some of [`TILES`], for a device with `busy`
/// multiprocessors: the one whose busiest multiprocessor has least to do, the largest of equals. `split`
/// allows pieces of K, which a second launch adds.
pub(super) fn cut(busy: usize, [m, n, k]: [usize; 3], classes: usize, split: bool, tiles: &[usize]) -> Cut {
    let cuts = tiles.iter().map(|&tile| {
        let ([rows, columns], rate) = TILES[tile];
        let count = m.div_ceil(rows) * n.div_ceil(columns) * classes;
        let wanted = if split { (2 * busy).div_ceil(count) } else { 1 };
        // No piece is shorter than what hides the cost of adding it up again.
        let pieces = wanted.min(k.div_ceil(256)).clamp(1, 256);
        let piece = k.div_ceil(pieces).next_multiple_of(16).max(16);
        let pieces = k.div_ceil(piece).max(1);
        let turns = (count * pieces).div_ceil(busy);
        let time = turns as f64 * (rows * columns) as f64 / pieces as f64 / rate;
        (time, Cut { tile, pieces: word(pieces), piece: word(piece) })
    });
    let best = cuts.reduce(|best, next| if next.0 <= best.0 { next } else { best });
    best.expect("there are tiles to choose among").1
}

impl<L: Launcher> Gpu<L> {
    /// The precision of a product's kernel: the one that was asked for if tensor cores can read its
    /// operands, whose rows in memory are as long as `rows`; else single precision.
    pub(super) fn product_precision(&self, rows: &[usize], numels: &[usize]) -> Precision {
        // Groups of four numbers are whole and aligned, and offsets fit a word.
        let readable =
            rows.iter().all(|row| row % 4 == 0) && numels.iter().all(|&numel| u32::try_from(numel).is_ok());
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
        let cut = cut(self.launcher.multiprocessors() as usize, [m, n, k], 1, true, &SQUARE);
        let rows = [if ta { m } else { k }, if tb { k } else { n }];
        let precision = self.product_precision(&rows, &[a, b, y].map(|place| place.shape.numel()));
        let large = usize::from(TILES[cut.tile].0[0] == 128);
        let kernel_of = |p: Precision| KERNELS[p as usize][large][usize::from(ta)][usize::from(tb)];
        let kernel = kernel_of(self.trusted(precision, kernel_of));
        let params = MatMul { m: word(m), n: word(n), k: word(k), pieces: cut.pieces, piece: cut.piece };
        let [rows, columns] = cut.tiles(m, n);
        let grid = [rows, columns, cut.pieces];
        let (a, b) = (Span::read(a), Span::read(b));
        self.in_pieces(cut.pieces, y, |gpu, to| gpu.launch(kernel, grid, &[a, b, to], &params))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layers of the pair at 128 x 128, width 64, batch 64, and what an H100 and a small card should
    /// run of them: the choice is a model's, so it changes only on purpose.
    #[test]
    fn tiles_fill_a_card() {
        let all = [0, 1, 2];
        for (busy, extents, classes, split, tile) in [
            // Leg y.
            (132, [65_536, 128, 1024], 1, false, [128, 128]),
            (132, [16_384, 256, 2048], 1, false, [128, 128]),
            (132, [4096, 512, 4096], 1, false, [128, 128]),
            (132, [1024, 1024, 8192], 1, false, [128, 64]),
            (132, [65_536, 64, 48], 1, false, [128, 64]),
            // Leg x, four classes of the stride.
            (132, [65_536, 64, 512], 4, false, [128, 64]),
            (132, [16_384, 128, 1024], 4, false, [128, 128]),
            (132, [1024, 512, 4096], 4, false, [128, 128]),
            // Leg w, in pieces.
            (132, [1024, 128, 65_536], 1, true, [128, 128]),
            (132, [8192, 1024, 1024], 1, true, [128, 128]),
            // Few rows, and few multiprocessors.
            (132, [64, 64, 512], 1, false, [64, 64]),
            (4, [1024, 64, 512], 1, false, [128, 64]),
            (4, [20, 16, 108], 1, false, [64, 64]),
        ] {
            let found = cut(busy, extents, classes, split, &all);
            assert_eq!(TILES[found.tile].0, tile, "{busy} {extents:?} {classes}");
        }
    }

    #[test]
    fn pieces_cover_the_depth() {
        for k in [1, 16, 17, 255, 256, 1000, 65_536] {
            let found = cut(132, [128, 128, k], 1, true, &SQUARE);
            let [pieces, piece] = [found.pieces, found.piece].map(|v| v as usize);
            assert!(pieces * piece >= k && (pieces - 1) * piece < k && piece % 16 == 0, "{k}: {found:?}");
        }
    }
}
