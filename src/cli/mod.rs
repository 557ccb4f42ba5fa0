//! The commands, one file each, and their arguments.

mod ask;
pub mod bench;
mod check;
mod data;
mod devices;
mod evaluate;
mod format;
mod generate;
mod gradcheck;
mod import;
mod interrupt;
mod lock;
mod matching;
mod model;
mod output;
mod paper;
mod presets;
mod room;
mod serve;
mod train;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::data::source;
use crate::device::Kind;
use crate::device::gpu::{Precision, cuda};
use crate::error::{Error, Result};
use crate::nn::Family;
use crate::train::objective::Choice;
use format::{FormatArg, also, beside};
use output::note;

/// Generative networks whose samples obey stated geometry and statistics.
#[derive(Parser)]
#[command(version, about, after_help = EXAMPLES, max_term_width = 80)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// Print results and errors only.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Threads to compute with [default: all].
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

const EXAMPLES: &str = "Examples:
  invnet train circles-quick
  invnet generate --run runs/circles-quick --count 16 --target r1=12,cx1=20
  invnet evaluate --run runs/circles-quick
  invnet presets circles-quick > mine.toml
  invnet train mine.toml --set width=24";

#[derive(Subcommand)]
enum Command {
    /// Train an InvNet and report how well it obeys.
    #[command(after_help = "Examples:
  invnet train circles-quick
  invnet train circles --iterations 500 --set width=32 --out runs/narrow
  invnet train two-phase-p1-quick
  invnet train polycrystal-quick --set data=mine.npz
  invnet train circles-quick --resume --iterations 2000

Ctrl-C, TERM and HUP save a checkpoint and exit with 130, 143 and 129; --seconds
reached is success.")]
    Train(TrainArgs),
    /// Generate samples with the properties asked for.
    #[command(after_help = "A property that a target leaves out is drawn from the data's distribution.
Targets are used in turn until there are COUNT samples, at least one for each.

Every sample is closed on its target: asked again, corrected by what was
missing, then moved pixel by pixel at its interfaces, then drawn again, until
what is measured of its pixels is within --within. certificate.csv and .json
say so for each; `invnet check` measures them again. Exit code 3 says that some
miss a target given. --one-shot takes what the generator makes at once.

Written: samples.npy (classes, [N, H, W]), asked.npy and measured.npy ([N, P];
NaN for a figure that is not there), measured.csv (both, every digit, empty
cells, and outside_range: the properties asked beyond what training saw),
samples.png (the first 64), generated.json (what they were made from),
certificate.csv and .json with tolerances.npy and effort.npy ([N, P]; [N, 5],
passes, steps, flips, tries, draw) unless --one-shot, and what --soft, --latents
and --format say. Memory does not grow with COUNT, but for
hdf5 and dream3d, which are put together in memory. Sample k depends on the
seed and on k alone. Ctrl-C, TERM and HUP leave the samples made so far in
every file; --resume goes on.

A table of targets is CSV in UTF-8, cells separated by commas, semicolons or
tabs (decimal commas with the last two). The program's own measured.csv and
samples.csv can be asked for again.

Properties: radii r1, r2 or areas area1, area2 and centres cx1, cy1, cx2, cy2 of
figures, in pixels; the volume fraction p1; a correlation s0, s1, ... at 0, 1,
... pixels; fractions f1, f2, ... of orientations.

Examples:
  invnet generate --run runs/circles-quick --count 8
  invnet generate --run runs/two-phase-p1-quick --count 16 --target p1=0.35 \\
    --format vti,png --spacing 0.5 --unit um
  invnet generate --run runs/polycrystal-quick --count 16 --target f1=0.4,f2=0.3
  invnet generate --run runs/circles-quick --count 4 \\
    --target r1=8,cx1=20,cy1=20,r2=12,cx2=44,cy2=40
  invnet generate --run runs/circles-quick --count 9 --targets asked.csv --soft")]
    Generate(GenerateArgs),
    /// Join the parts that `generate --shard` has written, checked, into one set.
    #[command(after_help = "Example:
  for i in 1 2 3 4; do
    invnet generate --run runs/circles-quick --count 1000000 --shard $i/4; done
  invnet gather runs/circles-quick/generated-*-of-4 --out million")]
    Gather(GatherArgs),
    /// Make samples with the properties of an image of your own.
    #[command(after_help = matching::NOTES)]
    Match(Box<matching::MatchArgs>),
    /// Measure samples again, from their pixels alone, against their certificate.
    #[command(after_help = check::NOTES)]
    Check(check::CheckArgs),
    /// Measure a trained network on random and on repeated targets.
    #[command(after_help = "Example:\n  invnet evaluate --run runs/circles-quick --samples 1000")]
    Evaluate(EvaluateArgs),
    /// Write a data set: of one of the worlds, or of your own images.
    Data {
        /// The world.
        #[command(subcommand)]
        world: data::DataCommand,
    },
    /// Measure a formula, or every property of a configuration, on images.
    #[command(after_help = ask::NOTES)]
    Ask(ask::AskArgs),
    /// Explore trained runs in a browser, or from a notebook: a page and a JSON interface.
    #[command(after_help = serve::NOTES)]
    Serve(serve::ServeArgs),
    /// Reproduce the figures and tables of the paper, or list them.
    #[command(after_help = paper::NOTES)]
    Paper(paper::PaperArgs),
    /// List the presets, or print one.
    Presets {
        /// The preset to print.
        name: Option<String>,
    },
    /// Check every derivative against finite differences, then against fixtures.
    Gradcheck {
        /// Fixture files or folders [default: fixtures, if it is there].
        paths: Vec<PathBuf>,
        /// Compare the fixtures only, computed in single precision on this device: cpu, cuda,
        /// cuda:N or simt.
        #[arg(long, value_name = "DEVICE")]
        device: Option<Kind>,
    },
    /// List the devices that can be used, and why others cannot; prove one.
    #[command(after_help = devices::NOTES)]
    Devices(devices::DevicesArgs),
    /// Measure speed.
    Bench {
        /// What to measure.
        #[command(subcommand)]
        what: BenchCommand,
    },
}

