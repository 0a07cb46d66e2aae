//! Messages in words, without the secrets that they carry.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    net::SocketAddr,
};

use lwm2m_coap::PeerId;
use lwm2m_codec::{
    ContentFormat, Decoder, Path, Record, TypeOf, Value,
    coap::{Block, CoapOption, Message, OptionNumber, Token},
    link::Links,
};
use lwm2m_model::{Registry, ResourceDefinition, is_secret};

/// Most requests whose paths are kept for their responses; the one not used for longest goes.
const MAX_ASKED: usize = 1024;
/// Longest text or bytes of one value that is shown, in characters.
const MAX_SHOWN: usize = 256;

/// Shows each message that a driver sends or receives, before DTLS or after it.
///
/// Secrets are left out: the values of resources that hold keys, and payloads that can't be told
/// apart from such (blocks of a body, and what can't be decoded).
pub struct Trace {
    registry: Registry,
    sink: Box<dyn FnMut(&str) + Send>,
    asked: VecDeque<Asked>,
}

/// A request that may have responses to come.
#[derive(Debug, Clone, Copy)]
struct Asked {
    peer: PeerId,
    /// Which way it went.
    direction: Direction,
    token: Token,
    path: Option<Path>,
}

impl Trace {
    /// Takes the definitions by which payloads are understood, and what gets each message as some
    /// lines of text without an end of line.
    pub fn new(registry: Registry, sink: impl FnMut(&str) + Send + 'static) -> Self {
        Self {
            registry,
            sink: Box::new(sink),
            asked: VecDeque::new(),
        }
    }

    /// Shows a message.
    pub(crate) fn message(
        &mut self,
        direction: Direction,
        peer: PeerId,
        remote: SocketAddr,
        bytes: &[u8],
    ) {
        let text = match Message::parse(bytes) {
            Ok(message) => {
                let path = self.path(direction, peer, &message);
                let words = Words {
                    message: &message,
                    path,
                    registry: &self.registry,
                };
                format!("{direction} {remote} {words}")
            }
            Err(error) => format!("{direction} {remote} {} bytes: {error}", bytes.len()),
        };
        (self.sink)(&text);
    }

    /// The path that a message is about: its own, or that of the request that it answers.
    fn path(&mut self, direction: Direction, peer: PeerId, message: &Message<'_>) -> Option<Path> {
        let is_request = message.code().is_request();
        let token = message.token();
        // Both sides choose tokens as they like.
        let direction = match is_request {
            true => direction,
            false => direction.other(),
        };
        let mut known = self.asked.iter();
        let known = known.position(|asked| {
            (asked.peer, asked.direction, asked.token) == (peer, direction, token)
        });
        let known = known.and_then(|index| self.asked.remove(index));
        let path = match is_request {
            true => target(message),
            false => known?.path,
        };
        self.asked.push_back(Asked {
            peer,
            direction,
            token,
            path,
        });
        if self.asked.len() > MAX_ASKED {
            self.asked.pop_front();
        }
        path
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("asked", &self.asked.len())
            .finish_non_exhaustive()
    }
}

/// Whether a message arrived or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Received,
    Sent,
}

impl Direction {
    const fn other(self) -> Self {
        match self {
            Self::Received => Self::Sent,
            Self::Sent => Self::Received,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Received => "<-",
            Self::Sent => "->",
        })
    }
}

/// A message in words, over several lines; secrets in it are left out.
#[derive(Debug, Clone, Copy)]
pub struct Words<'m> {
    /// The message.
    pub message: &'m Message<'m>,
    /// What its payload is about: the path of the request, also for a response to it. Without one
    /// only payloads that name their paths themselves are shown.
    pub path: Option<Path>,
    /// The definitions by which the payload is understood.
    pub registry: &'m Registry,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message;
        let (kind, code) = (message.message_type().name(), message.code());
        let (id, token) = (message.id().0, message.token());
        write!(f, "{kind} {code}, mid {id}, token {token}")?;
        if code.is_request() {
            f.write_str(", ")?;
            let segments = message.uri_path();
            if segments.clone().next().is_none() {
                f.write_char('/')?;
            }
            for segment in segments {
                write!(f, "/{}", segment.unwrap_or("(not text)"))?;
            }
        }
        for option in message.options() {
            if option.number != OptionNumber::URI_PATH {
                write!(f, "\n     ")?;
                write_option(f, &option)?;
            }
        }
        match message.payload() {
            [] => Ok(()),
            payload => self.payload(f, payload),
        }
    }
}

