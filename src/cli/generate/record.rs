//! `generated.json`: what a folder of samples was made from, and which files of it are the program's.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::export::write_atomically;
use crate::error::{Error, Result};
use crate::train::Sampler;
use crate::train::target::Target;

/// The name of the file.
pub(super) const FILE: &str = "generated.json";
/// The number of its format.
const FORMAT: u32 = 1;

/// Everything that decides the samples, and what has been written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Record {
    format: u32,
    /// The program that wrote it, and its version.
    program: String,
    /// Where the run was, for whoever joins shards.
    pub(in crate::cli) run: String,
    /// SHA-256 of the checkpoint.
    pub(in crate::cli) checkpoint: String,
    /// Kind of device: two kinds may differ in a few pixels.
    pub(in crate::cli) device: String,
    pub(in crate::cli) seed: u64,
    /// Samples of all shards.
    pub(in crate::cli) count: usize,
    /// This one, counted from 1, and how many there are.
    pub(in crate::cli) shard: [usize; 2],
    /// Rows and columns of a sample, in pixels.
    pub(in crate::cli) size: [usize; 2],
    /// SHA-256 of what was asked for.
    pub(in crate::cli) targets: String,
    /// Whether class probabilities are kept.
    pub(in crate::cli) soft: bool,
    /// Whether the noise and the conditions are kept.
    pub(in crate::cli) latents: bool,
    /// How samples are closed on their targets; nothing of what the generator makes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) closing: Option<Closing>,
    /// Files, and folders of files, that the command writes.
    pub(in crate::cli) files: Vec<String>,
    /// Whether everything is there.
    pub(in crate::cli) complete: bool,
}

/// How samples are closed, as far as it decides them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Closing {
    /// In words.
    pub(in crate::cli) tolerances: String,
    /// Draws of noise.
    pub(in crate::cli) tries: u32,
}

impl Record {
    /// The record of a beginning.
    pub(super) fn new(
        run: &Path,
        device: String,
        (seed, count, shard): (u64, usize, [usize; 2]),
        targets: &[Target],
        [soft, latents]: [bool; 2],
    ) -> Result<Self> {
        let mut asked = Sha256::new();
        for number in targets.iter().flat_map(|t| &t.wanted) {
            // No number that can be asked for is NaN.
            asked.update(number.unwrap_or(f32::NAN).to_bits().to_le_bytes());
        }
        Ok(Self {
            format: FORMAT,
            program: concat!("invnet ", env!("CARGO_PKG_VERSION")).into(),
            run: std::path::absolute(run).map_err(|e| Error::io(run, e))?.display().to_string(),
            checkpoint: hash_of(&Sampler::checkpoint_of(run))?,
            device,
            seed,
            count,
            shard,
            size: [0; 2],
            targets: format!("{:x}", asked.finalize()),
            soft,
            latents,
            closing: None,
            files: Vec::new(),
            complete: false,
        })
    }

    /// The record of a folder, if it has one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(in crate::cli) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|e| Error::io(&path, e))?,
        };
        let record: Self = serde_json::from_str(&text)
            .map_err(|e| Error::file(&path, format!("is no record of generated samples ({e})")))?;
        if record.format != FORMAT {
            let problem = format!(
                "is of format {}, written by {}: this is format {FORMAT}",
                record.format, record.program
            );
            return Err(Error::file(&path, problem));
        }
        Ok(Some(record))
    }

    /// Writes it.
    pub(in crate::cli) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("numbers and words are JSON");
        write_atomically(folder.join(FILE), |file| writeln!(file, "{text}"))
    }

    /// The samples of this shard: a range of all.
    pub(in crate::cli) fn range(&self) -> std::ops::Range<usize> {
        let [i, n] = self.shard;
        self.count * (i - 1) / n..self.count * i / n
    }

    /// What differs between what was asked for there and here, in words; nothing if all is the same.
    pub(in crate::cli) fn difference(&self, other: &Self) -> Option<&'static str> {
        let differs = [
            (self.checkpoint != other.checkpoint, "the checkpoint"),
            (self.seed != other.seed, "--seed"),
            (self.count != other.count, "--count"),
            (self.size != other.size, "--size"),
            (self.targets != other.targets, "what is asked for"),
            (self.soft != other.soft, "--soft"),
            (self.latents != other.latents, "--latents"),
            (
                self.closing != other.closing,
                "how samples are closed (--within, --exact, --tries, --one-shot)",
            ),
            (self.device != other.device, "the kind of device"),
        ];
        differs.into_iter().find_map(|(differs, what)| differs.then_some(what))
    }
}

/// SHA-256 of a file.
pub(super) fn hash_of(file: &Path) -> Result<String> {
    let bytes = fs::read(file).map_err(|e| Error::io(file, e))?;
    Ok(format!("{:x}", Sha256::digest(bytes)))
}
