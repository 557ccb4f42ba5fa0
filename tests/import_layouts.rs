//! What counts as an image, and which label is which class: nothing is mixed, lost or invented.

use std::fs;
use std::path::Path;

use invnet::data::import::{Axes, Import, Options, import};
use tempfile::TempDir;
use tiff::decoder::Decoder;
use tiff::encoder::colortype::{Gray8, Gray16};
use tiff::encoder::{Compression, TiffEncoder, TiffKindStandard};
use tiff::tags::Tag;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
    let text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({},), }}\n", shape.join(", "));
    [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes(), data].concat()
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

fn axes(axes: Axes) -> Options {
    Options { layout: Some(axes), ..Options::default() }
}

/// Class maps `[n, h, w]` below `classes`, in no order.
fn maps(n: usize, h: usize, w: usize, classes: usize) -> Vec<u8> {
    (0..n * h * w).map(|i| (i * i / 3 % 7 % classes) as u8).collect()
}

#[test]
fn labels_are_packed_in_order_and_named() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let map = maps(3, 8, 8, 3);
    let of = |labels: [u8; 3]| map.iter().map(|&c| labels[c as usize]).collect::<Vec<u8>>();
    for labels in [[1, 2, 3], [0, 2, 5], [3, 9, 15]] {
        fs::write(&path, npy("|u1", &[3, 8, 8], &of(labels))).expect("writes");
        let data = import(&path, &Options::default()).expect("reads");
        assert_eq!((data.classes, &data.maps), (3, &map));
        assert_eq!(data.labels, labels.map(f64::from));
        let kept = import(&path, &Options { keep_labels: true, ..Options::default() }).expect("reads");
        assert_eq!((kept.classes, &kept.maps), (labels[2] as usize + 1, &of(labels)));
        assert_eq!(kept.labels, (0..=labels[2]).map(f64::from).collect::<Vec<_>>());
    }
    // Over the whole source, and not image by image: an image without label 0 has class 1 all the same.
    fs::write(&path, npy("|u1", &[2, 2, 2], &[0, 4, 0, 4, 4, 7, 7, 4])).expect("writes");
    assert_eq!(import(&path, &Options::default()).expect("reads").maps, [0, 1, 0, 1, 1, 2, 2, 1]);

    // --classes: as many as occur, or above all that do.
    let classes = |k| Options { classes: Some(k), ..Options::default() };
    fs::write(&path, npy("|u1", &[3, 8, 8], &of([0, 2, 200]))).expect("writes");
    assert_eq!(import(&path, &classes(3)).expect("reads").labels, [0.0, 2.0, 200.0]);
    assert_eq!(import(&path, &classes(256)).expect("reads").maps, of([0, 2, 200]));
    refused(&path, &classes(5), &["label 200", "--classes 5", "(0,2,200)", "--classes 3", "--classes 201"]);
    refused(&path, &Options { keep_labels: true, ..classes(3) }, &["--classes 201"]);
    refused(&path, &Options::default(), &["is 200, where a class number below 16", "--levels 0,2,200"]);

    // Levels and thresholds are the user's word; one that never occurs is said.
    let levels = Options { levels: vec![0.0, 2.0, 200.0, 7.0], ..Options::default() };
    let source = Import::open(&path, &levels).expect("reads");
    let data = source.read(&mut |_, _| Ok(())).expect("reads");
    assert_eq!(data.labels, [0.0, 2.0, 200.0, 7.0]);
    let warnings = source.warnings(&data).expect("warns");
    assert!(warnings.len() == 1 && warnings[0].contains("f4 (label 7)"), "{warnings:?}");
}

#[test]
fn negative_labels_and_whole_reals_are_told_what_to_give() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    fs::write(&path, npy("|i1", &[1, 2, 2], &[255, 1, 1, 255])).expect("writes");
    refused(&path, &Options::default(), &["is -1", "give --levels -1,1"]);
    // The level below comes after many rows, and is in the advice.
    let mut pixels = vec![0u8; 1 << 20];
    pixels[5] = 100;
    pixels[(1 << 20) - 1] = 50;
    fs::write(&path, npy("|u1", &[1024, 1024], &pixels)).expect("writes");
    refused(&path, &Options::default(), &["row 0, column 5 is 100", "--levels 0,50,100"]);
    let reals: Vec<u8> = [2.0f32, 0.0, 0.5, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(&path, npy("<f4", &[2, 2], &reals)).expect("writes");
    refused(&path, &Options::default(), &["from 0 to 2", "--levels 0,0.5,2"]);
}

