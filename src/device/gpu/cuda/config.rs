//! How a kernel is launched, as the driver reads it.

use std::ffi::{c_int, c_uint};
use std::ptr::null;

use super::driver::{Driver, Handle, Properties};

/// Grid, block and shared memory of a launch, and whether it may begin early.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub grid: [u32; 3],
    pub threads: u32,
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// The blocks may be placed while the kernel before it in the stream still runs: it waits by itself (`begin_kernel`
    /// in `kernels/ptx.cuh`). A copy or an event before it is waited for as ever.
    pub early: bool,
}

/// `CUlaunchConfig`.
#[repr(C)]
pub(super) struct Config {
    grid: [c_uint; 3],
    block: [c_uint; 3],
    shared: c_uint,
    stream: Handle,
    attributes: *const Attribute,
    count: c_uint,
}

/// `CUlaunchAttribute`: a number, and a union of 64 bytes.
#[repr(C, align(8))]
struct Attribute {
    id: c_uint,
    value: Value,
}

#[repr(C, align(8))]
struct Value([c_int; 16]);

/// `CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION`, set.
static EARLY: Attribute = {
    let mut value = [0; 16];
    value[0] = 1;
    Attribute { id: 6, value: Value(value) }
};

impl Config {
    pub fn new(Shape { grid, threads, shared, early }: Shape, stream: Handle) -> Self {
        let attributes = if early { &raw const EARLY } else { null() };
        Self { grid, block: [threads, 1, 1], shared, stream, attributes, count: early.into() }
    }
}

/// Compute capability from which kernels can begin early; code for older ones does not wait.
pub(super) const EARLY_FROM: u32 = 90;

/// Whether kernels begin early on a device: if `INVNET_PDL=1` says so, it can, and graphs that its driver captures know of
/// it (from CUDA 12.3 on). On an H100 an iteration takes 2 % longer with it than without.
pub(super) fn begins_early(driver: &Driver, properties: &Properties) -> bool {
    let able = properties.architecture() >= EARLY_FROM && driver.version() >= 12_030;
    able && std::env::var_os("INVNET_PDL").is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    /// By cuda.h of CUDA 12.9, on 64 bits.
    #[test]
    fn the_layout_is_the_drivers() {
        assert_eq!((size_of::<Config>(), offset_of!(Config, stream)), (56, 32));
        assert_eq!((offset_of!(Config, attributes), offset_of!(Config, count)), (40, 48));
        assert_eq!((size_of::<Attribute>(), offset_of!(Attribute, value)), (72, 8));
    }
}
