//! What a device knows of its subscription and the network that it is attached to.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::{fmt, str::FromStr};

/// A mobile network: country code and network code (TS 23.003 §2.2).
///
/// ```
/// use lwm2m_bootstrap::cellular::Plmn;
///
/// let plmn: Plmn = "00101".parse().unwrap();
/// assert_eq!(plmn.zone(), "mnc001.mcc001.pub.3gppnetwork.org");
/// assert_eq!(plmn.to_string(), "00101");
/// assert_ne!(Ok(plmn), "001001".parse());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plmn {
    /// Mobile country code, 0 to 999.
    pub mcc: u16,
    /// Mobile network code, 0 to 999.
    pub mnc: u16,
    /// Digits that the network code is written with, 2 or 3: 01 and 001 are two networks.
    pub mnc_digits: u8,
}

/// A text is no network code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected three digits of the country and two or three of the network")]
pub struct PlmnError;

impl Plmn {
    /// The operator's zone in the public DNS (TS 23.003 §13); the network code is padded to three
    /// digits.
    pub fn zone(&self) -> String {
        format!("mnc{:03}.mcc{:03}.pub.3gppnetwork.org", self.mnc, self.mcc)
    }

    /// The private user identity that is made of an IMSI (TS 23.003 §13.3).
    pub fn impi(&self, imsi: &str) -> String {
        let (mnc, mcc) = (self.mnc, self.mcc);
        format!("{imsi}@ims.mnc{mnc:03}.mcc{mcc:03}.3gppnetwork.org")
    }

    /// Name of the operator's bootstrapping server function for GBA (TS 23.003 §16).
    pub fn bsf(&self) -> String {
        format!("bsf.{}", self.zone())
    }

    /// Reads the three bytes of TS 24.008 §10.5.1.3; `None` if they hold no digits.
    pub fn from_bcd([first, second, third]: [u8; 3]) -> Option<Self> {
        let digit = |nibble: u8| (nibble < 10).then(|| u16::from(nibble));
        let number = |a, b, c| Some(digit(a)? * 100 + digit(b)? * 10 + digit(c)?);
        let mcc = number(first & 15, first >> 4, second & 15)?;
        let (one, two) = (third & 15, third >> 4);
        let (mnc, mnc_digits) = match second >> 4 {
            15 => (number(0, one, two)?, 2),
            three => (number(one, two, three)?, 3),
        };
        Some(Self {
            mcc,
            mnc,
            mnc_digits,
        })
    }
}

impl FromStr for Plmn {
    type Err = PlmnError;

    /// Reads `00101`, `001001`, or the same with a hyphen between both.
    fn from_str(text: &str) -> Result<Self, PlmnError> {
        let (mcc, mnc) = text.split_at_checked(3).ok_or(PlmnError)?;
        let mnc = mnc.strip_prefix('-').unwrap_or(mnc);
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let mnc_digits = match mnc.len() {
            2 => 2,
            3 => 3,
            _ => return Err(PlmnError),
        };
        if !digits(mcc) || !digits(mnc) {
            return Err(PlmnError);
        }
        Ok(Self {
            mcc: mcc.parse().map_err(|_| PlmnError)?,
            mnc: mnc.parse().map_err(|_| PlmnError)?,
            mnc_digits,
        })
    }
}

impl fmt::Display for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.mnc_digits);
        write!(f, "{:03}{:0digits$}", self.mcc, self.mnc)
    }
}

/// What the interface is that a device's datagrams leave by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Bearer {
    /// Anything: Wi-Fi, Ethernet, a visited network's breakout.
    #[default]
    Other,
    /// A bearer of the SIM's operator, whose network lets nobody else have the device's address
    /// and nobody else read its datagrams. Only the application can know.
    Operator,
}

