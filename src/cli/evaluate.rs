//! `invnet evaluate`.

use super::EvaluateArgs;
use crate::error::{Error, Result};
use crate::eval::report::Report;
use crate::train::Sampler;
use crate::train::dataset::held_out;

/// Measures a run and writes `report.json` and `report.png`.
pub(super) fn run(args: &EvaluateArgs, quiet: bool) -> Result<()> {
    let kind = args.device.kind();
    let (config, mut sampler) = Sampler::open(&args.run, kind)?;
    args.device.announce(kind, quiet);
    let real = held_out(&config, &mut *kind.for_data()?)?;
    let report = Report::measure(&mut sampler, &real, args.samples as usize)?;
    let out = args.out.as_deref().unwrap_or(&args.run);
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
    report.write(out)?;
    print!("{}", report.table());
    if !quiet {
        println!("report in {} and {}", out.join("report.json").display(), out.join("report.png").display());
    }
    Ok(())
}
