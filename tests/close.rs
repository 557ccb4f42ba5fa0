//! Samples that are closed on their targets: never worse, the same bits however they are made, marked where
//! they miss, and certified.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use invnet::close::certificate::{Certificate, Certifier, Checked, Rows, whole};
use invnet::close::{Closed, Effort, Settings, Tolerances, close};
use invnet::device::Kind;
use invnet::invariance::{Ask, Images};
use invnet::op::Border;
use invnet::train::dataset::{Measurer, measured};
use invnet::train::{Config, Sampler, Task, Trainer};
use sha2::{Digest, Sha256};

/// A network that has learned a little.
fn trained(folder: &Path, preset: &str, more: &[&str]) {
    let tiny = "--iterations=60 -q --device=cpu --set=size=16 --set=width=4 --set=batch=8 --set=images=60 \
                --set=latent=8 --set=eval_samples=4 --set=sample_every=0 --set=lr_i=0.002 --set=lr_g=0.002";
    let args =
        [["train", preset, "--out=run"].as_slice(), &tiny.split(' ').collect::<Vec<_>>(), more].concat();
    let output = invnet(folder, &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn invnet(folder: &Path, args: &[&str]) -> Output {
    let args: Vec<&str> = args.iter().filter(|a| !a.is_empty()).copied().collect();
    Command::new(env!("CARGO_BIN_EXE_invnet")).args(args).current_dir(folder).output().unwrap()
}

fn says(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn settings(task: &Task) -> Settings {
    Settings { tolerances: Tolerances::usual(task), tries: 2, seed: 5 }
}

/// The sum of the squared errors over their tolerances of every sample.
fn misses(task: &Task, asked: &[f32], found: &[f32], tolerances: &[f32]) -> Vec<f64> {
    let width = task.columns().len();
    let errors = found.iter().zip(asked).zip(tolerances).map(|((m, a), t)| f64::from((m - a) / t).powi(2));
    let errors: Vec<f64> = errors.map(|e| if e.is_nan() { f64::INFINITY } else { e }).collect();
    errors.chunks(width).map(|row| row.iter().sum()).collect()
}

#[test]
fn closing_never_makes_a_sample_worse_and_every_sample_is_of_its_number_alone() {
    for preset in ["two-phase-p1-quick", "circles-quick", "two-phase-quick"] {
        let folder = tempfile::tempdir().unwrap();
        let more = match preset {
            "two-phase-quick" => "--set=ask.correlation.bins=6",
            // Draws figures after sixty iterations, too frayed to be smoothed.
            "circles-quick" => "--set=net=dcgan --set=modulate=false --set=relax=0",
            _ => "",
        };
        trained(folder.path(), preset, &more.split(' ').collect::<Vec<_>>());
        let open = || Sampler::open(&folder.path().join("run"), Kind::Cpu).unwrap().1;
        let mut sampler = open();
        let task = sampler.task().clone();
        let (count, width) = (40, task.columns().len());
        let asked = task.sample_targets(count, 3);
        let held = vec![true; asked.len()];
        let once = sampler.sample(&asked, 5).unwrap();
        // In one pass, and no other: what the generator makes is what comes.
        let plain = Settings { tries: 0, ..settings(&task) };
        let plain = close(&mut sampler, 0, &asked, &held, &plain).unwrap();
        assert!(
            plain.maps == once.maps && plain.effort.iter().all(|e| (e.passes, e.flips) == (1, 0)),
            "{preset}"
        );
        let all = close(&mut sampler, 0, &asked, &held, &settings(&task)).unwrap();
        let again = measured(&task, &all.maps).unwrap();
        assert!(all.measured.iter().zip(&again).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())));

        let before = misses(&task, &asked, &measured(&task, &once.maps).unwrap(), &all.tolerances);
        let after = misses(&task, &asked, &all.measured, &all.tolerances);
        for (k, (before, after)) in before.iter().zip(&after).enumerate() {
            assert!(all.within[k] || after <= before, "{preset} {k}: {before} became {after}");
        }
        // As long as it must, and no longer than it may.
        let (most, steps) = (all.effort.iter().map(|e| e.passes).max(), all.effort.iter().map(|e| e.steps));
        assert!(most <= Some(2 * 8) && steps.clone().all(|n| n <= 2 * 60), "{preset}: {:?}", all.effort);
        assert!(preset != "two-phase-quick" || steps.max() > Some(2 * 10), "{:?}", all.effort);
        let sum = |v: &[f64]| v.iter().map(|e| e.min(1e6)).sum::<f64>();
        assert!(sum(&after) < 0.9 * sum(&before), "{preset}: {} {}", sum(&before), sum(&after));
        if preset == "two-phase-p1-quick" {
            assert!(all.within.iter().filter(|w| **w).count() >= count / 2, "{:?}", all.within);
        }

        // Others beside it, and the number of threads, change nothing.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let part = pool.install(|| {
            let (from, to) = (33 * width, 36 * width);
            close(&mut open(), 33, &asked[from..to], &held[from..to], &settings(&task)).unwrap()
        });
        let pixels = task.images().pixels();
        assert_eq!(part.maps, all.maps[33 * pixels..36 * pixels], "{preset}");
        assert_eq!(part.r, all.r[33 * width..36 * width], "{preset}");
        assert_eq!(part.effort, all.effort[33..36], "{preset}");
        assert_eq!(close(&mut sampler, 0, &[], &[], &settings(&task)).unwrap(), Closed::default());

        // The kernels' passes and numbers lead to the target too.
        if cfg!(feature = "simt") && preset == "two-phase-p1-quick" {
            let few = 2 * width;
            let mut sampler = Sampler::open(&folder.path().join("run"), Kind::Simt).unwrap().1;
            let part = close(&mut sampler, 0, &asked[..few], &held[..few], &settings(&task)).unwrap();
            assert_eq!(part.within, all.within[..2], "{:?}", part.effort);
            let again = measured(&task, &part.maps).unwrap();
            let again = misses(&task, &asked[..few], &again, &part.tolerances);
            assert!(again.iter().zip(&before).all(|(after, before)| after <= before), "{again:?} {before:?}");
        }
    }
}

