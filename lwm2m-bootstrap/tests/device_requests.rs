//! What each request of a bootstrap server does on the device.

mod common;

use common::*;
use lwm2m_bootstrap::device::{Progress, Provisioning};
use lwm2m_codec::{ContentFormat, ObjectLink, Value, Version, coap::Code};
use lwm2m_model::objects::{AccessControl, Device, Security, Server, Temperature};

fn start() -> Provisioning {
    Provisioning::new(BOOTSTRAP)
}

#[test]
fn discover_lists_accounts_with_their_short_server_ids_and_the_bootstrap_account_without() {
    let mut tree = provisioned_tree();
    let (draft, progress) = discover("/").run(&mut start(), &mut tree);
    assert_eq!(draft.code, Code::CONTENT);
    assert_eq!(progress, Progress::Continue);
    assert_eq!(
        text(&draft),
        "</>;lwm2m=1.1,</0>;ver=1.2,</0/0>;ssid=1;uri=\"coaps://server.example\",</0/7>,\
         </1>;ver=1.2,</1/0>;ssid=1,</2>;ver=1.1,</3>;ver=1.2,</3/0>,</21>;ver=2.0,\
         </3303>;ver=1.1,</3303/0>"
    );
    assert!(!tree.in_transaction());
}

#[test]
fn discover_of_an_enabler_whose_versions_are_implied_leaves_them_out() {
    let mut tree = provisioned_tree();
    let mut provisioning = start().with_version(Version::V1_2);
    let (draft, _) = discover("/").run(&mut provisioning, &mut tree);
    assert_eq!(
        text(&draft),
        "</>;lwm2m=1.2,</0/0>;ssid=1;uri=\"coaps://server.example\",</0/7>,</1/0>;ssid=1,</2>,\
         </3/0>,</21>,</3303/0>;ver=1.1"
    );
}

#[test]
fn discover_tells_whose_oscore_context_an_instance_is() {
    let mut tree = provisioned_tree();
    tree.create(21, Some(0)).unwrap();
    tree.create(21, Some(1)).unwrap();
    let securities = tree.typed_mut::<Security>().unwrap();
    let link = |instance| Some(ObjectLink::new(21, instance));
    securities.get_mut(BOOTSTRAP).unwrap().oscore_security_mode = link(0);
    securities.get_mut(0).unwrap().oscore_security_mode = link(1);
    let mut provisioning = start().with_version(Version::V1_2);
    let (draft, _) = discover("/21").run(&mut provisioning, &mut tree);
    assert_eq!(text(&draft), "</>;lwm2m=1.2,</21/0>,</21/1>;ssid=1");
}

#[test]
fn discover_takes_the_root_and_objects_only() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    for (request, code) in [
        (get("/"), Code::CONTENT),
        (discover("/1"), Code::CONTENT),
        (discover("/99"), Code::NOT_FOUND),
        (discover("/1/0"), Code::BAD_REQUEST),
        (get("/").accept(ContentFormat::TLV), Code::NOT_ACCEPTABLE),
        (discover("/x"), Code::NOT_FOUND),
    ] {
        expect(&mut provisioning, &mut tree, request, code);
    }
}

#[test]
fn read_takes_the_server_and_access_control_objects_only() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    for (request, code) in [
        (get("/1"), Code::CONTENT),
        (get("/1/0"), Code::CONTENT),
        (get("/2"), Code::CONTENT),
        (get("/1/9"), Code::NOT_FOUND),
        (get("/1/0/0"), Code::METHOD_NOT_ALLOWED),
        (get("/0"), Code::METHOD_NOT_ALLOWED),
        (get("/0/0"), Code::METHOD_NOT_ALLOWED),
        (get("/3/0"), Code::METHOD_NOT_ALLOWED),
        (
            get("/1/0").accept(ContentFormat(9999)),
            Code::NOT_ACCEPTABLE,
        ),
        (
            get("/1/0").accept(ContentFormat::TEXT),
            Code::NOT_ACCEPTABLE,
        ),
    ] {
        expect(&mut provisioning, &mut tree, request, code);
    }
    let (draft, _) = get("/1/0").run(&mut provisioning, &mut tree);
    // Short Server ID 1, lifetime 300, storing false, binding U.
    let tlv = [0xc1, 0, 1, 0xc2, 1, 0x01, 0x2c, 0xc1, 6, 0, 0xc1, 7, b'U'];
    assert_eq!(draft.payload, tlv);
    assert!(!tree.in_transaction());
}

#[test]
fn a_read_that_does_not_fit_is_an_error_of_the_device() {
    let mut tree = provisioned_tree();
    let request = get("/1/0");
    let datagram = request.datagram();
    let message = lwm2m_codec::coap::Message::parse(&datagram).unwrap();
    let (draft, _) = start().handle(&mut tree, &message, &[], 4);
    assert_eq!(draft.code, Code::INTERNAL_SERVER_ERROR);
}

