//! `invnet match`: samples with the properties of a person's image.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::generate;
use super::import::{ReadArgs, tell_warnings};
use super::lock::Lock;
use super::output::{bar, note, print, say};
use super::{DeviceArg, room};
use crate::close::certificate::{self, Certifier, Rows};
use crate::close::free::{Wanted, from_noise};
use crate::close::{Closed, Settings, close, held};
use crate::data::ClassMaps;
use crate::data::export::{write_atomically, write_npy_u8};
use crate::data::import::Import;
use crate::data::source::Look;
use crate::error::{Error, Result};
use crate::eval::report::matched;
use crate::eval::view::picture;
use crate::invariance::{Ask, Images};
use crate::op::Border;
use crate::train::config::Config;
use crate::train::dataset::{have_mean, mean_numbers, measured};
use crate::train::{Sampler, Task};
use crate::words::{counted, noun};

/// What the help says after the options.
pub(super) const NOTES: &str = "\
With --run a trained generator makes the samples, which are closed on what is
measured of the image as those of `generate` are. With --no-model there is no
generator: smooth noise is moved along the gradient, pixel by pixel at last,
until it has the two-point correlations of the image, or what --ask lists.

The image is read as `data import` reads it, and measured as one that ends at
its edges, as a micrograph does, whatever the run's images do: --periodic says
that it goes on at the opposite one. Of several images, and of windows (--tile),
the mean of their numbers is asked for; of places and angles of figures, which
have no mean, the first image's.
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
    #[arg(long, conflicts_with_all = ["run", "tries"])]
    no_model: bool,
    /// A configuration whose every `[[ask]]` is asked, with --no-model [default: the correlation of
    /// every class but the first].
    #[arg(long, value_name = "FILE.toml", conflicts_with = "run")]
    ask: Option<PathBuf>,
    /// What lies beyond the image's edge goes on at the opposite one.
    #[arg(long, conflicts_with = "tile")]
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
    let options = args.read.options();
    let source = Import::open(&args.image, &options)?;
    let images = source.read_all()?;
    tell_warnings(&source, &images)?;
    let border = if args.periodic { Border::Periodic } else { Border::Open };
    let kind = args.device.kind();
    let count = args.count as usize;
    let (task, image, asked, closed, settings) = if let Some(run) = &args.run {
        let (_, mut sampler) = Sampler::open(run, kind)?;
        let task = sampler.task().clone();
        let at = measured_as(&images, border, &task, &args.image)?;
        let image = taken(images, &at, task.look(), quiet);
        let asked = numbers_of(&image, &at, &args.image)?;
        let settings = args.close.settings(&task, args.seed)?;
        let all = held(&task, &vec![Some(0.0); asked.len()]);
        let closed = close(&mut sampler, 0, &asked.repeat(count), &all.repeat(count), &settings)?;
        (task, image, asked, closed, settings)
    } else {
        let task = free_task(args, border, &images)?;
        let image = taken(images, &task, task.look(), quiet);
        let asked = numbers_of(&image, &task, &args.image)?;
        // Noise is drawn once.
        let settings = Settings { tries: 1, ..args.close.settings(&task, args.seed)? };
        let tolerances = settings.tolerances.of(&asked, &task);
        let shares = shares(&image);
        let wanted = Wanted { task: &task, asked: &asked, tolerances: &tolerances, shares: &shares };
        let text = format!("{{pos}}/{{len}} {}  {{eta}} left", noun(count, "sample"));
        let bar = bar(count as u64, &text, quiet);
        let closed = from_noise(wanted, count, args.seed, kind, &mut || bar.inc(1))?;
        bar.finish_and_clear();
        (task, image, asked, closed, settings)
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
    matched::write(&out.join(REPORT), task, image, asked, closed)?;
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

/// The images whose numbers are asked for: all, whose mean is, or the first where a mean says nothing.
fn taken(mut images: ClassMaps, task: &Task, look: Look, quiet: bool) -> ClassMaps {
    if images.count == 1 {
        return images;
    }
    if have_mean(task, look) {
        if !quiet {
            note!("{} images: the mean of their numbers is asked for", images.count);
        }
        return images;
    }
    let all = shares(&images);
    let count = images.count;
    images.truncate(1);
    if !quiet {
        let of =
            shares(&images).iter().zip(&all).map(|(s, a)| format!("{s:.3} of {a:.3}")).collect::<Vec<_>>();
        note!(
            "{count} images: the first is taken, at the upper left of the first file; it has the shares {} of all",
            of.join(", ")
        );
    }
    images
}

/// The properties of a run as they are measured of images that need not have the size or the border of its own.
fn measured_as(images: &ClassMaps, border: Border, task: &Task, path: &Path) -> Result<Task> {
    let own = task.images();
    if images.classes > own.classes {
        let problem = format!(
            "has {}, the run's images have {}: give --threshold, or an image that has no more",
            counted(images.classes, "class"),
            own.classes
        );
        return Err(Error::file(path, problem));
    }
    let of = Images { size: [images.height, images.width], classes: own.classes, border };
    let at = Task::asked(task.asks(), of, &path.display().to_string())?;
    if at.names() != task.names() {
        let problem = "is of another size than the run's images and has other numbers: resize it with --size";
        return Err(Error::file(path, problem));
    }
    Ok(at)
}

/// The mean of the numbers of images over those that have them.
fn numbers_of(images: &ClassMaps, task: &Task, path: &Path) -> Result<Vec<f32>> {
    let numbers = mean_numbers(task, &measured(task, &images.maps)?);
    match numbers.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(Error::file(path, format!("has no {} to be measured", task.columns()[i].name))),
        None => Ok(numbers),
    }
}

