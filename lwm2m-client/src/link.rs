//! One server account and the state of its registration.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use lwm2m_bootstrap::RegistrationPolicy;
use lwm2m_coap::{ConnectId, Duration, ExchangeId, Instant, PeerId};
use lwm2m_codec::{Path, attributes::Attributes};
use lwm2m_model::Tree;

use crate::values::{self, server};

/// A server account and its registration.
///
/// ```text
/// Idle ── due ──▶ Connecting ── PeerUp ──▶ Registering ── 2.01 ──▶ Registered
///  ▲                  │                        │                     │    │
///  │◀──── failed ─────┴──────── failed ────────┘◀── Update 4.04 ─────┘    │ Disable, stop
///  └◀────────────────── Disable Timeout ─────────────────── Leaving ◀─────┘
/// ```
#[derive(Debug)]
pub(crate) struct Link {
    /// Short Server ID.
    pub(crate) ssid: u16,
    /// Instance of the Server object.
    pub(crate) server: u16,
    pub(crate) peer: Option<PeerId>,
    /// A connection that is being made, whatever the state.
    pub(crate) connect: Option<ConnectId>,
    pub(crate) state: State,
    /// Place in the order of registrations (/1/x/13), for servers that have one.
    pub(crate) priority: Option<u64>,
    pub(crate) turn: Turn,
    /// True from the end of a procedure without success to the next registration.
    pub(crate) failed: bool,
    /// Index into the versions of the configuration.
    pub(crate) version: usize,
    /// Attempts of this sequence so far.
    pub(crate) attempt: u32,
    /// Sequences so far.
    pub(crate) sequence: u32,
    /// What Write-Attributes set, for this server.
    pub(crate) attributes: BTreeMap<Path, Attributes>,
    /// Last message to or from the server.
    pub(crate) last_message: Instant,
    pub(crate) asleep: bool,
}

/// State of a registration.
#[derive(Debug)]
pub(crate) enum State {
    /// Waits to register; never, if there is no time.
    Idle { at: Option<Instant> },
    /// Waits for the connection.
    Connecting,
    /// Register is under way.
    Registering { exchange: ExchangeId, sent: Sent },
    /// The server has the registration.
    Registered(Registered),
    /// De-register is under way.
    Leaving { exchange: ExchangeId, then: Then },
}

/// Where a server is in the order of registrations (TS-Core §6.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// In no order, or done with it: registered once, or failed without blocking the others.
    Free,
    /// Others come first.
    Waiting,
    /// The others wait for this one.
    Running,
}

/// What a registered client knows of its registration.
#[derive(Debug)]
pub(crate) struct Registered {
    /// Location-Path segments.
    pub(crate) location: Vec<String>,
    /// What the server was told last.
    pub(crate) sent: Sent,
    /// When the next Update is due; never with an infinite lifetime.
    pub(crate) update_at: Option<Instant>,
    /// Something changed, or somebody asked.
    pub(crate) update_wanted: bool,
    /// An Update found no room in the queue of messages; the next input makes another try.
    pub(crate) blocked: bool,
    pub(crate) update: Option<(ExchangeId, Sent)>,
    /// The connection was made anew because an Update was not answered.
    pub(crate) reconnected: bool,
}

/// What happens after a De-register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Register again after this time (TS-Core §E.2, Disable).
    Return(Duration),
    /// Stay away.
    Stop,
}

/// What a registration told the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) lifetime: u64,
    pub(crate) binding: String,
    pub(crate) structure: u64,
}

impl Sent {
    /// What to tell the server of `instance` now.
    pub(crate) fn of(tree: &Tree, instance: u16) -> Self {
        let path = |resource| Path::resource(server::OBJECT, instance, resource);
        Self {
            lifetime: values::unsigned(tree, path(server::LIFETIME)).unwrap_or(86_400),
            binding: values::text(tree, path(server::BINDING)).unwrap_or_else(|| "U".into()),
            structure: tree.structure_revision(),
        }
    }
}

impl Link {
    pub(crate) fn new(ssid: u16, server: u16, at: Instant) -> Self {
        Self {
            ssid,
            server,
            peer: None,
            connect: None,
            state: State::Idle { at: Some(at) },
            priority: None,
            turn: Turn::Free,
            failed: false,
            version: 0,
            attempt: 0,
            sequence: 0,
            attributes: BTreeMap::new(),
            last_message: at,
            asleep: false,
        }
    }

    /// Waits for its turn, if the account has a place in the order of registrations.
    pub(crate) fn in_order(mut self, priority: Option<u64>) -> Self {
        if priority.is_some() {
            self.priority = priority;
            self.turn = Turn::Waiting;
            self.state = State::Idle { at: None };
        }
        self
    }

    /// Path of a resource of this account's Server object instance.
    pub(crate) const fn resource(&self, resource: u16) -> Path {
        Path::resource(server::OBJECT, self.server, resource)
    }

    pub(crate) const fn registered(&self) -> Option<&Registered> {
        match &self.state {
            State::Registered(registered) => Some(registered),
            _ => None,
        }
    }

    pub(crate) const fn registered_mut(&mut self) -> Option<&mut Registered> {
        match &mut self.state {
            State::Registered(registered) => Some(registered),
            _ => None,
        }
    }

    /// When the link needs attention by itself: never while something else has to happen first.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { at } => *at,
            State::Registered(registered)
                if registered.update.is_none() && !registered.blocked && self.connect.is_none() =>
            {
                registered.update_at
            }
            _ => None,
        }
    }

    /// True if a Register or an Update begins now.
    pub(crate) fn is_due(&self, due: bool) -> bool {
        match &self.state {
            State::Idle { .. } => due,
            State::Registered(registered) => {
                let wanted = registered.update_wanted && !registered.blocked;
                (due || wanted) && registered.update.is_none() && self.connect.is_none()
            }
            _ => false,
        }
    }

    /// True if something has to be told to the server and there is no way to it yet.
    pub(crate) fn needs_connection(&self) -> bool {
        let wanted = self.registered().is_some_and(|r| r.update_wanted);
        wanted && self.peer.is_none() && self.connect.is_none()
    }

    /// True if the connection is gone and comes back without a further reason.
    pub(crate) fn is_reconnecting(&self) -> bool {
        let wanted = self.registered().is_some_and(|r| r.update_wanted);
        self.peer.is_none() && (wanted || self.connect.is_some())
    }

    /// How long to wait before the next attempt, or that the sequences are used up
    /// (TS-Core §6.2.1.1, unordered servers).
    pub(crate) fn back_off(&mut self, policy: &RegistrationPolicy) -> BackOff {
        self.attempt += 1;
        if u64::from(self.attempt) < policy.retry_count {
            let factor = 1u32 << (self.attempt - 1).min(20);
            return BackOff::Retry(policy.retry_timer.saturating_mul(factor));
        }
        self.attempt = 0;
        if self.turn == Turn::Running && !policy.failure_block {
            // The next server's turn; this one goes on outside of the order.
            self.turn = Turn::Free;
            self.failed = true;
            return BackOff::Exhausted(policy.sequence_delay);
        }
        self.sequence += 1;
        match policy.sequence_delay {
            Some(delay) if u64::from(self.sequence) < policy.sequence_retry_count => {
                BackOff::Retry(delay)
            }
            delay => {
                self.sequence = 0;
                self.failed = true;
                BackOff::Exhausted(delay)
            }
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackOff {
    /// Try again after this time.
    Retry(Duration),
    /// All sequences are used up: bootstrap, or else start over after this time.
    Exhausted(Option<Duration>),
}
