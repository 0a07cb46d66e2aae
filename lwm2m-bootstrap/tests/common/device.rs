//! A device that asks for a bootstrap and does what it is told.

use lwm2m_bootstrap::device::{Progress, Provisioning};
use lwm2m_coap::{
    Action, Config, ConnectId, Credentials, Draft, Duration, EXCHANGE_LIFETIME, Endpoint,
    EndpointEvent, Engine, ExchangeId, Incoming, Input, Instant, PeerId, RequestOptions, Transmit,
};
use lwm2m_codec::{
    ContentFormat,
    coap::{Code, Message},
};
use lwm2m_model::Tree;

use super::{BOOTSTRAP, MAX_BODY};

/// How a bootstrap ended on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Provisioned,
    Refused(Code),
    NoAnswer,
    NoFinish,
}

/// Answers instead of the device; gets the number of the request.
pub type Override = fn(usize, &Message<'_>) -> Option<Draft>;

#[derive(Debug)]
pub struct TestDevice {
    pub tree: Tree,
    pub ended: Option<Ended>,
    pub requests: Vec<(Code, String)>,
    pub peer: Option<PeerId>,
    endpoint: Endpoint,
    query: Vec<String>,
    psk: Option<(Vec<u8>, Vec<u8>)>,
    connect: bool,
    pack: bool,
    answer: Option<Override>,
    silent_after: usize,
    exchange: Option<ExchangeId>,
    provisioning: Option<Provisioning>,
    deadline: Option<Instant>,
    answered: usize,
}

impl TestDevice {
    pub fn new(tree: Tree, query: &[&str], seed: u64) -> Self {
        Self {
            tree,
            ended: None,
            requests: Vec::new(),
            peer: None,
            endpoint: Endpoint::new(Config::device(), seed),
            query: query.iter().map(ToString::to_string).collect(),
            psk: None,
            connect: true,
            pack: false,
            answer: None,
            silent_after: usize::MAX,
            exchange: None,
            provisioning: None,
            deadline: None,
            answered: 0,
        }
    }

    pub fn psk(mut self, identity: &[u8], key: &[u8]) -> Self {
        self.psk = Some((identity.to_vec(), key.to_vec()));
        self
    }

    /// Sends a Bootstrap-Pack-Request in place of a Bootstrap-Request.
    pub fn asking_for_pack(mut self) -> Self {
        self.pack = true;
        self
    }

    pub fn overriding(mut self, answer: Override) -> Self {
        self.answer = Some(answer);
        self
    }

    /// Receives nothing any more after that many requests.
    pub fn silent_after(mut self, requests: usize) -> Self {
        self.silent_after = requests;
        self
    }

    /// Asks the bootstrap server (again).
    pub fn ask(&mut self, now: Instant) {
        if let Some(provisioning) = self.provisioning.take() {
            provisioning.abort(&mut self.tree);
        }
        let mut draft = match self.pack {
            true => Draft::new(Code::GET).path_segment("bspack"),
            false => Draft::new(Code::POST).path_segment("bs"),
        };
        for parameter in &self.query {
            draft = draft.query(parameter);
        }
        let peer = self.peer.expect("a connection");
        let options = RequestOptions::default();
        self.exchange = Some(self.endpoint.request(now, peer, draft, options).unwrap());
        self.provisioning = Some(Provisioning::new(BOOTSTRAP));
        self.deadline = Some(now + EXCHANGE_LIFETIME);
        self.ended = None;
    }

    fn end(&mut self, ended: Ended) {
        if let Some(provisioning) = self.provisioning.take() {
            provisioning.abort(&mut self.tree);
        }
        self.deadline = None;
        self.ended = Some(ended);
    }

    fn on_request(&mut self, now: Instant, message: &Message<'_>, body: &[u8]) -> Draft {
        let path: Vec<_> = message.uri_path().flatten().collect();
        let format = message.content_format().and_then(ContentFormat::name);
        let line = format!("/{} {}", path.join("/"), format.unwrap_or_default());
        self.requests.push((message.code(), line.trim_end().into()));
        let number = self.answered;
        self.answered += 1;
        if let Some(draft) = self.answer.and_then(|answer| answer(number, message)) {
            return draft;
        }
        let Some(provisioning) = &mut self.provisioning else {
            return Draft::new(Code::NOT_FOUND);
        };
        self.deadline = Some(now + EXCHANGE_LIFETIME);
        let (draft, progress) = provisioning.handle(&mut self.tree, message, body, MAX_BODY);
        if progress == Progress::Finished {
            self.end(Ended::Provisioned);
        }
        draft
    }

    fn receive(&mut self, now: Instant, peer: PeerId, data: &[u8]) {
        match self.endpoint.receive(now, peer, data) {
            Some(Incoming::Request {
                responder,
                message,
                body,
            }) => {
                let draft = self.on_request(now, &message, &body);
                self.endpoint.respond(now, responder, draft);
            }
            Some(Incoming::Response { message, .. }) if !message.code().is_success() => {
                self.end(Ended::Refused(message.code()));
            }
            _ => {}
        }
    }
}

impl Engine for TestDevice {
    type Event<'e> = ();

    fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::PeerUp { peer, .. } => {
                self.endpoint.peer_up(now, peer);
                self.peer = Some(peer);
                self.ask(now);
            }
            Input::Message { peer, data } if self.answered < self.silent_after => {
                self.receive(now, peer, data);
            }
            Input::Timeout => {
                self.endpoint.handle_timeout(now);
                if self.deadline.is_some_and(|deadline| deadline <= now) {
                    self.end(Ended::NoFinish);
                }
            }
            _ => {}
        }
        while let Some(event) = self.endpoint.poll_event() {
            if matches!(event, EndpointEvent::ExchangeFailed { exchange, .. }
                if Some(exchange) == self.exchange)
                && self.answered == 0
            {
                self.end(Ended::NoAnswer);
            }
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.endpoint.poll_transmit(now, buf)
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        std::mem::take(&mut self.connect).then_some(Action::Connect {
            id: ConnectId(0),
            uri: if self.psk.is_some() {
                "coaps://bs"
            } else {
                "coap://bs"
            },
            security: match &self.psk {
                Some((identity, key)) => Credentials::Psk { identity, key },
                None => Credentials::NoSec,
            },
        })
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint
            .poll_timeout()
            .into_iter()
            .chain(self.deadline)
            .min()
    }
}

/// Longer than any bootstrap takes.
pub const LONG: Duration = Duration::from_secs(3600);
