//! One stream of a device, each call with its context current and its result checked.
//!
//! Nothing tracks events between streams, which graph capture forbids: there is one.
#![allow(unsafe_code)]

use std::ffi::{CString, c_int, c_uint, c_void};
use std::ptr::{from_ref, null_mut};

use super::config::{Config, Shape};
use super::driver::{Address, Driver, Functions, Handle, Result, checked};
use super::status::{DriverError, Status};
use crate::device::gpu::launch::Resources;

/// A block of device memory. Not `Copy`: who holds it owns it.
#[derive(Debug)]
pub(super) struct Memory {
    address: Address,
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
pub(super) struct Module(Handle);

/// A kernel of a module.
#[derive(Clone, Copy)]
pub(super) struct Function(Handle);

/// A recording, ready to run.
pub(super) struct Graph(Handle);

/// Two moments of a stream.
pub(super) struct Interval {
    start: Handle,
    end: Handle,
}

/// A device's primary context with the one stream that all work goes through, in order.
pub(super) struct Stream {
    functions: &'static Functions,
    device: c_int,
    context: Handle,
    stream: Handle,
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
// SAFETY: as above.
unsafe impl Send for Interval {}

impl Stream {
    pub fn open(driver: &'static Driver, ordinal: usize) -> Result<Self> {
        let functions = &driver.functions;
        let (device, mut context) = (driver.device(ordinal)?, null_mut());
        // SAFETY: the device came from the driver; `drop` gives the context back.
        checked(unsafe { (functions.retain)(&raw mut context, device) })?;
        let mut opened = Self { functions, device, context, stream: null_mut() };
        opened.bind()?;
        // Not ordered with the default stream, which other libraries in the process may use.
        const NON_BLOCKING: c_uint = 1;
        // SAFETY: writes a handle into a field.
        checked(unsafe { (functions.stream_create)(&raw mut opened.stream, NON_BLOCKING) })?;
        Ok(opened)
    }

    fn bind(&self) -> Result<()> {
        // SAFETY: the context is retained for as long as `self` lives.
        checked(unsafe { (self.functions.set_current)(self.context) })
    }

    /// Free and total bytes.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.bind()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: writes two sizes into locals.
        checked(unsafe { (self.functions.memory_info)(&raw mut free, &raw mut total) })?;
        Ok((free, total))
    }

    /// Memory with anything in it.
    pub fn allocate(&self, bytes: usize) -> Result<Memory> {
        self.bind()?;
        let mut address = 0;
        // SAFETY: writes an address, which is owned by what is returned, into a local.
        checked(unsafe { (self.functions.allocate)(&raw mut address, bytes) })?;
        Ok(Memory { address, bytes })
    }

    pub fn release(&self, memory: Memory) -> Result<()> {
        self.bind()?;
        // SAFETY: the memory came from `allocate` and is given up here; the driver waits for the
        // work that uses it.
        checked(unsafe { (self.functions.free)(memory.address) })
    }

    pub fn zero(&self, memory: &Memory) -> Result<()> {
        self.bind()?;
        // SAFETY: the whole of an allocation.
        checked(unsafe { (self.functions.set_bytes)(memory.address, 0, memory.bytes, self.stream) })
    }

    /// The bytes may be read until the stream has been waited for.
    pub fn copy_in(&self, to: &Memory, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= to.bytes, "{} bytes into a block of {}", bytes.len(), to.bytes);
        self.bind()?;
        let from = bytes.as_ptr().cast();
        // SAFETY: the range is within the allocation.
        checked(unsafe { (self.functions.copy_in)(to.address, from, bytes.len(), self.stream) })
    }

    /// Waits for everything before.
    pub fn copy_out(&self, from: &Memory, offset: usize, bytes: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(bytes.len());
        assert!(end.is_some_and(|end| end <= from.bytes), "bytes past a block of {}", from.bytes);
        self.bind()?;
        let (to, address) = (bytes.as_mut_ptr().cast(), from.address + offset as u64);
        // SAFETY: the range is within the allocation, and `bytes` is borrowed until the copy has
        // landed: also when the copy fails, nothing is left in the stream.
        let copied = checked(unsafe { (self.functions.copy_out)(to, address, bytes.len(), self.stream) });
        copied.and(self.synchronise())
    }

