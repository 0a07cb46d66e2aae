//! CoAP exchanges without IO (RFC 7252, 7641, 7959), and the contract of all engines.
//!
//! - [`Endpoint`] turns datagrams into whole requests and responses and back. Retransmission,
//!   deduplication, tokens and block-wise transfer stay inside.
//! - [`Engine`] is what a protocol on top of it looks like to a driver: the LwM2M client, server
//!   and bootstrap server are engines.
//! - [`Draft`] is a message to send, with its whole body.
//! - `sim` (feature `sim`) joins engines by a lossy network in virtual time.
//!
//! # Driving an engine
//!
//! <div class="warning">
//!
//! **The drive contract.** An engine has no socket, no clock and no thread: a driver gives it
//! inputs and takes outputs. After *every* call that takes `&mut self` and a time, whether
//! [`handle_input`](Engine::handle_input) or a method of the application, and before anything
//! else:
//!
//! 1. call [`poll_transmit`](Engine::poll_transmit) until it returns `None`, and send each message;
//! 2. call [`poll_action`](Engine::poll_action) until it returns `None`, and do each action;
//! 3. call [`poll_event`](Engine::poll_event) until it returns `None`, and react to each event;
//!    if the reaction called the engine, begin again at 1;
//! 4. arm one timer at [`poll_timeout`](Engine::poll_timeout), instead of the one before;
//! 5. wait for a datagram or the timer, whatever is first, and pass [`Input::Message`] or
//!    [`Input::Timeout`].
//!
//! The clock of retransmission starts when `poll_transmit` hands a message out, so a message must
//! be sent or lost soon after. A timeout that comes late or without need does no harm. A time that
//! is earlier than one before counts as that one. Peers are announced by [`Input::PeerUp`] before
//! their first message.
//!
//! </div>
//!
//! A whole driver for datagrams without security:
//!
//! ```no_run
//! use std::{io, net::{SocketAddr, UdpSocket}, time::{Duration, Instant as Clock}};
//!
//! use lwm2m_coap::{
//!     Action, Binding, ConnectError, Engine, Identity, Input, Instant, PeerId,
//! };
//!
//! /// Addresses by peer: a real driver frees them, too.
//! const MAX_PEERS: usize = 1024;
//!
//! fn drive<E: Engine>(
//!     engine: &mut E,
//!     socket: &UdpSocket,
//!     mut react: impl FnMut(E::Event<'_>),
//! ) -> io::Result<()> {
//!     let start = Clock::now();
//!     let now = || Instant::from_micros(start.elapsed().as_micros() as u64);
//!     let mut peers: Vec<SocketAddr> = Vec::new();
//!     // Longer than any datagram, so that none is cut; MAX_DATAGRAM bytes would do for sending.
//!     let mut buf = vec![0; 65_536];
//!     loop {
//!         // 1. Messages. UDP may lose them: an error here is a loss.
//!         while let Some(sent) = engine.poll_transmit(now(), &mut buf) {
//!             let _ = socket.send_to(&buf[..sent.len], peers[sent.peer.index as usize]);
//!         }
//!         // 2. Actions. This driver only answers, and connects nowhere.
//!         let mut refused = Vec::new();
//!         while let Some(action) = engine.poll_action() {
//!             if let Action::Connect { id, .. } = action {
//!                 refused.push(id);
//!             }
//!         }
//!         for connect in &refused {
//!             let reason = ConnectError::Unreachable;
//!             engine.handle_input(now(), Input::ConnectFailed { connect: *connect, reason });
//!         }
//!         if !refused.is_empty() {
//!             continue;
//!         }
//!         // 3. Events.
//!         while let Some(event) = engine.poll_event() {
//!             react(event);
//!         }
//!         // 4. One timer.
//!         let wait = engine.poll_timeout().map(|at| at.since(now()));
//!         if wait == Some(Duration::ZERO) {
//!             engine.handle_input(now(), Input::Timeout);
//!             continue;
//!         }
//!         socket.set_read_timeout(wait)?;
//!         // 5. A datagram or the timer.
//!         let (len, remote) = match socket.recv_from(&mut buf) {
//!             Ok(received) => received,
//!             Err(error) if matches!(
//!                 error.kind(),
//!                 io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
//!             ) => {
//!                 engine.handle_input(now(), Input::Timeout);
//!                 continue;
//!             }
//!             Err(error) => return Err(error),
//!         };
//!         let known = peers.iter().position(|peer| *peer == remote);
//!         let index = known.unwrap_or(peers.len());
//!         let peer = PeerId { index: index as u32, generation: 0 };
//!         if known.is_none() {
//!             if peers.len() == MAX_PEERS {
//!                 continue;
//!             }
//!             peers.push(remote);
//!             engine.handle_input(now(), Input::PeerUp {
//!                 peer,
//!                 binding: Binding::Udp,
//!                 remote,
//!                 identity: Identity::NoSec,
//!                 connect: None,
//!             });
//!         }
//!         engine.handle_input(now(), Input::Message { peer, data: &buf[..len] });
//!     }
//! }
//! ```
//!
//! # Writing an engine
//!
//! An engine owns an [`Endpoint`] and passes inputs on: [`Input::PeerUp`] to
//! [`peer_up`](Endpoint::peer_up), [`Input::PeerDown`] to [`peer_down`](Endpoint::peer_down),
//! [`Input::Timeout`] to [`handle_timeout`](Endpoint::handle_timeout), [`Input::Message`] to
//! [`receive`](Endpoint::receive), whose [`Incoming`] it answers at once or later. What
//! [`poll_event`](Endpoint::poll_event) of the endpoint says is taken after each of these calls.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod access;
mod config;
mod counters;
mod dedup;
mod draft;
mod endpoint;
mod engine;
mod hash;
mod observe;
mod rng;
#[cfg(feature = "sim")]
pub mod sim;
mod time;

pub use access::{Access, AccessIdentityResolver, Subscriber, SubscriberError};
pub use config::{Config, EXCHANGE_LIFETIME, MAX_DATAGRAM};
pub use counters::Counters;
pub use draft::{Draft, OptionSet};
pub use endpoint::{
    Endpoint, EndpointEvent, ExchangeError, ExchangeId, Incoming, RequestError, RequestOptions,
    Responder,
};

pub use engine::{
    Action, Binding, ConnectError, ConnectId, Credentials, DownReason, Engine, Identity, Input,
    PeerId, Transmit,
};
pub use observe::NotificationOrder;
pub use rng::Rng;
pub use time::{Duration, Instant};
