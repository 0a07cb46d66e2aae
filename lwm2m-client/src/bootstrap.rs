//! The client's side of a bootstrap as a state machine (TS-Core §6.1.4): connection,
//! Bootstrap-Request, the server's writes, Bootstrap-Finish.
//!
//! ```text
//! Off ── wanted ──▶ Waiting ── hold-off ──▶ Connecting ──▶ Requesting ── 2.04 ──▶ Provisioning
//!  ▲                   ▲                        │              │                   │       │
//!  │                   └─────── failed ─────────┴──────────────┴─── silence ───────┤       │
//!  └──── stored ──── Storing ◀── Bootstrap-Finish, consistent ─────────────────────│───────┘
//!                       └────────────── can't be stored ───────────────────────────┘
//! ```

mod end;

use alloc::format;

use lwm2m_bootstrap::{
    accounts,
    device::{Progress, Provisioning, pack_accounts},
};
use lwm2m_coap::{
    ConnectError, ConnectId, Draft, ExchangeError, ExchangeId, Instant, PeerId, RequestOptions,
    Responder,
};
use lwm2m_codec::{
    ContentFormat, Version,
    coap::{Code, Message},
};

use crate::{BootstrapStep, Client, Event, Failed, client::to_failed};

/// Where the bootstrap is.
#[derive(Debug, Default)]
pub(crate) struct Boot {
    state: State,
    attempt: u32,
    /// The bootstrap server does not know the parameter `pct`, or not our format.
    without_format: bool,
    /// Somebody asked for the bootstrap: it is not for want of a registration only.
    asked: bool,
    /// The peer of a bootstrap that ended, until it is closed.
    lingering: Option<(PeerId, Instant)>,
    /// When the account of the bootstrap server is removed (/0/x/12).
    purge_at: Option<Instant>,
}

/// Why a bootstrap is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Servers are missing or can't be reached.
    Usual,
    /// A server or the application asks for it: the wait after failed ones is over.
    Asked,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody wants one.
    #[default]
    Off,
    /// Waits for hold-off or retry.
    Waiting {
        at: Instant,
    },
    Connecting {
        connect: ConnectId,
        account: u16,
    },
    /// Asks for a pack.
    Packing {
        peer: PeerId,
        exchange: ExchangeId,
        account: u16,
    },
    Requesting {
        peer: PeerId,
        exchange: ExchangeId,
        account: u16,
    },
    Provisioning {
        peer: PeerId,
        deadline: Instant,
        session: Provisioning,
    },
    /// The application stores what the tree holds.
    Storing {
        peer: PeerId,
        deadline: Instant,
        session: Provisioning,
        /// Who waits for the answer to its Finish; nobody after a pack.
        responder: Option<(Responder, Draft)>,
    },
}

impl State {
    /// How far it is.
    fn step(&self) -> BootstrapStep {
        match self {
            Self::Off | Self::Waiting { .. } | Self::Connecting { .. } => BootstrapStep::Connecting,
            Self::Packing { .. } => BootstrapStep::AskingForPack,
            Self::Requesting { .. } => BootstrapStep::Asking,
            Self::Provisioning { session, .. } => match session.last() {
                Some(served) => BootstrapStep::Served(served.clone()),
                None => BootstrapStep::Asked,
            },
            Self::Storing { .. } => BootstrapStep::Storing,
        }
    }
}

impl Boot {
    pub(crate) fn due(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Waiting { at } => Some(*at),
            State::Provisioning { deadline, .. } | State::Storing { deadline, .. } => {
                Some(*deadline)
            }
            _ => None,
        };
        own.into_iter()
            .chain(self.lingering.map(|(_, at)| at))
            .chain(self.purge_at.filter(|_| self.is_off()))
            .min()
    }

    const fn is_off(&self) -> bool {
        matches!(self.state, State::Off)
    }

    /// True while the bootstrap server changes the accounts: registrations stand still, because
    /// what the tree holds may be undone yet.
    pub(crate) const fn is_provisioning(&self) -> bool {
        matches!(
            self.state,
            State::Provisioning { .. } | State::Storing { .. }
        )
    }

    /// The bootstrap server, if it may send requests.
    pub(crate) const fn peer(&self) -> Option<PeerId> {
        match &self.state {
            State::Requesting { peer, .. }
            | State::Provisioning { peer, .. }
            | State::Storing { peer, .. } => Some(*peer),
            _ => None,
        }
    }
}

impl Client {
    pub(crate) fn has_bootstrap_account(&self) -> bool {
        accounts(&self.tree).bootstrap.is_some()
    }

