//! The readers of images: every kind of file, with options that make something of it.

use std::fs;
use std::path::{Path, PathBuf};

use invnet::data::circles::CircleWorld;
use invnet::data::export::{Exported, Format, write_all};
use invnet::data::import::{Options, import, read_npz};

use super::Target;

/// Every file of `tests/data`, every format of our own, and text.
pub fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")) {
        if path.extension().is_some_and(|e| e != "py") {
            targets.push(target(&path));
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = CircleWorld { size: 16 }.generate(3, 1);
    let formats = ["npy", "npz", "png", "tiff", "vti", "hdf5", "dream3d"]
        .map(|f| f.parse::<Format>().expect("a format"));
    for path in
        write_all(folder.path(), "ours", &formats, &Exported::new(&data, &[[0; 3], [9; 3]])).expect("writes")
    {
        let path = if path.is_dir() { files(&path).remove(0) } else { path };
        targets.push(target(&path));
        if path.extension().is_some_and(|e| e == "npz") {
            let read = |path: &Path, _: u64| read_npz(path).map(|_| ());
            targets.push(Target {
                name: "data set .npz".into(),
                bytes: fs::read(path).expect("reads"),
                read: Box::new(read),
            });
        }
    }
    for (name, text) in [
        ("spaces.txt", "# a matrix\n0 1 2 0\n1 1 0 0\n2 2 1 0\n0 0 0 1\n\n0 1 1 1\n"),
        ("semicolons.csv", "\u{feff}0,5;0,25\r\n1;-2\r\n"),
    ] {
        fs::write(folder.path().join(name), text).expect("writes");
        targets.push(target(&folder.path().join(name)));
    }
    targets
}

fn target(path: &Path) -> Target {
    let bytes = fs::read(path).expect("reads");
    let datasets: &[&str] = match path.extension().and_then(|e| e.to_str()) {
        Some("h5") => &[
            "maps",
            "images",
            "gzip",
            "lzf",
            "lzf-shuffle",
            "scale",
            "growing",
            "appended",
            "enumeration",
            "half",
            "blosc",
            "virtual",
            "external",
            "bfloat",
        ],
        Some("dream3d") => &["Phases", "FeatureIds", "EulerAngles"],
        Some("mat") => &["stack", "image", "flags"],
        Some("npz") => &["maps", "properties", "names"],
        _ => &[],
    };
    let datasets: Vec<String> = datasets.iter().map(|d| d.to_string()).collect();
    let read = move |path: &Path, number: u64| import(path, &options(&datasets, number)).map(|_| ());
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    Target { name, bytes, read: Box::new(read) }
}

/// Options by number: most ask for the size that images have anyway, so that pixels are reached.
fn options(datasets: &[String], number: u64) -> Options {
    let pick = |n: u64| (number / 7 % n) as usize;
    let mut options = Options { size: Some([8, 8]), ..Options::default() };
    match number % 7 {
        0 => options.size = None,
        1 => options.threshold = Some(1.0),
        2 => options.levels = vec![0.0, 1.0, 2.0],
        3 => options.colours = Some("all".parse().expect("colours")),
        4 => options.shape = Some([12, 14]),
        5 => options.orientations = Some(4),
        _ => options.classes = Some(256),
    }
    if !datasets.is_empty() && !number.is_multiple_of(5) {
        options.dataset = Some(datasets[pick(datasets.len() as u64)].clone());
    }
    options
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("lists")
        .map(|entry| entry.expect("lists").path())
        .filter(|p| p.is_file())
        .collect();
    files.sort();
    files
}

/// Files whose headers promise far more than there is.
pub fn promises() -> Vec<(&'static str, Vec<u8>)> {
    let npy = |shape: &str| {
        let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes(), &[0; 64]]
            .concat()
    };
    let png = |side: u32| {
        let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
        let mut crc = flate2::Crc::new();
        crc.update(b"IHDR");
        crc.update(&header);
        [
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR",
            header.as_slice(),
            &crc.sum().to_be_bytes(),
            b"\x00\x00\x00\x04IDAT\x78\x9c\x03\x00",
        ]
        .concat()
    };
    // A little-endian directory: width, height, bits, compression, black is zero, offset, rows, bytes.
    let tiff = |side: u32, compression: u32| {
        let entry = |tag: u16, value: u32| {
            [tag.to_le_bytes().as_slice(), &4u16.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()]
                .concat()
        };
        let entries = [
            (256, side),
            (257, side),
            (258, 8),
            (259, compression),
            (262, 1),
            (273, 200),
            (278, side),
            (279, 64),
        ];
        let directory: Vec<u8> = entries.iter().flat_map(|&(tag, value)| entry(tag, value)).collect();
        [b"II\x2a\x00\x08\x00\x00\x00\x08\x00".as_slice(), &directory, &[0; 200]].concat()
    };
    let bmp = |side: i32| {
        let sides = [side.to_le_bytes(), side.to_le_bytes()].concat();
        [
            b"BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00".as_slice(),
            &sides,
            &[1, 0, 24, 0],
            &[0; 60],
        ]
        .concat()
    };
    let vti = |extent: &str| {
        format!(
            "<VTKFile type=\"ImageData\" compressor=\"vtkZLibDataCompressor\"><ImageData WholeExtent=\"{extent}\"><Piece Extent=\"{extent}\">\
             <CellData><DataArray type=\"UInt8\" Name=\"class\" format=\"binary\">AQAAAAAAgAD///8/CgAAAA==</DataArray></CellData></Piece>\
             </ImageData></VTKFile>"
        )
        .into_bytes()
    };
    vec![
        ("npy of 10^12 numbers", npy("(1000000, 1000, 1000)")),
        ("npy of 2 large images", npy("(2, 16384, 16384)")),
        ("npy of more bytes than there are numbers", npy("(9223372036854775807, 8, 8)")),
        ("npy of a large image", npy("(16384, 16384)")),
        ("PNG of 2^31 by 2^31", png(1 << 31)),
        ("PNG of 16384 by 16384", png(16_384)),
        ("TIFF of 2^31 by 2^31", tiff(1 << 31, 1)),
        ("TIFF of 16384 by 16384", tiff(16_384, 1)),
        ("TIFF of 16384 by 16384, LZW", tiff(16_384, 5)),
        ("TIFF of 16384 by 16384, deflate", tiff(16_384, 8)),
        ("TIFF of 16384 by 16384, ZSTD", tiff(16_384, 50_000)),
        ("BMP of 16384 by 16384", bmp(16_384)),
        ("BMP of 2^31 - 1 squared", bmp(i32::MAX)),
        ("VTK of 2^31 cells", vti("0 2048 0 1024 0 1024")),
        ("VTK of 2^93 cells", vti("0 2147483647 0 2147483647 0 2147483647")),
    ]
}
