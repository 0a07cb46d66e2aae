//! Configuration and bounds of a client.

use alloc::{string::String, vec, vec::Vec};

use lwm2m_coap::Duration;
use lwm2m_codec::{ContentFormat, Version};

/// Configuration of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Endpoint Client Name (TS-Core §7.4.1).
    pub endpoint: String,
    /// Versions of the enabler to register with, the preferred one first. A server that answers
    /// 4.12 gets the next one.
    pub versions: Vec<Version>,
    /// Registers in queue mode (TS-Core §6.2.1, TS-Transport §6.5).
    pub queue_mode: bool,
    /// How long the device listens after its last message in queue mode; MAX_TRANSMIT_WAIT.
    pub awake_window: Duration,
    /// Format of answers with several values when the server states none; LwM2M 1.0 servers get
    /// TLV then.
    pub preferred_format: ContentFormat,
    /// Sends notifications as Confirmable messages where neither `con` nor /1/x/26 decides.
    pub confirmable_notifications: bool,
    /// Longest time between two Confirmable notifications of an observation (RFC 7641 §4.5).
    pub confirm_interval: Duration,
    /// A deferred answer that does not come within this time becomes 5.03.
    pub defer_timeout: Duration,
    /// The bootstrap fails when nothing comes from the bootstrap server for this time;
    /// EXCHANGE_LIFETIME (TS-Core §6.1).
    pub bootstrap_timeout: Duration,
    /// First delay between two bootstraps that fail; it doubles each time, up to a day. 60 s by
    /// default (TS-Core §6.2.1.1 leaves it open).
    pub bootstrap_retry: Duration,
    /// Asks the bootstrap server for everything in one answer first (Bootstrap-Pack, LwM2M 1.2,
    /// TS-Core §6.1.7.7), and for the plain sequence if that can't be had; false by default.
    pub bootstrap_pack: bool,
    /// Answers Bootstrap-Finish after the application has stored the accounts, so that a device
    /// never says that it has what a power cut takes away; false by default. See
    /// [`Event::BootstrapStore`](crate::Event::BootstrapStore).
    pub store_accounts: bool,
    /// Has the sources of accounts checked at the start and before each Register, Update and
    /// bootstrap, for devices with a smartcard (TS-Core §6.1.3.2); false by default. See
    /// [`Event::CheckSources`](crate::Event::CheckSources).
    pub check_sources: bool,
    /// How long the application has for the answer to a check; then the device goes on with the
    /// accounts it has.
    pub source_timeout: Duration,
    /// Most observations, over all servers.
    pub max_observations: usize,
    /// Most paths with notification attributes, for each server.
    pub max_attributes: usize,
    /// Most deferred answers at the same time.
    pub max_deferred: usize,
    /// Most values that are kept for a Send with times; the oldest is dropped then.
    pub max_collected: usize,
    /// Most events that wait for the application; the oldest is dropped then.
    pub max_events: usize,
    /// Parameters and bounds of the CoAP layer.
    pub coap: lwm2m_coap::Config,
}

impl Config {
    /// Makes a configuration with the defaults of the specification.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            versions: vec![Version::V1_2, Version::V1_1, Version::V1_0],
            queue_mode: false,
            awake_window: Duration::from_secs(93),
            preferred_format: ContentFormat::SENML_CBOR,
            confirmable_notifications: true,
            confirm_interval: Duration::from_secs(24 * 3600),
            defer_timeout: Duration::from_secs(60),
            bootstrap_timeout: lwm2m_coap::EXCHANGE_LIFETIME,
            bootstrap_retry: Duration::from_secs(60),
            bootstrap_pack: false,
            store_accounts: false,
            check_sources: false,
            source_timeout: Duration::from_secs(10),
            max_observations: 64,
            max_attributes: 64,
            max_deferred: 8,
            max_collected: 256,
            max_events: 64,
            coap: lwm2m_coap::Config::device(),
        }
    }
}
