//! What the tests share: a server on a bare wire, and a scripted device for the network.
#![allow(dead_code, unreachable_pub)]

pub mod device;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    vec::Vec,
};

use lwm2m_coap::{
    Action, Binding, Duration, Engine, Identity, Input, Instant, PeerId, sim::Network, sim::NodeId,
};
use lwm2m_codec::{
    ContentFormat,
    coap::{Code, Message, MessageId, MessageType, MessageWriter, OptionNumber, Token},
};
use lwm2m_server::{Config, Event, Registration, RegistrationId, Server};

/// The list of objects that most tests register.
pub const OBJECTS: &str = "</1/0>,</3/0>,</3303/0>";

/// A message of the server, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub peer: PeerId,
    pub message_type: MessageType,
    pub code: Code,
    pub id: MessageId,
    pub token: Token,
    pub path: String,
    pub location: Vec<String>,
    pub queries: Vec<String>,
    pub observe: Option<u32>,
    pub accept: Option<ContentFormat>,
    pub format: Option<ContentFormat>,
    pub payload: Vec<u8>,
}

impl Received {
    fn parse(peer: PeerId, datagram: &[u8]) -> Self {
        let message = Message::parse(datagram).expect("the server writes valid messages");
        let texts = |number| -> Vec<String> {
            let texts = message.strings(number);
            texts.map(|text| text.unwrap().to_string()).collect()
        };
        Self {
            peer,
            message_type: message.message_type(),
            code: message.code(),
            id: message.id(),
            token: message.token(),
            path: format!("/{}", texts(OptionNumber::URI_PATH).join("/")),
            location: texts(OptionNumber::LOCATION_PATH),
            queries: texts(OptionNumber::URI_QUERY),
            observe: message.observe(),
            accept: message.accept(),
            format: message.content_format(),
            payload: message.payload().to_vec(),
        }
    }
}

/// A message to the server.
#[derive(Debug, Clone)]
pub struct Sent<'a> {
    pub message_type: MessageType,
    pub code: Code,
    pub token: Token,
    pub id: Option<MessageId>,
    pub path: &'a str,
    pub queries: &'a [&'a str],
    pub observe: Option<u32>,
    pub format: Option<ContentFormat>,
    pub payload: &'a [u8],
}

impl Default for Sent<'_> {
    fn default() -> Self {
        Self {
            message_type: MessageType::Confirmable,
            code: Code::POST,
            token: Token::new(b"t").unwrap(),
            id: None,
            path: "/rd",
            queries: &[],
            observe: None,
            format: None,
            payload: b"",
        }
    }
}

impl Sent<'_> {
    /// The datagram.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_as(self.id.unwrap_or(MessageId(0)))
    }

    fn bytes_as(&self, id: MessageId) -> Vec<u8> {
        let mut buf = vec![0; 2048];
        let mut writer =
            MessageWriter::new(&mut buf, self.message_type, self.code, id, self.token).unwrap();
        if let Some(observe) = self.observe {
            writer.uint(OptionNumber::OBSERVE, observe).unwrap();
        }
        for segment in self.path.split('/').skip(1) {
            let number = OptionNumber::URI_PATH;
            writer.option(number, segment.as_bytes()).unwrap();
        }
        if let Some(format) = self.format {
            let number = OptionNumber::CONTENT_FORMAT;
            writer.uint(number, u32::from(format.0)).unwrap();
        }
        for query in self.queries {
            let number = OptionNumber::URI_QUERY;
            writer.option(number, query.as_bytes()).unwrap();
        }
        let len = writer.payload(self.payload).unwrap();
        buf.truncate(len);
        buf
    }
}

/// A server whose datagrams the test writes and reads itself.
pub struct Wire {
    pub server: Server,
    pub now: Instant,
    message_id: u16,
}

impl Wire {
    pub fn new(config: Config) -> Self {
        Self {
            server: Server::new(config, 1),
            now: Instant::ZERO,
            message_id: 0,
        }
    }

