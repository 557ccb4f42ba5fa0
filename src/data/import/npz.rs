//! Archives of NumPy arrays: any program's `.npz`, and the data sets that invnet itself writes.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use zip::ZipArchive;

use super::collect::{Carried, Collector, Values};
use super::numpy::{self, Header};
use crate::data::ClassMaps;
use crate::error::{Error, Result};
use crate::words::counted;

type Archive = ZipArchive<BufReader<File>>;

fn open(path: &Path) -> Result<Archive> {
    let mut file = File::open(path).map_err(|e| Error::file(path, format!("cannot be opened: {e}")))?;
    if path.is_dir() {
        return Err(Error::file(path, "is a folder, and no data set (.npz): name the file"));
    }
    let mut start = Vec::new();
    (&mut file)
        .take(2)
        .read_to_end(&mut start)
        .and_then(|_| file.rewind())
        .map_err(|e| Error::io(path, e))?;
    if start != b"PK" {
        let name = path.display();
        let problem = format!("is no data set (.npz): invnet data import {name} --out mine.npz makes one");
        return Err(Error::file(path, problem));
    }
    ZipArchive::new(BufReader::new(file))
        .map_err(|e| Error::file(path, format!("is no whole .npz archive: {e}")))
}

/// Reads the images of one array: the one asked for, `maps`, or the only one.
pub(super) fn read(path: &Path, collector: &mut Collector) -> Result<()> {
    let mut archive = open(path)?;
    let mut names: Vec<String> =
        archive.file_names().filter_map(|n| n.ok()?.strip_suffix(".npy").map(String::from)).collect();
    names.sort();
    let asked = collector.options.dataset.as_deref();
    let name = match (asked, names.as_slice()) {
        (Some(asked), _) if names.iter().any(|n| n == asked) => asked.to_owned(),
        (None, _) if names.iter().any(|n| n == "maps") => "maps".to_owned(),
        (None, [only]) => only.clone(),
        (_, []) => return Err(Error::file(path, "holds no array")),
        (asked, _) => {
            let what = asked.map_or("holds several arrays".into(), |a| format!("has no array `{a}`"));
            return Err(Error::file(path, format!("{what}: give --dataset, one of {}", names.join(", "))));
        }
    };
    // A data set of ours says how many classes there can be, seen or not.
    if name == "maps" && names.iter().any(|n| n == "classes") {
        collector.stated = Some(classes(path, &mut archive)?);
        collector.carried =
            Carried { labels: labels(path, &mut archive)?, held_out: held_out(path, &mut archive)? };
    }
    let mut entry = entry(path, &mut archive, &name)?;
    numpy::read_images(path, &name, &mut entry, collector)
}

/// Reads a data set that [`write_npz`](crate::data::export::write_npz) wrote.
///
/// # Errors
/// [`Error::File`] with `path` if the archive is damaged or is no data set: arrays missing, of
/// another type, of shapes that do not agree, or with values that cannot be.
pub fn read_npz(path: impl AsRef<Path>) -> Result<ClassMaps> {
    let path = path.as_ref();
    let mut archive = open(path)?;
    let (header, maps) = array(path, &mut archive, "maps", "u1")?;
    let &[count, height, width] = header.shape.as_slice() else {
        return Err(unlike(path, "maps", &header, "[N, H, W]"));
    };
    if maps.is_empty() {
        return Err(Error::file(path, format!("`maps` is empty: its shape is {:?}", header.shape)));
    }
    let classes = classes(path, &mut archive)?;
    if let Some(i) = maps.iter().position(|&class| class as usize >= classes) {
        let (image, pixel) = (i / (height * width), i % (height * width));
        let (row, column, class) = (pixel / width, pixel % width, maps[i]);
        return Err(Error::file(
            path,
            format!(
                "`maps` is damaged: class {class} of {classes} in image {image}, row {row}, column {column}"
            ),
        ));
    }
    let names = names(path, &mut archive)?;
    let (header, bytes) = array(path, &mut archive, "properties", "f4")?;
    if header.shape != [count, names.len()] {
        return Err(unlike(path, "properties", &header, &format!("[{count}, {}]", names.len())));
    }
    let properties: Vec<f32> = match header.values(&bytes) {
        Some(Values::Reals(values)) => values.into_iter().map(|v| v as f32).collect(),
        _ => return Err(unlike(path, "properties", &header, "real numbers")),
    };
    if let Some(i) = properties.iter().position(|v| !v.is_finite()) {
        let (image, name) = (i / names.len(), &names[i % names.len()]);
        return Err(Error::file(path, format!("`properties`: {name} of image {image} is {}", properties[i])));
    }
    let labels = labels(path, &mut archive)?;
    if ![0, classes].contains(&labels.len()) {
        return Err(Error::file(
            path,
            format!("`labels` has {} for {}", counted(labels.len(), "entry"), counted(classes, "class")),
        ));
    }
    let held_out = held_out(path, &mut archive)?;
    if ![0, count].contains(&held_out.len()) {
        return Err(Error::file(
            path,
            format!("`held_out` has {} for {}", counted(held_out.len(), "entry"), counted(count, "image")),
        ));
    }
    Ok(ClassMaps { count, height, width, classes, maps, names, properties, labels, held_out })
}

