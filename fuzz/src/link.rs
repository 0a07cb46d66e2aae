//! Lists of links.

use arbitrary::{Arbitrary, Unstructured};
use lwm2m_codec::{
    Attributes, ContentFormat, EncodeError, Path,
    link::{Link, LinkWriter, Links},
};

use crate::Verdict;

/// Reads any bytes as links, and writes and reads them again.
///
/// # Panics
/// If they are not the same.
pub fn link(data: &[u8]) -> Verdict {
    let mut links = Vec::new();
    let mut iterator = Links::new(data);
    for link in iterator.by_ref() {
        match link {
            Ok(link) => {
                look_at(&link);
                links.push(link);
            }
            Err(error) => {
                assert!(error.offset <= data.len(), "{error}");
                assert!(iterator.next().is_none());
                return Verdict::Refused;
            }
        }
    }
    let mut buffer = vec![0; 2 * data.len() + 16];
    let Ok(len) = write(&links, &mut buffer) else {
        // A leading `lwm2m=1.0` may have a name or target that no writer takes.
        return Verdict::Accepted;
    };
    let again: Vec<Link<'_>> = Links::new(&buffer[..len])
        .map(|link| link.expect("what was written parses"))
        .collect();
    assert_eq!(again.len(), links.len());
    for (again, link) in again.iter().zip(&links) {
        assert_eq!(again.target, link.target);
        assert!(again.params().eq(link.params()));
    }
    Verdict::Accepted
}

/// Every accessor answers.
fn look_at(link: &Link<'_>) {
    let _ = (link.path(), link.path_below("/lwm2m"));
    let _ = (link.dim(), link.ssid(), link.ver(), link.lwm2m());
    let _ = (link.uri(), link.rt(), link.ct().count());
    let _ = Attributes::from_link(link);
    for (name, value) in link.params() {
        assert!(!name.is_empty());
        assert_eq!(link.param(name).is_some(), first_has_value(link, name));
        let _ = value.map(|value| value.to_string());
    }
}

/// Of a repeated parameter the first one counts.
fn first_has_value(link: &Link<'_>, name: &str) -> bool {
    link.params()
        .find(|(other, _)| *other == name)
        .is_some_and(|(_, value)| value.is_some())
}

fn write(links: &[Link<'_>], buffer: &mut [u8]) -> Result<usize, EncodeError> {
    let mut writer = LinkWriter::new(buffer);
    for link in links {
        writer.link(link.target)?;
        for (name, value) in link.params() {
            match value {
                Some(value) => writer.quoted(name, &value.to_string())?,
                None => writer.flag(name)?,
            };
        }
    }
    writer.finish()
}

/// One call of a writer.
#[derive(Debug, Arbitrary)]
enum Call<'a> {
    Target(&'a str),
    Path(&'a str, [u16; 4], u8),
    Attr(&'a str, &'a str),
    Quoted(&'a str, &'a str),
    Flag(&'a str),
    Formats(Vec<u16>),
}

/// Writes links by any sequence of calls: what the writer takes is read again.
///
/// # Panics
/// If a list that was written can't be read, or has another number of links.
pub fn link_writer(data: &[u8]) -> Verdict {
    let Ok((room, calls)) = <(u16, Vec<Call<'_>>)>::arbitrary_take_rest(Unstructured::new(data))
    else {
        return Verdict::Refused;
    };
    let mut buffer = vec![0; usize::from(room)];
    let mut writer = LinkWriter::new(&mut buffer);
    let (mut targets, mut params) = (0, 0);
    for call in &calls {
        match apply(&mut writer, call) {
            Ok(true) => targets += 1,
            Ok(false) => params += 1,
            Err(EncodeError::InvalidLink) => {}
            // After a full buffer its content is undefined.
            Err(EncodeError::BufferTooSmall { capacity }) => {
                assert_eq!(capacity, usize::from(room));
                return Verdict::Refused;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let len = writer.finish().expect("all that was taken is written");
    let links: Vec<Link<'_>> = Links::new(&buffer[..len])
        .map(|link| link.expect("what was written parses"))
        .collect();
    assert_eq!(links.len(), targets);
    let found: usize = links.iter().map(|link| link.params().count()).sum();
    assert_eq!(found, params);
    Verdict::Accepted
}

/// Makes a call; true if it began a link.
fn apply(writer: &mut LinkWriter<'_>, call: &Call<'_>) -> Result<bool, EncodeError> {
    match call {
        Call::Target(target) => writer.link(*target).map(|_| true),
        Call::Path(root, ids, depth) => {
            let ids = &ids[..usize::from(depth % 5)];
            let path = Path::from_ids(ids).unwrap_or(Path::ROOT);
            writer.path(root, path).map(|_| true)
        }
        Call::Attr(name, value) => writer.attr(name, *value).map(|_| false),
        Call::Quoted(name, value) => writer.quoted(name, value).map(|_| false),
        Call::Flag(name) => writer.flag(name).map(|_| false),
        Call::Formats(formats) => {
            let formats: Vec<ContentFormat> = formats.iter().copied().map(ContentFormat).collect();
            writer.formats(&formats).map(|_| false)
        }
    }
}
