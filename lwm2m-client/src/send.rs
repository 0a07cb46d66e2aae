//! Send: data that no server asked for (TS-Core §6.4.6).

use alloc::vec::Vec;

use lwm2m_coap::{Draft, ExchangeError, ExchangeId, RequestError, RequestOptions};
use lwm2m_codec::{
    ContentFormat, Path, Version,
    coap::{Code, OptionNumber},
};
use lwm2m_model::Failure;

use crate::{
    Client, Event, Failed,
    client::to_failed,
    values::{self, server},
};

/// A Send without an answer.
#[derive(Debug)]
pub(crate) struct PendingSend {
    exchange: ExchangeId,
    ssid: u16,
}

/// Why a Send is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no registration at this server.
    #[error("there is no registration at server {0}")]
    NotRegistered(u16),
    /// The registration is of LwM2M 1.0, which has no Send.
    #[error("server {0} speaks LwM2M 1.0, which has no Send")]
    Version(u16),
    /// /1/x/23 mutes Send; it does so when it is absent (TS-Core §E.2).
    #[error("server {0} does not allow Send: /1/x/23 is absent or true")]
    Muted(u16),
    /// The values can't be read.
    #[error(transparent)]
    Values(#[from] Failure),
    /// The request could not be sent.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Client {
    /// Sends the values at some paths to a server; [`Event::Sent`] tells what came of it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(
        &mut self,
        now: lwm2m_coap::Instant,
        ssid: u16,
        paths: &[Path],
    ) -> Result<(), SendError> {
        self.clock(now);
        let index = self.links.iter().position(|link| link.ssid == ssid);
        let registered = index.filter(|index| self.links[*index].registered().is_some());
        let index = registered.ok_or(SendError::NotRegistered(ssid))?;
        let link = &self.links[index];
        let version = self.config.versions.get(link.version).copied();
        if version.is_none_or(|version| version < Version::V1_1) {
            return Err(SendError::Version(ssid));
        }
        if values::boolean(&self.tree, link.resource(server::MUTE_SEND)) != Some(false) {
            return Err(SendError::Muted(ssid));
        }
        let mut paths: Vec<Path> = paths.to_vec();
        paths.sort_unstable();
        paths.dedup();
        for path in &paths {
            self.authorize(index, crate::Operation::Read, *path)?;
        }
        let format = ContentFormat::SENML_CBOR;
        let payload = self.encode_composite(&paths, format)?;
        let draft = Draft::new(Code::POST)
            .option(OptionNumber::URI_PATH, b"dp")
            .content(format, payload);
        let Some(peer) = self.links[index].peer else {
            // The connection comes back, for the application's next try.
            if let Some(registered) = self.links[index].registered_mut() {
                registered.update_wanted = true;
            }
            self.advance();
            return Err(RequestError::UnknownPeer.into());
        };
        let exchange = self
            .endpoint
            .request(self.now, peer, draft, RequestOptions::default())?;
        self.sends.push(PendingSend { exchange, ssid });
        self.touch_link(index);
        self.advance();
        Ok(())
    }

    pub(crate) fn send_answered(&mut self, exchange: ExchangeId, code: Code, body: &[u8]) -> bool {
        let result = match code.is_success() {
            true => Ok(()),
            false => Err(to_failed(code, body)),
        };
        self.end_send(exchange, result)
    }

    pub(crate) fn send_failed(&mut self, exchange: ExchangeId, reason: ExchangeError) -> bool {
        self.end_send(exchange, Err(Failed::Exchange(reason)))
    }

    fn end_send(&mut self, exchange: ExchangeId, result: Result<(), Failed>) -> bool {
        let index = self.sends.iter().position(|send| send.exchange == exchange);
        let Some(index) = index else { return false };
        let server = self.sends.swap_remove(index).ssid;
        self.push_event(Event::Sent { server, result });
        true
    }
}
