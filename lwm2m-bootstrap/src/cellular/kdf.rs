//! Keys of an application derived from those of the network: GBA and AKMA.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Plmn, milenage};

/// Length of a derived key in bytes.
pub const KEY_LEN: usize = 32;

/// A derived key, wiped when dropped.
pub type DerivedBytes = Zeroizing<[u8; KEY_LEN]>;

/// Names the protocol that a key is for (TS 33.220 Annex H).
pub type UaProtocol = [u8; 5];

/// TLS with the cipher suite TLS_PSK_WITH_AES_128_CCM_8 (0xC0A8), as TS 33.220 Annex H builds such
/// a value of a suite. The standard names none for DTLS: this is a choice of this project, and the
/// operator's side must make the same.
pub const UA_DTLS_PSK: UaProtocol = [0x01, 0x00, 0x01, 0xC0, 0xA8];

/// Longest parameter of a derivation in bytes: its length goes into two.
const MAX_PARAMETER: usize = u16::MAX as usize;

/// A parameter is longer than 65,535 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a parameter of a key derivation is longer than {MAX_PARAMETER} bytes")]
pub struct ParameterTooLong;

/// The function of TS 33.220 §B.2: HMAC-SHA-256 of FC and all parameters, each with its length.
fn kdf(
    key: &[u8; KEY_LEN],
    function: u8,
    parameters: &[&[u8]],
) -> Result<DerivedBytes, ParameterTooLong> {
    // HMAC fills a key up with zeros to a block of its hash (RFC 2104 §2).
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(&[function]);
    for parameter in parameters {
        let len = u16::try_from(parameter.len()).map_err(|_| ParameterTooLong)?;
        mac.update(parameter);
        mac.update(&len.to_be_bytes());
    }
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

/// The name that both derivations bind a key to: FQDN and protocol (TS 33.220 §4.5.2).
fn application_id(fqdn: &str, ua: UaProtocol) -> Vec<u8> {
    // Names of hosts are the same in any case; both sides take the lower one.
    let mut id = fqdn.to_ascii_lowercase().into_bytes();
    id.extend(ua);
    id
}

/// What a run of the Ub interface leaves at the device and at the operator's BSF
/// (TS 33.220 §4.5.2). Ks is wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct GbaSession {
    ks: DerivedBytes,
    rand: [u8; 16],
    impi: String,
    btid: String,
}

impl GbaSession {
    /// Makes a session of Ks (CK and IK, one after the other), RAND, the private user identity,
    /// and the identifier that the BSF gave it.
    pub fn new(ks: DerivedBytes, rand: [u8; 16], impi: String, btid: String) -> Self {
        Self {
            ks,
            rand,
            impi,
            btid,
        }
    }

    /// Makes the session that a RAND of the BSF leads to, for a SIM that uses Milenage: both the
    /// SIM and the operator, who share K and OPc, come to the same.
    pub fn from_milenage(
        k: &[u8; 16],
        opc: &[u8; 16],
        rand: [u8; 16],
        plmn: Plmn,
        imsi: &str,
    ) -> Self {
        let (ck, ik) = milenage::ck_ik(k, opc, &rand);
        let mut ks = DerivedBytes::default();
        ks.iter_mut()
            .zip(ck.iter().chain(&*ik))
            .for_each(|(to, from)| *to = *from);
        let btid = btid(&rand, &plmn.bsf());
        Self::new(ks, rand, plmn.impi(imsi), btid)
    }

    /// The session's identifier, which is the PSK identity (TS 33.222 §5.4).
    pub fn btid(&self) -> &str {
        &self.btid
    }

    /// The key Ks_NAF for a server and a protocol, for keys that the device keeps in the modem's
    /// memory (GBA_ME; TS 33.220 §B.3).
    ///
    /// # Errors
    /// [`ParameterTooLong`]
    pub fn ks_naf(&self, fqdn: &str, ua: UaProtocol) -> Result<DerivedBytes, ParameterTooLong> {
        let naf = application_id(fqdn, ua);
        let parameters = [b"gba-me".as_slice(), &self.rand, self.impi.as_bytes(), &naf];
        kdf(&self.ks, 0x01, &parameters)
    }
}

impl fmt::Debug for GbaSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GbaSession")
            .field("btid", &self.btid)
            .finish_non_exhaustive()
    }
}

/// The identifier of a session: RAND in Base64 and the name of the BSF (TS 33.220 §4.5.2).
fn btid(rand: &[u8; 16], bsf: &str) -> String {
    format!("{}@{bsf}", Base64::encode_string(rand))
}

/// What authentication in a 5G network leaves at the device and at the operator's anchor function
/// (TS 33.535 §6.1). K_AKMA is wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct AkmaSession {
    k_akma: DerivedBytes,
    akid: String,
}

impl AkmaSession {
    /// Makes a session of K_AKMA and its identifier A-KID.
    pub fn new(k_akma: DerivedBytes, akid: String) -> Self {
        Self { k_akma, akid }
    }

    /// The session's identifier, which is the PSK identity.
    pub fn akid(&self) -> &str {
        &self.akid
    }

    /// The key K_AF for a server and a protocol (TS 33.535 §A.4).
    ///
    /// # Errors
    /// [`ParameterTooLong`]
    pub fn k_af(&self, fqdn: &str, ua: UaProtocol) -> Result<DerivedBytes, ParameterTooLong> {
        kdf(&self.k_akma, 0x82, &[&application_id(fqdn, ua)])
    }
}

impl fmt::Debug for AkmaSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AkmaSession")
            .field("akid", &self.akid)
            .finish_non_exhaustive()
    }
}
