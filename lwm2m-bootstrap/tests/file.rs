//! Provisioning files: what they give, and what is wrong with them where.

mod common;

use common::path;
use lwm2m_bootstrap::{
    Inconsistency, Rule,
    file::{ConfigErrorKind, ExpectedValue, ProvisioningFile},
    server::{EndpointPattern, ProvisionError},
    uri::UriError,
};
use lwm2m_codec::{ObjectLink, Path, Type};
use lwm2m_model::{Failure, OwnedValue, Registry};

/// Lines of a complete endpoint, to change one at a time.
const GOOD: &str = r#"[[endpoint]]
name = "dev1"
psk = { identity = "bs", key = "00ff" }
delete = ["/0", "/1"]
[[endpoint.server]]
ssid = 1
uri = "coaps://server:5684"
psk = { identity = "dev1", key = "0011" }
lifetime = 300
"#;

/// The good file with a piece replaced; gives line, column and kind of the error.
fn wrong(old: &str, new: &str) -> (usize, usize, ConfigErrorKind) {
    assert!(GOOD.contains(old), "{old}");
    error(&GOOD.replacen(old, new, 1))
}

fn wrong_behind(more: &str) -> (usize, usize, ConfigErrorKind) {
    error(&format!("{GOOD}{more}"))
}

fn error(text: &str) -> (usize, usize, ConfigErrorKind) {
    let error = ProvisioningFile::parse(text).unwrap_err();
    (error.line, error.column, error.kind)
}

fn message(text: &str) -> String {
    ProvisioningFile::parse(text).unwrap_err().to_string()
}

#[test]
fn a_file_gives_typed_entries() {
    let file: ProvisioningFile = GOOD.parse().unwrap();
    let [entry] = &file.entries[..] else {
        panic!("one entry")
    };
    assert_eq!(entry.name, EndpointPattern::Exact("dev1".into()));
    let psk = entry.psk.as_ref().unwrap();
    assert_eq!(
        (&psk.identity[..], psk.key.expose()),
        (&b"bs"[..], &[0, 0xff][..])
    );
    assert!(entry.provision.discover);
    let server = &entry.provision.servers[0];
    assert_eq!(server.server.short_server_id, 1);
    assert_eq!(server.server.binding, "U");
    assert!(server.server.notification_storing_when_disabled_or_offline);
    assert_eq!(server.security.public_key_or_identity, b"dev1");
    assert_eq!(server.security.secret_key.expose(), [0, 0x11]);
    assert_eq!(ProvisioningFile::parse("").unwrap().entries, []);
}

#[test]
fn the_example_of_the_documentation_is_read_as_it_says() {
    let file = ProvisioningFile::parse(include_str!("../src/file/example.toml")).unwrap();
    let [entry] = &file.entries[..] else {
        panic!("one entry")
    };
    assert!(entry.name.matches("urn:dev:os:0123-9"));
    let provision = &entry.provision;
    assert_eq!(provision.read, [path("/1")]);
    assert_eq!(provision.delete, [path("/0"), path("/1"), path("/2")]);
    let bootstrap = &provision.bootstrap.as_ref().unwrap().security;
    assert_eq!(bootstrap.client_hold_off_time, Some(5));
    assert_eq!(bootstrap.secret_key.expose(), b"0123456789abcdef");
    let server = &provision.servers[0].server;
    assert_eq!((server.lifetime, server.mute_send), (300, Some(false)));
    assert_eq!(provision.access_control[0].acl, [(0, 1), (1, 15)].into());
    let paths: Vec<Path> = provision.writes.iter().map(|write| write.path).collect();
    assert_eq!(paths, [path("/3/0/14"), path("/3303/0")]);
}

#[test]
fn keys_are_hexadecimal_or_text_and_identities_text_or_hexadecimal() {
    let text = GOOD
        .replace("\"0011\"", "\"text:käse\"")
        .replace("\"bs\"", "\"hex:C0ffee\"");
    let file = ProvisioningFile::parse(&text).unwrap();
    let server = &file.entries[0].provision.servers[0];
    assert_eq!(server.security.secret_key.expose(), "käse".as_bytes());
    assert_eq!(
        file.entries[0].psk.as_ref().unwrap().identity,
        [0xc0, 0xff, 0xee]
    );
    assert!(!format!("{file:?}").contains("107, 195"));
}

