//! Machine code that lies beside the program, so that a host with a driver needs no compiler.
//!
//! A folder holds a compressed cubin for each family and architecture, and a manifest that says which
//! compiler made them and of what: only code of this program's own sources and options is used. A card runs
//! code of its own architecture, or of an earlier minor number with the same major one (CUDA C++ Programming
//! Guide, "Binary Compatibility").

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cache::{self, Code};
use super::compile::{self, Origin};
use super::nvrtc;
use crate::device::gpu::launch::{FAMILIES, Family};
use crate::error::{Error, Result};

/// Architectures that cover every card since Turing that NVRTC 12.9 knows: others run the code of one of these.
pub const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];

/// The folder's name beside the program, and that of its table of contents.
const FOLDER: &str = "cubins";
const MANIFEST: &str = "manifest.json";
/// The number of the manifest's format; another one is not read.
const FORMAT: u32 = 1;
/// Bytes of code that a file may unpack to: the largest family has one million.
const MOST: u64 = 64 << 20;

/// What a folder holds.
#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// The program that wrote it, and its version.
    program: String,
    /// Release of NVRTC, and all that it says of its build.
    nvrtc: (i32, i32),
    build: String,
    cubins: Vec<Row>,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Row {
    family: String,
    /// 90 for `sm_90`.
    arch: u32,
    /// SHA-256 of the family's source and options.
    source: String,
    /// SHA-256 of the file.
    sha256: String,
}

impl Row {
    fn file(&self) -> String {
        format!("{}-sm_{}.cubin.gz", self.family, self.arch)
    }
}

/// A folder of cubins, as far as they are of this program's kernels.
pub(super) struct Cubins {
    folder: PathBuf,
    nvrtc: (i32, i32),
    build: String,
    rows: Vec<Row>,
}

/// The cubins of this program, looked for once; or why there are none.
pub(super) fn cubins() -> Result<&'static Cubins, &'static str> {
    static FOUND: OnceLock<Result<Cubins, String>> = OnceLock::new();
    FOUND.get_or_init(look).as_ref().map_err(String::as_str)
}

/// `INVNET_CUBINS` excludes other places: who sets it wants to know when it is wrong.
fn look() -> Result<Cubins, String> {
    let given = env::var_os("INVNET_CUBINS").filter(|v| !v.is_empty()).map(PathBuf::from);
    let places = given.clone().map_or_else(beside, |folder| vec![folder]);
    let found = places.iter().find(|folder| folder.join(MANIFEST).is_file()).or(given.as_ref());
    let Some(folder) = found else {
        let places: Vec<String> = places.iter().map(|folder| folder.display().to_string()).collect();
        return Err(format!("no cubins in {}", places.join(", ")));
    };
    Cubins::open(folder).inspect_err(|problem| log::warn!("{problem}: NVRTC compiles the kernels"))
}

/// Beside the program, as in a bundle, or beside its folder, where the bundle's tests find them, or where a
/// package of a distribution has them.
fn beside() -> Vec<PathBuf> {
    let program = env::current_exe().ok();
    let Some(folder) = program.as_deref().and_then(Path::parent) else { return Vec::new() };
    vec![folder.join(FOLDER), folder.with_file_name(FOLDER), folder.with_file_name("lib/invnet").join(FOLDER)]
}

/// What identifies the code of a family but for compiler and architecture.
pub(super) fn source_of(family: &Family) -> String {
    let mut hash = Sha256::new();
    for part in [family.source].into_iter().chain(compile::options(family.name)) {
        hash.update(part);
        hash.update([0]);
    }
    format!("{:x}", hash.finalize())
}

impl Cubins {
    fn open(folder: &Path) -> Result<Self, String> {
        let path = folder.join(MANIFEST);
        let text =
            fs::read(&path).map_err(|e| format!("no cubins in {}: {}: {e}", folder.display(), MANIFEST))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|e| format!("{} is damaged ({e})", path.display()))?;
        if manifest.format != FORMAT {
            let (format, program) = (manifest.format, manifest.program);
            return Err(format!("{} is of format {format}, by {program}: this is {FORMAT}", path.display()));
        }
        let own = |row: &Row| FAMILIES.iter().any(|f| f.name == row.family && source_of(f) == row.source);
        let (rows, others): (Vec<Row>, Vec<Row>) = manifest.cubins.into_iter().partition(own);
        if !others.is_empty() {
            let names: BTreeSet<&str> = others.iter().map(|row| &*row.family).collect();
            let names: Vec<&str> = names.into_iter().collect();
            log::warn!(
                "{}: cubins of {} are of other kernels than this program's: NVRTC compiles these",
                folder.display(),
                names.join(", ")
            );
        }
        Ok(Self { folder: folder.into(), nvrtc: manifest.nvrtc, build: manifest.build, rows })
    }

    /// What is to be said of their code.
    pub fn origin(&self) -> Origin {
        let (build, path) = (self.build.clone(), self.folder.clone());
        Origin { nvrtc: self.nvrtc, build, path, cubins: true }
    }

    /// Whether every family that an architecture runs has code for it.
    pub fn cover(&self, arch: u32) -> bool {
        let mut needed = FAMILIES.iter().filter(|family| family.runs_on(arch));
        needed.all(|family| best(&self.rows, family.name, arch).is_some())
    }

    /// The code of a row.
    fn read(&self, row: &Row) -> Result<Vec<u8>, String> {
        let packed = fs::read(self.folder.join(row.file())).map_err(|e| e.to_string())?;
        if format!("{:x}", Sha256::digest(&packed)) != row.sha256 {
            return Err("is damaged: it is not what the manifest says".into());
        }
        let mut code = Vec::new();
        GzDecoder::new(&packed[..])
            .take(MOST)
            .read_to_end(&mut code)
            .map_err(|e| format!("is damaged: {e}"))?;
        Ok(code)
    }
}

