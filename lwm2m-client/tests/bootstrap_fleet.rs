//! Ten thousand devices ask one bootstrap server at once, over a link that loses 10 %.
//!
//! `LWM2M_FLEET` sets another number of devices.

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use common::{security, server};
use lwm2m_bootstrap::{
    accounts,
    server::{BootstrapServer, Config as ServerConfig, Entry, Provision, ServerEntry},
};
use lwm2m_client::{Client, Config};
use lwm2m_coap::{
    Binding, Duration, Engine, Identity, Input, Instant, PeerId,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::coap::{Code, MessageId, MessageType, MessageWriter, OptionNumber, Token};
use lwm2m_model::{
    Tree, Typed,
    objects::{Security, Server},
};

/// Counts the bytes that are allocated now.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code)]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Takes what the factory wrote away, but for the bootstrap account, and brings one server.
fn provision() -> Provision {
    let mut provision = Provision::default();
    provision.delete = vec!["/0".parse().unwrap(), "/1".parse().unwrap()];
    let security = Security {
        security_mode: 0,
        public_key_or_identity: b"device".to_vec(),
        secret_key: vec![7; 16].into(),
        ..security(1, "coaps://nowhere")
    };
    provision.servers = vec![ServerEntry::new(1, security, server(1))];
    provision
}

fn device(index: usize) -> Client {
    let account = Security {
        bootstrap_server: true,
        short_server_id: None,
        ..security(1, "coap://bs")
    };
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(0, account));
    tree.insert(Typed::<Server>::new());
    Client::new(Config::new(format!("dev{index}")), tree, index as u64)
}

fn is_provisioned(net: &Network, node: NodeId) -> bool {
    let accounts = accounts(net.get::<Client>(node).tree());
    let servers = &accounts.servers;
    accounts.bootstrap.is_some() && servers.len() == 1 && servers[0].uri == "coaps://nowhere"
}

/// Sessions whose memory is measured.
const MEASURED: u32 = 1000;

/// Bytes that a bootstrap server holds for a device, connected and in the middle of a sequence.
fn memory_per_session(config: &ServerConfig) -> (usize, usize) {
    let devices = MEASURED;
    let mut server = BootstrapServer::new(config.clone(), 5);
    let peer = |index| PeerId {
        index,
        generation: 1,
    };
    let before = ALLOCATED.load(Relaxed);
    for index in 0..devices {
        let input = Input::PeerUp {
            peer: peer(index),
            binding: Binding::Udp,
            remote: ([127, 0, 0, 1], 1).into(),
            identity: Identity::NoSec,
            connect: None,
        };
        server.handle_input(Instant::ZERO, input);
    }
    let connected = ALLOCATED.load(Relaxed);
    let mut buf = vec![0; 2048];
    for index in 0..devices {
        let token = Token::new(&[1]).unwrap();
        let mut writer = MessageWriter::new(
            &mut buf,
            MessageType::Confirmable,
            Code::POST,
            MessageId(1),
            token,
        )
        .unwrap();
        writer.option(OptionNumber::URI_PATH, b"bs").unwrap();
        let name = format!("ep=dev{index:05}");
        writer
            .option(OptionNumber::URI_QUERY, name.as_bytes())
            .unwrap();
        let len = writer.payload(&[]).unwrap();
        let input = Input::Message {
            peer: peer(index),
            data: &buf[..len],
        };
        server.handle_input(Instant::ZERO, input);
        while server.poll_transmit(Instant::ZERO, &mut buf).is_some() {}
        while server.poll_event().is_some() {}
    }
    assert_eq!(server.sessions(), devices as usize);
    let provisioning = ALLOCATED.load(Relaxed);
    let each = |bytes: usize| bytes / devices as usize;
    (each(connected - before), each(provisioning - connected))
}

fn fleet() -> usize {
    let number = std::env::var("LWM2M_FLEET").ok();
    number.and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

#[test]
fn ten_thousand_devices_at_once_are_all_provisioned_over_a_link_that_loses_a_tenth() {
    let devices = fleet();
    let link = LinkConfig {
        loss_percent: 10,
        min_delay: Duration::from_millis(20),
        max_delay: Duration::from_millis(80),
        ..LinkConfig::default()
    };
    let mut net = Network::new(link, 11);
    let mut config = ServerConfig::default();
    config.max_sessions = devices.max(MEASURED as usize);
    config.entries = vec![Entry {
        name: "dev*".parse().unwrap(),
        psk: None,
        subscriber: None,
        provision: Arc::new(provision()),
    }];
    let (connection, session) = memory_per_session(&config);
    println!("{connection} bytes for a connection, {session} more for a session");
    let bs = net.add_host("bs", BootstrapServer::new(config, 3));
    let nodes: Vec<NodeId> = (0..devices).map(|index| net.add(device(index))).collect();
    for node in &nodes {
        net.get_mut::<Client>(*node).start(Instant::ZERO);
    }
    let mut most = 0;
    let mut left = nodes;
    while !left.is_empty() {
        let number = left.len();
        assert!(
            net.now() < Instant::ZERO + Duration::from_secs(4 * 3600),
            "{number} are left"
        );
        net.run_for(Duration::from_secs(1));
        most = most.max(net.get::<BootstrapServer>(bs).sessions());
        left.retain(|node| !is_provisioned(&net, *node));
    }
    let counters = net.get::<BootstrapServer>(bs).counters();
    // A device whose answer to the Finish is lost for good is provisioned all the same.
    println!(
        "{devices} devices: {} s of virtual time, at most {most} sessions at once, {} failed at \
         the server, {:?}",
        net.now().since(Instant::ZERO).as_secs(),
        counters.failed,
        net.traffic()
    );
    assert!(counters.started as usize >= devices, "{counters:?}");
}