    /// Starts a bootstrap after the hold-off time of the account (TS-Core §6.1.4).
    pub(crate) fn request_bootstrap(&mut self, urgency: Urgency) {
        let begins = match self.boot.state {
            State::Off => true,
            State::Waiting { .. } => urgency == Urgency::Asked,
            _ => false,
        };
        let Some(account) = accounts(&self.tree).bootstrap else {
            return;
        };
        if begins {
            self.boot.attempt = 0;
            self.boot.asked = urgency == Urgency::Asked;
            self.boot.state = State::Waiting {
                at: self.now + account.hold_off,
            };
        }
    }

    /// A server took a registration: a bootstrap that was to replace unreachable servers is not
    /// needed any more once all are there.
    ///
    /// A device that lost power does not know when its bootstrap ended: the time of /0/x/12 begins
    /// again, but not before one of its accounts has proved to be good.
    pub(crate) fn note_registered(&mut self) {
        self.arm_purge();
        let waits = matches!(self.boot.state, State::Waiting { .. }) && !self.boot.asked;
        if waits && self.links.iter().all(|link| link.registered().is_some()) {
            self.boot.state = State::Off;
        }
    }

    /// Ends a bootstrap for good, and undoes what it wrote.
    pub(crate) fn abandon_boot(&mut self) {
        self.undo_boot();
        if let Some((peer, _)) = self.boot.lingering.take() {
            self.close_peer(peer);
        }
    }

    pub(crate) fn drive_boot(&mut self) {
        if let Some((peer, at)) = self.boot.lingering {
            if at <= self.now {
                self.boot.lingering = None;
                self.close_peer(peer);
            }
        }
        if self.boot.is_off() && self.boot.purge_at.is_some_and(|at| at <= self.now) {
            self.purge_account();
        }
        match &self.boot.state {
            // A server's request counts after the sources only (TS-Core §6.1.4).
            State::Waiting { at } if *at <= self.now => self.begin_boot_if_checked(),
            State::Provisioning { deadline, .. } if *deadline <= self.now => {
                self.boot_failed(Failed::Silence);
            }
            State::Storing { deadline, .. } if *deadline <= self.now => {
                self.boot_failed(Failed::Store);
            }
            _ => {}
        }
    }

    fn begin_boot_if_checked(&mut self) {
        if self.sources_are_checked() {
            self.begin_boot();
        }
    }

    fn begin_boot(&mut self) {
        let Some(account) = accounts(&self.tree).bootstrap else {
            self.boot.state = State::Off;
            return;
        };
        match self.connect(account.uri, account.security) {
            Ok(connect) => {
                self.boot.state = State::Connecting {
                    connect,
                    account: account.instance,
                };
            }
            Err(error) => self.boot_failed(error.into()),
        }
    }

    /// Sends the Bootstrap-Request when the connection is there; false if it is not ours.
    pub(crate) fn boot_connected(&mut self, connect: Option<ConnectId>, peer: PeerId) -> bool {
        let State::Connecting {
            connect: wanted,
            account,
        } = self.boot.state
        else {
            return false;
        };
        if connect != Some(wanted) {
            return false;
        }
        match self.config.bootstrap_pack {
            true => self.request_pack(peer, account),
            false => self.request_sequence(peer, account),
        }
        true
    }

    /// Sends the Bootstrap-Pack-Request (TS-Core §6.1.7.7).
    fn request_pack(&mut self, peer: PeerId, account: u16) {
        let preferred = self.config.preferred_format;
        let format = match preferred {
            ContentFormat::SENML_JSON | ContentFormat::LWM2M_CBOR => preferred,
            _ => ContentFormat::SENML_CBOR,
        };
        let draft = Draft::new(Code::GET)
            .path_segment("bspack")
            .query(&format!("ep={}", self.config.endpoint))
            .query(&format!("acc={}", pack_accounts(&self.tree, account)))
            .accept(format);
        let options = RequestOptions::default();
        match self.endpoint.request(self.now, peer, draft, options) {
            Ok(exchange) => {
                self.boot.state = State::Packing {
                    peer,
                    exchange,
                    account,
                }
            }
            Err(error) => {
                self.close_peer(peer);
                self.boot_failed(error.into());
            }
        }
    }

    /// Sends the Bootstrap-Request (TS-Core §6.1.7.1).
    fn request_sequence(&mut self, peer: PeerId, account: u16) {
        let draft = Draft::new(Code::POST)
            .path_segment("bs")
            .query(&format!("ep={}", self.config.endpoint));
        let draft = match self.states_format() {
            true => draft.query(&format!("pct={}", self.config.preferred_format.0)),
            false => draft,
        };
        match self
            .endpoint
            .request(self.now, peer, draft, RequestOptions::default())
        {
            Ok(exchange) => {
                self.boot.state = State::Requesting {
                    peer,
                    exchange,
                    account,
                }
            }
            Err(error) => {
                self.close_peer(peer);
                self.boot_failed(error.into());
            }
        }
    }

