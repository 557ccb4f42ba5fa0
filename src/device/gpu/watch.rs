//! A launcher that notes what another launches.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::launch::{Launch, Launcher, Resources};
use crate::device::{BufferId, GraphId, Timer};
use crate::error::Result;

/// Names of the kernels that were launched, in order.
pub type Launched = Arc<Mutex<Vec<&'static str>>>;

/// The launcher, which can also say that it has other than its multiprocessors: tiles and pieces follow
/// them.
pub struct Watch {
    inner: Box<dyn Launcher>,
    multiprocessors: Option<u32>,
    arch: Option<u32>,
    launched: Launched,
}

impl Watch {
    /// Watches a launcher; and what it will have launched.
    #[must_use]
    pub fn new(inner: Box<dyn Launcher>, multiprocessors: Option<u32>) -> (Self, Launched) {
        let launched = Launched::default();
        (Self { inner, multiprocessors, arch: None, launched: Arc::clone(&launched) }, launched)
    }

    /// Says that it is of another architecture: kernels follow it.
    #[must_use]
    pub fn of_arch(self, arch: u32) -> Self {
        Self { arch: Some(arch), ..self }
    }
}

impl Launcher for Watch {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
        self.inner.alloc(bytes)
    }
    fn free(&mut self, block: BufferId) {
        self.inner.free(block);
    }
    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
        self.inner.upload(to, bytes)
    }
    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.inner.download(from, offset, bytes)
    }
    fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
        self.launched.lock().expect("no thread panics while it holds this").push(launch.kernel);
        self.inner.launch(launch)
    }
    fn sync(&mut self) -> Result<()> {
        self.inner.sync()
    }
    fn start_timer(&mut self) -> Result<Timer> {
        self.inner.start_timer()
    }
    fn stop_timer(&mut self, timer: Timer) -> Result<Duration> {
        self.inner.stop_timer(timer)
    }
    fn begin_capture(&mut self) -> Result<()> {
        self.inner.begin_capture()
    }
    fn end_capture(&mut self) -> Result<GraphId> {
        self.inner.end_capture()
    }
    fn replay(&mut self, graph: GraphId) -> Result<()> {
        self.inner.replay(graph)
    }
    fn multiprocessors(&self) -> u32 {
        self.multiprocessors.unwrap_or_else(|| self.inner.multiprocessors())
    }
    fn shared_limit(&self) -> u32 {
        self.inner.shared_limit()
    }
    fn arch(&self) -> u32 {
        self.arch.unwrap_or_else(|| self.inner.arch())
    }
    fn resources(&mut self, kernel: &'static str) -> Result<Option<Resources>> {
        self.inner.resources(kernel)
    }
}
