//! Core's errors as exceptions.

use ipvs_core::rules::RuleError;
use ipvs_core::{Error, ErrorKind, InvalidArgument};
use pyo3::prelude::*;

use crate::python::exception;

const EINVAL: i32 = 22;

/// The exception for an operation that failed.
pub(crate) fn raise(python: Python<'_>, error: &Error) -> PyErr {
    let (operation, object) = (error.operation.name(), error.operation.object());
    let arguments = (error.kind.name(), error.raw_os_error(), error.to_string(), operation, object);
    let raised = exception(python, "_error", arguments);
    if let ErrorKind::InvalidArgument(argument) = &error.kind
        && let Err(error) = raised.value(python).setattr("field", argument.field)
    {
        return error;
    }
    raised
}

/// The exception for an argument that came to no operation yet.
pub(crate) fn invalid(python: Python<'_>, argument: &InvalidArgument) -> PyErr {
    exception(python, "_invalid", (EINVAL, argument.to_string(), argument.field))
}

/// The exception for rules in an argument, one of which is none.
pub(crate) fn rule_error(python: Python<'_>, name: &str, error: &RuleError) -> PyErr {
    exception(python, "_rule_error", (EINVAL, error.to_string(), name, error.line, error.column))
}
