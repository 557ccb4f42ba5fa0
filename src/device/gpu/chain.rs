//! Small element-wise launches that follow each other become one: `kernels/chain.cu`.
//!
//! Of the launches of an iteration half move less than two megabytes: what scalars and the numbers of a batch go
//! through between passes over images. A launch takes longer than all that such a one does. So a launcher of
//! their kind waits with them until something else is to run, and launches them together, in their order and
//! with their bits.

use std::time::Duration;

use super::launch::{Access, Launch, Launcher, Resources, Span, bytes_of};
use super::params::{Chain, Elementwise, MAX_LINKS, RANK, Strided};
use crate::device::{BufferId, GraphId, Timer, launches_together};
use crate::error::{Error, Result};

/// The functions of a link in the order of `kernels/chain.cu`, by the names of their kernels without what says how they
/// walk.
pub const FUNCTIONS: [&str; 20] = [
    "fill",
    "copy",
    "neg",
    "exp",
    "ln",
    "sqrt",
    "recip",
    "square",
    "tanh",
    "sigmoid",
    "leaky_relu",
    "leaky_mask",
    "scale",
    "shift",
    "pow",
    "add",
    "sub",
    "mul",
    "div",
    "gate",
];

/// Most numbers of a link's result: eight a thread of the one block that computes it.
const MOST: u32 = 2048;

/// The function of a kernel, by its number; none if no link computes it.
#[must_use]
pub fn function(kernel: &str) -> Option<usize> {
    let name = kernel.strip_suffix("_strided").unwrap_or(kernel).trim_end_matches('_');
    FUNCTIONS.iter().position(|&function| function == name)
}

/// A launch that waits.
struct Link {
    kernel: &'static str,
    grid: [u32; 3],
    spans: Vec<Span>,
    params: Vec<u8>,
    function: u32,
    walk: Strided,
}

impl Link {
    /// A launch as a link; none if it is large, or nothing that a chain computes.
    fn of(launch: &Launch<'_>) -> Option<Self> {
        let function = function(launch.kernel)? as u32;
        let walk = if launch.kernel.ends_with("_strided") {
            bytemuck::pod_read_unaligned(launch.params)
        } else {
            let all: Elementwise = bytemuck::pod_read_unaligned(launch.params);
            straight(all.n, all.a)
        };
        (walk.n <= MOST).then(|| Self {
            kernel: launch.kernel,
            grid: launch.grid,
            spans: launch.spans.to_vec(),
            params: launch.params.to_vec(),
            function,
            walk,
        })
    }

    /// First operand, second operand and result.
    fn places(&self) -> [Span; 3] {
        let (result, operands) = self.spans.split_last().expect("a link has a result");
        let operand = |i: usize| operands.get(i).copied().unwrap_or(Span::NONE);
        [operand(0), operand(1), *result]
    }
}

/// Number by number.
fn straight(n: u32, constant: f32) -> Strided {
    let mut steps = [0; RANK];
    steps[0] = 1;
    let mut dims = [1; RANK];
    dims[0] = n;
    Strided { n, rank: 1, dims, a: steps, b: steps, offset: 0, width: 1, slope: constant }
}

fn overlap(a: &Span, b: &Span) -> bool {
    a.bytes > 0
        && b.bytes > 0
        && a.buffer == b.buffer
        && a.offset < b.offset + b.bytes
        && b.offset < a.offset + a.bytes
}

/// A launcher over another one.
pub struct Chained<L> {
    inner: L,
    waiting: Vec<Link>,
    /// Of a launch that had to be made where no failure can be told.
    failed: Option<Error>,
    waits: bool,
}

impl<L: Launcher> Chained<L> {
    /// Over that one.
    pub(super) fn new(inner: L) -> Self {
        Self { inner, waiting: Vec::new(), failed: None, waits: launches_together() }
    }

    /// From here on nothing waits.
    pub(super) fn one_by_one(&mut self) {
        self.waits = false;
    }

    /// Launches what waits.
    fn flush(&mut self) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let links = std::mem::take(&mut self.waiting);
        match &links[..] {
            [] => Ok(()),
            [Link { kernel, grid, spans, params, .. }] => {
                self.inner.launch(&Launch { kernel, grid: *grid, shared: 0, spans, table: 0, params })
            }
            _ => self.together(&links),
        }
    }

    fn together(&mut self, links: &[Link]) -> Result<()> {
        let mut chain = Chain {
            count: links.len() as u32,
            function: [0; MAX_LINKS],
            walks: [straight(0, 0.0); MAX_LINKS],
        };
        let mut spans: Vec<Span> = Vec::with_capacity(3 * links.len());
        for (i, link) in links.iter().enumerate() {
            (chain.function[i], chain.walks[i]) = (link.function, link.walk);
            let [a, b, mut result] = link.places();
            // What an earlier link still reads, or wrote, does not hold anything whatever before the launch.
            if spans.iter().any(|earlier| overlap(earlier, &result)) {
                result.access = Access::Update;
            }
            spans.extend([a, b, result]);
        }
        let params = bytes_of(&chain);
        let table = 3 * MAX_LINKS;
        self.inner.launch(&Launch { kernel: "chain", grid: [1; 3], shared: 0, spans: &spans, table, params })
    }
}