#[test]
fn bits_of_a_sample_depend_neither_on_its_row_nor_on_others_beside_it() {
    let (figures, textures) = ("property = \"centroid\"", "property = \"fractions\"");
    let gpu = cfg!(feature = "simt").then_some(("circles", figures, "net=dcgan", Kind::Simt));
    let cpu = [
        ("circles", figures, "net=dcgan", Kind::Cpu),
        ("circles", figures, "net=resnet", Kind::Cpu),
        ("two-phase", textures, "net=resize", Kind::Cpu),
    ];
    for (data, more, net, kind) in cpu.into_iter().chain(gpu) {
        let asks = format!("[[ask]]\nproperty = \"correlation\"\nbins = 5\n[[ask]]\n{more}\n");
        let mut config = Config::from_toml(&format!("data = \"{data}\"\n{asks}"), "test").unwrap();
        let latent_map = format!("net.latent_map={}", data == "two-phase");
        for setting in ["size=16", "width=8", "batch=4", "images=40", "latent=4", net, &latent_map] {
            config.set(setting, "test").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        Trainer::new(&config).unwrap().save(&path).unwrap();
        let mut sampler = Sampler::open(folder.path(), kind).unwrap().1;
        let task = sampler.task().clone();
        let (pixels, width) = (task.images().pixels(), task.columns().len());
        // All in one batch, then few, in other rows of smaller ones.
        let asked = task.sample_targets(19, 3);
        let all = sampler.sample(&asked, 5).unwrap();
        let mut measurer = Measurer::new(task.properties(), task.images(), 32).unwrap();
        let found = measurer.measure(&all.maps).unwrap();
        let parts: &[_] = if kind == Kind::Cpu { &[(0, 1), (3, 1), (5, 3), (7, 7)] } else { &[(3, 1)] };
        for &(first, count) in parts {
            let of = |len: usize| first * len..(first + count) * len;
            let part = sampler.sample_from(first, &asked[of(width)], 5).unwrap();
            assert_eq!(part.maps, all.maps[of(pixels)], "{net} {kind}");
            // On a GPU two images share a transform, and with it the rounding of their soft curves.
            assert!(kind == Kind::Simt || part.soft == all.soft[of(width)], "{net} {kind}");
            let classes = task.images().classes;
            assert_eq!(part.probabilities, all.probabilities[of(pixels * classes)], "{net} {kind}");
            assert_eq!(measurer.measure(&part.maps).unwrap(), found[of(width)], "{net} {kind}");
        }
    }
}

#[test]
fn certificates_hold_and_what_was_tampered_with_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    trained(here, "two-phase-p1-quick", &[]);
    let generate = ["generate", "--run=run", "--device=cpu", "--count=12", "--out=out", "--best-effort"];
    let more = ["--target=p1=0.45", "--within=p1=0.002", "--format=npz,png,csv,hdf5"];
    let output = invnet(here, &[generate.as_slice(), &more].concat());
    assert!(
        output.status.success() && says(&output).contains("of 12 samples within p1 0.002"),
        "{}",
        says(&output)
    );
    let certificate = fs::read_to_string(here.join("out/certificate.csv")).unwrap();
    let header =
        "sample,asked_p1,measured_p1,tolerance_p1,within_p1,within,passes,steps,flips,tries,draw,seed,index";
    assert_eq!((certificate.lines().next(), certificate.lines().count()), (Some(header), 13));
    for file in ["out/measured.csv", "out/samples.csv"] {
        let table = fs::read_to_string(here.join(file)).unwrap();
        assert!(table.lines().next().unwrap().ends_with("within,passes,steps,flips,tries"), "{file}");
    }
    let check = |samples: &str| invnet(here, &["check", samples, "--asks=out/certificate.csv"]);
    for samples in ["out/samples.npy", "out/samples.npz", "out/samples.h5", "out/samples-png"] {
        let output = check(samples);
        assert!(output.status.success(), "{samples}: {}", says(&output));
        assert!(says(&output).contains("12 samples are as certified"), "{}", says(&output));
    }
    // The folder has other arrays too; a table has no pixels, and only other commands take advice to import.
    assert!(says(&check("out")).contains("12 samples are as certified"));
    let output = check("out/samples.csv");
    assert!(
        output.status.code() == Some(2)
            && says(&output).contains("samples.csv: holds no class maps of 16 x 16"),
        "{}",
        says(&output)
    );
    let grey: Vec<u8> = (0..=255).collect();
    invnet::data::export::write_npy_u8(here.join("grey.npy"), &grey, &[1, 16, 16]).unwrap();
    let output = check("grey.npy");
    assert!(output.status.code() == Some(2) && !says(&output).contains("--levels"), "{}", says(&output));
    // With row 0 at the bottom, as --origin lower shows it.
    let mut turned = fs::read(here.join("out/samples.npy")).unwrap();
    turned[128..].chunks_exact_mut(256).for_each(|map| {
        let rows: Vec<u8> = map.rchunks_exact(16).flatten().copied().collect();
        map.copy_from_slice(&rows);
    });
    fs::write(here.join("turned.npy"), &turned).unwrap();
    let output = check("turned.npy");
    assert!(output.status.success(), "{}", says(&output));
    // What is none is refused by the name that was given.
    let output = invnet(here, &["check", "out/samples.npy", "--asks=out/samples.npy"]);
    assert!(
        output.status.code() == Some(2) && says(&output).contains("out/samples.npy: is no certificate"),
        "{}",
        says(&output)
    );
    // The certificate can be asked for again.
    let again =
        ["generate", "--run=run", "--count=12", "--targets=out/certificate.csv", "--one-shot", "--out=again"];
    let output = invnet(here, &again);
    assert!(output.status.success(), "{}", says(&output));

    let samples = fs::read(here.join("out/samples.npy")).unwrap();
    let mut changed = samples.clone();
    let at = changed.len() - 100;
    changed[at] = 1 - changed[at];
    fs::write(here.join("changed.npy"), &changed).unwrap();
    let output = check("changed.npy");
    assert!(
        output.status.code() == Some(1) && says(&output).contains("sample 11: p1 is"),
        "{}",
        says(&output)
    );
    // Another pixel the other way round, in the same sample: it measures the same.
    let first = changed.len() - 256;
    let other = (first..changed.len()).find(|&i| changed[i] == changed[at] && i != at).unwrap();
    changed[other] = 1 - changed[other];
    fs::write(here.join("changed.npy"), &changed).unwrap();
    let output = check("changed.npy");
    assert!(
        output.status.code() == Some(1) && says(&output).contains("measure the same"),
        "{}",
        says(&output)
    );
    fs::write(here.join("out/certificate.csv"), certificate.replace("0.45,", "0.44,")).unwrap();
    let output = check("out/samples.npy");
    assert!(output.status.code() == Some(1) && says(&output).contains("was changed"), "{}", says(&output));
}

