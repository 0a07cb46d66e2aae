use super::*;
use crate::{Constraint, Field, Operations};
use alloc::{borrow::Cow, string::String, vec};
use core::ops::ControlFlow;
use lwm2m_codec::{Version, coap::Code};

/// A lamp: one mandatory and one optional value, a list, links, something to execute.
#[derive(Debug, Clone, Default)]
struct Lamp {
    level: i64,
    name: Option<String>,
    colours: BTreeMap<u16, String>,
    partner: Option<ObjectLink>,
}

const fn resource(
    id: u16,
    operations: Operations,
    shape: (bool, bool),
    data_type: Option<Type>,
    constraint: Constraint,
) -> ResourceDefinition {
    ResourceDefinition {
        id,
        name: Cow::Borrowed(""),
        description: Cow::Borrowed(""),
        operations,
        multiple: shape.0,
        mandatory: shape.1,
        data_type,
        constraint,
        range: Cow::Borrowed(""),
        units: Cow::Borrowed(""),
    }
}

const LEVEL: Constraint = Constraint::Integer { min: 1, max: 100 };
const NAME: Constraint = Constraint::Length { min: 0, max: 8 };
const ANY: Constraint = Constraint::None;

static RESOURCES: [ResourceDefinition; 6] = [
    resource(0, Operations::RW, (false, true), Some(Type::Integer), LEVEL),
    resource(1, Operations::RW, (false, false), Some(Type::String), NAME),
    resource(2, Operations::RW, (true, false), Some(Type::String), ANY),
    resource(
        3,
        Operations::RW,
        (false, false),
        Some(Type::ObjectLink),
        ANY,
    ),
    resource(4, Operations::E, (false, true), None, ANY),
    resource(5, Operations::E, (false, false), None, ANY),
];

static LAMP: ObjectDefinition = ObjectDefinition {
    id: 42769,
    name: Cow::Borrowed("Lamp"),
    description: Cow::Borrowed(""),
    urn: Cow::Borrowed("urn:oma:lwm2m:x:42769"),
    version: Version::V1_0,
    lwm2m_version: Version::V1_0,
    multiple: true,
    mandatory: false,
    resources: Cow::Borrowed(&RESOURCES),
};

impl ObjectInstance for Lamp {
    const DEFINITION: &'static ObjectDefinition = &LAMP;

    fn field(&self, id: u16) -> Option<&dyn Field> {
        Some(match id {
            0 => &self.level,
            1 => &self.name,
            2 => &self.colours,
            3 => &self.partner,
            _ => return None,
        })
    }

    fn field_mut(&mut self, id: u16) -> Option<&mut dyn Field> {
        Some(match id {
            0 => &mut self.level,
            1 => &mut self.name,
            2 => &mut self.colours,
            3 => &mut self.partner,
            _ => return None,
        })
    }
}

fn lamps() -> Tree {
    let lamp = Lamp {
        level: 50,
        ..Lamp::default()
    };
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(0, lamp));
    tree.take_changes();
    tree
}

fn path(text: &str) -> Path {
    let whole = std::format!("/42769{text}");
    whole.parse().unwrap()
}

/// What a visit sees, as text.
fn seen(tree: &Tree, at: Path) -> Vec<String> {
    let mut seen = Vec::new();
    let flow = tree.visit(at, &|_, _| true, &mut |record| {
        seen.push(match record.value {
            Some(value) => format!("{}={value}", record.path),
            None => format!("{}", record.path),
        });
        ControlFlow::Continue(())
    });
    assert!(flow.unwrap().is_continue());
    seen
}
#[test]
fn a_visit_goes_in_path_order_and_tells_empty_containers() {
    let mut tree = lamps();
    tree.write(path("/0/2/7"), Value::string("red")).unwrap();
    tree.write(path("/0/2/1"), Value::string("blue")).unwrap();
    tree.write(path("/0/1"), Value::string("desk")).unwrap();
    tree.create(42769, Some(5)).unwrap_err();
    tree.begin();
    tree.create(42769, Some(5)).unwrap();
    tree.write(path("/5/0"), Value::Integer(1)).unwrap();
    tree.write_empty(path("/5/2")).unwrap();
    tree.commit().unwrap();
    assert_eq!(
        seen(&tree, Path::ROOT),
        [
            "/42769/0/0=50",
            "/42769/0/1=desk",
            "/42769/0/2/1=blue",
            "/42769/0/2/7=red",
            "/42769/5/0=1",
            "/42769/5/2",
        ]
    );
    assert_eq!(seen(&tree, path("/0/2/7")), ["/42769/0/2/7=red"]);
    assert_eq!(seen(&tree, path("/5/2")), ["/42769/5/2"]);
}

