//! A small engine around the endpoint: it serves by a script and records what comes.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use lwm2m_coap::{
    Action, Binding, Config, ConnectId, Credentials, Draft, Duration, Endpoint, EndpointEvent,
    Engine, ExchangeError, ExchangeId, Identity, Incoming, Input, Instant, MAX_DATAGRAM, PeerId,
    RequestError, RequestOptions, Responder, Transmit,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::coap::{
    Block, Code, Message, MessageId, MessageType, MessageWriter, OptionNumber, Token,
};

/// A request as the script sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub at: Instant,
    pub peer: PeerId,
    pub code: Code,
    pub path: String,
    pub body: Vec<u8>,
    pub token: Token,
    pub observe: Option<u32>,
}

/// How the script answers.
pub enum Reply {
    Now(Draft),
    /// Says nothing until later.
    Later(Duration, Draft),
    /// Acknowledges now.
    Deferred(Duration, Draft),
    Never,
    /// As if it had been lost.
    Ignored,
}

/// A response that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub at: Instant,
    pub exchange: ExchangeId,
    pub code: Code,
    pub observe: Option<u32>,
    pub body: Vec<u8>,
}

/// An unsolicited response that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub at: Instant,
    pub token: Token,
    pub datagram: Vec<u8>,
}

type Script = Box<dyn FnMut(&Ask) -> Reply>;

/// The engine.
pub struct Tester {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub connect: Option<&'static str>,
    pub peers: Vec<PeerId>,
    pub script: Script,
    pub asked: Vec<Ask>,
    pub answers: Vec<Answer>,
    pub notices: Vec<Notice>,
    /// What to do with unsolicited responses.
    pub accepts: bool,
    pub events: Vec<(Instant, EndpointEvent)>,
    later: Vec<(Instant, Responder, Draft)>,
    /// Responders that the script never answers.
    pub kept: Vec<Responder>,
}

impl Tester {
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            endpoint: Endpoint::new(config, seed),
            now: Instant::ZERO,
            connect: None,
            peers: Vec::new(),
            script: Box::new(|_| Reply::Now(Draft::new(Code::NOT_FOUND))),
            asked: Vec::new(),
            answers: Vec::new(),
            notices: Vec::new(),
            accepts: true,
            events: Vec::new(),
            later: Vec::new(),
            kept: Vec::new(),
        }
    }

    pub fn serving(mut self, script: impl FnMut(&Ask) -> Reply + 'static) -> Self {
        self.script = Box::new(script);
        self
    }

    pub fn connecting(mut self, uri: &'static str) -> Self {
        self.connect = Some(uri);
        self
    }

    /// The last peer that came up.
    pub fn peer(&self) -> PeerId {
        *self.peers.last().expect("a peer")
    }

    pub fn request(&mut self, now: Instant, draft: Draft) -> Result<ExchangeId, RequestError> {
        let peer = self.peer();
        self.endpoint
            .request(now, peer, draft, RequestOptions::default())
    }

    pub fn failures(&self) -> Vec<(Instant, ExchangeError)> {
        let failures = self.events.iter().filter_map(|(at, event)| match event {
            EndpointEvent::ExchangeFailed { reason, .. } => Some((*at, *reason)),
            _ => None,
        });
        failures.collect()
    }

    fn on(&mut self, incoming: Incoming<'_>, datagram: &[u8]) {
        match incoming {
            Incoming::Request {
                responder,
                message,
                body,
            } => self.on_request(responder, message, body.into_owned()),
            Incoming::Response {
                exchange,
                observe,
                message,
                body,
                ..
            } => self.answers.push(Answer {
                at: self.now,
                exchange,
                code: message.code(),
                observe,
                body: body.into_owned(),
            }),
            Incoming::Unsolicited { peer, message } => {
                match self.accepts {
                    true => self.endpoint.accept(self.now, peer, &message),
                    false => self.endpoint.reject(self.now, peer, &message),
                }
                self.notices.push(Notice {
                    at: self.now,
                    token: message.token(),
                    datagram: datagram.to_vec(),
                });
            }
            other => panic!("{other:?}"),
        }
    }

    fn on_request(&mut self, responder: Responder, message: Message<'_>, body: Vec<u8>) {
        let path = message
            .uri_path()
            .map(|segment| format!("/{}", segment.unwrap_or("?")));
        let ask = Ask {
            at: self.now,
            peer: responder.peer(),
            code: message.code(),
            path: path.collect(),
            body,
            token: responder.token(),
            observe: message.observe(),
        };
        let reply = (self.script)(&ask);
        self.asked.push(ask);
        match reply {
            Reply::Now(draft) => self.endpoint.respond(self.now, responder, draft),
            Reply::Later(after, draft) => self.later.push((self.now + after, responder, draft)),
            Reply::Deferred(after, draft) => {
                self.endpoint.defer(self.now, &responder);
                self.later.push((self.now + after, responder, draft));
            }
            Reply::Never => self.kept.push(responder),
            Reply::Ignored => self.endpoint.ignore(self.now, responder),
        }
    }
}

