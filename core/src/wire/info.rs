//! The answer to `IPVS_CMD_GET_INFO`.

use netlink_packet_core::DecodeError;

use super::attribute::{attributes, read};
use crate::info::{Info, Version};

const IPVS_INFO_ATTR_VERSION: u16 = 1;
const IPVS_INFO_ATTR_CONN_TAB_SIZE: u16 = 2;

attributes! {
    enum InfoAttr {
        Version(u32) = IPVS_INFO_ATTR_VERSION,
        ConnectionTableSize(u32) = IPVS_INFO_ATTR_CONN_TAB_SIZE,
    }
}

/// The whole answer.
pub(super) fn parse_info(attributes: &[u8]) -> Result<Info, DecodeError> {
    let mut version = None;
    let mut connection_table_size = None;
    for attribute in read(attributes) {
        match attribute? {
            InfoAttr::Version(value) => version = Some(value),
            InfoAttr::ConnectionTableSize(value) => connection_table_size = Some(value),
        }
    }
    // 1.2.1 is 0x010201.
    let [_, major, minor, patch] = version.ok_or("no IPVS_INFO_ATTR_VERSION")?.to_be_bytes();
    Ok(Info {
        version: Version { major, minor, patch },
        connection_table_size: connection_table_size.ok_or("no IPVS_INFO_ATTR_CONN_TAB_SIZE")?,
    })
}
