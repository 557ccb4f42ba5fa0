//! Images in the formats of other programs (`tests/data/make.py`, and text as people write it):
//! compressions of TIFF, photographs, colours, VTK files and matrices of numbers.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use invnet::data::circles::CircleWorld;
use invnet::data::export::{Exported, Format, write_all};
use invnet::data::import::{Import, Options, import};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Three images of 12 x 14 pixels.
fn maps() -> Vec<u8> {
    let pixel = |n: usize, y: usize, x: usize| ((7 * n + 3 * y + 5 * x + x * y) % 11 % 3) as u8;
    let row = move |n, y| (0..14).map(move |x| pixel(n, y, x));
    (0..3).flat_map(|n| (0..12).flat_map(move |y| row(n, y))).collect()
}

/// An image of four by four blocks of eight pixels.
fn blocks() -> Vec<u8> {
    let blocks = [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 0]];
    (0..32).flat_map(|y| (0..32).map(move |x| blocks[y / 8][x / 8])).collect()
}

fn threshold(t: f64) -> Options {
    Options { threshold: Some(t), ..Options::default() }
}

fn levels(levels: &[f64]) -> Options {
    Options { levels: levels.to_vec(), ..Options::default() }
}

fn colours(text: &str) -> Options {
    Options { colours: Some(text.parse().expect("colours")), ..Options::default() }
}

fn read(path: &Path, options: &Options) -> Vec<u8> {
    import(path, options).unwrap_or_else(|e| panic!("{e}")).maps
}

#[track_caller]
fn refused(path: &Path, options: &Options, says: &[&str]) {
    let error = import(path, options).expect_err("must be refused");
    let text = error.to_string();
    assert_eq!((error.exit_code(), text.lines().count()), (2, 1), "{text}");
    for part in says.iter().chain(&[path.to_str().expect("a name")]) {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn compressions_of_tiff_are_read_or_named() {
    let sized = |options: Options| Options { size: Some([12, 14]), ..options };
    assert_eq!(read(&file("zstd.tif"), &sized(Options::default())), maps());
    assert_eq!(read(&file("half.tif"), &sized(levels(&[0.0, 1.0, 2.0]))), maps());
    assert_eq!(read(&file("group4.tif"), &Options::default()), blocks(), "white is 1");
    for name in ["jpeg-grey.tif", "jpeg-colour.tif"] {
        // Blue and red have a luma of 29 and 76.
        let middle = threshold(if name == "jpeg-grey.tif" { 128.0 } else { 52.0 });
        assert_eq!(read(&file(name), &middle), blocks(), "{name}");
        refused(
            &file(name),
            &Options::default(),
            &["compressed by JPEG, which changes values", "--threshold T"],
        );
    }
    for (name, says) in [
        ("lzma", "LZMA"),
        ("webp", "WebP"),
        ("jpeg2000", "JPEG 2000"),
        ("lerc", "LERC"),
        ("group3", "Fax group 3"),
    ] {
        let path = file(&format!("{name}.tif"));
        for options in [Options::default(), threshold(128.0)] {
            refused(&path, &options, &[&format!("is compressed by {says} (number"), "tiffcp -c lzw IN OUT"]);
        }
    }
}

#[test]
fn kinds_that_are_not_read_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for (bytes, says) in [
        (&b"GIF89a\x10\0\x10\0"[..], "is a GIF, which is not read: save it as PNG"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "is a WebP"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "is JPEG 2000"),
        (b"%PDF-1.7\n1 0 obj\n", "is a PDF"),
        (b"P2\n2 2\n1\n0 1\n1 0\n", "is Netpbm"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "is packed by gzip, which is not read: unpack it first"),
        (b"\0\0\0\x03\0\0\x10\0\0\0\0\x01", "Digital Micrograph"),
    ] {
        let path = folder.path().join("image.png");
        fs::write(&path, bytes).expect("writes");
        refused(&path, &Options::default(), &[says]);
    }
}

#[test]
fn colours_as_planes_are_said_to_be_so_whatever_a_description_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("planes.tif");
    let text = b"{\"shape\": [3, 2, 2]}\0";
    // A directory of eleven entries, then the bits, the description and three strips of four bytes.
    let (bits, description) = (8 + 2 + 11 * 12 + 4, 8 + 2 + 11 * 12 + 4 + 6);
    let offsets = description + text.len() as u32;
    let strips = offsets + 24;
    let entries: [(u16, u16, u32, u32); 11] = [
        (256, 4, 1, 2),
        (257, 4, 1, 2),
        (258, 3, 3, bits),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (270, 2, text.len() as u32, description),
        (273, 4, 3, offsets),
        (277, 3, 1, 3),
        (278, 4, 1, 2),
        (279, 4, 3, offsets + 12),
        (284, 3, 1, 2),
    ];
    let mut bytes = b"II\x2a\x00\x08\x00\x00\x00\x0b\x00".to_vec();
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes().iter().chain(&kind.to_le_bytes()));
        bytes.extend(count.to_le_bytes().iter().chain(&value.to_le_bytes()));
    }
    bytes.extend([0; 4]);
    bytes.extend([8, 0, 8, 0, 8, 0]);
    bytes.extend(text);
    bytes.extend([strips, strips + 4, strips + 8, 4, 4, 4].iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend([255, 0, 0, 255, 0, 0, 0, 0, 0, 255, 255, 0]);
    fs::write(&path, bytes).expect("writes");
    refused(&path, &colours("all"), &["stores its colours as planes"]);
}

