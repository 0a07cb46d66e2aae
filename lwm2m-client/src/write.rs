//! Write, Write-Composite, Create and Delete (TS-Core §6.3.3, §6.3.5, §6.3.6, §6.3.9), each all
//! or nothing.

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec::Vec,
};

use lwm2m_coap::Draft;
use lwm2m_codec::{
    ContentFormat, DecodeError, DecodeErrorKind, Decoder, MAX_ID, Path,
    coap::{Code, OptionNumber},
};
use lwm2m_model::{Failure, OwnedValue, Tree};

use crate::{
    Client, Event, Operation,
    links::ascending,
    read::composite_format,
    requests::{Answer, Request},
};

type Answered = Result<Answer, Failure>;

impl Client {
    pub(crate) fn write_replace(&mut self, request: &Request<'_>) -> Answered {
        let path = request.path;
        if path.len() < 2 {
            return Err(Failure::not_allowed(path));
        }
        self.authorize_write(request)?;
        let format = self.write_format(request)?;
        self.transact(request, Operation::Write, |tree| {
            match path.len() {
                2 => clear_writable(tree, path)?,
                3 => tree.clear(path)?,
                _ => {}
            }
            write_records(tree, request, format)
        })
    }

    pub(crate) fn write_update(&mut self, request: &Request<'_>) -> Answered {
        let path = request.path;
        // TS-Transport §6.4.4 writes a Resource Instance by PUT only; some servers use POST.
        if path.len() < 2 {
            return Err(Failure::not_allowed(path));
        }
        self.authorize_write(request)?;
        let format = self.write_format(request)?;
        self.transact(request, Operation::Write, |tree| {
            write_records(tree, request, format)
        })
    }

    /// Existence and right; an optional resource that has no value yet may be written.
    fn authorize_write(&self, request: &Request<'_>) -> Result<(), Failure> {
        let path = request.path;
        let target = match path.len() {
            3 if self.tree.resource_definition(path).is_some() => path.truncated(2),
            _ => path,
        };
        self.authorize(request.link, Operation::Write, target)?;
        if let Some(definition) = self.tree.resource_definition(path) {
            if !definition.operations.write {
                return Err(Failure::not_allowed(path));
            }
        }
        Ok(())
    }

    fn write_format(&self, request: &Request<'_>) -> Result<ContentFormat, Failure> {
        let path = request.path;
        let format = request.format.unwrap_or(ContentFormat::TEXT);
        let single = path.len() >= 3;
        let known = match format {
            ContentFormat::TEXT | ContentFormat::OPAQUE | ContentFormat::CBOR => single,
            ContentFormat::TLV
            | ContentFormat::OMA_JSON
            | ContentFormat::SENML_JSON
            | ContentFormat::SENML_CBOR
            | ContentFormat::LWM2M_CBOR => true,
            _ => false,
        };
        let reason = || format!("{format} is not supported for this target");
        match known {
            true => Ok(format),
            false => Err(Failure::new(
                Code::UNSUPPORTED_CONTENT_FORMAT,
                path,
                reason(),
            )),
        }
    }

    /// Runs a change of the tree as one transaction.
    fn transact(
        &mut self,
        request: &Request<'_>,
        operation: Operation,
        change: impl FnOnce(&mut Tree) -> Result<(), Failure>,
    ) -> Answered {
        self.tree.begin();
        if let Err(failure) = change(&mut self.tree) {
            self.tree.rollback();
            return Err(failure);
        }
        self.tree.commit()?;
        let server = self.links[request.link].ssid;
        self.push_event(Event::Changed {
            server,
            path: request.path,
            operation,
        });
        Ok(Answer::Now(Draft::new(Code::CHANGED)))
    }