    pub fn synchronise(&self) -> Result<()> {
        self.bind()?;
        // SAFETY: the stream lives as long as `self`.
        checked(unsafe { (self.functions.stream_synchronize)(self.stream) })
    }

    /// Loads a cubin, or PTX that ends in a zero byte.
    pub fn load(&self, code: &[u8]) -> Result<Module> {
        self.bind()?;
        let mut module = null_mut();
        // SAFETY: the compiler or a checksummed file made these bytes; the driver copies them.
        checked(unsafe { (self.functions.module_load)(&raw mut module, code.as_ptr().cast()) })?;
        Ok(Module(module))
    }

    pub fn function(&self, module: &Module, name: &str) -> Result<Function> {
        self.bind()?;
        let name = CString::new(name).expect("a kernel's name has no zero byte");
        let mut function = null_mut();
        // SAFETY: the module is loaded until `self` is dropped; the name lives through the call.
        checked(unsafe { (self.functions.module_function)(&raw mut function, module.0, name.as_ptr()) })?;
        Ok(Function(function))
    }

    pub fn unload(&self, module: &Module) -> Result<()> {
        self.bind()?;
        // SAFETY: called once, by who owns the module and its functions.
        checked(unsafe { (self.functions.module_unload)(module.0) })
    }

    /// Lets a kernel have that much dynamic shared memory: without, its static and dynamic arrays
    /// have 48 KiB.
    pub fn allow_shared(&self, function: Function, bytes: u32) -> Result<()> {
        self.bind()?;
        const MAX_DYNAMIC_SHARED_SIZE_BYTES: c_int = 8;
        // SAFETY: the function's module is loaded.
        checked(unsafe {
            (self.functions.set_attribute)(function.0, MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes as c_int)
        })
    }

    /// An attribute of a kernel, by its number in `CUfunction_attribute`.
    fn attribute(&self, function: Function, which: c_int) -> Result<u32> {
        let mut value = 0;
        // SAFETY: the function's module is loaded; an integer is written into a local.
        checked(unsafe { (self.functions.function_attribute)(&raw mut value, which, function.0) })?;
        Ok(value.unsigned_abs())
    }

    /// The compute capability that a kernel's code was made for, 90 for 9.0: older than the device's where the driver
    /// has finished PTX.
    pub fn made_for(&self, function: Function) -> Result<u32> {
        self.bind()?;
        const PTX_VERSION: c_int = 5;
        self.attribute(function, PTX_VERSION)
    }

    /// What a kernel with blocks of `threads` takes of a multiprocessor.
    pub fn resources(&self, function: Function, threads: u32) -> Result<Resources> {
        self.bind()?;
        const SHARED_SIZE_BYTES: c_int = 1;
        const LOCAL_SIZE_BYTES: c_int = 3;
        const NUM_REGS: c_int = 4;
        let mut resident = 0;
        // SAFETY: the function's module is loaded; an integer is written into a local.
        checked(unsafe { (self.functions.occupancy)(&raw mut resident, function.0, threads as c_int, 0) })?;
        Ok(Resources {
            registers: self.attribute(function, NUM_REGS)?,
            local: self.attribute(function, LOCAL_SIZE_BYTES)?,
            shared: self.attribute(function, SHARED_SIZE_BYTES)?,
            resident: resident.unsigned_abs(),
        })
    }

