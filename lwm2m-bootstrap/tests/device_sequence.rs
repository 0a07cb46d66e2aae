//! Whole bootstraps on the device: what is kept, what is undone, what goes with a server.

mod common;

use common::*;
use lwm2m_bootstrap::{
    accounts, check_consistency,
    device::{Progress, Provisioning},
};
use lwm2m_codec::{ContentFormat, Value, coap::Code};
use lwm2m_model::{
    Tree,
    objects::{AccessControl, Server, Temperature},
};

/// Deletes all and provisions two servers, as ETS 4 does.
fn sequence() -> Vec<Request> {
    vec![
        discover("/"),
        get("/1"),
        delete("/0"),
        delete("/1"),
        write_security(0, 5),
        write_security(1, 6),
        write_server(0, 5),
        write_server(1, 6),
        write("/3/0", &[("/3/0/14", Value::string("+02:00"))]),
        delete("/3303"),
        Request::new(Code::PUT, "/1/0/2").body(ContentFormat::TEXT, b"3"),
    ]
}

fn access(object: i64, instance: i64, owner: i64, acl: &[(u16, i64)]) -> AccessControl {
    AccessControl {
        object_id: object,
        object_instance_id: instance,
        acl: acl.iter().copied().collect(),
        access_control_owner: owner,
    }
}

#[test]
fn a_factory_device_is_provisioned_by_two_writes_and_a_finish() {
    let mut tree = factory_tree();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    for request in [write_security(0, 1), write_server(0, 1), discover("/")] {
        let (draft, progress) = request.run(&mut provisioning, &mut tree);
        assert!(draft.code.is_success());
        assert_eq!(progress, Progress::Continue);
    }
    assert!(provisioning.is_open() && tree.in_transaction());
    let (draft, progress) = finish().run(&mut provisioning, &mut tree);
    assert_eq!((draft.code, progress), (Code::CHANGED, Progress::Finished));
    assert!(draft.payload.is_empty());
    assert!(!provisioning.is_open() && !tree.in_transaction());
    let accounts = accounts(&tree);
    assert_eq!(accounts.servers[0].uri, "coaps://new.example");
    assert_eq!(accounts.servers[0].lifetime, 600);
    assert!(accounts.bootstrap.is_some());
}

#[test]
fn an_abort_at_any_point_gives_back_the_tree_as_it_was() {
    let requests = sequence();
    for cut in 0..=requests.len() {
        let mut tree = provisioned_tree();
        let before = snapshot(&tree);
        tree.take_changes();
        let mut provisioning = Provisioning::new(BOOTSTRAP);
        for request in &requests[..cut] {
            let (draft, _) = request.run(&mut provisioning, &mut tree);
            assert!(draft.code.is_success(), "{request:?}");
        }
        provisioning.abort(&mut tree);
        assert_eq!(snapshot(&tree), before, "after {cut} requests");
        assert!(!tree.in_transaction());
        assert_eq!(tree.take_changes(), []);
    }
}

#[test]
fn a_finish_at_any_point_keeps_a_consistent_device_or_says_why_not() {
    let requests = sequence();
    for cut in 0..=requests.len() {
        let mut tree = provisioned_tree();
        let mut provisioning = Provisioning::new(BOOTSTRAP);
        for request in &requests[..cut] {
            request.run(&mut provisioning, &mut tree);
        }
        let (draft, progress) = finish().run(&mut provisioning, &mut tree);
        match progress {
            Progress::Finished => {
                assert_eq!(draft.code, Code::CHANGED);
                assert_eq!(check_consistency(&tree), Ok(()), "after {cut} requests");
                assert!(!tree.in_transaction());
            }
            Progress::Continue => {
                assert_eq!(draft.code, Code::NOT_ACCEPTABLE);
                assert!(!draft.payload.is_empty());
                assert!(provisioning.is_open());
                provisioning.abort(&mut tree);
            }
            Progress::Prepared => panic!("nobody asked to hold"),
        }
    }
}

