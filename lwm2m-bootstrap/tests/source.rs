//! Accounts from smartcard and factory, and the order of the two (TS-Core §6.1.4).

mod common;

use common::*;
use lwm2m_bootstrap::{
    Rule, accounts,
    source::{ApplyError, Fixed, Information, Origin, Source, SourceError, establish},
};
use lwm2m_codec::{ContentFormat, Encoder, Path, Record, Value};
use lwm2m_model::{OwnedValue, Registry, Tree};

/// The values of a Security instance without security.
fn security_values(instance: u16, uri: &str, ssid: Option<i64>) -> Vec<(Path, OwnedValue)> {
    let at = |resource| Path::resource(0, instance, resource);
    let mut values = vec![
        (at(0), OwnedValue::String(uri.into())),
        (at(1), OwnedValue::Boolean(ssid.is_none())),
        (at(2), OwnedValue::Integer(3)),
    ];
    values.extend(ssid.map(|ssid| (at(10), OwnedValue::Integer(ssid))));
    values
}

fn server_values(instance: u16, ssid: i64) -> Vec<(Path, OwnedValue)> {
    let at = |resource| Path::resource(1, instance, resource);
    vec![
        (at(0), OwnedValue::Integer(ssid)),
        (at(1), OwnedValue::Integer(300)),
        (at(6), OwnedValue::Boolean(true)),
        (at(7), OwnedValue::String("U".into())),
    ]
}

fn information(origin: Origin, parts: &[Vec<(Path, OwnedValue)>]) -> Information {
    Information::new(origin, parts.concat())
}

fn bootstrap(origin: Origin, uri: &str) -> Information {
    information(origin, &[security_values(0, uri, None)])
}

fn server_account(origin: Origin, uri: &str) -> Information {
    let parts = [security_values(0, uri, Some(1)), server_values(0, 1)];
    information(origin, &parts)
}

/// A device without any account.
fn empty_tree() -> Tree {
    let mut tree = factory_tree();
    tree.delete(Path::instance(0, BOOTSTRAP)).unwrap();
    tree
}

struct NoCard;

impl Source for NoCard {
    fn origin(&self) -> Origin {
        Origin::Smartcard
    }

    fn fetch(&mut self) -> Result<Option<Information>, SourceError> {
        Ok(None)
    }
}

struct BrokenCard;

impl Source for BrokenCard {
    fn origin(&self) -> Origin {
        Origin::Smartcard
    }

    fn fetch(&mut self) -> Result<Option<Information>, SourceError> {
        Err(SourceError::Unreadable("status 6982".into()))
    }
}

fn uris(tree: &Tree) -> (Option<String>, Vec<String>) {
    let accounts = accounts(tree);
    let servers = accounts.servers.into_iter().map(|account| account.uri);
    (
        accounts.bootstrap.map(|account| account.uri),
        servers.collect(),
    )
}

#[test]
fn without_a_card_the_factory_counts() {
    let mut tree = empty_tree();
    let mut factory = Fixed::new(bootstrap(Origin::Factory, "coap://factory"));
    let established = establish(&mut tree, &mut [&mut NoCard, &mut factory]);
    assert_eq!(established.origin, Some(Origin::Factory));
    assert!(established.failed.is_empty());
    assert_eq!(uris(&tree), (Some("coap://factory".into()), vec![]));
}

#[test]
fn the_card_goes_before_the_factory() {
    let mut tree = empty_tree();
    let mut card = Fixed::new(bootstrap(Origin::Smartcard, "coap://card"));
    let mut factory = Fixed::new(server_account(Origin::Factory, "coap://factory"));
    let established = establish(&mut tree, &mut [&mut card, &mut factory]);
    assert_eq!(established.origin, Some(Origin::Smartcard));
    assert_eq!(uris(&tree), (Some("coap://card".into()), vec![]));
}

#[test]
fn the_factory_adds_the_bootstrap_account_that_a_card_lacks_at_a_free_place() {
    let mut tree = empty_tree();
    let mut card = Fixed::new(server_account(Origin::Smartcard, "coap://card"));
    let mut factory = Fixed::new(bootstrap(Origin::Factory, "coap://factory"));
    let established = establish(&mut tree, &mut [&mut card, &mut factory]);
    assert_eq!(established.origin, Some(Origin::Smartcard));
    assert_eq!(established.bootstrap, Some(Origin::Factory));
    let expected = (Some("coap://factory".into()), vec!["coap://card".into()]);
    assert_eq!(uris(&tree), expected);
    assert_eq!(accounts(&tree).bootstrap.unwrap().instance, 1);
}

