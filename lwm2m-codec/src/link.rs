//! CoRE link format: what a Register and a Discover carry (RFC 6690, TS-Core §6.2, §6.3.2).

mod writer;

use core::str;

use nom::{
    Parser,
    branch::alt,
    bytes::complete::{tag, take_while, take_while1},
    character::complete::char,
    combinator::{opt, recognize},
    multi::many0_count,
    sequence::{delimited, preceded},
};

pub use writer::LinkWriter;

use crate::{
    ContentFormat, DecodeError, DecodeErrorKind, Path, Text, Version, path::parse_id,
    text::TextForm,
};

/// Most links that one payload may hold.
pub const MAX_LINKS: usize = 16_384;

/// Iterates over the links of a payload; after an error it ends.
///
/// Blanks after commas and semicolons are tolerated, and so is the leading `lwm2m=1.0` of
/// LwM2M 1.0, which is returned as a link to `/`.
///
/// ```
/// use lwm2m_codec::{Path, Version, link::Links};
/// let mut links = Links::new(br#"</>;rt="oma.lwm2m";ct=110, </3/0>;ver=1.2"#);
/// assert_eq!(links.next().unwrap()?.rt().unwrap(), "oma.lwm2m");
/// let device = links.next().unwrap()?;
/// assert_eq!(device.path(), Some(Path::instance(3, 0)));
/// assert_eq!(device.ver(), Some(Version::V1_2));
/// # Ok::<(), lwm2m_codec::DecodeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Links<'a> {
    payload: &'a [u8],
    cursor: Option<Cursor<'a>>,
    count: usize,
}

impl<'a> Links<'a> {
    /// Reads a payload; an empty one has no links.
    pub const fn new(payload: &'a [u8]) -> Self {
        Self {
            payload,
            cursor: None,
            count: 0,
        }
    }

    fn link(&mut self) -> Result<Option<Link<'a>>, DecodeError> {
        let first = self.cursor.is_none();
        if first {
            let text = str::from_utf8(self.payload).map_err(|error| {
                DecodeError::new(error.valid_up_to(), DecodeErrorKind::InvalidUtf8)
            })?;
            self.cursor = Some(Cursor { text, rest: text });
        }
        let Some(cursor) = &mut self.cursor else {
            return Ok(None);
        };
        if cursor.rest.is_empty() {
            return Ok(None);
        }
        self.count = self.count.saturating_add(1);
        if self.count > MAX_LINKS {
            return Err(cursor.fail(DecodeErrorKind::LimitExceeded {
                what: "links",
                limit: MAX_LINKS,
            }));
        }
        if !first {
            cursor.step((char(','), blanks()), "a comma")?;
        } else if cursor.rest.starts_with("lwm2m=") {
            let params = cursor.step(recognize(param()), "a parameter")?;
            return Ok(Some(Link {
                target: "/",
                params,
            }));
        }
        cursor.link().map(Some)
    }
}

impl<'a> Iterator for Links<'a> {
    type Item = Result<Link<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let link = self.link();
        if link.is_err() {
            self.cursor = Some(Cursor { text: "", rest: "" });
        }
        link.transpose()
    }
}

/// One link: a target and its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// What stands between `<` and `>`.
    pub target: &'a str,
    /// The parameters as written, valid.
    params: &'a str,
}

impl<'a> Link<'a> {
    /// The target as a path; `None` if it is another resource of the device.
    pub fn path(&self) -> Option<Path> {
        self.path_below("")
    }

    /// The target as a path below a root such as `/lwm2m`, which the device named by
    /// `rt="oma.lwm2m"` (TS-Core §6.2.1).
    pub fn path_below(&self, root: &str) -> Option<Path> {
        let root = root.strip_suffix('/').unwrap_or(root);
        let path = self.target.strip_prefix(root)?;
        let absolute = path.starts_with('/') || (path.is_empty() && !root.is_empty());
        absolute.then(|| path.parse().ok()).flatten()
    }

    /// The parameters: name, and value if there is one.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<Text<'a>>)> + Clone + use<'a> {
        Params { rest: self.params }
    }

    /// The value of the first parameter of a name.
    pub fn param(&self, name: &str) -> Option<Text<'a>> {
        self.params().find(|(n, _)| *n == name)?.1
    }

    /// `dim`: number of instances of a resource (TS-Core §7.3.1).
    pub fn dim(&self) -> Option<u16> {
        self.number("dim")
    }

    /// `ssid`: Short Server ID of an instance of objects 0, 1, 21, 23 and 24.
    pub fn ssid(&self) -> Option<u16> {
        self.number("ssid")
    }

    /// `ver`: version of an object, quoted or not (TS-Core §7.2.3).
    pub fn ver(&self) -> Option<Version> {
        self.param("ver")?.as_plain()?.parse().ok()
    }

    /// `lwm2m`: version of the enabler, in a Bootstrap-Discover.
    pub fn lwm2m(&self) -> Option<Version> {
        self.param("lwm2m")?.as_plain()?.parse().ok()
    }

    /// `uri`: address of the server of a security instance.
    pub fn uri(&self) -> Option<Text<'a>> {
        self.param("uri")
    }

    /// `rt`: resource types, separated by blanks.
    pub fn rt(&self) -> Option<Text<'a>> {
        self.param("rt")
    }

    /// `ct`: content formats, one number or a quoted list; what is no number is left out.
    pub fn ct(&self) -> impl Iterator<Item = ContentFormat> + use<'a> {
        let list = self.param("ct").and_then(|text| text.as_plain());
        list.unwrap_or("")
            .split(' ')
            .filter_map(parse_id)
            .map(ContentFormat)
    }

    fn number(&self, name: &str) -> Option<u16> {
        parse_id(self.param(name)?.as_plain()?)
    }
}

