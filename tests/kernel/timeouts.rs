//! Timeouts in the kernel.

use ipvs_core::{Client, ErrorKind, TIMEOUT_MAX, Timeouts};

use crate::namespace::Namespace;

#[test]
fn what_is_set_is_what_ipvsadm_and_we_read() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    // What a kernel with 1000 ticks a second takes.
    let long = i32::MAX as u32 / 1000;
    let shown = |namespace: &Namespace| namespace.debian("-L --timeout").success();
    client.set_timeouts(&Timeouts { tcp: 1, tcp_fin: long, udp: 30 }).unwrap();
    assert_eq!(client.timeouts().unwrap(), Timeouts { tcp: 1, tcp_fin: long, udp: 30 });
    assert_eq!(shown(&namespace), format!("Timeout (tcp tcpfin udp): 1 {long} 30\n"));
    // 0 leaves a time as it is.
    client.set_timeouts(&Timeouts { tcp: 0, tcp_fin: 120, udp: 0 }).unwrap();
    assert_eq!(client.timeouts().unwrap(), Timeouts { tcp: 1, tcp_fin: 120, udp: 30 });
    namespace.debian("--set 900 0 300").success();
    assert_eq!(client.timeouts().unwrap(), Timeouts { tcp: 900, tcp_fin: 120, udp: 300 });
    // Only a kernel with 100 ticks a second counts as far as that.
    let before = client.timeouts().unwrap();
    let longest = Timeouts { tcp: 60, tcp_fin: 60, udp: TIMEOUT_MAX };
    match client.set_timeouts(&longest) {
        Ok(()) => assert_eq!(client.timeouts().unwrap(), longest),
        Err(error) => {
            assert!(matches!(error.kind, ErrorKind::TimeoutsRefused), "{error}");
            assert_eq!(client.timeouts().unwrap(), before);
        }
    }
    let error = client.set_timeouts(&Timeouts { tcp: TIMEOUT_MAX + 1, tcp_fin: 0, udp: 0 }).unwrap_err();
    assert_eq!(error.to_string(), "cannot set the timeouts: tcp: 21474837 is above 21474836 seconds");
}
