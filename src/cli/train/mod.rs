//! `invnet train`: a run directory from a configuration.
//!
//! Files of a run: `config.toml`, `metrics.jsonl`, `samples/*.png`, `checkpoint.safetensors`, and
//! at the end `losses.png`, `report.json`, `report.png`.

mod fault;
mod folder;
mod log;
mod resume;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;

use super::interrupt::{self, Signal};
use super::lock::Lock;
use super::output::{bar, note, print, say};
use super::{TrainArgs, room};
use crate::data::export::write_atomically;
use crate::device::Kind;
use crate::device::gpu::Precision;
use crate::error::{Error, Result};
use crate::eval::plot::{Curve, losses_png};
use crate::eval::report::Report;
use crate::eval::view::picture;
use crate::train::config::Training;
use crate::train::{Config, LogRow, Trainer, Watch};
use folder::{CHECKPOINT, CONFIG, LOSSES, METRICS, SAMPLES};
use log::Log;

/// The samples drawn through training: the same targets and noise each time.
const GRID: usize = 32;
const GRID_SEED: u64 = 1;

struct Run<'a> {
    args: &'a TrainArgs,
    folder: PathBuf,
    config: Config,
    trainer: Trainer,
    watch: Watch,
    log: Log,
    /// Seconds of training in earlier sessions of this run.
    earlier: f64,
    quiet: bool,
    /// Held as long as the run is.
    _lock: Lock,
}

/// Why training stopped.
enum Ending {
    Complete,
    OutOfTime,
    Interrupted(Signal),
}

/// Trains, or continues a run, then reports.
pub(super) fn run(args: &TrainArgs, quiet: bool) -> Result<()> {
    if args.seconds.is_some_and(|s| !(s > 0.0 && s.is_finite())) {
        return Err(Error::Usage("--seconds: must be a number above 0".into()));
    }
    let folder = match (&args.out, &args.preset) {
        (Some(out), _) => out.clone(),
        (None, Some(preset)) => folder::default_for(preset),
        (None, None) => return Err(Error::Usage("--resume: give the run's --out, or its preset".into())),
    };
    room::check_folder_name(&folder)?;
    if let Some(until) = args.until {
        return fault::repeat(args, &folder, until);
    }
    let mut run = match &args.preset {
        Some(preset) if !args.resume => Run::create(args, preset, folder, quiet)?,
        _ => Run::resume(args, folder, quiet)?,
    };
    args.device.announce(run.trainer.kind(), true, quiet);
    if !quiet {
        let precision = run.config.net.precision;
        match (run.trainer.kind(), precision) {
            (Kind::Cpu, Precision::Tf32) => {
                note!("precision = \"tf32\": the CPU computes in single precision");
            }
            (Kind::Cpu, Precision::Bf16) => note!("computing on {}", run.trainer.device_name()),
            _ => {}
        }
        run.trainer.warnings().iter().for_each(|warning| note!("{warning}"));
    }
    if let Some(port) = args.serve {
        super::serve::background(&run.folder, port)?;
    }
    interrupt::listen()?;
    let ending = match run.train(args.seconds) {
        Err(Error::Graph { device, problem }) => return Err(fault::find(run, device, problem)),
        Err(error) => return Err(run.advise(error)),
        Ok(ending) => ending,
    };
    // What follows can be had again from the checkpoint.
    interrupt::stop_listening();
    run.finish(&ending)
}

/// The configuration of a preset or of a file.
fn load(preset: &str) -> Result<Config> {
    if preset.ends_with(".toml") {
        let text = fs::read_to_string(preset).map_err(|e| Error::file(preset, e.to_string()))?;
        Config::from_toml(&text, preset)
    } else if Path::new(preset).is_file() {
        let problem = "is no preset, nor a configuration, which ends in .toml: to train on a data set, give a preset \
                       and --set data=FILE.npz";
        Err(Error::file(preset, problem))
    } else {
        Config::preset(preset)
    }
}

