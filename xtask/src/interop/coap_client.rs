//! libcoap's command line clients: how they are called, and what they say about the messages.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::process;
use crate::step::Failure;

/// Time in seconds after which a client gives up waiting for an answer.
const WAIT: &str = "5";
/// The same where no answer is what has to come: two transmissions of the request (RFC 7252
/// §4.8, ACK_TIMEOUT 2 to 3 s) reach the peer meanwhile.
const WAIT_FOR_NOTHING: &str = "4";

/// True if both clients can be run.
pub(super) fn is_installed() -> bool {
    [NOTLS, OPENSSL]
        .iter()
        .all(|client| process::output(&mut Command::new(client)).is_ok())
}

const NOTLS: &str = "coap-client-notls";
const OPENSSL: &str = "coap-client-openssl";

/// What libcoap's client is to send.
#[derive(Debug)]
pub(super) struct Request {
    program: &'static str,
    wait: &'static str,
    arguments: Vec<String>,
    uri: String,
}

impl Request {
    /// A request over UDP from a port of 127.0.0.1.
    pub(super) fn udp(from: u16, to: SocketAddr, method: &str, target: &str) -> Self {
        let mut request = Self::new(NOTLS, method, format!("coap://{to}{target}"));
        request.with(&["-a", "127.0.0.1", "-p", &from.to_string()]);
        request
    }

    /// A request over DTLS with a pre-shared key, in a session of its own.
    pub(super) fn dtls(psk: (&str, &str), to: SocketAddr, method: &str, target: &str) -> Self {
        let mut request = Self::new(OPENSSL, method, format!("coaps://{to}{target}"));
        request.with(&["-u", psk.0, "-k", psk.1]);
        request
    }

    fn new(program: &'static str, method: &str, uri: String) -> Self {
        let mut request = Self {
            program,
            wait: WAIT,
            arguments: Vec::new(),
            uri,
        };
        request.with(&["-m", method]);
        request
    }

    /// Adds a list of objects as payload.
    pub(super) fn links(mut self, list: &str) -> Self {
        self.with(&["-t", "40", "-e", list]);
        self
    }

    /// Expects no answer.
    pub(super) const fn in_vain(mut self) -> Self {
        self.wait = WAIT_FOR_NOTHING;
        self
    }

    fn with(&mut self, arguments: &[&str]) {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
    }

    /// The command line after the program's name.
    fn arguments(&self) -> impl Iterator<Item = &str> {
        // Verbosity 7 shows each message.
        let general = ["-v", "7", "-B", self.wait];
        let own = self.arguments.iter().chain([&self.uri]).map(String::as_str);
        general.into_iter().chain(own)
    }

    /// Sends it, and waits for the answer.
    pub(super) fn send(self, folder: &Path) -> Result<Exchange, Failure> {
        let command_line = self.to_string();
        let mut command = Command::new(self.program);
        command.args(self.arguments()).current_dir(folder);
        let output = process::output(&mut command)?;
        Ok(Exchange {
            command_line,
            messages: output.lines().filter_map(Message::parse).collect(),
            output,
        })
    }
}

impl fmt::Display for Request {
    /// Writes the command as one types it into a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        for argument in self.arguments() {
            write!(f, " {}", quoted(argument))?;
        }
        Ok(())
    }
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,".contains(c);
    match !argument.is_empty() && argument.chars().all(plain) {
        true => argument.to_owned(),
        false => format!("'{argument}'"),
    }
}

/// One run of a client.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The command as one types it.
    pub(super) command_line: String,
    /// The messages that it sent and got.
    messages: Vec<Message>,
    /// All that it printed.
    pub(super) output: String,
}

impl Exchange {
    /// The response, if one came.
    pub(super) fn response(&self) -> Option<&Message> {
        self.messages.iter().find(|message| message.is_response())
    }

    /// The response's code, the alert that ended the handshake, or `no answer`.
    pub(super) fn outcome(&self) -> &str {
        match self.response() {
            Some(message) => &message.code,
            None => self.alert().unwrap_or("no answer"),
        }
    }

    /// The fatal alert that the peer sent, as OpenSSL names it: `fatal:decrypt error`.
    fn alert(&self) -> Option<&str> {
        let (_, alert) = self.output.split_once("alert read:")?;
        alert.lines().next()
    }