/// Entries of class maps, by pixel or by layer.
fn one_hot(map: &[u8], classes: usize, pixels: usize, layers: bool) -> Vec<u8> {
    map.chunks(pixels)
        .flat_map(|image| {
            (0..pixels * classes).map(move |i| {
                let (pixel, class) =
                    if layers { (i % pixels, i / pixels) } else { (i / classes, i % classes) };
                u8::from(image[pixel] as usize == class)
            })
        })
        .collect()
}

#[test]
fn an_axis_of_classes_is_recognised_and_checked() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let map = maps(2, 6, 8, 3);
    let any = Options { size: Some([6, 8]), ..Options::default() };
    let last = one_hot(&map, 3, 48, false);
    let first = one_hot(&map, 3, 48, true);
    for (shape, bytes) in [([2, 6, 8, 3], &last), ([2, 3, 6, 8], &first)] {
        for descr in ["|u1", "|b1"] {
            fs::write(&path, npy(descr, &shape, bytes)).expect("writes");
            assert_eq!(import(&path, &any).expect("reads").maps, map, "{shape:?}");
        }
        let mut two = bytes.clone();
        two.iter_mut().take(48 * 2).for_each(|v| *v = 1);
        fs::write(&path, npy("|u1", &shape, &two)).expect("writes");
        refused(&path, &any, &["row 0, column 0 has the entries 1, 1", "--argmax", "--layout"]);
        fs::write(&path, npy("|u1", &shape, bytes)).expect("writes");
        refused(&path, &Options { threshold: Some(1.0), ..any.clone() }, &["3 entries", "--threshold"]);
    }
    // One image, where the shape alone does not tell.
    fs::write(&path, npy("|u1", &[6, 8, 3], &last[..6 * 8 * 3])).expect("writes");
    refused(&path, &any, &["[6, 8, 3]", "6 images of 8 x 3", "--layout NHW", "--layout HWC"]);
    let read = |axes| import(&path, &Options { layout: Some(axes), ..any.clone() }).expect("reads").maps;
    assert_eq!(read(Axes::Hwc), map[..48]);
    let map = maps(1, 24, 24, 3);
    let layers = one_hot(&map, 3, 24 * 24, true);
    let any = Options::default();
    fs::write(&path, npy("|u1", &[3, 24, 24], &layers)).expect("writes");
    refused(&path, &any, &["3 images add up to 1 at every pixel", "--layout CHW", "--layout NHW"]);
    let read = |axes| import(&path, &Options { layout: Some(axes), ..any.clone() }).expect("reads").maps;
    assert_eq!(read(Axes::Chw), map);
    assert_eq!(read(Axes::Nhw), layers);

    // Probabilities: the largest only if that is asked for.
    let map = maps(2, 6, 8, 3);
    let any = Options { size: Some([6, 8]), ..Options::default() };
    let soft: Vec<f32> = first.iter().map(|&v| 0.1 + 0.7 * f32::from(v)).collect();
    let bytes: Vec<u8> = soft.iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(&path, npy("<f4", &[2, 3, 6, 8], &bytes)).expect("writes");
    refused(&path, &any, &["has the entries 0.", "--argmax"]);
    assert_eq!(import(&path, &Options { argmax: true, ..any.clone() }).expect("reads").maps, map);
    let mut nan = bytes.clone();
    nan[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, npy("<f4", &[2, 3, 6, 8], &nan)).expect("writes");
    refused(&path, &Options { argmax: true, ..any.clone() }, &["none is the largest"]);
}

