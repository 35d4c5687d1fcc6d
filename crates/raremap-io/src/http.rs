//! What a server's answers to range requests mean. The requests themselves are made elsewhere, by a browser's `fetch`.

use std::ops::Range;

use crate::error::{HttpProblem, SourceError};

/// The head of an answer to a range request. Headers that a server of another site does not expose are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Content-Range.
    pub content_range: Option<String>,
    /// ETag.
    pub etag: Option<String>,
    /// Last-Modified.
    pub last_modified: Option<String>,
}

impl HttpAnswer {
    /// The whole length in `bytes 0-99/1234`.
    fn size_bytes(&self) -> Option<u64> {
        let (_, size) = self
            .content_range
            .as_deref()?
            .trim()
            .strip_prefix("bytes")?
            .rsplit_once('/')?;
        size.trim().parse().ok()
    }

    fn refuse_failure(&self) -> Result<(), HttpProblem> {
        let status = self.status;
        match status {
            206 => Ok(()),
            200 => Err(HttpProblem::NoRanges),
            404 | 410 => Err(HttpProblem::NotFound { status }),
            401 | 403 => Err(HttpProblem::Refused { status }),
            _ => Err(HttpProblem::Status { status }),
        }
    }
}

/// A remote file, as its first answer described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// How long it is.
    pub size_bytes: u64,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl RemoteFile {
    /// Takes the answer to a request for the first bytes. `known_bytes` is the length that a separate HEAD request gave, for servers that
    /// do not state it here.
    ///
    /// # Errors
    /// [`HttpProblem::NoSize`] if the length is not known yet; other problems for answers that are not a part of a file.
    pub fn new(first: HttpAnswer, known_bytes: Option<u64>) -> Result<Self, HttpProblem> {
        // A file without bytes has no first ones.
        if first.status == 416 && (known_bytes.is_none_or(|bytes| bytes == 0)) {
            return Ok(Self {
                size_bytes: 0,
                etag: first.etag,
                last_modified: first.last_modified,
            });
        }
        first.refuse_failure()?;
        Ok(Self {
            size_bytes: first.size_bytes().or(known_bytes).ok_or(HttpProblem::NoSize)?,
            etag: first.etag,
            last_modified: first.last_modified,
        })
    }

    /// Checks that a later answer, with a body of `received` bytes, is this range of the same file.
    ///
    /// # Errors
    /// [`HttpProblem::Changed`] for another version, [`SourceError::Changed`] for another number of bytes.
    pub fn check(&self, answer: &HttpAnswer, range: &Range<u64>, received: u64) -> Result<(), SourceError> {
        let differs = |one: &Option<String>, other: &Option<String>| one.is_some() && other.is_some() && one != other;
        let is_other_size = answer.size_bytes().is_some_and(|size| size != self.size_bytes);
        let is_other = differs(&self.etag, &answer.etag) || differs(&self.last_modified, &answer.last_modified);
        // A range that existed does not exist any more.
        if is_other || is_other_size || answer.status == 416 {
            return Err(HttpProblem::Changed.into());
        }
        answer.refuse_failure()?;
        let expected = range.end.saturating_sub(range.start);
        if received != expected {
            return Err(SourceError::Changed { expected, received });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_range: &str) -> HttpAnswer {
        HttpAnswer {
            status,
            content_range: (!content_range.is_empty()).then(|| content_range.to_owned()),
            etag: Some("\"a\"".to_owned()),
            last_modified: None,
        }
    }

    #[test]
    fn the_length_comes_with_the_first_bytes_or_by_a_request_of_its_own() {
        let size =
            |content_range: &str, known| RemoteFile::new(answer(206, content_range), known).map(|file| file.size_bytes);
        assert!(matches!(size("bytes 0-99/5000000000", None), Ok(5_000_000_000)));
        assert!(matches!(size("", Some(77)), Ok(77)));
        for bad in ["", "bytes 0-99/*", "items 0-9/10", "bytes"] {
            assert!(matches!(size(bad, None), Err(HttpProblem::NoSize)), "{bad}");
        }
        assert!(matches!(RemoteFile::new(answer(416, "bytes */0"), None), Ok(file) if file.size_bytes == 0));
    }

    #[test]
    fn every_failure_has_its_own_code() {
        let cases = [
            (200, "http_no_ranges"),
            (404, "http_not_found"),
            (403, "http_refused"),
            (500, "http_status"),
            (304, "http_status"),
        ];
        for (status, code) in cases {
            assert_eq!(
                RemoteFile::new(answer(status, ""), None).expect_err("no part").code(),
                code
            );
        }
    }

    #[test]
    fn another_version_is_noticed_by_tag_date_or_length() {
        let first = HttpAnswer {
            last_modified: Some("yesterday".to_owned()),
            ..answer(206, "bytes 0-99/1000")
        };
        let file = RemoteFile::new(first.clone(), None).expect("a file");
        let range = 100..200;
        assert!(file.check(&first, &range, 100).is_ok());
        let hidden = HttpAnswer {
            status: 206,
            ..HttpAnswer::default()
        };
        assert!(file.check(&hidden, &range, 100).is_ok());
        let others = [
            HttpAnswer {
                etag: Some("\"b\"".to_owned()),
                ..first.clone()
            },
            HttpAnswer {
                last_modified: Some("today".to_owned()),
                ..first.clone()
            },
            HttpAnswer {
                content_range: Some("bytes 100-199/1001".to_owned()),
                ..first.clone()
            },
            HttpAnswer {
                status: 416,
                ..hidden.clone()
            },
        ];
        for other in others {
            let error = file.check(&other, &range, 100).expect_err("another version");
            assert!(matches!(error, SourceError::Http(HttpProblem::Changed)), "{other:?}");
        }
        assert!(matches!(
            file.check(&first, &range, 99),
            Err(SourceError::Changed {
                expected: 100,
                received: 99
            })
        ));
        let whole = HttpAnswer { status: 200, ..hidden };
        assert!(matches!(
            file.check(&whole, &range, 100),
            Err(SourceError::Http(HttpProblem::NoRanges))
        ));
    }
}
