//! Is there a CUDA device, and if not, what is missing.

use std::fmt;
use std::path::PathBuf;

use super::driver::{self, DriverError, Properties, Status, Stream};
use super::nvrtc::nvrtc;
use crate::error::{Error, Result};

/// Oldest compute capability: kernels use warp shuffles of independently scheduled threads.
const CAPABILITY: (u32, u32) = (7, 0);
/// Oldest driver, as the release of CUDA it knows: older ones lack functions that are called.
const DRIVER: i32 = 12_000;

/// What is known of a device, or why there is none.
#[derive(Clone, Debug)]
pub struct DeviceReport {
    /// What a command calls it: `cuda:0`, or `cuda` where there is none.
    pub device: String,
    /// The device, as far as the driver tells.
    pub details: Option<DeviceDetails>,
    /// Why it cannot be used; none if it can.
    pub problem: Option<String>,
}

/// A device, its driver and the compiler for it.
#[derive(Clone, Debug)]
pub struct DeviceDetails {
    /// The product's name.
    pub name: String,
    /// Bytes of memory.
    pub total_bytes: usize,
    /// Bytes nobody uses, if the device lets itself be opened.
    pub free_bytes: Option<usize>,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Newest CUDA release that the driver knows, major and minor.
    pub driver: (i32, i32),
    /// NVRTC's version and file, if there is one.
    pub nvrtc: Option<((i32, i32), PathBuf)>,
}

impl fmt::Display for DeviceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.device)?;
        if let Some(d) = &self.details {
            let gib = |bytes: usize| bytes as f64 / f64::from(1 << 30);
            write!(f, "  {}, compute capability {}.{}, ", d.name, d.capability.0, d.capability.1)?;
            write!(f, "{} multiprocessors, {:.1} GiB", d.multiprocessors, gib(d.total_bytes))?;
            if let Some(free) = d.free_bytes {
                write!(f, " ({:.1} free)", gib(free))?;
            }
            write!(f, ", driver for CUDA {}.{}", d.driver.0, d.driver.1)?;
            if let Some(((major, minor), path)) = &d.nvrtc {
                write!(f, ", NVRTC {major}.{minor} ({})", path.display())?;
            }
        }
        match &self.problem {
            Some(problem) => write!(f, "  not usable: {problem}"),
            None => write!(f, "  usable"),
        }
    }
}

/// Every CUDA device, usable or not; or one report of why there is none. Never fails.
#[must_use]
pub fn devices() -> Vec<DeviceReport> {
    let none = |problem| vec![DeviceReport { device: "cuda".into(), details: None, problem: Some(problem) }];
    match start() {
        Err(problem) => none(problem),
        Ok(driver) => match driver::device_count() {
            Ok(0) => none(no_device()),
            Ok(count) => (0..count).map(|ordinal| report(ordinal, driver)).collect(),
            Err(error) => none(describe(error)),
        },
    }
}

fn report(ordinal: usize, driver: i32) -> DeviceReport {
    let device = format!("cuda:{ordinal}");
    let properties = match driver::properties(ordinal) {
        Ok(properties) => properties,
        Err(error) => return DeviceReport { device, details: None, problem: Some(describe(error)) },
    };
    let compiler = nvrtc();
    let memory = Stream::open(ordinal).and_then(|stream| stream.memory());
    let problem = too_old(&properties)
        .or_else(|| memory.as_ref().err().map(|&error| describe(error)))
        .or_else(|| compiler.as_ref().err().map(problem_of));
    let details = DeviceDetails {
        name: properties.name,
        total_bytes: properties.total_bytes,
        free_bytes: memory.ok().map(|(free, _)| free),
        capability: properties.capability,
        multiprocessors: properties.multiprocessors,
        driver: release(driver),
        nvrtc: compiler.ok().map(|c| (c.version, c.path.clone())),
    };
    DeviceReport { device, details: Some(details), problem }
}

/// The device of that number, if it can be used, and the driver's release.
pub(super) fn usable(ordinal: usize) -> Result<(Properties, i32)> {
    let device = format!("cuda:{ordinal}");
    let refuse = |device: &str, problem| Error::NoDevice { device: device.into(), problem };
    let driver = start().map_err(|problem| refuse("cuda", problem))?;
    let count = driver::device_count().map_err(|error| refuse("cuda", describe(error)))?;
    if count == 0 {
        return Err(refuse("cuda", no_device()));
    }
    if ordinal >= count {
        let last = count - 1;
        return Err(refuse(&device, format!("there is no such device: the last is cuda:{last}")));
    }
    let properties = driver::properties(ordinal).map_err(|error| refuse(&device, describe(error)))?;
    match too_old(&properties) {
        Some(problem) => Err(refuse(&device, problem)),
        None => Ok((properties, driver)),
    }
}

/// Starts the driver; its release of CUDA, or what is missing.
fn start() -> std::result::Result<i32, String> {
    if !driver::library_present() {
        return Err("no CUDA driver: libcuda.so.1 is in none of the dynamic linker's folders \
                    (LD_LIBRARY_PATH); install the driver of the GPU (nvidia-smi then lists it), or in a \
                    container let the runtime pass it in (docker run --gpus all)"
            .into());
    }
    let found = driver::version().map_err(describe)?;
    if found < DRIVER {
        let ((major, minor), (needed, _)) = (release(found), release(DRIVER));
        return Err(format!(
            "the driver is for CUDA {major}.{minor}: install one for CUDA {needed}.0 or newer (525)"
        ));
    }
    match driver::init() {
        Ok(()) => Ok(found),
        Err(DriverError(Status::CUDA_ERROR_NO_DEVICE)) => Err(no_device()),
        Err(error) => Err(describe(error)),
    }
}

fn no_device() -> String {
    let hidden = std::env::var("CUDA_VISIBLE_DEVICES")
        .map_or(String::new(), |visible| format!("; CUDA_VISIBLE_DEVICES is {visible:?}, which may hide it"));
    format!("the CUDA driver sees no device{hidden}")
}

fn too_old(properties: &Properties) -> Option<String> {
    let ((major, minor), (needed, _)) = (properties.capability, CAPABILITY);
    (properties.capability < CAPABILITY).then(|| {
        format!(
            "{} has compute capability {major}.{minor}: {needed}.0 (Volta) or newer is needed",
            properties.name
        )
    })
}

/// Major and minor number of a release.
pub(super) fn release(version: i32) -> (i32, i32) {
    (version / 1000, version % 1000 / 10)
}

/// The driver's words and code for a failure.
pub(super) fn describe(error: DriverError) -> String {
    let text = error.error_string().map(|text| text.to_string_lossy().into_owned());
    format!("{} ({:?})", text.as_deref().unwrap_or("the driver failed"), error.0)
}

fn problem_of(error: &Error) -> String {
    match error {
        Error::NoDevice { problem, .. } => problem.clone(),
        other => other.to_string(),
    }
}