#[test]
fn photographs_take_a_threshold() {
    assert_eq!(read(&file("grey.jpg"), &threshold(128.0)), blocks());
    for name in ["colour.jpg", "progressive.jpg"] {
        assert_eq!(read(&file(name), &threshold(52.0)), blocks(), "{name}");
    }
    for name in ["grey.jpg", "colour.jpg"] {
        for options in [Options::default(), levels(&[0.0, 255.0]), colours("all")] {
            refused(
                &file(name),
                &options,
                &["compressed by JPEG, which changes values", "save it as PNG or TIFF"],
            );
        }
    }
    refused(&file("cmyk.jpg"), &threshold(52.0), &["save it as grey or as RGB"]);
    assert_eq!(read(&file("colour.bmp"), &threshold(52.0)), blocks());
    assert_eq!(read(&file("colour.tif"), &threshold(52.0)), blocks());
    assert_eq!(read(&file("grey.bmp"), &levels(&[0.0, 255.0])), blocks());
    assert_eq!(read(&file("bits.bmp"), &threshold(128.0)), blocks());
    // Cut anywhere they are no image that ends in grey.
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["grey.jpg", "colour.bmp"] {
        let whole = fs::read(file(name)).expect("reads");
        let cut = folder.path().join(name);
        for length in [20, whole.len() / 2, whole.len() - 40] {
            fs::write(&cut, &whole[..length]).expect("writes");
            refused(&cut, &threshold(52.0), &[]);
        }
    }
}

#[test]
fn a_colour_is_a_class() {
    for name in ["colour.bmp", "palette.bmp", "colour.tif"] {
        // Blue is the darker one.
        let options = Options::default();
        let found = Import::open(file(name), &options).expect("opens");
        assert_eq!(found.labels(), ["#0000ff", "#ff0000"], "{name}");
        assert_eq!(read(&file(name), &Options::default()), blocks(), "{name}");
        assert_eq!(read(&file(name), &colours("all")), blocks(), "{name}");
        let other: Vec<u8> = blocks().iter().map(|c| 1 - c).collect();
        assert_eq!(read(&file(name), &colours("red,#0000FF")), other, "{name}");
        refused(
            &file(name),
            &colours("red,green"),
            &["row 0, column 0 has the colour #0000ff", "#ff0000,#008000"],
        );
        refused(&file(name), &levels(&[0.0, 255.0]), &["[0, 0, 255]", "--levels cannot judge", "--colours"]);
        let three = import(file(name), &colours("blue,red,white")).expect("reads");
        assert_eq!(
            (three.classes, three.property(0)[2]),
            (3, 0.0),
            "a colour that does not occur keeps its class"
        );
    }
    // The indices of a palette are classes as they are; its colours if they are asked for.
    assert_eq!(read(&file("palette.png"), &Options::default()), blocks());
    assert_eq!(read(&file("palette.png"), &colours("red,blue"))[0], 1);
    assert_eq!(read(&file("grey.bmp"), &colours("white,black"))[0], 1, "grey levels are colours too");
}

