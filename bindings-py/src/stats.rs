//! Counters.

use ipvs_core::Stats;
use pyo3::prelude::*;

use crate::argument::wrong_type;
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
    (
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
    ) = value.extract().map_err(|_| wrong_type("stats", "a Stats of whole numbers", value))?;
    Ok(stats)
}