#[test]
fn a_summary_counts_what_its_table_says() {
    let images = Images { size: [16, 16], classes: 2, border: Border::Periodic };
    let asks = ["fraction", "interface"].map(|name| Ask::new(name).unwrap());
    let task = Task::asked(&asks, images, "test").unwrap();
    // Stripes, ever wider ones.
    let maps: Vec<u8> = (0..3 * 256_usize).map(|i| u8::from(i % 8 < 2 + i / 256)).collect();
    let found = measured(&task, &maps).unwrap();
    let by = [0.0, 0.0, 0.001, 0.0, -0.003, 1.0];
    let asked: Vec<f32> = found.iter().zip(by).map(|(v, by)| v + by).collect();
    let effort = [1, 2, 6].map(|n| Effort { passes: n, steps: 2 * n, flips: 3 * n, tries: n, draw: n - 1 });
    let certified = |tolerances: &[f32]| {
        let (mut certifier, mut table) = (Certifier::new(&task, 5, 6, "usual".into()), Vec::new());
        certifier.header(&mut table).unwrap();
        let rows = Rows { index: 7, asked: &asked, measured: &found, tolerances, effort: &effort };
        certifier.rows(&mut table, rows, &maps).unwrap();
        (certifier.finish(), table)
    };
    let (summary, table) = certified(&[0.002, 0.1, 0.002, 0.2, 0.001, f32::INFINITY]);
    let [p1, interface] = &summary.numbers[..] else { panic!("{summary:?}") };
    let counts = [p1, interface].map(|met| (met.held, met.within, met.tolerance as f32));
    assert_eq!(counts, [(3, 2, 0.002), (2, 2, 0.2)]);
    assert!((p1.mean_abs_error - 0.004 / 3.0).abs() < 1e-6 && (p1.worst - 0.003).abs() < 1e-6, "{p1:?}");
    assert_eq!((interface.mean_abs_error, interface.worst), (0.0, 0.0));
    assert_eq!((summary.samples, summary.within), (3, 2));
    assert_eq!([summary.passes, summary.steps, summary.flips, summary.draws], [3.0, 6.0, 9.0, 3.0]);
    let rows = found.chunks(2).zip(asked.chunks(2)).zip([[0.002, 0.1], [0.002, 0.2], [0.001, f32::INFINITY]]);
    let are: Vec<bool> = rows.map(|((m, a), t)| whole(task.columns(), m, a, &t)).collect();
    assert_eq!(are, [true, true, false]);
    let line = summary.line();
    let names = [&p1.name, &interface.name];
    let says =
        format!("2 of 3 samples within tolerances; worst {} 0.003, {} 0; 3.0 passes", names[0], names[1]);
    assert!(line.starts_with(&says), "{line}");
    let text = String::from_utf8(table.clone()).unwrap();
    let last: Vec<&str> = text.lines().last().unwrap().split(',').collect();
    assert_eq!(
        (last[0], &last[4..8], &last[9..]),
        ("2", ["0", last[5], last[6], ""].as_slice(), ["0", "6", "12", "18", "6", "5", "5", "9"].as_slice()),
        "{text}"
    );

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("certificate.csv"), table).unwrap();
    fs::write(folder.path().join("certificate.json"), serde_json::to_string(&summary).unwrap()).unwrap();
    let certificate = Certificate::read(folder.path()).unwrap();
    let checked = certificate.check(&maps).unwrap();
    assert_eq!(checked, Checked { samples: 3, within: 2, differences: Vec::new(), more: 0 });
    // A pixel of the last sample that is held to nothing but its share.
    let mut changed = maps.clone();
    changed[2 * 256 + 6] = 1;
    let checked = certificate.check(&changed).unwrap();
    assert!(
        checked.differences.len() == 2 && checked.differences.iter().all(|d| d.starts_with("sample 2: "))
    );
    assert!(checked.differences.iter().zip(names).all(|(d, name)| d.contains(&format!(": {name} is "))));

    // A summary that counts otherwise than its table.
    let mut told = serde_json::to_value(&summary).unwrap();
    told["within"] = 3.into();
    fs::write(folder.path().join("certificate.json"), told.to_string()).unwrap();
    let checked = Certificate::read(folder.path()).unwrap().check(&maps).unwrap();
    let says = "the summary has 3 of 3 within their tolerances, its table 2 of 3";
    assert_eq!(checked.differences, [says]);

    // A number that is told a little better than it is: by more than another processor would find.
    let better = text.replace(",0.25,0.002,", ",0.25002,0.002,");
    assert_ne!(better, text);
    let mut told = serde_json::to_value(&summary).unwrap();
    told["table_sha256"] = format!("{:x}", Sha256::digest(better.as_bytes())).into();
    fs::write(folder.path().join("certificate.csv"), better).unwrap();
    fs::write(folder.path().join("certificate.json"), told.to_string()).unwrap();
    let checked = Certificate::read(folder.path()).unwrap().check(&maps).unwrap();
    assert_eq!(checked.differences, [format!("sample 0: {} is 0.25, certified is 0.25002", p1.name)]);

    let (free, _) = certified(&[f32::INFINITY; 6]);
    assert!(free.line().contains("within nothing: no number is held to a tolerance"), "{}", free.line());
}

