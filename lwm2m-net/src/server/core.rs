//! The engine and what the async face keeps beside it; the driver's task owns both.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lwm2m_coap::{Action, Engine, Input, Instant, PeerId, Transmit};
use lwm2m_codec::coap::Code;
use lwm2m_server::{
    Event as EngineEvent, JournalRecord, ObservationId, Registration, RegistrationId, RequestId,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Answer, Device, Event, Inner, Notification, PendingRegister, RequestError, Server,
    answer::decode,
    definitions::Definitions,
    request::{Operation, Options},
};

/// Most events that wait for the application.
const MAX_EVENTS: usize = 16_384;

/// How often the engine is told the wall time again: the machine's clock may have been set.
const CLOCK_SYNC: Duration = Duration::from_secs(60);

/// A request of the application that has no answer yet.
struct Pending {
    key: u64,
    operation: Operation,
    reply: oneshot::Sender<Result<Answer, RequestError>>,
    /// Where notifications go, if it starts an observation.
    stream: Option<mpsc::Sender<Notification>>,
    begun: Instant,
    peer: Option<PeerId>,
    before: Traffic,
}

/// Bytes of CoAP messages, in clear.
#[derive(Debug, Clone, Copy, Default)]
struct Traffic {
    sent: u64,
    received: u64,
}

/// The engine with its requests, observations and events.
pub(crate) struct Core {
    pub(super) engine: lwm2m_server::Server,
    definitions: Arc<Definitions>,
    server: Weak<Inner>,
    pending: HashMap<RequestId, Pending>,
    /// Requests by the keys that the application's side chose.
    keys: HashMap<u64, RequestId>,
    streams: HashMap<ObservationId, mpsc::Sender<Notification>>,
    traffic: HashMap<PeerId, (SocketAddr, Traffic)>,
    journal: Option<mpsc::Sender<JournalRecord>>,
    events: VecDeque<Event>,
    now: Instant,
    /// When the engine was told the wall time.
    told: Instant,
}

impl Core {
    pub(super) fn new(
        engine: lwm2m_server::Server,
        definitions: Arc<Definitions>,
        server: Weak<Inner>,
        journal: Option<mpsc::Sender<JournalRecord>>,
    ) -> Self {
        Self {
            engine,
            definitions,
            server,
            pending: HashMap::new(),
            keys: HashMap::new(),
            streams: HashMap::new(),
            traffic: HashMap::new(),
            journal,
            events: VecDeque::new(),
            now: Instant::ZERO,
            told: Instant::ZERO,
        }
    }

    /// Sends a request; the reply comes by its channel, also when it can't be sent.
    pub(super) fn start(
        &mut self,
        now: Instant,
        key: u64,
        endpoint: &str,
        operation: Operation,
        options: Options,
        reply: oneshot::Sender<Result<Answer, RequestError>>,
    ) {
        match self.send(now, endpoint, &operation, &options) {
            Err(error) => drop(reply.send(Err(error))),
            Ok((request, peer)) => {
                let pending = Pending {
                    key,
                    operation,
                    reply,
                    stream: options.stream,
                    begun: now,
                    peer,
                    before: self.traffic_of(peer),
                };
                self.keys.insert(key, request);
                self.pending.insert(request, pending);
            }
        }
    }

    fn send(
        &mut self,
        now: Instant,
        endpoint: &str,
        operation: &Operation,
        options: &Options,
    ) -> Result<(RequestId, Option<PeerId>), RequestError> {
        let registration = self.engine.find(endpoint);
        let registration = registration.ok_or(RequestError::NotRegistered)?;
        let (id, peer) = (registration.id, registration.peer);
        let prepared = operation.prepare(registration, options, &self.definitions.current())?;
        let device = self.engine.device(id).ok_or(RequestError::NotRegistered)?;
        let device = match options.wait {
            Some(wait) => device.within(wait),
            None => device,
        };
        Ok((prepared.send(now, device)?, peer))
    }

    /// Gives a request up.
    pub(super) fn cancel(&mut self, now: Instant, key: u64) {
        let Some(request) = self.keys.remove(&key) else {
            return;
        };
        self.pending.remove(&request);
        self.engine.cancel(now, request);
    }

