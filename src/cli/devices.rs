//! `invnet devices`: what can compute here, and why the rest cannot; and the proof of a device.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{bar, note, say};
use super::{DeviceArg, DeviceChoice, room};
use crate::data::export::write_atomically;
use crate::device::Kind;
use crate::device::gpu::cuda::{self, cubins};
use crate::device::gpu::launch::FAMILIES;
use crate::device::gpu::prove::{Extent, Proof, prove};
use crate::error::{Error, Result};
use crate::words::{counted, verb};

/// Launches in the table for people.
const ROWS: usize = 20;

pub(super) const NOTES: &str = "\
--prove compares every operation, products of every precision and whole
iterations with double precision, graphs with single launches, and times every
launch of an iteration of both pairs at 128 x 128, width 64, batch 64: some
minutes on a card. Exit code 1 says that something is wrong.

--compile-to makes the kernels' code for cards of every kind beforehand. It
needs NVRTC and no card: where the folder lies beside the program, is called
cubins or is named by INVNET_CUBINS, cards need a driver and no NVRTC.

Examples:
  invnet devices --prove --json proof.json
  invnet devices --compile-to cubins --arch sm_90,sm_120";

/// Arguments of `devices`.
#[derive(Args)]
pub(super) struct DevicesArgs {
    /// Prove that the kernels are right on a device, and measure them.
    #[arg(long)]
    prove: bool,
    /// Also write everything that was found to FILE.
    #[arg(long, value_name = "FILE", requires = "prove")]
    json: Option<PathBuf>,
    /// Compile the kernels into a new folder of cubins, which this program then uses.
    #[arg(long, value_name = "DIR", conflicts_with = "prove")]
    compile_to: Option<PathBuf>,
    /// Architectures to compile for [default: sm_75, sm_80, sm_86, sm_89, sm_90, sm_100, sm_120].
    #[arg(long, value_name = "sm_N,...", value_delimiter = ',', requires = "compile_to", value_parser = arch)]
    arch: Vec<u32>,
    /// Time the launches of a tiny iteration only: seconds instead of minutes.
    #[arg(long, requires = "prove")]
    quick: bool,
    #[command(flatten)]
    device: DeviceArg,
}

fn arch(name: &str) -> std::result::Result<u32, String> {
    let number = name.strip_prefix("sm_").and_then(|number| number.parse().ok());
    number.ok_or_else(|| "must be sm_ and a number, as sm_90".into())
}

/// Lists devices, proves one, or compiles for others.
pub(super) fn run(args: &DevicesArgs, quiet: bool) -> Result<()> {
    if let Some(folder) = &args.compile_to {
        if let DeviceChoice::Named(kind) = args.device.device {
            return Err(Error::Usage(format!("--device {kind}: compiling takes no device, but --arch sm_N")));
        }
        return compile(folder, &args.arch, quiet);
    }
    if args.prove {
        let kind = match args.device.device {
            DeviceChoice::Auto => Kind::Cuda(0),
            DeviceChoice::Named(kind) => kind,
        };
        return proof(kind, args, quiet);
    }
    if let DeviceChoice::Named(kind) = args.device.device {
        return Err(Error::Usage(format!("--device {kind}: all are listed; --prove proves that one")));
    }
    say!("cpu     {}", counted(rayon::current_num_threads(), "thread"))?;
    for report in cuda::devices() {
        say!("{report}")?;
    }
    if cfg!(feature = "simt") {
        say!("simt    the CUDA kernels on the CPU, for tests")
    } else {
        say!("simt    not usable: this program was built without the feature simt")
    }
}

fn compile(folder: &Path, architectures: &[u32], quiet: bool) -> Result<()> {
    room::check_folder_name(folder)?;
    let mut all = if architectures.is_empty() { &cubins::ARCHITECTURES } else { architectures }.to_vec();
    all.sort_unstable();
    all.dedup();
    let bar = bar((all.len() * FAMILIES.len()) as u64, "{percent} %", quiet);
    let written = cubins::write(folder, &all, &|| bar.inc(1));
    bar.finish_and_clear();
    let [count, bytes] = written.map_err(|error| match error {
        // No device was asked for: a compiler is what is missing.
        Error::NoDevice { problem, .. } => Error::Usage(format!("--compile-to: {problem}")),
        other => other,
    })?;
    let names: Vec<String> = all.iter().map(|arch| format!("sm_{arch}")).collect();
    let (folder, mib) = (folder.display(), bytes as f64 / f64::from(1 << 20));
    say!("{folder}: {} for {}, {mib:.1} MiB", counted(count, "cubin"), names.join(", "))
}

fn proof(kind: Kind, args: &DevicesArgs, quiet: bool) -> Result<()> {
    // The kernels on the CPU would take hours for the whole.
    let extent = if args.quick || kind == Kind::Simt { Extent::Small } else { Extent::Whole };
    let proof = prove(kind, extent, &|what| {
        if !quiet {
            note!("{what} ...");
        }
    })?;
    if let Some(path) = &args.json {
        let text = serde_json::json!(proof).to_string() + "\n";
        write_atomically(path, |file| file.write_all(text.as_bytes()))?;
    }
    table(&proof)?;
    let failures = proof.failures();
    for failure in &failures {
        say!("WRONG: {failure}")?;
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::Failed(format!("{} comparisons failed on {}", failures.len(), proof.device)))
}

fn table(proof: &Proof) -> Result<()> {
    say!("{}", proof.device)?;
    if let Some(card) = &proof.card {
        let nvrtc = card.nvrtc.map_or_else(|| "none".into(), |(major, minor)| format!("{major}.{minor}"));
        let cubins = if card.cubins { "cubins of " } else { "" };
        say!(
            "{} multiprocessors at {} MHz, {:.0} GB/s, driver for CUDA {}.{}, {cubins}NVRTC {nvrtc}",
            card.multiprocessors,
            card.clock_mhz,
            card.bandwidth,
            card.driver.0,
            card.driver.1
        )?;
    }
    let right = proof.parity.iter().filter(|found| found.holds).count();
    let worst = proof.parity.iter().map(|found| found.share).fold(0.0, f64::max);
    let (all, hold) = (counted(proof.parity.len(), "comparison"), verb(right, "holds", "hold"));
    say!("{right} of {all} {hold}, the worst at {worst:.2} of its bound")?;
    let compared = proof.kernels.iter().filter(|kernel| kernel.compared).count();
    say!("{compared} of {} compared", counted(proof.kernels.len(), "kernel"))?;
    say!("graphs have the bits of single launches: {}", if proof.graph_equals_eager { "yes" } else { "NO" })?;
    for found in &proof.iterations {
        say!("an iteration, {}, {}: error {:.1e}", found.net, found.precision.name(), found.error)?;
    }
    say!(
        "{:>9} {:>5} {:>8} {:>8} {:>6}  {:<22} shape",
        "us each",
        "times",
        "GB/s",
        "TFLOP/s",
        "share",
        "kernel"
    )?;
    for row in proof.timings.iter().take(ROWS) {
        let share = row.share.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0));
        let rate = if row.tflop_s > 0.0 { format!("{:.2}", row.tflop_s) } else { String::new() };
        say!(
            "{:>9.1} {:>5} {:>8.1} {rate:>8} {share:>6}  {:<22} {} ({})",
            row.us,
            row.count,
            row.gb_s,
            row.kernel,
            row.shape,
            row.run
        )?;
    }
    Ok(())
}
