//! Items of a data set as a function of seed and index, whatever the number of threads.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

use super::ClassMaps;

/// Separates the random numbers of images from those of targets: a set of targets with the seed
/// of a training set must not be the training set's own images.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Images = 0,
    Targets = 1,
}

/// The generator of item `index`: ChaCha12 (what `StdRng` is in rand 0.9) keyed with seed, index
/// and stream. Each item has a key of its own, so no order of work can change what it draws. A test
/// pins its first values, because rand promises `StdRng` only within a version.
pub(super) fn generator(seed: u64, stream: Stream, index: usize) -> StdRng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(index as u64).to_le_bytes());
    key[16] = stream as u8;
    StdRng::from_seed(key)
}

/// Uniform from `low` to `high`: one multiplication and one addition, so unlike a library's range
/// sampling it is the same in every version and on every machine.
pub(super) fn uniform(rng: &mut impl Rng, (low, high): (f64, f64)) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// A set of `count` images of `size` x `size` pixels, drawn in parallel. `draw` is given the
/// generator of an image, its class map `[size, size]` (all zeros) and its properties.
pub(super) fn images(
    (count, size, classes): (usize, usize, usize),
    names: Vec<String>,
    seed: u64,
    draw: impl Fn(&mut StdRng, &mut [u8], &mut [f32]) + Sync,
) -> ClassMaps {
    let pixels = size * size;
    let mut maps = vec![0; count * pixels];
    let mut properties = vec![0.0; count * names.len()];
    maps.par_chunks_exact_mut(pixels)
        .zip(properties.par_chunks_exact_mut(names.len()))
        .enumerate()
        .for_each(|(i, (map, row))| draw(&mut generator(seed, Stream::Images, i), map, row));
    ClassMaps { count, height: size, width: size, classes, maps, names, properties, ..ClassMaps::default() }
}