/// The row of a family that a card runs: the newest of its major number that is not above its minor one.
fn best<'a>(rows: &'a [Row], family: &str, arch: u32) -> Option<&'a Row> {
    let runs = |row: &&Row| row.family == family && row.arch / 10 == arch / 10 && row.arch <= arch;
    rows.iter().filter(runs).max_by_key(|row| row.arch)
}

/// The code of a family for a card and its file, where there is such and it is whole.
pub(super) fn find(family: &Family, arch: u32) -> Option<(PathBuf, Vec<u8>)> {
    if compile::wants_compilation() {
        return None;
    }
    let cubins = cubins().ok()?;
    let row = best(&cubins.rows, family.name, arch)?;
    let file = cubins.folder.join(row.file());
    let code = cubins.read(row).inspect_err(|problem| not_used(&file, problem)).ok()?;
    Some((file, code))
}

/// Says that a cubin cannot be used, and what is done instead.
pub(super) fn not_used(file: &Path, problem: &str) {
    log::warn!("{}: {problem}: NVRTC compiles these kernels", file.display());
}

/// Why there are no cubins for an architecture, or not all of them, in words.
pub(super) fn lacking(arch: u32) -> String {
    match cubins() {
        Err(problem) => problem.into(),
        Ok(cubins) => {
            let folder = cubins.folder.display();
            let some = FAMILIES.iter().any(|family| best(&cubins.rows, family.name, arch).is_some());
            let all = if some { "not all kernels of this program" } else { "no kernel of this program" };
            format!("the cubins in {folder} cover {all} for sm_{arch}")
        }
    }
}

/// Compiles every family for the architectures that run it into a new folder, `ahead` being told of each; how
/// many cubins, and their bytes. What was written is removed if one does not compile.
///
/// # Errors
/// [`Error::NoDevice`] without NVRTC, [`Error::File`] if the folder holds something, [`Error::Usage`] for an
/// architecture that the compiler does not know, [`Error::Io`] if something cannot be written.
pub fn write(folder: &Path, architectures: &[u32], ahead: &(dyn Fn() + Sync)) -> Result<[usize; 2]> {
    let nvrtc = nvrtc()?;
    if let Some(unknown) = architectures.iter().find(|arch| !nvrtc.architectures.contains(arch)) {
        let known: Vec<String> = nvrtc.architectures.iter().map(|arch| format!("sm_{arch}")).collect();
        let (major, minor) = nvrtc.version;
        let known = known.join(", ");
        return Err(Error::Usage(format!("sm_{unknown}: NVRTC {major}.{minor} makes code for {known}")));
    }
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::file(folder, "is not empty: name a new folder"));
    }
    let pairs: Vec<(u32, &Family)> = architectures
        .iter()
        .flat_map(|&arch| FAMILIES.iter().filter(move |f| f.runs_on(arch)).map(move |family| (arch, family)))
        .collect();
    let written = pairs.par_iter().map(|&(arch, family)| {
        let Code::Cubin(code) = compile::load(family, arch)? else {
            return Err(Error::Failed(format!("{} for sm_{arch}: NVRTC made no machine code", family.name)));
        };
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        let packed = packed.write_all(&code).and_then(|()| packed.finish());
        let packed = packed.map_err(|e| Error::io(folder, e))?;
        let (source, sha256) = (source_of(family), format!("{:x}", Sha256::digest(&packed)));
        let row = Row { family: family.name.into(), arch, source, sha256 };
        let file = folder.join(row.file());
        cache::replace(&file, &packed).map_err(|e| Error::io(&file, e))?;
        ahead();
        Ok((row, packed.len()))
    });
    let written = written.collect::<Result<Vec<_>>>().inspect_err(|_| {
        // It was empty before.
        let _ = fs::remove_dir_all(folder);
    })?;
    let sums = [written.len(), written.iter().map(|(_, bytes)| bytes).sum()];
    let manifest = Manifest {
        format: FORMAT,
        program: concat!("invnet ", env!("CARGO_PKG_VERSION")).into(),
        nvrtc: nvrtc.version,
        build: nvrtc.build.clone(),
        cubins: written.into_iter().map(|(row, _)| row).collect(),
    };
    // Last: a folder without it holds no cubins.
    let path = folder.join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest).expect("numbers and words are JSON") + "\n";
    cache::replace(&path, text.as_bytes()).map_err(|e| Error::io(&path, e))?;
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_runs_its_own_major_number_and_no_later_minor_one() {
        let row = |arch| Row { family: "f".into(), arch, source: String::new(), sha256: String::new() };
        let rows: Vec<Row> = ARCHITECTURES.into_iter().rev().map(row).collect();
        for (arch, found) in [
            (70, None),
            (75, Some(75)),
            (80, Some(80)),
            (86, Some(86)),
            (87, Some(86)),
            (89, Some(89)),
            (90, Some(90)),
            (103, Some(100)),
            (110, None),
            (121, Some(120)),
        ] {
            assert_eq!(best(&rows, "f", arch).map(|row| row.arch), found, "sm_{arch}");
            assert_eq!(best(&rows, "g", arch), None);
        }
    }
}
