//! What may change while a run goes on, and the command lines that messages advise.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Value;

use super::folder;
use crate::cli::room::quoted;
use crate::cli::{DeviceChoice, TrainArgs};
use crate::error::{Error, Result};
use crate::train::Config;

/// Keys, by their last part, that a run does not depend on from its beginning.
const MAY_CHANGE: [&str; 12] = [
    "iterations",
    "lr_g",
    "lr_d",
    "lr_i",
    "lr_decay",
    "lambda_gp",
    "weight",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "eval_samples",
    "source",
];

/// The first words of a run's configuration file, before the preset it was made with.
const MADE_BY: &str = "# invnet train ";

/// The text of a run's configuration file.
pub(super) fn file_text(config: &Config, preset: &str) -> String {
    format!("{MADE_BY}{preset}\n{}", config.to_toml())
}

/// The preset or file that a run was made with, from the text of its configuration file.
pub(super) fn made_with(text: &str) -> Option<&str> {
    text.lines().next()?.strip_prefix(MADE_BY)
}

/// Refuses a preset that is not the run's.
pub(super) fn check_preset(given: &str, text: &str, folder: &Path) -> Result<()> {
    // Two ways to write the path of one file have its name in common.
    let name = |preset: &str| Path::new(preset).file_name().map(std::ffi::OsStr::to_owned);
    match made_with(text) {
        Some(preset) if name(preset) != name(given) => Err(Error::Usage(format!(
            "{given}: the run in {} was made with {preset}: give that, or --resume --out {} alone",
            folder.display(),
            quoted(&folder.display().to_string())
        ))),
        Some(_) => Ok(()),
        // Nobody knows what it was made with: it must at least be something.
        None => super::load(given).map(|_| ()),
    }
}

/// Names a file of images so that it is found from any directory.
pub(super) fn make_findable(config: &mut Config) -> Result<()> {
    if !config.data.is_file() {
        return Ok(());
    }
    let name = config.data.name().to_owned();
    let path = std::path::absolute(&name).map_err(|e| Error::io(&name, e))?;
    config.data.rename(&path.display().to_string()).map_err(Error::Usage)
}

/// The configuration with which a run goes on.
pub(super) fn changed(run: &Config, args: &TrainArgs) -> Result<Config> {
    let mut config = run.clone();
    super::apply(&mut config, args)?;
    if config.data.name() != run.data.name() {
        // The same images under another name, which the checkpoint can tell; not others.
        if !(config.data.is_file() && run.data.is_file()) {
            return Err(Error::Usage(
                "the images may not change while a run goes on: it needs a new run".into(),
            ));
        }
        make_findable(&mut config)?;
    }
    let (before, after) = (flat(run), flat(&config));
    let differs = |key: &&String| before.get(*key) != after.get(*key);
    let fixed = |key: &&String| !MAY_CHANGE.contains(&key.rsplit('.').next().unwrap_or_default());
    match after.keys().chain(before.keys()).filter(differs).find(fixed) {
        Some(key) => Err(Error::Usage(format!(
            "{key} may not change while a run goes on: it needs a new run. What may: {}",
            MAY_CHANGE.join(", ")
        ))),
        None => Ok(config),
    }
}

/// Every value of a configuration under its full name.
fn flat(config: &Config) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if let Ok(value) = toml::from_str(&config.to_toml()) {
        collect("", &value, &mut all);
    }
    all
}

fn collect(path: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Table(table) => table.iter().for_each(|(name, value)| collect(&below(name), value, all)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| collect(&below(&i.to_string()), item, all));
        }
        leaf => {
            all.insert(path.to_owned(), leaf.to_string());
        }
    }
}

/// The command that continues a run, ready to be pasted into a shell.
pub(super) fn command(args: &TrainArgs, run: &Path, more: &[String]) -> String {
    let mut words = vec!["invnet".to_owned(), "train".into()];
    words.extend(args.preset.clone());
    words.push("--resume".into());
    if args.preset.as_deref().map(folder::default_for).as_deref() != Some(run) {
        words.extend(["--out".into(), run.display().to_string()]);
    }
    if let DeviceChoice::Named(kind) = args.device.device {
        words.extend(["--device".into(), kind.to_string()]);
    }
    words.extend_from_slice(more);
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}
