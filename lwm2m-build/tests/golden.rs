//! Compares generated code with `fixtures/*.rs`, and uses it.
//!
//! A difference fails the test and rewrites the fixture: look at it with `git diff`, run again.

use std::{fs, path::Path};

use lwm2m_build::{CompileError, compile_to, generate, module_name};
use lwm2m_model::{Field, ObjectInstance, Operations, xml};

#[allow(dead_code, unreachable_pub)]
#[rustfmt::skip]
mod fixtures {
    pub mod odd_things;
    pub mod option;
}
use fixtures::{odd_things::OddThings, option::OptionObject};

#[track_caller]
fn check(name: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
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
fn an_object_full_of_oddities_gives_the_expected_code() {
    check("odd_things");
}

#[test]
fn an_object_without_values_gives_the_expected_code() {
    check("option");
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
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    fs::create_dir_all(&folder).expect("a folder");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/odd_things.xml");
    let written = compile_to(&[fixture], &folder).expect("the fixture compiles");
    assert_eq!(written, [folder.join("odd_things.rs")]);
    let source = fs::read_to_string(&written[0]).expect("the file that was written");
    assert_eq!(source, include_str!("fixtures/odd_things.rs"));
}

#[test]
fn a_file_that_is_missing_is_named() {
    let error = compile_to(&["no/such.xml"], "nowhere").expect_err("there is no such file");
    assert!(matches!(&error, CompileError::Io { path, .. } if path == Path::new("no/such.xml")));
    assert!(error.to_string().starts_with("no/such.xml: "), "{error}");
}
