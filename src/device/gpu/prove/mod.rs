//! Proof on arrival: that the kernels are right on this device, and how fast they are there.
//!
//! Nothing but the program is needed. Results are compared with the CPU in double precision, whole
//! iterations too; then every launch of an iteration is timed by itself and set against what the card's
//! bandwidth and arithmetic allow.

mod parity;
mod timing;

pub use parity::{Agreement, Iteration};
pub use timing::Timing;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::cuda::{self, Cuda, DeviceDetails};
use super::launch::{FAMILIES, Launcher, Resources};
#[cfg(feature = "simt")]
use super::simt::Simt;
use super::watch::{Launched, Watch};
use super::{Gpu, Precision};
use crate::device::{Device, Kind};
use crate::error::{Error, Result};

/// What is proven on a real card, or quickly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// The configurations of the paper.
    Whole,
    /// Tiny ones: that the proof runs.
    Small,
}

/// One kernel on this device.
#[derive(Clone, Debug, Serialize)]
pub struct KernelProof {
    /// Its name.
    pub kernel: &'static str,
    /// Whether one of the comparisons launched it.
    pub compared: bool,
    /// Registers, memory and occupancy, where the device tells.
    pub resources: Option<Resources>,
}

/// The card, as its driver describes it.
#[derive(Clone, Debug, Serialize)]
pub struct CardProof {
    /// The product.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Highest clock of the multiprocessors, MHz.
    pub clock_mhz: u32,
    /// Bandwidth by clock and width of the memory, GB/s.
    pub bandwidth: f64,
    /// Memory, bytes.
    pub memory: usize,
    /// Newest CUDA release that the driver knows.
    pub driver: (i32, i32),
    /// Release of the NVRTC that made the kernels' code.
    pub nvrtc: Option<(i32, i32)>,
    /// Whether it had made it before, as cubins.
    pub cubins: bool,
    /// Whether a kernel may begin while the one before it runs.
    pub early: bool,
}

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// Version of this program.
    pub invnet: &'static str,
    /// What computed.
    pub device: String,
    /// The card, if it is one.
    pub card: Option<CardProof>,
    /// Everything compared is within its bound.
    pub holds: bool,
    /// Operations and their gradients, and products of every precision.
    pub parity: Vec<Agreement>,
    /// Three iterations as graphs have the bits of three run op by op.
    pub graph_equals_eager: bool,
    /// Whole iterations against double precision.
    pub iterations: Vec<Iteration>,
    /// Every kernel.
    pub kernels: Vec<KernelProof>,
    /// Every launch of an iteration by itself, the longest in sum first.
    pub timings: Vec<Timing>,
}

/// Where the kernels run.
struct Place {
    kind: Kind,
}

impl Place {
    fn launcher(&self) -> Result<Box<dyn Launcher>> {
        match self.kind {
            Kind::Cuda(ordinal) => Ok(Box::new(Cuda::new(ordinal)?)),
            #[cfg(feature = "simt")]
            Kind::Simt => Ok(Box::new(Simt::default())),
            other => Err(Error::Usage(format!("--prove is of the kernels: --device {other} has none"))),
        }
    }

    fn gpu(&self, precision: Precision, multiprocessors: Option<u32>) -> Result<(Gpu<Watch>, Launched)> {
        let (watch, launched) = Watch::new(self.launcher()?, multiprocessors);
        Ok((Gpu::new(watch, precision), launched))
    }

    fn device(
        &self,
        precision: Precision,
        multiprocessors: Option<u32>,
    ) -> Result<(Box<dyn Device>, Launched)> {
        let (gpu, launched) = self.gpu(precision, multiprocessors)?;
        Ok((Box::new(gpu), launched))
    }
}

