//! Python's values as core's. An error names the argument.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipvs_core::InvalidArgument;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyIterator, PyString};
use pyo3::{PyClass, PyTypeInfo};

use crate::error::invalid;

/// A value of another type than is needed.
pub(crate) fn wrong_type(name: &str, needed: &str, value: &Bound<'_, PyAny>) -> PyErr {
    match value.get_type().name() {
        Ok(kind) => PyTypeError::new_err(format!("{name}: {needed} is needed, not {kind}")),
        Err(error) => error,
    }
}

/// Whether Python itself says this of a value. What the value's own code raises has a traceback, and comes through as it is.
pub(crate) fn is_pythons<Kind: PyTypeInfo>(error: &PyErr, value: &Bound<'_, PyAny>) -> bool {
    error.is_instance_of::<Kind>(value.py()) && error.traceback(value.py()).is_none()
}

/// A number that is wrong, for people.
fn shown(value: &Bound<'_, PyAny>) -> PyResult<String> {
    match value.str() {
        Ok(text) => Ok(text.to_string_lossy().into_owned()),
        // It has more digits than Python writes.
        Err(error) if is_pythons::<PyValueError>(&error, value) => Ok("it".to_owned()),
        Err(error) => Err(error),
    }
}

/// A number that is out of range, and of which one.
pub(crate) fn outside(name: &'static str, value: &Bound<'_, PyAny>, range: impl Display) -> PyErr {
    let wrong = |shown| invalid(value.py(), &InvalidArgument::new(name, format!("{shown} is {range}")));
    shown(value).map_or_else(|error| error, wrong)
}

/// A keyword that nothing takes.
pub(crate) fn unknown(name: &str) -> PyErr {
    PyTypeError::new_err(format!("there is no setting '{name}'"))
}

/// Makes a text what it stands for.
pub(crate) fn parsed<T: FromStr<Err = InvalidArgument>>(name: &'static str, value: &Bound<'_, PyAny>) -> PyResult<T> {
    text(name, value)?.parse().map_err(|error| invalid(value.py(), &error))
}

/// A text, which stays Python's.
pub(crate) fn text<'a>(name: &'static str, value: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    let text = value.cast::<PyString>().map_err(|_| wrong_type(name, "a str", value))?;
    text.to_str().map_err(|_| invalid(value.py(), &InvalidArgument::new(name, "it has a lone surrogate")))
}

/// An object of a class.
pub(crate) fn object<'a, 'py, T: PyClass>(
    name: &str,
    needed: &str,
    value: &'a Bound<'py, PyAny>,
) -> PyResult<&'a Bound<'py, T>> {
    value.cast::<T>().map_err(|_| wrong_type(name, needed, value))
}

pub(crate) fn switch(name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.cast::<PyBool>().map(pyo3::types::PyBoolMethods::is_true).map_err(|_| wrong_type(name, "a bool", value))
}

/// A bool is no number, though Python has it for one: `True` for a time would be a second.
pub(crate) fn is_bool(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyBool>()
}

/// A whole number from 0 to `most`.
pub(crate) fn number<T: TryFrom<u64> + Copy + Display + PartialOrd>(
    name: &'static str,
    value: &Bound<'_, PyAny>,
    most: T,
) -> PyResult<T> {
    if is_bool(value) {
        return Err(wrong_type(name, "an int", value));
    }
    let outside = || outside(name, value, format_args!("not within 0 to {most}"));
    match value.extract::<u64>() {
        Ok(number) => T::try_from(number).ok().filter(|number| *number <= most).ok_or_else(outside),
        // It is negative, or too large for 64 bits.
        Err(error) if is_pythons::<PyOverflowError>(&error, value) => Err(outside()),
        Err(error) if is_pythons::<PyTypeError>(&error, value) => Err(wrong_type(name, "an int", value)),
        Err(error) => Err(error),
    }
}

