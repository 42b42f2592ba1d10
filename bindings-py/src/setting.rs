//! The settings of IPVS in a network namespace.

use ipvs_core::{SETTINGS, Setting, SettingKind, SettingValue};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use crate::argument::{text, wrong_type};
use crate::error::invalid;

/// Every setting known here: its name, and what it does.
pub(crate) fn known(python: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let known = PyDict::new(python);
    for setting in SETTINGS {
        known.set_item(setting.name, setting.help)?;
    }
    Ok(known)
}

/// The name of a setting that is known.
pub(crate) fn name(name: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    let setting = Setting::named(&text("name", name)?).map_err(|error| invalid(name.py(), &error))?;
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
pub(crate) fn from_python(name: &str, value: &Bound<'_, PyAny>) -> PyResult<SettingValue> {
    let is_switch = Setting::named(name).is_ok_and(|setting| setting.kind == SettingKind::Switch);
    if let Ok(on) = value.cast::<PyBool>() {
        Ok(SettingValue::Switch(on.is_true()))
    } else if let Ok(number) = value.extract::<i64>() {
        Ok(match number {
            0 | 1 if is_switch => SettingValue::Switch(number == 1),
            number => SettingValue::Number(number),
        })
    } else if let Ok((threshold, period)) = value.extract() {
        Ok(SettingValue::Threshold(threshold, period))
    } else if let Ok(text) = value.extract() {
        Ok(SettingValue::Text(text))
    } else {
        Err(wrong_type("value", "a bool, an int of 64 bits, two of them in a tuple or a str", value))
    }
}