    /// TS-Core §6.1.7.1: `pct` came with LwM2M 1.1, and a server may refuse it by 4.15.
    fn states_format(&self) -> bool {
        let newest = self.config.versions.iter().max();
        !self.boot.without_format && newest.is_none_or(|version| *version > Version::V1_0)
    }

    pub(crate) fn boot_connect_failed(&mut self, connect: ConnectId, reason: ConnectError) {
        if matches!(self.boot.state, State::Connecting { connect: c, .. } if c == connect) {
            self.boot_failed(reason.into());
        }
    }

    /// Takes the answer to the Bootstrap-Request or Bootstrap-Pack-Request; false if it is to
    /// neither.
    pub(crate) fn boot_response(
        &mut self,
        id: ExchangeId,
        message: &Message<'_>,
        body: &[u8],
    ) -> bool {
        if let State::Packing {
            peer,
            exchange,
            account,
        } = self.boot.state
        {
            if exchange == id {
                self.pack_answered(peer, account, message, body);
            }
            return exchange == id;
        }
        let State::Requesting {
            peer,
            exchange,
            account,
        } = self.boot.state
        else {
            return false;
        };
        if exchange != id {
            return false;
        }
        if message.code() == Code::CHANGED {
            self.provision(peer, account);
        } else {
            self.boot.without_format |= message.code() == Code::UNSUPPORTED_CONTENT_FORMAT;
            self.boot_failed(to_failed(message.code(), message.payload()));
        }
        true
    }

    /// Takes a pack. Whatever is wrong with it or in place of it, the plain sequence is left to
    /// try (TS-Core §6.1.7.7).
    fn pack_answered(&mut self, peer: PeerId, account: u16, message: &Message<'_>, body: &[u8]) {
        if message.code() != Code::CONTENT {
            let refused = to_failed(message.code(), message.payload());
            return self.pack_failed(peer, account, refused);
        }
        let format = message.content_format().unwrap_or(ContentFormat(u16::MAX));
        let session = Provisioning::new(account);
        match session.prepare_pack(&mut self.tree, format, body) {
            Ok(session) => {
                self.push_event(Event::BootstrapStarted);
                self.store(peer, session, None);
            }
            Err(error) => self.pack_failed(peer, account, error.into()),
        }
    }

    fn pack_failed(&mut self, peer: PeerId, account: u16, reason: Failed) {
        tracing::warn!(%reason, "no bootstrap pack: asks for the plain sequence");
        self.push_event(Event::BootstrapPackFailed { reason });
        self.request_sequence(peer, account);
    }

    fn provision(&mut self, peer: PeerId, account: u16) {
        let deadline = self.now + self.config.bootstrap_timeout;
        let session = Provisioning::new(account)
            .with_version(
                self.config
                    .versions
                    .first()
                    .copied()
                    .unwrap_or(Version::V1_1),
            )
            .with_format(self.config.preferred_format)
            .holding();
        self.boot.state = State::Provisioning {
            peer,
            deadline,
            session,
        };
        self.push_event(Event::BootstrapStarted);
    }

    pub(crate) fn boot_exchange_failed(&mut self, id: ExchangeId, reason: ExchangeError) -> bool {
        let (State::Requesting { exchange, .. } | State::Packing { exchange, .. }) =
            self.boot.state
        else {
            return false;
        };
        if exchange == id {
            self.boot_failed(reason.into());
            return true;
        }
        false
    }

    pub(crate) fn boot_peer_down(&mut self, peer: PeerId) {
        if self
            .boot
            .lingering
            .is_some_and(|(lingering, _)| lingering == peer)
        {
            self.boot.lingering = None;
        }
        let packing = matches!(self.boot.state, State::Packing { peer: p, .. } if p == peer);
        if packing || self.boot.peer() == Some(peer) {
            self.boot_failed(Failed::Down);
        }
    }

    /// Serves one request of the bootstrap server.
    pub(crate) fn on_bootstrap_request(
        &mut self,
        responder: Responder,
        message: &Message<'_>,
        body: &[u8],
    ) {
        // The first write may overtake the answer to the Bootstrap-Request.
        if let State::Requesting {
            peer,
            exchange,
            account,
        } = self.boot.state
        {
            self.endpoint.cancel(self.now, exchange);
            self.provision(peer, account);
        }
        let deadline = self.now + self.config.bootstrap_timeout;
        let max_body = self.config.coap.max_body;
        let State::Provisioning {
            session,
            deadline: until,
            ..
        } = &mut self.boot.state
        else {
            return self.endpoint.ignore(self.now, responder);
        };
        *until = deadline;
        let (draft, progress) = session.handle(&mut self.tree, message, body, max_body);
        if !matches!(progress, Progress::Prepared) {
            return self.endpoint.respond(self.now, responder, draft);
        }
        if let State::Provisioning { peer, session, .. } = core::mem::take(&mut self.boot.state) {
            self.store(peer, session, Some((responder, draft)));
        }
    }
}
