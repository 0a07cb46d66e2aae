//! Compares generated code with `fixtures/*.rs`, and uses it.
//!
//! A difference fails the test and rewrites the fixture: look at it with `git diff`, run again.

use std::{
    fs,
    path::Path as FilePath,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use lwm2m_build::{CompileError, compile_to, generate, module_name};
use lwm2m_codec::{Path, Version, coap::Code};
use lwm2m_model::{
    Call, Field, Object, ObjectDefinition, ObjectInstance, Operations, Outcome, Ticket, Typed, xml,
};

#[allow(dead_code, unreachable_pub)]
#[rustfmt::skip]
mod fixtures {
    pub mod actions_only;
    pub mod bare;
    pub mod collisions;
    pub mod desk_lamp;
    pub mod enumerations;
    pub mod keywords;
    pub mod n3_phase_5g_meter;
    pub mod nasty_text;
    pub mod object_42780;
    pub mod odd_things;
    pub mod option;
    pub mod ranges;
    pub mod send;
    pub mod write_only;
}
use fixtures::{
    actions_only::{self, ActionsOnly, ActionsOnlyActions},
    bare::Bare,
    collisions,
    enumerations::values,
    keywords::Keywords,
    nasty_text::NastyText,
    odd_things::OddThings,
    option::OptionObject,
    ranges,
    write_only::WriteOnly,
};

#[track_caller]
fn check(name: &str) {
    let fixtures = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = fs::read_to_string(fixtures.join(format!("{name}.xml"))).expect("the fixture");
    let definition = &xml::parse(&text)
        .expect("the fixture is well-formed")
        .definitions[0];
    assert_eq!(module_name(definition), name);
    let source = generate(definition).expect("code is generated");
    let expected = fixtures.join(format!("{name}.rs"));
    if fs::read_to_string(&expected).unwrap_or_default() != source {
        fs::write(&expected, source).expect("the fixture can be written");
        panic!("{name}.rs was not up to date; it is now");
    }
}

#[test]
fn difficult_definitions_give_the_expected_code() {
    for name in [
        "actions_only",
        "bare",
        "collisions",
        "desk_lamp",
        "enumerations",
        "keywords",
        "n3_phase_5g_meter",
        "nasty_text",
        "object_42780",
        "odd_things",
        "option",
        "ranges",
        "send",
        "write_only",
    ] {
        check(name);
    }
}

/// The definition of a fixture.
#[track_caller]
fn read(name: &str) -> ObjectDefinition {
    let fixtures = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = fs::read_to_string(fixtures.join(format!("{name}.xml"))).expect("the fixture");
    let mut parsed = xml::parse(&text).expect("the fixture is well-formed");
    parsed.definitions.remove(0)
}

#[test]
fn generated_definitions_are_those_that_were_read() {
    assert_eq!(*ActionsOnly::DEFINITION, read("actions_only"));
    assert_eq!(*Bare::DEFINITION, read("bare"));
    assert_eq!(*Keywords::DEFINITION, read("keywords"));
    assert_eq!(*NastyText::DEFINITION, read("nasty_text"));
    assert_eq!(
        *fixtures::enumerations::Enumerations::DEFINITION,
        read("enumerations")
    );
    assert_eq!(*ranges::Ranges::DEFINITION, read("ranges"));
    assert_eq!((WriteOnly::ID, WriteOnly::VERSION), (42776, Version::V1_0));
    assert_eq!(WriteOnly::URN, "urn:oma:lwm2m:x:42776");
}

#[test]
fn values_with_names_are_constants_of_the_type_of_the_resource() {
    let stuck: u64 = values::from_range::STUCK;
    assert_eq!((stuck, values::from_range::DOUBLE_CLICK), (255, 2));
    assert_eq!(values::from_text::N2ND_GEAR, 1_i64);
    assert_eq!(values::of_texts::ALLOWED, ["on", "off", "", "10 %"]);
    assert_eq!(
        (values::of_texts::ON, values::of_texts::VALUE_2),
        ("on", "")
    );
    assert_eq!(values::narrowed::ON, 1);
    assert_eq!(values::of_numbers::ALLOWED, [5, 10, 15]);
    let taken = (
        collisions::values::other::MIN_0,
        collisions::values::other::SAME_4,
    );
    assert_eq!(taken, (0, 4));
    assert_eq!(ranges::values::bits::MAX, 65_535_u64);
    assert_eq!(ranges::values::length::MAX_LENGTH, 255);
}

/// Counts what is executed.
struct Motor(Arc<AtomicU32>);

impl ActionsOnlyActions for Motor {
    fn start(&mut self, call: Call<'_>) -> Outcome {
        self.0
            .fetch_add(1 + u32::from(call.instance()), Ordering::Relaxed);
        Outcome::Done
    }

    fn stop(&mut self, _: Call<'_>) -> Outcome {
        Outcome::Later
    }
}

#[test]
fn executables_are_methods_and_optional_ones_are_refused_unless_written() {
    let started = Arc::new(AtomicU32::new(0));
    let mut object = Typed::new()
        .with(0, ActionsOnly::default())
        .with_executable(actions_only::ids::CLONE)
        .on_execute(actions_only::actions(Motor(Arc::clone(&started))));
    let mut run = |id| object.execute(Path::resource(ActionsOnly::ID, 0, id), b"", Ticket(0));
    assert_eq!(run(actions_only::ids::START), Outcome::Done);
    assert_eq!(run(actions_only::ids::STOP), Outcome::Later);
    let code = |outcome| match outcome {
        Outcome::Fail(failure) => failure.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        code(run(actions_only::ids::CLONE)),
        Code::METHOD_NOT_ALLOWED
    );
    // It was not announced, so it is not there.
    assert_eq!(code(run(actions_only::ids::FN_MUT)), Code::NOT_FOUND);
    assert_eq!(started.load(Ordering::Relaxed), 1);
}

#[test]
fn the_generated_struct_has_fields_for_values_only() {
    let mut odd = OddThings {
        n5qi: Some(99),
        ..OddThings::default()
    };
    odd.power_4.insert(7, 1.5);
    odd.data.insert(0, vec![1]);
    assert!(odd.type_ == lwm2m_model::codegen::ObjectLink::NULL && odd.power_3.is_none());
    assert!(odd.field(2).is_some_and(Field::has_value));
    assert!(odd.field(5).is_none() && odd.field(7).is_none());
    assert!(OptionObject::default().field(0).is_none());
}

#[test]
fn the_generated_definition_is_the_one_that_was_read() {
    let text = include_str!("fixtures/odd_things.xml");
    let read = &xml::parse(text)
        .expect("the fixture is well-formed")
        .definitions[0];
    assert_eq!(OddThings::DEFINITION, read);
    assert_eq!(
        OptionObject::DEFINITION.resources[0].operations,
        Operations::E
    );
}

#[test]
fn files_are_compiled_into_a_folder() {
    let folder = FilePath::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    fs::create_dir_all(&folder).expect("a folder");
    let fixture = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/odd_things.xml");
    let written = compile_to(&[fixture], &folder).expect("the fixture compiles");
    assert_eq!(written, [folder.join("odd_things.rs")]);
    let source = fs::read_to_string(&written[0]).expect("the file that was written");
    assert_eq!(source, include_str!("fixtures/odd_things.rs"));
}

#[test]
fn a_file_that_is_missing_is_named() {
    let error = compile_to(&["no/such.xml"], "nowhere").expect_err("there is no such file");
    assert!(
        matches!(&error, CompileError::Io { path, .. } if path == FilePath::new("no/such.xml"))
    );
    assert!(error.to_string().starts_with("no/such.xml: "), "{error}");
}
