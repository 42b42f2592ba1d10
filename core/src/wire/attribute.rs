//! How one netlink attribute is written and read, and the table from which an attribute enum comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{DecodeError, Emitable, Nla, NlaBuffer, NlasIterator, Parseable};

use crate::service::Family;

/// The value of an attribute.
pub(super) trait Value: Sized {
    /// Flags that go with the attribute's number.
    const FLAGS: u16 = 0;
    /// Length in bytes, without padding.
    fn length(&self) -> usize;
    /// Writes exactly `length` bytes.
    fn emit(&self, buffer: &mut [u8]);
    /// Reads a value, or says what is wrong with its bytes.
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// Exactly `N` bytes.
fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::from(format!("{} bytes where {N} belong", bytes.len())))
}

macro_rules! native_numbers {
    ($($number:ty),+) => {$(
        impl Value for $number {
            fn length(&self) -> usize {
                size_of::<Self>()
            }
            fn emit(&self, buffer: &mut [u8]) {
                buffer.copy_from_slice(&self.to_ne_bytes());
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
    fn length(&self) -> usize {
        N
    }
    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self);
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        exactly(bytes)
    }
}

/// A port: 16 bits in network byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Port(pub u16);

impl Value for Port {
    fn length(&self) -> usize {
        2
    }
    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0.to_be_bytes());
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
    fn length(&self) -> usize {
        self.0.len()
    }
    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0);
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
        2
    }
    fn emit(&self, buffer: &mut [u8]) {
        let number: u16 = match self {
            Self::Ipv4 => AF_INET,
            Self::Ipv6 => AF_INET6,
        };
        buffer.copy_from_slice(&number.to_ne_bytes());
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
    fn emit(&self, buffer: &mut [u8]) {
        buffer[..self.len()].copy_from_slice(self.as_bytes());
        buffer[self.len()] = 0;
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
    fn length(&self) -> usize {
        8
    }
    fn emit(&self, buffer: &mut [u8]) {
        buffer[..4].copy_from_slice(&self.flags.to_ne_bytes());
        buffer[4..].copy_from_slice(&self.mask.to_ne_bytes());
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (flags, mask) = bytes.split_at_checked(4).ok_or("flags of less than 8 bytes")?;
        Ok(Self { flags: u32::parse(flags)?, mask: u32::parse(mask)? })
    }
}

/// Attributes within an attribute.
impl<T> Value for Vec<T>
where
    T: Nla + for<'b> Parseable<NlaBuffer<&'b [u8]>>,
{
    const FLAGS: u16 = netlink_packet_core::NLA_F_NESTED;

    fn length(&self) -> usize {
        self.as_slice().buffer_len()
    }
    fn emit(&self, buffer: &mut [u8]) {
        self.as_slice().emit(buffer);
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        NlasIterator::new(bytes).map(|attribute| T::parse(&attribute?)).collect()
    }
}

/// Makes an enum of attributes with `Nla` and `Parseable` from one table: name, type of the value, number. An
/// attribute that the table does not name is kept as `Other`, since newer kernels add some.
macro_rules! attributes {
    ($(#[$doc:meta])* enum $name:ident { $($variant:ident($value:ty) = $number:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(super) enum $name {
            $($variant($value),)+
            Other(netlink_packet_core::DefaultNla),
        }

        impl netlink_packet_core::Nla for $name {
            fn kind(&self) -> u16 {
                match self {
                    $(Self::$variant(_) => $number | <$value as $crate::wire::attribute::Value>::FLAGS,)+
                    Self::Other(attribute) => netlink_packet_core::Nla::kind(attribute),
                }
            }
            fn value_len(&self) -> usize {
                match self {
                    $(Self::$variant(value) => $crate::wire::attribute::Value::length(value),)+
                    Self::Other(attribute) => netlink_packet_core::Nla::value_len(attribute),
                }
            }
            fn emit_value(&self, buffer: &mut [u8]) {
                match self {
                    $(Self::$variant(value) => $crate::wire::attribute::Value::emit(value, buffer),)+
                    Self::Other(attribute) => netlink_packet_core::Nla::emit_value(attribute, buffer),
                }
            }
        }

        impl netlink_packet_core::Parseable<netlink_packet_core::NlaBuffer<&[u8]>> for $name {
            fn parse(
                attribute: &netlink_packet_core::NlaBuffer<&[u8]>,
            ) -> Result<Self, netlink_packet_core::DecodeError> {
                use netlink_packet_core::ErrorContext;
                match attribute.kind() {
                    $($number => <$value as $crate::wire::attribute::Value>::parse(attribute.value())
                        .map(Self::$variant)
                        .context(stringify!($number)),)+
                    _ => netlink_packet_core::DefaultNla::parse(attribute).map(Self::Other),
                }
            }
        }
    };
}
pub(super) use attributes;
