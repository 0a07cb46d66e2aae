//! What the driver asks of a DTLS engine.

use std::time::Instant;

use crate::psk::Psk;

/// A DTLS session without IO, before and after its handshake.
///
/// After any call, poll [`poll_output`](DtlsSession::poll_output) until [`Output::Idle`].
pub(crate) trait DtlsSession: Send {
    /// Gives a server's session the key of the identity that its client named.
    fn set_key(&mut self, identity: &[u8], key: &Psk);

    /// Takes a datagram of the peer. An error is the end of the session.
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), SessionError>;

    /// Repeats what was not answered. An error is the end of the session.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError>;

    /// Protects a message after the handshake.
    fn send(&mut self, data: &[u8]) -> Result<(), SessionError>;

    /// Ends the session; after the handshake a close_notify is to be sent.
    fn close(&mut self);

    /// The next thing to do.
    fn poll_output<'b>(&mut self, buf: &'b mut [u8]) -> Output<'b>;
}

/// Any DTLS engine's session.
pub(crate) type Session = Box<dyn DtlsSession>;

/// What a session wants.
#[derive(Debug)]
pub(crate) enum Output<'b> {
    /// Send this datagram.
    Packet(&'b [u8]),
    /// The handshake has ended well.
    Connected,
    /// The peer sent this message.
    Data(&'b [u8]),
    /// The peer closed the session.
    Closed,
    /// Nothing, but poll again.
    Nothing,
    /// Nothing until this time.
    Idle(Instant),
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// The peer sent a fatal alert.
    #[error("the peer sent alert {0}")]
    Received(u8),
    /// This side gives up; it is to send this alert.
    #[error("this side gives up with alert {0}")]
    Failed(u8),
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
}

/// AlertDescription values (RFC 5246 §7.2, RFC 4279 §6).
pub(crate) mod alert {
    pub(crate) const UNEXPECTED_MESSAGE: u8 = 10;
    pub(crate) const HANDSHAKE_FAILURE: u8 = 40;
    pub(crate) const ILLEGAL_PARAMETER: u8 = 47;
    pub(crate) const DECRYPT_ERROR: u8 = 51;
    pub(crate) const PROTOCOL_VERSION: u8 = 70;
    pub(crate) const INTERNAL_ERROR: u8 = 80;
    pub(crate) const UNKNOWN_PSK_IDENTITY: u8 = 115;
}
