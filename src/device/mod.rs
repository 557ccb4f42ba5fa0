//! A device: memory and one way to run an operation in it.
//!
//! Five verbs (alloc, upload, download, run, sync), graphs where the device has them, and nothing
//! about variables or gradients. A
//! device sees an [`Op`], where its inputs lie and where the result goes; shapes come with the
//! call, never from device memory.

mod cpu;
pub mod gpu;
mod layer_sums;
mod precision;
pub mod radial;
mod select;

pub(crate) use cpu::fft::Plane;
pub use cpu::{Cpu, Real};
pub use layer_sums::LayerSums;
pub use precision::Precision;
pub use select::Kind;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::op::{DType, Op};
use crate::shape::Shape;

/// Names a block of a device's memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BufferId(pub usize);

/// Names a recorded graph of a device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GraphId(pub usize);

/// A span of time that has begun, as the device that began it measures it.
pub enum Timer {
    /// By the clock of the host, read when the device had nothing to do.
    Host(Instant),
    /// By events in the stream of a CUDA device.
    Cuda(gpu::cuda::Span),
}

impl Timer {
    /// Begins now, by the clock of the host.
    pub(crate) fn host() -> Self {
        Self::Host(Instant::now())
    }

    /// Time since the beginning, by the clock of the host.
    pub(crate) fn host_elapsed(&self) -> Duration {
        match self {
            Self::Host(start) => start.elapsed(),
            Self::Cuda(_) => unreachable!("a timer is stopped by the device that started it"),
        }
    }
}

/// What bits of a run depend on that a card found out of its kernels.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Settled {
    /// Kernels that it does without because they were wrong on it, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub avoided: Vec<String>,
    /// Of products that several kernels can compute, by what is multiplied, the one that was fastest on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chosen: BTreeMap<String, String>,
}

/// Shape and element type of a tensor.
pub type Typed = (Shape, DType);

/// A tensor in device memory.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Place {
    /// The block.
    pub buffer: BufferId,
    /// First byte within the block, a multiple of [`ALIGN`].
    pub offset: usize,
    /// Extents.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

/// Alignment of every tensor, in bytes: a cache line, and what vector loads like.
pub const ALIGN: usize = 64;

/// Whether many kernels may go as one launch: iterations as graphs, small operations as chains. With `INVNET_GRAPHS=0`
/// each goes by itself, so that a fault names its kernel; bits are the same.
#[must_use]
pub fn launches_together() -> bool {
    std::env::var_os("INVNET_GRAPHS").is_none_or(|value| value != "0")
}

/// Memory, and a way to run an operation in it.
pub trait Device: Send {
    /// What a person calls it.
    fn name(&self) -> String;

    /// Bytes of one [`DType::Real`]: 4 or 8.
    fn real_bytes(&self) -> usize;

    /// A new block of zeros.
    ///
    /// # Errors
    /// If the device has no more memory.
    fn alloc(&mut self, bytes: usize) -> Result<BufferId>;

    /// Gives a block back.
    fn free(&mut self, block: BufferId);

    /// Copies bytes from the host to the beginning of a block.
    ///
    /// # Errors
    /// If the device fails.
    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()>;

    /// Copies bytes of a block, from `offset`, to the host.
    ///
    /// # Errors
    /// If the device fails.
    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()>;

    /// Runs one operation. The result overlaps no input.
    ///
    /// # Errors
    /// If the device fails.
    fn run(&mut self, op: &Op, inputs: &[Place], output: &Place) -> Result<()>;

    /// Whether the device runs an operation on tensors of these shapes and types, some of them [`DType::Bf16`] where
    /// the tape has real ones, with the bits of real ones in all that it computes of them: it would round those inputs
    /// so itself, or asks for their signs; sums over images and means of blocks alone take what was rounded. A result is
    /// rounded as it is stored.
    fn runs_in_bf16(&self, _op: &Op, _inputs: &[Typed], _output: Typed) -> bool {
        false
    }

    /// Waits until everything has run.
    ///
    /// # Errors
    /// If something that ran earlier failed.
    fn sync(&mut self) -> Result<()>;

    /// Begins to measure how long the device takes for what it is asked from here on: by its own
    /// clock where it has one, else by the host's.
    ///
    /// # Errors
    /// If something that ran earlier failed.
    fn start_timer(&mut self) -> Result<Timer> {
        self.sync()?;
        Ok(Timer::host())
    }

    /// Waits until everything has run; the time since the timer was started.
    ///
    /// # Errors
    /// If something that ran earlier failed.
    fn stop_timer(&mut self, timer: Timer) -> Result<Duration> {
        self.sync()?;
        Ok(timer.host_elapsed())
    }

    /// What this device has found out of its kernels, and what it was told.
    fn settled(&self) -> Settled {
        Settled::default()
    }

    /// Keeps to what was found out before and times no products, so that a run goes on with the kernels that it began
    /// with. Before anything is planned; names that the device does not know are passed over.
    fn settle(&mut self, _settled: &Settled) {}

    /// Most bytes of working space held beside the blocks so far.
    fn workspace_bytes(&self) -> usize;

    /// From here, operations are recorded as one graph instead of run; false if this device has
    /// no graphs. What is recorded must have run before, so that no memory is taken meanwhile.
    ///
    /// # Errors
    /// If the device fails.
    fn begin_capture(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// If the device fails.
    fn end_capture(&mut self) -> Result<GraphId> {
        unreachable!("{} has no graphs", self.name())
    }

    /// Runs a recorded graph.
    ///
    /// # Errors
    /// If the device fails.
    fn replay(&mut self, _graph: GraphId) -> Result<()> {
        unreachable!("{} has no graphs", self.name())
    }
}

/// Bytes of one element on a device whose reals have `real` bytes.
#[must_use]
pub fn element_bytes(dtype: DType, real: usize) -> usize {
    match dtype {
        DType::Real => real,
        DType::U8 => 1,
        DType::U32 => 4,
        DType::Bf16 => 2,
    }
}
