//! Settings of the namespace.

use std::fs;

use ipvs_core::{Client, ErrorKind, Options, SETTINGS, SettingKind, SettingValue};

use crate::namespace::Namespace;

#[test]
fn every_setting_of_this_kernel_is_known_and_can_be_written_back() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let values = client.settings().unwrap();
    let names: Vec<_> = values.iter().map(|(setting, _)| setting.name).collect();
    let mut files: Vec<_> = fs::read_dir("/proc/thread-self/root/proc/sys/net/ipv4/vs")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(names, files);
    for (setting, value) in values {
        match client.set_setting(setting.name, &value) {
            Ok(()) => assert_eq!(client.setting(setting.name).unwrap(), value),
            // It is of the whole machine: only the first namespace may write it.
            Err(error) if setting.name == "debug_level" => {
                assert!(matches!(error.kind, ErrorKind::SettingDenied { .. }), "{error}");
                assert_eq!(error.raw_os_error(), Some(13));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn every_setting_of_this_kernel_takes_its_edges() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    for (setting, before) in client.settings().unwrap() {
        let edges = match setting.kind {
            // It is of the whole machine.
            _ if setting.name == "debug_level" => continue,
            SettingKind::Switch => vec![SettingValue::Switch(true), SettingValue::Switch(false)],
            SettingKind::Number(least, most) | SettingKind::PowerOfTwo(least, most) => {
                vec![SettingValue::Number(least), SettingValue::Number(most)]
            }
            SettingKind::Threshold => vec![SettingValue::Threshold(0, 1), SettingValue::Threshold(3, 0)],
            SettingKind::Text => continue,
        };
        for value in edges {
            client.set_setting(setting.name, &value).unwrap();
            assert_eq!(client.setting(setting.name).unwrap(), value, "{}", setting.name);
        }
        client.set_setting(setting.name, &before).unwrap();
    }
}

#[test]
fn a_setting_is_written_within_its_range_and_its_namespace() {
    let first = Namespace::enter();
    let client = Client::connect().unwrap();
    let on = SettingValue::Switch(true);
    client.set_setting("expire_nodest_conn", &on).unwrap();
    assert_eq!(client.setting("expire_nodest_conn").unwrap(), on);
    client.set_setting("sync_threshold", &SettingValue::Threshold(5, 100)).unwrap();
    assert_eq!(client.setting("sync_threshold").unwrap(), SettingValue::Threshold(5, 100));
    let error = client.set_setting("drop_entry", &SettingValue::Number(4)).unwrap_err();
    assert_eq!(error.to_string(), "cannot write the setting drop_entry: value: 4 is not a number from 0 to 3");

    let second = Namespace::enter();
    let elsewhere = Client::connect().unwrap();
    assert_eq!(elsewhere.setting("expire_nodest_conn").unwrap(), SettingValue::Switch(false));
    // The client reads and writes in its own namespace, wherever the thread is by now.
    assert_eq!(client.setting("expire_nodest_conn").unwrap(), on);
    let named = Client::connect_with(&Options::default().with_netns(first.name())).unwrap();
    assert_eq!(named.setting("expire_nodest_conn").unwrap(), on);
    drop(second);
    drop(first);
}

#[test]
fn a_setting_that_this_kernel_has_not_is_absent() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    assert!(SETTINGS.iter().any(|setting| setting.name == "timeout_close"));
    let error = client.setting("timeout_close").unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoSuchSetting), "{error}");
    assert_eq!(error.raw_os_error(), Some(2));
    let error = client.setting("nosuch").unwrap_err();
    assert!(matches!(error.kind, ErrorKind::InvalidArgument(_)), "{error}");
}
