//! Kernels that were compiled beforehand: with them a driver is enough.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::runs::{TINY, stderr};
use crate::{compiler, driver};

const PROGRAM: &str = env!("CARGO_BIN_EXE_invnet");

/// The program on the stand-in driver, in that folder, with nothing kept from before and no NVRTC.
pub fn alone(program: &Path, folder: &Path, args: &[&str], settings: &[(&str, &Path)]) -> Output {
    let nothing = driver().join("nothing");
    fs::create_dir_all(&nothing).unwrap();
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).env("LD_LIBRARY_PATH", driver());
    // A cache in a file keeps nothing.
    command.env("INVNET_NVRTC", &nothing).env("INVNET_CACHE", program).env_remove("INVNET_DUMP_KERNELS");
    command.envs(settings.iter().copied()).output().unwrap()
}

/// A folder as a bundle is: the program, and beside it cubins for the stand-in's card. Made once.
pub fn bundle() -> Option<&'static Path> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let (nvrtc, folder) = (compiler()?, driver().join("bundle"));
        fs::create_dir_all(&folder).unwrap();
        fs::hard_link(PROGRAM, folder.join("invnet")).unwrap();
        let args = ["devices", "--compile-to", "cubins", "--arch", "sm_80,sm_80"];
        // What other tests compile is compiled once.
        let cache = driver().join("cache");
        let settings = [("INVNET_NVRTC", &*nvrtc), ("INVNET_CACHE", &*cache)];
        let output = alone(&folder.join("invnet"), &folder, &args, &settings);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && printed.contains("for sm_80, "), "{printed}{}", stderr(&output));
        Some(folder)
    });
    made.as_deref()
}

