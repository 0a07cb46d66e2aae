//! From a provision to requests: which instances, in which order, as which bytes.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use core::convert::Infallible;

use lwm2m_coap::Draft;
use lwm2m_codec::{
    ContentFormat, EncodeError, Encoder, MAX_ID, Path, Record, Value, coap::Code, link::Links,
};
use lwm2m_model::{Field, ObjectInstance, OwnedValue};

use super::{Operation, Provision, StepInfo, incremental};
use crate::{buffer, view::id};

/// One request of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) operation: Operation,
    pub(super) path: Path,
    pub(super) content: Content,
}

/// Where the values of a Write come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    None,
    Bootstrap,
    Security(usize),
    Server(usize),
    AccessControl(usize),
    Write(usize),
}

impl Step {
    pub(super) const fn new(operation: Operation, path: Path) -> Self {
        Self {
            operation,
            path,
            content: Content::None,
        }
    }

    const fn write(path: Path, content: Content) -> Self {
        Self {
            operation: Operation::Write,
            path,
            content,
        }
    }

    pub(super) const DISCOVER: Self = Self::new(Operation::Discover, Path::ROOT);

    pub(super) fn is_write(&self) -> bool {
        self.operation == Operation::Write
    }

    /// The request.
    pub(super) fn draft(
        &self,
        provision: &Provision,
        format: ContentFormat,
        max_body: usize,
    ) -> Result<Draft, EncodeError> {
        Ok(match self.operation {
            Operation::Discover => at(Draft::new(Code::GET), self.path).accept(ContentFormat::LINK),
            Operation::Read => at(Draft::new(Code::GET), self.path).accept(format),
            Operation::Delete => at(Draft::new(Code::DELETE), self.path),
            Operation::Write => {
                let payload = buffer::encode(max_body, |buf| self.encode(provision, format, buf))?;
                at(Draft::new(Code::PUT), self.path).content(format, payload)
            }
            Operation::Finish => Draft::new(Code::POST).path_segment("bs"),
        })
    }

    fn encode(
        &self,
        provision: &Provision,
        format: ContentFormat,
        buf: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let mut encoder = Encoder::new(format, self.path, buf)?;
        self.records(provision, &mut |record| encoder.push(record))?;
        encoder.finish()
    }

    /// Passes the values of a Write to `sink`, in path order.
    pub(super) fn records<E>(
        &self,
        provision: &Provision,
        sink: &mut dyn FnMut(&Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let server = |index: usize| provision.servers.get(index);
        match self.content {
            Content::None => {}
            Content::Bootstrap => {
                if let Some(entry) = &provision.bootstrap {
                    values(self.path, &entry.security, sink)?;
                }
            }
            Content::Security(index) => {
                if let Some(entry) = server(index) {
                    values(self.path, &entry.security, sink)?;
                }
            }
            Content::Server(index) => {
                if let Some(entry) = server(index) {
                    values(self.path, &entry.server, sink)?;
                }
            }
            Content::AccessControl(index) => {
                if let Some(instance) = provision.access_control.get(index) {
                    values(self.path, instance, sink)?;
                }
            }
            Content::Write(index) => {
                for (path, value) in provision.writes.get(index).iter().flat_map(|w| &w.values) {
                    sink(&Record::new(*path, value.as_value()))?;
                }
            }
        }
        Ok(())
    }
}

fn at(draft: Draft, path: Path) -> Draft {
    path.ids()
        .iter()
        .fold(draft, |draft, id| draft.path_id(*id))
}

/// Passes all values of an instance to `sink`.
fn values<T: ObjectInstance, E>(
    path: Path,
    instance: &T,
    sink: &mut dyn FnMut(&Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for (resource, field) in fields(instance) {
        let Some(path) = path.child(resource) else {
            continue;
        };
        if let Some(value) = field.get(None) {
            sink(&Record::new(path, value))?;
        }
        let mut after = None;
        while let Some(ri) = field.next_instance(after) {
            if let (Some(path), Some(value)) = (path.child(ri), field.get(Some(ri))) {
                sink(&Record::new(path, value))?;
            }
            after = Some(ri);
        }
    }
    Ok(())
}

/// The fields of an instance that hold something.
fn fields<T: ObjectInstance>(instance: &T) -> impl Iterator<Item = (u16, &dyn Field)> {
    T::DEFINITION.resources.iter().filter_map(|resource| {
        let field = instance.field(resource.id)?;
        field.has_value().then_some((resource.id, field))
    })
}

/// What a device told of its instances.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    /// Security instances without a Short Server ID: that of the bootstrap server.
    bootstrap: BTreeSet<u16>,
    /// Security instances by Short Server ID.
    pub(super) securities: BTreeMap<u16, u16>,
    /// URIs by Security instance.
    pub(super) uris: BTreeMap<u16, String>,
    /// Server instances by Short Server ID.
    pub(super) servers: BTreeMap<u16, u16>,
    /// All instances of both.
    instances: BTreeSet<Path>,
}

impl Discovered {
    /// What a device tells with a Bootstrap-Pack-Request: the instances of its bootstrap account.
    pub(super) fn of_account(accounts: &[Path]) -> Self {
        let bootstrap = accounts
            .iter()
            .filter(|path| path.object_id() == Some(id::SECURITY))
            .filter_map(Path::instance_id);
        Self {
            bootstrap: bootstrap.collect(),
            ..Self::default()
        }
    }

