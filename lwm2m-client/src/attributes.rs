//! Write-Attributes (TS-Core §6.3.7), kept for each server.

use alloc::string::ToString;

use lwm2m_coap::Draft;
use lwm2m_codec::{
    Path, Type,
    attributes::{AttributeChange, AttributeName, Attributes},
    coap::Code,
};
use lwm2m_model::Failure;

use crate::{
    Client, Operation,
    links::effective,
    requests::{Answer, Request},
};

impl Client {
    pub(crate) fn write_attributes(&mut self, request: &Request<'_>) -> Result<Answer, Failure> {
        let path = request.path;
        if path.is_root() {
            return Err(Failure::not_allowed(path));
        }
        self.authorize(request.link, Operation::WriteAttributes, path)?;
        if let Some(definition) = self.tree.resource_definition(path) {
            if !definition.operations.read {
                return Err(Failure::not_allowed(path));
            }
        }
        if request.queries.is_empty() {
            return Err(Failure::bad_request(path, "neither payload nor attributes"));
        }
        self.check_thresholds(request)?;
        let attached = &mut self.links[request.link].attributes;
        let mut attributes = attached.get(&path).copied().unwrap_or_default();
        apply(&mut attributes, request)?;
        // The conditions must be consistent with what the node inherits (TS-Core §7.3.2).
        let above = path
            .parent()
            .map(|parent| effective(attached, parent))
            .unwrap_or_default();
        if !attributes.or(above).is_consistent() {
            return Err(Failure::bad_request(
                path,
                "the attributes contradict each other",
            ));
        }
        if attached.len() >= self.config.max_attributes {
            attached.retain(|path, _| self.tree.contains(*path));
        }
        if attributes.is_empty() {
            attached.remove(&path);
        } else if attached.len() < self.config.max_attributes || attached.contains_key(&path) {
            attached.insert(path, attributes);
        } else {
            let reason = "too many paths have attributes";
            return Err(Failure::new(Code::INTERNAL_SERVER_ERROR, path, reason));
        }
        self.reschedule_observations(request.link, path);
        Ok(Answer::Now(Draft::new(Code::CHANGED)))
    }

    /// Refuses thresholds for a resource that is not a number (TS-Core §7.3.2).
    fn check_thresholds(&self, request: &Request<'_>) -> Result<(), Failure> {
        let path = request.path;
        let numeric = self
            .tree
            .resource_definition(path)
            .and_then(|definition| definition.data_type)
            .is_none_or(|data_type| {
                use Type::{Float, Integer, Time, Unsigned};
                matches!(data_type, Float | Integer | Time | Unsigned)
            });
        let threshold = |query: &&str| {
            let name = AttributeChange::parse(query).map(|change| change.name());
            matches!(
                name,
                Ok(AttributeName::Gt | AttributeName::Lt | AttributeName::St)
            )
        };
        match request.queries.iter().copied().find(threshold) {
            Some(query) if !numeric => {
                let reason = alloc::format!("{query}: the resource is not a number");
                Err(Failure::bad_request(path, reason))
            }
            _ => Ok(()),
        }
    }
}

/// Applies the queries of a request to a set of attributes.
pub(crate) fn apply(attributes: &mut Attributes, request: &Request<'_>) -> Result<(), Failure> {
    let path = request.path;
    for query in &request.queries {
        let change = AttributeChange::parse(query)
            .map_err(|error| Failure::bad_request(path, error.to_string()))?;
        // TS-Core §6.4.3: the attributes of a composite are periods and the mode.
        let allowed = match path.is_root() {
            true => matches!(
                change.name(),
                AttributeName::Pmin
                    | AttributeName::Pmax
                    | AttributeName::Epmin
                    | AttributeName::Epmax
                    | AttributeName::Con
            ),
            false => change.name().allowed_at(path.len()),
        };
        if !allowed {
            let reason = alloc::format!("{} is not allowed at this level", change.name());
            return Err(Failure::bad_request(path, reason));
        }
        if change.name() == AttributeName::Hqmax {
            // TS-Core §6.4.1: what the client does not support it must not accept silently.
            let reason = "hqmax is not supported: the last value is kept, no history";
            return Err(Failure::bad_request(path, reason));
        }
        if change.name().since() > request.version {
            let reason =
                alloc::format!("{} is unknown in LwM2M {}", change.name(), request.version);
            return Err(Failure::bad_request(path, reason));
        }
        attributes.apply(change);
    }
    Ok(())
}

/// The attributes that an Observe carries itself (TS-Core §6.4.1, from 1.2).
pub(crate) fn of_request(request: &Request<'_>) -> Result<Option<Attributes>, Failure> {
    if request.queries.is_empty() {
        return Ok(None);
    }
    if request.version < lwm2m_codec::Version::V1_2 {
        let reason = "an Observe has attributes only from LwM2M 1.2";
        return Err(Failure::bad_request(request.path, reason));
    }
    let mut attributes = Attributes::default();
    apply(&mut attributes, request)?;
    match attributes.is_consistent() {
        true => Ok(Some(attributes)),
        false => Err(Failure::bad_request(
            request.path,
            "the attributes contradict each other",
        )),
    }
}

/// The attributes that decide over notifications of `path` for a server.
pub(crate) fn deciding(
    client: &Client,
    link: usize,
    path: Path,
    query: Option<&Attributes>,
) -> Attributes {
    match query {
        Some(query) => *query,
        None => effective(&client.links[link].attributes, path),
    }
}
