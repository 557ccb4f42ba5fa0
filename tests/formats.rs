//! Files out: every format is read back here, by our own reader or byte by byte;
//! `scripts/check-formats` reads them with the programs they are for.

use std::fs;
use std::path::{Path, PathBuf};

use invnet::data::ClassMaps;
use invnet::data::circles::CircleWorld;
use invnet::data::export::{Exported, Format, path_of, write_all};
use invnet::data::import::{Options, import, read_npz};

const PALETTE: [[u8; 3]; 2] = [[1, 2, 3], [4, 5, 6]];

fn world() -> ClassMaps {
    CircleWorld { size: 16 }.generate(5, 3)
}

fn all() -> Vec<Format> {
    let names = ["npy", "npz", "png", "tiff", "csv", "vti", "hdf5", "dream3d"];
    names.iter().map(|name| name.parse().expect("a format")).collect()
}

fn write(folder: &Path, data: &ClassMaps, formats: &[Format]) -> Vec<PathBuf> {
    write_all(folder, "m", formats, &Exported::new(data, &PALETTE)).expect("writes")
}

/// Every file in a folder and below, with its content.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("lists") {
        let path = entry.expect("lists").path();
        if path.is_dir() {
            files.extend(content(&path));
        } else {
            files.push((path.clone(), fs::read(&path).expect("reads")));
        }
    }
    files.sort();
    files
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = world();
    let written = write(folder.path(), &data, &all());
    assert_eq!(written.len(), all().len());
    for (format, path) in all().into_iter().zip(&written) {
        assert_eq!(*path, path_of(folder.path(), "m", format));
        if !matches!(format, Format::Csv | Format::Vti) {
            let read = import(path, &Options::default()).expect("reads");
            assert!(read.maps == data.maps && read.classes == 3, "{}", format.name());
        }
    }
    assert_eq!(read_npz(folder.path().join("m.npz")).expect("reads"), data);
}

#[test]
fn bytes_depend_on_the_data_only() {
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let data = world();
    write(folders[0].path(), &data, &all());
    write(folders[1].path(), &data, &all());
    let [a, b] = folders.each_ref().map(|folder| content(folder.path()));
    assert_eq!(a.len(), b.len());
    for ((path, a), (_, b)) in a.iter().zip(&b) {
        assert!(a == b, "{}", path.display());
    }
}

#[test]
fn the_table_holds_every_property() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut data = world();
    data.names[0] = "r, \"outer\"".into();
    write(folder.path(), &data, &[Format::Csv]);
    let text = fs::read_to_string(folder.path().join("m.csv")).expect("reads");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("image,\"r, \"\"outer\"\"\",cx1,cy1,r2,cx2,cy2"));
    let rows: Vec<Vec<f32>> =
        lines.map(|l| l.split(',').map(|v| v.parse().expect("a number")).collect()).collect();
    assert_eq!(rows.len(), 5);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!((row[0], &row[1..]), (i as f32, data.property(i)), "exactly");
    }
}

#[test]
fn vtk_files_hold_classes_spacing_and_unit() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = world();
    let exported = Exported { spacing: 0.25, unit: "µm", ..Exported::new(&data, &PALETTE) };
    write_all(folder.path(), "m", &[Format::Vti], &exported).expect("writes");
    let bytes = fs::read(folder.path().join("m-vti/m_000004.vti")).expect("reads");
    let start = bytes.windows(2).position(|w| w == b"\n_").expect("appended data") + 2;
    assert_eq!(bytes[start..start + 8], 256u64.to_le_bytes());
    assert_eq!(&bytes[start + 8..start + 264], data.map(4));
    let header = String::from_utf8_lossy(&bytes[..start]);
    for part in [
        "Spacing=\"0.25 0.25 0.25\"",
        "WholeExtent=\"0 16 0 16 0 1\"",
        "byte_order=\"LittleEndian\" header_type=\"UInt64\"",
        // The UTF-8 bytes of the unit.
        ">194 181 109 0<",
        "Name=\"cx1\"",
    ] {
        assert!(header.contains(part), "{part}: {header}");
    }
}

#[test]
fn images_have_the_palette_and_none_is_left_of_a_larger_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut data = world();
    write(folder.path(), &data, &[Format::Png]);
    let images = folder.path().join("m-png");
    fs::write(images.join("mine_000009.png"), "not ours").expect("writes");
    data.count = 2;
    data.maps.truncate(2 * 256);
    data.properties.truncate(2 * 6);
    write(folder.path(), &data, &[Format::Png, Format::Png]);
    let names: Vec<String> = content(&images)
        .iter()
        .map(|(path, _)| path.file_name().expect("a name").display().to_string())
        .collect();
    assert_eq!(names, ["m_000000.png", "m_000001.png", "mine_000009.png"]);
    let file = fs::File::open(images.join("m_000000.png")).expect("opens");
    let reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().expect("reads");
    // Three classes, two colours: they begin again.
    assert_eq!(reader.info().palette.as_deref(), Some([1, 2, 3, 4, 5, 6, 1, 2, 3].as_slice()));
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = world();
    for spacing in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let exported = Exported { spacing, ..Exported::new(&data, &PALETTE) };
        let error = write_all(folder.path(), "m", &[Format::Npy], &exported).expect_err("refused");
        assert!(error.to_string().starts_with("--spacing"), "{error}");
    }
    assert!("pgn".parse::<Format>().expect_err("refused").contains("npy, npz, png, tiff, csv, vti"));
    assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
}
