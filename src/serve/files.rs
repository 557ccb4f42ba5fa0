//! Samples as files to take home, in the formats of `generate --format`, a table and a record.

use std::fs::{self, DirBuilder};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use super::answer::Answer;
use super::ask::Sample;
use super::generators::{Made, TRIES};
use crate::data::export::{Exported, Format, Quantity, cell, path_of, quoted, write_all};
use crate::error::{Error, Result};
use crate::eval::view::palette;

/// What samples are called in files.
const STEM: &str = "samples";

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    /// One that images are exported in.
    Images(Format),
    /// Asked and measured numbers, a row for each sample.
    Table,
    /// What regenerates the samples.
    Record,
}

impl FileFormat {
    /// The format of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Table),
            "json" => Some(Self::Record),
            name => name.parse().ok().map(Self::Images),
        }
    }

    /// The names of all.
    pub(super) const NAMES: [&str; 9] =
        ["png", "tiff", "npy", "npz", "vti", "hdf5", "dream3d", "csv", "json"];
}

/// The file of some samples; `run` is the name of the run, `path` where it is.
pub(super) fn file(made: &Made, ask: &Sample, format: FileFormat, run: &str, path: &Path) -> Result<Answer> {
    let name = |extension: &str| Some(format!("{run}-{STEM}.{extension}"));
    match format {
        FileFormat::Table => {
            Ok(Answer { kind: "text/csv; charset=utf-8", bytes: table(made, ask.seed), file: name("csv") })
        }
        FileFormat::Record => {
            let record = serde_json::to_vec_pretty(&record(made, ask, run, path)).unwrap_or_default();
            Ok(Answer { kind: "application/json", bytes: record, file: name("json") })
        }
        FileFormat::Images(format) => images(made, format, &name),
    }
}

fn images(made: &Made, format: Format, name: &dyn Fn(&str) -> Option<String>) -> Result<Answer> {
    let (images, columns) = (made.task.images(), made.task.columns());
    let [height, width] = images.size;
    let folder = Folder::new()?;
    let data = Exported {
        count: made.maps.len() / images.pixels(),
        height,
        width,
        classes: images.classes,
        maps: &made.maps,
        stored: None,
        names: columns.iter().map(|c| c.name.as_str()).collect(),
        quantities: columns.iter().map(|c| Quantity::of(&c.unit, c.position)).collect(),
        properties: &made.measured,
        labels: made.task.labels(),
        held_out: &[],
        spacing: 1.0,
        unit: "px",
        palette: palette(made.task.look(), images.classes),
        origin: crate::data::export::Origin::Upper,
    };
    write_all(&folder.0, STEM, &[format], &data)?;
    let path = path_of(&folder.0, STEM, format);
    let read = |path: &Path| fs::read(path).map_err(|e| Error::io(path, e));
    let extension =
        |path: &Path| path.extension().map_or(String::new(), |e| e.to_string_lossy().into_owned());
    if path.is_file() {
        let extension = extension(&path);
        return Ok(Answer { kind: media(&extension), bytes: read(&path)?, file: name(&extension) });
    }
    let entries = fs::read_dir(&path).map_err(|e| Error::io(&path, e))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    if let [file] = &files[..] {
        let extension = extension(file);
        return Ok(Answer { kind: media(&extension), bytes: read(file)?, file: name(&extension) });
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for file in &files {
        let entry = file.file_name().unwrap_or_default().to_string_lossy();
        let packed = archive
            .start_file(entry, SimpleFileOptions::default().last_modified_time(DateTime::default()))
            .map_err(std::io::Error::from)
            .and_then(|()| archive.write_all(&read(file).map_err(std::io::Error::other)?));
        packed.map_err(|e| Error::io(file, e))?;
    }
    let bytes = archive.finish().map_err(|e| Error::io(&path, e.into()))?.into_inner();
    Ok(Answer { kind: "application/zip", bytes, file: name(&format!("{}.zip", format.name())) })
}

fn media(extension: &str) -> &'static str {
    match extension {
        "png" => "image/png",
        "tiff" => "image/tiff",
        "vti" => "application/xml",
        "h5" | "dream3d" => "application/x-hdf5",
        _ => "application/octet-stream",
    }
}

