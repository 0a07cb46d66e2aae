//! From the tables of a file to entries.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::ToString,
    sync::Arc,
    vec::Vec,
};
use core::ops::Range;

use lwm2m_coap::Duration;
use lwm2m_codec::{MAX_ID, Path};
use lwm2m_model::{
    Registry, SecretBytes,
    objects::{AccessControl, Security, Server},
};
use toml::Spanned;

use super::{
    error::{ConfigErrorKind, Problem},
    form,
    value::{collect, hex_or_text, text_or_hex},
};
use crate::{
    server::{
        BootstrapEntry, EndpointPattern, Entry, Provision, ProvisionError, Psk, ServerEntry, Write,
    },
    uri,
    view::id,
};

type Build<T> = Result<T, Problem>;

fn problem<T>(span: Range<usize>, kind: ConfigErrorKind) -> Build<T> {
    Err(Problem::new(span, kind))
}

/// Builds the entries of a file.
pub(super) fn entries(file: &form::File, registry: &Registry) -> Build<Vec<Entry>> {
    let mut names = BTreeSet::new();
    let mut keys: BTreeMap<Vec<u8>, SecretBytes> = BTreeMap::new();
    let mut entries = Vec::new();
    for endpoint in &file.endpoint {
        let entry = entry(endpoint.get_ref(), registry)?;
        let name = &endpoint.get_ref().name;
        if !names.insert(entry.name.clone()) {
            let kind = ConfigErrorKind::EndpointTwice(name.get_ref().clone());
            return problem(name.span(), kind);
        }
        if let (Some(psk), Some(form)) = (&entry.psk, &endpoint.get_ref().psk) {
            let known = keys.insert(psk.identity.clone(), psk.key.clone());
            if known.is_some_and(|key| key != psk.key) {
                return problem(form.identity.span(), ConfigErrorKind::IdentityTwice);
            }
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(form: &form::Endpoint, registry: &Registry) -> Build<Entry> {
    let name = form.name.get_ref();
    let stem = name.strip_suffix('*').unwrap_or(name);
    if name.is_empty() || stem.contains('*') {
        return problem(form.name.span(), ConfigErrorKind::EndpointName);
    }
    let Ok(pattern) = name.parse::<EndpointPattern>();
    let provision = provision(form, registry)?;
    provision
        .check(registry)
        .map_err(|error| Problem::new(blame(form, &provision, &error), error.into()))?;
    Ok(Entry {
        name: pattern,
        psk: form.psk.as_ref().map(psk).transpose()?,
        provision: Arc::new(provision),
    })
}

impl From<ProvisionError> for ConfigErrorKind {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::UnknownObject(object) => Self::UnknownObject(object),
            error => Self::Provision(error),
        }
    }
}

/// The table that made a provision wrong.
fn blame(form: &form::Endpoint, provision: &Provision, error: &ProvisionError) -> Range<usize> {
    let path = match error {
        ProvisionError::UnknownObject(object) => Path::object(*object),
        ProvisionError::Value(failure) => failure.path,
        ProvisionError::Inconsistent(inconsistency) => inconsistency.path,
        ProvisionError::Twice(path) | ProvisionError::IncrementalDelete(path) => *path,
        ProvisionError::IncrementalBlind => Path::ROOT,
        ProvisionError::Binding(_) => Path::object(id::SERVER),
    };
    let related = |other: &Path| other.contains(&path) || path.contains(other);
    let write = provision
        .writes
        .iter()
        .position(|write| related(&write.path));
    let access = match *path.ids() {
        [id::ACCESS_CONTROL, instance, ..] => form.access.get(usize::from(instance)),
        _ => None,
    };
    let server = match path.object_id() {
        Some(id::SECURITY | id::SERVER) => form.server.last().map(Spanned::span),
        _ => None,
    };
    write
        .and_then(|index| form.write.get(index))
        .map(Spanned::span)
        .or(access.map(Spanned::span))
        .or(server)
        .unwrap_or(form.name.span())
}

fn provision(form: &form::Endpoint, registry: &Registry) -> Build<Provision> {
    let mut provision = Provision {
        discover: form.discover.unwrap_or(true),
        incremental: form.incremental.unwrap_or(false),
        ..Provision::default()
    };
    for text in &form.read {
        let path = path(text)?;
        if !matches!(*path.ids(), [1 | 2] | [1 | 2, _]) {
            return problem(text.span(), ConfigErrorKind::ReadPath);
        }
        provision.read.push(path);
    }
    for text in &form.delete {
        let path = path(text)?;
        if path.len() > 2 {
            return problem(text.span(), ConfigErrorKind::DeletePath);
        }
        provision.delete.push(path);
    }
    let accounts = Accounts {
        bootstrap: form.bootstrap.as_ref(),
        servers: &form.server,
        access: &form.access,
        writes: &form.write,
    };
    accounts.add_to(&mut provision, registry)?;
    Ok(provision)
}

/// The values of a factory file.
pub(super) fn factory(form: &form::Factory, registry: &Registry) -> Build<Provision> {
    let mut provision = Provision::default();
    let accounts = Accounts {
        bootstrap: form.bootstrap.as_ref(),
        servers: &form.server,
        access: &form.access,
        writes: &form.write,
    };
    accounts.add_to(&mut provision, registry)?;
    let one_time = form
        .server
        .iter()
        .find_map(|s| s.get_ref().one_time_psk.as_ref());
    if one_time.is_some() {
        let span = form.server.first().map_or(0..0, Spanned::span);
        return problem(span, ConfigErrorKind::OneTimeInFactory);
    }
    Ok(provision)
}

/// What a device is to have.
struct Accounts<'f> {
    bootstrap: Option<&'f Spanned<form::Bootstrap>>,
    servers: &'f [Spanned<form::Server>],
    access: &'f [Spanned<form::Access>],
    writes: &'f [Spanned<form::Write>],
}

