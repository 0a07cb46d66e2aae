//! Many devices in one network: NAT that forgets, new addresses, restarts.

mod common;

use common::{device::Device, events};
use lwm2m_coap::{
    Duration,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::Path;
use lwm2m_server::{Config, Event, JournalRecord, Server};

const DEVICES: usize = 20;

/// The wall time when the network starts.
const EPOCH: u64 = 1_700_000_000;

struct Fleet {
    net: Network,
    server: NodeId,
    devices: Vec<NodeId>,
    journal: Vec<JournalRecord>,
}

/// Secured devices, registered and observed at `/3/0/9`.
fn fleet(config: Config) -> Fleet {
    let mut net = Network::new(LinkConfig::default(), 5);
    let mut engine = Server::new(config, 5);
    engine.set_unix_time(net.now(), EPOCH);
    let server = net.add_host("server", engine);
    let mut devices = Vec::new();
    for n in 0..DEVICES {
        let name = format!("dev{n}");
        net.allow_psk(server, name.as_bytes(), b"key");
        let device = Device::new(&name, n as u64).psk(name.as_bytes(), b"key");
        devices.push(net.add(device.value("/3/0/9", "100")));
    }
    let mut journal = settle(&mut net, server, Duration::from_secs(1));
    let now = net.now();
    let engine = net.get_mut::<Server>(server);
    let ids: Vec<_> = engine.registrations().map(|r| r.id).collect();
    assert_eq!(ids.len(), DEVICES);
    for id in ids {
        let mut device = engine.device(id).unwrap();
        device
            .observe(now, Path::resource(3, 0, 9), None, "")
            .unwrap();
    }
    journal.extend(settle(&mut net, server, Duration::from_secs(1)));
    events(&mut net, server);
    Fleet {
        net,
        server,
        devices,
        journal,
    }
}

/// Runs in small steps, and stores the journal after each.
fn settle(net: &mut Network, server: NodeId, duration: Duration) -> Vec<JournalRecord> {
    let end = net.now() + duration;
    let mut journal = Vec::new();
    while net.now() < end {
        net.run_for(Duration::from_millis(50));
        let now = net.now();
        let engine = net.get_mut::<Server>(server);
        while let Some(record) = engine.poll_journal() {
            engine.stored(now, record.sequence);
            journal.push(record);
        }
        net.settle();
    }
    journal
}

fn notifications(net: &mut Network, server: NodeId) -> usize {
    let events = events(net, server).into_iter();
    events
        .filter(|e| matches!(e, Event::Notification { .. }))
        .count()
}

fn change_all(net: &mut Network, devices: &[NodeId], payload: &[u8]) {
    let now = net.now();
    for device in devices {
        let device = net.get_mut::<Device>(*device);
        device.change(now, "/3/0/9", payload, true);
    }
}

#[test]
fn devices_that_make_a_new_handshake_keep_registration_and_observations() {
    let Fleet {
        mut net,
        server,
        devices,
        ..
    } = fleet(Config::default());
    for device in &devices {
        net.forget_sessions(*device);
        net.get_mut::<Device>(*device).reconnect();
    }
    settle(&mut net, server, Duration::from_secs(1));
    change_all(&mut net, &devices, b"50");
    settle(&mut net, server, Duration::from_secs(1));
    assert_eq!(notifications(&mut net, server), DEVICES);
    let engine = net.get::<Server>(server);
    assert_eq!(engine.len(), DEVICES);
    assert_eq!(engine.counters().unknown_notifications, 0);
}

#[test]
fn a_restarted_server_goes_on_with_the_fleet() {
    let mut config = Config::default();
    config.journal = true;
    let Fleet {
        mut net,
        server,
        devices,
        journal,
    } = fleet(config.clone());
    // One Register and one observation each.
    assert_eq!(journal.len(), 2 * DEVICES);
    let mut fresh = Server::new(config, 99);
    let restored = fresh.restore(net.now(), EPOCH + 100, journal);
    assert_eq!(
        (restored.registrations, restored.observations),
        (DEVICES, DEVICES)
    );
    net.restart(server, fresh);
    for device in &devices {
        net.get_mut::<Device>(*device).reconnect();
    }
    settle(&mut net, server, Duration::from_secs(1));
    let now = net.now();
    for device in &devices {
        net.get_mut::<Device>(*device).update(now);
    }
    settle(&mut net, server, Duration::from_secs(1));
    change_all(&mut net, &devices, b"7");
    settle(&mut net, server, Duration::from_secs(1));
    assert_eq!(net.get::<Server>(server).counters().updated, DEVICES as u64);
    assert_eq!(notifications(&mut net, server), DEVICES);
}

#[test]
fn nosec_devices_behind_a_new_address_register_again() {
    let mut net = Network::new(LinkConfig::default(), 5);
    let server = net.add_host("server", Server::new(Config::default(), 5));
    let device = net.add(Device::new("dev", 1).value("/3/0/9", "1"));
    net.run_for(Duration::from_secs(1));
    let old = net.get::<Server>(server).find("dev").unwrap().id;
    net.rebind(device);
    let now = net.now();
    net.get_mut::<Device>(device).update(now);
    net.run_for(Duration::from_secs(1));
    let outcome = net.get_mut::<Device>(device).outcomes.pop_back();
    let not_found = lwm2m_codec::coap::Code::NOT_FOUND;
    assert_eq!(outcome, Some(("update".to_string(), Ok(not_found))));
    let now = net.now();
    net.get_mut::<Device>(device).register(now);
    net.run_for(Duration::from_secs(1));
    let found = net.get::<Server>(server).find("dev").unwrap();
    assert_ne!(found.id, old);
}
