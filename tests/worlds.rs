//! The geometry and the statistics of the data generators, against formulas.

use std::f64::consts::PI;
use std::io::Read;

use invnet::data::ClassMaps;
use invnet::data::circles::{Circle, CircleWorld, NAMES, from_properties};
use invnet::data::export::{write_atomically, write_npy_f32, write_npy_u8, write_npz};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn circles_of(data: &ClassMaps, i: usize) -> [Circle; 2] {
    let row: &[f32; 6] = data.property(i).try_into().expect("six properties");
    from_properties(row)
}

/// Whether the whole disc lies on the image.
fn is_whole(circle: &Circle, size: usize) -> bool {
    let low = (circle.cx - circle.r).min(circle.cy - circle.r);
    let high = (circle.cx + circle.r).max(circle.cy + circle.r);
    low >= -0.5 && high <= size as f64 - 0.5
}

/// Area and centroid of one class.
fn moments(map: &[u8], width: usize, class: u8) -> (f64, f64, f64) {
    let pixels = map.iter().enumerate().filter(|&(_, &c)| c == class);
    let (mut area, mut sx, mut sy) = (0.0, 0.0, 0.0);
    for (i, _) in pixels {
        area += 1.0;
        sx += (i % width) as f64;
        sy += (i / width) as f64;
    }
    (area, sx / area, sy / area)
}

#[test]
fn properties_stay_in_their_ranges_and_circles_apart() {
    for size in [16, 32, 64, 128, 256] {
        let world = CircleWorld { size };
        let ((r0, r1), (c0, c1)) = (world.radius_range(), world.centre_range());
        assert_eq!((r0, r1), (14.0 * size as f64 / 128.0, 32.0 * size as f64 / 128.0));
        assert_eq!((c0, c1), (30.0 * size as f64 / 128.0, 96.0 * size as f64 / 128.0));
        let mut rng = StdRng::seed_from_u64(size as u64);
        for _ in 0..2_000 {
            let [a, b] = world.sample(&mut rng);
            for c in [a, b] {
                assert!((r0..=r1).contains(&c.r), "{c:?}");
                assert!((c0..=c1).contains(&c.cx) && (c0..=c1).contains(&c.cy), "{c:?}");
            }
            assert!((a.cx - b.cx).hypot(a.cy - b.cy) > a.r + b.r, "{a:?} {b:?} overlap");
        }
    }
}

/// Discarding what touches bends the uniform distributions. How far is known exactly: the distance
/// of two uniform points of a unit square has the density 2 pi d - 8 d^2 + 2 d^3 up to 1 (square line
/// picking), and r1 + r2 + 1 never exceeds the side of the range. So the moments of an accepted
/// pair are integrals over the two radii and the distance.
#[test]
fn moments_of_the_accepted_pairs_are_those_of_the_theory() {
    let world = CircleWorld { size: 128 };
    let ((r0, r1), (c0, c1)) = (world.radius_range(), world.centre_range());
    let side = c1 - c0;
    let inside = |d: f64| PI * d.powi(2) - 8.0 / 3.0 * d.powi(3) + d.powi(4) / 2.0;
    let inside_squared = |d: f64| PI / 2.0 * d.powi(4) - 8.0 / 5.0 * d.powi(5) + d.powi(6) / 3.0;
    // Integrals by the midpoint rule over both radii. The mean squared distance of all pairs is 1/3.
    let cells = 200;
    let (mut accepted, mut radius, mut radius_squared, mut product, mut distance) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for i in 0..cells {
        for j in 0..cells {
            let at = |k: i32| r0 + (r1 - r0) * (f64::from(k) + 0.5) / f64::from(cells);
            let (a, b) = (at(i), at(j));
            let reach = (a + b + 1.0) / side;
            let share = 1.0 - inside(reach);
            accepted += share;
            radius += share * a;
            radius_squared += share * a * a;
            product += share * a * b;
            distance += (1.0 / 3.0 - inside_squared(reach)) * side * side;
        }
    }
    let theory = [radius, radius_squared, product, distance].map(|sum| sum / accepted);

    let count = 40_000;
    let targets = world.sample_targets(count, 11);
    let mut samples = [vec![], vec![], vec![], vec![]];
    let (mut centre, mut centre_count) = (0.0, 0.0);
    for row in targets.chunks_exact(6) {
        let [a, b] = from_properties(row.try_into().expect("six properties"));
        let pair = [a.r, a.r * a.r, a.r * b.r, (a.cx - b.cx).powi(2) + (a.cy - b.cy).powi(2)];
        for (all, value) in samples.iter_mut().zip(pair) {
            all.push(value);
        }
        centre += a.cx + a.cy + b.cx + b.cy;
        centre_count += 4.0;
    }
    for ((values, expected), name) in samples.iter().zip(theory).zip(["r1", "r1^2", "r1 r2", "distance^2"]) {
        let mean = values.iter().sum::<f64>() / count as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
        let error = (variance / count as f64).sqrt();
        assert!((mean - expected).abs() < 4.0 * error, "{name}: {mean}, theory {expected} +- {error}");
    }
    // By symmetry; the spread of a uniform centre bounds the error of its mean from above by far.
    assert!((centre / centre_count - (c0 + c1) / 2.0).abs() < 0.3);
    // The effect is not small: without discarding, the mean radius would be 23.
    assert!(theory[0] < 22.0);
}

