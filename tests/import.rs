//! Data sets from files, whole and damaged: what is read is what was drawn, what does not fit is
//! refused in one line that names it, and no bytes whatever make the reader panic.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use invnet::data::ClassMaps;
use invnet::data::circles::CircleWorld;
use invnet::data::export::{Exported, Format, write_all, write_npy_f32, write_npz};
use invnet::data::import::{Options, Resize, import, read_npz};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use tiff::encoder::TiffEncoder;
use tiff::encoder::colortype::{ColorType, Gray8, Gray16, Gray32Float, RGB8};
use tiff::tags::{PhotometricInterpretation, SampleFormat};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn world() -> ClassMaps {
    CircleWorld { size: 16 }.generate(5, 3)
}

/// The refusal of a source, which must be one line and say certain things.
fn refused(source: &Path, options: &Options, says: &[&str]) {
    let error = import(source, options).expect_err("must be refused");
    let text = error.to_string();
    assert_eq!((error.exit_code(), text.lines().count()), (2, 1), "{text}");
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

fn levels(levels: &[f64]) -> Options {
    Options { levels: levels.to_vec(), ..Options::default() }
}

fn threshold(t: f64) -> Options {
    Options { threshold: Some(t), ..Options::default() }
}

fn write_png(path: &Path, side: [u32; 2], colour: png::ColorType, depth: png::BitDepth, data: &[u8]) {
    let [height, width] = side;
    let mut encoder = png::Encoder::new(fs::File::create(path).expect("a file"), width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == png::ColorType::Indexed {
        encoder.set_palette(vec![7; 3 * 16]);
    }
    encoder.write_header().and_then(|mut w| w.write_image_data(data)).expect("writes");
}

fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes(), data].concat()
}

#[test]
fn a_data_set_comes_back_as_it_was() {
    let folder = folder();
    let path = folder.path().join("c.npz");
    let data = world();
    write_npz(&path, &data).expect("writes");
    assert_eq!(read_npz(&path).expect("reads"), data);

    type Damage = fn(&mut ClassMaps);
    let broken: [(&str, Damage); 3] = [
        ("class 3 of 3 in image 1, row 0, column 2", |d| d.maps[258] = 3),
        ("cx1 of image 2 is NaN", |d| d.properties[13] = f32::NAN),
        ("`classes` must be", |d| d.classes = 300),
    ];
    for (says, damage) in broken {
        let mut data = data.clone();
        damage(&mut data);
        write_npz(&path, &data).expect("writes");
        let text = read_npz(&path).expect_err("must be refused").to_string();
        assert!(text.contains(says) && text.starts_with(&path.display().to_string()), "{text}");
    }
    // Archives of another origin.
    let other = folder.path().join("other.npy");
    write_npy_f32(&other, &[0.25, 0.5], &[1, 2]).expect("writes");
    let mut archive = zip::ZipWriter::new(fs::File::create(&path).expect("a file"));
    archive.start_file("maps.npy", zip::write::SimpleFileOptions::default()).expect("begins");
    archive.write_all(&fs::read(&other).expect("reads")).expect("writes");
    archive.finish().expect("writes");
    assert!(read_npz(&path).expect_err("refused").to_string().contains("`maps` holds f4"));
    fs::write(&path, b"PK\x03\x04 and nothing else").expect("writes");
    assert!(read_npz(&path).expect_err("refused").to_string().contains("no whole .npz archive"));
    let absent = folder.path().join("absent.npz");
    assert!(read_npz(&absent).expect_err("refused").to_string().contains("absent.npz: cannot be opened"));
}

