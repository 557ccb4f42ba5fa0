//! The images of a run: from its world's generator or from a file, and those held out of training.

use std::path::Path;

use super::config::Config;
use super::world::{Family, World};
use crate::data::ClassMaps;
use crate::data::import::read_npz;
use crate::data::polycrystal::PolycrystalWorld;
use crate::data::two_phase::TwoPhaseWorld;
use crate::device::{Cpu, Device};
use crate::error::{Error, Result};
use crate::invariance::measure_all;
use crate::plan::Plan;
use crate::store::Store;
use crate::tape::Tape;

/// Images held out: the targets of microstructures come from them, and reports compare with them.
const HELD_OUT: usize = 1024;
/// Added to a seed: the seed of what is held out.
const HELD_OUT_SEED: u64 = 1 << 40;
/// Images left out between those for training and those held out: neighbours in a file are often
/// snapshots of one simulation, or slices of one specimen.
const GAP: usize = 10;
/// Images measured at a time.
const BATCH: usize = 64;

/// The images of a run.
pub struct Dataset {
    /// What the critic sees.
    pub images: ClassMaps,
    /// What training never sees.
    pub held_out: ClassMaps,
}

impl Dataset {
    /// Makes or reads the images of a configuration. Simulations run on `device`.
    ///
    /// # Errors
    /// If the file does not fit the configuration or the device fails.
    pub fn of(config: &Config, device: &mut dyn Device) -> Result<Self> {
        if config.data.is_empty() {
            let images = generate(config, config.images, config.seed, device)?;
            return Ok(Self { images, held_out: held_out(config, device)? });
        }
        let (mut images, held_out) = split(config)?;
        images.truncate(config.images);
        Ok(Self { images, held_out })
    }
}

/// The images of a configuration that training never sees.
///
/// # Errors
/// As [`Dataset::of`].
pub fn held_out(config: &Config, device: &mut dyn Device) -> Result<ClassMaps> {
    if config.data.is_empty() {
        return generate(config, HELD_OUT, config.seed.wrapping_add(HELD_OUT_SEED), device);
    }
    Ok(split(config)?.1)
}

fn generate(config: &Config, count: usize, seed: u64, device: &mut dyn Device) -> Result<ClassMaps> {
    Ok(match World::of(config).family() {
        Family::Circles(world) => world.generate(count, seed),
        Family::CircleSquare(world) => world.generate(count, seed),
        Family::VolumeFraction | Family::Correlation { .. } => {
            TwoPhaseWorld { size: config.size }.generate(device, count, seed, &mut |_, _| {})?
        }
        Family::Fractions { .. } => polycrystal(config).generate(count, seed),
    })
}

/// The polycrystals that a configuration describes.
fn polycrystal(config: &Config) -> PolycrystalWorld {
    PolycrystalWorld {
        size: config.size,
        grains: config.grains,
        spread: config.spread,
        periodic: false,
        orientations: config.orientations,
        concentration: config.concentration,
        coarsen: 0,
    }
}

/// A file's images for training, and its last tenth (at most 1,024 images), which is held out.
fn split(config: &Config) -> Result<(ClassMaps, ClassMaps)> {
    let path = Path::new(&config.data);
    let mut images = read_npz(path)?;
    let world = World::of(config);
    if !world.needs_table() {
        let problem = "data of these worlds is drawn: leave data empty, or choose another world";
        return Err(Error::file(path, problem));
    }
    let classes = world.classes();
    if [images.height, images.width] != [config.size; 2] {
        let (h, w, size) = (images.height, images.width, config.size);
        return Err(Error::file(
            path,
            format!(
                "holds images of {h} x {w}, the configuration says size = {size}: set size, or invnet data import --size {size}"
            ),
        ));
    }
    if images.classes != classes {
        let found = images.classes;
        return Err(Error::file(
            path,
            format!("holds {found} classes, this world has {classes}: set orientations or world"),
        ));
    }
    let kept = (images.count / 10).min(HELD_OUT);
    if kept < 2 {
        return Err(Error::file(path, format!("holds {} images: training needs 20 at least", images.count)));
    }
    let held_out = images.split_off(images.count - kept);
    images.truncate(images.count - GAP.min(kept));
    Ok((images, held_out))
}

/// The condition vectors of class maps `[count, size, size]`, `[count, D]`.
///
/// # Errors
/// If the device fails.
pub fn measure(world: &World, maps: &[u8]) -> Result<Vec<f64>> {
    let (size, length) = (world.size(), world.condition_length());
    let pixels = size * size;
    let count = maps.len() / pixels;
    let mut store = Store::new(Cpu::<f32>::new());
    let batch = store.add_u8("maps", [BATCH, size, size], &vec![0; BATCH * pixels])?;
    let rows: Vec<u32> = (0..BATCH as u32).collect();
    let rows = store.add_u32("rows", [BATCH], &rows)?;
    let tape = Tape::new();
    let images = store.var(&tape, batch).one_hot(store.var(&tape, rows), world.classes());
    let plan = Plan::new(&tape, &[measure_all(&world.invariances(), images)], &store);
    let mut measured = Vec::with_capacity(count * length);
    for maps in maps.chunks(BATCH * pixels) {
        let mut padded = maps.to_vec();
        padded.resize(BATCH * pixels, 0);
        store.write_bytes(batch, &padded)?;
        plan.run(&mut store)?;
        measured.extend_from_slice(&plan.read(&mut store, 0)?[..maps.len() / pixels * length]);
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::export::write_npz;

    #[test]
    fn neighbours_of_held_out_images_are_not_trained_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.npz");
        let mut config = Config::preset("polycrystal-quick").unwrap();
        config.set_all(["size=16", "grains=6"], "test").unwrap();
        let all = polycrystal(&config).generate(200, 1);
        write_npz(&file, &all).unwrap();
        config.data = file.to_str().unwrap().into();
        let Dataset { images, held_out } = Dataset::of(&config, &mut Cpu::<f32>::new()).unwrap();
        assert_eq!((images.count, held_out.count), (200 - 20 - GAP, 20));
        assert!(all.maps.starts_with(&images.maps) && all.maps.ends_with(&held_out.maps));
    }
}