    /// True if a request left.
    pub(super) fn was_sent(&self) -> bool {
        self.messages.iter().any(|message| !message.is_response())
    }
}

/// A CoAP message as libcoap shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    kind: String,
    pub(super) code: String,
    options: Vec<(String, String)>,
    payload: String,
}

impl Message {
    /// Reads `v:1 t:ACK c:2.01 i:8c8c {01} [ Location-Path:rd ] :: 'text'`.
    fn parse(line: &str) -> Option<Self> {
        let line = line.split_once("v:1 t:")?.1;
        let (kind, rest) = line.split_once(" c:")?;
        let (code, rest) = rest.split_once(" i:")?;
        let (_, rest) = rest.split_once(" [ ")?;
        let (options, rest) = rest.split_once(']')?;
        let options = options
            .split(", ")
            .filter_map(|option| option.trim().split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let payload = rest.split_once(":: ").map_or("", |(_, payload)| payload);
        Some(Self {
            kind: kind.to_owned(),
            code: code.to_owned(),
            options,
            payload: payload.trim_matches('\'').to_owned(),
        })
    }

    fn is_response(&self) -> bool {
        self.code.starts_with(['2', '4', '5'])
    }

    /// The path that the Location-Path options say.
    pub(super) fn location(&self) -> Option<String> {
        let segments = self
            .options
            .iter()
            .filter(|(name, _)| name == "Location-Path");
        let path = segments.fold(String::new(), |path, (_, segment)| path + "/" + segment);
        (!path.is_empty()).then_some(path)
    }
}

impl fmt::Display for Message {
    /// Writes `ACK 2.01 Location-Path:rd`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.code)?;
        for (name, value) in &self.options {
            write!(f, " {name}:{value}")?;
        }
        if self.payload.is_empty() {
            return Ok(());
        }
        write!(f, " '{}'", self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_among_what_the_client_prints() {
        let text = "Nov 21 09:25:04.037 DEBG timeout is set to 3 seconds\n\
            v:1 t:CON c:POST i:3b2f {01} [ Uri-Path:rd, Uri-Query:ep=dev ] :: '</1/0>,</3/0>'\n\
            v:1 t:ACK c:2.01 i:3b2f {01} [ Location-Path:rd, Location-Path:5a3f ]\n";
        let exchange = Exchange {
            command_line: String::new(),
            messages: text.lines().filter_map(Message::parse).collect(),
            output: String::new(),
        };
        assert!(exchange.was_sent());
        assert_eq!(exchange.outcome(), "2.01");
        let response = exchange.response().unwrap();
        assert_eq!(response.location().as_deref(), Some("/rd/5a3f"));
        assert_eq!(
            response.to_string(),
            "ACK 2.01 Location-Path:rd Location-Path:5a3f"
        );
    }

    #[test]
    fn without_an_answer_the_alert_is_what_came() {
        let exchange = |output: &str| Exchange {
            command_line: String::new(),
            messages: Vec::new(),
            output: output.to_owned(),
        };
        let alert = exchange("WARN DTLS: SSL3 alert read:fatal:decrypt error\nERR  cannot send\n");
        assert_eq!(alert.outcome(), "fatal:decrypt error");
        assert_eq!(exchange("INFO timeout\n").outcome(), "no answer");
    }

    #[test]
    fn a_refusal_is_shown_with_its_reason() {
        let line = "v:1 t:ACK c:4.00 i:3b2f {01} [ ] :: 'the endpoint name is missing'";
        let message = Message::parse(line).unwrap();
        assert!(message.is_response());
        assert_eq!(message.location(), None);
        assert_eq!(
            message.to_string(),
            "ACK 4.00 'the endpoint name is missing'"
        );
    }

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let to = "127.0.0.1:5683".parse().unwrap();
        let request = Request::udp(40001, to, "post", "/rd?ep=dev&lt=60").links("</1/0>");
        assert_eq!(
            request.to_string(),
            "coap-client-notls -v 7 -B 5 -m post -a 127.0.0.1 -p 40001 -t 40 -e '</1/0>' \
             'coap://127.0.0.1:5683/rd?ep=dev&lt=60'"
        );
    }
}
