//! Fast kernels are judged before a card first uses them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cubins::{alone, bundle};
use crate::runs::{TINY, losses, stderr};

/// Lines that say that a kernel is wrong.
fn wrong(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.contains("is wrong on this card")).collect()
}

#[test]
fn a_wrong_kernel_is_not_used_and_a_resumed_run_does_without_it_too() {
    let Some(bundle) = bundle() else { return };
    let (program, folder) = (bundle.join("invnet"), tempfile::tempdir().unwrap());
    let here = folder.path();
    let (broken, mended) = (here.join("broken"), here.join("mended"));
    let on_broken = [("INVNET_STANDIN_WRONG", Path::new("conv_w_bf16_64")), ("INVNET_CACHE", &*broken)];
    let on_mended = [("INVNET_CACHE", &*mended)];
    let run = |args: &[&str], settings: &[(&str, &Path)]| {
        let output =
            alone(&program, here, &[&["train", "circles-quick", "--device=cuda"], args].concat(), settings);
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    // Rates that do not depend on when a run ends.
    let more =
        ["--set=lr_decay=none", "--set=width=12", "--set=n_i=1", "--set=n_d=1", "--set=precision=bf16"];
    let train = |out: &str, more_yet: &[&str], settings: &[(&str, &Path)]| {
        run(&[&["--out", out], TINY.as_slice(), &more, more_yet].concat(), settings)
    };
    let checkpoint = |out: &str| fs::read(here.join(out).join("checkpoint.safetensors")).unwrap();

    let said = train("whole", &["--iterations=2"], &on_broken);
    let words = "cuda:0: kernel conv_w_bf16_64 is wrong on this card, ";
    assert!(wrong(&said).len() == 1 && wrong(&said)[0].starts_with(words), "{said}");

    // Found out once, for each kernel that is used, and which is fastest for each product.
    let kept = || -> Vec<(PathBuf, u64)> {
        let mut files: Vec<PathBuf> = fs::read_dir(&broken).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|e| e == "txt"));
        files.sort();
        files.into_iter().map(|f| (f.clone(), fs::metadata(f).unwrap().ino())).collect()
    };
    let first = kept();
    let choice =
        |(file, _): &&(PathBuf, u64)| file.file_name().unwrap().to_string_lossy().starts_with("choice-");
    let choices = first.iter().filter(choice).count();
    assert!(first.len() > choices + 3 && choices > 3, "{first:?}");
    for (file, _) in first.iter().filter(|entry| !choice(entry)) {
        let share: f64 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let named = file.file_name().unwrap().to_string_lossy().starts_with("conv_w_bf16_64-");
        assert_eq!(share > 1.0, named, "{}: {share}", file.display());
    }
    let said = train("part", &["--iterations=1"], &on_broken);
    assert_eq!(wrong(&said).len(), 1, "{said}");
    assert_eq!(first, kept(), "compared again");

    // On a driver that is well again the run keeps its kernels, and another takes all of them.
    let said = run(&["--out=part", "--resume", "--iterations=2"], &on_mended);
    assert!(wrong(&said).is_empty() && said.contains("goes on without kernels conv_w_bf16_64, as"), "{said}");
    assert!(checkpoint("part") == checkpoint("whole"), "other bits after a resume");
    let says = |out: &str| String::from_utf8_lossy(&checkpoint(out)).contains("\\\"chosen\\\":{\\\"conv ");
    assert!(says("part"), "no choices in a checkpoint");
    let modelled = [("INVNET_TUNE", Path::new("0")), ("INVNET_CACHE", &*mended)];
    let said = train("well", &["--iterations=2"], &modelled);
    assert!(wrong(&said).is_empty() && !says("well"), "INVNET_TUNE=0 timed something; {said}");

    // Nothing of the wrong kernel was in the losses; if it is taken for right, as it is on the driver that is well, it shows.
    train("fooled", &["--iterations=2"], &[&modelled[..], &on_broken[..1]].concat());
    let numbers = |out: &str| -> Vec<f64> {
        let rows = losses(&here.join(out));
        rows.iter().flat_map(|row| row.as_object().unwrap().values()).filter_map(Value::as_f64).collect()
    };
    let off = |out: &str| {
        let pairs = numbers(out).into_iter().zip(numbers("well"));
        pairs.map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max)
    };
    let [whole, fooled] = ["whole", "fooled"].map(off);
    assert!(whole < 1e-3 && fooled > 10.0 * whole.max(1e-4), "{whole} and {fooled}");
}

#[test]
fn few_channels_have_products_to_fall_back_on() {
    let Some(bundle) = bundle() else { return };
    let folder = tempfile::tempdir().unwrap();
    let args = ["train", "circles-quick", "--device=cuda", "--iterations=1", "--out=run"];
    let settings = [("INVNET_STANDIN_WRONG", Path::new("conv_x_few_4"))];
    let output = alone(&bundle.join("invnet"), folder.path(), &[&args, TINY.as_slice()].concat(), &settings);
    let said = stderr(&output);
    // Said once, though the report opens the card again.
    let words = "kernel conv_x_few_4 is wrong on this card";
    assert!(output.status.success(), "{said}");
    assert!(wrong(&said).len() == 1 && wrong(&said)[0].contains(words), "{said}");
}
