//! What an endpoint counts.

/// Counts what happened since the endpoint was made; every drop has its counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages received.
    pub received: u64,
    /// Messages handed out, retransmissions included.
    pub sent: u64,
    /// Retransmissions.
    pub retransmitted: u64,
    /// Datagrams that are no message.
    pub malformed: u64,
    /// Duplicates that were answered again or dropped.
    pub duplicates: u64,
    /// Deduplication entries that were pushed out before their lifetime ended.
    pub dedup_evicted: u64,
    /// Messages from peers that the endpoint doesn't know.
    pub unknown_peer: u64,
    /// Responses, ACKs and RSTs that match nothing.
    pub unmatched: u64,
    /// Messages with unknown critical options.
    pub bad_option: u64,
    /// Messages dropped because a queue was full or the driver's buffer too small.
    pub dropped: u64,
    /// Bodies refused because they were too long, or dropped because too many came at once.
    pub bodies_refused: u64,
    /// Requests and separate answers of this side that nobody answered or acknowledged in time.
    pub timeouts: u64,
}
