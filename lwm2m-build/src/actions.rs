//! Executable resources as methods of a trait.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::docs;

/// An executable resource.
pub(crate) struct Action<'d> {
    pub(crate) definition: &'d lwm2m_model::ResourceDefinition,
    pub(crate) method: Ident,
    pub(crate) constant: Ident,
}

/// The trait with a method for each action, and the function that makes a handler of it; nothing
/// for an object without actions.
pub(crate) fn items(object: &Ident, actions: &[Action<'_>]) -> TokenStream {
    if actions.is_empty() {
        return TokenStream::new();
    }
    let name = format_ident!("{object}Actions");
    let methods = actions.iter().map(method);
    let arms = actions.iter().map(
        |Action {
             method, constant, ..
         }| quote!(Some(ids::#constant) => A::#method(&mut actions, call),),
    );
    let about = docs::doc(&[
        format!(
            "Carries out what servers execute on [`{object}`]; give it to `Typed::on_execute` by \
             [`actions`]."
        ),
        "Optional actions exist for servers once `Typed::with_executable` announces them.".into(),
    ]);
    quote! {
        #about
        pub trait #name: model::Send + 'static {
            #(#methods)*
        }

        /// Makes a handler for `Typed::on_execute`, which calls the method of each resource.
        pub fn actions<A: #name>(
            mut actions: A,
        ) -> impl model::FnMut(model::Path, &[u8], model::Ticket) -> model::Outcome + model::Send + 'static {
            move |path: model::Path, arguments: &[u8], ticket: model::Ticket| {
                let call = model::Call::new(path, arguments, ticket);
                match path.resource_id() {
                    #(#arms)*
                    _ => call.not_allowed(),
                }
            }
        }
    }
}

/// A mandatory action must be there; an optional one is refused unless somebody writes it.
fn method(action: &Action<'_>) -> TokenStream {
    let (doc, method) = (docs::resource(action.definition), &action.method);
    match action.definition.mandatory {
        true => quote!(#doc fn #method(&mut self, call: model::Call<'_>) -> model::Outcome;),
        false => quote! {
            #doc
            fn #method(&mut self, call: model::Call<'_>) -> model::Outcome {
                call.not_allowed()
            }
        },
    }
}
