//! Deduplication of received messages, with replay of the answer (RFC 7252 §4.5).

use alloc::vec::Vec;

use lwm2m_codec::coap::{Code, MessageId, Token};

use crate::{EXCHANGE_LIFETIME, Instant, hash::Fnv};

/// Message ids remembered per peer.
pub(crate) const RING: usize = 8;

/// Longest answer kept in the ring itself.
pub(crate) const INLINE: usize = 64;

/// Names a received message.
///
/// The Message ID alone names it in RFC 7252 §4.5. A device that restarted may begin with the
/// ids of its previous life, though; code and token tell such a message from a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Received {
    pub(crate) id: MessageId,
    tag: u32,
}

impl Received {
    pub(crate) fn new(id: MessageId, code: Code, token: Token) -> Self {
        let mut hash = Fnv::new();
        hash.write(&[code.0]);
        hash.write(token.as_bytes());
        Self {
            id,
            tag: hash.short(),
        }
    }
}

/// What became of a message that was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    /// A Confirmable request that the application has; nothing was said to the peer yet.
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

/// What it took to remember a new message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// There was room.
    Fresh,
    /// A message that still counted was forgotten.
    Evicted,
    /// All remembered messages wait for their answer: the new one is as good as lost.
    Full,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Received,
    at: Instant,
    seen: Seen,
}

/// The last [`RING`] messages of a peer, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    entries: Vec<Entry>,
}

impl Dedup {
    /// What became of a message; `None` if it is new or its id may be used again.
    pub(crate) fn find(&mut self, now: Instant, key: Received) -> Option<&mut Seen> {
        self.entries
            .iter_mut()
            .find(|entry| entry.key == key && now.since(entry.at) < EXCHANGE_LIFETIME)
            .map(|entry| &mut entry.seen)
    }

    /// Remembers a new message.
    ///
    /// A pending request is never forgotten: its answer must go with the ACK, and a duplicate
    /// must not reach the application a second time.
    pub(crate) fn insert(&mut self, now: Instant, key: Received, seen: Seen) -> Inserted {
        let entry = Entry { key, at: now, seen };
        // The peer uses the id again: the old message is history.
        self.entries.retain(|old| old.key.id != key.id);
        if self.entries.len() < RING {
            self.entries.push(entry);
            return Inserted::Fresh;
        }
        let oldest = self
            .entries
            .iter()
            .position(|old| !matches!(old.seen, Seen::Pending));
        let Some(oldest) = oldest else {
            return Inserted::Full;
        };
        let old = self.entries.remove(oldest);
        self.entries.push(entry);
        match now.since(old.at) < EXCHANGE_LIFETIME {
            true => Inserted::Evicted,
            false => Inserted::Fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u16) -> Received {
        Received::new(MessageId(id), Code::GET, Token::EMPTY)
    }

    #[test]
    fn the_oldest_message_is_forgotten_first() {
        let mut dedup = Dedup::default();
        for id in 0..RING as u16 {
            let inserted = dedup.insert(Instant::ZERO, key(id), Seen::Silent);
            assert_eq!(inserted, Inserted::Fresh);
        }
        for id in [100, 101] {
            let inserted = dedup.insert(Instant::ZERO, key(id), Seen::Silent);
            assert_eq!(inserted, Inserted::Evicted);
        }
        let known = |dedup: &mut Dedup, id| dedup.find(Instant::ZERO, key(id)).is_some();
        assert!(!known(&mut dedup, 0) && !known(&mut dedup, 1));
        assert!(known(&mut dedup, 2) && known(&mut dedup, 100) && known(&mut dedup, 101));
    }

    #[test]
    fn a_pending_request_is_never_forgotten() {
        let mut dedup = Dedup::default();
        dedup.insert(Instant::ZERO, key(0), Seen::Pending);
        for id in 1..100 {
            dedup.insert(Instant::ZERO, key(id), Seen::Silent);
        }
        assert!(dedup.find(Instant::ZERO, key(0)).is_some());
        for id in 200..207 {
            dedup.insert(Instant::ZERO, key(id), Seen::Pending);
        }
        let refused = dedup.insert(Instant::ZERO, key(300), Seen::Pending);
        assert_eq!(refused, Inserted::Full);
    }

    #[test]
    fn an_id_may_be_used_again_after_its_lifetime() {
        let mut dedup = Dedup::default();
        dedup.insert(Instant::ZERO, key(7), Seen::Silent);
        assert!(dedup.find(Instant::ZERO, key(7)).is_some());
        let later = Instant::ZERO + EXCHANGE_LIFETIME;
        assert!(dedup.find(later, key(7)).is_none());
    }

    #[test]
    fn the_same_id_with_another_token_is_a_new_message() {
        let mut dedup = Dedup::default();
        dedup.insert(Instant::ZERO, key(7), Seen::Silent);
        let token = Token::new(&[1]).unwrap_or(Token::EMPTY);
        let other = Received::new(MessageId(7), Code::GET, token);
        assert!(dedup.find(Instant::ZERO, other).is_none());
    }
}
