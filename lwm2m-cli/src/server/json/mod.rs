//! The JSON of the HTTP interface, in the shapes of Leshan's demo server.

mod answer;
mod definitions;
mod history;
mod node;
mod parse;
mod registration;
mod specification;
mod time;

pub(crate) use self::{
    answer::{Shape, answer, format_of},
    definitions::Definitions,
    history::{history, in_order},
    node::{node, nodes},
    parse::{records, value},
    registration::{registration, update},
    specification::specification,
};