    /// Reads the answer to a Bootstrap-Discover, as far as it can be read.
    pub(super) fn parse(payload: &[u8]) -> Self {
        let mut found = Self::default();
        for link in Links::new(payload).map_while(Result::ok) {
            let Some(path) = link.path() else { continue };
            let [object @ (id::SECURITY | id::SERVER), instance] = *path.ids() else {
                continue;
            };
            found.instances.insert(path);
            if let (id::SECURITY, Some(uri)) = (object, incremental::uri(&link)) {
                found.uris.insert(instance, uri);
            }
            match (object, link.ssid()) {
                (id::SECURITY, None) => {
                    found.bootstrap.insert(instance);
                }
                (id::SECURITY, Some(ssid)) => {
                    found.securities.insert(ssid, instance);
                }
                (_, Some(ssid)) => {
                    found.servers.insert(ssid, instance);
                }
                (_, None) => {}
            }
        }
        found
    }
}

/// The whole sequence behind the Discover. Instances without a fixed id get that of the same
/// server on the device, or the lowest one that nothing has.
pub(super) fn plan(provision: &Provision, discovered: &Discovered) -> Vec<Step> {
    let reads = provision.read.iter();
    let reads = reads.map(|path| Step::new(Operation::Read, *path));
    let deletes = provision.delete.iter();
    let deletes = deletes.map(|path| Step::new(Operation::Delete, *path));
    let mut steps: Vec<Step> = reads.chain(deletes).collect();

    let servers = &provision.servers;
    let mut securities = Ids::new(provision, discovered, id::SECURITY);
    securities.taken.extend(&discovered.bootstrap);
    let own = provision.bootstrap.as_ref().map(|entry| entry.instance);
    securities.taken.extend(own.flatten());
    let fixed = servers.iter().filter_map(|entry| entry.security_instance);
    securities.taken.extend(fixed);
    let mut instances = Ids::new(provision, discovered, id::SERVER);
    let fixed = servers.iter().filter_map(|entry| entry.server_instance);
    instances.taken.extend(fixed);

    if let Some(entry) = &provision.bootstrap {
        let known = discovered.bootstrap.first().copied();
        let instance = entry
            .instance
            .or(known)
            .unwrap_or_else(|| securities.free());
        let path = Path::instance(id::SECURITY, instance);
        steps.push(Step::write(path, Content::Bootstrap));
    }
    let mut others = Vec::new();
    for (index, entry) in servers.iter().enumerate() {
        let ssid = u16::try_from(entry.server.short_server_id).unwrap_or(MAX_ID);
        let security = securities.choose(entry.security_instance, &discovered.securities, ssid);
        let server = instances.choose(entry.server_instance, &discovered.servers, ssid);
        let path = Path::instance(id::SECURITY, security);
        steps.push(Step::write(path, Content::Security(index)));
        let path = Path::instance(id::SERVER, server);
        others.push(Step::write(path, Content::Server(index)));
    }
    steps.append(&mut others);
    for (index, instance) in (0..provision.access_control.len()).zip(0..MAX_ID) {
        let path = Path::instance(id::ACCESS_CONTROL, instance);
        steps.push(Step::write(path, Content::AccessControl(index)));
    }
    for (index, write) in provision.writes.iter().enumerate() {
        steps.push(Step::write(write.path, Content::Write(index)));
    }
    steps.push(Step::new(Operation::Finish, Path::ROOT));
    steps
}

/// A request of a sequence, before there is a device.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Planned {
    /// What is asked, and the length of its payload in `format`.
    pub info: StepInfo,
    /// The values of a Write, keys included.
    pub values: Vec<(Path, OwnedValue)>,
}