#[test]
fn a_bootstrap_that_is_held_is_kept_by_its_commit_and_undone_by_its_abort() {
    for keep in [true, false] {
        let mut tree = factory_tree();
        let before = snapshot(&tree);
        let mut provisioning = Provisioning::new(BOOTSTRAP).holding();
        for request in sequence() {
            let (draft, _) = request.run(&mut provisioning, &mut tree);
            assert!(draft.code.is_success());
        }
        let (draft, progress) = finish().run(&mut provisioning, &mut tree);
        assert_eq!((draft.code, progress), (Code::CHANGED, Progress::Prepared));
        let prepared = snapshot(&tree);
        assert!(tree.in_transaction() && prepared != before);
        match keep {
            true => provisioning.commit(&mut tree).unwrap(),
            false => provisioning.abort(&mut tree),
        }
        assert!(!tree.in_transaction());
        assert_eq!(snapshot(&tree), if keep { prepared } else { before });
    }
}

#[test]
fn the_last_request_and_its_answer_are_known_without_any_value() {
    let mut tree = factory_tree();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    assert_eq!(provisioning.last(), None);
    let mut told = |request: Request| {
        request.run(&mut provisioning, &mut tree);
        provisioning.last().unwrap().to_string()
    };
    assert_eq!(told(discover("/")), "discover /, 0 bytes: 2.05 Content");
    let secret = write_security(0, 1);
    assert_eq!(
        told(secret),
        "write /0/0 as tlv (11542), 63 bytes: 2.04 Changed"
    );
    assert_eq!(
        told(delete("/2/0/1")),
        "delete /2/0/1, 0 bytes: 4.00 Bad Request: Bootstrap-Delete takes /, an object or an instance"
    );
    assert_eq!(
        told(finish()),
        "finish, 0 bytes: 4.06 Not Acceptable: /0/0/10: there is no server instance with short server id 1"
    );
}

#[test]
fn a_finish_without_a_server_account_is_refused_and_may_be_repeated() {
    // ETS 9: only the Disable Timeout is written.
    let mut tree = factory_tree();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    let request = Request::new(Code::PUT, "/1/0/5").body(ContentFormat::TEXT, b"60");
    expect(&mut provisioning, &mut tree, request, Code::CHANGED);
    let (draft, progress) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(
        (draft.code, progress),
        (Code::NOT_ACCEPTABLE, Progress::Continue)
    );
    assert_eq!(text(&draft), "/1/0/0: expected 1..65534");
    expect(
        &mut provisioning,
        &mut tree,
        write_server(0, 1),
        Code::CHANGED,
    );
    let (draft, _) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(
        text(&draft),
        "/1/0/0: there is no security instance with short server id 1"
    );
    expect(
        &mut provisioning,
        &mut tree,
        write_security(0, 1),
        Code::CHANGED,
    );
    let (draft, progress) = finish().run(&mut provisioning, &mut tree);
    assert_eq!((draft.code, progress), (Code::CHANGED, Progress::Finished));
}

#[test]
fn a_finish_without_a_change_asks_whether_the_device_is_consistent_as_it_is() {
    let mut tree = provisioned_tree();
    let (draft, progress) = finish().run(&mut Provisioning::new(BOOTSTRAP), &mut tree);
    assert_eq!((draft.code, progress), (Code::CHANGED, Progress::Finished));
}

#[test]
fn deleted_accounts_are_gone_and_the_bootstrap_account_survives() {
    // ETS 4.
    let mut tree = provisioned_tree();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    expect(&mut provisioning, &mut tree, delete("/0"), Code::DELETED);
    expect(&mut provisioning, &mut tree, delete("/1"), Code::DELETED);
    let (draft, _) = discover("/0").run(&mut provisioning, &mut tree);
    assert_eq!(text(&draft), "</>;lwm2m=1.1,</0>;ver=1.2,</0/7>");
    let (draft, _) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(draft.code, Code::NOT_ACCEPTABLE);
}

