//! Compiled kernels on disk, so that only the first run of a version compiles.
//!
//! A cache may vanish, be damaged or be read-only without anyone noticing but by the time it
//! takes: nothing here is an error.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a driver loads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Code {
    /// Machine code of one architecture.
    Cubin(Vec<u8>),
    /// Assembly, with the zero byte that ends it.
    Ptx(Vec<u8>),
}

impl Code {
    /// The bytes, as a driver takes them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Cubin(bytes) | Self::Ptx(bytes) => bytes,
        }
    }
}

/// Ends in the version of the layout: magic, kind, length, checksum, code.
const MAGIC: &[u8; 8] = b"invnetk1";
const HEADER: usize = MAGIC.len() + 1 + 8 + 16;

/// FNV-1a of 128 bits: stable between releases and platforms, which the standard library's is not.
fn fnv(bytes: impl IntoIterator<Item = u8>) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.into_iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// The folder of the cache, if this user has one.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("INVNET_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("invnet")))
        .or_else(|| variable("HOME").map(|folder| folder.join(".cache/invnet")))
}

/// Where the code of one source, with one compiler and one set of options, is kept.
pub(super) struct Entry {
    path: Option<PathBuf>,
}

impl Entry {
    /// The entry of everything in `key`; `name` is for people who look into the folder.
    pub fn new(name: &str, key: &[&str]) -> Self {
        Self { path: path(name, key, "bin") }
    }

    /// The code, if it is there and whole.
    pub fn read(&self) -> Option<Code> {
        decode(&fs::read(self.path.as_ref()?).ok()?)
    }

    /// Keeps the code, if that is possible.
    pub fn write(&self, code: &Code) {
        if let Some(path) = &self.path {
            let _ = replace(path, &encode(code));
        }
    }
}

/// Where something about everything in `key` is kept.
fn path(name: &str, key: &[impl AsRef<str>], extension: &str) -> Option<PathBuf> {
    // The zero byte keeps ("ab", "c") and ("a", "bc") apart: no part holds one.
    let hash = fnv(key.iter().flat_map(|part| part.as_ref().bytes().chain([0])));
    folder().map(|folder| folder.join(format!("{name}-{hash:032x}.{extension}")))
}

/// A number that was found out about everything in `key`, and `name` above all.
#[must_use]
pub fn recall(name: &str, key: &[impl AsRef<str>]) -> Option<f64> {
    fs::read_to_string(path(name, key, "txt")?).ok()?.strip_suffix('\n')?.parse().ok()
}

/// Keeps such a number, if that is possible.
pub fn remember(name: &str, key: &[impl AsRef<str>], number: f64) {
    if let Some(path) = path(name, key, "txt") {
        let _ = replace(&path, format!("{number}\n").as_bytes());
    }
}

/// Writes a file, in a folder that is made if need be, under a temporary name, then renames it.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fill(&temporary, bytes)).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What cannot be written may well not be removable.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes a file, on the disk before this returns: a name must not come before its content.
fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name beside `path` that no other writer uses: writers differ in process or in count.
fn temporary(path: &Path) -> PathBuf {
    static WRITERS: AtomicU64 = AtomicU64::new(0);
    let count = WRITERS.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("{}-{count}.tmp", std::process::id()))
}

fn encode(code: &Code) -> Vec<u8> {
    let bytes = code.bytes();
    let mut all = MAGIC.to_vec();
    all.push(u8::from(matches!(code, Code::Ptx(_))));
    all.extend((bytes.len() as u64).to_le_bytes());
    all.extend(fnv(bytes.iter().copied()).to_le_bytes());
    all.extend(bytes);
    all
}

fn decode(all: &[u8]) -> Option<Code> {
    let (header, bytes) = all.split_at_checked(HEADER)?;
    let (magic, rest) = header.split_at(MAGIC.len());
    let (kind, rest) = rest.split_first()?;
    let (length, checksum) = rest.split_at(8);
    let whole = magic == MAGIC
        && length == (bytes.len() as u64).to_le_bytes()
        && checksum == fnv(bytes.iter().copied()).to_le_bytes();
    match (whole, *kind) {
        (true, 0) => Some(Code::Cubin(bytes.to_vec())),
        (true, 1) => Some(Code::Ptx(bytes.to_vec())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_seen() {
        for code in [Code::Cubin(vec![1, 2, 3]), Code::Ptx(b"ptx\0".to_vec())] {
            let whole = encode(&code);
            assert_eq!(decode(&whole), Some(code.clone()));
            for i in 0..whole.len() {
                assert_eq!(decode(&whole[..i]), None, "cut at {i}");
                let mut flipped = whole.clone();
                flipped[i] ^= 0x20;
                assert_eq!(decode(&flipped), None, "byte {i} changed");
            }
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // Noll's reference value of the empty string is the offset; of "foobar" this one.
        assert_eq!(fnv(*b"foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }
}
