use super::*;
use alloc::string::ToString;

/// A file with the oddities of the registry, one per line of its items.
const ODD: &str = "\u{feff}<LWM2M>
<Object ObjectType=\"MODefinition\">
<Name> LWM2M  Odd\u{a0} Things </Name>
<Description1><![CDATA[Has <odd> things.]]></Description1>
<ObjectID>42770</ObjectID>
<ObjectURN>urn:oma:lwm2m:x:42770:1.2</ObjectURN>
<LWM2MVersion>1.1</LWM2MVersion>
<ObjectVersion>1.3</ObjectVersion>
<MultipleInstances>Single</MultipleInstances>
<Mandatory>Optional</Mandatory>
<Resources>
<Item ID=\"9\"><Name>Out of order</Name><Type>Unsigned Integer</Type><Operations>R</Operations><Mandatory>Mandatory</Mandatory><MultipleInstances>Single</MultipleInstances><Description>No range</Description><Units>
 </Units></Item>
<Item ID=\"1\"><Name>Typed</Name><Operations>E</Operations><MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory><Type>String</Type><RangeEnumeration>
 </RangeEnumeration></Item>
<Item ID=\"2\"><Name>Untyped</Name><Operations>R</Operations><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Type/></Item>
<Item ID=\"3\"><Name>Prose</Name><Operations></Operations><MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory><Type> Integer </Type><RangeEnumeration>see &gt; below</RangeEnumeration></Item>
</Resources>
<Description2 />
</Object>
</LWM2M>";

#[test]
fn odd_files_are_read_and_their_oddities_named() {
    let parsed = parse(ODD).unwrap();
    let [object] = parsed.definitions.as_slice() else {
        panic!("one object")
    };
    assert_eq!(object.name, "LWM2M Odd Things");
    assert_eq!(object.description, "Has <odd> things.");
    assert_eq!((object.id, object.version), (42770, Version::new(1, 3)));
    let ids: Vec<u16> = object.resources.iter().map(|r| r.id).collect();
    assert_eq!(ids, [1, 2, 3, 9]);
    let unsigned = object.resource(9).unwrap();
    assert_eq!(
        (unsigned.data_type, unsigned.units.as_ref()),
        (Some(Type::Unsigned), "")
    );
    let executable = object.resource(1).unwrap();
    assert_eq!((executable.data_type, executable.multiple), (None, false));
    let prose = object.resource(3).unwrap();
    assert_eq!(
        (&prose.constraint, prose.range.as_ref()),
        (&Constraint::None, "see > below")
    );
    assert_eq!(prose.operations, Operations::NONE);

    let warnings: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "line 2, column 1: the URN does not fit the object's id and version",
            "line 14, column 1: resource 1 is executable and has multiple instances",
            "line 14, column 1: resource 1 is executable and has a type",
            "line 16, column 1: resource 2 has no type",
            "line 17, column 1: the range of resource 3 is not understood",
        ]
    );
}

/// The error for the odd file after a replacement.
#[track_caller]
fn error(from: &str, to: &str) -> String {
    assert!(ODD.contains(from));
    parse(&ODD.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn an_error_names_its_place() {
    assert_eq!(
        error("ID=\"9\"", "ID=\"3\""),
        "line 17, column 1: resource 3 is defined twice"
    );
    assert_eq!(
        error("Unsigned Integer", "Complex"),
        "line 12, column 39: Type has a value that is not allowed"
    );
    assert_eq!(
        error("ID=\"2\"", "ID=\"65535\""),
        "line 16, column 1: id has a value that is not allowed"
    );
    assert_eq!(
        error("<ObjectID>42770</ObjectID>", ""),
        "line 2, column 1: ObjectID is missing"
    );
    assert_eq!(
        error("</Resources>", ""),
        "line 20, column 1: not well-formed XML"
    );
    assert_eq!(
        error("\u{feff}", "<!DOCTYPE x>"),
        "line 1, column 1: not well-formed XML"
    );
    assert_eq!(
        error("<Operations>E", "<Operations>RE"),
        "line 14, column 32: Operations has a value that is not allowed"
    );
    assert_eq!(
        parse("<DDF/>").unwrap_err().to_string(),
        "line 1, column 1: the root element is not LWM2M"
    );
    assert_eq!(
        parse("<LWM2M/>").unwrap_err().kind,
        XmlErrorKind::Missing("Object")
    );
}

#[test]
fn a_file_without_versions_is_for_1_0() {
    let text = ODD
        .replace("<ObjectVersion>1.3</ObjectVersion>", "")
        .replace("<LWM2MVersion>1.1</LWM2MVersion>", "")
        .replace(":1.2</ObjectURN>", "</ObjectURN>");
    let parsed = parse(&text).unwrap();
    assert_eq!(parsed.definitions[0].version, Version::V1_0);
    assert_eq!(parsed.definitions[0].lwm2m_version, Version::V1_0);
    assert!(
        !parsed
            .warnings
            .iter()
            .any(|w| w.kind == WarningKind::UrnMismatch)
    );
}
