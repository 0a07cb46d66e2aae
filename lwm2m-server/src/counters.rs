//! What a server counts.

/// Counts what happened since the server was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Registers that were accepted.
    pub registered: u64,
    /// Registers that were refused, for whatever reason.
    pub refused: u64,
    /// Registers refused because the identity may not use the endpoint name.
    pub identity_mismatches: u64,
    /// Updates that were accepted.
    pub updated: u64,
    /// De-registers that were accepted.
    pub deregistered: u64,
    /// Registrations whose lifetime ended.
    pub expired: u64,
    /// Registrations that moved to another address.
    pub moved: u64,
    /// Requests for a registration that is unknown or belongs to somebody else.
    pub unknown_registration: u64,
    /// Requests that are none of a server's.
    pub unknown_request: u64,
    /// Notifications that were accepted.
    pub notifications: u64,
    /// Notifications that were overtaken by a newer one.
    pub stale_notifications: u64,
    /// Notifications of no observation, refused by Reset.
    pub unknown_notifications: u64,
    /// Sends that were accepted.
    pub sends: u64,
    /// Sends that were refused.
    pub refused_sends: u64,
    /// Requests to devices that ended without an answer.
    pub failed_requests: u64,
    /// Requests that a full table or queue refused.
    pub overflows: u64,
    /// Answers that waited too long for the application or the journal.
    pub late_answers: u64,
    /// Journal records that were dropped because the driver did not take them.
    pub dropped_records: u64,
}
