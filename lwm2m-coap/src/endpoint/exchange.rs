//! Requests of this side: from the draft to the whole response.

use lwm2m_codec::coap::{Message, MessageId, MessageType, OptionNumber, Token};

use super::{
    Endpoint, EndpointEvent, Incoming, Timer,
    flight::{FlightId, Purpose},
    steps::{Step, Steps},
};
use crate::{
    Instant, PeerId,
    draft::{Draft, Header},
};

/// Names a request of this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId {
    pub(super) slot: u32,
    pub(super) serial: u32,
}

/// Why a request can't be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The peer is gone.
    #[error("the peer is gone")]
    UnknownPeer,
    /// Too many requests are waiting.
    #[error("too many requests are waiting")]
    QueueFull,
    /// The options don't fit a datagram, or the body is longer than allowed.
    #[error("the request is too large")]
    TooLarge,
}

/// Why a request ended without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The peer did not answer in time.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The peer answered by Reset.
    #[error("the peer answered by Reset")]
    Reset,
    /// The peer is gone.
    #[error("the peer is gone")]
    PeerDown,
    /// The blocks of the transfer contradict each other.
    #[error("the blocks of the transfer contradict each other")]
    Blocks,
    /// The response is longer than allowed.
    #[error("the response is longer than allowed")]
    TooLarge,
}

/// How to send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestOptions {
    /// Confirmable or Non-confirmable.
    pub confirmable: bool,
    /// The token; a fresh one is made if there is none.
    pub token: Option<Token>,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            confirmable: true,
            token: None,
        }
    }
}

/// Slots that a token can name: 24 bits.
const MAX_SLOTS: usize = 1 << 24;

/// A request of this side without a complete response.
#[derive(Debug)]
pub(super) struct Exchange {
    serial: u32,
    pub(super) peer: PeerId,
    /// Token of the request; of its observation, if it starts one.
    token: Token,
    /// Token of the message that the exchange is at.
    step_token: Token,
    /// Id of the message that the exchange is at.
    message_id: Option<MessageId>,
    steps: Steps,
    confirmable: bool,
    flight: Option<FlightId>,
    deadline: Option<Instant>,
}

impl Endpoint {
    /// Sends a request; its response comes from [`receive`](Endpoint::receive) or its end from
    /// [`poll_event`](Endpoint::poll_event).
    ///
    /// # Errors
    /// See [`RequestError`]; nothing was queued then.
    pub fn request(
        &mut self,
        now: Instant,
        peer: PeerId,
        draft: Draft,
        options: RequestOptions,
    ) -> Result<ExchangeId, RequestError> {
        let steps = Steps::new(draft, self.config.block_size);
        self.start(now, peer, steps, options)
    }

    /// Fetches the rest of a body whose first block came in a notification (RFC 7959 §2.6).
    ///
    /// # Errors
    /// As [`request`](Endpoint::request).
    pub fn continue_download(
        &mut self,
        now: Instant,
        peer: PeerId,
        mut draft: Draft,
        first: &Message<'_>,
    ) -> Result<ExchangeId, RequestError> {
        // RFC 7959 §2.6: the rest is fetched without observing.
        draft.options.remove(OptionNumber::OBSERVE);
        let steps = Steps::continuing(draft, self.config.block_size, first);
        self.start(now, peer, steps, RequestOptions::default())
    }

