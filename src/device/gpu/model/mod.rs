//! How long an iteration should take on a card, computed and not measured.
//!
//! A dry run lists every launch with its grid and its tensors; the compiler and the disassembler say
//! how many instructions the kernel is. A launch takes as long as the slowest of four, of which it
//! must do all:
//!
//! - issue: instructions of the busiest multiprocessor, four a cycle, at 3/4 of that with 16 warps
//!   there, less with fewer, as the root of their number. The main loop runs as often as the slices of
//!   a tile, or as the bytes of a thread over those of a turn, say; all else runs once.
//! - cache: bytes that tiles take from the second-level cache;
//! - tensor: operations of whole tiles, at 0.85 of the peak in that precision;
//! - memory: bytes of the tensors, at 0.85 of the bandwidth.
//!
//! and 1.5 microseconds more, which a launch within a graph costs, and of a chain .8 for each link. Without compiler or disassembler
//! the first is left out, which the result says. The cards are in `card.rs`.

mod card;
pub mod code;
mod work;

pub use card::{CARDS, Card};
pub use work::{Product, Work};

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;
use serde::Serialize;

use super::Gpu;
use super::dry::{Dry, Limits, Seen};
use super::launch::{self, FAMILIES};
use super::params::Chain;
use crate::error::{Error, Result};
use crate::train::{Config, Trainer};
use code::KernelCode;

/// Seconds that a launch within a graph takes beside its work.
const LAUNCH: f64 = 1.5e-6;
/// Seconds of a link of a chain: to the second-level cache and back, and a barrier. Assumed.
const LINK: f64 = 0.8e-6;
/// Bytes of a launch below which its time is its latency.
const SMALL: u64 = 2_000_000;

/// What an iteration asks of a card.
pub struct Budget {
    /// Every launch, in order.
    pub launches: Vec<Seen>,
    /// Rows and columns of an image.
    pub size: [usize; 2],
    /// Bytes on the device, of the arena among them, as the engine holds them.
    pub device_bytes: usize,
    /// Bytes of the largest plan's arena.
    pub arena_bytes: usize,
}

/// Lists what one iteration of a configuration launches on a card of those limits. The images are
/// stand-ins of the right size: nothing of the list depends on them.
///
/// # Errors
/// If the configuration cannot be trained with.
pub fn dry_run(config: &Config, limits: Limits) -> Result<Budget> {
    let (dry, log) = Dry::new(limits);
    let mut trainer = Trainer::on_stand_ins(config, Box::new(Gpu::new(dry, config.net.precision)))?;
    trainer.advance(1, &|| false)?;
    let launches = std::mem::take(&mut *log.lock().expect("no thread panics while it holds this"));
    let size = trainer.images().size;
    Ok(Budget { launches, size, device_bytes: trainer.device_bytes(), arena_bytes: trainer.arena_bytes() })
}

impl Budget {
    /// Launches, bytes of their tensors, and operations of their products.
    #[must_use]
    pub fn totals(&self) -> (usize, u64, u64) {
        let works = self.launches.iter().map(Work::of);
        let (bytes, flops) = works.fold((0, 0), |(b, f), work| (b + work.bytes, f + work.flops));
        (self.launches.len(), bytes, flops)
    }
}

/// What bounds a launch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// Instructions.
    Issue,
    /// The second-level cache.
    Cache,
    /// Tensor cores, or multiply-adds.
    Tensor,
    /// Memory.
    Memory,
    /// Nothing: too little work.
    Launch,
}

/// All launches of a kernel on one shape.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The kernel.
    pub kernel: String,
    /// What it works on.
    pub shape: String,
    /// Launches in an iteration.
    pub count: usize,
    /// Blocks of one.
    pub blocks: u64,
    /// Bytes of the tensors of one.
    pub bytes: u64,
    /// Operations of a product, of one.
    pub flops: u64,
    /// Instructions of the main loop for each tensor-core operation, or fused multiply-add.
    pub per_multiply: Option<f64>,
    /// Registers of a thread.
    pub registers: Option<u32>,
    /// Blocks that a multiprocessor holds.
    pub resident: Option<u32>,
    /// What bounds it.
    pub bound: Bound,
    /// Milliseconds of all of them.
    pub ms: f64,
}

