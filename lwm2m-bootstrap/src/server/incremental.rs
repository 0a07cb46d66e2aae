//! Incremental bootstrap: a Discover and Reads tell what the device has, and only what differs is
//! written (TS-Core §6.1.7.2, §6.1.7.3).
//!
//! Security instances can't be read: an account whose Short Server ID and URI the device shows
//! stays as it is, keys included, unless a key is made for this bootstrap.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use lwm2m_codec::{ContentFormat, Decoder, MAX_ID, Path};
use lwm2m_model::{
    ObjectInstance, OwnedValue,
    objects::{AccessControl, Server},
};

use super::{
    Operation, Provision,
    plan::{Content, Discovered, Step, plan},
};
use crate::view::id;

/// Values of the objects 1 and 2 that a device told.
pub(super) type Known = BTreeMap<Path, OwnedValue>;

/// Resources of a Server instance that the device writes itself: TLS alert code, time of the last
/// bootstrap.
const OWN: [u16; 2] = [11, 12];

/// The Reads that come first.
pub(super) fn reads(provision: &Provision) -> impl Iterator<Item = Step> {
    let access = !provision.access_control.is_empty();
    let objects = [Some(id::SERVER), access.then_some(id::ACCESS_CONTROL)];
    let objects = objects.into_iter().flatten();
    objects.map(|object| Step::new(Operation::Read, Path::object(object)))
}

/// Takes the answer to a Read, as far as it can be read.
pub(super) fn take(known: &mut Known, path: Path, format: Option<ContentFormat>, answer: &[u8]) {
    let definition = match path.object_id() {
        Some(id::SERVER) => Server::DEFINITION,
        Some(id::ACCESS_CONTROL) => AccessControl::DEFINITION,
        _ => return,
    };
    let types = |path: Path| definition.resource(path.resource_id()?)?.data_type;
    let format = format.unwrap_or(ContentFormat::TLV);
    let Ok(decoder) = Decoder::new(format, path, answer, &types) else {
        return;
    };
    for record in decoder.map_while(Result::ok) {
        if let Some(value) = record.value.and_then(OwnedValue::from_value) {
            known.insert(record.path, value);
        }
    }
}

/// What is left to do for a device that has what was discovered and read.
pub(super) fn differences(
    provision: &Provision,
    discovered: &Discovered,
    known: &Known,
) -> Vec<Step> {
    let mut places = access_places(known);
    let mut steps: Vec<Step> = obsolete(provision, discovered).collect();
    for mut step in plan(provision, discovered) {
        if let Content::AccessControl(index) = step.content {
            let Some(entry) = provision.access_control.get(index) else {
                continue;
            };
            let target = (entry.object_id, entry.object_instance_id);
            let free = || (0..MAX_ID).find(|id| !places.values().any(|taken| taken == id));
            let place = places.get(&target).copied().or_else(free);
            let place = place.unwrap_or_default();
            places.insert(target, place);
            step.path = Path::instance(id::ACCESS_CONTROL, place);
        }
        if !is_there(&step, provision, discovered, known) {
            steps.push(step);
        }
    }
    // Deletes of the provision come after those of accounts, Writes behind both.
    steps.sort_by_key(|step| match step.operation {
        Operation::Discover => 0,
        Operation::Read => 1,
        Operation::Delete => 2,
        Operation::Write => 3,
        Operation::Finish => 4,
    });
    steps
}

/// Access Control instances of the device by what they are for.
fn access_places(known: &Known) -> BTreeMap<(i64, i64), u16> {
    let number = |instance, resource| {
        let path = Path::resource(id::ACCESS_CONTROL, instance, resource);
        match known.get(&path) {
            Some(OwnedValue::Integer(number)) => Some(*number),
            _ => None,
        }
    };
    let paths = known.keys();
    let instances = paths.filter(|path| path.object_id() == Some(id::ACCESS_CONTROL));
    let instances = instances.filter_map(Path::instance_id);
    instances
        .filter_map(|instance| Some(((number(instance, 0)?, number(instance, 1)?), instance)))
        .collect()
}

/// Deletes of accounts that the provision does not have.
fn obsolete(provision: &Provision, discovered: &Discovered) -> impl Iterator<Item = Step> {
    let wanted = move |ssid: &u16| provision.servers.iter().any(|entry| entry.ssid() == *ssid);
    let securities = discovered.securities.iter();
    let securities = securities.map(|(ssid, instance)| (*ssid, id::SECURITY, *instance));
    let servers = discovered.servers.iter();
    let servers = servers.map(|(ssid, instance)| (*ssid, id::SERVER, *instance));
    let both = securities.chain(servers);
    let gone = both.filter(move |(ssid, ..)| !wanted(ssid));
    gone.map(|(_, object, instance)| Step::new(Operation::Delete, Path::instance(object, instance)))
}

/// True if a Write would change nothing.
fn is_there(step: &Step, provision: &Provision, discovered: &Discovered, known: &Known) -> bool {
    match step.content {
        Content::Security(index) => provision.servers.get(index).is_some_and(|entry| {
            let uri = step
                .path
                .instance_id()
                .and_then(|i| discovered.uris.get(&i));
            entry.one_time_key.is_none()
                && discovered.securities.get(&entry.ssid()).copied() == step.path.instance_id()
                && uri == Some(&entry.security.lwm2m_server_uri)
        }),
        Content::Server(_) | Content::AccessControl(_) => {
            let mut wanted = Known::new();
            let visited: Result<(), core::convert::Infallible> =
                step.records(provision, &mut |record| {
                    let value = record.value.and_then(OwnedValue::from_value);
                    wanted.extend(value.map(|value| (record.path, value)));
                    Ok(())
                });
            let Ok(()) = visited;
            let own = |path: &Path| {
                path.object_id() == Some(id::SERVER)
                    && path.resource_id().is_some_and(|id| OWN.contains(&id))
            };
            let there = known.iter();
            let there = there.filter(|(path, _)| step.path.contains(path) && !own(path));
            there.eq(wanted.iter())
        }
        _ => false,
    }
}

/// The URI that a link of a Discover tells.
pub(super) fn uri(link: &lwm2m_codec::link::Link<'_>) -> Option<String> {
    let text = link.uri()?;
    Some(text.chars().collect())
}
