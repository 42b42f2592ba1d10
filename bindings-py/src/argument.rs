//! Python's values as core's. An error names the argument.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipvs_core::InvalidArgument;
use pyo3::PyClass;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use crate::error::invalid;

/// A value of another type than is needed.
pub(crate) fn wrong_type(name: &str, needed: &str, value: &Bound<'_, PyAny>) -> PyErr {
    match value.get_type().name() {
        Ok(kind) => PyTypeError::new_err(format!("{name}: {needed} is needed, not {kind}")),
        Err(error) => error,
    }
}

/// A keyword that nothing takes.
pub(crate) fn unknown(name: &str) -> PyErr {
    PyTypeError::new_err(format!("there is no setting '{name}'"))
}

/// Makes a text what it stands for.
pub(crate) fn parsed<T: FromStr<Err = InvalidArgument>>(name: &'static str, value: &Bound<'_, PyAny>) -> PyResult<T> {
    text(name, value)?.parse().map_err(|error| invalid(value.py(), &error))
}

pub(crate) fn text(name: &'static str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = value.cast::<PyString>().map_err(|_| wrong_type(name, "a str", value))?;
    text.extract().map_err(|_| invalid(value.py(), &InvalidArgument::new(name, "it has a lone surrogate")))
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

/// A whole number from 0 to `most`.
pub(crate) fn number<T: TryFrom<i64> + Copy + Display>(
    name: &'static str,
    value: &Bound<'_, PyAny>,
    most: T,
) -> PyResult<T> {
    let outside = || invalid(value.py(), &InvalidArgument::new(name, format!("{value} is not within 0 to {most}")));
    match value.extract::<i64>() {
        Ok(number) => T::try_from(number).map_err(|_| outside()),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => Err(outside()),
        Err(_) => Err(wrong_type(name, "an int", value)),
    }
}

/// Nothing for None.
pub(crate) fn optional<'py, T>(
    value: &Bound<'py, PyAny>,
    convert: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    if value.is_none() { Ok(None) } else { convert(value).map(Some) }
}

/// An address of the module `ipaddress`, or its text.
pub(crate) fn ip(name: &'static str, value: &Bound<'_, PyAny>) -> PyResult<IpAddr> {
    if value.is_instance_of::<PyString>() {
        let text = text(name, value)?;
        let wrong = |_| invalid(value.py(), &InvalidArgument::new(name, format!("'{text}' is no IP address")));
        return text.parse().map_err(wrong);
    }
    let is_address = value.hasattr("packed")?;
    let ip = if is_address { value.extract().ok() } else { None };
    ip.ok_or_else(|| wrong_type(name, "an IP address, as a str or of the module ipaddress,", value))
}

/// An address and a port of the module.
pub(crate) fn socket_address(
    name: &'static str,
    address: &Bound<'_, PyAny>,
    port: &Bound<'_, PyAny>,
) -> PyResult<SocketAddr> {
    Ok(SocketAddr::new(ip(name, address)?, number("port", port, u16::MAX)?))
}

/// Keywords, each taken once.
pub(crate) struct Keywords<'py>(Option<Bound<'py, PyDict>>);

impl<'py> Keywords<'py> {
    pub fn new(keywords: Option<&Bound<'py, PyDict>>) -> PyResult<Self> {
        keywords.map(PyDictMethods::copy).transpose().map(Self)
    }

    /// Whether any of these is given.
    pub fn has_any(&self, names: &[&str]) -> PyResult<bool> {
        let Some(keywords) = &self.0 else { return Ok(false) };
        names.iter().try_fold(false, |found, name| Ok(found || keywords.contains(name)?))
    }

    /// The value of a keyword if it is given.
    pub fn take(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(keywords) = &self.0 else { return Ok(None) };
        let value = keywords.get_item(name)?;
        if value.is_some() {
            keywords.del_item(name)?;
        }
        Ok(value)
    }

    /// The value of a keyword if it is given and not None.
    pub fn take_some(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.take(name)?.filter(|value| !value.is_none()))
    }

    /// Nothing may be left over.
    pub fn finish(self) -> PyResult<()> {
        match self.0.iter().flatten().next() {
            Some((name, _)) => Err(unknown(&name.str()?.to_string_lossy())),
            None => Ok(()),
        }
    }
}

/// The text of a call that makes an object: its class, what comes first, and the keywords that are not as by default.
pub(crate) fn call_text(class: &str, first: &str, keywords: &Bound<'_, PyDict>) -> PyResult<String> {
    let mut arguments = vec![first.to_owned()];
    for (name, value) in keywords {
        arguments.push(format!("{name}={}", value.repr()?.to_string_lossy()));
    }
    Ok(format!("{class}({})", arguments.join(", ")))
}
