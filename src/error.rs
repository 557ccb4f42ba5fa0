//! The one error type: what can go wrong in the world, and whose fault it is.
//!
//! A mistake in the program (mismatched shapes, an index out of range) panics where it is made.
//! Everything a user, a file or a device can cause is an [`Error`]; `main` prints it in one line.

use std::path::{Path, PathBuf};

/// Shorthand for a result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who is named where a configuration is at fault and nobody knows which file it is from.
pub(crate) const SOMEWHERE: &str = "configuration";

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

    /// A number of a run stopped being finite.
    #[error("training diverged: {what} is {value} at iteration {iteration}")]
    Diverged {
        /// Iterations done when it was seen, counted from 1.
        iteration: u64,
        /// The loss or the tensor.
        what: String,
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

    /// A kernel of a recorded graph failed, and the driver does not say which.
    #[error(
        "{device}: {problem}; with INVNET_GRAPHS=0 and CUDA_LAUNCH_BLOCKING=1 the one that fails is named"
    )]
    Graph {
        /// The device.
        device: String,
        /// What was seen.
        problem: String,
    },

    /// A signal asked the command to stop; what it made is kept.
    #[error("{message}")]
    Interrupted {
        /// 128 plus the number of the signal.
        exit_code: i32,
        /// Where it stopped and how to go on.
        message: String,
    },

    /// Samples are there, and some are not what was asked for.
    #[error("{0}")]
    Missed(String),

    /// A check that the user asked for did not hold.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// An [`Error::Usage`] that repeats what somebody wrote.
    pub fn usage(problem: impl Into<String>) -> Self {
        Self::Usage(one_line(problem.into()))
    }

    /// The same, of a configuration that is now known to be from `origin`.
    pub(crate) fn of(self, origin: &str) -> Self {
        match self {
            Self::Config { origin: from, key, value, problem } if from == SOMEWHERE => {
                Self::Config { origin: origin.to_owned(), key, value, problem }
            }
            Self::Usage(text) => match text.strip_prefix(SOMEWHERE) {
                Some(rest) if rest.starts_with(':') => Self::Usage(format!("{origin}{rest}")),
                _ => Self::Usage(text),
            },
            other => other,
        }
    }

    /// An [`Error::Io`] for `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// An [`Error::File`] for `path`.
    pub fn file(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), problem: one_line(problem.into()) }
    }

    /// The process exit code: 2 for wrong use, 1 for a failure of something used rightly, 3 for samples
    /// that miss what was asked, 128 plus its number for a signal.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Config { .. } | Self::File { .. } | Self::NoDevice { .. } => 2,
            Self::Io { .. }
            | Self::Diverged { .. }
            | Self::Device { .. }
            | Self::Graph { .. }
            | Self::Failed(_) => 1,
            Self::Missed(_) => 3,
            Self::Interrupted { exit_code, .. } => *exit_code,
        }
    }
}

/// What a file or a decoder says may be of any length and on several lines; a message is one line.
fn one_line(mut text: String) -> String {
    const MOST: usize = 2000;
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text += "...";
    }
    if !text.contains(char::is_control) {
        return text;
    }
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_of_a_bounded_length() {
        let error = Error::file("a", "damaged:\n  not\tenough\r\n");
        assert_eq!(error.to_string(), "a: damaged: not enough");
        let long = Error::file("a", "é".repeat(5000)).to_string();
        assert!(long.ends_with("é...") && long.chars().count() == 2006, "{}", long.chars().count());
    }
}
