//! Requests to devices as messages without token and id.

use alloc::{vec, vec::Vec};
use core::ops::RangeInclusive;

use lwm2m_coap::Draft;
use lwm2m_codec::{
    ContentFormat, EncodeError, Encoder, MAX_ID, Path, Record,
    attributes::AttributeChange,
    coap::{Code, OptionNumber},
};

use crate::{RequestError, Target};

/// The request for a target: a Read, a Read-Composite, or with Observe an observation.
pub(crate) fn draft_of(
    target: &Target,
    root: &str,
    observe: Option<u32>,
) -> Result<Draft, RequestError> {
    let draft = match (target.composite, target.paths.as_slice()) {
        (_, []) => return Err(RequestError::NoPath),
        (Some(format), paths) => {
            for path in paths {
                check_path(*path, 0..=4)?;
            }
            let payload = encode_paths(format, paths).map_err(RequestError::Encode)?;
            under(root, Code::FETCH, Path::ROOT).content(format, payload)
        }
        (None, [path, ..]) => {
            check_path(*path, 1..=4)?;
            under(root, Code::GET, *path)
        }
    };
    let draft = accepting(draft, target.accept);
    let draft = with_attributes(draft, &target.attributes)?;
    Ok(match observe {
        Some(value) => draft.uint(OptionNumber::OBSERVE, value),
        None => draft,
    })
}

/// A request to a path below the device's root.
pub(crate) fn under(root: &str, code: Code, path: Path) -> Draft {
    let mut draft = Draft::new(code);
    for segment in root.split('/').filter(|segment| !segment.is_empty()) {
        draft = draft.path_segment(segment);
    }
    path.ids()
        .iter()
        .fold(draft, |draft, id| draft.path_id(*id))
}

pub(crate) fn check_path(path: Path, depth: RangeInclusive<usize>) -> Result<(), RequestError> {
    match depth.contains(&path.len()) && !path.ids().contains(&MAX_ID) {
        true => Ok(()),
        false => Err(RequestError::Path(path)),
    }
}

pub(crate) fn accepting(draft: Draft, accept: Option<ContentFormat>) -> Draft {
    match accept {
        Some(format) => draft.accept(format),
        None => draft,
    }
}

pub(crate) fn with_attributes(mut draft: Draft, attributes: &str) -> Result<Draft, RequestError> {
    for attribute in attributes.split('&').filter(|_| !attributes.is_empty()) {
        AttributeChange::parse(attribute).map_err(|_| RequestError::Attributes)?;
        draft = draft.query(attribute);
    }
    Ok(draft)
}

/// The body of a Read-Composite: records that only name paths (TS-Core §7.5.6).
fn encode_paths(format: ContentFormat, paths: &[Path]) -> Result<Vec<u8>, EncodeError> {
    // The longest record is `{"n":"/65534/65534/65534/65534"},`.
    const RECORD: usize = 40;
    let mut buf = vec![0; RECORD * (paths.len() + 1)];
    let mut encoder = Encoder::new(format, Path::ROOT, &mut buf)?;
    for path in paths {
        encoder.push(&Record::path_only(*path))?;
    }
    let len = encoder.finish()?;
    buf.truncate(len);
    Ok(buf)
}
