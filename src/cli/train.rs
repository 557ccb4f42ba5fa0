//! `invnet train`: a run directory from a configuration.
//!
//! Files of a run: `config.toml`, `metrics.jsonl`, `samples/*.png`, `checkpoint.safetensors`, and
//! at the end `losses.png`, `report.json`, `report.png`.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::TrainArgs;
use crate::data::export::write_atomically;
use crate::device::Kind;
use crate::error::{Error, Result};
use crate::eval::plot::{Curve, losses_png};
use crate::eval::report::Report;
use crate::eval::view::picture;
use crate::train::{Config, LogRow, Trainer};

/// Everything a run writes, and so everything `--overwrite` removes.
const FILES: [&str; 6] =
    ["config.toml", "metrics.jsonl", "checkpoint.safetensors", "losses.png", "report.json", "report.png"];
const SAMPLES: &str = "samples";

/// The samples drawn through training: the same targets and noise each time.
const GRID: usize = 32;
const GRID_SEED: u64 = 1;

/// Set by Ctrl-C; the iteration at hand is finished.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

struct Run {
    folder: PathBuf,
    config: Config,
    trainer: Trainer,
    /// Seconds of training in earlier sessions of this run.
    earlier: f64,
    quiet: bool,
}

/// Why training stopped.
enum Ending {
    Complete,
    OutOfTime,
    Interrupted,
}

/// Trains, or continues a run, then reports.
pub(super) fn run(args: &TrainArgs, quiet: bool) -> Result<()> {
    if args.seconds.is_some_and(|s| !(s > 0.0 && s.is_finite())) {
        return Err(Error::Usage("--seconds: must be a number above 0".into()));
    }
    let folder = args.out.clone().unwrap_or_else(|| Path::new("runs").join(stem(&args.preset)));
    let mut run =
        if args.resume { Run::resume(args, folder, quiet)? } else { Run::create(args, folder, quiet)? };
    args.device.announce(run.trainer.kind(), quiet);
    catch_interrupts()?;
    let ending = run.train(args.seconds)?;
    run.finish(&ending, &args.preset)
}

fn stem(preset: &str) -> String {
    let name = Path::new(preset).file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn catch_interrupts() -> Result<()> {
    // The handler belongs to the process, and a second Ctrl-C must end it.
    static SET: OnceLock<bool> = OnceLock::new();
    let set = *SET.get_or_init(|| {
        ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        })
        .is_ok()
    });
    if set { Ok(()) } else { Err(Error::Failed("cannot listen for Ctrl-C".into())) }
}

fn load_config(args: &TrainArgs) -> Result<Config> {
    let mut config = if args.preset.ends_with(".toml") {
        let text = fs::read_to_string(&args.preset).map_err(|e| Error::file(&args.preset, e.to_string()))?;
        Config::from_toml(&text, &args.preset)?
    } else {
        Config::preset(&args.preset)?
    };
    config.set_all(args.set.iter().map(String::as_str), "--set")?;
    if let Some(iterations) = args.iterations {
        config.set(&format!("iterations={iterations}"), "--iterations")?;
    }
    if let Some(seed) = args.seed {
        config.set(&format!("seed={seed}"), "--seed")?;
    }
    Ok(config)
}

/// The kind of device, once it has been opened.
fn usable(kind: Kind, config: &Config) -> Result<Kind> {
    kind.open(config.precision).map(|_| kind)
}

/// Says what is being waited for: simulating a large data set takes minutes.
fn announce_data(config: &Config, quiet: bool) {
    if !quiet {
        let from = if config.data.is_empty() { "making" } else { "reading" };
        println!("{from} up to {} images of {1} x {1}", config.images, config.size);
    }
}

/// Says why there is no room for a new run, if there is none.
fn check_room(folder: &Path, overwrite: bool) -> Result<()> {
    if fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none()) {
        return Ok(());
    }
    if !folder.join("config.toml").exists() {
        return Err(Error::file(folder, "is not empty and not a run: choose another --out"));
    }
    if !overwrite {
        return Err(Error::file(folder, "holds a run: --resume continues it, --overwrite replaces it"));
    }
    Ok(())
}