#[test]
fn access_control_that_was_written_can_be_read() {
    // ETS 8.
    let mut tree = provisioned_tree();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    let request = write(
        "/2/0",
        &[
            ("/2/0/0", Value::Integer(3)),
            ("/2/0/1", Value::Integer(0)),
            ("/2/0/2/0", Value::Integer(31)),
            ("/2/0/3", Value::Integer(65535)),
        ],
    );
    expect(&mut provisioning, &mut tree, request.clone(), Code::CHANGED);
    let (draft, _) = get("/2/0").run(&mut provisioning, &mut tree);
    assert_eq!(draft.payload, request.body);
    let (draft, _) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(draft.code, Code::CHANGED);
}

/// A device of the servers 1 and 2, where access control is on.
fn two_servers() -> Tree {
    let mut tree = provisioned_tree();
    tree.typed_mut().unwrap().insert(1, security(2));
    tree.typed_mut().unwrap().insert(1, server(2));
    tree.typed_mut().unwrap().insert(1, Temperature::default());
    tree.typed_mut().unwrap().insert(2, Temperature::default());
    let acls = tree.typed_mut::<AccessControl>().unwrap();
    acls.insert(0, access(3303, 0, 2, &[(1, 3), (2, 15)]));
    acls.insert(1, access(3303, 1, 2, &[(2, 15)]));
    acls.insert(2, access(3303, 2, 2, &[(0, 1), (2, 15)]));
    acls.insert(3, access(1, 0, 1, &[]));
    assert_eq!(check_consistency(&tree), Ok(()));
    tree
}

#[test]
fn a_server_whose_account_was_deleted_takes_its_rights_along() {
    let mut tree = two_servers();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    expect(&mut provisioning, &mut tree, delete("/0/1"), Code::DELETED);
    let (draft, progress) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(progress, Progress::Finished, "{}", text(&draft));
    assert!(tree.typed::<Server>().unwrap().get(1).is_none());
    let acls: Vec<_> = tree.typed::<AccessControl>().unwrap().iter().collect();
    let inherited = access(3303, 0, 1, &[(1, 3)]);
    let nobodys = access(3303, 2, 65535, &[(0, 1)]);
    let others = access(1, 0, 1, &[]);
    assert_eq!(acls, [(0, &inherited), (2, &nobodys), (3, &others)]);
    let sensors: Vec<u16> = tree
        .typed::<Temperature>()
        .unwrap()
        .iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(sensors, [0, 2]);
}

#[test]
fn a_server_whose_account_is_written_again_keeps_its_rights() {
    let mut tree = two_servers();
    let acls: Vec<_> = tree
        .typed::<AccessControl>()
        .unwrap()
        .iter()
        .map(|(_, a)| a.clone())
        .collect();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    expect(&mut provisioning, &mut tree, delete("/0"), Code::DELETED);
    expect(
        &mut provisioning,
        &mut tree,
        write_security(0, 1),
        Code::CHANGED,
    );
    expect(
        &mut provisioning,
        &mut tree,
        write_security(1, 2),
        Code::CHANGED,
    );
    let (_, progress) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(progress, Progress::Finished);
    let after: Vec<_> = tree
        .typed::<AccessControl>()
        .unwrap()
        .iter()
        .map(|(_, a)| a.clone())
        .collect();
    assert_eq!(after, acls);
    assert_eq!(accounts(&tree).servers.len(), 2);
}

#[test]
fn a_refused_finish_leaves_what_would_have_gone_with_a_server() {
    let mut tree = two_servers();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    expect(&mut provisioning, &mut tree, delete("/0/1"), Code::DELETED);
    expect(
        &mut provisioning,
        &mut tree,
        write_security(4, 9),
        Code::CHANGED,
    );
    let before = snapshot(&tree);
    let (draft, _) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(
        text(&draft),
        "/0/4/10: there is no server instance with short server id 9"
    );
    assert_eq!(snapshot(&tree), before);
}

#[test]
fn a_server_instance_that_was_just_written_is_not_removed_but_missed() {
    let mut tree = provisioned_tree();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    expect(&mut provisioning, &mut tree, delete("/0/0"), Code::DELETED);
    expect(
        &mut provisioning,
        &mut tree,
        write_server(0, 1),
        Code::CHANGED,
    );
    let (draft, _) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(
        text(&draft),
        "/1/0/0: there is no security instance with short server id 1"
    );
}
