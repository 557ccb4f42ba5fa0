//! What else is read: configurations, checkpoints, fixtures of the gradient check.

use std::fs;
use std::path::Path;

use invnet::error::Error;
use invnet::fixtures;
use invnet::train::{Checkpoint, Config, Trainer};

use super::Target;

pub fn targets() -> Vec<Target> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut targets = Vec::new();
    let presets = fs::read_dir(root.join("src/presets")).expect("lists");
    let fixtures = fs::read_dir(root.join("fixtures")).expect("lists");
    let mut paths: Vec<_> = presets.chain(fixtures).map(|entry| entry.expect("lists").path()).collect();
    paths.sort();
    for path in paths {
        let bytes = fs::read(&path).unwrap_or_default();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        match path.extension().and_then(|e| e.to_str()) {
            Some("toml") => {
                targets.push(Target { name, bytes, read: Box::new(|path, _| configuration(path)) })
            }
            Some("safetensors") if bytes.len() < 1 << 16 => {
                let read = |path: &Path, _: u64| fixtures::load(path).map(|_| ());
                targets.push(Target { name, bytes, read: Box::new(read) });
            }
            _ => {}
        }
    }
    targets.push(checkpoint());
    targets
}

fn configuration(path: &Path) -> Result<(), Error> {
    let text = fs::read(path).map_err(|e| Error::io(path, e))?;
    let text = String::from_utf8_lossy(&text);
    Config::from_toml(&text, &path.display().to_string()).map(|_| ())
}

/// A checkpoint of a run that took no step.
fn checkpoint() -> Target {
    let mut config = Config::preset("circles-quick").expect("a preset");
    for setting in ["size=16", "width=4", "batch=4", "images=40", "latent=4"] {
        config.set(setting, "fuzz").expect("a setting");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("checkpoint.safetensors");
    Trainer::new(&config).and_then(|mut trainer| trainer.save(&path)).expect("a checkpoint");
    let read = |path: &Path, _: u64| Checkpoint::read(path).map(|_| ());
    Target { name: "checkpoint".into(), bytes: fs::read(&path).expect("reads"), read: Box::new(read) }
}
