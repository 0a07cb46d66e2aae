//! CoAP messages: registrations, the largest message that every device sends.

/// A registration of LwM2M 1.1 with an 8-byte token and ten links, 180 bytes.
pub const REGISTER_180: &[u8] = include_bytes!("../corpus/coap/register_180.bin");

/// A registration of LwM2M 1.2 with a 4-byte token and fourteen links, 230 bytes.
pub const REGISTER_230: &[u8] = include_bytes!("../corpus/coap/register_230.bin");

/// A Read of `/3/0` that also observes it, 16 bytes.
pub const GET: &[u8] = include_bytes!("../corpus/coap/get.bin");

/// Its answer with the Device object in TLV, 135 bytes.
pub const CONTENT: &[u8] = include_bytes!("../corpus/coap/content.bin");

/// The messages with the names that the benchmarks give them.
pub const MESSAGES: [(&str, &[u8]); 2] = [
    ("register 180 B", REGISTER_180),
    ("register 230 B", REGISTER_230),
];

#[cfg(test)]
mod tests {
    use super::*;
    use coap_lite::Packet;
    use lwm2m_codec::coap::Message;

    #[test]
    fn messages_have_the_length_that_their_name_says() {
        assert_eq!(REGISTER_180.len(), 180);
        assert_eq!(REGISTER_230.len(), 230);
    }

    #[test]
    fn both_parsers_see_the_same_message() {
        for (name, data) in MESSAGES {
            let ours = Message::parse(data).unwrap();
            let theirs = Packet::from_bytes(data).unwrap();
            assert_eq!(ours.id().0, theirs.header.message_id, "{name}");
            assert_eq!(ours.code().0, u8::from(theirs.header.code), "{name}");
            assert_eq!(ours.token().as_bytes(), theirs.get_token(), "{name}");
            assert_eq!(ours.payload(), theirs.payload, "{name}");
            let ours: Vec<_> = ours
                .options()
                .map(|option| (option.number.0, option.value.to_vec()))
                .collect();
            let theirs: Vec<_> = theirs
                .options()
                .flat_map(|(number, values)| values.iter().map(|value| (*number, value.clone())))
                .collect();
            assert_eq!(ours, theirs, "{name}");
        }
    }

    #[test]
    fn a_registration_names_its_endpoint() {
        for (name, data) in MESSAGES {
            let message = Message::parse(data).unwrap();
            assert!(message.uri_path().eq([Some("rd")]), "{name}");
            let endpoint = Some("ep=urn:imei:490154203237518");
            assert!(message.uri_query().any(|query| query == endpoint), "{name}");
        }
    }
}
