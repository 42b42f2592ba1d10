//! The settings of IPVS in a network namespace.

use ipvs_core::{InvalidArgument, SETTINGS, Setting, SettingKind, SettingValue};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBool, PyDict, PyString};

use crate::argument::{text, wrong_type};
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
    match value.extract::<i64>() {
        Ok(number @ (0 | 1)) if is_switch => return Ok(SettingValue::Switch(number == 1)),
        Ok(number) => return Ok(SettingValue::Number(number)),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            let reason = format!("{value} is not within 64 bits");
            return Err(invalid(value.py(), &InvalidArgument::new(name, reason)));
        }
        Err(_) => {}
    }
    if let Ok((threshold, period)) = value.extract() {
        Ok(SettingValue::Threshold(threshold, period))
    } else if let Ok(text) = value.extract() {
        Ok(SettingValue::Text(text))
    } else {
        Err(wrong_type("value", "a bool, an int, two of them in a tuple or a str", value))
    }
}