/// Reads a size.
fn size(text: &str) -> Result<[usize; 2], String> {
    source::parse_size(text).ok_or_else(|| "must be a number of pixels, or HxW".into())
}

/// The option that chooses a device.
#[derive(Args)]
struct DeviceArg {
    /// Device: auto (a GPU if there is one), cpu, cuda, cuda:N, or simt (the GPU's kernels on the
    /// CPU, for tests).
    #[arg(long, default_value = "auto", value_name = "DEVICE", value_parser = device)]
    device: DeviceChoice,
}

/// A device to compute on.
#[derive(Clone, Copy)]
enum DeviceChoice {
    /// The best there is.
    Auto,
    /// That one.
    Named(Kind),
}

fn device(name: &str) -> std::result::Result<DeviceChoice, String> {
    match name {
        "auto" => Ok(DeviceChoice::Auto),
        _ => name
            .parse()
            .map(DeviceChoice::Named)
            .map_err(|_| "must be auto, cpu, cuda, cuda:N or simt".into()),
    }
}

impl DeviceArg {
    /// The device that was asked for, or the best there is.
    fn kind(&self) -> Kind {
        match self.device {
            DeviceChoice::Named(kind) => kind,
            DeviceChoice::Auto => Kind::best(),
        }
    }

    /// Says that the choice fell on the CPU, once nothing else can go wrong: of a run, which may take
    /// hours, always; of anything else only where there is a CUDA device or driver that cannot be used.
    fn announce(&self, kind: Kind, run: bool, quiet: bool) {
        if let (DeviceChoice::Auto, Kind::Cpu, false) = (self.device, kind, quiet)
            && (run || !cuda::nothing_installed())
        {
            note!("computing on the CPU: no usable CUDA device (`invnet devices` says why)");
        }
    }
}

