//! The way to the file on a card: over all that cards do.

use lwm2m_bootstrap::{
    smartcard::{
        CardError, CardFileName, CardSource, LWM2M_BOOTSTRAP_OID, MAX_COMMANDS, SECURE_AID,
        SecureChannel, SecureError, Status, UiccChannel, Walk, WalkError, WalkOptions, read_card,
        soft::{self, Behaviour, NoContact, SoftApplication, SoftCard, SoftReader},
    },
    source::{Source, SourceError, fingerprint},
};
use lwm2m_model::Registry;
use zeroize::Zeroizing;

const ICCID: &str = "8949000000000000017";
const IMSI: &str = "001010000000001";
const PKCS15: &[u8] = b"\xa0\x00\x00\x00\x63PKCS-15";

/// A file of one object without instances, and of `length` bytes of TLV otherwise.
fn file(length: usize) -> Vec<u8> {
    let mut file = vec![0, 1];
    let mut tlv = Vec::new();
    if length > 0 {
        let body = u16::try_from(length - 4).unwrap().to_be_bytes();
        tlv = [&[0x10, 0][..], &body, &resource(length - 4)].concat();
    }
    let size = u16::try_from(5 + tlv.len()).unwrap().to_be_bytes();
    let length = u16::try_from(tlv.len()).unwrap().to_be_bytes();
    file.extend(size);
    file.extend([0, 3, 0]);
    file.extend(length);
    file.extend(tlv);
    file
}

/// An opaque resource of so many bytes in all.
fn resource(length: usize) -> Vec<u8> {
    let body = u16::try_from(length - 4).unwrap().to_be_bytes();
    [&[0xd0, 0][..], &body, &vec![0x5a; length - 4]].concat()
}

fn card(file: Vec<u8>) -> SoftCard {
    SoftCard::new(ICCID, IMSI).with_file(file)
}

fn walk(card: SoftCard) -> Result<Option<Vec<u8>>, CardError> {
    walk_with(card, &WalkOptions::default())
}

fn walk_with(card: SoftCard, options: &WalkOptions) -> Result<Option<Vec<u8>>, CardError> {
    let mut reader = SoftReader::new(Some(card));
    let found = read_card(&mut reader, None, options);
    let open = reader.card_mut().unwrap().open_channels();
    assert_eq!(open, 0, "a channel was left open");
    Ok(found?.map(|contents| contents.file().to_vec()))
}

fn behaviour(change: impl FnOnce(&mut Behaviour)) -> Behaviour {
    let mut behaviour = Behaviour::default();
    change(&mut behaviour);
    behaviour
}

#[test]
fn the_file_is_found_however_the_card_behaves() {
    for bits in 0..32_u8 {
        let bit = |number: u8| bits & (1 << number) != 0;
        for most in [256, 100, 1] {
            let behaviour = behaviour(|behaviour| {
                behaviour.get_response = bit(0);
                behaviour.exact_length = bit(1);
                behaviour.direct_select = bit(2);
                behaviour.records = bit(3);
                behaviour.channels = if bit(4) { 3 } else { 19 };
                behaviour.most_bytes = most;
            });
            let card = card(file(300)).with_behaviour(behaviour);
            assert_eq!(walk(card), Ok(Some(file(300))), "{behaviour:?}");
        }
    }
}

#[test]
fn files_of_all_sizes_are_read_whole() {
    for length in [0, 8, 246, 247, 248, 255, 256, 257, 503, 504, 32_768 - 9] {
        let bytes = file(length);
        assert_eq!(walk(card(bytes.clone())), Ok(Some(bytes)), "{length}");
    }
}

#[test]
fn only_what_the_header_says_is_read_of_a_long_file() {
    let bytes = file(40);
    let padded = [&bytes[..], &[0xff; 2000]].concat();
    assert_eq!(walk(card(padded)), Ok(Some(bytes)));
}

#[test]
fn the_step_can_be_smaller() {
    for step in [1, 7, 255] {
        let mut options = WalkOptions::default();
        options.step = step;
        options.logical_channel = false;
        assert_eq!(walk_with(card(file(60)), &options), Ok(Some(file(60))));
    }
}