    fn start(
        &mut self,
        now: Instant,
        peer: PeerId,
        steps: Steps,
        options: RequestOptions,
    ) -> Result<ExchangeId, RequestError> {
        self.clock(now);
        if !self.peers.contains(peer) {
            return Err(RequestError::UnknownPeer);
        }
        if !steps.fits(self.config.max_body) {
            return Err(RequestError::TooLarge);
        }
        let slot = self.exchanges.vacant_key();
        let full = self.exchanges.len() >= self.config.max_exchanges || slot >= MAX_SLOTS;
        if full || (options.confirmable && !self.has_room(peer)) {
            self.counters.dropped += 1;
            return Err(RequestError::QueueFull);
        }
        self.serial = self.serial.wrapping_add(1);
        let id = ExchangeId {
            slot: slot as u32,
            serial: self.serial,
        };
        let token = options.token.unwrap_or_else(|| self.new_token(id.slot));
        self.exchanges.insert(Exchange {
            serial: self.serial,
            peer,
            token,
            step_token: token,
            message_id: None,
            steps,
            confirmable: options.confirmable,
            flight: None,
            deadline: None,
        });
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.exchanges.push(id);
        }
        if options.token.is_some() {
            self.chosen_tokens.insert((peer, token), id);
        }
        if let Err(error) = self.send_step(id) {
            self.remove_exchange(id);
            return Err(error);
        }
        Ok(id)
    }

    /// A token: prefix and slot for the look-up, 32 random bits against guessing and reuse.
    fn new_token(&mut self, slot: u32) -> Token {
        let [_, s2, s1, s0] = slot.to_be_bytes();
        let [n3, n2, n1, n0] = self.rng.next_u32().to_be_bytes();
        let bytes = [self.config.token_prefix, s2, s1, s0, n3, n2, n1, n0];
        Token::new(&bytes).unwrap_or(Token::EMPTY)
    }

    /// The token of a request, for the observation that it may start.
    pub fn token_of(&self, id: ExchangeId) -> Option<Token> {
        self.exchange(id).map(|exchange| exchange.token)
    }

    /// The token of the message that the exchange is at.
    pub(super) fn step_token(&self, id: ExchangeId) -> Option<Token> {
        self.exchange(id).map(|exchange| exchange.step_token)
    }

    fn exchange(&self, id: ExchangeId) -> Option<&Exchange> {
        let exchange = self.exchanges.get(id.slot as usize);
        exchange.filter(|exchange| exchange.serial == id.serial)
    }

    fn exchange_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        let exchange = self.exchanges.get_mut(id.slot as usize);
        exchange.filter(|exchange| exchange.serial == id.serial)
    }

    /// Finds the exchange that a response belongs to.
    pub(super) fn find_exchange(&self, peer: PeerId, token: Token) -> Option<ExchangeId> {
        if let Some(id) = self.chosen_tokens.get(&(peer, token)) {
            return Some(*id);
        }
        let &[_, s2, s1, s0, ..] = token.as_bytes() else {
            return None;
        };
        let slot = u32::from_be_bytes([0, s2, s1, s0]);
        let exchange = self.exchanges.get(slot as usize)?;
        let fits = exchange.token == token || exchange.step_token == token;
        (fits && exchange.peer == peer).then_some(ExchangeId {
            slot,
            serial: exchange.serial,
        })
    }

    /// Finds the Non-confirmable request that a Message ID belongs to.
    pub(super) fn find_non_request(&mut self, peer: PeerId, id: MessageId) -> Option<ExchangeId> {
        let exchanges = &self.peers.get_mut(peer)?.exchanges;
        exchanges.iter().copied().find(|exchange| {
            let exchange = self.exchanges.get(exchange.slot as usize);
            exchange.is_some_and(|x| !x.confirmable && x.message_id == Some(id))
        })
    }

    /// Sends the message that the exchange is at: the request, one block of it, or the request
    /// for the next block of the response.
    fn send_step(&mut self, id: ExchangeId) -> Result<(), RequestError> {
        let exchange = self.exchanges.get_mut(id.slot as usize);
        let exchange = exchange.filter(|exchange| exchange.serial == id.serial);
        let exchange = exchange.ok_or(RequestError::UnknownPeer)?;
        let (peer, confirmable) = (exchange.peer, exchange.confirmable);
        let entry = self.peers.get_mut(peer).ok_or(RequestError::UnknownPeer)?;
        let message_type = match confirmable {
            true => MessageType::Confirmable,
            false => MessageType::NonConfirmable,
        };
        let header = Header {
            message_type,
            id: entry.message_id(),
            token: exchange.step_token,
        };
        exchange.message_id = Some(header.id);
        let len = exchange.steps.write(&mut self.scratch, header);
        let datagram = self.scratch.get(..len.ok_or(RequestError::TooLarge)?);
        let datagram = datagram.unwrap_or_default().to_vec();
        if confirmable {
            let flight = self.launch(peer, header.id, datagram, Purpose::Request(id));
            let flight = flight.ok_or(RequestError::QueueFull)?;
            if let Some(exchange) = self.exchange_mut(id) {
                exchange.flight = Some(flight);
            }
        } else {
            if !self.push_out(peer, datagram) {
                return Err(RequestError::QueueFull);
            }
            self.await_response(id);
        }
        Ok(())
    }

    /// The request was acknowledged: its response comes separately.
    pub(super) fn acknowledged(&mut self, now: Instant, id: ExchangeId) {
        self.clock(now);
        self.await_response(id);
    }

    fn await_response(&mut self, id: ExchangeId) {
        let at = self.now + self.config.response_timeout;
        if let Some(exchange) = self.exchange_mut(id) {
            exchange.flight = None;
            let old = exchange.deadline.replace(at);
            if let Some(old) = old {
                self.timers.clear(old, Timer::Response(id));
            }
            self.timers.set(at, Timer::Response(id));
        }
    }

    /// Gives a request up; no event follows.
    pub fn cancel(&mut self, now: Instant, id: ExchangeId) {
        self.clock(now);
        self.remove_exchange(id);
    }

    /// Ends a request without a response.
    pub(super) fn fail(&mut self, id: ExchangeId, reason: ExchangeError) {
        if self.remove_exchange(id).is_some() {
            self.counters.timeouts += u64::from(reason == ExchangeError::Timeout);
            self.events.push_back(EndpointEvent::ExchangeFailed {
                exchange: id,
                reason,
            });
        }
    }

    fn remove_exchange(&mut self, id: ExchangeId) -> Option<Exchange> {
        self.end_step(id);
        self.exchange(id)?;
        let exchange = self.exchanges.remove(id.slot as usize);
        let name = (exchange.peer, exchange.token);
        // A later request may have taken the token over.
        if self.chosen_tokens.get(&name) == Some(&id) {
            self.chosen_tokens.remove(&name);
        }
        if let Some(entry) = self.peers.get_mut(exchange.peer) {
            entry.exchanges.retain(|other| *other != id);
        }
        Some(exchange)
    }

    /// The message that the exchange is at needs no ACK and no response any more.
    fn end_step(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchange_mut(id) else {
            return;
        };
        let (flight, deadline) = (exchange.flight.take(), exchange.deadline.take());
        if let Some(at) = deadline {
            self.timers.clear(at, Timer::Response(id));
        }
        if let Some(flight) = flight {
            self.remove_flight(flight);
        }
    }

    /// Takes a response: asks for or sends the next block, or hands the whole over.
    pub(super) fn on_response<'d>(
        &mut self,
        id: ExchangeId,
        message: Message<'d>,
    ) -> Option<Incoming<'d>> {
        let max_body = self.config.max_body;
        let exchange = self.exchange_mut(id)?;
        let current = message.token() == exchange.step_token;
        match exchange.steps.take(&message, current, max_body) {
            // A late block of before goes by; the flight goes on. Nothing late can carry the
            // Message ID of the flight, though.
            Step::Ignore if message.message_type() == MessageType::Acknowledgement => {
                self.fail(id, ExchangeError::Blocks);
            }
            Step::Ignore => {}
            Step::Next => self.next_step(id),
            Step::Fail(error) => self.fail(id, error),
            Step::Done(body) => {
                let exchange = self.remove_exchange(id)?;
                return Some(Incoming::Response {
                    exchange: id,
                    peer: exchange.peer,
                    observe: exchange.steps.observe(),
                    message,
                    body,
                });
            }
        }
        None
    }

    fn next_step(&mut self, id: ExchangeId) {
        self.end_step(id);
        // RFC 7959 §3.4: requests for later blocks can't use the token of the observation.
        let shared = self
            .exchange(id)
            .is_some_and(|x| x.steps.observes() && x.step_token == x.token);
        if shared {
            let token = self.new_token(id.slot);
            if let Some(exchange) = self.exchange_mut(id) {
                exchange.step_token = token;
            }
        }
        if let Err(error) = self.send_step(id) {
            let reason = match error {
                RequestError::TooLarge => ExchangeError::TooLarge,
                RequestError::QueueFull => ExchangeError::Timeout,
                RequestError::UnknownPeer => ExchangeError::PeerDown,
            };
            self.fail(id, reason);
        }
    }
}