/// Proves the kernels on a device; `say` is told what comes next.
///
/// # Errors
/// If the device is not there or fails. Results that are wrong are no error: the proof says so.
pub fn prove(kind: Kind, extent: Extent, say: &dyn Fn(&str)) -> Result<Proof> {
    let place = Place { kind };
    // Held to the end: a card's context that nobody holds is made anew by each of the devices below.
    let held = place.launcher()?;
    let (device, tensor_cores) = (held.name(), held.tensor_cores());
    let precisions: &[Precision] =
        if tensor_cores { &[Precision::Fp32, Precision::Tf32, Precision::Bf16] } else { &[Precision::Fp32] };
    let mut reached = BTreeSet::new();
    say("operations and their gradients against double precision");
    let mut parity = parity::operations(&place, &mut reached)?;
    say("products in every precision");
    parity.extend(parity::products(&place, precisions, &mut reached)?);
    say("graphs against single launches");
    let graph_equals_eager = parity::graphs(&place)?;
    say("iterations against double precision");
    let iterations = parity::iterations(&place, precisions, &mut reached)?;
    say("the time of every launch");
    let timings = timing::launches(&place, precisions, extent)?;
    say("registers and occupancy");
    let kernels = kernels(&place, &reached)?;
    let holds = graph_equals_eager
        && parity.iter().all(|found| found.holds)
        && iterations.iter().all(|found| found.holds);
    Ok(Proof {
        invnet: env!("CARGO_PKG_VERSION"),
        device,
        card: card(kind),
        holds,
        parity,
        graph_equals_eager,
        iterations,
        kernels,
        timings,
    })
}

fn kernels(place: &Place, reached: &BTreeSet<&'static str>) -> Result<Vec<KernelProof>> {
    let mut launcher = place.launcher()?;
    let arch = launcher.arch();
    let all = FAMILIES.iter().filter(|family| family.runs_on(arch)).flat_map(|family| family.kernels);
    let names: Vec<&'static str> = all.map(|kernel| kernel.name).collect();
    let of = |kernel| -> Result<KernelProof> {
        let resources = launcher.resources(kernel)?;
        Ok(KernelProof { kernel, compared: reached.contains(kernel), resources })
    };
    names.into_iter().map(of).collect()
}

/// What the driver tells of a card; none of the host's kernels.
fn details(kind: Kind) -> Option<DeviceDetails> {
    let Kind::Cuda(_) = kind else { return None };
    cuda::devices().into_iter().find(|report| report.device == kind.to_string())?.details
}

fn card(kind: Kind) -> Option<CardProof> {
    let details = details(kind)?;
    Some(CardProof {
        name: details.name,
        capability: details.capability,
        multiprocessors: details.multiprocessors,
        clock_mhz: details.clock_mhz,
        bandwidth: details.bandwidth / 1e9,
        memory: details.total_bytes,
        driver: details.driver,
        nvrtc: details.kernels.as_ref().map(|origin| origin.nvrtc),
        cubins: details.kernels.is_some_and(|origin| origin.cubins),
        early: details.early,
    })
}

impl Proof {
    /// The comparisons that failed, in words.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let of = |name: &str, precision: Precision, error: f64| {
            format!("{name}, {}: {error:.3} times what is allowed", precision.name())
        };
        let parity = self.parity.iter().filter(|found| !found.holds);
        let mut all: Vec<String> = parity.map(|f| of(&f.case, f.precision, f.share)).collect();
        let iterations = self.iterations.iter().filter(|found| !found.holds);
        all.extend(iterations.map(|f| of(&format!("an iteration of {}", f.net), f.precision, f.share)));
        if !self.graph_equals_eager {
            all.push("graphs do not have the bits of single launches".into());
        }
        all
    }

    /// The best share of its bound that each kernel reached.
    #[must_use]
    pub fn shares(&self) -> BTreeMap<&str, f64> {
        let mut best: BTreeMap<&str, f64> = BTreeMap::new();
        for timing in &self.timings {
            if let Some(share) = timing.share {
                let best = best.entry(&timing.kernel).or_insert(0.0);
                *best = best.max(share);
            }
        }
        best
    }
}