/// What is asked without a generator.
fn free_task(args: &MatchArgs, border: Border, image: &ClassMaps) -> Result<Task> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two windows, of which the border would join what is not one.
    fn windows() -> ClassMaps {
        let maps = (0..512).map(|i| u8::from(i % 16 < 4 + i / 256 * 8)).collect();
        ClassMaps { count: 2, height: 16, width: 16, classes: 2, maps, ..ClassMaps::default() }
    }

    fn periodic() -> Task {
        let images = Images { size: [16, 16], classes: 2, border: Border::Periodic };
        Task::asked(&[Ask::new("fraction").unwrap(), Ask::new("interface").unwrap()], images, "here").unwrap()
    }

    #[test]
    fn an_image_of_a_periodic_run_ends_at_its_edges() {
        let (task, path) = (periodic(), Path::new("image.png"));
        let mut image = windows();
        image.truncate(1);
        let numbers = |border| {
            let at = measured_as(&image, border, &task, path).unwrap();
            numbers_of(&image, &at, path).unwrap()[1]
        };
        // One straight interface; round the edge there is another.
        let [open, periodic] = [Border::Open, Border::Periodic].map(numbers);
        assert!(open > 0.0 && (periodic / open - 15.0 / 8.0).abs() < 0.2, "{open} {periodic}");
    }

    #[test]
    fn windows_are_asked_for_their_mean_and_figures_for_the_first() {
        let (task, path) = (periodic(), Path::new("image.png"));
        let all = taken(windows(), &task, Look::Phases, true);
        assert_eq!((all.count, numbers_of(&all, &task, path).unwrap()[0]), (2, 0.5));
        let first = taken(windows(), &task, Look::Figures, true);
        assert_eq!((first.count, numbers_of(&first, &task, path).unwrap()[0]), (1, 0.25));
        let images = Images { size: [16, 16], classes: 2, border: Border::Open };
        let places = Task::asked(&[Ask::new("centroid").unwrap()], images, "here").unwrap();
        assert_eq!(taken(windows(), &places, Look::Phases, true).count, 1);
    }
}