#[test]
fn png_levels_and_indices_become_classes() {
    use png::{BitDepth, ColorType};
    let folder = folder();
    let path = folder.path().join("a.png");
    let read = |options: &Options| import(&path, options).expect("reads").maps;

    // 1, 2 and 4 bits; rows begin at whole bytes.
    write_png(&path, [3, 3], ColorType::Grayscale, BitDepth::One, &[0b0100_0000, 0b1110_0000, 0b0010_0000]);
    assert_eq!(read(&Options::default()), [0, 1, 0, 1, 1, 1, 0, 0, 1]);
    write_png(&path, [2, 2], ColorType::Indexed, BitDepth::Two, &[0b0001_0000, 0b1011_0000]);
    assert_eq!(read(&Options::default()), [0, 1, 2, 3]);
    write_png(&path, [2, 2], ColorType::Indexed, BitDepth::Four, &[0x05, 0x10]);
    assert_eq!(read(&Options { keep_labels: true, ..Options::default() }), [0, 5, 1, 0]);

    write_png(&path, [2, 2], ColorType::Grayscale, BitDepth::Eight, &[0, 128, 255, 128]);
    assert_eq!(read(&levels(&[0.0, 128.0, 255.0])), [0, 1, 2, 1]);
    assert_eq!(read(&threshold(128.0)), [0, 1, 1, 1], "the threshold itself is class 1");
    refused(&path, &Options::default(), &["a.png", "row 0, column 1 is 128", "--levels 0,128,255"]);
    refused(&path, &levels(&[0.0, 255.0]), &["a.png", "row 0, column 1 is 128", "not among --levels 0,255"]);
    let sixteen: Vec<u8> = [0u16, 1000, 65535, 1000].iter().flat_map(|v| v.to_be_bytes()).collect();
    write_png(&path, [2, 2], ColorType::Grayscale, BitDepth::Sixteen, &sixteen);
    assert_eq!(read(&levels(&[0.0, 1000.0, 65535.0])), [0, 1, 2, 1]);

    write_png(&path, [1, 1], ColorType::Rgb, BitDepth::Eight, &[9, 9, 9]);
    assert_eq!(read(&levels(&[0.0, 9.0])), [1]);
    write_png(&path, [1, 1], ColorType::Rgb, BitDepth::Eight, &[9, 9, 8]);
    refused(&path, &levels(&[0.0, 9.0]), &["row 0, column 0", "[9, 9, 8]"]);
    write_png(&path, [1, 1], ColorType::GrayscaleAlpha, BitDepth::Eight, &[9, 255]);
    assert_eq!(read(&levels(&[0.0, 9.0])), [1]);
    write_png(&path, [1, 1], ColorType::Rgba, BitDepth::Eight, &[9, 9, 9, 254]);
    refused(&path, &levels(&[0.0, 9.0]), &["transparent"]);
}

/// Palette indices, which the encoder has no type for.
struct Palette8;

impl ColorType for Palette8 {
    type Inner = u8;
    const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::RGBPalette;
    const BITS_PER_SAMPLE: &'static [u16] = &[8];
    const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::Uint];
    fn horizontal_predict(_: &[u8], _: &mut Vec<u8>) {}
}

fn tiff<C: ColorType>(pages: &[&[C::Inner]], side: u32) -> Vec<u8>
where
    [C::Inner]: tiff::encoder::TiffValue,
{
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).expect("a header");
    for page in pages {
        encoder.write_image::<C>(side, side, page).expect("writes");
    }
    bytes.into_inner()
}

#[test]
fn tiff_pages_become_images() {
    let folder = folder();
    let path = folder.path().join("a.tif");
    let save = |bytes: Vec<u8>| fs::write(&path, bytes).expect("writes");
    save(tiff::<Gray8>(&[&[0, 1, 2, 1], &[1, 1, 0, 0]], 2));
    let data = import(&path, &Options::default()).expect("reads");
    assert_eq!((data.count, data.classes, &data.maps[..]), (2, 3, [0, 1, 2, 1, 1, 1, 0, 0].as_slice()));
    assert_eq!(data.names, ["f1", "f2", "f3"]);
    assert_eq!(data.properties, [0.25, 0.5, 0.25, 0.5, 0.5, 0.0]);
    save(tiff::<Gray8>(&[&[0, 1, 0, 1], &[1, 77, 0, 0]], 2));
    refused(&path, &Options::default(), &["a.tif: page 2", "row 0, column 1 is 77"]);
    save(tiff::<Gray16>(&[&[0, 300, 300, 0]], 2));
    assert_eq!(import(&path, &levels(&[0.0, 300.0])).expect("reads").maps, [0, 1, 1, 0]);
    save(tiff::<Gray32Float>(&[&[0.2, 0.7, 0.5, 0.4]], 2));
    assert_eq!(import(&path, &threshold(0.5)).expect("reads").maps, [0, 1, 1, 0]);
    refused(&path, &Options::default(), &["real numbers from 0.2", "to 0.7", "--threshold"]);
    save(tiff::<Palette8>(&[&[0, 1, 2, 3]], 2));
    assert_eq!(import(&path, &Options::default()).expect("reads").maps, [0, 1, 2, 3]);
    save(tiff::<RGB8>(&[&[1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0]], 2));
    assert_eq!(import(&path, &Options::default()).expect("reads").maps, [1, 0, 1, 0]);
    save(tiff::<RGB8>(&[&[1, 1, 2, 0, 0, 0, 1, 1, 1, 0, 0, 0]], 2));
    refused(&path, &levels(&[0.0, 1.0]), &["colour [1, 1, 2]", "--colours"]);
}