/// A colour map as `convert image.png array.npy` of any tool gives it: a colour is a class.
#[test]
fn bytes_with_colours_are_classes() {
    use invnet::data::import::Colours;
    let folder = folder();
    let path = folder.path().join("a.npy");
    let (map, pixels) = (maps(2, 8, 8, 3), 64);
    // The darkest first: blue, red, white.
    let palette: [[u8; 4]; 3] = [[0, 0, 255, 255], [255, 0, 0, 255], [255; 4]];
    let bytes = |map: &[u8], each: usize, layers: bool| -> Vec<u8> {
        let of = |image: &[u8]| -> Vec<u8> {
            let parts = (0..each * pixels)
                .map(|i| if layers { (i % pixels, i / pixels) } else { (i / each, i % each) });
            parts.map(|(pixel, part)| palette[image[pixel] as usize][part]).collect()
        };
        map.chunks(pixels).flat_map(of).collect()
    };
    let all = || Options { colours: Some(Colours::All), ..Options::default() };
    let labels = [0x0000ff_u32, 0xff0000, 0xffffff].map(f64::from);
    let save = |shape: &[usize], data: &[u8]| fs::write(&path, npy("|u1", shape, data)).expect("writes");
    let reads = |options: &Options, map: &[u8]| {
        let data = import(&path, options).expect("reads");
        assert_eq!((data.classes, &*data.maps, &*data.labels), (3, map, &labels[..]));
    };
    for each in [3, 4] {
        for (layers, shape) in [(false, [2, 8, 8, each]), (true, [2, each, 8, 8])] {
            save(&shape, &bytes(&map, each, layers));
            reads(&Options::default(), &map);
            reads(&all(), &map);
        }
        // One image: its axes may be others, unless it is said to have colours, or to have entries.
        save(&[8, 8, each], &bytes(&map[..64], each, false));
        refused(
            &path,
            &Options::default(),
            &["--layout NHW", "--layout HWN", "--layout HWC", "--colours all"],
        );
        reads(&all(), &map[..64]);
        reads(&axes(Axes::Hwc), &map[..64]);
    }
    let list = |text: &str| Options { colours: Some(text.parse().expect("colours")), ..Options::default() };
    save(&[2, 8, 8, 3], &bytes(&map, 3, false));
    let other: Vec<u8> = map.iter().map(|&class| [1, 2, 0][class as usize]).collect();
    assert_eq!(import(&path, &list("white,blue,red")).expect("reads").maps, other);
    refused(&path, &list("white,red"), &["the colour #0000ff, which is not among --colours"]);
    let light = Options { threshold: Some(50.0), ..Options::default() };
    let two: Vec<u8> = map.iter().map(|&class| u8::from(class > 0)).collect();
    assert_eq!(import(&path, &light).expect("reads").maps, two);
    let levels = Options { levels: vec![0.0, 255.0], ..Options::default() };
    refused(&path, &levels, &["which --levels cannot judge: give --colours or --threshold T"]);
    let largest = Options { argmax: true, ..Options::default() };
    let entries: Vec<u8> = map.iter().map(|&class| [2, 0, 0][class as usize]).collect();
    assert_eq!(
        import(&path, &largest).expect("reads").labels,
        [0.0, 2.0],
        "entries of classes if that is said"
    );
    assert_eq!(
        import(&path, &Options { keep_labels: true, ..largest.clone() }).expect("reads").maps,
        entries
    );
    let both = Options { argmax: true, ..all() };
    assert!(import(&path, &both).expect_err("two rules").to_string().contains("give one of them"));
    // What is no colour: numbers with more than a byte, one 1 among zeros, shades, what shows through.
    save(&[2, 8, 8, 3], &one_hot(&map, 3, 64, false));
    assert_eq!(import(&path, &Options::default()).expect("reads").labels, [0.0, 1.0, 2.0]);
    let shades: Vec<u8> = (0..2 * 64 * 3).map(|i| (i * 7 % 251) as u8).collect();
    save(&[2, 8, 8, 3], &shades);
    refused(&path, &Options::default(), &["more than 32 colours", "--argmax"]);
    let mut clear = bytes(&map, 4, false);
    clear[7] = 100;
    save(&[2, 8, 8, 4], &clear);
    refused(&path, &Options::default(), &["row 0, column 1 is transparent"]);
    let wide: Vec<u8> = bytes(&map, 3, false).iter().flat_map(|&v| u16::from(v).to_le_bytes()).collect();
    fs::write(&path, npy("<u2", &[2, 8, 8, 3], &wide)).expect("writes");
    refused(&path, &Options::default(), &["not one 1 among zeros"]);
    refused(&path, &all(), &["--colours takes three or four bytes (uint8) a pixel"]);
}

