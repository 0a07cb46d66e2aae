//! Configuration of a server.

use lwm2m_coap::Duration;

/// Which devices may register under which endpoint name.
///
/// An entry of the table that [`Server::allow`](crate::Server::allow) fills comes before all of
/// these: its endpoint belongs to its identity and to no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EndpointPolicy {
    /// NoSec devices under any name; devices with an identity under that as their name
    /// (TS-Transport §5: the server compares `ep` with the identity).
    #[default]
    Open,
    /// Like `Open`, but NoSec devices are refused.
    Secured,
    /// Only endpoints of the table.
    Listed,
    /// Anybody under any name: one device can take the place of another.
    DangerouslyAny,
}

/// Behaviour and bounds of a [`Server`](crate::Server).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// CoAP parameters; its `token_prefix` becomes [`Config::shard`].
    pub coap: lwm2m_coap::Config,
    /// First byte of each location and token that this server chooses.
    pub shard: u8,
    /// Who may register as whom.
    pub endpoint_policy: EndpointPolicy,
    /// Lets a NoSec device keep its registration when its address changes. Whoever knows a
    /// location or a token can then take the registration over.
    pub nosec_roaming: bool,
    /// Asks the application about each Register by
    /// [`Event::RegisterRequested`](crate::Event::RegisterRequested).
    pub decide_register: bool,
    /// How long the application may think about a Register; 5.03 after it.
    pub decision_timeout: Duration,
    /// Emits journal records; answers to Register and De-register wait until they are stored.
    pub journal: bool,
    /// How long an answer waits for its journal record; 5.03 after it.
    pub journal_timeout: Duration,
    /// Lifetime of a registration that states none, in seconds.
    pub default_lifetime: u32,
    /// Time after the lifetime during which a registration still lives.
    pub lifetime_grace: Duration,
    /// How long a device in queue mode listens after its last message: MAX_TRANSMIT_WAIT
    /// (TS-Transport §6.5).
    pub awake_time: Duration,
    /// How long a request waits for a device that sleeps or is away.
    pub queue_lifetime: Duration,
    /// Requests in flight to one device at the same time (RFC 7252 §4.7: NSTART).
    pub max_in_flight: usize,
    /// Bounds of the tables.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            coap: lwm2m_coap::Config::default(),
            shard: 0,
            endpoint_policy: EndpointPolicy::default(),
            nosec_roaming: false,
            decide_register: false,
            decision_timeout: Duration::from_secs(30),
            journal: false,
            journal_timeout: Duration::from_secs(30),
            default_lifetime: 86_400,
            lifetime_grace: Duration::ZERO,
            awake_time: Duration::from_secs(93),
            queue_lifetime: Duration::from_secs(86_400),
            max_in_flight: 1,
            limits: Limits::default(),
        }
    }
}

/// Bounds of the tables; what exceeds one is refused and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Registrations.
    pub registrations: usize,
    /// Objects and instances in one registration.
    pub objects: usize,
    /// Length of an endpoint name, in bytes.
    pub endpoint_len: usize,
    /// Length of each other text that a registration keeps, in bytes.
    pub text_len: usize,
    /// Profile ids and unknown parameters, each, that a registration keeps.
    pub parameters: usize,
    /// Requests without an answer to one device.
    pub requests_per_device: usize,
    /// Requests without an answer to all devices.
    pub requests: usize,
    /// Observations of one device.
    pub observations_per_device: usize,
    /// Registers that wait for the application's decision.
    pub decisions: usize,
    /// Profiles that [`Server::define_profile`](crate::Server::define_profile) may define.
    pub profiles: usize,
    /// Journal records that the driver did not take, and answers that wait for one.
    pub journal: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            registrations: 1_000_000,
            objects: 1_024,
            endpoint_len: 255,
            text_len: 255,
            parameters: 16,
            requests_per_device: 32,
            requests: 65_536,
            observations_per_device: 64,
            decisions: 1_024,
            profiles: 1_024,
            journal: 65_536,
        }
    }
}
