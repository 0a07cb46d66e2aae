//! `/api/openapi.json`: what the HTTP interfaces offer, in OpenAPI 3.1.

use axum::{http::StatusCode, response::Response};

use super::reply;

/// The document of the server.
const SERVER: &str = include_str!("openapi.json");
/// The document of the bootstrap server.
const BOOTSTRAP: &str = include_str!("../../bootstrap_server/openapi.json");

pub(crate) async fn server() -> Response {
    reply(StatusCode::OK, "application/json", SERVER.to_owned())
}

pub(crate) async fn bootstrap_server() -> Response {
    reply(StatusCode::OK, "application/json", BOOTSTRAP.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{BOOTSTRAP, SERVER};

    type Operations = BTreeSet<(String, String)>;

    /// Methods of a document, and the paths they are for.
    fn documented(document: &str) -> Operations {
        let document: Value = serde_json::from_str(document).unwrap();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.clone()))
        });
        operations.collect()
    }

    fn without_tests(source: &str) -> &str {
        source.split("#[cfg(test)]").next().unwrap()
    }

    /// Methods and paths of the routers in a source.
    fn routed(source: &str) -> Operations {
        let code = without_tests(source);
        let mut operations = Operations::new();
        for route in code.split(".route(").skip(1) {
            let path = route.split('"').nth(1).expect("a path in quotes");
            let handlers = route.split(".fallback").next().unwrap();
            for method in ["get", "post", "put", "delete", "any"] {
                if handlers.contains(&format!(" {method}("))
                    || handlers.contains(&format!(").{method}("))
                {
                    operations.insert((method.to_uppercase(), path.to_owned()));
                }
            }
        }
        assert!(!operations.is_empty());
        operations
    }

    /// Methods and paths below a device, in the source that tells them apart.
    fn of_devices(source: &str) -> Operations {
        let kinds = [
            ("Node(", "/{path}"),
            ("Discover(", "/{path}/discover"),
            ("Attributes(", "/{path}/attributes"),
            ("Observe(", "/{path}/observe"),
            ("Composite)", "/composite"),
            ("ObserveComposite)", "/composite/observe"),
        ];
        let mut operations = Operations::new();
        for arm in without_tests(source).split("        (\"").skip(1) {
            let (method, rest) = arm.split_once("\", Target::").unwrap();
            let kind = kinds.iter().find(|(name, _)| rest.starts_with(name));
            let (_, suffix) = kind.unwrap_or_else(|| panic!("{rest:.20}"));
            operations.insert((
                method.to_owned(),
                format!("/api/clients/{{endpoint}}{suffix}"),
            ));
        }
        assert!(operations.len() > kinds.len());
        operations
    }

    #[test]
    fn each_route_of_the_server_is_documented_and_each_documented_one_is_there() {
        let mut operations = routed(include_str!("mod.rs"));
        let any = "/api/clients/{endpoint}/{*target}".to_owned();
        assert!(operations.remove(&("ANY".to_owned(), any)));
        operations.extend(of_devices(include_str!("clients.rs")));
        assert_eq!(documented(SERVER), operations);
    }

    #[test]
    fn each_route_of_the_bootstrap_server_is_documented_and_each_documented_one_is_there() {
        let operations = routed(include_str!("../../bootstrap_server/api.rs"));
        assert_eq!(documented(BOOTSTRAP), operations);
    }

    /// All references of a document.
    fn references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn a_document_refers_to_what_it_has() {
        for document in [SERVER, BOOTSTRAP] {
            let document: Value = serde_json::from_str(document).unwrap();
            let mut found = Vec::new();
            references(&document, &mut found);
            for reference in found {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
        }
    }
}
