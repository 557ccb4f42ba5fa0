//! Is there a CUDA device, and if not, what is missing.

use std::fmt;

use super::compile::{self, Origin};
use super::config::begins_early;
use super::driver::{Driver, Properties, driver, driver_installed, release};
use super::status::{DriverError, Status};
use super::stream::Stream;
use super::{Cuda, Launcher};
use crate::error::{Error, Result};

/// The kernel whose code is loaded before a device counts as usable.
const TRIED: &str = "fill";
/// Oldest compute capability: kernels use warp shuffles of independently scheduled threads.
const CAPABILITY: (u32, u32) = (7, 0);

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

/// A device, its driver and the code of kernels for it.
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
    /// Highest clock of the multiprocessors, in MHz.
    pub clock_mhz: u32,
    /// What the memory's clock and bus allow, bytes a second.
    pub bandwidth: f64,
    /// Whether a kernel may begin while the one before it runs.
    pub early: bool,
    /// Newest CUDA release that the driver knows, major and minor.
    pub driver: (i32, i32),
    /// Where the code of kernels comes from, if it comes from anywhere.
    pub kernels: Option<Origin>,
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
            if let Some(origin) = &d.kernels {
                write!(f, ", kernels from {origin}")?;
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
        Ok(driver) => match driver.device_count() {
            Ok(0) => none(no_device()),
            Ok(count) => (0..count).map(|ordinal| report(ordinal, driver)).collect(),
            Err(error) => none(driver.describe(error)),
        },
    }
}

fn report(ordinal: usize, driver: &'static Driver) -> DeviceReport {
    let device = format!("cuda:{ordinal}");
    let properties = match driver.properties(ordinal) {
        Ok(properties) => properties,
        Err(error) => return DeviceReport { device, details: None, problem: Some(driver.describe(error)) },
    };
    let origin = compile::origin(properties.architecture());
    let memory = Stream::open(driver, ordinal).and_then(|stream| stream.memory());
    let problem = too_old(&properties)
        .or_else(|| memory.as_ref().err().map(|&error| driver.describe(error)))
        .or_else(|| origin.as_ref().err().map(problem_of))
        .or_else(|| {
            Cuda::new(ordinal).and_then(|mut cuda| cuda.resources(TRIED)).err().map(|e| problem_of(&e))
        });
    let details = DeviceDetails {
        early: begins_early(driver, &properties),
        name: properties.name,
        total_bytes: properties.total_bytes,
        free_bytes: memory.ok().map(|(free, _)| free),
        capability: properties.capability,
        multiprocessors: properties.multiprocessors,
        clock_mhz: properties.clock_khz / 1000,
        bandwidth: f64::from(properties.memory_clock_khz) * 1e3 * f64::from(properties.memory_bits) / 4.0,
        driver: release(driver.version()),
        kernels: origin.ok(),
    };
    DeviceReport { device, details: Some(details), problem }
}

/// The device of that number, if it can be used, and the driver.
pub(super) fn usable(ordinal: usize) -> Result<(&'static Driver, Properties)> {
    let device = format!("cuda:{ordinal}");
    let refuse = |device: &str, problem| Error::NoDevice { device: device.into(), problem };
    let driver = start().map_err(|problem| refuse("cuda", problem))?;
    let count = driver.device_count().map_err(|error| refuse("cuda", driver.describe(error)))?;
    if count == 0 {
        return Err(refuse("cuda", no_device()));
    }
    if ordinal >= count {
        let last = count - 1;
        return Err(refuse(&device, format!("there is no such device: the last is cuda:{last}")));
    }
    let properties = driver.properties(ordinal).map_err(|error| refuse(&device, driver.describe(error)))?;
    match too_old(&properties) {
        Some(problem) => Err(refuse(&device, problem)),
        None => Ok((driver, properties)),
    }
}

/// Neither driver nor device: what a machine without a GPU is like.
#[must_use]
pub fn nothing_installed() -> bool {
    match start() {
        Err(problem) => !driver_installed() || problem == no_device(),
        Ok(driver) => driver.device_count() == Ok(0),
    }
}

/// The driver, started; or what is missing.
fn start() -> std::result::Result<&'static Driver, String> {
    let driver = driver()?;
    match driver.init() {
        Ok(()) => Ok(driver),
        Err(DriverError(Status::NO_DEVICE)) => Err(no_device()),
        Err(error) => Err(driver.describe(error)),
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

fn problem_of(error: &Error) -> String {
    match error {
        Error::NoDevice { problem, .. } | Error::Device { problem, .. } => problem.clone(),
        other => other.to_string(),
    }
}
