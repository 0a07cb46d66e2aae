//! Paths, notification attributes and Execute arguments.

use std::collections::BTreeSet;

use lwm2m_codec::{
    Attributes, Path,
    arguments::{self, Arguments},
    attributes::AttributeChange,
};

use crate::{Verdict, allowed};

/// Parses any text as a path, which then prints as a path that is the same.
///
/// # Panics
/// If it does not, or the parts of the path do not make it up.
pub fn path(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else {
        return Verdict::Refused;
    };
    let Ok(path) = text.parse::<Path>() else {
        return Verdict::Refused;
    };
    assert_eq!(path.to_string().parse::<Path>(), Ok(path));
    assert_eq!(Path::from_ids(&path.ids()), Some(path));
    assert_eq!(path.ids().len(), path.len());
    let rebuilt = path
        .ids()
        .iter()
        .try_fold(Path::ROOT, |path, id| path.child(*id));
    assert_eq!(rebuilt, Some(path));
    for len in 0..=path.len() {
        let above = path.truncated(len);
        assert!(above.contains(&path) && above <= path);
        assert_eq!(path.contains(&above), above == path);
    }
    assert_eq!(
        path.parent(),
        path.len().checked_sub(1).map(|len| path.truncated(len))
    );
    Verdict::Accepted
}

/// Parses any text as the query of a Write-Attributes; what it sets is written and read again.
///
/// # Panics
/// If that is not the same.
pub fn attributes(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else {
        return Verdict::Refused;
    };
    let mut parsed = Attributes::NONE;
    for segment in text.split('&') {
        if let Ok(change) = AttributeChange::parse(segment) {
            assert_eq!(AttributeChange::parse(&change.to_string()), Ok(change));
            parsed.apply(change);
        }
    }
    let query: Vec<String> = parsed.iter().map(|change| change.to_string()).collect();
    if !query.is_empty() {
        let again = Attributes::parse(query.iter().map(String::as_str));
        assert_eq!(again, Ok(parsed));
    }
    assert_eq!(parsed.is_empty(), query.is_empty());
    assert_eq!(parsed.or(Attributes::NONE), parsed);
    assert_eq!(Attributes::NONE.or(parsed), parsed);
    Verdict::accepted_if(Attributes::parse(text.split('&')).is_ok())
}

/// Parses any bytes as Execute arguments, and writes and reads them again.
///
/// # Panics
/// If they are not the same.
pub fn arguments(data: &[u8]) -> Verdict {
    let parsed = match Arguments::parse(data) {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            return Verdict::Refused;
        }
    };
    let all: Vec<_> = parsed.iter().collect();
    let digits: BTreeSet<u8> = all.iter().map(|(digit, _)| *digit).collect();
    assert_eq!(digits.len(), all.len(), "each digit once");
    assert_eq!(parsed.is_empty(), all.is_empty());
    for (digit, value) in &all {
        assert_eq!(parsed.find(*digit), Some(*value));
    }
    let mut buffer = vec![0; data.len()];
    let len = match arguments::write(all.iter().copied(), &mut buffer) {
        Ok(len) => len,
        Err(error) => {
            assert!(allowed::a_value_has_a_blank(&parsed), "{error}");
            return Verdict::Accepted;
        }
    };
    let again = Arguments::parse(&buffer[..len]).expect("what was written parses");
    assert!(again.iter().eq(all));
    Verdict::Accepted
}