/// A time in seconds. What is said of one that is wrong ends with a hint.
pub(crate) fn seconds(name: &'static str, value: &Bound<'_, PyAny>, hint: &str) -> PyResult<Duration> {
    if is_bool(value) {
        return Err(wrong_type(name, "a number of seconds", value));
    }
    let wrong = || outside(name, value, format_args!("no time in seconds{hint}"));
    let seconds: f64 = match value.extract() {
        Ok(seconds) => seconds,
        Err(error) if is_pythons::<PyOverflowError>(&error, value) => return Err(wrong()),
        Err(error) if is_pythons::<PyTypeError>(&error, value) => {
            return Err(wrong_type(name, "a number of seconds", value));
        }
        Err(error) => return Err(error),
    };
    ipvs_core::seconds(seconds).ok_or_else(wrong)
}

/// A time in seconds between two looks.
pub(crate) fn interval(value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let interval = seconds("interval", value, "")?;
    if interval.is_zero() {
        return Err(invalid(value.py(), &InvalidArgument::new("interval", "it must be above 0")));
    }
    Ok(interval)
}

/// What an iterable gives. A text would be an iterable of its letters, bytes of numbers, and a dict of its keys alone.
pub(crate) fn items<'py, T>(
    name: &str,
    needed: &str,
    value: &Bound<'py, PyAny>,
    read: impl Fn(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<T>> {
    let wrong = || wrong_type(name, needed, value);
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyDict>() {
        return Err(wrong());
    }
    let items =
        value.try_iter().map_err(|error| if is_pythons::<PyTypeError>(&error, value) { wrong() } else { error });
    items?.map(|item| read(&item?)).collect()
}

/// The items of which no other are to be there; `whose` is empty, or ` of` something. An iterator that gives none may have been
/// used up before, or be an empty file: that is no wish to have nothing.
pub(crate) fn wanted<'py, T>(
    name: &'static str,
    needed: &str,
    whose: impl Display,
    value: &Bound<'py, PyAny>,
    read: impl Fn(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<T>> {
    let items = items(name, needed, value, read)?;
    if items.is_empty() && value.is_instance_of::<PyIterator>() {
        let reason = format!(
            "the iterator{whose} gives nothing, as one that was used up; an empty list says that nothing is wanted"
        );
        return Err(invalid(value.py(), &InvalidArgument::new(name, reason)));
    }
    Ok(items)
}

/// Nothing for None.
pub(crate) fn optional<'py, T>(
    value: &Bound<'py, PyAny>,
    convert: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    if value.is_none() { Ok(None) } else { convert(value).map(Some) }
}

/// An address of the module `ipaddress`, or its text. One with an interface or a network is none.
pub(crate) fn ip(name: &'static str, value: &Bound<'_, PyAny>) -> PyResult<IpAddr> {
    let shown;
    let text = if value.is_instance_of::<PyString>() {
        text(name, value)?
    } else if value.hasattr("packed")? {
        shown = value.str()?;
        text(name, shown.as_any())?
    } else {
        return Err(wrong_type(name, "an IP address, as a str or of the module ipaddress,", value));
    };
    let wrong = |_| invalid(value.py(), &InvalidArgument::new(name, format!("'{text}' is no IP address")));
    text.parse().map_err(wrong)
}

/// A keyword of a method, or that it is left out, which None is not. The fastest way to take one.
pub(crate) struct Keyword<'a, 'py>(Option<Borrowed<'a, 'py, PyAny>>);

impl<'py> Keyword<'_, 'py> {
    pub const LEFT_OUT: Self = Self(None);

    pub fn is_given(&self) -> bool {
        self.0.is_some()
    }

    pub fn map<T>(&self, convert: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>) -> PyResult<Option<T>> {
        self.0.as_deref().map(convert).transpose()
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Keyword<'a, 'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(Some(object)))
    }
}

/// The name of a keyword.
pub(crate) fn keyword_name<'a>(name: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, str>> {
    Ok(name.cast::<PyString>()?.to_string_lossy())
}

/// The text of a call that makes an object: its class, what comes first, and the keywords that are not as by default.
pub(crate) fn call_text(class: &str, first: &str, keywords: &Bound<'_, PyDict>) -> PyResult<String> {
    let mut arguments = vec![first.to_owned()];
    for (name, value) in keywords {
        arguments.push(format!("{name}={}", value.repr()?.to_string_lossy()));
    }
    Ok(format!("{class}({})", arguments.join(", ")))
}
