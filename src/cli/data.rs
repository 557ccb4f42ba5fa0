//! `invnet data WORLD`: data sets from the worlds' own generators.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::say;
use super::{DeviceArg, FormatArg, also, import};
use crate::data::ClassMaps;
use crate::data::circle_square::CircleSquareWorld;
use crate::data::circles::CircleWorld;
use crate::data::export::write_npz;
use crate::data::import::read_npz;
use crate::data::polycrystal::PolycrystalWorld;
use crate::data::two_phase::TwoPhaseWorld;
use crate::error::{Error, Result};
use crate::eval::palette::{FIGURES, ORIENTATIONS, Rgb, TWO_PHASE};

/// Images of a two-phase set unless asked otherwise: as many as the public set of Pokuri et al. 2019.
const TWO_PHASE_COUNT: u32 = 34_000;
/// Of any other.
const COUNT: u32 = 1000;

/// The worlds of `invnet data`.
#[derive(Subcommand)]
pub(super) enum DataCommand {
    /// Two discs that do not touch.
    #[command(after_help = "Example:\n  invnet data circles --size 128 --count 1000 --out circles.npz")]
    Circles(ImagesArgs),
    /// A disc and a square that do not touch.
    #[command(after_help = "Example:\n  invnet data circle-square --size 128 --out shapes.npz --format png")]
    CircleSquare(ImagesArgs),
    /// Phases that separate by the Cahn-Hilliard equation: a wide range of volume fractions and of
    /// coarseness.
    #[command(after_help = "An interrupted simulation continues where it was: call it again.

Examples:
  invnet data two-phase --size 64 --out two-phase.npz
  invnet train two-phase-p1-quick --set data=two-phase.npz")]
    TwoPhase {
        #[command(flatten)]
        images: ImagesArgs,
        #[command(flatten)]
        device: DeviceArg,
    },
    /// Grains of several orientations, none beside another of its own.
    #[command(after_help = "Examples:
  invnet data polycrystal --size 128 --grains 60 --out grains.npz
  invnet data polycrystal --orientations 8 --concentration 1 --coarsen 20 \\
    --periodic --out skewed.npz")]
    Polycrystal {
        #[command(flatten)]
        images: ImagesArgs,
        /// Orientations, the classes of the images.
        #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=16))]
        orientations: u32,
        /// Grains of an image before coarsening.
        #[arg(long, default_value_t = 40, value_name = "N")]
        grains: u32,
        /// Standard deviation of the logarithm of a grain's diameter.
        #[arg(long, default_value_t = 0.3, value_name = "S")]
        spread: f64,
        /// Dirichlet concentration of the fractions: large makes them equal, small skewed.
        #[arg(long, default_value_t = 5.0, value_name = "A")]
        concentration: f64,
        /// Monte-Carlo sweeps of coarsening.
        #[arg(long, default_value_t = 0, value_name = "N")]
        coarsen: u32,
        /// Let the image continue at its opposite border.
        #[arg(long)]
        periodic: bool,
    },
    /// Your own images: a folder of PNG or TIFF, one such file, .npy, .npz, HDF5 or DREAM.3D.
    #[command(after_help = import::NOTES)]
    Import(import::ImportArgs),
}

/// What every generated set has.
#[derive(Args)]
pub(super) struct ImagesArgs {
    /// Pixels a side.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(16..=4096))]
    size: u32,
    /// Number of images [default: 1000; two-phase: 34000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    count: Option<u32>,
    /// Seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The archive to write.
    #[arg(long, value_name = "FILE.npz")]
    out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// Makes and writes a set.
pub(super) fn run(command: &DataCommand, quiet: bool) -> Result<()> {
    let start = Instant::now();
    if let DataCommand::Circles(images)
    | DataCommand::CircleSquare(images)
    | DataCommand::TwoPhase { images, .. }
    | DataCommand::Polycrystal { images, .. } = command
    {
        images.format.check_beside(&images.out)?;
        images.format.check_absent(&images.out, images.overwrite)?;
    }
    match command {
        DataCommand::Circles(args) => {
            let data = CircleWorld { size: args.size as usize }.generate(args.count(COUNT), args.seed);
            args.finish(&data, &FIGURES, start, quiet)
        }
        DataCommand::CircleSquare(args) => {
            let data = CircleSquareWorld { size: args.size as usize }.generate(args.count(COUNT), args.seed);
            args.finish(&data, &FIGURES, start, quiet)
        }
        DataCommand::TwoPhase { images, device } => two_phase(images, device, start, quiet),
        DataCommand::Polycrystal {
            images,
            orientations,
            grains,
            spread,
            concentration,
            coarsen,
            periodic,
        } => {
            let world = PolycrystalWorld {
                size: images.size as usize,
                grains: *grains as usize,
                grains_to: 0,
                spread: *spread,
                periodic: *periodic,
                orientations: *orientations as usize,
                concentration: *concentration,
                coarsen: *coarsen as usize,
            };
            within("--grains", f64::from(*grains), 1.0, world.max_grains() as f64)?;
            within("--spread", *spread, 0.0, *PolycrystalWorld::SPREADS.end())?;
            within("--concentration", *concentration, 0.05, 1e6)?;
            let data = world.generate(images.count(COUNT), images.seed);
            images.finish(&data, &ORIENTATIONS, start, quiet)
        }
        DataCommand::Import(args) => import::run(args, quiet),
    }
}

fn within(name: &str, value: f64, low: f64, high: f64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::Usage(format!("{name} {value}: must be from {low} to {high} for images of this size")))
}

