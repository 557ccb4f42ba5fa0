//! Windows of large images: none for training touches one that is held out, the scale is kept, memory
//! does not grow with the image.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use invnet::data::ClassMaps;
use invnet::data::export::{Exported, Format, write_all, write_npz, write_npz_by_map};
use invnet::data::import::{Import, Options, import, read_npz};
use invnet::device::Cpu;
use invnet::train::Config;
use invnet::train::dataset::Dataset;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A grey image of 16 bits in which no two pixels are equal.
fn distinct(path: &Path, [height, width]: [u32; 2]) {
    assert!(height * width <= 1 << 16);
    let pixels: Vec<u8> = (0..height * width).flat_map(|i| (i as u16).to_be_bytes()).collect();
    let mut encoder = png::Encoder::new(fs::File::create(path).expect("a file"), width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).expect("writes");
}

fn windows(tile: usize, stride: usize) -> Options {
    Options { tile: Some(tile), stride: Some(stride), ..Options::default() }
}

/// The number of every pixel of every window, and the set. The image is imported once for each bit of
/// its numbers, which is then the class of a pixel.
fn pixels_of(path: &Path, options: &Options) -> (ClassMaps, Vec<u32>) {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let mut numbers = vec![];
    let mut last = ClassMaps::default();
    for bit in 0..16 {
        let plane = path.with_file_name(format!("{bit}-{name}"));
        let reader = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).expect("opens")));
        let mut reader = reader.read_info().expect("reads");
        let (width, height) = (reader.info().width, reader.info().height);
        let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut bytes).expect("reads");
        let bits: Vec<u8> =
            bytes.chunks(2).map(|b| (u16::from_be_bytes([b[0], b[1]]) >> bit & 1) as u8).collect();
        let mut encoder = png::Encoder::new(fs::File::create(&plane).expect("a file"), width, height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().and_then(|mut w| w.write_image_data(&bits)).expect("writes");
        last = import(&plane, &Options { classes: Some(2), ..options.clone() }).expect("reads");
        numbers.resize(last.maps.len(), 0u32);
        numbers.iter_mut().zip(&last.maps).for_each(|(number, &class)| *number |= u32::from(class) << bit);
    }
    (last, numbers)
}

#[test]
fn no_pixel_is_both_trained_on_and_held_out() {
    let folder = folder();
    let path = folder.path().join("a.png");
    // Sides that the stride divides and others, strides below, at and above the side of a window.
    for (size, tile, stride) in [
        ([256, 256], 32, 16),
        ([200, 301], 32, 13),
        ([96, 500], 16, 16),
        ([251, 255], 16, 20),
        ([24, 900], 16, 8),
    ] {
        distinct(&path, size);
        let (data, numbers) = pixels_of(&path, &windows(tile, stride));
        let (mut trained, mut held) = (HashSet::new(), HashSet::new());
        let width = size[1];
        for (i, window) in numbers.chunks_exact(tile * tile).enumerate() {
            // A window shows pixels that are neighbours in the image.
            let expected =
                (0..tile * tile).map(|p| window[0] + (p / tile) as u32 * width + (p % tile) as u32);
            assert!(window.iter().copied().eq(expected), "window {i} of {size:?}");
            let part = if data.held_out[i] { &mut held } else { &mut trained };
            part.extend(window.iter().copied());
        }
        assert!(trained.is_disjoint(&held), "{size:?} {tile} {stride}");
        let count = data.held_out.iter().filter(|&&h| h).count();
        assert!(count >= 2 && data.count - count >= 18, "{size:?}: {count} of {}", data.count);
        let share = held.len() as f64 / f64::from(size[0] * size[1]);
        assert!((0.04..0.2).contains(&share), "{size:?} {tile} {stride}: {share}");
    }
}

#[test]
fn a_micrograph_of_512_is_a_usable_set() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    save_npy(&path, [512, 512], |i| (i * i / 7 % 3 / 2) as u8);
    let data = import(&path, &windows(64, 32)).expect("reads");
    let held = data.held_out.iter().filter(|&&h| h).count();
    assert_eq!((data.count - held, held, data.height, data.width), (200, 16, 64, 64));
}

fn save_npy(path: &Path, [height, width]: [usize; 2], pixel: impl Fn(usize) -> u8) {
    let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({height}, {width}), }}\n");
    let pixels: Vec<u8> = (0..height * width).map(pixel).collect();
    let head =
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    fs::write(path, [head, pixels].concat()).expect("writes");
}

