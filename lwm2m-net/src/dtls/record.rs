//! What of DTLS 1.2 travels in clear (RFC 6347 §4.1, §4.2.2).

/// ContentType values.
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;

/// HandshakeType values.
const CLIENT_HELLO: u8 = 1;
pub(crate) const SERVER_HELLO: u8 = 2;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Bytes of the longest PSK identity: LwM2M asks for 128 (TS-Transport §5.2.8), RFC 4279 §5.3 too.
pub(crate) const MAX_IDENTITY: usize = 1024;

/// The random bytes of a ClientHello.
pub(crate) type Random = [u8; 32];

/// A record, of which the fragment is in clear only in epoch 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) content_type: u8,
    pub(crate) epoch: u16,
    pub(crate) sequence: u64,
    fragment: &'a [u8],
}

/// A piece of a handshake message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragment<'a> {
    pub(crate) message: u8,
    length: usize,
    offset: usize,
    body: &'a [u8],
}

/// The records of a datagram, until the first broken one.
pub(crate) fn records(mut datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (header, rest) = datagram.split_first_chunk::<13>()?;
        let [
            content_type,
            major,
            _,
            e0,
            e1,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            l0,
            l1,
        ] = *header;
        if major != 254 {
            return None;
        }
        let (fragment, rest) = rest.split_at_checked(u16::from_be_bytes([l0, l1]).into())?;
        datagram = rest;
        Some(Record {
            content_type,
            epoch: u16::from_be_bytes([e0, e1]),
            sequence: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
            fragment,
        })
    })
}

impl<'a> Record<'a> {
    /// The handshake fragments of a record of epoch 0.
    pub(crate) fn fragments(self) -> impl Iterator<Item = Fragment<'a>> {
        let clear = self.content_type == HANDSHAKE && self.epoch == 0;
        let mut rest = if clear { self.fragment } else { &[] };
        std::iter::from_fn(move || {
            let (header, tail) = rest.split_first_chunk::<12>()?;
            let [message, l0, l1, l2, _, _, o0, o1, o2, b0, b1, b2] = *header;
            let (body, tail) = tail.split_at_checked(u24(b0, b1, b2))?;
            rest = tail;
            Some(Fragment {
                message,
                length: u24(l0, l1, l2),
                offset: u24(o0, o1, o2),
                body,
            })
        })
    }
}

/// The random of the ClientHello that a datagram begins with.
pub(crate) fn client_hello(datagram: &[u8]) -> Option<Random> {
    let fragment = records(datagram).next()?.fragments().next()?;
    if fragment.message != CLIENT_HELLO || fragment.offset != 0 {
        return None;
    }
    fragment.body.get(2..)?.first_chunk::<32>().copied()
}

/// True if a datagram has a piece of a ClientKeyExchange.
pub(crate) fn has_key_exchange(datagram: &[u8]) -> bool {
    key_exchange(datagram).next().is_some()
}

/// What the ClientKeyExchange in some datagrams says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// This PSK identity.
    Identity(Vec<u8>),
    /// Pieces are missing.
    Incomplete,
    /// It is not one with a PSK identity, or too long.
    Unusable,
}

/// Reads the PSK identity from the ClientKeyExchange in some datagrams (RFC 4279 §2).
pub(crate) fn psk_identity(datagrams: &[Vec<u8>]) -> Found {
    let fragments = || datagrams.iter().flat_map(|datagram| key_exchange(datagram));
    let Some(length) = fragments().next().map(|fragment| fragment.length) else {
        return Found::Incomplete;
    };
    if length > 2 + MAX_IDENTITY {
        return Found::Unusable;
    }
    let mut body: Vec<u8> = Vec::with_capacity(length);
    // Pieces come in any order and may overlap: look for the one that continues.
    while body.len() < length {
        let next = fragments().filter(|f| f.length == length).find_map(|f| {
            f.body
                .get(body.len().checked_sub(f.offset)?..)
                .filter(|bytes| !bytes.is_empty())
        });
        match next {
            Some(bytes) => body.extend_from_slice(bytes),
            None => return Found::Incomplete,
        }
    }
    match body.split_first_chunk::<2>() {
        Some((len, identity)) if usize::from(u16::from_be_bytes(*len)) == identity.len() => {
            Found::Identity(identity.into())
        }
        _ => Found::Unusable,
    }
}

