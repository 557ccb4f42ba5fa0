//! The configuration of a run: flat keys, each with a range, from presets, files and `--set`.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::device::gpu::Precision;
use crate::error::{Error, Result};
use crate::nn::Family;

/// What the images show, and what is asked of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorldName {
    /// Two discs that do not touch: radii and centres.
    Circles,
    /// A disc and a square that do not touch: areas and centres.
    CircleSquare,
    /// Two phases that have separated: volume fraction.
    #[serde(rename = "two-phase-p1")]
    TwoPhaseP1,
    /// Two phases that have separated: two-point correlation.
    #[serde(rename = "two-phase-p2")]
    TwoPhaseP2,
    /// Grains of several orientations: fraction of each.
    Polycrystal,
}

/// What happens to the learning rates over a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// They stay.
    None,
    /// They fall linearly to zero at the last iteration.
    Linear,
}

/// Where the properties asked of the generator during training come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Targets {
    /// Measured on a batch of real images.
    Data,
    /// Drawn from the world's own distribution.
    Prior,
    /// Either, by a coin for each sample.
    Mix,
}

/// Everything a run depends on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the images show, and what is asked of them.
    pub world: WorldName,
    /// A file of images to learn from instead of the world's own; empty for none.
    pub data: String,
    /// The pair of networks.
    pub net: Family,
    /// Height and width of an image in pixels, a power of two.
    pub size: usize,
    /// Channels of the layers next to the image.
    pub width: usize,
    /// What convolutions and matrix products multiply on a GPU.
    pub precision: Precision,
    /// Length of the noise z.
    pub latent: usize,
    /// Standard deviation of z.
    pub z_scale: f64,
    /// Samples a step.
    pub batch: usize,
    /// Images in the data set.
    pub images: usize,
    /// Numbers of a two-point correlation curve.
    pub bins: usize,
    /// Orientations of a polycrystal.
    pub orientations: usize,
    /// Grains of a polycrystal.
    pub grains: usize,
    /// Spread of the logarithm of a grain's diameter.
    pub spread: f64,
    /// Concentration of the fractions of the orientations: large for equal ones.
    pub concentration: f64,
    /// Iterations of Algorithm 1.
    pub iterations: u64,
    /// Seed of data, weights and noise.
    pub seed: u64,
    /// Generator steps an iteration.
    pub n_g: usize,
    /// Critic steps an iteration.
    pub n_d: usize,
    /// Projection steps an iteration.
    pub n_i: usize,
    /// Learning rate of the generator steps.
    pub lr_g: f64,
    /// Learning rate of the critic steps.
    pub lr_d: f64,
    /// Learning rate of the projection steps.
    pub lr_i: f64,
    /// What happens to the learning rates.
    pub lr_decay: Decay,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Weight of the gradient penalty.
    pub lambda_gp: f64,
    /// Where targets come from.
    pub targets: Targets,
    /// Whether the generator sees properties with zero mean and unit variance.
    pub standardise: bool,
    /// Weight of the area loss.
    pub weight_area: f64,
    /// Weight of the centroid loss.
    pub weight_centroid: f64,
    /// Weight of the loss of volume fractions.
    pub weight_fraction: f64,
    /// Weight of the loss of correlation curves.
    pub weight_correlation: f64,
    /// Decay of the average of the generator's weights; 0 for none.
    pub ema: f64,
    /// Iterations between rows of `metrics.jsonl`.
    pub log_every: u64,
    /// Iterations between grids of samples; 0 for none.
    pub sample_every: u64,
    /// Iterations between checkpoints.
    pub checkpoint_every: u64,
    /// Samples measured for the report.
    pub eval_samples: usize,
}

/// A key and the numbers it may hold; NaN bounds where only the type matters.
struct Key {
    name: &'static str,
    allowed: &'static str,
    low: f64,
    high: f64,
}

const fn number(name: &'static str, allowed: &'static str, low: f64, high: f64) -> Key {
    Key { name, allowed, low, high }
}

