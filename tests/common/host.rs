//! Compiles kernels for the host: changed ones as a library, all of them under a sanitizer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// The C++ files that the build compiled: one a family, the registry, the runtime.
pub fn sources() -> Vec<PathBuf> {
    env!("INVNET_HOST_SOURCES").split(';').map(PathBuf::from).collect()
}

fn kernels() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// The compiler that built the crate's own kernels.
fn compiler() -> Command {
    let mut command = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    command.args(["-std=c++17", "-g", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-w"]);
    command.arg("-I").arg(kernels());
    command
}

fn finish(mut children: Vec<(PathBuf, Child)>) -> Vec<PathBuf> {
    for (object, child) in &mut children {
        assert!(child.wait().unwrap().success(), "{} did not compile", object.display());
    }
    children.into_iter().map(|(object, _)| object).collect()
}

/// Compiles files to objects, a few at a time.
fn objects(folder: &Path, files: &[PathBuf], flags: &dyn Fn(&Path) -> Vec<&'static str>) -> Vec<PathBuf> {
    let mut done = Vec::new();
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    for batch in files.chunks(workers) {
        let children = batch.iter().map(|file| {
            let object = folder.join(format!("{}.o", stem(file)));
            let child =
                compiler().args(flags(file)).arg("-c").arg(file).arg("-o").arg(&object).spawn().unwrap();
            (object, child)
        });
        done.extend(finish(children.collect()));
    }
    done
}

fn link(objects: &[PathBuf], flags: &[&str], to: &Path) {
    assert!(compiler().args(flags).args(objects).arg("-o").arg(to).status().unwrap().success());
}

/// A library of all kernels in which `change` was made to one family's source.
pub fn changed_library(folder: &Path, family: &str, change: [&str; 2]) -> PathBuf {
    let source = sources().into_iter().find(|s| stem(s) == family).unwrap();
    let text = fs::read_to_string(&source).unwrap();
    assert_eq!(text.matches(change[0]).count(), 1, "{family} should hold once: {}", change[0]);
    let copy = folder.join(source.file_name().unwrap());
    fs::write(&copy, text.replace(change[0], change[1])).unwrap();
    library(folder, &[copy])
}

/// A library of the kernels in a text that ends with a table of them, `simt_family_{family}`.
pub fn library_of(folder: &Path, family: &str, text: &str) -> PathBuf {
    let file = folder.join(format!("{family}.cpp"));
    fs::write(&file, text).unwrap();
    let registry = format!(
        "#include \"host/runtime.hpp\"\nextern const simt::Kernel simt_family_{family}[];\n\
         extern \"C\" const simt::Kernel* simt_kernel(const char* name) {{\n\
         for (const simt::Kernel* k = simt_family_{family}; k->name; ++k)\n\
         if (!std::strcmp(k->name, name)) return k;\n\
         return nullptr; }}\n"
    );
    let list = folder.join("list.cpp");
    fs::write(&list, registry).unwrap();
    library(folder, &[file, list])
}

/// Objects made of `files`, and whatever else is needed from the kernels the build compiled.
fn library(folder: &Path, files: &[PathBuf]) -> PathBuf {
    let mut objects = objects(folder, files, &|_| vec!["-O1"]);
    objects.push(env!("INVNET_HOST_LIBRARY").into());
    let library = folder.join("libkernels.so");
    // -Bsymbolic: this program has kernels of the same names.
    let flags = ["-shared", "-Wl,-u,simt_kernel", "-Wl,-u,simt_run", "-Wl,-Bsymbolic"];
    link(&objects, &flags, &library);
    library
}

/// The program that replays recorded launches, under `address` or `thread` sanitizer.
pub fn replayer(folder: &Path, sanitizer: &str) -> PathBuf {
    let (compile, define): (&'static str, &'static str) = match sanitizer {
        "address" => ("-fsanitize=address", "-DSIMT_ASAN"),
        _ => ("-fsanitize=thread", "-DSIMT_TSAN"),
    };
    let mut files = sources();
    files.push(kernels().join("host/replay.cpp"));
    let objects = objects(folder, &files, &|file| {
        // The runtime switches stacks and touches every thread's state: it is not what is tested.
        let own = matches!(stem(file).as_str(), "runtime" | "fiber" | "replay");
        if own { vec!["-O1", define] } else { vec!["-O1", define, compile] }
    });
    let program = folder.join(format!("replay-{sanitizer}"));
    link(&objects, &[compile], &program);
    program
}
