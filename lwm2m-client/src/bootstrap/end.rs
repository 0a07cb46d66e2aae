//! The end of a bootstrap: its accounts are stored and kept, or undone.

use lwm2m_bootstrap::{
    accounts,
    device::{Provisioning, remove_bootstrap_account},
};
use lwm2m_coap::{Draft, Duration, Instant, PeerId, Responder};
use lwm2m_codec::{Path, Value, coap::Code};

use super::State;
use crate::{BootstrapStep, Client, Event, Failed, values::server};

/// Longest delay between two bootstrap attempts.
const LAST_RETRY: Duration = Duration::from_secs(86_400);
/// How long the connection stays after Bootstrap-Finish, so that a repeated Finish is answered;
/// MAX_TRANSMIT_SPAN (RFC 7252 §4.8.2).
const LINGER: Duration = Duration::from_secs(45);

impl Client {
    /// All is there: lets the application store it, or keeps it at once.
    pub(super) fn store(
        &mut self,
        peer: PeerId,
        session: Provisioning,
        responder: Option<(Responder, Draft)>,
    ) {
        self.boot.state = State::Storing {
            peer,
            deadline: self.now + self.config.bootstrap_timeout,
            session,
            responder,
        };
        match self.config.store_accounts {
            true => self.push_event(Event::BootstrapStore),
            false => self.keep(),
        }
    }

    /// Says that the accounts are stored, after [`Event::BootstrapStore`], or that they can't be:
    /// then the bootstrap fails. False if it is over meanwhile, and the accounts from before are
    /// in use: what was stored must go.
    pub fn accounts_stored(&mut self, now: Instant, stored: bool) -> bool {
        self.clock(now);
        let awaited = matches!(self.boot.state, State::Storing { .. });
        match (awaited, stored) {
            (true, true) => self.keep(),
            (true, false) => self.boot_failed(Failed::Store),
            (false, _) => {}
        }
        self.advance();
        awaited
    }

    /// Keeps what the bootstrap made of the device, and answers the Finish.
    fn keep(&mut self) {
        let State::Storing {
            peer,
            session,
            responder,
            ..
        } = core::mem::take(&mut self.boot.state)
        else {
            return;
        };
        let finished = responder.is_some();
        let account = session.account();
        if let Err(failure) = session.commit(&mut self.tree) {
            self.close_peer(peer);
            return self.boot_failed_at(BootstrapStep::Storing, Failed::Keep(failure));
        }
        self.sources.provenance_mut().claim(&self.tree, account);
        match responder {
            Some((responder, draft)) => self.endpoint.respond(self.now, responder, draft),
            None => self.close_peer(peer),
        }
        self.boot_finished(finished.then_some(peer));
    }

    /// The accounts are new; `peer` may repeat its Finish.
    fn boot_finished(&mut self, peer: Option<PeerId>) {
        if let Some(peer) = peer {
            self.linger(peer);
        }
        self.boot.state = State::Off;
        self.boot.attempt = 0;
        self.push_event(Event::BootstrapFinished);
        self.stamp_servers();
        // TS-Core §E.1: the time begins with the end of the bootstrap.
        self.boot.purge_at = None;
        self.arm_purge();
        // The new accounts replace the old ones, also where the Short Server ID is the same.
        self.drop_links();
        self.load_accounts();
    }

    /// Keeps a connection for some time, for an answer that may have to be repeated.
    fn linger(&mut self, peer: PeerId) {
        let before = self.boot.lingering.replace((peer, self.now + LINGER));
        if let Some((peer, _)) = before {
            self.close_peer(peer);
        }
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
    pub(super) fn boot_failed(&mut self, reason: Failed) {
        let step = self.boot.state.step();
        self.boot_failed_at(step, reason);
    }

    fn boot_failed_at(&mut self, step: BootstrapStep, reason: Failed) {
        self.undo_boot();
        let factor = 1u32 << self.boot.attempt.min(16);
        let retry_in = self.config.bootstrap_retry.saturating_mul(factor);
        let retry_in = retry_in.min(LAST_RETRY);
        self.boot.attempt += 1;
        self.boot.state = State::Waiting {
            at: self.now + retry_in,
        };
        // The one line that a device in the field may be able to keep.
        tracing::warn!(%step, %reason, ?retry_in, "bootstrap failed");
        self.push_event(Event::BootstrapFailed {
            step,
            reason,
            retry_in,
        });
        // The accounts from before are back: their registrations go on.
        self.wake_links(self.now + retry_in);
    }

    pub(super) fn undo_boot(&mut self) {
        match core::mem::take(&mut self.boot.state) {
            State::Requesting { peer, .. } | State::Packing { peer, .. } => self.close_peer(peer),
            State::Provisioning { peer, session, .. } => {
                session.abort(&mut self.tree);
                self.close_peer(peer);
            }
            State::Storing {
                peer,
                session,
                responder,
                ..
            } => {
                session.abort(&mut self.tree);
                match responder {
                    Some((responder, _)) => {
                        let draft = Draft::new(Code::INTERNAL_SERVER_ERROR)
                            .diagnostic("the accounts could not be stored");
                        self.endpoint.respond(self.now, responder, draft);
                        self.linger(peer);
                    }
                    None => self.close_peer(peer),
                }
            }
            _ => {}
        }
    }

    /// Starts the time after which the account of the bootstrap server is removed, if it does not
    /// run yet.
    pub(super) fn arm_purge(&mut self) {
        if self.boot.purge_at.is_none() {
            let timeout = accounts(&self.tree)
                .bootstrap
                .and_then(|account| account.timeout);
            self.boot.purge_at = timeout.map(|timeout| self.now + timeout);
        }
    }

    /// Removes the account of the bootstrap server (TS-Core §E.1, /0/x/12).
    pub(super) fn purge_account(&mut self) {
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