#[test]
fn images_across_the_last_axis_are_images() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let map = maps(3, 32, 32, 2);
    let across: Vec<u8> = (0..map.len()).map(|i| map[i % 3 * 1024 + i / 3]).collect();
    fs::write(&path, npy("|u1", &[32, 32, 3], &across)).expect("writes");
    // With a size it would be 32 stripes of 32 x 3.
    refused(&path, &Options { size: Some([32, 32]), ..Options::default() }, &["--layout HWN"]);
    assert_eq!(import(&path, &axes(Axes::Hwn)).expect("reads").maps, map);
    refused(&path, &axes(Axes::Nhwc), &["[32, 32, 3]", "--layout NHWC"]);
    for shape in [vec![3, 1, 32, 32], vec![3, 32, 32, 1], vec![1, 3, 1, 32, 32]] {
        fs::write(&path, npy("|u1", &shape, &map)).expect("writes");
        assert_eq!(import(&path, &Options::default()).expect("reads").maps, map, "{shape:?}");
    }
    fs::write(&path, npy("|u1", &[32, 32, 1], &map[..1024])).expect("writes");
    assert_eq!(import(&path, &Options::default()).expect("reads").maps, map[..1024]);
}

/// A page to write: its side, its pixels, its `NewSubfileType`, its description.
type Page<'a> = (u32, &'a [u8], u32, &'a str);

fn tiff_of(path: &Path, pages: &[Page], after: &[u8]) {
    let file = fs::File::create(path).expect("a file");
    let mut encoder: TiffEncoder<_, TiffKindStandard> = TiffEncoder::new(file).expect("begins");
    for (side, pixels, kind, description) in pages {
        let mut image = encoder.new_image::<Gray8>(*side, *side).expect("begins");
        // One strip, as programs write stacks.
        image.rows_per_strip(*side).expect("sets");
        let tags = image.encoder();
        tags.write_tag(Tag::NewSubfileType, *kind).expect("writes");
        if !description.is_empty() {
            tags.write_tag(Tag::ImageDescription, *description).expect("writes");
        }
        image.write_data(pixels).expect("writes");
    }
    if after.is_empty() {
        return;
    }
    // The other images follow the first in one piece: the file is put together again around them.
    let bytes = fs::read(path).expect("reads");
    let first = pages[0].1;
    let at = bytes.windows(first.len()).position(|w| w == first).expect("pixels");
    let mut whole = bytes.clone();
    let end = whole.len();
    whole.extend_from_slice(first);
    whole.extend_from_slice(after);
    // The one offset that points at the pixels.
    let old = (at as u32).to_le_bytes();
    let place = (at + first.len()..end - 3).rev().find(|&i| whole[i..i + 4] == old);
    let place = place.or_else(|| (0..at).rev().find(|&i| whole[i..i + 4] == old)).expect("an offset");
    whole[place..place + 4].copy_from_slice(&(end as u32).to_le_bytes());
    fs::write(path, whole).expect("writes");
}

#[test]
fn levels_of_a_pyramid_are_no_slices() {
    let folder = folder();
    let path = folder.path().join("a.tif");
    let map = maps(2, 16, 16, 2);
    let (full, half) = (&map[..256], &map[256..320]);
    for reduced in [1, 5] {
        tiff_of(&path, &[(16, full, 0, ""), (8, half, reduced, "")], &[]);
        assert_eq!(import(&path, &Options::default()).expect("reads").maps, full);
        tiff_of(&path, &[(8, half, reduced, ""), (16, full, 0, ""), (16, &map[256..], 0, "")], &[]);
        assert_eq!(import(&path, &Options::default()).expect("reads").maps, map);
    }
    // Those that do not say so are refused, with a size too.
    tiff_of(&path, &[(16, full, 0, ""), (8, half, 0, "")], &[]);
    for size in [None, Some([8, 8])] {
        let options = Options { size, ..Options::default() };
        refused(&path, &options, &["page 2 has 8 x 8 pixels and page 1 has 16 x 16", "no stack"]);
    }
    tiff_of(&path, &[(8, half, 1, "")], &[]);
    refused(&path, &Options::default(), &["all its pages that they are reduced"]);
}

