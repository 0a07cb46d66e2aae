//! Single values of the tree that the protocol itself needs.

use alloc::string::{String, ToString};

use lwm2m_codec::{Path, Value};
use lwm2m_model::{Tree, Typed, objects::Server};

/// Makes a Server object that announces all that a [`Client`](crate::Client) executes for its
/// servers: Disable (/1/x/4) and Bootstrap-Request Trigger (/1/x/9) beside the mandatory Update
/// (TS-Core §E.2). Insert it into the tree of a device.
pub fn server_object() -> Typed<Server> {
    Typed::new()
        .with_executable(server::DISABLE)
        .with_executable(server::BOOTSTRAP_TRIGGER)
}

/// Reads a value at a path, if it is there.
fn read<T>(tree: &Tree, path: Path, take: impl Fn(Value<'_>) -> Option<T>) -> Option<T> {
    let mut result = None;
    tree.read(path, &mut |value| result = take(value)).ok()?;
    result
}

/// An integer, signed or not, that is not negative.
pub(crate) fn unsigned(tree: &Tree, path: Path) -> Option<u64> {
    read(tree, path, |value| match value {
        Value::Integer(value) | Value::Time(value) => u64::try_from(value).ok(),
        Value::Unsigned(value) => Some(value),
        _ => None,
    })
}

/// A boolean.
pub(crate) fn boolean(tree: &Tree, path: Path) -> Option<bool> {
    read(tree, path, |value| match value {
        Value::Boolean(value) => Some(value),
        _ => None,
    })
}

/// A string.
pub(crate) fn text(tree: &Tree, path: Path) -> Option<String> {
    read(tree, path, |value| match value {
        Value::String(text) => Some(text.to_string()),
        _ => None,
    })
}

/// Resources of the Server object (TS-Core §E.2).
pub(crate) mod server {
    /// Object ID.
    pub(crate) const OBJECT: u16 = 1;
    pub(crate) const LIFETIME: u16 = 1;
    pub(crate) const DEFAULT_MIN_PERIOD: u16 = 2;
    pub(crate) const DEFAULT_MAX_PERIOD: u16 = 3;
    pub(crate) const DISABLE: u16 = 4;
    pub(crate) const DISABLE_TIMEOUT: u16 = 5;
    pub(crate) const BINDING: u16 = 7;
    pub(crate) const UPDATE_TRIGGER: u16 = 8;
    pub(crate) const BOOTSTRAP_TRIGGER: u16 = 9;
    pub(crate) const ALERT_CODE: u16 = 11;
    pub(crate) const LAST_BOOTSTRAPPED: u16 = 12;
    pub(crate) const MUTE_SEND: u16 = 23;
    pub(crate) const NOTIFICATION_MODE: u16 = 26;
}
