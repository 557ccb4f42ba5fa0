//! Samples in any number, in parts, interrupted and joined: always the same bytes.

use std::fs;
use std::path::Path;

use invnet::data::export::write_npy_u8;
use invnet::data::import::read_npz;

use super::program::{bad, bytes, good, invnet, signal, start, text, training, wait_until};

fn trained(here: &Path) {
    good(here, &training("run", &["--iterations=2"]));
}

fn generate<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [["generate", "--run=run", "--device=cpu", "--out", out].as_slice(), more].concat()
}

/// All files below a folder, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else {
            found.push((name, fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (files(a), files(b));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for ((name, a), (_, b)) in a.iter().zip(&b) {
        assert!(a == b, "{name} differs");
    }
}

#[test]
fn sample_k_is_the_same_in_any_set_shard_and_batch() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    trained(here);
    let formats = "--format=npz,tiff,csv,png,vti";
    let all = ["--count=101", "--target=r1=3", "--soft", "--latents", "--best-effort", formats];
    let [said, _] = good(here, &generate("all", &all));
    for file in ["samples.npy", "probabilities.npy", "z.npy", "r.npy", "measured.csv", "samples.tiff"] {
        assert!(said.contains(file), "{said}");
    }
    // The first ones of a larger set are those of a smaller one.
    good(here, &generate("few", &["--count=40", "--target=r1=3", "--soft", "--best-effort"]));
    let [many, few] = ["all", "few"].map(|out| bytes(here, &format!("{out}/probabilities.npy")));
    assert_eq!(many[128..][..40 * 16 * 16 * 3 * 4], few[128..]);
    // Shards that begin in the middle of a batch, joined in any order.
    for i in 1..=3 {
        let (shard, out) = (format!("--shard={i}/3"), format!("part {i}"));
        good(here, &generate(&out, &[all.as_slice(), &[&shard]].concat()));
    }
    let gather = ["gather", "part 3", "part 1", "part 2", "--format=npz,tiff,csv,png,vti", "--out"];
    good(here, &[gather.as_slice(), &["joined"]].concat());
    assert_same(&here.join("all"), &here.join("joined"));

    let bad_gather = |parts: &[&'static str], says: &[&str]| {
        bad(here, &[["gather", "--out=none"].as_slice(), parts].concat(), says);
        assert!(!here.join("none").exists());
    };
    bad_gather(&["part 1", "part 3"], &["missing", "2/3"]);
    bad_gather(&["part 1", "part 2", "part 3", "part 2"], &["shard 2/3", "and so is"]);
    bad_gather(&["part 1", "part 2", "all"], &["all", "1 shard, "]);
    bad_gather(&["run"], &["run", "no generated samples"]);
    good(here, &generate("odd", &[all.as_slice(), &["--shard=2/3", "--seed=1"]].concat()));
    bad_gather(&["part 1", "odd", "part 3"], &["--seed differs"]);
    assert_eq!(invnet(here, &generate("x", &["--count=3", "--shard=4/3"])).status.code(), Some(2));
    bad(here, &generate("x", &["--count=3", "--shard=1/4"]), &["3 samples", "3 shards"]);
    bad(here, &[gather.as_slice(), &["joined"]].concat(), &["joined", "--overwrite"]);

    // What is no longer as it was made.
    let parts = ["part 1", "part 2", "part 3"];
    let with = |file: &str, change: &dyn Fn(&mut Vec<u8>), says: &[&str]| {
        let (path, was) = (here.join(file), bytes(here, file));
        let mut changed = was.clone();
        change(&mut changed);
        assert!(changed != was, "{file}");
        fs::write(&path, changed).unwrap();
        bad_gather(&parts, says);
        fs::write(&path, was).unwrap();
    };
    let last = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    with("part 2/samples.npy", &last, &["part 2: samples.npy was changed"]);
    with("part 3/tolerances.npy", &last, &["part 3: ", "tolerances.npy or effort.npy was changed"]);
    let unfinished = |bytes: &mut Vec<u8>| {
        *bytes = text(bytes).replace("\"complete\": true", "\"complete\": false").into_bytes();
    };
    with("part 1/generated.json", &unfinished, &["part 1: was not made to its end", "--resume"]);
    // An array is the same however its header is spelled.
    let mut saved = bytes(here, "part 1/samples.npy");
    let header = text(&saved[10..128]).replace("16, 16, )", "16, 16)  ");
    saved.splice(10..128, header.into_bytes());
    fs::write(here.join("part 1/samples.npy"), saved).unwrap();
    good(here, &[gather.as_slice(), &["again"]].concat());
    assert_same(&here.join("all"), &here.join("again"));
}

