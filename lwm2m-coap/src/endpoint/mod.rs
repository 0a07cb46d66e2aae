//! The CoAP endpoint: every rule of message exchange, for any number of peers.

mod block;
mod exchange;
mod flight;
mod options;
mod peer;
mod receive;
mod respond;
mod steps;
mod timer;

use alloc::{
    borrow::Cow,
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec,
    vec::Vec,
};

use lwm2m_codec::coap::{Block, Code, Message, Token};
use slab::Slab;

use self::{
    block::{Transfer, TransferKey},
    exchange::Exchange,
    flight::{Flight, FlightId},
    peer::Peers,
    timer::{Timer, Timers},
};
use crate::{
    Config, Counters, Instant, PeerId, Rng, Transmit, config::MAX_DATAGRAM, dedup::Received,
};

pub use exchange::{ExchangeError, ExchangeId, RequestError, RequestOptions};

/// What a datagram means to the engine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming<'d> {
    /// A request with its whole body; answer it by [`Endpoint::respond`].
    Request {
        /// Where the answer goes.
        responder: Responder,
        /// The request; of a block-wise one, its last block.
        message: Message<'d>,
        /// The whole body.
        body: Cow<'d, [u8]>,
    },
    /// The response to a request of this side, with its whole body.
    Response {
        /// Which request.
        exchange: ExchangeId,
        /// From whom.
        peer: PeerId,
        /// Observe option of the first block.
        observe: Option<u32>,
        /// The response; of a block-wise one, its last block.
        message: Message<'d>,
        /// The whole body.
        body: Cow<'d, [u8]>,
    },
    /// A response that matches no request: a notification, if the engine knows its token. It
    /// must be answered by [`Endpoint::accept`] or [`Endpoint::reject`].
    Unsolicited {
        /// From whom.
        peer: PeerId,
        /// The response.
        message: Message<'d>,
    },
}

/// What happened without a datagram that an engine sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointEvent {
    /// A request of this side ended without a response.
    ExchangeFailed {
        /// Which one.
        exchange: ExchangeId,
        /// Why.
        reason: ExchangeError,
    },
    /// A Confirmable notification was acknowledged.
    NotificationDelivered {
        /// By whom.
        peer: PeerId,
        /// Token of the observation.
        token: Token,
    },
    /// The peer doesn't want notifications under this token (RFC 7641 §3.6).
    NotificationRefused {
        /// Which peer.
        peer: PeerId,
        /// Token of the observation.
        token: Token,
    },
    /// A Confirmable notification was never acknowledged.
    NotificationLost {
        /// Which peer.
        peer: PeerId,
        /// Token of the observation.
        token: Token,
    },
}

/// The right and duty to answer one request.
#[derive(Debug)]
#[must_use]
pub struct Responder {
    peer: PeerId,
    received: Received,
    token: Token,
    confirmable: bool,
    /// When the empty ACK is due.
    acknowledge: Option<Instant>,
    code: Code,
    block1: Option<Block>,
    block2: Option<Block>,
    key: TransferKey,
}

impl Responder {
    /// Who asked.
    pub const fn peer(&self) -> PeerId {
        self.peer
    }

    /// Token of the request: of its observation, if it starts one.
    pub const fn token(&self) -> Token {
        self.token
    }
}

/// A message that waits for the driver.
#[derive(Debug)]
enum Out {
    Flight(FlightId),
    Raw(PeerId, Vec<u8>),
}

/// CoAP exchanges with any number of peers, without IO.
///
/// Engines own one. It turns datagrams into whole requests and responses, and drafts into
/// datagrams; retransmission, deduplication, tokens and block-wise transfer stay inside.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    rng: Rng,
    now: Instant,
    serial: u32,
    peers: Peers,
    flights: Slab<Flight>,
    exchanges: Slab<Exchange>,
    chosen_tokens: BTreeMap<(PeerId, Token), ExchangeId>,
    transfers: BTreeMap<TransferKey, Transfer>,
    long_answers: VecDeque<(PeerId, Received, Box<[u8]>)>,
    timers: Timers,
    out: VecDeque<Out>,
    /// How many of `out` are raw.
    raw_out: usize,
    events: VecDeque<EndpointEvent>,
    counters: Counters,
    scratch: Box<[u8]>,
}