/// Makes room for a new run.
fn clear(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    for file in FILES {
        let path = folder.join(file);
        if path.exists() {
            fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        }
    }
    let samples = folder.join(SAMPLES);
    if samples.exists() {
        fs::remove_dir_all(&samples).map_err(|e| Error::io(&samples, e))?;
    }
    Ok(())
}

impl Run {
    fn create(args: &TrainArgs, folder: PathBuf, quiet: bool) -> Result<Self> {
        let config = load_config(args)?;
        check_room(&folder, args.overwrite)?;
        let kind = usable(args.device.kind(), &config)?;
        announce_data(&config, quiet);
        let trainer = Trainer::on(&config, kind)?;
        // Not before: a device that is not there, or data that cannot be read, cost no earlier run.
        clear(&folder)?;
        write_atomically(folder.join("config.toml"), |file| file.write_all(config.to_toml().as_bytes()))?;
        Ok(Self { folder, config, trainer, earlier: 0.0, quiet })
    }

    /// A run continues with its own configuration from its last checkpoint; rows of the log that
    /// the checkpoint does not know are written again.
    fn resume(args: &TrainArgs, folder: PathBuf, quiet: bool) -> Result<Self> {
        let file = folder.join("config.toml");
        let text = fs::read_to_string(&file)
            .map_err(|e| Error::file(&file, format!("{e}: there is no run to resume")))?;
        let config = Config::from_toml(&text, &file.display().to_string())?;
        announce_data(&config, quiet);
        let mut trainer = Trainer::on(&config, args.device.kind())?;
        let checkpoint = folder.join("checkpoint.safetensors");
        if checkpoint.exists() {
            trainer.load(&checkpoint)?;
        }
        let mut run = Self { folder, config, trainer, earlier: 0.0, quiet };
        let rows = run.logged_rows()?;
        let kept: Vec<&(u64, String)> = rows.iter().filter(|(i, _)| *i < run.trainer.iteration()).collect();
        run.earlier = kept.last().and_then(|(_, line)| number(line, "seconds")).unwrap_or(0.0);
        write_atomically(run.metrics(), |file| {
            kept.iter().try_for_each(|(_, line)| writeln!(file, "{line}"))
        })?;
        Ok(run)
    }

