//! `invnet bench model`: what an iteration should take on a card that need not be here.

use clap::Args;

use super::output::say;
use super::{family, precision};
use crate::device::gpu::Precision;
use crate::device::gpu::model::{CARDS, Card, Estimate, estimate};
use crate::error::Result;
use crate::nn::Family;
use crate::train::Config;

/// Rows of the table for people.
const ROWS: usize = 24;

pub(super) const NOTES: &str = "\
Every launch of an iteration is listed by a dry run; its time is that of the
slowest of instructions (NVRTC's machine code, disassembled), second-level
cache, tensor cores and memory, and of its launch. No device is used.
scripts/setup-nvrtc fetches compiler and disassembler; without them
instructions are left out.

Example:
  invnet bench model --arch sm_90 --size 128 --width 64 --batch 64 \\
    --precision bf16";

/// Arguments of `bench model`.
#[derive(Args)]
pub(super) struct ModelArgs {
    /// The card, by its architecture: sm_75, sm_80, sm_86, sm_89, sm_90, sm_100 or sm_120.
    #[arg(long, default_value = "sm_90", value_parser = card)]
    arch: &'static Card,
    /// The preset whose iteration it is.
    #[arg(long, default_value = "circles")]
    preset: String,
    /// Pixels a side [default: the preset's].
    #[arg(long)]
    size: Option<usize>,
    /// Channels next to the image [default: the preset's].
    #[arg(long)]
    width: Option<usize>,
    /// Samples a step [default: the preset's].
    #[arg(long)]
    batch: Option<usize>,
    /// The pair of networks: dcgan, resize or resnet [default: the preset's].
    #[arg(long, value_parser = family)]
    net: Option<Family>,
    /// What products multiply: fp32, tf32 or bf16 [default: the preset's].
    #[arg(long, value_parser = precision)]
    precision: Option<Precision>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn card(name: &str) -> Result<&'static Card, String> {
    let known: Vec<String> = CARDS.iter().map(|card| format!("sm_{}", card.arch)).collect();
    Card::of(name).ok_or_else(|| format!("must be one of {}", known.join(", ")))
}

/// Prints a table, or one JSON object.
///
/// # Errors
/// If a value is out of range or a kernel does not compile.
pub(super) fn run(args: &ModelArgs) -> Result<()> {
    let mut config = Config::preset(&args.preset)?;
    config.net.precision = args.precision.unwrap_or(config.net.precision);
    config.net.family = args.net.unwrap_or(config.net.family);
    let given = [("size", args.size), ("width", args.width), ("batch", args.batch)];
    let settings: Vec<String> =
        given.iter().filter_map(|(key, value)| Some(format!("{key}={}", (*value)?))).collect();
    config.set_all(settings.iter().map(String::as_str), "bench model")?;
    let found = estimate(&config, args.arch)?;
    if args.json {
        let mut object = serde_json::json!({
            "preset": args.preset,
            "net": config.net.family,
            "precision": config.net.precision,
            "width": config.net.width,
            "batch": config.train.batch,
        });
        if let (Some(all), serde_json::Value::Object(rest)) =
            (object.as_object_mut(), serde_json::json!(found))
        {
            all.extend(rest);
        }
        return say!("{object}");
    }
    table(&found)
}

fn table(found: &Estimate) -> Result<()> {
    say!("a model of {} ({}), no measurement: {:.1} ms an iteration", found.card, found.arch, found.ms)?;
    if let Some(lacks) = &found.lacks {
        say!("  {lacks}")?;
    }
    say!(
        "  {:.1} ms of it products: {:.2} TFLOP; {:.1} GB elsewhere; {} launches, {} under 2 MB",
        found.ms_products,
        found.flops as f64 / 1e12,
        found.bytes_elsewhere as f64 / 1e9,
        found.launches,
        found.small_launches
    )?;
    say!("  {:.0} MiB on the device, {:.0} MiB of it the arena", found.device_mib, found.arena_mib)?;
    say!(
        "{:>8} {:>5} {:>9} {:>7} {:>5} {:>6}  {:<22} shape",
        "ms",
        "times",
        "us each",
        "TFLOP/s",
        "per x",
        "bound",
        "kernel"
    )?;
    for row in found.rows.iter().take(ROWS) {
        let each = row.ms / row.count as f64;
        let rate =
            if row.flops > 0 { format!("{:.1}", row.flops as f64 / each / 1e9) } else { String::new() };
        let per = row.per_multiply.map_or(String::new(), |per| format!("{per:.1}"));
        let bound = format!("{:?}", row.bound).to_lowercase();
        say!(
            "{:>8.2} {:>5} {:>9.1} {rate:>7} {per:>5} {bound:>6}  {:<22} {}",
            row.ms,
            row.count,
            each * 1e3,
            row.kernel,
            row.shape
        )?;
    }
    let (rest, ms) = found.rows.iter().skip(ROWS).fold((0, 0.0), |(n, ms), row| (n + row.count, ms + row.ms));
    if rest > 0 { say!("{ms:>8.2} {rest:>5} {:>9} others", "") } else { Ok(()) }
}
