//! The JSON form of a provision, in the shape of Leshan's bootstrap configurations.

use std::{collections::BTreeMap, time::Duration};

use lwm2m_bootstrap::server::{BootstrapEntry, Provision, ServerEntry};
use lwm2m_codec::Path;
use lwm2m_model::objects::{AccessControl, Security, Server};
use serde_json::{Map, Value, json};

/// Names of the security modes by their numbers.
const MODES: [&str; 5] = ["PSK", "RPK", "X509", "NO_SEC", "EST"];
/// Names in a server that are numbers, with what reads and writes them.
const NUMBERS: [(&str, Get, Set); 8] = [
    (
        "registrationPriority",
        |s| s.registration_priority_order,
        |s, n| s.registration_priority_order = n,
    ),
    (
        "initialDelay",
        |s| s.initial_registration_delay_timer,
        |s, n| s.initial_registration_delay_timer = n,
    ),
    (
        "communicationRetryCount",
        |s| s.communication_retry_count,
        |s, n| s.communication_retry_count = n,
    ),
    (
        "communicationRetryTimer",
        |s| s.communication_retry_timer,
        |s, n| s.communication_retry_timer = n,
    ),
    (
        "communicationSequenceDelayTimer",
        |s| s.communication_sequence_delay_timer,
        |s, n| s.communication_sequence_delay_timer = n,
    ),
    (
        "communicationSequenceRetryCount",
        |s| s.communication_sequence_retry_count,
        |s, n| s.communication_sequence_retry_count = n,
    ),
    (
        "profileIDHashAlgorithm",
        |s| s.profile_id_hash_algorithm,
        |s, n| s.profile_id_hash_algorithm = n,
    ),
    (
        "tlsDtlsAlertCode",
        |s| s.tls_dtls_alert_code,
        |s, n| s.tls_dtls_alert_code = n,
    ),
];

type Get = fn(&Server) -> Option<u64>;
type Set = fn(&mut Server, Option<u64>);

/// Says what is wrong with a configuration, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub(super) struct FormError {
    place: String,
    problem: &'static str,
}

type Form<T> = Result<T, FormError>;

fn wrong<T>(place: impl Into<String>, problem: &'static str) -> Form<T> {
    Err(FormError {
        place: place.into(),
        problem,
    })
}

/// A member of an object, with its place for errors.
struct At<'v> {
    object: &'v Map<String, Value>,
    place: String,
}

impl<'v> At<'v> {
    fn new(value: &'v Value, place: String) -> Form<Self> {
        match value.as_object() {
            Some(object) => Ok(Self { object, place }),
            None => wrong(place, "expected an object"),
        }
    }

    fn get(&self, name: &str) -> Option<&'v Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn place(&self, name: &str) -> String {
        match self.place.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", self.place),
        }
    }

    fn read<T>(
        &self,
        name: &str,
        problem: &'static str,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Form<Option<T>> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => wrong(self.place(name), problem),
            },
        }
    }

    fn text(&self, name: &str) -> Form<Option<&'v str>> {
        self.read(name, "expected a text", Value::as_str)
    }

    fn boolean(&self, name: &str) -> Form<Option<bool>> {
        self.read(name, "expected true or false", Value::as_bool)
    }

    fn number(&self, name: &str) -> Form<Option<u64>> {
        self.read(
            name,
            "expected a number that is not negative",
            Value::as_u64,
        )
    }

    fn integer(&self, name: &str) -> Form<Option<i64>> {
        self.read(name, "expected a number", Value::as_i64)
    }

    fn bytes(&self, name: &str) -> Form<Vec<u8>> {
        let bytes = |value: &Value| value.as_array()?.iter().map(byte).collect();
        let bytes = self.read(name, "expected an array of bytes", bytes)?;
        Ok(bytes.unwrap_or_default())
    }

    /// A key that is made for each bootstrap, which Leshan doesn't have.
    fn one_time_key(&self) -> Form<Option<Duration>> {
        let Some(value) = self.get("oneTimeKey") else {
            return Ok(None);
        };
        if self.text("securityMode")? != Some("PSK") {
            return wrong(self.place("oneTimeKey"), "the securityMode must be PSK");
        }
        let at = At::new(value, self.place("oneTimeKey"))?;
        match at.number("expires")?.filter(|seconds| *seconds > 0) {
            Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
            None => wrong(at.place("expires"), "expected a number above 0"),
        }
    }

    /// The members of an object of objects, which are instances by their ids.
    fn instances(&self, name: &str) -> Form<Vec<(u16, At<'v>)>> {
        let Some(value) = self.get(name) else {
            return Ok(Vec::new());
        };
        let all = At::new(value, self.place(name))?;
        let mut instances = Vec::new();
        for (key, value) in all.object {
            let place = all.place(key);
            let Some(id) = key.parse().ok().filter(|id| *id != u16::MAX) else {
                return wrong(place, "expected an instance id as name");
            };
            instances.push((id, At::new(value, place)?));
        }
        instances.sort_by_key(|(id, _)| *id);
        Ok(instances)
    }
}

