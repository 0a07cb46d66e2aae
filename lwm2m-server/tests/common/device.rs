//! A device that does what a script says: it registers, answers from a table, and notifies.

use std::collections::{BTreeMap, VecDeque};

use lwm2m_coap::{
    Action, Config, ConnectId, Credentials, Draft, Endpoint, EndpointEvent, Engine, ExchangeError,
    ExchangeId, Incoming, Input, Instant, PeerId, RequestOptions, Responder, Transmit,
};
use lwm2m_codec::{
    ContentFormat,
    coap::{Code, Message, OptionNumber, Token},
};

/// The end of a request of the device.
pub type Outcome = Result<Code, ExchangeError>;

/// An observation that the device serves.
#[derive(Debug, Clone)]
struct Observer {
    peer: PeerId,
    token: Token,
    path: String,
}

pub struct Device {
    coap: Endpoint,
    uri: String,
    psk: Option<(Vec<u8>, Vec<u8>)>,
    queries: Vec<String>,
    pub objects: String,
    connect: Option<ConnectId>,
    connects: u32,
    pub peer: Option<PeerId>,
    pub location: Option<String>,
    /// Drops everything that arrives, as a device does that sleeps.
    pub asleep: bool,
    /// Registers as soon as it is connected.
    pub registers: bool,
    values: BTreeMap<String, (ContentFormat, Vec<u8>)>,
    observers: Vec<Observer>,
    sequence: u32,
    /// What was asked: method, path, queries.
    pub log: Vec<String>,
    pub outcomes: VecDeque<(String, Outcome)>,
    pending: Vec<(ExchangeId, String)>,
    pub refused_notifications: usize,
}

impl Device {
    pub fn new(endpoint: &str, seed: u64) -> Self {
        Self {
            coap: Endpoint::new(Config::device(), seed),
            uri: "coap://server".to_string(),
            psk: None,
            queries: vec![
                format!("ep={endpoint}"),
                "lt=3600".to_string(),
                "lwm2m=1.1".to_string(),
            ],
            objects: super::OBJECTS.to_string(),
            connect: Some(ConnectId(0)),
            connects: 0,
            peer: None,
            location: None,
            asleep: false,
            registers: true,
            values: BTreeMap::new(),
            observers: Vec::new(),
            sequence: 1,
            log: Vec::new(),
            outcomes: VecDeque::new(),
            pending: Vec::new(),
            refused_notifications: 0,
        }
    }

    pub fn psk(mut self, identity: &[u8], key: &[u8]) -> Self {
        self.uri = "coaps://server".to_string();
        self.psk = Some((identity.to_vec(), key.to_vec()));
        self
    }

    pub fn query(mut self, query: &str) -> Self {
        self.queries.push(query.to_string());
        self
    }

    pub fn value(mut self, path: &str, text: &str) -> Self {
        self.set(path, text.as_bytes());
        self
    }

    pub fn set(&mut self, path: &str, payload: &[u8]) {
        let value = (ContentFormat::TEXT, payload.to_vec());
        self.values.insert(path.to_string(), value);
    }

    /// Loses its memory, and connects and registers again.
    pub fn reboot(&mut self) {
        self.observers.clear();
        self.location = None;
        self.reconnect();
    }

    /// Makes a new connection, and keeps all it knows.
    pub fn reconnect(&mut self) {
        self.connects += 1;
        self.connect = Some(ConnectId(self.connects));
    }

    pub fn register(&mut self, now: Instant) {
        let mut draft = Draft::new(Code::POST).path_segment("rd");
        for query in &self.queries {
            draft = draft.query(query);
        }
        let objects = self.objects.clone().into_bytes();
        self.request(now, "register", draft.content(ContentFormat::LINK, objects));
    }

    pub fn update(&mut self, now: Instant) {
        let draft = self.at_location(Code::POST);
        self.request(now, "update", draft);
    }

    pub fn deregister(&mut self, now: Instant) {
        let draft = self.at_location(Code::DELETE);
        self.request(now, "deregister", draft);
    }

    pub fn send(&mut self, now: Instant, format: ContentFormat, payload: &[u8]) {
        let draft = Draft::new(Code::POST).path_segment("dp");
        self.request(now, "send", draft.content(format, payload.to_vec()));
    }

    /// Changes a value and tells its observers.
    pub fn change(&mut self, now: Instant, path: &str, payload: &[u8], confirmable: bool) {
        self.set(path, payload);
        for observer in self.observers.clone() {
            if observer.path != path {
                continue;
            }
            self.sequence += 1;
            let draft = self.content(path).observe(self.sequence);
            let (peer, token) = (self.peer.unwrap_or(observer.peer), observer.token);
            self.coap.notify(now, peer, token, &draft, confirmable);
        }
    }

    pub fn observed(&self) -> usize {
        self.observers.len()
    }

