//! The lines of `/proc/net/ip_vs_conn` (`ip_vs_conn_seq_show`).

use std::fs::File;
use std::io::{BufRead, BufReader};

use super::{parse_address, parse_protocol};
use crate::connection::{Connection, PersistenceData};
use crate::{Error, ErrorKind, Operation};

/// The connections of a namespace, one at a time.
#[derive(Debug)]
pub struct Connections {
    file: BufReader<File>,
    line: Vec<u8>,
}

impl Connections {
    pub(crate) fn new(file: File) -> Self {
        Self { file: BufReader::new(file), line: Vec::new() }
    }
}

impl Iterator for Connections {
    type Item = Result<Connection, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line.clear();
            match self.file.read_until(b'\n', &mut self.line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(Error::new(Operation::Connections, ErrorKind::Io(error)))),
            }
            // What a persistence engine knows comes from the client, in any bytes. The title, and what a newer kernel may
            // show besides, is no connection.
            if let Some(connection) = parse_connection(&String::from_utf8_lossy(&self.line)) {
                return Some(Ok(connection));
            }
        }
    }
}

/// One line; nothing if it is not a connection's.
pub(crate) fn parse_connection(line: &str) -> Option<Connection> {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next();
    let protocol = parse_protocol(next()?)?;
    let client = parse_address(next()?, next()?)?;
    let virtual_address = parse_address(next()?, next()?)?;
    let destination = parse_address(next()?, next()?)?;
    let state = next()?.to_owned();
    let expires = next()?.parse().ok()?;
    let persistence = next().map(|engine| PersistenceData {
        engine: engine.to_owned(),
        // The data may hold spaces.
        data: words.collect::<Vec<_>>().join(" "),
    });
    Some(Connection { protocol, client, virtual_address, destination, state, expires, persistence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;

    // Recorded: `cat /proc/net/ip_vs_conn`, Linux 6.1, with a TCP connection, a template and IPv6.
    const IPV4: &str = "TCP 0A000064 D9B2 0A000001 0050 C0A8010B 1F90 TIME_WAIT       117";
    const IPV6: &str = "UDP [2001:0db8:0000:0000:0000:0000:0000:0064] 0035 [2001:0db8:0000:0000:0000:0000:0000:0001] \
        0035 [2001:0db8:0000:0000:0000:0000:0000:000a] 0035 UDP             299";

    #[test]
    fn a_connection_is_read() {
        let connection = parse_connection(IPV4).unwrap();
        assert_eq!(connection.protocol, Protocol::Tcp);
        assert_eq!(connection.client, "10.0.0.100:55730".parse().unwrap());
        assert_eq!(connection.virtual_address, "10.0.0.1:80".parse().unwrap());
        assert_eq!(connection.destination, "192.168.1.11:8080".parse().unwrap());
        assert_eq!((connection.state.as_str(), connection.expires), ("TIME_WAIT", 117));
        assert_eq!(connection.persistence, None);
        let connection = parse_connection(IPV6).unwrap();
        assert_eq!(connection.client, "[2001:db8::64]:53".parse().unwrap());
        assert_eq!(connection.destination, "[2001:db8::a]:53".parse().unwrap());
    }

    #[test]
    fn persistence_data_is_read() {
        let line = "UDP 0A000064 0000 0A000001 13C4 C0A8010B 13C4 NONE            98 sip f81d4fae-7dec@host.example";
        let data = parse_connection(line).unwrap().persistence.unwrap();
        assert_eq!((data.engine.as_str(), data.data.as_str()), ("sip", "f81d4fae-7dec@host.example"));
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData",
            "TCP 0A000064 D9B2 0A000001 0050 C0A8010B 1F90 TIME_WAIT",
            "TCP 0A00006 D9B2 0A000001 0050 C0A8010B 1F90 TIME_WAIT 1",
        ] {
            assert_eq!(parse_connection(line), None, "{line}");
        }
        // However early it ends.
        for end in 0..IPV4.len() - 3 {
            assert_eq!(parse_connection(&IPV4[..end]), None, "{}", &IPV4[..end]);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let error = Connections::new(File::open("/").unwrap()).next().unwrap().unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Io(_)), "{error}");
        assert_eq!(error.operation, Operation::Connections);
    }
}
