//! Errors of the crates as Python exceptions.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use raremap_files::FilesError;

pyo3::create_exception!(
    raremap,
    RaremapError,
    PyException,
    "Something could not be done. `code` is a short name of the failure, which is stable between versions; the text is for people."
);

/// Why a call ended.
pub(crate) enum Failure {
    /// Something failed.
    Files(FilesError),
    /// A callback raised an exception, or somebody pressed Ctrl-C.
    Raised(PyErr),
}

impl<E: Into<FilesError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Files(error.into())
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Files(error) => raremap_error(error.code(), &error.sentence()),
            Failure::Raised(error) => error,
        }
    }
}

/// An exception with a code of its own.
pub(crate) fn raremap_error(code: &str, message: &str) -> PyErr {
    Python::attach(|py| {
        let error = RaremapError::new_err(message.to_owned());
        match error.value(py).setattr("code", code) {
            Ok(()) => error,
            Err(other) => other,
        }
    })
}

pub(crate) fn misuse(message: &str) -> PyErr {
    raremap_error("misuse", message)
}
