//! HDF5, MATLAB and DREAM.3D files that other programs wrote (`tests/data/make.py`): every kind of
//! storage, type and link is read as it was written, and what is not read is named.

use std::path::{Path, PathBuf};

use hdf5_writer::{AttributeBuilder, DatasetBuilder, Hdf5Builder, WriteOptions};
use invnet::data::circles::CircleWorld;
use invnet::data::export::{Exported, Format, write_all};
use invnet::data::import::{Options, import};

const COUNT: usize = 3;
const HEIGHT: usize = 12;
const WIDTH: usize = 14;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The images in every file of that folder, `[3, 12, 14]`.
fn maps() -> Vec<u8> {
    let pixel = |n: usize, y: usize, x: usize| ((7 * n + 3 * y + 5 * x + x * y) % 11 % 3) as u8;
    let row = move |n, y| (0..WIDTH).map(move |x| pixel(n, y, x));
    (0..COUNT).flat_map(|n| (0..HEIGHT).flat_map(move |y| row(n, y))).collect()
}

/// Images as they are, under a name.
fn named(name: &str) -> Options {
    Options { dataset: Some(name.into()), size: Some([HEIGHT, WIDTH]), ..Options::default() }
}

fn levels(name: &str) -> Options {
    Options { levels: vec![0.0, 1.0, 2.0], ..named(name) }
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
    let own = text.replace(env!("CARGO_MANIFEST_DIR"), "");
    assert!(!own.contains(".cargo") && !own.contains("target/"), "names a folder of the build: {text}");
}

#[test]
fn every_storage_and_type_is_read_in_old_and_new_files() {
    for path in [file("old.h5"), file("new.h5")] {
        let integers = ["gzip", "lzf", "lzf-shuffle", "scale", "growing", "appended", "enumeration"];
        for name in integers.iter().chain(&["deep/er/images", "/deep/er/images", "images", "soft"]) {
            assert!(read(&path, &named(name)) == maps(), "{name} of {}", path.display());
        }
        for name in ["half", "double-big"] {
            assert!(read(&path, &levels(name)) == maps(), "{name} of {}", path.display());
        }
        let truth: Vec<u8> = maps().iter().map(|&c| u8::from(c > 0)).collect();
        assert!(read(&path, &named("truth")) == truth, "{}", path.display());
    }
}

#[test]
fn what_there_is_is_listed_and_dangling_links_are_no_matter() {
    assert_eq!(read(&file("links.h5"), &Options { dataset: None, ..named("") }), maps());
    for path in [file("old.h5"), file("new.h5")] {
        let listed = ["deep/er/images [3, 12, 14] u1", "gzip [3, 12, 14] i4", "half [3, 12, 14] f2"];
        refused(&path, &Options::default(), &[&["several data sets", "--dataset"], &listed[..]].concat());
        let all = [&listed[..], &["deep/time [3] i8", "deep/name [] text", "no data set `absent`"]].concat();
        refused(&path, &named("absent"), &all);
        refused(&path, &named("complex"), &["`complex` holds compound of 2"]);
        refused(&path, &named("half"), &["`half` image 0: holds real numbers from 0 to 2", "--threshold"]);
    }
}

#[test]
fn what_is_not_read_is_named_with_a_way_round() {
    let path = file("odd.h5");
    refused(&path, &named("blosc"), &["`blosc` is compressed with Blosc (filter 32001)", "h5repack"]);
    refused(&path, &named("bfloat"), &["`bfloat` holds real numbers that are not of IEEE 754", "float32"]);
    refused(&path, &named("virtual"), &["`virtual` is a virtual data set"]);
    refused(&path, &named("external"), &["`external` keeps its values in another file"]);
    refused(&path, &Options::default(), &["virtual data set", "--dataset"]);
    refused(&file("make.py"), &Options::default(), &["first bytes"]);
}

#[test]
fn a_shape_beyond_the_file_is_refused_before_memory_is_taken() {
    // 2^44 bytes in a file of 2 KB: chunks that were never written need no room.
    refused(
        &file("huge.h5"),
        &Options::default(),
        &["`images` says that its shape is", "more than this file can hold"],
    );
}

#[test]
fn rows_of_images_are_read_with_their_shape() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.h5");
    let save = |datasets: Vec<DatasetBuilder>| {
        let file = datasets.into_iter().fold(Hdf5Builder::new(), Hdf5Builder::dataset);
        let bytes = file.into_plan().and_then(|p| p.encode(WriteOptions::default())).expect("encodes");
        std::fs::write(&path, bytes).expect("writes");
    };
    // As the public set of Cahn-Hilliard snapshots has them: rows of a square image, chunked.
    let rows: Vec<f32> = (0..3 * 16).map(|i| (i % 5) as f32 / 4.0).collect();
    let morphology =
        || DatasetBuilder::typed_data("morphology", vec![3, 16], &rows).expect("fits").chunked(vec![2, 16]);
    save(vec![morphology()]);
    let half = Options { threshold: Some(0.5), ..Options::default() };
    let data = import(&path, &half).expect("reads");
    let expect: Vec<u8> = rows.iter().map(|&v| u8::from(v >= 0.5)).collect();
    assert_eq!((data.count, data.height, data.width, &data.maps), (3, 4, 4, &expect));
    let shaped = |shape| Options { shape: Some(shape), size: Some(shape), ..half.clone() };
    assert_eq!(import(&path, &shaped([2, 8])).expect("reads").height, 2);
    refused(&path, &shaped([3, 8]), &["a row holds 16 values"]);
    refused(&path, &Options::default(), &["real numbers from 0 to 1"]);
    save(vec![morphology(), DatasetBuilder::typed_data("second", vec![1, 2, 5], &[0i16; 10]).expect("fits")]);
    refused(
        &path,
        &half,
        &["several data sets: give --dataset, one of morphology [3, 16] f4, second [1, 2, 5] i2"],
    );
    // Somebody else's `maps` may have an attribute `classes` of any kind.
    let classes = AttributeBuilder::fixed_string("classes", "three");
    save(vec![
        DatasetBuilder::typed_data("maps", vec![1, 2, 2], &[0u8, 1, 1, 0]).expect("fits").attribute(classes),
    ]);
    assert_eq!(import(&path, &Options::default()).expect("reads").classes, 2);
}

