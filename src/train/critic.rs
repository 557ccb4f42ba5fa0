//! The trained critic alone: how much an image looks like the real ones, to whom it learned from.

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::model::Network;
use super::phases::net;
use super::task::Task;
use crate::device::Kind;
use crate::error::Result;
use crate::first_use;
use crate::nn::{self, Init, Net};
use crate::op::LeafId;
use crate::plan::Plan;
use crate::store::Store;
use crate::tape::Tape;

/// Images that are judged at a time.
const BATCH: usize = 8;

/// A critic, ready to judge class maps of the size that it was trained on.
pub struct Critic {
    pixels: usize,
    store: Store,
    maps: LeafId,
    plan: Plan,
}

impl Critic {
    /// The critic of a checkpoint, of which `task` is; none where it judges more than an image. One that sees how
    /// images of a group differ is told that they do not.
    ///
    /// # Errors
    /// If the checkpoint cannot be read, or the device is not there.
    pub fn open(config: &Config, task: &Task, path: &Path, kind: Kind) -> Result<Option<Self>> {
        if !config.objective.make().judges_images() {
            return Ok(None);
        }
        let checkpoint = Checkpoint::read(path)?;
        let (images, [h, w]) = (task.images(), task.images().size);
        let net = net(config, task);
        let net = Net { minibatch_std: net.minibatch_std.min(1), ..net };
        let mut parameters = nn::critic_parameters(&net);
        parameters.iter_mut().for_each(|p| p.init = Init::Constant(0.0));
        let mut store = Store::on(first_use::open(kind, config.net.precision)?);
        let network = Network::add(&mut store, "critic", &parameters, &[], 0, 0)?;
        checkpoint.restore(&mut store, &[], path)?;
        let maps = store.add_u8("maps", [BATCH, h, w], &vec![0; BATCH * images.pixels()])?;
        let rows = store.add_u32("rows", [BATCH], &(0..BATCH as u32).collect::<Vec<_>>())?;
        let tape = Tape::new();
        let x = store.var(&tape, maps).one_hot(store.var(&tape, rows), images.classes);
        let scores = nn::critic(&net, &network.weights(&store, &tape), x);
        let plan = Plan::new(&tape, &[scores], &store);
        Ok(Some(Self { pixels: images.pixels(), store, maps, plan }))
    }

    /// The score of each class map of `[N, H, W]`: larger is more like a real image. Scores of one run
    /// can be compared, those of two cannot.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If these are no whole maps.
    pub fn score(&mut self, maps: &[u8]) -> Result<Vec<f32>> {
        assert!(maps.len().is_multiple_of(self.pixels), "whole maps of {} pixels", self.pixels);
        let mut scores = Vec::with_capacity(maps.len() / self.pixels);
        for maps in maps.chunks(BATCH * self.pixels) {
            let mut padded = maps.to_vec();
            padded.resize(BATCH * self.pixels, 0);
            self.store.write_bytes(self.maps, &padded)?;
            self.plan.run(&mut self.store)?;
            let found = self.plan.read(&mut self.store, 0)?;
            scores.extend(found[..maps.len() / self.pixels].iter().map(|&v| v as f32));
        }
        Ok(scores)
    }
}
