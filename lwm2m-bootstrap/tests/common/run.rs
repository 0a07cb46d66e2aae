//! A bootstrap server and one device in virtual time.

use std::sync::Arc;

use lwm2m_bootstrap::server::{
    BootstrapServer, Config, Entry, Event, FailedReason, Provision, Psk,
};
use lwm2m_coap::{
    Duration, Engine,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_model::Tree;

use super::device::{LONG, TestDevice};

pub fn entry(name: &str, provision: Provision) -> Entry {
    Entry {
        name: name.parse().unwrap(),
        psk: None,
        provision: Arc::new(provision),
    }
}

pub fn config(provision: Provision) -> Config {
    let mut config = Config::default();
    config.entries = vec![entry("dev1", provision)];
    config
}

pub struct Run {
    pub network: Network,
    pub server: NodeId,
    pub device: NodeId,
    pub events: Vec<Event>,
}

impl Run {
    pub fn new(link: LinkConfig, seed: u64, config: Config, device: TestDevice) -> Self {
        let mut network = Network::new(link, seed);
        let keys: Vec<Psk> = config
            .entries
            .iter()
            .filter_map(|e| e.psk.clone())
            .collect();
        let server = network.add_host("bs", BootstrapServer::new(config, seed));
        for psk in keys {
            network.allow_psk(server, &psk.identity, psk.key.expose());
        }
        let device = network.add(device);
        Self {
            network,
            server,
            device,
            events: Vec::new(),
        }
    }

    pub fn run(mut self, duration: Duration) -> Self {
        self.network.run_for(duration);
        let server = self.network.get_mut::<BootstrapServer>(self.server);
        self.events
            .extend(std::iter::from_fn(|| server.poll_event()));
        self
    }

    pub fn device(&self) -> &TestDevice {
        self.network.get(self.device)
    }

    pub fn server(&self) -> &BootstrapServer {
        self.network.get(self.server)
    }

    pub fn requests(&self) -> Vec<String> {
        let requests = self.device().requests.iter();
        requests
            .map(|(code, line)| format!("{} {line}", code.name().unwrap()))
            .collect()
    }

    pub fn failure(&self) -> (String, FailedReason) {
        match self.events.last() {
            Some(Event::Failed { step, reason, .. }) => (step.to_string(), reason.clone()),
            other => panic!("{other:?}"),
        }
    }
}

pub fn run(config: Config, tree: Tree, query: &[&str]) -> Run {
    let device = TestDevice::new(tree, query, 1);
    Run::new(LinkConfig::default(), 1, config, device).run(LONG)
}
