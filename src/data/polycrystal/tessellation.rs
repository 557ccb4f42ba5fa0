//! Laguerre tessellations with cells of given sizes.
//!
//! A Laguerre (power) diagram gives a point to the seed p with the least |x - p|^2 - w: a Voronoi
//! diagram whose straight boundaries the weights w shift, so that cells can have different sizes.
//! Fan, Wu, Zhao and Lu, "Simulation of polycrystalline structure with Voronoi diagram in Laguerre
//! geometry based on random closed packing of spheres", Comput. Mater. Sci. 29 (2004), take seeds
//! and weights from a packing of discs with log-normal radii: w = r^2, and cells come out about as
//! large as their discs. Here a loose random packing is the start only. Weights are then corrected
//! until cells have the areas of their discs, which is possible for any seeds and areas (Aurenhammer,
//! Hoffmann and Aronov, "Minkowski-type theorems and least-squares clustering", Algorithmica 20,
//! 1998); while seeds move towards the centroids of their cells, which rounds the cells.

use std::f64::consts::PI;

use rand::Rng;

use super::normal;
use crate::data::lattice::{Lattice, areas};
use crate::data::seeded::uniform;

/// Radii are scaled by this before discs are packed: discs then cover 0.42 of the image, which
/// random placement can reach (it jams at 0.55 for equal discs).
const PACKING: f64 = 0.65;
/// Positions tried for a disc before the least bad of them is taken.
const TRIES: usize = 20;
/// Corrections of the weights, and how many of them also move the seeds.
const CORRECTIONS: usize = 12;
const MOVES: usize = 4;
/// Change of a weight for each pixel that a cell lacks. The area of a cell changes with its weight
/// by half the sum of (length of a side / distance of the seeds across it), 1.73 for a hexagon, and
/// its neighbours' by as much together; steps below 1 / 1.73 converge.
const GAIN: f64 = 0.5;

/// A seed: position in pixels and weight in square pixels.
#[derive(Clone, Copy)]
struct Seed {
    at: [f64; 2],
    weight: f64,
}

/// Draws a tessellation of a square image into `grains` cells whose equivalent diameters are log-normal with the
/// standard deviation `spread` of their logarithm. Returns the cell of every pixel, `[H, W]`,
/// numbered from 0; each is connected. A cell so small that it holds no pixel is left out.
#[must_use]
pub fn laguerre(lattice: Lattice, grains: usize, spread: f64, rng: &mut impl Rng) -> Vec<u32> {
    let pixels = (lattice.height * lattice.width) as f64;
    // Rounded, so that no seed depends on the last bit of a library's exp.
    let mut radii: Vec<f64> = (0..grains).map(|_| f64::from((spread * normal(rng)).exp() as f32)).collect();
    radii.sort_by(|a, b| b.total_cmp(a));
    let scale = (pixels / (PI * radii.iter().map(|r| r * r).sum::<f64>())).sqrt();
    radii.iter_mut().for_each(|r| *r *= scale);

    let mut seeds = pack(lattice, &radii, rng);
    for correction in 0..CORRECTIONS {
        let cells = measure(lattice, &seeds);
        for ((seed, radius), cell) in seeds.iter_mut().zip(&radii).zip(cells) {
            seed.weight += GAIN * (PI * radius * radius - cell.area);
            if correction < MOVES && cell.area > 0.0 {
                for (at, offset) in seed.at.iter_mut().zip(cell.offset) {
                    *at += offset / cell.area;
                }
            }
        }
    }
    let mut cells = vec![0; lattice.height * lattice.width];
    runs(lattice, &seeds, |run| {
        let row = run.y * lattice.width;
        cells[row + run.from..row + run.to].fill(run.seed as u32);
    });
    whole(lattice, &cells)
}

/// Places discs, the largest first, where they do not overlap or else where they overlap least.
fn pack(lattice: Lattice, radii: &[f64], rng: &mut impl Rng) -> Vec<Seed> {
    let border = (-0.5, lattice.width as f64 - 0.5);
    let mut seeds: Vec<Seed> = Vec::with_capacity(radii.len());
    for &radius in radii {
        let r = PACKING * radius;
        let mut best = (f64::NEG_INFINITY, [0.0; 2]);
        for _ in 0..TRIES {
            let at = [uniform(rng, border), uniform(rng, border)];
            let mut gap = f64::INFINITY;
            if !lattice.periodic {
                for v in at {
                    gap = gap.min(v - border.0 - r).min(border.1 - v - r);
                }
            }
            for (seed, other) in seeds.iter().zip(radii) {
                let [dx, dy] = [0, 1].map(|axis| offset(lattice, at[axis], seed.at[axis]));
                gap = gap.min((dx * dx + dy * dy).sqrt() - r - PACKING * other);
            }
            if gap > best.0 {
                best = (gap, at);
            }
            if gap >= 0.0 {
                break;
            }
        }
        seeds.push(Seed { at: best.1, weight: radius * radius });
    }
    seeds
}

/// From `c` to `v` along one axis, the short way round where the image is periodic. Both lie on the
/// image or less than half its size beside it.
fn offset(lattice: Lattice, v: f64, c: f64) -> f64 {
    let (size, direct) = (lattice.width as f64, v - c);
    match lattice.periodic {
        true if direct > size / 2.0 => direct - size,
        true if direct < -size / 2.0 => direct + size,
        _ => direct,
    }
}

/// Neighbouring pixels of one row in one cell: the columns `from..to` of row `y`.
struct Run {
    y: usize,
    from: usize,
    to: usize,
    /// The cell.
    seed: usize,
    /// Where its seed is, as seen from here, in a periodic image possibly beyond the border.
    at: [f64; 2],
}