#[test]
fn no_card_and_a_card_without_the_application_hold_nothing() {
    let mut empty = SoftReader::new(None);
    let options = WalkOptions::default();
    assert_eq!(read_card(&mut empty, None, &options), Ok(None));
    for direct_select in [true, false] {
        let behaviour = behaviour(|behaviour| behaviour.direct_select = direct_select);
        let card = SoftCard::new(ICCID, IMSI).with_behaviour(behaviour);
        assert_eq!(walk(card), Ok(None));
    }
}

#[test]
fn of_two_applications_the_one_with_the_file_counts() {
    let other = || {
        let mut other = SoftApplication::new(PKCS15, [0x7f, 0x51]);
        other
            .files
            .insert([0x50, 0x31], soft::odf([0x64, 0x30]).into());
        let dodf = soft::dodf(&[0x55, 0x04, 0x03], [0x64, 0x32]);
        other.files.insert([0x64, 0x30], dodf.into());
        other
            .files
            .insert([0x64, 0x32], b"another file".to_vec().into());
        other
    };
    for (direct_select, marked) in [(true, true), (true, false), (false, true), (false, false)] {
        for first in [true, false] {
            let mut ours = SoftApplication::bootstrap([0x7f, 0x50], file(20));
            ours.marked = marked;
            let card = SoftCard::new(ICCID, IMSI);
            let card = match first {
                true => card.with_application(ours).with_application(other()),
                false => card.with_application(other()).with_application(ours),
            };
            let behaviour = behaviour(|behaviour| behaviour.direct_select = direct_select);
            assert_eq!(walk(card.with_behaviour(behaviour)), Ok(Some(file(20))));
        }
    }
}

#[test]
fn an_oid_wrapped_twice_another_oid_and_a_known_file_lead_to_the_file() {
    let with = |oid: &[u8]| {
        let mut application = SoftApplication::bootstrap([0x7f, 0x50], file(20));
        let dodf = soft::dodf(oid, [0x64, 0x32]);
        application.files.insert([0x64, 0x30], dodf.into());
        SoftCard::new(ICCID, IMSI).with_application(application)
    };
    let wrapped = [&[0x06, 0x04][..], &LWM2M_BOOTSTRAP_OID].concat();
    assert_eq!(walk(with(&wrapped)), Ok(Some(file(20))));
    let other = [0x2a, 0x03, 0x04];
    assert_eq!(walk(with(&other)), Ok(None));
    let mut options = WalkOptions::default();
    options.oids.push(other.to_vec());
    assert_eq!(walk_with(with(&other), &options), Ok(Some(file(20))));
    let mut options = WalkOptions::default();
    options.file = Some([0x64, 0x32]);
    assert_eq!(walk_with(with(&other), &options), Ok(Some(file(20))));
}

#[test]
fn a_path_with_index_and_length_names_a_part_of_the_file() {
    let bytes = file(20);
    let mut application = SoftApplication::bootstrap([0x7f, 0x50], Vec::new());
    let whole = [&[0xaa; 7][..], &bytes, &[0xbb; 9]].concat();
    application.files.insert([0x64, 0x32], whole.into());
    let part = |extra: &[u8]| {
        // As the standard's DODF, but for the path.
        let path = [&[0x04, 0x02, 0x64, 0x32][..], extra].concat();
        let der = |tag: u8, value: &[u8]| {
            [&[tag, u8::try_from(value.len()).unwrap()][..], value].concat()
        };
        let object = [der(0x06, &LWM2M_BOOTSTRAP_OID), der(0x30, &path)].concat();
        der(
            0xa1,
            &[
                der(0x30, &[]),
                der(0x30, &[]),
                der(0xa1, &der(0x30, &object)),
            ]
            .concat(),
        )
    };
    let length = u8::try_from(bytes.len()).unwrap();
    let both = part(&[0x02, 0x01, 0x07, 0x80, 0x01, length]);
    application.files.insert([0x64, 0x30], both.into());
    let card = SoftCard::new(ICCID, IMSI).with_application(application.clone());
    assert_eq!(walk(card), Ok(Some(bytes)));

    let one = part(&[0x02, 0x01, 0x07]);
    application.files.insert([0x64, 0x30], one.into());
    let card = SoftCard::new(ICCID, IMSI).with_application(application);
    let error = walk(card).unwrap_err();
    assert_eq!(
        error.to_string(),
        "EF(DODF-bootstrap) is wrong at byte 18: not a path"
    );
}

