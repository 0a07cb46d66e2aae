//! Reliable transmission of Confirmable messages: retransmission lives here and nowhere else
//! (RFC 7252 §4.2).

use alloc::vec::Vec;

use lwm2m_codec::coap::{MessageId, Token};

use super::{Endpoint, EndpointEvent, ExchangeId, Timer, exchange::ExchangeError};
use crate::{Duration, Instant, PeerId};

/// Names a flight; `serial` tells reused slots apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlightId {
    slot: u32,
    serial: u32,
}

/// Why a Confirmable message was sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// A request, or one block of it.
    Request(ExchangeId),
    /// A separate response.
    Response,
    /// A notification under this token.
    Notification(Token),
}

/// A Confirmable message without ACK.
#[derive(Debug)]
pub(super) struct Flight {
    serial: u32,
    peer: PeerId,
    id: MessageId,
    datagram: Vec<u8>,
    purpose: Purpose,
    /// Time to wait after the next transmission.
    timeout: Duration,
    transmissions: u16,
    due: Option<Instant>,
}

/// How a flight ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landing {
    /// An ACK or an implicit one.
    Acknowledged,
    /// A RST.
    Reset,
    /// No answer to any transmission.
    Timeout,
}

impl Endpoint {
    /// True if a new Confirmable message to the peer may fly or wait.
    pub(super) fn has_room(&mut self, peer: PeerId) -> bool {
        let nstart = self.config.nstart.max(1);
        let max_queue = self.config.max_queue;
        self.peers
            .get_mut(peer)
            .is_some_and(|entry| entry.flying.len() < nstart || entry.waiting.len() < max_queue)
    }

    /// Sends a Confirmable message, now or when it is its turn; `None` if the peer is gone or
    /// acknowledges no answer.
    ///
    /// The caller asks [`has_room`](Endpoint::has_room) before a new request or notification;
    /// the next block of a request may always wait.
    pub(super) fn launch(
        &mut self,
        peer: PeerId,
        id: MessageId,
        datagram: Vec<u8>,
        purpose: Purpose,
    ) -> Option<FlightId> {
        let nstart = self.config.nstart.max(1);
        let entry = self.peers.get_mut(peer)?;
        // A response must not wait for its own side's requests.
        let goes = matches!(purpose, Purpose::Response) || entry.flying.len() < nstart;
        if goes && entry.flying.len() >= nstart.saturating_add(self.config.max_queue) {
            self.counters.dropped += 1;
            return None;
        }
        self.serial = self.serial.wrapping_add(1);
        let timeout = self
            .rng
            .spread(self.config.ack_timeout, self.config.ack_random_percent);
        let slot = self.flights.insert(Flight {
            serial: self.serial,
            peer,
            id,
            datagram,
            purpose,
            timeout,
            transmissions: 0,
            due: None,
        });
        let flight = FlightId {
            slot: slot as u32,
            serial: self.serial,
        };
        if goes {
            entry.flying.push(flight);
            self.push_flight(flight);
        } else {
            entry.waiting.push_back(flight);
        }
        Some(flight)
    }

    fn flight(&mut self, id: FlightId) -> Option<&mut Flight> {
        self.flights
            .get_mut(id.slot as usize)
            .filter(|flight| flight.serial == id.serial)
    }

    /// True until the flight landed or was removed.
    pub(super) fn is_live(&self, id: FlightId) -> bool {
        let flight = self.flights.get(id.slot as usize);
        flight.is_some_and(|flight| flight.serial == id.serial)
    }

    /// The request that a flight carries.
    pub(super) fn exchange_of(&mut self, id: FlightId) -> Option<ExchangeId> {
        match self.flight(id)?.purpose {
            Purpose::Request(exchange) => Some(exchange),
            Purpose::Response | Purpose::Notification(_) => None,
        }
    }

    /// Copies a flight into the driver's buffer and starts its timer.
    pub(super) fn transmit_flight(
        &mut self,
        now: Instant,
        id: FlightId,
        buf: &mut [u8],
    ) -> Option<(PeerId, usize)> {
        let flight = self.flight(id)?;
        let len = flight.datagram.len();
        let target = buf.get_mut(..len);
        let fits = target
            .map(|target| target.copy_from_slice(&flight.datagram))
            .is_some();
        flight.transmissions = flight.transmissions.saturating_add(1);
        let (peer, again, at) = (flight.peer, flight.transmissions > 1, now + flight.timeout);
        flight.due = Some(at);
        self.timers.set(at, Timer::Retransmit(id));
        self.counters.retransmitted += u64::from(again);
        self.counters.dropped += u64::from(!fits);
        fits.then_some((peer, len))
    }

    /// The timer of a flight ended: sends it again, or gives up.
    pub(super) fn retransmit(&mut self, now: Instant, id: FlightId) {
        let max = u16::from(self.config.max_retransmit);
        let Some(flight) = self.flight(id) else {
            return;
        };
        flight.due = None;
        if flight.transmissions > max {
            self.land(now, id, Landing::Timeout);
        } else {
            flight.timeout = flight.timeout.saturating_mul(2);
            self.push_flight(id);
        }
    }

    /// The flight to `peer` that carries a Message ID.
    pub(super) fn find_flight(&mut self, peer: PeerId, id: MessageId) -> Option<FlightId> {
        let flying = &self.peers.get_mut(peer)?.flying;
        flying.iter().copied().find(|f| {
            self.flights
                .get(f.slot as usize)
                .is_some_and(|x| x.id == id)
        })
    }

    /// Ends a flight, tells whom it concerns, and starts the next one to the peer.
    pub(super) fn land(&mut self, now: Instant, id: FlightId, landing: Landing) {
        let Some(flight) = self.remove_flight(id) else {
            return;
        };
        match (flight.purpose, landing) {
            (Purpose::Request(exchange), Landing::Acknowledged) => self.acknowledged(now, exchange),
            (Purpose::Request(exchange), Landing::Reset) => {
                self.fail(exchange, ExchangeError::Reset);
            }
            (Purpose::Request(exchange), Landing::Timeout) => {
                self.fail(exchange, ExchangeError::Timeout);
            }
            (Purpose::Response, Landing::Timeout) => self.counters.timeouts += 1,
            (Purpose::Response, _) => {}
            (Purpose::Notification(token), landing) => {
                let peer = flight.peer;
                self.events.push_back(match landing {
                    Landing::Acknowledged => EndpointEvent::NotificationDelivered { peer, token },
                    Landing::Reset => EndpointEvent::NotificationRefused { peer, token },
                    Landing::Timeout => EndpointEvent::NotificationLost { peer, token },
                });
            }
        }
    }

    /// Removes a flight without telling anybody.
    pub(super) fn remove_flight(&mut self, id: FlightId) -> Option<Flight> {
        self.flight(id)?;
        let flight = self.flights.remove(id.slot as usize);
        if let Some(due) = flight.due {
            self.timers.clear(due, Timer::Retransmit(id));
        }
        let nstart = self.config.nstart.max(1);
        let mut next = None;
        if let Some(peer) = self.peers.get_mut(flight.peer) {
            peer.waiting.retain(|waiting| *waiting != id);
            peer.flying.retain(|flying| *flying != id);
            if peer.flying.len() < nstart {
                next = peer.waiting.pop_front();
                peer.flying.extend(next);
            }
        }
        if let Some(next) = next {
            self.push_flight(next);
        }
        Some(flight)
    }
}
