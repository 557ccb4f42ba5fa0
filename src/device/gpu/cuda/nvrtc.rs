//! NVIDIA's run-time compiler, found and called without anything of CUDA at build time.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::env;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::driver::{driver, release};
use super::library::{self, Absence, functions};
use crate::error::{Error, Result};

/// Names the dynamic linker is asked for, the newest release last of those without a number.
const NAMES: [&str; 4] = ["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11"];
/// Folders below the one that `INVNET_NVRTC` names: Python wheels nest theirs this deep.
const DEPTH: usize = 6;
const SUCCESS: c_int = 0;

type Program = *mut c_void;

functions! {
    /// Functions of `nvrtc.h`, the same since CUDA 11.1.
    version = "nvrtcVersion": fn(*mut c_int, *mut c_int) -> c_int;
    error_string = "nvrtcGetErrorString": fn(c_int) -> *const c_char;
    architecture_count = "nvrtcGetNumSupportedArchs": fn(*mut c_int) -> c_int;
    architectures = "nvrtcGetSupportedArchs": fn(*mut c_int) -> c_int;
    create = "nvrtcCreateProgram": fn(
        *mut Program, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char
    ) -> c_int;
    compile = "nvrtcCompileProgram": fn(Program, c_int, *const *const c_char) -> c_int;
    destroy = "nvrtcDestroyProgram": fn(*mut Program) -> c_int;
    log_size = "nvrtcGetProgramLogSize": fn(Program, *mut usize) -> c_int;
    log = "nvrtcGetProgramLog": fn(Program, *mut c_char) -> c_int;
    cubin_size = "nvrtcGetCUBINSize": fn(Program, *mut usize) -> c_int;
    cubin = "nvrtcGetCUBIN": fn(Program, *mut c_char) -> c_int;
    ptx_size = "nvrtcGetPTXSize": fn(Program, *mut usize) -> c_int;
    ptx = "nvrtcGetPTX": fn(Program, *mut c_char) -> c_int;
}

type Size = unsafe extern "C" fn(Program, *mut usize) -> c_int;
type Fill = unsafe extern "C" fn(Program, *mut c_char) -> c_int;

/// The compiler.
pub struct Nvrtc {
    functions: Functions,
    /// The file it was loaded from, or the name the dynamic linker found.
    pub path: PathBuf,
    /// Major and minor number.
    pub version: (i32, i32),
    /// All that it says of its own build, as `V12.9.86`: fixed bugs differ in the last number.
    pub build: String,
    /// Architectures it makes machine code for, as 90 for `sm_90`, ascending.
    pub architectures: Vec<u32>,
}

/// What the compiler made of a source.
pub(super) struct Output {
    /// Why there is no code, if there is none.
    pub problem: Option<String>,
    /// Machine code; empty if the options named a virtual architecture.
    pub cubin: Vec<u8>,
    /// Assembly, with the zero byte that ends it.
    pub ptx: Vec<u8>,
    /// Warnings and errors.
    pub log: String,
}

/// The compiler, loaded at first use and kept.
///
/// # Errors
/// [`Error::NoDevice`] if there is none, with the places that were searched.
pub fn nvrtc() -> Result<&'static Nvrtc> {
    static LOADED: OnceLock<Result<Nvrtc, String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(load);
    loaded.as_ref().map_err(|problem| Error::NoDevice { device: "cuda".into(), problem: problem.clone() })
}

fn load() -> Result<Nvrtc, String> {
    let (files, places) = candidates();
    let files = each_once(files);
    let mut refused = String::new();
    let mut found = Vec::new();
    for file in files {
        match open(&file) {
            Ok(nvrtc) => found.push(nvrtc),
            // Names that the linker does not know are the usual case.
            Err(Absence::Missing) if !file.is_absolute() => {}
            Err(Absence::Missing) => refused += &format!("; {}: no such file", file.display()),
            Err(Absence::Unusable(problem)) => refused += &format!("; {}: {problem}", file.display()),
        }
    }
    let versions: Vec<_> = found.iter().map(|nvrtc| nvrtc.version).collect();
    let driver = driver().ok().map(|driver| release(driver.version()).0);
    if let Some(best) = best(&versions, driver) {
        let mut nvrtc = found.swap_remove(best);
        nvrtc.build = nvrtc.ask_build();
        return Ok(nvrtc);
    }
    Err(format!(
        "no NVRTC, the compiler of kernels: libnvrtc.so was looked for in {}{refused}; install it (a CUDA \
         toolkit, or the Python wheel nvidia-cuda-nvrtc-cu12, which scripts/setup-nvrtc fetches) and let \
         INVNET_NVRTC name its file or folder",
        places.join(", ")
    ))
}

