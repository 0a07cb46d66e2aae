//! The contract between engines and whoever drives them.

use core::{fmt, net::SocketAddr};

use crate::Instant;

/// Names a peer: the driver's slab key. A reused slot has a new generation and is a new peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    /// Slot.
    pub index: u32,
    /// Counts the uses of the slot.
    pub generation: u32,
}

/// Names a connection that an engine asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectId(pub u32);

/// How messages reach a peer (TS-Core §6.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Binding {
    /// `U`: datagrams, with or without DTLS.
    Udp,
    /// `T`: RFC 8323 frames, with or without TLS.
    Tcp,
}

/// Who the security layer says a peer is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Identity<'a> {
    /// Nobody knows: NoSec. The peer is its address.
    NoSec,
    /// The PSK identity that the handshake proved.
    Psk(&'a [u8]),
}

impl fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSec => f.write_str("NoSec"),
            Self::Psk(identity) => write!(f, "Psk({:?})", identity.escape_ascii()),
        }
    }
}

/// What a driver needs to secure a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials<'a> {
    /// None: `coap://`.
    NoSec,
    /// A pre-shared key: `coaps://`.
    Psk {
        /// PSK identity.
        identity: &'a [u8],
        /// Key.
        key: &'a [u8],
    },
    /// A pre-shared key that is made where the driver is, and its identity with it: `coaps://`.
    DerivedPsk {
        /// How it is made.
        hint: &'a str,
    },
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSec => f.write_str("NoSec"),
            Self::Psk { identity, .. } => {
                write!(
                    f,
                    "Psk {{ identity: {:?}, key: … }}",
                    identity.escape_ascii()
                )
            }
            Self::DerivedPsk { hint } => write!(f, "DerivedPsk {{ hint: {hint:?} }}"),
        }
    }
}

/// Why a connection that an engine asked for did not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URI is malformed or its scheme is not supported.
    #[error("the URI is malformed or its scheme is not supported")]
    Uri,
    /// The host name does not resolve.
    #[error("the host name does not resolve")]
    Resolve,
    /// The peer refused, or there is no route.
    #[error("the peer can't be reached")]
    Unreachable,
    /// The handshake took too long.
    #[error("the handshake timed out")]
    Timeout,
    /// The handshake ended with a TLS alert, which goes to /1/x/11.
    #[error("the handshake failed with TLS alert {0}")]
    Alert(u8),
    /// The credentials are of a kind that the driver doesn't support.
    #[error("the credentials are not supported")]
    Credentials,
    /// There is nothing on the device to make the key of.
    #[error("the key can't be made")]
    NoKey,
    /// Without security the server may be reached over the operator's bearer only.
    #[error("without security the operator's bearer is needed")]
    NotOperatorBearer,
}

/// Why a peer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DownReason {
    /// The engine or the application closed it.
    #[error("closed on this side")]
    Local,
    /// The peer closed it (close_notify).
    #[error("closed by the peer")]
    Remote,
    /// Nothing was heard for too long, or its place was needed.
    #[error("evicted")]
    Evicted,
    /// The transport failed.
    #[error("the transport failed")]
    Transport,
    /// A new session of the same device took over.
    #[error("replaced by a new session")]
    Replaced,
}

/// What a driver tells an engine.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A peer exists from now on: a handshake ended, or a first datagram arrived.
    PeerUp {
        /// The peer.
        peer: PeerId,
        /// Its binding.
        binding: Binding,
        /// Its address.
        remote: SocketAddr,
        /// Who it is.
        identity: Identity<'a>,
        /// The [`Action::Connect`] that this answers.
        connect: Option<ConnectId>,
    },
    /// An [`Action::Connect`] failed.
    ConnectFailed {
        /// Which one.
        connect: ConnectId,
        /// Why.
        reason: ConnectError,
    },
    /// A peer is gone.
    PeerDown {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: DownReason,
    },
    /// A message in clear: one datagram, or one whole RFC 8323 frame.
    Message {
        /// From whom.
        peer: PeerId,
        /// The bytes.
        data: &'a [u8],
    },
    /// The time of [`Engine::poll_timeout`] has come. An extra one does no harm.
    Timeout,
}

/// What an engine asks of its driver besides sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Resolve the name, connect, shake hands; answer by [`Input::PeerUp`] or
    /// [`Input::ConnectFailed`].
    Connect {
        /// Names this request.
        id: ConnectId,
        /// Where to: `coap://host[:port]` or `coaps://host[:port]`.
        uri: &'a str,
        /// With what.
        security: Credentials<'a>,
    },
    /// End the session of a peer. No [`Input::PeerDown`] follows.
    Close {
        /// The peer.
        peer: PeerId,
    },
}

/// A message to send: the first `len` bytes of the buffer that was passed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Transmit {
    /// To whom.
    pub peer: PeerId,
    /// Length in bytes.
    pub len: usize,
}

/// A protocol engine without IO.
///
/// The [drive contract](crate#driving-an-engine) says how to use it. The same seed and the same
/// inputs give the same bytes. `now` that goes back is clamped.
pub trait Engine {
    /// What the engine tells the application.
    type Event<'e>
    where
        Self: 'e;

    /// Takes an input. What a peer sends can't make it fail: garbage is counted and dropped.
    fn handle_input(&mut self, now: Instant, input: Input<'_>);

    /// Writes the next message into `buf`, which holds [`MAX_DATAGRAM`](crate::MAX_DATAGRAM)
    /// bytes; `None` when there is none.
    ///
    /// New ones come after `handle_input` and after calls of the application.
    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit>;

    /// The next thing to do for the driver; new ones come after `handle_input` and after calls
    /// of the application.
    fn poll_action(&mut self) -> Option<Action<'_>>;

    /// The next event for the application; new ones come after `handle_input` and after calls
    /// of the application.
    fn poll_event(&mut self) -> Option<Self::Event<'_>>;

    /// When [`Input::Timeout`] is due; may change after every `&mut` call, `poll_transmit`
    /// included: ask it last.
    fn poll_timeout(&self) -> Option<Instant>;
}