    fn metrics(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    /// Lines of the log with their iterations; a line cut short by a kill is left out.
    fn logged_rows(&self) -> Result<Vec<(u64, String)>> {
        let path = self.metrics();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        Ok(text.lines().filter_map(|l| Some((number(l, "iteration")? as u64, l.to_owned()))).collect())
    }

    fn train(&mut self, seconds: Option<f64>) -> Result<Ending> {
        let bar = self.progress_bar();
        let start = Instant::now();
        let late = || seconds.is_some_and(|s| start.elapsed().as_secs_f64() >= s);
        let stop = || INTERRUPTED.load(Ordering::SeqCst) || late();
        let path = self.metrics();
        let mut log =
            fs::OpenOptions::new().create(true).append(true).open(&path).map_err(|e| Error::io(&path, e))?;
        let Config { log_every, checkpoint_every, sample_every, iterations, .. } = self.config;
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
                    let line = self.json(row, self.earlier + start.elapsed().as_secs_f64());
                    writeln!(log, "{line}").map_err(|e| Error::io(&path, e))?;
                }
                self.show(&bar, row);
            }
            if due(checkpoint_every) || now == iterations {
                self.save()?;
            }
            if due(sample_every) {
                self.draw_samples()?;
            }
        }
        bar.finish_and_clear();
        if self.trainer.iteration() >= iterations {
            return Ok(Ending::Complete);
        }
        self.save()?;
        Ok(if INTERRUPTED.load(Ordering::SeqCst) { Ending::Interrupted } else { Ending::OutOfTime })
    }

    fn save(&mut self) -> Result<()> {
        let path = self.folder.join("checkpoint.safetensors");
        self.trainer.save(&path)
    }

    fn json(&self, row: &LogRow, seconds: f64) -> serde_json::Value {
        let mut object = serde_json::Map::new();
        object.insert("iteration".into(), row.iteration.into());
        object.insert("seconds".into(), ((seconds * 1000.0).round() / 1000.0).into());
        for (name, value) in &row.values {
            object.insert((*name).to_owned(), (*value).into());
        }
        object.into()
    }

    fn draw_samples(&mut self) -> Result<()> {
        let folder = self.folder.join(SAMPLES);
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let mut sampler = self.trainer.sampler()?;
        let asked = sampler.world().sample_targets(GRID, GRID_SEED);
        let samples = sampler.sample(&asked, GRID_SEED)?;
        picture(sampler.world(), &samples.maps, &asked, 8)
            .write_png(folder.join(format!("{:06}.png", self.trainer.iteration())))
    }

    fn progress_bar(&self) -> ProgressBar {
        let visible = !self.quiet && std::io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(self.config.iterations), target);
        let template = "{bar:24} {pos}/{len}  {per_sec}  {eta} left  {msg}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_position(self.trainer.iteration());
        bar.reset_eta();
        bar
    }

    /// Losses on the bar, or now and then as a line where there is no terminal.
    fn show(&self, bar: &ProgressBar, row: &LogRow) {
        let short = [
            ("wasserstein", "W"),
            ("gradient_penalty", "GP"),
            ("area", "area"),
            ("centroid", "centroid"),
            ("volume_fraction", "p1"),
            ("correlation", "S2"),
            ("fractions", "fractions"),
        ];
        let parts = short.iter().filter_map(|(name, label)| Some(format!("{label} {:.2e}", row.get(name)?)));
        let losses = parts.collect::<Vec<_>>().join("  ");
        let done = row.iteration + 1;
        bar.set_position(done);
        let every = (self.config.iterations / 10).max(1);
        if !self.quiet && bar.is_hidden() && done.is_multiple_of(every) {
            eprintln!("iteration {done} of {}  {losses}", self.config.iterations);
        }
        bar.set_message(losses);
    }

    /// Plots, measures, and says where everything is.
    fn finish(&mut self, ending: &Ending, preset: &str) -> Result<()> {
        self.plot_losses()?;
        let shown = self.folder.display().to_string();
        let at = self.trainer.iteration();
        match ending {
            Ending::Interrupted => {
                let out = if self.folder == Path::new("runs").join(stem(preset)) {
                    String::new()
                } else {
                    format!(" --out {shown}")
                };
                eprintln!("stopped after iteration {at}; continue with: invnet train {preset} --resume{out}");
                return Ok(());
            }
            Ending::OutOfTime if !self.quiet => eprintln!("time is up after iteration {at}"),
            _ => {}
        }
        let mut sampler = self.trainer.sampler()?;
        let report = Report::measure(&mut sampler, self.trainer.held_out(), self.config.eval_samples)?;
        report.write(&self.folder)?;
        self.draw_samples()?;
        print!("{}", report.table());
        if !self.quiet {
            let mib = self.trainer.device_bytes() as f64 / f64::from(1 << 20);
            println!("memory              {mib:8.0} MiB: leaves, planned arena, working space");
            println!("see {shown}/report.png, {shown}/losses.png, {shown}/samples, {shown}/report.json");
        }
        Ok(())
    }

    fn plot_losses(&self) -> Result<()> {
        let rows = self.logged_rows()?;
        let curve = |key: &str, name: &str, log: bool| {
            let points = rows.iter().filter_map(|(i, line)| Some((*i as f64, number(line, key)?))).collect();
            Curve { name: name.into(), points, log }
        };
        let curves = [
            curve("wasserstein", "Wasserstein estimate", false),
            curve("gradient_penalty", "gradient penalty", true),
            curve("invariance_loss", "invariance loss", true),
        ];
        losses_png(self.folder.join("losses.png"), "Training", &curves)
    }
}

/// A number of a line of JSON.
fn number(line: &str, key: &str) -> Option<f64> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get(key)?.as_f64()
}
