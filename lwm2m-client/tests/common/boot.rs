//! Devices that bootstrap.

use std::sync::Arc;

use lwm2m_bootstrap::server::{
    BootstrapServer, Config as ServerConfig, Entry, Provision, ServerEntry,
};
use lwm2m_client::{Client, Config, Event};
use lwm2m_coap::{
    Draft, Duration,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::{Path, coap::Code};
use lwm2m_model::{
    Tree, Typed,
    objects::{Device, Security, Server, Temperature},
};

use super::{SECOND, Script, World, security, server};

/// Security instance of the bootstrap server.
pub const ACCOUNT: u16 = 7;

/// The account of a bootstrap server at the host `bs`.
pub fn bootstrap_account() -> Security {
    Security {
        lwm2m_server_uri: "coap://bs".into(),
        bootstrap_server: true,
        security_mode: 3,
        ..Security::default()
    }
}

/// A device that knows nothing but a bootstrap server.
pub fn factory_tree(account: Security) -> Tree {
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(ACCOUNT, account));
    tree.insert(lwm2m_client::server_object());
    let device = Device {
        manufacturer: Some("Acme".into()),
        supported_binding_and_modes: "U".into(),
        ..Device::default()
    };
    tree.insert(Typed::new().with(0, device));
    let sensor = Temperature {
        sensor_value: 21.5,
        ..Temperature::default()
    };
    tree.insert(Typed::new().with(0, sensor));
    tree
}

/// The same with an account of server 1 at `uri`.
pub fn provisioned_tree(account: Security, uri: &str, server: Server) -> Tree {
    let mut tree = factory_tree(account);
    let securities = tree.typed_mut::<Security>().unwrap();
    securities.insert(0, security(1, uri));
    tree.typed_mut::<Server>().unwrap().insert(0, server);
    tree
}

/// A bootstrap server that gives the device `dev1` an account of server `ssid` at `uri`, in place
/// of all others.
pub fn bootstrap_server(ssid: u16, uri: &str) -> BootstrapServer {
    let mut provision = Provision::default();
    provision.delete = vec![Path::object(0), Path::object(1)];
    let id = i64::from(ssid);
    provision.servers = vec![ServerEntry::new(ssid, security(id, uri), server(id))];
    let mut config = ServerConfig::default();
    config.entries = vec![Entry {
        name: "dev1".parse().unwrap(),
        psk: None,
        subscriber: None,
        provision: Arc::new(provision),
    }];
    BootstrapServer::new(config, 5)
}

/// A device, its server and a bootstrap server: a scripted one, or a real one.
pub struct BootWorld {
    pub world: World,
    pub bs: NodeId,
}

impl BootWorld {
    /// With a scripted bootstrap server.
    pub fn scripted(tree: Tree) -> Self {
        let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
        let bs = world.net.add_host("bs", Script::new());
        Self { world, bs }
    }

    /// With a real one that gives the account of server 1 at the host `server`.
    pub fn real(tree: Tree) -> Self {
        let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
        let bs = world
            .net
            .add_host("bs", bootstrap_server(1, "coap://server"));
        Self { world, bs }
    }

    pub fn net(&mut self) -> &mut Network {
        &mut self.world.net
    }

    pub fn client(&mut self) -> &mut Client {
        self.world.client()
    }

    pub fn bs(&mut self) -> &mut Script {
        self.world.net.get_mut(self.bs)
    }

    pub fn start(&mut self) {
        let now = self.world.net.now();
        self.client().start(now);
    }

    pub fn run(&mut self, duration: Duration) {
        self.world.run(duration);
    }

    /// Sends a request of the scripted bootstrap server, and returns the code of the answer.
    pub fn order(&mut self, draft: Draft) -> Option<Code> {
        let now = self.world.net.now();
        let (id, _) = self.bs().send(now, draft);
        self.run(SECOND);
        let responses = &self.bs().responses;
        let answer = responses.iter().find(|(other, _)| *other == id);
        answer.map(|(_, answer)| answer.code)
    }

    /// The events since the last call, each with its name and what it is about.
    pub fn events(&mut self) -> Vec<String> {
        self.world.events().iter().map(told).collect()
    }

    pub fn sensor(&mut self) -> f64 {
        let tree = self.client().tree();
        tree.typed::<Temperature>()
            .unwrap()
            .get(0)
            .unwrap()
            .sensor_value
    }
}

/// An event in few words.
fn told(event: &Event) -> String {
    match event {
        Event::BootstrapStarted => "bootstrap started".into(),
        Event::BootstrapFinished => "bootstrap finished".into(),
        Event::BootstrapPackFailed { reason } => format!("no pack: {reason}"),
        Event::BootstrapFailed {
            reason, retry_in, ..
        } => {
            format!(
                "bootstrap failed: {reason}, again in {} s",
                retry_in.as_secs()
            )
        }
        Event::Registered { server, .. } => format!("registered {server}"),
        Event::Updated { server } => format!("updated {server}"),
        Event::RegistrationFailed {
            server, retry_in, ..
        } => format!(
            "registration failed {server}, again in {} s",
            retry_in.as_secs()
        ),
        Event::Deregistered { server } => format!("deregistered {server}"),
        other => format!("{other:?}"),
    }
}
