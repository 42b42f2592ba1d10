//! The settings of IPVS in a network namespace.

use ipvs_core::{SETTINGS, Setting, SettingKind, SettingValue};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBool, PyDict, PyString};

use crate::argument::{is_bool, is_pythons, outside, text, wrong_type};
use crate::error::invalid;

/// Every setting known here: its name, and what it does.
pub(crate) fn known(python: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    SETTINGS.iter().map(|setting| (setting.name, setting.help)).into_py_dict(python)
}

/// The name of a setting that is known.
pub(crate) fn name(name: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    let setting = Setting::named(text("name", name)?).map_err(|error| invalid(name.py(), &error))?;
    Ok(setting.name)
}

pub(crate) fn to_python<'py>(python: Python<'py>, value: &SettingValue) -> PyResult<Bound<'py, PyAny>> {
    match value {
        SettingValue::Switch(on) => Ok(PyBool::new(python, *on).to_owned().into_any()),
        SettingValue::Number(number) => Ok(number.into_pyobject(python)?.into_any()),
        SettingValue::Threshold(threshold, period) => Ok((*threshold, *period).into_pyobject(python)?.into_any()),
        SettingValue::Text(text) => Ok(PyString::new(python, text).into_any()),
    }
}

/// A value by its own type, but 0 and 1 are a switch where one is.
pub(crate) fn from_python(name: &'static str, value: &Bound<'_, PyAny>) -> PyResult<SettingValue> {
    let is_switch = Setting::named(name).is_ok_and(|setting| setting.kind == SettingKind::Switch);
    if let Ok(on) = value.cast::<PyBool>() {
        return Ok(SettingValue::Switch(on.is_true()));
    }
    if value.is_instance_of::<PyString>() {
        return text("value", value).map(|text| SettingValue::Text(text.to_owned()));
    }
    if let Ok((threshold, period)) = value.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() {
        let part = |part| integer(part)?.ok_or_else(|| wrong_type("value", "an int in the tuple", part));
        return Ok(SettingValue::Threshold(part(&threshold)?, part(&period)?));
    }
    match integer(value)? {
        Some(number @ (0 | 1)) if is_switch => Ok(SettingValue::Switch(number == 1)),
        Some(number) => Ok(SettingValue::Number(number)),
        None => Err(wrong_type("value", "a bool, an int, a tuple of two or a str", value)),
    }
}

/// A whole number, if it is one.
fn integer(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    match value.extract() {
        _ if is_bool(value) => Ok(None),
        Ok(number) => Ok(Some(number)),
        Err(error) if is_pythons::<PyOverflowError>(&error, value) => {
            Err(outside("value", value, "not within 64 bits"))
        }
        Err(error) if is_pythons::<PyTypeError>(&error, value) => Ok(None),
        Err(error) => Err(error),
    }
}