#[test]
fn discs_have_the_area_and_the_centroid_of_circles() {
    for (size, count) in [(16, 400), (17, 400), (64, 400), (128, 200), (256, 50)] {
        let world = CircleWorld { size };
        let data = world.generate(count, 5);
        assert_eq!((data.count, data.height, data.width, data.classes), (count, size, size, 3));
        assert_eq!(data.names, NAMES);
        let (mut whole, mut bias, mut shift) = (0.0, 0.0, [0.0; 2]);
        for i in 0..count {
            let map = data.map(i);
            assert!(map.iter().all(|&c| c < 3));
            for (class, circle) in (1..).zip(&circles_of(&data, i)) {
                if !is_whole(circle, size) {
                    continue;
                }
                let (area, cx, cy) = moments(map, size, class);
                // The count of lattice points in a circle strays from its area by a share of the
                // boundary that grows like r^(2/3); among 20,000 or more discs a size the worst was 3.1.
                let ideal = PI * circle.r * circle.r;
                let allowed = 3.5 * circle.r.powf(2.0 / 3.0);
                assert!(
                    (area - ideal).abs() < allowed,
                    "size {size}, {circle:?}: area {area}, ideal {ideal}"
                );
                // Boundary pixels move the centroid by their share of the area; the worst was 0.73.
                let allowed = 0.85 / circle.r.sqrt();
                let off = (cx - circle.cx).hypot(cy - circle.cy);
                assert!(off < allowed, "size {size}, {circle:?}: centroid off by {off}");
                bias += (area - ideal) / ideal;
                shift[0] += cx - circle.cx;
                shift[1] += cy - circle.cy;
                whole += 1.0;
            }
        }
        assert!(whole > count as f64, "most discs lie on the image");
        // Errors of single discs have no preferred sign.
        assert!((bias / whole).abs() < 0.01, "size {size}: mean relative area error {}", bias / whole);
        for axis in shift {
            assert!((axis / whole).abs() < 0.03, "size {size}: centroids are shifted by {}", axis / whole);
        }
    }
}

