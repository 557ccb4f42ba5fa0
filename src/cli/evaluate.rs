//! `invnet evaluate`.

use super::lock::Lock;
use super::output::{print, say};
use super::{EvaluateArgs, room};
use crate::error::Result;
use crate::eval::report::{ClosedReport, Report};
use crate::train::Sampler;
use crate::train::dataset::Real;

/// What the command writes.
const FILES: [&str; 2] = ["report.json", "report.png"];

/// Measures a run and writes `report.json` and `report.png`.
pub(super) fn run(args: &EvaluateArgs, quiet: bool) -> Result<()> {
    let folder = if args.run.is_file() { args.run.parent().unwrap_or(&args.run) } else { &args.run };
    let out = args.out.clone().unwrap_or_else(|| folder.join("evaluated"));
    room::check_folder_name(&out)?;
    FILES.iter().try_for_each(|file| room::check_absent(&out.join(file), args.overwrite))?;
    let kind = args.device.kind();
    let (config, mut sampler) = Sampler::open(&args.run, kind)?;
    args.device.announce(kind, false, quiet);
    let real = Real::of(&config, &mut *kind.for_data()?)?;
    let mut report = Report::measure(&mut sampler, &real, args.samples as usize)?;
    report.warnings.splice(0..0, super::train::warning(folder, &config, sampler.task().images().size)?);
    if args.closed {
        report.closed = Some(ClosedReport::measure(&mut sampler, &real.held_out, args.samples as usize)?);
    }
    let _lock = Lock::take(&out)?;
    report.write(&out)?;
    print(report.table())?;
    if !quiet {
        say!("report in {} and {}", out.join("report.json").display(), out.join("report.png").display())?;
    }
    Ok(())
}