#[test]
fn a_host_without_a_compiler_trains_as_one_with_it() {
    let Some(bundle) = bundle() else { return };
    let program = bundle.join("invnet");
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let listed = alone(&program, here, &["devices"], &[]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let line = listed.lines().find(|line| line.starts_with("cuda:0")).unwrap();
    let origin = format!("kernels from cubins of NVRTC 12.9 ({}/cubins)  usable", bundle.display());
    assert!(line.ends_with(&origin), "{line}");

    let checkpoint = |device: &str| {
        let args = ["train", "circles-quick", "--iterations=3", "--device", device, "--out", device];
        let output = alone(&program, here, &[&args, TINY.as_slice()].concat(), &[]);
        let said = stderr(&output);
        assert!(output.status.success() && !said.contains("NVRTC"), "{said}");
        fs::read(here.join(device).join("checkpoint.safetensors")).unwrap()
    };
    assert!(checkpoint("cuda") == checkpoint("simt"), "checkpoints differ");

    // A later card of the same major number runs them too, one of another does not; the program without them
    // says how to get either.
    let later = alone(&program, here, &["devices"], &[("INVNET_STANDIN_CC", Path::new("8.6"))]);
    assert!(String::from_utf8_lossy(&later.stdout).contains(&origin), "{later:?}");
    let train = ["train", "circles-quick", "--device=cuda"];
    let other = alone(&program, here, &train, &[("INVNET_STANDIN_CC", Path::new("9.0"))]);
    let bare = alone(Path::new(PROGRAM), here, &train, &[]);
    for (output, word) in
        [(other, "cover no kernel of this program for sm_90; and no NVRTC"), (bare, "no cubins in ")]
    {
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for word in [word, "install it", "INVNET_NVRTC name", "--compile-to cubins", "INVNET_CUBINS name"] {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// A copy of the cubins.
fn copied(from: &Path, to: PathBuf) -> PathBuf {
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
    to
}

#[test]
fn what_is_wrong_with_cubins_is_one_line() {
    let Some(bundle) = bundle() else { return };
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let whole = bundle.join("cubins");
    let text = fs::read_to_string(whole.join("manifest.json")).unwrap();
    let manifest = |name: &str, text: &str| {
        let copy = copied(&whole, here.join(name));
        fs::write(copy.join("manifest.json"), text).unwrap();
        copy
    };
    let mut told: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = told["cubins"].as_array_mut().unwrap();
    let row = rows.iter_mut().find(|row| row["family"] == "elementwise").unwrap();
    row["source"] = "0".repeat(64).into();
    let other = manifest("other", &told.to_string());
    let cut = manifest("cut", &text[..text.len() / 2]);
    let future = manifest("future", &text.replacen("\"format\": 1", "\"format\": 2", 1));
    let damaged = copied(&whole, here.join("damaged"));
    let file = damaged.join("elementwise-sm_80.cubin.gz");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let missing = copied(&whole, here.join("missing"));
    fs::remove_file(missing.join("elementwise-sm_80.cubin.gz")).unwrap();

    let Some(nvrtc) = compiler() else { return };
    let cache = driver().join("cache");
    let compiling = [("INVNET_NVRTC", &*nvrtc), ("INVNET_CACHE", &*cache)];
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/neg.safetensors");
    let compute = |cubins: &Path, settings: &[(&str, &Path)]| {
        let args = ["gradcheck", fixture, "--device=cuda"];
        // One family: no chains.
        let own = [("INVNET_CUBINS", cubins), ("INVNET_GRAPHS", Path::new("0"))];
        let output = alone(Path::new(PROGRAM), here, &args, &[&own, settings].concat());
        (output.status.code(), stderr(&output))
    };
    let (code, said) = compute(&whole, &[]);
    assert!(code == Some(0) && said.is_empty(), "{said}");
    let refusing = [("INVNET_STANDIN_FAULT", Path::new("firstimage"))];
    for (cubins, more, words) in [
        (&other, &[][..], "cubins of elementwise are of other kernels than this program's: NVRTC compiles"),
        (&cut, &[], "manifest.json is damaged"),
        (&future, &[], "is of format 2, by invnet"),
        (&damaged, &[], "elementwise-sm_80.cubin.gz: is damaged"),
        (&missing, &[], "elementwise-sm_80.cubin.gz: No such file"),
        (&here.join("nowhere"), &[], "nowhere: manifest.json: No such file"),
        (&whole, &refusing, "device kernel image is invalid"),
    ] {
        // A compiler makes up for it.
        let (code, said) = compute(cubins, &[&compiling, more].concat());
        assert!(code == Some(0) && said.lines().count() == 1 && said.contains(words), "{code:?}: {said}");
        assert!(said.contains("NVRTC compiles"), "{said}");
        let (code, said) = compute(cubins, more);
        assert!(code == Some(2) && said.contains(words) && said.contains("no NVRTC"), "{code:?}: {said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
    }
}

#[test]
fn cubins_go_into_a_folder_of_their_own_for_cards_that_are_known() {
    let Some(nvrtc) = compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], word: &str| {
        let args = [&["devices", "--compile-to"], args].concat();
        let output = alone(Path::new(PROGRAM), folder.path(), &args, &[("INVNET_NVRTC", &nvrtc)]);
        let said = stderr(&output);
        assert!(output.status.code() == Some(2) && said.contains(word), "{said}");
    };
    refused(&["cubins", "--arch=sm_80,sm_20"], "sm_20: NVRTC 12.9 makes code for sm_50, ");
    refused(&["cubins", "--arch=90"], "must be sm_ and a number, as sm_90");
    refused(&["cubins.json"], "name it without .json");
    assert!(!folder.path().join("cubins").exists());
    fs::write(folder.path().join("mine"), "").unwrap();
    refused(&[".", "--arch=sm_80"], "is not empty: name a new folder");
    // Without a compiler it is not a device that is missing.
    let nowhere = [("INVNET_NVRTC", Path::new("nowhere"))];
    let output = alone(Path::new(PROGRAM), folder.path(), &["devices", "--compile-to", "cubins"], &nowhere);
    let said = stderr(&output);
    assert!(output.status.code() == Some(2) && said.contains("error: --compile-to: no NVRTC"), "{said}");
}