const fn word(name: &'static str, allowed: &'static str) -> Key {
    Key { name, allowed, low: f64::NAN, high: f64::NAN }
}

/// The smallest positive number a learning rate may have.
const SMALLEST_RATE: f64 = 1e-12;

const WORLDS: &str = "\"circles\", \"circle-square\", \"two-phase-p1\", \"two-phase-p2\" or \"polycrystal\"";

const KEYS: &[Key] = &[
    word("world", WORLDS),
    word("data", "the name of a .npz file, or empty for the world's own images"),
    word("net", "\"dcgan\" or \"resnet\""),
    number("size", "a power of two from 16 to 256", 16.0, 256.0),
    number("width", "a whole number from 1 to 256", 1.0, 256.0),
    word("precision", "\"fp32\", \"tf32\" or \"bf16\""),
    number("latent", "a whole number from 1 to 4096", 1.0, 4096.0),
    number("z_scale", "a number from 0 to 10", 0.0, 10.0),
    number("batch", "a whole number from 2 to 4096", 2.0, 4096.0),
    number("images", "a whole number from 1 to 1000000", 1.0, 1e6),
    number("bins", "a whole number from 1 to size / 2 + 1", 1.0, 129.0),
    number("orientations", "a whole number from 2 to 16", 2.0, 16.0),
    number("grains", "a whole number from 1 to size^2 / 16", 1.0, 4096.0),
    number("spread", "a number from 0 to 0.5", 0.0, 0.5),
    number("concentration", "a number from 0.05 to 1000000", 0.05, 1e6),
    number("iterations", "a whole number from 1 to 10000000", 1.0, 1e7),
    number("seed", "a whole number from 0 to 2^53", 0.0, 9_007_199_254_740_992.0),
    number("n_g", "a whole number from 0 to 100", 0.0, 100.0),
    number("n_d", "a whole number from 0 to 100", 0.0, 100.0),
    number("n_i", "a whole number from 0 to 100", 0.0, 100.0),
    number("lr_g", "a number above 0, at most 1", SMALLEST_RATE, 1.0),
    number("lr_d", "a number above 0, at most 1", SMALLEST_RATE, 1.0),
    number("lr_i", "a number above 0, at most 1", SMALLEST_RATE, 1.0),
    word("lr_decay", "\"none\" or \"linear\""),
    number("beta1", "a number from 0 to 0.99999", 0.0, 0.99999),
    number("beta2", "a number from 0 to 0.99999", 0.0, 0.99999),
    number("lambda_gp", "a number from 0 to 1000000", 0.0, 1e6),
    word("targets", "\"data\", \"prior\" or \"mix\""),
    word("standardise", "true or false"),
    number("weight_area", "a number from 0 to 1000000", 0.0, 1e6),
    number("weight_centroid", "a number from 0 to 1000000", 0.0, 1e6),
    number("weight_fraction", "a number from 0 to 1000000", 0.0, 1e6),
    number("weight_correlation", "a number from 0 to 1000000", 0.0, 1e6),
    number("ema", "a number from 0 to 0.99999", 0.0, 0.99999),
    number("log_every", "a whole number from 1 to 10000", 1.0, 1e4),
    number("sample_every", "a whole number from 0 to 10000000", 0.0, 1e7),
    number("checkpoint_every", "a whole number from 1 to 10000000", 1.0, 1e7),
    number("eval_samples", "a whole number from 1 to 100000", 1.0, 1e5),
];

