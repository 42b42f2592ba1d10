//! Files of rules, in any bytes. What is read is printed, and reads again as the same.

#![no_main]

use ipvs_core::Table;
use ipvs_core::rules::{Invocation, Numeric, RuleDisplay, parse_line};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        match parse_line(line, number, &Numeric) {
            Ok(Some(read)) => {
                if let Invocation::Change(command) = &read.invocation {
                    let printed = RuleDisplay(command).to_string();
                    let again = parse_line(printed.as_bytes(), number, &Numeric).expect("what is printed is a rule");
                    assert_eq!(again.map(|line| line.invocation).as_ref(), Some(&read.invocation), "{printed}");
                }
            }
            Ok(None) => {}
            Err(error) => assert_eq!(error.line, Some(number), "{error}"),
        }
    }
    if let Ok(text) = std::str::from_utf8(text)
        && let Ok(table) = Table::from_rules(text)
    {
        assert_eq!(Table::from_rules(&table.to_rules()).as_ref(), Ok(&table));
        assert!(table.plan_to(&table).is_empty());
    }
});
