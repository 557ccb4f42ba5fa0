//! Options: keys that a person sets, with what each may hold, and the values they were given.
//!
//! A source of images, a property and a part of the configuration each declare their keys as a
//! table of [`Key`]s; [`Options`] holds the values. What is not given has the key's default, what is
//! not declared is refused with the nearest name, and what is out of range with the range.

use toml::{Table, Value};

/// What a key holds when nothing was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fallback {
    /// A whole number.
    Whole(i64),
    /// Any number.
    Real(f64),
    /// A word or a text.
    Word(&'static str),
    /// True or false.
    Flag(bool),
}

impl Fallback {
    fn value(self) -> Value {
        match self {
            Self::Whole(v) => Value::Integer(v),
            Self::Real(v) => Value::Float(v),
            Self::Word(v) => Value::String(v.into()),
            Self::Flag(v) => Value::Boolean(v),
        }
    }
}

/// A key, and the values it may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// As it is typed.
    pub name: &'static str,
    /// An older or another name of it; empty if there is none.
    pub alias: &'static str,
    /// The value where none is given.
    pub default: Fallback,
    /// What it may hold, in words that follow "must be".
    pub allowed: &'static str,
    /// Smallest and largest number; of a word, only that it is one.
    pub range: (f64, f64),
    /// The words that it may be; none means any.
    pub words: &'static [&'static str],
    /// Where it may be several of the words, with + between them: how many of the first words stand alone. 0 elsewhere.
    pub alone: usize,
    /// What it is, in a few words.
    pub about: &'static str,
}

impl Key {
    /// What a key of any kind is where nothing else is said.
    const ANY: Self = Self {
        name: "",
        alias: "",
        default: Fallback::Flag(false),
        allowed: "",
        range: (f64::NEG_INFINITY, f64::INFINITY),
        words: &[],
        alone: 0,
        about: "",
    };

    /// A whole number from `low` to `high`.
    #[must_use]
    pub const fn whole(
        name: &'static str,
        default: i64,
        (low, high): (i64, i64),
        allowed: &'static str,
        about: &'static str,
    ) -> Self {
        let range = (low as f64, high as f64);
        Self { name, default: Fallback::Whole(default), allowed, range, about, ..Self::ANY }
    }

