//! A datagram's way through the endpoint (RFC 7252 §4, §5.3).

use alloc::vec::Vec;

use lwm2m_codec::coap::{
    Block, Code, Message, MessageId, MessageType, MessageWriter, OptionNumber, ParseError, Token,
};

use super::{
    Endpoint, EndpointEvent, Incoming, Out, Responder, Timer,
    block::{TransferKey, Upload},
    flight::{Landing, Purpose},
};
use crate::{
    Instant, PeerId,
    dedup::Seen,
    draft::{Draft, Header},
};

impl Endpoint {
    /// Takes a datagram; returns what the engine has to deal with, if anything.
    pub fn receive<'d>(
        &mut self,
        now: Instant,
        peer: PeerId,
        datagram: &'d [u8],
    ) -> Option<Incoming<'d>> {
        self.clock(now);
        if !self.peers.contains(peer) {
            self.counters.unknown_peer += 1;
            return None;
        }
        self.counters.received += 1;
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            Err(error) => {
                self.malformed(peer, error);
                return None;
            }
        };
        tracing::trace!(?peer, ?message, "received");
        match message.message_type() {
            MessageType::Acknowledgement => self.on_ack(peer, message),
            MessageType::Reset => {
                self.on_reset(peer, message.id());
                None
            }
            _ if message.code() == Code::EMPTY => {
                // RFC 7252 §4.3: an Empty Confirmable message is a ping.
                if message.message_type() == MessageType::Confirmable {
                    self.send_empty(peer, MessageType::Reset, message.id());
                }
                None
            }
            _ => self.on_new_or_duplicate(peer, message),
        }
    }

    fn malformed(&mut self, peer: PeerId, error: ParseError) {
        self.counters.malformed += 1;
        tracing::debug!(?peer, %error, "malformed datagram");
        // RFC 7252 §4.2: a Confirmable message that can't be processed is rejected by Reset.
        if let Some((MessageType::Confirmable, id)) = error.header {
            self.send_empty(peer, MessageType::Reset, id);
        }
    }

    fn on_ack<'d>(&mut self, peer: PeerId, message: Message<'d>) -> Option<Incoming<'d>> {
        let Some(flight) = self.find_flight(peer, message.id()) else {
            self.counters.unmatched += 1;
            return None;
        };
        if message.code() == Code::EMPTY {
            self.land(self.now, flight, Landing::Acknowledged);
            return None;
        }
        let exchange = self.find_exchange(peer, message.token());
        let Some(exchange) = exchange.filter(|_| message.code().is_response()) else {
            self.counters.unmatched += 1;
            return None;
        };
        if has_unknown_critical(&message, is_response_option) {
            self.counters.bad_option += 1;
            return None;
        }
        self.on_response(exchange, message)
    }

    fn on_reset(&mut self, peer: PeerId, id: MessageId) {
        if let Some(flight) = self.find_flight(peer, id) {
            self.land(self.now, flight, Landing::Reset);
        } else if let Some(token) = self
            .peers
            .get_mut(peer)
            .and_then(|entry| entry.take_non(id))
        {
            self.events
                .push_back(EndpointEvent::NotificationRefused { peer, token });
        } else {
            self.counters.unmatched += 1;
        }
    }

    fn on_new_or_duplicate<'d>(
        &mut self,
        peer: PeerId,
        message: Message<'d>,
    ) -> Option<Incoming<'d>> {
        let now = self.now;
        let seen = self.peers.get_mut(peer)?.dedup.find(now, message.id());
        if let Some(seen) = seen {
            let known = *seen;
            if matches!(known, Seen::Repeat) {
                *seen = Seen::Pending;
            }
            self.counters.duplicates += 1;
            if !matches!(known, Seen::Repeat) {
                self.replay(peer, &message, known);
                return None;
            }
        } else if self
            .peers
            .get_mut(peer)?
            .dedup
            .insert(now, message.id(), Seen::Pending)
        {
            self.counters.dedup_evicted += 1;
        }
        if message.code().is_request() {
            self.on_request(peer, message)
        } else {
            self.on_separate_response(peer, message)
        }
    }

    /// Says again what was said to a message that comes once more.
    fn replay(&mut self, peer: PeerId, message: &Message<'_>, seen: Seen) {
        match seen {
            Seen::Acknowledged => {
                self.send_empty(peer, MessageType::Acknowledgement, message.id());
            }
            Seen::Answered { len, bytes } => {
                let answer = bytes.get(..usize::from(len)).unwrap_or_default();
                self.push_out(Out::Raw(peer, answer.to_vec()));
            }
            Seen::AnsweredLong => {
                let kept = self
                    .long_answers
                    .iter()
                    .find(|k| k.0 == peer && k.1 == message.id());
                if let Some((_, _, answer)) = kept {
                    self.push_out(Out::Raw(peer, answer.to_vec()));
                }
            }
            Seen::Pending | Seen::Repeat | Seen::Silent => {}
        }
    }

    fn on_request<'d>(&mut self, peer: PeerId, message: Message<'d>) -> Option<Incoming<'d>> {
        let confirmable = message.message_type() == MessageType::Confirmable;
        let key = TransferKey::new(peer, &message);
        let mut responder = Responder {
            peer,
            id: message.id(),
            token: message.token(),
            confirmable,
            code: message.code(),
            block1: None,
            block2: message.block(OptionNumber::BLOCK2),
            key,
        };
        if has_unknown_critical(&message, is_request_option) {
            self.counters.bad_option += 1;
            if confirmable {
                let reason = "a critical option is not understood";
                self.respond(
                    self.now,
                    responder,
                    Draft::new(Code::BAD_OPTION).diagnostic(reason),
                );
            } else {
                self.remember(&responder, Seen::Silent);
            }
            return None;
        }
        if let Some(answer) = self.kept_answer(key, &message) {
            self.respond(self.now, responder, answer);
            return None;
        }
        match self.upload(key, &message) {
            Upload::Answer(draft) => {
                self.respond(self.now, responder, draft);
                None
            }
            Upload::Complete(body, block1) => {
                responder.block1 = block1;
                if confirmable {
                    let at = self.now + self.config.ack_delay;
                    self.timers.set(at, Timer::Acknowledge(peer, message.id()));
                }
                Some(Incoming::Request {
                    responder,
                    message,
                    body,
                })
            }
        }
    }

    fn on_separate_response<'d>(
        &mut self,
        peer: PeerId,
        message: Message<'d>,
    ) -> Option<Incoming<'d>> {
        if has_unknown_critical(&message, is_response_option) {
            self.counters.bad_option += 1;
            self.reject(self.now, peer, &message);
            return None;
        }
        match self.find_exchange(peer, message.token()) {
            Some(exchange) => {
                self.accept(self.now, peer, &message);
                self.on_response(exchange, message)
            }
            None => Some(Incoming::Unsolicited { peer, message }),
        }
    }

    /// Takes an unsolicited response: acknowledges it if it is Confirmable.
    pub fn accept(&mut self, now: Instant, peer: PeerId, message: &Message<'_>) {
        self.clock(now);
        self.conclude(peer, message, MessageType::Acknowledgement);
    }

    /// Refuses an unsolicited response by Reset, which ends an observation (RFC 7641 §3.6).
    pub fn reject(&mut self, now: Instant, peer: PeerId, message: &Message<'_>) {
        self.clock(now);
        self.counters.unmatched += 1;
        self.conclude(peer, message, MessageType::Reset);
    }

    fn conclude(&mut self, peer: PeerId, message: &Message<'_>, answer: MessageType) {
        let confirmable = message.message_type() == MessageType::Confirmable;
        let seen = if confirmable || answer == MessageType::Reset {
            let datagram = self.send_empty(peer, answer, message.id());
            Seen::answered(&datagram).unwrap_or(Seen::Silent)
        } else {
            Seen::Silent
        };
        let now = self.now;
        if let Some(entry) = self.peers.get_mut(peer)
            && let Some(slot) = entry.dedup.find(now, message.id())
        {
            *slot = seen;
        }
    }

    fn send_empty(&mut self, peer: PeerId, message_type: MessageType, id: MessageId) -> Vec<u8> {
        let mut datagram = [0; 4];
        // Four bytes always fit.
        let _ = MessageWriter::new(&mut datagram, message_type, Code::EMPTY, id, Token::EMPTY);
        self.push_out(Out::Raw(peer, datagram.to_vec()));
        datagram.to_vec()
    }

    /// A request waited too long for its answer: acknowledge it, the answer comes separately.
    pub(super) fn acknowledge_late(&mut self, peer: PeerId, id: MessageId) {
        let now = self.now;
        let Some(entry) = self.peers.get_mut(peer) else {
            return;
        };
        if let Some(seen @ Seen::Pending) = entry.dedup.find(now, id) {
            *seen = Seen::Acknowledged;
            self.send_empty(peer, MessageType::Acknowledgement, id);
        }
    }

    /// Lets a request pass as if it had been lost: the peer's repetition is new again.
    pub fn ignore(&mut self, now: Instant, responder: Responder) {
        self.clock(now);
        let now = self.now;
        if let Some(entry) = self.peers.get_mut(responder.peer) {
            entry.dedup.forget(now, responder.id);
        }
    }

    /// Acknowledges a request whose answer will take time (RFC 7252 §5.2.2).
    pub fn defer(&mut self, now: Instant, responder: &Responder) {
        self.clock(now);
        if responder.confirmable {
            self.acknowledge_late(responder.peer, responder.id);
        }
    }

    /// Answers a request: with the ACK, or separately if that is gone already.
    pub fn respond(&mut self, now: Instant, responder: Responder, draft: Draft) {
        self.clock(now);
        let draft = match draft.payload.len() > self.config.max_body {
            true => Draft::new(Code::INTERNAL_SERVER_ERROR).diagnostic("the answer is too long"),
            false => draft,
        };
        let (draft, cut) = match self.cut(&responder, &draft) {
            Ok(cut) => (draft, cut),
            Err(error) => {
                let end = error.payload.len();
                (
                    error,
                    super::block::Cut {
                        options: Vec::new(),
                        start: 0,
                        end,
                    },
                )
            }
        };
        let now = self.now;
        let Some(entry) = self.peers.get_mut(responder.peer) else {
            return;
        };
        let pending = matches!(entry.dedup.find(now, responder.id), Some(Seen::Pending));
        let (message_type, id) = match (responder.confirmable, pending) {
            (true, true) => (MessageType::Acknowledgement, responder.id),
            (true, false) => (MessageType::Confirmable, entry.message_id()),
            (false, _) => (MessageType::NonConfirmable, entry.message_id()),
        };
        let header = Header {
            message_type,
            id,
            token: responder.token,
        };
        let payload = draft.payload.get(cut.start..cut.end).unwrap_or_default();
        let Ok(len) = draft.write(&mut self.scratch, header, &cut.options, payload) else {
            self.counters.dropped += 1;
            tracing::warn!(peer = ?responder.peer, "an answer does not fit a datagram");
            return;
        };
        let datagram = self.scratch.get(..len).unwrap_or_default().to_vec();
        if message_type == MessageType::Confirmable {
            self.launch(responder.peer, id, datagram, Purpose::Response);
            return;
        }
        let seen = self.seen_of(&responder, &datagram);
        self.remember(&responder, seen);
        self.push_out(Out::Raw(responder.peer, datagram));
    }

    /// How to treat a duplicate of an answered request.
    fn seen_of(&mut self, responder: &Responder, datagram: &[u8]) -> Seen {
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
        if idempotent || self.config.max_long_answers == 0 {
            return Seen::Repeat;
        }
        if self.long_answers.len() >= self.config.max_long_answers {
            self.long_answers.pop_front();
        }
        self.long_answers
            .push_back((responder.peer, responder.id, datagram.into()));
        Seen::AnsweredLong
    }

    fn remember(&mut self, responder: &Responder, seen: Seen) {
        let now = self.now;
        if let Some(entry) = self.peers.get_mut(responder.peer)
            && let Some(slot) = entry.dedup.find(now, responder.id)
        {
            *slot = seen;
        }
    }
}