#[test]
fn smoothed_edges_and_mixtures_are_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let save = |name: &str, pixels: &[[u8; 3]], side: u32| {
        let path = folder.path().join(name);
        let mut encoder = png::Encoder::new(fs::File::create(&path).expect("a file"), side, side);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().and_then(|mut w| w.write_image_data(pixels.as_flattened())).expect("writes");
        path
    };
    let shades: Vec<[u8; 3]> = (0..64).map(|i| [255 - 2 * i, 0, 2 * i]).collect();
    let path = save("smooth.png", &shades, 8);
    for options in [Options::default(), colours("all")] {
        refused(&path, &options, &["more than 32 colours", "antialiasing", "--threshold T"]);
    }
    // The first image is grey, the second has colours: all count as colours, in one table.
    fs::remove_file(path).expect("removes");
    save("a.png", &[[9, 9, 9], [0, 0, 0], [9, 9, 9], [0, 0, 0]], 2);
    save("b.png", &[[255, 0, 0], [0, 0, 0], [0, 0, 0], [255, 0, 0]], 2);
    let data = import(folder.path(), &Options::default()).expect("reads");
    assert_eq!((data.classes, &data.maps[..]), (3, [1, 0, 1, 0, 2, 0, 0, 2].as_slice()));
    assert_eq!(data.labels, [0.0, f64::from(0x09_0909), f64::from(0xff_0000)]);
    for (options, says) in [
        (Options { colours: Some("all".parse().expect("parses")), ..threshold(3.0) }, "give one of them"),
        (Options { classes: Some(2), ..colours("red,blue,white") }, "must be 3 to 256"),
    ] {
        let error = import(folder.path(), &options).expect_err("refused").to_string();
        assert!(error.contains(says), "{error}");
    }
    let path = folder.path().join("a.npy");
    fs::write(
        &path,
        b"\x93NUMPY\x01\x00\x3a\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2)} \n\x00\x01",
    )
    .expect("writes");
    let sized = Options { size: Some([1, 2]), ..colours("all") };
    refused(&path, &sized, &["holds numbers and no colours: leave --colours out"]);
}

#[test]
fn half_precision_and_folders_of_arrays_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    // 0, 1, 0.5 and -2 in half precision.
    let save = |name: &str, bits: [u16; 4]| {
        let text = format!("{:<117}\n", "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }");
        let data = bits.map(u16::to_le_bytes).concat();
        let bytes = [b"\x93NUMPY\x01\x00\x76\x00".as_slice(), text.as_bytes(), &data].concat();
        fs::write(folder.path().join(name), bytes).expect("writes");
    };
    save("slice_1.npy", [0, 0x3c00, 0x3800, 0xc000]);
    save("slice_10.npy", [0x3c00; 4]);
    save("slice_2.npy", [0; 4]);
    assert_eq!(read(folder.path(), &threshold(0.5)), [0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
    refused(&folder.path().join("slice_1.npy"), &Options::default(), &["real numbers from -2 to 1"]);
}

#[test]
fn matrices_of_text_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.txt");
    let save = |text: &str| fs::write(&path, text).expect("writes");
    for text in [
        "0 1\n2 1\n",
        "# x\n0,1\r\n2,1\r\n",
        "\u{feff}0;1\n2;1\n\n\n",
        "0\t1\n2\t1",
        "0.000000000000000000e+00 1.0e+00\n2.0e+00 1.0e+00\n",
        "\"0\",\"1\",\n\"2\",\"1\",\n",
        "  0   1 \n  2   1\n% end\n",
    ] {
        save(text);
        assert_eq!(read(&path, &Options::default()), [0, 1, 2, 1], "{text:?}");
    }
    save("0,5;0,25\n1;-2\n");
    assert_eq!(read(&path, &threshold(0.5)), [1, 0, 1, 0]);
    save("0.5,0.25\nnan,1\n");
    refused(&path, &threshold(0.5), &["row 1, column 0 is NaN"]);
    save("0 1\n1 1\n\n1 1\n0 0\n");
    let data = import(&path, &Options::default()).expect("reads");
    assert_eq!((data.count, &data.maps[..]), (2, [0, 1, 1, 1, 1, 1, 0, 0].as_slice()));
    for (text, says) in [
        ("0 1\n1 1 1\n", "line 2: has 3 values, the line before it 2"),
        ("0 1 0 1\n0 1 0 x\n", "line 2: `x` is no number"),
        ("# only\n", "holds no number"),
        ("0 1\n1 300\n", "row 1, column 1 is 300"),
        ("# \n\u{0}\n", "is no number"),
    ] {
        save(text);
        refused(&path, &Options::default(), &[says]);
    }
    fs::write(&path, b"0 1 0 1\n\xff 1 1 1\n").expect("writes");
    refused(&path, &Options::default(), &["line 2: is no text in UTF-8"]);
}

