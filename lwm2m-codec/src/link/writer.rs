//! Writes links.

use core::fmt;

use super::{is_token, is_uri};
use crate::{ContentFormat, EncodeError, Path, out::Out};

/// Writes links into the caller's buffer.
///
/// ```
/// use lwm2m_codec::{Path, Version, link::LinkWriter};
/// let mut buf = [0; 64];
/// let mut links = LinkWriter::new(&mut buf);
/// links.link("/")?.quoted("rt", "oma.lwm2m")?;
/// links.link(Path::object(3))?.attr("ver", Version::V1_2)?;
/// let len = links.finish()?;
/// assert_eq!(&buf[..len], br#"</>;rt="oma.lwm2m",</3>;ver=1.2"#);
/// # Ok::<(), lwm2m_codec::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct LinkWriter<'b> {
    out: Out<'b>,
}

impl<'b> LinkWriter<'b> {
    /// Starts with an empty list.
    pub fn new(buf: &'b mut [u8]) -> Self {
        Self { out: Out::new(buf) }
    }

    /// Begins a link.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`]; [`EncodeError::InvalidLink`] if the target holds a blank
    /// or another character that a URI must escape.
    pub fn link(&mut self, target: impl fmt::Display) -> Result<&mut Self, EncodeError> {
        let start = self.out.len();
        let result = self.write_target(target);
        if result.is_err() {
            self.out.truncate(start);
        }
        result.map(|()| self)
    }

    /// Adds a parameter with an unquoted value, such as `dim=2`.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`]; [`EncodeError::InvalidLink`] before the first link and
    /// if the value needs quotes.
    pub fn attr(&mut self, name: &str, value: impl fmt::Display) -> Result<&mut Self, EncodeError> {
        let start = self.name(name)?;
        self.out.byte(b'=')?;
        let at = self.out.len();
        self.out.display(value)?;
        self.check(at, is_token, start)?;
        Ok(self)
    }

    /// Adds a parameter with a quoted value, such as `rt="oma.lwm2m"`.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`]; [`EncodeError::InvalidLink`] before the first link.
    pub fn quoted(&mut self, name: &str, value: &str) -> Result<&mut Self, EncodeError> {
        self.name(name)?;
        self.out.put(b"=\"")?;
        for byte in value.bytes() {
            if matches!(byte, b'"' | b'\\') {
                self.out.byte(b'\\')?;
            }
            self.out.byte(byte)?;
        }
        self.out.byte(b'"')?;
        Ok(self)
    }

    /// Adds a parameter without a value.
    ///
    /// # Errors
    /// As [`LinkWriter::quoted`].
    pub fn flag(&mut self, name: &str) -> Result<&mut Self, EncodeError> {
        self.name(name)?;
        Ok(self)
    }

    /// Adds `ct`: one number, or a quoted list (RFC 7252 §7.2.1).
    ///
    /// # Errors
    /// As [`LinkWriter::quoted`].
    pub fn formats(&mut self, formats: &[ContentFormat]) -> Result<&mut Self, EncodeError> {
        if let [format] = formats {
            return self.attr("ct", format.0);
        }
        self.name("ct")?;
        self.out.put(b"=\"")?;
        for (index, format) in formats.iter().enumerate() {
            if index > 0 {
                self.out.byte(b' ')?;
            }
            self.out.unsigned(u64::from(format.0))?;
        }
        self.out.byte(b'"')?;
        Ok(self)
    }

    /// Length of what was written so far, in bytes.
    pub const fn written(&self) -> usize {
        self.out.len()
    }

    /// Ends the list and returns its length in bytes.
    ///
    /// # Errors
    /// None today; a `Result` as the payload encoder's.
    pub fn finish(self) -> Result<usize, EncodeError> {
        Ok(self.out.len())
    }

    fn write_target(&mut self, target: impl fmt::Display) -> Result<(), EncodeError> {
        let start = self.out.len();
        if start > 0 {
            self.out.byte(b',')?;
        }
        self.out.byte(b'<')?;
        let at = self.out.len();
        self.out.display(target)?;
        self.check(at, is_uri, start)?;
        self.out.byte(b'>')
    }

    /// Writes `;name` and returns where it starts.
    fn name(&mut self, name: &str) -> Result<usize, EncodeError> {
        let start = self.out.len();
        if start == 0 || name.is_empty() || !name.chars().all(super::is_name) {
            return Err(EncodeError::InvalidLink);
        }
        self.out.byte(b';')?;
        self.out.put(name.as_bytes())?;
        Ok(start)
    }

    /// Checks the characters written from `at` on; takes all back to `start` if one is wrong.
    fn check(
        &mut self,
        at: usize,
        allowed: impl Fn(char) -> bool,
        start: usize,
    ) -> Result<(), EncodeError> {
        let text = core::str::from_utf8(self.out.written(at)).unwrap_or(" ");
        if text.is_empty() || !text.chars().all(allowed) {
            self.out.truncate(start);
            return Err(EncodeError::InvalidLink);
        }
        Ok(())
    }
}

impl LinkWriter<'_> {
    /// Begins a link to a path below a root such as `/lwm2m`; the root `""` is the plain `/`.
    ///
    /// # Errors
    /// As [`LinkWriter::link`].
    pub fn path(&mut self, root: &str, path: Path) -> Result<&mut Self, EncodeError> {
        match (root, path.is_root()) {
            ("" | "/", _) => self.link(path),
            (root, true) => self.link(root),
            (root, false) => self.link(format_args!("{root}{path}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_escapes_is_refused_or_escaped() {
        let mut buf = [0; 64];
        let mut links = LinkWriter::new(&mut buf);
        assert_eq!(links.attr("dim", 1).err(), Some(EncodeError::InvalidLink));
        assert_eq!(links.link("/a b").err(), Some(EncodeError::InvalidLink));
        links.path("/lwm2m", Path::object(3)).unwrap();
        assert!(links.attr("ver", "1 2").is_err());
        links.quoted("t", "a\"b").unwrap().flag("obs").unwrap();
        links.path("/lwm2m", Path::ROOT).unwrap();
        links
            .formats(&[ContentFormat::SENML_JSON, ContentFormat::CBOR])
            .unwrap();
        let len = links.finish().unwrap();
        assert_eq!(
            std::str::from_utf8(&buf[..len]),
            Ok(r#"</lwm2m/3>;t="a\"b";obs,</lwm2m>;ct="110 60""#)
        );
    }

    #[test]
    fn a_full_buffer_is_an_error() {
        let mut buf = [0; 4];
        let mut links = LinkWriter::new(&mut buf);
        assert_eq!(
            links.link("/33").err(),
            Some(EncodeError::BufferTooSmall { capacity: 4 })
        );
        assert_eq!(links.written(), 0);
    }
}
