//! The server side of OMA Lightweight M2M as an engine without IO: registrations, requests,
//! observations, sleeping devices, and a journal of its state.
//!
//! A [`Server`] has no socket, no clock and no randomness of its own. Whoever drives it follows
//! this loop; `lwm2m-net` does so on tokio, `lwm2m_coap::sim` in virtual time:
//!
//! 1. pass what happened to [`Engine::handle_input`](lwm2m_coap::Engine::handle_input), or call
//!    another method that takes `now`;
//! 2. call [`poll_transmit`](lwm2m_coap::Engine::poll_transmit) until `None`, and send;
//! 3. call [`poll_action`](lwm2m_coap::Engine::poll_action) until `None`, and do;
//! 4. with [`Config::journal`], call [`Server::poll_journal`] until `None`, commit the records
//!    in one batch, then call [`Server::stored`] and go to 2;
//! 5. call [`poll_event`](lwm2m_coap::Engine::poll_event) until `None`, and react;
//! 6. arm one timer at [`poll_timeout`](lwm2m_coap::Engine::poll_timeout).
//!
//! ```
//! use lwm2m_coap::{Engine, Instant};
//! use lwm2m_server::{Config, Event, Server};
//!
//! let now = Instant::ZERO;
//! let mut server = Server::new(Config::default(), 1);
//! // server.handle_input(now, Input::Message { peer, data });
//! while let Some(event) = server.poll_event() {
//!     if let Event::Registered { registration, .. } = event {
//!         if let Some(mut device) = server.device(registration) {
//!             let _request = device.read(now, "/3/0/0".parse().unwrap(), None);
//!         }
//!     }
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used))]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod answer;
mod config;
mod counters;
mod decision;
mod drafts;
mod event;
mod handover;
mod identity;
mod interface;
mod journal;
mod notification;
mod observation;
mod profile;
mod queue;
mod refuse;
mod register;
mod registration;
mod registry;
mod requests;
mod restore;
mod send;
mod server;

pub use config::{Config, EndpointPolicy, Limits};
pub use counters::Counters;
pub use decision::{DecisionError, RegisterRequest};
pub use event::{
    Changes, DeregisterReason, EndReason, Event, FailReason, ObservationId, RequestId,
};
pub use identity::IdentityOwned;
pub use journal::{Change, JournalError, JournalRecord, ObservationRecord, RegistrationRecord};
pub use observation::Target;
pub use refuse::RefuseReason;
pub use registration::{
    Bindings, ObjectList, ParseRegistrationIdError, Registration, RegistrationId,
};
pub use requests::{DeviceView, RequestError, WriteMode};
pub use restore::Restored;
pub use server::Server;
