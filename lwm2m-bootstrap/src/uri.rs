//! Server URIs (TS-Transport §6.4.1, RFC 7252 §6, RFC 8323 §8).

/// Longest URI that a Security instance may hold, in bytes (TS-Core App. E.1).
pub const MAX_URI: usize = 255;

/// Schemes that name a transport, and whether it is secured.
const SCHEMES: [(&str, bool); 4] = [
    ("coap", false),
    ("coaps", true),
    ("coap+tcp", false),
    ("coaps+tcp", true),
];

/// What is wrong with a server URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// There is none.
    #[error("the URI is missing")]
    Missing,
    /// It is longer than [`MAX_URI`].
    #[error("the URI is longer than 255 bytes")]
    TooLong,
    /// The scheme is none of `coap`, `coaps`, `coap+tcp`, `coaps+tcp`.
    #[error("the scheme is none of coap, coaps, coap+tcp, coaps+tcp")]
    Scheme,
    /// There is no host, or it holds characters that no host has.
    #[error("the URI has no valid host")]
    Host,
    /// The port is not a number of 1 to 65535.
    #[error("the port is not a number of 1 to 65535")]
    Port,
}

/// Checks a server URI and tells whether its scheme is a secured one.
///
/// # Errors
/// [`UriError`].
pub fn is_secure(uri: &str) -> Result<bool, UriError> {
    if uri.is_empty() {
        return Err(UriError::Missing);
    }
    if uri.len() > MAX_URI {
        return Err(UriError::TooLong);
    }
    let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
    let (_, secure) = SCHEMES
        .iter()
        .find(|(name, _)| scheme.eq_ignore_ascii_case(name))
        .ok_or(UriError::Scheme)?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = split_port(authority).ok_or(UriError::Host)?;
    if host.is_empty() || !host.chars().all(is_host_char) {
        return Err(UriError::Host);
    }
    match port {
        Some(port) if !is_port(port) => Err(UriError::Port),
        _ => Ok(*secure),
    }
}

/// Cuts `host:port`, where the host may be an IPv6 address in brackets.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(literal) = authority.strip_prefix('[') {
        let (host, after) = literal.split_once(']')?;
        host.parse::<core::net::Ipv6Addr>().ok()?;
        return match after {
            "" => Some((host, None)),
            after => Some((host, Some(after.strip_prefix(':')?))),
        };
    }
    Some(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

fn is_host_char(c: char) -> bool {
    // RFC 3986 §3.2.2 reg-name, and the colons of IPv6 addresses.
    c.is_ascii_alphanumeric() || "-._~%:!$&'()*+,;=".contains(c)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_whether_the_transport_is_secured() {
        assert_eq!(is_secure("coap://10.0.0.1"), Ok(false));
        assert_eq!(is_secure("COAPS://host.example:5684/"), Ok(true));
        assert_eq!(is_secure("coap+tcp://[2001:db8::1]:5683"), Ok(false));
        assert_eq!(is_secure("coaps+tcp://host?x=1"), Ok(true));
    }

    #[test]
    fn each_wrong_part_is_named() {
        assert_eq!(is_secure(""), Err(UriError::Missing));
        assert_eq!(is_secure(&"x".repeat(256)), Err(UriError::TooLong));
        assert_eq!(is_secure("http://host"), Err(UriError::Scheme));
        assert_eq!(is_secure("host:5683"), Err(UriError::Scheme));
        assert_eq!(is_secure("coap://"), Err(UriError::Host));
        assert_eq!(is_secure("coap://a b"), Err(UriError::Host));
        assert_eq!(is_secure("coap://[::1"), Err(UriError::Host));
        assert_eq!(is_secure("coap://user@host"), Err(UriError::Host));
        assert_eq!(is_secure("coap://host:0"), Err(UriError::Port));
        assert_eq!(is_secure("coap://host:65536"), Err(UriError::Port));
        assert_eq!(is_secure("coap://host:"), Err(UriError::Port));
    }
}
