//! The CUDA driver: its functions, found by name in its library, and what it says of devices.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::ptr::null;
use std::sync::OnceLock;

use super::config::Config;
use super::library::{self, Absence, functions};
use super::status::{DriverError, Status};

/// Names of the driver's library, the one it is installed under first.
const NAMES: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so.1", "libcuda.so"] };
/// Oldest driver, as the release of CUDA it knows: older ones lack functions that are called.
const OLDEST: i32 = 12_000;

// As in cuda.h: `CUDA_SUCCESS` and all else are numbers that the compiler must not take for an
// enumeration, since a driver may return one that no header lists.
type Code = u32;
pub(super) type Handle = *mut c_void;
pub(super) type Address = u64;

functions! {
    /// Functions of `cuda.h` of CUDA 12.0.
    init = "cuInit": fn(c_uint) -> Code;
    error_name = "cuGetErrorName": fn(Code, *mut *const c_char) -> Code;
    error_string = "cuGetErrorString": fn(Code, *mut *const c_char) -> Code;
    device_count = "cuDeviceGetCount": fn(*mut c_int) -> Code;
    device = "cuDeviceGet": fn(*mut c_int, c_int) -> Code;
    device_name = "cuDeviceGetName": fn(*mut c_char, c_int, c_int) -> Code;
    device_memory = "cuDeviceTotalMem_v2": fn(*mut usize, c_int) -> Code;
    device_attribute = "cuDeviceGetAttribute": fn(*mut c_int, c_int, c_int) -> Code;
    retain = "cuDevicePrimaryCtxRetain": fn(*mut Handle, c_int) -> Code;
    release = "cuDevicePrimaryCtxRelease_v2": fn(c_int) -> Code;
    set_current = "cuCtxSetCurrent": fn(Handle) -> Code;
    memory_info = "cuMemGetInfo_v2": fn(*mut usize, *mut usize) -> Code;
    allocate = "cuMemAlloc_v2": fn(*mut Address, usize) -> Code;
    free = "cuMemFree_v2": fn(Address) -> Code;
    set_bytes = "cuMemsetD8Async": fn(Address, u8, usize, Handle) -> Code;
    copy_in = "cuMemcpyHtoDAsync_v2": fn(Address, *const c_void, usize, Handle) -> Code;
    copy_out = "cuMemcpyDtoHAsync_v2": fn(*mut c_void, Address, usize, Handle) -> Code;
    stream_create = "cuStreamCreate": fn(*mut Handle, c_uint) -> Code;
    stream_destroy = "cuStreamDestroy_v2": fn(Handle) -> Code;
    stream_synchronize = "cuStreamSynchronize": fn(Handle) -> Code;
    begin_capture = "cuStreamBeginCapture_v2": fn(Handle, c_uint) -> Code;
    end_capture = "cuStreamEndCapture": fn(Handle, *mut Handle) -> Code;
    instantiate = "cuGraphInstantiateWithFlags": fn(*mut Handle, Handle, u64) -> Code;
    graph_destroy = "cuGraphDestroy": fn(Handle) -> Code;
    graph_launch = "cuGraphLaunch": fn(Handle, Handle) -> Code;
    executable_destroy = "cuGraphExecDestroy": fn(Handle) -> Code;
    event_create = "cuEventCreate": fn(*mut Handle, c_uint) -> Code;
    event_record = "cuEventRecord": fn(Handle, Handle) -> Code;
    event_synchronize = "cuEventSynchronize": fn(Handle) -> Code;
    event_elapsed = "cuEventElapsedTime": fn(*mut f32, Handle, Handle) -> Code;
    event_destroy = "cuEventDestroy_v2": fn(Handle) -> Code;
    module_load = "cuModuleLoadData": fn(*mut Handle, *const c_void) -> Code;
    module_function = "cuModuleGetFunction": fn(*mut Handle, Handle, *const c_char) -> Code;
    module_unload = "cuModuleUnload": fn(Handle) -> Code;
    set_attribute = "cuFuncSetAttribute": fn(Handle, c_int, c_int) -> Code;
    function_attribute = "cuFuncGetAttribute": fn(*mut c_int, c_int, Handle) -> Code;
    occupancy = "cuOccupancyMaxActiveBlocksPerMultiprocessor": fn(*mut c_int, Handle, c_int, usize) -> Code;
    launch = "cuLaunchKernelEx": fn(*const Config, Handle, *mut Handle, *mut Handle) -> Code;
}