#[test]
fn each_way_to_secure_a_connection_gives_its_mode() {
    for (keys, uri, mode) in [
        ("security = \"nosec\"", "coap://h", 3),
        ("psk = { identity = \"i\", key = \"00\" }", "coaps://h", 0),
        (
            "raw_public_key = { public = \"01\", server = \"02\", private = \"03\" }",
            "coaps://h",
            1,
        ),
        (
            "certificate = { certificate = \"01\", server = \"02\", private = \"03\" }",
            "coaps+tcp://h",
            2,
        ),
    ] {
        let text = format!(
            "[[endpoint]]\nname = \"*\"\n[[endpoint.server]]\nssid = 1\nuri = \"{uri}\"\n{keys}\n"
        );
        let file = ProvisioningFile::parse(&text).unwrap();
        let security = &file.entries[0].provision.servers[0].security;
        assert_eq!(security.security_mode, mode);
    }
}

#[test]
fn syntax_errors_and_unknown_keys_are_named_with_their_place() {
    let (line, column, _) = wrong("ssid = 1", "ssid = ");
    assert_eq!((line, column), (6, 8));
    let text = GOOD.replace("lifetime", "livetime");
    assert!(
        message(&text).starts_with("line 9, column 1: unknown field `livetime`"),
        "{}",
        message(&text)
    );
    let text = GOOD.replace("ssid = 1\n", "");
    assert_eq!(message(&text), "line 5, column 1: missing field `ssid`");
    let (line, column, _) = wrong("lifetime = 300", "lifetime = -1");
    assert_eq!((line, column), (9, 12));
    let (line, column, _) = wrong("[[endpoint]]", "[[device]]\n[[endpoint]]");
    assert_eq!((line, column), (1, 3));
}

#[test]
fn an_error_never_shows_a_key() {
    for text in [
        GOOD.replace("\"0011\"", "\"5ec4e7x\""),
        GOOD.replace("\"0011\"", "[\"5ec4e7\"]"),
        GOOD.replace("\"0011\" }", "\"5ec4e7\" "),
        format!("{GOOD}[[endpoint.write]]\npath = \"/0/0/5\"\nvalue = \"5ec4e7x\"\n"),
    ] {
        let error = ProvisioningFile::parse(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("5ec4e7"), "{error}");
    }
}

#[test]
fn names_are_unique_and_have_a_star_at_their_end_only() {
    let twice = format!("{GOOD}\n{GOOD}");
    assert_eq!(
        error(&twice),
        (12, 8, ConfigErrorKind::EndpointTwice("dev1".into()))
    );
    for name in ["", "*x", "a*b*"] {
        let new = format!("\"{name}\"");
        assert_eq!(
            wrong("\"dev1\"", &new),
            (2, 8, ConfigErrorKind::EndpointName)
        );
    }
    let second = GOOD
        .replace("name = \"dev1\"", "name = \"dev2\"")
        .replace("00ff", "00fe");
    let (line, _, kind) = error(&format!("{GOOD}{second}"));
    assert_eq!((line, kind), (12, ConfigErrorKind::IdentityTwice));
}

#[test]
fn bytes_that_are_none_are_named() {
    assert_eq!(wrong("\"0011\"", "\"001\""), (8, 34, ConfigErrorKind::Hex));
    assert_eq!(wrong("\"0011\"", "\"0x11\""), (8, 34, ConfigErrorKind::Hex));
    assert_eq!(wrong("\"0011\"", "\"\""), (8, 34, ConfigErrorKind::Empty));
    assert_eq!(wrong("\"bs\"", "\"\""), (3, 20, ConfigErrorKind::Empty));
    assert_eq!(wrong("\"bs\"", "\"hex:0\""), (3, 20, ConfigErrorKind::Hex));
}

#[test]
fn short_server_ids_are_1_to_65534_and_unique() {
    for wrong_id in ["0", "65535", "-1", "70000"] {
        let new = format!("ssid = {wrong_id}");
        assert_eq!(wrong("ssid = 1", &new), (6, 8, ConfigErrorKind::Ssid));
    }
    let second = "[[endpoint.server]]\nssid = 1\nuri = \"coap://x\"\nsecurity = \"nosec\"\n";
    assert_eq!(wrong_behind(second), (11, 8, ConfigErrorKind::SsidTwice(1)));
}