impl Words<'_> {
    fn payload(&self, f: &mut fmt::Formatter<'_>, payload: &[u8]) -> fmt::Result {
        let message = self.message;
        let code = message.code();
        let len = payload.len();
        let is_piece = |number| {
            let block: Option<Block> = message.block(number);
            block.is_some_and(|block| block.more || block.num > 0)
        };
        if is_piece(OptionNumber::BLOCK1) && code.is_request()
            || is_piece(OptionNumber::BLOCK2) && !code.is_request()
        {
            return write!(f, "\n     a block of {len} bytes");
        }
        match message.content_format() {
            None if !code.is_request() && !code.is_success() => {
                match std::str::from_utf8(payload) {
                    Ok(text) => write!(f, "\n     {:?}", shortened(text)),
                    Err(_) => write!(f, "\n     {len} bytes"),
                }
            }
            None => write!(f, "\n     {len} bytes"),
            Some(ContentFormat::LINK) => links(f, payload),
            Some(format) => self.records(f, format, payload),
        }
    }

    fn records(
        &self,
        f: &mut fmt::Formatter<'_>,
        format: ContentFormat,
        payload: &[u8],
    ) -> fmt::Result {
        let len = payload.len();
        let base = match (self.path, names_paths(format)) {
            (Some(path), _) => path,
            (None, true) => Path::ROOT,
            // Nobody knows whether it is a key.
            (None, false) => return write!(f, "\n     {len} bytes"),
        };
        let types = |path: Path| definition(self.registry, path)?.data_type;
        let types: &dyn TypeOf = &types;
        let decoder = match Decoder::new(format, base, payload, types) {
            Ok(decoder) => decoder,
            Err(error) => return write!(f, "\n     {len} bytes: {error}"),
        };
        for record in decoder {
            match record {
                Ok(record) => self.record(f, &record)?,
                Err(error) => return write!(f, "\n     {error}"),
            }
        }
        Ok(())
    }

    fn record(&self, f: &mut fmt::Formatter<'_>, record: &Record<'_>) -> fmt::Result {
        let definition = definition(self.registry, record.path);
        write!(f, "\n     {}", record.path)?;
        if let Some(definition) = definition {
            write!(f, " {}", definition.name)?;
        }
        let (Some(object), resource) = (record.path.object_id(), record.path.resource_id()) else {
            return Ok(());
        };
        match (&record.value, resource) {
            (None, _) => {}
            (Some(_), Some(resource)) if is_hidden(object, resource) => {
                f.write_str(" = (secret)")?
            }
            (Some(value), _) => {
                f.write_str(" = ")?;
                write_value(f, value)?;
                if let Some(definition) = definition.filter(|known| !known.units.is_empty()) {
                    write!(f, " {}", definition.units)?;
                }
            }
        }
        match record.time {
            Some(time) => write!(f, " at {time} s"),
            None => Ok(()),
        }
    }
}

/// True for key material, and for what identifies it: identities and public keys of object 0.
fn is_hidden(object: u16, resource: u16) -> bool {
    is_secret(object, resource) || (object == 0 && (3..=5).contains(&resource))
}

/// True if each value of a format comes with its path.
fn names_paths(format: ContentFormat) -> bool {
    matches!(
        format,
        ContentFormat::SENML_CBOR
            | ContentFormat::SENML_JSON
            | ContentFormat::SENML_ETCH_CBOR
            | ContentFormat::SENML_ETCH_JSON
            | ContentFormat::LWM2M_CBOR
    )
}

/// What a request is about, as far as it is a path of LwM2M; the root for those that are about
/// several.
fn target(message: &Message<'_>) -> Option<Path> {
    let segments: Vec<&str> = message.uri_path().collect::<Option<_>>()?;
    match segments[..] {
        [] | ["dp" | "rd" | "bs" | "bspack"] => Some(Path::ROOT),
        _ => format!("/{}", segments.join("/")).parse().ok(),
    }
}

/// The definition of the resource at or above a path.
fn definition(registry: &Registry, path: Path) -> Option<&ResourceDefinition> {
    registry
        .latest(path.object_id()?)?
        .resource(path.resource_id()?)
}

