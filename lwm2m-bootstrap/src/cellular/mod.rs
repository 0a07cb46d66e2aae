//! Bootstrap by way of the SIM and the cellular network: one device for any operator.
//!
//! The standard has the smartcard only (TS-Core App. G). What else is here is this project's
//! convention, made of published parts; `docs/cellular.md` tells which.
//!
//! - [`Search`] asks places for accounts, in their order: card, [`Container`], [`OperatorTable`],
//!   [`Discovery`], factory. Whoever runs it asks the DNS.
//! - [`KeyProvider`] makes keys when a connection needs them. An account holds how its key is made
//!   ([`DerivedKey`](crate::DerivedKey)), never the key.
//! - [`GbaSession`] and [`AkmaSession`] derive keys of those of the network.
//! - [`NetworkInfo`] is what a modem tells of the SIM and the network.

mod account;
mod container;
mod discovery;
mod endpoint;
mod kdf;
mod keys;
pub mod milenage;
mod network;
mod operators;
mod search;

pub use account::{Account, Proof};
pub use container::{Container, Decode, OPERATOR_CONTAINERS};
pub use discovery::{Discovery, MAX_RECORDS, Question, Reply, ServiceRecord};
pub use endpoint::EndpointName;
pub use kdf::{
    AkmaSession, DerivedBytes, GbaSession, KEY_LEN, ParameterTooLong, UA_DTLS_PSK, UaProtocol,
};
pub use keys::{KeyContext, KeyError, KeyProvider, PskIdentity, SessionKeys};
pub use network::{Bearer, NetworkInfo, Plmn, PlmnError, Subscription};
pub use operators::{Match, Operator, OperatorTable, TableSource, Zone};
pub use search::{Search, Step};
