//! Rules for ranges.

use lwm2m_model::{Constraint, codegen::Type, xml::parse_range};

use super::{
    Rule, Scope,
    object::filled,
    raw::{Raw, Text},
};

/// Checks the range of a resource with a value.
pub(super) fn check(scope: &mut Scope<'_>, raw: &Raw, data_type: Type) {
    let Some(text) = filled(raw, "RangeEnumeration") else {
        return;
    };
    if let Some(count) = instances(text.trimmed()) {
        if count > 1 && raw.text("MultipleInstances") == "Single" {
            let message =
                format!("the range speaks of {count} instances, and the resource is Single");
            scope.add(Rule::SingleMultiple, text.position, message);
        } else {
            not_understood(scope, text, data_type);
        }
        return;
    }
    if matches!(data_type, Type::Boolean | Type::ObjectLink | Type::CoreLink) {
        let message = format!(
            "values of type {} have no range; leave it empty",
            raw.text("Type")
        );
        scope.add(Rule::RangeType, text.position, message);
        return;
    }
    match parse_range(text.trimmed(), data_type) {
        Some(constraint) => within_type(scope, text, data_type, &constraint),
        None => why_not(scope, text, data_type),
    }
}

/// `2 Instances`: the number of instances.
fn instances(text: &str) -> Option<u16> {
    let text = text.to_ascii_lowercase();
    let number = text
        .strip_suffix("instances")
        .or(text.strip_suffix("instance"))?;
    number.trim().parse().ok()
}

/// Checks that a range has values that the type has.
fn within_type(scope: &mut Scope<'_>, text: &Text, data_type: Type, constraint: &Constraint) {
    let lowest = match constraint {
        Constraint::Integer { min, .. } => *min,
        Constraint::OneOf(list) => list.iter().copied().min().unwrap_or_default(),
        _ => 0,
    };
    if data_type == Type::Unsigned && lowest < 0 {
        let message = format!("the range begins at {lowest}, and an Unsigned Integer at 0");
        scope.add(Rule::RangeType, text.position, message);
    }
    let bare = text.trimmed().bytes().all(|byte| byte.is_ascii_digit());
    if bare && matches!(data_type, Type::String | Type::Opaque) {
        let number = text.trimmed();
        let message = format!(
            "a single number is a length or a maximum; write {number}..{number} or 0..{number}"
        );
        scope.add(Rule::RangeSingle, text.position, message);
    }
}

/// Finds out what is wrong with a range that can't be understood.
fn why_not(scope: &mut Scope<'_>, text: &Text, data_type: Type) {
    let range = text.trimmed();
    let a_number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    let bounds = range
        .split_once("..")
        .and_then(|(min, max)| Some((a_number(min)?, a_number(max)?)));
    let of_numbers = matches!(
        data_type,
        Type::Integer | Type::Unsigned | Type::Time | Type::Float
    );
    match bounds {
        Some((min, max)) if max < min => {
            let message = format!("nothing lies in {range}; the smaller number comes first");
            scope.add(Rule::RangeEmpty, text.position, message);
        }
        Some((min, max)) if data_type != Type::Float => {
            let message = match min.fract() != 0.0 || max.fract() != 0.0 {
                true => format!("{range} has fractions, and the values are whole numbers"),
                false => format!("{range} does not fit into the type of the resource"),
            };
            scope.add(Rule::RangeType, text.position, message);
        }
        _ if of_numbers && a_number(range).is_some() => {
            let message = format!(
                "a single number may be a maximum, a default or the only value; write 0..{range}"
            );
            scope.add(Rule::RangeSingle, text.position, message);
        }
        _ => not_understood(scope, text, data_type),
    }
}

fn not_understood(scope: &mut Scope<'_>, text: &Text, data_type: Type) {
    let example = match data_type {
        Type::String | Type::Opaque => "0..255 for a length in bytes, or \"on\",\"off\"",
        Type::Float => "-20.5..60",
        _ => "0..100, or 1,2,5",
    };
    let range = text.trimmed().split_whitespace().collect::<Vec<_>>();
    let message = format!(
        "no program understands the range `{}`; write it as {example}, and the rest into the \
         description",
        range.join(" ")
    );
    scope.add(Rule::RangeSyntax, text.position, message);
}
