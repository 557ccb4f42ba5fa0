//! Device memory, kept for the next block of the same size.
//!
//! Training asks for the same sizes again and again, and the driver stops the device to give
//! memory back. All work runs in one stream, so a block may be handed on at once: what still
//! reads it runs before what will write it.

use std::collections::HashMap;

use super::status::{DriverError, Status};
use super::stream::{Memory, Stream};
use crate::device::BufferId;

/// Sizes are rounded up to this, as the driver does.
const GRAIN: usize = 256;

/// Bytes of device memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryUse {
    /// In blocks that someone holds.
    pub in_use: usize,
    /// The most there ever were in such blocks.
    pub peak: usize,
    /// In blocks that wait for someone to ask for their size.
    pub spare: usize,
}

/// The blocks of one device. A number is never given twice, so a block used after it was freed is
/// noticed.
#[derive(Default)]
pub(super) struct Pool {
    blocks: Vec<Option<Memory>>,
    spare: HashMap<usize, Vec<Memory>>,
    usage: MemoryUse,
}

impl Pool {
    /// A block of zeros. When memory is used up, spare blocks go back to the driver first.
    pub fn take(&mut self, stream: &Stream, bytes: usize) -> Result<BufferId, DriverError> {
        let bytes = bytes.max(1).next_multiple_of(GRAIN);
        let memory = match self.spare.get_mut(&bytes).and_then(Vec::pop) {
            Some(memory) => {
                self.usage.spare -= bytes;
                memory
            }
            None => match stream.allocate(bytes) {
                Err(DriverError(Status::OUT_OF_MEMORY)) if self.usage.spare > 0 => {
                    self.trim(stream)?;
                    stream.allocate(bytes)?
                }
                other => other?,
            },
        };
        if let Err(error) = stream.zero(&memory) {
            self.keep(memory);
            return Err(error);
        }
        self.usage.in_use += bytes;
        self.usage.peak = self.usage.peak.max(self.usage.in_use);
        self.blocks.push(Some(memory));
        Ok(BufferId(self.blocks.len() - 1))
    }

    /// Takes a block back.
    pub fn give(&mut self, block: BufferId) {
        let memory = self.blocks[block.0].take().expect("a block is freed once");
        self.usage.in_use -= memory.bytes();
        self.keep(memory);
    }

    fn keep(&mut self, memory: Memory) {
        self.usage.spare += memory.bytes();
        self.spare.entry(memory.bytes()).or_default().push(memory);
    }

    /// Gives spare blocks back to the driver.
    pub fn trim(&mut self, stream: &Stream) -> Result<(), DriverError> {
        self.usage.spare = 0;
        let spare: Vec<Memory> = self.spare.drain().flat_map(|(_, list)| list).collect();
        let mut outcome = Ok(());
        for memory in spare {
            outcome = outcome.and(stream.release(memory));
        }
        outcome
    }

    /// Gives everything back to the driver. For the end: a driver that is gone needs nothing back.
    pub fn clear(&mut self, stream: &Stream) {
        let _ = self.trim(stream);
        for memory in self.blocks.drain(..).flatten() {
            let _ = stream.release(memory);
        }
    }

    /// The block of that number.
    pub fn memory(&self, block: BufferId) -> &Memory {
        self.blocks[block.0].as_ref().expect("a block is used before it is freed")
    }

    pub fn usage(&self) -> MemoryUse {
        self.usage
    }
}
