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
    // A format that is not built in does not parse.
    names.iter().filter_map(|name| name.parse().ok()).collect()
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
    if cfg!(feature = "hdf5") {
        // HDF5 would keep times, in seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
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
    #[cfg(not(feature = "hdf5"))]
    {
        assert!("hdf5".parse::<Format>().expect_err("refused").contains("--features hdf5"));
        let formats = [Format::Npy, Format::Dream3d];
        let error = write_all(folder.path(), "m", &formats, &Exported::new(&data, &PALETTE));
        assert!(error.expect_err("refused").to_string().contains("no HDF5"));
        let path = folder.path().join("a.h5");
        fs::write(&path, b"\x89HDF\r\n\x1a\n and more").expect("writes");
        let error = import(&path, &Options::default()).expect_err("refused").to_string();
        assert!(error.contains("--features hdf5") && error.contains("a.h5"), "{error}");
        fs::remove_file(path).expect("removes");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
}

#[cfg(feature = "hdf5")]
mod hdf5 {
    use super::*;
    use hdf5_metno::File;

    fn refused(path: &Path, options: &Options, says: &str) {
        let error = import(path, options).expect_err("refused");
        assert!(error.exit_code() == 2 && error.to_string().contains(says), "{error}");
    }

    #[test]
    fn arrays_and_rows_become_images() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.h5");
        let file = File::create(&path).expect("a file");
        let rows: Vec<f32> = (0..3 * 16).map(|i| (i % 5) as f32 / 4.0).collect();
        // As the public set of Cahn-Hilliard snapshots has them: rows of a square image, chunked.
        let builder = file.new_dataset::<f32>().chunk([2, 16]).deflate(3).shape([3, 16]);
        builder.create("morphology").and_then(|d| d.write_raw(&rows)).expect("writes");
        file.close().expect("closes");
        let half = Options { threshold: Some(0.5), ..Options::default() };
        let data = import(&path, &half).expect("reads");
        let expect: Vec<u8> = rows.iter().map(|&v| u8::from(v >= 0.5)).collect();
        assert_eq!((data.count, data.height, data.width, &data.maps), (3, 4, 4, &expect));
        let shaped = |shape| Options { shape: Some(shape), size: Some(shape), ..half.clone() };
        assert_eq!(import(&path, &shaped([2, 8])).expect("reads").height, 2);
        refused(&path, &shaped([3, 8]), "a row holds 16 values");
        let named = |name: &str| Options { dataset: Some(name.into()), ..half.clone() };
        assert_eq!(import(&path, &named("morphology")).expect("reads").maps, expect);
        refused(&path, &named("other"), "no data set `other`: it has morphology");
        refused(&path, &Options::default(), "real numbers from 0 to 1");

        let file = File::append(&path).expect("opens");
        file.new_dataset::<i16>().shape([1, 2, 5]).create("second").expect("writes");
        file.close().expect("closes");
        refused(&path, &half, "several data sets: give --dataset, one of morphology, second");
    }

    #[test]
    fn cells_of_dream3d_become_slices() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = world();
        let path = folder.path().join("m.dream3d");
        write(folder.path(), &data, &[Format::Dream3d]);
        let named = |name: &str| Options { dataset: Some(name.into()), ..Options::default() };
        assert_eq!(import(&path, &named("Phases")).expect("reads").maps, data.maps);
        let long = "/DataContainers/ImageDataContainer/CellData/Phases";
        assert_eq!(import(&path, &named(long)).expect("reads").maps, data.maps);
        refused(&path, &named("FeatureIds"), "there are: /DataContainers/ImageDataContainer/CellData/Phases");

        // Number 0 means that a cell has no phase.
        let file = File::append(&path).expect("opens");
        let cells = file.group("DataContainers/ImageDataContainer/CellData").expect("is there");
        cells.dataset("Phases").and_then(|d| d.write_raw(&[0i32; 5 * 256])).expect("writes");
        let shape = [5, 16, 16, 1];
        let classes = cells.new_dataset::<u8>().shape(shape).create("Orientation").expect("creates");
        classes.write_raw(&data.maps).expect("writes");
        file.close().expect("closes");
        refused(&path, &Options::default(), "is 0, where a number of 1 to 16");
        assert_eq!(import(&path, &named("Orientation")).expect("reads").maps, data.maps);
    }
}
