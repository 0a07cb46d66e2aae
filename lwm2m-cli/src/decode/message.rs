//! Whole CoAP messages as text and as JSON.

use std::fmt::Write;

use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Block, CoapOption, Code, Content, Frame, Message, OptionNumber, TcpMessage},
};
use serde_json::{Value as Json, json};

use super::{Context, Shown};
use crate::{failure::Failure, hex};

/// Longest message over TCP that is looked at, in bytes.
const MAX_TCP: usize = 1024 * 1024;

/// Shows a datagram.
pub(super) fn udp(bytes: &[u8], context: &Context<'_>) -> Result<Shown, Failure> {
    let message = Message::parse(bytes).map_err(Failure::runtime)?;
    let kind = message.message_type().name();
    let id = message.id().0;
    let head = format!("{kind} {} mid {id}{}", message.code(), token(&message));
    let json = json!({"transport": "udp", "type": kind, "id": id});
    Ok(content(&message, head, json, context))
}

/// Shows the messages of a stream; what is cut off at its end is an error.
pub(super) fn tcp(bytes: &[u8], context: &Context<'_>) -> Result<Shown, Failure> {
    let (mut texts, mut list) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let failed =
            |reason: String| Failure::runtime(format_args!("message at byte {at}: {reason}"));
        let len = match Frame::find(rest, MAX_TCP).map_err(|error| failed(error.to_string()))? {
            Frame::Complete { len } => len,
            Frame::Incomplete { missing } => {
                return Err(failed(format!("{missing} bytes are missing")));
            }
        };
        let (frame, after) = rest.split_at(len);
        let message = TcpMessage::parse(frame).map_err(|error| failed(error.to_string()))?;
        let head = format!("{}{}", message.code(), token(&message));
        let shown = content(&message, head, json!({"transport": "tcp"}), context);
        texts.push(shown.text);
        list.push(shown.json);
        rest = after;
    }
    Ok(Shown {
        text: texts.join("\n"),
        json: json!({ "messages": list }),
    })
}

/// The token, if there is one.
fn token(message: &Content<'_>) -> String {
    match message.token().as_bytes() {
        [] => String::new(),
        _ => format!(" token {}", message.token()),
    }
}

/// Shows what messages have over every transport, after the head.
fn content(message: &Content<'_>, head: String, head_json: Json, context: &Context<'_>) -> Shown {
    let mut text = head;
    let mut options = Vec::new();
    for option in message.options() {
        let name = match message.code().is_signal() {
            true => None,
            false => option.number.name(),
        };
        let number = option.number.0;
        let shown = value(&option, name.is_some());
        let label = name.map_or_else(|| format!("option {number}"), str::to_owned);
        // Nothing can go wrong with a String.
        let separator = if shown.is_empty() { "" } else { ": " };
        let _ = write!(text, "\n  {label}{separator}{shown}");
        options.push(json!({"number": number, "name": name, "value": shown}));
    }
    let mut json = head_json;
    json["code"] = json!(message.code().to_string());
    json["token"] = json!(message.token().to_string());
    json["options"] = json!(options);
    if !message.payload().is_empty() {
        let (payload, payload_json) = payload(message, context);
        let _ = write!(text, "\n{payload}");
        json["payload"] = payload_json;
    }
    Shown { text, json }
}

/// The payload by the message's format, or else as a guess, text or bytes.
fn payload(message: &Content<'_>, context: &Context<'_>) -> (String, Json) {
    let bytes = message.payload();
    let told = context.format.or_else(|| message.content_format());
    let is_diagnostic = !message.code().is_request() && !message.code().is_success();
    if told.is_none() && (is_diagnostic || message.code() == Code::EMPTY) {
        return plain(bytes, None);
    }
    let context = Context {
        registry: context.registry,
        format: told,
        path: context.path.or_else(|| path(message)),
    };
    if told == Some(ContentFormat::TEXT) && context.path.is_none_or(|path| path.len() < 3) {
        return plain(bytes, None);
    }
    match context.payload(bytes) {
        Ok(shown) => (shown.text, shown.json),
        Err(error) => plain(bytes, Some(error.to_string())),
    }
}

/// The Uri-Path as far as it is a path of LwM2M.
fn path(message: &Content<'_>) -> Option<Path> {
    let segments: Option<Vec<&str>> = message.uri_path().collect();
    let segments = segments.filter(|segments| !segments.is_empty())?;
    format!("/{}", segments.join("/")).parse().ok()
}

/// Bytes as text where they are, and why they are nothing better.
fn plain(bytes: &[u8], why: Option<String>) -> (String, Json) {
    let shown = match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => json!({ "text": text }),
        _ => json!({ "hex": hex::encode(bytes) }),
    };
    let text = shown["text"]
        .as_str()
        .or_else(|| shown["hex"].as_str())
        .unwrap_or_default()
        .to_owned();
    match why {
        None => (text, shown),
        Some(why) => {
            let mut shown = shown;
            shown["error"] = json!(why);
            (format!("{text}\n({why})"), shown)
        }
    }
}

/// The value of an option by its kind.
fn value(option: &CoapOption<'_>, is_known: bool) -> String {
    let bytes = || hex::encode(option.value);
    let number = |shown: &dyn Fn(u32) -> String| option.as_uint().map_or_else(bytes, shown);
    match option.number {
        _ if !is_known => bytes(),
        OptionNumber::CONTENT_FORMAT | OptionNumber::ACCEPT => number(&|value| {
            u16::try_from(value)
                .map_or_else(|_| value.to_string(), |v| ContentFormat(v).to_string())
        }),
        OptionNumber::BLOCK1 | OptionNumber::BLOCK2 => {
            Block::parse(option.value).map_or_else(bytes, |block| block.to_string())
        }
        OptionNumber::OBSERVE
        | OptionNumber::URI_PORT
        | OptionNumber::MAX_AGE
        | OptionNumber::SIZE1
        | OptionNumber::SIZE2
        | OptionNumber::NO_RESPONSE => number(&|value| value.to_string()),
        OptionNumber::URI_HOST
        | OptionNumber::LOCATION_PATH
        | OptionNumber::URI_PATH
        | OptionNumber::URI_QUERY
        | OptionNumber::LOCATION_QUERY
        | OptionNumber::PROXY_URI
        | OptionNumber::PROXY_SCHEME => option
            .as_str()
            .map_or_else(bytes, |text| format!("{text:?}")),
        _ => bytes(),
    }
}
