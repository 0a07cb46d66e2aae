//! Deduplication of received messages, with replay of the answer (RFC 7252 §4.5).

use alloc::vec::Vec;

use lwm2m_codec::coap::MessageId;

use crate::{EXCHANGE_LIFETIME, Instant};

/// Message ids remembered per peer.
pub(crate) const RING: usize = 8;

/// Longest answer kept in the ring itself.
pub(crate) const INLINE: usize = 64;

/// What became of a message that was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    /// The application has it; no answer yet.
    Pending,
    /// An empty ACK went out; the answer comes or came as a message of its own.
    Acknowledged,
    /// Answered: say it again to a duplicate.
    Answered { len: u8, bytes: [u8; INLINE] },
    /// Answered with a long message that is kept elsewhere.
    AnsweredLong,
    /// Idempotent, and the answer was too long to keep: serve a duplicate like a new request.
    Repeat,
    /// Nothing to say to a duplicate.
    Silent,
}

impl Seen {
    /// Keeps a short answer.
    pub(crate) fn answered(answer: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE];
        bytes.get_mut(..answer.len())?.copy_from_slice(answer);
        Some(Self::Answered {
            len: answer.len() as u8,
            bytes,
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: MessageId,
    at: Instant,
    seen: Seen,
}

/// The last [`RING`] message ids of a peer.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    entries: Vec<Entry>,
    next: usize,
}

impl Dedup {
    /// What became of a message; `None` if it is new or its id may be used again.
    pub(crate) fn find(&mut self, now: Instant, id: MessageId) -> Option<&mut Seen> {
        self.entries
            .iter_mut()
            .find(|entry| entry.id == id && now.since(entry.at) < EXCHANGE_LIFETIME)
            .map(|entry| &mut entry.seen)
    }

    /// Forgets a message.
    pub(crate) fn forget(&mut self, now: Instant, id: MessageId) {
        if let Some(seen) = self.find(now, id) {
            *seen = Seen::Repeat;
        }
    }

    /// Remembers a new message; true if one that still counted was pushed out.
    pub(crate) fn insert(&mut self, now: Instant, id: MessageId, seen: Seen) -> bool {
        let entry = Entry { id, at: now, seen };
        // An expired entry of the same id must not hide the new one.
        if let Some(old) = self.entries.iter_mut().find(|entry| entry.id == id) {
            *old = entry;
            return false;
        }
        if self.entries.len() < RING {
            self.entries.push(entry);
            return false;
        }
        let old = &mut self.entries[self.next];
        let evicted = now.since(old.at) < EXCHANGE_LIFETIME;
        *old = entry;
        self.next = (self.next + 1) % RING;
        evicted
    }
}
