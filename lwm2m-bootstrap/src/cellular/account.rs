//! The account of a bootstrap server as the sources of this module know it.

use alloc::{string::String, vec::Vec};

use lwm2m_model::objects::Security;

use crate::{
    DerivedKey,
    server::{BootstrapEntry, Provision},
    source::{Information, Origin},
};

/// How a device proves itself to an operator's bootstrap server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// DTLS with a key that is made on the device.
    Key(DerivedKey),
    /// Nothing but the address that the operator's network gave it: CoAP without DTLS, over that
    /// network only.
    Bearer,
}

/// A bootstrap server of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Where it is: `coaps://…`, or `coap://…` for [`Proof::Bearer`].
    pub uri: String,
    /// How the device proves itself.
    pub proof: Proof,
    /// How long to wait before the bootstrap, in seconds (/0/x/11).
    pub hold_off: Option<u32>,
}

impl Account {
    /// The account as values of a Security instance.
    pub fn information(&self, origin: Origin) -> Information {
        let (security_mode, identity) = match self.proof {
            Proof::Key(key) => (0, key.hint().as_bytes().to_vec()),
            Proof::Bearer => (3, Vec::new()),
        };
        let security = Security {
            lwm2m_server_uri: self.uri.clone(),
            bootstrap_server: true,
            security_mode,
            public_key_or_identity: identity,
            client_hold_off_time: self.hold_off.map(i64::from),
            ..Security::default()
        };
        let provision = Provision {
            bootstrap: Some(BootstrapEntry {
                instance: Some(0),
                security,
            }),
            ..Provision::default()
        };
        Information::from_provision(origin, &provision)
    }
}
