//! The configuration of a run: images, a list of properties asked of them, networks, training.
//!
//! In TOML a table each: `[data]`, an `[[ask]]` for every property, `[net]`, `[train]`; `data =
//! "circles"` is short for a source with its defaults. Any key can also be set by its path
//! (`data.grains=30`, `ask.correlation.weight=2`), or by its last part where that says which.

mod keys;
mod places;
mod presets;
mod text;

use toml::{Table, Value};

use super::objective;
use crate::data::source::{self, Choice};
use crate::error::{Error, Result};
use crate::invariance::{self, Ask};
use crate::options::{Key, Options, nearest};
pub use keys::{Crisp, Decay, Edges, Networks, Targets, Training};
use places::Place;
pub use presets::{PRESETS, Preset};

/// Everything a run depends on.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The images.
    pub data: Choice,
    /// What is asked of them.
    pub asks: Vec<Ask>,
    /// What critic and generator minimise.
    pub objective: objective::Choice,
    /// The networks.
    pub net: Networks,
    /// The training.
    pub train: Training,
}

/// The objective of a configuration that names none.
const DEFAULT_OBJECTIVE: &str = "invnet";

impl Config {
    /// A configuration of these images that asks for nothing yet, with the defaults of every key.
    ///
    /// # Errors
    /// If there is no such source.
    fn of(source: &str) -> Result<Self, String> {
        let typed = |keys: &[Key]| Value::Table(Options::new(keys.iter().copied()).to_table());
        let error = |e: toml::de::Error| e.to_string();
        Ok(Self {
            data: Choice::new(source)?,
            asks: Vec::new(),
            objective: objective::Choice::new(DEFAULT_OBJECTIVE)?,
            net: typed(keys::NET).try_into().map_err(error)?,
            train: typed(keys::TRAIN).try_into().map_err(error)?,
        })
    }

