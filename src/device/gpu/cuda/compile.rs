//! From a family of kernels to code that a driver loads.
//!
//! Machine code (a cubin) for the device's own architecture where the compiler knows it: a driver
//! may be too old for a compiler's PTX, and loading a cubin compiles nothing. Else PTX of the
//! newest architecture below, which the driver finishes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::cache::{self, Code};
use super::cubins;
use super::nvrtc::{Nvrtc, Output, nvrtc};
use crate::device::gpu::launch::Family;
use crate::error::{Error, Result};

/// A compiled family.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The code.
    pub code: Code,
    /// What the compiler said; empty if it was content.
    pub log: String,
}

/// The options of a family, but for the architecture.
#[must_use]
pub fn options(family: &str) -> Vec<&'static str> {
    let mut options = vec!["--std=c++17", "-default-device"];
    // Each operation rounds by itself: every device draws the same numbers, bit for bit; and a mask is that of
    // the forward pass wherever it is computed.
    if matches!(family, "random" | "norm_relu" | "norm_layer") {
        options.push("--fmad=false");
    }
    options
}

/// Compiles a family for compute capability `arch` (90 for 9.0). Needs no device.
///
/// # Errors
/// [`Error::NoDevice`] without a compiler, or with one that is too new for the architecture;
/// [`Error::Device`] with the compiler's log if the source has a mistake.
pub fn compile(family: &Family, arch: u32, extra: &[&str]) -> Result<Compiled> {
    let nvrtc = nvrtc()?;
    let options = all_options(nvrtc, family, arch, extra)?;
    let Output { problem, cubin, ptx, log } =
        nvrtc.run(&format!("{}.cu", family.name), family.source, &options);
    if let Some(folder) = dump_folder() {
        dump(&folder, family, arch, &[("cubin", &cubin), ("ptx", &ptx), ("log", log.as_bytes())])?;
    }
    if let Some(problem) = problem {
        let problem = format!(
            "kernels/{}.cu: NVRTC {}.{} with {}: {problem}\n{log}",
            family.name,
            nvrtc.version.0,
            nvrtc.version.1,
            options.join(" ")
        );
        return Err(Error::Device { device: "cuda".into(), problem });
    }
    let code = if cubin.is_empty() { Code::Ptx(ptx) } else { Code::Cubin(cubin) };
    Ok(Compiled { code, log })
}

/// Where the code of kernels comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Release of the NVRTC that makes the code, or that made the cubins.
    pub nvrtc: (i32, i32),
    /// All that it says of its build.
    pub build: String,
    /// Its library, or the folder of the cubins.
    pub path: PathBuf,
    /// Nothing has to be compiled.
    pub cubins: bool,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((major, minor), kind) = (self.nvrtc, if self.cubins { "cubins of " } else { "" });
        write!(f, "{kind}NVRTC {major}.{minor} ({})", self.path.display())
    }
}

/// Where the code of kernels for an architecture comes from: cubins if all families have theirs, else NVRTC.
///
/// # Errors
/// [`Error::NoDevice`] if there is neither, with both ways to have it.
pub(super) fn origin(arch: u32) -> Result<Origin> {
    if !wants_compilation()
        && let Some(cubins) = cubins::cubins().ok().filter(|cubins| cubins.cover(arch))
    {
        return Ok(cubins.origin());
    }
    let nvrtc = nvrtc().map_err(|error| neither(error, arch))?;
    let (build, path) = (nvrtc.build.clone(), nvrtc.path.clone());
    Ok(Origin { nvrtc: nvrtc.version, build, path, cubins: false })
}

/// Who asks for a dump wants to see a compilation.
pub(super) fn wants_compilation() -> bool {
    dump_folder().is_some()
}

/// That there is no compiler, and no code that would do without.
fn neither(error: Error, arch: u32) -> Error {
    let Error::NoDevice { device, problem } = error else { return error };
    let problem = format!(
        "{}; and {problem}; or put a folder of cubins of this version beside the program (`invnet devices \
         --compile-to cubins` writes one where there is NVRTC), or let INVNET_CUBINS name it",
        cubins::lacking(arch)
    );
    Error::NoDevice { device, problem }
}

/// The code of a family from the cache, or compiled and put there.
pub(super) fn load(family: &Family, arch: u32) -> Result<Code> {
    let nvrtc = nvrtc().map_err(|error| neither(error, arch))?;
    let options = all_options(nvrtc, family, arch, &[])?;
    let mut key = vec![family.source, &nvrtc.build];
    key.extend(options.iter().map(String::as_str));
    let entry = cache::Entry::new(&format!("{}-sm_{arch}", family.name), &key);
    if let Some(code) = entry.read().filter(|_| !wants_compilation()) {
        return Ok(code);
    }
    let compiled = compile(family, arch, &[])?;
    entry.write(&compiled.code);
    Ok(compiled.code)
}

fn all_options(nvrtc: &Nvrtc, family: &Family, arch: u32, extra: &[&str]) -> Result<Vec<String>> {
    let known = nvrtc.architectures.iter().copied().filter(|&known| known <= arch).max();
    let target = match known {
        // Instructions that no later architecture has.
        Some(known) if known == arch && family.has_warpgroups() => format!("sm_{arch}a"),
        Some(known) if known == arch => format!("sm_{arch}"),
        Some(known) => format!("compute_{known}"),
        None => {
            let problem = format!(
                "{} (NVRTC {}.{}) makes no code for compute capability {}.{}: install an older NVRTC (12) \
                 and let INVNET_NVRTC name it",
                nvrtc.path.display(),
                nvrtc.version.0,
                nvrtc.version.1,
                arch / 10,
                arch % 10
            );
            return Err(Error::NoDevice { device: "cuda".into(), problem });
        }
    };
    let mut all = vec![format!("--gpu-architecture={target}")];
    all.extend(options(family.name).iter().chain(extra).map(|o| (*o).to_owned()));
    Ok(all)
}

fn dump_folder() -> Option<PathBuf> {
    env::var_os("INVNET_DUMP_KERNELS").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Writes what went into the compiler and what came out.
fn dump(folder: &Path, family: &Family, arch: u32, made: &[(&str, &[u8])]) -> Result<()> {
    let write = |name: String, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|e| Error::io(&path, e))
    };
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    write(format!("{}.cu", family.name), family.source.as_bytes())?;
    for (kind, bytes) in made {
        if !bytes.is_empty() || *kind == "log" {
            write(format!("{}-sm_{arch}.{kind}", family.name), bytes)?;
        }
    }
    Ok(())
}
