//! Grain growth by the Potts model at zero temperature.
//!
//! Anderson, Srolovitz, Grest and Sahni, "Computer simulation of grain growth I: kinetics", Acta
//! Metall. 32 (1984): a pixel holds the number of its grain, the energy is the number of pairs of
//! neighbours (eight of them, so that boundaries feel the lattice less) in different grains, and a
//! pixel takes the grain of a neighbour if that does not raise the energy. Boundaries straighten,
//! small grains vanish, and the mean area of a grain grows about linearly in time, its diameter as
//! t^n with n a little below 1/2.
//!
//! Pixels are visited one colour of a checkerboard after the other. Pixels of one colour are not
//! neighbours, and what a pixel draws depends on its place, the sweep and the seed only: the order
//! within a colour cannot matter.

use crate::data::lattice::{Lattice, OUTSIDE, areas};
use crate::rng::{index, philox};

/// Pieces of fewer pixels are noise of the lattice, not grains.
const SPECK: usize = 4;

/// Number of pairs of neighbouring pixels in different grains.
#[must_use]
pub fn energy(lattice: Lattice, grains: &[u32]) -> usize {
    let mut ends = 0;
    for (i, grain) in grains.iter().enumerate() {
        let around = lattice.around(grains, i % lattice.width, i / lattice.width);
        ends += around.iter().filter(|&other| other != grain && *other != OUTSIDE).count();
    }
    // Each pair was met from both of its ends.
    ends / 2
}

/// Offers every pixel the grain of one of its neighbours once.
pub fn sweep(lattice: Lattice, grains: &mut [u32], seed: [u32; 2], sweep: u32) {
    // Even and odd coordinates, but around a periodic image of odd extent the last one meets the first,
    // and has a colour of its own.
    let colours = |extent: usize| -> Vec<_> {
        let whole = extent - usize::from(lattice.periodic && extent % 2 == 1);
        [0..whole, 1..whole, whole..extent].into_iter().map(|line| line.step_by(2)).collect()
    };
    for rows in colours(lattice.height) {
        for columns in colours(lattice.width) {
            for y in rows.clone() {
                for x in columns.clone() {
                    offer(lattice, grains, x, y, [seed[0], seed[1], sweep]);
                }
            }
        }
    }
}

fn offer(lattice: Lattice, grains: &mut [u32], x: usize, y: usize, state: [u32; 3]) {
    let i = y * lattice.width + x;
    let here = grains[i];
    let around = lattice.around(grains, x, y);
    // Within a grain nothing can be offered: no number is drawn.
    if around.iter().all(|&grain| grain == here) {
        return;
    }
    let [word, ..] = philox(&state, 0, i as u64);
    let offered = around[index(word, 8) as usize];
    let bonds = |grain| around.iter().filter(|&&other| other == grain).count();
    if offered != OUTSIDE && bonds(offered) >= bonds(here) {
        grains[i] = offered;
    }
}

/// Sweeps `sweeps` times. A grain that came apart is several afterwards, and specks go to their
/// neighbours; returns in `grains` connected grains, numbered from 0.
pub fn coarsen(lattice: Lattice, grains: &mut Vec<u32>, sweeps: usize, seed: [u32; 2]) {
    for step in 0..sweeps {
        sweep(lattice, grains, seed, step as u32);
    }
    let pieces = lattice.pieces(grains);
    let sizes = areas(&pieces);
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let kept: Vec<bool> = sizes.iter().map(|&size| size >= SPECK.min(largest)).collect();
    *grains = lattice.absorb(pieces, &kept);
}
