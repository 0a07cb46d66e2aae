//! Rules for one object.

use std::collections::BTreeMap;

use lwm2m_model::codegen::Version;

use super::{
    Rule, Scope,
    raw::{ITEM, OBJECT, Raw, Text},
    resource,
};

/// The enabler's objects that have resources for bootstrap servers only.
pub(super) const BOOTSTRAP_OBJECTS: [u16; 3] = [0, 21, 23];

/// Checks an object and its resources; `in_file` objects stand in the file.
pub(super) fn check(scope: &mut Scope<'_>, raw: &Raw, in_file: usize) {
    let id = object_id(scope, raw);
    scope.object = id;
    elements(scope, raw, &OBJECT, "object");
    if let Some(kind) = raw
        .attribute
        .as_ref()
        .filter(|kind| kind.trimmed() != "MODefinition")
    {
        let message = format!(
            "ObjectType is `{}`; object definitions have MODefinition",
            kind.trimmed()
        );
        scope.add(Rule::InvalidValue, kind.position, message);
    }
    name(scope, raw, "object");
    choice(
        scope,
        raw,
        "MultipleInstances",
        &["Single", "Multiple"],
        false,
    );
    choice(scope, raw, "Mandatory", &["Optional", "Mandatory"], false);
    if raw.text("Description1").is_empty() && raw.get("Description1").is_some() {
        let message = "Description1 is empty; say what the object is for";
        scope.add(Rule::DescriptionMissing, raw.place("Description1"), message);
    }
    let version = version(scope, raw, "ObjectVersion");
    enabler(scope, raw);
    if let Some(id) = id {
        urn(scope, raw, id, version.unwrap_or(Version::V1_0));
        if raw.text("Mandatory") == "Mandatory" && !matches!(id, 0 | 1 | 3) {
            let message = "only objects 0, 1 and 3 are mandatory for every device; write Optional";
            scope.add(Rule::MandatoryObject, raw.place("Mandatory"), message);
        }
        if in_file == 1 {
            file_name(scope, raw, id, version.unwrap_or(Version::V1_0));
        }
    }
    resources(scope, raw);
}

fn resources(scope: &mut Scope<'_>, raw: &Raw) {
    if raw.items.is_empty() && raw.get("Resources").is_some() {
        let message = "the object has no resource; it needs at least one Item";
        scope.add(Rule::NoResources, raw.place("Resources"), message);
    }
    let (mut ids, mut names) = (BTreeMap::new(), BTreeMap::new());
    let (mut sorted, mut highest) = (true, None);
    for item in &raw.items {
        scope.resource = item.id();
        resource::check(scope, item);
        let Some(id) = item.id() else { continue };
        if let Some(line) = ids.insert(id, item.position.line) {
            let message = format!("resource {id} is defined twice; first in line {line}");
            scope.add(Rule::ResourceTwice, item.position, message);
        }
        // One finding tells enough: the author will sort them all.
        if sorted && highest.is_some_and(|highest| id < highest) {
            sorted = false;
            let message = format!("resource {id} comes after a higher one; sort by ID");
            scope.add(Rule::ResourceOrder, item.position, message);
        }
        highest = highest.max(Some(id));
        let name = item
            .text("Name")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if name.is_empty() {
            continue;
        }
        if let Some(other) = names.insert(name.to_ascii_lowercase(), id)
            && other != id
        {
            let message = format!("resource {other} has the name `{name}` too");
            scope.add(Rule::NameTwice, item.place("Name"), message);
        }
    }
    scope.resource = None;
}

