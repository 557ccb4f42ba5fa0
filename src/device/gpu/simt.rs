//! The kernels on the CPU: the same sources, compiled by the host's C++ compiler and run with one
//! fiber per CUDA thread (`kernels/host/`).
//!
//! Made to find mistakes, not to be fast: outputs and shared memory are poisoned before use, and
//! the threads of a block run in an order that the caller chooses.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::Mutex;

use rayon::prelude::*;

use super::launch::{Access, Launch, Launcher, Span};
use crate::device::{BufferId, GraphId};
use crate::error::{Error, Result};
use crate::words::counted;

/// In which order the threads of a block take turns. A result that depends on it misses a barrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Schedule {
    /// First to last.
    Forward,
    /// Last to first.
    Backward,
    /// Shuffled anew at every barrier.
    Shuffled(u64),
}

/// A kernel as the C++ side lists it.
#[repr(C)]
struct HostKernel {
    name: *const c_char,
    call: *const c_void,
    argument_bytes: *const u32,
    arguments: u32,
    threads: u32,
}

/// A launch as the C++ side takes it.
#[repr(C)]
struct HostLaunch {
    kernel: *const HostKernel,
    grid: [u32; 3],
    dynamic_bytes: u32,
    schedule: i32,
    seed: u64,
}

#[allow(unsafe_code)]
unsafe extern "C" {
    fn simt_kernel(name: *const c_char) -> *const HostKernel;
    fn simt_run(
        launch: *const HostLaunch,
        arguments: *mut *mut c_void,
        first: u64,
        count: u64,
        error: *mut c_char,
        capacity: usize,
    ) -> i32;
    fn simt_layout(i: usize, name: *mut *const c_char, offset: *mut usize) -> usize;
}

/// The C++ side's entry points.
#[derive(Clone, Copy)]
struct Host {
    kernel: unsafe extern "C" fn(*const c_char) -> *const HostKernel,
    run: RunBlocks,
}

/// Runs some blocks of a launch; not 0 with a message if one failed.
type RunBlocks =
    unsafe extern "C" fn(*const HostLaunch, *mut *mut c_void, u64, u64, *mut c_char, usize) -> i32;

/// Bytes of a block are kept in lines of this size, so that every tensor is aligned.
#[repr(C, align(64))]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Line([u8; 64]);

/// A launch that owns its arguments.
#[derive(Clone)]
struct Recorded {
    kernel: &'static str,
    grid: [u32; 3],
    shared: u32,
    spans: Vec<Span>,
    table: usize,
    params: Vec<u8>,
}

impl Recorded {
    fn of(launch: &Launch<'_>) -> Self {
        Self {
            kernel: launch.kernel,
            grid: launch.grid,
            shared: launch.shared,
            spans: launch.spans.to_vec(),
            table: launch.table,
            params: launch.params.to_vec(),
        }
    }

    fn launch(&self) -> Launch<'_> {
        Launch {
            kernel: self.kernel,
            grid: self.grid,
            shared: self.shared,
            spans: &self.spans,
            table: self.table,
            params: &self.params,
        }
    }
}

