//! The one error type: what can go wrong in the world, and whose fault it is.
//!
//! A mistake in the program (mismatched shapes, an index out of range) panics where it is made.
//! Everything a user, a file or a device can cause is an [`Error`]; `main` prints it in one line.

use std::path::{Path, PathBuf};

/// Shorthand for a result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong outside the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command was called in a way that cannot work.
    #[error("{0}")]
    Usage(String),

    /// A configuration value is unknown, malformed or out of range.
    #[error("{origin}: {key} = {value}: {problem}")]
    Config {
        /// The file, preset or option that holds the value.
        origin: String,
        /// The configuration key.
        key: String,
        /// The value as given.
        value: String,
        /// What is wrong and what would be right.
        problem: String,
    },

    /// A file does not hold what it should.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },

    /// The operating system refused a file operation.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },

    /// A loss stopped being a finite number.
    #[error(
        "training diverged: the {phase} loss is {value} at iteration {iteration}; \
         the last good checkpoint is kept: lower the learning rates or raise lambda_gp, then --resume"
    )]
    Diverged {
        /// The first iteration with a loss that is not finite.
        iteration: u64,
        /// The phase of Algorithm 1 that produced it.
        phase: String,
        /// The value.
        value: f64,
    },

    /// A device that was asked for cannot be used here.
    #[error("--device {device}: {problem}")]
    NoDevice {
        /// The device as asked for.
        device: String,
        /// What is missing, where it was looked for and what to do.
        problem: String,
    },

    /// A device failed.
    #[error("{device}: {problem}")]
    Device {
        /// The device.
        device: String,
        /// What failed and, where known, what to do.
        problem: String,
    },

    /// A check that the user asked for did not hold.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// An [`Error::Io`] for `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// An [`Error::File`] for `path`.
    pub fn file(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), problem: problem.into() }
    }

    /// The process exit code: 2 for wrong use, 1 for a failure of something used rightly.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Config { .. } | Self::File { .. } | Self::NoDevice { .. } => 2,
            Self::Io { .. } | Self::Diverged { .. } | Self::Device { .. } | Self::Failed(_) => 1,
        }
    }
}
