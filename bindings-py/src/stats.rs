//! Counters.

use ipvs_core::Stats;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::argument::{number, wrong_type};
use crate::python::record;

pub(crate) fn to_python<'py>(python: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyAny>> {
    let fields = (
        stats.connections,
        stats.packets_in,
        stats.packets_out,
        stats.bytes_in,
        stats.bytes_out,
        stats.connections_per_second,
        stats.packets_in_per_second,
        stats.packets_out_per_second,
        stats.bytes_in_per_second,
        stats.bytes_out_per_second,
    );
    record(python, "Stats", fields)
}

/// Nothing given is all zero.
pub(crate) fn from_python(value: Option<&Bound<'_, PyAny>>) -> PyResult<Stats> {
    let mut stats = Stats::default();
    let Some(value) = value else { return Ok(stats) };
    let fields = [
        ("connections", &mut stats.connections),
        ("packets_in", &mut stats.packets_in),
        ("packets_out", &mut stats.packets_out),
        ("bytes_in", &mut stats.bytes_in),
        ("bytes_out", &mut stats.bytes_out),
        ("connections_per_second", &mut stats.connections_per_second),
        ("packets_in_per_second", &mut stats.packets_in_per_second),
        ("packets_out_per_second", &mut stats.packets_out_per_second),
        ("bytes_in_per_second", &mut stats.bytes_in_per_second),
        ("bytes_out_per_second", &mut stats.bytes_out_per_second),
    ];
    let given = value.cast::<PyTuple>().ok().filter(|given| given.len() == fields.len());
    for ((name, field), value) in fields.into_iter().zip(given.ok_or_else(|| wrong_type("stats", "a Stats", value))?) {
        *field = number(name, &value, u64::MAX)?;
    }
    Ok(stats)
}