#[test]
fn a_visit_leaves_out_what_the_filter_refuses_and_keeps_the_empty_instance() {
    let tree = lamps();
    let mut paths = Vec::new();
    let _ = tree.visit(
        path(""),
        &|path, _| path.resource_id() != Some(0),
        &mut |record| {
            paths.push(record.path);
            ControlFlow::Continue(())
        },
    );
    assert_eq!(paths, [path("/0")]);
}

#[test]
fn a_visit_ends_when_the_visitor_breaks() {
    let mut tree = lamps();
    tree.write(path("/0/1"), Value::string("desk")).unwrap();
    let mut count = 0;
    let flow = tree.visit(Path::ROOT, &|_, _| true, &mut |_| {
        count += 1;
        ControlFlow::Break(())
    });
    assert_eq!((flow, count), (Ok(ControlFlow::Break(())), 1));
}

#[test]
fn a_visit_to_nothing_is_not_found() {
    let tree = lamps();
    for nothing in ["/1", "/0/1", "/0/9", "/0/2/0"] {
        let result = tree.visit(path(nothing), &|_, _| true, &mut |_| {
            ControlFlow::Continue(())
        });
        assert_eq!(result, Err(Failure::not_found(path(nothing))));
    }
}

#[test]
fn an_instance_of_a_single_instance_resource_is_not_allowed() {
    let mut tree = lamps();
    let deep = path("/0/0/0");
    let result = tree.visit(deep, &|_, _| true, &mut |_| ControlFlow::Continue(()));
    assert_eq!(result, Err(Failure::not_allowed(deep)));
    assert_eq!(tree.delete(deep), Err(Failure::not_allowed(deep)));
    assert_eq!(
        tree.write(deep, Value::Integer(1)),
        Err(Failure::not_allowed(deep))
    );
}

#[test]
fn only_what_exists_is_contained() {
    let mut tree = lamps();
    tree.write(path("/0/2/3"), Value::string("red")).unwrap();
    for there in ["", "/0", "/0/0", "/0/2", "/0/2/3", "/0/4"] {
        assert!(tree.contains(path(there)), "{there}");
    }
    for absent in ["/1", "/0/1", "/0/2/4", "/0/5", "/0/6", "/0/0/0"] {
        assert!(!tree.contains(path(absent)), "{absent}");
    }
    assert!(tree.contains(Path::ROOT) && !tree.contains(Path::object(3)));
}

#[test]
fn a_rolled_back_transaction_leaves_no_trace() {
    let mut tree = lamps();
    let before = seen(&tree, Path::ROOT);
    let revision = tree.revision();
    tree.begin();
    tree.write(path("/0/0"), Value::Integer(7)).unwrap();
    tree.write(path("/0/2/0"), Value::string("red")).unwrap();
    assert_eq!(tree.create(42769, None), Ok(1));
    tree.delete(path("/0")).unwrap();
    tree.rollback();
    assert_eq!(seen(&tree, Path::ROOT), before);
    assert_eq!((tree.revision(), tree.take_changes()), (revision, vec![]));
}

#[test]
fn an_inner_transaction_may_fail_within_an_outer_one() {
    let mut tree = lamps();
    tree.begin();
    tree.write(path("/0/0"), Value::Integer(1)).unwrap();
    tree.begin();
    tree.write(path("/0/0"), Value::Integer(2)).unwrap();
    tree.rollback();
    assert_eq!(tree.typed::<Lamp>().unwrap().get(0).unwrap().level, 1);
    tree.begin();
    tree.write(path("/0/0"), Value::Integer(3)).unwrap();
    tree.commit().unwrap();
    assert_eq!(tree.typed::<Lamp>().unwrap().get(0).unwrap().level, 3);
    tree.rollback();
    assert_eq!(tree.typed::<Lamp>().unwrap().get(0).unwrap().level, 50);
    assert!(!tree.in_transaction());
}

