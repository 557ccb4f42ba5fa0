//! What a request is answered with: data, or a refusal in one line.

use crate::error::Error;

/// Data to send.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// Its media type.
    pub(super) kind: &'static str,
    pub(super) bytes: Vec<u8>,
    /// The name under which a browser keeps it, if it is a file to be kept.
    pub(super) file: Option<String>,
}

impl Answer {
    /// A JSON value.
    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self { kind: "application/json", bytes: value.to_string().into_bytes(), file: None }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// HTTP status.
    pub(super) status: u16,
    /// One line, as the command line would say it.
    pub(super) problem: String,
    /// Seconds after which to try again.
    pub(super) retry: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: u16, problem: impl Into<String>) -> Self {
        Self { status, problem: problem.into(), retry: None }
    }

    /// Something in the request is wrong.
    pub(super) fn wrong(problem: impl Into<String>) -> Self {
        Self::new(400, problem)
    }

    /// Too many wait.
    pub(super) fn busy() -> Self {
        let problem = "too many requests are waiting: try again in a second";
        Self { retry: Some(1), ..Self::new(503, problem) }
    }

    /// A newer request of the same slider took its place.
    pub(super) fn overtaken() -> Self {
        let problem = "a newer request of the same page took the place of this one";
        Self { retry: Some(0), ..Self::new(429, problem) }
    }

    /// The worker that had it is gone.
    pub(super) fn broken() -> Self {
        let problem = "what computes broke down over its requests and starts anew: try again in a second, and \
                       report it if it does so again";
        Self { retry: Some(1), ..Self::new(503, problem) }
    }

    /// It took too long.
    pub(super) fn late() -> Self {
        let problem = "not done in time: ask for fewer samples, or try again in a second";
        Self { retry: Some(1), ..Self::new(503, problem) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        // What a command answers with exit code 2 is the asker's to mend.
        Self::new(if error.exit_code() == 2 { 400 } else { 500 }, error.to_string())
    }
}
