//! Which format a payload has, if nobody says it.

use lwm2m_codec::{ContentFormat, Decoder, Path, TypeOf, link::Links};

/// The formats with whole paths, then those that need a base path; of several that fit, the first
/// one is taken.
const CANDIDATES: [ContentFormat; 8] = [
    ContentFormat::SENML_JSON,
    ContentFormat::OMA_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::LWM2M_CBOR,
    ContentFormat::TLV,
    ContentFormat::CBOR,
    ContentFormat::TEXT,
    ContentFormat::OPAQUE,
];

/// Finds the format in which a payload can be decoded to its end; `None` if there is no such.
///
/// Without a path only formats with whole paths come into question.
pub(super) fn format(
    payload: &[u8],
    path: Option<Path>,
    types: &dyn TypeOf,
) -> Option<ContentFormat> {
    if payload.first() == Some(&b'<') && Links::new(payload).all(|link| link.is_ok()) {
        return Some(ContentFormat::LINK);
    }
    let base = path.unwrap_or(Path::ROOT);
    let has_base = |format: ContentFormat| match format {
        ContentFormat::TLV => !base.is_root(),
        ContentFormat::TEXT => base.len() > 2 && is_printable(payload),
        single if single.is_single_value() => base.len() > 2,
        _ => true,
    };
    CANDIDATES
        .into_iter()
        .filter(|format| has_base(*format))
        .find(|format| fits(*format, base, payload, types))
}

fn fits(format: ContentFormat, base: Path, payload: &[u8], types: &dyn TypeOf) -> bool {
    let Ok(decoder) = Decoder::new(format, base, payload, types) else {
        return false;
    };
    decoder.any_root().all(|record| record.is_ok())
}

/// True for text that a person might have written.
fn is_printable(payload: &[u8]) -> bool {
    std::str::from_utf8(payload)
        .is_ok_and(|text| text.chars().all(|c| !c.is_control() || c.is_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lwm2m_codec::NoTypes;

    #[test]
    fn each_format_is_known_by_its_look() {
        let device = Some(Path::instance(3, 0));
        let battery = Some(Path::resource(3, 0, 9));
        for (payload, path, want) in [
            (&b"</3/0>;ver=1.1"[..], None, Some(ContentFormat::LINK)),
            (
                b"[{\"n\":\"/3/0/9\",\"v\":1}]",
                None,
                Some(ContentFormat::SENML_JSON),
            ),
            (
                b"{\"bn\":\"/3/0/\",\"e\":[]}",
                None,
                Some(ContentFormat::OMA_JSON),
            ),
            (
                b"\x81\xa2\x00\x66/3/0/9\x02\x01",
                None,
                Some(ContentFormat::SENML_CBOR),
            ),
            (
                b"\xa1\x83\x03\x00\x09\x01",
                None,
                Some(ContentFormat::LWM2M_CBOR),
            ),
            (b"\xc1\x09\x64", device, Some(ContentFormat::TLV)),
            (b"\xc1\x09\x64", None, None),
            (b"\x18\x64", battery, Some(ContentFormat::CBOR)),
            (b"some text", battery, Some(ContentFormat::TEXT)),
            (b"\xff\x00", battery, Some(ContentFormat::OPAQUE)),
            (b"\xff\x00", None, None),
        ] {
            assert_eq!(format(payload, path, &NoTypes), want, "{payload:02x?}");
        }
    }
}
