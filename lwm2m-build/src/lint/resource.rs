//! Rules for one resource.

use lwm2m_model::codegen::Type;

use super::{
    Rule, Scope,
    object::{self, BOOTSTRAP_OBJECTS, filled},
    range,
    raw::Raw,
    units,
};

/// Types as definitions spell them.
const TYPES: [(&str, Type); 9] = [
    ("String", Type::String),
    ("Integer", Type::Integer),
    ("Unsigned Integer", Type::Unsigned),
    ("Float", Type::Float),
    ("Boolean", Type::Boolean),
    ("Opaque", Type::Opaque),
    ("Time", Type::Time),
    ("Objlnk", Type::ObjectLink),
    ("Corelnk", Type::CoreLink),
];

/// The type that a definition states; `None` if it is none of those that there are.
pub(super) fn data_type(text: &str) -> Option<Type> {
    let known = TYPES.iter().find(|(name, _)| *name == text)?;
    Some(known.1)
}

/// Checks a resource by itself.
pub(super) fn check(scope: &mut Scope<'_>, raw: &Raw) {
    id(scope, raw);
    object::item_elements(scope, raw);
    object::name(scope, raw, "resource");
    object::choice(
        scope,
        raw,
        "MultipleInstances",
        &["Single", "Multiple"],
        false,
    );
    object::choice(scope, raw, "Mandatory", &["Optional", "Mandatory"], false);
    object::choice(scope, raw, "Operations", &["R", "W", "RW", "E"], true);
    let types: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    object::choice(scope, raw, "Type", &types, true);
    if raw.text("Description").is_empty() {
        let message = "the resource has no description; say what its values mean";
        scope.add(Rule::DescriptionMissing, raw.place("Description"), message);
    }
    match raw.text("Operations") {
        "E" => executable(scope, raw),
        operations => value(scope, raw, operations),
    }
}

fn id(scope: &mut Scope<'_>, raw: &Raw) {
    let (place, text) = match &raw.attribute {
        Some(text) => (text.position, text.trimmed()),
        None => (raw.position, ""),
    };
    if text.parse::<u16>().is_ok_and(|id| id != u16::MAX) {
        return;
    }
    let message = format!("`{text}` is no Resource ID: a number from 0 to 65534");
    scope.add(Rule::ResourceId, place, message);
}

fn executable(scope: &mut Scope<'_>, raw: &Raw) {
    if let Some(text) = filled(raw, "Type") {
        let message = format!(
            "an executable resource has no value, so no type; leave Type empty, not `{}`",
            text.trimmed()
        );
        scope.add(Rule::ExecutableType, text.position, message);
    }
    if raw.text("MultipleInstances") == "Multiple" {
        let message = "an executable resource is Single; pass what differs as argument";
        let place = raw.place("MultipleInstances");
        scope.add(Rule::ExecutableMultiple, place, message);
    }
    for tag in ["RangeEnumeration", "Units"] {
        if let Some(text) = filled(raw, tag) {
            let message = format!("an executable resource has no value, so leave {tag} empty");
            scope.add(Rule::ExecutableValue, text.position, message);
        }
    }
}

fn value(scope: &mut Scope<'_>, raw: &Raw, operations: &str) {
    if raw.get("Type").is_some() && raw.text("Type").is_empty() {
        let message = "a resource that is not executable needs a type";
        scope.add(Rule::TypeMissing, raw.place("Type"), message);
    }
    let for_bootstrap = scope
        .object
        .is_some_and(|id| BOOTSTRAP_OBJECTS.contains(&id));
    if operations.is_empty() && raw.get("Operations").is_some() && !for_bootstrap {
        let message = "no server can use the resource; write R, W or RW, or say that it is for \
                       bootstrap or Send only";
        scope.add(Rule::NoOperation, raw.place("Operations"), message);
    }
    let data_type = data_type(raw.text("Type"));
    if let Some(data_type) = data_type {
        range::check(scope, raw, data_type);
    }
    unit(scope, raw, data_type);
}

fn unit(scope: &mut Scope<'_>, raw: &Raw, data_type: Option<Type>) {
    let Some(text) = filled(raw, "Units") else {
        return;
    };
    let symbol = text.trimmed();
    let a_number = matches!(
        data_type,
        None | Some(Type::Integer | Type::Unsigned | Type::Float | Type::Time)
    );
    if !a_number {
        let message = format!("values of type {} have no unit", raw.text("Type"));
        scope.add(Rule::UnitType, text.position, message);
    } else if let Some(instead) = units::instead(symbol) {
        let message = format!("SenML advises against the unit `{symbol}`; `{instead}` is better");
        scope.add(Rule::UnitDiscouraged, text.position, message);
    } else if !units::is_known(symbol) {
        let message = match units::meant(symbol) {
            Some(meant) => format!("`{symbol}` is no SenML unit; is it `{meant}`?"),
            None => format!("`{symbol}` is no SenML unit (RFC 8428 §12.1, RFC 8798)"),
        };
        scope.add(Rule::UnitUnknown, text.position, message);
    }
}
