//! The client's side of a bootstrap as a state machine (TS-Core §6.1.4): connection,
//! Bootstrap-Request, the server's writes, Bootstrap-Finish.
//!
//! ```text
//! Off ── wanted ──▶ Waiting ── hold-off ──▶ Connecting ──▶ Requesting ── 2.04 ──▶ Provisioning
//!  ▲                   ▲                        │              │                   │       │
//!  │                   └─────── failed ─────────┴──────────────┴─── silence ───────┘       │
//!  └──────────────────────────────── Bootstrap-Finish, consistent ─────────────────────────┘
//! ```

use alloc::format;

use lwm2m_bootstrap::{
    accounts,
    device::{Progress, Provisioning, pack_accounts, remove_bootstrap_account},
};
use lwm2m_coap::{
    ConnectError, ConnectId, Draft, Duration, ExchangeError, ExchangeId, Instant, PeerId,
    RequestOptions, Responder,
};
use lwm2m_codec::{
    ContentFormat, Path, Value, Version,
    coap::{Code, Message},
};

use crate::{Client, Event, Failed, client::to_failed, values::server};

/// First delay between two bootstrap attempts; it doubles.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// Longest delay between two bootstrap attempts.
const LAST_RETRY: Duration = Duration::from_secs(86_400);
/// How long the connection stays after Bootstrap-Finish, so that a repeated Finish is answered;
/// MAX_TRANSMIT_SPAN (RFC 7252 §4.8.2).
const LINGER: Duration = Duration::from_secs(45);

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
}

impl Boot {
    pub(crate) fn due(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Waiting { at } => Some(*at),
            State::Provisioning { deadline, .. } => Some(*deadline),
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
        matches!(self.state, State::Provisioning { .. })
    }

    /// The bootstrap server, if it may send requests.
    pub(crate) const fn peer(&self) -> Option<PeerId> {
        match &self.state {
            State::Requesting { peer, .. } | State::Provisioning { peer, .. } => Some(*peer),
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
            State::Waiting { at } if *at <= self.now => self.begin_boot(),
            State::Provisioning { deadline, .. } if *deadline <= self.now => {
                self.boot_failed(Failed::Silence);
            }
            _ => {}
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
            tracing::info!(%refused, "no bootstrap pack: asks for the plain sequence");
            return self.request_sequence(peer, account);
        }
        let format = message.content_format().unwrap_or(ContentFormat(u16::MAX));
        let session = Provisioning::new(account);
        match session.apply_pack(&mut self.tree, format, body) {
            Ok(()) => {
                self.push_event(Event::BootstrapStarted);
                self.close_peer(peer);
                self.boot_finished();
            }
            Err(error) => {
                tracing::warn!(%error, "the pack can't be used: asks for the plain sequence");
                self.request_sequence(peer, account);
            }
        }
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
            .with_format(self.config.preferred_format);
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
        self.endpoint.respond(self.now, responder, draft);
        if matches!(progress, Progress::Finished) {
            self.boot_finished();
        }
    }

    fn boot_finished(&mut self) {
        if let Some(peer) = self.boot.peer() {
            let before = self.boot.lingering.replace((peer, self.now + LINGER));
            if let Some((peer, _)) = before {
                self.close_peer(peer);
            }
        }
        self.boot.state = State::Off;
        self.boot.attempt = 0;
        self.push_event(Event::BootstrapFinished);
        self.stamp_servers();
        // TS-Core §E.1: the time begins with the end of the bootstrap.
        self.boot.purge_at = None;
        self.arm_purge();
        // The new accounts replace the old ones, also where the Short Server ID is the same.
        for index in 0..self.links.len() {
            self.close_link(index);
        }
        self.links.clear();
        self.observations.clear();
        self.load_accounts();
    }

    /// Writes the time of the bootstrap into /1/x/12 (TS-Core §E.2), if the wall time is known.
    fn stamp_servers(&mut self) {
        let Some(time) = self
            .unix_time()
            .and_then(|seconds| i64::try_from(seconds).ok())
        else {
            return;
        };
        for account in accounts(&self.tree).servers {
            let path = Path::resource(
                server::OBJECT,
                account.server_instance,
                server::LAST_BOOTSTRAPPED,
            );
            // A Server object without the resource is fine.
            let _ = self.tree.write(path, Value::Time(time));
        }
    }

    /// Undoes what the bootstrap wrote, and tries again later.
    fn boot_failed(&mut self, reason: Failed) {
        self.undo_boot();
        let factor = 1u32 << self.boot.attempt.min(16);
        let retry_in = (FIRST_RETRY * factor).min(LAST_RETRY);
        self.boot.attempt += 1;
        self.boot.state = State::Waiting {
            at: self.now + retry_in,
        };
        tracing::warn!(%reason, ?retry_in, "bootstrap failed");
        self.push_event(Event::BootstrapFailed { reason, retry_in });
        // The accounts from before are back: their registrations go on.
        self.wake_links(self.now + retry_in);
    }

    fn undo_boot(&mut self) {
        match core::mem::take(&mut self.boot.state) {
            State::Requesting { peer, .. } | State::Packing { peer, .. } => self.close_peer(peer),
            State::Provisioning { peer, session, .. } => {
                session.abort(&mut self.tree);
                self.close_peer(peer);
            }
            _ => {}
        }
    }

    /// Starts the time after which the account of the bootstrap server is removed, if it does not
    /// run yet.
    fn arm_purge(&mut self) {
        if self.boot.purge_at.is_none() {
            let timeout = accounts(&self.tree)
                .bootstrap
                .and_then(|account| account.timeout);
            self.boot.purge_at = timeout.map(|timeout| self.now + timeout);
        }
    }

    /// Removes the account of the bootstrap server (TS-Core §E.1, /0/x/12).
    fn purge_account(&mut self) {
        self.boot.purge_at = None;
        match remove_bootstrap_account(&mut self.tree) {
            Ok(true) => self.push_event(Event::BootstrapAccountRemoved),
            Ok(false) => {}
            Err(failure) => {
                tracing::error!(%failure, "the bootstrap account can't be removed");
            }
        }
    }
}