/// Whether the archive has an array of that name.
fn has(archive: &Archive, name: &str) -> bool {
    archive.file_names().flatten().any(|n| n.strip_suffix(".npy") == Some(name))
}

/// The value of each class where it is from, or nothing.
fn labels(path: &Path, archive: &mut Archive) -> Result<Vec<f64>> {
    if !has(archive, "labels") {
        return Ok(vec![]);
    }
    let (header, bytes) = array(path, archive, "labels", "f8")?;
    match header.values(&bytes) {
        Some(Values::Reals(values)) => Ok(values),
        _ => Err(unlike(path, "labels", &header, "[K]")),
    }
}

/// Whether training may not see an image, or nothing.
fn held_out(path: &Path, archive: &mut Archive) -> Result<Vec<bool>> {
    if !has(archive, "held_out") {
        return Ok(vec![]);
    }
    let (_, bytes) = array(path, archive, "held_out", "u1")?;
    match bytes.iter().find(|&&flag| flag > 1) {
        Some(flag) => Err(Error::file(path, format!("`held_out` holds {flag}: need 0 and 1"))),
        None => Ok(bytes.iter().map(|&flag| flag == 1).collect()),
    }
}

fn entry<'a>(path: &Path, archive: &'a mut Archive, name: &str) -> Result<impl Read + use<'a>> {
    archive.by_name(&format!("{name}.npy")).map_err(|e| {
        let what = match e {
            zip::result::ZipError::FileNotFound => {
                format!("has no array `{name}`: no data set of invnet (`invnet data import` makes one)")
            }
            other => format!("`{name}` cannot be read: {other}"),
        };
        Error::file(path, what)
    })
}

/// The header and the data of an array of the given type.
fn array(path: &Path, archive: &mut Archive, name: &str, kind: &str) -> Result<(Header, Vec<u8>)> {
    let mut entry = entry(path, archive, name)?;
    let refuse = |problem: String| Error::file(path, format!("`{name}` {problem}"));
    let header = Header::read(&mut entry).map_err(refuse)?;
    let right = if kind == "U" { header.letter == 'U' } else { header.name() == kind };
    if !right || header.fortran {
        let order = if header.fortran { " in Fortran order" } else { "" };
        return Err(refuse(format!(
            "holds {}{order}, not {kind} as a data set of invnet does",
            header.name()
        )));
    }
    let len = header.bytes().unwrap_or(usize::MAX);
    let bytes = numpy::take(&mut entry, len).map_err(refuse)?;
    numpy::end(&mut entry).map_err(refuse)?;
    Ok((header, bytes))
}

fn unlike(path: &Path, name: &str, header: &Header, wanted: &str) -> Error {
    Error::file(path, format!("`{name}` has the shape {:?}, not {wanted}", header.shape))
}

fn classes(path: &Path, archive: &mut Archive) -> Result<usize> {
    let (header, bytes) = array(path, archive, "classes", "i8")?;
    match header.values(&bytes) {
        Some(Values::Integers(values)) if values.len() == 1 && (1..=256).contains(&values[0]) => {
            Ok(values[0] as usize)
        }
        _ => Err(Error::file(path, "`classes` must be one number from 1 to 256")),
    }
}

/// Text of fixed width: characters of four bytes, filled up with zeros.
fn names(path: &Path, archive: &mut Archive) -> Result<Vec<String>> {
    let (header, bytes) = array(path, archive, "names", "U")?;
    if header.shape.len() != 1 {
        return Err(unlike(path, "names", &header, "[P]"));
    }
    let character = |&b: &[u8; 4]| {
        char::from_u32(if header.big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) })
    };
    let name = |text: &[u8]| text.as_chunks::<4>().0.iter().map(character).collect::<Option<String>>();
    let names: Option<Vec<String>> = bytes
        .chunks_exact(header.element().max(1))
        .map(|t| Some(name(t)?.trim_end_matches('\0').into()))
        .collect();
    names
        .filter(|n| n.len() == header.shape[0])
        .ok_or_else(|| Error::file(path, "`names` holds text that is damaged"))
}
