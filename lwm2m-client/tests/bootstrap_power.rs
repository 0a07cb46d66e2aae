//! A device that loses power anywhere in a bootstrap has its old accounts or its new ones, never
//! a mixture; and the bootstrap server never believes that it has what a power cut takes away.

mod common;

use std::{collections::BTreeMap, ops::ControlFlow};

use common::{
    SECOND, Script,
    boot::{bootstrap_account, bootstrap_server, factory_tree, provisioned_tree},
    server,
};
use lwm2m_bootstrap::server::BootstrapServer;
use lwm2m_client::{Client, Config, Event};
use lwm2m_coap::{
    Duration, Engine, Instant,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::Path;
use lwm2m_model::{OwnedValue, Tree};

/// What a device keeps over a power cut: all values of the objects 0 and 1.
type Stored = BTreeMap<Path, OwnedValue>;

fn accounts_of(tree: &Tree) -> Stored {
    let mut stored = Stored::new();
    for object in [0, 1] {
        let _ = tree
            .visit(Path::object(object), &|_, _| true, &mut |record| {
                let value = record.value.and_then(OwnedValue::from_value);
                stored.extend(value.map(|value| (record.path, value)));
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    stored
}

/// A device after a power cut: objects as the factory made them, accounts as they were stored.
fn restored(stored: &Stored) -> Tree {
    let mut tree = factory_tree(bootstrap_account());
    let instances: Vec<_> = stored.keys().map(|path| path.truncated(2)).collect();
    tree.begin();
    for (path, value) in stored {
        if !tree.contains(path.truncated(2)) {
            tree.create(path.object_id().unwrap(), path.instance_id())
                .unwrap();
        }
        tree.write(*path, value.as_value()).unwrap();
    }
    tree.commit().unwrap();
    assert!(instances.iter().all(|instance| tree.contains(*instance)));
    tree
}

fn config(pack: bool) -> Config {
    let mut config = Config::new("dev1");
    config.store_accounts = true;
    config.bootstrap_pack = pack;
    config
}

/// A device with an account of a server that is gone, its bootstrap server, and the new server.
struct Run {
    net: Network,
    device: NodeId,
    bs: NodeId,
    pack: bool,
    stored: Stored,
    /// The device was told that it has stored.
    answered: bool,
    wanted: bool,
}

impl Run {
    fn new(pack: bool) -> Self {
        let mut net = Network::new(LinkConfig::default(), 3);
        net.add_host("server", Script::new());
        let bs = net.add_host("bs", bootstrap_server(2, "coap://server"));
        let tree = provisioned_tree(bootstrap_account(), "coap://gone", server(1));
        let stored = accounts_of(&tree);
        let device = net.add(Client::new(config(pack), tree, 42));
        let client = net.get_mut::<Client>(device);
        client.start(Instant::ZERO);
        assert!(client.bootstrap(Instant::ZERO));
        Self {
            net,
            device,
            bs,
            pack,
            stored,
            answered: false,
            wanted: false,
        }
    }

    /// Does one thing of the application: takes an event, or writes, or says that it has.
    fn step(&mut self) {
        let now = self.net.now();
        let client = self.net.get_mut::<Client>(self.device);
        if self.answered {
            self.answered = false;
            assert!(client.accounts_stored(now, true));
            return;
        }
        if self.wanted {
            self.wanted = false;
            self.stored = accounts_of(client.tree());
            self.answered = true;
            return;
        }
        while let Some(event) = client.poll_event() {
            if event == Event::BootstrapStore {
                self.wanted = true;
                return;
            }
        }
    }

    /// Runs for so many steps of network and application.
    fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
            let mut once = 0;
            let until = self.net.now() + SECOND;
            self.net.run_while(until, |_| {
                once += 1;
                once < 2
            });
        }
    }

    /// Cuts the power, and turns it on again.
    fn cut(&mut self) {
        let tree = restored(&self.stored);
        let client = Client::new(config(self.pack), tree, 43);
        self.net.restart(self.device, client);
        (self.wanted, self.answered) = (false, false);
        let now = self.net.now();
        self.net.get_mut::<Client>(self.device).start(now);
    }

    fn is_registered(&self) -> bool {
        let client = self.net.get::<Client>(self.device);
        client.registered_servers().eq([2])
    }

    /// Runs on as a device whose power stays; true if it ends registered with the new server.
    fn recovers(&mut self) -> bool {
        let end = self.net.now() + Duration::from_secs(4 * 3600);
        while !self.is_registered() && self.net.now() < end {
            self.steps(1);
        }
        self.is_registered()
    }

    fn finished(&self) -> bool {
        let counters = self.net.get::<BootstrapServer>(self.bs).counters();
        counters.finished > 0
    }
}

/// The accounts before and after a bootstrap.
fn ends(pack: bool) -> (Stored, Stored) {
    let mut run = Run::new(pack);
    let old = run.stored.clone();
    assert!(run.recovers());
    (old, run.stored)
}

#[test]
fn after_a_power_cut_at_any_moment_a_device_has_its_old_or_its_new_accounts_and_recovers() {
    for pack in [false, true] {
        let (old, new) = ends(pack);
        assert_ne!(old, new);
        let (mut with_old, mut with_new) = (0, 0);
        for cut in 0.. {
            let mut run = Run::new(pack);
            run.steps(cut);
            let over = run.is_registered();
            match () {
                () if run.stored == old => with_old += 1,
                () if run.stored == new => with_new += 1,
                () => panic!("a mixture after {cut} steps: {:?}", run.stored),
            }
            assert!(
                !run.finished() || run.stored == new,
                "after {cut} steps the server believes what is not stored"
            );
            run.cut();
            assert!(run.recovers(), "after {cut} steps");
            assert_eq!(run.stored, new, "after {cut} steps");
            if over {
                break;
            }
        }
        println!("pack {pack}: {with_old} cuts with the old accounts, {with_new} with the new");
        assert!(with_old > 5 && with_new > 1);
    }
}

#[test]
fn accounts_that_can_not_be_stored_fail_the_bootstrap_with_the_old_ones_in_use() {
    let mut run = Run::new(false);
    let (old, _) = ends(false);
    let mut steps = 0;
    while !run.wanted {
        run.steps(1);
        steps += 1;
        assert!(steps < 1000, "nothing is to be stored");
    }
    let now = run.net.now();
    let client = run.net.get_mut::<Client>(run.device);
    assert!(client.accounts_stored(now, false));
    assert!(!client.accounts_stored(now, true), "it is over");
    assert_eq!(accounts_of(client.tree()), old);
    let failed = std::iter::from_fn(|| client.poll_event()).last().unwrap();
    let Event::BootstrapFailed { step, reason, .. } = failed else {
        panic!("{failed:?}")
    };
    assert_eq!(
        format!("{step}: {reason}"),
        "storing the accounts: the accounts could not be stored"
    );
    run.net.run_for(SECOND);
    let bs = run.net.get_mut::<BootstrapServer>(run.bs);
    let told: Vec<String> = std::iter::from_fn(|| bs.poll_event())
        .filter_map(|event| match event {
            lwm2m_bootstrap::server::Event::Failed { step, reason, .. } => {
                Some(format!("{step}: {reason}"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            "finish: the device answered 5.00 Internal Server Error: the accounts could not be stored"
        ]
    );
}

#[test]
fn accounts_that_nobody_stores_fail_the_bootstrap_after_247_seconds() {
    let mut run = Run::new(false);
    run.net.run_for(SECOND * 240);
    let client = run.net.get_mut::<Client>(run.device);
    assert!(client.tree().in_transaction());
    run.net.run_for(SECOND * 10);
    let client = run.net.get_mut::<Client>(run.device);
    assert!(!client.tree().in_transaction());
    let now = run.net.now();
    let client = run.net.get_mut::<Client>(run.device);
    assert!(!client.accounts_stored(now, true));
}