    fn at_location(&self, code: Code) -> Draft {
        let location = self.location.as_deref().unwrap_or("/rd/none");
        let segments = location.split('/').skip(1);
        segments.fold(Draft::new(code), Draft::path_segment)
    }

    fn request(&mut self, now: Instant, name: &str, draft: Draft) {
        let peer = self.peer.expect("connected");
        let options = RequestOptions::default();
        let exchange = self.coap.request(now, peer, draft, options).unwrap();
        self.pending.push((exchange, name.to_string()));
    }

    fn finish(&mut self, exchange: ExchangeId, outcome: Outcome) -> Option<String> {
        let at = self.pending.iter().position(|(x, _)| *x == exchange)?;
        let (_, name) = self.pending.remove(at);
        self.outcomes.push_back((name.clone(), outcome));
        Some(name)
    }

    fn content(&self, path: &str) -> Draft {
        match self.values.get(path) {
            Some((format, payload)) => Draft::new(Code::CONTENT).content(*format, payload.clone()),
            None => Draft::new(Code::NOT_FOUND),
        }
    }

    fn serve(&mut self, now: Instant, responder: Responder, message: &Message<'_>, body: &[u8]) {
        let path: Vec<_> = message.uri_path().flatten().collect();
        let path = format!("/{}", path.join("/"));
        let queries: Vec<_> = message.uri_query().flatten().collect();
        let code = message.code();
        self.log.push(
            format!("{code} {path} {}", queries.join("&"))
                .trim_end()
                .to_string(),
        );
        let observes = |o: &Observer| o.path == path && o.peer == responder.peer();
        let draft = match (code, message.observe()) {
            (Code::GET | Code::FETCH, Some(0)) => {
                self.observers.retain(|o| !observes(o));
                let draft = self.content(&path);
                if draft.code.is_success() {
                    self.observers.push(Observer {
                        peer: responder.peer(),
                        token: responder.token(),
                        path,
                    });
                    self.sequence += 1;
                    draft.observe(self.sequence)
                } else {
                    draft
                }
            }
            (Code::GET | Code::FETCH, observe) => {
                if observe == Some(1) {
                    self.observers.retain(|o| !observes(o));
                }
                self.content(&path)
            }
            (Code::PUT, _) => {
                if !body.is_empty() {
                    self.set(&path, body);
                }
                Draft::new(Code::CHANGED)
            }
            (Code::POST, _) if path.matches('/').count() == 1 => Draft::new(Code::CREATED)
                .option(OptionNumber::LOCATION_PATH, &path.as_bytes()[1..])
                .option(OptionNumber::LOCATION_PATH, b"7"),
            (Code::DELETE, _) => Draft::new(Code::DELETED),
            _ => Draft::new(Code::CHANGED),
        };
        self.coap.respond(now, responder, draft);
    }

    fn on_events(&mut self) {
        while let Some(event) = self.coap.poll_event() {
            match event {
                EndpointEvent::ExchangeFailed { exchange, reason } => {
                    self.finish(exchange, Err(reason));
                }
                EndpointEvent::NotificationRefused { token, .. } => {
                    self.refused_notifications += 1;
                    self.observers.retain(|o| o.token != token);
                }
                _ => {}
            }
        }
    }
}

impl Engine for Device {
    type Event<'e> = ();

    fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::PeerUp { peer, .. } => {
                self.peer = Some(peer);
                self.coap.peer_up(now, peer);
                if self.registers && self.location.is_none() {
                    self.register(now);
                }
            }
            Input::PeerDown { peer, .. } => {
                self.coap.peer_down(now, peer);
                if self.peer == Some(peer) {
                    self.peer = None;
                }
            }
            Input::Message { .. } if self.asleep => {}
            Input::Message { peer, data } => match self.coap.receive(now, peer, data) {
                Some(Incoming::Request {
                    responder,
                    message,
                    body,
                }) => self.serve(now, responder, &message, &body),
                Some(Incoming::Response {
                    exchange, message, ..
                }) => {
                    let name = self.finish(exchange, Ok(message.code()));
                    if name.as_deref() == Some("register") && message.code() == Code::CREATED {
                        let location = message.strings(OptionNumber::LOCATION_PATH).flatten();
                        let location: Vec<_> = location.collect();
                        self.location = Some(format!("/{}", location.join("/")));
                    }
                }
                Some(Incoming::Unsolicited { peer, message }) => {
                    self.coap.reject(now, peer, &message);
                }
                _ => {}
            },
            Input::Timeout => self.coap.handle_timeout(now),
            _ => {}
        }
        self.on_events();
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.coap.poll_transmit(now, buf)
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        let id = self.connect.take()?;
        let security = match &self.psk {
            None => Credentials::NoSec,
            Some((identity, key)) => Credentials::Psk { identity, key },
        };
        Some(Action::Connect {
            id,
            uri: &self.uri,
            security,
        })
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.coap.poll_timeout()
    }
}
