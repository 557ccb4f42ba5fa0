//! Tables of targets, as spreadsheets and this program write them, and formulas: text that a person types.

use std::fs;
use std::path::Path;

use invnet::close::Effort;
use invnet::close::certificate::{Certificate, Certifier, Rows};
use invnet::error::{Error, Result};
use invnet::invariance::Images;
use invnet::invariance::formula::Formula;
use invnet::op::Border;
use invnet::train::{Config, Task, target};

use sha2::{Digest, Sha256};

use super::Target;

/// Tables, each with the number of the task that it is for.
const TABLES: [(usize, &str, &str); 5] = [
    (0, "commas.csv", "r1,cx1,cy1\n12,20,20.5\n,30,\n9,,40\n"),
    (0, "decimal.csv", "\u{feff}\"r1\";\"cx2\"\r\n12,5;\"31,25\"\r\n;20\r\n\r\n"),
    (2, "tabs.csv", "\tf1\tf2\tnote\n0\t0.25\t0.5\tfirst\n1\t\t0.9\t\"a\nb\"\n"),
    (
        1,
        "measured.csv",
        "asked_p1,measured_p1,asked_s0,measured_s0,outside_range\n0.4,0.39,0.4,,p1 s0\n0.3,0.3,,0.3,\n",
    ),
    (3, "angles.csv", "angle1,aspect1,\n89,1.5,\n-89.5,,\n"),
];

const FORMULAS: [&str; 3] = [
    "mean(abs(x[1] - shift(x[1], 0, 1)) + abs(x[1] - shift(x[1], 1, 0)))",
    "correlation(x[1], 1 - x[1], 4) / max(mean(x[1]), 1e-3)",
    "tanh(mean(blur(x[2], 1.5)^2 * exp(-row / 4)) + ln(sqrt(sum(x[0]) + 1)))",
];

/// Properties that hang together in all ways there are, on images of 16 x 16 with three classes.
fn tasks() -> Vec<Task> {
    let drawn = Config::preset("circles-quick").expect("a preset");
    let mut tasks = vec![Task::of(&drawn, "fuzz").expect("a task")];
    for asks in [
        "[[ask]]\nproperty = \"fraction\"\n[[ask]]\nproperty = \"correlation\"\nbins = 3\n",
        "[[ask]]\nproperty = \"fractions\"\n",
        "[[ask]]\nproperty = \"second-moments\"\n",
    ] {
        let config =
            Config::from_toml(&format!("data = \"circles\"\n{asks}"), "fuzz").expect("a configuration");
        let task = Task::of(&config, "fuzz").expect("a task");
        let rows: Vec<f32> =
            (0..40 * task.columns().len()).map(|i| 0.3 + (i * 7 % 40) as f32 / 100.0).collect();
        tasks.push(task.with_table(&rows).expect("a table"));
    }
    tasks
}

/// Reads a table, then fills what its targets leave open, as `generate` does.
fn asked(path: &Path, task: &Task, ignore_unknown: bool) -> Result<()> {
    let targets = target::read(path, ignore_unknown, task)?;
    let mut rows = task.targets(0..targets.len(), 1);
    for (k, (target, row)) in targets.iter().zip(rows.chunks_exact_mut(task.columns().len())).enumerate() {
        task.complete(&target.wanted, row, (1, k), &target.origin)?;
        assert!(row.iter().all(|v| v.is_finite()), "{row:?}");
    }
    Ok(())
}

pub fn targets() -> Vec<Target> {
    let tasks = std::rc::Rc::new(tasks());
    let tables = TABLES.map(|(own, name, text)| {
        let tasks = tasks.clone();
        let read = move |path: &Path, number: u64| {
            // Now and then those of another task.
            let other = if number % 5 == 4 { number as usize / 5 } else { 0 };
            asked(path, &tasks[(own + other) % tasks.len()], number % 2 == 1)
        };
        Target { name: format!("targets {name}"), bytes: text.into(), read: Box::new(read) }
    });
    let formulas = FORMULAS.into_iter().enumerate().map(|(i, text)| Target {
        name: format!("formula {i}"),
        bytes: text.into(),
        read: Box::new(|path, _| formula(path)),
    });
    tables.into_iter().chain(formulas).chain(certificates(&tasks[1])).collect()
}

/// A certificate's table with a summary that knows its sum, and a summary beside a whole table.
fn certificates(task: &Task) -> [Target; 2] {
    let (width, pixels) = (task.columns().len(), task.images().pixels());
    let maps: Vec<u8> = (0..3 * pixels).map(|i| u8::from(i % 7 < 3)).collect();
    let mut certifier = Certifier::new(task, 5, 3, "usual".into());
    let mut table = Vec::new();
    certifier.header(&mut table).expect("memory takes all");
    let tolerances: Vec<f32> =
        (0..3 * width).map(|i| if i % 4 == 3 { f32::INFINITY } else { 0.01 }).collect();
    let (asked, measured) = (vec![0.4; 3 * width], vec![0.405; 3 * width]);
    let (asked, measured, tolerances) = (&asked[..], &measured[..], &tolerances[..]);
    let rows = Rows { index: 0, asked, measured, tolerances, effort: &[Effort::default(); 3] };
    certifier.rows(&mut table, rows, &maps).expect("memory takes all");
    let summary = serde_json::to_value(certifier.finish()).expect("a summary");

    let (known, whole) = (summary.clone(), table.clone());
    let of_table = move |path: &Path, _: u64| {
        let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
        let mut summary = known.clone();
        summary["table_sha256"] = format!("{:x}", Sha256::digest(&bytes)).into();
        checked(path, &bytes, summary.to_string().as_bytes(), &maps)
    };
    let of_summary = move |path: &Path, _: u64| {
        let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
        checked(path, &whole, &bytes, &[1; 512])
    };
    [
        Target { name: "certificate.csv".into(), bytes: table, read: Box::new(of_table) },
        Target {
            name: "certificate.json".into(),
            bytes: summary.to_string().into_bytes(),
            read: Box::new(of_summary),
        },
    ]
}

/// Reads both files of a certificate, written beside a path, and measures samples by it.
fn checked(path: &Path, table: &[u8], summary: &[u8], maps: &[u8]) -> Result<()> {
    let folder = path.with_file_name("certificate");
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    for (name, bytes) in [("certificate.csv", table), ("certificate.json", summary)] {
        fs::write(folder.join(name), bytes).map_err(|e| Error::io(&folder, e))?;
    }
    let certificate = Certificate::read(&folder)?;
    // As `check` does: samples are read at the size that the certificate says.
    let pixels = certificate.images().pixels();
    if pixels > 1 << 12 {
        return Ok(());
    }
    certificate.check(&maps.repeat(pixels.div_ceil(maps.len()))[..maps.len() / pixels * pixels]).map(|_| ())
}

fn formula(path: &Path) -> Result<()> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
    let images = Images { size: [16; 2], classes: 3, border: Border::Periodic };
    let formula = Formula::parse(&String::from_utf8_lossy(&bytes)).and_then(|f| f.on(&images).map(|_| ()));
    // Shown with the line of the formula and carets under the place; the problem alone is one line.
    formula.map_err(|mistake| Error::Usage(mistake.problem))
}