/// A byte; Java's are signed.
fn byte(value: &Value) -> Option<u8> {
    let number = value.as_i64()?;
    let signed = || i8::try_from(number).ok().map(i8::cast_unsigned);
    u8::try_from(number).ok().or_else(signed)
}

/// Reads a configuration.
pub(super) fn from_json(json: &Value) -> Form<Provision> {
    let config = At::new(json, String::new())?;
    let oscore = config.get("oscore");
    if oscore.is_some_and(|value| value.as_object().is_none_or(|all| !all.is_empty())) {
        return wrong("oscore", "can't be provisioned over this interface");
    }
    let auto = config.boolean("autoIdForSecurityObject")?.unwrap_or(false);
    let mut provision = Provision::default();
    provision.incremental = config.boolean("incremental")?.unwrap_or(false);
    provision.discover = auto || provision.incremental;
    let paths = |value: &Value| -> Option<Vec<Path>> {
        let paths = value.as_array()?.iter();
        paths.map(|path| path.as_str()?.parse().ok()).collect()
    };
    let deleted = config.read("toDelete", "expected an array of paths", paths)?;
    provision.delete = deleted.unwrap_or_default();
    if provision.delete.iter().any(|path| path.len() > 2) {
        return wrong("toDelete", "a delete takes /, an object or an instance");
    }
    for (_, at) in config.instances("acls")? {
        provision.access_control.push(access(&at)?);
    }
    let mut servers = config.instances("servers")?;
    for (instance, at) in config.instances("security")? {
        let security = security(&at)?;
        let fixed = (!auto).then_some(instance);
        if security.bootstrap_server {
            if provision.bootstrap.is_some() {
                return wrong(at.place, "there is another bootstrap server");
            }
            provision.bootstrap = Some(BootstrapEntry {
                instance: fixed,
                security,
            });
            continue;
        }
        let Some(ssid) = at.number("serverId")?.and_then(ssid) else {
            return wrong(at.place("serverId"), "expected a number of 1 to 65534");
        };
        let mut pairs = servers.iter();
        let pair = pairs.position(|(_, at)| at.number("shortId") == Ok(Some(ssid.into())));
        let Some(pair) = pair else {
            return wrong(at.place("serverId"), "no server has this short id");
        };
        let (server_instance, server_at) = servers.remove(pair);
        let mut entry = ServerEntry::new(ssid, security, server(&server_at)?);
        entry.security_instance = fixed;
        entry.server_instance = Some(server_instance);
        entry.one_time_key = at.one_time_key()?;
        provision.servers.push(entry);
    }
    match servers.first() {
        Some((_, at)) => wrong(at.place("shortId"), "no security has this server id"),
        None => Ok(provision),
    }
}

/// An instance of Access Control; Leshan writes the owner with a capital.
fn access(at: &At<'_>) -> Form<AccessControl> {
    let number = |name: &str| -> Form<i64> {
        let number = at.number(name)?.filter(|n| *n <= u64::from(u16::MAX));
        match number.and_then(|number| i64::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => wrong(at.place(name), "expected a number of 0 to 65535"),
        }
    };
    let owner = match at.get("aclOwner") {
        Some(_) => "aclOwner",
        None => "AclOwner",
    };
    let mut acl = BTreeMap::new();
    if let Some(value) = at.get("acls") {
        let entries = At::new(value, at.place("acls"))?;
        for key in entries.object.keys() {
            let server = key.parse().ok().filter(|ssid| *ssid != u16::MAX);
            let rights = entries
                .integer(key)?
                .filter(|rights| (0..32).contains(rights));
            match (server, rights) {
                (Some(server), Some(rights)) => acl.insert(server, rights),
                _ => {
                    return wrong(
                        entries.place(key),
                        "expected a server id and rights below 32",
                    );
                }
            };
        }
    }
    Ok(AccessControl {
        object_id: number("objectId")?,
        object_instance_id: number("objectInstId")?,
        acl,
        access_control_owner: number(owner)?,
    })
}

fn access_json(access: &AccessControl) -> Value {
    let acl = access.acl.iter();
    let acl: Map<String, Value> = acl
        .map(|(s, rights)| (s.to_string(), json!(rights)))
        .collect();
    json!({
        "objectId": access.object_id,
        "objectInstId": access.object_instance_id,
        "acls": acl,
        "AclOwner": access.access_control_owner,
    })
}

fn ssid(number: u64) -> Option<u16> {
    u16::try_from(number)
        .ok()
        .filter(|ssid| (1..u16::MAX).contains(ssid))
}