/// Visits the cells of all pixels, row by row from left to right.
///
/// In a row the power distances are parabolas of one width in x, and the least of them is their
/// lower envelope: two of them meet once, and the one with the seed further right is lower on the
/// right. With seeds sorted by column the envelope is a stack (Felzenszwalb and Huttenlocher,
/// "Distance transforms of sampled functions", Theory of Computing 8, 2012).
fn runs(lattice: Lattice, seeds: &[Seed], mut visit: impl FnMut(Run)) {
    let size = lattice.width as f64;
    let shifts: &[f64] = if lattice.periodic { &[-size, 0.0, size] } else { &[0.0] };
    let mut columns: Vec<(f64, usize)> = shifts
        .iter()
        .flat_map(|shift| seeds.iter().enumerate().map(move |(i, seed)| (seed.at[0] + shift, i)))
        .collect();
    columns.sort_by(|a, b| a.0.total_cmp(&b.0));

    // Seed column, seed, power distance at that column, and where the seed's stretch begins.
    let mut envelope: Vec<(f64, usize, f64, f64)> = Vec::with_capacity(columns.len());
    for y in 0..lattice.height {
        envelope.clear();
        'seeds: for &(column, i) in &columns {
            let lowest = offset(lattice, y as f64, seeds[i].at[1]).powi(2) - seeds[i].weight;
            let mut begin = f64::NEG_INFINITY;
            while let Some(&(left, _, left_lowest, left_begin)) = envelope.last() {
                if left == column && left_lowest <= lowest {
                    continue 'seeds;
                }
                // Two seeds in one column meet nowhere: minus infinity, the higher one goes.
                begin = (left + column + (lowest - left_lowest) / (column - left)) / 2.0;
                if begin > left_begin {
                    break;
                }
                envelope.pop();
                begin = f64::NEG_INFINITY;
            }
            envelope.push((column, i, lowest, begin));
        }
        let mut from = 0;
        for (k, &(column, seed, ..)) in envelope.iter().enumerate() {
            // `as usize` takes what begins left of the image to column 0.
            let to =
                envelope.get(k + 1).map_or(lattice.width, |next| (next.3.ceil() as usize).min(lattice.width));
            if to > from {
                let row = y as f64 - offset(lattice, y as f64, seeds[seed].at[1]);
                visit(Run { y, from, to, seed, at: [column, row] });
                from = to;
            }
        }
    }
}

/// Area of a cell in pixels and the sum of its pixels' offsets from the seed.
#[derive(Clone, Copy, Default)]
struct Cell {
    area: f64,
    offset: [f64; 2],
}

fn measure(lattice: Lattice, seeds: &[Seed]) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); seeds.len()];
    runs(lattice, seeds, |run| {
        let cell = &mut cells[run.seed];
        let length = (run.to - run.from) as f64;
        let middle = [(run.from + run.to - 1) as f64 / 2.0, run.y as f64];
        cell.area += length;
        for axis in 0..2 {
            cell.offset[axis] += length * (middle[axis] - run.at[axis]);
        }
    });
    cells
}

/// A cell is convex, but its pixels need not be connected along edges, nor is a cell that meets
/// itself around a periodic image: each keeps its largest piece, the rest goes to its neighbours.
fn whole(lattice: Lattice, cells: &[u32]) -> Vec<u32> {
    let pieces = lattice.pieces(cells);
    let sizes = areas(&pieces);
    let mut largest: Vec<Option<u32>> = vec![None; areas(cells).len()];
    for (&piece, &cell) in pieces.iter().zip(cells) {
        let best = &mut largest[cell as usize];
        if best.is_none_or(|best| sizes[piece as usize] > sizes[best as usize]) {
            *best = Some(piece);
        }
    }
    let mut kept = vec![false; sizes.len()];
    largest.into_iter().flatten().for_each(|piece| kept[piece as usize] = true);
    lattice.absorb(pieces, &kept)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    /// The envelope against every seed at every pixel, with weights that hide some cells.
    #[test]
    fn every_pixel_is_in_the_cell_with_the_least_power_distance() {
        let mut rng = StdRng::seed_from_u64(3);
        for case in 0..200 {
            let lattice = Lattice::square(5 + case % 13, case % 2 == 0);
            let range = (-0.5, lattice.width as f64 - 0.5);
            let mut seeds: Vec<Seed> = (0..1 + case % 9)
                .map(|_| Seed {
                    at: [uniform(&mut rng, range), uniform(&mut rng, range)],
                    weight: uniform(&mut rng, (0.0, 20.0)),
                })
                .collect();
            // Seeds above each other, and one twice.
            let first = seeds[0];
            seeds.push(Seed { at: [first.at[0], 1.0], ..first });
            seeds.push(first);

            let power = |seed: &Seed, x: usize, y: usize| {
                let [dx, dy] = [(x, 0), (y, 1)].map(|(v, axis)| offset(lattice, v as f64, seed.at[axis]));
                dx * dx + dy * dy - seed.weight
            };
            let mut visited = 0;
            runs(lattice, &seeds, |run| {
                for x in run.from..run.to {
                    assert_eq!(visited, run.y * lattice.width + x, "in order, each once");
                    visited += 1;
                    let least = seeds.iter().map(|s| power(s, x, run.y)).fold(f64::INFINITY, f64::min);
                    // Distances are below 1000: this is rounding.
                    assert!(
                        power(&seeds[run.seed], x, run.y) < least + 1e-9,
                        "case {case} at {x}, {}",
                        run.y
                    );
                }
            });
            assert_eq!(visited, lattice.height * lattice.width);
        }
    }
}
