//! Convolutions with fewer products (Winograd 1980): tiles of 4 x 4 outputs, evaluated at points, multiplied
//! there channel by channel, and interpolated.
//!
//! Tiles are transformed a task at a time, multiplied while they are in the second-level cache, and
//! written out; the filter's points lie in panels of columns, as the products read them.

pub(super) mod four;
pub(super) mod three;
mod tiles;
pub(super) mod two;

use pulp::Simd;

use super::Real;
use super::block::Block;
use super::vector::LANES;
use crate::device::Precision;

/// Outputs of a tile along an axis.
const OUTPUTS: usize = 4;

/// Fewest channels, on either side and on the wider one, for which transforms pay.
const CHANNELS: [usize; 2] = [2, 8];

/// Bytes of transformed tiles that a task of legs x and y holds at a time: half a second-level cache;
/// how few tiles make a product worth its filter, and how many are enough.
const TASK_BYTES: usize = 512 << 10;
const FEWEST: usize = 24;
const MOST: usize = 144;

/// A filter whose transform is larger than this leaves the caches.
const LARGEST_FILTER: usize = 16 << 20;

/// Bytes of transformed tiles that leg w, and with two outputs every leg, holds at a time.
const BLOCK_BYTES: usize = 8 << 20;

/// by v + to
#[inline(always)]
fn times<T: Real, S: Simd>(simd: S, by: f64, v: T::Of<S>, to: T::Of<S>) -> T::Of<S> {
    T::fma(simd, T::splat(simd, T::of(by)), v, to)
}

/// Columns of a product that are computed, and written out, at a time.
fn panel_of(channels: usize) -> usize {
    if channels > LANES { 2 * LANES } else { LANES }
}

/// The tiles of an image.
#[derive(Clone, Copy)]
struct Grid {
    down: usize,
    across: usize,
}

impl Grid {
    fn of(outputs: [usize; 2]) -> Self {
        let [down, across] = outputs.map(|extent| extent.div_ceil(OUTPUTS));
        Self { down, across }
    }
}

/// Some rows of tiles of all images, one after another: of whole images, or of a part of one.
struct Piece<'a, T> {
    first: usize,
    rows: usize,
    /// Their share of the result, and how many numbers come before it.
    out: &'a mut [T],
    start: usize,
}

impl<T> Piece<'_, T> {
    /// The line of `out` that a row of tiles begins at, and the row within its image of `lines` lines.
    fn place(&self, grid: &Grid, row: usize, lines: usize, a_tile: usize) -> (usize, usize) {
        let (image, ty) = ((self.first + row) / grid.down, (self.first + row) % grid.down);
        let (first_image, first_ty) = (self.first / grid.down, self.first % grid.down);
        ((image - first_image) * lines + a_tile * ty - a_tile * first_ty, ty)
    }
}

/// Cuts images of `lines` lines of `line` numbers, `a_tile` lines a tile, into pieces of about `tiles`
/// tiles.
fn pieces<'a, T>(
    grid: &Grid,
    tiles: usize,
    out: &'a mut [T],
    [lines, line, a_tile]: [usize; 3],
) -> Vec<Piece<'a, T>> {
    let images = (tiles / (grid.down * grid.across)).max(1);
    let rows = if images > 1 { grid.down * images } else { (tiles / grid.across).clamp(1, grid.down) };
    let chunk = if images > 1 { images * lines * line } else { rows * a_tile * line };
    let mut all = Vec::new();
    for (i, out) in out.chunks_mut(images * lines * line).enumerate() {
        for (j, out) in out.chunks_mut(chunk).enumerate() {
            let held = out.len() / line;
            // The last row of tiles of an image may be cut.
            let rows_held = if images > 1 { held / lines * grid.down } else { held.div_ceil(a_tile) };
            let start = i * images * lines * line + j * chunk;
            all.push(Piece { first: i * images * grid.down + j * rows, rows: rows_held, out, start });
        }
    }
    all
}

/// Splits `[N, count, width]` into bands of `band` rows: one item a band, with its part of each of N.
fn bands<T, const N: usize>(space: &mut [T], count: usize, width: usize, band: usize) -> Vec<[&mut [T]; N]> {
    let mut parts: Vec<_> =
        space.chunks_exact_mut(count * width).map(|p| p.chunks_mut(band * width)).collect();
    (0..count.div_ceil(band))
        .map(|_| std::array::from_fn(|n| parts[n].next().expect("every part has every band")))
        .collect()
}

/// out = a b of every point, of as many rows and panels as there are: a `[POINTS, rows, step]`, b `[POINTS, k, panel]`,
/// out `[POINTS, rows, panel]`.
fn multiply<T: Real>(
    [a, b]: [&[T]; 2],
    [rows, step]: [usize; 2],
    [k, panel]: [usize; 2],
    precision: Precision,
    out: &mut [T],
) {
    let points = out.chunks_exact_mut(rows * panel).zip(b.chunks_exact(k * panel));
    for ((out, b), a) in points.zip(a.chunks_exact(rows * step)) {
        Block { a, step, columns: false, rows, k, b, width: panel, out, apart: panel, accumulate: false }
            .run_in(precision);
    }
}