impl Accounts<'_> {
    fn add_to(&self, provision: &mut Provision, registry: &Registry) -> Build<()> {
        if let Some(form) = self.bootstrap {
            provision.bootstrap = Some(bootstrap(form)?);
        }
        let mut ssids = BTreeSet::new();
        for form in self.servers {
            let (ssid, server) = server(form)?;
            if !ssids.insert(ssid) {
                let span = form.get_ref().ssid.span();
                return problem(span, ConfigErrorKind::SsidTwice(ssid));
            }
            provision.servers.push(server);
        }
        for form in self.access {
            provision.access_control.push(access(form.get_ref())?);
        }
        for form in self.writes {
            provision.writes.push(write(form.get_ref(), registry)?);
        }
        Ok(())
    }
}

fn path(text: &Spanned<alloc::string::String>) -> Build<Path> {
    text.get_ref()
        .parse()
        .map_err(|error| Problem::new(text.span(), ConfigErrorKind::Path(error)))
}

fn instance(number: &Option<Spanned<i64>>) -> Build<Option<u16>> {
    number.as_ref().map(id_of).transpose()
}

fn id_of(number: &Spanned<i64>) -> Build<u16> {
    u16::try_from(*number.get_ref())
        .ok()
        .filter(|id| *id != MAX_ID)
        .ok_or(Problem::new(number.span(), ConfigErrorKind::Id))
}

fn ssid_of(number: &Spanned<i64>) -> Build<u16> {
    u16::try_from(*number.get_ref())
        .ok()
        .filter(|ssid| (1..MAX_ID).contains(ssid))
        .ok_or(Problem::new(number.span(), ConfigErrorKind::Ssid))
}

// Keys.

fn bytes(text: &Spanned<form::Hidden>) -> Build<SecretBytes> {
    let bytes = hex_or_text(&text.get_ref().0);
    let bytes = bytes.ok_or(Problem::new(text.span(), ConfigErrorKind::Hex))?;
    full(text, &bytes)
}

fn identity(text: &Spanned<form::Hidden>) -> Build<Vec<u8>> {
    let bytes = text_or_hex(&text.get_ref().0);
    let bytes = bytes.ok_or(Problem::new(text.span(), ConfigErrorKind::Hex))?;
    full(text, &bytes).map(|bytes| bytes.expose().to_vec())
}

