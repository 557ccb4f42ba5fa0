//! A configuration as text, and mistakes in it.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::{Config, keys};
use crate::error::Error;
use crate::options::Key;

/// The configuration as TOML, one key a line with what it may hold.
pub(super) fn to_toml(config: &Config) -> String {
    let mut text = String::from("[data]\n");
    line(&mut text, "source", &Value::String(config.data.name().to_owned()), "the images");
    section(&mut text, config.data.options().keys(), &config.data.options().to_table());
    for ask in &config.asks {
        text.push_str("\n[[ask]]\n");
        line(&mut text, "property", &Value::String(ask.kind().to_owned()), "asked of them");
        section(&mut text, ask.options().keys(), &ask.options().to_table());
    }
    for (name, keys, table) in [
        ("net", keys::NET, Table::try_from(&config.net)),
        ("train", keys::TRAIN, Table::try_from(&config.train)),
    ] {
        let _ = writeln!(text, "\n[{name}]");
        if name == "train" {
            let options = config.objective.options();
            let value = Value::String(config.objective.name().to_owned());
            line(&mut text, "objective", &value, "what critic and generator minimise");
            section(&mut text, options.keys(), &options.to_table());
        }
        section(&mut text, keys, &table.unwrap_or_default());
    }
    text
}

fn section(text: &mut String, keys: &[Key], table: &Table) {
    for key in keys {
        if let Some(value) = table.get(key.name) {
            line(text, key.name, value, key.allowed);
        }
    }
}

fn line(text: &mut String, name: &str, value: &Value, comment: &str) {
    let line = format!("{name} = {}", shown(value));
    let _ = writeln!(text, "{line:28} # {comment}");
}

/// A value as it is typed: a text that is a number needs no quotes.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.parse::<i64>().is_ok() => text.clone(),
        _ => value.to_string(),
    }
}

/// A TOML mistake on one line, with where it is.
pub(super) fn malformed(origin: &str, text: &str, error: &toml::de::Error) -> Error {
    let at = error.span().map_or(0, |span| span.start);
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |i| i + 1) + 1;
    let what = error.message().lines().next().unwrap_or("not TOML").to_owned();
    Error::Usage(format!("{origin}: line {line}, column {column}: {what}"))
}
