//! The JSON of registrations.

use std::collections::BTreeMap;

use lwm2m_server::{Changes, Registration};
use serde_json::{Map, Value, json};

use super::time::to_iso;

/// Writes a registration; what there is none of is left out.
pub(crate) fn registration(device: &Registration, sleeping: bool) -> Value {
    let mut json = json!({
        "endpoint": device.endpoint,
        "registrationId": device.id.to_string(),
        "registrationDate": date(device.registered_unix),
        "lastUpdate": date(device.updated_unix),
        "address": device.address.to_string(),
        "smsNumber": device.sms,
        "lwM2mVersion": device.version.to_string(),
        "lifetime": device.lifetime,
        "bindingMode": device.binding.to_string(),
        "rootPath": if device.root.is_empty() { "/" } else { device.root.as_str() },
        "objectLinks": links(device),
        "secure": device.identity.is_secure(),
        "additionalRegistrationAttributes": extra(device),
        "queuemode": device.queue_mode,
        "availableInstances": instances(device),
        "sleeping": device.queue_mode.then_some(sleeping),
    });
    if let Some(json) = json.as_object_mut() {
        json.retain(|_, value| !value.is_null());
    }
    json
}

/// Writes what an Update changed.
pub(crate) fn update(device: &Registration, changes: Changes) -> Value {
    let mut json = Map::new();
    let mut put = |key: &str, value: Value| json.insert(key.to_owned(), value);
    put("registrationId", json!(device.id.to_string()));
    put("address", json!(device.address.to_string()));
    if changes.lifetime {
        put("lifetime", json!(device.lifetime));
    }
    if changes.binding {
        put("bindingMode", json!(device.binding.to_string()));
        put("queuemode", json!(device.queue_mode));
    }
    if changes.sms {
        put("smsNumber", json!(device.sms));
    }
    if changes.objects {
        put("objectLinks", links(device));
    }
    if changes.extra {
        put("additionalAttributes", extra(device));
    }
    Value::Object(json)
}

fn date(unix: Option<u64>) -> Option<String> {
    unix.and_then(|unix| i64::try_from(unix).ok()).map(to_iso)
}

fn links(device: &Registration) -> Value {
    let mut links = Vec::new();
    if !device.root.is_empty() || !device.formats.is_empty() {
        let mut attributes = Map::new();
        if !device.root.is_empty() {
            attributes.insert("rt".to_owned(), json!("oma.lwm2m"));
        }
        if !device.formats.is_empty() {
            let formats: Vec<String> = device.formats.iter().map(|f| f.0.to_string()).collect();
            attributes.insert("ct".to_owned(), json!(formats.join(" ")));
        }
        let root = if device.root.is_empty() {
            "/"
        } else {
            &device.root
        };
        links.push(json!({"url": root, "attributes": attributes}));
    }
    for path in device.objects.paths() {
        let mut attributes = Map::new();
        let version = path
            .object_id()
            .and_then(|object| device.objects.stated_version(object));
        if let Some(version) = version {
            attributes.insert("ver".to_owned(), json!(version.to_string()));
        }
        let url = format!("{}{path}", device.root);
        links.push(json!({"url": url, "attributes": attributes}));
    }
    Value::Array(links)
}

fn instances(device: &Registration) -> Value {
    let objects = device.objects.objects();
    let instances: BTreeMap<String, Vec<u16>> = objects
        .map(|object| {
            (
                object.to_string(),
                device.objects.instances(object).collect(),
            )
        })
        .collect();
    json!(instances)
}

fn extra(device: &Registration) -> Value {
    let pair = |(name, value): &(String, Option<String>)| {
        (name.clone(), json!(value.as_deref().unwrap_or_default()))
    };
    Value::Object(device.extra.iter().map(pair).collect())
}