impl Provision {
    /// Passes all values that a device without accounts gets to `sink`.
    pub(crate) fn visit_values(&self, sink: &mut dyn FnMut(Path, Value<'_>)) {
        for step in plan(self, &Discovered::default()) {
            let visited: Result<(), Infallible> = step.records(self, &mut |record| {
                if let Some(value) = record.value {
                    sink(record.path, value);
                }
                Ok(())
            });
            let Ok(()) = visited;
        }
    }

    /// The requests that a device without accounts gets, Writes in `format`.
    ///
    /// With [`incremental`](Provision::incremental) a device gets those of them that it lacks.
    /// With [`discover`](Provision::discover), the instance ids of accounts that leave them open
    /// depend on what the device answers: they stay clear of its bootstrap account. In place of
    /// keys that are made for each bootstrap there are others of the same length.
    ///
    /// # Errors
    /// A value can't be written in the format.
    pub fn sequence(&self, format: ContentFormat) -> Result<Vec<Planned>, EncodeError> {
        let provision = &*self.with_sample_keys();
        let first = self.discover.then_some(Step::DISCOVER);
        let reads = incremental::reads(provision).filter(|_| provision.incremental);
        let steps = plan(provision, &Discovered::default());
        first
            .into_iter()
            .chain(reads)
            .chain(steps)
            .map(|step| {
                let draft = step.draft(provision, format, MAX_PLANNED)?;
                let mut values = Vec::new();
                step.records(provision, &mut |record| {
                    let value = record.value.and_then(OwnedValue::from_value);
                    values.extend(value.map(|value| (record.path, value)));
                    Ok::<(), EncodeError>(())
                })?;
                let formatted = matches!(step.operation, Operation::Read | Operation::Write);
                let info = StepInfo {
                    operation: step.operation,
                    path: step.path,
                    format: formatted.then_some(format),
                    sent: draft.payload.len(),
                };
                Ok(Planned { info, values })
            })
            .collect()
    }
}

/// Longest payload of a planned request, in bytes: that of a server's default.
const MAX_PLANNED: usize = 64 * 1024;

/// The Writes of a pack for a device whose bootstrap account has the instances `accounts`, in path
/// order.
fn pack_writes(provision: &Provision, discovered: &Discovered) -> Vec<Step> {
    let mut writes = plan(provision, discovered);
    writes.retain(Step::is_write);
    writes.sort_by_key(|step| step.path);
    writes
}

/// True if a pack can say a provision (TS-Core §6.1.7.7).
///
/// A pack replaces the objects that it has, so it stands for a provision that deletes just these
/// and writes whole instances. It has no say about the bootstrap account and the Device.
pub(super) fn is_packable(
    provision: &Provision,
    accounts: &[Path],
    discovered: &Discovered,
) -> bool {
    let writes = pack_writes(provision, discovered);
    let objects = |step: &Step| step.path.object_id().map(Path::object);
    let written: BTreeSet<Path> = writes.iter().filter_map(objects).collect();
    let deleted: BTreeSet<Path> = provision.delete.iter().copied().collect();
    provision.read.is_empty()
        && !provision.incremental
        && provision.bootstrap.is_none()
        && deleted == written
        && !written.contains(&Path::object(id::DEVICE))
        && writes.iter().all(|step| step.path.len() == 2)
        && writes.iter().all(|step| !accounts.contains(&step.path))
}

/// Writes a provision as a pack for a device whose bootstrap account has the instances
/// `accounts`; `None` if a pack can't say it.
pub(super) fn pack(
    provision: &Provision,
    accounts: &[Path],
    format: ContentFormat,
    max_body: usize,
) -> Option<Result<Vec<u8>, EncodeError>> {
    let discovered = Discovered::of_account(accounts);
    is_packable(provision, accounts, &discovered).then(|| {
        buffer::encode(max_body, |buf| {
            let mut encoder = Encoder::new(format, Path::ROOT, buf)?;
            for step in &pack_writes(provision, &discovered) {
                step.records(provision, &mut |record| encoder.push(record))?;
            }
            encoder.finish()
        })
    })
}

/// Chooses instance ids of one object.
struct Ids {
    taken: BTreeSet<u16>,
}

impl Ids {
    fn new(provision: &Provision, discovered: &Discovered, object: u16) -> Self {
        let stays = |path: &&Path| {
            path.object_id() == Some(object)
                && !provision
                    .delete
                    .iter()
                    .any(|deleted| deleted.contains(path))
        };
        let stay = discovered.instances.iter().filter(stays);
        let written = provision.writes.iter().map(|write| &write.path);
        let written = written.filter(|path| path.len() == 2 && path.object_id() == Some(object));
        Self {
            taken: stay.chain(written).filter_map(Path::instance_id).collect(),
        }
    }

    fn choose(&mut self, fixed: Option<u16>, known: &BTreeMap<u16, u16>, ssid: u16) -> u16 {
        let chosen = fixed.or(known.get(&ssid).copied());
        let chosen = chosen.unwrap_or_else(|| self.free());
        self.taken.insert(chosen);
        chosen
    }

    fn free(&mut self) -> u16 {
        let free = (0..MAX_ID).find(|id| !self.taken.contains(id));
        let free = free.unwrap_or_default();
        self.taken.insert(free);
        free
    }
}
