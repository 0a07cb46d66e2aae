//! From a definition to Rust source.

use lwm2m_model::{
    Constraint, ObjectDefinition, Operations, ResourceDefinition,
    codegen::{Type, Version},
    is_secret,
};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};

use crate::{
    actions::{self, Action},
    docs,
    names::{field_names, struct_name},
    values,
};

/// Says why no code can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A name gives no Rust code that parses: a fault of this crate.
    #[error("the code generated for object {0} does not parse")]
    NotRust(u16),
    /// The names of modules give no Rust code that parses: a fault of this crate.
    #[error("the list of modules does not parse")]
    NoIndex,
    /// Resources are not in ascending order of their ids.
    #[error("the resources of object {0} are not in ascending order")]
    NotSorted(u16),
}

/// Generates the source of the struct for an object, formatted.
///
/// # Errors
/// The definition is one that [`lwm2m_model::xml`] does not make.
///
/// ```
/// let registry = lwm2m_model::Registry::core();
/// let source = lwm2m_build::generate(registry.latest(6).unwrap())?;
/// assert!(source.contains("pub struct Location"));
/// assert!(source.contains("pub latitude: f64"));
/// # Ok::<(), lwm2m_build::GenerateError>(())
/// ```
pub fn generate(definition: &ObjectDefinition) -> Result<String, GenerateError> {
    if !definition
        .resources
        .is_sorted_by(|one, two| one.id < two.id)
    {
        return Err(GenerateError::NotSorted(definition.id));
    }
    let parts = Parts::new(definition);
    let (import, structure, implementation) =
        (imports(), parts.structure(), parts.implementation());
    let (constants, actions) = (parts.constants(), parts.actions());
    let (table, ids, values) = (table(definition), parts.ids(), parts.values());
    let file = syn::parse2(
        quote!(#import #structure #constants #implementation #actions #table #ids #values),
    )
    .map_err(|_| GenerateError::NotRust(definition.id))?;
    Ok(separated(&prettyplease::unparse(&file)))
}

/// The crate that all types come from; the alias can't clash with the name of an object.
fn imports() -> TokenStream {
    quote!(
        use ::lwm2m_model::codegen as model;
    )
}

/// A resource with the names that the code gives it.
struct Resource<'d> {
    definition: &'d ResourceDefinition,
    name: Ident,
    /// Of its field, if it has one.
    field: Option<(Ident, TokenStream)>,
    constant: Ident,
}

struct Parts<'d> {
    definition: &'d ObjectDefinition,
    name: Ident,
    resources: Vec<Resource<'d>>,
}

impl<'d> Parts<'d> {
    fn new(definition: &'d ObjectDefinition) -> Self {
        let names = field_names(definition)
            .into_iter()
            .zip(definition.resources.iter());
        let resources = names.map(|(field, resource)| Resource {
            definition: resource,
            name: Ident::new(&field.name, Span::call_site()),
            field: field_type(definition.id, resource)
                .map(|rust| (Ident::new(&field.name, Span::call_site()), rust)),
            constant: format_ident!("{}", field.name.to_ascii_uppercase()),
        });
        Self {
            definition,
            name: format_ident!("{}", struct_name(definition)),
            resources: resources.collect(),
        }
    }

    fn structure(&self) -> TokenStream {
        let (doc, name) = (docs::object(self.definition), &self.name);
        let fields = self.resources.iter().filter_map(|resource| {
            let (field, rust) = resource.field.as_ref()?;
            let doc = docs::resource(resource.definition);
            Some(quote!(#doc pub #field: #rust))
        });
        quote! {
            #doc
            #[derive(Debug, Clone, Default, PartialEq)]
            pub struct #name {
                #(#fields,)*
            }
        }
    }

    fn constants(&self) -> TokenStream {
        let (name, ObjectDefinition { urn, .. }) = (&self.name, self.definition);
        let id = Literal::u16_unsuffixed(self.definition.id);
        let version = version(self.definition.version);
        quote! {
            impl #name {
                /// Object ID.
                pub const ID: u16 = #id;
                /// URN of the object.
                pub const URN: &'static str = #urn;
                /// Version of the object.
                pub const VERSION: model::Version = #version;
            }
        }
    }

