//! `invnet devices`: what can compute here, and why the rest cannot.

use super::output::say;
use crate::device::gpu::cuda;
use crate::error::Result;

/// Prints a line or two for every device.
pub(super) fn run() -> Result<()> {
    say!("cpu     {} threads", rayon::current_num_threads())?;
    for report in cuda::devices() {
        say!("{report}")?;
    }
    if cfg!(feature = "simt") {
        say!("simt    the CUDA kernels on the CPU, for tests")
    } else {
        say!("simt    not usable: this program was built without the feature simt")
    }
}