#[test]
fn a_tolerance_for_what_no_target_asks_for_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    trained(here, "two-phase-quick", &["--set=bins=8"]);
    let told = |target: &str, within: &str| {
        let args = [
            "generate",
            "--run=run",
            "--device=cpu",
            "--tries=1",
            "--count=1",
            "--best-effort",
            "--overwrite",
            "--out=out",
        ];
        let output = invnet(here, &[&args[..], &[target, within]].concat());
        assert!(output.status.success(), "{}", says(&output));
        says(&output).contains("no target asks for it")
    };
    assert!(told("--target=p1=0.4", "--within=s3=0.01"));
    assert!(!told("--target=p1=0.4", "--within=p1=0.01"));
    assert!(!told("--target=p1=0.4,s3=0.3", "--within=s3=0.01"));
}

#[test]
fn what_cannot_be_is_marked_and_exits_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    trained(here, "circles-quick", &[]);
    // Two discs in one place.
    let target = "--target=r1=4,cx1=8,cy1=8,r2=4,cx2=8,cy2=8";
    let args = ["generate", "--run=run", "--device=cpu", "--count=3", "--tries=2", "--out=out", target];
    let output = invnet(here, &args);
    assert_eq!(output.status.code(), Some(3), "{}", says(&output));
    assert!(says(&output).contains("3 of 3 samples miss what was asked"), "{}", says(&output));
    let table = fs::read_to_string(here.join("out/certificate.csv")).unwrap();
    let column = |at: usize| -> Vec<&str> {
        table.lines().skip(1).map(|line| line.split(',').nth(at).unwrap()).collect()
    };
    // Neither within, nor given up after one draw of noise.
    assert_eq!((column(25), column(29)), (vec!["0"; 3], vec!["2"; 3]), "{table}");
    let accepted = invnet(here, &[args.as_slice(), &["--overwrite", "--best-effort"]].concat());
    assert!(accepted.status.success(), "{}", says(&accepted));

    let bad = |more: &[&str], part: &str| {
        let output =
            invnet(here, &[["generate", "--run=run", "--count=1", "--out=x"].as_slice(), more].concat());
        let said = says(&output);
        assert!(output.status.code() == Some(2) && said.contains(part), "{more:?}: {said}");
    };
    bad(&["--within=q=1"], "unknown property q: use r1");
    bad(&["--within=0.5"], "give name=0.5 or 0.5%");
    bad(&["--within=r1=-1"], "above 0");
    bad(&["--one-shot", "--exact"], "--one-shot");
    let once =
        invnet(here, &["generate", "--run=run", "--count=2", "--one-shot", "--out=once", "--device=cpu"]);
    assert!(once.status.success() && !here.join("once/certificate.csv").exists(), "{}", says(&once));
}
