//! Plants faults into a definition without any, and looks whether the linter finds each one, at
//! its place, and nothing else.

use lwm2m_build::lint::{FileKind, Finding, Linter, Rule, Severity, count};

const CLEAN: &str = include_str!("fixtures/lint/3999.xml");

/// Reusable resources that the clean definition uses.
const COMMON: &str = r#"<LWM2M><Object ObjectType="CommonResources"><Resources>
    <Item ID="5700"><Name>Sensor Value</Name><Operations>R</Operations><Type>Float</Type></Item>
    </Resources></Object></LWM2M>"#;

/// A rule, the n-th occurrence of a text, what stands there in its place, and the line and column
/// of the finding.
type Fault = (Rule, usize, &'static str, &'static str, (u32, u32));

/// Faults of a single definition.
#[rustfmt::skip]
const FAULTS: &[Fault] = &[
    // The file.
    (Rule::Malformed, 0, "</Resources>", "", (65, 3)),
    (Rule::Malformed, 0, "<LWM2M>", "<!DOCTYPE x><LWM2M>", (1, 1)),
    // Its elements.
    (Rule::MissingElement, 0, "<ObjectURN>urn:oma:lwm2m:ext:3999:1.1</ObjectURN>", "", (3, 3)),
    (Rule::MissingElement, 1, "<Operations>RW</Operations>", "", (43, 7)),
    (Rule::RepeatedElement, 0, "<Name>Water</Name>", "<Name>Water</Name><Name>Hose</Name>", (34, 27)),
    (Rule::UnknownElement, 0, "<Name>Water</Name>", "<Name>Water</Name><Unit/>", (34, 27)),
    (Rule::SchemaOrder, 0, "<RangeEnumeration>0..64</RangeEnumeration>", "", (43, 7)),
    (Rule::SchemaOrder, 0, "<Units>Cel</Units>\n        <Description>How warm the air is.</Description>", "<Description>How warm the air is.</Description><Units>Cel</Units>", (20, 56)),
    (Rule::InvalidValue, 0, "MODefinition", "Definition", (3, 11)),
    (Rule::InvalidValue, 0, "<Operations>RW<", "<Operations>WR<", (25, 9)),
    (Rule::InvalidValue, 0, "<Type>Float<", "<Type>Double<", (18, 9)),
    (Rule::InvalidValue, 0, "<MultipleInstances>Single<", "<MultipleInstances>False<", (16, 9)),
    (Rule::InvalidValue, 1, "<Mandatory>Optional<", "<Mandatory>No<", (27, 9)),
    // The object.
    (Rule::ObjectId, 0, "<ObjectID>3999<", "<ObjectID>plants<", (6, 5)),
    (Rule::UrnForm, 0, "urn:oma:lwm2m:ext:3999:1.1", "urn:lwm2m:3999", (7, 5)),
    (Rule::UrnClass, 0, "lwm2m:ext:", "lwm2m:x:", (7, 5)),
    (Rule::UrnId, 0, "ext:3999", "ext:3998", (7, 5)),
    (Rule::UrnVersion, 0, "3999:1.1", "3999:1.2", (7, 5)),
    (Rule::UrnVersion, 0, "3999:1.1", "3999", (7, 5)),
    (Rule::VersionForm, 0, "<LWM2MVersion>1.1<", "<LWM2MVersion>v1.1<", (8, 5)),
    (Rule::Lwm2mVersion, 0, "<LWM2MVersion>1.1<", "<LWM2MVersion>1.7<", (8, 5)),
    (Rule::Lwm2mVersion, 0, "<LWM2MVersion>1.1<", "<LWM2MVersion>1.0<", (28, 9)),
    (Rule::NameMissing, 0, "<Name>Water<", "<Name> <", (34, 9)),
    (Rule::NameBlanks, 0, "<Name>Sensor Value<", "<Name>Sensor  Value <", (54, 9)),
    (Rule::NameTwice, 0, "<Name>Water<", "<Name>warmth<", (34, 9)),
    (Rule::DescriptionMissing, 0, "What grows there.", "", (51, 9)),
    (Rule::DescriptionMissing, 0, "A house of glass that keeps plants warm.", "", (5, 5)),
    (Rule::MandatoryObject, 0, "<Mandatory>Optional<", "<Mandatory>Mandatory<", (11, 5)),
    // Ids of resources.
    (Rule::ResourceId, 0, "<Item ID=\"2\">", "<Item ID=\"two\">", (33, 13)),
    (Rule::ResourceTwice, 0, "<Item ID=\"3\">", "<Item ID=\"2\">", (43, 7)),
    (Rule::ResourceOrder, 0, "<Item ID=\"1\">", "<Item ID=\"4\">", (33, 7)),
    (Rule::ReusableUnknown, 0, "<Item ID=\"5700\">", "<Item ID=\"5701\">", (53, 7)),
    (Rule::ReusableDiffers, 1, "<Type>Float<", "<Type>Integer<", (58, 9)),
    // Executables, types and operations.
    (Rule::ExecutableType, 0, "<Type></Type>", "<Type>String</Type>", (38, 9)),
    (Rule::ExecutableMultiple, 1, "<MultipleInstances>Single<", "<MultipleInstances>Multiple<", (36, 9)),
    (Rule::ExecutableValue, 0, "<Units></Units>", "<Units>s</Units>", (40, 9)),
    (Rule::TypeMissing, 0, "<Type>Float<", "<Type><", (18, 9)),
    (Rule::NoOperation, 1, "<Operations>RW<", "<Operations><", (45, 9)),
    (Rule::SingleMultiple, 0, "0..64", "2 Instances", (49, 9)),
    // Ranges and units.
    (Rule::RangeSyntax, 0, "-40..60", "below 60", (19, 9)),
    (Rule::RangeSingle, 0, ">0..100<", ">100<", (29, 9)),
    (Rule::RangeSingle, 0, "0..64", "64", (49, 9)),
    (Rule::RangeEmpty, 0, "-40..60", "60..-40", (19, 9)),
    (Rule::RangeType, 0, ">0..100<", ">-1..100<", (29, 9)),
    (Rule::RangeType, 0, ">0..100<", ">0..99.5<", (29, 9)),
    (Rule::RangeType, 0, "<Type>Float</Type>\n        <RangeEnumeration>-40..60</RangeEnumeration>\n        <Units>Cel<", "<Type>Objlnk</Type>\n<RangeEnumeration>1..2</RangeEnumeration>\n<Units><", (19, 1)),
    (Rule::UnitUnknown, 0, "<Units>Cel<", "<Units>degC<", (20, 9)),
    (Rule::UnitDiscouraged, 0, "<Units>/100<", "<Units>%<", (30, 9)),
    (Rule::UnitType, 1, "<Units><", "<Units>m<", (50, 9)),
];

