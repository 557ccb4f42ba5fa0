//! Cards that the model knows: what their makers state, and what is assumed of them.

use crate::device::gpu::Precision;
use crate::device::gpu::dry::Limits;

/// A card.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    /// Compute capability as one number: 90 for 9.0.
    pub arch: u32,
    /// The product.
    pub name: &'static str,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Clock under load, in Hz.
    pub clock: f64,
    /// Bandwidth of memory, bytes a second.
    pub memory: f64,
    /// Bandwidth of the second-level cache, bytes a second: assumed, 0.61 of what its width allows.
    pub cache: f64,
    /// Single-precision fused multiply-adds of a multiprocessor in a cycle.
    pub lanes: f64,
    /// Dense tensor-core operations a second in tf32 and bf16, with sums in single precision.
    pub tensor: [f64; 2],
    /// The part of it that `mma.sync` reaches: assumed 0.62 on Hopper, whose own instruction is wgmma, and half of
    /// that on datacenter Blackwell, which has one of its own too and twice the peak.
    pub mma: f64,
    /// Shared memory of a multiprocessor and of a block, in KiB.
    pub shared: [u32; 2],
    /// Threads of a multiprocessor.
    pub threads: u32,
}

/// Every card, a row an architecture: white papers and data sheets of NVIDIA but for `cache` and `mma`.
pub static CARDS: &[Card] = &[
    Card {
        arch: 75,
        name: "T4",
        multiprocessors: 40,
        clock: 1.35e9,
        memory: 320e9,
        cache: 1.0e12,
        lanes: 64.0,
        tensor: [0.0, 0.0],
        mma: 1.0,
        shared: [64, 64],
        threads: 1024,
    },
    Card {
        arch: 80,
        name: "A100 SXM 80 GB",
        multiprocessors: 108,
        clock: 1.41e9,
        memory: 2.039e12,
        cache: 4.4e12,
        lanes: 64.0,
        tensor: [156e12, 312e12],
        mma: 1.0,
        shared: [164, 163],
        threads: 2048,
    },
    Card {
        arch: 86,
        name: "RTX 3090",
        multiprocessors: 82,
        clock: 1.695e9,
        memory: 936e9,
        cache: 2.1e12,
        lanes: 128.0,
        tensor: [35.6e12, 71e12],
        mma: 1.0,
        shared: [100, 99],
        threads: 1536,
    },
    Card {
        arch: 89,
        name: "RTX 4090",
        multiprocessors: 128,
        clock: 2.52e9,
        memory: 1.008e12,
        cache: 3.5e12,
        lanes: 128.0,
        tensor: [82.6e12, 165.2e12],
        mma: 1.0,
        shared: [100, 99],
        threads: 1536,
    },
    Card {
        arch: 90,
        name: "H100 SXM",
        multiprocessors: 132,
        clock: 1.755e9,
        memory: 3.35e12,
        cache: 5.5e12,
        lanes: 128.0,
        tensor: [495e12, 989e12],
        mma: 0.62,
        shared: [228, 227],
        threads: 2048,
    },
    Card {
        arch: 100,
        name: "B200",
        multiprocessors: 148,
        clock: 1.965e9,
        memory: 8.0e12,
        cache: 6.1e12,
        lanes: 128.0,
        tensor: [1.125e15, 2.25e15],
        mma: 0.31,
        shared: [228, 227],
        threads: 2048,
    },
    Card {
        arch: 120,
        name: "RTX 5090",
        multiprocessors: 170,
        clock: 2.41e9,
        memory: 1.792e12,
        cache: 4.5e12,
        lanes: 128.0,
        tensor: [104.8e12, 209.5e12],
        mma: 1.0,
        shared: [100, 99],
        threads: 1536,
    },
];

impl Card {
    /// The card of an architecture, as `sm_90`; none that the model does not know.
    #[must_use]
    pub fn of(arch: &str) -> Option<&'static Self> {
        let number: u32 = arch.strip_prefix("sm_")?.parse().ok()?;
        CARDS.iter().find(|card| card.arch == number)
    }

    /// What decides grids and kernels.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { multiprocessors: self.multiprocessors, shared: self.shared[1] << 10, arch: self.arch }
    }

    /// Operations a second of products in that precision, at most: by warpgroups (`wide`), or by `mma.sync`.
    #[must_use]
    pub fn peak(&self, precision: Precision, wide: bool) -> f64 {
        let mma = if wide { 1.0 } else { self.mma };
        match precision {
            Precision::Fp32 => 2.0 * self.lanes * self.clock * f64::from(self.multiprocessors),
            Precision::Tf32 => self.tensor[0] * mma,
            Precision::Bf16 => self.tensor[1] * mma,
        }
    }

    /// Blocks of a kernel that a multiprocessor holds at a time, at least one.
    #[must_use]
    pub fn resident(&self, threads: u32, registers: u32, shared: u32) -> u32 {
        // Registers go to warps by 256, a block's shared memory carries 1 KiB of the system's.
        let by_registers = 65_536 / (registers.max(1) * 32).next_multiple_of(256) / (threads / 32);
        let by_shared = (self.shared[0] << 10) / (shared + 1024);
        (self.threads / threads).min(by_registers).min(by_shared).clamp(1, 32)
    }
}