/// An embedded preset: name, one line about it, commented TOML.
pub type Preset = (&'static str, &'static str, &'static str);

macro_rules! preset {
    ($name:literal, $about:literal) => {
        ($name, $about, include_str!(concat!("../presets/", $name, ".toml")))
    };
}

/// The embedded presets. Those named quick take minutes on two CPU cores, at 64 x 64; the others
/// have the paper's size, 128 x 128, and want a GPU.
pub const PRESETS: &[Preset] = &[
    preset!("circles-quick", "two circles where you want them: radii and centres"),
    preset!("circle-square-quick", "a circle and a square: areas and centres"),
    preset!("two-phase-p1-quick", "phases that separate: volume fraction"),
    preset!("two-phase-p2-quick", "phases that separate: two-point correlation"),
    preset!("polycrystal-quick", "grains of five orientations: fraction of each"),
    preset!("circles", "two circles, 128 x 128, with the paper's settings"),
    preset!("circle-square", "a circle and a square, 128 x 128"),
    preset!("two-phase-p1", "phases that separate, 128 x 128: volume fraction"),
    preset!("two-phase-p2", "phases that separate, 128 x 128: two-point correlation"),
    preset!("polycrystal", "grains of five orientations, 128 x 128"),
];

/// The preset that has every key; others, and files, may leave out what they share with it.
const COMPLETE: &str = "circles";

impl Config {
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
        let origin = format!("preset {name}");
        if name != COMPLETE {
            return Self::from_toml(text, &origin);
        }
        let table: Table = text.parse().map_err(|e| malformed(&origin, text, &e))?;
        let config: Self = Value::Table(table)
            .try_into()
            .map_err(|e: toml::de::Error| Error::Usage(format!("{origin}: {e}")))?;
        config.validate(&origin)?;
        Ok(config)
    }

    /// A configuration from TOML; keys that it leaves out have the values of preset `circles`.
    ///
    /// # Errors
    /// On malformed TOML, an unknown key, a value of the wrong type or out of range.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self> {
        let table: Table = text.parse().map_err(|e| malformed(origin, text, &e))?;
        let mut config = Self::preset(COMPLETE)?;
        for (key, value) in &table {
            config.assign(key, value.clone(), origin)?;
        }
        config.validate(origin)?;
        Ok(config)
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
        for assignment in assignments {
            let Some((key, text)) = assignment.split_once('=') else {
                return Err(Error::Usage(format!("{origin} {assignment}: expected key=value")));
            };
            let (key, text) = (key.trim(), text.trim());
            // A word needs no quotes on a command line.
            let value = format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
            self.assign(key, value.unwrap_or_else(|| Value::String(text.to_owned())), origin)?;
        }
        self.validate(origin)
    }

    fn assign(&mut self, name: &str, value: Value, origin: &str) -> Result<()> {
        let shown = value.to_string();
        let error = |problem: String| Error::Config {
            origin: origin.to_owned(),
            key: name.to_owned(),
            value: shown.clone(),
            problem,
        };
        let Some(key) = KEYS.iter().find(|k| k.name == name) else {
            let nearest = KEYS.iter().min_by_key(|k| distance(k.name, name)).map_or("", |k| k.name);
            return Err(error(format!("unknown key: did you mean {nearest}?")));
        };
        let must = || error(format!("must be {}", key.allowed));
        let mut table = Table::try_from(&*self).map_err(|_| must())?;
        // `lr_g = 1` is as good as `lr_g = 1.0`.
        let value = match (&table[name], value) {
            (Value::Float(_), Value::Integer(i)) => Value::Float(i as f64),
            (_, value) => value,
        };
        table.insert(name.to_owned(), value);
        *self = Value::Table(table).try_into().map_err(|_: toml::de::Error| must())?;
        Ok(())
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// Names `origin`, the key, its value and the allowed range.
    pub fn validate(&self, origin: &str) -> Result<()> {
        let table = Table::try_from(self).map_err(|e| Error::Usage(format!("{origin}: {e}")))?;
        let error = |key: &str, problem: String| {
            let value = table.get(key).map(ToString::to_string).unwrap_or_default();
            Err(Error::Config { origin: origin.to_owned(), key: key.to_owned(), value, problem })
        };
        for key in KEYS.iter().filter(|k| !k.low.is_nan()) {
            let value = match table.get(key.name) {
                Some(Value::Integer(i)) => *i as f64,
                Some(Value::Float(f)) => *f,
                _ => f64::NAN,
            };
            if !(key.low..=key.high).contains(&value) {
                return error(key.name, format!("must be {}", key.allowed));
            }
        }
        if !self.size.is_power_of_two() {
            return error("size", "must be a power of two from 16 to 256".into());
        }
        if self.world == WorldName::TwoPhaseP2 && self.bins > self.size / 2 + 1 {
            return error("bins", format!("must be at most size / 2 + 1 = {}", self.size / 2 + 1));
        }
        if self.world == WorldName::Polycrystal && self.grains > self.size * self.size / 16 {
            return error("grains", format!("must be at most size^2 / 16 = {}", self.size * self.size / 16));
        }
        if self.n_g + self.n_d + self.n_i == 0 {
            return error("n_g", "n_g, n_d and n_i are all 0: nothing would be trained".into());
        }
        Ok(())
    }

    /// The weight of the invariance of that name.
    ///
    /// # Panics
    /// If it has none: a world lists an invariance without a key for it.
    #[must_use]
    pub fn invariance_weight(&self, invariance: &str) -> f64 {
        match invariance {
            "area" => self.weight_area,
            "centroid" => self.weight_centroid,
            "volume_fraction" | "fractions" => self.weight_fraction,
            "correlation" => self.weight_correlation,
            other => panic!("no weight for the invariance {other}"),
        }
    }

    /// The configuration as TOML, one key a line with what it may hold.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let table = Table::try_from(self).unwrap_or_default();
        let mut text = String::new();
        for key in KEYS {
            if let Some(value) = table.get(key.name) {
                let line = format!("{} = {value}", key.name);
                text.push_str(&format!("{line:28} # {}\n", key.allowed));
            }
        }
        text
    }
}

