//! A launcher that runs nothing and writes down what it was asked to run: what an iteration launches
//! on a card of that size, known without one.

use std::sync::{Arc, Mutex};

use super::launch::{Launch, Launcher, Span};
use crate::device::{BufferId, GraphId};
use crate::error::Result;

/// A launch that was asked for.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// The kernel's tensors.
    pub spans: Vec<Span>,
    /// If not 0, the tensors' pointers go as one table of this many entries.
    pub table: usize,
    /// Its parameter struct.
    pub params: Vec<u8>,
}

/// What was launched, in order, shared with whoever wants to read it.
pub type Log = Arc<Mutex<Vec<Seen>>>;

/// What decides grids and kernels about a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// The most shared memory of a block, in bytes.
    pub shared: u32,
    /// Compute capability: 90 for 9.0.
    pub arch: u32,
}

/// The launcher. Memory that it is asked for is counted, and holds zeros.
pub struct Dry {
    limits: Limits,
    log: Log,
    blocks: usize,
    graphs: usize,
}

impl Dry {
    /// A launcher for a card of those limits, and its log.
    #[must_use]
    pub fn new(limits: Limits) -> (Self, Log) {
        let log = Log::default();
        (Self { limits, log: Arc::clone(&log), blocks: 0, graphs: 0 }, log)
    }
}

impl Launcher for Dry {
    fn name(&self) -> String {
        format!("nothing ({} multiprocessors)", self.limits.multiprocessors)
    }

    fn alloc(&mut self, _bytes: usize) -> Result<BufferId> {
        self.blocks += 1;
        Ok(BufferId(self.blocks))
    }

    fn free(&mut self, _block: BufferId) {}

    fn upload(&mut self, _to: BufferId, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }

    fn download(&mut self, _from: BufferId, _offset: usize, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(0);
        Ok(())
    }

    fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
        if !launch.grid.contains(&0) {
            self.log.lock().expect("no thread panics while it holds this").push(Seen {
                kernel: launch.kernel,
                grid: launch.grid,
                shared: launch.shared,
                spans: launch.spans.to_vec(),
                table: launch.table,
                params: launch.params.to_vec(),
            });
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn begin_capture(&mut self) -> Result<()> {
        Ok(())
    }

    fn end_capture(&mut self) -> Result<GraphId> {
        self.graphs += 1;
        Ok(GraphId(self.graphs))
    }

    fn replay(&mut self, _graph: GraphId) -> Result<()> {
        Ok(())
    }

    fn multiprocessors(&self) -> u32 {
        self.limits.multiprocessors
    }

    fn shared_limit(&self) -> u32 {
        self.limits.shared
    }

    fn arch(&self) -> u32 {
        self.limits.arch
    }
}
