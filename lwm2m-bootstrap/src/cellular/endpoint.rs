//! Which endpoint name a device takes.

use alloc::{
    format,
    string::{String, ToString},
};
use core::{convert::Infallible, str::FromStr};

use super::NetworkInfo;

/// How the endpoint name of a device is made (TS-Core §6.2.1, §7.4.1).
///
/// ```
/// use lwm2m_bootstrap::cellular::{EndpointName, Subscription};
///
/// let network = Subscription { imei: Some("490154203237518".into()), ..Default::default() };
/// let name: EndpointName = "urn-imei".parse().unwrap();
/// assert_eq!(name.of(&network).as_deref(), Some("urn:imei:490154203237518"));
/// let name: EndpointName = "acme-{imei}".parse().unwrap();
/// assert_eq!(name.of(&network).as_deref(), Some("acme-490154203237518"));
/// let name: EndpointName = "iccid".parse().unwrap();
/// assert_eq!(name.of(&network), None, "the SIM has told none");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointName {
    /// Always this one.
    Fixed(String),
    /// `urn:imei:` and the device's serial number.
    UrnImei,
    /// `urn:uuid:` and this UUID in its usual form.
    UrnUuid(String),
    /// `urn:imei-msisdn:`, serial number and telephone number with a hyphen between.
    ImeiMsisdn,
    /// The serial number of the card.
    Iccid,
    /// A text with `{imei}`, `{imsi}`, `{iccid}` or `{msisdn}` in it.
    Custom(String),
}

impl EndpointName {
    /// The name; `None` if the network does not tell what it is made of.
    pub fn of(&self, network: &dyn NetworkInfo) -> Option<String> {
        Some(match self {
            Self::Fixed(name) => name.clone(),
            Self::UrnImei => format!("urn:imei:{}", network.imei()?),
            Self::UrnUuid(uuid) => format!("urn:uuid:{uuid}"),
            Self::ImeiMsisdn => {
                format!("urn:imei-msisdn:{}-{}", network.imei()?, network.msisdn()?)
            }
            Self::Iccid => network.iccid()?.to_string(),
            Self::Custom(template) => {
                let parts: [(&str, Option<&str>); 4] = [
                    ("{imei}", network.imei()),
                    ("{imsi}", network.imsi()),
                    ("{iccid}", network.iccid()),
                    ("{msisdn}", network.msisdn()),
                ];
                let mut name = template.clone();
                for (part, value) in parts {
                    if name.contains(part) {
                        name = name.replace(part, value?);
                    }
                }
                name
            }
        })
    }
}

impl FromStr for EndpointName {
    type Err = Infallible;

    /// Reads `urn-imei`, `imei-msisdn`, `iccid`, `urn:uuid:…`, a text with parts in braces, or any
    /// other name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "urn-imei" => Self::UrnImei,
            "imei-msisdn" => Self::ImeiMsisdn,
            "iccid" => Self::Iccid,
            _ => match text.strip_prefix("urn:uuid:") {
                Some(uuid) => Self::UrnUuid(uuid.to_string()),
                None if text.contains('{') => Self::Custom(text.to_string()),
                None => Self::Fixed(text.to_string()),
            },
        })
    }
}
