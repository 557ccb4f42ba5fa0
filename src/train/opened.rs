//! Runs as they lie on disk: a checkpoint, its configuration, what its generator can be asked for and at which sizes.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::phases::{TABLE, net};
use super::sampler::Sampler;
use super::task::Task;
use crate::error::{Error, Result};
use crate::nn::Net;

/// A task at the size of images that is asked for, and their base grid.
pub(super) fn at_size(
    config: &Config,
    trained: &Task,
    size: Option<[usize; 2]>,
) -> Result<(Task, [usize; 2])> {
    let net = net(config, trained);
    match size.filter(|&size| size != net.size) {
        None => Ok((trained.clone(), net.base().grid)),
        Some([h, w]) => {
            let origin = format!("size {h}x{w}");
            let grid = grid_of(&net, [h, w]).map_err(|p| Error::Usage(format!("{origin}: {p}")))?;
            Ok((trained.resized(config, [h, w], &origin)?, grid))
        }
    }
}

/// The base grid of images of another size than in training, or why there is none.
fn grid_of(net: &Net, size: [usize; 2]) -> Result<[usize; 2], String> {
    if !net.latent_map {
        let [h, w] = net.size;
        return Err(format!(
            "this run makes images of {h} x {w} only: train with net.latent_map = true for other sizes"
        ));
    }
    let step = 1 << net.levels();
    if size.iter().any(|side| *side == 0 || side % step != 0) {
        let [a, b] = size.map(|side| (side / step).max(1) * step);
        let [c, d] = size.map(|side| side.max(1).next_multiple_of(step));
        let nearest =
            if [a, b] == [c, d] { format!("is {a}x{b}") } else { format!("are {a}x{b} and {c}x{d}") };
        return Err(format!("sides must be multiples of {step}: the nearest {nearest}"));
    }
    Ok(size.map(|side| side / step))
}

/// The checkpoint of a run, its configuration and its file.
pub(super) fn read(run: &Path) -> Result<(Config, Checkpoint, PathBuf)> {
    let path = Sampler::checkpoint_of(run);
    if !run.exists() {
        return Err(Error::file(run, "no such directory of a run, and no such checkpoint"));
    }
    if !path.exists() {
        return Err(Error::file(&path, "no checkpoint yet: train first"));
    }
    let checkpoint = Checkpoint::read(&path)?;
    let config = checkpoint.description().config(&path.display().to_string())?;
    Ok((config, checkpoint, path))
}

/// What a checkpoint's generator can be asked for, with its table.
pub(super) fn task(config: &Config, checkpoint: &Checkpoint, path: &Path) -> Result<Task> {
    let task = checkpoint.description().task(config, &path.display().to_string())?;
    if !task.needs_table() {
        return Ok(task);
    }
    let length = task.columns().len();
    let rows = checkpoint.values(TABLE).filter(|v| !v.is_empty() && v.len().is_multiple_of(length));
    let rows = rows
        .ok_or_else(|| Error::file(path, format!("no tensor {TABLE}: the checkpoint is of another run")))?;
    task.with_table(&rows.iter().map(|&v| v as f32).collect::<Vec<f32>>())
}
