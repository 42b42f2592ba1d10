//! How one netlink attribute is written and read, and the table from which an attribute enum comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{DecodeError, NLA_F_NESTED, NLA_TYPE_MASK};

use crate::service::Family;

/// The value of an attribute.
pub(super) trait Value: Sized {
    /// How many bytes it takes, without padding.
    fn length(&self) -> usize {
        size_of::<Self>()
    }
    /// Writes it behind what is there, without padding.
    fn append(&self, out: &mut Vec<u8>);
    /// Reads a value, or says what is wrong with its bytes.
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// Writes one attribute behind what is there. Its length comes first, so that a file of rules is written in half the time.
pub(super) fn append(out: &mut Vec<u8>, number: u16, value: &impl Value) {
    let length = HEADER_LENGTH + value.length();
    out.extend_from_slice(&header(number, length));
    value.append(out);
    out.extend_from_slice(&[0; 3][..length.next_multiple_of(4) - length]);
}

/// Writes one attribute behind what is there, with attributes in it.
pub(super) fn append_nested(out: &mut Vec<u8>, number: u16, attributes: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LENGTH]);
    attributes(out);
    let header = header(number | NLA_F_NESTED, out.len() - start);
    out[start..start + HEADER_LENGTH].copy_from_slice(&header);
}

const HEADER_LENGTH: usize = 4;

fn header(number: u16, length: usize) -> [u8; HEADER_LENGTH] {
    // The longest is a whole destination, of less than 200 bytes: all names are checked.
    let [a, b] = u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes();
    let [c, d] = number.to_ne_bytes();
    [a, b, c, d]
}

/// An enum of attributes that `attributes!` made.
pub(super) trait Attribute: Sized {
    /// Reads the value of the attribute with this number; nothing if the table does not name it.
    fn parse(number: u16, value: &[u8]) -> Result<Option<Self>, DecodeError>;
}

/// The attributes in these bytes, each its number and its value. An error ends them.
pub(super) struct Attributes<'a>(pub &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() {
            return None;
        }
        let header = bytes.first_chunk().map(|[first, second, third, fourth]| {
            (usize::from(u16::from_ne_bytes([*first, *second])), u16::from_ne_bytes([*third, *fourth]))
        });
        let (length, number) = header.unwrap_or_default();
        let Some(value) = bytes.get(4..length) else {
            return Some(Err(format!("an attribute of {length} bytes in {} bytes", bytes.len()).into()));
        };
        // The last one may come without the padding behind it.
        self.0 = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((number & NLA_TYPE_MASK, value)))
    }
}

/// The attributes in these bytes. Those that the table does not name are skipped: newer kernels add some.
pub(super) fn read<A: Attribute>(bytes: &[u8]) -> impl Iterator<Item = Result<A, DecodeError>> {
    Attributes(bytes).filter_map(|attribute| match attribute {
        Ok((number, value)) => A::parse(number, value).transpose(),
        Err(error) => Some(Err(error)),
    })
}

/// Exactly `N` bytes.
fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::from(format!("{} bytes where {N} belong", bytes.len())))
}

macro_rules! native_numbers {
    ($($number:ty),+) => {$(
        impl Value for $number {
            fn append(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_ne_bytes());
            }
            fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
                exactly(bytes).map(Self::from_ne_bytes)
            }
        }
    )+};
}
native_numbers!(u8, u16, u32, u64);

/// Bytes as they are.
impl<const N: usize> Value for [u8; N] {
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        exactly(bytes)
    }
}

/// A port: 16 bits in network byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Port(pub u16);

impl Value for Port {
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        exactly(bytes).map(|bytes| Self(u16::from_be_bytes(bytes)))
    }
}

/// An address: always 16 bytes, an IPv4 address in the first four. Which of the two it is, another attribute says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address([u8; 16]);

impl Address {
    /// The address in the given family.
    pub fn in_family(self, family: Family) -> IpAddr {
        let [a, b, c, d, ..] = self.0;
        match family {
            Family::Ipv4 => Ipv4Addr::new(a, b, c, d).into(),
            Family::Ipv6 => Ipv6Addr::from(self.0).into(),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        let mut bytes = [0; 16];
        match address {
            IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => bytes = address.octets(),
        }
        Self(bytes)
    }
}

impl Value for Address {
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() < 4 {
            return Err(format!("an address of {} bytes", bytes.len()).into());
        }
        let mut address = [0; 16];
        let length = bytes.len().min(address.len());
        address[..length].copy_from_slice(&bytes[..length]);
        Ok(Self(address))
    }
}

impl Value for Family {
    fn length(&self) -> usize {
        size_of::<u16>()
    }
    fn append(&self, out: &mut Vec<u8>) {
        let number: u16 = match self {
            Self::Ipv4 => AF_INET,
            Self::Ipv6 => AF_INET6,
        };
        number.append(out);
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        match u16::parse(bytes)? {
            AF_INET => Ok(Self::Ipv4),
            AF_INET6 => Ok(Self::Ipv6),
            other => Err(format!("address family {other} is neither {AF_INET} nor {AF_INET6}").into()),
        }
    }
}

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Text that ends in NUL.
impl Value for String {
    fn length(&self) -> usize {
        self.len() + 1
    }
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
        out.push(0);
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Self::from_utf8_lossy(text).into_owned())
    }
}

/// A service's flags, and which of them are meant: `struct ip_vs_flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags {
    pub flags: u32,
    pub mask: u32,
}

impl Value for Flags {
    fn append(&self, out: &mut Vec<u8>) {
        self.flags.append(out);
        self.mask.append(out);
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (flags, mask) = bytes.split_at_checked(4).ok_or("flags of less than 8 bytes")?;
        Ok(Self { flags: u32::parse(flags)?, mask: u32::parse(mask)? })
    }
}

/// Makes an enum of attributes that can be written and read from one table: name, type of the value, number.
macro_rules! attributes {
    ($(#[$doc:meta])* enum $name:ident { $($variant:ident($value:ty) = $number:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) enum $name {
            $($variant($value),)+
        }

        impl $name {
            /// Writes it behind what is there. Which one it is, is known wherever it is written.
            #[allow(dead_code, reason = "some are only read")]
            #[inline(always)]
            pub fn append(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(value) => $crate::wire::attribute::append(out, $number, value),)+
                }
            }
        }

        impl $crate::wire::attribute::Attribute for $name {
            fn parse(number: u16, value: &[u8]) -> Result<Option<Self>, netlink_packet_core::DecodeError> {
                use netlink_packet_core::ErrorContext;
                use $crate::wire::attribute::Value;
                Ok(Some(match number {
                    $($number => Self::$variant(<$value>::parse(value).context(stringify!($number))?),)+
                    _ => return Ok(None),
                }))
            }
        }
    };
}
pub(super) use attributes;
