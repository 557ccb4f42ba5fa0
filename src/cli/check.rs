//! `invnet check`: samples against their certificate.

use std::path::{Path, PathBuf};

use clap::Args;

use super::generate::SAMPLES;
use super::output::say;
use crate::close::certificate::Certificate;
use crate::data::import::{Options, import};
use crate::error::{Error, Result};
use crate::invariance::Images;
use crate::words::{counted, verb};

/// What the help says after the options.
pub(super) const NOTES: &str = "\
Needs neither the run nor a network: the certificate says what was asked, how
it is measured, and how near it is. Exit code 1 says that something is not as it
was certified.

Example:
  invnet check runs/two-phase/generated/samples.npy \\
    --asks runs/two-phase/generated/certificate.csv";

/// Arguments of `check`.
#[derive(Args)]
pub(super) struct CheckArgs {
    /// The samples: samples.npy, its folder, or any file or folder with pixels that --format wrote.
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
    let samples = import(pixels_of(&args.samples), &options).map_err(|e| unlike(e, images))?;
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

/// The file of samples in a folder of `generate`, which holds other arrays too; else what was named.
fn pixels_of(path: &Path) -> PathBuf {
    let samples = path.join(SAMPLES);
    if samples.is_file() { samples } else { path.to_path_buf() }
}

/// What is no class maps of the certificate, without advice that only other commands can take.
fn unlike(error: Error, images: &Images) -> Error {
    match error {
        Error::File { path, problem } if problem.contains("--") || problem.contains("table of numbers") => {
            let ([h, w], classes) = (images.size, counted(images.classes, "class"));
            let problem = format!(
                "holds no class maps of {h} x {w} pixels and {classes}, of which the certificate is: name \
                 {SAMPLES}, or a file or folder with pixels that --format wrote beside it"
            );
            Error::File { path, problem }
        }
        other => other,
    }
}
