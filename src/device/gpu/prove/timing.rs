//! Every launch of an iteration by itself, against what the card allows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Extent, Place};
use crate::device::gpu::Precision;
use crate::device::gpu::cuda::DeviceDetails;
use crate::device::gpu::dry::{Limits, Seen};
use crate::device::gpu::launch::{Launch, Launcher, Span};
use crate::device::gpu::model::{CARDS, Work, dry_run};
use crate::device::{BufferId, Timer};
use crate::error::Result;
use crate::train::Config;

/// Launches that warm up, and those that are timed, as often as fits into some milliseconds.
const WARM: usize = 3;
const MOST: usize = 20;

/// A launch.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// The pair and precision whose iteration it is of.
    pub run: String,
    /// The kernel.
    pub kernel: String,
    /// What it works on.
    pub shape: String,
    /// How often an iteration launches it.
    pub count: usize,
    /// Microseconds of one, the mean of several in a row. On a card that begins kernels early (`card.early`) the
    /// blocks of the next are placed meanwhile, as they are in an iteration; it does nothing before this one has ended.
    pub us: f64,
    /// Bytes of its tensors over its time, GB/s.
    pub gb_s: f64,
    /// Operations of a product over its time, TFLOP/s.
    pub tflop_s: f64,
    /// The larger of its share of the memory's bandwidth and of the arithmetic's peak, where the card is
    /// known.
    pub share: Option<f64>,
}

/// The runs whose launches are timed: pair, and settings.
fn runs(extent: Extent) -> &'static [(&'static str, &'static [&'static str])] {
    match extent {
        Extent::Whole => &[
            ("dcgan", &["net=dcgan", "size=128", "width=64", "batch=64"]),
            ("resnet", &["net=resnet", "size=128", "width=64", "batch=64"]),
        ],
        Extent::Small => &[("dcgan", &["net=dcgan", "size=16", "width=12", "batch=2"])],
    }
}

/// Times every distinct launch of an iteration of both pairs in every precision.
pub(super) fn launches(place: &Place, precisions: &[Precision], extent: Extent) -> Result<Vec<Timing>> {
    let mut all = Vec::new();
    let card = super::details(place.kind);
    for &(net, settings) in runs(extent) {
        for &precision in precisions {
            let mut config = Config::preset("circles")?;
            config.set_all(settings.iter().copied(), "prove")?;
            config.net.precision = precision;
            let mut launcher = place.launcher()?;
            let limits = Limits {
                multiprocessors: launcher.multiprocessors(),
                shared: launcher.shared_limit(),
                arch: launcher.arch(),
            };
            let budget = dry_run(&config, limits)?;
            let run = format!("{net}, {}", precision.name());
            all.extend(of_run(&run, &budget.launches, &mut *launcher, card.as_ref())?);
        }
    }
    all.sort_by(|a, b| (b.us * b.count as f64).total_cmp(&(a.us * a.count as f64)));
    Ok(all)
}

fn of_run(
    run: &str,
    seen: &[Seen],
    launcher: &mut dyn Launcher,
    card: Option<&DeviceDetails>,
) -> Result<Vec<Timing>> {
    // Kernel, grid, arguments and bytes make a launch; how often it is made.
    let mut distinct = BTreeMap::<_, (&Seen, usize)>::new();
    for launch in seen {
        let key = (launch.kernel, launch.grid, &launch.params[..], Work::of(launch).bytes);
        distinct.entry(key).or_insert((launch, 0)).1 += 1;
    }
    let mut all = Vec::new();
    for (launch, count) in distinct.into_values() {
        // Zeros, which all kernels take: as row numbers, as labels, as numbers. What another has left
        // would lead an index astray.
        let block = launcher.alloc(bytes(launch))?;
        let us = time(launch, block, launcher);
        launcher.free(block);
        let us = us?;
        let work = Work::of(launch);
        let (gb_s, tflop_s) = (work.bytes as f64 / us / 1e3, work.flops as f64 / us / 1e6);
        let (precision, wide) =
            work.product.map_or((Precision::Fp32, false), |product| (product.precision, product.wide));
        let peaks = card.and_then(|card| peaks(card, precision, wide));
        let share = peaks.map(|[memory, arithmetic]| (gb_s / memory).max(tflop_s / arithmetic));
        let (run, kernel) = (run.to_owned(), launch.kernel.to_owned());
        all.push(Timing { run, kernel, shape: work.shape, count, us, gb_s, tflop_s, share });
    }
    Ok(all)
}

/// Bytes of all tensors of a launch, each at a place of its own.
fn bytes(launch: &Seen) -> usize {
    launch.spans.iter().map(|span| span.bytes.next_multiple_of(256)).sum()
}

/// Microseconds of a launch on tensors within `block`.
fn time(launch: &Seen, block: BufferId, launcher: &mut dyn Launcher) -> Result<f64> {
    let mut offset = 0;
    let placed = launch.spans.iter().map(|span| {
        let placed = Span { buffer: block, offset, ..*span };
        offset += span.bytes.next_multiple_of(256);
        if span.bytes == 0 { Span::NONE } else { placed }
    });
    let spans: Vec<Span> = placed.collect();
    let again = Launch {
        kernel: launch.kernel,
        grid: launch.grid,
        shared: launch.shared,
        spans: &spans,
        table: launch.table,
        params: &launch.params,
    };
    let mut timed = |times: usize| -> Result<f64> {
        let timer: Timer = launcher.start_timer()?;
        for _ in 0..times {
            launcher.launch(&again)?;
        }
        Ok(launcher.stop_timer(timer)?.as_secs_f64() * 1e6 / times as f64)
    };
    timed(1)?;
    let first = timed(1)?;
    // The host's kernels take their time, and theirs says nothing.
    if first > 2e3 {
        return Ok(first);
    }
    timed(WARM)?;
    timed(MOST)
}

/// Bandwidth, GB/s, and arithmetic, TFLOP/s, of this card; none for one that nobody described.
fn peaks(details: &DeviceDetails, precision: Precision, wide: bool) -> Option<[f64; 2]> {
    let arch = details.capability.0 * 10 + details.capability.1;
    // Of the same architecture, by multiprocessors and clock: a part of the one in the table.
    let card = CARDS.iter().find(|card| card.arch == arch)?;
    let part = f64::from(details.multiprocessors) * f64::from(details.clock_mhz) * 1e6
        / (f64::from(card.multiprocessors) * card.clock);
    Some([details.bandwidth / 1e9, card.peak(precision, wide) * part / 1e12])
}
