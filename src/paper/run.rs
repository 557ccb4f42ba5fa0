//! A training in a folder: `config.toml`, `checkpoint.safetensors` and `history.json`, its losses, errors
//! and times. It goes on from its last checkpoint, to the same bits as without a break.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use crate::data::export::{remove_leftovers, write_atomically};
use crate::data::figure::Figure;
use crate::device::Kind;
use crate::error::{Error, Result};
use crate::eval::shapes::figure;
use crate::train::{Config, LogRow, Sampler, Trainer};

const CONFIG: &str = "config.toml";
const HISTORY: &str = "history.json";
const CHECKPOINT: &str = "checkpoint.safetensors";

/// Targets at which errors are followed, and how often in a run.
const FOLLOWED: usize = 64;
const TIMES: u64 = 30;
const TARGET_SEED: u64 = 0x7A28;
const NOISE_SEED: u64 = 0x5EEF;

/// What is kept of a training beside its checkpoint. Losses are single precision, as they were computed,
/// so that they are read back to the bit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    /// Iterations of the checkpoint that belongs to it.
    pub iteration: u64,
    /// Losses by name, now and then.
    pub losses: Vec<(u64, BTreeMap<String, f32>)>,
    /// Error of what is asked, in pixels, now and then, of runs that are followed.
    pub errors: Vec<(u64, f32)>,
    /// Wall time.
    pub seconds: f64,
    /// Processor time of all threads, where the system tells it.
    pub processor_seconds: Option<f64>,
    /// Why it ended early: a loss that was not finite.
    pub diverged: Option<String>,
    /// Whether it ended.
    pub done: bool,
}

impl History {
    /// A loss over the iterations.
    pub fn curve(&self, loss: &str) -> Vec<(f64, f64)> {
        self.losses.iter().filter_map(|(i, row)| Some((*i as f64, f64::from(*row.get(loss)?)))).collect()
    }
}

/// A training that has ended.
pub struct Run {
    /// Its folder.
    pub folder: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// What happened.
    pub history: History,
}

impl Run {
    /// Its generator.
    ///
    /// # Errors
    /// If the checkpoint cannot be read.
    pub fn sampler(&self, kind: Kind) -> Result<Sampler> {
        Ok(Sampler::open(&self.folder, kind)?.1)
    }

    /// Updates of the generator.
    pub fn updates(&self) -> u64 {
        (self.config.train.n_g + self.config.train.n_i) as u64 * self.history.iteration
    }

    /// Images that networks saw, real and generated.
    pub fn images_seen(&self) -> u64 {
        let train = &self.config.train;
        let each = (train.n_g + 2 * train.n_d + train.n_i) * train.batch;
        each as u64 * self.history.iteration
    }
}

/// The history of a training with that configuration, if the folder holds one.
pub fn history_of(folder: &Path, config: &Config) -> Option<History> {
    let text = fs::read_to_string(folder.join(CONFIG)).ok()?;
    let same = Config::from_toml(&text, CONFIG).ok()? == *config;
    let text = fs::read_to_string(folder.join(HISTORY)).ok()?;
    let history = serde_json::from_str(&text).ok()?;
    (same && folder.join(CHECKPOINT).exists()).then_some(history)
}

