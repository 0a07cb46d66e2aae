//! Breaks what our device sends on its way to Leshan's server, to show that the cases notice.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lwm2m_codec::ContentFormat;
use lwm2m_codec::coap::{Code, Message, MessageWriter, OptionNumber};

/// Largest datagram.
const MAX_DATAGRAM: usize = 65_536;
/// How often the relay looks whether it is to end.
const TICK: Duration = Duration::from_millis(50);
/// The parameter that [`Sabotage::MissingVer`] takes away.
const VER: &[u8] = b";ver=1.1";

/// One way to break a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// The first length in an answer in TLV is one too large.
    TlvLength,
    /// The object list of a Register has no `ver`.
    MissingVer,
    /// The answer to an Observe has no Observe option.
    NoObserve,
}

impl Sabotage {
    pub(super) const ALL: [Self; 3] = [Self::TlvLength, Self::MissingVer, Self::NoObserve];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TlvLength => "tlv-length",
            Self::MissingVer => "missing-ver",
            Self::NoObserve => "no-observe",
        }
    }

    /// The words of the case that has to turn red.
    pub(super) fn words(self) -> Vec<String> {
        let (format, case) = match self {
            Self::TlvLength => ("TLV", "read an instance"),
            Self::MissingVer => ("link", "register"),
            Self::NoObserve => ("TLV", "observe a resource"),
        };
        ["our device", "UDP", format, case]
            .map(str::to_owned)
            .into()
    }

    /// The datagram as it goes on; `None` if it stays as it is.
    fn spoil(self, datagram: &[u8]) -> Option<Vec<u8>> {
        let message = Message::parse(datagram).ok()?;
        let (head, payload) = datagram.split_at(datagram.len() - message.payload().len());
        match self {
            Self::TlvLength => {
                let tlv = message.content_format() == Some(ContentFormat::TLV);
                let answer = message.code() == Code::CONTENT;
                (tlv && answer).then(|| [head, &longer(payload)].concat())
            }
            Self::MissingVer => {
                let mut at = payload.windows(VER.len()).position(|part| part == VER)?;
                let mut list = payload.to_vec();
                loop {
                    list.drain(at..at + VER.len());
                    match list.windows(VER.len()).position(|part| part == VER) {
                        Some(next) => at = next,
                        None => return Some([head, &list].concat()),
                    }
                }
            }
            Self::NoObserve => without_observe(&message, datagram.len()),
        }
    }
}

/// A TLV whose first length is one too large (TS-Core §7.5.2).
fn longer(payload: &[u8]) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    let first = bytes.first().copied().unwrap_or_default();
    // Bit 5: the id has two bytes; bits 4 and 3: how many bytes the length has.
    let id = 1 + usize::from(first >> 5 & 1);
    let length = usize::from(first >> 3 & 3);
    if let Some(byte) = bytes.get_mut(if length == 0 { 0 } else { id + length }) {
        *byte = byte.wrapping_add(1);
    }
    bytes
}

fn without_observe(message: &Message<'_>, len: usize) -> Option<Vec<u8>> {
    message
        .observe()
        .filter(|_| message.code() == Code::CONTENT)?;
    let mut buffer = vec![0; len];
    let (kind, code) = (message.message_type(), message.code());
    let mut writer =
        MessageWriter::new(&mut buffer, kind, code, message.id(), message.token()).ok()?;
    for option in message
        .options()
        .filter(|o| o.number != OptionNumber::OBSERVE)
    {
        writer.option(option.number, option.value).ok()?;
    }
    let len = writer.payload(message.payload()).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

/// Passes datagrams on between one device and the server, and spoils those of the device.
#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
    end: Arc<AtomicBool>,
}

impl Relay {
    /// Starts it.
    pub(super) fn start(server: SocketAddr, sabotage: Sabotage) -> Result<Self, String> {
        let socket = || -> Result<UdpSocket, std::io::Error> {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_read_timeout(Some(TICK))?;
            Ok(socket)
        };
        let fail = |error: std::io::Error| format!("a relay can't be started: {error}");
        let (front, back) = (socket().map_err(fail)?, socket().map_err(fail)?);
        back.connect(server).map_err(fail)?;
        let address = front.local_addr().map_err(fail)?;
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        thread::spawn(move || pass_on(&front, &back, sabotage, &ended));
        Ok(Self { address, end })
    }

    /// Where the device finds it.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

fn pass_on(front: &UdpSocket, back: &UdpSocket, sabotage: Sabotage, end: &AtomicBool) {
    let device = std::sync::Mutex::new(None);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = vec![0; MAX_DATAGRAM];
            while !end.load(Ordering::Relaxed) {
                let Ok(len) = back.recv(&mut buffer) else {
                    continue;
                };
                let to = device.lock().ok().and_then(|device| *device);
                if let Some(to) = to {
                    // A lost datagram is CoAP's daily bread.
                    let _ = front.send_to(&buffer[..len], to);
                }
            }
        });
        let mut buffer = vec![0; MAX_DATAGRAM];
        while !end.load(Ordering::Relaxed) {
            let Ok((len, from)) = front.recv_from(&mut buffer) else {
                continue;
            };
            if let Ok(mut device) = device.lock() {
                *device = Some(from);
            }
            let datagram = &buffer[..len];
            let spoilt = sabotage.spoil(datagram);
            let _ = back.send(spoilt.as_deref().unwrap_or(datagram));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use lwm2m_codec::coap::{MessageId, MessageType, Token};

    fn answer(observe: Option<u32>, payload: &[u8]) -> Vec<u8> {
        let mut buffer = [0; 64];
        let kind = MessageType::Acknowledgement;
        let mut writer =
            MessageWriter::new(&mut buffer, kind, Code::CONTENT, MessageId(1), Token::EMPTY)
                .unwrap();
        if let Some(observe) = observe {
            writer.uint(OptionNumber::OBSERVE, observe).unwrap();
        }
        let format = ContentFormat::TLV;
        writer.format(OptionNumber::CONTENT_FORMAT, format).unwrap();
        let len = writer.payload(payload).unwrap();
        buffer[..len].to_vec()
    }

    #[test]
    fn the_first_length_of_a_tlv_is_one_too_large() {
        let spoilt = Sabotage::TlvLength
            .spoil(&answer(None, b"\xc1\x05x"))
            .unwrap();
        assert!(spoilt.ends_with(b"\xff\xc2\x05x"));
        assert_eq!(longer(b"\xe8\x16\x44\x08rest"), b"\xe8\x16\x44\x09rest");
    }

    #[test]
    fn an_answer_loses_its_observe_option_and_nothing_else() {
        let spoilt = Sabotage::NoObserve.spoil(&answer(Some(5), b"x")).unwrap();
        assert_eq!(spoilt, answer(None, b"x"));
        assert_eq!(Sabotage::NoObserve.spoil(&answer(None, b"x")), None);
    }

    #[test]
    fn all_versions_are_taken_out_of_an_object_list() {
        let list = b"</1/0>,</3303>;ver=1.1,</3442>;ver=1.1";
        let spoilt = Sabotage::MissingVer.spoil(&answer(None, list)).unwrap();
        assert!(spoilt.ends_with(b"\xff</1/0>,</3303>,</3442>"));
    }
}
