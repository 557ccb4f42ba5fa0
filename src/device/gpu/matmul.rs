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

/// Tiles that kernels come in, and how fast blocks of them are.
pub(super) struct Tiles {
    /// Rows and columns, the share of `speed` that blocks of them reach (small ones read more for each number
    /// they multiply), and blocks that a multiprocessor holds at a time.
    pub(super) list: &'static [([usize; 2], f64, usize)],
    /// Multiplications a microsecond of a multiprocessor, by the best tile.
    speed: f64,
    /// The time of a multiprocessor that holds fewer blocks than it could, which then wait for memory by themselves,
    /// over their part of the time of all.
    lonely: f64,
}

/// Those of convolutions by precision: measured on an H100, relative to each other alone they decide.
pub(super) static TILES: [Tiles; 3] = [Tiles::of(0.14e6), Tiles::of(0.44e6), Tiles::of(0.95e6)];
/// Those of `conv_wgmma.cu`: of legs y and x, and of leg w, whose both operands run across k.
pub(super) static WIDE: Tiles = Tiles {
    list: &[([128, 64], 0.57, 2), ([128, 128], 0.9, 1), ([128, 256], 1.0, 1), ([256, 128], 0.93, 1)],
    speed: 1.67e6,
    lonely: 1.1,
};
pub(super) static WIDE_W: Tiles = Tiles {
    list: &[([128, 64], 0.57, 2), ([128, 128], 0.75, 1), ([128, 256], 0.95, 1)],
    speed: 1.67e6,
    lonely: 1.1,
};
/// Those of `conv_tf32_wgmma.cu`: 204 TFLOP/s of leg y in the best tile; 242 of leg x and 170 of leg w.
pub(super) static WIDE_TF32: Tiles = Tiles {
    list: &[([128, 64], 0.54, 2), ([128, 128], 0.75, 1), ([128, 256], 1.0, 1), ([256, 128], 0.94, 1)],
    speed: 0.77e6,
    lonely: 1.1,
};
/// Those of matrix products: the same as convolutions', without the oblong.
static SQUARE: [Tiles; 3] = [Tiles::square(0.14e6), Tiles::square(0.44e6), Tiles::square(0.95e6)];

/// What pieces cost: bytes a microsecond at which they are written and added up, and microseconds of that launch.
const SUMMED: f64 = 2.0e6;
const LAUNCH: f64 = 3.0;
/// Numbers of k below which no piece is worth its end; pieces are of whole slices.
const SHORTEST: usize = 256;
const SLICE: usize = 64;
/// Pieces at most, and rounds of blocks over a card that are considered.
const MOST: usize = 256;
const ROUNDS: usize = 4;
impl Tiles {
    const fn of(speed: f64) -> Self {
        Self { list: &[([64, 64], 0.45, 2), ([128, 64], 0.67, 2), ([128, 128], 1.0, 2)], speed, lonely: 1.4 }
    }

    const fn square(speed: f64) -> Self {
        Self { list: &[([64, 64], 0.45, 2), ([128, 128], 1.0, 2)], speed, lonely: 1.4 }
    }
}

/// How a product [M, N] over K is cut: tiles, and pieces of K.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Cut {
    /// Microseconds that it should take.
    pub(super) time: f64,
    /// Which of the list, and its extent.
    pub(super) tile: usize,
    extent: [usize; 2],
    pub(super) pieces: u32,
    pub(super) piece: u32,
}

impl Cut {
    /// Tiles along the rows and the columns of a result.
    pub(super) fn tiles(&self, m: usize, n: usize) -> [u32; 2] {
        let [rows, columns] = self.extent;
        [word(m.div_ceil(rows)), word(n.div_ceil(columns))]
    }
}

/// A kernel that computes a product in tiles: how that is cut, and bytes of dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct Tiled {
    pub(super) kernel: &'static str,
    pub(super) cut: Cut,
    pub(super) shared: u32,
}