/// The driver of this machine.
pub(super) struct Driver {
    pub functions: Functions,
    /// The newest CUDA release that it knows: 12090 for 12.9.
    version: i32,
}

pub(super) type Result<T> = std::result::Result<T, DriverError>;

pub(super) fn checked(code: Code) -> Result<()> {
    match Status(code) {
        Status::SUCCESS => Ok(()),
        status => Err(DriverError(status)),
    }
}

/// The driver, loaded at first use and kept; or what is missing, and what to do.
pub(super) fn driver() -> std::result::Result<&'static Driver, &'static str> {
    loaded().as_ref().map_err(|absence| absence.problem.as_str())
}

/// There is a driver, of whatever use.
pub(super) fn driver_installed() -> bool {
    loaded().as_ref().map_or_else(|absence| absence.installed, |_| true)
}

/// Why there is no driver to use.
struct Unusable {
    problem: String,
    /// There is a library of that name.
    installed: bool,
}

fn loaded() -> &'static std::result::Result<Driver, Unusable> {
    static LOADED: OnceLock<std::result::Result<Driver, Unusable>> = OnceLock::new();
    LOADED.get_or_init(|| load(NAMES))
}

fn load(names: &[&str]) -> std::result::Result<Driver, Unusable> {
    let mut problem = None;
    for name in names {
        match library::open(Path::new(name)) {
            Ok(library) => {
                let driver = Driver::of(&library);
                // Never closed: the functions point into it.
                std::mem::forget(library);
                return driver.map_err(|problem| Unusable { problem, installed: true });
            }
            Err(Absence::Missing) => {}
            Err(Absence::Unusable(words)) => {
                problem.get_or_insert(format!(
                    "the CUDA driver's library cannot be loaded: {words}; install the driver of the GPU again"
                ));
            }
        }
    }
    let missing = || {
        format!(
            "no CUDA driver: {} is in none of the dynamic linker's folders (LD_LIBRARY_PATH); install the \
             driver of the GPU (nvidia-smi then lists it), or in a container let the runtime pass it in \
             (docker run --gpus all)",
            names[0]
        )
    };
    let installed = problem.is_some();
    Err(Unusable { problem: problem.unwrap_or_else(missing), installed })
}

impl Driver {
    fn of(library: &libloading::Library) -> std::result::Result<Self, String> {
        let incomplete = |words: String| {
            format!(
                "the CUDA driver's library lacks a function ({words}): install the driver of the GPU, 525 or \
                 newer, again"
            )
        };
        // The age first: it says more than a function that a newer driver has.
        type Version = unsafe extern "C" fn(*mut c_int) -> Code;
        // SAFETY: the signature is that of cuda.h.
        let version = unsafe { library.get::<Version>("cuDriverGetVersion") };
        let version = version.map_err(|e| incomplete(library::words(&e)))?;
        let mut known = 0;
        // SAFETY: writes an integer behind a pointer to a local.
        let code = unsafe { version(&raw mut known) };
        if checked(code).is_err() {
            return Err(format!("the CUDA driver does not tell its version (status {code})"));
        }
        if known < OLDEST {
            let ((major, minor), (needed, _)) = (release(known), release(OLDEST));
            return Err(format!(
                "the driver is for CUDA {major}.{minor}: install one for CUDA {needed}.0 or newer (525)"
            ));
        }
        Ok(Self { functions: Functions::of(library).map_err(incomplete)?, version: known })
    }

    /// The newest CUDA release that the driver knows: 12090 for 12.9.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// Starts the driver. Any number of times.
    pub fn init(&self) -> Result<()> {
        // SAFETY: takes a number.
        checked(unsafe { (self.functions.init)(0) })
    }