#[test]
fn a_card_that_can_not_be_read_or_contradicts_itself_leaves_the_turn_to_the_factory() {
    let mut tree = empty_tree();
    let mut factory = Fixed::new(server_account(Origin::Factory, "coap://factory"));
    let established = establish(&mut tree, &mut [&mut BrokenCard, &mut factory]);
    assert_eq!(established.origin, Some(Origin::Factory));
    let [(Origin::Smartcard, error)] = &established.failed[..] else {
        panic!("{established:?}")
    };
    assert_eq!(error.to_string(), "it can't be read: status 6982");

    let mut tree = empty_tree();
    let half = information(
        Origin::Smartcard,
        &[security_values(0, "coap://card", Some(1))],
    );
    let mut card = Fixed::new(half);
    let established = establish(&mut tree, &mut [&mut card, &mut factory]);
    assert_eq!(uris(&tree).1, ["coap://factory"]);
    let text = established.failed[0].1.to_string();
    assert_eq!(
        text,
        "/0/0/10: there is no server instance with short server id 1"
    );
}

#[test]
fn a_source_that_is_wrong_anywhere_changes_nothing() {
    let good = server_account(Origin::Factory, "coap://factory");
    let before = provisioned_tree();
    for index in 0..good.values.len() {
        let mut wrong = good.clone();
        wrong.values[index].1 = OwnedValue::Float(1.5);
        let mut tree = provisioned_tree();
        let error = wrong.apply(&mut tree).unwrap_err();
        assert!(matches!(error, ApplyError::Refused(_)), "{error}");
        assert_eq!(snapshot(&tree), snapshot(&before), "value {index}");
    }
    let mut wrong = good;
    wrong.values[0].0 = Path::instance(0, 0);
    let error = wrong.apply(&mut provisioned_tree()).unwrap_err();
    assert_eq!(error, ApplyError::NoResource(Path::instance(0, 0)));
}

#[test]
fn neither_a_server_nor_a_bootstrap_server_is_not_enough() {
    let mut tree = empty_tree();
    let device = (
        Path::resource(3, 0, 14),
        OwnedValue::String("+01:00".into()),
    );
    let error = information(Origin::Factory, &[vec![device]]).apply(&mut tree);
    let Err(ApplyError::Inconsistent(inconsistency)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(inconsistency.rule, Rule::NoServerAccount);
}

#[test]
fn a_pack_in_cbor_gives_what_was_written_and_hides_the_key() {
    let values = [
        ("/0/0/0", Value::string("coaps://server.example")),
        ("/0/0/1", Value::Boolean(false)),
        ("/0/0/2", Value::Integer(0)),
        ("/0/0/3", Value::opaque(b"dev1")),
        ("/0/0/5", Value::opaque(&[0x5a; 16])),
        ("/0/0/10", Value::Integer(1)),
        ("/1/0/0", Value::Integer(1)),
        ("/1/0/1", Value::Integer(300)),
        ("/1/0/6", Value::Boolean(true)),
        ("/1/0/7", Value::string("U")),
    ];
    for format in [ContentFormat::SENML_CBOR, ContentFormat::LWM2M_CBOR] {
        let mut buf = vec![0; 1024];
        let mut encoder = Encoder::new(format, Path::ROOT, &mut buf).unwrap();
        for (at, value) in values {
            encoder.push(&Record::new(path(at), value)).unwrap();
        }
        let len = encoder.finish().unwrap();
        let registry = Registry::core();
        let pack = Information::from_pack(Origin::Factory, format, &buf[..len], &registry).unwrap();
        assert_eq!(pack.values.len(), values.len());
        assert!(!format!("{pack:?}").contains("90"), "a key is shown");
        let mut tree = empty_tree();
        assert!(pack.apply(&mut tree).is_ok());
        assert_eq!(uris(&tree).1, ["coaps://server.example"]);
    }
}

#[cfg(feature = "toml")]
#[test]
fn a_factory_file_in_toml_gives_accounts_and_values() {
    let text = "[bootstrap]\nuri = 'coaps://bs'\npsk = { identity = 'me', key = '00ff' }\n\
                hold_off = 7\n[[server]]\nssid = 3\nuri = 'coap://s'\nsecurity = 'nosec'\n\
                [[write]]\npath = '/3/0/14'\nvalue = '+01:00'\n";
    let factory = Information::from_toml(text, &Registry::core()).unwrap();
    let mut tree = empty_tree();
    assert!(factory.apply(&mut tree).is_ok());
    let accounts = accounts(&tree);
    assert_eq!(accounts.bootstrap.unwrap().hold_off.as_secs(), 7);
    assert_eq!(accounts.servers[0].ssid, 3);
    let wrong = text.replace("ssid = 3", "ssid = 0");
    let error = Information::from_toml(&wrong, &Registry::core()).unwrap_err();
    assert_eq!((error.line, error.column), (6, 8));
    let one_time = "[[server]]\nssid = 3\nuri = 'coaps://s'\none_time_psk = {}\n";
    let error = Information::from_toml(one_time, &Registry::core()).unwrap_err();
    assert_eq!(
        error.kind.to_string(),
        "a factory file has no one-time keys"
    );
}