    /// The preset of that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn preset(name: &str) -> Result<Self> {
        let Some((_, _, text)) = PRESETS.iter().find(|(preset, ..)| *preset == name) else {
            let names: Vec<&str> = PRESETS.iter().map(|(name, ..)| *name).collect();
            return Err(Error::Usage(format!(
                "{name}: no such preset or file: the presets are {}, a file ends in .toml",
                names.join(", ")
            )));
        };
        Self::from_toml(text, &format!("preset {name}"))
    }

    /// A configuration from TOML; keys that it leaves out have their defaults.
    ///
    /// # Errors
    /// On malformed TOML, an unknown key, a value of the wrong type or out of range; `origin` is
    /// named.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self> {
        let mut table: Table = text.parse().map_err(|e| text::malformed(origin, text, &e))?;
        if table.contains_key("world") {
            return Err(Error::Usage(format!(
                "{origin}: world is of an older invnet: now [data] names a source, and each [[ask]] a \
                 property; see invnet presets circles-quick"
            )));
        }
        check_parts(&table, origin)?;
        let data = table.remove("data");
        let asks = table.remove("ask");
        let mut config = Self::with_data(data, origin)?;
        config.add_asks(asks, origin)?;
        // First, because it decides which other keys there are.
        let within = table.get_mut("train").and_then(Value::as_table_mut).and_then(|t| t.remove("objective"));
        for objective in [table.remove("objective"), within].into_iter().flatten() {
            config.assign("objective", objective, origin)?;
        }
        for (key, value) in table {
            match (key.as_str(), value) {
                (section @ ("net" | "train"), Value::Table(values)) => {
                    for (name, value) in values {
                        config.assign(&format!("{section}.{name}"), value, origin)?;
                    }
                }
                (_, value) => match config.ambiguous_in_file(&key) {
                    Some(problem) => return Err(config_error(origin, &key, &value, problem)),
                    None => config.assign(&key, value, origin)?,
                },
            }
        }
        config.validate(origin)?;
        Ok(config)
    }

    /// What a file says under `data`: a name, or a table with a source and its options.
    fn with_data(data: Option<Value>, origin: &str) -> Result<Self> {
        let error = |value: &Value, problem| config_error(origin, "data.source", value, problem);
        let missing = || {
            Error::Usage(format!(
                "{origin}: no images: give data = {}, or the name of a .npz file",
                source::KINDS.iter().map(|k| format!("\"{}\"", k.name)).collect::<Vec<_>>().join(" or ")
            ))
        };
        let (name, options) = match data {
            Some(Value::Table(mut table)) => (table.remove("source").ok_or_else(missing)?, table),
            Some(name) => (name, Table::new()),
            None => return Err(missing()),
        };
        let word = name.as_str().ok_or_else(|| error(&name, "must be a name".into()))?;
        let mut config = Self::of(word).map_err(|problem| error(&name, problem))?;
        for (key, value) in options {
            config.assign(&format!("data.{key}"), value, origin)?;
        }
        Ok(config)
    }

    /// What a file says under `ask`: a list of tables.
    fn add_asks(&mut self, asks: Option<Value>, origin: &str) -> Result<()> {
        let none = || {
            Error::Usage(format!(
                "{origin}: nothing is asked for: add an [[ask]] with property = {}",
                kinds()
            ))
        };
        let asks = match asks {
            Some(Value::Array(asks)) if !asks.is_empty() => asks,
            Some(Value::Table(one)) => vec![Value::Table(one)],
            _ => return Err(none()),
        };
        for (number, ask) in asks.into_iter().enumerate() {
            let at = format!("ask number {}", number + 1);
            let Value::Table(mut table) = ask else {
                return Err(config_error(origin, &at, &ask, "must be a table".into()));
            };
            let kind = match table.remove("property") {
                Some(kind) => kind,
                None if table.contains_key("formula") => Value::String("formula".into()),
                None => {
                    // A word that is nearly the key.
                    let near = |key: &&String| nearest(key, ["property", "formula"]).is_some();
                    let meant = table.keys().find(near).map_or_else(String::new, |key| format!(" but {key}"));
                    let problem =
                        format!("{origin}: {at} has no property{meant}: give property = {}", kinds());
                    return Err(Error::Usage(problem));
                }
            };
            let wrong = |problem| config_error(origin, &format!("{at}: property"), &kind, problem);
            let word = kind.as_str().ok_or_else(|| wrong(format!("must be {}", kinds())))?;
            let mut ask = Ask::new(word).map_err(wrong)?;
            for (key, value) in table {
                let shown = value.clone();
                let set = match of_another(&ask, &key) {
                    Some(problem) => Err(problem),
                    None => ask.options_mut().set(&key, value),
                };
                set.map_err(|p| config_error(origin, &format!("ask.{}.{key}", ask.name()), &shown, p))?;
            }
            self.asks.push(ask);
        }
        Ok(())
    }

    /// Applies one `key=value`.
    ///
    /// # Errors
    /// As [`Config::from_toml`].
    pub fn set(&mut self, assignment: &str, origin: &str) -> Result<()> {
        self.set_all([assignment], origin)
    }

    /// Applies several `key=value`, which need to agree only together.
    ///
    /// # Errors
    /// As [`Config::from_toml`].
    pub fn set_all<'a>(
        &mut self,
        assignments: impl IntoIterator<Item = &'a str>,
        origin: &str,
    ) -> Result<()> {
        let mut pairs = Vec::new();
        for assignment in assignments {
            let Some((key, text)) = assignment.split_once('=') else {
                return Err(Error::Usage(format!("{origin} {assignment}: expected key=value")));
            };
            pairs.push((key.trim(), text.trim()));
        }
        // First what decides which other keys there are.
        pairs.sort_by_key(|(key, _)| !["data", "data.source", "objective", "train.objective"].contains(key));
        for (key, text) in pairs {
            // A word needs no quotes on a command line.
            let value = format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
            self.assign(key, value.unwrap_or_else(|| Value::String(text.to_owned())), origin)?;
        }
        self.validate(origin)
    }

    /// Checks that the parts agree, as far as that can be said without reading a file of images.
    ///
    /// # Errors
    /// Names `origin`, the key, its value and what it must be.
    pub fn validate(&self, origin: &str) -> Result<()> {
        let Training { n_g, n_d, n_i, .. } = self.train;
        if n_g + n_d + n_i == 0 {
            let problem = "n_g, n_d and n_i are all 0: nothing would be trained".into();
            return Err(config_error(origin, "train.n_g", &Value::Integer(0), problem));
        }
        let objective = self.objective.name();
        if n_i > 0 && !self.objective.make().projects() {
            let problem = format!("the objective {objective} has no projection: set n_i = 0");
            return Err(config_error(origin, "train.n_i", &Value::Integer(n_i as i64), problem));
        }
        if self.data.is_file() {
            return self
                .data
                .size()
                .map(|_| ())
                .map_err(|mistake| self.mistake(origin, Place::Data, &mistake));
        }
        super::task::Task::of(self, origin).map(|_| ())
    }

    /// An error about a key of the data or of an ask.
    fn mistake(&self, origin: &str, place: Place, (key, problem): &invariance::Mistake) -> Error {
        let value = match place {
            Place::Ask(i) => self.asks[i].options().get(key),
            _ => self.data.options().get(key),
        };
        let path = self.path(place, key);
        // A mistake in a text of several words shows the text itself, with its place in it.
        if problem.contains('\n') {
            return Error::Usage(format!("{origin}: {path}: {problem}"));
        }
        config_error(origin, &path, value, problem.clone())
    }

    /// An error about a key of the networks.
    pub(super) fn net_mistake(&self, origin: &str, mistake: &invariance::Mistake) -> Error {
        self.typed_mistake(origin, Place::Net, &self.net, mistake)
    }

    /// An error about a key of the training.
    pub(super) fn train_mistake(&self, origin: &str, mistake: &invariance::Mistake) -> Error {
        self.typed_mistake(origin, Place::Train, &self.train, mistake)
    }

    fn typed_mistake(
        &self,
        origin: &str,
        place: Place,
        part: &impl serde::Serialize,
        (key, problem): &invariance::Mistake,
    ) -> Error {
        let table = Table::try_from(part).unwrap_or_default();
        let value = table.get(*key).cloned().unwrap_or_else(|| Value::String(String::new()));
        config_error(origin, &self.path(place, key), &value, problem.clone())
    }

    /// An error about a key of the data.
    pub(super) fn data_mistake(&self, origin: &str, mistake: &invariance::Mistake) -> Error {
        self.mistake(origin, Place::Data, mistake)
    }

    /// An error about a key of the `i`-th property asked for.
    #[must_use]
    pub fn ask_mistake(&self, origin: &str, i: usize, mistake: &invariance::Mistake) -> Error {
        self.mistake(origin, Place::Ask(i), mistake)
    }

    /// The configuration as TOML, one key a line with what it may hold.
    #[must_use]
    pub fn to_toml(&self) -> String {
        text::to_toml(self)
    }
}

