//! The server URIs of an engine (TS-Core §6.2.1.2, RFC 7252 §6).

use std::net::Ipv6Addr;

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `coaps` rather than `coap`.
    pub(crate) secure: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// UDP port.
    pub(crate) port: u16,
}

impl Target {
    /// Reads `coap://host[:port]` or `coaps://host[:port]`; a path is allowed and has no meaning
    /// here. `None` for anything else.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let (secure, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "coap" => (false, 5683),
            "coaps" => (true, 5684),
            _ => return None,
        };
        let authority = rest
            .split_once('/')
            .map_or(rest, |(authority, _)| authority);
        if authority.contains(['?', '#', '@']) {
            return None;
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<Ipv6Addr>().ok()?;
                (host, port)
            }
            None => {
                let end = authority.find(':').unwrap_or(authority.len());
                authority.split_at_checked(end)?
            }
        };
        let port = match port.strip_prefix(':') {
            // RFC 3986 §3.2.3: an empty port is the default one.
            Some("") => default_port,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            None if port.is_empty() => default_port,
            _ => return None,
        };
        if host.is_empty() || port == 0 {
            return None;
        }
        Some(Self {
            secure,
            host: host.into(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Option<(bool, String, u16)> {
        Target::parse(uri).map(|t| (t.secure, t.host, t.port))
    }

    #[test]
    fn names_addresses_and_default_ports_are_read() {
        assert_eq!(
            target("coap://example.com"),
            Some((false, "example.com".into(), 5683))
        );
        assert_eq!(
            target("coaps://example.com/"),
            Some((true, "example.com".into(), 5684))
        );
        assert_eq!(
            target("COAPS://10.0.0.1:1234"),
            Some((true, "10.0.0.1".into(), 1234))
        );
        assert_eq!(
            target("coap://[2001:db8::1]:61616"),
            Some((false, "2001:db8::1".into(), 61616))
        );
        assert_eq!(target("coap://[::1]"), Some((false, "::1".into(), 5683)));
        assert_eq!(target("coap://a:"), Some((false, "a".into(), 5683)));
    }

    #[test]
    fn what_is_not_a_server_uri_is_refused() {
        for uri in [
            "",
            "coap",
            "coap://",
            "coap://:5683",
            "http://a",
            "coap+tcp://a",
            "coap://a:0",
            "coap://a:65536",
            "coap://a:+1",
            "coap://[::1",
            "coap://[::1]x",
            "coap://[name]",
            "coap://u@h",
            "coap://h?q",
        ] {
            assert_eq!(target(uri), None, "{uri}");
        }
    }
}
