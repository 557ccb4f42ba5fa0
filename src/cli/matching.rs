//! `invnet match`: samples with the properties of a person's image.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::generate;
use super::import::ReadArgs;
use super::lock::Lock;
use super::output::{bar, note, print, say};
use super::{DeviceArg, room};
use crate::close::certificate::{self, Certifier, Rows};
use crate::close::free::{Wanted, from_noise};
use crate::close::{Closed, Settings, close, held};
use crate::data::ClassMaps;
use crate::data::export::{write_atomically, write_npy_u8};
use crate::data::import::import;
use crate::error::{Error, Result};
use crate::eval::report::matched;
use crate::eval::view::picture;
use crate::invariance::{Ask, Images};
use crate::op::Border;
use crate::train::config::Config;
use crate::train::dataset::measured;
use crate::train::{Sampler, Task};
use crate::words::{counted, noun};

/// What the help says after the options.
pub(super) const NOTES: &str = "\
With --run a trained generator makes the samples, which are closed on what is
measured of the image as those of `generate` are. With --no-model there is no
generator: smooth noise is moved along the gradient, pixel by pixel at last,
until it has the two-point correlations of the image, or what --ask lists.

The image is read as `data import` reads it; of several the first is taken.
Written: samples.npy, samples.png, match.png (the image, samples, and what was
asked over what came), certificate.csv and certificate.json. Exit code 3 says
that a sample misses what was asked.

Examples:
  invnet match micrograph.png --threshold 110 --tile 64 --count 16 \\
    --run runs/two-phase-quick
  invnet match micrograph.png --threshold 110 --size 128 --count 4 --no-model";

/// Points of a correlation that is asked for where nothing else is, at most.
const BINS: usize = 33;
/// Pictures in a row.
const ACROSS: usize = 8;

/// What is written.
const SAMPLES: &str = "samples.npy";
const PICTURE: &str = "samples.png";
const REPORT: &str = "match.png";
const FILES: [&str; 5] = [SAMPLES, PICTURE, REPORT, certificate::TABLE, certificate::SUMMARY];

/// Arguments of `match`.
#[derive(Args)]
pub(super) struct MatchArgs {
    /// The image.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Run directory of the generator.
    #[arg(long, value_name = "DIR", required_unless_present = "no_model")]
    run: Option<PathBuf>,
    /// Without a generator, from noise.
    #[arg(long, conflicts_with = "run")]
    no_model: bool,
    /// A configuration whose every `[[ask]]` is asked, with --no-model [default: the correlation of
    /// every class but the first].
    #[arg(long, value_name = "FILE.toml", requires = "no_model")]
    ask: Option<PathBuf>,
    /// What lies beyond the image's edge goes on at the opposite one, with --no-model.
    #[arg(long, requires = "no_model")]
    periodic: bool,
    /// Number of samples.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Seed of the noise.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to write [default: IMAGE-match].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace what is there.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    close: generate::CloseArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    device: DeviceArg,
}

/// Reads the image, measures it, makes samples and shows both.
pub(super) fn run(args: &MatchArgs, quiet: bool) -> Result<()> {
    let stem = args.image.file_stem().unwrap_or_default().to_string_lossy();
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{stem}-match")));
    room::check_folder_name(&out)?;
    FILES.iter().try_for_each(|file| room::check_absent(&out.join(file), args.overwrite))?;
    let image = first(&args.image, import(&args.image, &args.read.options())?, quiet)?;
    let kind = args.device.kind();
    let count = args.count as usize;
    let (task, asked, closed, settings) = if let Some(run) = &args.run {
        let (_, mut sampler) = Sampler::open(run, kind)?;
        let task = sampler.task().clone();
        let asked = numbers_of(&image, &task, &args.image)?;
        let settings = args.close.settings(&task, args.seed)?;
        let all = held(&task, &vec![Some(0.0); asked.len()]);
        let closed = close(&mut sampler, 0, &asked.repeat(count), &all.repeat(count), &settings)?;
        (task, asked, closed, settings)
    } else {
        let task = free_task(args, &image)?;
        let asked = whole(measured(&task, &image.maps)?, &task, &args.image)?;
        // Noise is drawn once.
        let settings = Settings { tries: 1, ..args.close.settings(&task, args.seed)? };
        let tolerances = settings.tolerances.of(&asked, &task);
        let shares = shares(&image);
        let wanted = Wanted { task: &task, asked: &asked, tolerances: &tolerances, shares: &shares };
        let text = format!("{{pos}}/{{len}} {}  {{eta}} left", noun(count, "sample"));
        let bar = bar(count as u64, &text, quiet);
        let closed = from_noise(wanted, count, args.seed, kind, &mut || bar.inc(1))?;
        bar.finish_and_clear();
        (task, asked, closed, settings)
    };
    let _lock = Lock::take(&out)?;
    write(&out, &task, &image, &asked, &closed, &settings, quiet, args.close.best_effort)
}