    pub(crate) fn write_composite(&mut self, request: &Request<'_>) -> Answered {
        let root = request.path;
        if !root.is_root() {
            return Err(Failure::not_allowed(root));
        }
        let format = match request.format {
            Some(ContentFormat::LWM2M_CBOR) => ContentFormat::LWM2M_CBOR,
            _ => composite_format(request)?,
        };
        self.transact(request, Operation::Write, |tree| {
            decode(tree, request, format)?.iter().try_for_each(|item| {
                if Self::is_protected(item.path) {
                    let reason = "no server may access this object";
                    return Err(Failure::new(Code::UNAUTHORIZED, item.path, reason));
                }
                if !tree.contains(item.path.truncated(2)) {
                    return Err(Failure::not_found(item.path));
                }
                write_item(tree, item, item.path, Unknown::Refuse)
            })
        })
    }

    pub(crate) fn create(&mut self, request: &Request<'_>) -> Answered {
        let path = request.path;
        self.authorize(request.link, Operation::Create, path)?;
        let format = match request.format {
            Some(
                format @ (ContentFormat::TLV
                | ContentFormat::OMA_JSON
                | ContentFormat::SENML_JSON
                | ContentFormat::SENML_CBOR
                | ContentFormat::LWM2M_CBOR),
            ) => format,
            None if request.body.is_empty() => ContentFormat::SENML_CBOR,
            None => {
                return Err(Failure::bad_request(
                    path,
                    "the payload has no Content-Format",
                ));
            }
            Some(format) => {
                let reason = format!("{format} is not supported for this target");
                return Err(Failure::new(Code::UNSUPPORTED_CONTENT_FORMAT, path, reason));
            }
        };
        self.tree.begin();
        let created = create_instance(&mut self.tree, request, format);
        let instance = match created {
            Ok(instance) => instance,
            Err(failure) => {
                self.tree.rollback();
                return Err(failure);
            }
        };
        self.tree.commit()?;
        let object = path.object_id().unwrap_or(MAX_ID);
        let created = Path::instance(object, instance);
        let server = self.links[request.link].ssid;
        self.push_event(Event::Changed {
            server,
            path: created,
            operation: Operation::Create,
        });
        let draft = Draft::new(Code::CREATED)
            .option(OptionNumber::LOCATION_PATH, object.to_string().as_bytes())
            .option(OptionNumber::LOCATION_PATH, instance.to_string().as_bytes());
        Ok(Answer::Now(draft))
    }

    pub(crate) fn delete(&mut self, request: &Request<'_>) -> Answered {
        let path = request.path;
        // ETS 685: the Device object stays; /1 as well, which would cut the server off.
        let fixed = matches!(path.object_id(), Some(1 | 3)) && path.len() == 2;
        if !matches!(path.len(), 2 | 4) || fixed {
            return Err(Failure::not_allowed(path));
        }
        self.authorize(request.link, Operation::Delete, path)?;
        if let Some(definition) = self.tree.resource_definition(path) {
            if !definition.operations.write {
                return Err(Failure::not_allowed(path));
            }
        }
        self.transact(request, Operation::Delete, |tree| tree.delete(path))?;
        for link in &mut self.links {
            link.attributes
                .retain(|attached, _| !path.contains(attached));
        }
        Ok(Answer::Now(Draft::new(Code::DELETED)))
    }
}

/// What to do with a resource that the definition doesn't have or that can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// Pass over unknown resources; refuse read-only ones (Write on an instance).
    Skip,
    /// Pass over both (Create, where the client sets read-only resources itself).
    SkipAll,
    /// Refuse both.
    Refuse,
}

/// One record of a payload, kept while the tree changes.
struct Item {
    path: Path,
    content: Content,
}

enum Content {
    Value(OwnedValue),
    Null,
    Empty,
}