impl Tiled {
    /// What tells it from others for the same product, in words.
    pub(super) fn name(&self) -> String {
        let Self { kernel, cut: Cut { pieces, .. }, .. } = self;
        if *pieces == 1 { (*kernel).to_owned() } else { format!("{kernel} in {pieces} pieces") }
    }
}

/// Cuts of `classes` products alike, for a device with `busy` multiprocessors: first the one whose busiest
/// multiprocessor is done soonest, the largest of equals. `split` allows pieces of K, which a second launch adds.
pub(super) fn cuts(
    busy: usize,
    [m, n, k]: [usize; 3],
    classes: usize,
    split: bool,
    tiles: &Tiles,
) -> Vec<Cut> {
    let mut all: Vec<Cut> = Vec::new();
    for (tile, &(extent, rate, resident)) in tiles.list.iter().enumerate() {
        let [rows, columns] = extent;
        let count = m.div_ceil(rows) * n.div_ceil(columns) * classes;
        let most = if split { k.div_ceil(SHORTEST).clamp(1, MOST) } else { 1 };
        // As many pieces as fill whole rounds.
        let slots = busy * resident;
        let wanted = (1..=ROUNDS).map(|rounds| (rounds * slots / count.max(1)).clamp(1, most));
        for pieces in [1].into_iter().chain(wanted) {
            let piece = k.div_ceil(pieces).next_multiple_of(SLICE).max(SLICE);
            let pieces = k.div_ceil(piece).max(1);
            let (full, rest) = (count * pieces / slots, (count * pieces % slots).div_ceil(busy));
            let alone = if rest < resident { tiles.lonely } else { 1.0 };
            let turns = (full * resident) as f64 + rest as f64 * alone;
            let mut time = turns * (rows * columns * piece) as f64 / (rate * tiles.speed);
            if pieces > 1 {
                time += LAUNCH + (2 * pieces * m * n * size_of::<f32>()) as f64 / SUMMED;
            }
            let cut = Cut { time, tile, extent, pieces: word(pieces), piece: word(piece) };
            if !all.contains(&cut) {
                all.push(cut);
            }
        }
    }
    all.reverse();
    all.sort_by(|a, b| a.time.total_cmp(&b.time));
    all
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
        let rows = [if ta { m } else { k }, if tb { k } else { n }];
        let readable = self.product_precision(&rows, &[a, b, y].map(|place| place.shape.numel()));
        let busy = self.launcher.multiprocessors() as usize;
        let of = |precision: Precision| -> Vec<Tiled> {
            let kernels = &KERNELS[precision as usize];
            let cuts = cuts(busy, [m, n, k], 1, true, &SQUARE[precision as usize]).into_iter();
            let kernel = |cut: &Cut| kernels[cut.tile][usize::from(ta)][usize::from(tb)];
            cuts.map(|cut| Tiled { kernel: kernel(&cut), cut, shared: 0 }).collect()
        };
        let mut all = of(readable);
        if !all.iter().any(|tiled| self.is_used(tiled.kernel)) {
            all = of(Precision::Fp32);
        }
        let (a, b) = (Span::read(a), Span::read(b));
        let launch = |gpu: &mut Self, &Tiled { kernel, cut, .. }: &Tiled| {
            let params = MatMul { m: word(m), n: word(n), k: word(k), piece: cut.piece };
            let [rows, columns] = cut.tiles(m, n);
            let grid = [rows, columns, cut.pieces];
            gpu.in_pieces(cut.pieces, y, |gpu, to| gpu.launch(kernel, grid, &[a, b, to], &params))
        };
        let problem = || format!("matmul {m} x {n} over {k}, transposed {ta} {tb}, {}", readable.name());
        let tiled = self.choose(problem, &all, launch)?;
        launch(self, &tiled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layers of the pair at 128 x 128, width 64, batch 64, and what an H100 and a small card should
    /// run of them: the choice is a model's, so it changes only on purpose.
    #[test]
    fn tiles_fill_a_card() {
        let [_, _, bf16] = &TILES;
        for (busy, extents, classes, split, tiles, tile, pieces) in [
            // Leg y.
            (132, [65_536, 128, 1024], 1, false, bf16, [128, 128], 1),
            (132, [16_384, 256, 2048], 1, false, bf16, [128, 128], 1),
            (132, [4096, 512, 4096], 1, false, bf16, [128, 128], 1),
            (132, [1024, 1024, 8192], 1, true, bf16, [128, 128], 4),
            (132, [65_536, 64, 48], 1, false, bf16, [128, 64], 1),
            // Leg x, four classes of the stride.
            (132, [65_536, 64, 512], 4, false, bf16, [128, 64], 1),
            (132, [16_384, 128, 1024], 4, false, bf16, [128, 128], 1),
            (132, [1024, 512, 4096], 4, false, bf16, [128, 128], 1),
            // Leg w, in pieces.
            (132, [1024, 128, 65_536], 1, true, bf16, [128, 128], 32),
            (132, [8192, 1024, 1024], 1, true, bf16, [128, 128], 1),
            // Few rows, and few multiprocessors.
            (132, [64, 64, 512], 1, false, bf16, [64, 64], 1),
            (4, [1024, 64, 512], 1, false, bf16, [128, 64], 1),
            (4, [20, 16, 108], 1, false, bf16, [64, 64], 1),
            // Warpgroups.
            (132, [65_536, 128, 1024], 1, false, &WIDE, [256, 128], 1),
            (132, [16_384, 256, 2048], 1, false, &WIDE, [128, 256], 1),
            (132, [4096, 512, 4096], 1, false, &WIDE, [128, 128], 1),
            (132, [1024, 1024, 8192], 1, true, &WIDE, [128, 128], 2),
            (132, [65_536, 64, 512], 4, false, &WIDE, [128, 64], 1),
            (132, [16_384, 128, 1024], 4, false, &WIDE, [256, 128], 1),
            (132, [4096, 256, 2048], 4, false, &WIDE, [128, 256], 1),
            (132, [1024, 512, 4096], 4, false, &WIDE, [128, 128], 1),
            (132, [1024, 128, 65_536], 1, true, &WIDE_W, [128, 128], 16),
            (132, [2048, 256, 16_384], 1, true, &WIDE_W, [128, 256], 8),
            (132, [4096, 512, 4096], 1, true, &WIDE_W, [128, 128], 1),
            (132, [8192, 1024, 1024], 1, true, &WIDE_W, [128, 256], 1),
            // The same in tf32.
            (132, [65_536, 128, 1024], 1, false, &WIDE_TF32, [256, 128], 1),
            (132, [16_384, 256, 2048], 1, false, &WIDE_TF32, [128, 256], 1),
            (132, [1024, 1024, 8192], 1, true, &WIDE_TF32, [128, 256], 4),
            (132, [65_536, 64, 512], 4, false, &WIDE_TF32, [128, 64], 1),
            (132, [1024, 512, 4096], 4, false, &WIDE_TF32, [128, 128], 1),
            (132, [1024, 128, 65_536], 1, true, &WIDE_TF32, [256, 128], 32),
            (132, [8192, 1024, 1024], 1, true, &WIDE_TF32, [128, 256], 1),
        ] {
            let found = cuts(busy, extents, classes, split, tiles)[0];
            assert_eq!((found.extent, found.pieces), (tile, pieces), "{busy} {extents:?} {classes}");
        }
    }

    #[test]
    fn pieces_cover_the_depth() {
        for k in [1, 16, 17, 255, 256, 1000, 65_536] {
            let found = &cuts(132, [128, 128, k], 1, true, &SQUARE[0])[0];
            let [pieces, piece] = [found.pieces, found.piece].map(|v| v as usize);
            assert!(pieces * piece >= k && (pieces - 1) * piece < k && piece % 64 == 0, "{k}: {found:?}");
        }
    }
}