/// Asked, measured and tolerance of every number, and whether all are within, a row for each sample.
fn table(made: &Made, seed: u64) -> Vec<u8> {
    let columns = made.task.columns();
    let mut header = vec!["sample".to_owned(), "seed".to_owned()];
    for column in columns {
        header.extend(
            ["asked", "measured", "tolerance"].map(|what| quoted(&format!("{what}_{}", column.name))),
        );
    }
    header.push("within".into());
    let mut text = header.join(",") + "\n";
    let rows = |values| <[f32]>::chunks_exact(values, columns.len());
    let rows = rows(&made.asked).zip(rows(&made.measured)).zip(rows(&made.tolerance)).zip(&made.within);
    for (i, (((asked, measured), tolerance), within)) in rows.enumerate() {
        let mut row = vec![i.to_string(), seed.to_string()];
        for ((a, m), t) in asked.iter().zip(measured).zip(tolerance) {
            row.extend([*a, *m, *t].map(cell));
        }
        row.push(within.to_string());
        text += &(row.join(",") + "\n");
    }
    text.into_bytes()
}

/// Everything that makes the samples again.
fn record(made: &Made, ask: &Sample, run: &str, path: &Path) -> Value {
    let names = made.task.names();
    let target: serde_json::Map<String, Value> = names
        .iter()
        .zip(&ask.wanted)
        .filter_map(|(name, wanted)| Some((name.clone(), json!((*wanted)?))))
        .collect();
    json!({
        "program": concat!("invnet ", env!("CARGO_PKG_VERSION")),
        "run": run,
        "path": path.display().to_string(),
        "request": {
            "run": run, "target": target, "count": ask.count, "seed": ask.seed, "size": made.task.images().size,
            "within": within(made, ask),
        },
        "command": command(made, ask, path),
        "names": names,
        "asked": made.asked.chunks_exact(names.len()).collect::<Vec<_>>(),
        "measured": made.measured.chunks_exact(names.len()).collect::<Vec<_>>(),
        "within": made.within,
        "ended": made.ended,
    })
}

/// The command that makes the same samples.
pub(super) fn command(made: &Made, ask: &Sample, path: &Path) -> String {
    let target: Vec<String> = made
        .task
        .names()
        .iter()
        .zip(&ask.wanted)
        .filter_map(|(name, wanted)| Some(format!("{name}={}", (*wanted)?)))
        .collect();
    let mut words = vec!["invnet".to_owned(), "generate".into(), "--run".into(), quoted_word(path)];
    words.extend(["--count".into(), ask.count.to_string(), "--seed".into(), ask.seed.to_string()]);
    if !target.is_empty() {
        words.extend(["--target".into(), target.join(",")]);
    }
    match within(made, ask) {
        Value::Bool(false) => words.push("--one-shot".into()),
        Value::String(own) => words.extend(["--tries".into(), TRIES.to_string(), "--within".into(), own]),
        _ => words.extend(["--tries".into(), TRIES.to_string()]),
    }
    if let Some([h, w]) = ask.size {
        words.extend(["--size".into(), format!("{h}x{w}")]);
    }
    words.join(" ")
}

/// How near samples must come, as it is asked for: as a text where tolerances are somebody's own.
fn within(made: &Made, ask: &Sample) -> Value {
    let text = ask.tolerances.text(&made.task);
    match text.split_once(',') {
        _ if !ask.closed => Value::Bool(false),
        Some((_, own)) => Value::String(own.to_owned()),
        None => Value::Bool(true),
    }
}

/// A path as a shell takes it.
fn quoted_word(path: &Path) -> String {
    let text = path.display().to_string();
    shlex::try_quote(&text).map_or(text.clone(), |quoted| quoted.into_owned())
}

/// A folder that only this process can look into, gone when it is dropped.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let parent = std::env::temp_dir();
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("invnet-{}-{count}", std::process::id()));
            let mut builder = DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            // Fails where somebody else has put anything of that name.
            match builder.create(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self(path.clone())).map_err(|e| Error::io(path, e)),
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
