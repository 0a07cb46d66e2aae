//! Each rule that Bootstrap-Finish checks.

mod common;

use common::*;
use lwm2m_bootstrap::{
    AccountSecurity, Inconsistency, RegistrationPolicy, Rule, accounts, check_consistency,
    uri::UriError,
};
use lwm2m_codec::{ObjectLink, Path};
use lwm2m_model::{
    Tree,
    objects::{AccessControl, Security, Server},
};
use std::time::Duration;

fn broken(tree: &Tree) -> (String, Rule) {
    let Inconsistency { path, rule } = check_consistency(tree).unwrap_err();
    (path.to_string(), rule)
}

/// A consistent device, changed.
fn with(change: impl FnOnce(&mut Tree)) -> Tree {
    let mut tree = provisioned_tree();
    assert_eq!(check_consistency(&tree), Ok(()));
    change(&mut tree);
    tree
}

fn with_security(change: impl FnOnce(&mut Security)) -> Tree {
    with(|tree| change(tree.typed_mut().unwrap().get_mut(0).unwrap()))
}

fn with_access_control(change: impl FnOnce(&mut AccessControl)) -> Tree {
    let mut acl = AccessControl {
        object_id: 3303,
        object_instance_id: 0,
        acl: [(0, 1), (1, 15)].into(),
        access_control_owner: 1,
    };
    change(&mut acl);
    with(|tree| {
        tree.typed_mut().unwrap().insert(0, acl);
    })
}

#[test]
fn a_device_needs_a_server_account() {
    let tree = factory_tree();
    assert_eq!(broken(&tree), ("/1".into(), Rule::NoServerAccount));
    assert_eq!(
        check_consistency(&tree).unwrap_err().to_string(),
        "/1: there is no server account"
    );
}

#[test]
fn a_security_instance_needs_its_server_instance() {
    let tree = with_security(|security| security.short_server_id = Some(2));
    assert_eq!(broken(&tree), ("/0/0/10".into(), Rule::ServerMissing(2)));
}

#[test]
fn a_server_instance_needs_its_security_instance() {
    let tree = with(|tree| {
        tree.typed_mut().unwrap().insert(3, server(9));
    });
    assert_eq!(broken(&tree), ("/1/3/0".into(), Rule::SecurityMissing(9)));
}

#[test]
fn a_short_server_id_belongs_to_one_account() {
    let tree = with(|tree| {
        tree.typed_mut().unwrap().insert(3, server(1));
    });
    assert_eq!(broken(&tree), ("/1/3/0".into(), Rule::SsidTaken(1)));
    let tree = with(|tree| {
        tree.typed_mut().unwrap().insert(3, security(1));
    });
    assert_eq!(broken(&tree), ("/0/3/10".into(), Rule::SsidTaken(1)));
}

#[test]
fn a_short_server_id_is_1_to_65534() {
    for wrong in [None, Some(0), Some(65535), Some(-1), Some(70_000)] {
        let tree = with_security(|security| security.short_server_id = wrong);
        assert_eq!(broken(&tree), ("/0/0/10".into(), Rule::SsidMissing));
    }
    let tree = with(|tree| {
        tree.typed_mut().unwrap().insert(0, server(65535));
    });
    assert_eq!(broken(&tree), ("/1/0/0".into(), Rule::SsidMissing));
}

#[test]
fn there_is_at_most_one_bootstrap_account() {
    let tree = with(|tree| {
        tree.typed_mut().unwrap().insert(8, bootstrap_security());
    });
    assert_eq!(
        broken(&tree),
        ("/0/8/1".into(), Rule::SeveralBootstrapAccounts)
    );
}

#[test]
fn a_uri_must_be_one_to_connect_to() {
    for (uri, rule) in [
        ("", Rule::Uri(UriError::Missing)),
        ("http://x", Rule::Uri(UriError::Scheme)),
        ("coaps://x:99999", Rule::Uri(UriError::Port)),
        ("coap://x", Rule::SchemeContradictsMode),
    ] {
        let tree = with_security(|security| security.lwm2m_server_uri = uri.into());
        assert_eq!(broken(&tree), ("/0/0/0".into(), rule));
    }
}

#[test]
fn a_secured_scheme_needs_keys() {
    let tree = with_security(|security| {
        security.security_mode = 3;
        security.public_key_or_identity.clear();
        security.secret_key = Default::default();
    });
    assert_eq!(
        broken(&tree),
        ("/0/0/0".into(), Rule::SchemeContradictsMode)
    );
}

#[test]
fn each_security_mode_says_which_keys_must_be_there_and_which_must_not() {
    // Mode, keys that are set, resource that is wrong.
    for (mode, keys, wrong, rule) in [
        (0, [false, false, true], 3, Rule::CredentialMissing),
        (0, [true, false, false], 5, Rule::CredentialMissing),
        (0, [true, true, true], 4, Rule::CredentialNotEmpty),
        (1, [false, true, true], 3, Rule::CredentialMissing),
        (1, [true, false, true], 4, Rule::CredentialMissing),
        (1, [true, true, false], 5, Rule::CredentialMissing),
        (2, [true, false, true], 4, Rule::CredentialMissing),
        (3, [true, false, false], 3, Rule::CredentialNotEmpty),
        (3, [false, true, false], 4, Rule::CredentialNotEmpty),
        (3, [false, false, true], 5, Rule::CredentialNotEmpty),
        (4, [false, true, true], 5, Rule::CredentialNotEmpty),
        (4, [false, false, false], 4, Rule::CredentialMissing),
        (5, [false, false, false], 2, Rule::ModeUnknown),
    ] {
        let key = |set: bool| if set { vec![1] } else { Vec::new() };
        let tree = with_security(|security| {
            security.security_mode = mode;
            security.public_key_or_identity = key(keys[0]);
            security.server_public_key = key(keys[1]);
            security.secret_key = key(keys[2]).into();
        });
        assert_eq!(
            broken(&tree),
            (format!("/0/0/{wrong}"), rule),
            "mode {mode}"
        );
    }
}