/// RFC 7252 §5.4.1, §5.4.3, §5.4.5: critical options that are unknown, malformed or repeated.
fn has_unknown_critical(message: &Message<'_>, known: fn(OptionNumber) -> bool) -> bool {
    let mut last = None;
    message.options().any(|option| {
        let number = option.number;
        let repeated = last == Some(number) && !number.is_repeatable();
        last = Some(number);
        let fits = number
            .length_range()
            .is_some_and(|(min, max)| (min..=max).contains(&option.value.len()));
        let block = matches!(number, OptionNumber::BLOCK1 | OptionNumber::BLOCK2);
        let malformed = block && Block::parse(option.value).is_none();
        number.is_critical() && (!known(number) || !fits || repeated || malformed)
    })
}

fn is_request_option(number: OptionNumber) -> bool {
    matches!(
        number,
        OptionNumber::URI_HOST
            | OptionNumber::URI_PORT
            | OptionNumber::URI_PATH
            | OptionNumber::URI_QUERY
            | OptionNumber::ACCEPT
            | OptionNumber::BLOCK1
            | OptionNumber::BLOCK2
    )
}

fn is_response_option(number: OptionNumber) -> bool {
    matches!(number, OptionNumber::BLOCK1 | OptionNumber::BLOCK2)
}