fn security(at: &At<'_>) -> Form<Security> {
    let mode = at.text("securityMode")?.unwrap_or("NO_SEC");
    let Some(mode) = (0..).zip(MODES).find(|(_, name)| *name == mode) else {
        return wrong(
            at.place("securityMode"),
            "expected PSK, RPK, X509, NO_SEC or EST",
        );
    };
    Ok(Security {
        lwm2m_server_uri: at.text("uri")?.unwrap_or_default().into(),
        bootstrap_server: at.boolean("bootstrapServer")?.unwrap_or(false),
        security_mode: mode.0,
        public_key_or_identity: at.bytes("publicKeyOrId")?,
        server_public_key: at.bytes("serverPublicKey")?,
        secret_key: at.bytes("secretKey")?.into(),
        client_hold_off_time: at.integer("clientOldOffTime")?,
        bootstrap_server_account_timeout: at.integer("bootstrapServerAccountTimeout")?,
        matching_type: at.number("matchingType")?,
        sni: at.text("sni")?.map(Into::into),
        certificate_usage: at.number("certificateUsage")?,
        ..Security::default()
    })
}

fn server(at: &At<'_>) -> Form<Server> {
    let binding = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        value => value.as_array()?.iter().map(Value::as_str).collect(),
    };
    let mut server = Server {
        lifetime: at.integer("lifetime")?.unwrap_or(86_400),
        default_minimum_period: at.integer("defaultMinPeriod")?,
        default_maximum_period: at.integer("defaultMaxPeriod")?,
        disable_timeout: at.integer("disableTimeout")?,
        notification_storing_when_disabled_or_offline: at
            .boolean("notifIfDisabled")?
            .unwrap_or(true),
        binding: at
            .read("binding", "expected an array of letters", binding)?
            .unwrap_or_else(|| "U".into()),
        registration_failure_block: at.boolean("registrationFailure")?,
        bootstrap_on_registration_failure: at.boolean("bootstrapOnRegistrationFailure")?,
        trigger: at.boolean("trigger")?,
        preferred_transport: at.text("preferredTransport")?.map(Into::into),
        mute_send: at.boolean("muteSend")?,
        ..Server::default()
    };
    for (name, _, set) in NUMBERS {
        set(&mut server, at.number(name)?);
    }
    Ok(server)
}

/// Writes a provision; what this form has no place for is left out.
pub(super) fn to_json(provision: &Provision) -> Value {
    let paths: Vec<String> = provision.delete.iter().map(ToString::to_string).collect();
    let bootstrap = provision
        .bootstrap
        .iter()
        .map(|entry| (entry.instance, &entry.security, None));
    let others = provision.servers.iter();
    let others = others.map(|e| (e.security_instance, &e.security, e.one_time_key));
    let mut securities = Map::new();
    for (index, (instance, security, one_time_key)) in (0..).zip(bootstrap.chain(others)) {
        let id: u16 = instance.unwrap_or(index);
        let mut json = security_json(security);
        if let Some(unused_for) = one_time_key {
            json["oneTimeKey"] = json!({"expires": unused_for.as_secs()});
        }
        securities.insert(id.to_string(), json);
    }
    let mut servers = Map::new();
    for (index, entry) in (0..).zip(&provision.servers) {
        let id: u16 = entry.server_instance.unwrap_or(index);
        servers.insert(id.to_string(), server_json(&entry.server));
    }
    let access = (0u16..).zip(&provision.access_control);
    let access: Map<String, Value> = access
        .map(|(id, access)| (id.to_string(), access_json(access)))
        .collect();
    let mut json = json!({
        "toDelete": paths,
        "autoIdForSecurityObject": provision.discover,
        "security": securities,
        "servers": servers,
        "oscore": {},
        "acls": access,
    });
    if provision.incremental {
        json["incremental"] = json!(true);
    }
    json
}

fn security_json(security: &Security) -> Value {
    let mode = usize::try_from(security.security_mode).ok();
    without_nulls(json!({
        "uri": security.lwm2m_server_uri,
        "bootstrapServer": security.bootstrap_server,
        "securityMode": mode.and_then(|mode| MODES.get(mode)),
        "publicKeyOrId": security.public_key_or_identity,
        "serverPublicKey": security.server_public_key,
        "secretKey": security.secret_key.expose(),
        "serverId": security.short_server_id,
        "clientOldOffTime": security.client_hold_off_time,
        "bootstrapServerAccountTimeout": security.bootstrap_server_account_timeout,
        "matchingType": security.matching_type,
        "sni": security.sni,
        "certificateUsage": security.certificate_usage,
    }))
}