/// Refuses parts that there are not: what is in them would be lost, or missed elsewhere.
fn check_parts(table: &Table, origin: &str) -> Result<()> {
    const PARTS: [&str; 4] = ["data", "ask", "net", "train"];
    let is_part = |value: &Value| match value {
        Value::Table(_) => true,
        Value::Array(all) => all.iter().any(Value::is_table),
        _ => false,
    };
    match table.iter().find(|(key, value)| is_part(value) && !PARTS.contains(&key.as_str())) {
        None => Ok(()),
        Some((key, _)) => {
            let meant =
                nearest(key, PARTS).map_or_else(String::new, |near| format!(": did you mean {near}?"));
            let problem = format!("{origin}: [{key}]: the parts are data, ask, net and train{meant}");
            Err(Error::Usage(problem))
        }
    }
}

/// Of a key that a property does not have and others do, which these are.
fn of_another(ask: &Ask, key: &str) -> Option<String> {
    let own = |k: &Key| k.name == key || (!k.alias.is_empty() && k.alias == key);
    if ask.options().keys().iter().any(own) {
        return None;
    }
    let others: Vec<&str> =
        invariance::KINDS.iter().filter(|kind| kind.keys.iter().any(own)).map(|kind| kind.name).collect();
    let property = ask.kind();
    (!others.is_empty())
        .then(|| format!("is a key of the property {}, and this is {property}", others.join(", ")))
}

