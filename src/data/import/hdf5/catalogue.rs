//! What a file holds: every data set, in groups of any depth.

use std::collections::HashSet;

use hdf5_reader::Hdf5File;
use hdf5_reader::error::Error;
use hdf5_reader::group::Group;

use super::number::{self, Kind};

/// A file with more data sets than this, or with deeper groups, is listed in part.
const MOST: usize = 10_000;
const DEEPEST: usize = 32;
/// An error lists at most so many.
const LISTED: usize = 24;

/// One data set.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Names of its groups and its own, with `/` between them and none before.
    pub path: String,
    /// Extents, slowest axis first.
    pub shape: Vec<usize>,
    pub kind: Kind,
    /// Type in words, or why it cannot be opened.
    about: String,
}

impl Entry {
    fn open(file: &Hdf5File, path: String) -> Self {
        match file.dataset(&path) {
            Ok(dataset) => Self {
                path,
                shape: dataset.shape().iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect(),
                kind: Kind::of(dataset.dtype()),
                about: number::name(dataset.dtype()),
            },
            Err(e) => Self { path, shape: vec![], kind: Kind::Other, about: format!("not readable: {e}") },
        }
    }

    /// Whether it can be images: numbers along two axes or more.
    pub fn is_images(&self) -> bool {
        matches!(self.kind, Kind::Whole | Kind::Real) && self.shape.len() >= 2
    }

    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether a user who writes this means this entry: the whole path, or its last part.
    pub fn is_named(&self, asked: &str) -> bool {
        self.path == asked.trim_matches('/') || self.name() == asked
    }
}

/// What could be listed of a file.
pub(super) struct Catalogue {
    /// Sorted by path.
    pub entries: Vec<Entry>,
    /// Why some may be missing. One object of an unknown kind keeps a group from being listed, but not
    /// the others in it from being read by name.
    pub gap: Option<Error>,
}

impl Catalogue {
    /// All data sets that links lead to. Links that lead nowhere, or into another file, are left out.
    pub fn of(file: &Hdf5File) -> Result<Self, Error> {
        let root = file.root_group()?;
        let (mut entries, mut gap) = (Vec::new(), None);
        // Groups may hold themselves by another name.
        let mut seen = HashSet::from([root.address()]);
        let mut open: Vec<(Group, String, usize)> = vec![(root, String::new(), 0)];
        while let Some((group, prefix, depth)) = open.pop() {
            let (groups, datasets) = match group.member_names() {
                Ok(names) => names,
                Err(e) => {
                    gap = Some(e);
                    continue;
                }
            };
            for name in datasets {
                if entries.len() < MOST {
                    entries.push(Entry::open(file, format!("{prefix}{name}")));
                }
            }
            for name in groups {
                if let Ok(inner) = group.group(&name)
                    && depth < DEEPEST
                    && seen.insert(inner.address())
                {
                    open.push((inner, format!("{prefix}{name}/"), depth + 1));
                }
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { entries, gap })
    }

    /// Adds what the user names, if it is there but could not be listed.
    pub fn look_for(&mut self, file: &Hdf5File, asked: &str) {
        if self.gap.is_none() || self.entries.iter().any(|e| e.is_named(asked)) {
            return;
        }
        let path = asked.trim_matches('/');
        let absent =
            |e: &Error| matches!(super::root(e), Error::DatasetNotFound(_) | Error::GroupNotFound(_));
        if !file.dataset(path).is_err_and(|e| absent(&e)) {
            self.entries.push(Entry::open(file, path.to_owned()));
        }
    }
}

/// Data sets with their shapes and types, for a message.
pub(super) fn list<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut all: Vec<String> =
        entries.into_iter().map(|e| format!("{} {:?} {}", e.path, e.shape, e.about)).collect();
    if all.is_empty() {
        return "none".into();
    }
    if all.len() > LISTED {
        let more = all.len() - LISTED;
        all.truncate(LISTED);
        all.push(format!("and {more} more"));
    }
    all.join(", ").replace('\n', " ")
}