#[test]
fn uris_are_checked_and_must_fit_the_keys() {
    let uri = "\"coaps://server:5684\"";
    assert_eq!(
        wrong(uri, "\"\""),
        (7, 7, ConfigErrorKind::Uri(UriError::Missing))
    );
    assert_eq!(
        wrong(uri, "\"http://x\""),
        (7, 7, ConfigErrorKind::Uri(UriError::Scheme))
    );
    assert_eq!(
        wrong(uri, "\"coap://x\""),
        (7, 7, ConfigErrorKind::SchemeContradictsKeys)
    );
    let psk = "psk = { identity = \"dev1\", key = \"0011\" }";
    assert_eq!(wrong(psk, "").2, ConfigErrorKind::SecurityMissing);
    assert_eq!(
        wrong(psk, &format!("{psk}\nsecurity = \"nosec\"")).2,
        ConfigErrorKind::SecurityTwice
    );
    assert_eq!(
        wrong(psk, "security = \"psk\""),
        (8, 12, ConfigErrorKind::SecurityUnknown)
    );
    assert_eq!(
        wrong(psk, "security = \"nosec\""),
        (7, 7, ConfigErrorKind::SchemeContradictsKeys)
    );
}

#[test]
fn paths_must_be_ones_of_their_operation() {
    let delete = "delete = [\"/0\", \"/1\"]";
    assert_eq!(
        wrong(delete, "delete = [\"/0\", \"/1/0/2\"]"),
        (4, 17, ConfigErrorKind::DeletePath)
    );
    assert!(matches!(
        wrong(delete, "delete = [\"x\"]"),
        (4, 11, ConfigErrorKind::Path(_))
    ));
    assert_eq!(
        wrong(delete, "read = [\"/3\"]"),
        (4, 9, ConfigErrorKind::ReadPath)
    );
    for target in ["/3", "/", "/3/0/6/0"] {
        let write = format!("[[endpoint.write]]\npath = \"{target}\"\nvalue = 1\n");
        assert_eq!(wrong_behind(&write), (11, 8, ConfigErrorKind::WritePath));
    }
}

fn written(target: &str, value: &str) -> Result<Vec<(Path, OwnedValue)>, ConfigErrorKind> {
    let text = format!("{GOOD}[[endpoint.write]]\npath = \"{target}\"\nvalue = {value}\n");
    match ProvisioningFile::parse(&text) {
        Ok(file) => Ok(file.entries[0].provision.writes[0].values.clone()),
        Err(error) => Err(error.kind),
    }
}

#[test]
fn values_are_converted_to_the_type_of_their_resource() {
    for (target, value, typed) in [
        ("/3/0/14", "\"+02:00\"", OwnedValue::from("+02:00")),
        ("/3/0/13", "1700000000", OwnedValue::Time(1_700_000_000)),
        ("/3303/0/5700", "21.5", 21.5.into()),
        ("/3303/0/5700", "21", 21.0.into()),
        ("/1/0/5", "60", 60_i64.into()),
        ("/1/0/13", "1", 1_u64.into()),
        ("/1/0/6", "false", false.into()),
        ("/5/0/0", "\"00ff\"", OwnedValue::Opaque(vec![0, 255])),
        ("/1/0/10", "\"3:0\"", ObjectLink::new(3, 0).into()),
    ] {
        let expected = vec![(path(target), typed)];
        assert_eq!(written(target, value), Ok(expected), "{target}");
    }
    assert_eq!(
        written("/3303/0", "{ 5700 = 1, 5701 = \"Cel\" }"),
        Ok(vec![
            (path("/3303/0/5700"), 1.0.into()),
            (path("/3303/0/5701"), "Cel".into())
        ])
    );
    assert_eq!(
        written("/3/0", "{ 11 = { 0 = 0, 3 = 2 } }"),
        Ok(vec![
            (path("/3/0/11/0"), 0_i64.into()),
            (path("/3/0/11/3"), 2_i64.into())
        ])
    );
    let secret = written("/0/9/5", "\"5ec4e7\"").unwrap();
    assert!(matches!(secret[..], [(_, OwnedValue::Secret(_))]));
}

#[test]
fn values_that_fit_no_resource_are_named_with_what_is_wanted() {
    let value = |target: &str, expected| {
        Err(ConfigErrorKind::Value {
            path: path(target),
            expected,
        })
    };
    let one = ExpectedValue::One;
    assert_eq!(written("/3/0/14", "5"), value("/3/0/14", one(Type::String)));
    assert_eq!(
        written("/1/0/13", "-1"),
        value("/1/0/13", one(Type::Unsigned))
    );
    assert_eq!(
        written("/1/0/6", "\"true\""),
        value("/1/0/6", one(Type::Boolean))
    );
    assert_eq!(
        written("/5/0/0", "\"0\""),
        value("/5/0/0", one(Type::Opaque))
    );
    assert_eq!(
        written("/3/0/11", "5"),
        value("/3/0/11", ExpectedValue::Table)
    );
    assert_eq!(written("/3/0", "5"), value("/3/0", ExpectedValue::Table));
    assert_eq!(
        written("/3/0/4", "5"),
        value("/3/0/4", ExpectedValue::Nothing)
    );
    assert_eq!(
        written("/3/0", "{ 999 = 5 }"),
        Err(ConfigErrorKind::UnknownResource(path("/3/0/999")))
    );
    assert_eq!(
        written("/4711/0", "{}"),
        Err(ConfigErrorKind::UnknownObject(4711))
    );
    let failure = Failure::bad_request(path("/1/0/26"), "expected 0..1");
    assert_eq!(
        written("/1/0/26", "9"),
        Err(ConfigErrorKind::Provision(ProvisionError::Value(failure)))
    );
    assert!(matches!(
        written("/3/0", "{ x = 1 }"),
        Err(ConfigErrorKind::Toml(_))
    ));
}

