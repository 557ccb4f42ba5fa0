//! Whole runs from the command line, on the stand-in driver.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::faults::without;
use crate::{compiler, driver};

pub const TINY: [&str; 8] = [
    "--set=size=16",
    "--set=width=2",
    "--set=batch=4",
    "--set=images=50",
    "--set=latent=4",
    "--set=log_every=2",
    "--set=sample_every=0",
    "--set=eval_samples=20",
];

/// The program on the stand-in driver, or nothing where there is no NVRTC.
fn invnet(folder: &Path, args: &[&str], settings: &[(&str, &str)]) -> Option<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invnet"));
    command.args(args).current_dir(folder).env("LD_LIBRARY_PATH", driver());
    command.env("INVNET_NVRTC", compiler()?).env("INVNET_CACHE", driver().join("cache"));
    // The host's runtime keeps to the model, and what it computes is compared bit by bit.
    command.env("INVNET_TUNE", "0");
    Some(command.envs(settings.iter().copied()).output().unwrap())
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The rows of a run's log, without their times.
pub fn losses(path: &Path) -> Vec<serde_json::Value> {
    let rows = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
    rows.lines()
        .map(|line| {
            let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["seconds"] = 0.into();
            row
        })
        .collect()
}

#[test]
fn a_run_on_the_driver_equals_one_on_the_host_and_survives_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let train = |device: &str, out: &str, settings: &[(&str, &str)], more: &[&str]| {
        let args = ["train", "circles-quick", "--iterations=6", "--device", device, "--out", out];
        invnet(here, &[&args, TINY.as_slice(), more].concat(), settings)
    };
    let Some(host) = train("simt", "host", &[], &[]) else { return };
    assert!(host.status.success(), "{}", stderr(&host));
    let devices = invnet(here, &["devices"], &[]).unwrap();
    let devices = String::from_utf8_lossy(&devices.stdout).into_owned();
    assert!(devices.contains("cuda:0") && devices.contains("NVRTC"), "{devices}");

    // Stopped after an iteration; then a kernel fails; then all is well again.
    let first = train("cuda", "run", &[], &["--seconds=1e-9"]).unwrap();
    assert!(first.status.success(), "{}", stderr(&first));
    let checkpoint = here.join("run/checkpoint.safetensors");
    let kept = fs::read(&checkpoint).unwrap();
    let resume = ["train", "circles-quick", "--out=run", "--resume", "--device=cuda"];
    let fault = [("INVNET_STANDIN_FAULT", "sync"), ("INVNET_STANDIN_KERNEL", "adam")];
    let failed = invnet(here, &resume, &fault).unwrap();
    assert_eq!(failed.status.code(), Some(1));
    let message = stderr(&failed);
    assert!(message.contains("cuda:0") && message.contains("illegal memory access"), "{message}");
    assert!(message.contains("after kernels"), "{message}");
    assert!(fs::read(&checkpoint).unwrap() == kept, "the checkpoint was touched");
    let resumed = invnet(here, &resume, &[]).unwrap();
    assert!(resumed.status.success(), "{}", stderr(&resumed));

    // The same kernels, the same order of sums: the same bits, through graphs and all.
    assert_eq!(losses(&here.join("host")), losses(&here.join("run")));
    let [host, run] =
        ["host", "run"].map(|out| fs::read(here.join(out).join("checkpoint.safetensors")).unwrap());
    assert!(host == run, "checkpoints differ");

    // Where no device is named, the one that is there.
    for more in [&[][..], &["--device=auto"]] {
        let words = [&["generate", "--run=run", "--count=2", "--overwrite"], more].concat();
        let generated = invnet(here, &words, &[]).unwrap();
        assert!(generated.status.success() && stderr(&generated).is_empty(), "{}", stderr(&generated));
        let record = fs::read_to_string(here.join("run/generated/generated.json")).unwrap();
        assert!(record.contains(r#""device": "cuda""#), "{record}");
    }
}

#[test]
fn a_fault_of_a_graph_is_looked_for_kernel_by_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let train = |out: &str, settings: &[(&str, &str)]| {
        let log = here.join(format!("{out}.log"));
        let settings = [settings, &[("INVNET_STANDIN_LOG", log.to_str().unwrap())]].concat();
        let args = ["train", "circles-quick", "--iterations=4", "--device=cuda", "--out", out];
        // Several graphs in a row before the host waits.
        let output = invnet(here, &[&args, TINY.as_slice(), &["--set=log_every=10"]].concat(), &settings)?;
        let calls = fs::read_to_string(log).unwrap();
        Some((output, calls.lines().filter(|call| call.starts_with("graph")).count()))
    };
    let Some((_, graphs)) = train("graphs", &[]) else { return };
    assert!(graphs == 3, "{graphs} graphs");
    let (apart, none) = train("apart", &[("INVNET_GRAPHS", "0")]).unwrap();
    assert!(apart.status.success() && none == 0, "{none} graphs: {}", stderr(&apart));

    // Not in the first iteration, which is never a graph.
    let adam =
        [("INVNET_STANDIN_FAULT", "sync"), ("INVNET_STANDIN_KERNEL", "adam"), ("INVNET_STANDIN_AFTER", "9")];
    for (out, settings, said) in [
        ("named", &adam[..], "run again kernel by kernel: launching adam with "),
        ("once", &[("INVNET_STANDIN_FAULT", "graph")], "nothing failed up to iteration"),
    ] {
        let (failed, graphs) = train(out, settings).unwrap();
        let message = stderr(&failed);
        let last = message.lines().next_back().unwrap();
        assert!(failed.status.code() == Some(1) && graphs > 0, "{graphs} graphs: {message}");
        assert!(last.starts_with("error: cuda:0: download: an illegal memory access"), "{message}");
        assert!(last.contains("those of graph 0; run again") && last.contains(said), "{message}");
        // Launched again and again, but a suspect once.
        assert_eq!(last.matches("graph 0").count(), 1, "{message}");
        assert!(!last.contains("INVNET_GRAPHS=0 and"), "{message}");
    }
}

