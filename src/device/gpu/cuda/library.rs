//! Shared libraries of others, loaded when they are asked for.
#![allow(unsafe_code)]

use std::error::Error;
use std::path::Path;

use libloading::Library;

/// Why there is no library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Absence {
    /// The dynamic linker knows no file of that name.
    Missing,
    /// There is one, and this is what the linker says is wrong with it.
    Unusable(String),
}

/// Loads a library by its file, or by a name that the dynamic linker looks for.
pub(super) fn open(file: &Path) -> Result<Library, Absence> {
    // SAFETY: loading runs the initialisers of a library that its name says is NVIDIA's.
    unsafe { Library::new(file) }.map_err(|error| absence(file, &words(&error)))
}

/// The dynamic linker's own words.
pub(super) fn words(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Reads the linker's words. What a library that is there lacks in its turn is called by another
/// name.
fn absence(file: &Path, words: &str) -> Absence {
    let name = file.to_string_lossy();
    let missing = words.contains("No such file") && words.contains(&format!("{name}:"));
    if missing || cfg!(windows) && !file.exists() {
        return Absence::Missing;
    }
    Absence::Unusable(words.to_owned())
}

/// Declares a table of a library's functions and how to fill it. A table is whole or is not made, so
/// that none is called before all are known to be there.
macro_rules! functions {
    ($(#[$meta:meta])* $($field:ident = $symbol:literal: fn($($argument:ty),* $(,)?) -> $result:ty;)*) => {
        $(#[$meta])*
        pub(super) struct Functions { $(pub $field: unsafe extern "C" fn($($argument),*) -> $result,)* }

        impl Functions {
            /// The functions, or the linker's words about one that is not there.
            fn of(library: &libloading::Library) -> std::result::Result<Self, String> {
                // SAFETY: the signatures are those of the vendor's header.
                Ok(Self { $($field: *unsafe { library.get($symbol) }.map_err(|e| $crate::device::gpu::cuda::library::words(&e))?,)* })
            }
        }
    };
}
pub(super) use functions;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_library_is_missing_or_unusable() {
        let open = |file: &Path| open(file).err();
        assert_eq!(open(Path::new("libinvnet-of-no-one.so.1")), Some(Absence::Missing));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libcuda.so.1");
        assert_eq!(open(&file), Some(Absence::Missing));
        std::fs::write(&file, "no library, whatever its name").unwrap();
        let Some(Absence::Unusable(words)) = open(&file) else { panic!("text was loaded") };
        assert!(words.contains("libcuda.so.1"), "{words}");
        // What a library needs and does not find has a name of its own.
        let needed = "libnvidia-x.so: cannot open shared object file: No such file or directory";
        assert_eq!(absence(Path::new("libcuda.so.1"), needed), Absence::Unusable(needed.into()));
    }
}