/// Called with every launch and the memory of its arguments, before it runs.
pub type Observer = Box<dyn FnMut(&Launch<'_>, &[&[u8]]) + Send>;

/// The launcher that needs no GPU.
pub struct Simt {
    host: Host,
    blocks: Vec<Vec<Line>>,
    schedule: Schedule,
    capturing: Option<Vec<Recorded>>,
    graphs: Vec<Vec<Recorded>>,
    observer: Option<Observer>,
    arch: u32,
}

impl Default for Simt {
    fn default() -> Self {
        Self::new(Schedule::Forward)
    }
}

impl Simt {
    /// A launcher whose blocks run in that order.
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        Self::over(Host { kernel: simt_kernel, run: simt_run }, schedule)
    }

    fn over(host: Host, schedule: Schedule) -> Self {
        let (blocks, graphs) = (Vec::new(), Vec::new());
        Self { host, blocks, schedule, capturing: None, graphs, observer: None, arch: 80 }
    }

    /// As a card of another architecture than 8.0: kernels follow it.
    #[must_use]
    pub fn of_arch(self, arch: u32) -> Self {
        Self { arch, ..self }
    }

    /// Kernels from a shared library instead of this program's own: how tests run kernels that
    /// were broken on purpose. The library stays loaded.
    ///
    /// # Errors
    /// If the file is not a library of kernels over this runtime.
    #[allow(unsafe_code)]
    pub fn from_library(path: &Path, schedule: Schedule) -> Result<Self> {
        let wrong = |e: libloading::Error| Error::file(path, e.to_string());
        // SAFETY: loading runs no code beyond the library's own constructors, and the symbols
        // have these types in the runtime that `kernels/host` builds; the library is never
        // unloaded, so they stay valid.
        let host = unsafe {
            let library = std::mem::ManuallyDrop::new(libloading::Library::new(path).map_err(wrong)?);
            Host {
                kernel: *library.get(b"simt_kernel").map_err(wrong)?,
                run: *library.get(b"simt_run").map_err(wrong)?,
            }
        };
        Ok(Self::over(host, schedule))
    }

    /// Shows every launch to `observer` before it runs.
    pub fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    fn bytes(&self, span: &Span) -> &[u8] {
        &bytemuck::cast_slice(&self.blocks[span.buffer.0])[span.offset..][..span.bytes]
    }

    fn pointer(&mut self, span: &Span) -> *mut u8 {
        if span.bytes == 0 {
            return std::ptr::null_mut();
        }
        let block: &mut [u8] = bytemuck::cast_slice_mut(&mut self.blocks[span.buffer.0]);
        block[span.offset..][..span.bytes].as_mut_ptr()
    }

    fn poison(&mut self, spans: &[Span]) {
        for span in spans.iter().filter(|s| s.access == Access::Write) {
            let block: &mut [u8] = bytemuck::cast_slice_mut(&mut self.blocks[span.buffer.0]);
            block[span.offset..][..span.bytes].fill(0xff);
        }
    }

    #[allow(unsafe_code)]
    fn run(&mut self, launch: &Launch<'_>) -> Result<()> {
        if let Some(mut observer) = self.observer.take() {
            let memory: Vec<&[u8]> = launch.spans.iter().map(|span| self.bytes(span)).collect();
            observer(launch, &memory);
            self.observer = Some(observer);
        }
        self.poison(launch.spans);
        let fail = |problem: String| Error::Device { device: "simt".into(), problem };
        let name = CString::new(launch.kernel).expect("a kernel's name has no zero byte");
        // SAFETY: `name` ends in a zero byte; the result is null or points to a static table.
        let kernel = unsafe { (self.host.kernel)(name.as_ptr()).as_ref() };
        let kernel = kernel.unwrap_or_else(|| panic!("no kernel {} on the host", launch.kernel));

        let mut pointers: Vec<*mut u8> = launch.spans.iter().map(|span| self.pointer(span)).collect();
        let mut params = bytemuck::allocation::pod_collect_to_vec::<u8, u64>(&padded(launch.params));
        let mut sizes = vec![size_of::<*mut u8>(); pointers.len()];
        if launch.table > 0 {
            assert!(pointers.len() <= launch.table, "{}: {} pointers", launch.kernel, pointers.len());
            pointers.resize(launch.table, std::ptr::null_mut());
            sizes = vec![launch.table * size_of::<*mut u8>()];
        }
        if !launch.params.is_empty() {
            sizes.push(launch.params.len());
        }
        // SAFETY: the table holds as many sizes as it says arguments.
        let expected =
            unsafe { std::slice::from_raw_parts(kernel.argument_bytes, kernel.arguments as usize) };
        assert!(
            expected.iter().map(|&b| b as usize).eq(sizes.iter().copied()),
            "{}: arguments of {sizes:?} bytes, the kernel takes {expected:?}",
            launch.kernel
        );

        let (schedule, seed) = match self.schedule {
            Schedule::Forward => (0, 0),
            Schedule::Backward => (1, 0),
            Schedule::Shuffled(seed) => (2, seed),
        };
        let host = HostLaunch { kernel, grid: launch.grid, dynamic_bytes: launch.shared, schedule, seed };
        let mut arguments: Vec<*mut c_void> = if launch.table > 0 {
            vec![pointers.as_mut_ptr().cast()]
        } else {
            pointers.iter_mut().map(|p| std::ptr::from_mut(p).cast()).collect()
        };
        if !launch.params.is_empty() {
            arguments.push(params.as_mut_ptr().cast());
        }
        let shared = Shared { run: self.host.run, host: &host, arguments: arguments.as_mut_ptr() };
        let blocks: u64 = launch.grid.iter().map(|&b| u64::from(b)).product();
        let piece = blocks.div_ceil(4 * rayon::current_num_threads() as u64).max(1);
        let first_error = Mutex::new(None);
        (0..blocks.div_ceil(piece)).into_par_iter().for_each(|i| {
            let count = piece.min(blocks - i * piece);
            if let Some(message) = shared.blocks(i * piece, count) {
                first_error.lock().expect("no thread panics while it holds this").get_or_insert(message);
            }
        });
        match first_error.into_inner().expect("no thread panics while it holds this") {
            Some(message) => Err(fail(message)),
            None => Ok(()),
        }
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut all = bytes.to_vec();
    all.resize(bytes.len().next_multiple_of(8), 0);
    all
}

/// What the threads that run blocks share.
struct Shared<'a> {
    run: RunBlocks,
    host: &'a HostLaunch,
    arguments: *mut *mut c_void,
}

