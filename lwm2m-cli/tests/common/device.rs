//! A device that says what a test tells it to, over UDP without security.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Instant,
};

use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Code, Message, MessageId, MessageType, MessageWriter, OptionNumber, Token},
};

use super::PATIENCE;

/// The device.
pub struct Device {
    socket: UdpSocket,
    next_id: u16,
    /// Location of its registration: the last segment.
    pub location: String,
}

/// A request of the server.
#[derive(Debug, Clone)]
pub struct Asked {
    pub code: Code,
    id: MessageId,
    pub token: Token,
    pub path: String,
    pub query: Vec<String>,
    pub observe: Option<u32>,
    pub format: Option<ContentFormat>,
    pub accept: Option<ContentFormat>,
    pub payload: Vec<u8>,
}

/// A response of the server.
#[derive(Debug)]
pub struct Got {
    pub code: Code,
    pub location: Vec<String>,
    pub diagnostic: String,
}

/// Options of a message, in ascending order of their numbers.
type Options<'o> = [(OptionNumber, &'o [u8])];

impl Device {
    pub fn new(server: Option<SocketAddr>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
        socket
            .connect(server.expect("a CoAP address"))
            .expect("connected");
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        Self {
            socket,
            next_id: 1,
            location: String::new(),
        }
    }

    /// Talks to another address of the server, from the same address of its own.
    pub fn reconnect(&self, server: Option<SocketAddr>) {
        self.socket
            .connect(server.expect("an address"))
            .expect("connected");
    }

    fn write(
        &self,
        (kind, code): (MessageType, Code),
        (id, token): (MessageId, Token),
        options: &Options<'_>,
        payload: &[u8],
    ) {
        let mut buf = [0; 2048];
        let mut writer = MessageWriter::new(&mut buf, kind, code, id, token).expect("fits");
        for (number, value) in options {
            writer.option(*number, value).expect("fits");
        }
        let len = writer.payload(payload).expect("fits");
        self.socket.send(&buf[..len]).expect("sent");
    }

    fn receive<T>(&self, mut take: impl FnMut(&Message<'_>) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut buf = [0; 2048];
        while Instant::now() < deadline {
            let len = self.socket.recv(&mut buf).expect("a message of the server");
            let message = Message::parse(&buf[..len]).expect("CoAP");
            if let Some(taken) = take(&message) {
                return taken;
            }
        }
        panic!("the server sent something else only")
    }

    /// Sends a request and waits for its response.
    pub fn request(&mut self, code: Code, options: &Options<'_>, payload: &[u8]) -> Got {
        let (id, token) = (MessageId(self.next_id), self.token());
        self.next_id += 1;
        self.write(
            (MessageType::Confirmable, code),
            (id, token),
            options,
            payload,
        );
        self.receive(|message| {
            (message.token() == token && message.code().is_response()).then(|| Got {
                code: message.code(),
                location: message
                    .strings(OptionNumber::LOCATION_PATH)
                    .map(|segment| segment.expect("UTF-8").to_owned())
                    .collect(),
                diagnostic: String::from_utf8_lossy(message.payload()).into_owned(),
            })
        })
    }

    fn token(&self) -> Token {
        Token::new(&self.next_id.to_be_bytes()).expect("two bytes")
    }

    /// Registers with parameters such as `lt=300` and an object list.
    pub fn try_register(&mut self, endpoint: &str, parameters: &[&str], objects: &str) -> Got {
        let endpoint = format!("ep={endpoint}");
        let mut options: Vec<(OptionNumber, &[u8])> = vec![
            (OptionNumber::URI_PATH, b"rd"),
            (OptionNumber::CONTENT_FORMAT, &[40]),
            (OptionNumber::URI_QUERY, endpoint.as_bytes()),
        ];
        options.extend(
            parameters
                .iter()
                .map(|p| (OptionNumber::URI_QUERY, p.as_bytes())),
        );
        self.request(Code::POST, &options, objects.as_bytes())
    }

    /// Registers with LwM2M 1.1 and usual objects.
    pub fn register(&mut self, endpoint: &str, more: &[&str]) {
        let mut parameters = vec!["lwm2m=1.1", "lt=300"];
        parameters.extend(more);
        let objects = "</>;ct=112,</1/0>,</3/0>,</3303>;ver=1.1,</3303/0>";
        let got = self.try_register(endpoint, &parameters, objects);
        assert_eq!(got.code, Code::CREATED, "{}", got.diagnostic);
        assert_eq!(got.location.first().map(String::as_str), Some("rd"));
        self.location = got.location.last().expect("a location").clone();
    }

    fn at_location(&mut self, code: Code) -> Code {
        let location = self.location.clone();
        let options: [(OptionNumber, &[u8]); 2] = [
            (OptionNumber::URI_PATH, b"rd"),
            (OptionNumber::URI_PATH, location.as_bytes()),
        ];
        self.request(code, &options, &[]).code
    }

    /// Sends an empty Update.
    pub fn update(&mut self) -> Code {
        self.at_location(Code::POST)
    }

    pub fn deregister(&mut self) -> Code {
        self.at_location(Code::DELETE)
    }

    /// Waits for a request of the server.
    pub fn asked(&self) -> Asked {
        self.receive(|message| {
            let text = |segment: Option<&str>| segment.expect("UTF-8").to_owned();
            let path = message
                .uri_path()
                .map(|segment| format!("/{}", text(segment)));
            message.code().is_request().then(|| Asked {
                code: message.code(),
                id: message.id(),
                token: message.token(),
                path: path.collect(),
                query: message.uri_query().map(text).collect(),
                observe: message.observe(),
                format: message.content_format(),
                accept: message.accept(),
                payload: message.payload().to_vec(),
            })
        })
    }

    /// Answers a request.
    pub fn answer(&self, asked: &Asked, code: Code, options: &Options<'_>, payload: &[u8]) {
        let kind = (MessageType::Acknowledgement, code);
        self.write(kind, (asked.id, asked.token), options, payload);
    }

    /// Waits for a request with this method and path, and answers it.
    pub fn play(
        &self,
        (method, path): (Code, &str),
        code: Code,
        options: &Options<'_>,
        payload: &[u8],
    ) -> Asked {
        let asked = self.asked();
        assert_eq!((asked.code, &*asked.path), (method, path));
        self.answer(&asked, code, options, payload);
        asked
    }

    /// Sends a Confirmable notification of text, and waits for what the server says to it.
    pub fn notify(&mut self, token: Token, sequence: u8, text: &str) -> MessageType {
        let id = MessageId(self.next_id);
        self.next_id += 1;
        let options: [(OptionNumber, &[u8]); 2] = [
            (OptionNumber::OBSERVE, &[sequence]),
            (OptionNumber::CONTENT_FORMAT, &[]),
        ];
        let kind = (MessageType::Confirmable, Code::CONTENT);
        self.write(kind, (id, token), &options, text.as_bytes());
        self.receive(|message| (message.id() == id).then(|| message.message_type()))
    }
}

/// Decodes a payload of the server as `path=value` texts, with the types that it states.
pub fn values(asked: &Asked, base: &str) -> Vec<String> {
    let types = lwm2m_model::Registry::core();
    let types = types.types(|_| lwm2m_codec::Version::V1_1);
    let base: Path = base.parse().expect("a path");
    let format = asked.format.expect("a format");
    let decoder = lwm2m_codec::Decoder::new(format, base, &asked.payload, &types);
    decoder
        .expect("decodable")
        .map(|record| {
            let record = record.expect("a record");
            match record.value {
                Some(value) => format!("{}={value}", record.path),
                None => record.path.to_string(),
            }
        })
        .collect()
}
