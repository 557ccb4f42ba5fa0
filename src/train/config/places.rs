//! Where the keys of a configuration stand, and how a path or a name says which is meant.

use toml::{Table, Value};

use super::{Config, config_error, keys};
use crate::data::source;
use crate::error::Result;
use crate::invariance::Ask;
use crate::options::{Key, Options, unknown};
use crate::train::objective;

/// A key of a configuration: where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Data,
    Ask(usize),
    Net,
    Train,
    /// An option of the objective, which stands in `[train]` too.
    Objective,
}

impl Config {
    /// Sets a key, named by its path or by the last part of it.
    pub(super) fn assign(&mut self, path: &str, value: Value, origin: &str) -> Result<()> {
        let shown = value.clone();
        let error = |problem| config_error(origin, path, &shown, problem);
        if matches!(path, "data" | "data.source" | "source") {
            let name = value.as_str().ok_or_else(|| error("must be a name".into()))?;
            return self.data.rename(name).map_err(error);
        }
        if matches!(path, "objective" | "train.objective") {
            let name = value.as_str().ok_or_else(|| error("must be a name".into()))?;
            // Its options are its own: those of another objective mean nothing to it.
            if name != self.objective.name() {
                self.objective = objective::Choice::new(name).map_err(error)?;
            }
            return Ok(());
        }
        let (place, name) = self.find(path).map_err(error)?;
        self.put(place, name, value).map_err(error)
    }

    /// The place and the name of a key.
    fn find<'p>(&self, path: &'p str) -> Result<(Place, &'p str), String> {
        if let Some((section, name)) = path.split_once('.') {
            let place = match section {
                "data" => Place::Data,
                "net" => Place::Net,
                "train" if self.has(Place::Objective, name) => Place::Objective,
                "train" => Place::Train,
                "ask" => {
                    let (ask, name) = name.rsplit_once('.').ok_or("expected ask.NAME.KEY")?;
                    return Ok((Place::Ask(self.ask_named(ask)?), name));
                }
                _ => return Err("the parts are data, ask, net and train".into()),
            };
            return Ok((place, name));
        }
        let places = self.places_of(path);
        match places[..] {
            [place] => Ok((place, path)),
            [] => Err(self.unknown(path)),
            _ => {
                let paths: Vec<String> = places.iter().map(|&place| self.path(place, path)).collect();
                Err(format!("several keys have this name: say which, {}", paths.join(" or ")))
            }
        }
    }

    /// Of a name that several keys have, how a file says which is meant.
    pub(super) fn ambiguous_in_file(&self, name: &str) -> Option<String> {
        let places = self.places_of(name);
        let below = |place: &Place| match place {
            Place::Data => format!("below [data] beside source = \"{}\"", self.data.name()),
            Place::Ask(i) => format!("below the [[ask]] of {}", self.asks[*i].name()),
            Place::Net => "below [net]".into(),
            Place::Train | Place::Objective => "below [train]".into(),
        };
        let mut all: Vec<String> = places.iter().map(below).collect();
        all.reverse();
        (all.len() > 1)
            .then(|| format!("several keys have this name: give {name} = ... {}", all.join(", or ")))
    }

    /// Says that no key has this name; of another source's, which source that is.
    fn unknown(&self, name: &str) -> String {
        let has = |kind: &&source::Kind| kind.keys.iter().any(|k| k.name == name || k.alias == name);
        if let Some(kind) = source::KINDS.iter().find(has) {
            return format!("is a key of the images {}, and these are {}", kind.name, self.data.name());
        }
        if let Some(kind) = objective::KINDS.iter().find(|kind| kind.keys.iter().any(|k| k.name == name)) {
            let run = self.objective.name();
            return format!("is a key of the objective {}, and this run's is {run}", kind.name);
        }
        unknown(name, self.places().flat_map(|place| self.keys(place)).map(|key| key.name))
    }

    fn ask_named(&self, name: &str) -> Result<usize, String> {
        let found: Vec<usize> = (0..self.asks.len()).filter(|&i| self.asks[i].name() == name).collect();
        match found[..] {
            [i] => Ok(i),
            [] => {
                let names: Vec<&str> = self.asks.iter().map(Ask::name).collect();
                Err(format!("nothing asked for has the name {name}: there are {}", names.join(", ")))
            }
            _ => Err(format!("{} of the properties are named {name}: give each a name", found.len())),
        }
    }

    /// Where keys of that name stand.
    fn places_of(&self, name: &str) -> Vec<Place> {
        self.places().filter(|&place| self.has(place, name)).collect()
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let asks = (0..self.asks.len()).map(Place::Ask);
        [Place::Data, Place::Net, Place::Train, Place::Objective].into_iter().chain(asks)
    }

    pub(super) fn keys(&self, place: Place) -> &[Key] {
        match place {
            Place::Data => self.data.options().keys(),
            Place::Ask(i) => self.asks[i].options().keys(),
            Place::Net => keys::NET,
            Place::Train => keys::TRAIN,
            Place::Objective => self.objective.options().keys(),
        }
    }

    fn has(&self, place: Place, name: &str) -> bool {
        self.keys(place).iter().any(|k| k.name == name || (!k.alias.is_empty() && k.alias == name))
    }

    pub(super) fn path(&self, place: Place, name: &str) -> String {
        match place {
            Place::Data => format!("data.{name}"),
            Place::Ask(i) => format!("ask.{}.{name}", self.asks[i].name()),
            Place::Net => format!("net.{name}"),
            Place::Train | Place::Objective => format!("train.{name}"),
        }
    }

    fn put(&mut self, place: Place, name: &str, value: Value) -> Result<(), String> {
        match place {
            Place::Data => self.data.options_mut().set(name, value),
            Place::Ask(i) => self.asks[i].options_mut().set(name, value),
            Place::Net => put_typed(&mut self.net, keys::NET, name, value),
            Place::Train => put_typed(&mut self.train, keys::TRAIN, name, value),
            Place::Objective => self.objective.options_mut().set(name, value),
        }
    }
}

/// Sets a key of a typed part.
fn put_typed<T>(part: &mut T, keys: &[Key], name: &str, value: Value) -> Result<(), String>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let mut options = Options::new(keys.iter().copied());
    for (key, value) in Table::try_from(&*part).map_err(|e| e.to_string())? {
        options.set(&key, value)?;
    }
    options.set(name, value)?;
    *part = Value::Table(options.to_table()).try_into().map_err(|e: toml::de::Error| e.to_string())?;
    Ok(())
}