    /// Ends an observation without a message.
    pub(super) fn forget(&mut self, now: Instant, observation: ObservationId) -> bool {
        self.streams.remove(&observation);
        self.engine.cancel_observation(now, observation)
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            tracing::warn!(limit = MAX_EVENTS, "an event is dropped: nobody takes them");
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn traffic_of(&self, peer: Option<PeerId>) -> Traffic {
        let known = peer.and_then(|peer| self.traffic.get(&peer));
        known.map(|(_, traffic)| *traffic).unwrap_or_default()
    }

    /// Bytes each way since a request was made, all messages with the device together.
    fn traffic_since(&self, id: RegistrationId, pending: &Pending) -> Traffic {
        let peer = self.engine.registration(id).and_then(|r| r.peer);
        let now = self.traffic_of(peer);
        if peer != pending.peer {
            return now;
        }
        Traffic {
            sent: now.sent.saturating_sub(pending.before.sent),
            received: now.received.saturating_sub(pending.before.received),
        }
    }

    /// Takes what the engine has to tell, and passes its journal on.
    fn dispatch(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            self.on_event(event);
        }
        if let Some(journal) = &self.journal {
            // The engine keeps and bounds what finds no place.
            while let Ok(place) = journal.try_reserve() {
                match self.engine.poll_journal() {
                    Some(record) => place.send(record),
                    None => break,
                }
            }
        }
    }

    fn on_event(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Response {
                request,
                registration,
                code,
                format,
                payload,
                location,
                observation,
            } => {
                let answer = Answer {
                    code,
                    format,
                    payload,
                    records: Vec::new(),
                    location,
                    observation,
                    bytes_sent: 0,
                    bytes_received: 0,
                    duration: Duration::ZERO,
                };
                self.on_answer(request, registration, answer);
            }
            EngineEvent::RequestFailed {
                request, reason, ..
            } => {
                if let Some(pending) = self.take(request) {
                    // Who asked may have gone.
                    let _ = pending.reply.send(Err(RequestError::Failed(reason)));
                }
            }
            EngineEvent::Notification {
                observation,
                registration,
                paths,
                format,
                payload,
                ..
            } => {
                let Some(device) = self.engine.registration(registration) else {
                    return;
                };
                let base = match paths.as_slice() {
                    [path] => *path,
                    _ => lwm2m_codec::Path::ROOT,
                };
                let (records, error) =
                    decode(format, base, &payload, device, &self.definitions.current());
                let notification = Notification {
                    observation,
                    paths,
                    format,
                    payload,
                    records,
                    error,
                };
                self.on_notification(registration, notification);
            }
            other => self.on_other(other),
        }
    }

    fn take(&mut self, request: RequestId) -> Option<Pending> {
        let pending = self.pending.remove(&request)?;
        self.keys.remove(&pending.key);
        Some(pending)
    }

    fn on_answer(&mut self, request: RequestId, id: RegistrationId, mut answer: Answer) {
        let Some(mut pending) = self.take(request) else {
            return;
        };
        let traffic = self.traffic_since(id, &pending);
        answer.bytes_sent = traffic.sent;
        answer.bytes_received = traffic.received;
        answer.duration = self.now.since(pending.begun);
        if let (Some(id), Some(stream)) = (answer.observation, pending.stream.take()) {
            self.streams.insert(id, stream);
        }
        let mut result = Ok(());
        if let (true, Some(base), Some(device)) = (
            answer.code == Code::CONTENT,
            pending.operation.answer_base(),
            self.engine.registration(id),
        ) {
            let decoded = decode(
                answer.format,
                base,
                &answer.payload,
                device,
                &self.definitions.current(),
            );
            answer.records = decoded.0;
            result = decoded.1.map_or(Ok(()), Err);
        }
        let reply = match result {
            Err(error) => Err(RequestError::Decode {
                error,
                answer: Box::new(answer),
            }),
            Ok(()) if answer.is_success() => Ok(answer),
            Ok(()) => Err(RequestError::Refused(Box::new(answer))),
        };
        if let Err(Ok(unwanted)) = pending.reply.send(reply)
            && let Some(observation) = unwanted.observation
        {
            self.forget(self.now, observation);
        }
    }

    fn on_notification(&mut self, id: RegistrationId, notification: Notification) {
        use mpsc::error::TrySendError;
        let observation = notification.observation;
        let Some(stream) = self.streams.get(&observation) else {
            let Some(device) = self.device(id) else {
                return;
            };
            return self.push(Event::Notification {
                device,
                notification,
            });
        };
        match stream.try_send(notification) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!(%observation, "a notification is dropped: nobody takes them");
            }
            Err(TrySendError::Closed(_)) => {
                self.forget(self.now, observation);
            }
        }
    }

    /// The device of a registration, as the application sees it.
    fn device(&self, id: RegistrationId) -> Option<Device> {
        self.device_of(self.engine.registration(id)?)
    }

    fn device_of(&self, registration: &Registration) -> Option<Device> {
        let server = Server::upgrade(&self.server)?;
        Some(server.device(registration.endpoint.as_str()))
    }

    fn snapshot(&self, id: RegistrationId) -> Option<(Device, Box<Registration>)> {
        let registration = self.engine.registration(id)?;
        Some((
            self.device_of(registration)?,
            Box::new(registration.clone()),
        ))
    }

    fn on_other(&mut self, event: EngineEvent) {
        if let Some(event) = self.event_of(event) {
            self.push(event);
        }
    }

    fn event_of(&mut self, event: EngineEvent) -> Option<Event> {
        Some(match event {
            EngineEvent::Registered {
                registration,
                replaced,
            } => {
                let (device, registration) = self.snapshot(registration)?;
                Event::Registered {
                    device,
                    registration,
                    replaced,
                }
            }
            EngineEvent::Updated {
                registration,
                changes,
            } => {
                let (device, registration) = self.snapshot(registration)?;
                Event::Updated {
                    device,
                    registration,
                    changes,
                }
            }
            EngineEvent::Deregistered {
                registration,
                reason,
            } => Event::Deregistered {
                registration,
                reason,
            },
            EngineEvent::RegisterRequested(request) => {
                let server = Server::upgrade(&self.server)?;
                Event::RegisterRequested(PendingRegister::new(server, request))
            }
            EngineEvent::RegisterRefused {
                endpoint,
                peer,
                reason,
            } => Event::Refused {
                endpoint,
                address: self.traffic.get(&peer).map(|(address, _)| *address),
                reason,
            },
            EngineEvent::Awake { registration } => Event::Awake {
                device: self.device(registration)?,
            },
            EngineEvent::Sleeping { registration } => Event::Sleeping {
                device: self.device(registration)?,
            },
            EngineEvent::ObservationEnded {
                observation,
                registration,
                reason,
            } => {
                self.streams.remove(&observation);
                Event::ObservationEnded {
                    device: self.device(registration),
                    observation,
                    reason,
                }
            }
            EngineEvent::Send {
                registration,
                format,
                payload,
            } => {
                let entry = self.engine.registration(registration)?;
                let base = lwm2m_codec::Path::ROOT;
                let (records, error) = decode(
                    Some(format),
                    base,
                    &payload,
                    entry,
                    &self.definitions.current(),
                );
                Event::Send {
                    device: self.device_of(entry)?,
                    format,
                    payload,
                    records,
                    error,
                }
            }
            // What a newer engine tells, this face doesn't know.
            _ => return None,
        })
    }
}