fn full(text: &Spanned<form::Hidden>, bytes: &[u8]) -> Build<SecretBytes> {
    match bytes.is_empty() {
        true => problem(text.span(), ConfigErrorKind::Empty),
        false => Ok(SecretBytes::from(bytes)),
    }
}

fn open(text: &Spanned<form::Hidden>) -> Build<Vec<u8>> {
    bytes(text).map(|bytes| bytes.expose().to_vec())
}

fn psk(form: &form::Psk) -> Build<Psk> {
    Ok(Psk {
        identity: identity(&form.identity)?,
        key: bytes(&form.key)?,
    })
}

/// What says where a server is and how the way there is secured.
struct Way<'f> {
    span: Range<usize>,
    uri: &'f Spanned<alloc::string::String>,
    security: &'f Option<Spanned<alloc::string::String>>,
    psk: &'f Option<form::Psk>,
    one_time_psk: bool,
    raw_public_key: &'f Option<form::RawPublicKey>,
    certificate: &'f Option<form::Certificate>,
}

impl Way<'_> {
    fn security(&self) -> Build<Security> {
        let secure = uri::is_secure(self.uri.get_ref())
            .map_err(|error| Problem::new(self.uri.span(), ConfigErrorKind::Uri(error)))?;
        let given = [
            self.security.is_some(),
            self.psk.is_some(),
            self.one_time_psk,
            self.raw_public_key.is_some(),
            self.certificate.is_some(),
        ];
        match given.iter().filter(|given| **given).count() {
            0 => return problem(self.span.clone(), ConfigErrorKind::SecurityMissing),
            1 => {}
            _ => return problem(self.span.clone(), ConfigErrorKind::SecurityTwice),
        }
        let mut security = self.keys()?;
        security.lwm2m_server_uri = self.uri.get_ref().clone();
        if secure == (security.security_mode == 3) {
            return problem(self.uri.span(), ConfigErrorKind::SchemeContradictsKeys);
        }
        Ok(security)
    }

    fn keys(&self) -> Build<Security> {
        // With a one-time key it is mode 0, and the key is made later.
        let mut security = Security::default();
        if let Some(word) = self.security {
            if word.get_ref() != "nosec" {
                return problem(word.span(), ConfigErrorKind::SecurityUnknown);
            }
            security.security_mode = 3;
        }
        if let Some(form) = self.psk {
            security.security_mode = 0;
            security.public_key_or_identity = identity(&form.identity)?;
            security.secret_key = bytes(&form.key)?;
        }
        if let Some(form) = self.raw_public_key {
            security.security_mode = 1;
            security.public_key_or_identity = open(&form.public)?;
            security.server_public_key = open(&form.server)?;
            security.secret_key = bytes(&form.private)?;
        }
        if let Some(form) = self.certificate {
            security.security_mode = 2;
            security.public_key_or_identity = open(&form.certificate)?;
            security.server_public_key = open(&form.server)?;
            security.secret_key = bytes(&form.private)?;
        }
        Ok(security)
    }
}

// Accounts.

fn bootstrap(form: &Spanned<form::Bootstrap>) -> Build<BootstrapEntry> {
    let span = form.span();
    let form = form.get_ref();
    let way = Way {
        span,
        uri: &form.uri,
        security: &form.security,
        psk: &form.psk,
        one_time_psk: false,
        raw_public_key: &form.raw_public_key,
        certificate: &form.certificate,
    };
    Ok(BootstrapEntry {
        instance: instance(&form.instance)?,
        security: Security {
            bootstrap_server: true,
            sni: form.sni.clone(),
            client_hold_off_time: form.hold_off.map(i64::from),
            bootstrap_server_account_timeout: form.timeout.map(i64::from),
            ..way.security()?
        },
    })
}

/// Lifetime of a registration when a file states none, in seconds (TS-Core §6.2.1).
const LIFETIME: u32 = 86_400;

/// How long a one-time key may stay unused when a file does not say, in seconds.
const UNUSED_FOR: u64 = 3600;

