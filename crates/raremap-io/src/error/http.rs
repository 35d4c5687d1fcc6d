//! Why a file on a server cannot be read.

/// Why a remote file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpProblem {
    /// The server only gives files as a whole.
    #[error(
        "the server only gives the file as a whole, but scenes are read in parts: it has to support range requests \
         (Accept-Ranges: bytes)"
    )]
    NoRanges,
    /// There is no such file.
    #[error("there is no such file on the server (status {status})")]
    NotFound {
        /// The status: 404 or 410.
        status: u16,
    },
    /// The server requires credentials.
    #[error("the server refuses access to the file (status {status})")]
    Refused {
        /// The status: 401 or 403.
        status: u16,
    },
    /// Any other answer that is not a success.
    #[error("the server answered with status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// The server does not say how long the file is.
    #[error(
        "the server does not say how long the file is: a server of another site has to expose Content-Range \
         (Access-Control-Expose-Headers)"
    )]
    NoSize,
    /// There was no answer at all. Browsers do not say why.
    #[error(
        "the server cannot be reached, or does not allow pages of other sites to read the file (Access-Control-Allow-Origin): {reason}"
    )]
    Unreachable {
        /// The browser's words.
        reason: String,
    },
    /// The file is not the one that was opened.
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
