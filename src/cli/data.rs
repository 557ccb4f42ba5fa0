//! `invnet data`.

use std::path::Path;
use std::time::Instant;

use crate::data::circles::CircleWorld;
use crate::data::export::write_npz;
use crate::error::Result;

/// Writes two-circle images and their properties.
pub(super) fn circles(size: usize, count: usize, seed: u64, out: &Path, quiet: bool) -> Result<()> {
    let start = Instant::now();
    let data = CircleWorld { size }.generate(count, seed);
    write_npz(out, &data)?;
    if !quiet {
        println!(
            "{}: {count} images of {size} x {size}, properties {} in pixels, {:.1} s",
            out.display(),
            data.names.join(", "),
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