fn server(form: &Spanned<form::Server>) -> Build<(u16, ServerEntry)> {
    let span = form.span();
    let form = form.get_ref();
    let ssid = ssid_of(&form.ssid)?;
    let way = Way {
        span,
        uri: &form.uri,
        security: &form.security,
        psk: &form.psk,
        one_time_psk: form.one_time_psk.is_some(),
        raw_public_key: &form.raw_public_key,
        certificate: &form.certificate,
    };
    let security = Security {
        sni: form.sni.clone(),
        ..way.security()?
    };
    let server = Server {
        lifetime: i64::from(form.lifetime.unwrap_or(LIFETIME)),
        binding: form.binding.clone().unwrap_or_else(|| "U".to_string()),
        default_minimum_period: form.default_pmin.map(i64::from),
        default_maximum_period: form.default_pmax.map(i64::from),
        disable_timeout: form.disable_timeout.map(i64::from),
        notification_storing_when_disabled_or_offline: form.storing.unwrap_or(true),
        mute_send: form.mute_send,
        trigger: form.trigger,
        preferred_transport: form.preferred_transport.clone(),
        default_notification_mode: form.confirm_notifications.map(i64::from),
        registration_priority_order: form.priority.map(u64::from),
        initial_registration_delay_timer: form.initial_delay.map(u64::from),
        registration_failure_block: form.failure_block,
        bootstrap_on_registration_failure: form.bootstrap_on_failure,
        communication_retry_count: form.retry_count.map(u64::from),
        communication_retry_timer: form.retry_timer.map(u64::from),
        communication_sequence_delay_timer: form.sequence_delay.map(u64::from),
        communication_sequence_retry_count: form.sequence_retry_count.map(u64::from),
        ..Server::default()
    };
    let mut entry = ServerEntry::new(ssid, security, server);
    entry.security_instance = instance(&form.security_instance)?;
    entry.server_instance = instance(&form.server_instance)?;
    entry.one_time_key = form.one_time_psk.as_ref().map(|key| {
        let expires = key.expires.map_or(UNUSED_FOR, |s| u64::from(s.get()));
        Duration::from_secs(expires)
    });
    Ok((ssid, entry))
}

// Everything else.

fn access(form: &form::Access) -> Build<AccessControl> {
    let owner = form.owner.as_ref().map(ssid_of).transpose()?;
    let mut acl = BTreeMap::new();
    for (server, rights) in &form.acl {
        let ssid = match server.get_ref().as_str() {
            "default" => Some(0),
            number => number.parse().ok().filter(|ssid| *ssid != MAX_ID),
        };
        let ssid = ssid.ok_or(Problem::new(server.span(), ConfigErrorKind::Ssid))?;
        acl.insert(ssid, rights_of(rights)?);
    }
    Ok(AccessControl {
        object_id: i64::from(id_of(&form.object)?),
        // Without an instance: the right to create instances (TS-Core §8.1).
        object_instance_id: i64::from(instance(&form.instance)?.unwrap_or(MAX_ID)),
        acl,
        access_control_owner: i64::from(owner.unwrap_or(MAX_ID)),
    })
}

/// The bits of /2/x/2, in their order.
const RIGHTS: &str = "RWEDC";

fn rights_of(letters: &Spanned<alloc::string::String>) -> Build<i64> {
    letters.get_ref().chars().try_fold(0, |rights, letter| {
        match RIGHTS.find(letter.to_ascii_uppercase()) {
            Some(bit) => Ok(rights | (1 << bit)),
            None => problem(letters.span(), ConfigErrorKind::Rights),
        }
    })
}

fn write(form: &form::Write, registry: &Registry) -> Build<Write> {
    let target = path(&form.path)?;
    let (2..=3, Some(object)) = (target.len(), target.object_id()) else {
        return problem(form.path.span(), ConfigErrorKind::WritePath);
    };
    let definition = registry.latest(object).ok_or(Problem::new(
        form.path.span(),
        ConfigErrorKind::UnknownObject(object),
    ))?;
    let mut values = Vec::new();
    collect(definition, target, form.value.get_ref(), &mut values)
        .map_err(|kind| Problem::new(form.value.span(), kind))?;
    Ok(Write {
        path: target,
        values,
    })
}
