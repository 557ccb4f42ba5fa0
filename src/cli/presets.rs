//! `invnet presets`.

use crate::error::{Error, Result};
use crate::train::config::{Config, PRESETS};

/// Lists the presets, or prints one with its comments.
pub(super) fn run(name: Option<&str>) -> Result<()> {
    let Some(name) = name else {
        for (name, about, _) in PRESETS {
            println!("{name:16} {about}");
        }
        return Ok(());
    };
    // For its message, which lists the presets.
    Config::preset(name)?;
    let (_, _, text) = PRESETS
        .iter()
        .find(|(preset, ..)| *preset == name)
        .ok_or_else(|| Error::Usage(format!("{name}: no such preset")))?;
    print!("{text}");
    Ok(())
}
