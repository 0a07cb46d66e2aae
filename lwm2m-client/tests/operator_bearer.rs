//! A bootstrap without DTLS over the operator's bearer, and DTLS with a one-time key from then on,
//! in virtual time.

mod common;

use std::{net::SocketAddr, sync::Arc};

use common::{boot::factory_tree, security, server};
use lwm2m_bootstrap::{
    accounts,
    one_time::{Holder, KeySource, KeySourceFailed, OneTimeKeys},
    server::{
        BootstrapServer, Config as ServerConfig, Entry, Event as BootEvent, Provision,
        RefusedReason, ServerEntry,
    },
};
use lwm2m_client::{Client, Config};
use lwm2m_coap::{
    Access, AccessIdentityResolver, Duration, Engine, Subscriber,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_server::{EndpointPolicy, Event as ServerEvent, IdentityOwned, Server as ServerEngine};

const HOUR: Duration = Duration::from_secs(3600);

/// Every address belongs to one subscriber, or to nobody.
struct Everybody(Option<Subscriber>);

impl AccessIdentityResolver for Everybody {
    fn resolve(&self, _: SocketAddr) -> Option<Subscriber> {
        self.0.clone()
    }
}

struct Counting(u8);

impl KeySource for Counting {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), KeySourceFailed> {
        self.0 += 1;
        bytes.fill(self.0);
        Ok(())
    }
}

fn subscriber() -> Subscriber {
    Subscriber::Imsi("001010000000001".into())
}

struct World {
    net: Network,
    device: NodeId,
    bs: NodeId,
    server: NodeId,
    keys: OneTimeKeys,
    refused: Vec<RefusedReason>,
    /// Whose key each bootstrap got.
    holders: Vec<Holder>,
    registered: Vec<IdentityOwned>,
}

impl World {
    /// A device whose address belongs to somebody, as the bootstrap server sees it; the outer
    /// `None` is a server without resolver.
    fn new(owner: Option<Option<Subscriber>>) -> Self {
        let account = lwm2m_model::objects::Security {
            bootstrap_server: true,
            short_server_id: None,
            ..security(1, "coap://bs")
        };
        let mut net = Network::new(LinkConfig::default(), 3);
        let mut config = ServerConfig::default();
        let mut provision = Provision::default();
        let security = security(1, "coaps://server");
        provision.servers = vec![ServerEntry::with_one_time_key(1, security, server(1), HOUR)];
        config.entries = vec![Entry {
            name: "dev1".parse().unwrap(),
            psk: None,
            subscriber: Some(subscriber()),
            provision: Arc::new(provision),
        }];
        let mut engine = BootstrapServer::new(config, 1);
        if let Some(owner) = owner {
            engine.set_access(Access::new(Everybody(owner)));
        }
        let bs = net.add_host("bs", engine);
        let mut config = lwm2m_server::Config::default();
        config.endpoint_policy = EndpointPolicy::Listed;
        let server = net.add_host("server", ServerEngine::new(config, 2));
        let client = Client::new(Config::new("dev1"), factory_tree(account), 4);
        let device = net.add(client);
        Self {
            net,
            device,
            bs,
            server,
            keys: OneTimeKeys::new(),
            refused: Vec::new(),
            holders: Vec::new(),
            registered: Vec::new(),
        }
    }

    fn run(mut self) -> Self {
        let now = self.net.now();
        self.net.get_mut::<Client>(self.device).start(now);
        for _ in 0..200 {
            self.net.run_for(Duration::from_millis(50));
            while let Some(event) = self.bs().poll_event() {
                self.bootstrap_event(event);
            }
            while let Some(event) = self.server().poll_event() {
                if let ServerEvent::Registered { registration, .. } = event {
                    let registration = self.server().registration(registration).unwrap();
                    let identity = registration.identity.clone();
                    self.registered.push(identity);
                }
            }
        }
        self
    }

    fn bootstrap_event(&mut self, event: BootEvent) {
        match event {
            BootEvent::Requested(request) => {
                let holder = Holder {
                    endpoint: request.endpoint.clone(),
                    ssid: request.keys[0].ssid,
                    subscriber: request.subscriber.as_ref().map(ToString::to_string),
                };
                self.holders.push(holder.clone());
                let (key, changes) = self.keys.issue(0, holder, 3600, &mut Counting(0)).unwrap();
                self.keys.apply(changes);
                let server = self.server;
                let identity = key.identity.as_bytes();
                self.net.allow_psk(server, identity, key.key.expose());
                let owned = IdentityOwned::Psk(identity.into());
                self.server().allow("dev1", owned);
                let now = self.net.now();
                self.bs().accept(now, request, &[key]).unwrap();
            }
            BootEvent::Refused { reason, .. } => self.refused.push(reason),
            _ => {}
        }
    }

    fn bs(&mut self) -> &mut BootstrapServer {
        self.net.get_mut(self.bs)
    }

    fn server(&mut self) -> &mut ServerEngine {
        self.net.get_mut(self.server)
    }

    fn has_server(&self) -> bool {
        let client: &Client = self.net.get(self.device);
        !accounts(client.tree()).servers.is_empty()
    }
}

#[test]
fn the_subscribers_device_gets_a_one_time_key_and_uses_dtls_from_then_on() {
    let world = World::new(Some(Some(subscriber()))).run();
    assert_eq!(world.refused, []);
    let [holder] = &world.holders[..] else {
        panic!("one bootstrap: {:?}", world.holders)
    };
    assert_eq!(holder.subscriber.as_deref(), Some("imsi:001010000000001"));
    let key = world.keys.iter().next().unwrap();
    let expected = IdentityOwned::Psk(key.identity.as_bytes().into());
    assert_eq!(world.registered, [expected]);
}

#[test]
fn the_endpoint_name_of_another_subscriber_is_refused() {
    let other = Subscriber::Imsi("001010000000002".into());
    let world = World::new(Some(Some(other))).run();
    assert_eq!(world.refused[0], RefusedReason::WrongSubscriber);
    assert!(!world.has_server() && world.registered.is_empty());
}

#[test]
fn an_address_of_nobody_is_refused() {
    let world = World::new(Some(None)).run();
    assert_eq!(world.refused[0], RefusedReason::WrongSubscriber);
    assert!(!world.has_server());
}

#[test]
fn a_server_without_resolver_refuses_the_names_of_subscribers() {
    let world = World::new(None).run();
    assert_eq!(world.refused[0], RefusedReason::WrongSubscriber);
    assert!(!world.has_server());
}
