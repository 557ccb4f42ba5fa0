//! The calls of the CUDA driver that a launcher needs, each with its context current and its
//! result checked.
//!
//! The plain calls, not `cudarc`'s owning types: those track events between streams, which graph
//! capture forbids, and there is one stream here. The only file beside `nvrtc.rs` with `unsafe`.
#![allow(unsafe_code)]

use std::ffi::{CString, c_void};

use cudarc::driver::{result, sys};

pub(super) use cudarc::driver::result::DriverError;
pub(super) use cudarc::driver::sys::CUresult as Status;

type Result<T> = std::result::Result<T, DriverError>;

/// A block of device memory. Not `Copy`: who holds it owns it.
#[derive(Debug)]
pub(super) struct Memory {
    address: sys::CUdeviceptr,
    bytes: usize,
}

impl Memory {
    pub fn address(&self) -> u64 {
        self.address
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Loaded code.
pub(super) struct Module(sys::CUmodule);

/// A kernel of a module.
#[derive(Clone, Copy)]
pub(super) struct Function(sys::CUfunction);

/// A recording, ready to run.
pub(super) struct Graph(sys::CUgraphExec);

/// Two moments of a stream.
pub(super) struct Interval {
    start: sys::CUevent,
    end: sys::CUevent,
}

/// The driver's library is there: nothing of `cudarc` may be called before this is known.
pub(super) fn library_present() -> bool {
    // SAFETY: loading the driver's library runs its initialisers, as any first call would.
    unsafe { sys::is_culib_present() }
}

/// Starts the driver. Any number of times.
pub(super) fn init() -> Result<()> {
    result::init()
}

/// The newest CUDA release that the driver knows: 12090 for 12.9.
pub(super) fn version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: writes an integer behind a pointer to a local.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    Ok(version)
}

pub(super) fn device_count() -> Result<usize> {
    Ok(usize::try_from(result::device::get_count()?).unwrap_or(0))
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
}

pub(super) fn properties(ordinal: usize) -> Result<Properties> {
    use sys::CUdevice_attribute as Attribute;
    let device = result::device::get(ordinal as i32)?;
    let attribute = |which| {
        // SAFETY: the device came from the driver.
        unsafe { result::device::get_attribute(device, which) }.map(i32::unsigned_abs)
    };
    Ok(Properties {
        name: result::device::get_name(device)?,
        // SAFETY: the device came from the driver.
        total_bytes: unsafe { result::device::total_mem(device) }?,
        capability: (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        shared_limit: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
    })
}

/// A device's primary context with the one stream that all work goes through, in order.
pub(super) struct Stream {
    device: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
}

// SAFETY: the driver's handles belong to a context, not to a thread; every call below makes the
// context current first.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Send for Graph {}

impl Stream {
    pub fn open(ordinal: usize) -> Result<Self> {
        let device = result::device::get(ordinal as i32)?;
        // SAFETY: the device came from the driver; `drop` gives the context back.
        let context = unsafe { result::primary_ctx::retain(device) }?;
        let mut opened = Self { device, context, stream: std::ptr::null_mut() };
        opened.bind()?;
        // Not ordered with the default stream, which other libraries in the process may use.
        opened.stream = result::stream::create(result::stream::StreamKind::NonBlocking)?;
        Ok(opened)
    }

    fn bind(&self) -> Result<()> {
        // SAFETY: the context is retained for as long as `self` lives.
        unsafe { result::ctx::set_current(self.context) }
    }

    /// Free and total bytes.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.bind()?;
        result::mem_get_info()
    }

    /// Memory with anything in it.
    pub fn allocate(&self, bytes: usize) -> Result<Memory> {
        self.bind()?;
        // SAFETY: the address is owned by what is returned.
        Ok(Memory { address: unsafe { result::malloc_sync(bytes) }?, bytes })
    }

    pub fn release(&self, memory: Memory) -> Result<()> {
        self.bind()?;
        // SAFETY: the memory came from `allocate` and is given up here; the driver waits for the
        // work that uses it.
        unsafe { result::free_sync(memory.address) }
    }

    pub fn zero(&self, memory: &Memory) -> Result<()> {
        self.bind()?;
        // SAFETY: the whole of an allocation.
        unsafe { result::memset_d8_async(memory.address, 0, memory.bytes, self.stream) }
    }

    /// The bytes may be changed once this returns: the driver takes a copy of pageable memory.
    pub fn copy_in(&self, to: &Memory, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= to.bytes, "{} bytes into a block of {}", bytes.len(), to.bytes);
        self.bind()?;
        // SAFETY: the range is within the allocation.
        unsafe { result::memcpy_htod_async(to.address, bytes, self.stream) }
    }

    /// Waits for everything before.
    pub fn copy_out(&self, from: &Memory, offset: usize, bytes: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(bytes.len());
        assert!(end.is_some_and(|end| end <= from.bytes), "bytes past a block of {}", from.bytes);
        self.bind()?;
        // SAFETY: the range is within the allocation, and `bytes` is borrowed until the copy has
        // landed: also when the copy fails, nothing is left in the stream.
        let copied = unsafe { result::memcpy_dtoh_async(bytes, from.address + offset as u64, self.stream) };
        copied.and(self.synchronise())
    }