/// The model's answer.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// The architecture, as `sm_90`.
    pub arch: String,
    /// The card that stands for it.
    pub card: &'static str,
    /// Rows and columns of an image.
    pub size: [usize; 2],
    /// Milliseconds of an iteration.
    pub ms: f64,
    /// Of those, of convolutions and matrix products.
    pub ms_products: f64,
    /// Launches.
    pub launches: usize,
    /// Launches of less than 2 MB.
    pub small_launches: usize,
    /// Bytes of tensors, products' operands among them.
    pub bytes: u64,
    /// Bytes of all but products.
    pub bytes_elsewhere: u64,
    /// Operations of products.
    pub flops: u64,
    /// The engine's memory on the device, MiB.
    pub device_mib: f64,
    /// The largest plan's arena, MiB.
    pub arena_mib: f64,
    /// What could not be taken into account; none if nothing.
    pub lacks: Option<String>,
    /// By kernel and shape, the longest first.
    pub rows: Vec<Row>,
}

/// What one iteration of a configuration should take on a card.
///
/// # Errors
/// If the configuration cannot be trained with, or a kernel does not compile.
pub fn estimate(config: &Config, card: &'static Card) -> Result<Estimate> {
    let budget = dry_run(config, card.limits())?;
    let (codes, lacks) = codes(&budget.launches, card.arch);
    Ok(summary(&budget, &codes, card, lacks))
}

/// The code of all kernels that were launched; and why there is none.
fn codes(launches: &[Seen], arch: u32) -> (HashMap<String, KernelCode>, Option<String>) {
    let used: HashSet<usize> = launches.iter().map(|seen| launch::find(seen.kernel).0).collect();
    let all: Result<Vec<_>> = used.par_iter().map(|&family| code::kernels(&FAMILIES[family], arch)).collect();
    match all {
        Ok(all) => (all.into_iter().flatten().collect(), None),
        Err(error) => {
            // No device was asked for: a compiler or a disassembler is what is missing.
            let problem =
                if let Error::NoDevice { problem, .. } = error { problem } else { error.to_string() };
            (HashMap::new(), Some(format!("instructions are not counted: {problem}")))
        }
    }
}