impl ImagesArgs {
    fn count(&self, default: u32) -> usize {
        self.count.unwrap_or(default) as usize
    }

    fn finish(&self, data: &ClassMaps, palette: &[Rgb], start: Instant, quiet: bool) -> Result<()> {
        let seconds = start.elapsed().as_secs_f64();
        write_npz(&self.out, data)?;
        let written = self.format.write_beside(&self.out, data, palette)?;
        if !quiet {
            say!(
                "{}{}: {} images of {} x {}, properties {}, {seconds:.1} s ({:.2} ms an image)",
                self.out.display(),
                also(&written),
                data.count,
                data.height,
                data.width,
                data.names.join(", "),
                1e3 * seconds / data.count as f64
            )?;
        }
        Ok(())
    }
}

/// Simulates chunk by chunk. A chunk is kept in a folder beside the archive until all are there, so
/// that an interrupted set goes on where it was.
fn two_phase(args: &ImagesArgs, device: &DeviceArg, start: Instant, quiet: bool) -> Result<()> {
    let world = TwoPhaseWorld { size: args.size as usize };
    let (count, kind) = (args.count(TWO_PHASE_COUNT), device.kind());
    let mut simulator = kind.for_data()?;
    device.announce(kind, false, quiet);
    let parts = parts_of(&args.out);
    fs::create_dir_all(&parts).map_err(|e| Error::io(&parts, e))?;
    let bar = progress(count, quiet);
    let (mut simulated, mut seconds) = (0, 0.0);
    let mut files = Vec::new();
    for chunk in 0..world.chunks(count) {
        let file = parts.join(format!("{}-{}-{chunk:05}.npz", args.size, args.seed));
        if !file.exists() {
            let begun = Instant::now();
            let images = world.generate_chunk(&mut *simulator, args.seed, chunk)?;
            write_npz(&file, &images)?;
            simulated += images.count;
            seconds += begun.elapsed().as_secs_f64();
        } else if simulated == 0 {
            // Time left is of what is simulated now.
            bar.reset_eta();
        }
        bar.inc(TwoPhaseWorld::CHUNK as u64);
        files.push(file);
    }
    bar.finish_and_clear();
    let mut data: Option<ClassMaps> = None;
    for file in &files {
        let images = read_npz(file)?;
        match &mut data {
            Some(data) => data.append(&images),
            None => data = Some(images),
        }
    }
    let mut data = data.expect("there is at least one chunk");
    data.truncate(count);
    args.finish(&data, &TWO_PHASE, start, true)?;
    for file in &files {
        fs::remove_file(file).map_err(|e| Error::io(file, e))?;
    }
    // Chunks of another set may lie there too.
    let _ = fs::remove_dir(&parts);
    if !quiet {
        let each = if simulated == 0 {
            String::new()
        } else {
            format!(", {:.4} s an image", seconds / simulated as f64)
        };
        let (out, size) = (args.out.display(), args.size);
        say!("{out}: {count} images of {size} x {size}, property p1; {simulated} simulated{each}")?;
    }
    Ok(())
}

/// The folder of chunks beside an archive.
fn parts_of(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".parts");
    out.with_file_name(name)
}

fn progress(count: usize, quiet: bool) -> ProgressBar {
    let visible = !quiet && std::io::stderr().is_terminal();
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(count as u64), target);
    let template = "{bar:24} {pos}/{len} images  {per_sec}  {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