#[test]
fn matlab_variables_come_with_their_axes_turned_round() {
    let path = file("matlab.mat");
    let only = |name: &str, options: Options| Options { dataset: Some(name.into()), ..options };
    let sized = Options { size: Some([HEIGHT, WIDTH]), shape: Some([HEIGHT, WIDTH]), ..Options::default() };
    assert_eq!(read(&path, &only("stack", sized.clone())), maps());
    let first = Options { levels: vec![0.0, 1.0, 2.0], shape: None, ..sized.clone() };
    assert_eq!(read(&path, &only("image", first)), maps()[..HEIGHT * WIDTH]);
    let truth: Vec<u8> =
        maps()[HEIGHT * WIDTH..][..HEIGHT * WIDTH].iter().map(|&c| u8::from(c > 0)).collect();
    assert_eq!(read(&path, &only("flags", Options { shape: None, ..sized.clone() })), truth);
    let open = Options { size: Some([HEIGHT, WIDTH]), ..Options::default() };
    refused(&path, &only("stack", open), &["12 x 14 x 3 in MATLAB", "--shape 12,14", "--shape 14,3"]);
    refused(&path, &sized, &["several variables", "stack [3, 14, 12] u1", "image [14, 12] f8"]);
    refused(&path, &only("absent", sized), &["text [5, 1] u2"]);

    let folder = tempfile::tempdir().expect("a folder");
    let old = folder.path().join("old.mat");
    std::fs::write(&old, b"MATLAB 5.0 MAT-file, Platform: PCWIN64").expect("writes");
    refused(&old, &Options::default(), &["MATLAB file of an old version", "-v7.3"]);
}

#[test]
fn phases_of_both_versions_of_dream3d_count_from_one() {
    for path in [file("simpl.dream3d"), file("nx.dream3d")] {
        let plain = Options { size: Some([HEIGHT, WIDTH]), ..Options::default() };
        assert_eq!(read(&path, &plain), maps(), "{}", path.display());
        assert_eq!(read(&path, &named("Phases")), maps());
        refused(&path, &named("Absent"), &["no array Absent", "/FeatureIds [3, 12, 14, 1] i4"]);
        refused(&path, &named("EulerAngles"), &["three Euler angles", "--orientations N"]);
        refused(&path, &named("FeatureIds"), &["is 0, where a number of 1 to 16"]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = CircleWorld { size: 16 }.generate(5, 3);
    let exported = Exported::new(&data, &[[0; 3]]);
    let path = write_all(folder.path(), "m", &[Format::Dream3d], &exported).expect("writes").remove(0);
    let long = Options {
        dataset: Some("/DataContainers/ImageDataContainer/CellData/Phases".into()),
        ..Options::default()
    };
    assert_eq!(import(&path, &long).expect("reads").maps, data.maps);
}

#[test]
fn grains_of_dream3d_become_a_polycrystal() {
    for path in [file("simpl.dream3d"), file("nx.dream3d")] {
        let grains = Options { orientations: Some(4), size: Some([HEIGHT, WIDTH]), ..Options::default() };
        let data = import(&path, &grains).expect("reads");
        assert_eq!((data.classes, data.count), (4, COUNT));
        for i in 0..COUNT {
            let map = data.map(i);
            for (y, x) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (y, x))) {
                // A grid of blocks of 4 x 5 pixels (the last 4 x 4), each one orientation, none beside its own.
                let at = |y: usize, x: usize| map[y.min(HEIGHT - 1) * WIDTH + x.min(WIDTH - 1)];
                let (block_y, block_x) = (y / 4 * 4, x / 5 * 5);
                assert_eq!(at(y, x), at(block_y, block_x), "image {i}, row {y}, column {x}");
                if block_x + 5 < WIDTH {
                    assert_ne!(at(y, x), at(block_y, block_x + 5), "image {i}, row {y}, column {x}");
                }
                if block_y + 4 < HEIGHT {
                    assert_ne!(at(y, x), at(block_y + 4, block_x), "image {i}, row {y}, column {x}");
                }
            }
        }
        // Angles of g / 10 of a turn for grain g: five bins of two grains each.
        let angles = Options { dataset: Some("EulerAngles".into()), orientations: Some(5), ..grains.clone() };
        let bins = import(&path, &angles).expect("reads");
        let at = |y: usize, x: usize| bins.map(1)[y * WIDTH + x];
        assert_eq!([at(0, 0), at(0, 5), at(0, 10), at(4, 0), at(11, 13)], [0, 1, 1, 2, 4]);
        let phases = Options { dataset: Some("Phases".into()), ..grains };
        assert_eq!(import(&path, &phases).expect("phases are regions too").classes, 4);
    }
}