/// Decodes the payload of a request whole, before anything is changed.
fn decode(tree: &Tree, request: &Request<'_>, format: ContentFormat) -> Result<Vec<Item>, Failure> {
    let bad = |error: DecodeError| decode_failure(request.path, error);
    let mut items: Vec<Item> = Vec::new();
    let mut paths = BTreeSet::new();
    for record in Decoder::new(format, request.path, request.body, tree).map_err(bad)? {
        let record = record.map_err(bad)?;
        if !request.path.contains(&record.path) {
            return Err(Failure::bad_request(
                record.path,
                "the path is outside of the target",
            ));
        }
        // TS-Core §7.5.4 leaves it open what a second value means: nothing good.
        if format == ContentFormat::LWM2M_CBOR && !paths.insert(record.path) {
            return Err(Failure::bad_request(record.path, "the path comes twice"));
        }
        let content = match record.value {
            None => Content::Empty,
            Some(value) => OwnedValue::from_value(value).map_or(Content::Null, Content::Value),
        };
        items.push(Item {
            path: record.path,
            content,
        });
    }
    Ok(items)
}

fn write_records(
    tree: &mut Tree,
    request: &Request<'_>,
    format: ContentFormat,
) -> Result<(), Failure> {
    let unknown = match request.path.len() {
        2 => Unknown::Skip,
        _ => Unknown::Refuse,
    };
    let items = decode(tree, request, format)?;
    items
        .iter()
        .try_for_each(|item| write_item(tree, item, item.path, unknown))
}

fn write_item(tree: &mut Tree, item: &Item, path: Path, unknown: Unknown) -> Result<(), Failure> {
    if path.len() < 3 {
        return Ok(());
    }
    let Some(definition) = tree.resource_definition(path) else {
        return match unknown {
            Unknown::Refuse => Err(Failure::not_found(path)),
            Unknown::Skip | Unknown::SkipAll => Ok(()),
        };
    };
    if !definition.operations.write {
        return match unknown {
            Unknown::SkipAll => Ok(()),
            _ => Err(Failure::not_allowed(path)),
        };
    }
    match &item.content {
        Content::Null => tree.delete(path),
        Content::Value(value) => tree.write(path, value.as_value()),
        Content::Empty => tree.write_empty(path),
    }
}

/// A Write in Replace mode removes what the payload doesn't name (TS-Core §6.3.3); read-only
/// resources stay.
fn clear_writable(tree: &mut Tree, path: Path) -> Result<(), Failure> {
    let (Some(object), Some(instance)) = (path.object_id(), path.instance_id()) else {
        return Ok(());
    };
    let Some(served) = tree.get(object) else {
        return Err(Failure::not_found(path));
    };
    let writable: BTreeSet<u16> = ascending(|after| served.next_resource(instance, after))
        .filter(|id| {
            served
                .definition()
                .resource(*id)
                .is_some_and(|r| r.operations.write)
        })
        .collect();
    writable
        .into_iter()
        .try_for_each(|id| tree.clear(Path::resource(object, instance, id)))
}

fn create_instance(
    tree: &mut Tree,
    request: &Request<'_>,
    format: ContentFormat,
) -> Result<u16, Failure> {
    let object = request.path.object_id().unwrap_or(MAX_ID);
    let items = match request.body.is_empty() {
        true => Vec::new(),
        false => decode(tree, request, format)?,
    };
    let instance = tree.create(object, asked_instance(&items)?)?;
    for item in &items {
        let mut path = Path::instance(object, instance);
        for id in item.path.ids().iter().skip(2) {
            path = path.child(*id).unwrap_or(path);
        }
        write_item(tree, item, path, Unknown::SkipAll)?;
    }
    Ok(instance)
}

/// The one instance id that the payload of a Create names, if any.
fn asked_instance(items: &[Item]) -> Result<Option<u16>, Failure> {
    let id = |item: &Item| item.path.instance_id().filter(|id| *id != MAX_ID);
    let Some(first) = items.first() else {
        return Ok(None);
    };
    match items.iter().find(|item| id(item) != id(first)) {
        Some(other) => Err(Failure::bad_request(
            other.path,
            "a Create makes one instance",
        )),
        None => Ok(id(first)),
    }
}

fn decode_failure(path: Path, error: DecodeError) -> Failure {
    let code = match error.kind {
        DecodeErrorKind::UnsupportedFormat(_) => Code::UNSUPPORTED_CONTENT_FORMAT,
        _ => Code::BAD_REQUEST,
    };
    let reason: String = error.to_string();
    Failure::new(code, path, reason)
}