    /// A number from `low` to `high`.
    #[must_use]
    pub const fn real(
        name: &'static str,
        default: f64,
        range: (f64, f64),
        allowed: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, default: Fallback::Real(default), allowed, range, about, ..Self::ANY }
    }

    /// One of some words.
    #[must_use]
    pub const fn word(
        name: &'static str,
        default: &'static str,
        words: &'static [&'static str],
        allowed: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, default: Fallback::Word(default), allowed, words, about, ..Self::ANY }
    }

    /// Any text.
    #[must_use]
    pub const fn text(
        name: &'static str,
        default: &'static str,
        allowed: &'static str,
        about: &'static str,
    ) -> Self {
        Self::word(name, default, &[], allowed, about)
    }

    /// One of some words, or several with + between them, kept in the order of the words. The first so many stand
    /// alone; the very first is the default.
    #[must_use]
    pub const fn words(
        name: &'static str,
        words: &'static [&'static str],
        alone: usize,
        allowed: &'static str,
        about: &'static str,
    ) -> Self {
        Self { alone, ..Self::word(name, words[0], words, allowed, about) }
    }

    /// True or false.
    #[must_use]
    pub const fn flag(name: &'static str, default: bool, about: &'static str) -> Self {
        Self { name, default: Fallback::Flag(default), allowed: "true or false", about, ..Self::ANY }
    }

    /// The same key, also known by another name.
    #[must_use]
    pub const fn also(self, alias: &'static str) -> Self {
        Self { alias, ..self }
    }

    /// The value as this key keeps it, or what it must be.
    fn accept(&self, value: Value) -> Result<Value, String> {
        let must = || format!("must be {}", self.allowed);
        let (low, high) = self.range;
        let inside = |v: f64| (low..=high).contains(&v);
        match (self.default, value) {
            (Fallback::Whole(_), Value::Integer(i)) if inside(i as f64) => Ok(Value::Integer(i)),
            // `1000.0` is a whole number; `lr_g = 1` is as good as `lr_g = 1.0`.
            (Fallback::Whole(_), Value::Float(f)) if f.fract() == 0.0 && inside(f) => {
                Ok(Value::Integer(f as i64))
            }
            (Fallback::Real(_), Value::Float(f)) if inside(f) => Ok(Value::Float(f)),
            (Fallback::Real(_), Value::Integer(i)) if inside(i as f64) => Ok(Value::Float(i as f64)),
            (Fallback::Flag(_), Value::Boolean(b)) => Ok(Value::Boolean(b)),
            (Fallback::Word(_), Value::String(s)) if self.alone > 0 => self.joined(&s).ok_or_else(must),
            (Fallback::Word(_), Value::String(s)) if self.words.is_empty() || self.words.contains(&&*s) => {
                Ok(Value::String(s))
            }
            // A number is a text too, where any text will do.
            (Fallback::Word(_), value @ (Value::Integer(_) | Value::Float(_))) if self.words.is_empty() => {
                Ok(Value::String(value.to_string()))
            }
            _ => Err(must()),
        }
    }

    /// Words with + between them in their order; none if one of them is no word, is there twice, or stands alone
    /// and does not.
    fn joined(&self, text: &str) -> Option<Value> {
        let given: Vec<&str> = text.split('+').map(str::trim).collect();
        let chosen: Vec<&str> = self.words.iter().filter(|word| given.contains(word)).copied().collect();
        let apart = given.len() == 1 || !given.iter().any(|word| self.words[..self.alone].contains(word));
        (chosen.len() == given.len() && apart).then(|| Value::String(chosen.join("+")))
    }
}

/// The values of declared keys.
#[derive(Clone, Debug)]
pub struct Options {
    keys: Vec<Key>,
    values: Vec<Value>,
}

impl PartialEq for Options {
    fn eq(&self, other: &Self) -> bool {
        self.keys.iter().map(|k| k.name).eq(other.keys.iter().map(|k| k.name)) && self.values == other.values
    }
}

impl Options {
    /// The defaults of `keys`.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        let keys: Vec<Key> = keys.into_iter().collect();
        let values = keys.iter().map(|key| key.default.value()).collect();
        Self { keys, values }
    }

    /// The keys, in their order.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Where the key of that name or alias stands.
    fn position(&self, name: &str) -> Option<usize> {
        self.keys.iter().position(|key| key.name == name || (!key.alias.is_empty() && key.alias == name))
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Sets a key.
    ///
    /// # Errors
    /// What is wrong: there is no such key, or what it must be.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), String> {
        let at = self.position(name).ok_or_else(|| unknown(name, self.keys.iter().map(|k| k.name)))?;
        self.values[at] = self.keys[at].accept(value)?;
        Ok(())
    }

    /// The value of a key.
    ///
    /// # Panics
    /// If there is no such key: a mistake in the program.
    #[must_use]
    #[track_caller]
    pub fn get(&self, name: &str) -> &Value {
        let at = self.position(name).unwrap_or_else(|| panic!("no key {name}"));
        &self.values[at]
    }

    /// A whole number that is not negative.
    ///
    /// # Panics
    /// If there is no such key of that kind.
    #[must_use]
    #[track_caller]
    pub fn whole(&self, name: &str) -> usize {
        let value = self.get(name).as_integer().and_then(|v| usize::try_from(v).ok());
        value.unwrap_or_else(|| panic!("{name} is no count"))
    }

    /// A number.
    ///
    /// # Panics
    /// If there is no such key of that kind.
    #[must_use]
    #[track_caller]
    pub fn real(&self, name: &str) -> f64 {
        self.get(name).as_float().unwrap_or_else(|| panic!("{name} is no number"))
    }

    /// A word.
    ///
    /// # Panics
    /// If there is no such key of that kind.
    #[must_use]
    #[track_caller]
    pub fn word(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_else(|| panic!("{name} is no word"))
    }

    /// True or false.
    ///
    /// # Panics
    /// If there is no such key of that kind.
    #[must_use]
    #[track_caller]
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).as_bool().unwrap_or_else(|| panic!("{name} is no flag"))
    }

    /// The values by name.
    #[must_use]
    pub fn to_table(&self) -> Table {
        self.keys.iter().zip(&self.values).map(|(key, value)| (key.name.to_owned(), value.clone())).collect()
    }
}