#[test]
fn a_write_creates_or_replaces_an_instance_whatever_its_operations_are() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    let old = tree.typed_mut::<Server>().unwrap().get_mut(0).unwrap();
    old.default_minimum_period = Some(5);
    expect(
        &mut provisioning,
        &mut tree,
        write_server(0, 1),
        Code::CHANGED,
    );
    expect(
        &mut provisioning,
        &mut tree,
        write_server(4, 2),
        Code::CHANGED,
    );
    let servers = tree.typed::<Server>().unwrap();
    let replaced = servers.get(0).unwrap();
    assert_eq!((replaced.short_server_id, replaced.lifetime), (1, 600));
    assert_eq!(replaced.default_minimum_period, None);
    assert_eq!(servers.get(4).unwrap().short_server_id, 2);
}

#[test]
fn a_write_to_an_object_keeps_instances_that_it_does_not_list() {
    let mut tree = provisioned_tree();
    let request = write(
        "/1",
        &[
            ("/1/2/0", Value::Integer(2)),
            ("/1/2/1", Value::Integer(60)),
            ("/1/3/0", Value::Integer(3)),
        ],
    );
    expect(&mut start(), &mut tree, request, Code::CHANGED);
    let servers = tree.typed::<Server>().unwrap();
    let ids: Vec<_> = servers
        .iter()
        .map(|(id, s)| (id, s.short_server_id))
        .collect();
    assert_eq!(ids, [(0, 1), (2, 2), (3, 3)]);
}

#[test]
fn a_write_to_a_resource_keeps_the_rest_and_makes_its_instance() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    let request = Request::new(Code::PUT, "/1/0/1").body(ContentFormat::TEXT, b"42");
    expect(&mut provisioning, &mut tree, request, Code::CHANGED);
    let request = Request::new(Code::PUT, "/0/3/5").body(ContentFormat::OPAQUE, &[1, 2]);
    expect(&mut provisioning, &mut tree, request, Code::CHANGED);
    assert_eq!(tree.typed::<Server>().unwrap().get(0).unwrap().lifetime, 42);
    assert_eq!(tree.typed::<Server>().unwrap().get(0).unwrap().binding, "U");
    let made = tree.typed::<Security>().unwrap().get(3).unwrap();
    assert_eq!(made.secret_key.expose(), [1, 2]);
}

#[test]
fn a_write_to_a_multiple_instance_resource_replaces_its_instances() {
    let mut tree = provisioned_tree();
    let mut acl = AccessControl::default();
    acl.acl.insert(9, 1);
    tree.typed_mut().unwrap().insert(0, acl);
    let request = write("/2/0/2", &[("/2/0/2/1", Value::Integer(15))]);
    expect(&mut start(), &mut tree, request, Code::CHANGED);
    let acl = tree.typed::<AccessControl>().unwrap().get(0).unwrap();
    assert_eq!(acl.acl, [(1, 15)].into());
}

#[test]
fn a_write_to_the_device_keeps_what_only_the_device_knows() {
    let mut tree = provisioned_tree();
    let request = write("/3/0", &[("/3/0/14", Value::string("+02:00"))]);
    expect(&mut start(), &mut tree, request, Code::CHANGED);
    let device = tree.typed::<Device>().unwrap().get(0).unwrap();
    assert_eq!(device.utc_offset.as_deref(), Some("+02:00"));
    assert_eq!(device.manufacturer.as_deref(), Some("Acme"));
}

#[test]
fn unknown_resources_in_a_payload_are_skipped() {
    let mut tree = provisioned_tree();
    // TLV: resource 0 = 1, resource 200 = 7, resource 1 = 60.
    let body = [0xc1, 0, 1, 0xc1, 200, 7, 0xc1, 1, 60];
    let request = Request::new(Code::PUT, "/1/0").body(ContentFormat::TLV, &body);
    expect(&mut start(), &mut tree, request, Code::CHANGED);
    assert_eq!(tree.typed::<Server>().unwrap().get(0).unwrap().lifetime, 60);
}

#[test]
fn empty_values_of_optional_resources_count_as_absent() {
    let mut tree = provisioned_tree();
    let request = write(
        "/0/0",
        &[
            ("/0/0/0", Value::string("coap://x")),
            ("/0/0/2", Value::Integer(3)),
            // 16, 32 or 48 bytes are allowed.
            ("/0/0/8", Value::opaque(b"")),
            ("/0/0/10", Value::Integer(1)),
        ],
    );
    expect(&mut start(), &mut tree, request, Code::CHANGED);
    let security = tree.typed::<Security>().unwrap().get(0).unwrap();
    assert_eq!(security.sms_binding_secret_keys, None);
}

