//! DTLS: sessions beside the sockets, handshakes beside the peers.

mod client;
mod dimpl;
mod drive;
mod handshakes;
mod record;
mod server;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    client::{ClientKeys, Connectors},
    dimpl::{Acceptor, SetupFailed},
    handshakes::Handshakes,
    record::Random,
    session::{DtlsSession, Output, Session},
};