#[test]
fn a_folder_is_read_by_name_and_completely() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    refused(folder.path(), &Options::default(), &["holds no file that ends in .png"]);
    let grey = (png::ColorType::Grayscale, png::BitDepth::Eight);
    write_png(&at("b.png"), [2, 2], grey.0, grey.1, &[1, 1, 1, 1]);
    write_png(&at("a.PNG"), [2, 2], grey.0, grey.1, &[0, 0, 0, 1]);
    fs::write(at("c.tiff"), tiff::<Gray8>(&[&[2, 0, 0, 0]], 2)).expect("writes");
    fs::write(at("notes.txt"), "left alone").expect("writes");
    fs::write(at(".hidden.png"), "left alone").expect("writes");
    let data = import(folder.path(), &Options::default()).expect("reads");
    assert_eq!(data.maps, [0, 0, 0, 1, 1, 1, 1, 1, 2, 0, 0, 0]);

    fs::write(at("d.webp"), "an image").expect("writes");
    refused(folder.path(), &Options::default(), &["d.webp", "convert it"]);
    fs::remove_file(at("d.webp")).expect("removes");
    write_png(&at("e.png"), [4, 4], grey.0, grey.1, &[0; 16]);
    refused(folder.path(), &Options::default(), &["e.png", "4 x 4", "a.PNG", "2 x 2", "--size"]);
    let sized = Options { size: Some([2, 2]), ..Options::default() };
    assert_eq!(import(folder.path(), &sized).expect("reads").count, 4);
    fs::write(at("f.png"), "").expect("writes");
    refused(folder.path(), &sized, &["f.png", "is empty"]);
    fs::write(at("f.png"), "text").expect("writes");
    refused(folder.path(), &sized, &["f.png", "first bytes"]);
    refused(&at("absent.png"), &sized, &["absent.png", "cannot be opened"]);
}

