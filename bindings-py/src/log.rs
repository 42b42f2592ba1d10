//! Operations in Python's log.

use std::fmt::Display;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// `logging.DEBUG`.
pub(crate) const DEBUG: u8 = 10;
/// `logging.INFO`.
const INFO: u8 = 20;
/// `logging.WARNING`.
const WARNING: u8 = 30;

/// The logger `ipvs`, if it wants to know what is of a level. Who has not imported `logging` does not.
pub(crate) fn logger(python: Python<'_>, level: u8) -> PyResult<Option<Bound<'_, PyAny>>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let modules = || Ok::<_, PyErr>(python.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.unbind());
    let Some(logging) = MODULES.get_or_try_init(python, modules)?.bind(python).get_item("logging")? else {
        return Ok(None);
    };
    let logger = LOGGER.get_or_try_init(python, || logging.call_method1("getLogger", ("ipvs",)).map(Bound::unbind))?;
    let logger = logger.bind(python);
    let is_wanted = logger.call_method1("isEnabledFor", (level,))?.is_truthy()?;
    Ok(is_wanted.then(|| logger.clone()))
}

/// Logs an operation and how it ended.
pub(crate) fn log(python: Python<'_>, operation: &dyn Display, error: Option<&dyn Display>) -> PyResult<()> {
    let Some(logger) = logger(python, DEBUG)? else { return Ok(()) };
    match error {
        None => logger.call_method1("debug", ("%s: done", operation.to_string())),
        // It begins with the operation.
        Some(error) => logger.call_method1("debug", ("%s", error.to_string())),
    }?;
    Ok(())
}

/// Logs what somebody should do something about.
pub(crate) fn warn(python: Python<'_>, message: &str) -> PyResult<()> {
    if let Some(logger) = logger(python, WARNING)? {
        logger.call_method1("warning", ("%s", message))?;
    }
    Ok(())
}

/// Logs a change that a policy made to the table, and why.
pub(crate) fn log_change(python: Python<'_>, reason: &str, change: &dyn Display) -> PyResult<()> {
    if let Some(logger) = logger(python, INFO)? {
        logger.call_method1("info", ("%s: %s", reason, change.to_string()))?;
    }
    Ok(())
}