#[test]
fn access_control_is_written_in_letters() {
    let access = "[[endpoint.access]]\nobject = 3303\ninstance = 0\nowner = 1\n\
                  acl = { 1 = \"RWEDC\", default = \"r\" }\n[[endpoint.access]]\nobject = 3303\n";
    let file = ProvisioningFile::parse(&format!("{GOOD}{access}")).unwrap();
    let [one, two] = &file.entries[0].provision.access_control[..] else {
        panic!("two instances")
    };
    assert_eq!((one.object_id, one.object_instance_id), (3303, 0));
    assert_eq!(one.acl, [(0, 1), (1, 31)].into());
    assert_eq!(
        (two.object_instance_id, two.access_control_owner),
        (65535, 65535)
    );
    let bad = access.replace("\"r\"", "\"x\"");
    assert_eq!(wrong_behind(&bad), (14, 32, ConfigErrorKind::Rights));
    let bad = access.replace("default", "all");
    assert_eq!(wrong_behind(&bad), (14, 22, ConfigErrorKind::Ssid));
    let bad = access.replace("owner = 1", "owner = 7");
    let kind = ConfigErrorKind::Provision(ProvisionError::Inconsistent(Inconsistency {
        path: path("/2/0/3"),
        rule: Rule::AccessControlServer(7),
    }));
    assert_eq!(wrong_behind(&bad), (10, 1, kind));
}

#[test]
fn half_an_account_is_named_where_it_is_written() {
    let half = "[[endpoint.write]]\npath = \"/1/7\"\nvalue = { 0 = 9, 1 = 60, 7 = \"U\" }\n";
    let kind = |path_, rule| {
        ConfigErrorKind::Provision(ProvisionError::Inconsistent(Inconsistency {
            path: path(path_),
            rule,
        }))
    };
    let expected = (10, 1, kind("/1/7/0", Rule::SecurityMissing(9)));
    assert_eq!(wrong_behind(half), expected);
    let half = "[[endpoint.write]]\npath = \"/0/7\"\n\
                value = { 0 = \"coap://x\", 1 = false, 2 = 3, 10 = 9 }\n";
    let expected = (10, 1, kind("/0/7/10", Rule::ServerMissing(9)));
    assert_eq!(wrong_behind(half), expected);
}

#[test]
fn a_provision_that_deletes_all_accounts_must_bring_one() {
    let text = "[[endpoint]]\nname = \"*\"\ndelete = [\"/\"]\n";
    let (line, column, kind) = error(text);
    assert_eq!((line, column), (2, 8));
    assert_eq!(kind.to_string(), "/1: there is no server account");
    let text = "[[endpoint]]\nname = \"*\"\n[[endpoint.write]]\npath = \"/1/0/1\"\nvalue = 60\n";
    assert!(ProvisioningFile::parse(text).is_ok());
}

#[test]
fn the_same_instance_is_not_written_twice() {
    let second = "security_instance = 3\n[[endpoint.server]]\nssid = 2\nuri = \"coap://x\"\n\
                  security = \"nosec\"\nsecurity_instance = 3\n";
    let (line, _, kind) = wrong_behind(second);
    assert_eq!(line, 11);
    assert_eq!(kind.to_string(), "/0/3 is written twice");
    let (_, _, kind) = wrong_behind("security_instance = 65535\n");
    assert_eq!(kind, ConfigErrorKind::Id);
}

#[test]
fn a_registry_says_which_objects_can_be_written() {
    let text = format!("{GOOD}[[endpoint.write]]\npath = \"/3303/0\"\nvalue = {{ 5700 = 1 }}\n");
    assert!(ProvisioningFile::parse(&text).is_ok());
    let error = ProvisioningFile::parse_with(&text, &Registry::new()).unwrap_err();
    assert_eq!((error.line, error.column), (11, 8));
    assert_eq!(error.kind, ConfigErrorKind::UnknownObject(3303));
}