#[test]
fn stacks_that_only_a_description_counts_are_whole() {
    let folder = folder();
    let path = folder.path().join("a.tif");
    let map = maps(3, 16, 16, 3);
    let (first, rest) = map.split_at(256);
    let ome = |z: usize, c: usize| {
        format!(
            "<?xml version=\"1.0\"?><OME><Image><Pixels SizeX=\"16\" SizeC=\"{c}\" SizeZ=\"{z}\" SizeT=\"1\"/></Image></OME>"
        )
    };
    let whole = [
        "ImageJ=1.53t\nimages=3\nslices=3\nloop=false\n".to_owned(),
        ome(3, 1),
        "{\"shape\": [3, 16, 16], \"truncated\": true}".to_owned(),
    ];
    for description in &whole {
        tiff_of(&path, &[(16, first, 0, description)], rest);
        assert_eq!(import(&path, &Options::default()).expect("reads").maps, map, "{description}");
        // With all pages there nothing is read twice.
        let pages: Vec<Page> = map.chunks(256).map(|page| (16, page, 0, description.as_str())).collect();
        tiff_of(&path, &pages, &[]);
        assert_eq!(import(&path, &Options::default()).expect("reads").maps, map, "{description}");
        tiff_of(&path, &pages[..2], &[]);
        refused(&path, &Options::default(), &["has 2 pages", "says 3", "plain stack"]);
        tiff_of(&path, &[(16, first, 0, description)], &rest[..400]);
        refused(&path, &Options::default(), &["cut short", "says 3 images", "there are 2"]);
    }
    tiff_of(&path, &[(16, first, 0, "ImageJ=1.53t\nimages=4\nchannels=2\nslices=2\n")], rest);
    refused(&path, &Options::default(), &["2 channels"]);
    tiff_of(&path, &[(16, first, 0, &ome(3, 2))], rest);
    refused(&path, &Options::default(), &["2 channels"]);
    // Some programs call the slices of a stack so.
    tiff_of(&path, &[(16, first, 0, "ImageJ=1.11a\nimages=3\nchannels=3\n")], rest);
    refused(&path, &Options::default(), &["3 channels", "--layout NHW"]);
    assert_eq!(import(&path, &axes(Axes::Nhw)).expect("reads").maps, map);
    tiff_of(&path, &[(16, first, 0, "a sample, images=3")], &[]);
    assert_eq!(import(&path, &Options::default()).expect("reads").count, 1);
}

/// A grey TIFF of 8 bits in square tiles, by hand: the encoder writes strips only.
fn tiled_tiff(path: &Path, [height, width]: [usize; 2], side: usize, lzw: bool, map: &[u8]) {
    let mut bytes = b"II*\0\0\0\0\0".to_vec();
    let (mut offsets, mut counts) = (vec![], vec![]);
    for tile in 0..height.div_ceil(side) * width.div_ceil(side) {
        let (ty, tx) = (tile / width.div_ceil(side), tile % width.div_ceil(side));
        let pixel = |i: usize| (ty * side + i / side, tx * side + i % side);
        let inside = |(y, x): (usize, usize)| if y < height && x < width { map[y * width + x] } else { 99 };
        let pixels: Vec<u8> = (0..side * side).map(|i| inside(pixel(i))).collect();
        let data = if lzw { lzw_of(&pixels, side as u32) } else { pixels };
        offsets.push(bytes.len() as u32);
        counts.push(data.len() as u32);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
    }
    let [offsets_at, counts_at] = [&offsets, &counts].map(|numbers| {
        let at = bytes.len() as u32;
        numbers.iter().for_each(|n| bytes.extend(n.to_le_bytes()));
        at
    });
    let directory = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&directory.to_le_bytes());
    let entries: [(u16, u16, u32, u32); 10] = [
        (256, 4, 1, width as u32),
        (257, 4, 1, height as u32),
        (258, 3, 1, 8),
        (259, 3, 1, if lzw { 5 } else { 1 }),
        (262, 3, 1, 1),
        (277, 3, 1, 1),
        (322, 4, 1, side as u32),
        (323, 4, 1, side as u32),
        (324, 4, offsets.len() as u32, offsets_at),
        (325, 4, counts.len() as u32, counts_at),
    ];
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    fs::write(path, bytes).expect("writes");
}

/// A square of grey levels as LZW has it: what the encoder writes as its one strip.
fn lzw_of(pixels: &[u8], side: u32) -> Vec<u8> {
    let mut file = std::io::Cursor::new(vec![]);
    let mut encoder = TiffEncoder::new(&mut file).expect("begins").with_compression(Compression::Lzw);
    let mut image = encoder.new_image::<Gray8>(side, side).expect("begins");
    image.rows_per_strip(side).expect("one strip");
    image.write_data(pixels).expect("writes");
    let bytes = file.into_inner();
    let mut decoder = Decoder::new(std::io::Cursor::new(&bytes)).expect("reads");
    let mut number = |tag| decoder.get_tag_u64_vec(tag).expect("is there")[0] as usize;
    let (at, count) = (number(Tag::StripOffsets), number(Tag::StripByteCounts));
    bytes[at..at + count].to_vec()
}

