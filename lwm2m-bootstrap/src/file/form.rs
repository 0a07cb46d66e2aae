//! The tables of a provisioning file as they are written.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::{fmt, num::NonZeroU32};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use toml::Spanned;
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) endpoint: Vec<Spanned<Endpoint>>,
}

/// The accounts of one device, without the requests of a bootstrap server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Factory {
    pub(super) bootstrap: Option<Spanned<Bootstrap>>,
    #[serde(default)]
    pub(super) server: Vec<Spanned<Server>>,
    #[serde(default)]
    pub(super) access: Vec<Spanned<Access>>,
    #[serde(default)]
    pub(super) write: Vec<Spanned<Write>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    pub(super) name: Spanned<String>,
    pub(super) psk: Option<Psk>,
    pub(super) discover: Option<bool>,
    pub(super) incremental: Option<bool>,
    #[serde(default)]
    pub(super) read: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) delete: Vec<Spanned<String>>,
    pub(super) bootstrap: Option<Spanned<Bootstrap>>,
    #[serde(default)]
    pub(super) server: Vec<Spanned<Server>>,
    #[serde(default)]
    pub(super) access: Vec<Spanned<Access>>,
    #[serde(default)]
    pub(super) write: Vec<Spanned<Write>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Psk {
    pub(super) identity: Spanned<Hidden>,
    pub(super) key: Spanned<Hidden>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneTimePsk {
    pub(super) expires: Option<NonZeroU32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPublicKey {
    pub(super) public: Spanned<Hidden>,
    pub(super) server: Spanned<Hidden>,
    pub(super) private: Spanned<Hidden>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub(super) certificate: Spanned<Hidden>,
    pub(super) server: Spanned<Hidden>,
    pub(super) private: Spanned<Hidden>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bootstrap {
    pub(super) instance: Option<Spanned<i64>>,
    pub(super) uri: Spanned<String>,
    pub(super) security: Option<Spanned<String>>,
    pub(super) psk: Option<Psk>,
    pub(super) raw_public_key: Option<RawPublicKey>,
    pub(super) certificate: Option<Certificate>,
    pub(super) sni: Option<String>,
    pub(super) hold_off: Option<u32>,
    pub(super) timeout: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) ssid: Spanned<i64>,
    pub(super) security_instance: Option<Spanned<i64>>,
    pub(super) server_instance: Option<Spanned<i64>>,
    pub(super) uri: Spanned<String>,
    pub(super) security: Option<Spanned<String>>,
    pub(super) psk: Option<Psk>,
    pub(super) one_time_psk: Option<OneTimePsk>,
    pub(super) raw_public_key: Option<RawPublicKey>,
    pub(super) certificate: Option<Certificate>,
    pub(super) sni: Option<String>,
    pub(super) lifetime: Option<u32>,
    pub(super) binding: Option<String>,
    pub(super) default_pmin: Option<u32>,
    pub(super) default_pmax: Option<u32>,
    pub(super) disable_timeout: Option<u32>,
    pub(super) storing: Option<bool>,
    pub(super) mute_send: Option<bool>,
    pub(super) trigger: Option<bool>,
    pub(super) preferred_transport: Option<String>,
    pub(super) confirm_notifications: Option<bool>,
    pub(super) priority: Option<u32>,
    pub(super) initial_delay: Option<u32>,
    pub(super) failure_block: Option<bool>,
    pub(super) bootstrap_on_failure: Option<bool>,
    pub(super) retry_count: Option<u32>,
    pub(super) retry_timer: Option<u32>,
    pub(super) sequence_delay: Option<u32>,
    pub(super) sequence_retry_count: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Access {
    pub(super) object: Spanned<i64>,
    pub(super) instance: Option<Spanned<i64>>,
    pub(super) owner: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) acl: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    pub(super) path: Spanned<String>,
    pub(super) value: Spanned<Node>,
}

/// Text that may be a key: wiped when dropped, and never part of an error.
pub(super) struct Hidden(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Node::deserialize(deserializer)? {
            Node::Text(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("expected a string")),
        }
    }
}

/// A value of any type, or a table of values by ids.
pub(super) enum Node {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Zeroizing<String>),
    Table(BTreeMap<u16, Node>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, or a table of values by ids")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(Zeroizing::new(value.into())))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(Zeroizing::new(value)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((key, node)) = map.next_entry::<String, Node>()? {
            let id: u16 = key
                .parse()
                .map_err(|_| A::Error::custom("expected ids as keys"))?;
            if table.insert(id, node).is_some() {
                return Err(A::Error::custom("an id is there twice"));
            }
        }
        Ok(Node::Table(table))
    }
}