    pub fn synchronise(&self) -> Result<()> {
        self.bind()?;
        // SAFETY: the stream lives as long as `self`.
        unsafe { result::stream::synchronize(self.stream) }
    }

    /// Loads a cubin, or PTX that ends in a zero byte.
    pub fn load(&self, code: &[u8]) -> Result<Module> {
        self.bind()?;
        // SAFETY: the compiler or a checksummed file made these bytes; the driver copies them.
        unsafe { result::module::load_data(code.as_ptr().cast()) }.map(Module)
    }

    pub fn function(&self, module: &Module, name: &str) -> Result<Function> {
        self.bind()?;
        let name = CString::new(name).expect("a kernel's name has no zero byte");
        // SAFETY: the module is loaded until `self` is dropped.
        unsafe { result::module::get_function(module.0, name) }.map(Function)
    }

    pub fn unload(&self, module: &Module) -> Result<()> {
        self.bind()?;
        // SAFETY: called once, by who owns the module and its functions.
        unsafe { result::module::unload(module.0) }
    }

    /// Lets a kernel have that much dynamic shared memory: without, its static and dynamic arrays
    /// have 48 KiB.
    pub fn allow_shared(&self, function: Function, bytes: u32) -> Result<()> {
        self.bind()?;
        let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: the function's module is loaded.
        unsafe { result::function::set_function_attribute(function.0, attribute, bytes as i32) }
    }

    /// Launches a kernel on a table of addresses, one argument or one for each, and the bytes of
    /// its parameter struct.
    pub fn launch(
        &self,
        function: Function,
        [grid, block]: [[u32; 3]; 2],
        shared: u32,
        addresses: &[u64],
        by_value: bool,
        params: &[u8],
    ) -> Result<()> {
        self.bind()?;
        let pointer = |address: &u64| std::ptr::from_ref(address).cast_mut().cast::<c_void>();
        let mut arguments: Vec<*mut c_void> =
            if by_value { vec![pointer(&addresses[0])] } else { addresses.iter().map(pointer).collect() };
        if !params.is_empty() {
            arguments.push(params.as_ptr().cast_mut().cast());
        }
        let (grid, block) = (grid.into(), block.into());
        // SAFETY: the driver copies the arguments before it returns and writes none. That they are
        // what the kernel takes and that it stays within its tensors is tested where the kernels
        // run on the CPU; the blocks that addresses are of live until `self` is dropped.
        unsafe { result::launch_kernel(function.0, grid, block, shared, self.stream, &mut arguments) }
    }

    pub fn begin_capture(&self) -> Result<()> {
        self.bind()?;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives as long as `self`.
        unsafe { result::stream::begin_capture(self.stream, mode) }
    }

    pub fn end_capture(&self) -> Result<Graph> {
        self.bind()?;
        // SAFETY: the stream lives as long as `self`.
        let recorded = unsafe { result::stream::end_capture(self.stream) }?;
        if recorded.is_null() {
            // What a driver returns for a recording that something made invalid.
            return Err(DriverError(Status::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED));
        }
        let flags = sys::CUgraphInstantiate_flags(0);
        // SAFETY: the recording is whole, and it is not needed once there is a graph of it.
        unsafe {
            let graph = result::graph::instantiate(recorded, flags);
            let _ = result::graph::destroy(recorded);
            graph.map(Graph)
        }
    }

    pub fn replay(&self, graph: &Graph) -> Result<()> {
        self.bind()?;
        // SAFETY: the graph is destroyed only by its owner, with `discard`.
        unsafe { result::graph::launch(graph.0, self.stream) }
    }

    pub fn discard(&self, graph: &Graph) -> Result<()> {
        self.bind()?;
        // SAFETY: called once, by who owns the graph.
        unsafe { result::graph::exec_destroy(graph.0) }
    }

    /// Marks the present moment of the stream as the beginning of an interval.
    pub fn begin_interval(&self) -> Result<Interval> {
        self.bind()?;
        let flags = sys::CUevent_flags::CU_EVENT_DEFAULT;
        let interval = Interval { start: result::event::create(flags)?, end: result::event::create(flags)? };
        // SAFETY: event and stream exist.
        unsafe { result::event::record(interval.start, self.stream) }?;
        Ok(interval)
    }

    /// Waits for the end of an interval; milliseconds.
    pub fn end_interval(&self, interval: Interval) -> Result<f32> {
        self.bind()?;
        // SAFETY: events and stream exist; the events are used no more after this.
        unsafe {
            let elapsed = result::event::record(interval.end, self.stream)
                .and_then(|()| result::event::synchronize(interval.end))
                .and_then(|()| result::event::elapsed(interval.start, interval.end));
            let _ = result::event::destroy(interval.start);
            let _ = result::event::destroy(interval.end);
            elapsed
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A driver that is gone has cleaned up already: its refusals mean nothing here.
        // SAFETY: both were made by `open` and are used no more.
        unsafe {
            if !self.stream.is_null() && self.bind().is_ok() {
                let _ = result::stream::destroy(self.stream);
            }
            let _ = result::primary_ctx::release(self.device);
        }
    }
}
