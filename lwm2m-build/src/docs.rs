//! Documentation comments from the free text of definitions.

use lwm2m_model::{ObjectDefinition, ResourceDefinition, xml::parse_names};
use proc_macro2::TokenStream;
use quote::quote;

/// Longest line of text in a comment.
const WIDTH: usize = 90;

/// Makes `#[doc]` attributes of paragraphs, which are wrapped and lose their Markdown.
pub(crate) fn doc(paragraphs: &[String]) -> TokenStream {
    let mut lines = Vec::new();
    for paragraph in paragraphs
        .iter()
        .filter(|paragraph| !paragraph.trim().is_empty())
    {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(wrap(paragraph));
    }
    let lines = lines.iter().map(|line| match line.as_str() {
        "" => String::new(),
        line => format!(" {line}"),
    });
    quote!(#(#[doc = #lines])*)
}

/// Tells of an object: what it is for, its id, version and URN.
pub(crate) fn object(definition: &ObjectDefinition) -> TokenStream {
    let ObjectDefinition {
        id, version, urn, ..
    } = definition;
    let purpose = sentence(&definition.name, &definition.description);
    doc(&[
        purpose,
        format!("Object {id}, version {version}, {}.", escape(urn)),
    ])
}

/// Tells of a resource: what it is for, its id, operations, range and unit.
pub(crate) fn resource(definition: &ResourceDefinition) -> TokenStream {
    let purpose = sentence(&definition.name, &definition.description);
    doc(&[purpose, facts(definition)])
}

/// Names a resource in one line.
pub(crate) fn short(definition: &ResourceDefinition) -> TokenStream {
    doc(&[format!(
        "{}: {}.",
        escape(&definition.name),
        operations(definition)
    )])
}

fn sentence(name: &str, description: &str) -> String {
    let (name, description) = (escape(name), escape(&flowing(description)));
    match description.trim() {
        "" => format!("{name}."),
        text => format!("{name}: {text}"),
    }
}

/// Puts commas between the values that a description names line by line.
fn flowing(description: &str) -> String {
    if !description.contains('\n') || parse_names(description).is_empty() {
        return description.to_owned();
    }
    let mut flowing = String::with_capacity(description.len());
    let lines = description.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty()) {
        let ends = flowing.ends_with(|c: char| ".,;:!?".contains(c));
        if !flowing.is_empty() {
            flowing.push_str(if ends { " " } else { ", " });
        }
        flowing.push_str(line);
    }
    if !flowing.ends_with('.') {
        flowing.push('.');
    }
    flowing
}

fn facts(definition: &ResourceDefinition) -> String {
    let mut facts = format!("Resource {}, {}", definition.id, operations(definition));
    if !definition.range.is_empty() {
        facts += &format!(", range {}", escape(&definition.range));
    }
    if !definition.units.is_empty() {
        facts += &format!(", unit {}", escape(&definition.units));
    }
    facts + "."
}

fn operations(definition: &ResourceDefinition) -> &'static str {
    let operations = definition.operations;
    match (operations.read, operations.write, operations.execute) {
        (_, _, true) => "executable",
        (true, true, _) => "read and write",
        (true, false, _) => "read-only",
        (false, true, _) => "write-only",
        (false, false, _) => "for bootstrap only",
    }
}

/// Takes the meaning from what Markdown and rustdoc would take for links, tags and emphasis.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
    {
        if matches!(
            letter,
            '[' | ']' | '<' | '>' | '*' | '_' | '`' | '\\' | '|' | '#'
        ) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    // A bare address would have to be a link.
    escaped.replace("://", "\\://")
}

fn wrap(paragraph: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.iter().map(|line| no_list(line)).collect()
}

/// Escapes what would start a list or a quotation at the start of a line.
fn no_list(line: &str) -> String {
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    match line.chars().nth(digits) {
        Some('-' | '+' | '=' | '~') if digits == 0 => format!("\\{line}"),
        Some('.' | ')') if digits > 0 => {
            let (number, rest) = line.split_at(digits);
            format!("{number}\\{rest}")
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_and_loses_its_markdown() {
        assert_eq!(
            escape("see <a> [1]\n at http://x"),
            "see \\<a\\> \\[1\\] at http\\://x"
        );
        let long = "word ".repeat(40);
        assert!(wrap(&long).iter().all(|line| line.len() <= WIDTH) && wrap(&long).len() == 3);
        assert_eq!(no_list("- a"), "\\- a");
        assert_eq!(no_list("12. a"), "12\\. a");
        assert_eq!(no_list("12 a"), "12 a");
    }
}
