//! Rust names for objects and resources.

use std::collections::BTreeMap;

use lwm2m_model::ObjectDefinition;

/// Words that can't be a field name (all editions, reserved ones included).
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Most words of a text that become the name of a constant.
const MAX_WORDS: usize = 6;

/// Types and derives that generated code names without a path.
const PRELUDE: [&str; 8] = [
    "Clone",
    "Debug",
    "Default",
    "None",
    "Option",
    "PartialEq",
    "Self",
    "Some",
];

/// The Rust name of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldName {
    /// Resource ID.
    pub id: u16,
    /// Name in snake case, unique in its object.
    pub name: String,
}

/// Names the struct of an object in camel case: `FirmwareUpdate`.
///
/// A leading digit gets an `N` before it, and a name of Rust's prelude an `Object` after it.
pub fn struct_name(definition: &ObjectDefinition) -> String {
    let words = words(&definition.name);
    let name: String = words.iter().map(|word| capitalized(word)).collect();
    let name = match name.chars().next() {
        None => format!("Object{}", definition.id),
        Some(first) if first.is_ascii_digit() => format!("N{name}"),
        Some(_) => name,
    };
    if PRELUDE.contains(&name.as_str()) {
        format!("{name}Object")
    } else {
        name
    }
}

/// Names the module, and the file, of an object: `firmware_update`.
pub fn module_name(definition: &ObjectDefinition) -> String {
    snake(&definition.name, "object", definition.id)
}

/// Names the resources of an object in snake case, in the order of the definition.
///
/// Names that are the same for several resources end with the Resource ID: `value_24`,
/// `value_27`. A leading digit gets an `n` before it, a keyword a `_` after it.
pub fn field_names(definition: &ObjectDefinition) -> Vec<FieldName> {
    let mut fields: Vec<FieldName> = definition
        .resources
        .iter()
        .map(|resource| FieldName {
            id: resource.id,
            name: snake(&resource.name, "resource", resource.id),
        })
        .collect();
    // An id at the end may make a name the same as another one: repeat until none is. Each round
    // lengthens names by different ids, so this ends.
    while let Some(twice) = duplicates(&fields) {
        for field in fields
            .iter_mut()
            .filter(|field| twice.contains(&field.name))
        {
            field.name = format!("{}_{}", field.name.trim_end_matches('_'), field.id);
        }
    }
    fields
}

/// Names a value in capitals: the start of what a definition says of it, `NOT_YET_KNOWN`.
///
/// A leading digit gets an `N` before it; nothing is `VALUE` and what tells the value apart.
pub(crate) fn constant_name(text: &str, key: &str) -> String {
    let start = text.split(['.', ',', ';', ':', '(']).next().unwrap_or(text);
    let words = words(start);
    let name = words
        .iter()
        .take(MAX_WORDS)
        .map(|word| word.to_ascii_uppercase())
        .collect::<Vec<_>>()
        .join("_");
    match name.chars().next() {
        None => format!("VALUE_{key}"),
        Some(first) if first.is_ascii_digit() => format!("N{name}"),
        Some(_) => name,
    }
}

fn duplicates(fields: &[FieldName]) -> Option<Vec<String>> {
    let mut counts = BTreeMap::new();
    for field in fields {
        *counts.entry(field.name.as_str()).or_insert(0) += 1;
    }
    let twice = counts.into_iter().filter(|(_, count)| *count > 1);
    let twice: Vec<String> = twice.map(|(name, _)| name.to_owned()).collect();
    (!twice.is_empty()).then_some(twice)
}

fn snake(name: &str, fallback: &str, id: u16) -> String {
    let name = words(name).join("_");
    match name.chars().next() {
        None => format!("{fallback}_{id}"),
        Some(first) if first.is_ascii_digit() => format!("n{name}"),
        Some(_) if KEYWORDS.contains(&name.as_str()) => format!("{name}_"),
        Some(_) => name,
    }
}

/// Splits a name into lower-case words: at everything but letters and digits, and before a capital
/// that follows a small letter (`PkgName`), unless that one stands alone (`eDRX`).
fn words(name: &str) -> Vec<String> {
    let name = name
        .replace("LwM2M", "lwm2m")
        .replace("LWM2M", "lwm2m")
        .replace("CoAP", "Coap")
        .replace("(s)", "s");
    let mut words = Vec::new();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut word = String::new();
        for letter in part.chars() {
            let after_small = word.len() > 1 && word.ends_with(|c: char| c.is_ascii_lowercase());
            if letter.is_ascii_uppercase() && after_small {
                words.push(std::mem::take(&mut word));
            }
            word.push(letter);
        }
        words.push(word);
    }
    words.retain(|word| !word.is_empty());
    words.iter().map(|word| word.to_ascii_lowercase()).collect()
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lwm2m_model::{ResourceDefinition, xml};

    fn definition(name: &str, resources: &[(u16, &'static str)]) -> ObjectDefinition {
        let text = "<LWM2M><Object><Name>x</Name><ObjectID>42769</ObjectID>\
            <MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory>\
            <Resources><Item ID='0'><Name>x</Name><MultipleInstances>Single</MultipleInstances>\
            <Mandatory>Optional</Mandatory><Type>Float</Type></Item></Resources></Object></LWM2M>";
        let mut definition = xml::parse(text).unwrap().definitions.remove(0);
        let resource = definition.resources[0].clone();
        definition.name = name.to_owned().into();
        definition.resources = resources
            .iter()
            .map(|(id, name)| ResourceDefinition {
                id: *id,
                name: (*name).into(),
                ..resource.clone()
            })
            .collect::<Vec<_>>()
            .into();
        definition
    }

    #[test]
    fn words_are_split_at_blanks_signs_and_capitals() {
        for (name, expected) in [
            ("PkgName", "pkg_name"),
            ("SignalSNR", "signal_snr"),
            ("UTC Offset", "utc_offset"),
            ("LwM2M Server URI", "lwm2m_server_uri"),
            ("SMS Binding Secret Key(s)", "sms_binding_secret_keys"),
            ("TLS 1.3 Features", "tls_1_3_features"),
            (
                "eDRX parameters for A/Gb mode",
                "edrx_parameters_for_a_gb_mode",
            ),
            ("IPv4", "ipv4"),
            (" rsrp-Result ", "rsrp_result"),
        ] {
            assert_eq!(words(name).join("_"), expected);
        }
    }

    #[test]
    fn names_that_rust_does_not_take_are_changed() {
        let names = field_names(&definition(
            "x",
            &[(1, "Type"), (2, "5QI"), (3, "µ"), (4, "Self")],
        ));
        let names: Vec<&str> = names.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["type_", "n5qi", "resource_3", "self_"]);
    }

    #[test]
    fn names_that_come_twice_end_with_their_ids() {
        let resources = [
            (24, "Value +"),
            (27, "Value -"),
            (28, "Value_24"),
            (5, "Other"),
        ];
        let names = field_names(&definition("x", &resources));
        let names: Vec<&str> = names.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["value_24_24", "value_27", "value_24_28", "other"]);
    }

    #[test]
    fn objects_are_structs_in_camel_case() {
        for (name, expected) in [
            ("Firmware Update", "FirmwareUpdate"),
            ("3-Phase Power Meter", "N3PhasePowerMeter"),
            ("LWM2M Software Management", "Lwm2mSoftwareManagement"),
            ("Option", "OptionObject"),
            ("Time", "Time"),
            ("°", "Object42769"),
        ] {
            assert_eq!(struct_name(&definition(name, &[])), expected);
        }
    }

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted() && PRELUDE.is_sorted());
    }
}
