//! `invnet data SOURCE`: data sets from every source, and of a person's own images.
//!
//! The subcommands and their options are those of the registry: a source has an option for each of
//! its keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use super::output::{bar, note, say};
use super::{DeviceArg, FormatArg, also, import};
use crate::data::ClassMaps;
use crate::data::export::write_npz;
use crate::data::import::read_npz;
use crate::data::source::{Choice, Chunked, KINDS, Kind, Part, Problem, Source};
use crate::error::{Error, Result};
use crate::eval::view::palette;
use crate::options::{Fallback, Key};
use crate::words::{counted, noun};

/// The sources of `invnet data`.
pub(super) enum DataCommand {
    /// One that makes its images.
    Make(&'static Kind, Box<MakeArgs>),
    /// A person's own images.
    Import(Box<import::ImportArgs>),
}

/// What every generated set has.
#[derive(Args)]
pub(super) struct MakeArgs {
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
    #[command(flatten)]
    device: DeviceArg,
    /// The keys of the source that were given, as (name, text).
    #[arg(skip)]
    keys: Vec<(&'static str, String)>,
}

/// The option of a key.
fn option(key: &Key) -> Arg {
    let arg = Arg::new(key.name).long(key.name.replace('_', "-")).help(key.about);
    match key.default {
        Fallback::Flag(_) => arg.action(ArgAction::SetTrue),
        Fallback::Whole(v) => valued(arg, "N", &v.to_string()),
        Fallback::Real(v) => valued(arg, "X", &v.to_string()),
        Fallback::Word(v) => valued(arg, "WORD", v),
    }
}

fn valued(arg: Arg, name: &'static str, default: &str) -> Arg {
    let help =
        format!("{} [default: {default}]", arg.get_help().map(ToString::to_string).unwrap_or_default());
    arg.value_name(name).value_parser(NonEmptyStringValueParser::new()).help(help)
}

impl Subcommand for DataCommand {
    fn augment_subcommands(command: Command) -> Command {
        let command = KINDS.iter().fold(command, |command, kind| {
            let plural = if kind.examples.contains('\n') { "Examples" } else { "Example" };
            let about = MakeArgs::augment_args(Command::new(kind.name))
                .args(kind.keys.iter().map(option))
                .about(kind.about)
                .after_help(format!("{plural}:\n  {}", kind.examples));
            command.subcommand(about)
        });
        let import = import::ImportArgs::augment_args(Command::new("import"))
            .about("your own images, from files of many kinds")
            .after_help(import::NOTES);
        command.subcommand(import).subcommand_required(true).arg_required_else_help(true)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name == "import" || KINDS.iter().any(|kind| kind.name == name)
    }
}

impl FromArgMatches for DataCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        if name == "import" {
            return Ok(Self::Import(Box::new(import::ImportArgs::from_arg_matches(matches)?)));
        }
        let kind = KINDS.iter().find(|kind| kind.name == name).ok_or_else(missing)?;
        let mut args = MakeArgs::from_arg_matches(matches)?;
        for key in kind.keys {
            let text = match key.default {
                Fallback::Flag(_) => matches.get_flag(key.name).then(|| "true".to_owned()),
                _ => matches.get_one::<String>(key.name).cloned(),
            };
            args.keys.extend(text.map(|text| (key.name, text)));
        }
        Ok(Self::Make(kind, Box::new(args)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Makes and writes a set.
pub(super) fn run(command: &DataCommand, quiet: bool) -> Result<()> {
    match command {
        DataCommand::Make(kind, args) => make(kind, args, quiet),
        DataCommand::Import(args) => import::run(args, quiet),
    }
}

fn make(kind: &Kind, args: &MakeArgs, quiet: bool) -> Result<()> {
    let start = Instant::now();
    args.format.check_beside(&args.out)?;
    args.format.check_absent(&args.out, args.overwrite)?;
    let (choice, source) = args.open(kind)?;
    let count = args.count.map_or(kind.count, |count| count as usize);
    let [height, width] = source.images().size;
    args.format.check([count, height, width])?;
    if let Some(chunked) = source.chunked() {
        return make_chunks(&*source, chunked, args, count, &choice, quiet);
    }
    let data = source.make(Part::Training, count, args.seed, &mut *args.device.kind().for_data()?)?;
    args.finish(&*source, &data, start, quiet)
}

impl MakeArgs {
    /// The source with the options given.
    fn open(&self, kind: &Kind) -> Result<(Choice, std::sync::Arc<dyn Source>)> {
        let option = |name: &str| format!("--{}", name.replace('_', "-"));
        let mut choice = Choice::new(kind.name).map_err(Error::Usage)?;
        let size = ("size", self.size.to_string());
        for (name, text) in self.keys.iter().chain([&size]) {
            let value = text.parse::<toml::Value>().unwrap_or_else(|_| toml::Value::String(text.clone()));
            let set = choice.options_mut().set(name, value);
            set.map_err(|problem| Error::Usage(format!("{} {text}: {problem}", option(name))))?;
        }
        let source = choice.open().map_err(|problem| match problem {
            Problem::Option((key, problem)) => {
                Error::Usage(format!("{} {}: {problem}", option(key), choice.options().get(key)))
            }
            Problem::File(error) => error,
        })?;
        Ok((choice, source))
    }

    fn finish(&self, source: &dyn Source, data: &ClassMaps, start: Instant, quiet: bool) -> Result<()> {
        let seconds = start.elapsed().as_secs_f64();
        write_npz(&self.out, data)?;
        let colours = palette(source.look(), source.images().classes);
        let written = self.format.write_beside(&self.out, data, colours)?;
        if !quiet {
            say!(
                "{}{}: {} of {} x {}, {} {}, {seconds:.1} s ({:.2} ms an image)",
                self.out.display(),
                also(&written),
                counted(data.count, "image"),
                data.height,
                data.width,
                noun(data.names.len(), "property"),
                data.names.join(", "),
                1e3 * seconds / data.count as f64
            )?;
        }
        if let Some(remark) = source.remark(data) {
            note!("warning: {remark}");
        }
        Ok(())
    }
}

/// Makes a set chunk by chunk. A chunk is kept in a folder beside the archive until all are there, so
/// that an interrupted set goes on where it was.
fn make_chunks(
    source: &dyn Source,
    chunked: &dyn Chunked,
    args: &MakeArgs,
    count: usize,
    choice: &Choice,
    quiet: bool,
) -> Result<()> {
    let kind = args.device.kind();
    let mut simulator = kind.for_data()?;
    args.device.announce(kind, false, quiet);
    let parts = parts_of(&args.out);
    fs::create_dir_all(&parts).map_err(|e| Error::io(&parts, e))?;
    let text = format!("{{pos}}/{{len}} {}  {{per_sec}}  {{eta}} left", noun(count, "image"));
    let bar = bar(count as u64, &text, quiet);
    let (mut made, mut seconds) = (0, 0.0);
    let mut files = Vec::new();
    for chunk in 0..count.div_ceil(chunked.chunk_length()) {
        let file = parts.join(format!("{}-{}-{chunk:05}.npz", choice.options().word("size"), args.seed));
        if !file.exists() {
            let begun = Instant::now();
            let images = chunked.chunk(chunk, args.seed, &mut *simulator)?;
            write_npz(&file, &images)?;
            made += images.count;
            seconds += begun.elapsed().as_secs_f64();
        } else if made == 0 {
            // Time left is of what is made now.
            bar.reset_eta();
        }
        bar.inc(chunked.chunk_length() as u64);
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
    args.finish(source, &data, Instant::now(), true)?;
    for file in &files {
        fs::remove_file(file).map_err(|e| Error::io(file, e))?;
    }
    // Chunks of another set may lie there too.
    let _ = fs::remove_dir(&parts);
    if !quiet {
        let each =
            if made == 0 { String::new() } else { format!(", {:.4} s an image", seconds / made as f64) };
        let (out, size, names) = (args.out.display(), args.size, data.names.join(", "));
        let (images, properties) = (counted(count, "image"), noun(data.names.len(), "property"));
        say!("{out}: {images} of {size} x {size}, {properties} {names}; {made} simulated{each}")?;
    }
    Ok(())
}

/// The folder of chunks beside an archive.
fn parts_of(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".parts");
    out.with_file_name(name)
}
