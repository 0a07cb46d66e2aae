//! Object definitions in XML.

use lwm2m_model::xml;

use crate::Verdict;

/// Reads any text as an object definition; what is read keeps the order that its users rely on.
///
/// # Panics
/// If resources are out of order or can't be found, or an error has no place in the text.
pub fn ddf_xml(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else {
        return Verdict::Refused;
    };
    let parsed = match xml::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(error.position.line >= 1 && error.position.column >= 1);
            assert!(error.position.line as usize <= text.lines().count() + 1);
            assert!(!error.to_string().is_empty());
            return Verdict::Refused;
        }
    };
    assert!(!parsed.definitions.is_empty());
    for definition in &parsed.definitions {
        assert!(
            definition
                .resources
                .windows(2)
                .all(|pair| pair[0].id < pair[1].id)
        );
        for resource in definition.resources.iter() {
            assert_eq!(definition.resource(resource.id), Some(resource));
        }
    }
    for warning in &parsed.warnings {
        assert!(!warning.to_string().is_empty());
    }
    Verdict::Accepted
}
