//! Nothing is replaced that was not asked for.

use std::fs;
use std::path::Path;

use super::program::{bad, bytes, good, text, training};

#[test]
fn data_sets_and_reports_are_replaced_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let data = |more: &[&'static str]| {
        [["data", "circles", "--size=16", "--count=4", "--out=c.npz"].as_slice(), more].concat()
    };
    good(here, &data(&[]));
    let before = bytes(here, "c.npz");
    bad(here, &data(&["--seed=1"]), &["c.npz", "--overwrite"]);
    fs::write(here.join("c.csv"), "mine").unwrap();
    fs::remove_file(here.join("c.npz")).unwrap();
    bad(here, &data(&["--format=csv"]), &["c.csv", "--overwrite"]);
    assert!(!here.join("c.npz").exists() && bytes(here, "c.csv") == b"mine");
    good(here, &data(&["--format=csv", "--overwrite"]));
    assert_eq!(bytes(here, "c.npz"), before);
    assert!(bytes(here, "c.csv").starts_with(b"image,r1"));

    good(here, &training("run", &["--iterations=2"]));
    good(here, &["evaluate", "--run=run", "--samples=5"]);
    assert!(here.join("run/evaluated/report.png").exists());
    bad(here, &["evaluate", "--run=run", "--samples=5"], &["report.json", "--overwrite"]);
    good(here, &["evaluate", "--run=run", "--samples=6", "--overwrite"]);
}

#[test]
fn names_do_not_contradict_what_they_name() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for out in ["x.csv", "x.h5", "x", "x.npz.old"] {
        bad(here, &["data", "circles", "--size=16", "--count=2", "--out", out], &[out, ".npz"]);
    }
    bad(here, &["data", "circles", "--out=no/x.npz"], &["x.npz", "no folder no", "make it"]);
    let large = ["data", "circles", "--size=1024", "--count=600", "--out=x.npz", "--format=npy,dream3d"];
    bad(here, &large, &["dream3d", "600 images of 1024 x 1024", "536870912 pixels", "npy"]);
    bad(here, &training("run.npz", &[]), &["run.npz", "folder"]);
    fs::write(here.join("file"), "mine").unwrap();
    bad(here, &training("file", &[]), &["file", "folder"]);
    good(here, &training("run-1.5", &["--iterations=1"]));
    bad(here, &["evaluate", "--run=run-1.5", "--out=report.json"], &["report.json", "folder"]);
    assert_eq!(fs::read_dir(here).unwrap().count(), 2);
}

#[test]
fn what_a_format_leaves_out_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &["data", "circles", "--size=64", "--count=1", "--out=c.npz", "--format=tiff"]);
    let import = |more: &[&'static str]| {
        let args = ["data", "import", "c.tiff", "--out=d.npz", "--overwrite"];
        good(here, &[args.as_slice(), more].concat())[1].clone()
    };
    let said = import(&["--tile=16", "--stride=4", "--format=npy,hdf5,csv"]);
    assert!(
        said.contains("note: npy, csv: no word of what each class was: that stands in d.npz\n"),
        "{said}"
    );
    assert!(
        said.contains("note: npy: no word of which images are held out: that stands in d.npz\n"),
        "{said}"
    );
    let said = import(&["--format=png"]);
    assert!(said.contains("note: png: no word of what each class was: that stands in d.npz\n"), "{said}");
    assert!(!import(&["--format=npz,hdf5"]).contains("no word"));
    assert!(!import(&[]).contains("no word"));
}

#[test]
fn what_an_import_leaves_alone_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &["data", "circles", "--size=16", "--count=2", "--out=c.npz", "--format=png"]);
    let import = |more: &[&'static str]| {
        let args = ["data", "import", "c-png", "--out=d.npz", "--overwrite"];
        good(here, &[args.as_slice(), more].concat())[1].clone()
    };
    assert!(!import(&[]).contains("note:"));
    fs::write(here.join("c-png/slice_3.h5"), "x").unwrap();
    let said = import(&[]);
    assert!(said.contains("note: c-png/slice_3.h5 is of no kind that is read from a folder\n"), "{said}");
    fs::create_dir(here.join("c-png/more")).unwrap();
    let said = import(&["--threshold=3"]);
    assert!(said.contains("note: c-png/more and 1 more in the folder are of no kind"), "{said}");
    assert!(said.contains("no pixel of the source is of class f2: give another --threshold"), "{said}");
    fs::write(here.join("t.csv"), "a,b\n0,1\n1,0\n").unwrap();
    bad(here, &["data", "import", "t.csv", "--out=e.npz"], &["t.csv", "no table of numbers", "titles"]);
}

