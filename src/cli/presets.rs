//! `invnet presets`.

use super::output::{print, say};
use crate::error::{Error, Result};
use crate::train::config::{Config, PRESETS};

/// Lists the presets, or prints one with its comments.
pub(super) fn run(name: Option<&str>) -> Result<()> {
    let Some(name) = name else {
        let width = PRESETS.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        for (name, about, _) in PRESETS {
            say!("{name:width$}  {about}")?;
        }
        return Ok(());
    };
    // For its message, which lists the presets.
    Config::preset(name)?;
    let (_, _, text) = PRESETS
        .iter()
        .find(|(preset, ..)| *preset == name)
        .ok_or_else(|| Error::Usage(format!("{name}: no such preset")))?;
    print(text)
}