/// Checks which elements there are, how often, and in which order.
pub(super) fn elements(scope: &mut Scope<'_>, raw: &Raw, schema: &[(&str, bool)], what: &str) {
    let optional = |tag: &str| matches!(tag, "LWM2MVersion" | "ObjectVersion" | "Description2");
    for (tag, required) in schema {
        let count = raw.elements.iter().filter(|(name, _)| name == tag).count();
        match (count, *required) {
            (0, true) => {
                let message = format!("the {what} has no {tag}");
                scope.add(Rule::MissingElement, raw.position, message);
            }
            (0, false) if !optional(tag) => {
                let message = format!("the schema wants an element {tag}, empty if need be");
                scope.add(Rule::SchemaOrder, raw.position, message);
            }
            (0 | 1, _) => {}
            (_, _) => {
                let mut all = raw.elements.iter().filter(|(name, _)| name == tag);
                let place = all.nth(1).map_or(raw.position, |(_, text)| text.position);
                let message = format!("the {what} has {count} elements {tag}; one counts");
                scope.add(Rule::RepeatedElement, place, message);
            }
        }
    }
    let rank = |name: &str| schema.iter().position(|(tag, _)| *tag == name);
    for (name, text) in &raw.elements {
        if rank(name).is_none() {
            let message = match schema.iter().find(|(tag, _)| near(tag, name)) {
                Some((tag, _)) => format!("{name} is unknown here; is it {tag}?"),
                None => format!("{name} is unknown here"),
            };
            scope.add(Rule::UnknownElement, text.position, message);
        }
    }
    let known = raw
        .elements
        .iter()
        .filter_map(|(name, text)| Some((rank(name)?, name, text)));
    let mut before: Option<(usize, &str)> = None;
    for (rank, name, text) in known {
        if let Some((_, before)) = before.filter(|(before, _)| rank < *before) {
            let message = format!("{name} stands after {before}; the schema wants it before");
            scope.add(Rule::SchemaOrder, text.position, message);
            return;
        }
        before = Some((rank, name));
    }
}

/// True if two names differ in case or in an `s` at the end.
fn near(tag: &str, name: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().trim_end_matches('s').to_owned();
    plain(tag) == plain(name)
}

/// Checks the items' schema.
pub(super) fn item_elements(scope: &mut Scope<'_>, raw: &Raw) {
    elements(scope, raw, &ITEM, "resource");
}

/// Checks a name and the blanks in it.
pub(super) fn name(scope: &mut Scope<'_>, raw: &Raw, what: &str) {
    let Some(name) = raw.get("Name") else { return };
    if name.trimmed().is_empty() {
        let message = format!("the {what} has an empty name");
        scope.add(Rule::NameMissing, name.position, message);
        return;
    }
    let words: Vec<&str> = name.whole.split_whitespace().collect();
    let clean = words.join(" ");
    if name.whole != clean {
        let message = format!("the name has blanks too many, or odd ones; write `{clean}`");
        scope.add(Rule::NameBlanks, name.position, message);
    }
}

/// Checks that an element has one of its values; an empty one may count as none.
pub(super) fn choice(
    scope: &mut Scope<'_>,
    raw: &Raw,
    tag: &str,
    allowed: &[&str],
    may_be_empty: bool,
) {
    let Some(text) = raw.get(tag) else { return };
    let value = text.trimmed();
    if allowed.contains(&value) || (may_be_empty && value.is_empty()) {
        return;
    }
    let message = format!("{tag} is `{value}`; it can be {}", allowed.join(", "));
    scope.add(Rule::InvalidValue, text.position, message);
}

fn object_id(scope: &mut Scope<'_>, raw: &Raw) -> Option<u16> {
    let text = raw.get("ObjectID")?;
    let Ok(id) = text.trimmed().parse::<u16>() else {
        let message = format!(
            "`{}` is no Object ID: a number from 0 to 65534",
            text.trimmed()
        );
        scope.add(Rule::ObjectId, text.position, message);
        return None;
    };
    scope.object = Some(id);
    match class(id) {
        None => {
            let message = format!(
                "{id} is reserved; take one that OMNA assigned, or 42769 to 42800 for tests"
            );
            scope.add(Rule::ObjectId, text.position, message);
        }
        Some(_) if id >= 42_769 => {
            let message = "42769 to 42800 are for tests; products need an id that OMNA assigned";
            scope.add(Rule::TestId, text.position, message);
        }
        Some(_) => {}
    }
    Some(id)
}

/// The class of an Object ID, which its URN names; `None` if it is reserved (TS-Core §7.4).
fn class(id: u16) -> Option<&'static str> {
    match id {
        0..=1023 => Some("oma"),
        2048..=10_240 => Some("ext"),
        10_241..=42_800 => Some("x"),
        _ => None,
    }
}