#[test]
fn numpy_arrays_of_every_kind_become_images() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let save = |bytes: Vec<u8>| fs::write(&path, bytes).expect("writes");
    let maps = |options: &Options| import(&path, options).expect("reads").maps;
    let expect = [0, 1, 2, 3, 1, 1, 0, 0];
    for (descr, bytes) in [
        ("|u1", expect.to_vec()),
        ("|i1", expect.to_vec()),
        ("<u2", expect.iter().flat_map(|&v| u16::from(v).to_le_bytes()).collect()),
        (">i4", expect.iter().flat_map(|&v| i32::from(v).to_be_bytes()).collect()),
        ("<i8", expect.iter().flat_map(|&v| i64::from(v).to_le_bytes()).collect()),
        (">u8", expect.iter().flat_map(|&v| u64::from(v).to_be_bytes()).collect()),
    ] {
        save(npy(descr, false, "(2, 2, 2)", &bytes));
        assert_eq!(maps(&Options::default()), expect, "{descr}");
    }
    // The first axis fastest: element (n, y, x) stands at n + 2 y + 4 x.
    save(npy("|u1", true, "(2, 2, 2)", &[0, 1, 2, 0, 1, 1, 3, 0]));
    assert_eq!(maps(&Options::default()), expect);
    let fields = [0.1f64, 0.5, 0.9, -2.0];
    save(npy("<f8", false, "(2, 2)", &fields.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()));
    assert_eq!(maps(&threshold(0.5)), [0, 1, 1, 0]);
    assert_eq!(maps(&levels(&[0.1, 0.5, 0.9, -2.0])), [0, 1, 2, 3]);
    save(npy(">f4", false, "(1, 4)", &[0.1f32, f32::NAN, 0.9, 0.2].map(f32::to_be_bytes).concat()));
    let rows = Options { shape: Some([2, 2]), ..threshold(0.5) };
    refused(&path, &rows, &["row 0, column 1 is NaN"]);
    refused(&path, &threshold(0.5), &["4 pixels wide and 1 high, not square", "--size 1x4"]);
    save(npy("<i8", false, "(1, 2, 2)", &[-1i64, 0, 0, 0].map(i64::to_le_bytes).concat()));
    refused(&path, &Options::default(), &["row 0, column 0 is -1"]);

    for (bytes, says) in [
        (npy("<c8", false, "(1, 1, 1)", &[0; 8]), "holds c8"),
        (npy("|u1", false, "(2, 2, 2)", &[0; 7]), "is cut short: it holds 1 of 2 images"),
        (npy("|u1", false, "(1, 2, 2)", &[0; 5]), "more than its header says"),
        (npy("|u1", false, "(0, 2, 2)", &[]), "is empty"),
        (npy("|u1", false, "(2, 2, 2, 2)", &[0; 16]), "its shape is"),
        (npy("|u1", false, "(9223372036854775807, 8, 8)", &[0; 8]), "header"),
        (npy("|u1", false, "(1, 999999, 999999)", &[0; 8]), "too large"),
        (npy("|u1", false, "(((((1, 2, 2", &[0; 8]), "header"),
        (npy("[('a', '<f8')]", false, "(4,)", &[0; 8]), "header"),
        (npy("|u1", false, "(1, 2, 2)", &[0; 4]), "every pixel is of class 0"),
    ] {
        save(bytes);
        refused(&path, &Options::default(), &["a.npy", says]);
    }
}

#[test]
fn archives_give_the_array_asked_for() {
    let folder = folder();
    let data = world();
    let path = folder.path().join("c.npz");
    write_npz(&path, &data).expect("writes");
    let read = import(&path, &Options::default()).expect("reads");
    assert_eq!((&read.maps, read.classes), (&data.maps, 3));
    let discs = read.maps[..256].iter().filter(|&&c| c == 1).count();
    assert_eq!(read.property(0)[1], discs as f32 / 256.0);
    let any_disc = import(&path, &threshold(1.0)).expect("reads");
    assert_eq!(
        (any_disc.classes, any_disc.names.len()),
        (2, 2),
        "a threshold makes two, whatever the archive says"
    );
    let dataset = |name: &str| Options { dataset: Some(name.into()), ..Options::default() };
    refused(&path, &dataset("map"), &["c.npz", "no array `map`", "classes, maps, names, properties"]);
    refused(&path, &dataset("names"), &["`names`"]);
    refused(&path, &dataset("properties"), &["`properties`", "6 pixels wide and 5 high"]);
}

#[test]
fn images_are_resized_and_odd_ones_refused() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    // 2 x 4, three quarters of its left half class 1.
    fs::write(&path, npy("|u1", false, "(1, 2, 4)", &[1, 1, 0, 0, 1, 0, 0, 0])).expect("writes");
    refused(&path, &Options::default(), &["4 pixels wide and 2 high", "--size S", "--size 2x4"]);
    let sized = |size, resize| Options { size: Some(size), resize, ..Options::default() };
    let maps = |options: &Options| import(&path, options).expect("reads").maps;
    assert_eq!(maps(&sized([2, 4], Resize::Area)), [1, 1, 0, 0, 1, 0, 0, 0]);
    assert_eq!(maps(&sized([1, 2], Resize::Area)), [1, 0]);
    assert_eq!(maps(&sized([2, 2], Resize::Nearest)), [1, 0, 1, 0]);
    assert_eq!(maps(&sized([4, 4], Resize::Nearest))[..8], [1, 1, 0, 0, 1, 1, 0, 0]);
    // Area keeps the fraction of a disc: at most half a pixel is lost along its edge of 2 pi r.
    let disc = CircleWorld { size: 128 }.generate(8, 1);
    let npz = folder.path().join("c.npz");
    write_npz(&npz, &disc).expect("writes");
    let whole = import(&npz, &Options::default()).expect("reads");
    let small = import(&npz, &sized([64, 64], Resize::Area)).expect("reads");
    for (a, b) in whole.properties.iter().zip(&small.properties) {
        assert!((a - b).abs() < 0.01, "{a} {b}");
    }
}