#[test]
fn a_file_behind_a_lock_is_an_error_that_names_it() {
    let mut card = card(file(20));
    card.file_mut([0x64, 0x32]).unwrap().refused = Some(Status::SECURITY);
    let error = walk(card).unwrap_err();
    let expected = WalkError::Refused {
        file: CardFileName::Bootstrap,
        status: Status::SECURITY,
    };
    assert_eq!(error, CardError::Walk(expected));
    assert_eq!(
        error.to_string(),
        "the card refuses EF LwM2M_Bootstrap: status 6982 (security status not satisfied)"
    );
}

#[test]
fn a_card_without_a_free_channel_is_not_disturbed() {
    let behaviour = behaviour(|behaviour| behaviour.channels = 0);
    let error = walk(card(file(20)).with_behaviour(behaviour)).unwrap_err();
    let expected = WalkError::NoChannel(Status::NOT_SUPPORTED);
    assert_eq!(error, CardError::Walk(expected));
    let mut options = WalkOptions::default();
    options.logical_channel = false;
    let card = card(file(20)).with_behaviour(behaviour);
    assert_eq!(walk_with(card, &options), Ok(Some(file(20))));
}

#[test]
fn broken_directory_files_are_told_with_their_offset() {
    for (id, name) in [
        ([0x50, 0x31], "EF(ODF)"),
        ([0x64, 0x30], "EF(DODF-bootstrap)"),
    ] {
        let mut card = card(file(20));
        let broken = card.file_mut(id).unwrap();
        let mut bytes = broken.bytes.expose().to_vec();
        bytes[1] = 0x7f;
        *broken = bytes.into();
        let text = walk(card).unwrap_err().to_string();
        let expected = format!("{name} is wrong at byte 0: not DER, or longer than what is there");
        assert_eq!(text, expected);
    }
}

/// Stands for SCP03: it only marks commands, as the card in software does.
struct Marked {
    secret: Vec<u8>,
}