#[test]
fn tiles_of_a_tiff_are_put_together() {
    let folder = folder();
    let path = folder.path().join("a.tif");
    for ([height, width], side, lzw) in [
        ([20, 24], 16, false),
        ([20, 24], 16, true),
        ([64, 128], 64, true),
        ([60, 65], 64, true),
        ([70, 100], 64, true),
        ([300, 201], 64, true),
        ([129, 300], 128, true),
    ] {
        // Long runs, as labels have them, and noise.
        for noisy in [false, true] {
            let pixel =
                |i: usize| if noisy { (i * i / 3 % 7 % 5) as u8 } else { (i % width * 5 / width) as u8 };
            let map: Vec<u8> = (0..height * width).map(pixel).collect();
            tiled_tiff(&path, [height, width], side, lzw, &map);
            let options = Options { size: Some([height, width]), classes: Some(5), ..Options::default() };
            let read = import(&path, &options).unwrap_or_else(|e| panic!("{height} x {width}: {e}"));
            assert!(read.maps == map, "{height} x {width} in {side} {lzw} {noisy}");
        }
    }
}

#[test]
fn uncompressed_pages_of_every_kind_are_read_as_they_were() {
    let folder = folder();
    let path = folder.path().join("a.tif");
    let map = maps(1, 16, 16, 3);
    let file = fs::File::create(&path).expect("a file");
    let mut encoder = TiffEncoder::new(file).expect("begins");
    let wide: Vec<u16> = map.iter().map(|&v| u16::from(v) * 257).collect();
    encoder.write_image::<Gray16>(16, 16, &wide).expect("writes");
    let options = Options { levels: vec![0.0, 257.0, 514.0], ..Options::default() };
    assert_eq!(import(&path, &options).expect("reads").maps, map);
    // The same in the other byte order, by hand.
    let mut bytes = b"MM\0*\0\0\0\x08\0\x08".to_vec();
    let entries: [(u16, u16, u32); 8] = [
        (256, 4, 16),
        (257, 4, 16),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 110),
        (277, 3, 1),
        (279, 4, 512),
    ];
    for (tag, kind, value) in entries {
        bytes.extend(tag.to_be_bytes());
        bytes.extend(kind.to_be_bytes());
        bytes.extend(1u32.to_be_bytes());
        bytes.extend(if kind == 3 { (value << 16).to_be_bytes() } else { value.to_be_bytes() });
    }
    bytes.extend([0; 4]);
    assert_eq!(bytes.len(), 110);
    wide.iter().for_each(|v| bytes.extend(v.to_be_bytes()));
    fs::write(&path, &bytes).expect("writes");
    assert_eq!(import(&path, &options).expect("reads").maps, map);
    bytes.truncate(bytes.len() - 1);
    fs::write(&path, &bytes).expect("writes");
    refused(&path, &options, &["cut short"]);
}

#[test]
fn files_are_taken_in_natural_order() {
    let folder = folder();
    for i in [1, 2, 10] {
        tiff_of(&folder.path().join(format!("slice_{i}.tif")), &[(2, &[i % 3, 1, 2, 0], 0, "")], &[]);
    }
    let pages = [(2, [2, 2, 2, 0].as_slice(), 0, ""), (2, &[0, 0, 0, 1], 0, "")];
    tiff_of(&folder.path().join("slice_3.tif"), &pages, &[]);
    let options = Options::default();
    let source = Import::open(folder.path(), &options).expect("reads");
    let data = import(folder.path(), &options).expect("reads");
    let first: Vec<u8> = data.maps.chunks(4).map(|map| map[0]).collect();
    assert_eq!(first, [1, 2, 2, 0, 1]);
    let files = source.files().into_iter();
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let table: Vec<(String, usize, usize)> = files.map(|f| (name(&f.path), f.first, f.count)).collect();
    let expected =
        [("slice_1.tif", 0, 1), ("slice_2.tif", 1, 1), ("slice_3.tif", 2, 2), ("slice_10.tif", 4, 1)];
    assert_eq!(table, expected.map(|(name, first, count)| (name.to_owned(), first, count)));
}
