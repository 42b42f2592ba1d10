//! Lua's values as core's. What is wrong with one names it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipvs_core::InvalidArgument;
use mlua::prelude::*;

/// Why a value cannot be taken, for the error that is raised.
#[derive(Debug)]
pub(crate) struct Wrong(pub String);

pub(crate) type Reading<T> = Result<T, Wrong>;

impl From<InvalidArgument> for Wrong {
    fn from(argument: InvalidArgument) -> Self {
        Self(argument.to_string())
    }
}

/// A metamethod that failed, or no memory. Where it happened is not told: the caller's line is.
impl From<LuaError> for Wrong {
    fn from(error: LuaError) -> Self {
        match error {
            LuaError::CallbackError { cause, .. } => Self::from((*cause).clone()),
            LuaError::RuntimeError(text) => {
                Self(text.split("\nstack traceback:").next().unwrap_or_default().to_owned())
            }
            other => Self(other.to_string()),
        }
    }
}

/// The arguments of one call, taken in turn.
pub(crate) struct Arguments {
    function: &'static str,
    position: usize,
    values: std::vec::IntoIter<LuaValue>,
}

impl Arguments {
    pub fn new(function: &'static str, values: Vec<LuaValue>) -> Self {
        Self { function, position: 0, values: values.into_iter() }
    }

    pub fn function(&self) -> &'static str {
        self.function
    }

    /// The object in front of the colon, which is not counted.
    pub fn object(&mut self) -> LuaValue {
        self.values.next().unwrap_or(LuaNil)
    }

    /// One too many may be the one that would have made a difference. Those that are nil are none.
    pub fn at_most(&self, most: usize) -> Reading<()> {
        let given = self.values.as_slice().iter().rposition(|value| !value.is_nil()).map_or(0, |last| last + 1);
        if given > most { Err(self.too_many()) } else { Ok(()) }
    }

    pub fn too_many(&self) -> Wrong {
        Wrong(format!("too many arguments to '{}'", self.function))
    }

    /// The next argument; what is wrong with it says which it is.
    pub fn next<T>(&mut self, read: impl FnOnce(&LuaValue) -> Reading<T>) -> Reading<T> {
        self.position += 1;
        read(&self.values.next().unwrap_or(LuaNil))
            .map_err(|Wrong(text)| Wrong(format!("bad argument #{} to '{}' ({text})", self.position, self.function)))
    }

    /// What is wrong with the arguments together.
    pub fn wrong(&self, argument: &InvalidArgument) -> Wrong {
        Wrong(format!("bad argument to '{}' ({argument})", self.function))
    }
}

/// A value of another type than is needed.
pub(crate) fn wrong_type(name: &str, needed: &str, value: &LuaValue) -> Wrong {
    Wrong(format!("{name}: {needed} is needed, not {}", kind(value)))
}

/// The type of a value, as Lua's `type` has it.
fn kind(value: &LuaValue) -> &'static str {
    match value.type_name() {
        "integer" => "number",
        "lightuserdata" | "error" => "userdata",
        "other" => "cdata",
        kind => kind,
    }
}

/// Nothing for nil.
pub(crate) fn optional<T>(value: &LuaValue, read: impl FnOnce(&LuaValue) -> Reading<T>) -> Reading<Option<T>> {
    if value.is_nil() { Ok(None) } else { read(value).map(Some) }
}

pub(crate) fn text(name: &'static str, value: &LuaValue) -> Reading<String> {
    let LuaValue::String(text) = value else { return Err(wrong_type(name, "a string", value)) };
    match text.to_str() {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Wrong(format!("{name}: it is not UTF-8"))),
    }
}

/// The items of a list, each with its place. What is no list, or has a hole, is not silently a shorter one; behind `__index`,
/// where methods may be too, it goes to the first nil, as `ipairs` of Lua 5.3 does, and so without an end where there is none.
pub(crate) fn list<T>(
    name: &str,
    needed: &str,
    value: &LuaValue,
    mut read: impl FnMut(usize, &LuaValue) -> Reading<T>,
) -> Reading<Vec<T>> {
    let table = value.as_table().ok_or_else(|| wrong_type(name, needed, value))?;
    let mut items = Vec::new();
    loop {
        // Also by `__index`, as a list has them that nobody may change.
        let item: LuaValue = table.get(items.len() + 1)?;
        if item.is_nil() {
            break;
        }
        items.push(read(items.len() + 1, &item)?);
    }
    only_places(name, needed, table, items.len())?;
    Ok(items)
}

/// Refuses a table that has other keys than the places of a list up to the last one.
pub(crate) fn only_places(name: &str, needed: &str, table: &LuaTable, last: usize) -> Reading<()> {
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, _) = pair?;
        let place = integer("key", &key).ok();
        if !place.is_some_and(|place| usize::try_from(place).is_ok_and(|place| (1..=last).contains(&place))) {
            let what = match (&key, place) {
                (_, Some(place)) if place < 1 => format!("number {place}; the first is number 1"),
                (_, Some(place)) => format!("number {place}, and number {} is not", last + 1),
                (LuaValue::String(key), _) => format!("the key '{}'", key.to_string_lossy()),
                _ => format!("a key that is a {}", kind(&key)),
            };
            return Err(Wrong(format!("{name}: {needed} is needed, and there is {what}")));
        }
    }
    Ok(())
}

