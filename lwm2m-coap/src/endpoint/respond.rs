//! Answers and notifications on their way out (RFC 7252 §5.2, RFC 7641 §4.2).

use alloc::vec::Vec;

use lwm2m_codec::coap::{Block, Code, MessageType, OptionNumber, Token};

use super::{
    Endpoint, Responder, Timer,
    block::{Cut, max_len, own_etag},
    flight::Purpose,
};
use crate::{
    Instant, PeerId,
    dedup::Seen,
    draft::{Draft, Header},
};

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The engine, which would have to serve a duplicate once more.
    Engine,
    /// The endpoint itself.
    Endpoint,
    /// An earlier answer of which this is a later block: it can be cut again.
    Kept,
}

impl Endpoint {
    /// Acknowledges a request whose answer will take time (RFC 7252 §5.2.2).
    pub fn defer(&mut self, now: Instant, responder: &Responder) {
        self.clock(now);
        if responder.confirmable {
            self.stop_acknowledge(responder);
            self.acknowledge_late(responder.peer, responder.received);
        }
    }

    /// Lets a request pass as if it had been lost: the peer's repetition is new again.
    ///
    /// The body of a block-wise one is lost with it: the repetition of its last block gets 4.08,
    /// upon which the peer starts again.
    pub fn ignore(&mut self, now: Instant, responder: Responder) {
        self.clock(now);
        self.stop_acknowledge(&responder);
        self.remember(&responder, Seen::Repeat);
    }

    /// Answers a request: with the ACK, or separately if that is gone already.
    pub fn respond(&mut self, now: Instant, responder: Responder, draft: Draft) {
        self.clock(now);
        self.stop_acknowledge(&responder);
        let draft = match draft.payload.len() > self.config.max_body {
            true => Draft::new(Code::INTERNAL_SERVER_ERROR).diagnostic("the answer is too long"),
            false => draft,
        };
        let begins = self.answer(&responder, &draft, Source::Engine);
        if begins && responder.code != Code::GET {
            self.keep(responder.key, draft);
        }
    }

    fn stop_acknowledge(&mut self, responder: &Responder) {
        if let Some(at) = responder.acknowledge {
            let timer = Timer::Acknowledge(responder.peer, responder.received);
            self.timers.clear(at, timer);
        }
    }

    /// Sends an answer or the block of it that was asked for; true if it was the first of
    /// several blocks.
    pub(super) fn answer(&mut self, responder: &Responder, draft: &Draft, source: Source) -> bool {
        let now = self.now;
        let Some(entry) = self.peers.get_mut(responder.peer) else {
            return false;
        };
        // A pending request is never pushed out of the ring: if it is not there as pending, its
        // ACK went out before.
        let seen = entry.dedup.find(now, responder.received);
        let (message_type, id) = match (responder.confirmable, seen) {
            (true, Some(Seen::Pending)) => (MessageType::Acknowledgement, responder.received.id),
            (true, _) => (MessageType::Confirmable, entry.message_id()),
            (false, _) => (MessageType::NonConfirmable, entry.message_id()),
        };
        let header = Header {
            message_type,
            id,
            token: responder.token,
        };
        let Some((datagram, begins)) = self.write_answer(responder, draft, header) else {
            self.counters.dropped += 1;
            return false;
        };
        if message_type == MessageType::Confirmable {
            self.launch(responder.peer, id, datagram, Purpose::Response);
        } else {
            let seen = self.seen_of(responder, &datagram, source);
            self.remember(responder, seen);
            self.push_out(responder.peer, datagram);
        }
        begins
    }

