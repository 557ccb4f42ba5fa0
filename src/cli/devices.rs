//! `invnet devices`: what can compute here, and why the rest cannot.

use crate::device::gpu::cuda;

/// Prints a line or two for every device.
pub(super) fn run() {
    println!("cpu     {} threads", rayon::current_num_threads());
    for report in cuda::devices() {
        println!("{report}");
    }
    if cfg!(feature = "simt") {
        println!("simt    the CUDA kernels on the CPU, for tests");
    } else {
        println!("simt    not usable: this program was built without the feature simt");
    }
}