#[test]
fn copies_are_of_windows_for_training_and_each_is_another() {
    let folder = folder();
    let path = folder.path().join("a.png");
    distinct(&path, [96, 96]);
    let plain = windows(16, 8);
    let (single, original) = pixels_of(&path, &plain);
    let held = single.held_out.iter().filter(|&&h| h).count();
    for (flips, rotations, copies) in [(true, false, 4), (false, true, 4), (true, true, 8)] {
        let (data, numbers) = pixels_of(&path, &Options { flips, rotations, ..plain.clone() });
        assert_eq!(data.held_out.iter().filter(|&&h| h).count(), held);
        assert_eq!(data.count, held + copies * (single.count - held));
        // Without the copies it is the plain set; all copies of a window have its pixels, in other places.
        let (mut seen, mut kept) = (HashSet::new(), vec![]);
        for (i, window) in numbers.chunks_exact(256).enumerate() {
            let mut sorted = window.to_vec();
            sorted.sort_unstable();
            if seen.insert(sorted) {
                kept.extend_from_slice(window);
            } else {
                assert!(!data.held_out[i], "a copy is held out");
            }
        }
        assert_eq!(kept, original);
        let all: HashSet<&[u32]> = numbers.chunks_exact(256).collect();
        assert_eq!(all.len(), data.count, "no copy is twice the same");
    }
    // A mirror turns the order of a row round, a quarter turn makes rows of columns.
    let (_, numbers) = pixels_of(&path, &Options { flips: true, ..plain.clone() });
    let row = |i: usize| &numbers[i * 256..][..16];
    assert!(row(1).iter().eq(row(0).iter().rev()));
    let (_, numbers) = pixels_of(&path, &Options { rotations: true, ..plain });
    let (first, turned) = (&numbers[..256], &numbers[256..512]);
    assert!((0..256).all(|i| turned[i] == first[i % 16 * 16 + 15 - i / 16]));
}

#[test]
fn too_few_windows_are_refused_with_advice_that_works() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    save_npy(&path, [128, 128], |i| (i % 3 / 2) as u8);
    for (tile, stride) in [(64, 64), (32, 32), (128, 128)] {
        let error = import(&path, &windows(tile, stride)).expect_err("refused");
        let text = error.to_string();
        assert!(error.exit_code() == 2 && text.lines().count() == 1 && text.contains("18 and 2"), "{text}");
        // What it advises, taken at its word.
        let advice = text.rsplit(": ").next().expect("advice");
        let words: Vec<&str> = advice.split(' ').collect();
        let number = |flag: &str| {
            let at = words.iter().position(|w| *w == flag)?;
            words[at + 1].parse::<usize>().ok()
        };
        let advised = Options {
            flips: advice.contains("--flips"),
            rotations: advice.contains("--rotations"),
            ..windows(number("--tile").expect("a side"), number("--stride").unwrap_or(tile))
        };
        let data = import(&path, &advised).expect("as advised");
        assert!(
            advice.contains(&format!("gives {} and", data.held_out.iter().filter(|&&h| !h).count())),
            "{text}"
        );
    }
    // Slices of the size of a window are taken whole.
    let slices = folder.path().join("b.npy");
    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (20, 8, 8), }\n";
    let head =
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    fs::write(&slices, [head, (0..20 * 64).map(|i| (i % 3 / 2) as u8).collect()].concat()).expect("writes");
    let text = import(&slices, &windows(8, 8)).expect_err("refused").to_string();
    assert!(text.contains("leave --tile out"), "{text}");
    let small = import(&path, &windows(256, 256)).expect_err("refused").to_string();
    assert!(small.contains("128 pixels wide and 128 high, smaller than --tile 256"), "{small}");
}

#[test]
fn the_parts_of_a_set_survive_every_way_through_a_file() {
    let folder = folder();
    let (path, file) = (folder.path().join("a.npy"), folder.path().join("a.npz"));
    save_npy(&path, [128, 160], |i| [0, 2, 5][i * i / 11 % 3]);
    let options = windows(32, 16);
    let data = import(&path, &options).expect("reads");
    assert_eq!((&data.labels[..], data.classes), ([0.0, 2.0, 5.0].as_slice(), 3));
    write_npz(&file, &data).expect("writes");
    assert_eq!(read_npz(&file).expect("reads"), data);
    // Written map by map it is the same file.
    let other = folder.path().join("b.npz");
    let source = Import::open(&path, &options).expect("reads");
    write_npz_by_map(&other, [source.count(), 32, 32], |write| {
        source.read(&mut |map, _| write(map).map_err(|e| invnet::error::Error::io(&other, e)))
    })
    .expect("writes");
    assert!(fs::read(&file).expect("reads") == fs::read(&other).expect("reads"));
    // Imported again, smaller or not, it keeps labels and parts.
    write_all(folder.path(), "c", &[Format::Hdf5], &Exported::new(&data, &[])).expect("writes");
    for file in [&file, &folder.path().join("c.h5")] {
        let smaller = import(file, &Options { size: Some([16, 16]), ..Options::default() }).expect("reads");
        assert_eq!((&smaller.labels, &smaller.held_out), (&data.labels, &data.held_out));
    }
    let error = import(&file, &windows(8, 8)).expect_err("refused").to_string();
    assert!(error.contains("which images are held out"), "{error}");

    let mut first = data.clone();
    let rest = first.split_off(5);
    assert_eq!((first.held_out.len(), rest.held_out.len()), (5, data.count - 5));
    assert_eq!(rest.labels, data.labels);
    first.append(&rest);
    assert_eq!(first, data);
    first.truncate(3);
    assert_eq!(first, data.select(&[0, 1, 2]));
}

