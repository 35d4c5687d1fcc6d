//! Why a file on a server cannot be read.

/// Why a remote file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpProblem {
    /// The server gives files as a whole alone.
    #[error(
        "the server gives the file as a whole alone: scenes are read in parts, for which it has to support range requests \
         (Accept-Ranges: bytes)"
    )]
    NoRanges,
    /// There is no such file.
    #[error("there is no such file on the server (status {status})")]
    NotFound {
        /// The status: 404 or 410.
        status: u16,
    },
    /// The server wants to know who asks.
    #[error("the server refuses to give the file (status {status})")]
    Refused {
        /// The status: 401 or 403.
        status: u16,
    },
    /// Any other answer that is no success.
    #[error("the server answered with status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// Nothing says how long the file is.
    #[error(
        "the server does not say how long the file is: one of another site has to expose Content-Range \
         (Access-Control-Expose-Headers)"
    )]
    NoSize,
    /// No answer at all. Browsers do not tell why.
    #[error(
        "the server cannot be reached, or does not allow pages of other sites to read the file (Access-Control-Allow-Origin): {reason}"
    )]
    Unreachable {
        /// The browser's words.
        reason: String,
    },
    /// The file is another one than when it was opened.
    #[error("the file on the server has changed since it was opened: open it again")]
    Changed,
}

impl HttpProblem {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            HttpProblem::NoRanges => "http_no_ranges",
            HttpProblem::NotFound { .. } => "http_not_found",
            HttpProblem::Refused { .. } => "http_refused",
            HttpProblem::Status { .. } => "http_status",
            HttpProblem::NoSize => "http_no_size",
            HttpProblem::Unreachable { .. } => "http_unreachable",
            HttpProblem::Changed => "source_changed",
        }
    }
}
