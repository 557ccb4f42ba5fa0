//! Tables of targets as spreadsheets write them, and requests that cannot be.

use std::fs;
use std::path::Path;

use super::program::{bad, bytes, good, text, training};

/// Asks for a table of these bytes; returns what was asked of the first samples, by name.
fn asked(here: &Path, table: &[u8], more: &[&str]) -> Vec<Vec<(String, String)>> {
    fs::write(here.join("t.csv"), table).unwrap();
    // A net that has learned nothing meets no target.
    let args =
        ["generate", "--run=run", "--targets=t.csv", "--overwrite", "--out=g", "--count=4", "--best-effort"];
    good(here, &[args.as_slice(), more].concat());
    let csv = text(&bytes(here, "g/measured.csv"));
    let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells = names.iter().zip(line.split(','));
        cells.filter_map(|(n, c)| Some((n.strip_prefix("asked_")?.to_owned(), c.to_owned()))).collect()
    };
    csv.lines().skip(1).map(row).collect()
}

fn value<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    &row.iter().find(|(n, _)| n == name).unwrap().1
}

#[test]
fn tables_of_every_dialect_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &training("run", &["--iterations=2"]));
    let dialects: [&[u8]; 9] = [
        b"r1,cx2\n2.5,9\n3,\n",
        b"\xef\xbb\xbfr1,cx2\r\n2.5,9\r\n3,\r\n",
        b"\"r1\",\"cx2\"\n\"2.5\",\"9\"\n\"3\",\"\"\n",
        b"r1\tcx2\n2.5\t9\n3\t\n",
        b"r1;cx2\n2,5;9,0\n3;\n",
        b",r1,cx2\n0,2.5,9\n1,3,\n",
        b"\nr1,cx2,\n2.5,9,\n3,,\n,,\n\n\n",
        b"image, r1 ,cx2\n0, 2.5 ,9.0\n1,3.0,\n",
        b"r1 (px),cx2[px]\n2.5,9\n3,\n",
    ];
    for table in dialects {
        let rows = asked(here, table, &[]);
        let shown = String::from_utf8_lossy(table);
        assert_eq!((value(&rows[0], "r1"), value(&rows[0], "cx2")), ("2.5", "9"), "{shown}");
        assert_eq!((value(&rows[1], "r1"), value(&rows[2], "r1")), ("3", "2.5"), "{shown}");
        assert!(!["9", ""].contains(&value(&rows[1], "cx2")), "{shown}");
    }
}

#[test]
fn the_programs_own_tables_are_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &training("run", &["--iterations=2"]));
    let args =
        ["generate", "--run=run", "--count=4", "--out=first", "--format=csv", "--spacing=0.5", "--unit=um"];
    good(here, &args);
    let first = text(&bytes(here, "first/measured.csv"));
    let again = asked(here, first.as_bytes(), &["--seed=7"]);
    let titles: Vec<&str> = first.lines().next().unwrap().split(',').collect();
    for (line, row) in first.lines().skip(1).zip(&again) {
        let cells: Vec<&str> = line.split(',').collect();
        for name in ["r1", "r2", "cx1", "cy1", "cx2", "cy2"] {
            let asked = titles.iter().position(|title| *title == format!("asked_{name}")).unwrap();
            assert_eq!(cells[asked], value(row, name), "every digit counts");
        }
    }
    let samples = text(&bytes(here, "first/samples.csv"));
    let titles: Vec<&str> = samples.lines().next().unwrap().split(',').collect();
    assert_eq!(titles[..7], ["image", "r1", "r2", "cx1", "cy1", "cx2", "cy2"], "{samples}");
    let cells: Vec<&str> = samples.lines().nth(1).unwrap().split(',').collect();
    let um = cells[titles.iter().position(|title| *title == "cx1_um").unwrap()];
    // The network has learned nothing, but draws both classes.
    let [cx, length] = [cells[3], um].map(|cell| cell.parse::<f64>().unwrap());
    assert!((length - (cx + 0.5) * 0.5).abs() < 1e-5, "{cx} px is {length} um");
    let again = asked(here, samples.as_bytes(), &[]);
    assert_eq!(value(&again[0], "r1"), cells[1]);
}

