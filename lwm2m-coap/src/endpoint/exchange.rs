//! Requests of this side: from the draft to the whole response, block by block.

use alloc::{borrow::Cow, vec::Vec};

use lwm2m_codec::coap::{Block, Code, Message, MessageType, OptionNumber, Token};

use super::{
    Endpoint, EndpointEvent, Incoming, Out, Timer,
    flight::{FlightId, Purpose},
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

/// A body that is being received as Block2.
#[derive(Debug)]
struct Download {
    body: Vec<u8>,
    next: Block,
    etag: Vec<u8>,
}

/// A request of this side without a complete response.
#[derive(Debug)]
pub(super) struct Exchange {
    serial: u32,
    pub(super) peer: PeerId,
    token: Token,
    draft: Draft,
    confirmable: bool,
    flight: Option<FlightId>,
    deadline: Option<Instant>,
    /// The block of the request that is under way.
    upload: Option<Block>,
    download: Option<Download>,
    /// Observe of the first response; the following blocks don't repeat it.
    observe: Option<u32>,
    /// A changed body or a smaller block size made the transfer start again.
    restarted: bool,
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
        let block = Block::new(0, true, self.config.block_size);
        let upload = (draft.payload.len() > block.size()).then_some(block);
        self.start(now, peer, draft, options, upload, None)
    }

    /// Fetches the rest of a body whose first block came in a notification (RFC 7959 §2.6).
    ///
    /// # Errors
    /// As [`request`](Endpoint::request).
    pub fn continue_download(
        &mut self,
        now: Instant,
        peer: PeerId,
        draft: Draft,
        first: &Message<'_>,
    ) -> Result<ExchangeId, RequestError> {
        let block = first
            .block(OptionNumber::BLOCK2)
            .unwrap_or(Block::new(0, true, 1024));
        let download = Download {
            body: first.payload().to_vec(),
            next: Block {
                num: block.num + 1,
                more: false,
                szx: block.szx,
            },
            etag: etag(first).to_vec(),
        };
        self.start(
            now,
            peer,
            draft,
            RequestOptions::default(),
            None,
            Some(download),
        )
    }

    fn start(
        &mut self,
        now: Instant,
        peer: PeerId,
        draft: Draft,
        options: RequestOptions,
        upload: Option<Block>,
        download: Option<Download>,
    ) -> Result<ExchangeId, RequestError> {
        self.clock(now);
        let entry = self.peers.get_mut(peer).ok_or(RequestError::UnknownPeer)?;
        if draft.payload.len() > self.config.max_body {
            return Err(RequestError::TooLarge);
        }
        if self.exchanges.len() >= self.config.max_exchanges {
            return Err(RequestError::QueueFull);
        }
        self.serial = self.serial.wrapping_add(1);
        let slot = self.exchanges.vacant_key() as u32;
        let id = ExchangeId {
            slot,
            serial: self.serial,
        };
        entry.exchanges.push(id);
        let token = options.token.unwrap_or_else(|| self.new_token(slot));
        self.exchanges.insert(Exchange {
            serial: self.serial,
            peer,
            token,
            draft,
            confirmable: options.confirmable,
            flight: None,
            deadline: None,
            upload,
            download,
            observe: None,
            restarted: false,
        });
        if options.token.is_some() {
            self.chosen_tokens.insert((peer, token), id);
        }
        match self.send_step(id) {
            Ok(()) => Ok(id),
            Err(error) => {
                self.remove_exchange(id);
                Err(error)
            }
        }
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
        self.exchanges
            .get(id.slot as usize)
            .filter(|x| x.serial == id.serial)
            .map(|x| x.token)
    }

    fn exchange(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.exchanges
            .get_mut(id.slot as usize)
            .filter(|x| x.serial == id.serial)
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
        let fits = exchange.token == token && exchange.peer == peer;
        fits.then_some(ExchangeId {
            slot,
            serial: exchange.serial,
        })
    }

    /// Sends the message that the exchange is at: the request, one block of it, or the request
    /// for the next block of the response.
    fn send_step(&mut self, id: ExchangeId) -> Result<(), RequestError> {
        let Some(exchange) = self.exchanges.get_mut(id.slot as usize) else {
            return Err(RequestError::UnknownPeer);
        };
        let peer = exchange.peer;
        let entry = self.peers.get_mut(peer).ok_or(RequestError::UnknownPeer)?;
        let message_type = if exchange.confirmable {
            MessageType::Confirmable
        } else {
            MessageType::NonConfirmable
        };
        let header = Header {
            message_type,
            id: entry.message_id(),
            token: exchange.token,
        };
        let len = exchange.write_step(&mut self.scratch, header, self.config.block_size);
        let datagram = self
            .scratch
            .get(..len.ok_or(RequestError::TooLarge)?)
            .unwrap_or_default();
        let datagram = datagram.to_vec();
        if exchange.confirmable {
            let flight = self.launch(peer, header.id, datagram, Purpose::Request(id));
            let flight = flight.ok_or(RequestError::QueueFull)?;
            if let Some(exchange) = self.exchange(id) {
                exchange.flight = Some(flight);
            }
        } else {
            self.push_out(Out::Raw(peer, datagram));
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
        if let Some(exchange) = self.exchange(id) {
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

    pub(super) fn remove_exchange(&mut self, id: ExchangeId) -> Option<Exchange> {
        self.exchange(id)?;
        let exchange = self.exchanges.remove(id.slot as usize);
        if let Some(at) = exchange.deadline {
            self.timers.clear(at, Timer::Response(id));
        }
        if let Some(flight) = exchange.flight {
            self.remove_flight(flight);
        }
        self.chosen_tokens.remove(&(exchange.peer, exchange.token));
        if let Some(entry) = self.peers.get_mut(exchange.peer) {
            entry.exchanges.retain(|other| *other != id);
        }
        Some(exchange)
    }

    /// Takes a response: asks for or sends the next block, or hands the whole over.
    pub(super) fn on_response<'d>(
        &mut self,
        id: ExchangeId,
        message: Message<'d>,
    ) -> Option<Incoming<'d>> {
        let max_body = self.config.max_body;
        let exchange = self.exchange(id)?;
        if let Some(observe) = message.observe() {
            exchange.observe.get_or_insert(observe);
        }
        let step = exchange.take_response(&message, max_body);
        let flight = exchange.flight.take();
        if let Some(at) = exchange.deadline.take() {
            self.timers.clear(at, Timer::Response(id));
        }
        match step {
            Step::Ignore => {
                // A stale block: the flight goes on.
                if let Some(exchange) = self.exchange(id) {
                    exchange.flight = flight;
                }
                if flight.is_none() {
                    self.await_response(id);
                }
                None
            }
            Step::Next => {
                if let Some(flight) = flight {
                    self.remove_flight(flight);
                }
                if self.send_step(id).is_err() {
                    self.fail(id, ExchangeError::PeerDown);
                }
                None
            }
            Step::Fail(error) => {
                self.drop_flight(flight);
                self.fail(id, error);
                None
            }
            Step::Done(body) => {
                self.drop_flight(flight);
                let exchange = self.remove_exchange(id)?;
                Some(Incoming::Response {
                    exchange: id,
                    peer: exchange.peer,
                    observe: exchange.observe,
                    message,
                    body,
                })
            }
        }
    }

    fn drop_flight(&mut self, flight: Option<FlightId>) {
        if let Some(flight) = flight {
            self.remove_flight(flight);
        }
    }
}

/// What a response makes of an exchange.
enum Step<'d> {
    Ignore,
    Next,
    Fail(ExchangeError),
    Done(Cow<'d, [u8]>),
}

impl Exchange {
    fn write_step(&self, buf: &mut [u8], header: Header, block_size: usize) -> Option<usize> {
        if let Some(download) = &self.download {
            let extra = [(OptionNumber::BLOCK2, download.next.to_uint())];
            return self.draft.write(buf, header, &extra, &[]).ok();
        }
        let payload = self.draft.payload.as_slice();
        let Some(block) = self.upload else {
            // RFC 7959 §2.4: a side with little memory asks for its block size early.
            let early = [(
                OptionNumber::BLOCK2,
                Block::new(0, false, block_size).to_uint(),
            )];
            let asks = block_size < 1024
                && matches!(self.draft.code, Code::GET | Code::FETCH)
                && payload.is_empty();
            return self
                .draft
                .write(buf, header, if asks { &early } else { &[] }, payload)
                .ok();
        };
        let start = block.offset();
        let end = payload.len().min(start + block.size());
        let option = (OptionNumber::BLOCK1, block.to_uint());
        let size = (OptionNumber::SIZE1, payload.len() as u32);
        let extra = if block.num == 0 {
            &[option, size][..]
        } else {
            &[option]
        };
        self.draft
            .write(buf, header, extra, payload.get(start..end)?)
            .ok()
    }

    fn take_response<'d>(&mut self, message: &Message<'d>, max_body: usize) -> Step<'d> {
        if let Some(block) = self.upload
            && let Some(step) = self.next_upload(block, message)
        {
            return step;
        }
        let block = message.block(OptionNumber::BLOCK2);
        match block {
            Some(block) if message.code().is_success() => {
                self.next_download(block, message, max_body)
            }
            _ => Step::Done(Cow::Borrowed(message.payload())),
        }
    }

    /// RFC 7959 §2.5: a 2.31 asks for the next block, a 4.13 with a smaller size for a restart.
    fn next_upload<'d>(&mut self, current: Block, message: &Message<'d>) -> Option<Step<'d>> {
        let echo = message.block(OptionNumber::BLOCK1);
        match (message.code(), echo) {
            (Code::CONTINUE, Some(echo)) if echo.num == current.num => {
                let offset = current.offset() + current.size();
                let szx = echo.szx.min(current.szx);
                let size = 16 << szx;
                if offset >= self.draft.payload.len() {
                    return Some(Step::Fail(ExchangeError::Blocks));
                }
                let more = offset + size < self.draft.payload.len();
                self.upload = Some(Block {
                    num: (offset / size) as u32,
                    more,
                    szx,
                });
                Some(Step::Next)
            }
            (Code::CONTINUE, Some(_)) => Some(Step::Ignore),
            (Code::CONTINUE, None) => Some(Step::Fail(ExchangeError::Blocks)),
            (Code::REQUEST_ENTITY_TOO_LARGE, Some(echo))
                if echo.szx < current.szx && !self.restarted =>
            {
                self.restarted = true;
                self.upload = Some(Block {
                    num: 0,
                    more: true,
                    szx: echo.szx,
                });
                Some(Step::Next)
            }
            _ => None,
        }
    }

    /// RFC 7959 §2.4: collects the blocks of a response.
    fn next_download<'d>(
        &mut self,
        block: Block,
        message: &Message<'d>,
        max_body: usize,
    ) -> Step<'d> {
        let payload = message.payload();
        if self.download.is_none() {
            if block.num != 0 {
                return Step::Fail(ExchangeError::Blocks);
            }
            if !block.more {
                return Step::Done(Cow::Borrowed(payload));
            }
            self.download = Some(Download {
                body: Vec::new(),
                next: Block {
                    more: false,
                    ..block
                },
                etag: etag(message).to_vec(),
            });
            self.upload = None;
            // Only the first request observes (RFC 7959 §2.6).
            self.draft.options.remove(OptionNumber::OBSERVE);
        }
        let Some(download) = &mut self.download else {
            return Step::Ignore;
        };
        if block.offset() < download.body.len() {
            return Step::Ignore;
        }
        if etag(message) != download.etag && !self.restarted {
            // The body changed under way: start again, once.
            self.restarted = true;
            let next = Block {
                num: 0,
                ..download.next
            };
            *download = Download {
                body: Vec::new(),
                next,
                etag: etag(message).to_vec(),
            };
            return Step::Next;
        }
        let full = !block.more || payload.len() == block.size();
        if block.offset() != download.body.len() || etag(message) != download.etag || !full {
            return Step::Fail(ExchangeError::Blocks);
        }
        if download.body.len() + payload.len() > max_body {
            return Step::Fail(ExchangeError::TooLarge);
        }
        download.body.extend_from_slice(payload);
        if block.more {
            let num = (download.body.len() / block.size()) as u32;
            download.next = Block {
                num,
                more: false,
                szx: block.szx,
            };
            Step::Next
        } else {
            Step::Done(Cow::Owned(core::mem::take(&mut download.body)))
        }
    }
}

fn etag<'d>(message: &Message<'d>) -> &'d [u8] {
    message
        .option(OptionNumber::ETAG)
        .map_or(&[], |option| option.value)
}
