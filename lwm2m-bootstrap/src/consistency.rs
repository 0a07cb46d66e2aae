//! The rules that a device checks before it says yes to Bootstrap-Finish (TS-Core §6.1.7.6).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use lwm2m_codec::{MAX_ID, ObjectLink, Path};
use lwm2m_model::Tree;

use crate::{
    AccountSecurity,
    uri::{self, UriError},
    view::{id, instances, is_bootstrap, links, list, ssid, value},
};

/// Says which rule the objects of a device break, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {rule}")]
pub struct Inconsistency {
    /// Where.
    pub path: Path,
    /// Which rule.
    pub rule: Rule,
}

impl Inconsistency {
    pub(crate) const fn new(path: Path, rule: Rule) -> Self {
        Self { path, rule }
    }
}

/// A rule of consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// A device needs an account of at least one server (TS-Core §6.1.3).
    #[error("there is no server account")]
    NoServerAccount,
    /// A device has at most one bootstrap server account (TS-Core §6.1.3).
    #[error("there is another bootstrap server account")]
    SeveralBootstrapAccounts,
    /// A Short Server ID is 1 to 65534 (TS-Core §7.4).
    #[error("the short server id is missing or not 1 to 65534")]
    SsidMissing,
    /// A Short Server ID belongs to one server.
    #[error("the short server id {0} is taken")]
    SsidTaken(u16),
    /// A Security instance needs the Server instance of the same Short Server ID.
    #[error("there is no server instance with short server id {0}")]
    ServerMissing(u16),
    /// A Server instance needs the Security instance of the same Short Server ID.
    #[error("there is no security instance with short server id {0}")]
    SecurityMissing(u16),
    /// The URI must be one that a device can connect to.
    #[error("{0}")]
    Uri(UriError),
    /// A secured scheme needs keys, and keys need a secured scheme.
    #[error("the scheme of the URI contradicts the security mode")]
    SchemeContradictsMode,
    /// The security mode is 0 to 4.
    #[error("the security mode is missing or unknown")]
    ModeUnknown,
    /// The security mode needs this value.
    #[error("the security mode needs a value here")]
    CredentialMissing,
    /// The security mode forbids this value (TS-Core App. E.1).
    #[error("the security mode wants this empty")]
    CredentialNotEmpty,
    /// A link must lead to an instance, or nowhere.
    #[error("the link {0} leads to nothing")]
    DanglingLink(ObjectLink),
    /// An access control instance must belong to something that exists.
    #[error("the access control is for {0}, which does not exist")]
    AccessControlTarget(Path),
    /// Each instance has at most one access control instance.
    #[error("there is another access control for {0}")]
    AccessControlTwice(Path),
    /// Access is for servers that the device knows.
    #[error("there is no server with short server id {0}")]
    AccessControlServer(u16),
}

/// Checks that the objects of a device make up complete accounts (TS-Core §6.1.3, §6.1.7.6).
///
/// A device with several servers and without any Access Control instance is consistent: each
/// server has all rights then.
///
/// # Errors
/// The first rule that is broken, in the order of Security, Server and Access Control instances.
pub fn check_consistency(tree: &Tree) -> Result<(), Inconsistency> {
    let servers = servers(tree)?;
    let mut bootstrap = false;
    let mut paired = BTreeSet::new();
    for instance in instances(tree, id::SECURITY) {
        check_security(tree, instance)?;
        if is_bootstrap(tree, instance) {
            if bootstrap {
                let path = Path::resource(id::SECURITY, instance, 1);
                return Err(Inconsistency::new(path, Rule::SeveralBootstrapAccounts));
            }
            bootstrap = true;
            continue;
        }
        let path = Path::resource(id::SECURITY, instance, 10);
        let ssid = ssid(tree, id::SECURITY, instance)
            .ok_or(Inconsistency::new(path, Rule::SsidMissing))?;
        if !servers.contains_key(&ssid) {
            return Err(Inconsistency::new(path, Rule::ServerMissing(ssid)));
        }
        if !paired.insert(ssid) {
            return Err(Inconsistency::new(path, Rule::SsidTaken(ssid)));
        }
    }
    if let Some((ssid, server)) = servers.iter().find(|(ssid, _)| !paired.contains(ssid)) {
        let path = Path::resource(id::SERVER, *server, 0);
        return Err(Inconsistency::new(path, Rule::SecurityMissing(*ssid)));
    }
    if servers.is_empty() {
        return Err(Inconsistency::new(
            Path::object(id::SERVER),
            Rule::NoServerAccount,
        ));
    }
    check_access_control(tree, &servers)
}