// SAFETY: the arguments are only read, and the launch too; what kernels write through them is
// theirs to keep apart, as on a GPU.
#[allow(unsafe_code)]
unsafe impl Sync for Shared<'_> {}

impl Shared<'_> {
    /// Runs some blocks; the error message if one failed.
    #[allow(unsafe_code)]
    fn blocks(&self, first: u64, count: u64) -> Option<String> {
        let mut message = [0 as c_char; 1024];
        // SAFETY: kernel, grid and arguments live through the call, argument sizes were compared
        // with the kernel's, and the message has the capacity that is passed.
        let failed = unsafe {
            (self.run)(self.host, self.arguments, first, count, message.as_mut_ptr(), message.len())
        };
        // SAFETY: the runtime ends its message with a zero byte within the capacity.
        (failed != 0).then(|| unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy().into_owned())
    }
}

/// "struct.member", offset and bytes, as the C++ compiler lays the parameter structs out.
#[must_use]
#[allow(unsafe_code)]
pub fn layout() -> Vec<(String, usize, usize)> {
    let mut rows = Vec::new();
    let (mut name, mut offset) = (std::ptr::null(), 0);
    loop {
        // SAFETY: both pointers are to locals; a result of 0 says that nothing was written.
        let bytes = unsafe { simt_layout(rows.len(), &raw mut name, &raw mut offset) };
        if bytes == 0 {
            return rows;
        }
        // SAFETY: the names are string literals.
        let text = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        rows.push((text, offset, bytes));
    }
}

impl Launcher for Simt {
    fn name(&self) -> String {
        format!("simt (kernels on the CPU, {})", counted(rayon::current_num_threads(), "thread"))
    }

    fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
        self.blocks.push(vec![Line([0; 64]); bytes.div_ceil(64)]);
        Ok(BufferId(self.blocks.len() - 1))
    }

    fn free(&mut self, block: BufferId) {
        self.blocks[block.0] = Vec::new();
    }

    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
        bytemuck::cast_slice_mut::<Line, u8>(&mut self.blocks[to.0])[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        let block: &[u8] = bytemuck::cast_slice(&self.blocks[from.0]);
        bytes.copy_from_slice(&block[offset..][..bytes.len()]);
        Ok(())
    }

    fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
        if let Some(recorded) = &mut self.capturing {
            recorded.push(Recorded::of(launch));
            return Ok(());
        }
        self.run(launch)
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn begin_capture(&mut self) -> Result<()> {
        self.capturing = Some(Vec::new());
        Ok(())
    }

    fn end_capture(&mut self) -> Result<GraphId> {
        self.graphs.push(self.capturing.take().unwrap_or_default());
        Ok(GraphId(self.graphs.len() - 1))
    }

    fn replay(&mut self, graph: GraphId) -> Result<()> {
        for recorded in self.graphs[graph.0].clone() {
            self.run(&recorded.launch())?;
        }
        Ok(())
    }

    fn multiprocessors(&self) -> u32 {
        4
    }

    fn shared_limit(&self) -> u32 {
        227 << 10
    }

    fn arch(&self) -> u32 {
        self.arch
    }
}