/// Which of these versions to use: the newest whose major number is not above that of the driver's
/// release, since a driver need not load what a later major makes; without any such, or without a
/// driver, the newest. The first of equals: files come before names.
fn best(versions: &[(i32, i32)], driver: Option<i32>) -> Option<usize> {
    let loads = |&(major, _): &(i32, i32)| driver.is_none_or(|driver| major <= driver);
    (0..versions.len()).max_by_key(|&i| (loads(&versions[i]), versions[i], std::cmp::Reverse(i)))
}

/// Files and names to try, in order, and the places they are from. `INVNET_NVRTC` excludes others:
/// who sets it wants to know when it is wrong.
fn candidates() -> (Vec<PathBuf>, Vec<String>) {
    let (mut files, mut places) = (Vec::new(), Vec::new());
    if let Some(given) = env::var_os("INVNET_NVRTC").filter(|v| !v.is_empty()) {
        let given = fs::canonicalize(&given).unwrap_or_else(|_| PathBuf::from(given));
        places.push(format!("{} (INVNET_NVRTC)", given.display()));
        if given.is_dir() {
            collect(&given, DEPTH, &mut files);
        } else {
            files.push(given);
        }
        return (files, places);
    }
    let mut folders = Vec::new();
    if let Some(beside) = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_path_buf())) {
        // `nvrtc` beside the program, as in a bundle, or beside `target/release`, where
        // `scripts/setup-nvrtc` puts what it fetches.
        for fetched in [beside.join("nvrtc"), beside.with_file_name("nvrtc")] {
            collect(&fetched, DEPTH, &mut files);
            places.push(fetched.display().to_string());
        }
        folders.extend([beside.join("lib"), beside]);
    }
    for packages in python_packages() {
        // Wheels of NVIDIA, which PyTorch brings, and those of PyTorch that have their own.
        for wheel in entries(&packages.join("nvidia")) {
            folders.push(wheel.join("lib"));
        }
        folders.push(packages.join("torch/lib"));
    }
    for variable in ["CUDA_PATH", "CUDA_HOME"] {
        if let Some(root) = env::var_os(variable).filter(|v| !v.is_empty()) {
            folders.extend(["lib64", "lib"].map(|lib| Path::new(&root).join(lib)));
        }
    }
    for folder in &folders {
        collect(folder, 0, &mut files);
    }
    let named = folders.iter().filter(|folder| !folder.components().any(|c| c.as_os_str() == "nvidia"));
    places.extend(named.map(|folder| folder.display().to_string()));
    places.push("wheels of Python".into());
    files.extend(NAMES.map(PathBuf::from));
    places.push("the dynamic linker's folders (LD_LIBRARY_PATH)".into());
    for toolkit in entries(Path::new("/usr/local")) {
        if toolkit.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cuda")) {
            collect(&toolkit.join("lib64"), 0, &mut files);
        }
    }
    places.push("/usr/local/cuda*/lib64".into());
    (files, places)
}

/// Every file once, by the first of its names: a toolkit has several links to its one library.
fn each_once(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut met = HashSet::new();
    let bare = |file: &Path| if file.is_absolute() { fs::canonicalize(file).ok() } else { None };
    files.into_iter().filter(|file| met.insert(bare(file).unwrap_or_else(|| file.clone()))).collect()
}

/// Folders of Python packages: of an environment that is active, the user's, the system's.
fn python_packages() -> Vec<PathBuf> {
    let given = ["VIRTUAL_ENV", "CONDA_PREFIX"].map(|name| env::var_os(name).map(PathBuf::from));
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".local"));
    let roots = given.into_iter().flatten().chain(home).chain(["/usr/local", "/usr"].map(PathBuf::from));
    let versions = roots.flat_map(|root| entries(&root.join("lib"))).filter(|folder| {
        folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"))
    });
    versions
        .flat_map(|v| ["site-packages", "dist-packages"].map(|p| v.join(p)))
        .filter(|p| p.is_dir())
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|e| Some(e.ok()?.path())).collect();
    all.sort();
    all
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    for entry in entries(folder) {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Wheels have a second build, `.alt`, that is not for everyone.
        if name.starts_with("libnvrtc.so") && !name.contains(".alt") {
            files.push(entry);
        } else if depth > 0 && entry.is_dir() {
            collect(&entry, depth - 1, files);
        }
    }
}

fn open(file: &Path) -> Result<Nvrtc, Absence> {
    let library = library::open(file)?;
    let functions = Functions::of(&library).map_err(Absence::Unusable)?;
    // Never closed: the functions point into it.
    std::mem::forget(library);
    let (mut major, mut minor, mut count) = (0, 0, 0);
    // SAFETY: both calls write integers behind pointers to locals.
    let status = unsafe {
        (functions.version)(&raw mut major, &raw mut minor)
            .max((functions.architecture_count)(&raw mut count))
    };
    let mut architectures = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: the library writes as many architectures as it said there are.
    if status != SUCCESS || unsafe { (functions.architectures)(architectures.as_mut_ptr()) } != SUCCESS {
        return Err(Absence::Unusable("it does not say its version and architectures".into()));
    }
    let mut architectures: Vec<u32> = architectures.into_iter().map(|a: c_int| a.unsigned_abs()).collect();
    architectures.sort_unstable();
    let path = file.to_path_buf();
    Ok(Nvrtc { functions, path, version: (major, minor), build: String::new(), architectures })
}

