//! What is Python's own: the module's classes that are written in it (enumerations, named tuples, exceptions), and sleep.

use std::time::Duration;

use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

type Module = PyOnceLock<Py<PyModule>>;

fn module<'a, 'py>(python: Python<'py>, loaded: &'a Module, name: &str) -> PyResult<&'a Bound<'py, PyModule>> {
    Ok(loaded.get_or_try_init(python, || python.import(name).map(Bound::unbind))?.bind(python))
}

/// The member of an enumeration that is this text.
pub(crate) fn member<'py>(python: Python<'py>, class: &str, text: &str) -> PyResult<Bound<'py, PyAny>> {
    static ENUMS: Module = PyOnceLock::new();
    module(python, &ENUMS, "ipvs._enums")?.getattr(class)?.call1((text,))
}

/// A named tuple with these fields.
pub(crate) fn record<'py>(
    python: Python<'py>,
    class: &str,
    fields: impl PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    static RECORDS: Module = PyOnceLock::new();
    module(python, &RECORDS, "ipvs._records")?.getattr(class)?.call1(fields)
}

/// An exception, made by one of the functions for that.
pub(crate) fn exception<'py>(python: Python<'py>, function: &str, arguments: impl PyCallArgs<'py>) -> PyErr {
    static ERRORS: Module = PyOnceLock::new();
    let made = module(python, &ERRORS, "ipvs._errors").and_then(|errors| errors.getattr(function)?.call1(arguments));
    match made {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// The longest sleep: Python's own knows none of more than 292 years.
const SLEEP_MAX: Duration = Duration::from_secs(u32::MAX as u64);

/// Sleeps while other threads run. Signals are heeded: a handler may raise.
pub(crate) fn sleep(python: Python<'_>, time: Duration) -> PyResult<()> {
    let time = time.min(SLEEP_MAX);
    python.import("time")?.call_method1("sleep", (time.as_secs_f64(),))?;
    Ok(())
}
