//! What went wrong, in words: which kernels may have done it, and what a user can change.

use std::collections::VecDeque;
use std::sync::OnceLock;

use super::driver::release;
use super::nvrtc::nvrtc;
use super::status::DriverError;
use super::{Cuda, FAMILIES};
use crate::error::Error;

/// How many launches a message names.
const NAMED: usize = 8;

/// The last launches since the host waited: one of them is to blame for a fault.
#[derive(Default)]
pub(super) struct Suspects(VecDeque<Suspect>);

enum Suspect {
    Kernel(&'static str),
    Graph(usize),
}

impl Suspects {
    pub fn kernel(&mut self, name: &'static str) {
        if blocking() {
            // Those before have ended well.
            self.clear();
        }
        self.add(Suspect::Kernel(name));
    }

    pub fn graph(&mut self, id: usize) {
        if !matches!(self.0.back(), Some(Suspect::Graph(last)) if *last == id) {
            self.add(Suspect::Graph(id));
        }
    }

    fn add(&mut self, suspect: Suspect) {
        if self.0.len() == NAMED {
            self.0.pop_front();
        }
        self.0.push_back(suspect);
    }

    /// Everything so far has ended well.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn any_graph(&self) -> bool {
        self.0.iter().any(|suspect| matches!(suspect, Suspect::Graph(_)))
    }

    fn names(&self) -> String {
        let name = |suspect: &Suspect| match suspect {
            Suspect::Kernel(name) => (*name).to_owned(),
            Suspect::Graph(id) => format!("those of graph {id}"),
        };
        self.0.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// Whether the driver waits for every kernel when it is launched.
fn blocking() -> bool {
    static SET: OnceLock<bool> = OnceLock::new();
    *SET.get_or_init(|| std::env::var_os("CUDA_LAUNCH_BLOCKING").is_some_and(|value| value != "0"))
}

impl Cuda {
    pub(super) fn failure(&self, problem: String) -> Error {
        Error::Device { device: self.device(), problem }
    }

    /// A failure that the driver reports while `what` is done, which may be of earlier work.
    pub(super) fn fault(&self, what: &str, error: DriverError) -> Error {
        let mut problem = format!("{what}: {}", self.driver.describe(error));
        let names = self.suspects.names();
        if !error.0.is_of_a_kernel() || names.is_empty() {
            return self.failure(problem);
        }
        problem += &format!(", after kernels {names}");
        if self.suspects.any_graph() {
            // A launch that blocks is still a whole graph.
            return Error::Graph { device: self.device(), problem };
        }
        if !blocking() {
            problem += "; with CUDA_LAUNCH_BLOCKING=1 the launch of the one that fails is what fails";
        }
        self.failure(problem)
    }

    /// The driver does not load a family's code.
    pub(super) fn refused(&self, family: usize, error: DriverError) -> Error {
        let what = format!("loading the kernels of {}", FAMILIES[family].name);
        let newer = nvrtc().map_or((0, 0), |compiler| compiler.version);
        let ours = release(self.driver.version());
        if !error.0.is_of_the_code() || newer <= ours {
            return self.fault(&what, error);
        }
        self.failure(format!(
            "{what}: {}: NVRTC {}.{} is newer than the driver, which is for CUDA {}.{}: update the driver, or \
             let INVNET_NVRTC name an NVRTC of its release",
            self.driver.describe(error),
            newer.0,
            newer.1,
            ours.0,
            ours.1
        ))
    }

    pub(super) fn out_of_memory(&self, bytes: usize) -> Error {
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        let free = self.stream.memory().map_or(String::new(), |(free, total)| {
            format!("; {} of its {} MiB are free", mib(free), mib(total))
        });
        self.failure(format!(
            "out of memory: {bytes} bytes ({} MiB) asked for with {} MiB in use{free}: lower batch, width or \
             size",
            mib(bytes),
            mib(self.pool.usage().in_use)
        ))
    }
}