#[test]
fn contradictory_options_are_refused_before_reading() {
    let absent = Path::new("nowhere");
    let with = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options
    };
    for (options, says) in [
        (Options { threshold: Some(1.0), ..levels(&[0.0, 1.0]) }, "give one of them"),
        (levels(&[0.0, 1.0, 0.0]), "names 0 twice"),
        (levels(&[3.0]), "names 1 value"),
        (threshold(f64::NAN), "finite"),
        (Options { classes: Some(2), ..levels(&[0.0, 1.0, 2.0]) }, "must be 3 to 256"),
        (with(|o| o.classes = Some(257)), "must be 1 to 256"),
        (with(|o| o.size = Some([0, 4])), "--size 0x4"),
        (with(|o| o.shape = Some([1, 16385])), "--shape 1x16385"),
        (with(|o| o.tile = Some(1)), "--tile 1: must be 2 to 16384"),
        (with(|o| (o.tile, o.stride) = (Some(8), Some(0))), "--stride 0"),
        (with(|o| (o.tile, o.size) = (Some(8), Some([8, 8]))), "give one of them"),
        (with(|o| o.stride = Some(8)), "--stride is of windows: give --tile"),
        (with(|o| o.rotations = true), "--rotations is of windows"),
    ] {
        refused(absent, &options, &[says]);
    }
}

/// A small file in every format this build writes.
fn every_format(folder: &Path) -> Vec<PathBuf> {
    let formats = [Format::Npy, Format::Npz, Format::Png, Format::Tiff, Format::Hdf5, Format::Dream3d];
    let data = world();
    let written = write_all(folder, "m", &formats, &Exported::new(&data, &[[0; 3], [9; 3]])).expect("writes");
    written.into_iter().map(|path| if path.is_dir() { path.join("m_000000.png") } else { path }).collect()
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = folder();
    for path in every_format(folder.path()) {
        let whole = fs::read(&path).expect("reads");
        import(&path, &Options::default()).expect("whole, it is read");
        let cut = path.with_file_name(format!("cut-{}", path.file_name().expect("a name").display()));
        let step = (whole.len() / 100).max(1);
        // Cuts all over the file, and at each of its last bytes.
        for length in (0..whole.len()).step_by(step).chain(whole.len() - 40..whole.len()) {
            fs::write(&cut, &whole[..length]).expect("writes");
            refused(&cut, &Options::default(), &[&cut.display().to_string()]);
        }
    }
}

#[test]
fn changed_bytes_never_make_it_panic() {
    let folder = folder();
    let mut rng = StdRng::seed_from_u64(5);
    let options = threshold(1.0);
    for path in every_format(folder.path()) {
        let whole = fs::read(&path).expect("reads");
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..4) {
                // Headers and directories are at the ends: half of the changes go there.
                let n = bytes.len();
                let at = match rng.random_range(0..4) {
                    0 => rng.random_range(0..n.min(160)),
                    1 => n - 1 - rng.random_range(0..n.min(160)),
                    _ => rng.random_range(0..n),
                };
                bytes[at] = rng.random();
            }
            fs::write(&path, &bytes).expect("writes");
            match import(&path, &options) {
                Ok(data) => {
                    assert_eq!(data.maps.len(), data.count * data.height * data.width);
                    assert!(data.maps.iter().all(|&class| class < 2));
                }
                Err(error) => assert!(error.to_string().starts_with(&path.display().to_string()), "{error}"),
            }
            let _ = read_npz(&path);
        }
        fs::write(&path, &whole).expect("writes");
    }
}