#[test]
fn an_outer_transaction_keeps_what_the_inner_ones_committed() {
    let mut tree = lamps();
    tree.begin();
    tree.begin();
    tree.write(path("/0/0"), Value::Integer(3)).unwrap();
    tree.commit().unwrap();
    assert_eq!(tree.take_changes(), []);
    tree.commit().unwrap();
    assert_eq!(tree.take_changes(), [path("/0/0")]);
}

#[test]
fn a_commit_that_fails_undoes_all_of_its_changes() {
    let mut tree = lamps();
    tree.begin();
    tree.write(path("/0/0"), Value::Integer(7)).unwrap();
    tree.create(42769, Some(1)).unwrap();
    let failure = tree.commit().unwrap_err();
    assert_eq!(
        (failure.code, failure.path),
        (Code::BAD_REQUEST, path("/1/0"))
    );
    assert_eq!(failure.reason, "expected 1..100");
    assert_eq!(seen(&tree, Path::ROOT), ["/42769/0/0=50"]);
}

#[test]
fn an_instance_may_be_written_piece_by_piece_in_inner_transactions() {
    let mut tree = lamps();
    tree.begin();
    assert_eq!(
        within(&mut tree, |tree| tree.create(42769, Some(1)).map(drop)),
        Ok(())
    );
    assert_eq!(
        within(&mut tree, |tree| tree
            .write(path("/1/0"), Value::Integer(5))),
        Ok(())
    );
    tree.commit().unwrap();
    tree.begin();
    assert_eq!(
        within(&mut tree, |tree| tree.create(42769, Some(2)).map(drop)),
        Ok(())
    );
    assert_eq!(tree.commit().unwrap_err().path, path("/2/0"));
    assert!(tree.contains(path("/1")) && !tree.contains(path("/2")));
}

fn within(
    tree: &mut Tree,
    work: impl FnOnce(&mut Tree) -> Result<(), Failure>,
) -> Result<(), Failure> {
    tree.begin();
    work(tree)?;
    tree.commit()
}

#[test]
fn an_empty_value_stands_for_none_in_an_optional_resource_of_any_length() {
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(0, crate::objects::Security::default()));
    let key = Path::resource(0, 0, 8);
    assert_eq!(tree.write(key, Value::opaque(&[])), Ok(()));
    assert_eq!(tree.write(key, Value::opaque(&[0; 16])), Ok(()));
    let failure = tree.write(key, Value::opaque(&[0; 17])).unwrap_err();
    assert_eq!(
        failure.reason,
        "expected a length in bytes of one of 16, 32, 48"
    );
}

#[test]
fn no_key_is_printed_with_the_tree() {
    let definition = crate::Registry::core().latest(0).unwrap().clone();
    let mut tree = Tree::new();
    tree.insert(crate::Dynamic::new(definition));
    tree.create(0, Some(0)).unwrap();
    tree.write(Path::resource(0, 0, 5), Value::opaque(b"\x5e\x5e\x5e"))
        .unwrap();
    let printed = format!("{tree:?}");
    assert!(
        printed.contains("Secret(SecretBytes(3 bytes))"),
        "{printed}"
    );
    assert!(!printed.contains("94, 94"));
}

#[test]
fn a_value_of_the_wrong_type_or_range_is_refused_with_its_reason() {
    let mut tree = lamps();
    let mut refuse = |at: &str, value| {
        let failure = tree.write(path(at), value).unwrap_err();
        (failure.code, failure.reason.into_owned())
    };
    assert_eq!(
        refuse("/0/0", Value::Integer(101)),
        (Code::BAD_REQUEST, "expected 1..100".into())
    );
    assert_eq!(
        refuse("/0/0", Value::Boolean(true)),
        (Code::BAD_REQUEST, "expected an integer".into())
    );
    assert_eq!(
        refuse("/0/1", Value::string("too long!")),
        (Code::BAD_REQUEST, "expected a length of 0..8 bytes".into())
    );
    assert_eq!(refuse("/0/2", Value::string("x")).0, Code::BAD_REQUEST);
    assert_eq!(
        refuse("/0/2/65535", Value::string("x")).0,
        Code::BAD_REQUEST
    );
    assert_eq!(
        refuse("/0/1/0", Value::string("x")).0,
        Code::METHOD_NOT_ALLOWED
    );
    assert_eq!(
        refuse("/0/4", Value::string("x")).0,
        Code::METHOD_NOT_ALLOWED
    );
    assert_eq!(refuse("/0/9", Value::string("x")).0, Code::NOT_FOUND);
    assert_eq!(refuse("/8/0", Value::Integer(1)).0, Code::NOT_FOUND);
    assert_eq!(refuse("/0", Value::Integer(1)).0, Code::METHOD_NOT_ALLOWED);
}