/// Says that there is no such name, and the nearest of those there are; where none is near, all if they are few.
#[must_use]
pub fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const FEW: usize = 12;
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("unknown key: did you mean {nearest}?"),
        None if known.len() <= FEW => format!("unknown key: there are {}", known.join(", ")),
        None => "unknown key: invnet presets NAME lists all".into(),
    }
}

/// The nearest of some names to one that is none of them, if it is near.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let edits = |known: &str| if known.to_lowercase() == lower { 0 } else { distance(known, name) };
    let near = known.into_iter().map(|known| (edits(known), known)).min_by_key(|(edits, _)| *edits);
    let length = name.chars().count();
    // Of a short name, one right letter is no likeness.
    near.filter(|(edits, _)| *edits == 0 || *edits <= length.div_ceil(2) && *edits < length)
        .map(|(_, near)| near)
}

/// Edits between two words (Levenshtein).
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
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
    use super::*;

    const KEYS: [Key; 5] = [
        Key::whole("bins", 8, (1, 9), "a whole number from 1 to 9", "").also("numbers"),
        Key::real("weight", 1.0, (0.0, 5.0), "a number from 0 to 5", ""),
        Key::word("direction", "row", &["row", "column"], "\"row\" or \"column\"", ""),
        Key::flag("periodic", false, ""),
        Key::words("moves", &["none", "all", "shift", "turn"], 2, "none, all, shift or turn", ""),
    ];

    #[test]
    fn values_are_of_the_kind_and_range_of_their_key() {
        let mut options = Options::new(KEYS);
        assert!(!options.flag("periodic") && !options.has("period"));
        for (name, value) in [
            ("numbers", Value::Integer(3)),
            ("bins", Value::Float(4.0)),
            ("weight", Value::Integer(2)),
            ("direction", Value::String("column".into())),
            ("periodic", Value::Boolean(true)),
        ] {
            assert_eq!(options.set(name, value), Ok(()), "{name}");
        }
        assert_eq!((options.whole("bins"), options.real("weight")), (4, 2.0));
        assert_eq!((options.word("direction"), options.flag("periodic")), ("column", true));
        for (given, kept) in [("shift", "shift"), ("turn + shift", "shift+turn"), ("none", "none")] {
            assert_eq!(options.set("moves", Value::String(given.into())), Ok(()), "{given}");
            assert_eq!(options.word("moves"), kept);
        }
        for (name, value, says) in [
            ("bins", Value::Integer(10), "from 1 to 9"),
            ("bins", Value::Float(2.5), "from 1 to 9"),
            ("weight", Value::Float(f64::NAN), "from 0 to 5"),
            ("direction", Value::String("up".into()), "\"row\" or"),
            ("periodic", Value::Integer(1), "true or false"),
            ("moves", Value::String("shift+trun".into()), "shift or turn"),
            ("moves", Value::String("none+shift".into()), "shift or turn"),
            ("moves", Value::String("shift+all".into()), "shift or turn"),
            ("moves", Value::String("turn+turn".into()), "shift or turn"),
            ("moves", Value::String(String::new()), "shift or turn"),
            ("wieght", Value::Integer(1), "did you mean weight?"),
        ] {
            let problem = options.set(name, value).err().unwrap_or_default();
            assert!(problem.contains(says), "{name}: {problem}");
        }
    }

    #[test]
    fn the_distance_of_words_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("width", "width", 0),
            ("widht", "width", 2),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (edits, edits), "{a} {b}");
        }
    }
}
