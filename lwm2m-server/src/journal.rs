//! The journal: what must survive a restart, as records for the driver to store.

mod bytes;

use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};
use core::net::SocketAddr;

use lwm2m_codec::{ContentFormat, Version, coap::Token};

use crate::{
    Bindings, IdentityOwned, ObjectList, ObservationId, Registration, RegistrationId, Server,
    Target,
};

pub use bytes::JournalError;

/// One change of the server's state.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JournalRecord {
    /// Ascending number, without gaps.
    pub sequence: u64,
    /// What changed.
    pub change: Change,
}

/// What changed.
///
/// A store that keeps only the newest record per registration and per observation, and none
/// of what was removed or cancelled, restores to the same state as the whole journal.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A device registered. Its answer waits until this record is stored.
    Registered(Box<RegistrationRecord>),
    /// A device renewed its registration. Its answer does not wait.
    Updated {
        /// The registration.
        registration: RegistrationId,
        /// When, in seconds since 1970.
        unix_time: Option<u64>,
        /// The registration as it is now, if more changed than the time.
        snapshot: Option<Box<RegistrationRecord>>,
    },
    /// A registration ended, with its observations. The answer to a De-register waits until
    /// this record is stored.
    Removed {
        /// The registration.
        registration: RegistrationId,
    },
    /// A device observes; replaces an earlier record of the same observation.
    Observed(Box<ObservationRecord>),
    /// An observation ended.
    Cancelled {
        /// The observation.
        observation: ObservationId,
    },
}

/// What is stored of a [`Registration`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct RegistrationRecord {
    pub id: RegistrationId,
    pub endpoint: String,
    pub identity: IdentityOwned,
    pub address: SocketAddr,
    pub lifetime: u32,
    pub version: Version,
    pub binding: Bindings,
    pub queue_mode: bool,
    pub sms: Option<String>,
    pub profiles: Vec<String>,
    pub root: String,
    pub formats: Vec<ContentFormat>,
    pub objects: ObjectList,
    pub extra: Vec<(String, Option<String>)>,
    pub registered_unix: Option<u64>,
    pub updated_unix: Option<u64>,
}

impl RegistrationRecord {
    pub(crate) fn of(registration: &Registration) -> Self {
        let r = registration.clone();
        Self {
            id: r.id,
            endpoint: r.endpoint,
            identity: r.identity,
            address: r.address,
            lifetime: r.lifetime,
            version: r.version,
            binding: r.binding,
            queue_mode: r.queue_mode,
            sms: r.sms,
            profiles: r.profiles,
            root: r.root,
            formats: r.formats,
            objects: r.objects,
            extra: r.extra,
            registered_unix: r.registered_unix,
            updated_unix: r.updated_unix,
        }
    }
}

/// What is stored of an observation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ObservationRecord {
    /// Its id.
    pub id: ObservationId,
    /// The device.
    pub registration: RegistrationId,
    /// The token of its notifications.
    pub token: Token,
    /// What is observed.
    pub target: Target,
}

/// Records that the driver has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    records: VecDeque<JournalRecord>,
    sequence: u64,
}

impl Journal {
    /// The number of the last record.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn continue_after(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
    }
}

impl Server {
    /// The next record to store, with [`Config::journal`](crate::Config::journal).
    pub fn poll_journal(&mut self) -> Option<JournalRecord> {
        self.journal.records.pop_front()
    }

    /// True if a Register or De-register finds room for its records and its answer.
    pub(crate) fn journal_has_room(&self) -> bool {
        let limit = self.config.limits.journal;
        self.journal.records.len() < limit && self.answers.len() < limit
    }

    /// Adds a record. When the driver takes none, Registers are refused; of the rest, what
    /// exceeds twice the limit is dropped.
    pub(crate) fn record(&mut self, change: Change) {
        if !self.config.journal {
            return;
        }
        if self.journal.records.len() >= 2 * self.config.limits.journal {
            self.counters.dropped_records += 1;
            return;
        }
        self.journal.sequence += 1;
        self.journal.records.push_back(JournalRecord {
            sequence: self.journal.sequence,
            change,
        });
    }
}
