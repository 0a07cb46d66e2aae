//! DTLS 1.2 with PSK by the dimpl crate: the only file that knows it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use dimpl::{Config, Dtls, Error, PskResolver, SecurityError, crypto::Dtls12CipherSuite};

use super::session::{DtlsSession, Output, Session, SessionError, alert};
use crate::{limits::Limits, psk::Psk};

/// Begins the sessions of servers.
#[derive(Debug, Clone)]
pub(crate) struct Acceptor(Shared);

/// Begins the sessions of a client with one identity.
#[derive(Debug, Clone)]
pub(crate) struct Connector(Shared);

/// dimpl's configuration, which takes milliseconds to build, and its way to the keys.
#[derive(Debug, Clone)]
struct Shared {
    config: Arc<Config>,
    slot: Arc<KeySlot>,
}

/// The key at hand: dimpl asks for it, by a shared configuration, while a session is at work.
#[derive(Debug, Default)]
struct KeySlot(Mutex<Option<Keyed>>);

/// An identity and its key.
#[derive(Debug, Clone)]
struct Keyed {
    identity: Arc<[u8]>,
    key: Psk,
}

impl PskResolver for KeySlot {
    fn resolve(&self, identity: &[u8]) -> Option<Vec<u8>> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keyed = slot.as_ref().filter(|keyed| *keyed.identity == *identity)?;
        // dimpl wants to own a copy, which it does not wipe.
        Some(keyed.key.as_bytes().to_vec())
    }
}

impl KeySlot {
    fn put(&self, keyed: Option<Keyed>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = keyed;
    }
}

impl Acceptor {
    /// Prepares for sessions of servers; takes milliseconds.
    pub(crate) fn new(limits: &Limits) -> Result<Self, SetupFailed> {
        Shared::new(limits, None).map(Self)
    }

    /// Begins a session, which waits for a ClientHello.
    pub(crate) fn accept(&self, now: Instant) -> Session {
        let dtls = Dtls::new_12_psk(Arc::clone(&self.0.config), now);
        Box::new(DimplSession {
            dtls,
            slot: Arc::clone(&self.0.slot),
            keyed: None,
        })
    }
}

impl Connector {
    /// Prepares for sessions of a client; takes milliseconds.
    pub(crate) fn new(limits: &Limits, identity: &[u8]) -> Result<Self, SetupFailed> {
        Shared::new(limits, Some(identity)).map(Self)
    }

    /// Begins a session; its ClientHello leaves after [`DtlsSession::handle_timeout`].
    pub(crate) fn connect(&self, now: Instant, identity: &Arc<[u8]>, key: Psk) -> Session {
        let mut dtls = Dtls::new_12_psk(Arc::clone(&self.0.config), now);
        dtls.set_active(true);
        let keyed = Some(Keyed {
            identity: Arc::clone(identity),
            key,
        });
        Box::new(DimplSession {
            dtls,
            slot: Arc::clone(&self.0.slot),
            keyed,
        })
    }
}

impl Shared {
    fn new(limits: &Limits, client: Option<&[u8]>) -> Result<Self, SetupFailed> {
        let slot = Arc::new(KeySlot::default());
        let resolver: Arc<dyn PskResolver> = Arc::clone(&slot) as _;
        let builder = Config::builder()
            .dtls12_cipher_suites(&[Dtls12CipherSuite::PSK_AES128_CCM_8])
            .handshake_timeout(limits.handshake)
            .flight_start_rto(limits.flight);
        let builder = match client {
            Some(identity) => builder.with_psk_client(identity.into(), resolver),
            None => builder.with_psk_server(None, resolver),
        };
        let config = builder.build().map_err(|error| {
            tracing::error!(%error, "dtls can't be set up");
            SetupFailed
        })?;
        Ok(Self {
            config: Arc::new(config),
            slot,
        })
    }
}

/// The DTLS engine refused its configuration: a limit of time is zero or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the dtls engine refused its configuration")]
pub(crate) struct SetupFailed;

/// A session of dimpl.
struct DimplSession {
    dtls: Dtls,
    slot: Arc<KeySlot>,
    /// What the resolver may answer; gone once the handshake has ended.
    keyed: Option<Keyed>,
}

impl DimplSession {
    /// Lets dimpl work with the key at hand.
    fn work(
        &mut self,
        work: impl FnOnce(&mut Dtls) -> Result<(), Error>,
    ) -> Result<(), SessionError> {
        let Some(keyed) = &self.keyed else {
            return work(&mut self.dtls).map_err(|error| reason(&error));
        };
        self.slot.put(Some(keyed.clone()));
        let result = work(&mut self.dtls);
        self.slot.put(None);
        result.map_err(|error| reason(&error))
    }
}

impl DtlsSession for DimplSession {
    fn set_key(&mut self, identity: &[u8], key: &Psk) {
        self.keyed = Some(Keyed {
            identity: identity.into(),
            key: key.clone(),
        });
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), SessionError> {
        self.work(|dtls| {
            // It learns the time only by this.
            dtls.handle_timeout(now)?;
            dtls.handle_packet(datagram)
        })
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        self.work(|dtls| dtls.handle_timeout(now))
    }

    fn send(&mut self, data: &[u8]) -> Result<(), SessionError> {
        self.work(|dtls| dtls.send_application_data(data).map(drop))
    }

    fn close(&mut self) {
        // It fails only when it is closed already.
        let _ = self.dtls.close();
    }

    fn poll_output<'b>(&mut self, buf: &'b mut [u8]) -> Output<'b> {
        use dimpl::Output as From;
        match self.dtls.poll_output(buf) {
            From::Packet(packet) => Output::Packet(packet),
            From::Connected => {
                self.keyed = None;
                Output::Connected
            }
            From::ApplicationData(data) => Output::Data(data),
            From::CloseNotify => Output::Closed,
            From::Timeout(at) => Output::Idle(at),
            // The buffer holds any datagram that the limits allow.
            From::BufferTooSmall { .. } => Output::Closed,
            // The rest belongs to certificates and SRTP.
            _ => Output::Nothing,
        }
    }
}

/// What an error of dimpl means. All are fatal.
fn reason(error: &Error) -> SessionError {
    use SecurityError as Security;
    tracing::trace!(%error, "dimpl gave up");
    match error {
        Error::SecurityError(Security::FatalAlert { description }) => {
            SessionError::Received(*description)
        }
        Error::Timeout(_) => SessionError::TimedOut,
        // RFC 4279 §2: a record that can't be opened during the handshake shows a wrong key.
        Error::CryptoError(_)
        | Error::SecurityError(
            Security::ClientFinishedVerificationFailed | Security::ServerFinishedVerificationFailed,
        ) => SessionError::Failed(alert::DECRYPT_ERROR),
        Error::SecurityError(
            Security::UnsupportedClientVersion(_) | Security::UnsupportedServerVersion(_),
        ) => SessionError::Failed(alert::PROTOCOL_VERSION),
        Error::SecurityError(
            Security::NoMutuallyAcceptableCipherSuite | Security::ExtendedMasterSecretNotNegotiated,
        ) => SessionError::Failed(alert::HANDSHAKE_FAILURE),
        Error::SecurityError(_) => SessionError::Failed(alert::ILLEGAL_PARAMETER),
        Error::UnexpectedMessage(_) | Error::RenegotiationAttempt => {
            SessionError::Failed(alert::UNEXPECTED_MESSAGE)
        }
        _ => SessionError::Failed(alert::INTERNAL_ERROR),
    }
}