impl Engine for Tester {
    type Event<'e> = ();

    fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        match input {
            Input::PeerUp { peer, .. } => {
                self.endpoint.peer_up(now, peer);
                self.peers.push(peer);
            }
            Input::PeerDown { peer, .. } => self.endpoint.peer_down(now, peer),
            Input::Message { peer, data } => {
                if let Some(incoming) = self.endpoint.receive(now, peer, data) {
                    self.on(incoming, data);
                }
            }
            _ => self.endpoint.handle_timeout(now),
        }
        while let Some(due) = self.later.iter().position(|(at, ..)| *at <= now) {
            let (_, responder, draft) = self.later.remove(due);
            self.endpoint.respond(now, responder, draft);
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.events.push((now, event));
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        while let Some(event) = self.endpoint.poll_event() {
            self.events.push((now, event));
        }
        self.endpoint.poll_transmit(now, buf)
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        self.connect.take().map(|uri| Action::Connect {
            id: ConnectId(1),
            uri,
            security: Credentials::NoSec,
        })
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let later = self.later.iter().map(|(at, ..)| *at);
        later.chain(self.endpoint.poll_timeout()).min()
    }
}

/// A requester and a resource server on a network, connected.
pub struct Pair {
    pub net: Network,
    pub client: NodeId,
    pub server: NodeId,
}

impl Pair {
    pub fn new(client: Tester, server: Tester, link: LinkConfig, seed: u64) -> Self {
        let mut net = Network::new(link, seed);
        let server = net.add_host("server", server);
        let client = net.add(client.connecting("coap://server"));
        net.run_for(Duration::from_secs(10));
        assert_eq!(net.get::<Tester>(client).peers.len(), 1, "connected");
        Self {
            net,
            client,
            server,
        }
    }

    /// Default configuration on a perfect link.
    pub fn serving(script: impl FnMut(&Ask) -> Reply + 'static) -> Self {
        Self::configured(Config::default(), Config::default(), script)
    }

    pub fn configured(
        client: Config,
        server: Config,
        script: impl FnMut(&Ask) -> Reply + 'static,
    ) -> Self {
        let server = Tester::new(server, 2).serving(script);
        Self::new(Tester::new(client, 1), server, LinkConfig::default(), 3)
    }

    pub fn client(&mut self) -> &mut Tester {
        self.net.get_mut(self.client)
    }

    pub fn server(&mut self) -> &mut Tester {
        self.net.get_mut(self.server)
    }

    pub fn request(&mut self, draft: Draft) -> ExchangeId {
        let now = self.net.now();
        self.client().request(now, draft).expect("a request")
    }

    pub fn run(&mut self, seconds: u64) {
        self.net.run_for(Duration::from_secs(seconds));
    }

    /// Sends a request, and runs for 10 minutes; returns the only answer.
    pub fn ask(&mut self, draft: Draft) -> Answer {
        self.client().answers.clear();
        self.request(draft);
        self.run(600);
        let answers = core::mem::take(&mut self.client().answers);
        assert_eq!(answers.len(), 1, "one answer; {:?}", self.client().events);
        answers.into_iter().next().expect("an answer")
    }

    pub fn assert_idle(&mut self) {
        self.run(600);
        assert!(
            self.client().endpoint.is_idle(),
            "{:?}",
            self.client().endpoint
        );
        assert!(
            self.server().endpoint.is_idle(),
            "{:?}",
            self.server().endpoint
        );
    }
}

/// One endpoint whose peer is the test itself.
pub struct Bench {
    pub engine: Tester,
    pub now: Instant,
    pub peer: PeerId,
}

pub const PEER: PeerId = PeerId {
    index: 0,
    generation: 1,
};

impl Bench {
    pub fn new(config: Config) -> Self {
        Self::seeded(config, 1)
    }