impl Endpoint {
    /// Makes an endpoint; the same seed and inputs give the same bytes.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            now: Instant::ZERO,
            serial: 0,
            peers: Peers::default(),
            flights: Slab::new(),
            exchanges: Slab::new(),
            chosen_tokens: BTreeMap::new(),
            transfers: BTreeMap::new(),
            long_answers: VecDeque::new(),
            timers: Timers::default(),
            out: VecDeque::new(),
            raw_out: 0,
            events: VecDeque::new(),
            counters: Counters::default(),
            scratch: vec![0; MAX_DATAGRAM].into_boxed_slice(),
        }
    }

    /// What was counted since the endpoint was made.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The generator, for what the engine has to choose.
    pub const fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Adds a peer. One of an older generation in the same slot goes down first.
    pub fn peer_up(&mut self, now: Instant, peer: PeerId) {
        self.clock(now);
        if let Some(old) = self.peers.in_slot(peer.index) {
            self.peer_down(now, old);
        }
        let first = self.rng.next_u32() as u16;
        self.peers.insert(peer, first);
    }

    /// Removes a peer: its requests fail, what waits for it is dropped.
    pub fn peer_down(&mut self, now: Instant, peer: PeerId) {
        self.clock(now);
        let exchanges = match self.peers.get_mut(peer) {
            Some(entry) => core::mem::take(&mut entry.exchanges),
            None => return,
        };
        for exchange in exchanges {
            self.fail(exchange, ExchangeError::PeerDown);
        }
        let keys: Vec<_> = self
            .transfers
            .range(TransferKey::range(peer))
            .map(|(k, _)| *k)
            .collect();
        for key in keys {
            self.end_transfer(key);
        }
        if let Some(entry) = self.peers.remove_slot(peer.index) {
            for flight in entry.flying.iter().chain(&entry.waiting) {
                self.remove_flight(*flight);
            }
        }
        self.long_answers.retain(|(to, _, _)| *to != peer);
    }

    /// Deals with all timers that ended.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.clock(now);
        while let Some(timer) = self.timers.take_due(self.now) {
            match timer {
                Timer::Retransmit(flight) => self.retransmit(self.now, flight),
                Timer::Acknowledge(peer, id) => self.acknowledge_late(peer, id),
                Timer::Response(exchange) => self.fail(exchange, ExchangeError::Timeout),
                Timer::Transfer(key) => self.end_transfer(key),
            }
        }
    }

    /// Writes the next message into `buf`, which should hold
    /// [`MAX_DATAGRAM`](crate::MAX_DATAGRAM) bytes.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.clock(now);
        while let Some(out) = self.out.pop_front() {
            self.raw_out -= usize::from(matches!(out, Out::Raw(..)));
            let sent = match out {
                Out::Flight(flight) => self.transmit_flight(self.now, flight, buf),
                // What waits for a peer that went down meanwhile is dropped.
                Out::Raw(peer, _) if !self.peers.contains(peer) => None,
                Out::Raw(peer, datagram) => {
                    let target = buf.get_mut(..datagram.len());
                    self.counters.dropped += u64::from(target.is_none());
                    target.map(|target| {
                        target.copy_from_slice(&datagram);
                        (peer, datagram.len())
                    })
                }
            };
            if let Some((peer, len)) = sent {
                self.counters.sent += 1;
                return Some(Transmit { peer, len });
            }
        }
        None
    }

    /// The next event; new ones come after every call that takes a time.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Endpoint::handle_timeout) is due; may change after every call that
    /// takes a time, [`poll_transmit`](Endpoint::poll_transmit) included.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// True if nothing is left to do for any peer: no request without response, no message
    /// without acknowledgement, no body under way, no timer, nothing to send, no event.
    ///
    /// Answers kept for duplicates don't count. Looks at every peer: for tests and shutdown.
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty()
            && self.exchanges.is_empty()
            && self.chosen_tokens.is_empty()
            && self.transfers.is_empty()
            && self.timers.is_empty()
            && self.out.is_empty()
            && self.events.is_empty()
            && self.peers.is_idle()
    }

    /// Time never goes back.
    fn clock(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Hands a message over that is not repeated; false if too many wait.
    fn push_out(&mut self, peer: PeerId, datagram: Vec<u8>) -> bool {
        if self.raw_out >= self.config.max_out {
            self.counters.dropped += 1;
            return false;
        }
        self.raw_out += 1;
        self.out.push_back(Out::Raw(peer, datagram));
        true
    }

    /// Hands a flight over.
    fn push_flight(&mut self, flight: FlightId) {
        // Flights that ended before the driver took them must not pile up.
        let bound = self.raw_out + 2 * self.flights.len() + 16;
        if self.out.len() >= bound {
            let mut out = core::mem::take(&mut self.out);
            out.retain(|out| match out {
                Out::Flight(flight) => self.is_live(*flight),
                Out::Raw(..) => true,
            });
            self.out = out;
        }
        self.out.push_back(Out::Flight(flight));
    }
}