/// A TOML mistake on one line, with where it is.
fn malformed(origin: &str, text: &str, error: &toml::de::Error) -> Error {
    let at = error.span().map_or(0, |span| span.start);
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |i| i + 1) + 1;
    let what = error.message().lines().next().unwrap_or("not TOML").to_owned();
    Error::Usage(format!("{origin}: line {line}, column {column}: {what}"))
}

/// Edits between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn presets_are_valid_and_survive_a_round_trip() {
        for (name, ..) in PRESETS {
            let config = Config::preset(name).unwrap();
            assert_eq!(Config::from_toml(&config.to_toml(), "test").unwrap(), config);
        }
    }

    #[test]
    fn every_field_has_a_key_and_every_key_a_field() {
        let table = Table::try_from(Config::preset("circles").unwrap()).unwrap();
        let mut keys: Vec<&str> = KEYS.iter().map(|k| k.name).collect();
        let mut fields: Vec<&str> = table.keys().map(String::as_str).collect();
        keys.sort_unstable();
        fields.sort_unstable();
        assert_eq!(keys, fields);
    }

    #[test]
    fn mistakes_name_origin_key_value_and_range() {
        let wrong = [
            ("widht = 3", "f.toml: widht = 3: unknown key: did you mean width?"),
            ("width = 0", "f.toml: width = 0: must be a whole number from 1 to 256"),
            ("width = \"x\"", "f.toml: width = \"x\": must be a whole number from 1 to 256"),
            ("size = 48", "f.toml: size = 48: must be a power of two from 16 to 256"),
            ("batch = -4", "f.toml: batch = -4: must be a whole number from 2 to 4096"),
            ("lr_g = nan", "f.toml: lr_g = nan: must be a number above 0, at most 1"),
            ("net = \"vgg\"", "f.toml: net = \"vgg\": must be \"dcgan\" or \"resnet\""),
        ];
        for (text, message) in wrong {
            assert_eq!(Config::from_toml(text, "f.toml").unwrap_err().to_string(), message);
        }
        let broken = Config::from_toml("size = 64\nwidth = = 3", "f.toml").unwrap_err().to_string();
        assert!(broken.starts_with("f.toml: line 2, column 9: "), "{broken}");
    }

    #[test]
    fn words_and_whole_numbers_need_no_ceremony() {
        let mut config = Config::preset("circles").unwrap();
        config.set("net=resnet", "--set").unwrap();
        config.set("lr_g = 1", "--set").unwrap();
        assert_eq!((config.net, config.lr_g), (Family::Resnet, 1.0));
    }
}