/// A VTK file of an array over 3 x 2 x 2 cells.
fn vti(head: &str, array: &str, tail: &[u8]) -> Vec<u8> {
    let start = format!(
        "<?xml version=\"1.0\"?>\n<VTKFile type=\"ImageData\" {head}>\n<ImageData WholeExtent=\"0 3 0 2 0 2\">\n\
         <Piece Extent=\"0 3 0 2 0 2\">\n<PointData/><CellData>{array}</CellData></Piece></ImageData>\n"
    );
    [start.as_bytes(), tail, b"\n</VTKFile>\n"].concat()
}

#[test]
fn vtk_images_of_every_encoding_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.vti");
    let values: [u8; 12] = [0, 1, 2, 2, 1, 0, 1, 1, 1, 0, 0, 2];
    let wide: Vec<u8> = values.iter().flat_map(|&v| i32::from(v).to_be_bytes()).collect();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&values).expect("packs");
    let zlib = zlib.finish().expect("packs");
    let header = [1, 32_768, 12, zlib.len() as u32].map(u32::to_le_bytes).concat();
    let packed = STANDARD.encode(header) + &STANDARD.encode(&zlib);
    let together = STANDARD.encode([12u64.to_le_bytes().as_slice(), &values].concat());
    let apart = STANDARD.encode(48u32.to_be_bytes()) + &STANDARD.encode(&wide);
    let data = |kind: &str, rest: &str| format!("<DataArray type=\"{kind}\" Name=\"phase\" {rest}");
    let raw = [
        b"<AppendedData encoding=\"raw\">\n  _xx".as_slice(),
        &12u32.to_le_bytes(),
        &values,
        b"</AppendedData>",
    ]
    .concat();
    let coded = format!("<AppendedData encoding=\"base64\">_{packed}</AppendedData>");
    let appended = |offset: usize| format!("format=\"appended\" offset=\"{offset}\"/>");
    let little = "byte_order=\"LittleEndian\"";
    let zlib_head = format!("{little} compressor=\"vtkZLibDataCompressor\"");
    let all = [
        vti(little, &data("Int64", "format=\"ascii\">0 1 2 2 1 0\n1 1 1 0 0 2</DataArray>"), b""),
        vti(little, &data("UInt8", &appended(2)), &raw),
        vti(
            &format!("{little} header_type=\"UInt64\""),
            &data("UInt8", &format!("format=\"binary\">\n{together}\n</DataArray>")),
            b"",
        ),
        vti(
            "byte_order=\"BigEndian\"",
            &data("Int32", &format!("format=\"binary\">{apart}</DataArray>")),
            b"",
        ),
        vti(&zlib_head, &data("UInt8", &appended(0)), coded.as_bytes()),
        vti(&zlib_head, &data("UInt8", &format!("format=\"binary\">{packed}</DataArray>")), b""),
    ];
    let sized = Options { size: Some([2, 3]), ..Options::default() };
    for (i, bytes) in all.iter().enumerate() {
        fs::write(&path, bytes).expect("writes");
        assert_eq!(read(&path, &sized), values, "file {i}");
        fs::write(&path, &bytes[..bytes.len() - 60]).expect("writes");
        refused(&path, &sized, &[]);
    }
    let two = data("UInt8", &appended(2))
        + "<DataArray type=\"Float32\" Name=\"other\" format=\"ascii\">1 2</DataArray>";
    let vectors = "<DataArray type=\"UInt8\" Name=\"v\" NumberOfComponents=\"3\" format=\"ascii\"/>";
    for (bytes, dataset, says) in [
        (vti(little, &two, &raw), None, "several arrays: give --dataset, one of phase, other"),
        (vti(little, &two, &raw), Some("third"), "no array `third`: it has phase, other"),
        (vti(little, &two, &raw), Some("other"), "`other` holds 2 values, where its extent asks for 12"),
        (vti(little, vectors, b""), Some("v"), "`v` holds 3 numbers for each cell"),
        (vti(little, vectors, b""), None, "holds no array of numbers"),
        (
            vti("compressor=\"vtkLZMADataCompressor\"", &data("UInt8", &appended(2)), &raw),
            None,
            "compressed by vtkLZMA",
        ),
        (b"<?xml version=\"1.0\"?>\n<html/>".to_vec(), None, "not of VTK image data"),
        (b"<?xml version=\"1.0\"?>\n<VTKFile type=\"ImageData\">".to_vec(), None, "no whole VTK file"),
        (vti(little, &data("String", &appended(2)), &raw), None, "holds String: need integers"),
    ] {
        fs::write(&path, bytes).expect("writes");
        refused(&path, &Options { dataset: dataset.map(String::from), ..sized.clone() }, &[says]);
    }
}

