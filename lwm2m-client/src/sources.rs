//! Sources of accounts that may change while the device runs: a smartcard may be changed or taken
//! out (TS-Core §6.1.3.2).
//!
//! Reading a card takes time, so the engine asks and its driver answers:
//!
//! ```text
//! Idle ── start, Register, Update, bootstrap is due ──▶ Asking ── unchanged ──▶ Idle, goes on
//!                                                          │
//!                                                       changed
//!                                                          ▼
//!                           Idle, starts anew ◀── all left ── Leaving
//! ```

use alloc::vec::Vec;

use lwm2m_bootstrap::source::{Answer, Origin, Provenance, Verdict};
use lwm2m_coap::{Duration, Instant};

use crate::{
    Client, Event,
    bootstrap::Urgency,
    link::{State as LinkState, Then},
};

/// How long servers of accounts that must go have for the answer to the De-register.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the client knows of its sources.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    state: State,
    provenance: Provenance,
    /// The accounts are not in use yet: the first check of a start is not over.
    starting: bool,
    /// The sources were checked just now: what is due may go on.
    cleared: bool,
    /// The application saw that a card came or went.
    wanted: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// The driver asks the sources.
    Asking { deadline: Instant },
    /// The servers are told before their accounts go.
    Leaving { deadline: Instant, answer: Answer },
}

impl Sources {
    /// True while it is open which accounts count: nothing new is begun with them.
    pub(crate) const fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    pub(crate) const fn due(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Asking { deadline } | State::Leaving { deadline, .. } => Some(deadline),
        }
    }

    /// The check is used up: what becomes due later needs a new one.
    pub(crate) const fn end_clearance(&mut self) {
        self.cleared = false;
    }

    pub(crate) const fn provenance_mut(&mut self) -> &mut Provenance {
        &mut self.provenance
    }
}

impl Client {
    /// Which accounts came from which source. Whoever stores the accounts stores this, too.
    pub const fn provenance(&self) -> &Provenance {
        &self.sources.provenance
    }

    /// Tells where the accounts of the tree are from, before [`start`](Self::start).
    pub fn set_provenance(&mut self, provenance: Provenance) {
        self.sources.provenance = provenance;
    }

    /// Checks the sources now, because a card came or went; false if
    /// [`Config::check_sources`](crate::Config::check_sources) is off or the client does not run.
    pub fn check_sources(&mut self, now: Instant) -> bool {
        self.clock(now);
        let possible = self.config.check_sources && self.is_running();
        self.sources.wanted |= possible;
        self.advance();
        possible
    }

    /// Takes the answer to [`Event::CheckSources`]; false if nobody waits for it any more.
    ///
    /// If the source of the accounts in use changed or is gone, the client de-registers from
    /// their servers, removes them, and starts anew with the first consistent ones of the answer.
    pub fn sources_checked(&mut self, now: Instant, answer: Answer) -> bool {
        self.clock(now);
        let awaited = matches!(self.sources.state, State::Asking { .. });
        if awaited {
            self.take_answer(answer);
        }
        self.advance();
        awaited
    }

    /// Begins with a check; false if there is none to make.
    pub(crate) fn starts_with_check(&mut self) -> bool {
        self.sources.state = State::Idle;
        self.sources.wanted = false;
        self.sources.starting = self.config.check_sources;
        if self.config.check_sources {
            self.ask_sources(None);
        }
        self.config.check_sources
    }

    /// Ends a check that is under way.
    pub(crate) fn abandon_check(&mut self) {
        self.sources.state = State::Idle;
        self.sources.wanted = false;
        self.sources.starting = false;
    }

    /// True if something that is due may begin; otherwise the sources are asked first.
    pub(crate) fn sources_are_checked(&mut self) -> bool {
        if !self.config.check_sources || self.sources.cleared {
            return true;
        }
        if !self.sources.is_busy() {
            self.ask_sources(None);
        }
        false
    }

    pub(crate) fn drive_sources(&mut self) {
        let leaving = |state: &LinkState| matches!(state, LinkState::Leaving { .. });
        match &self.sources.state {
            State::Idle if self.sources.wanted && !self.boot.is_provisioning() => {
                self.sources.wanted = false;
                self.ask_sources(None);
            }
            State::Asking { deadline } if *deadline <= self.now => {
                self.push_event(Event::SourcesSilent);
                self.go_on();
            }
            State::Leaving { deadline, .. }
                if *deadline <= self.now || !self.links.iter().any(|l| leaving(&l.state)) =>
            {
                self.renew_accounts();
            }
            _ => {}
        }
    }

    fn ask_sources(&mut self, after: Option<Origin>) {
        self.sources.state = State::Asking {
            deadline: self.now + self.config.source_timeout,
        };
        self.push_event(Event::CheckSources { after });
    }

    fn take_answer(&mut self, answer: Answer) {
        if !answer.failed.is_empty() {
            self.push_event(Event::SourcesFailed(answer.failed.clone()));
        }
        match self.sources.provenance.compare(&self.tree, &answer) {
            Verdict::Changed(_) => self.leave_servers(answer),
            _ => self.go_on(),
        }
    }

    /// The accounts are what they were.
    fn go_on(&mut self) {
        self.sources.state = State::Idle;
        self.sources.cleared = true;
        if core::mem::take(&mut self.sources.starting) {
            self.begin_with_accounts();
        }
    }

    /// Tells the servers that the device goes; those that don't answer are left all the same.
    fn leave_servers(&mut self, answer: Answer) {
        self.abandon_boot();
        for index in 0..self.links.len() {
            match &mut self.links[index].state {
                LinkState::Registered(_) => self.deregister(index, Then::Stop),
                LinkState::Leaving { then, .. } => *then = Then::Stop,
                state => {
                    *state = LinkState::Idle { at: None };
                    self.close_link(index);
                }
            }
        }
        self.sources.state = State::Leaving {
            deadline: self.now + LEAVE_TIMEOUT,
            answer,
        };
        self.drive_sources();
    }

    fn renew_accounts(&mut self) {
        let State::Leaving { answer, .. } = core::mem::take(&mut self.sources.state) else {
            return;
        };
        let renewed = self.sources.provenance.renew(&mut self.tree, &answer);
        self.drop_links();
        match renewed {
            Ok(renewal) => {
                let failed = &renewal.established.failed;
                let refused = failed.last().map(|(origin, _)| *origin);
                let next = refused.filter(|_| renewal.established.origin.is_none());
                self.push_event(Event::SourcesChanged(renewal));
                if next.is_some() {
                    // TS-Core §6.1.4: the next one's turn.
                    self.sources.starting = true;
                    return self.ask_sources(next);
                }
            }
            Err(failure) => {
                tracing::error!(%failure, "accounts of a source that is gone can't be removed");
            }
        }
        self.sources.starting = true;
        self.go_on();
    }

    /// Registers to the servers of the tree, or bootstraps if there are none.
    pub(crate) fn begin_with_accounts(&mut self) {
        self.load_accounts();
        self.wake_links(self.now);
        if self.links.is_empty() {
            self.request_bootstrap(Urgency::Usual);
        }
    }

    /// Leaves all servers at once, because their accounts were replaced.
    pub(crate) fn drop_links(&mut self) {
        for index in 0..self.links.len() {
            self.close_link(index);
        }
        self.links = Vec::new();
        self.observations.clear();
    }
}