/// The Server instances by their Short Server IDs.
fn servers(tree: &Tree) -> Result<BTreeMap<u16, u16>, Inconsistency> {
    let mut servers = BTreeMap::new();
    for instance in instances(tree, id::SERVER) {
        let path = Path::resource(id::SERVER, instance, 0);
        let ssid =
            ssid(tree, id::SERVER, instance).ok_or(Inconsistency::new(path, Rule::SsidMissing))?;
        if servers.insert(ssid, instance).is_some() {
            return Err(Inconsistency::new(path, Rule::SsidTaken(ssid)));
        }
        check_links(tree, server_links(tree, instance))?;
    }
    Ok(servers)
}

fn check_security(tree: &Tree, instance: u16) -> Result<(), Inconsistency> {
    let path = Path::resource(id::SECURITY, instance, 0);
    let uri: alloc::string::String = value(tree, path).unwrap_or_default();
    let secure =
        uri::is_secure(&uri).map_err(|error| Inconsistency::new(path, Rule::Uri(error)))?;
    let security = AccountSecurity::of(tree, instance)?;
    if secure == (security == AccountSecurity::NoSec) {
        return Err(Inconsistency::new(path, Rule::SchemeContradictsMode));
    }
    check_links(tree, links(tree, instance))
}

/// Links of a Server instance to APN profiles.
fn server_links(tree: &Tree, instance: u16) -> Vec<(Path, ObjectLink)> {
    let path = |resource| Path::resource(id::SERVER, instance, resource);
    let single = value(tree, path(10)).map(|link| (path(10), link));
    let others = list(tree, path(24)).into_iter();
    let others = others.filter_map(|(ri, link)| Some((path(24).child(ri)?, link)));
    single.into_iter().chain(others).collect()
}

fn check_links(tree: &Tree, links: Vec<(Path, ObjectLink)>) -> Result<(), Inconsistency> {
    let dangling = |link: &ObjectLink| {
        *link != ObjectLink::NULL && !tree.contains(Path::instance(link.object, link.instance))
    };
    match links.into_iter().find(|(_, link)| dangling(link)) {
        Some((path, link)) => Err(Inconsistency::new(path, Rule::DanglingLink(link))),
        None => Ok(()),
    }
}

/// Checks that access control names things and servers that exist (TS-Core §8.1).
fn check_access_control(tree: &Tree, servers: &BTreeMap<u16, u16>) -> Result<(), Inconsistency> {
    let mut targets = BTreeSet::new();
    for instance in instances(tree, id::ACCESS_CONTROL) {
        let path = |resource| Path::resource(id::ACCESS_CONTROL, instance, resource);
        let number = |resource| {
            let number: Option<i64> = value(tree, path(resource));
            number.and_then(|n| u16::try_from(n).ok()).unwrap_or(MAX_ID)
        };
        let target = match number(1) {
            // 65535 stands for the object itself: the right to create instances.
            MAX_ID => Path::object(number(0)),
            target => Path::instance(number(0), target),
        };
        if !tree.contains(target) {
            return Err(Inconsistency::new(
                path(0),
                Rule::AccessControlTarget(target),
            ));
        }
        if !targets.insert(target) {
            return Err(Inconsistency::new(
                path(0),
                Rule::AccessControlTwice(target),
            ));
        }
        let owner = number(3);
        if owner != MAX_ID && !servers.contains_key(&owner) {
            return Err(Inconsistency::new(
                path(3),
                Rule::AccessControlServer(owner),
            ));
        }
        // Entry 0 is the default for servers without their own.
        let mut entries = list::<i64>(tree, path(2)).into_iter().map(|(ri, _)| ri);
        if let Some(entry) = entries.find(|ri| *ri != 0 && !servers.contains_key(ri)) {
            let path = path(2).child(entry).unwrap_or(path(2));
            return Err(Inconsistency::new(path, Rule::AccessControlServer(entry)));
        }
    }
    Ok(())
}
