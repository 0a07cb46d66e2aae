//! `lwm2m objects` as a script sees it: exit codes, JSON, files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../lwm2m-build/tests/fixtures")
}

fn objects(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lwm2m"))
        .arg("objects")
        .args(arguments)
        .output()
        .expect("the command runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON value")
}

#[test]
fn lint_finds_nothing_in_a_clean_file_and_exits_with_0() {
    let clean = fixtures().join("lint/3999.xml");
    let output = objects(&["lint", "--strict", &clean.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text, "1 files checked, 0 skipped, 0 findings\n");
}

#[test]
fn lint_names_rule_and_place_and_exits_with_1_for_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(fixtures().join("lint/3999.xml")).expect("the fixture");
    let faulty = text
        .replacen("<Type>Float<", "<Type><", 1)
        .replacen("/100<", "%<", 1);
    fs::write(folder.path().join("3999.xml"), faulty).expect("a file");
    fs::write(folder.path().join("DDF.xml"), "<DDFList/>").expect("a file");
    let path = folder.path().to_string_lossy().into_owned();

    let output = objects(&["lint", "--json", &path]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert_eq!(report["files"], 1);
    assert_eq!(report["skipped"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["counts"]["type-missing"], 1);
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["line"]),
        (&"type-missing".into(), &18.into())
    );
    assert_eq!(
        (&finding["object"], &finding["resource"]),
        (&3999.into(), &0.into())
    );

    // A warning alone is no failure, unless asked for.
    let warnings = ["lint", "--rule", "unit-discouraged", &path];
    assert_eq!(objects(&warnings).status.code(), Some(0));
    assert_eq!(
        objects(&[&warnings[..], &["--strict"]].concat())
            .status
            .code(),
        Some(1)
    );
    assert_eq!(
        objects(&["lint", "no/such/file.xml"]).status.code(),
        Some(2)
    );
}

#[test]
fn list_and_show_tell_of_core_objects_and_of_those_in_a_folder() {
    let folder = fixtures().join("lint");
    let output = objects(&["list", "--json", "--objects", &folder.to_string_lossy()]);
    let list = json(&output);
    let ids: Vec<u64> = list
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|object| object["id"].as_u64())
        .collect();
    assert!(
        ids.is_sorted() && ids.contains(&0) && ids.contains(&3999),
        "{ids:?}"
    );

    let shown = json(&objects(&["show", "3303", "--json"]));
    assert_eq!(shown["name"], "Temperature");
    assert_eq!(shown["resources"][6]["id"], 5700);
    let missing = objects(&["show", "3", "--object-version", "9.9"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("1.2"));
}

#[test]
fn generate_writes_modules_and_leaves_them_alone_the_next_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (fixtures().join("lint"), folder.path().join("objects"));
    let arguments = [
        "generate",
        &input.to_string_lossy(),
        "--out",
        &out.to_string_lossy(),
        "--json",
    ];
    let written = json(&objects(&arguments));
    assert_eq!(written["written"].as_array().map(Vec::len), Some(2));
    let source = fs::read_to_string(out.join("greenhouse.rs")).expect("the module");
    assert!(source.contains("pub struct Greenhouse {"));
    let list = fs::read_to_string(out.join("mod.rs")).expect("the list");
    assert!(list.contains("pub use greenhouse::Greenhouse;"));
    assert_eq!(
        json(&objects(&arguments))["written"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
}
