//! The bootstrap file of a smartcard, and the way to it.

use std::ops::ControlFlow;

use lwm2m_bootstrap::{
    smartcard::{
        CardFile, MAX_COMMANDS, MAX_DIRECTORY_FILE, MAX_FILE, Strictness, Walk, WalkError,
        WalkOptions,
    },
    source::Origin,
};
use lwm2m_codec::{MAX_ID, Path};
use lwm2m_model::{
    Tree, Typed,
    objects::{Device, Security, Server},
};

use crate::Verdict;

/// Reads any bytes as the file EF LwM2M_Bootstrap; what is read is written as the same bytes, and
/// a device takes all of it or nothing.
///
/// # Panics
/// If it does not, or an error names a place outside the file.
pub fn card_file(data: &[u8]) -> Verdict {
    let file = match CardFile::parse(data, Strictness::Strict) {
        Ok(file) => file,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            if let Ok(lenient) = CardFile::parse(data, Strictness::Lenient) {
                let written = lenient.encode().expect("what was read can be written");
                let blank = data.iter().all(|byte| *byte == 0xff);
                assert!(blank || data.starts_with(&written));
            }
            return Verdict::Refused;
        }
    };
    let written = file.encode().expect("what was read can be written");
    assert_eq!(*written, data, "bytes after a round trip");
    assert!(file.objects.iter().all(|object| object.id != MAX_ID));
    if data.len() < MAX_FILE {
        let padded = [data, &[0]].concat();
        assert_eq!(
            CardFile::parse(&padded, Strictness::Lenient),
            Ok(file.clone())
        );
    }
    let mut tree = device();
    let before = values(&tree);
    if let Ok(information) = file.information(&tree, None) {
        assert_eq!(information.origin, Origin::Smartcard);
        if information.apply(&mut tree).is_err() {
            assert_eq!(values(&tree), before, "half a configuration");
        }
        assert!(!tree.in_transaction());
    }
    Verdict::Accepted
}

/// Takes the bytes as the responses of a card: length and bytes in turn. When they are used up,
/// the card knows no file. Accepted if that led to a file.
///
/// # Panics
/// If the walk does not end, or an error names a place outside of any file.
pub fn card_walk(data: &[u8]) -> Verdict {
    let mut options = WalkOptions::default();
    let (choice, mut rest) = data.split_first().unwrap_or((&0, &[]));
    options.logical_channel = choice & 1 == 0;
    options.step = if choice & 2 == 0 { 256 } else { 16 };
    let mut walk = Walk::new(options, None);
    let mut commands = 0;
    while let Some(command) = walk.command() {
        assert!((4..=5 + 16 + 1).contains(&command.len()), "{command:02x?}");
        commands += 1;
        assert!(commands <= MAX_COMMANDS + 2, "the walk does not end");
        let (length, after) = rest.split_first().unwrap_or((&2, &[0x6a, 0x82]));
        let length = usize::from(*length).min(after.len());
        let (response, after) = after.split_at(length);
        walk.feed(response);
        rest = after;
    }
    match walk.finish() {
        Ok(Some(contents)) => {
            assert!(contents.file().len() <= MAX_FILE && !contents.is_secured());
            let _ = contents.information(Strictness::Lenient, &device());
            Verdict::Accepted
        }
        Ok(None) => Verdict::Refused,
        Err(error) => {
            if let WalkError::Asn1 { error, .. } = error {
                assert!(error.offset <= MAX_DIRECTORY_FILE, "{error}");
            }
            Verdict::Refused
        }
    }
}

/// A device with an account.
fn device() -> Tree {
    let security = Security {
        lwm2m_server_uri: "coap://factory".into(),
        security_mode: 3,
        short_server_id: Some(1),
        ..Security::default()
    };
    let server = Server {
        short_server_id: 1,
        lifetime: 300,
        binding: "U".into(),
        ..Server::default()
    };
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(0, security));
    tree.insert(Typed::new().with(0, server));
    tree.insert(Typed::new().with(0, Device::default()));
    tree
}

fn values(tree: &Tree) -> Vec<String> {
    let mut values = Vec::new();
    let _ = tree
        .visit(Path::ROOT, &|_, _| true, &mut |record| {
            values.push(format!("{record:?}"));
            ControlFlow::Continue(())
        })
        .expect("the tree can be read");
    values
}
