//! Who may use the HTTP interface.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::Response,
};

use super::{Api, error::ApiError};

/// With a token, who has it. Without, the address is loopback, where web pages in a browser are
/// the only strangers: they show by their `Origin` and, after a trick with DNS, by a `Host` that
/// is no name of this machine.
pub(crate) async fn check(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    allow(api.token.as_deref().map(String::as_str), request.headers())?;
    Ok(next.run(request).await)
}

/// Says whether a request with these headers may be answered.
pub(crate) fn allow(token: Option<&str>, headers: &HeaderMap) -> Result<(), ApiError> {
    match token {
        Some(token) if !has_token(headers, token) => Err(ApiError::Unauthorized),
        None if is_foreign(headers) => Err(ApiError::Origin),
        _ => Ok(()),
    }
}

fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let given = text(headers, header::AUTHORIZATION).and_then(|value| {
        let (scheme, given) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(given.trim())
    });
    given.is_some_and(|given| same(given.as_bytes(), token.as_bytes()))
}

/// Compares in a time that tells nothing of where two texts differ.
fn same(one: &[u8], two: &[u8]) -> bool {
    let differences = one.iter().zip(two).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == two.len() && std::hint::black_box(differences) == 0
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let host = text(headers, header::HOST);
    if host.is_some_and(|host| !is_local(host)) {
        return true;
    }
    let origin = text(headers, header::ORIGIN);
    origin.is_some_and(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_none() || authority != host
    })
}

/// True for `localhost` and addresses of the loopback, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_token_must_be_the_same_to_the_last_byte() {
        for (value, right) in [
            ("Bearer secret", true),
            ("bearer secret", true),
            ("Bearer secre", false),
            ("Bearer secrets", false),
            ("Basic secret", false),
            ("secret", false),
        ] {
            let headers = headers(&[(header::AUTHORIZATION, value)]);
            assert_eq!(has_token(&headers, "secret"), right, "{value}");
        }
        assert!(!has_token(&HeaderMap::new(), "secret"));
    }

    #[test]
    fn web_pages_of_other_origins_are_strangers() {
        let local = (header::HOST, "127.0.0.1:8080");
        assert!(!is_foreign(&headers(&[(header::HOST, "127.0.0.2:80")])));
        assert!(!is_foreign(&headers(&[(header::HOST, "[::1]:8080")])));
        assert!(!is_foreign(&headers(&[(header::HOST, "localhost")])));
        assert!(is_foreign(&headers(&[(header::HOST, "example.com")])));
        let own = (header::ORIGIN, "http://127.0.0.1:8080");
        assert!(!is_foreign(&headers(&[local.clone(), own])));
        let other = (header::ORIGIN, "https://example.com");
        assert!(is_foreign(&headers(&[local.clone(), other])));
        assert!(is_foreign(&headers(&[local, (header::ORIGIN, "null")])));
    }
}