/// The configuration of the run in a folder, and its text.
fn stored(folder: &Path) -> Result<(String, Config)> {
    let file = folder.join(CONFIG);
    let text = fs::read_to_string(&file)
        .map_err(|e| Error::file(&file, format!("{e}: there is no run to resume")))?;
    let config = Config::from_toml(&text, &file.display().to_string())?;
    Ok((text, config))
}

/// Changes what the options say.
fn apply(config: &mut Config, args: &TrainArgs) -> Result<()> {
    config.set_all(args.set.iter().map(String::as_str), "--set")?;
    if let Some(iterations) = args.iterations {
        config.set(&format!("iterations={iterations}"), "--iterations")?;
    }
    if let Some(seed) = args.seed {
        config.set(&format!("seed={seed}"), "--seed")?;
    }
    Ok(())
}

/// What the log of a run says about its losses, if anything; nothing where there is no log.
pub(super) fn warning(run: &Path, config: &Config, size: [usize; 2]) -> Result<Option<String>> {
    let mut watch = Watch::new(size, config.train.lambda_gp);
    for row in log::read(&run.join(METRICS))? {
        watch.see(row.iteration, row.losses());
    }
    Ok(watch.warning())
}

/// The kind of device, once it has been opened.
fn usable(kind: Kind, config: &Config) -> Result<Kind> {
    kind.open(config.net.precision).map(|_| kind)
}

/// Says what is being waited for: simulating a large data set takes minutes.
fn announce_data(config: &Config, quiet: bool) -> Result<()> {
    if quiet {
        return Ok(());
    }
    let images = config.data.options().whole("images");
    let from = if config.data.is_file() { "reading" } else { "making" };
    say!("{from} up to {images} images: {}", config.data.name())
}

impl<'a> Run<'a> {
    fn create(args: &'a TrainArgs, preset: &str, folder: PathBuf, quiet: bool) -> Result<Self> {
        let mut config = load(preset)?;
        apply(&mut config, args)?;
        resume::make_findable(&mut config)?;
        folder::check_room(&folder, args.overwrite)?;
        let kind = usable(args.device.kind(), &config)?;
        let lock = Lock::take(&folder)?;
        // Another process may have made a run since.
        folder::check_room(&folder, args.overwrite)?;
        announce_data(&config, quiet)?;
        let mut trainer = Trainer::on(&config, kind).map_err(|e| e.of(preset))?;
        // Not before: a device that is not there, or data that cannot be read, cost no earlier run.
        folder::clear(&folder)?;
        // A run can be resumed from the moment it is one.
        trainer.save(&folder.join(CHECKPOINT))?;
        write_config(&folder, &config, preset)?;
        let watch = Watch::new(trainer.images().size, config.train.lambda_gp);
        let log = Log::open(folder.join(METRICS), &[])?;
        Ok(Self { args, folder, config, trainer, watch, log, earlier: 0.0, quiet, _lock: lock })
    }

    /// A run continues with its own configuration from its last checkpoint; rows of the log that
    /// the checkpoint does not know are written again.
    fn resume(args: &'a TrainArgs, folder: PathBuf, quiet: bool) -> Result<Self> {
        let (text, stored) = stored(&folder)?;
        if let Some(preset) = &args.preset {
            resume::check_preset(preset, &text, &folder)?;
        }
        let lock = Lock::take(&folder)?;
        folder::remove_leftovers(&folder)?;
        let config = resume::changed(&stored, args)?;
        let checkpoint = folder.join(CHECKPOINT);
        if !checkpoint.exists() {
            let problem = "is missing: there is nothing to resume from; --overwrite starts the run again";
            return Err(Error::file(&checkpoint, problem));
        }
        announce_data(&config, quiet)?;
        let trainer = Trainer::resume(&config, args.device.kind(), &checkpoint)?;
        let done = trainer.iteration();
        if config.train.iterations < done {
            let problem =
                format!("--iterations {}: the run has done {done} already", config.train.iterations);
            return Err(Error::Usage(problem));
        }
        if config != stored {
            write_config(&folder, &config, resume::made_with(&text).unwrap_or_default())?;
        }
        let mut kept = log::read(&folder.join(METRICS))?;
        kept.retain(|row| row.iteration <= done);
        let mut watch = Watch::new(trainer.images().size, config.train.lambda_gp);
        for row in &kept {
            watch.see(row.iteration, row.losses());
        }
        let earlier = kept.last().and_then(|row| row.number("seconds")).unwrap_or(0.0);
        let log = Log::open(folder.join(METRICS), &kept)?;
        Ok(Self { args, folder, config, trainer, watch, log, earlier, quiet, _lock: lock })
    }

