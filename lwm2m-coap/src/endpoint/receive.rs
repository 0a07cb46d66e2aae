//! A datagram's way through the endpoint (RFC 7252 §4, §5.3).

use alloc::vec::Vec;

use lwm2m_codec::coap::{
    Code, Message, MessageId, MessageType, MessageWriter, OptionNumber, ParseError, Token,
};

use super::{
    Endpoint, EndpointEvent, Incoming, Responder, Timer,
    block::{TransferKey, Upload, incomplete},
    exchange::ExchangeError,
    flight::Landing,
    options::{has_unknown_critical, is_request_option, is_response_option},
    respond::Source,
};
use crate::{
    Instant, PeerId,
    dedup::{Inserted, Received, Seen},
    draft::Draft,
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
                self.on_reset(peer, &message);
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
        // RFC 7252 §5.3.2: Message ID and token must match.
        let exchange = self.exchange_of(flight);
        let exchange = exchange.filter(|id| self.step_token(*id) == Some(message.token()));
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

    fn on_reset(&mut self, peer: PeerId, message: &Message<'_>) {
        let id = message.id();
        if message.code() != Code::EMPTY {
            // RFC 7252 §4.2: a Reset is Empty.
            self.counters.malformed += 1;
        } else if let Some(flight) = self.find_flight(peer, id) {
            self.land(self.now, flight, Landing::Reset);
        } else if let Some(token) = self.peers.get_mut(peer).and_then(|peer| peer.take_non(id)) {
            self.events
                .push_back(EndpointEvent::NotificationRefused { peer, token });
        } else if let Some(exchange) = self.find_non_request(peer, id) {
            self.fail(exchange, ExchangeError::Reset);
        } else {
            self.counters.unmatched += 1;
        }
    }

    fn on_new_or_duplicate<'d>(
        &mut self,
        peer: PeerId,
        message: Message<'d>,
    ) -> Option<Incoming<'d>> {
        let key = received(&message);
        let answerable = message.message_type() == MessageType::Confirmable;
        let fresh = match answerable && message.code().is_request() {
            true => Seen::Pending,
            false => Seen::Silent,
        };
        let now = self.now;
        let dedup = &mut self.peers.get_mut(peer)?.dedup;
        if let Some(seen) = dedup.find(now, key) {
            self.counters.duplicates += 1;
            let known = *seen;
            if !matches!(known, Seen::Repeat) {
                self.replay(peer, key, known);
                return None;
            }
            *seen = fresh;
        } else {
            match dedup.insert(now, key, fresh) {
                Inserted::Fresh => {}
                Inserted::Evicted => self.counters.dedup_evicted += 1,
                Inserted::Full => {
                    // The peer sends it again when some answers went out.
                    self.counters.dropped += 1;
                    return None;
                }
            }
        }
        if message.code().is_request() {
            self.on_request(peer, message)
        } else {
            self.on_separate_response(peer, message)
        }
    }

    /// Says again what was said to a message that comes once more.
    fn replay(&mut self, peer: PeerId, key: Received, seen: Seen) {
        match seen {
            Seen::Acknowledged => {
                self.send_empty(peer, MessageType::Acknowledgement, key.id);
            }
            Seen::Answered { len, bytes } => {
                let answer = bytes.get(..usize::from(len)).unwrap_or_default();
                self.push_out(peer, answer.to_vec());
            }
            Seen::AnsweredLong => {
                let kept = self
                    .long_answers
                    .iter()
                    .find(|kept| kept.0 == peer && kept.1 == key);
                if let Some((_, _, answer)) = kept {
                    let answer = answer.to_vec();
                    self.push_out(peer, answer);
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
            received: received(&message),
            token: message.token(),
            confirmable,
            acknowledge: None,
            code: message.code(),
            block1: None,
            block2: message.block(OptionNumber::BLOCK2),
            key,
        };
        if has_unknown_critical(&message, is_request_option) {
            self.counters.bad_option += 1;
            // RFC 7252 §5.4.1: a Non-confirmable one is rejected in silence.
            if confirmable {
                let reason = "a critical option is not understood";
                let answer = Draft::new(Code::BAD_OPTION).diagnostic(reason);
                self.answer(&responder, &answer, Source::Endpoint);
            }
            return None;
        }
        if self.answer_later_block(&responder, &message) {
            return None;
        }
        match self.upload(key, &message) {
            Upload::Answer(draft) => {
                self.answer(&responder, &draft, Source::Endpoint);
                None
            }
            Upload::Complete(body, block1) => {
                responder.block1 = block1;
                if confirmable {
                    let at = self.now + self.config.ack_delay;
                    responder.acknowledge = Some(at);
                    self.timers
                        .set(at, Timer::Acknowledge(peer, responder.received));
                }
                Some(Incoming::Request {
                    responder,
                    message,
                    body,
                })
            }
        }
    }

    /// Answers a request for a later block of an answer to a request with a body, which must not
    /// reach the engine again; true if this was one.
    fn answer_later_block(&mut self, responder: &Responder, message: &Message<'_>) -> bool {
        let later = responder.block2.is_some_and(|block| block.num > 0);
        if !later || responder.code == Code::GET {
            return false;
        }
        if let Some(kept) = self.take_kept(responder.key) {
            self.answer(responder, &kept, Source::Kept);
            self.put_back(responder.key, kept);
            return true;
        }
        // A FETCH that still has its body can be served once more.
        if responder.code == Code::FETCH && !message.payload().is_empty() {
            return false;
        }
        self.answer(responder, &incomplete(), Source::Endpoint);
        true
    }

    fn on_separate_response<'d>(
        &mut self,
        peer: PeerId,
        message: Message<'d>,
    ) -> Option<Incoming<'d>> {
        if has_unknown_critical(&message, is_response_option) {
            self.counters.bad_option += 1;
            // A Reset to a Non-confirmable notification would end the observation.
            if message.message_type() == MessageType::Confirmable {
                self.conclude(peer, &message, MessageType::Reset);
            }
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
        if message.message_type() == MessageType::Confirmable {
            self.conclude(peer, message, MessageType::Acknowledgement);
        }
    }

    /// Refuses an unsolicited response by Reset, which ends an observation (RFC 7641 §3.6).
    pub fn reject(&mut self, now: Instant, peer: PeerId, message: &Message<'_>) {
        self.clock(now);
        self.counters.unmatched += 1;
        self.conclude(peer, message, MessageType::Reset);
    }

    fn conclude(&mut self, peer: PeerId, message: &Message<'_>, answer: MessageType) {
        let datagram = self.send_empty(peer, answer, message.id());
        let now = self.now;
        if let Some(entry) = self.peers.get_mut(peer) {
            if let Some(slot) = entry.dedup.find(now, received(message)) {
                *slot = Seen::answered(&datagram).unwrap_or(Seen::Silent);
            }
        }
    }

    fn send_empty(&mut self, peer: PeerId, message_type: MessageType, id: MessageId) -> Vec<u8> {
        let mut datagram = [0; 4];
        // Four bytes always fit.
        let _ = MessageWriter::new(&mut datagram, message_type, Code::EMPTY, id, Token::EMPTY);
        self.push_out(peer, datagram.to_vec());
        datagram.to_vec()
    }

    /// A request waited too long for its answer: acknowledge it, the answer comes separately.
    pub(super) fn acknowledge_late(&mut self, peer: PeerId, received: Received) {
        let now = self.now;
        let Some(entry) = self.peers.get_mut(peer) else {
            return;
        };
        if let Some(seen @ Seen::Pending) = entry.dedup.find(now, received) {
            *seen = Seen::Acknowledged;
            self.send_empty(peer, MessageType::Acknowledgement, received.id);
        }
    }
}

fn received(message: &Message<'_>) -> Received {
    Received::new(message.id(), message.code(), message.token())
}
