//! A device under test and a scripted server, joined in virtual time.
#![allow(dead_code, unreachable_pub)]

pub mod boot;

use std::collections::VecDeque;

use lwm2m_client::{Client, Config, Event};
use lwm2m_coap::{
    Action, Draft, Duration, Endpoint, EndpointEvent, Engine, ExchangeError, ExchangeId, Incoming,
    Input, Instant, PeerId, RequestOptions, Transmit,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Code, Message, OptionNumber, Token},
};
use lwm2m_model::{
    CoreLink, Tree, Typed,
    objects::{Device, Security, Server, Temperature, TestObject},
};

/// A request that the scripted server got.
#[derive(Debug, Clone)]
pub struct Got {
    pub at: Instant,
    pub code: Code,
    pub path: String,
    pub queries: Vec<String>,
    pub format: Option<ContentFormat>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn body_text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A response or notification that the scripted server got.
#[derive(Debug, Clone)]
pub struct Answer {
    pub at: Instant,
    pub code: Code,
    pub format: Option<ContentFormat>,
    pub observe: Option<u32>,
    pub location: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A server that answers by script and sends what the test tells it to.
pub struct Script {
    endpoint: Endpoint,
    now: Instant,
    pub peer: Option<PeerId>,
    /// Answers to the next requests, in order; 2.01 and 2.04 as fits when there is none.
    pub answers: VecDeque<Option<Draft>>,
    pub got: Vec<Got>,
    pub responses: Vec<(ExchangeId, Answer)>,
    pub failures: Vec<(ExchangeId, ExchangeError)>,
    pub notifications: Vec<(Token, Answer)>,
    /// Tokens whose notifications are taken; others are reset.
    pub observed: Vec<Token>,
    /// A peer whose session ends as soon as the network settles.
    hang_up: Option<PeerId>,
}

impl Script {
    pub fn new() -> Self {
        Self {
            endpoint: Endpoint::new(lwm2m_coap::Config::default(), 7),
            now: Instant::ZERO,
            peer: None,
            answers: VecDeque::new(),
            got: Vec::new(),
            responses: Vec::new(),
            failures: Vec::new(),
            notifications: Vec::new(),
            observed: Vec::new(),
            hang_up: None,
        }
    }

    /// Ends the session of the device.
    pub fn hang_up(&mut self) {
        self.hang_up = self.peer.take();
    }

    pub fn send(&mut self, now: Instant, draft: Draft) -> (ExchangeId, Token) {
        self.send_by(now, draft, RequestOptions::default())
    }

    pub fn send_by(
        &mut self,
        now: Instant,
        draft: Draft,
        options: RequestOptions,
    ) -> (ExchangeId, Token) {
        let peer = self.peer.expect("a device is connected");
        let id = self.endpoint.request(now, peer, draft, options).unwrap();
        (id, self.endpoint.token_of(id).unwrap())
    }

    fn on_message(&mut self, peer: PeerId, data: &[u8]) {
        match self.endpoint.receive(self.now, peer, data) {
            Some(Incoming::Request {
                responder,
                message,
                body,
            }) => {
                self.got.push(Got {
                    at: self.now,
                    code: message.code(),
                    path: join(&message, OptionNumber::URI_PATH),
                    queries: message.uri_query().flatten().map(String::from).collect(),
                    format: message.content_format(),
                    body: body.to_vec(),
                });
                let got = self.got.last().unwrap();
                let draft = match self.answers.pop_front() {
                    Some(Some(draft)) => draft,
                    Some(None) => return self.endpoint.ignore(self.now, responder),
                    None if got.path == "/rd" => Draft::new(Code::CREATED)
                        .option(OptionNumber::LOCATION_PATH, b"rd")
                        .option(OptionNumber::LOCATION_PATH, b"5a3f"),
                    None if got.code == Code::DELETE => Draft::new(Code::DELETED),
                    None => Draft::new(Code::CHANGED),
                };
                self.endpoint.respond(self.now, responder, draft);
            }
            Some(Incoming::Response {
                exchange,
                observe,
                message,
                body,
                ..
            }) => {
                let answer = answer(self.now, &message, observe, &body);
                self.responses.push((exchange, answer));
            }
            Some(Incoming::Unsolicited { peer, message }) => {
                if self.observed.contains(&message.token()) {
                    self.endpoint.accept(self.now, peer, &message);
                    let answer = answer(self.now, &message, message.observe(), message.payload());
                    self.notifications.push((message.token(), answer));
                } else {
                    self.endpoint.reject(self.now, peer, &message);
                }
            }
            _ => {}
        }
    }
}

fn join(message: &Message<'_>, number: OptionNumber) -> String {
    message
        .strings(number)
        .flatten()
        .fold(String::new(), |path, s| path + "/" + s)
}

fn answer(at: Instant, message: &Message<'_>, observe: Option<u32>, body: &[u8]) -> Answer {
    Answer {
        at,
        code: message.code(),
        format: message.content_format(),
        observe,
        location: join(message, OptionNumber::LOCATION_PATH),
        body: body.to_vec(),
    }
}

impl Engine for Script {
    type Event<'e> = ();

    fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        match input {
            Input::PeerUp { peer, .. } => {
                self.endpoint.peer_up(now, peer);
                self.peer = Some(peer);
            }
            Input::PeerDown { peer, .. } => self.endpoint.peer_down(now, peer),
            Input::Message { peer, data } => self.on_message(peer, data),
            Input::Timeout => self.endpoint.handle_timeout(now),
            _ => {}
        }
        while let Some(event) = self.endpoint.poll_event() {
            if let EndpointEvent::ExchangeFailed { exchange, reason } = event {
                self.failures.push((exchange, reason));
            }
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.endpoint.poll_transmit(now, buf)
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        let peer = self.hang_up.take()?;
        self.endpoint.peer_down(self.now, peer);
        Some(Action::Close { peer })
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }
}

/// The device's objects: one NoSec account of the server `server`, and things to play with.
pub fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(0, security(1, "coap://server")));
    tree.insert(Typed::new().with(0, server(1)));
    tree.insert(
        Typed::new()
            .with(
                0,
                Device {
                    manufacturer: Some("Open Mobile Alliance".into()),
                    battery_level: Some(95),
                    error_code: [(0, 0)].into(),
                    available_power_sources: [(0, 1), (1, 5)].into(),
                    utc_offset: Some("+01:00".into()),
                    supported_binding_and_modes: "U".into(),
                    ..Device::default()
                },
            )
            .on_execute(|path, _, _| {
                assert_eq!(path, Path::resource(3, 0, 4));
                lwm2m_model::Outcome::Done
            }),
    );
    tree.insert(Typed::new().with(
        0,
        Temperature {
            sensor_value: 21.5,
            ..Temperature::default()
        },
    ));
    tree.insert(Typed::new().with(
        0,
        TestObject {
            string_value: Some("initial value".into()),
            integer_value: Some(1024),
            boolean_value: Some(true),
            opaque_value: Some(vec![1, 2, 3]),
            multiple_integer_value: [(0, 10), (3, 30)].into(),
            core_lnk_value: Some(CoreLink("</3>".into())),
            ..TestObject::default()
        },
    ));
    tree
}

pub fn security(ssid: i64, uri: &str) -> Security {
    Security {
        lwm2m_server_uri: uri.into(),
        security_mode: 3,
        short_server_id: Some(ssid),
        ..Security::default()
    }
}

pub fn server(ssid: i64) -> Server {
    Server {
        short_server_id: ssid,
        lifetime: 300,
        binding: "U".into(),
        notification_storing_when_disabled_or_offline: true,
        mute_send: Some(false),
        ..Server::default()
    }
}

/// A device and a scripted server on one network.
pub struct World {
    pub net: Network,
    pub device: NodeId,
    pub server: NodeId,
}

pub const SECOND: Duration = Duration::from_secs(1);

impl World {
    pub fn new() -> Self {
        Self::with(Config::new("dev1"), tree(), LinkConfig::default())
    }

    pub fn with(config: Config, tree: Tree, link: LinkConfig) -> Self {
        let mut net = Network::new(link, 1);
        let server = net.add_host("server", Script::new());
        let device = net.add(Client::new(config, tree, 42));
        Self {
            net,
            device,
            server,
        }
    }

    /// A device that is registered.
    pub fn registered() -> Self {
        let mut world = Self::new();
        world.start();
        world
    }

    pub fn start(&mut self) {
        let now = self.net.now();
        self.client().start(now);
        self.run(SECOND);
        let events = self.events();
        assert!(
            matches!(events[..], [Event::Registered { .. }]),
            "{events:?}"
        );
        self.script().got.clear();
    }

    pub fn run(&mut self, duration: Duration) {
        self.net.run_for(duration);
    }

    pub fn client(&mut self) -> &mut Client {
        self.net.get_mut(self.device)
    }

    pub fn script(&mut self) -> &mut Script {
        self.net.get_mut(self.server)
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.client().poll_event()).collect()
    }

    /// Sends a request to the device and returns its answer.
    pub fn ask(&mut self, draft: Draft) -> Answer {
        self.ask_token(draft).0
    }

    pub fn ask_token(&mut self, draft: Draft) -> (Answer, Token) {
        self.ask_by(draft, RequestOptions::default())
    }

    pub fn ask_with_token(&mut self, draft: Draft, token: Token) -> Answer {
        self.ask_by(
            draft,
            RequestOptions {
                token: Some(token),
                ..Default::default()
            },
        )
        .0
    }

    fn ask_by(&mut self, draft: Draft, options: RequestOptions) -> (Answer, Token) {
        let now = self.net.now();
        let (id, token) = self.script().send_by(now, draft, options);
        let until = now + SECOND * 10;
        self.net.run_while(until, |net| {
            !net.get::<Script>(self.server)
                .responses
                .iter()
                .any(|(other, _)| *other == id)
        });
        let responses = &self.script().responses;
        let answer = responses.iter().find(|(other, _)| *other == id);
        (answer.expect("an answer").1.clone(), token)
    }

    /// Starts an observation; its notifications are taken.
    pub fn observe(&mut self, draft: Draft) -> (Answer, Token) {
        let (answer, token) = self.ask_token(draft.observe(0));
        self.script().observed.push(token);
        (answer, token)
    }

    /// Sets the temperature on the device.
    pub fn set_temperature(&mut self, value: f64) {
        let now = self.net.now();
        let set = |temperature: &mut Temperature| temperature.sensor_value = value;
        self.client()
            .update_object(now, 0, set)
            .expect("the instance");
        self.net.settle();
    }

    /// Takes the notifications that arrived, as text with their time in seconds since `start`.
    pub fn notified(&mut self, start: Instant) -> Vec<(f64, String)> {
        let notifications = std::mem::take(&mut self.script().notifications);
        let take = |(_, answer): (Token, Answer)| {
            (
                answer.at.since(start).as_secs_f64(),
                answer.text().to_owned(),
            )
        };
        notifications.into_iter().map(take).collect()
    }
}

pub fn get(path: &str) -> Draft {
    on(Code::GET, path)
}

pub fn on(method: Code, path: &str) -> Draft {
    path.split('/')
        .filter(|s| !s.is_empty())
        .fold(Draft::new(method), |d, s| d.path_segment(s))
}