#[test]
fn an_object_link_must_lead_somewhere_when_the_transaction_ends() {
    let mut tree = lamps();
    let link = |object, instance| Value::ObjectLink(ObjectLink::new(object, instance));
    let failure = tree.write(path("/0/3"), link(42769, 1)).unwrap_err();
    assert_eq!(
        (failure.code, failure.path),
        (Code::BAD_REQUEST, path("/0/3"))
    );
    assert_eq!(failure.reason, "the object link 42769:1 leads to nothing");
    for good in [link(42769, 0), link(42769, MAX_ID), link(MAX_ID, MAX_ID)] {
        tree.write(path("/0/3"), good).unwrap();
    }
    tree.begin();
    tree.write(path("/0/3"), link(42769, 1)).unwrap();
    tree.create(42769, Some(1)).unwrap();
    tree.write(path("/1/0"), Value::Integer(1)).unwrap();
    tree.commit().unwrap();
}

#[test]
fn a_link_that_was_overwritten_is_not_checked() {
    let mut tree = lamps();
    tree.begin();
    tree.write(path("/0/3"), Value::ObjectLink(ObjectLink::new(9, 9)))
        .unwrap();
    tree.clear(path("/0/3")).unwrap();
    tree.commit().unwrap();
}

#[test]
fn create_picks_the_lowest_free_instance() {
    let mut tree = lamps();
    tree.typed_mut::<Lamp>().unwrap().insert(2, Lamp::default());
    tree.begin();
    assert_eq!(tree.create(42769, None), Ok(1));
    assert_eq!(tree.create(42769, Some(MAX_ID)), Ok(3));
    assert_eq!(tree.create(42769, Some(9)), Ok(9));
    assert_eq!(
        tree.create(42769, Some(9)).unwrap_err().code,
        Code::BAD_REQUEST
    );
    assert_eq!(
        tree.create(3, None),
        Err(Failure::not_found(Path::object(3)))
    );
}

#[test]
fn instances_made_by_servers_start_as_the_prototype() {
    let prototype = Lamp {
        level: 10,
        name: Some("new".into()),
        ..Lamp::default()
    };
    let mut tree = Tree::new();
    tree.insert(Typed::new().with_prototype(prototype));
    tree.create(42769, None).unwrap();
    assert_eq!(seen(&tree, Path::ROOT), ["/42769/0/0=10", "/42769/0/1=new"]);
    tree.write(path("/0/0"), Value::Integer(99)).unwrap();
    tree.clear(path("/0/0")).unwrap();
    tree.clear(path("/0/1")).unwrap();
    assert_eq!(seen(&tree, Path::ROOT), ["/42769/0/0=10"]);
}

#[test]
fn a_mandatory_value_can_not_be_cleared_to_a_default_out_of_range() {
    let mut tree = lamps();
    assert_eq!(
        tree.clear(path("/0/0")).unwrap_err().reason,
        "expected 1..100"
    );
    assert_eq!(seen(&tree, Path::ROOT), ["/42769/0/0=50"]);
}