impl Engine for Core {
    type Event<'e> = Event;

    fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        if now.since(self.told) >= CLOCK_SYNC {
            self.told = now;
            self.engine.set_unix_time(now, unix_time());
        }
        match &input {
            Input::PeerUp { peer, remote, .. } => {
                self.traffic.insert(*peer, (*remote, Traffic::default()));
            }
            Input::Message { peer, data } => {
                if let Some((_, traffic)) = self.traffic.get_mut(peer) {
                    traffic.received += data.len() as u64;
                }
            }
            _ => {}
        }
        let gone = match &input {
            Input::PeerDown { peer, .. } => Some(*peer),
            _ => None,
        };
        self.engine.handle_input(now, input);
        self.dispatch();
        if let Some(peer) = gone {
            self.traffic.remove(&peer);
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.now = now;
        let transmit = self.engine.poll_transmit(now, buf)?;
        if let Some((_, traffic)) = self.traffic.get_mut(&transmit.peer) {
            traffic.sent += transmit.len as u64;
        }
        Some(transmit)
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        // After every call: what it made the engine tell.
        self.dispatch();
        let action = self.engine.poll_action();
        if let Some(Action::Close { peer }) = &action {
            self.traffic.remove(peer);
        }
        action
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.dispatch();
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.engine.poll_timeout()
    }
}

/// Seconds since 1970 by the machine's clock; 0 if that is before.
pub(super) fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
