//! Which device a command computes on: by name, or the best there is.

use std::fmt;
use std::str::FromStr;

use super::gpu::Gpu;
use super::gpu::cuda::Cuda;
#[cfg(feature = "simt")]
use super::gpu::simt::Simt;
use super::{Cpu, Device, Precision};
use crate::error::{Error, Result};

/// A device by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    /// The cores of this machine.
    #[default]
    Cpu,
    /// A CUDA device, by its number.
    Cuda(usize),
    /// The CUDA kernels on the cores of this machine: for tests.
    Simt,
}

impl Kind {
    /// The first CUDA device if it can be used, else the CPU.
    #[must_use]
    pub fn best() -> Self {
        if Cuda::new(0).is_ok() { Self::Cuda(0) } else { Self::Cpu }
    }

    /// The device that simulates data sets for a run on this one: a GPU does, but its kernels on the
    /// CPU would take hours.
    ///
    /// # Errors
    /// As [`Kind::open`].
    pub fn for_data(self) -> Result<Box<dyn Device>> {
        match self {
            Self::Cuda(_) => self.open(Precision::Fp32),
            Self::Cpu | Self::Simt => Ok(Box::new(Cpu::<f32>::new())),
        }
    }

    /// The device, with that precision of products. The CPU has no `tf32`: it takes single precision.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if it is not there.
    pub fn open(self, precision: Precision) -> Result<Box<dyn Device>> {
        match self {
            Self::Cpu => Ok(Box::new(Cpu::<f32>::with_precision(precision))),
            Self::Cuda(ordinal) => Ok(Box::new(Gpu::new(Cuda::new(ordinal)?, precision))),
            #[cfg(feature = "simt")]
            Self::Simt => Ok(Box::new(Gpu::new(Simt::default(), precision))),
            #[cfg(not(feature = "simt"))]
            Self::Simt => Err(Error::NoDevice {
                device: "simt".into(),
                problem: "this program was built without it: cargo build --release --features simt".into(),
            }),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::Simt => write!(f, "simt"),
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "simt" => Ok(Self::Simt),
            _ => name
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| Error::Usage(format!("{name}: must be auto, cpu, cuda, cuda:N or simt"))),
        }
    }
}
