//! Query parameters.

use std::time::Duration;

use lwm2m_codec::{ContentFormat, Path};

use super::{super::json::format_of, error::ApiError};

/// Seconds that a request waits for its answer if it states none.
const DEFAULT_TIMEOUT: f64 = 5.0;

/// Longest time that a request may wait, in seconds.
const MAX_TIMEOUT: f64 = 86_400.0;

/// The parameters of a request, decoded, in order.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, Option<String>)>);

impl Query {
    /// Reads what follows the question mark.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut parameters = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(decode(value)?)),
                None => (part, None),
            };
            parameters.push((decode(name)?, value));
        }
        Ok(Self(parameters))
    }

    fn find(&self, name: &str) -> Option<&Option<String>> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// True if a parameter is there and not `false`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let value = self.find(name);
        value.is_some_and(|value| value.as_deref() != Some("false"))
    }

    /// The value of a parameter, if it has one.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let value = self.find(name)?.as_deref();
        value.filter(|value| !value.is_empty())
    }

    /// A content format by its name or number.
    pub(crate) fn format(&self, name: &str) -> Result<Option<ContentFormat>, ApiError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let format = format_of(value);
        let unknown = || ApiError::bad(format!("{name}: format {value:?} is not known"));
        format.map(Some).ok_or_else(unknown)
    }

    /// How long to wait for an answer.
    pub(crate) fn timeout(&self) -> Result<Duration, ApiError> {
        let seconds = match self.value("timeout") {
            None => DEFAULT_TIMEOUT,
            Some(text) => text.parse().unwrap_or(f64::NAN),
        };
        if !(seconds > 0.0 && seconds <= MAX_TIMEOUT) {
            let reason = format!("timeout: expected seconds above 0 and up to {MAX_TIMEOUT}");
            return Err(ApiError::bad(reason));
        }
        Ok(Duration::from_secs_f64(seconds))
    }

    /// Paths with commas between them.
    pub(crate) fn paths(&self, name: &str) -> Result<Vec<Path>, ApiError> {
        let list = self.value(name).unwrap_or_default();
        let paths: Result<Vec<Path>, ApiError> = list
            .split(',')
            .filter(|path| !path.is_empty())
            .map(|path| {
                let parsed = path.parse();
                parsed.map_err(|error| ApiError::bad(format!("{name}: {path:?}: {error}")))
            })
            .collect();
        match paths?.as_slice() {
            [] => Err(ApiError::bad(format!("{name}: expected at least one path"))),
            paths => Ok(paths.to_vec()),
        }
    }

    /// All parameters but some, as CoAP writes them: `pmin=10&pmax`.
    pub(crate) fn attributes(&self, but: &[&str]) -> String {
        let others = self.0.iter().filter(|(name, _)| !but.contains(&&**name));
        let attributes = others.map(|(name, value)| match value.as_deref() {
            None | Some("") => name.clone(),
            Some(value) => format!("{name}={value}"),
        });
        attributes.collect::<Vec<_>>().join("&")
    }
}

/// Resolves `%2F` and `+`.
fn decode(text: &str) -> Result<String, ApiError> {
    let wrong = || ApiError::bad("the query is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit(), digit());
                let code = high.zip(low).map(|(high, low)| high * 16 + low);
                code.and_then(|code| u8::try_from(code).ok())
                    .ok_or_else(wrong)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_value_are_kept() {
        let query = Query::parse("pmin=10&pmax&gt=&timeout=3").unwrap();
        assert_eq!(query.attributes(&["timeout"]), "pmin=10&pmax&gt");
        assert!(query.flag("pmax") && !query.flag("active"));
        assert_eq!(query.timeout(), Ok(Duration::from_secs(3)));
    }

    #[test]
    fn paths_and_formats_are_read_and_what_is_wrong_is_named() {
        let query = Query::parse("paths=%2F3%2F0,/6/0&format=senml_cbor&f2=9x").unwrap();
        let paths = vec![Path::instance(3, 0), Path::instance(6, 0)];
        assert_eq!(query.paths("paths"), Ok(paths));
        assert_eq!(query.format("format"), Ok(Some(ContentFormat::SENML_CBOR)));
        let error = query.format("f2").unwrap_err();
        assert_eq!(error.to_string(), "f2: format \"9x\" is not known");
        assert!(Query::parse("a=%f").is_err());
        assert!(Query::parse("a=%ff").is_err());
    }

    #[test]
    fn a_timeout_that_is_no_time_is_refused() {
        for wrong in ["0", "-1", "x", "inf", "nan", "1e9"] {
            let query = Query::parse(&format!("timeout={wrong}")).unwrap();
            assert!(query.timeout().is_err(), "{wrong}");
        }
    }
}
