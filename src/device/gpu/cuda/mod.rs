//! Kernels on an NVIDIA GPU, with nothing of CUDA at build time: the driver and the compiler are
//! looked for when a device is asked for.
//!
//! A family of kernels comes as a cubin beside the program, or is compiled at its first launch and kept on
//! disk. All work of a device goes
//! through one stream, so it runs in the order it was given, and faults come to light when the
//! host waits: the message then names the last kernels.

pub mod cache;
pub mod compile;
mod config;
pub mod cubins;
mod driver;
mod fault;
mod library;
mod nvrtc;
mod pool;
mod probe;
mod status;
mod stream;

pub use compile::Origin;
pub use nvrtc::{Nvrtc, nvrtc};
pub use pool::MemoryUse;
pub use probe::{DeviceDetails, DeviceReport, devices, nothing_installed};

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::launch::{self, FAMILIES, Launch, Launcher, Resources};
use crate::device::{BufferId, GraphId, Timer};
use crate::error::{Error, Result};
use config::{EARLY_FROM, Shape, begins_early};
use driver::{Driver, Properties};
use fault::Suspects;
use pool::Pool;
use status::{DriverError, Status};
use stream::{Function, Graph, Interval, Module, Stream};

/// The launcher of an NVIDIA GPU.
pub struct Cuda {
    ordinal: usize,
    properties: Properties,
    driver: &'static Driver,
    modules: HashMap<usize, Module>,
    functions: HashMap<&'static str, Loaded>,
    graphs: Vec<Graph>,
    /// The blocks that graphs use.
    captured: HashSet<BufferId>,
    pool: Pool,
    capturing: bool,
    /// Kernels may begin while those before them run.
    early: bool,
    suspects: Suspects,
    /// Dropped last: everything above lives in its context.
    stream: Stream,
}

/// A kernel that is ready to launch.
#[derive(Clone, Copy)]
struct Loaded {
    function: Function,
    threads: u32,
    /// The most dynamic shared memory it was allowed so far. Without asking it has what its static
    /// arrays leave of 48 KiB, so it asks for any.
    shared: u32,
    /// It may begin while the one before it runs: its code waits for that one's results.
    early: bool,
}

/// Two moments of the stream, the first of them marked.
pub struct Span(Interval);

impl Cuda {
    /// The device of that number, if driver, code of kernels and device are there and new enough.
    ///
    /// # Errors
    /// [`Error::NoDevice`] that says what is missing, [`Error::Device`] if the device fails.
    pub fn new(ordinal: usize) -> Result<Self> {
        let (driver, properties) = probe::usable(ordinal)?;
        compile::origin(properties.architecture())?;
        let stream = Stream::open(driver, ordinal).map_err(|error| Error::Device {
            device: format!("cuda:{ordinal}"),
            problem: format!("opening {}: {}", properties.name, driver.describe(error)),
        })?;
        Ok(Self {
            ordinal,
            early: begins_early(driver, &properties),
            properties,
            driver,
            modules: HashMap::new(),
            functions: HashMap::new(),
            graphs: Vec::new(),
            pool: Pool::default(),
            capturing: false,
            suspects: Suspects::default(),
            captured: HashSet::new(),
            stream,
        })
    }

    /// What results of a kernel depend on besides its arguments: card, driver, its source, who compiled it.
    ///
    /// # Panics
    /// If there is no kernel of that name.
    #[must_use]
    pub fn circumstances(&self, kernel: &str) -> Vec<String> {
        let (family, _) = launch::find(kernel);
        let Properties { name, multiprocessors, .. } = &self.properties;
        // The driver's own number; what it answers is only the release of CUDA.
        let module = std::fs::read_to_string("/sys/module/nvidia/version").unwrap_or_default();
        let origin = compile::origin(self.arch()).map(|origin| origin.build).unwrap_or_default();
        vec![
            name.clone(),
            format!("sm_{} {multiprocessors}", self.arch()),
            format!("{} {module}", self.driver.version()),
            cubins::source_of(&FAMILIES[family]),
            origin,
        ]
    }