#[test]
fn mistakes_in_tables_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &training("run", &["--iterations=2"]));
    let refuse = |table: &[u8], says: &[&str]| {
        fs::write(here.join("t.csv"), table).unwrap();
        bad(here, &["generate", "--run=run", "--targets=t.csv", "--count=4", "--out=g"], says);
        assert!(!here.join("g").exists());
    };
    refuse(b"r1,cx1,r1\n3,5,4\n", &["t.csv", "r1 stands twice"]);
    refuse(b"r1,hue\n3,5\n", &["t.csv", "hue", "no property", "--ignore-unknown"]);
    refuse(b"r1,,cx1\n3,5,6\n", &["t.csv", "column 2 has no name"]);
    refuse(b"hue\n3\n", &["t.csv", "hue"]);
    refuse(b"r1,cx1\n3,5\n3\n", &["t.csv, line 3", "1 value for 2 columns"]);
    refuse(b"r1,cx1\n3,5\n3,x\n", &["t.csv, line 3", "cx1 = x"]);
    refuse(b"r1,cx1\n3,inf\n", &["t.csv, line 2", "cx1 = inf", "must be a number"]);
    refuse(b"r1,measured_r1x\n3,5\n", &["t.csv", "measured_r1x", "no property"]);
    refuse(b"r1,cx1\r\n3,x\r\n", &["t.csv, line 2", "cx1 = x"]);
    refuse(b"\nr1,cx1\r\n\r\n3,5\r\n\n3,x\n", &["t.csv, line 6", "cx1 = x"]);
    refuse(b"r1,cx1\n3,\"x\ny\"\n", &["t.csv, line 2", "cx1 = x y"]);
    refuse(b"r1;cx1\n3;1.234,5\n", &["t.csv, line 2", "cx1"]);
    refuse(b"\xff\xfer\x001\x00\n\x00", &["t.csv", "UTF-16"]);
    refuse(b"PK\x03\x04\x14\0\x06\0", &["t.csv", "spreadsheet's own file", "save it as CSV"]);
    refuse(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", &["t.csv", "spreadsheet's own file"]);
    refuse(b"r1\0\n3\n", &["t.csv", "is no text"]);
    refuse(b"[{\"r1\": 3}]", &["t.csv", "is JSON"]);
    refuse(b"r1 (mm)\n3\n", &["t.csv", "the column r1 (mm) is no property"]);
    refuse(b"", &["t.csv", "empty"]);
    refuse(b"r1\n1\n2\n3\n4\n3\n", &["5 targets for --count 4", "--count 5"]);
    let rows = asked(here, b"r1,hue\n3,5\n", &["--ignore-unknown"]);
    assert_eq!(value(&rows[0], "r1"), "3");
    bad(here, &["generate", "--run=run", "--count=1", "--target=r1=3,r1=4"], &["r1 stands twice"]);
    bad(here, &["generate", "--run=run", "--count=1", "--target=r1=nan"], &["r1 = nan: must be a number"]);
}

#[test]
fn what_cannot_be_is_refused_and_what_was_not_trained_is_marked() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    good(here, &training("run", &["--iterations=2"]));
    for (target, says) in
        [("r1=-5", "r1 = -5"), ("cx1=16.1", "cx1 = 16.1"), ("r1=50", "from 0 to 9.027034 px")]
    {
        let target = format!("--target={target}");
        bad(here, &["generate", "--run=run", "--count=1", "--out=g", &target], &[says, "from"]);
    }
    let args = ["generate", "--run=run", "--count=2", "--out=g", "--best-effort", "--target=r1=7,cx1=8"];
    let [_, message] = good(here, &args);
    assert!(message.contains("warning: r1 = 7 is outside the trained range"), "{message}");
    let csv = text(&bytes(here, "g/measured.csv"));
    let mut lines = csv.lines();
    let outside = lines.next().unwrap().split(',').position(|title| title == "outside_range").unwrap();
    assert!(lines.all(|line| line.split(',').nth(outside) == Some("r1")), "{csv}");

    // The first few are named, and how many more there are.
    fs::write(here.join("t.csv"), format!("r1\n{}", "7\n".repeat(8))).unwrap();
    let many = ["generate", "--run=run", "--targets=t.csv", "--count=8", "--out=many", "--one-shot"];
    let [_, message] = good(here, &many);
    assert_eq!(message.matches("warning: r1 = 7 is outside").count(), 5, "{message}");
    assert!(message.contains("warning: 3 more: see outside_range in measured.csv"), "{message}");

    let crystal = [
        "train",
        "polycrystal-quick",
        "--out=crystal",
        "--iterations=2",
        "--set=orientations=3",
        "--set=grains=6",
    ];
    let tiny = training("x", &[]);
    good(here, &[crystal.as_slice(), &tiny[4..]].concat());
    let args = |target: &'static str| {
        ["generate", "--run=crystal", "--count=1", "--out=c", "--overwrite", "--best-effort", target]
    };
    let [_, message] = good(here, &args("--target=f1=0.333,f2=0.333,f3=0.333"));
    assert!(message.contains("note: --target f1=0.333"), "{message}");
    let csv = text(&bytes(here, "c/measured.csv"));
    assert!(csv.lines().nth(1).unwrap().starts_with("0.33333"), "{csv}");
    bad(here, &args("--target=f1=0.9,f2=0.9"), &["1.8", "sum"]);
    bad(here, &args("--target=f1=0.3,f2=0.3,f3=0.3"), &["fractions sum to 0.9:"]);
    bad(here, &args("--target=f1=0.2,f2=0.5,f3=0.2"), &["fractions sum to 0.9:"]);
}

#[test]
fn what_is_not_in_an_image_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let asks = ["fraction", "intercept"].map(|name| format!("[[ask]]\nproperty = \"{name}\"\n"));
    fs::write(here.join("own.toml"), format!("data = \"two-phase\"\n{}", asks.concat())).unwrap();
    good(here, &[&["train", "own.toml"], &training("run", &["--iterations=2"])[2..]].concat());
    let args = ["generate", "--run=run", "--count=2", "--one-shot", "--target=p1=0", "--out=g"];
    let [said, _] = good(here, &args);
    assert!(said.contains("2 numbers are missing: empty in measured.csv, NaN in measured.npy"), "{said}");
    let csv = text(&bytes(here, "g/measured.csv"));
    assert!(
        csv.starts_with("asked_p1,measured_p1,asked_intercept,measured_intercept,outside_range\n"),
        "{csv}"
    );
    // Of one phase alone there is no interface, and no intercept.
    let cells = csv.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    assert!(cells.map(|c| (c[1], c[3])).eq([("0", ""); 2]), "{csv}");
}
