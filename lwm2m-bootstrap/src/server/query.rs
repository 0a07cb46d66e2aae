//! The query of a Bootstrap-Request and of a Bootstrap-Pack-Request (TS-Core §6.1.7.1, §6.1.7.7).

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use lwm2m_codec::{ContentFormat, Path, coap::Message, link::Links};

use super::RefusedReason;

/// The query of a Bootstrap-Request.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) endpoint: Option<String>,
    pub(super) format: Option<ContentFormat>,
    /// Instances of the bootstrap account, in a Bootstrap-Pack-Request.
    pub(super) accounts: Vec<Path>,
}

impl Query {
    pub(super) fn read(&mut self, message: &Message<'_>) -> Result<(), RefusedReason> {
        for parameter in message.uri_query() {
            let parameter = parameter.ok_or(RefusedReason::MalformedQuery)?;
            match parameter.split_once('=') {
                Some(("ep", name)) if !name.is_empty() => self.endpoint = Some(name.to_string()),
                Some(("pct", number)) => {
                    let number = number.parse().ok();
                    let format = ContentFormat(number.ok_or(RefusedReason::MalformedQuery)?);
                    // TS-Core §6.1.7.1.
                    if !PREFERRED.contains(&format) {
                        return Err(RefusedReason::UnsupportedFormat(format));
                    }
                    self.format = Some(format);
                }
                Some(("acc", list)) => {
                    for link in Links::new(list.as_bytes()) {
                        let link = link.map_err(|_| RefusedReason::MalformedQuery)?;
                        self.accounts.extend(link.path());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Formats that a device may prefer.
const PREFERRED: [ContentFormat; 4] = [
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::TLV,
    ContentFormat::LWM2M_CBOR,
];

/// Formats of packs.
pub(super) const PACKS: [ContentFormat; 3] = [
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::LWM2M_CBOR,
];