fn server_json(server: &Server) -> Value {
    let letters: Vec<String> = server.binding.chars().map(String::from).collect();
    let mut json = json!({
        "shortId": server.short_server_id,
        "lifetime": server.lifetime,
        "defaultMinPeriod": server.default_minimum_period,
        "defaultMaxPeriod": server.default_maximum_period,
        "disableTimeout": server.disable_timeout,
        "notifIfDisabled": server.notification_storing_when_disabled_or_offline,
        "binding": letters,
        "registrationFailure": server.registration_failure_block,
        "bootstrapOnRegistrationFailure": server.bootstrap_on_registration_failure,
        "trigger": server.trigger,
        "preferredTransport": server.preferred_transport,
        "muteSend": server.mute_send,
    });
    for (name, get, _) in NUMBERS {
        json[name] = json!(get(server));
    }
    without_nulls(json)
}

fn without_nulls(mut json: Value) -> Value {
    if let Some(object) = json.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Value {
        json!({
            "toDelete": ["/0", "/1"],
            "autoIdForSecurityObject": false,
            "security": {
                "0": {"uri": "coap://bs.example", "bootstrapServer": true, "securityMode": "NO_SEC",
                      "publicKeyOrId": [], "serverPublicKey": [], "secretKey": [],
                      "clientOldOffTime": 1, "bootstrapServerAccountTimeout": 0},
                "1": {"uri": "coaps://s.example", "bootstrapServer": false, "securityMode": "PSK",
                      "publicKeyOrId": [100, 101, 118], "serverPublicKey": [],
                      "secretKey": [0, 255, 16], "serverId": 7}
            },
            "servers": {
                "0": {"shortId": 7, "lifetime": 300, "notifIfDisabled": true, "binding": ["U"],
                      "registrationPriority": 1, "communicationRetryCount": 3}
            },
            "oscore": {},
            "acls": {"0": {"objectId": 3, "objectInstId": 0, "acls": {"7": 15}, "AclOwner": 7}}
        })
    }

    #[test]
    fn a_configuration_comes_back_as_it_was() {
        let provision = from_json(&config()).unwrap();
        assert_eq!(to_json(&provision), config());
        let entry = &provision.servers[0];
        assert_eq!(entry.security.secret_key.expose(), [0, 255, 16]);
        assert_eq!(entry.server.registration_priority_order, Some(1));
        assert_eq!(
            (entry.security_instance, entry.server_instance),
            (Some(1), Some(0))
        );
        assert_eq!(provision.access_control[0].acl[&7], 15);
    }

    #[test]
    fn a_key_that_is_made_for_each_bootstrap_and_an_incremental_one_come_back() {
        let mut config = config();
        let security = &mut config["security"]["1"];
        security["publicKeyOrId"] = json!([]);
        security["secretKey"] = json!([]);
        security["oneTimeKey"] = json!({"expires": 60});
        config["incremental"] = json!(true);
        config["autoIdForSecurityObject"] = json!(true);
        let provision = from_json(&config).unwrap();
        let entry = &provision.servers[0];
        assert_eq!(entry.one_time_key, Some(Duration::from_secs(60)));
        assert!(provision.incremental);
        let again = to_json(&provision);
        assert_eq!(from_json(&again).unwrap(), provision);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let error = |pointer: &str, value: Value| {
            let mut config = config();
            *config.pointer_mut(pointer).unwrap() = value;
            from_json(&config).unwrap_err().to_string()
        };
        let cases = [
            (
                "/toDelete",
                json!("/0"),
                "toDelete: expected an array of paths",
            ),
            (
                "/security/1/serverId",
                json!(8),
                "security.1.serverId: no server has this short id",
            ),
            (
                "/security/1/serverId",
                json!(0),
                "security.1.serverId: expected a number of 1 to 65534",
            ),
            (
                "/security/1/secretKey",
                json!([256]),
                "security.1.secretKey: expected an array of bytes",
            ),
            (
                "/security/1/securityMode",
                json!("TLS"),
                "security.1.securityMode: expected PSK, RPK, X509, NO_SEC or EST",
            ),
            (
                "/servers/0/lifetime",
                json!("1"),
                "servers.0.lifetime: expected a number",
            ),
            (
                "/security/1",
                json!({"uri": "coaps://h", "securityMode": "PSK", "oneTimeKey": {}, "serverId": 7}),
                "security.1.oneTimeKey.expires: expected a number above 0",
            ),
            (
                "/acls/0/acls",
                json!({"7": 32}),
                "acls.0.acls.7: expected a server id and rights below 32",
            ),
            (
                "/acls/0/objectId",
                json!(70000),
                "acls.0.objectId: expected a number of 0 to 65535",
            ),
            (
                "/oscore",
                json!({"0": {}}),
                "oscore: can't be provisioned over this interface",
            ),
        ];
        for (pointer, value, expected) in cases {
            assert_eq!(error(pointer, value), expected);
        }
    }
}