    pub fn device_count(&self) -> Result<usize> {
        let mut count = 0;
        // SAFETY: writes an integer behind a pointer to a local.
        checked(unsafe { (self.functions.device_count)(&raw mut count) })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    pub fn device(&self, ordinal: usize) -> Result<c_int> {
        let mut device = 0;
        // SAFETY: writes an integer behind a pointer to a local.
        checked(unsafe { (self.functions.device)(&raw mut device, ordinal as c_int) })?;
        Ok(device)
    }

    pub fn properties(&self, ordinal: usize) -> Result<Properties> {
        let device = self.device(ordinal)?;
        let attribute = |which: Attribute| {
            let mut value = 0;
            // SAFETY: the device came from the driver, which writes an integer into a local.
            let code = unsafe { (self.functions.device_attribute)(&raw mut value, which as c_int, device) };
            checked(code).map(|()| value.unsigned_abs())
        };
        let mut name = [0u8; 256];
        let mut total_bytes = 0;
        // SAFETY: the device came from the driver, which is told the buffer's length but for a last
        // zero byte, and writes a size into a local.
        unsafe {
            let length = name.len() as c_int - 1;
            checked((self.functions.device_name)(name.as_mut_ptr().cast(), length, device))?;
            checked((self.functions.device_memory)(&raw mut total_bytes, device))?;
        }
        let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
        Ok(Properties {
            name: name.to_string_lossy().into_owned(),
            total_bytes,
            capability: (attribute(Attribute::CapabilityMajor)?, attribute(Attribute::CapabilityMinor)?),
            multiprocessors: attribute(Attribute::Multiprocessors)?,
            shared_limit: attribute(Attribute::SharedMemoryOptIn)?,
            clock_khz: attribute(Attribute::ClockRate)?,
            memory_clock_khz: attribute(Attribute::MemoryClockRate)?,
            memory_bits: attribute(Attribute::MemoryBusWidth)?,
        })
    }

    /// The driver's words, name and number for a failure.
    pub fn describe(&self, error: DriverError) -> String {
        let Status(code) = error.0;
        let text = |ask: unsafe extern "C" fn(Code, *mut *const c_char) -> Code| {
            let mut text = null();
            // SAFETY: writes a pointer to a constant string, or a null pointer, into a local.
            let found = checked(unsafe { ask(code, &raw mut text) }).is_ok() && !text.is_null();
            // SAFETY: as above.
            found.then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        };
        match (text(self.functions.error_string), text(self.functions.error_name)) {
            (Some(words), Some(name)) => format!("{words} ({name}, status {code})"),
            (Some(words), None) => format!("{words} (status {code})"),
            (None, _) => format!("the driver failed with status {code}, which it does not explain"),
        }
    }
}

/// Major and minor number of a release.
pub(super) fn release(version: i32) -> (i32, i32) {
    (version / 1000, version % 1000 / 10)
}

/// Numbers of `CUdevice_attribute`.
#[derive(Clone, Copy)]
enum Attribute {
    ClockRate = 13,
    Multiprocessors = 16,
    MemoryClockRate = 36,
    MemoryBusWidth = 37,
    CapabilityMajor = 75,
    CapabilityMinor = 76,
    SharedMemoryOptIn = 97,
}

/// What does not change about a device.
#[derive(Clone, Debug)]
pub(super) struct Properties {
    pub name: String,
    pub total_bytes: usize,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    pub multiprocessors: u32,
    /// Bytes of shared memory that a block can have if its kernel asks.
    pub shared_limit: u32,
    /// Highest clock of multiprocessors.
    pub clock_khz: u32,
    /// Clock of memory, and bits of its bus: two bits a line in a cycle.
    pub memory_clock_khz: u32,
    pub memory_bits: u32,
}

impl Properties {
    /// Compute capability as one number: 90 for 9.0.
    pub fn architecture(&self) -> u32 {
        self.capability.0 * 10 + self.capability.1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_machine_without_a_driver_is_told_what_to_install() {
        let problem = load(&["libinvnet-of-no-one.so.1"]).err().unwrap().problem;
        for word in ["no CUDA driver", "libinvnet-of-no-one.so.1", "install the driver"] {
            assert!(problem.contains(word), "{word:?} is not in {problem}");
        }
        // A library that is no driver.
        let problem = load(&["libinvnet-of-no-one.so.1", "libc.so.6"]).err().unwrap().problem;
        assert!(problem.contains("lacks a function") && problem.contains("cuDriverGetVersion"), "{problem}");
    }
}
