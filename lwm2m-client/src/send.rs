//! Send: data that no server asked for (TS-Core §6.4.6).

use alloc::vec::Vec;
use core::ops::ControlFlow;

use lwm2m_coap::{Draft, ExchangeError, ExchangeId, Instant, RequestError, RequestOptions};
use lwm2m_codec::{
    ContentFormat, EncodeError, Encoder, Path, Record, Version,
    coap::{Code, OptionNumber},
};
use lwm2m_model::{Failure, OwnedValue};

use crate::{
    Client, Event, Failed,
    client::to_failed,
    links::grown,
    read::{encode_failure, is_readable},
    values::{self, server},
};

/// A Send without an answer.
#[derive(Debug)]
pub(crate) struct PendingSend {
    exchange: ExchangeId,
    ssid: u16,
    /// Number of the first collected value that it does not carry.
    collected: u64,
}

/// A value that was collected for a Send.
#[derive(Debug)]
pub(crate) struct Sample {
    number: u64,
    at: Instant,
    path: Path,
    value: OwnedValue,
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
    /// Send takes SenML CBOR, SenML JSON or LwM2M CBOR, and with times only SenML.
    #[error("a Send can't have its values in the format {0}")]
    Format(ContentFormat),
    /// No value was collected that the server may read.
    #[error("nothing was collected for server {0}")]
    Nothing(u16),
    /// The values can't be read.
    #[error(transparent)]
    Values(#[from] Failure),
    /// The request could not be sent.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Client {
    /// Sends the values at some paths to a server in SenML CBOR; [`Event::Sent`] tells what came
    /// of it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, now: Instant, ssid: u16, paths: &[Path]) -> Result<(), SendError> {
        self.send_as(now, ssid, ContentFormat::SENML_CBOR, paths)
    }

    /// The same as [`Client::send`] in SenML CBOR, SenML JSON or LwM2M CBOR.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_as(
        &mut self,
        now: Instant,
        ssid: u16,
        format: ContentFormat,
        paths: &[Path],
    ) -> Result<(), SendError> {
        self.clock(now);
        let index = self.link_for_send(ssid)?;
        let formats = [
            ContentFormat::SENML_CBOR,
            ContentFormat::SENML_JSON,
            ContentFormat::LWM2M_CBOR,
        ];
        if !formats.contains(&format) {
            return Err(SendError::Format(format));
        }
        let mut paths: Vec<Path> = paths.to_vec();
        paths.sort_unstable();
        paths.dedup();
        for path in &paths {
            self.authorize(index, crate::Operation::Read, *path)?;
        }
        let payload = self.encode_composite(&paths, format)?;
        self.start_send(index, format, payload, 0)
    }

    /// Keeps the values at some paths with the time `now` for [`Client::send_collected`], with a
    /// server at hand or without; returns how many there were. Beyond
    /// [`Config::max_collected`](crate::Config::max_collected) the oldest go.
    ///
    /// # Errors
    /// A path that is not there; the values of those before it are kept.
    pub fn collect(&mut self, now: Instant, paths: &[Path]) -> Result<usize, Failure> {
        self.clock(now);
        let mut found = Vec::new();
        for path in paths {
            let whole = self.tree.visit(*path, &is_readable, &mut |record| {
                if let Some(value) = record.value.and_then(OwnedValue::from_value) {
                    found.push((record.path, value));
                }
                ControlFlow::Continue(())
            });
            if whole?.is_break() {
                break;
            }
        }
        let count = found.len();
        for (path, value) in found {
            self.next_sample = self.next_sample.wrapping_add(1);
            self.samples.push_back(Sample {
                number: self.next_sample,
                at: self.now,
                path,
                value,
            });
        }
        while self.samples.len() > self.config.max_collected {
            self.samples.pop_front();
        }
        Ok(count)
    }

    /// How many collected values there are.
    pub fn collected(&self) -> usize {
        self.samples.len()
    }

    /// Sends all collected values with their times to a server, in SenML CBOR or SenML JSON;
    /// [`Event::Sent`] tells what came of it. They go when a server has taken them, and stay when
    /// the Send fails.
    ///
    /// The times are since 1970 if the clock is known
    /// ([`Client::set_unix_time`]), by then at the latest, and otherwise relative to the Send
    /// (RFC 8428 §4.5.3).
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_collected(
        &mut self,
        now: Instant,
        ssid: u16,
        format: ContentFormat,
    ) -> Result<(), SendError> {
        self.clock(now);
        let index = self.link_for_send(ssid)?;
        if ![ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON].contains(&format) {
            return Err(SendError::Format(format));
        }
        let payload = self.encode_samples(index, format)?;
        let payload = payload.ok_or(SendError::Nothing(ssid))?;
        let end = self.next_sample.wrapping_add(1);
        self.start_send(index, format, payload, end)
    }

    /// The collected values that the server of a link may read; `None` if there are none.
    fn encode_samples(
        &self,
        index: usize,
        format: ContentFormat,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let may = |sample: &&Sample| {
            self.authorize(index, crate::Operation::Read, sample.path)
                .is_ok()
        };
        let samples: Vec<&Sample> = self.samples.iter().filter(may).collect();
        if samples.is_empty() {
            return Ok(None);
        }
        let payload = grown(self.config.coap.max_body, |buf| {
            let mut encoder = Encoder::new(format, Path::ROOT, buf)?;
            for sample in &samples {
                encoder.push(&Record {
                    path: sample.path,
                    time: Some(self.time_of(sample.at)),
                    value: Some(sample.value.as_value()),
                })?;
            }
            encoder.finish()
        });
        let failed = |error: EncodeError| encode_failure(Path::ROOT, &error);
        payload.map(Some).map_err(failed)
    }

    /// A moment as SenML states it: seconds since 1970, or before now.
    fn time_of(&self, at: Instant) -> f64 {
        let seconds = |from: Instant, to: Instant| to.since(from).as_micros() as f64 / 1e6;
        match self.unix {
            Some((known, unix)) if at >= known => unix as f64 + seconds(known, at),
            Some((known, unix)) => unix as f64 - seconds(at, known),
            None => -seconds(at, self.now),
        }
    }

    /// The link to a server that takes a Send now.
    fn link_for_send(&self, ssid: u16) -> Result<usize, SendError> {
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
        Ok(index)
    }

    fn start_send(
        &mut self,
        index: usize,
        format: ContentFormat,
        payload: Vec<u8>,
        collected: u64,
    ) -> Result<(), SendError> {
        let draft = Draft::new(Code::POST)
            .option(OptionNumber::URI_PATH, b"dp")
            .content(format, payload);
        let ssid = self.links[index].ssid;
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
        self.sends.push(PendingSend {
            exchange,
            ssid,
            collected,
        });
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
        let PendingSend {
            ssid: server,
            collected,
            ..
        } = self.sends.swap_remove(index);
        if result.is_ok() {
            self.samples.retain(|sample| sample.number >= collected);
        }
        self.push_event(Event::Sent { server, result });
        true
    }
}
