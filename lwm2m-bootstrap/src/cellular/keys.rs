//! Where the keys come from that no account holds.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use zeroize::Zeroizing;

use super::{
    AkmaSession, GbaSession,
    kdf::{ParameterTooLong, UA_DTLS_PSK, UaProtocol},
};
use crate::DerivedKey;

/// What a key is wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyContext<'a> {
    /// Name or address of the server, as in the account's URI.
    pub server: &'a str,
    /// Port of the server.
    pub port: u16,
    /// The protocol that the key is for.
    pub ua_protocol: UaProtocol,
    /// How the account says that the key is made.
    pub kind: DerivedKey,
}

impl<'a> KeyContext<'a> {
    /// A key for DTLS with TLS_PSK_WITH_AES_128_CCM_8.
    pub const fn dtls(server: &'a str, port: u16, kind: DerivedKey) -> Self {
        Self {
            server,
            port,
            ua_protocol: UA_DTLS_PSK,
            kind,
        }
    }
}

/// Name under which a server knows a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PskIdentity(pub Vec<u8>);

/// Says why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The platform has nothing to make such a key of.
    #[error("there is nothing to make {0} of")]
    NoSession(DerivedKey),
    /// The SIM or the modem did not answer.
    #[error("the SIM or the modem did not answer")]
    Unavailable,
    /// A name is too long.
    #[error(transparent)]
    Parameter(#[from] ParameterTooLong),
}

/// Makes keys when they are needed. They are nowhere stored: an account keeps how its key is made.
///
/// It may take its time, such as to ask a modem; the driver calls it on a thread for such things.
pub trait KeyProvider: Send {
    /// Writes the key into `out`, which is empty, and returns the identity that goes with it.
    ///
    /// # Errors
    /// [`KeyError`]: the connection is not made.
    fn psk(
        &mut self,
        context: &KeyContext<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<PskIdentity, KeyError>;
}

/// Keys of the sessions that a device has with its network.
#[derive(Default)]
pub struct SessionKeys {
    /// For [`DerivedKey::Gba`].
    pub gba: Option<GbaSession>,
    /// For [`DerivedKey::Akma`].
    pub akma: Option<AkmaSession>,
    /// For [`DerivedKey::Modem`].
    pub modem: Option<Box<dyn KeyProvider>>,
}

impl KeyProvider for SessionKeys {
    fn psk(
        &mut self,
        context: &KeyContext<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<PskIdentity, KeyError> {
        let none = KeyError::NoSession(context.kind);
        let (identity, key) = match context.kind {
            DerivedKey::Gba => {
                let session = self.gba.as_ref().ok_or(none)?;
                let key = session.ks_naf(context.server, context.ua_protocol)?;
                (session.btid(), key)
            }
            DerivedKey::Akma => {
                let session = self.akma.as_ref().ok_or(none)?;
                let key = session.k_af(context.server, context.ua_protocol)?;
                (session.akid(), key)
            }
            DerivedKey::Modem => return self.modem.as_mut().ok_or(none)?.psk(context, out),
        };
        out.extend_from_slice(&*key);
        Ok(PskIdentity(identity.as_bytes().to_vec()))
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeys")
            .field("gba", &self.gba)
            .field("akma", &self.akma)
            .field("modem", &self.modem.is_some())
            .finish()
    }
}