    /// What to do about a run that failed.
    fn advise(&self, error: Error) -> Error {
        if !matches!(error, Error::Diverged { .. }) {
            return error;
        }
        let Training { lr_g, lr_d, lr_i, .. } = self.config.train;
        let lower = [("lr_g", lr_g), ("lr_d", lr_d), ("lr_i", lr_i)];
        let more: Vec<String> =
            lower.iter().flat_map(|(key, rate)| ["--set".into(), format!("{key}={}", rate / 2.0)]).collect();
        let command = resume::command(self.args, &self.folder, &more);
        Error::Failed(format!(
            "{error}; the last good checkpoint is kept: go on from it at half the rates: {command}"
        ))
    }

    fn train(&mut self, seconds: Option<f64>) -> Result<Ending> {
        let bar = self.progress_bar();
        let start = Instant::now();
        let late = || seconds.is_some_and(|s| start.elapsed().as_secs_f64() >= s);
        let stop = || interrupt::caught().is_some() || late();
        let Training { log_every, checkpoint_every, sample_every, iterations, .. } = self.config.train;
        while self.trainer.iteration() < iterations {
            if stop() {
                break;
            }
            // Up to the next thing to do: a row, a checkpoint, a grid, the end.
            let at = self.trainer.iteration();
            let until = |every: u64| if every == 0 { u64::MAX } else { every - at % every };
            let count =
                until(log_every).min(until(checkpoint_every)).min(until(sample_every)).min(iterations - at);
            // A loss that is not finite ends the run here, before any file is touched.
            let rows = self.trainer.advance(count, &stop)?;
            let now = self.trainer.iteration();
            let due = |every: u64| every > 0 && now.is_multiple_of(every);
            if let Some(row) = rows.last() {
                if due(log_every) || now == iterations {
                    self.log.add(row, self.earlier + start.elapsed().as_secs_f64())?;
                    self.look_at(row, &bar);
                }
                self.show(&bar, row);
            }
            if due(sample_every) {
                self.draw_samples()?;
            }
            // Last: a run goes on from here, so that all else must be there.
            if due(checkpoint_every) || now == iterations {
                self.save()?;
            }
        }
        bar.finish_and_clear();
        if self.trainer.iteration() >= iterations {
            return Ok(Ending::Complete);
        }
        self.save()?;
        Ok(interrupt::caught().map_or(Ending::OutOfTime, Ending::Interrupted))
    }

    fn save(&mut self) -> Result<()> {
        self.log.sync()?;
        self.trainer.save(&self.folder.join(CHECKPOINT))
    }

    /// Warns when the run begins to blow up.
    fn look_at(&mut self, row: &LogRow, bar: &ProgressBar) {
        if self.watch.see(row.iteration, row.values.iter().map(|(name, value)| (name.as_str(), *value)))
            && let Some(warning) = self.watch.warning()
        {
            bar.suspend(|| note!("warning: {warning}; lower rates or a higher lambda_gp may help"));
        }
    }

