//! Constants for what a definition says of a resource's values: bounds, unit, names.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_model::{Constraint, ResourceDefinition, codegen::Type, xml::parse_names};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use crate::{docs, names::constant_name, tokens::allow};

/// Names that bounds and units have; a value of that name gets its number behind it.
const TAKEN: [&str; 6] = ["ALLOWED", "MAX", "MAX_LENGTH", "MIN", "MIN_LENGTH", "UNIT"];

/// The module with a module for each resource that has constants; nothing if none has any.
pub(crate) fn module<'d>(
    resources: impl Iterator<Item = (&'d ResourceDefinition, Ident)> + Clone,
) -> TokenStream {
    let allow = allow(resources.clone().map(|(definition, _)| definition));
    let modules: Vec<TokenStream> = resources
        .filter_map(|(definition, name)| {
            let constants = constants(definition);
            let doc = docs::doc(&[format!("Values of {}.", docs::escape(&definition.name))]);
            (!constants.is_empty()).then(|| {
                quote! {
                    #doc
                    pub mod #name {
                        #(#constants)*
                    }
                }
            })
        })
        .collect();
    if modules.is_empty() {
        return TokenStream::new();
    }
    quote! {
        /// Bounds, units and named values, by resource.
        #allow
        pub mod values {
            #(#modules)*
        }
    }
}

fn constants(definition: &ResourceDefinition) -> Vec<TokenStream> {
    let mut constants = bounds(definition);
    if !definition.units.is_empty() && definition.data_type.is_some() {
        let unit = &definition.units;
        constants.push(quote!(#[doc = " Unit, a SenML symbol where there is one."] pub const UNIT: &str = #unit;));
    }
    constants.extend(named(definition));
    constants
}

fn bounds(definition: &ResourceDefinition) -> Vec<TokenStream> {
    let whole = |value: i64| integer(definition.data_type, value);
    match &definition.constraint {
        Constraint::Integer { min, max } => match (whole(*min), whole(*max)) {
            (Some((rust, min)), Some((_, max))) => min_max(&rust, &min, &max),
            _ => Vec::new(),
        },
        Constraint::Float { min, max } => {
            let (min, max) = (Literal::f64_unsuffixed(*min), Literal::f64_unsuffixed(*max));
            min_max(&quote!(f64), &quote!(#min), &quote!(#max))
        }
        Constraint::Length { min, max } => {
            let (min, max) = (
                Literal::usize_unsuffixed(*min),
                Literal::usize_unsuffixed(*max),
            );
            vec![
                quote!(#[doc = " Shortest length in bytes."] pub const MIN_LENGTH: usize = #min;),
                quote!(#[doc = " Longest length in bytes."] pub const MAX_LENGTH: usize = #max;),
            ]
        }
        Constraint::OneOf(list) => {
            let bytes = matches!(definition.data_type, Some(Type::String | Type::Opaque));
            let about = match bytes {
                true => " Lengths in bytes that are allowed.",
                false => " Values that are allowed.",
            };
            let values: Option<Vec<_>> = list.iter().map(|value| whole(*value)).collect();
            let Some(values) = values else {
                return Vec::new();
            };
            let rust = values.first().map_or(quote!(i64), |(rust, _)| rust.clone());
            let values = values.iter().map(|(_, value)| value);
            vec![quote!(#[doc = #about] pub const ALLOWED: &[#rust] = &[#(#values),*];)]
        }
        Constraint::OneOfText(list) => {
            let texts = list.iter();
            vec![
                quote!(#[doc = " Values that are allowed."] pub const ALLOWED: &[&str] = &[#(#texts),*];),
            ]
        }
        _ => Vec::new(),
    }
}

fn min_max(rust: &TokenStream, min: &TokenStream, max: &TokenStream) -> Vec<TokenStream> {
    vec![
        quote!(#[doc = " Smallest value."] pub const MIN: #rust = #min;),
        quote!(#[doc = " Largest value."] pub const MAX: #rust = #max;),
    ]
}

/// A whole number in the type of the resource; `None` if it does not fit.
fn integer(data_type: Option<Type>, value: i64) -> Option<(TokenStream, TokenStream)> {
    Some(match data_type? {
        Type::Unsigned => {
            let value = Literal::u64_unsuffixed(value.try_into().ok()?);
            (quote!(u64), quote!(#value))
        }
        Type::String | Type::Opaque => {
            let value = Literal::usize_unsuffixed(value.try_into().ok()?);
            (quote!(usize), quote!(#value))
        }
        _ => {
            let value = Literal::i64_unsuffixed(value);
            (quote!(i64), quote!(#value))
        }
    })
}

/// Constants for the values that the range or the description names.
fn named(definition: &ResourceDefinition) -> Vec<TokenStream> {
    if let Constraint::OneOfText(texts) = &definition.constraint {
        let texts: Vec<(String, TokenStream, String)> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| (index.to_string(), quote!(#text), text.to_string()))
            .collect();
        return constants_of(&quote!(&str), &texts);
    }
    if !matches!(definition.data_type, Some(Type::Integer | Type::Unsigned)) {
        return Vec::new();
    }
    let mut names = parse_names(&definition.range);
    if names.is_empty() {
        names = parse_names(&definition.description);
    }
    // A description may count something else: the names are those of values that are allowed.
    names.retain(|(value, _)| {
        definition
            .constraint
            .allows(&lwm2m_model::OwnedValue::from(*value).as_value())
    });
    let mut rust = quote!(i64);
    let mut values = Vec::new();
    for (value, name) in names {
        if let Some((of, literal)) = integer(definition.data_type, value) {
            rust = of;
            values.push((value.to_string(), literal, name));
        }
    }
    constants_of(&rust, &values)
}

/// Constants of a type, each with what tells it apart, its value and its name; names that come
/// twice end with what tells them apart.
fn constants_of(rust: &TokenStream, values: &[(String, TokenStream, String)]) -> Vec<TokenStream> {
    let names: Vec<String> = values
        .iter()
        .map(|(key, _, name)| constant_name(name, key))
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &names {
        *counts.entry(name).or_default() += 1;
    }
    let mut seen = BTreeSet::new();
    let constants = values.iter().zip(&names).map(|((key, value, text), name)| {
        let once = counts.get(name.as_str()) == Some(&1) && !TAKEN.contains(&name.as_str());
        let mut name = match once {
            true => name.clone(),
            false => format!("{name}_{key}"),
        };
        // What became of one value may be the name of another: `A_1`.
        while !seen.insert(name.clone()) {
            name = format!("{name}_{key}");
        }
        let name = Ident::new(&name, Span::call_site());
        let doc = docs::doc(&[sentence(text)]);
        quote!(#doc pub const #name: #rust = #value;)
    });
    constants.collect()
}

fn sentence(text: &str) -> String {
    let text = docs::escape(text.trim_end_matches([',', ';', '.']));
    let mut letters = text.chars();
    match letters.next() {
        None => "The empty text.".into(),
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
    }
}