fn lint(files: &[(&str, &str)]) -> Vec<Finding> {
    let mut linter = Linter::new();
    for (file, text) in files {
        linter.check(file, text);
    }
    linter.finish()
}

/// Replaces the n-th occurrence, from 0, of a text.
#[track_caller]
fn plant(text: &str, n: usize, from: &str, to: &str) -> String {
    let (at, _) = text
        .match_indices(from)
        .nth(n)
        .unwrap_or_else(|| panic!("`{from}` is not there"));
    format!("{}{to}{}", &text[..at], &text[at + from.len()..])
}

#[test]
fn a_clean_definition_has_no_findings() {
    assert_eq!(lint(&[("Common.xml", COMMON), ("3999.xml", CLEAN)]), []);
}

#[test]
fn every_planted_fault_is_found_at_its_place_and_nothing_else() {
    let mut wrong = Vec::new();
    for (rule, n, from, to, (line, column)) in FAULTS {
        let faulty = plant(CLEAN, *n, from, to);
        let findings = lint(&[("3999.xml", &faulty), ("Common.xml", COMMON)]);
        let found: Vec<(Rule, u32, u32)> = findings
            .iter()
            .map(|finding| (finding.rule, finding.position.line, finding.position.column))
            .collect();
        if found != [(*rule, *line, *column)] {
            let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
            wrong.push(format!("{rule} {from} -> {to}:\n  {}", found.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn at_least_twenty_five_rules_have_a_planted_fault() {
    let mut rules: Vec<Rule> = FAULTS.iter().map(|fault| fault.0).collect();
    rules.sort();
    rules.dedup();
    assert!(rules.len() >= 25, "{}", rules.len());
}

/// Faults in the step from the clean version 1.1 to a version 1.2.
#[rustfmt::skip]
const STEPS: &[Fault] = &[
    (Rule::BreakingChange, 0, "<Type>Float<", "<Type>Integer<", (18, 9)),
    (Rule::BreakingChange, 0, "<Operations>RW<", "<Operations>R<", (25, 9)),
    (Rule::BreakingChange, 0, "<MultipleInstances>Single<", "<MultipleInstances>Multiple<", (16, 9)),
    (Rule::BreakingChange, 0, "<MultipleInstances>Multiple<", "<MultipleInstances>Single<", (10, 5)),
    (Rule::BreakingChange, 0, "<Mandatory>Mandatory<", "<Mandatory>Optional<", (17, 9)),
    (Rule::BreakingChange, 0, "-40..60", "-40..50", (19, 9)),
    (Rule::BreakingChange, 0, "<Units>Cel<", "<Units>K<", (20, 9)),
    (Rule::NameChanged, 0, "<Name>Plants<", "<Name>Flowers<", (44, 9)),
];

#[test]
fn a_breaking_change_without_a_major_step_is_found() {
    for (rule, n, from, to, (line, column)) in STEPS {
        let changed = plant(CLEAN, *n, from, to);
        let newer = changed
            .replace("3999:1.1", "3999:1.2")
            .replace("<ObjectVersion>1.1", "<ObjectVersion>1.2");
        let findings = lint(&[("3999-1_1.xml", CLEAN), ("3999-1_2.xml", &newer)]);
        let found: Vec<_> = findings
            .iter()
            .map(|f| (f.file.as_str(), f.rule, f.position.line, f.position.column))
            .collect();
        assert_eq!(
            found,
            [("3999-1_2.xml", *rule, *line, *column)],
            "{from} {to}"
        );
        let major = newer
            .replace("3999:1.2", "3999:2.0")
            .replace("<ObjectVersion>1.2", "<ObjectVersion>2.0");
        let findings = lint(&[("3999-1_1.xml", CLEAN), ("3999-2_0.xml", &major)]);
        assert!(
            count(&findings)
                .keys()
                .all(|rule| *rule == Rule::NameChanged)
        );
    }
}

#[test]
fn a_mandatory_resource_that_comes_or_goes_breaks_users() {
    let (start, end) = (
        CLEAN.find("<Item ID=\"0\">").expect("resource 0"),
        CLEAN.find("<Item ID=\"1\">").expect("resource 1"),
    );
    let without = format!("{}{}", &CLEAN[..start], &CLEAN[end..]);
    let older = |text: &str| {
        text.replace(":1.1", ":1.0")
            .replace("ObjectVersion>1.1", "ObjectVersion>1.0")
    };
    for (old, new, line) in [
        (older(&without), CLEAN, 17),
        (older(CLEAN), without.as_str(), 3),
    ] {
        let findings = lint(&[("a.xml", &old), ("b.xml", new)]);
        let found: Vec<_> = findings.iter().map(|f| (f.rule, f.position.line)).collect();
        assert_eq!(found, [(Rule::BreakingChange, line)]);
        assert_eq!(findings[0].resource, Some(0));
    }
}

#[test]
fn files_that_contradict_each_other_or_their_names_are_found() {
    let other = plant(CLEAN, 0, "<Units>Cel<", "<Units>K<");
    let findings = lint(&[("3999.xml", CLEAN), ("old/3998-1_1.xml", &other)]);
    let found: Vec<_> = findings.iter().map(|f| (f.rule, f.file.as_str())).collect();
    let file = "old/3998-1_1.xml";
    assert_eq!(found, [(Rule::FileName, file), (Rule::VersionTwice, file)]);

    let twin = CLEAN.replace("3999", "3998");
    let findings = lint(&[("3999.xml", CLEAN), ("3998.xml", &twin)]);
    assert_eq!(
        count(&findings).into_iter().collect::<Vec<_>>(),
        [(Rule::ObjectNameTwice, 1)]
    );
}

#[test]
fn ids_that_nobody_may_use_are_found() {
    for (id, class, rule) in [
        ("1500", "oma", Rule::ObjectId),
        ("65535", "x", Rule::ObjectId),
        ("42770", "x", Rule::TestId),
    ] {
        let text = CLEAN
            .replace("3999", id)
            .replace(":ext:", &format!(":{class}:"));
        let findings = lint(&[("mine.xml", &text)]);
        let rules: Vec<Rule> = findings.iter().map(|f| f.rule).collect();
        assert_eq!(rules, [rule], "{id}");
    }
}

#[test]
fn an_object_needs_resources() {
    let (start, end) = (
        CLEAN.find("<Item").expect("a resource"),
        CLEAN
            .find("</Resources>")
            .expect("the end of the resources"),
    );
    let empty = format!("{}{}", &CLEAN[..start], &CLEAN[end..]);
    let findings = lint(&[("3999.xml", &empty)]);
    assert_eq!(
        findings.iter().map(|f| f.rule).collect::<Vec<_>>(),
        [Rule::NoResources]
    );
}

#[test]
fn other_files_are_told_from_definitions() {
    let mut linter = Linter::new();
    assert_eq!(linter.check("DDF.xml", "<DDFList/>"), FileKind::Other);
    assert_eq!(linter.check("Common.xml", COMMON), FileKind::Common);
    assert_eq!(linter.check("3999.xml", CLEAN), FileKind::Definitions(1));
    linter.not_text("latin1.xml");
    let findings = linter.finish();
    assert_eq!(
        findings[0].to_string(),
        "latin1.xml:1:1: error[malformed]: the file is not UTF-8 text; save it as UTF-8"
    );
}

#[test]
fn every_rule_has_an_id_of_its_own_and_says_what_it_asks_for() {
    let mut ids: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), Rule::ALL.len());
    assert!(Rule::ALL.iter().all(|rule| rule.about().ends_with('.')));
    assert!(
        Rule::ALL
            .iter()
            .any(|rule| rule.severity() == Severity::Warning)
    );
}
