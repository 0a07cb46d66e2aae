//! Writes are checked against the definition before an object sees them.

mod common;

use std::{borrow::Cow, sync::Arc};

use common::{World, on, tree};
use lwm2m_client::Config;
use lwm2m_coap::{Draft, sim::LinkConfig};
use lwm2m_codec::{ContentFormat, Path, coap::Code};
use lwm2m_model::{
    Constraint, Dynamic, ObjectDefinition, ObjectInstance, OwnedValue, objects::TestObject,
};

/// The test object with a range for some of its resources.
fn ranged() -> ObjectDefinition {
    let mut definition = ObjectDefinition::clone(TestObject::DEFINITION);
    let texts = ["on", "off"].map(Cow::Borrowed);
    let constraints = [
        (120, Constraint::Integer { min: -5, max: 5 }),
        (125, Constraint::OneOf(Cow::Borrowed(&[1, 2, 4]))),
        (130, Constraint::Float { min: 0.0, max: 1.0 }),
        (110, Constraint::Length { min: 1, max: 4 }),
        (150, Constraint::Length { min: 2, max: 2 }),
    ];
    for resource in definition.resources.to_mut() {
        if let Some((_, constraint)) = constraints.iter().find(|(id, _)| *id == resource.id) {
            resource.constraint = constraint.clone();
        }
        if resource.id == 1110 {
            resource.constraint = Constraint::OneOfText(Cow::Owned(texts.to_vec()));
        }
    }
    definition
}

fn world() -> World {
    let mut tree = tree();
    let mut object = Dynamic::new(Arc::new(ranged()));
    object.insert(0);
    let one = Path::resource(3442, 0, 1110).child(0).expect("a path");
    object.set(one, "off").expect("a listed text");
    tree.insert(object);
    let mut world = World::with(Config::new("dev"), tree, LinkConfig::default());
    world.start();
    world
}

fn text(path: &str, text: &str) -> Draft {
    on(Code::PUT, path).content(ContentFormat::TEXT, text.as_bytes().to_vec())
}

fn opaque(path: &str, bytes: &[u8]) -> Draft {
    on(Code::PUT, path).content(ContentFormat::OPAQUE, bytes.to_vec())
}

#[test]
fn type_range_enumeration_and_length_are_checked_with_4_00_and_leave_the_value() {
    let mut world = world();
    let cases = [
        (text("/3442/0/120", "5"), text("/3442/0/120", "6")),
        (text("/3442/0/120", "-5"), text("/3442/0/120", "much")),
        (text("/3442/0/125", "4"), text("/3442/0/125", "3")),
        (text("/3442/0/125", "2"), text("/3442/0/125", "-1")),
        (text("/3442/0/130", "0.5"), text("/3442/0/130", "1.5")),
        (text("/3442/0/110", "four"), text("/3442/0/110", "fives")),
        (text("/3442/0/110", "é"), text("/3442/0/110", "ééé")),
        (opaque("/3442/0/150", b"ab"), opaque("/3442/0/150", b"abc")),
        (text("/3442/0/1110/0", "on"), text("/3442/0/1110/0", "On")),
        (text("/3442/0/140", "1"), text("/3442/0/140", "2")),
    ];
    for (good, bad) in cases {
        let told = format!("{bad:?}");
        assert_eq!(world.ask(good).code, Code::CHANGED, "before {told}");
        let answer = world.ask(bad);
        assert_eq!(answer.code, Code::BAD_REQUEST, "{told}");
        assert!(answer.text().contains("/3442/0/"), "{}", answer.text());
    }
    let value = |world: &mut World, id| {
        let object = world.client().tree().get(3442).expect("the object");
        let mut value = None;
        let path = Path::resource(3442, 0, id);
        object
            .read(path, &mut |v| value = OwnedValue::from_value(v))
            .expect("a value");
        value.expect("an owned value")
    };
    assert_eq!(value(&mut world, 120), OwnedValue::Integer(-5));
    assert_eq!(value(&mut world, 125), OwnedValue::Unsigned(2));
    assert_eq!(value(&mut world, 110), OwnedValue::from("é"));
    assert_eq!(value(&mut world, 150), OwnedValue::Opaque(b"ab".to_vec()));
}