    /// Launches a kernel on a table of addresses, one argument or one for each, and the bytes of
    /// its parameter struct.
    pub fn launch(
        &self,
        function: Function,
        shape: Shape,
        addresses: &[u64],
        by_value: bool,
        params: &[u8],
    ) -> Result<()> {
        self.bind()?;
        let pointer = |address: &u64| from_ref(address).cast_mut().cast::<c_void>();
        let mut arguments: Vec<Handle> =
            if by_value { vec![pointer(&addresses[0])] } else { addresses.iter().map(pointer).collect() };
        if !params.is_empty() {
            arguments.push(params.as_ptr().cast_mut().cast());
        }
        let (config, arguments) = (Config::new(shape, self.stream), arguments.as_mut_ptr());
        // SAFETY: the driver copies the arguments before it returns and writes none. That they are
        // what the kernel takes and that it stays within its tensors is tested where the kernels
        // run on the CPU; the blocks that addresses are of live until `self` is dropped.
        checked(unsafe { (self.functions.launch)(&raw const config, function.0, arguments, null_mut()) })
    }

    pub fn begin_capture(&self) -> Result<()> {
        self.bind()?;
        const THREAD_LOCAL: c_uint = 1;
        // SAFETY: the stream lives as long as `self`.
        checked(unsafe { (self.functions.begin_capture)(self.stream, THREAD_LOCAL) })
    }

    pub fn end_capture(&self) -> Result<Graph> {
        self.bind()?;
        let (mut recorded, mut graph) = (null_mut(), null_mut());
        // SAFETY: the stream lives as long as `self`; a handle is written into a local.
        checked(unsafe { (self.functions.end_capture)(self.stream, &raw mut recorded) })?;
        if recorded.is_null() {
            // What a driver returns for a recording that something made invalid.
            return Err(DriverError(Status::STREAM_CAPTURE_INVALIDATED));
        }
        // SAFETY: the recording is whole, and it is not needed once there is a graph of it.
        let made = unsafe {
            let made = checked((self.functions.instantiate)(&raw mut graph, recorded, 0));
            let _ = (self.functions.graph_destroy)(recorded);
            made
        };
        made.map(|()| Graph(graph))
    }

    pub fn replay(&self, graph: &Graph) -> Result<()> {
        self.bind()?;
        // SAFETY: the graph is destroyed only by its owner, with `discard`.
        checked(unsafe { (self.functions.graph_launch)(graph.0, self.stream) })
    }

    pub fn discard(&self, graph: &Graph) -> Result<()> {
        self.bind()?;
        // SAFETY: called once, by who owns the graph.
        checked(unsafe { (self.functions.executable_destroy)(graph.0) })
    }

    fn event(&self) -> Result<Handle> {
        let mut event = null_mut();
        // SAFETY: writes a handle into a local.
        checked(unsafe { (self.functions.event_create)(&raw mut event, 0) })?;
        Ok(event)
    }

    /// Marks the present moment of the stream as the beginning of an interval.
    pub fn begin_interval(&self) -> Result<Interval> {
        self.bind()?;
        let interval = Interval { start: self.event()?, end: self.event()? };
        // SAFETY: event and stream exist.
        checked(unsafe { (self.functions.event_record)(interval.start, self.stream) })?;
        Ok(interval)
    }

    /// Waits for the end of an interval; milliseconds.
    pub fn end_interval(&self, Interval { start, end }: Interval) -> Result<f32> {
        self.bind()?;
        let (f, mut elapsed) = (self.functions, 0.0);
        // SAFETY: events and stream exist; the events are used no more after this.
        let outcome = unsafe {
            let outcome = checked((f.event_record)(end, self.stream))
                .and_then(|()| checked((f.event_synchronize)(end)))
                .and_then(|()| checked((f.event_elapsed)(&raw mut elapsed, start, end)));
            let _ = (f.event_destroy)(start);
            let _ = (f.event_destroy)(end);
            outcome
        };
        outcome.map(|()| elapsed)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A driver that is gone has cleaned up already: its refusals mean nothing here.
        let bound = self.bind().is_ok();
        // SAFETY: both were made by `open` and are used no more.
        unsafe {
            if !self.stream.is_null() && bound {
                let _ = (self.functions.stream_destroy)(self.stream);
            }
            let _ = (self.functions.release)(self.device);
        }
    }
}