    pub fn peer(&mut self, index: u32, identity: Identity<'_>) -> PeerId {
        self.peer_at(index, 40_000 + index as u16, identity)
    }

    /// A peer in a slot, at an address that the port stands for.
    pub fn peer_at(&mut self, index: u32, port: u16, identity: Identity<'_>) -> PeerId {
        let peer = PeerId {
            index,
            generation: 1,
        };
        let input = Input::PeerUp {
            peer,
            binding: Binding::Udp,
            remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            identity,
            connect: None,
        };
        self.server.handle_input(self.now, input);
        peer
    }

    /// Sends a message; returns what the server sends then.
    pub fn send(&mut self, peer: PeerId, sent: &Sent<'_>) -> Vec<Received> {
        self.message_id = self.message_id.wrapping_add(1);
        let id = sent.id.unwrap_or(MessageId(self.message_id));
        let data = &sent.bytes_as(id);
        self.server
            .handle_input(self.now, Input::Message { peer, data });
        self.output()
    }

    /// Sends a request and returns its answer.
    pub fn ask(&mut self, peer: PeerId, sent: &Sent<'_>) -> Received {
        let output = self.send(peer, sent);
        output.into_iter().next().expect("an answer")
    }

    pub fn register(&mut self, peer: PeerId, queries: &[&str], objects: &str) -> Received {
        self.ask(
            peer,
            &Sent {
                queries,
                format: Some(ContentFormat::LINK),
                payload: objects.as_bytes(),
                ..Sent::default()
            },
        )
    }

    /// Registers a 1.1 device; returns its registration.
    pub fn registered(&mut self, peer: PeerId, endpoint: &str) -> RegistrationId {
        let ep = format!("ep={endpoint}");
        let answer = self.register(peer, &[&ep, "lt=300", "lwm2m=1.1"], OBJECTS);
        assert_eq!(answer.code, Code::CREATED);
        answer.location[1].parse().unwrap()
    }

    pub fn update(&mut self, peer: PeerId, id: RegistrationId, queries: &[&str]) -> Received {
        let path = format!("/rd/{id}");
        self.ask(
            peer,
            &Sent {
                path: &path,
                queries,
                ..Sent::default()
            },
        )
    }

    /// Answers a request of the server by an ACK.
    pub fn answer(&mut self, request: &Received, sent: &Sent<'_>) -> Vec<Received> {
        self.send(
            request.peer,
            &Sent {
                message_type: MessageType::Acknowledgement,
                token: request.token,
                id: Some(request.id),
                path: "",
                ..sent.clone()
            },
        )
    }

    pub fn output(&mut self) -> Vec<Received> {
        let mut buf = [0; 2048];
        let mut output = Vec::new();
        while let Some(transmit) = self.server.poll_transmit(self.now, &mut buf) {
            output.push(Received::parse(transmit.peer, &buf[..transmit.len]));
        }
        output
    }

    /// Lets time pass, with all timers; returns what the server sends.
    pub fn wait(&mut self, duration: Duration) -> Vec<Received> {
        let end = self.now + duration;
        let mut output = Vec::new();
        while let Some(at) = self.server.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.server.handle_input(self.now, Input::Timeout);
            output.extend(self.output());
        }
        self.now = end;
        output
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.server.poll_event()).collect()
    }

    pub fn closed(&mut self) -> Vec<PeerId> {
        let mut closed = Vec::new();
        while let Some(Action::Close { peer }) = self.server.poll_action() {
            closed.push(peer);
        }
        closed
    }

    pub fn registration(&self, id: RegistrationId) -> &Registration {
        self.server.registration(id).expect("registered")
    }
}

/// The events of a server in a network.
pub fn events(net: &mut Network, server: NodeId) -> Vec<Event> {
    let server = net.get_mut::<Server>(server);
    std::iter::from_fn(|| server.poll_event()).collect()
}
