//! Links between the objects 0, 1, 2, 21 and 23 through a whole bootstrap (TS-Core §6.1.3,
//! §6.1.7.5, App. E.1).

mod common;

use common::*;
use lwm2m_bootstrap::device::{Progress, Provisioning, pack_accounts, remove_bootstrap_account};
use lwm2m_codec::{ObjectLink, Path, Type, Value, Version, coap::Code};
use lwm2m_model::{
    Constraint, Dynamic, ObjectDefinition, Operations, OwnedValue, ResourceDefinition, Tree,
    objects::Security,
};

/// Object 23, cut to one resource.
fn cose() -> Dynamic {
    let resource = ResourceDefinition {
        id: 0,
        name: "".into(),
        description: "".into(),
        operations: Operations::NONE,
        multiple: false,
        mandatory: true,
        data_type: Some(Type::Integer),
        constraint: Constraint::None,
        range: "".into(),
        units: "".into(),
    };
    let definition = ObjectDefinition {
        id: 23,
        name: "COSE".into(),
        description: "".into(),
        urn: "urn:oma:lwm2m:oma:23".into(),
        version: Version::V1_0,
        lwm2m_version: Version::V1_2,
        multiple: true,
        mandatory: false,
        resources: vec![resource].into(),
    };
    Dynamic::new(definition.into())
}

/// A device whose bootstrap account uses OSCORE context 0 and COSE instance 0.
fn linked_tree() -> Tree {
    let mut tree = factory_tree();
    tree.insert(cose());
    tree.begin();
    for resource in 0..3 {
        let path = Path::resource(21, 0, resource);
        if resource == 0 {
            tree.create(21, Some(0)).unwrap();
        }
        tree.write(path, Value::opaque(&[7])).unwrap();
    }
    tree.create(23, Some(0)).unwrap();
    tree.write(Path::resource(23, 0, 0), Value::Integer(1))
        .unwrap();
    tree.commit().unwrap();
    let securities = tree.typed_mut::<Security>().unwrap();
    let account = securities.get_mut(BOOTSTRAP).unwrap();
    account.oscore_security_mode = Some(ObjectLink::new(21, 0));
    tree.begin();
    let cose = path("/0/7/27/0");
    tree.write(cose, Value::ObjectLink(ObjectLink::new(23, 0)))
        .unwrap();
    tree.commit().unwrap();
    tree
}

fn link(target: &str, object: u16, instance: u16) -> Request {
    let value = Value::ObjectLink(ObjectLink::new(object, instance));
    write(target, &[(target, value)])
}

fn context(instance: u16) -> Request {
    let at = |resource: u16| format!("/21/{instance}/{resource}");
    write(
        &format!("/21/{instance}"),
        &[
            (&at(0), Value::opaque(&[1; 16])),
            (&at(1), Value::opaque(b"client")),
            (&at(2), Value::opaque(b"server")),
        ],
    )
}

#[test]
fn an_account_with_a_link_to_nothing_is_refused_until_what_it_names_is_written() {
    let mut tree = linked_tree();
    let mut provisioning = Provisioning::new(BOOTSTRAP);
    expect(
        &mut provisioning,
        &mut tree,
        write_security(0, 1),
        Code::CHANGED,
    );
    expect(
        &mut provisioning,
        &mut tree,
        write_server(0, 1),
        Code::CHANGED,
    );
    expect(
        &mut provisioning,
        &mut tree,
        link("/0/0/17", 21, 1),
        Code::CHANGED,
    );
    let (draft, _) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(draft.code, Code::NOT_ACCEPTABLE);
    assert!(text(&draft).starts_with("/0/0/17: "), "{}", text(&draft));
    expect(&mut provisioning, &mut tree, context(1), Code::CHANGED);
    let mut cose = write(
        "/0/0/27",
        &[("/0/0/27/0", Value::ObjectLink(ObjectLink::new(23, 5)))],
    );
    expect(&mut provisioning, &mut tree, cose.clone(), Code::CHANGED);
    let (draft, _) = finish().run(&mut provisioning, &mut tree);
    assert_eq!(draft.code, Code::NOT_ACCEPTABLE);
    assert!(text(&draft).starts_with("/0/0/27/0: "), "{}", text(&draft));
    cose = write("/23/5", &[("/23/5/0", Value::Integer(3))]);
    expect(&mut provisioning, &mut tree, cose, Code::CHANGED);
    let (draft, progress) = finish().run(&mut provisioning, &mut tree);
    assert_eq!((draft.code, progress), (Code::CHANGED, Progress::Finished));
    // Whose each instance is, a Discover tells; those of the bootstrap account have no server.
    let mut provisioning = Provisioning::new(BOOTSTRAP).with_version(Version::V1_2);
    let (draft, _) = discover("/21").run(&mut provisioning, &mut tree);
    assert!(
        text(&draft).ends_with("</21/0>,</21/1>;ssid=1"),
        "{}",
        text(&draft)
    );
    let (draft, _) = discover("/23").run(&mut provisioning, &mut tree);
    assert!(
        text(&draft).ends_with("</23/0>,</23/5>;ssid=1"),
        "{}",
        text(&draft)
    );
}

#[test]
fn a_delete_keeps_what_the_bootstrap_account_links_to_and_nothing_else() {
    for target in ["/", "/21", "/23"] {
        let mut tree = linked_tree();
        let mut provisioning = Provisioning::new(BOOTSTRAP);
        expect(&mut provisioning, &mut tree, context(1), Code::CHANGED);
        let cose = write("/23/5", &[("/23/5/0", Value::Integer(3))]);
        expect(&mut provisioning, &mut tree, cose, Code::CHANGED);
        expect(&mut provisioning, &mut tree, delete(target), Code::DELETED);
        for own in ["/0/7", "/21/0", "/23/0"] {
            assert!(tree.contains(path(own)), "{target}: {own} is gone");
        }
        let both = target == "/";
        assert_eq!(tree.contains(path("/21/1")), target == "/23" && !both);
        assert_eq!(tree.contains(path("/23/5")), target == "/21" && !both);
        for own in ["/0/7", "/21/0", "/23/0"] {
            expect(&mut provisioning, &mut tree, delete(own), Code::BAD_REQUEST);
        }
        provisioning.abort(&mut tree);
        assert_eq!(snapshot(&tree), snapshot(&linked_tree()));
    }
}

#[test]
fn a_pack_request_names_and_an_account_timeout_removes_all_that_belongs_to_the_account() {
    let mut tree = linked_tree();
    assert_eq!(pack_accounts(&tree, BOOTSTRAP), "</0/7>,</21/0>,</23/0>");
    assert_eq!(remove_bootstrap_account(&mut tree), Ok(true));
    for own in ["/0/7", "/21/0", "/23/0"] {
        assert!(!tree.contains(path(own)), "{own} stays");
    }
    assert!(tree.contains(path("/3/0")));
    let left = snapshot(&tree);
    let secret = |value: &Option<OwnedValue>| matches!(value, Some(OwnedValue::Secret(_)));
    assert!(!left.values().any(secret), "a key stays");
}