#[test]
fn targets_of_a_set_with_few_windows_held_out_are_also_of_windows_for_training() {
    let folder = folder();
    let (path, file) = (folder.path().join("a.npy"), folder.path().join("a.npz"));
    save_npy(&path, [96, 160], |i| u8::from(i % 160 + i / 160 > 110));
    let data = import(&path, &windows(16, 8)).expect("reads");
    let held_out = data.held_out.iter().filter(|&&held| held).count();
    write_npz(&file, &data).expect("writes");
    let text = format!("data = {:?}\n[[ask]]\nproperty = \"fraction\"\n", file.display().to_string());
    let config = Config::from_toml(&text, "test").expect("valid");
    let set = Dataset::of(&config, &mut Cpu::<f32>::new()).expect("made");
    let table = set.task.table();
    assert!(held_out < 20 && table.len() == data.count, "{held_out}, {}, {}", table.len(), data.count);
    let shares: Vec<f32> = data
        .maps
        .chunks_exact(256)
        .map(|map| map.iter().map(|&c| f32::from(c)).sum::<f32>() / 256.0)
        .collect();
    let sorted = |values: &[f32]| {
        let mut values = values.to_vec();
        values.sort_by(f32::total_cmp);
        values
    };
    let far = sorted(table).iter().zip(sorted(&shares)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far < 1e-5, "{far}");
}

#[test]
fn windows_do_not_depend_on_how_a_file_is_cut() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let (height, width) = (300usize, 2048usize);
    let pixels: Vec<u8> = (0..height * width).map(|i| (i * i / 97 % 251) as u8).collect();
    save_npy(&at("a.npy"), [height, width], |i| pixels[i]);
    let file = fs::File::create(at("p.png")).expect("a file");
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).expect("writes");
    for (name, rows) in [("one.tif", 300), ("strips.tif", 7)] {
        for compressed in [false, true] {
            let compression = if compressed {
                tiff::encoder::Compression::Deflate(tiff::encoder::compression::DeflateLevel::Fast)
            } else {
                tiff::encoder::Compression::Uncompressed
            };
            let file = fs::File::create(at(&format!("{compressed}-{name}"))).expect("a file");
            let mut encoder =
                tiff::encoder::TiffEncoder::new(file).expect("begins").with_compression(compression);
            let mut image = encoder
                .new_image::<tiff::encoder::colortype::Gray8>(width as u32, height as u32)
                .expect("begins");
            image.rows_per_strip(rows).expect("sets");
            image.write_data(&pixels).expect("writes");
        }
    }
    let options = Options { threshold: Some(128.0), ..windows(64, 48) };
    let expected = import(at("a.npy"), &options).expect("reads");
    for name in ["p.png", "false-one.tif", "true-one.tif", "false-strips.tif", "true-strips.tif"] {
        assert!(import(at(name), &options).expect("reads") == expected, "{name}");
    }
}

/// The most memory that the program has held while it cut windows, in bytes.
#[cfg(target_os = "linux")]
fn peak(source: &Path, options: &[&str]) -> u64 {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_invnet"))
        .args(["data", "import"])
        .arg(source)
        .arg("--out")
        .arg(source.with_extension("npz"))
        .args(options)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let mut peak = 0;
    // The figure only grows, and most of the time passes at its top.
    while child.try_wait().expect("waits").is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) << 10);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(child.wait().expect("waits").success());
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_of_a_few_rows_of_windows() {
    let folder = folder();
    let path = folder.path().join("a.png");
    let (height, width) = (2048u32, 16_384u32);
    let file = fs::File::create(&path).expect("a file");
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fastest);
    let pixels: Vec<u8> = (0..height * width).map(|i| (i >> 7 & 1) as u8).collect();
    encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).expect("writes");
    let peak = peak(&path, &["--tile", "256"]);
    assert!(peak > 1 << 20, "{peak}: no figure");
    // A byte a pixel of the whole image alone would be 32 MiB more than the program itself.
    assert!(peak < 32 << 20, "{} MiB", peak >> 20);
}