    /// Memory of the device that this launcher holds.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        self.pool.usage()
    }

    fn device(&self) -> String {
        format!("cuda:{}", self.ordinal)
    }

    /// A graph holds launches only: anything else would happen once, not at every replay.
    fn not_capturing(&self, what: &str) -> Result<()> {
        if self.capturing {
            return Err(self.failure(format!("{what} while a graph is captured")));
        }
        Ok(())
    }

    /// The code of a family, loaded: its cubin, or what NVRTC makes of it.
    fn module(&mut self, family: usize) -> Result<Module> {
        let arch = self.arch();
        if let Some((file, code)) = cubins::find(&FAMILIES[family], arch) {
            match self.stream.load(&code) {
                Ok(module) => return Ok(module),
                Err(error) if error.0.is_of_the_code() => {
                    cubins::not_used(&file, &self.driver.describe(error));
                }
                Err(error) => return Err(self.refused(family, error)),
            }
        }
        let code = compile::load(&FAMILIES[family], arch)?;
        self.stream.load(code.bytes()).map_err(|error| self.refused(family, error))
    }

    /// The kernel, compiled and loaded at its first launch.
    fn loaded(&mut self, kernel: &'static str) -> Result<Loaded> {
        if let Some(loaded) = self.functions.get(kernel) {
            return Ok(*loaded);
        }
        self.not_capturing(&format!("kernel {kernel} is launched for the first time"))?;
        let (family, found) = launch::find(kernel);
        if !self.modules.contains_key(&family) {
            let module = self.module(family)?;
            self.modules.insert(family, module);
        }
        let function = self
            .stream
            .function(&self.modules[&family], kernel)
            .map_err(|error| self.fault(&format!("finding kernel {kernel}"), error))?;
        let made_for = if self.early { self.stream.made_for(function) } else { Ok(0) };
        let made_for =
            made_for.map_err(|error| self.fault(&format!("asking about kernel {kernel}"), error))?;
        let early = made_for >= EARLY_FROM;
        let loaded = Loaded { function, threads: found.threads, shared: 0, early };
        self.functions.insert(kernel, loaded);
        Ok(loaded)
    }

    fn address(&self, span: &launch::Span) -> u64 {
        if span.bytes == 0 {
            return 0;
        }
        let memory = self.pool.memory(span.buffer);
        assert!(span.offset + span.bytes <= memory.bytes(), "{span:?} in a block of {}", memory.bytes());
        memory.address() + span.offset as u64
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        // A driver that is gone, or a device that has failed, refuses all of this: so be it.
        if self.capturing {
            self.graphs.extend(self.stream.end_capture());
        }
        let _ = self.stream.synchronise();
        for graph in &self.graphs {
            let _ = self.stream.discard(graph);
        }
        for module in self.modules.values() {
            let _ = self.stream.unload(module);
        }
        self.pool.clear(&self.stream);
    }
}

impl Launcher for Cuda {
    fn name(&self) -> String {
        format!("{} {} (sm_{})", self.device(), self.properties.name, self.arch())
    }

    fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
        self.not_capturing("memory is asked for")?;
        self.pool.take(&self.stream, bytes).map_err(|error| match error {
            DriverError(Status::OUT_OF_MEMORY) => self.out_of_memory(bytes),
            other => self.fault(&format!("allocating {bytes} bytes"), other),
        })
    }

    fn free(&mut self, block: BufferId) {
        // A graph runs in the memory it was captured with: no one else may have that.
        if !self.captured.contains(&block) {
            self.pool.give(block);
        }
    }

    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
        self.not_capturing("an upload")?;
        // The bytes are the caller's again afterwards: a copy that is still under way would read what
        // is no longer there. Uploads never happen within an iteration.
        let copied =
            self.stream.copy_in(self.pool.memory(to), bytes).and_then(|()| self.stream.synchronise());
        copied.map_err(|error| self.fault("upload", error))?;
        self.suspects.clear();
        Ok(())
    }

    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.not_capturing("a download")?;
        let copied = self.stream.copy_out(self.pool.memory(from), offset, bytes);
        copied.map_err(|error| self.fault("download", error))?;
        self.suspects.clear();
        Ok(())
    }

    fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
        if launch.grid.contains(&0) {
            return Ok(());
        }
        let kernel = launch.kernel;
        let mut loaded = self.loaded(kernel)?;
        if launch.shared > loaded.shared {
            let allowed = self.stream.allow_shared(loaded.function, launch.shared);
            allowed.map_err(|error| {
                self.fault(&format!("{} bytes of shared memory for {kernel}", launch.shared), error)
            })?;
            loaded.shared = launch.shared;
            self.functions.insert(kernel, loaded);
        }
        let mut addresses: Vec<u64> = launch.spans.iter().map(|span| self.address(span)).collect();
        if launch.table > 0 {
            assert!(addresses.len() <= launch.table, "{kernel}: {} pointers", addresses.len());
            addresses.resize(launch.table, 0);
        }
        let Loaded { function, threads, early, .. } = loaded;
        let shape = Shape { grid: launch.grid, threads, shared: launch.shared, early };
        let launched = self.stream.launch(function, shape, &addresses, launch.table > 0, launch.params);
        launched.map_err(|error| {
            let [x, y, z] = launch.grid;
            let what = format!("launching {kernel} with {x} x {y} x {z} blocks of {threads}");
            self.fault(&what, error)
        })?;
        if self.capturing {
            self.captured.extend(launch.spans.iter().filter(|span| span.bytes > 0).map(|span| span.buffer));
        } else {
            self.suspects.kernel(kernel);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.not_capturing("the host waits")?;
        self.stream.synchronise().map_err(|error| self.fault("waiting", error))?;
        self.suspects.clear();
        Ok(())
    }

    fn start_timer(&mut self) -> Result<Timer> {
        self.not_capturing("timing")?;
        let marked = self.stream.begin_interval();
        marked.map(|interval| Timer::Cuda(Span(interval))).map_err(|error| self.fault("timing", error))
    }

    fn stop_timer(&mut self, timer: Timer) -> Result<Duration> {
        let Timer::Cuda(Span(interval)) = timer else {
            unreachable!("a timer is stopped by the device that started it");
        };
        let milliseconds = self.stream.end_interval(interval).map_err(|error| self.fault("timing", error))?;
        Ok(Duration::from_secs_f64(f64::from(milliseconds) / 1e3))
    }

    fn begin_capture(&mut self) -> Result<()> {
        self.not_capturing("another graph is begun")?;
        self.stream.begin_capture().map_err(|error| self.fault("beginning a graph", error))?;
        self.capturing = true;
        Ok(())
    }

    fn end_capture(&mut self) -> Result<GraphId> {
        if !self.capturing {
            return Err(self.failure("no graph is being captured".into()));
        }
        self.capturing = false;
        let graph = self.stream.end_capture().map_err(|error| self.fault("ending a graph", error))?;
        self.graphs.push(graph);
        Ok(GraphId(self.graphs.len() - 1))
    }

    fn replay(&mut self, graph: GraphId) -> Result<()> {
        self.not_capturing("another graph is run")?;
        let launched = self.stream.replay(&self.graphs[graph.0]);
        self.suspects.graph(graph.0);
        launched.map_err(|error| self.fault(&format!("running graph {}", graph.0), error))
    }

    fn resources(&mut self, kernel: &'static str) -> Result<Option<Resources>> {
        let loaded = self.loaded(kernel)?;
        let found = self.stream.resources(loaded.function, loaded.threads);
        found.map(Some).map_err(|error| self.fault(&format!("asking about kernel {kernel}"), error))
    }

    fn multiprocessors(&self) -> u32 {
        self.properties.multiprocessors
    }

    fn shared_limit(&self) -> u32 {
        self.properties.shared_limit
    }

    fn arch(&self) -> u32 {
        self.properties.architecture()
    }
}