#[test]
fn delete_removes_instances_and_resource_instances_but_no_resources() {
    let mut tree = lamps();
    tree.write(path("/0/2/0"), Value::string("red")).unwrap();
    tree.delete(path("/0/2/0")).unwrap();
    assert_eq!(
        tree.delete(path("/0/2/0")),
        Err(Failure::not_found(path("/0/2/0")))
    );
    assert_eq!(
        tree.delete(path("/0/1")),
        Err(Failure::not_allowed(path("/0/1")))
    );
    assert_eq!(tree.delete(path("")), Err(Failure::not_allowed(path(""))));
    tree.delete(path("/0")).unwrap();
    assert_eq!(tree.delete(path("/0")), Err(Failure::not_found(path("/0"))));
    assert_eq!(
        tree.delete(Path::ROOT),
        Err(Failure::not_allowed(Path::ROOT))
    );
}

#[test]
fn the_device_notes_only_what_differs() {
    let mut tree = lamps();
    let structure = tree.structure_revision();
    let level = tree.update(0, |lamp: &mut Lamp| {
        lamp.name = Some("desk".into());
        lamp.level
    });
    assert_eq!(level, Some(50));
    assert_eq!(tree.take_changes(), [path("/0/1")]);
    assert_eq!(tree.structure_revision(), structure);
    assert_eq!(tree.update(1, |_: &mut Lamp| ()), None);
}

#[test]
fn coming_and_going_instances_change_the_structure() {
    let mut tree = lamps();
    let structure = tree.structure_revision();
    tree.delete(path("/0")).unwrap();
    assert_eq!(tree.structure_revision(), structure + 1);
    assert_eq!(tree.take_changes(), [path("/0")]);
}

#[test]
fn execute_reaches_the_handler_of_an_existing_resource() {
    let object =
        Typed::<Lamp>::new()
            .with(0, Lamp::default())
            .on_execute(|path, arguments, ticket| {
                assert_eq!(
                    (path.resource_id(), arguments, ticket),
                    (Some(4), &b"0"[..], Ticket(8))
                );
                Outcome::Later
            });
    let mut tree = Tree::new();
    tree.insert(object);
    let mut execute = |at: &str| tree.execute(path(at), b"0", Ticket(8));
    assert_eq!(execute("/0/4"), Outcome::Later);
    assert_eq!(
        execute("/0/5"),
        Outcome::Fail(Failure::not_found(path("/0/5")))
    );
    assert_eq!(
        execute("/0/0"),
        Outcome::Fail(Failure::not_allowed(path("/0/0")))
    );
    assert_eq!(
        execute("/1/4"),
        Outcome::Fail(Failure::not_found(path("/1/4")))
    );
}

#[test]
fn an_optional_executable_exists_once_announced() {
    let mut tree = Tree::new();
    tree.insert(
        Typed::<Lamp>::new()
            .with(0, Lamp::default())
            .with_executable(5),
    );
    assert!(tree.contains(path("/0/5")));
    let refused = Outcome::Fail(Failure::not_allowed(path("/0/5")));
    assert_eq!(tree.execute(path("/0/5"), b"", Ticket(0)), refused);
}

#[test]
fn a_dynamic_object_behaves_as_a_typed_one() {
    let mut tree = Tree::new();
    tree.insert(crate::Dynamic::new(alloc::sync::Arc::new(LAMP.clone())));
    tree.begin();
    assert_eq!(tree.create(42769, None), Ok(0));
    assert_eq!(tree.commit().unwrap_err().reason, "expected 1..100");
    tree.begin();
    tree.create(42769, None).unwrap();
    tree.write(path("/0/0"), Value::Float(5.0)).unwrap();
    tree.write(path("/0/2/4"), Value::string("red")).unwrap();
    tree.commit().unwrap();
    assert_eq!(
        seen(&tree, Path::ROOT),
        ["/42769/0/0=5", "/42769/0/2/4=red"]
    );
    assert!(tree.typed::<Lamp>().is_none());
    assert_eq!(tree.type_of(path("/0/2/4")), Some(Type::String));
}

#[test]
fn an_object_that_is_replaced_within_a_transaction_takes_part_in_it() {
    let mut tree = lamps();
    tree.begin();
    tree.write(path("/0/0"), Value::Integer(7)).unwrap();
    tree.insert(Typed::new().with(
        0,
        Lamp {
            level: 20,
            ..Lamp::default()
        },
    ));
    tree.write(path("/0/0"), Value::Integer(8)).unwrap();
    tree.rollback();
    assert_eq!(seen(&tree, Path::ROOT), ["/42769/0/0=20"]);
}
