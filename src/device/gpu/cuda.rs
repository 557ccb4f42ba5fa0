//! Placeholder until the launcher lands.
#![allow(missing_docs)]
use super::launch::{Launch, Launcher};
use crate::device::{BufferId, GraphId};
use crate::error::{Error, Result};
pub enum Cuda {}
impl Cuda {
    pub fn new(_: usize) -> Result<Self> {
        Err(Error::NoDevice { device: "cuda".into(), problem: "no driver".into() })
    }
}
pub fn devices() -> Vec<String> {
    Vec::new()
}
impl Launcher for Cuda {
    fn name(&self) -> String {
        match *self {}
    }
    fn alloc(&mut self, _: usize) -> Result<BufferId> {
        match *self {}
    }
    fn free(&mut self, _: BufferId) {
        match *self {}
    }
    fn upload(&mut self, _: BufferId, _: &[u8]) -> Result<()> {
        match *self {}
    }
    fn download(&mut self, _: BufferId, _: usize, _: &mut [u8]) -> Result<()> {
        match *self {}
    }
    fn launch(&mut self, _: &Launch<'_>) -> Result<()> {
        match *self {}
    }
    fn sync(&mut self) -> Result<()> {
        match *self {}
    }
    fn begin_capture(&mut self) -> Result<()> {
        match *self {}
    }
    fn end_capture(&mut self) -> Result<GraphId> {
        match *self {}
    }
    fn replay(&mut self, _: GraphId) -> Result<()> {
        match *self {}
    }
    fn multiprocessors(&self) -> u32 {
        match *self {}
    }
    fn tensor_cores(&self) -> bool {
        match *self {}
    }
}
