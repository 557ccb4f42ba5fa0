//! Stands for the HDF5 reader in builds without it.

use std::path::Path;

use super::collect::Collector;
use crate::error::{Error, Result};

/// Says how to get a build that reads the file.
pub(super) fn read(path: &Path, _: &mut Collector) -> Result<()> {
    let how = "build with `cargo build --release --features hdf5` (needs cmake)";
    Err(Error::file(path, format!("is an HDF5 file, which this build cannot read: {how}")))
}
