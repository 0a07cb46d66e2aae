//! Rust text without what is no product code: comments, literals, tests.

use std::ops::Range;

/// Replaces comments and the insides of string and character literals by spaces.
///
/// Lines keep their numbers. It is no parser: it knows as much of Rust's lexical structure as
/// finding the ends of comments and literals needs.
pub(super) fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        at = match comment_or_literal(bytes, at) {
            Some(end) => {
                blank(&mut code, at..end);
                end
            }
            None => at + 1,
        };
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Code without test-only items, and the names of the modules that are test-only files.
pub(super) fn product_code(text: &str) -> (String, Vec<String>) {
    let mut code = code_of(text).into_bytes();
    let mut modules = Vec::new();
    if find(&code, b"#![cfg(test)]", 0).is_some() {
        let all = 0..code.len();
        blank(&mut code, all);
    }
    for attribute in [&b"#[cfg(test)]"[..], b"#[cfg(all(test"] {
        let mut from = 0;
        while let Some(start) = find(&code, attribute, from) {
            let end = item_end(&code, start + attribute.len());
            let item = String::from_utf8_lossy(&code[start..end]).into_owned();
            modules.extend(declared_module(&item));
            blank(&mut code, start..end);
            from = end;
        }
    }
    (String::from_utf8_lossy(&code).into_owned(), modules)
}

/// Finds a name that stands alone: `needle` is not part of a longer identifier.
pub(super) fn names(code: &str, needle: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(needle).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + needle.len()..].chars().next();
        let first = needle.chars().next().is_some_and(is_part);
        let last = needle.chars().next_back().is_some_and(is_part);
        let inside = first && before.is_some_and(is_part) || last && after.is_some_and(is_part);
        !inside
    })
}

fn blank(code: &mut [u8], range: Range<usize>) {
    for byte in &mut code[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn find(code: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let found = code[from..]
        .windows(needle.len())
        .position(|window| window == needle);
    found.map(|at| at + from)
}

/// The end of a comment or literal that begins at `at`; `None` if none begins there.
fn comment_or_literal(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let length = match rest {
        [b'/', b'/', ..] => rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'\'', ..] => character(rest)?,
        [b'r', b'"' | b'#', ..] if !is_inside_identifier(bytes, at) => raw_string(rest)?,
        _ => return None,
    };
    Some(at + length)
}

/// True if the `r` at `at` ends a longer name; `br"` and `cr"` are prefixes of literals.
fn is_inside_identifier(bytes: &[u8], at: usize) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match bytes[..at] {
        [.., before, b'b' | b'c'] => is_part(before),
        [b'b' | b'c'] | [] => false,
        [.., before] => is_part(before),
    }
}

/// Block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None; // A raw identifier such as `r#type`.
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let end = find(rest, &close, 2 + hashes).map(|at| at + close.len());
    Some(end.unwrap_or(rest.len()))
}

/// The length of a character literal; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(quoted(rest, b'\''));
    }
    let width = std::str::from_utf8(&rest[1..rest.len().min(5)])
        .map_or_else(|error| error.valid_up_to(), str::len)
        .min(4);
    let first = std::str::from_utf8(&rest[1..=width]).ok()?.chars().next()?;
    let close = 1 + first.len_utf8();
    (rest.get(close) == Some(&b'\'')).then_some(close + 1)
}

/// The end of the item that follows an attribute: its block or its semicolon.
fn item_end(code: &[u8], from: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b';' if depth == 0 => return at + 1,
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// The name in `mod name;`, which makes `name.rs` a test-only file.
fn declared_module(item: &str) -> Option<String> {
    let (_, declaration) = item.strip_suffix(';')?.rsplit_once("mod ")?;
    Some(declaration.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "a // tokio\nb /* x /* y */ tokio */ c \"tokio \\\" tokio\" d r#\"tokio\"# e";
        let code = code_of(text);
        assert_eq!(code.split_whitespace().collect::<String>(), "abcde");
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn lifetimes_and_raw_identifiers_stay() {
        let text = "fn f<'a>(x: &'a str) -> r#type { '\"' ; 'é' ; b'\\'' ; br\"x\" ; tokio }";
        let code = code_of(text);
        assert!(code.contains("<'a>(x: &'a str) -> r#type"), "{code}");
        assert!(code.contains("tokio }"), "{code}");
    }

    #[test]
    fn test_items_are_no_product_code() {
        let text = "use a;\n#[cfg(test)]\nmod tests { fn f() { tokio } }\n#[cfg(test)]\nuse b;\nc";
        let (code, modules) = product_code(text);
        assert_eq!(
            code.split_whitespace().collect::<Vec<_>>(),
            ["use", "a;", "c"]
        );
        assert!(modules.is_empty());
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_named() {
        let (_, modules) = product_code("#[cfg(test)]\nmod pair;\nmod engine;");
        assert_eq!(modules, ["pair"]);
    }

    #[test]
    fn a_test_only_file_has_no_product_code() {
        let (code, _) = product_code("#![cfg(test)]\nuse tokio;");
        assert_eq!(code.trim(), "");
    }

    #[test]
    fn a_name_stands_alone() {
        assert!(names("use tokio::net;", "tokio"));
        assert!(!names("use tokio_like;", "tokio"));
        assert!(!names("mytokio", "tokio"));
        assert!(names("use std::{net}", "std::{"));
    }
}