impl<L: Launcher> Launcher for Chained<L> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
        self.inner.alloc(bytes)
    }

    fn free(&mut self, block: BufferId) {
        if let Err(error) = self.flush() {
            self.failed = Some(error);
        }
        self.inner.free(block);
    }

    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
        self.flush()?;
        self.inner.upload(to, bytes)
    }

    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.flush()?;
        self.inner.download(from, offset, bytes)
    }

    fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
        let Some(link) = Link::of(launch).filter(|_| self.waits) else {
            self.flush()?;
            return self.inner.launch(launch);
        };
        if self.waiting.len() == MAX_LINKS {
            self.flush()?;
        }
        self.waiting.push(link);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.inner.sync()
    }

    fn start_timer(&mut self) -> Result<Timer> {
        self.flush()?;
        self.inner.start_timer()
    }

    fn stop_timer(&mut self, timer: Timer) -> Result<Duration> {
        self.flush()?;
        self.inner.stop_timer(timer)
    }

    fn begin_capture(&mut self) -> Result<()> {
        self.flush()?;
        self.inner.begin_capture()
    }

    fn end_capture(&mut self) -> Result<GraphId> {
        self.flush()?;
        self.inner.end_capture()
    }

    fn replay(&mut self, graph: GraphId) -> Result<()> {
        self.flush()?;
        self.inner.replay(graph)
    }

    fn multiprocessors(&self) -> u32 {
        self.inner.multiprocessors()
    }

    fn shared_limit(&self) -> u32 {
        self.inner.shared_limit()
    }

    fn resources(&mut self, kernel: &'static str) -> Result<Option<Resources>> {
        self.inner.resources(kernel)
    }

    fn arch(&self) -> u32 {
        self.inner.arch()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::device::gpu::dry::{Dry, Limits, Log};

    fn launcher() -> (Chained<Dry>, Log) {
        let (dry, log) = Dry::new(Limits { multiprocessors: 4, shared: 48 << 10, arch: 80 });
        (Chained { waits: true, ..Chained::new(dry) }, log)
    }

    /// A tensor of `n` numbers, the `place`-th in a block.
    fn at(place: usize, n: u32, access: Access) -> Span {
        Span { buffer: BufferId(1), offset: place * 4096, bytes: 4 * n as usize, access }
    }

    /// Adds a constant to the tensor at `from`.
    fn shift(launcher: &mut Chained<Dry>, from: usize, to: usize, n: u32) {
        let spans = [at(from, n, Access::Read), at(to, n, Access::Write)];
        let params = Elementwise { n, channels: 1, a: 0.5, b: 0.0 };
        let params = bytes_of(&params);
        let grid = [n.div_ceil(1024), 1, 1];
        launcher
            .launch(&Launch { kernel: "shift", grid, shared: 0, spans: &spans, table: 0, params })
            .unwrap();
    }

    fn kernels(log: &Log) -> Vec<&'static str> {
        log.lock().unwrap().iter().map(|seen| seen.kernel).collect()
    }

    #[test]
    fn small_launches_wait_for_each_other() {
        let (mut launcher, log) = launcher();
        shift(&mut launcher, 0, 1, 10);
        shift(&mut launcher, 1, 2, 10);
        assert!(kernels(&log).is_empty());
        launcher.sync().unwrap();
        assert_eq!(kernels(&log), ["chain"]);
        let seen = log.lock().unwrap()[0].clone();
        let chain: Chain = bytemuck::pod_read_unaligned(&seen.params);
        assert_eq!((chain.count, seen.spans.len(), seen.grid), (2, 6, [1; 3]));
        assert_eq!(FUNCTIONS[chain.function[1] as usize], "shift");
        assert_eq!((chain.walks[1].n, chain.walks[1].slope), (10, 0.5));
        assert_eq!(seen.spans[3], at(1, 10, Access::Read));
        assert_eq!(seen.spans[5], at(2, 10, Access::Write));
    }

    #[test]
    fn alone_a_launch_is_what_it_was() {
        let (mut launcher, log) = launcher();
        shift(&mut launcher, 0, 1, 10);
        launcher.download(BufferId(1), 0, &mut []).unwrap();
        // A large one waits for nobody, and what waited goes before it.
        shift(&mut launcher, 1, 2, 10);
        shift(&mut launcher, 2, 3, MOST + 1);
        assert_eq!(kernels(&log), ["shift"; 3]);
        launcher.one_by_one();
        shift(&mut launcher, 1, 2, 10);
        shift(&mut launcher, 2, 3, 10);
        assert_eq!(kernels(&log), ["shift"; 5]);
    }

    #[test]
    fn memory_that_is_used_again_is_not_said_to_be_free() {
        let (mut launcher, log) = launcher();
        shift(&mut launcher, 0, 1, 10);
        shift(&mut launcher, 1, 0, 10);
        shift(&mut launcher, 0, 2, 10);
        launcher.free(BufferId(7));
        let accesses: Vec<Access> = log.lock().unwrap()[0].spans.iter().map(|span| span.access).collect();
        assert_eq!([2, 5, 8].map(|i| accesses[i]), [Access::Write, Access::Update, Access::Write]);
    }

    #[test]
    fn a_chain_has_an_end() {
        let (mut launcher, log) = launcher();
        (0..2 * MAX_LINKS + 1).for_each(|_| shift(&mut launcher, 0, 1, 10));
        launcher.begin_capture().unwrap();
        assert_eq!(kernels(&log), ["chain", "chain", "shift"]);
    }
}
