//! The examples of the manual of 1.31, as they are written there: ours and Debian's make the same table of them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::namespace::{Namespace, WITNESS, built, run, run_with_input};

/// Each with a blank line behind it.
const EXAMPLES: &str = "
ipvsadm -A -t 207.175.44.110:80 -s rr
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.1:80 -m
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.2:80 -m
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.3:80 -m
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.4:80 -m
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.5:80 -m

ipvsadm -A -f 1  -s rr
ipvsadm -a -f 1 -r 192.168.10.1:0 -m
ipvsadm -a -f 1 -r 192.168.10.2:0 -m
ipvsadm -a -f 1 -r 192.168.10.3:0 -m
ipvsadm -a -f 1 -r 192.168.10.4:0 -m
ipvsadm -a -f 1 -r 192.168.10.5:0 -m

ipvsadm -A -t 207.175.44.110:80 -s rr
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.1:80 -i --tun-type gue --tun-port 6080 --tun-nocsum
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.2:80 -i --tun-type gue --tun-port 6080 --tun-csum
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.3:80 -i --tun-type gue --tun-port 6080 --tun-remcsum
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.4:80 -i --tun-type gue --tun-port 6078
ipvsadm -a -t 207.175.44.110:80 -r 192.168.10.5:80 -i --tun-type gue --tun-port 6079

ipvsadm -A -t 10.0.0.1:80 -s rr
ipvsadm -a -t 10.0.0.1:80 -r 192.168.11.1:80 -i --tun-type gre --tun-csum

ipvsadm -A -t [2001:db8::80]:80 -s rr
ipvsadm -a -t [2001:db8::80]:80 -r [2001:db8::a0a0]:80 -m
";

#[test]
fn the_examples_make_the_same_table_line_by_line_and_as_rules() {
    let examples: Vec<&str> = EXAMPLES.trim().split("\n\n").collect();
    assert_eq!(examples.len(), 5);
    for example in examples {
        let namespace = Namespace::enter();
        let table = |namespace: &Namespace| {
            assert_eq!(namespace.witness().len(), example.lines().count());
            (namespace.witness(), namespace.debian("-Ln --tun-info").success())
        };
        let words = |line: &'static str| line.split_whitespace().skip(1);
        for line in example.lines() {
            run(WITNESS, words(line)).success();
        }
        let expected = table(&namespace);
        namespace.debian("-C").success();
        for line in example.lines() {
            assert_eq!(run(built("ipvsadm"), words(line)).success(), "");
        }
        assert_eq!(table(&namespace), expected);
        namespace.debian("-C").success();
        // The manual leaves the program's name out there; either form is good.
        run_with_input(built("ipvsadm"), ["-R"], format!("\n{}\n", example.replace("ipvsadm ", ""))).success();
        assert_eq!(table(&namespace), expected);
        namespace.debian("-C").success();
        run_with_input(built("ipvsadm"), ["-R"], example).success();
        assert_eq!(table(&namespace), expected);
    }
}

/// Example 2 to its end: packets to two addresses and any port carry a mark and are balanced by it.
#[test]
fn marked_packets_are_balanced() {
    let namespace = Namespace::enter();
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    run("modprobe", ["ip_tables"]).success();
    let mark = "-t mangle -d 207.175.44.110/31 -j MARK --set-mark 1";
    for chain in ["PREROUTING", "OUTPUT"] {
        run("iptables-legacy", format!("-A {chain} {mark}").split_whitespace()).success();
    }
    run("modprobe", ["ip_vs_ftp"]).success();
    namespace.ours("-A -f 1 -s rr").success();
    namespace.ours("-a -f 1 -r 127.0.0.1:0 -m").success();
    for address in ["207.175.44.110/32", "207.175.44.111/32"] {
        run("ip", ["address", "add", address, "dev", "lo"]).success();
    }
    let server = TcpListener::bind("127.0.0.1:8080").unwrap();
    for address in ["207.175.44.110:8080", "207.175.44.111:8080"] {
        let mut client = TcpStream::connect(address).unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        client.write_all(b"hello").unwrap();
        let mut received = [0; 5];
        accepted.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"hello");
    }
    let listed = namespace.ours("-Lnc").success();
    for address in ["207.175.44.110:8080", "207.175.44.111:8080"] {
        assert!(listed.lines().any(|line| line.contains(address) && line.contains("127.0.0.1:8080")), "{listed}");
    }
}