/// Reads a version; `None` if there is none or a wrong one.
fn version(scope: &mut Scope<'_>, raw: &Raw, tag: &str) -> Option<Version> {
    let text = raw.get(tag)?;
    if text.trimmed().is_empty() {
        return None;
    }
    let version = text.trimmed().parse().ok();
    if version.is_none() {
        let message = format!(
            "{tag} is `{}`; it is two numbers such as 1.0",
            text.trimmed()
        );
        scope.add(Rule::VersionForm, text.position, message);
    }
    version
}

/// Checks that the version of LwM2M exists, and has the types that the resources use.
fn enabler(scope: &mut Scope<'_>, raw: &Raw) {
    let stated = version(scope, raw, "LWM2MVersion");
    if let Some(version) = stated
        && ![Version::V1_0, Version::V1_1, Version::V1_2].contains(&version)
    {
        let message = format!("there is no LwM2M {version}; 1.0, 1.1 and 1.2 exist");
        scope.add(Rule::Lwm2mVersion, raw.place("LWM2MVersion"), message);
    }
    let malformed = stated.is_none() && !raw.text("LWM2MVersion").is_empty();
    if malformed || stated.unwrap_or(Version::V1_0) != Version::V1_0 {
        return;
    }
    let newer = raw
        .items
        .iter()
        .find(|item| matches!(item.text("Type"), "Unsigned Integer" | "Corelnk"));
    if let Some(item) = newer {
        let message = format!(
            "the type {} needs LwM2M 1.1; write LWM2MVersion 1.1 or higher",
            item.text("Type")
        );
        scope.resource = item.id();
        scope.add(Rule::Lwm2mVersion, item.place("Type"), message);
        scope.resource = None;
    }
}

/// Checks the URN against the id and the version.
fn urn(scope: &mut Scope<'_>, raw: &Raw, id: u16, version: Version) {
    let Some(text) = raw.get("ObjectURN") else {
        return;
    };
    let expected = expected_urn(id, version);
    let parts: Vec<&str> = text.trimmed().split(':').collect();
    let (class, stated, stated_version) = match *parts.as_slice() {
        ["urn", "oma", "lwm2m", class, id] => (class, id, None),
        ["urn", "oma", "lwm2m", class, id, version] => (class, id, Some(version)),
        _ => {
            let message = format!(
                "`{}` is no URN of an object; write {expected}",
                text.trimmed()
            );
            scope.add(Rule::UrnForm, text.position, message);
            return;
        }
    };
    if self::class(id).is_some_and(|right| right != class) {
        let message = format!("object {id} is not of class `{class}`; write {expected}");
        scope.add(Rule::UrnClass, text.position, message);
    }
    if stated.parse() != Ok(id) {
        let message = format!("the URN names object {stated}, and ObjectID is {id}");
        scope.add(Rule::UrnId, text.position, message);
    }
    let right = match stated_version {
        None => version == Version::V1_0,
        Some(stated) => stated.parse() == Ok(version),
    };
    if !right {
        let stated = stated_version.unwrap_or("1.0 by saying nothing");
        let message =
            format!("the URN states version {stated}, ObjectVersion {version}; write {expected}");
        scope.add(Rule::UrnVersion, text.position, message);
    }
}

fn expected_urn(id: u16, version: Version) -> String {
    let class = class(id).unwrap_or("x");
    match version {
        Version::V1_0 => format!("urn:oma:lwm2m:{class}:{id}"),
        version => format!("urn:oma:lwm2m:{class}:{id}:{version}"),
    }
}

/// Checks names such as `3303.xml` and `3303-1_1.xml`; files with other names are free.
fn file_name(scope: &mut Scope<'_>, raw: &Raw, id: u16, version: Version) {
    let name = scope.file.rsplit(['/', '\\']).next().unwrap_or_default();
    let Some(stem) = name.strip_suffix(".xml") else {
        return;
    };
    if !stem.starts_with(|c: char| c.is_ascii_digit()) {
        return;
    }
    let long = format!("{id}-{}_{}", version.major, version.minor);
    if stem != long && stem.parse() != Ok(id) {
        let message = format!("the file is called {name} and defines {long}");
        scope.add(Rule::FileName, raw.position, message);
    }
}

/// The text of an element, if there is one with any.
pub(super) fn filled<'r>(raw: &'r Raw, tag: &str) -> Option<&'r Text> {
    raw.get(tag).filter(|text| !text.trimmed().is_empty())
}
