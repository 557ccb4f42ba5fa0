//! What a GPU must be able to do: hold memory, run a kernel, record a graph.

use std::time::Duration;

use crate::device::{BufferId, GraphId, Place, Timer, element_bytes};
use crate::error::Result;

/// A kernel as the build found it in `kernels/*.cu`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kernel {
    /// The function's name.
    pub name: &'static str,
    /// Threads of a block.
    pub threads: u32,
}

/// A source file of kernels, compiled as one module.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The file's stem.
    pub name: &'static str,
    /// The source with its headers in place.
    pub source: &'static str,
    /// The kernels it defines.
    pub kernels: &'static [Kernel],
}

impl Family {
    /// Whether a card of that architecture (80 for `sm_80`) has the instructions of its kernels: `mma.sync` on
    /// tf32 and bf16 and `cp.async` are of 8.0, `wgmma` is of 9.0 alone.
    #[must_use]
    pub fn runs_on(&self, arch: u32) -> bool {
        if self.has_warpgroups() { arch == WARPGROUPS } else { arch >= 80 || !self.name.ends_with("_mma") }
    }

    /// Whether its kernels multiply by `wgmma`.
    #[must_use]
    pub fn has_warpgroups(&self) -> bool {
        self.name.ends_with("_wgmma")
    }
}

/// The architecture that has `wgmma`.
const WARPGROUPS: u32 = 90;

/// All kernels, family by family.
pub static FAMILIES: &[Family] = include!(concat!(env!("OUT_DIR"), "/families.rs"));

/// The kernel of that name and the index of its family.
///
/// # Panics
/// If there is none: a device asks for a kernel nobody wrote.
#[must_use]
pub fn find(name: &str) -> (usize, Kernel) {
    let found = FAMILIES.iter().enumerate().find_map(|(i, family)| {
        family.kernels.iter().find(|kernel| kernel.name == name).map(|kernel| (i, *kernel))
    });
    found.unwrap_or_else(|| panic!("no kernel {name}"))
}

/// What a kernel does with a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reads it.
    Read,
    /// Writes all of it, reads none.
    Write,
    /// Reads and writes.
    Update,
}

/// A tensor as an argument: a part of a block of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The block.
    pub buffer: BufferId,
    /// First byte within the block.
    pub offset: usize,
    /// Bytes; 0 for an argument left out, which the kernel sees as null.
    pub bytes: usize,
    /// What the kernel does with it.
    pub access: Access,
}

impl Span {
    /// An argument left out.
    pub const NONE: Self = Self { buffer: BufferId(0), offset: 0, bytes: 0, access: Access::Read };

    fn new(place: &Place, access: Access) -> Self {
        let bytes = place.shape.numel() * element_bytes(place.dtype, size_of::<f32>());
        Self { buffer: place.buffer, offset: place.offset, bytes, access }
    }

    /// A tensor that is read.
    #[must_use]
    pub fn read(place: &Place) -> Self {
        Self::new(place, Access::Read)
    }

    /// A tensor that is written.
    #[must_use]
    pub fn write(place: &Place) -> Self {
        Self::new(place, Access::Write)
    }

    /// A tensor that is changed.
    #[must_use]
    pub fn update(place: &Place) -> Self {
        Self::new(place, Access::Update)
    }
}

/// One launch: a kernel, its grid and its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// The kernel's pointers, in order.
    pub spans: &'a [Span],
    /// If not 0, the pointers go as one table of this many entries, by value, the rest null.
    pub table: usize,
    /// The bytes of the parameter struct that follows the pointers.
    pub params: &'a [u8],
}

/// What a kernel takes of a multiprocessor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Resources {
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of local memory of a thread: what found no register.
    pub local: u32,
    /// Bytes of static shared memory of a block.
    pub shared: u32,
    /// Blocks that a multiprocessor holds at a time, without dynamic shared memory.
    pub resident: u32,
}

/// Memory and kernels of a GPU, or of something that behaves like one. Work runs in the order it
/// is given.
pub trait Launcher: Send {
    /// What a person calls it.
    fn name(&self) -> String;

    /// A new block of zeros.
    ///
    /// # Errors
    /// If memory is used up or the device has failed.
    fn alloc(&mut self, bytes: usize) -> Result<BufferId>;

    /// Gives a block back.
    fn free(&mut self, block: BufferId);

    /// Copies bytes from the host to the beginning of a block.
    ///
    /// # Errors
    /// If the device has failed.
    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()>;

    /// Copies bytes of a block, from `offset`, to the host.
    ///
    /// # Errors
    /// If the device has failed; the message names the last kernels.
    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()>;

    /// Runs a kernel, or records it while a graph is captured.
    ///
    /// # Errors
    /// If the kernel cannot be compiled or launched.
    fn launch(&mut self, launch: &Launch<'_>) -> Result<()>;

    /// Waits until everything has run.
    ///
    /// # Errors
    /// If something that ran earlier failed; the message names the last kernels.
    fn sync(&mut self) -> Result<()>;

    /// Begins to measure time: by the host's clock unless the launcher has a better one.
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

    /// From here, launches are recorded instead of run.
    ///
    /// # Errors
    /// If the device has failed.
    fn begin_capture(&mut self) -> Result<()>;

    /// Ends the recording.
    ///
    /// # Errors
    /// If the recording is not a valid graph.
    fn end_capture(&mut self) -> Result<GraphId>;

    /// Runs a recording.
    ///
    /// # Errors
    /// If the device has failed.
    fn replay(&mut self, graph: GraphId) -> Result<()>;

    /// Multiprocessors: how many blocks it takes to keep the device busy.
    fn multiprocessors(&self) -> u32;

    /// The most dynamic shared memory that a block can have, in bytes.
    fn shared_limit(&self) -> u32;

    /// What a kernel takes of a multiprocessor, where the device tells.
    ///
    /// # Errors
    /// If the kernel cannot be compiled or the device has failed.
    fn resources(&mut self, _kernel: &'static str) -> Result<Option<Resources>> {
        Ok(None)
    }

    /// Compute capability: 90 for 9.0.
    fn arch(&self) -> u32;

    /// Whether `mma.sync` on tf32 and bf16 and `cp.async` are there (compute capability 8.0).
    fn tensor_cores(&self) -> bool {
        self.arch() >= 80
    }

    /// Whether `wgmma` is there: instructions of compute capability 9.0 that later ones lack.
    fn warpgroups(&self) -> bool {
        self.arch() == WARPGROUPS
    }
}

/// A parameter struct's bytes.
pub(super) fn bytes_of<P: bytemuck::Pod>(params: &P) -> &[u8] {
    bytemuck::bytes_of(params)
}
