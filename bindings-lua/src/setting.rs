//! The settings of IPVS in a network namespace.

use ipvs_core::{SETTINGS, Setting, SettingKind, SettingValue};
use mlua::prelude::*;

use crate::argument::{Reading, Wrong, integer, list, text, wrong_type};

/// Every setting known here: its name, and what it does.
pub(crate) fn known(lua: &Lua) -> LuaResult<LuaTable> {
    lua.create_table_from(SETTINGS.iter().map(|setting| (setting.name, setting.help)))
}

/// A setting that is known, by its name.
pub(crate) fn named(value: &LuaValue) -> Reading<&'static Setting> {
    Ok(Setting::named(&text("name", value)?)?)
}

pub(crate) fn to_lua(lua: &Lua, value: &SettingValue) -> LuaResult<LuaValue> {
    match value {
        SettingValue::Switch(on) => Ok(LuaValue::Boolean(*on)),
        SettingValue::Number(number) => number.into_lua(lua),
        SettingValue::Threshold(threshold, period) => lua.create_sequence_from([*threshold, *period])?.into_lua(lua),
        SettingValue::Text(text) => text.as_str().into_lua(lua),
    }
}

/// A value by its own type, but 0 and 1 are a switch where one is.
pub(crate) fn value(setting: &'static Setting, value: &LuaValue) -> Reading<SettingValue> {
    let made = match value {
        LuaValue::Boolean(on) => SettingValue::Switch(*on),
        LuaValue::Integer(_) | LuaValue::Number(_) => match integer("value", value)? {
            number @ (0 | 1) if setting.kind == SettingKind::Switch => SettingValue::Switch(number == 1),
            number => SettingValue::Number(number),
        },
        LuaValue::Table(_) => {
            let needed = "a list of two numbers";
            let numbers = list("value", needed, value, |place, number| {
                // A default behind __index has no end.
                if place > 2 {
                    return Err(Wrong(format!("value: {needed} is needed, and there is number {place}")));
                }
                integer("value", number).map_err(|Wrong(text)| Wrong(format!("number {place}: {text}")))
            })?;
            let [threshold, period] = numbers[..] else {
                return Err(Wrong(format!("value: {needed} is needed, not of {}", numbers.len())));
            };
            SettingValue::Threshold(threshold, period)
        }
        LuaValue::String(_) => SettingValue::Text(text("value", value)?),
        _ => return Err(wrong_type("value", "a boolean, a number, a list of two numbers or a string", value)),
    };
    setting.check(&made)?;
    Ok(made)
}
