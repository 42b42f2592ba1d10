//! Core's errors as exceptions.

use ipvs_core::{ErrorKind, InvalidArgument};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

pyo3::create_exception!(
    ipvs,
    Error,
    PyOSError,
    "An IPVS operation failed. `errno` is the kernel's error number, `kind` a short name of the cause, `operation` the \
     method that failed, `object` the service or destination it was about, or None."
);

/// A wrong argument is a `ValueError`, everything else an `ipvs.Error`.
pub(crate) fn raise(python: Python<'_>, error: &ipvs_core::Error) -> PyErr {
    if let ErrorKind::InvalidArgument(_) = error.kind {
        return PyValueError::new_err(error.to_string());
    }
    let exception = Error::new_err((error.raw_os_error(), error.to_string()));
    let value = exception.value(python);
    let attributes = value
        .setattr("kind", error.kind.name())
        .and_then(|()| value.setattr("operation", error.operation.name()))
        .and_then(|()| value.setattr("object", error.operation.object()));
    match attributes {
        Ok(()) => exception,
        Err(error) => error,
    }
}

pub(crate) fn invalid(argument: &InvalidArgument) -> PyErr {
    PyValueError::new_err(argument.to_string())
}