#[test]
fn an_import_does_not_replace_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &["data", "circles", "--size=16", "--count=3", "--out=c.npz", "--format=png,tiff"]);
    let before = bytes(here, "c-png/c_000002.png");
    for (source, format) in [("c-png", "png"), ("c-png/c_000000.png", "png"), (".", "tiff"), ("c.npz", "npy")]
    {
        let args = ["data", "import", source, "--out=c.npz", "--format", format, "--overwrite"];
        bad(here, &args, &["is what is imported"]);
    }
    assert_eq!(bytes(here, "c-png/c_000002.png"), before);
}

/// The rows of a picture of palette indices, and its pixels a metre.
fn picture(path: &Path) -> (Vec<Vec<u8>>, Option<u32>) {
    let file = std::io::BufReader::new(fs::File::open(path).unwrap());
    let mut decoder = png::Decoder::new(file);
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let density = reader.info().pixel_dims.map(|d| d.xppu);
    (pixels.chunks_exact(info.width as usize).map(<[u8]>::to_vec).collect(), density)
}

#[test]
fn pictures_and_grids_have_a_scale_and_show_the_same_side_up() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let args = ["data", "circles", "--size=16", "--count=2", "--format=png,tiff,vti,csv"];
    let scale = ["--spacing=0.5", "--unit=um"];
    good(here, &[args.as_slice(), &scale, &["--out=c.npz"]].concat());
    let (upper, density) = picture(&here.join("c-png/c_000001.png"));
    assert_eq!(density, Some(2_000_000));
    let mut tiff = tiff::decoder::Decoder::new(fs::File::open(here.join("c.tiff")).unwrap()).unwrap();
    let resolution = tiff.get_tag(tiff::tags::Tag::XResolution).unwrap();
    assert_eq!(resolution, tiff::decoder::ifd::Value::Rational(20_000_000, 1000), "pixels a centimetre");
    let vti = text(&bytes(here, "c-vti/c_000001.vti"));
    assert!(vti.contains(r#"Origin="0 8 0" Spacing="0.5 0.5 0.5" Direction="1 0 0 0 -1 0 0 0 1""#), "{vti}");
    let csv = text(&bytes(here, "c.csv"));
    assert!(
        csv.starts_with("image,r1,cx1,cy1,r2,cx2,cy2,r1_um,cx1_um,cy1_um,r2_um,cx2_um,cy2_um\n"),
        "{csv}"
    );

    good(here, &[args.as_slice(), &["--origin=lower", "--out=d.npz"]].concat());
    let (lower, density) = picture(&here.join("d-png/d_000001.png"));
    assert!(density.is_none() && upper != lower && upper.into_iter().rev().eq(lower));
    let vti = text(&bytes(here, "d-vti/d_000001.vti"));
    assert!(vti.contains(r#"Origin="0 0 0" Spacing="1 1 1">"#), "{vti}");
    assert!(text(&bytes(here, "d.csv")).starts_with("image,r1,cx1,cy1,r2,cx2,cy2\n"));
    let alone = super::program::invnet(here, &[args.as_slice(), &["--spacing=2", "--out=e.npz"]].concat());
    assert!(alone.status.code() == Some(2) && text(&alone.stderr).contains("--unit"), "a spacing of what?");
}

/// One of a kind is singular wherever a count is printed.
#[test]
fn one_sample_is_no_samples() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let one = "data circles --size 16 --count 1 --out one.npz";
    good(here, &training("run", &["--iterations=1", "--device=cpu"]));
    let calls = [
        (one, "one.npz: 1 image of 16 x 16, properties "),
        ("devices --threads=1", "cpu     1 thread\n"),
        ("generate --run run --count 1 --one-shot --device cpu", "1 sample in run/generated: "),
        ("generate --run run --count 1 --best-effort --device cpu --out again", " of 1 sample within "),
        ("check again/samples.npy --asks again/certificate.csv", "1 sample is as certified; "),
        ("generate --run run --count 2 --shard 1/2 --one-shot --device cpu --out half", "1 sample in half: "),
        ("paper --seeds 1", "on two idle cores, 1 seed of what is compared"),
    ];
    for (call, says) in calls {
        let [said, _] = good(here, &call.split_whitespace().collect::<Vec<_>>());
        assert!(said.contains(says), "{call}: {said}");
    }
    let shards = ["generate", "--run", "run", "--count", "1", "--shard", "1/3"];
    bad(here, &shards, &["--shard 1/3: 1 sample makes 1 shard at most"]);
}