#[test]
fn links_of_accounts_lead_to_instances_or_nowhere() {
    let link = ObjectLink::new(21, 4);
    let mut tree = with_security(|security| security.oscore_security_mode = Some(link));
    assert_eq!(broken(&tree), ("/0/0/17".into(), Rule::DanglingLink(link)));
    tree.create(21, Some(4)).unwrap();
    assert_eq!(check_consistency(&tree), Ok(()));

    let tree = with_security(|security| security.oscore_security_mode = Some(ObjectLink::NULL));
    assert_eq!(check_consistency(&tree), Ok(()));

    let link = ObjectLink::new(23, 0);
    let tree = with_security(|security| {
        security.lwm2m_cose_security.insert(5, link);
    });
    assert_eq!(
        broken(&tree),
        ("/0/0/27/5".into(), Rule::DanglingLink(link))
    );

    let link = ObjectLink::new(11, 0);
    let tree = with(|tree| {
        let server: &mut Server = tree.typed_mut().unwrap().get_mut(0).unwrap();
        server.apn_link = Some(link);
    });
    assert_eq!(broken(&tree), ("/1/0/10".into(), Rule::DanglingLink(link)));
}

#[test]
fn access_control_is_for_things_and_servers_that_exist() {
    assert_eq!(check_consistency(&with_access_control(|_| {})), Ok(()));
    let tree = with_access_control(|acl| acl.object_instance_id = 5);
    let target = Rule::AccessControlTarget(Path::instance(3303, 5));
    assert_eq!(broken(&tree), ("/2/0/0".into(), target));
    let tree = with_access_control(|acl| (acl.object_id, acl.object_instance_id) = (99, 65535));
    let target = Rule::AccessControlTarget(Path::object(99));
    assert_eq!(broken(&tree), ("/2/0/0".into(), target));
    let tree = with_access_control(|acl| acl.access_control_owner = 2);
    assert_eq!(
        broken(&tree),
        ("/2/0/3".into(), Rule::AccessControlServer(2))
    );
    let tree = with_access_control(|acl| {
        acl.acl.insert(4, 1);
    });
    assert_eq!(
        broken(&tree),
        ("/2/0/2/4".into(), Rule::AccessControlServer(4))
    );
    let mut tree = with_access_control(|acl| acl.access_control_owner = 65535);
    let acl = tree
        .typed::<AccessControl>()
        .unwrap()
        .get(0)
        .unwrap()
        .clone();
    tree.typed_mut().unwrap().insert(6, acl);
    let twice = Rule::AccessControlTwice(Path::instance(3303, 0));
    assert_eq!(broken(&tree), ("/2/6/0".into(), twice));
}

#[test]
fn several_servers_without_access_control_are_consistent() {
    let tree = with(|tree| {
        tree.typed_mut().unwrap().insert(1, security(2));
        tree.typed_mut().unwrap().insert(1, server(2));
    });
    assert_eq!(check_consistency(&tree), Ok(()));
}

#[test]
fn accounts_are_read_with_the_defaults_of_the_standard() {
    let tree = provisioned_tree();
    let accounts = accounts(&tree);
    let bootstrap = accounts.bootstrap.unwrap();
    assert_eq!(bootstrap.instance, BOOTSTRAP);
    assert_eq!(bootstrap.uri, "coap://bs.example");
    assert_eq!(bootstrap.security, AccountSecurity::NoSec);
    assert_eq!(bootstrap.hold_off, Duration::from_secs(2));
    assert_eq!(bootstrap.timeout, None);
    let [server] = &accounts.servers[..] else {
        panic!("one server")
    };
    assert_eq!(
        (
            server.ssid,
            server.security_instance,
            server.server_instance
        ),
        (1, 0, 0)
    );
    assert_eq!((server.lifetime, server.binding.as_str()), (300, "U"));
    assert_eq!(server.registration, RegistrationPolicy::default());
    assert_eq!(server.security.mode(), 0);
    assert!(format!("{server:?}").contains("SecretBytes(16 bytes)"));
}

#[test]
fn accounts_leave_out_what_is_incomplete() {
    let tree = with_security(|security| security.secret_key = Default::default());
    assert_eq!(accounts(&tree).servers, []);
    let tree = with_security(|security| security.short_server_id = Some(2));
    assert_eq!(accounts(&tree).servers, []);
}

#[test]
fn a_sequence_delay_of_all_ones_means_never() {
    let mut tree = provisioned_tree();
    for never in [u64::from(u32::MAX), u64::MAX] {
        let server: &mut Server = tree.typed_mut().unwrap().get_mut(0).unwrap();
        server.communication_sequence_delay_timer = Some(never);
        let servers = accounts(&tree).servers;
        assert_eq!(servers[0].registration.sequence_delay, None);
    }
}