fn kinds() -> String {
    invariance::KINDS.iter().map(|k| format!("\"{}\"", k.name)).collect::<Vec<_>>().join(" or ")
}

fn config_error(origin: &str, key: &str, value: &Value, problem: String) -> Error {
    Error::Config { origin: origin.to_owned(), key: key.to_owned(), value: text::shown(value), problem }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::Family;

    #[test]
    fn the_order_of_settings_changes_nothing() {
        for settings in [["data=circles", "grains=20"], ["grains=20", "data=circles"]] {
            let mut config = Config::preset("polycrystal-quick").unwrap();
            let problem = config.set_all(settings, "test").unwrap_err().to_string();
            assert!(problem.contains("grains"), "{problem}");
        }
    }

    #[test]
    fn presets_are_valid_and_survive_a_round_trip() {
        for (name, ..) in PRESETS {
            let config = Config::preset(name).unwrap();
            assert_eq!(Config::from_toml(&config.to_toml(), "test").unwrap(), config);
        }
    }

    #[test]
    fn every_key_has_a_field_and_every_preset_shows_every_key_with_a_comment() {
        let config = Config::of("circles").unwrap();
        for (keys, table) in [
            (keys::NET, Table::try_from(&config.net).unwrap()),
            (keys::TRAIN, Table::try_from(&config.train).unwrap()),
        ] {
            assert!(keys.iter().map(|k| k.name).eq(table.keys().map(String::as_str)));
        }
        for (name, _, text) in PRESETS {
            let config = Config::preset(name).unwrap();
            assert!(
                text.contains(&format!("\nobjective = \"{}\"", config.objective.name())),
                "preset {name}"
            );
            for place in [Place::Data, Place::Net, Place::Train, Place::Objective] {
                for key in config.keys(place) {
                    let line = text.lines().find(|l| l.split('=').next().unwrap().trim() == key.name);
                    assert!(line.is_some(), "preset {name} does not show {}", config.path(place, key.name));
                }
            }
        }
    }

    #[test]
    fn mistakes_name_origin_key_value_and_range() {
        let start = "data = \"circles\"\n[[ask]]\nproperty = \"radius\"\n";
        let wrong = [
            ("[net]\nwidht = 3", "f.toml: net.widht = 3: unknown key: did you mean width?"),
            ("[net]\nwidth = 0", "f.toml: net.width = 0: must be a whole number from 1 to 256"),
            ("[net]\nwidth = \"x\"", "f.toml: net.width = \"x\": must be a whole number from 1 to 256"),
            ("[train]\nbatch = -4", "f.toml: train.batch = -4: must be a whole number from 2 to 4096"),
            ("[train]\nlr_g = nan", "f.toml: train.lr_g = nan: must be a number above 0, at most 1"),
            (
                "[net]\nfamily = \"vgg\"",
                "f.toml: net.family = \"vgg\": must be \"dcgan\", \"resize\" or \"resnet\"",
            ),
            (
                "[[ask]]\nproperty = \"radius\"",
                "f.toml: ask.radius.name = \"\": two numbers are called r1: give one of the properties a name",
            ),
            (
                "[[ask]]\nproperty = \"fraction\"\nof = 3",
                "f.toml: ask.fraction.of = 3: the images have classes 0 to 2",
            ),
            (
                "[[ask]]\nproperty = \"correlation\"\nbins = 65",
                "f.toml: ask.correlation.bins = 65: must be at most 64 for images of 64 x 64",
            ),
            ("[[ask]]\nof = 1", "f.toml: ask number 2 has no property: give property = "),
            (
                "[[ask]]\nproprty = \"fraction\"",
                "f.toml: ask number 2 has no property but proprty: give property = ",
            ),
            (
                "[[ask]]\nproperty = \"fraction\"\nunit = \"um\"",
                "f.toml: ask.fraction.unit = \"um\": is a key of the property formula, and this is fraction",
            ),
            (
                "[trian]\nbatch = 4",
                "f.toml: [trian]: the parts are data, ask, net and train: did you mean train?",
            ),
            (
                "[[aks]]\nproperty = \"area\"",
                "f.toml: [aks]: the parts are data, ask, net and train: did you mean ask?",
            ),
            ("[net]\nxyzzy = 3", "f.toml: net.xyzzy = 3: unknown key"),
            (
                "[[ask]]\nproperty = \"colour\"",
                "f.toml: ask number 2: property = \"colour\": no such property",
            ),
        ];
        for (text, message) in wrong {
            let found = Config::from_toml(&format!("{start}{text}"), "f.toml").unwrap_err().to_string();
            assert!(found.starts_with(message), "{found}");
        }
        // Advice for a file is what a file can hold.
        let text = "border = \"periodic\"\ndata = \"mine.npz\"\n[[ask]]\nproperty = \"fraction\"\n";
        let found = Config::from_toml(text, "f.toml").unwrap_err().to_string();
        assert!(
            found.contains("border = ... below [net], or below [data] beside source = \"mine.npz\""),
            "{found}"
        );
        let text = "[data]\nsource = \"mine.npz\"\nborder = \"periodic\"\n[[ask]]\nproperty = \"fraction\"\n";
        Config::from_toml(text, "f.toml").unwrap();
        let broken = Config::from_toml("data = 3\n[net]\nwidth = = 3", "f.toml").unwrap_err().to_string();
        assert!(broken.starts_with("f.toml: line 3, column 9: "), "{broken}");
        for (text, says) in [
            ("", "no images"),
            ("data = \"circles\"", "nothing is asked for"),
            ("data = \"squares\"", "must be circles, circle-square"),
            ("world = \"circles\"", "older"),
        ] {
            let found = Config::from_toml(text, "f.toml").unwrap_err().to_string();
            assert!(found.contains(says), "{found}");
        }
    }

    #[test]
    fn the_last_part_of_a_key_is_enough_where_it_says_which() {
        let mut config = Config::preset("circles-quick").unwrap();
        config.set_all(["net=resnet", "lr_g = 1", "ask.radius.weight=2", "size=16"], "--set").unwrap();
        assert_eq!((config.net.family, config.train.lr_g), (Family::Resnet, 1.0));
        assert_eq!(config.asks[0].options().real("weight"), 2.0);
        for (assignment, says) in [
            ("weight=2", "say which, ask.radius.weight or ask.centroid.weight"),
            ("grains=4", "is a key of the images polycrystal, and these are circles"),
            ("ask.area.weight=2", "there are radius, centroid"),
            ("model.width=2", "the parts are data, ask, net and train"),
            ("size=big", "must be a number of pixels, or HxW"),
        ] {
            let problem = config.clone().set(assignment, "--set").unwrap_err().to_string();
            assert!(problem.contains(says), "{problem}");
        }
        // Any one phase is a training.
        for phase in ["n_g", "n_d", "n_i"] {
            let mut one = config.clone();
            let counts = ["n_g", "n_d", "n_i"].map(|key| format!("{key}={}", u8::from(key == phase)));
            assert!(one.set_all(counts.iter().map(String::as_str), "--set").is_ok(), "{phase}");
            let problem = one.set(&format!("{phase}=0"), "--set").unwrap_err().to_string();
            assert!(problem.contains("nothing would be trained"), "{problem}");
        }
        config.set_all(["data=mine.npz", "orientations=3"], "--set").unwrap();
        assert_eq!((config.data.name(), config.data.options().whole("classes")), ("mine.npz", 3));
        assert_eq!(config.data.options().word("size"), "");
    }
}