impl Nvrtc {
    /// The build that the first lines of assembly name; no function tells it.
    fn ask_build(&self) -> String {
        let oldest = self.architectures.first().copied().unwrap_or_default();
        let options = [format!("--gpu-architecture=compute_{oldest}")];
        let output = self.run("build.cu", "extern \"C\" __global__ void f() {}", &options);
        let ptx = String::from_utf8_lossy(&output.ptx);
        let line = ptx.lines().find(|line| line.contains("release"));
        let named = line.and_then(|line| line.rsplit([' ', ',']).find(|word| word.starts_with('V')));
        named.map_or_else(|| format!("{}.{}", self.version.0, self.version.1), str::to_owned)
    }

    /// Compiles a source. `name` is what messages call it where no `#line` does.
    pub(super) fn run(&self, name: &str, source: &str, options: &[String]) -> Output {
        let text = |s: &str| CString::new(s).expect("sources and options hold no zero byte");
        let (name, source) = (text(name), text(source));
        let options: Vec<CString> = options.iter().map(|o| text(o)).collect();
        let pointers: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        let f = &self.functions;
        let mut program: Program = std::ptr::null_mut();
        let none = std::ptr::null();
        // SAFETY: the strings end in zero bytes and live through the calls; no headers are passed.
        let mut status =
            unsafe { (f.create)(&raw mut program, source.as_ptr(), name.as_ptr(), 0, none, none) };
        let mut output = Output { problem: None, cubin: Vec::new(), ptx: Vec::new(), log: String::new() };
        if status == SUCCESS {
            // SAFETY: the program exists, and there are as many options as are said.
            status = unsafe { (f.compile)(program, pointers.len() as c_int, pointers.as_ptr()) };
            let log = bytes(program, f.log_size, f.log);
            output.log = String::from_utf8_lossy(&log).trim_end_matches('\0').trim().to_owned();
        }
        if status == SUCCESS {
            output.cubin = bytes(program, f.cubin_size, f.cubin);
            output.ptx = bytes(program, f.ptx_size, f.ptx);
        } else {
            // SAFETY: the library returns a constant string, or a null pointer for a status that it
            // does not know.
            let message = unsafe { (f.error_string)(status).as_ref().map(|text| CStr::from_ptr(text)) };
            let words = message.map_or_else(|| "the compiler failed".into(), CStr::to_string_lossy);
            output.problem = Some(format!("{words} (status {status})"));
        }
        if !program.is_null() {
            // SAFETY: the program exists and is used no more. A failure would leak it, no worse.
            let _ = unsafe { (f.destroy)(&raw mut program) };
        }
        output
    }
}

/// Some result of a program; empty if it has none of this kind.
fn bytes(program: Program, size: Size, fill: Fill) -> Vec<u8> {
    let mut length = 0;
    // SAFETY: the program exists; a size is written behind a pointer to a local.
    if unsafe { size(program, &raw mut length) } != SUCCESS {
        return Vec::new();
    }
    let mut all = vec![0u8; length];
    // SAFETY: the library writes as many bytes as it said.
    if length > 0 && unsafe { fill(program, all.as_mut_ptr().cast()) } != SUCCESS {
        return Vec::new();
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_to_one_library_are_one_candidate() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("libnvrtc.so.12.9"), "").unwrap();
        std::os::unix::fs::symlink(file("libnvrtc.so.12.9"), file("libnvrtc.so.12")).unwrap();
        std::os::unix::fs::symlink(file("libnvrtc.so.12"), file("libnvrtc.so")).unwrap();
        let mut found = Vec::new();
        collect(folder.path(), 0, &mut found);
        assert_eq!(found.len(), 3);
        found.extend([PathBuf::from("libnvrtc.so"), file("libnvrtc.so.9")]);
        let once = each_once(found);
        assert_eq!(once, [file("libnvrtc.so"), "libnvrtc.so".into(), file("libnvrtc.so.9")]);
    }

    #[test]
    fn the_newest_that_the_driver_loads_is_used() {
        let all = [(12, 1), (13, 0), (12, 9), (11, 8), (12, 9)];
        assert_eq!(best(&all, Some(12)), Some(2));
        assert_eq!(best(&all, Some(13)), Some(1));
        assert_eq!(best(&all, Some(11)), Some(3));
        // None that it need load: the newest, and the message about it.
        assert_eq!(best(&[(13, 0), (13, 1)], Some(12)), Some(1));
        assert_eq!(best(&all, None), Some(1));
        assert_eq!(best(&[], Some(12)), None);
    }
}