#[test]
fn our_own_vtk_files_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = CircleWorld { size: 16 }.generate(12, 3);
    let written =
        write_all(folder.path(), "m", &[Format::Vti], &Exported::new(&data, &[[0; 3]])).expect("writes");
    let back = import(&written[0], &Options::default()).expect("reads");
    assert_eq!((back.count, back.classes), (12, 3));
    assert!(back.maps == data.maps);
}

#[test]
fn grain_numbers_of_any_file_become_orientations() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("grains.txt");
    // Nine grains of two by two pixels with large numbers, one pixel of none.
    let number = |y: usize, x: usize| if (y, x) == (3, 3) { 0 } else { 1000 * (1 + y / 2 * 3 + x / 2) };
    let row = |y| (0..6).map(|x| number(y, x).to_string()).collect::<Vec<_>>().join(" ");
    fs::write(&path, (0..6).map(row).collect::<Vec<_>>().join("\n")).expect("writes");
    refused(
        &path,
        &Options::default(),
        &["is 1000, where a class number", "--orientations N if they are grains"],
    );
    let data = import(&path, &Options { orientations: Some(4), ..Options::default() }).expect("reads");
    assert_eq!(data.classes, 4);
    let at = |y: usize, x: usize| data.maps[y * 6 + x];
    for (y, x) in (0..6).flat_map(|y| (0..6).map(move |x| (y, x))) {
        assert_eq!(at(y, x), at(y / 2 * 2, x / 2 * 2), "one grain, one orientation");
        assert!(x < 2 || at(y, x) != at(y, x - 2), "grains side by side differ");
        assert!(y < 2 || at(y, x) != at(y - 2, x), "grains above each other differ");
    }
    fs::write(&path, "0.5 1\n1 1\n").expect("writes");
    refused(
        &path,
        &Options { orientations: Some(4), ..Options::default() },
        &["--orientations takes grain numbers"],
    );
    for (options, says) in [
        (Options { orientations: Some(4), ..threshold(1.0) }, "makes the classes itself"),
        (Options { orientations: Some(17), ..Options::default() }, "--orientations 17: must be 2 to 16"),
    ] {
        let error = import(&path, &options).expect_err("refused").to_string();
        assert!(error.contains(says), "{error}");
    }
}