/// Arguments of `train`.
#[derive(Args)]
struct TrainArgs {
    /// A preset (see `invnet presets`) or a file that ends in .toml.
    #[arg(value_name = "PRESET|FILE.toml", required_unless_present = "resume")]
    preset: Option<String>,
    /// Run directory [default: runs/PRESET].
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArg,
    /// Iterations in all, instead of the configuration's; with --resume it lengthens the run.
    #[arg(long, value_name = "N")]
    iterations: Option<u64>,
    /// Stop training after this many seconds, then report.
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Go on to this iteration and write nothing: how a run looks for what failed in it.
    #[arg(long, hide = true, requires = "resume")]
    until: Option<u64>,
    /// Seed, instead of the configuration's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Set a configuration key; may be repeated. With --resume: learning rates and their decay, weights,
    /// lambda_gp, iterations, log_every, sample_every, checkpoint_every, eval_samples, data.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Continue the run in the directory from its last checkpoint, with its own configuration.
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Replace the run in the directory.
    #[arg(long)]
    overwrite: bool,
    /// Show the run in a browser while it trains, on this port of 127.0.0.1 (see `invnet serve`).
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "8080")]
    serve: Option<u16>,
}

/// Arguments of `generate`.
#[derive(Args)]
struct GenerateArgs {
    /// Run directory.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Number of samples.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    count: u32,
    /// Properties to ask for; may be repeated.
    #[arg(long, value_name = "r1=20,cx1=40,...", conflicts_with = "targets")]
    target: Vec<String>,
    /// A table of targets: a header of property names, a row a target.
    #[arg(long, value_name = "FILE.csv")]
    targets: Option<PathBuf>,
    /// Seed of the noise and of properties left open.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to write [default: RUN/generated].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Pass over columns of the table that are no property.
    #[arg(long, requires = "targets")]
    ignore_unknown: bool,
    /// Also write the class probabilities, probabilities.npy.
    #[arg(long)]
    soft: bool,
    /// Also write the noise and the normalised properties that the generator sees, z.npy and r.npy.
    #[arg(long)]
    latents: bool,
    /// Make part I of N only, into RUN/generated-I-of-N; `invnet gather` joins the parts.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<[usize; 2]>,
    #[command(flatten)]
    close: generate::CloseArgs,
    /// What the generator makes at once, without closing samples on their targets.
    #[arg(long, conflicts_with_all = ["within", "exact", "tries", "best_effort"])]
    one_shot: bool,
    /// Go on where the same command was interrupted.
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Replace the samples that are there.
    #[arg(long)]
    overwrite: bool,
    /// Size of the samples, of a run with a latent map [default: as in training].
    #[arg(long, value_name = "HxW", value_parser = size)]
    size: Option<[usize; 2]>,
    /// Also draw each sample N times across and down, as tiles: tiles.png.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=16))]
    tile: Option<u32>,
    #[command(flatten)]
    format: FormatArg,
    #[command(flatten)]
    device: DeviceArg,
}

fn shard(text: &str) -> std::result::Result<[usize; 2], String> {
    let numbers = text.split_once('/').and_then(|(i, n)| Some([i.parse().ok()?, n.parse().ok()?]));
    numbers.filter(|&[i, n]| (1..=n).contains(&i)).ok_or_else(|| "must be I/N, I from 1 to N".into())
}