fn summary(
    budget: &Budget,
    codes: &HashMap<String, KernelCode>,
    card: &'static Card,
    lacks: Option<String>,
) -> Estimate {
    let mut rows: BTreeMap<(&str, String, u64), Row> = BTreeMap::new();
    let (mut ms, mut ms_products, mut small, mut elsewhere) = (0.0, 0.0, 0, 0);
    for seen in &budget.launches {
        let work = Work::of(seen);
        let code = codes.get(seen.kernel);
        let (seconds, bound) = time(seen, &work, code, card);
        ms += seconds * 1e3;
        if work.flops > 0 {
            ms_products += seconds * 1e3;
        } else {
            elsewhere += work.bytes;
        }
        small += usize::from(work.bytes < SMALL);
        let threads = launch::find(seen.kernel).1.threads;
        let blocks = blocks(seen);
        let row = rows.entry((seen.kernel, work.shape.clone(), blocks)).or_insert_with(|| Row {
            kernel: seen.kernel.into(),
            shape: work.shape.clone(),
            count: 0,
            blocks,
            bytes: work.bytes,
            flops: work.flops,
            per_multiply: code.zip(work.product).and_then(|(code, product)| per_multiply(code, &product)),
            registers: code.map(|code| code.registers),
            resident: code.map(|code| card.resident(threads, code.registers, code.shared + seen.shared)),
            bound,
            ms: 0.0,
        });
        row.count += 1;
        row.ms += seconds * 1e3;
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let (launches, bytes, flops) = budget.totals();
    Estimate {
        arch: format!("sm_{}", card.arch),
        card: card.name,
        size: budget.size,
        ms,
        ms_products,
        launches,
        small_launches: small,
        bytes,
        bytes_elsewhere: elsewhere,
        flops,
        device_mib: mib(budget.device_bytes),
        arena_mib: mib(budget.arena_bytes),
        lacks,
        rows,
    }
}

fn blocks(seen: &Seen) -> u64 {
    seen.grid.iter().map(|&side| u64::from(side)).product()
}

/// Instructions of the main loop for each tensor-core operation or multiply-add of a product.
fn per_multiply(code: &KernelCode, product: &Product) -> Option<f64> {
    let multiplies = |counts: &code::Counts| match product.precision {
        super::Precision::Fp32 => counts.fma,
        _ => counts.mma,
    };
    let body = code.main_loop(multiplies)?;
    Some(f64::from(body.all) / f64::from(multiplies(&body)))
}

/// Instructions of a warp.
fn instructions(seen: &Seen, work: &Work, code: &KernelCode, threads: u32) -> f64 {
    let whole = f64::from(code.whole.all) * work.share;
    if let Some(product) = &work.product {
        let per = per_multiply(code, product).unwrap_or(0.0);
        let multiplies = f64::from(product.slices()) * f64::from(product.multiplies(threads));
        return whole + per * multiplies;
    }
    if let Some([inner, outer]) = work.trips {
        let multiplies = |counts: &code::Counts| if code.whole.mma > 0 { counts.mma } else { counts.fma };
        let inside = code.main_loop(multiplies).unwrap_or_default();
        // The loop around it: the longest.
        let around = code.loops.iter().map(|body| body.all).max().unwrap_or(0).saturating_sub(inside.all);
        return whole + inner * f64::from(inside.all) + outer * f64::from(around);
    }
    let Some(body) = code.main_loop(|counts| counts.load_bytes) else { return whole };
    let threads = blocks(seen) as f64 * f64::from(threads);
    let trips = work.read as f64 / threads / f64::from(body.load_bytes);
    whole + (trips - 1.0).max(0.0) * f64::from(body.all)
}

/// Seconds of a launch, and what bounds it.
fn time(seen: &Seen, work: &Work, code: Option<&KernelCode>, card: &Card) -> (f64, Bound) {
    if seen.kernel == "chain" {
        let chain: Chain = bytemuck::pod_read_unaligned(&seen.params);
        return (LAUNCH + f64::from(chain.count) * LINK, Bound::Launch);
    }
    let threads = launch::find(seen.kernel).1.threads;
    let blocks = blocks(seen) as f64;
    let multiprocessors = f64::from(card.multiprocessors);
    // Blocks of the busiest multiprocessor, and how far that is from an even share.
    let most = (blocks / multiprocessors).ceil();
    let uneven = most * multiprocessors / blocks;
    let mut bounds = vec![(work.bytes as f64 / card.memory / 0.85, Bound::Memory)];
    if let Some(code) = code {
        let resident = f64::from(card.resident(threads, code.registers, code.shared + seen.shared));
        let warps = resident.min(most) * f64::from(threads / 32);
        let busy = 0.75 * (warps / 16.0).sqrt().min(1.0);
        let issued = most * f64::from(threads / 32) * instructions(seen, work, code, threads);
        bounds.push((issued / (4.0 * card.clock * busy), Bound::Issue));
    }
    if let Some(product) = &work.product {
        let [rows, columns] = product.tile.map(f64::from);
        let [of_a, of_b] = product.bytes.map(f64::from);
        let terms = f64::from(product.slices() * product.slice());
        bounds.push((blocks * terms * (rows * of_a + columns * of_b) / card.cache * uneven, Bound::Cache));
        let operations = 2.0 * blocks * terms * rows * columns;
        let peak = card.peak(product.precision, product.wide);
        bounds.push((operations / peak / 0.85 * uneven, Bound::Tensor));
    }
    let (slowest, bound) =
        bounds.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, Bound::Launch));
    (slowest + LAUNCH, if slowest < LAUNCH { Bound::Launch } else { bound })
}