#[test]
fn a_write_that_fails_changes_nothing() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    let before = snapshot(&tree);
    let bad_value = write(
        "/1/0",
        &[
            ("/1/0/1", Value::Integer(60)),
            ("/1/0/7", Value::string("UQS")),
            ("/1/0/26", Value::Integer(9)),
        ],
    );
    let bad_tlv = Request::new(Code::PUT, "/1/0").body(ContentFormat::TLV, &[0xc1, 0, 1, 0xc8, 1]);
    let executable = write("/1/0", &[("/1/0/8", Value::Integer(1))]);
    let no_format = Request::new(Code::PUT, "/1/0");
    for request in [
        bad_value,
        bad_tlv,
        executable,
        no_format,
        Request::new(Code::PUT, "/").body(ContentFormat::TLV, &[]),
        Request::new(Code::PUT, "/2/0/2/1").body(ContentFormat::TEXT, b"1"),
        Request::new(Code::PUT, "/99/0").body(ContentFormat::TLV, &[]),
        Request::new(Code::PUT, "/1/0/99").body(ContentFormat::TEXT, b"1"),
        Request::new(Code::PUT, "/3/1").body(ContentFormat::TLV, &[]),
        Request::new(Code::PUT, "/1/65535").body(ContentFormat::TLV, &[]),
        Request::new(Code::PUT, "/bs").body(ContentFormat::TLV, &[]),
        Request::new(Code::PUT, "/1/01").body(ContentFormat::TLV, &[]),
    ] {
        expect(&mut provisioning, &mut tree, request, Code::BAD_REQUEST);
        assert_eq!(snapshot(&tree), before);
    }
    for format in [
        ContentFormat(9999),
        ContentFormat::TEXT,
        ContentFormat::LINK,
    ] {
        let request = Request::new(Code::PUT, "/1/0").body(format, b"1");
        expect(
            &mut provisioning,
            &mut tree,
            request,
            Code::UNSUPPORTED_CONTENT_FORMAT,
        );
        assert_eq!(snapshot(&tree), before);
    }
}

#[test]
fn a_delete_of_everything_leaves_the_bootstrap_account_and_the_device() {
    let mut tree = provisioned_tree();
    tree.create(21, Some(0)).unwrap();
    tree.create(21, Some(1)).unwrap();
    let account = tree.typed_mut::<Security>().unwrap().get_mut(BOOTSTRAP);
    account.unwrap().oscore_security_mode = Some(ObjectLink::new(21, 1));
    expect(&mut start(), &mut tree, delete("/"), Code::DELETED);
    let left: Vec<String> = tree
        .objects()
        .filter_map(|(id, object)| Some(format!("/{id}/{}", object.next_instance(None)?)))
        .collect();
    assert_eq!(left, ["/0/7", "/3/0", "/21/1"]);
}

#[test]
fn a_delete_of_an_object_or_instance_leaves_the_others() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    expect(&mut provisioning, &mut tree, delete("/0"), Code::DELETED);
    expect(&mut provisioning, &mut tree, delete("/3"), Code::DELETED);
    expect(&mut provisioning, &mut tree, delete("/1/0"), Code::DELETED);
    assert!(tree.contains(path("/0/7")) && tree.contains(path("/3/0")));
    assert!(!tree.contains(path("/0/0")) && !tree.contains(path("/1/0")));
    assert!(tree.typed::<Temperature>().unwrap().get(0).is_some());
}

#[test]
fn a_delete_of_what_does_not_exist_succeeds() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    for target in ["/99", "/1/5", "/99/0"] {
        expect(&mut provisioning, &mut tree, delete(target), Code::DELETED);
    }
}

#[test]
fn a_delete_of_what_is_protected_or_of_a_resource_is_refused() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    let before = snapshot(&tree);
    for target in ["/0/7", "/3/0", "/1/0/2", "/1/0/2/0", "/bs"] {
        expect(
            &mut provisioning,
            &mut tree,
            delete(target),
            Code::BAD_REQUEST,
        );
    }
    assert_eq!(snapshot(&tree), before);
}

#[test]
fn a_bootstrap_account_that_moved_is_protected_at_its_new_place() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    let moved = write(
        "/0/2",
        &[
            ("/0/2/0", Value::string("coap://bs2.example")),
            ("/0/2/1", Value::Boolean(true)),
            ("/0/2/2", Value::Integer(3)),
        ],
    );
    expect(&mut provisioning, &mut tree, moved, Code::CHANGED);
    expect(
        &mut provisioning,
        &mut tree,
        write_security(BOOTSTRAP, 5),
        Code::CHANGED,
    );
    expect(&mut provisioning, &mut tree, delete("/0"), Code::DELETED);
    assert!(tree.contains(path("/0/2")) && !tree.contains(path("/0/7")));
}

#[test]
fn methods_without_meaning_are_refused() {
    let mut tree = provisioned_tree();
    let mut provisioning = start();
    for code in [Code::FETCH, Code::PATCH, Code::IPATCH] {
        let request = Request::new(code, "/1/0");
        expect(
            &mut provisioning,
            &mut tree,
            request,
            Code::METHOD_NOT_ALLOWED,
        );
    }
    for target in ["/1/0", "/", "/bs/1", "/rd"] {
        let request = Request::new(Code::POST, target);
        expect(&mut provisioning, &mut tree, request, Code::BAD_REQUEST);
    }
    expect(&mut provisioning, &mut tree, get("/bs"), Code::NOT_FOUND);
}