/// What a modem can tell. All texts are digits unless stated otherwise.
pub trait NetworkInfo {
    /// Subscriber identity, 6 to 15 digits.
    fn imsi(&self) -> Option<&str>;
    /// Serial number of the card, 18 to 20 digits.
    fn iccid(&self) -> Option<&str>;
    /// The SIM's own network, of which the IMSI alone does not tell the length.
    fn plmn(&self) -> Option<Plmn>;
    /// Group identifier, level 1 (EF_GID1).
    fn gid1(&self) -> Option<&[u8]> {
        None
    }
    /// Group identifier, level 2 (EF_GID2).
    fn gid2(&self) -> Option<&[u8]> {
        None
    }
    /// Name of the service provider (EF_SPN); any text.
    fn spn(&self) -> Option<&str> {
        None
    }
    /// Access point name in use; any text.
    fn apn(&self) -> Option<&str> {
        None
    }
    /// Content of a container of the protocol configuration options that the network sent
    /// (TS 24.008 §10.5.6.3).
    fn pco(&self, _container: u16) -> Option<&[u8]> {
        None
    }
    /// Telephone number of the subscription.
    fn msisdn(&self) -> Option<&str> {
        None
    }
    /// Serial number of the device, 15 digits.
    fn imei(&self) -> Option<&str> {
        None
    }
    /// What the device's datagrams leave by.
    fn bearer(&self) -> Bearer {
        Bearer::Other
    }
}

/// [`NetworkInfo`] that somebody has put together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription {
    /// See [`NetworkInfo::imsi`].
    pub imsi: Option<String>,
    /// See [`NetworkInfo::iccid`].
    pub iccid: Option<String>,
    /// See [`NetworkInfo::plmn`].
    pub plmn: Option<Plmn>,
    /// See [`NetworkInfo::gid1`].
    pub gid1: Option<Vec<u8>>,
    /// See [`NetworkInfo::gid2`].
    pub gid2: Option<Vec<u8>>,
    /// See [`NetworkInfo::spn`].
    pub spn: Option<String>,
    /// See [`NetworkInfo::apn`].
    pub apn: Option<String>,
    /// See [`NetworkInfo::pco`].
    pub pco: BTreeMap<u16, Vec<u8>>,
    /// See [`NetworkInfo::msisdn`].
    pub msisdn: Option<String>,
    /// See [`NetworkInfo::imei`].
    pub imei: Option<String>,
    /// See [`NetworkInfo::bearer`].
    pub bearer: Bearer,
}

impl NetworkInfo for Subscription {
    fn imsi(&self) -> Option<&str> {
        self.imsi.as_deref()
    }

    fn iccid(&self) -> Option<&str> {
        self.iccid.as_deref()
    }

    fn plmn(&self) -> Option<Plmn> {
        self.plmn
    }

    fn gid1(&self) -> Option<&[u8]> {
        self.gid1.as_deref()
    }

    fn gid2(&self) -> Option<&[u8]> {
        self.gid2.as_deref()
    }

    fn spn(&self) -> Option<&str> {
        self.spn.as_deref()
    }

    fn apn(&self) -> Option<&str> {
        self.apn.as_deref()
    }

    fn pco(&self, container: u16) -> Option<&[u8]> {
        self.pco.get(&container).map(Vec::as_slice)
    }

    fn msisdn(&self) -> Option<&str> {
        self.msisdn.as_deref()
    }

    fn imei(&self) -> Option<&str> {
        self.imei.as_deref()
    }

    fn bearer(&self) -> Bearer {
        self.bearer
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_network_code_of_two_digits_is_padded_in_names_only() {
        let plmn: Plmn = "262-42".parse().unwrap();
        assert_eq!(plmn.to_string(), "26242");
        assert_eq!(plmn.zone(), "mnc042.mcc262.pub.3gppnetwork.org");
        assert_eq!(plmn.bsf(), "bsf.mnc042.mcc262.pub.3gppnetwork.org");
        assert_eq!(
            plmn.impi("262420000000001"),
            "262420000000001@ims.mnc042.mcc262.3gppnetwork.org"
        );
    }

    #[test]
    fn what_is_no_network_code_is_refused() {
        for text in [
            "", "001", "0010", "0010011", "00a01", "001+1", "001--01", "ä01",
        ] {
            assert_eq!(text.parse::<Plmn>(), Err(PlmnError), "{text}");
        }
    }

    #[test]
    fn the_digits_of_three_bytes_are_swapped() {
        assert_eq!(Plmn::from_bcd([0x62, 0xf2, 0x24]), "26242".parse().ok());
        assert_eq!(Plmn::from_bcd([0x13, 0x00, 0x14]), "310410".parse().ok());
        assert_eq!(Plmn::from_bcd([0xff, 0xff, 0xff]), None);
    }
}
