//! Bootstrap-Discover (TS-Core §6.1.7.2).

use alloc::string::String;

use lwm2m_coap::Draft;
use lwm2m_codec::{
    ContentFormat, EncodeError, ObjectLink, Path, Version, coap::Code, link::LinkWriter,
};
use lwm2m_model::{Tree, ver::needs_ver};

use super::{Answer, Refusal, encode_refusal};
use crate::{
    buffer,
    view::{id, instances, is_bootstrap, links, ssid, value},
};

/// Lists the instances of all objects, or of one.
pub(super) fn discover(tree: &Tree, path: Path, version: Version, max: usize) -> Answer {
    if !tree.contains(path) {
        return Err(Refusal::new(Code::NOT_FOUND, "the object is not supported"));
    }
    let payload =
        buffer::encode(max, |buf| write(tree, path, version, buf)).map_err(encode_refusal)?;
    Ok(Draft::new(Code::CONTENT).content(ContentFormat::LINK, payload))
}

fn write(tree: &Tree, path: Path, version: Version, buf: &mut [u8]) -> Result<usize, EncodeError> {
    let mut links = LinkWriter::new(buf);
    links.link("/")?.attr("lwm2m", version)?;
    for (object, _) in tree.objects() {
        if path.contains(&Path::object(object)) {
            write_object(&mut links, tree, object, version)?;
        }
    }
    links.finish()
}

fn write_object(
    links: &mut LinkWriter<'_>,
    tree: &Tree,
    object: u16,
    version: Version,
) -> Result<(), EncodeError> {
    let instances = instances(tree, object);
    let ver = tree
        .definition(object)
        .map(|definition| definition.version)
        .filter(|ver| needs_ver(version, object, *ver));
    // TS-Core §7.2.3: since 1.2 the only instance carries `ver` itself.
    let on_instance = instances.len() == 1 && version >= Version::V1_2;
    if instances.is_empty() || (ver.is_some() && !on_instance) {
        let link = links.link(Path::object(object))?;
        if let Some(ver) = ver {
            link.attr("ver", ver)?;
        }
    }
    for instance in instances {
        let link = links.link(Path::instance(object, instance))?;
        if let Some(ver) = ver.filter(|_| on_instance) {
            link.attr("ver", ver)?;
        }
        write_account(link, tree, object, instance, version)?;
    }
    Ok(())
}

/// Adds `ssid` and `uri` of the account that an instance belongs to. The bootstrap server's own
/// account has neither.
fn write_account(
    link: &mut LinkWriter<'_>,
    tree: &Tree,
    object: u16,
    instance: u16,
    version: Version,
) -> Result<(), EncodeError> {
    let ssid = match object {
        id::SECURITY if is_bootstrap(tree, instance) => None,
        id::SECURITY | id::SERVER => ssid(tree, object, instance),
        id::OSCORE | id::COSE | id::MQTT => owner(tree, ObjectLink::new(object, instance)),
        _ => None,
    };
    let Some(ssid) = ssid else { return Ok(()) };
    link.attr("ssid", ssid)?;
    if object == id::SECURITY && version > Version::V1_0 {
        let uri: Option<String> = value(tree, Path::resource(id::SECURITY, instance, 0));
        link.quoted("uri", &uri.unwrap_or_default())?;
    }
    Ok(())
}

/// The server whose Security instance links to an instance.
fn owner(tree: &Tree, target: ObjectLink) -> Option<u16> {
    let security = instances(tree, id::SECURITY).into_iter().find(|security| {
        links(tree, *security)
            .iter()
            .any(|(_, link)| *link == target)
    })?;
    if is_bootstrap(tree, security) {
        return None;
    }
    ssid(tree, id::SECURITY, security)
}
