//! `invnet check`: samples against their certificate.

use std::path::PathBuf;

use clap::Args;

use super::output::say;
use crate::close::certificate::Certificate;
use crate::data::import::{Options, import};
use crate::error::{Error, Result};
use crate::words::{counted, verb};

/// What the help says after the options.
pub(super) const NOTES: &str = "Needs neither the run nor a network: the certificate says what was asked, how
it is measured, and how near it is. Exit code 1 says that something is not as it
was certified.

Example:
  invnet check runs/two-phase/generated/samples.npy \\
    --asks runs/two-phase/generated/certificate.csv";

/// Arguments of `check`.
#[derive(Args)]
pub(super) struct CheckArgs {
    /// The samples: samples.npy, or any file or folder that --format wrote.
    #[arg(value_name = "SAMPLES")]
    samples: PathBuf,
    /// Their certificate: certificate.csv, with certificate.json beside it.
    #[arg(long, value_name = "CERTIFICATE")]
    asks: PathBuf,
}

/// Measures samples and compares.
pub(super) fn run(args: &CheckArgs, quiet: bool) -> Result<()> {
    let certificate = Certificate::read(&args.asks)?;
    let images = certificate.images();
    let options = Options {
        size: Some(images.size),
        classes: Some(images.classes),
        keep_labels: true,
        ..Options::default()
    };
    let samples = import(&args.samples, &options)?;
    let checked = certificate.check(&samples.maps)?;
    if let Some((first, others)) = checked.differences.split_first() {
        let more = others.len() + checked.more;
        let more =
            if more > 0 { format!(", and {}", counted(more, "more difference")) } else { String::new() };
        return Err(Error::Failed(format!("{}: {first}{more}", args.samples.display())));
    }
    if !quiet {
        let (all, within) = (checked.samples, checked.within);
        let (samples, are) = (counted(all, "sample"), verb(all, "is", "are"));
        say!(
            "{samples} {are} as certified; {within} of {} within {} tolerances",
            verb(all, "it", "them"),
            verb(all, "its", "their")
        )?;
    }
    Ok(())
}