    pub fn seeded(config: Config, seed: u64) -> Self {
        let mut bench = Self {
            engine: Tester::new(config, seed),
            now: Instant::from_micros(1_000_000),
            peer: PEER,
        };
        bench.peer_up(PEER);
        bench
    }

    pub fn serving(mut self, script: impl FnMut(&Ask) -> Reply + 'static) -> Self {
        self.engine.script = Box::new(script);
        self
    }

    pub fn peer_up(&mut self, peer: PeerId) {
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5683);
        let input = Input::PeerUp {
            peer,
            binding: Binding::Udp,
            remote,
            identity: Identity::NoSec,
            connect: None,
        };
        self.engine.handle_input(self.now, input);
        self.peer = peer;
    }

    /// Hands a datagram in; returns what goes out at once.
    pub fn feed(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        let input = Input::Message {
            peer: self.peer,
            data,
        };
        self.engine.handle_input(self.now, input);
        self.drain()
    }

    /// What goes out now.
    pub fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let mut buf = [0; MAX_DATAGRAM];
        while let Some(sent) = self.engine.poll_transmit(self.now, &mut buf) {
            assert!(sent.len <= MAX_DATAGRAM);
            out.push(buf[..sent.len].to_vec());
        }
        out
    }

    /// Lets time pass; returns what went out, with the time since the call.
    pub fn pass(&mut self, duration: Duration) -> Vec<(Duration, Vec<u8>)> {
        let (start, end) = (self.now, self.now + duration);
        let mut out: Vec<_> = self
            .drain()
            .into_iter()
            .map(|d| (Duration::ZERO, d))
            .collect();
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.engine.handle_input(self.now, Input::Timeout);
            let since = self.now.since(start);
            out.extend(self.drain().into_iter().map(|datagram| (since, datagram)));
        }
        self.now = end;
        out
    }

    pub fn request(&mut self, draft: Draft) -> ExchangeId {
        self.engine.request(self.now, draft).expect("a request")
    }
}

/// Writes a datagram.
pub fn datagram(
    message_type: MessageType,
    code: Code,
    id: u16,
    token: &[u8],
    options: &[(OptionNumber, &[u8])],
    payload: &[u8],
) -> Vec<u8> {
    let mut buf = vec![0; 4096];
    let token = Token::new(token).expect("a token");
    let mut writer = MessageWriter::new(&mut buf, message_type, code, MessageId(id), token)
        .expect("a header fits");
    for (number, value) in options {
        writer.option(*number, value).expect("an option fits");
    }
    let len = writer.payload(payload).expect("a payload fits");
    buf.truncate(len);
    buf
}

/// A Confirmable request for `/a`.
pub fn con(code: Code, id: u16) -> Vec<u8> {
    let path: &[_] = &[(OptionNumber::URI_PATH, &b"a"[..])];
    datagram(MessageType::Confirmable, code, id, &[1, 2], path, b"")
}

/// An Empty message.
pub fn empty(message_type: MessageType, id: u16) -> Vec<u8> {
    datagram(message_type, Code::EMPTY, id, b"", &[], b"")
}

pub fn parse(datagram: &[u8]) -> Message<'_> {
    Message::parse(datagram).expect("a message")
}

/// The response to a request, piggybacked.
pub fn piggyback(
    request: &[u8],
    code: Code,
    options: &[(OptionNumber, &[u8])],
    payload: &[u8],
) -> Vec<u8> {
    let request = parse(request);
    datagram(
        MessageType::Acknowledgement,
        code,
        request.id().0,
        request.token().as_bytes(),
        options,
        payload,
    )
}

/// The shortest bytes of an option value.
pub fn uint(value: u32) -> Vec<u8> {
    let zeros = (value.leading_zeros() / 8) as usize;
    value.to_be_bytes()[zeros..].to_vec()
}

/// The bytes of a Block option.
pub fn block(num: u32, more: bool, size: usize) -> Vec<u8> {
    uint(Block::new(num, more, size).to_uint())
}

/// A body that shows mixed-up blocks.
pub fn body(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 7 + i * 31) as u8).collect()
}

pub fn get(path: &str) -> Draft {
    Draft::new(Code::GET).path_segment(path)
}

pub fn content(payload: &[u8]) -> Draft {
    Draft {
        payload: payload.to_vec(),
        ..Draft::new(Code::CONTENT)
    }
}

/// A configuration with blocks of this size.
pub fn blocks_of(size: usize) -> Config {
    let mut config = Config::default();
    config.block_size = size;
    config
}