impl SecureChannel for Marked {
    fn authenticate(
        &mut self,
        channel: u8,
        response: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, SecureError> {
        match response {
            None => Ok(Some(vec![
                0x80 | channel,
                0x50,
                0,
                0,
                8,
                1,
                2,
                3,
                4,
                5,
                6,
                7,
                8,
                0,
            ])),
            Some([.., 0x90, 0x00]) if self.secret.is_empty() => Ok(None),
            Some([_, .., 0x90, 0x00]) => {
                let secret = core::mem::take(&mut self.secret);
                let length = u8::try_from(secret.len()).unwrap();
                Ok(Some(
                    [&[0x84 | channel, 0x82, 0x33, 0, length][..], &secret].concat(),
                ))
            }
            Some(_) => Err(SecureError::Authentication),
        }
    }

    fn wrap(&mut self, command: &[u8]) -> Result<Vec<u8>, SecureError> {
        let mut command = command.to_vec();
        command[0] |= 0x04;
        Ok(command)
    }

    fn unwrap(&mut self, response: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecureError> {
        Ok(Zeroizing::new(response.to_vec()))
    }
}

fn secure_card() -> SoftCard {
    let mut secure = SoftApplication::bootstrap([0x7f, 0x52], file(300));
    secure.aid = SECURE_AID.to_vec();
    secure.secret = Some(b"the secret".to_vec());
    card(file(20)).with_application(secure)
}

#[test]
fn the_secure_application_goes_first_if_there_are_keys_for_it() {
    let options = WalkOptions::default();
    let read = |secret: &[u8], card: SoftCard| {
        let mut channel = Marked {
            secret: secret.to_vec(),
        };
        let mut reader = SoftReader::new(Some(card));
        let found = read_card(&mut reader, Some(&mut channel), &options)
            .unwrap()
            .unwrap();
        assert_eq!(reader.card_mut().unwrap().open_channels(), 0);
        (found.file().len(), found.is_secured())
    };
    assert_eq!(read(b"the secret", secure_card()), (file(300).len(), true));
    // With a wrong key, or without the application, the other one is left.
    assert_eq!(read(b"another", secure_card()), (file(20).len(), false));
    assert_eq!(read(b"the secret", card(file(20))), (file(20).len(), false));
    assert_eq!(walk(secure_card()), Ok(Some(file(20))));
}

#[test]
fn a_card_that_leads_in_circles_comes_to_an_end() {
    let answers: [&[u8]; 6] = [
        &[0x61, 0x10],
        &[0x6c, 0x05],
        &[0x01, 0x90, 0x00],
        &[0x90, 0x00],
        &[],
        &[0x61, 0x04, 0x4f, 0x00, 0x90, 0x00],
    ];
    for answer in answers {
        let mut walk = Walk::new(WalkOptions::default(), None);
        let mut commands = 0;
        while walk.command().is_some() {
            walk.feed(answer);
            commands += 1;
            assert!(commands <= MAX_COMMANDS + 1, "{answer:02x?}");
        }
    }
}

#[test]
fn the_source_tells_a_wrong_file_from_one_that_can_not_be_read() {
    let mut reader = SoftReader::new(Some(card(vec![0, 1, 0, 200, 0, 0])));
    let fetch = |reader: &mut SoftReader| CardSource::new(reader, Registry::core()).fetch();
    let Err(SourceError::Invalid(text)) = fetch(&mut reader) else {
        panic!("a half-written file was taken")
    };
    let expected = "the bootstrap file is wrong at byte 6: the file ends within the objects";
    assert_eq!(text, expected);
    reader.set_broken(true);
    let error = SourceError::Unreadable("the reader failed: no contact to the card".into());
    assert_eq!(fetch(&mut reader), Err(error));
    for nothing in [vec![0xff; 64], vec![0, 0, 0, 0]] {
        assert_eq!(fetch(&mut SoftReader::new(Some(card(nothing)))), Ok(None));
    }
}

#[test]
fn the_fingerprint_is_of_the_number_and_the_file() {
    let print = |iccid: &str, length| {
        let card = SoftCard::new(iccid, IMSI).with_file(file(length));
        let mut reader = SoftReader::new(Some(card));
        let contents = read_card(&mut reader, None, &WalkOptions::default()).unwrap();
        let contents = contents.unwrap();
        assert_eq!(contents.iccid().len(), 10);
        fingerprint(contents.iccid(), contents.file())
    };
    assert_eq!(print(ICCID, 20), print(ICCID, 20));
    assert_ne!(print(ICCID, 20), print("8949000000000000025", 20));
    assert_ne!(print(ICCID, 20), print(ICCID, 21));
}

#[test]
fn the_imsi_is_where_a_modem_reads_it() {
    let mut reader = SoftReader::new(Some(SoftCard::new(ICCID, IMSI)));
    let mut ask = |command: &[u8]| -> Result<Vec<u8>, NoContact> {
        let mut response = [0; 300];
        let length = reader.transmit(command, &mut response)?;
        Ok(response[..length].to_vec())
    };
    let usim = [
        0x00, 0xa4, 0x04, 0x04, 0x07, 0xa0, 0, 0, 0, 0x87, 0x10, 0x02,
    ];
    assert_eq!(ask(&usim), Ok(vec![0x61, 0x02]));
    let imsi = [0x00, 0xa4, 0x08, 0x04, 0x04, 0x7f, 0xff, 0x6f, 0x07];
    assert_eq!(ask(&imsi), Ok(vec![0x61, 0x02]));
    let expected = vec![0x08, 0x09, 0x10, 0x10, 0, 0, 0, 0, 0x10, 0x90, 0x00];
    assert_eq!(ask(&[0x00, 0xb0, 0, 0, 9]), Ok(expected));
}