/// A fatal alert in clear.
pub(crate) fn alert(sequence: u64, number: u8) -> [u8; 15] {
    let [_, _, s0, s1, s2, s3, s4, s5] = sequence.to_be_bytes();
    [
        ALERT, 254, 253, 0, 0, s0, s1, s2, s3, s4, s5, 0, 2, 2, number,
    ]
}

fn key_exchange(datagram: &[u8]) -> impl Iterator<Item = Fragment<'_>> {
    records(datagram)
        .flat_map(Record::fragments)
        .filter(|f| f.message == CLIENT_KEY_EXCHANGE)
}

fn u24(a: u8, b: u8, c: u8) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A datagram with one fragment of a handshake message.
    fn datagram(message: u8, length: u8, offset: u8, body: &[u8]) -> Vec<u8> {
        let size = u8::try_from(body.len()).expect("short");
        let mut bytes = vec![HANDSHAKE, 254, 253, 0, 0, 0, 0, 0, 0, 0, 7, 0, size + 12];
        bytes.extend([message, 0, 0, length, 0, 2, 0, 0, offset, 0, 0, size]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn an_identity_is_read_from_one_piece() {
        let whole = datagram(CLIENT_KEY_EXCHANGE, 5, 0, b"\0\x03dev");
        assert!(has_key_exchange(&whole));
        assert_eq!(psk_identity(&[whole]), Found::Identity(b"dev".to_vec()));
    }

    #[test]
    fn an_identity_is_read_from_pieces_in_any_order() {
        let pieces = [
            datagram(CLIENT_KEY_EXCHANGE, 5, 3, b"ev"),
            datagram(CLIENT_KEY_EXCHANGE, 5, 0, b"\0\x03"),
            datagram(CLIENT_KEY_EXCHANGE, 5, 1, b"\x03de"),
        ];
        assert_eq!(psk_identity(&pieces[..2]), Found::Incomplete);
        assert_eq!(psk_identity(&pieces), Found::Identity(b"dev".to_vec()));
    }

    #[test]
    fn an_identity_whose_length_lies_is_unusable() {
        for body in [&b"\0\x04dev"[..], b"\0\x02dev", b"", b"\0"] {
            let length = u8::try_from(body.len()).expect("short");
            let found = psk_identity(&[datagram(CLIENT_KEY_EXCHANGE, length, 0, body)]);
            assert_eq!(found, Found::Unusable, "{body:?}");
        }
    }

    #[test]
    fn a_client_hello_shows_its_random() {
        let mut body = vec![254, 253];
        body.extend([9; 32]);
        assert_eq!(
            client_hello(&datagram(CLIENT_HELLO, 34, 0, &body)),
            Some([9; 32])
        );
        assert_eq!(
            client_hello(&datagram(CLIENT_HELLO, 34, 0, &body[..33])),
            None
        );
        assert_eq!(
            client_hello(&datagram(CLIENT_KEY_EXCHANGE, 34, 0, &body)),
            None
        );
    }

    #[test]
    fn a_cut_datagram_gives_the_records_before_the_cut() {
        let mut two = alert(1, 40).to_vec();
        two.extend(alert(2, 51));
        let sequences = |bytes: &[u8]| records(bytes).map(|r| r.sequence).collect::<Vec<_>>();
        assert_eq!(sequences(&two), [1, 2]);
        for end in 0..two.len() {
            assert_eq!(sequences(&two[..end]).len(), end / 15, "{end}");
        }
    }

    #[test]
    fn damaged_datagrams_are_read_without_panic_and_never_beyond_their_end() {
        let whole = datagram(CLIENT_KEY_EXCHANGE, 5, 0, b"\0\x03dev");
        for at in 0..whole.len() {
            for value in 0..=255 {
                let mut damaged = whole.clone();
                damaged[at] = value;
                for end in [at + 1, damaged.len()] {
                    let cut = damaged[..end].to_vec();
                    assert!(records(&cut).all(|r| r.fragments().all(|f| f.body.len() < end)));
                    client_hello(&cut);
                    if let Found::Identity(identity) = psk_identity(&[cut, whole.clone()]) {
                        assert!(identity.len() <= MAX_IDENTITY);
                    }
                }
            }
        }
    }
}
