//! Where an iteration's time goes: by kind of operation, beside what the machine can do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::cli::output::say;
use crate::device::Device;
use crate::error::Result;
use crate::gradcheck::numbers;
use crate::plan::{Cost, Plan};
use crate::store::Store;
use crate::tape::Tape;

/// All operations of one name in an iteration.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct KindCost {
    /// How many an iteration has.
    pub calls: usize,
    /// Time of all of them, run one by one.
    pub ms: f64,
    /// 10^9 operations, counted for direct algorithms.
    pub gflop: f64,
    /// 10^9 bytes of inputs and results.
    pub gbyte: f64,
}

impl KindCost {
    fn gflops(&self) -> f64 {
        self.gflop / self.ms * 1e3
    }

    fn gbytes(&self) -> f64 {
        self.gbyte / self.ms * 1e3
    }
}

/// What the device reaches in the simplest cases.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Peak {
    /// GFLOP/s of its own product of two square matrices of `SIDE` rows.
    pub product_gflops: f64,
    /// GB/s, read and written, of doubling `LENGTH` numbers.
    pub copy_gbytes: f64,
}

const SIDE: usize = 1024;
const LENGTH: usize = 1 << 24;

impl Peak {
    /// Measured on that device: the best of a few runs.
    pub(super) fn of(device: Box<dyn Device>) -> Result<Self> {
        let mut store = Store::on(device);
        let square = numbers(1, SIDE * SIDE);
        let square = store.add_real("square", [SIDE, SIDE], &square)?;
        let long = store.add_zeros("long", [LENGTH])?;
        let tape = Tape::new();
        let square = store.var(&tape, square);
        let outputs = [square.matmul(square), store.var(&tape, long).scale(2.0)];
        let plan = Plan::new(&tape, &outputs, &store);
        let mut best = [Duration::MAX; 2];
        for _ in 0..6 {
            for (best, cost) in best.iter_mut().zip(plan.profile(&mut store)?) {
                *best = (*best).min(cost.time);
            }
        }
        let [product, copy] = best.map(|time| time.as_secs_f64() * 1e9);
        Ok(Self {
            product_gflops: 2.0 * (SIDE as f64).powi(3) / product,
            copy_gbytes: (2 * LENGTH * size_of::<f32>()) as f64 / copy,
        })
    }
}

/// Adds what a phase's operations took, of which an iteration has `repeats` of each.
pub(super) fn add(kinds: &mut BTreeMap<&'static str, KindCost>, costs: &[Cost], repeats: usize) {
    for cost in costs {
        let kind = kinds.entry(cost.name).or_default();
        let times = repeats as f64;
        kind.calls += repeats;
        kind.ms += times * cost.time.as_secs_f64() * 1e3;
        kind.gflop += times * cost.flops as f64 / 1e9;
        kind.gbyte += times * cost.bytes as f64 / 1e9;
    }
}

/// Prints a line for each kind that takes a hundredth of the time, the longest first.
pub(super) fn print(kinds: &BTreeMap<&'static str, KindCost>, peak: &Peak) -> Result<()> {
    let mut rows: Vec<_> = kinds.iter().collect();
    rows.sort_by(|a, b| b.1.ms.total_cmp(&a.1.ms));
    let total: f64 = rows.iter().map(|(_, k)| k.ms).sum();
    let bytes: f64 = rows.iter().map(|(_, k)| k.gbyte).sum();
    say!(
        "one by one {total:.1} ms, {bytes:.2} GB of inputs and results; shares are of a product of {SIDE} x \
         {SIDE}\nmatrices ({:.0} GFLOP/s) and of a copy ({:.0} GB/s), both measured here:",
        peak.product_gflops,
        peak.copy_gbytes
    )?;
    say!(
        "  {:<20}{:>6}{:>9}{:>7}{:>8}{:>7}{:>7}{:>7}{:>7}",
        "kind",
        "calls",
        "ms",
        "time",
        "GFLOP/s",
        "share",
        "GB",
        "GB/s",
        "share"
    )?;
    let (shown, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, k)| k.ms >= 0.01 * total);
    for (name, kind) in shown {
        let (flops, share) = match kind.gflops() {
            flops if flops > 0.0 => {
                (format!("{flops:.0}"), format!("{:.0} %", 100.0 * flops / peak.product_gflops))
            }
            _ => (String::new(), String::new()),
        };
        say!(
            "  {name:<20}{:>6}{:>9.2}{:>5.0} %{flops:>8}{share:>7}{:>7.3}{:>7.1}{:>5.0} %",
            kind.calls,
            kind.ms,
            100.0 * kind.ms / total,
            kind.gbyte,
            kind.gbytes(),
            100.0 * kind.gbytes() / peak.copy_gbytes
        )?;
    }
    let (calls, ms) = rest.iter().fold((0, 0.0), |(n, ms), (_, k)| (n + k.calls, ms + k.ms));
    say!("  {:<20}{calls:>6}{ms:>9.2}{:>5.0} %", "all others", 100.0 * ms / total)
}
