//! Ranges of ids, for services that share a pool: `tcp://10.0.0.1-10:80`, `fwmark:1-9`. No I/O.

use std::net::{IpAddr, SocketAddr};

use crate::{InvalidArgument, ServiceId};

/// So many ids a range may have; more are a mistake.
const RANGE_MAX: u128 = 65536;

impl ServiceId {
    /// The ids of a range: of the last part of an address or of a mark, up to another that is in it too. The text of an id is
    /// a range of one.
    ///
    /// ```
    /// use ipvs_core::ServiceId;
    /// assert_eq!(ServiceId::range("tcp://10.0.0.1-10:80")?.len(), 10);
    /// assert_eq!(ServiceId::range("udp://[2001:db8::a-1f]:53")?.len(), 22);
    /// assert_eq!(ServiceId::range("fwmark:1-9/ipv6")?.len(), 9);
    /// # Ok::<(), ipvs_core::InvalidArgument>(())
    /// ```
    pub fn range(text: &str) -> Result<Vec<Self>, InvalidArgument> {
        let Some((first, rest)) = text.split_once('-') else { return Ok(vec![text.parse()?]) };
        let wrong = |what: &str| InvalidArgument::new("range", format!("'{text}' {what}"));
        let digits = rest.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(rest.len());
        let (last, end) = rest.split_at(digits);
        // Behind the last part comes the port, the end of the brackets, or the family of a mark.
        let is_last = match end.bytes().next() {
            Some(b':') => !text.contains('['),
            Some(next) => next == b']' || next == b'/',
            None => true,
        };
        if !is_last {
            return Err(wrong("is no range of ids: it is of the last part of an address"));
        }
        let begin = first.rfind(['.', ':']).map_or("", |place| &first[..=place]);
        let parse = |text: String| {
            text.parse::<Self>().map_err(|_| wrong("is no range of ids; write tcp://10.0.0.1-10:80 or fwmark:1-9"))
        };
        let (first, last) = (parse(format!("{first}{end}"))?, parse(format!("{begin}{last}{end}"))?);
        if first.with_number(last.number()) != last {
            return Err(wrong("is no range of ids: more than the last part of an address differs"));
        }
        match last.number().checked_sub(first.number()) {
            None => Err(wrong("ends before it begins")),
            Some(more) if more >= RANGE_MAX => Err(wrong(&format!("has more than {RANGE_MAX} ids"))),
            Some(_) => Ok((first.number()..=last.number()).map(|number| first.with_number(number)).collect()),
        }
    }

    /// The address or the mark.
    fn number(&self) -> u128 {
        match self {
            Self::Address { address, .. } => match address.ip() {
                IpAddr::V4(address) => address.to_bits().into(),
                IpAddr::V6(address) => address.to_bits(),
            },
            Self::Fwmark { mark, .. } => (*mark).into(),
        }
    }

    /// The same with another address or mark, which lies between two that there are.
    #[expect(clippy::cast_possible_truncation, reason = "it lies between two of the same width")]
    fn with_number(&self, number: u128) -> Self {
        match *self {
            Self::Address { protocol, address } => {
                let ip = match address.ip() {
                    IpAddr::V4(_) => IpAddr::V4((number as u32).into()),
                    IpAddr::V6(_) => IpAddr::V6(number.into()),
                };
                Self::Address { protocol, address: SocketAddr::new(ip, address.port()) }
            }
            Self::Fwmark { family, .. } => Self::Fwmark { mark: number as u32, family },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(range: &str) -> Vec<String> {
        ServiceId::range(range).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_range_is_of_the_last_part() {
        assert_eq!(texts("tcp://10.0.0.9-11:80"), ["tcp://10.0.0.9:80", "tcp://10.0.0.10:80", "tcp://10.0.0.11:80"]);
        assert_eq!(texts("sctp://[2001:db8::f-10]:1"), ["sctp://[2001:db8::f]:1", "sctp://[2001:db8::10]:1"]);
        assert_eq!(texts("udp://[::ffff:10.0.0.1-2]:1"), ["udp://[::ffff:10.0.0.1]:1", "udp://[::ffff:10.0.0.2]:1"]);
        assert_eq!(texts("fwmark:4294967294-4294967295"), ["fwmark:4294967294", "fwmark:4294967295"]);
        assert_eq!(texts("fwmark:7-8/ipv6"), ["fwmark:7/ipv6", "fwmark:8/ipv6"]);
        assert_eq!(texts("tcp://10.0.0.1-1:80"), ["tcp://10.0.0.1:80"]);
        assert_eq!(texts("tcp://10.0.0.1:80"), ["tcp://10.0.0.1:80"]);
        assert_eq!(texts("fwmark:1-65536").len(), 65536);
        assert_eq!(texts(&format!("tcp://[{}fffe-ffff]:1", "ffff:".repeat(7))).len(), 2);
        assert_eq!(texts("tcp://10.0.0.0-255:80").len(), 256);
    }

    #[test]
    fn what_is_none_is_refused() {
        for (range, why) in [
            ("fwmark:1-65537", "has more than 65536 ids"),
            ("tcp://10.0.0.9-1:80", "ends before it begins"),
            ("tcp://10.0.0.1-256:80", "is no range"),
            ("tcp://10.0.0.1-10.0.0.9:80", "is no range"),
            ("tcp://10.0.0.1:80-90", "is no range"),
            ("tcp://[::1-10000]:80", "is no range"),
            ("fwmark:0-9", "is no range"),
            ("fwmark:1-", "is no range"),
            ("tcp://10.0.0-1.5:80", "is no range"),
            ("tcp://[2001:1-2::5]:80", "is no range"),
            ("-", "is no range"),
            ("\u{e9}-\u{e9}", "is no range"),
        ] {
            let error = ServiceId::range(range).unwrap_err();
            assert!(error.to_string().contains(why), "{range}: {error}");
        }
    }
}