/// Trains to the end, or goes on. `worked` hears of every few iterations, as (done, of), and may stop it.
///
/// # Errors
/// What `worked` says; if a file or the device fails. A loss that is not finite is no error: the history
/// says it, and the last checkpoint stays.
pub fn train(
    folder: PathBuf,
    config: Config,
    followed: bool,
    kind: Kind,
    worked: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<Run> {
    let known = history_of(&folder, &config);
    if let Some(history) = known.as_ref().filter(|h| h.done) {
        return Ok(Run { folder, config, history: history.clone() });
    }
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    remove_leftovers(&folder)?;
    worked(known.as_ref().map_or(0, |h| h.iteration), config.train.iterations)?;
    let mut trainer = match known {
        Some(_) => Trainer::resume(&config, kind, &folder.join(CHECKPOINT))?,
        None => Trainer::on(&config, kind)?,
    };
    let mut history = History::default();
    if let Some(known) = known {
        history = known;
        history.losses.retain(|(i, _)| *i <= trainer.iteration());
        history.errors.retain(|(i, _)| *i <= trainer.iteration());
    } else {
        // The configuration last: with it the folder is a run.
        save(&mut trainer, &folder, &mut history)?;
        let text = config.to_toml();
        write_atomically(folder.join(CONFIG), |file| file.write_all(text.as_bytes()))?;
    }
    let (before, clock) = ((history.seconds, history.processor_seconds), Clock::start());
    let total = config.train.iterations;
    let follow = total.div_ceil(TIMES);
    let (log, keep) = (config.train.log_every, config.train.checkpoint_every);
    while trainer.iteration() < total {
        let at = trainer.iteration();
        let until = |every: u64| every - at % every;
        let count = until(log).min(until(keep)).min(until(follow)).min(total - at);
        let rows = match trainer.advance(count, &|| false) {
            Ok(rows) => rows,
            Err(error @ Error::Diverged { .. }) => {
                history.diverged = Some(error.to_string());
                break;
            }
            Err(error) => return Err(error),
        };
        let now = trainer.iteration();
        let due = |every: u64| now.is_multiple_of(every) || now == total;
        if let Some(LogRow { values, .. }) = rows.last().filter(|_| due(log)) {
            let values = values.iter().map(|(name, value)| (name.clone(), *value as f32));
            history.losses.push((now, values.collect()));
        }
        if followed && due(follow) {
            history.errors.push((now, error_of(&mut trainer)? as f32));
        }
        let (wall, processor) = clock.elapsed();
        history.seconds = before.0 + wall;
        history.processor_seconds = processor.map(|p| before.1.unwrap_or(0.0) + p);
        if due(keep) {
            save(&mut trainer, &folder, &mut history)?;
        }
        // Stopped, it goes on from here.
        if let Err(stop) = worked(now, total) {
            save(&mut trainer, &folder, &mut history)?;
            return Err(stop);
        }
    }
    history.done = true;
    write_history(&folder, &history)?;
    Ok(Run { folder, config, history })
}

/// The history first: one that is ahead of its checkpoint is cut back to it.
fn save(trainer: &mut Trainer, folder: &Path, history: &mut History) -> Result<()> {
    let before = std::mem::replace(&mut history.iteration, trainer.iteration());
    write_history(folder, history)?;
    match trainer.save(&folder.join(CHECKPOINT)) {
        // The next loss says it, and the last good checkpoint stays.
        Err(Error::Diverged { .. }) => {
            history.iteration = before;
            write_history(folder, history)
        }
        other => other,
    }
}

fn write_history(folder: &Path, history: &History) -> Result<()> {
    let text = serde_json::to_string(history).expect("numbers and names are JSON");
    write_atomically(folder.join(HISTORY), |file| writeln!(file, "{text}"))
}

/// The mean distance of figures from where they are asked, in pixels; of one that is not there the
/// distance of the image's middle.
fn error_of(trainer: &mut Trainer) -> Result<f64> {
    let mut sampler = trainer.sampler()?;
    let task = sampler.task().clone();
    let asked = task.sample_targets(FOLLOWED, TARGET_SEED);
    let samples = sampler.sample(&asked, NOISE_SEED)?;
    let ([h, w], mut distances) = (task.images().size, Vec::new());
    for (map, row) in samples.maps.chunks_exact(h * w).zip(asked.chunks_exact(task.columns().len())) {
        for (class, figure_asked) in (1u8..).zip(task.figures(row).unwrap_or_default()) {
            let found = figure(map, h, w, class);
            let [cx, cy] = match figure_asked {
                Figure::Disc(d) => [d.cx, d.cy],
                Figure::Square(s) => [s.cx, s.cy],
            };
            distances.push((found.cx - cx).hypot(found.cy - cy));
        }
    }
    Ok(distances.iter().sum::<f64>() / distances.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tiny() -> Config {
        let mut config = Config::preset("circles-acgan-quick").unwrap();
        let settings =
            "size=16 width=2 batch=4 images=40 latent=4 iterations=40 log_every=3 checkpoint_every=7";
        config.set_all(settings.split(' '), "test").unwrap();
        config
    }

    #[test]
    fn an_interrupted_training_goes_on_to_the_same_end() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| parent.path().join(name);
        let whole = train(folder("whole"), tiny(), true, Kind::Cpu, &mut |_, _| Ok(())).unwrap();
        assert_eq!((whole.history.iteration, whole.updates(), whole.images_seen()), (40, 40, 40 * 4 * 3));
        assert!(whole.history.errors.len() == 20 && whole.history.errors.iter().all(|e| e.1 > 0.0));
        let mut seen = Vec::new();
        for stop in [11, 25, 26] {
            let mut stopping = |done: u64, of: u64| {
                seen.push(done);
                assert_eq!(of, 40);
                if done >= stop { Err(Error::Failed("stop".into())) } else { Ok(()) }
            };
            assert!(train(folder("cut"), tiny(), true, Kind::Cpu, &mut stopping).is_err());
        }
        // Killed between the two files: the history is ahead of its checkpoint.
        let history = history_of(&folder("cut"), &tiny()).unwrap();
        let mut ahead = history.clone();
        ahead.losses.push((39, BTreeMap::new()));
        write_history(&folder("cut"), &ahead).unwrap();
        let cut = train(folder("cut"), tiny(), true, Kind::Cpu, &mut |done, _| {
            seen.push(done);
            Ok(())
        });
        let cut = cut.unwrap();
        assert!(seen.is_sorted(), "{seen:?}");
        assert_eq!((cut.history.losses, cut.history.errors), (whole.history.losses, whole.history.errors));
        let bytes = |name: &str| fs::read(folder(name).join(CHECKPOINT)).unwrap();
        assert!(bytes("cut") == bytes("whole"));
        // What is done is not done again, and another configuration starts anew.
        let again =
            train(folder("cut"), tiny(), true, Kind::Cpu, &mut |_, _| Err(Error::Failed("ran".into())));
        assert!(again.unwrap().history.done);
        let mut other = tiny();
        other.set("lr_g=1e-3", "test").unwrap();
        assert!(history_of(&folder("cut"), &other).is_none());
    }
}