/// Writes the samples and what is said of them.
#[allow(clippy::too_many_arguments)]
fn write(
    out: &Path,
    task: &Task,
    image: &ClassMaps,
    asked: &[f32],
    closed: &Closed,
    settings: &Settings,
    quiet: bool,
    best_effort: bool,
) -> Result<()> {
    let count = closed.within.len();
    let [h, w] = task.images().size;
    write_npy_u8(out.join(SAMPLES), &closed.maps, &[count, h, w])?;
    picture(task, &closed.maps, &[], ACROSS).write_png(out.join(PICTURE))?;
    matched::write(&out.join(REPORT), task, &image.maps, [image.height, image.width], asked, closed)?;
    let text = settings.tolerances.text(task);
    let mut certifier = Certifier::new(task, settings.seed, settings.tries, text);
    let rows = asked.repeat(count);
    write_atomically(out.join(certificate::TABLE), |file| {
        certifier.header(file)?;
        let rows = Rows {
            index: 0,
            asked: &rows,
            measured: &closed.measured,
            tolerances: &closed.tolerances,
            effort: &closed.effort,
        };
        certifier.rows(file, rows, &closed.maps)
    })?;
    let summary = certifier.finish();
    let json = serde_json::to_string_pretty(&summary).expect("numbers and names are JSON");
    write_atomically(out.join(certificate::SUMMARY), |file| writeln!(file, "{json}"))?;
    if !quiet {
        print(table(task, asked, closed))?;
        say!("{} in {}: {}", counted(count, "sample"), out.display(), FILES.join(", "))?;
    }
    generate::tell_closed(&summary, !best_effort, quiet)
}

/// A row for each number of the image: what the samples have, and how far the worst is.
fn table(task: &Task, asked: &[f32], closed: &Closed) -> String {
    let width = asked.len();
    let name = task.columns().iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(4);
    let mut text =
        format!("{:name$}{:>11}{:>11}{:>11}{:>11}\n", "name", "image", "samples", "worst", "tolerance");
    for (i, column) in task.columns().iter().enumerate() {
        let of = || closed.measured.iter().skip(i).step_by(width).map(|&v| f64::from(v));
        let mean = of().sum::<f64>() / closed.within.len() as f64;
        let worst = of().map(|v| column.error(v, f64::from(asked[i])).abs()).fold(0.0, f64::max);
        let tolerance = closed.tolerances[i];
        text +=
            &format!("{:name$}{:>11.5}{mean:>11.5}{worst:>11.5}{tolerance:>11.5}\n", column.name, asked[i]);
    }
    text
}

/// The first image.
fn first(path: &Path, mut images: ClassMaps, quiet: bool) -> Result<ClassMaps> {
    if images.count == 0 {
        return Err(Error::file(path, "holds no image"));
    }
    if images.count > 1 && !quiet {
        note!("{} images: the first is taken", images.count);
    }
    images.truncate(1);
    Ok(images)
}

/// What a generator is to be asked for so that its samples have the numbers of an image. Shares and curves
/// do not need an image of the generator's size.
fn numbers_of(image: &ClassMaps, task: &Task, path: &Path) -> Result<Vec<f32>> {
    let own = task.images();
    if image.classes > own.classes {
        let problem = format!(
            "has {}, the run's images have {}: give --threshold or --levels",
            counted(image.classes, "class"),
            own.classes
        );
        return Err(Error::file(path, problem));
    }
    let images = Images { size: [image.height, image.width], ..*own };
    let at = Task::asked(task.asks(), images, &path.display().to_string())?;
    if at.names() != task.names() {
        let problem = "is of another size than the run's images and has other numbers: resize it with --size";
        return Err(Error::file(path, problem));
    }
    whole(measured(&at, &image.maps)?, task, path)
}

/// Numbers of which none is missing.
fn whole(numbers: Vec<f32>, task: &Task, path: &Path) -> Result<Vec<f32>> {
    match numbers.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(Error::file(path, format!("has no {} to be measured", task.columns()[i].name))),
        None => Ok(numbers),
    }
}

/// What is asked without a generator.
fn free_task(args: &MatchArgs, image: &ClassMaps) -> Result<Task> {
    let border = if args.periodic { Border::Periodic } else { Border::Open };
    let size = [image.height, image.width];
    let images = Images { size, classes: image.classes, border };
    let origin = args.image.display().to_string();
    if image.classes < 2 {
        return Err(Error::file(&args.image, "is of one class: give --threshold or --levels"));
    }
    if let Some(file) = &args.ask {
        let text = std::fs::read_to_string(file).map_err(|e| Error::file(file, e.to_string()))?;
        let config = Config::from_toml(&text, &file.display().to_string())?;
        return Task::asked(&config.asks, images, &origin);
    }
    let bins = BINS.min(size[0].min(size[1]) / 2 + 1);
    let ask = |class: usize| -> Result<Ask, String> {
        let mut ask = Ask::new("correlation")?;
        let options = ask.options_mut();
        options.set("of", toml::Value::Integer(class as i64))?;
        options.set("bins", toml::Value::Integer(bins as i64))?;
        if image.classes > 2 {
            let name = format!("class{class}-");
            options.set("name", toml::Value::String(name))?;
        }
        Ok(ask)
    };
    let asks = (1..image.classes).map(ask).collect::<Result<Vec<_>, _>>().map_err(Error::Usage)?;
    Task::asked(&asks, images, &origin)
}

/// The share of each class.
fn shares(image: &ClassMaps) -> Vec<f64> {
    let mut shares = vec![0.0; image.classes];
    image.maps.iter().for_each(|&class| shares[usize::from(class)] += 1.0 / image.maps.len() as f64);
    shares
}