#[test]
fn discs_share_no_pixel_and_no_edge() {
    for size in [16, 64, 128] {
        let world = CircleWorld { size };
        let data = world.generate(500, 3);
        for i in 0..data.count {
            let map = data.map(i);
            let circles = circles_of(&data, i);
            for y in 0..size {
                for x in 0..size {
                    assert!(
                        !(circles[0].contains(x, y) && circles[1].contains(x, y)),
                        "{circles:?} at {x}, {y}"
                    );
                    let here = map[y * size + x];
                    let right = if x + 1 < size { map[y * size + x + 1] } else { 0 };
                    let below = if y + 1 < size { map[(y + 1) * size + x] } else { 0 };
                    for neighbour in [right, below] {
                        assert!(here == 0 || neighbour == 0 || here == neighbour, "{circles:?} at {x}, {y}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_disc_cut_by_the_border_is_what_is_left_of_it() {
    let world = CircleWorld { size: 128 };
    let cut = Circle { r: 32.0, cx: 30.0, cy: 96.0 };
    let map = world.rasterise(&[cut, Circle { r: 14.0, cx: 96.0, cy: 30.0 }]);
    for y in 0..128 {
        for x in 0..128 {
            assert_eq!(map[y * 128 + x] == 1, cut.contains(x, y), "at {x}, {y}");
        }
    }
    assert_eq!(map[96 * 128], 1, "the disc reaches the left border");
    // A disc that lies outside altogether draws nothing and does not panic.
    let outside = Circle { r: 5.0, cx: -20.0, cy: 300.0 };
    assert!(world.rasterise(&[outside; 2]).iter().all(|&c| c == 0));
}

#[test]
fn the_seed_alone_decides() {
    let world = CircleWorld { size: 32 };
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| world.generate(333, 9))
    };
    let one = with_threads(1);
    assert_eq!(one, with_threads(2));
    assert_eq!(one, with_threads(5));

    let fewer = world.generate(100, 9);
    assert_eq!(fewer.maps, one.maps[..100 * 32 * 32], "a smaller set is the start of a larger one");
    assert_ne!(one.maps, world.generate(333, 10).maps);
    assert_ne!(fewer.properties, world.sample_targets(100, 9), "targets are not the training set");
    assert_eq!(world.sample_targets(5, 9), world.sample_targets(50, 9)[..30]);
}

/// What a seed means must not change unnoticed, or old runs could not be repeated.
#[test]
fn the_first_targets_of_a_seed_are_pinned() {
    let targets = CircleWorld { size: 128 }.sample_targets(1, 1);
    let rounded: Vec<f64> = targets.iter().map(|&v| (f64::from(v) * 1e3).round() / 1e3).collect();
    assert_eq!(rounded, [21.431, 41.645, 44.014, 22.763, 64.918, 83.717]);
}

#[test]
fn arrays_read_back_as_they_were_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("circles.npz");
    let data = CircleWorld { size: 16 }.generate(7, 1);
    write_npz(&path, &data).expect("writes");
    let first = std::fs::read(&path).expect("reads");
    write_npz(&path, &data).expect("overwrites");
    assert_eq!(first, std::fs::read(&path).expect("reads"), "the archive depends on the data only");

    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).expect("opens")).expect("an archive");
    let mut names: Vec<String> = archive.file_names().map(|n| n.expect("a name").into_owned()).collect();
    names.sort();
    assert_eq!(names, ["classes.npy", "maps.npy", "names.npy", "properties.npy"]);
    let mut bytes = |name: &str| {
        let mut bytes = vec![];
        archive.by_name(name).expect("is there").read_to_end(&mut bytes).expect("reads");
        bytes
    };
    let maps = bytes("maps.npy");
    let maps = npyz::NpyFile::new(&maps[..]).expect("an array");
    assert_eq!(maps.shape(), [7, 16, 16]);
    assert_eq!(maps.into_vec::<u8>().expect("u8"), data.maps);
    let properties = bytes("properties.npy");
    let properties = npyz::NpyFile::new(&properties[..]).expect("an array");
    assert_eq!(properties.shape(), [7, 6]);
    assert_eq!(properties.into_vec::<f32>().expect("f32"), data.properties);
    let names = bytes("names.npy");
    let names = npyz::NpyFile::new(&names[..]).expect("an array");
    assert_eq!(names.into_vec::<String>().expect("text"), data.names);
    let classes = bytes("classes.npy");
    let classes = npyz::NpyFile::new(&classes[..]).expect("an array");
    assert_eq!(classes.into_vec::<i64>().expect("i64"), [3]);

    let path = folder.path().join("maps.npy");
    write_npy_u8(&path, &data.maps, &[7, 16, 16]).expect("writes");
    let array =
        npyz::NpyFile::new(&std::fs::read(&path).expect("reads")[..]).expect("an array").into_vec::<u8>();
    assert_eq!(array.expect("u8"), data.maps);
    write_npy_f32(&path, &data.properties, &[7, 6]).expect("writes");
    let bytes = std::fs::read(&path).expect("reads");
    assert_eq!(npyz::NpyFile::new(&bytes[..]).expect("an array").shape(), [7, 6]);
}

#[test]
fn a_file_is_whole_or_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    write_atomically(&path, |file| std::io::Write::write_all(file, b"old")).expect("writes");
    let error = write_atomically(&path, |file| {
        std::io::Write::write_all(file, b"half")?;
        Err(std::io::Error::other("disc full"))
    })
    .expect_err("must fail");
    assert_eq!(error.to_string(), format!("{}: disc full", path.display()));
    assert_eq!(std::fs::read(&path).expect("reads"), b"old");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("lists").collect();
    assert_eq!(left.len(), 1, "no temporary file is left: {left:?}");

    let missing = folder.path().join("no/such/folder/file");
    let error = write_atomically(&missing, |_| Ok(())).expect_err("must fail");
    assert!(error.to_string().starts_with(&missing.display().to_string()), "{error}");
}