    fn write_answer(
        &mut self,
        responder: &Responder,
        draft: &Draft,
        header: Header,
    ) -> Option<(Vec<u8>, bool)> {
        let refused;
        let (draft, cut) = match Cut::new(responder, draft, self.config.block_size) {
            Ok(cut) => (draft, cut),
            Err(error) => {
                refused = error;
                let end = refused.payload.len();
                let cut = Cut {
                    end,
                    ..Cut::default()
                };
                (&refused, cut)
            }
        };
        let payload = draft.payload.get(cut.start..cut.end).unwrap_or_default();
        let written = draft.write(&mut self.scratch, header, &cut.options, payload);
        let (len, begins) = match written {
            Ok(len) => (len, cut.begins),
            Err(error) => {
                tracing::warn!(peer = ?responder.peer, %error, "an answer does not fit a datagram");
                let instead = Draft::new(Code::INTERNAL_SERVER_ERROR);
                let len = instead.write(&mut self.scratch, header, &[], &[]).ok()?;
                (len, false)
            }
        };
        Some((self.scratch.get(..len)?.to_vec(), begins))
    }

    /// How to treat a duplicate of an answered request.
    fn seen_of(&mut self, responder: &Responder, datagram: &[u8], source: Source) -> Seen {
        if !responder.confirmable {
            return Seen::Silent;
        }
        if let Some(seen) = Seen::answered(datagram) {
            return seen;
        }
        let idempotent = !matches!(
            responder.code,
            Code::POST | Code::PUT | Code::PATCH | Code::IPATCH | Code::DELETE
        );
        // The last block of a body alone is not the request.
        let repeatable = idempotent && responder.block1.is_none();
        if repeatable || source != Source::Engine {
            return Seen::Repeat;
        }
        let key = (responder.peer, responder.received);
        self.long_answers.retain(|kept| (kept.0, kept.1) != key);
        while self.long_answers.len() >= self.config.max_long_answers.max(1) {
            self.long_answers.pop_front();
        }
        self.long_answers.push_back((key.0, key.1, datagram.into()));
        Seen::AnsweredLong
    }

    fn remember(&mut self, responder: &Responder, seen: Seen) {
        let now = self.now;
        if let Some(entry) = self.peers.get_mut(responder.peer) {
            if let Some(slot) = entry.dedup.find(now, responder.received) {
                *slot = seen;
            }
        }
    }

    /// Sends a notification under the token of an observation (RFC 7641 §4.2); false if the
    /// peer is gone or its queue is full. A Confirmable one is followed by an event.
    pub fn notify(
        &mut self,
        now: Instant,
        peer: PeerId,
        token: Token,
        draft: &Draft,
        confirmable: bool,
    ) -> bool {
        self.clock(now);
        if confirmable && self.peers.contains(peer) && !self.has_room(peer) {
            self.counters.dropped += 1;
            return false;
        }
        let Some(entry) = self.peers.get_mut(peer) else {
            return false;
        };
        let id = entry.message_id();
        let message_type = match confirmable {
            true => MessageType::Confirmable,
            false => MessageType::NonConfirmable,
        };
        let header = Header {
            message_type,
            id,
            token,
        };
        let Some(datagram) = self.write_notification(draft, header) else {
            self.counters.dropped += 1;
            return false;
        };
        if confirmable {
            let purpose = Purpose::Notification(token);
            return self.launch(peer, id, datagram, purpose).is_some();
        }
        let sent = self.push_out(peer, datagram);
        if sent {
            if let Some(entry) = self.peers.get_mut(peer) {
                entry.remember_non(id, token);
            }
        }
        sent
    }

    /// Writes a notification, or its first block (RFC 7959 §2.6).
    fn write_notification(&mut self, draft: &Draft, header: Header) -> Option<Vec<u8>> {
        let total = draft.payload.len();
        let block = Block::new(0, true, self.config.block_size);
        let mut extra = Vec::new();
        if total > max_len(block.szx) {
            return None;
        }
        if total > block.size() {
            extra.extend(own_etag(draft));
            extra.push((OptionNumber::BLOCK2, block.to_uint()));
            extra.push((OptionNumber::SIZE2, total as u32));
        }
        let payload = draft.payload.get(..total.min(block.size()))?;
        let len = draft.write(&mut self.scratch, header, &extra, payload);
        Some(self.scratch.get(..len.ok()?)?.to_vec())
    }
}
