//! From what the builder was told about servers to instances of the objects 0 and 1.

use lwm2m_model::{
    ObjectInstance, SecretBytes, Tree, Typed,
    objects::{Security, Server},
};

use super::{Keys, StartError, server_object};

/// Mode 0 of /0/x/2: a pre-shared key.
const MODE_PSK: i64 = 0;
/// Mode 3 of /0/x/2: no security.
const MODE_NONE: i64 = 3;

/// A server that the builder was told about.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) uri: String,
    pub(super) keys: Keys,
    /// Short Server ID and lifetime; `None` for the bootstrap server.
    pub(super) server: Option<(u16, u64)>,
}

/// Adds accounts to the objects 0 and 1 of a tree.
pub(super) fn add(tree: &mut Tree, accounts: Vec<Account>) -> Result<(), StartError> {
    for account in accounts {
        if let Some((ssid, lifetime)) = account.server {
            let server = Server {
                short_server_id: i64::from(ssid),
                lifetime: i64::try_from(lifetime).map_err(|_| StartError::Lifetime(lifetime))?,
                notification_storing_when_disabled_or_offline: true,
                binding: "U".into(),
                // TS-Core App. E.2: absent means that Send is not allowed.
                mute_send: Some(false),
                ..Server::default()
            };
            servers(tree);
            insert(tree, server)?;
        }
        insert(tree, security(account))?;
    }
    // A bootstrap server writes into both.
    present::<Security>(tree);
    servers(tree);
    Ok(())
}

/// Adds the Server object if it is not there.
fn servers(tree: &mut Tree) {
    if tree.get(Server::DEFINITION.id).is_none() {
        tree.insert(server_object());
    }
}

fn security(account: Account) -> Security {
    let mut security = Security {
        lwm2m_server_uri: account.uri,
        bootstrap_server: account.server.is_none(),
        security_mode: MODE_NONE,
        short_server_id: account.server.map(|(ssid, _)| i64::from(ssid)),
        ..Security::default()
    };
    if let Keys::Psk { identity, key } = account.keys {
        security.security_mode = MODE_PSK;
        security.public_key_or_identity = identity;
        security.secret_key = SecretBytes::from(key.as_bytes());
    }
    security
}

/// Adds an instance under the lowest free id.
pub(super) fn insert<T: ObjectInstance>(tree: &mut Tree, instance: T) -> Result<(), StartError> {
    present::<T>(tree);
    let id = T::DEFINITION.id;
    let object = tree.typed_mut::<T>().ok_or(StartError::NotTyped(id))?;
    let free = (0..u16::MAX).find(|id| object.get(*id).is_none());
    object.insert(free.unwrap_or_default(), instance);
    Ok(())
}

/// Adds an object without instances if it is not there.
fn present<T: ObjectInstance>(tree: &mut Tree) {
    if tree.get(T::DEFINITION.id).is_none() {
        tree.insert(Typed::<T>::new());
    }
}