    fn draw_samples(&mut self) -> Result<()> {
        let folder = self.folder.join(SAMPLES);
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let mut sampler = self.trainer.sampler()?;
        let asked = sampler.task().sample_targets(GRID, GRID_SEED);
        let samples = sampler.sample(&asked, GRID_SEED)?;
        picture(sampler.task(), &samples.maps, &asked, 8)
            .write_png(folder.join(format!("{:06}.png", self.trainer.iteration())))
    }

    fn progress_bar(&self) -> ProgressBar {
        let text = "{pos}/{len}  {per_sec}  {eta} left  {msg}";
        let bar = bar(self.config.train.iterations, text, self.quiet);
        bar.set_position(self.trainer.iteration());
        bar.reset_eta();
        bar
    }

    /// Losses on the bar, or now and then as a line where there is no terminal.
    fn show(&self, bar: &ProgressBar, row: &LogRow) {
        let short = [("wasserstein", "W"), ("margin", "margin"), ("gradient_penalty", "GP")];
        let asked = self.config.asks.iter().map(|ask| (ask.name(), ask.name()));
        let parts = short
            .into_iter()
            .chain(asked)
            .filter_map(|(name, label)| Some(format!("{label} {:.2e}", row.get(name)?)));
        let losses = parts.collect::<Vec<_>>().join("  ");
        let done = row.iteration;
        bar.set_position(done);
        let every = (self.config.train.iterations / 10).max(1);
        if !self.quiet && bar.is_hidden() && done.is_multiple_of(every) {
            note!("iteration {done} of {}  {losses}", self.config.train.iterations);
        }
        bar.set_message(losses);
    }

    /// Plots, measures, and says where everything is.
    fn finish(&mut self, ending: &Ending) -> Result<()> {
        self.plot_losses()?;
        let shown = self.folder.display().to_string();
        let at = self.trainer.iteration();
        match ending {
            Ending::Interrupted(signal) => {
                let command = resume::command(self.args, &self.folder, &[]);
                let message = format!("{signal}: stopped after iteration {at}; continue with: {command}");
                return Err(Error::Interrupted { exit_code: signal.exit_code(), message });
            }
            Ending::OutOfTime if !self.quiet => note!("time is up after iteration {at}"),
            _ => {}
        }
        let mut sampler = self.trainer.sampler()?;
        let mut report = Report::measure(&mut sampler, self.trainer.real(), self.config.train.eval_samples)?;
        report.warnings.splice(0..0, self.watch.warning());
        report.write(&self.folder)?;
        self.draw_samples()?;
        print(report.table())?;
        if !self.quiet {
            let mib = self.trainer.device_bytes() as f64 / f64::from(1 << 20);
            say!("memory              {mib:8.0} MiB: leaves, planned arena, working space")?;
            say!("see {shown}/report.png, {shown}/losses.png, {shown}/samples, {shown}/report.json")?;
        }
        Ok(())
    }

    fn plot_losses(&self) -> Result<()> {
        let rows = log::read(&self.folder.join(METRICS))?;
        let curve = |key: &str, name: &str, log: bool| {
            let points =
                rows.iter().filter_map(|row| Some((row.iteration as f64, row.number(key)?))).collect();
            Curve { name: name.into(), points, log }
        };
        let mut curves = vec![
            curve("wasserstein", "Wasserstein estimate", false),
            curve("margin", "scores of real images less those of generated ones", false),
            curve("gradient_penalty", "gradient penalty", true),
            curve("invariance_loss", "invariance loss", true),
            curve("label_loss", "error of the critic's estimate of r", true),
            curve("label_pull", "the same of generated images", true),
        ];
        // Which losses there are depends on the objective and on the steps of an iteration.
        curves.retain(|curve| !curve.points.is_empty());
        losses_png(self.folder.join(LOSSES), "Training", &curves)
    }
}

fn write_config(folder: &Path, config: &Config, preset: &str) -> Result<()> {
    let text = resume::file_text(config, preset);
    write_atomically(folder.join(CONFIG), |file| file.write_all(text.as_bytes()))
}