#[derive(Clone)]
struct Params<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a str, Option<Text<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        let separator = opt((blanks(), char(';'), blanks()));
        // `Links` checked the parameters: an error here means the end.
        let (rest, item) = preceded(separator, param()).parse(self.rest).ok()?;
        self.rest = rest;
        Some(item)
    }
}

/// Steps through the text, one parser after the other.
#[derive(Debug, Clone)]
struct Cursor<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn link(&mut self) -> Result<Link<'a>, DecodeError> {
        let target = delimited(char('<'), take_while(is_uri), char('>'));
        let target = self.step(target, "a target in angle brackets")?;
        let start = self.rest;
        while self.rest.trim_start_matches(' ').starts_with(';') {
            self.step((blanks(), char(';'), blanks()), "a semicolon")?;
            self.step(param(), "a parameter")?;
        }
        let len = start.len().saturating_sub(self.rest.len());
        Ok(Link {
            target,
            params: start.get(..len).unwrap_or_default(),
        })
    }

    fn step<T>(
        &mut self,
        mut parser: impl Parser<&'a str, Output = T, Error = ()>,
        what: &'static str,
    ) -> Result<T, DecodeError> {
        match parser.parse(self.rest) {
            Ok((rest, output)) => {
                self.rest = rest;
                Ok(output)
            }
            Err(_) => Err(self.fail(DecodeErrorKind::Expected(what))),
        }
    }

    fn fail(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.text.len().saturating_sub(self.rest.len()), kind)
    }
}

fn blanks<'a>() -> impl Parser<&'a str, Output = &'a str, Error = ()> {
    take_while(|c| c == ' ')
}

/// `name ["=" (ptoken / quoted-string)]` (RFC 6690 §2).
fn param<'a>() -> impl Parser<&'a str, Output = (&'a str, Option<Text<'a>>), Error = ()> {
    let value = alt((quoted(), take_while1(is_token).map(Text::new)));
    // Without a value, no "=" may follow: the caller then expects a separator.
    (take_while1(is_name), opt(preceded(tag("="), value)))
}

fn quoted<'a>() -> impl Parser<&'a str, Output = Text<'a>, Error = ()> {
    let escaped = (char('\\'), nom::character::complete::anychar).map(drop);
    let plain = take_while1(|c| c != '"' && c != '\\').map(drop);
    delimited(
        char('"'),
        recognize(many0_count(alt((plain, escaped)))),
        char('"'),
    )
    .map(|inner: &str| match inner.contains('\\') {
        true => Text(TextForm::Quoted(inner)),
        false => Text::new(inner),
    })
}

fn is_uri(c: char) -> bool {
    c > ' ' && !matches!(c, '<' | '>' | '"' | '\\' | '\u{7f}')
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$&+-.^_`|~*".contains(c)
}

/// The characters of a `ptoken` (RFC 6690 §2).
fn is_token(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | ',' | ';' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{string::ToString, vec::Vec};

    fn error(payload: &[u8]) -> DecodeError {
        Links::new(payload).find_map(Result::err).unwrap()
    }

    #[test]
    fn quotes_and_escapes_resolve() {
        let link = Links::new(br#"</a>;title="x \"y\", z";hidden;n=1"#)
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(link.param("title").unwrap().to_string(), "x \"y\", z");
        let names: Vec<_> = link.params().map(|(name, _)| name).collect();
        assert_eq!(names, ["title", "hidden", "n"]);
        assert_eq!(link.path(), None);
    }

    #[test]
    fn a_root_other_than_the_slash_is_cut_off() {
        let mut links = Links::new(b"</lwm2m>,</lwm2m/3/0>,</lwm2mx/3>,</3/0>");
        let mut path = || links.next().unwrap().unwrap().path_below("/lwm2m");
        assert_eq!(path(), Some(Path::ROOT));
        assert_eq!(path(), Some(Path::instance(3, 0)));
        assert_eq!(path(), None);
        assert_eq!(path(), None);
    }

    #[test]
    fn content_formats_come_as_a_number_or_as_a_list() {
        let formats = |payload| -> Vec<u16> {
            let link = Links::new(payload).next().unwrap().unwrap();
            link.ct().map(|format| format.0).collect()
        };
        assert_eq!(formats(br#"</>;ct="110 112 60""#), [110, 112, 60]);
        assert_eq!(formats(b"</>;ct=11542"), [11542]);
        assert!(formats(b"</>").is_empty());
    }

    #[test]
    fn a_malformed_link_is_named_by_its_offset() {
        for (payload, offset) in [
            (&b"</1></2>"[..], 4),
            (b"</1", 0),
            (b"</1>,", 5),
            (b"</1>;", 5),
            (b"</1>;a=", 6),
            (b"</1>;a=\"x", 6),
            (b"</1 /2>", 0),
            (b"</1>,\xff", 5),
            (b"x", 0),
        ] {
            assert_eq!(error(payload).offset, offset, "{payload:?}");
        }
    }

    #[test]
    fn nothing_follows_an_error() {
        let mut links = Links::new(b"</1></2>");
        assert!(links.next().unwrap().is_ok());
        assert!(links.next().unwrap().is_err());
        assert!(links.next().is_none());
    }
}