#[test]
fn a_run_in_bf16_on_the_driver_equals_one_on_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // Channels in fours of more than eight have tensor cores.
    let more = ["--set=width=12", "--set=n_i=1", "--set=n_d=1", "--set=precision=bf16", "--iterations=3"];
    let checkpoint = |device: &str| {
        let args = ["train", "circles-quick", "--device", device, "--out", device];
        let output = invnet(here, &[&args, TINY.as_slice(), &more].concat(), &[])?;
        assert!(output.status.success(), "{}", stderr(&output));
        Some(fs::read(here.join(device).join("checkpoint.safetensors")).unwrap())
    };
    let Some(host) = checkpoint("simt") else { return };
    assert!(Some(host) == checkpoint("cuda"), "checkpoints differ");
}

#[test]
fn a_card_is_proven_through_its_driver() {
    let folder = tempfile::tempdir().unwrap();
    let prove = |settings: &[(&str, &str)]| {
        let args = ["devices", "--prove", "--quick", "--device=cuda", "--json=proof.json"];
        let output = invnet(folder.path(), &args, settings)?;
        let proof = fs::read_to_string(folder.path().join("proof.json")).unwrap();
        Some((output, serde_json::from_str::<serde_json::Value>(&proof).unwrap()))
    };
    let Some((output, proof)) = prove(&[]) else { return };
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", stderr(&output));
    assert!(printed.contains("graphs have the bits of single launches: yes"), "{printed}");
    assert_eq!(proof["holds"], true);
    assert_eq!(proof["card"]["name"], "Stand-in");
    // A kernel that is wrong is found, and by its name.
    let (output, proof) = prove(&[("INVNET_STANDIN_WRONG", "exp_")]).unwrap();
    assert_eq!((output.status.code(), &proof["holds"]), (Some(1), &false.into()), "{}", stderr(&output));
    let failed = proof["parity"].as_array().unwrap().iter().filter(|case| case["holds"] == false);
    let kernels: Vec<String> = failed.map(|case| case["kernels"].to_string()).collect();
    assert!(!kernels.is_empty() && kernels.iter().all(|k| k.contains("exp_")), "{kernels:?}");
}

#[test]
fn too_little_memory_says_what_the_step_needs() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["train", "circles-quick", "--device=cuda", "--out=run", "--set=images=50"];
    // Room for what outlives a step, but not for a step.
    let settings = [("INVNET_STANDIN_MEMORY", "18000000")];
    let Some(output) = invnet(folder.path(), &args, &settings) else { return };
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in ["out of memory", "one step", "lower batch, width or size"] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
}

#[test]
fn without_a_usable_driver_auto_takes_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let lacking = without("cuGraphLaunch");
    let hollow = folder.path().join("hollow");
    fs::create_dir(&hollow).unwrap();
    fs::write(hollow.join("libcuda.so.1"), "no library").unwrap();
    let refusing = [("INVNET_STANDIN_CALL", "cuInit"), ("INVNET_STANDIN_STATUS", "36")];
    let busy = [("INVNET_STANDIN_CALL", "cuDevicePrimaryCtxRetain"), ("INVNET_STANDIN_STATUS", "917")];
    let library = |path: &'static str, folder: &Path| (path, folder.to_str().unwrap().to_owned());
    let owned = |pairs: [(&'static str, &str); 2]| pairs.map(|(k, v)| (k, v.to_owned())).to_vec();
    for settings in [
        vec![library("LD_LIBRARY_PATH", &lacking)],
        vec![library("LD_LIBRARY_PATH", &hollow)],
        owned(refusing),
        owned(busy),
    ] {
        let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let run = |device: &str, out: &str| {
            let args = ["data", "two-phase", "--size=16", "--count=1", "--device", device, "--out", out];
            invnet(folder.path(), &args, &settings)
        };
        let Some(output) = run("auto", "auto.npz") else { return };
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{settings:?}: {said}");
        assert!(
            said.lines().count() == 1 && said.starts_with("computing on the CPU"),
            "{settings:?}: {said}"
        );
        let output = run("cuda", "cuda.npz").unwrap();
        let said = stderr(&output);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{settings:?}: {said}");
        assert!(said.lines().count() == 1 && said.starts_with("error: "), "{settings:?}: {said}");
        fs::remove_file(folder.path().join("auto.npz")).unwrap();
    }
    fs::remove_dir_all(lacking).unwrap();
}