/// Makes a text what it stands for.
pub(crate) fn parsed<T: FromStr<Err = InvalidArgument>>(name: &'static str, value: &LuaValue) -> Reading<T> {
    Ok(text(name, value)?.parse()?)
}

pub(crate) fn switch(name: &'static str, value: &LuaValue) -> Reading<bool> {
    value.as_boolean().ok_or_else(|| wrong_type(name, "a boolean", value))
}

/// A whole number of 64 bits. Before Lua 5.3 all numbers are doubles.
pub(crate) fn integer(name: &'static str, value: &LuaValue) -> Reading<i64> {
    match value {
        LuaValue::Integer(number) => Ok(*number),
        // Doubles are exact up to here.
        LuaValue::Number(number) if number.fract() == 0.0 && number.abs() <= 2_f64.powi(53) =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and within 2^53")]
            Ok(*number as i64)
        }
        LuaValue::Number(_) => Err(Wrong(format!("{name}: {} is no whole number of 53 bits", value.to_string()?))),
        _ => Err(wrong_type(name, "a number", value)),
    }
}

/// A whole number from 0 to the largest of its type.
pub(crate) fn number<T: TryFrom<i64>>(name: &'static str, value: &LuaValue, most: u32) -> Reading<T> {
    let number = integer(name, value)?;
    let outside = || Wrong(format!("{name}: {number} is not within 0 to {most}"));
    if number > i64::from(most) {
        return Err(outside());
    }
    T::try_from(number).map_err(|_| outside())
}

/// A time in seconds.
pub(crate) fn seconds(name: &'static str, value: &LuaValue) -> Reading<Duration> {
    let time = match value {
        LuaValue::Integer(whole) => u64::try_from(*whole).ok().map(Duration::from_secs),
        LuaValue::Number(seconds) => ipvs_core::seconds(*seconds),
        _ => return Err(wrong_type(name, "a number of seconds", value)),
    };
    let text = value.to_string()?;
    time.ok_or_else(|| Wrong(format!("{name}: {text} is no time in seconds")))
}

pub(crate) fn ip(name: &'static str, value: &LuaValue) -> Reading<IpAddr> {
    let text = text(name, value)?;
    text.parse().map_err(|_| Wrong(format!("{name}: '{text}' is no IP address")))
}

/// The fields of a table, each taken once: one that nothing takes is not silently a default.
pub(crate) struct Fields {
    what: &'static str,
    table: LuaTable,
    taken: Vec<&'static str>,
    ignored: &'static [&'static str],
}

impl Fields {
    /// The fields of what is called `what`.
    pub fn new(what: &'static str, value: &LuaValue) -> Reading<Self> {
        let table = value.as_table().ok_or_else(|| wrong_type(what, "a table", value))?.clone();
        Ok(Self { what, table, taken: Vec::new(), ignored: &[] })
    }

    /// A field that may be absent.
    pub fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'static str, &LuaValue) -> Reading<T>,
    ) -> Reading<Option<T>> {
        self.taken.push(name);
        optional(&self.table.get::<LuaValue>(name)?, |value| read(name, value))
    }

    /// What a listing says of an object besides its settings: it may be given back as it is.
    pub fn ignore(&mut self, names: &'static [&'static str]) {
        self.ignored = names;
    }

    /// Nothing may be left over.
    pub fn finish(self) -> Reading<()> {
        let is_known = |key: &[u8]| self.taken.iter().chain(self.ignored).any(|name| name.as_bytes() == key);
        for pair in self.table.pairs::<LuaValue, LuaValue>() {
            let (key, _) = pair?;
            if !key.as_string().is_some_and(|key| is_known(&key.as_bytes())) {
                let known = self.taken.join(", ");
                let key = match &key {
                    LuaValue::String(text) => text.to_string_lossy(),
                    other => other.to_string()?,
                };
                return Err(Wrong(format!("{}: there is no field '{key}'; there are {known}", self.what)));
            }
        }
        Ok(())
    }
}

/// Address and port in two fields, if either is given.
pub(crate) fn endpoint(fields: &mut Fields) -> Reading<Option<SocketAddr>> {
    let address = fields.take("address", ip)?;
    let port = fields.take("port", |name, value| number(name, value, u16::MAX.into()))?;
    match (address, port) {
        (None, None) => Ok(None),
        (Some(address), Some(port)) => Ok(Some(SocketAddr::new(address, port))),
        (Some(_), None) => Err(Wrong(format!("{}: the address has no port beside it", fields.what))),
        (None, Some(_)) => Err(Wrong(format!("{}: the port has no address beside it", fields.what))),
    }
}