fn links(f: &mut fmt::Formatter<'_>, payload: &[u8]) -> fmt::Result {
    for link in Links::new(payload) {
        let link = match link {
            Ok(link) => link,
            Err(error) => return write!(f, "\n     {error}"),
        };
        write!(f, "\n     <{}>", link.target)?;
        for (name, value) in link.params() {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
    }
    Ok(())
}

fn write_option(f: &mut fmt::Formatter<'_>, option: &CoapOption<'_>) -> fmt::Result {
    match option.number.name() {
        Some(name) => f.write_str(name)?,
        None => {
            return write!(
                f,
                "option {}: {} bytes",
                option.number.0,
                option.value.len()
            );
        }
    }
    f.write_char(' ')?;
    let number = option.as_uint();
    match option.number {
        OptionNumber::CONTENT_FORMAT | OptionNumber::ACCEPT => {
            match number.and_then(|number| u16::try_from(number).ok()) {
                Some(number) => write!(f, "{}", ContentFormat(number)),
                None => write_hex(f, option.value),
            }
        }
        OptionNumber::BLOCK1 | OptionNumber::BLOCK2 => match Block::parse(option.value) {
            Some(block) => write!(f, "{block}"),
            None => write_hex(f, option.value),
        },
        OptionNumber::OBSERVE
        | OptionNumber::URI_PORT
        | OptionNumber::MAX_AGE
        | OptionNumber::SIZE1
        | OptionNumber::SIZE2
        | OptionNumber::NO_RESPONSE => match number {
            Some(number) => write!(f, "{number}"),
            None => write_hex(f, option.value),
        },
        OptionNumber::URI_HOST
        | OptionNumber::LOCATION_PATH
        | OptionNumber::URI_QUERY
        | OptionNumber::LOCATION_QUERY
        | OptionNumber::PROXY_URI
        | OptionNumber::PROXY_SCHEME => match option.as_str() {
            Some(text) => write!(f, "{:?}", shortened(text)),
            None => write_hex(f, option.value),
        },
        _ => write_hex(f, option.value),
    }
}

/// Writes a value, text in quotes and bytes in hexadecimal digits.
fn write_value(f: &mut fmt::Formatter<'_>, value: &Value<'_>) -> fmt::Result {
    match value {
        Value::String(text) | Value::CoreLink(text) => {
            write!(f, "{:?}", shortened(&text.to_string()))
        }
        other => f.write_str(&shortened(&other.to_string())),
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// A text without its end if it is long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!(
            "{}… ({} bytes)",
            text.get(..end).unwrap_or_default(),
            text.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    use lwm2m_codec::{
        Encoder,
        coap::{Code, MessageId, MessageType, MessageWriter},
    };

    const KEY: &[u8] = b"a key of 16 byte";
    const IDENTITY: &[u8] = b"identity-of-dev1";
    const FORMATS: [ContentFormat; 5] = [
        ContentFormat::TLV,
        ContentFormat::SENML_JSON,
        ContentFormat::SENML_CBOR,
        ContentFormat::OMA_JSON,
        ContentFormat::LWM2M_CBOR,
    ];

    fn tracer() -> (Trace, Arc<Mutex<String>>) {
        let text = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&text);
        let trace = Trace::new(Registry::core(), move |line| {
            let mut text = sink.lock().unwrap();
            text.push_str(line);
            text.push('\n');
        });
        (trace, text)
    }

    const PEER: PeerId = PeerId {
        index: 0,
        generation: 0,
    };

    /// Lets a tracer see a message that left.
    fn show(
        trace: &mut Trace,
        direction: Direction,
        code: Code,
        options: &[(OptionNumber, &[u8])],
        payload: &[u8],
    ) {
        let mut buffer = vec![0; 1024];
        let kind = MessageType::Confirmable;
        let token = Token::new(&[7]).unwrap();
        let mut writer = MessageWriter::new(&mut buffer, kind, code, MessageId(9), token).unwrap();
        for (number, value) in options {
            writer.option(*number, value).unwrap();
        }
        let len = match payload {
            [] => writer.finish(),
            payload => writer.payload(payload).unwrap(),
        };
        let remote = "127.0.0.1:5683".parse().unwrap();
        trace.message(direction, PEER, remote, &buffer[..len]);
    }

    fn format_option(format: ContentFormat) -> Vec<u8> {
        let bytes = format.0.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes[zeros..].to_vec()
    }

    /// A Security instance with a key.
    fn security(format: ContentFormat) -> Vec<u8> {
        let mut buffer = vec![0; 512];
        let mut encoder = Encoder::new(format, Path::instance(0, 1), &mut buffer).unwrap();
        let uri = Value::string("coaps://server.example");
        let all = [
            (0, uri),
            (3, Value::opaque(IDENTITY)),
            (5, Value::opaque(KEY)),
        ];
        for (resource, value) in all {
            encoder
                .push(&Record::new(Path::resource(0, 1, resource), value))
                .unwrap();
        }
        let len = encoder.finish().unwrap();
        buffer.truncate(len);
        buffer
    }

    fn hides_keys(text: &str) {
        for secret in [KEY, IDENTITY] {
            let plain = String::from_utf8_lossy(secret);
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!text.contains(&*plain), "{text}");
            assert!(!text.to_lowercase().contains(&hex), "{text}");
        }
    }

    #[test]
    fn a_key_that_a_bootstrap_writes_does_not_show() {
        for format in FORMATS {
            let (mut trace, text) = tracer();
            let number = format_option(format);
            let options: &[(OptionNumber, &[u8])] = &[
                (OptionNumber::URI_PATH, b"0"),
                (OptionNumber::URI_PATH, b"1"),
                (OptionNumber::CONTENT_FORMAT, &number),
            ];
            let payload = security(format);
            show(&mut trace, Direction::Sent, Code::PUT, options, &payload);
            let text = text.lock().unwrap();
            hides_keys(&text);
            assert!(
                text.contains("/0/1/0 LWM2M Server URI = \"coaps://server.example\""),
                "{format}: {text}"
            );
            assert!(text.contains("/0/1/5 Secret Key = (secret)"), "{text}");
        }
    }

    #[test]
    fn a_key_in_a_pack_an_answer_a_block_or_garbage_does_not_show() {
        for format in FORMATS {
            let number = format_option(format);
            let payload = security(format);
            let content: &[(OptionNumber, &[u8])] = &[(OptionNumber::CONTENT_FORMAT, &number)];
            let (mut trace, text) = tracer();
            // An answer to a request that nobody saw.
            show(
                &mut trace,
                Direction::Received,
                Code::CONTENT,
                content,
                &payload,
            );
            let pack: &[(OptionNumber, &[u8])] = &[(OptionNumber::URI_PATH, b"bspack")];
            show(&mut trace, Direction::Sent, Code::GET, pack, b"");
            show(
                &mut trace,
                Direction::Received,
                Code::CONTENT,
                content,
                &payload,
            );
            // Below an alternate path, in a block, and broken at its end.
            let other: &[(OptionNumber, &[u8])] = &[
                (OptionNumber::URI_PATH, b"lwm2m"),
                (OptionNumber::URI_PATH, b"0"),
                (OptionNumber::CONTENT_FORMAT, &number),
            ];
            show(&mut trace, Direction::Sent, Code::PUT, other, &payload);
            let block: &[(OptionNumber, &[u8])] = &[
                (OptionNumber::URI_PATH, b"0"),
                (OptionNumber::URI_PATH, b"1"),
                (OptionNumber::CONTENT_FORMAT, &number),
                (OptionNumber::BLOCK1, &[0x08]),
            ];
            show(&mut trace, Direction::Sent, Code::PUT, block, &payload);
            let cut = &payload[..payload.len() - 1];
            show(&mut trace, Direction::Sent, Code::PUT, &block[..3], cut);
            hides_keys(&text.lock().unwrap());
        }
    }

    #[test]
    fn a_single_value_that_is_a_key_does_not_show_in_either_direction() {
        let (mut trace, text) = tracer();
        let options: &[(OptionNumber, &[u8])] = &[
            (OptionNumber::URI_PATH, b"21"),
            (OptionNumber::URI_PATH, b"0"),
            (OptionNumber::URI_PATH, b"0"),
            (OptionNumber::CONTENT_FORMAT, &[42]),
        ];
        show(&mut trace, Direction::Sent, Code::PUT, options, KEY);
        show(&mut trace, Direction::Sent, Code::GET, &options[..3], b"");
        show(
            &mut trace,
            Direction::Received,
            Code::CONTENT,
            &options[3..],
            KEY,
        );
        let text = text.lock().unwrap();
        hides_keys(&text);
        assert_eq!(text.matches("= (secret)").count(), 2, "{text}");
    }

    #[test]
    fn an_exchange_is_told_with_the_path_that_its_answer_is_about() {
        let (mut trace, text) = tracer();
        let options: &[(OptionNumber, &[u8])] = &[
            (OptionNumber::URI_PATH, b"3"),
            (OptionNumber::URI_PATH, b"0"),
            (OptionNumber::URI_PATH, b"9"),
            (OptionNumber::ACCEPT, b""),
        ];
        show(&mut trace, Direction::Sent, Code::GET, options, b"");
        let content: &[(OptionNumber, &[u8])] = &[
            (OptionNumber::OBSERVE, &[5]),
            (OptionNumber::CONTENT_FORMAT, b""),
        ];
        show(
            &mut trace,
            Direction::Received,
            Code::CONTENT,
            content,
            b"95",
        );
        assert_eq!(
            *text.lock().unwrap(),
            "-> 127.0.0.1:5683 CON 0.01 GET, mid 9, token 07, /3/0/9\n     \
             Accept text (0)\n\
             <- 127.0.0.1:5683 CON 2.05 Content, mid 9, token 07\n     \
             Observe 5\n     Content-Format text (0)\n     \
             /3/0/9 Battery Level = 95 /100\n"
        );
    }

    #[test]
    fn what_is_no_message_is_told_by_its_length() {
        let (mut trace, text) = tracer();
        trace.message(Direction::Received, PEER, ([127, 0, 0, 1], 1).into(), KEY);
        let text = text.lock().unwrap();
        assert!(text.starts_with("<- 127.0.0.1:1 16 bytes: "), "{text}");
        hides_keys(&text);
    }
}