#[test]
fn interrupted_and_killed_generation_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    trained(here);
    let args = ["--count=20000", "--target=r1=3", "--one-shot", "--format=npz,tiff,csv"];
    good(here, &generate("whole", &args));
    let grown = |out: &str| {
        let file = here.join(out).join("samples.npy");
        move || fs::metadata(&file).is_ok_and(|m| m.len() > 100_000)
    };
    let mut child = start(here, &generate("stopped", &args));
    wait_until(&mut child, grown("stopped"));
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{message}");
    // What is there is whole: as many samples in every file.
    let header = text(&bytes(here, "stopped/samples.npy")[..128]);
    let rows: usize = header.split(['(', ',']).find_map(|part| part.trim().parse().ok()).unwrap();
    assert!(message.contains(&format!("{rows} of 20000 samples")), "{message} {header}");
    assert_eq!(bytes(here, "stopped/samples.npy").len(), 128 + rows * 256);
    assert_eq!(text(&bytes(here, "stopped/measured.csv")).lines().count(), rows + 1);
    good(here, &["data", "import", "stopped/samples.tiff", "--out=read.npz"]);
    let command = message.rsplit_once("continue with: invnet ").unwrap().1.trim();
    let words = shlex::split(command).unwrap();
    good(here, &words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_same(&here.join("whole"), &here.join("stopped"));

    let mut child = start(here, &generate("killed", &args));
    wait_until(&mut child, grown("killed"));
    child.kill().unwrap();
    child.wait().unwrap();
    bad(here, &generate("killed", &args), &["killed", "--resume goes on"]);
    let other = ["--count=20000", "--target=r1=4", "--one-shot", "--format=npz,tiff,csv", "--resume"];
    bad(here, &generate("killed", &other), &["what is asked for"]);
    good(here, &generate("killed", &[args.as_slice(), &["--resume"]].concat()));
    assert_same(&here.join("whole"), &here.join("killed"));
}

#[test]
fn nothing_is_mixed_or_lost() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    trained(here);
    good(here, &generate("out", &["--count=16", "--format=png"]));
    fs::write(here.join("out/notes.txt"), "mine").unwrap();
    fs::write(here.join("out/samples-png/mine.png"), "mine").unwrap();
    bad(here, &generate("out", &["--count=3", "--format=png"]), &["out", "--overwrite"]);
    good(here, &generate("out", &["--count=3", "--overwrite"]));
    assert!(!here.join("out/samples-png/samples_000003.png").exists());
    assert!(here.join("out/notes.txt").exists() && here.join("out/samples-png/mine.png").exists());
    // Files that no record knows are not touched.
    fs::remove_file(here.join("out/generated.json")).unwrap();
    bad(here, &generate("out", &["--count=3", "--overwrite"]), &["samples.npy", "another --out"]);
    bad(here, &generate("samples.npz", &["--count=3"]), &["samples.npz", "folder"]);
    bad(here, &generate("new", &["--count=3", "--resume"]), &["new", "nothing to resume"]);
    assert!(!here.join("new").exists());
    // 16 x 16 pixels each: more than a file that is put together in memory can have.
    bad(
        here,
        &generate("new", &["--count=10000000", "--format=hdf5"]),
        &["hdf5", "2147483648 pixels", "tiff"],
    );
    bad(
        here,
        &generate("new", &["--count=2100000", "--format=npz,dream3d"]),
        &["dream3d", "536870912 pixels"],
    );
    assert!(!here.join("new").exists());
    for shard in ["1", "2"] {
        good(here, &generate(shard, &["--count=4", &format!("--shard={shard}/2")]));
    }
    bad(here, &["gather", "1", "2", "--out=./1", "--overwrite"], &["1: is one of the parts"]);
    good(here, &["gather", "1", "2", "--out=both"]);
    let mut child = start(here, &generate("busy", &["--count=1000000"]));
    wait_until(&mut child, || here.join("busy/samples.npy").exists());
    bad(here, &generate("busy", &["--count=1000000", "--resume"]), &["busy", "is writing here"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn memory_does_not_grow_with_the_number_of_samples() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    trained(here);
    let peak = |count: &str| -> u64 {
        let script = format!(
            "\"$0\" generate --run=run --device=cpu --threads=1 -q --soft --one-shot --count={count} --out=n{count} & \
             while kill -0 $! 2>/dev/null; do cat /proc/$!/status; done"
        );
        let output = std::process::Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_invnet")])
            .current_dir(here)
            .output()
            .unwrap();
        let status = text(&output.stdout);
        let peaks =
            status.lines().filter_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peaks.max().unwrap()
    };
    // The larger one has 90 MB of probabilities more.
    let (few, many) = (peak("6000"), peak("36000"));
    assert!(many < few + 40_000, "{few} kB, then {many} kB");
    assert!(invnet(here, &generate("x", &["--count=0"])).status.code() == Some(2));
}

#[test]
fn what_classes_were_and_what_is_trained_on_is_kept_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let labels: Vec<u8> = (0..60 * 256).map(|i| [0, 2, 5][(i / 3 + i / 64) % 3]).collect();
    write_npy_u8(here.join("labels.npy"), &labels, &[60, 16, 16]).unwrap();
    good(here, &["data", "import", "labels.npy", "--out=own.npz"]);
    fs::write(here.join("own.toml"), "data = \"own.npz\"\n[[ask]]\nproperty = \"fractions\"\n").unwrap();
    let small = training("run", &["--iterations=1", "--set=images=40"]);
    let small: Vec<&str> = small[2..].iter().copied().filter(|a| !a.contains("size=")).collect();
    let [_, said] = good(here, &[&["train", "own.toml"], &small[..]].concat());
    let divided =
        "own.npz: of 60 images 40 are trained on (data.images = 40; there are 48), 6 held out, 6 left out\n";
    assert!(said.contains(divided), "{said}");
    // From the checkpoint alone.
    fs::remove_file(here.join("own.npz")).unwrap();
    good(here, &["generate", "--run=run", "--count=2", "--format=npz", "--device=cpu", "--out=out"]);
    assert_eq!(read_npz(here.join("out/samples.npz")).unwrap().labels, [0.0, 2.0, 5.0]);
}