/// Arguments of `gather`.
#[derive(Args)]
struct GatherArgs {
    /// The folders that the shards have written, in any order.
    #[arg(value_name = "PART", required = true)]
    parts: Vec<PathBuf>,
    /// Where to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Run directory, or a copy of its checkpoint, if it is no longer where the parts were made.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Replace the samples that are there.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// Arguments of `evaluate`.
#[derive(Args)]
struct EvaluateArgs {
    /// Run directory.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Random targets to measure.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: u32,
    /// As many samples closed on their targets beside them: errors, looks, what it takes.
    #[arg(long)]
    closed: bool,
    /// Where to write report.json and report.png [default: RUN/evaluated].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the report that is there.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    device: DeviceArg,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// One whole iteration: 1 generator, 5 projection and 5 critic steps.
    Step(BenchArgs),
    /// What an iteration should take on a card: a model, no measurement.
    #[command(after_help = model::NOTES)]
    Model(model::ModelArgs),
}

/// Arguments of `bench step`.
#[derive(Args)]
struct BenchArgs {
    /// Pixels a side.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Channels next to the image.
    #[arg(long, default_value_t = 32)]
    width: usize,
    /// Samples a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// The pair of networks: dcgan, resize or resnet.
    #[arg(long, default_value = "dcgan", value_parser = family)]
    net: Family,
    /// What products multiply: fp32, tf32 (GPU only) or bf16.
    #[arg(long, default_value = "fp32", value_parser = precision)]
    precision: Precision,
    /// The objective, one of those of docs/objectives.md with its default keys.
    #[arg(long, default_value = "invnet", value_parser = Choice::new)]
    objective: Choice,
    /// Iterations to measure [default: what 20 seconds hold, 5 to 30].
    #[arg(long, value_name = "N", value_parser = iterations)]
    iterations: Option<usize>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArg,
}

fn iterations(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=100_000) => Ok(n),
        _ => Err("must be a whole number from 1 to 100000".into()),
    }
}

fn precision(name: &str) -> std::result::Result<Precision, String> {
    Precision::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| "must be fp32, tf32 or bf16".into())
}

fn family(name: &str) -> std::result::Result<Family, String> {
    let found = Family::ALL.into_iter().find(|family| family.name() == name);
    found.ok_or_else(|| "must be dcgan, resize or resnet".into())
}

impl Cli {
    /// The arguments of this process.
    ///
    /// Ends the process if they make no sense, or ask for help or the version.
    ///
    /// # Errors
    /// [`Error::Io`] if standard output does not take the help.
    pub fn of_process() -> Result<Self> {
        let error = match Self::try_parse() {
            Ok(cli) => return Ok(cli),
            Err(error) => error,
        };
        if error.use_stderr() {
            error.exit();
        }
        // Help and version; `exit` would print them too, and say nothing where they cannot be written.
        error.print().and_then(|()| std::io::stdout().flush()).map_err(output::failed)?;
        std::process::exit(error.exit_code())
    }

    /// Runs the command in a pool of the asked number of threads.
    ///
    /// # Errors
    /// Whatever went wrong; `main` prints it.
    pub fn run(self) -> Result<()> {
        output::listen(self.quiet);
        let threads = self.threads.map_or(0, usize::from);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| Error::Failed(format!("cannot start threads: {e}")))?;
        // The main loop runs inside the pool, so that handing out work costs no thread switch.
        pool.install(|| self.command.run(self.quiet))
    }
}

impl Command {
    fn run(self, quiet: bool) -> Result<()> {
        match self {
            Self::Train(args) => train::run(&args, quiet),
            Self::Generate(args) => generate::run(&args, quiet),
            Self::Gather(args) => generate::gather::run(&args, quiet),
            Self::Match(args) => matching::run(&args, quiet),
            Self::Check(args) => check::run(&args, quiet),
            Self::Evaluate(args) => evaluate::run(&args, quiet),
            Self::Data { world } => data::run(&world, quiet),
            Self::Ask(args) => ask::run(&args, quiet),
            Self::Serve(args) => serve::run(&args, quiet),
            Self::Paper(args) => paper::run(&args, quiet),
            Self::Presets { name } => presets::run(name.as_deref()),
            Self::Gradcheck { paths, device } => gradcheck::run(&paths, device),
            Self::Bench { what: BenchCommand::Step(args) } => {
                let BenchArgs { size, width, batch, net, precision, objective, iterations, json, device } =
                    args;
                let asked = bench::Asked { net, size, width, batch, precision, objective, iterations };
                bench::step(&asked, device.kind(), json)
            }
            Self::Bench { what: BenchCommand::Model(args) } => model::run(&args),
            Self::Devices(args) => devices::run(&args, quiet),
        }
    }
}