    fn actions(&self) -> TokenStream {
        let executable = |resource: &&Resource<'_>| resource.definition.operations.execute;
        let actions: Vec<Action<'_>> = self
            .resources
            .iter()
            .filter(executable)
            .map(|resource| Action {
                definition: resource.definition,
                method: resource.name.clone(),
                constant: resource.constant.clone(),
            })
            .collect();
        actions::items(&self.name, &actions)
    }

    fn values(&self) -> TokenStream {
        let resources = self.resources.iter();
        values::module(resources.map(|resource| (resource.definition, resource.name.clone())))
    }

    fn implementation(&self) -> TokenStream {
        let name = &self.name;
        let (shared, exclusive) = (self.lookup(&quote!(&)), self.lookup(&quote!(&mut)));
        quote! {
            impl model::ObjectInstance for #name {
                const DEFINITION: &'static model::ObjectDefinition = &DEFINITION;

                fn field(&self, id: u16) -> Option<&dyn model::Field> {
                    #shared
                }

                fn field_mut(&mut self, id: u16) -> Option<&mut dyn model::Field> {
                    #exclusive
                }
            }
        }
    }

    /// The body that finds a field by its id.
    fn lookup(&self, reference: &TokenStream) -> TokenStream {
        let arms: Vec<TokenStream> = self
            .resources
            .iter()
            .filter_map(|resource| {
                let ((field, _), constant) = (resource.field.as_ref()?, &resource.constant);
                Some(quote!(ids::#constant => #reference self.#field,))
            })
            .collect();
        if arms.is_empty() {
            return quote!(let _ = id; None);
        }
        quote!(Some(match id { #(#arms)* _ => return None, }))
    }

    fn ids(&self) -> TokenStream {
        let constants = self.resources.iter().map(|resource| {
            let Resource {
                definition,
                constant,
                ..
            } = resource;
            let doc = docs::short(definition);
            let id = Literal::u16_unsuffixed(definition.id);
            quote!(#doc pub const #constant: u16 = #id;)
        });
        quote! {
            /// Resource IDs.
            pub mod ids {
                #(#constants)*
            }
        }
    }
}

/// The Rust type of a resource's field; `None` if it can't have a value.
fn field_type(object: u16, resource: &ResourceDefinition) -> Option<TokenStream> {
    let scalar = match resource.data_type? {
        Type::String => quote!(model::String),
        Type::Integer => quote!(i64),
        Type::Unsigned => quote!(u64),
        Type::Float => quote!(f64),
        Type::Boolean => quote!(bool),
        Type::Opaque if is_secret(object, resource.id) => quote!(model::SecretBytes),
        Type::Opaque => quote!(model::Vec<u8>),
        Type::Time => quote!(model::Time),
        Type::ObjectLink => quote!(model::ObjectLink),
        Type::CoreLink => quote!(model::CoreLink),
    };
    Some(match (resource.multiple, resource.mandatory) {
        (true, _) => quote!(model::BTreeMap<u16, #scalar>),
        (false, true) => scalar,
        (false, false) => quote!(Option<#scalar>),
    })
}

/// The definition as statics; one inside the other needs a newer Rust than 1.85.
fn table(definition: &ObjectDefinition) -> TokenStream {
    let ObjectDefinition {
        name,
        description,
        urn,
        multiple,
        mandatory,
        ..
    } = definition;
    let id = Literal::u16_unsuffixed(definition.id);
    let (version, lwm2m_version) = (
        self::version(definition.version),
        self::version(definition.lwm2m_version),
    );
    let resources = definition.resources.iter().map(row);
    let count = Literal::usize_unsuffixed(definition.resources.len());
    let allow = allow(definition.resources.iter());
    quote! {
        static DEFINITION: model::ObjectDefinition = model::ObjectDefinition {
            id: #id,
            name: model::Cow::Borrowed(#name),
            description: model::description(#description),
            urn: model::Cow::Borrowed(#urn),
            version: #version,
            lwm2m_version: #lwm2m_version,
            multiple: #multiple,
            mandatory: #mandatory,
            resources: model::Cow::Borrowed(&RESOURCES),
        };

        #allow
        static RESOURCES: [model::ResourceDefinition; #count] = [#(#resources,)*];
    }
}

/// A bound may be π to some digits, which clippy takes for a slip.
pub(crate) fn allow<'d>(resources: impl Iterator<Item = &'d ResourceDefinition>) -> TokenStream {
    let mut constraints = resources.map(|resource| &resource.constraint);
    match constraints.any(|constraint| matches!(constraint, Constraint::Float { .. })) {
        true => quote!(#[allow(clippy::approx_constant)]),
        false => TokenStream::new(),
    }
}

fn row(definition: &ResourceDefinition) -> TokenStream {
    let ResourceDefinition {
        name,
        description,
        multiple,
        mandatory,
        range,
        units,
        ..
    } = definition;
    let id = Literal::u16_unsuffixed(definition.id);
    let operations = operations(definition.operations);
    let constraint = constraint(&definition.constraint);
    let data_type = match definition.data_type {
        None => quote!(None),
        Some(data_type) => {
            let variant = format_ident!("{data_type:?}");
            quote!(Some(model::Type::#variant))
        }
    };
    quote! {
        model::ResourceDefinition {
            id: #id,
            name: model::Cow::Borrowed(#name),
            description: model::description(#description),
            operations: #operations,
            multiple: #multiple,
            mandatory: #mandatory,
            data_type: #data_type,
            constraint: #constraint,
            range: model::Cow::Borrowed(#range),
            units: model::Cow::Borrowed(#units),
        }
    }
}

fn version(version: Version) -> TokenStream {
    let (major, minor) = (
        Literal::u8_unsuffixed(version.major),
        Literal::u8_unsuffixed(version.minor),
    );
    quote!(model::Version::new(#major, #minor))
}

fn operations(operations: Operations) -> TokenStream {
    let Operations {
        read,
        write,
        execute,
    } = operations;
    match (read, write, execute) {
        (false, false, false) => quote!(model::Operations::NONE),
        (true, false, false) => quote!(model::Operations::R),
        (false, true, false) => quote!(model::Operations::W),
        (true, true, false) => quote!(model::Operations::RW),
        (false, false, true) => quote!(model::Operations::E),
        _ => quote!(model::Operations { read: #read, write: #write, execute: #execute }),
    }
}

fn constraint(constraint: &Constraint) -> TokenStream {
    match constraint {
        Constraint::Integer { min, max } => {
            quote!(model::Constraint::Integer { min: #min, max: #max })
        }
        Constraint::Float { min, max } => {
            quote!(model::Constraint::Float { min: #min, max: #max })
        }
        Constraint::Length { min, max } => {
            quote!(model::Constraint::Length { min: #min, max: #max })
        }
        Constraint::OneOf(values) => {
            quote!(model::Constraint::OneOf(model::Cow::Borrowed(&[#(#values,)*])))
        }
        Constraint::OneOfText(texts) => {
            let texts = texts.iter().map(|text| quote!(model::Cow::Borrowed(#text)));
            quote!(model::Constraint::OneOfText(model::Cow::Borrowed(&[#(#texts,)*])))
        }
        // `Constraint` may grow; what is unknown here stays in the text of the range.
        _ => quote!(model::Constraint::None),
    }
}

/// Puts blank lines between items and before methods, which prettyplease leaves out.
fn separated(source: &str) -> String {
    let mut separated = String::with_capacity(source.len());
    let (mut after_item, mut before) = (false, "");
    for line in source.lines() {
        let method = line.starts_with("    fn ") && !before.starts_with("    ///");
        if after_item || method {
            separated.push('\n');
        }
        separated.push_str(line);
        separated.push('\n');
        let impossible = line.starts_with("///") || line.starts_with(' ');
        after_item = !impossible
            && (matches!(line, "}" | "};" | "];")
                || line.ends_with(" {}")
                || line.starts_with("use "));
        before = line;
    }
    separated
}
