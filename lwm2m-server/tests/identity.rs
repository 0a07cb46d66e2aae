//! A registration belongs to an identity, or without one to an address (TS-Transport §5).

mod common;

use common::{OBJECTS, Sent, Wire};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use lwm2m_coap::{Access, AccessIdentityResolver, Identity, Subscriber};
use lwm2m_codec::coap::{Code, MessageType};
use lwm2m_server::{Config, EndpointPolicy, Event, IdentityOwned, RefuseReason};

const QUERIES: [&str; 3] = ["ep=dev", "lt=300", "lwm2m=1.1"];

fn wire(policy: EndpointPolicy) -> Wire {
    let mut config = Config::default();
    config.endpoint_policy = policy;
    Wire::new(config)
}

#[test]
fn an_identity_registers_under_its_own_name_only() {
    let mut wire = wire(EndpointPolicy::Open);
    let other = wire.peer(0, Identity::Psk(b"other"));
    assert_eq!(
        wire.register(other, &QUERIES, OBJECTS).code,
        Code::BAD_REQUEST
    );
    let events = wire.events();
    assert!(matches!(
        events[..],
        [Event::RegisterRefused {
            reason: RefuseReason::IdentityMismatch,
            ..
        }]
    ));
    assert_eq!(wire.server.counters().identity_mismatches, 1);
    let own = wire.peer(1, Identity::Psk(b"dev"));
    assert_eq!(wire.register(own, &QUERIES, OBJECTS).code, Code::CREATED);
}

#[test]
fn the_table_gives_an_endpoint_to_one_identity() {
    let mut wire = wire(EndpointPolicy::Open);
    let identity = IdentityOwned::from(Identity::Psk(b"key-1"));
    wire.server.allow("dev", identity);
    let nosec = wire.peer(0, Identity::NoSec);
    assert_eq!(
        wire.register(nosec, &QUERIES, OBJECTS).code,
        Code::BAD_REQUEST
    );
    let same_name = wire.peer(1, Identity::Psk(b"dev"));
    assert_eq!(
        wire.register(same_name, &QUERIES, OBJECTS).code,
        Code::BAD_REQUEST
    );
    let right = wire.peer(2, Identity::Psk(b"key-1"));
    assert_eq!(wire.register(right, &QUERIES, OBJECTS).code, Code::CREATED);
    assert!(wire.server.disallow("dev"));
    assert!(!wire.server.disallow("dev"));
}

#[test]
fn an_endpoint_between_two_keys_registers_with_either_until_one_is_taken_back() {
    let mut wire = wire(EndpointPolicy::Open);
    let (old, new) = (Identity::Psk(b"key-1"), Identity::Psk(b"key-2"));
    wire.server.allow("dev", old.into());
    wire.server.allow_also("dev", new.into());
    wire.server.allow_also("dev", new.into());
    for (index, identity) in [old, new].into_iter().enumerate() {
        let peer = wire.peer(index as u32, identity);
        assert_eq!(wire.register(peer, &QUERIES, OBJECTS).code, Code::CREATED);
    }
    assert!(wire.server.disallow_identity("dev", &old.into()));
    assert!(!wire.server.disallow_identity("dev", &old.into()));
    let late = wire.peer(2, old);
    let answer = wire.register(late, &QUERIES, OBJECTS);
    assert_eq!(answer.code, Code::BAD_REQUEST);
    assert!(wire.server.disallow_identity("dev", &new.into()));
    assert!(!wire.server.disallow("dev"));
}

#[test]
fn the_name_may_be_missing_where_the_identity_proves_it() {
    let mut wire = wire(EndpointPolicy::Open);
    wire.server
        .allow("dev", IdentityOwned::from(Identity::Psk(b"key-1")));
    let listed = wire.peer(0, Identity::Psk(b"key-1"));
    let equal = wire.peer(1, Identity::Psk(b"urn:dev:1"));
    for (peer, endpoint) in [(listed, "dev"), (equal, "urn:dev:1")] {
        let answer = wire.register(peer, &["lt=300", "lwm2m=1.1"], OBJECTS);
        assert_eq!(answer.code, Code::CREATED);
        let id = answer.location[1].parse().unwrap();
        assert_eq!(wire.registration(id).endpoint, endpoint);
    }
}

#[test]
fn policies_forbid_what_they_do_not_know() {
    let mut secured = wire(EndpointPolicy::Secured);
    let peer = secured.peer(0, Identity::NoSec);
    assert_eq!(
        secured.register(peer, &QUERIES, OBJECTS).code,
        Code::FORBIDDEN
    );
    let mut listed = wire(EndpointPolicy::Listed);
    let peer = listed.peer(0, Identity::Psk(b"dev"));
    assert_eq!(
        listed.register(peer, &QUERIES, OBJECTS).code,
        Code::FORBIDDEN
    );
    listed
        .server
        .allow("dev", IdentityOwned::from(Identity::Psk(b"dev")));
    assert_eq!(listed.register(peer, &QUERIES, OBJECTS).code, Code::CREATED);
    let mut any = wire(EndpointPolicy::DangerouslyAny);
    let peer = any.peer(0, Identity::Psk(b"whoever"));
    assert_eq!(any.register(peer, &QUERIES, OBJECTS).code, Code::CREATED);
}

#[test]
fn nosec_does_not_take_the_place_of_a_secured_device() {
    let mut wire = wire(EndpointPolicy::Open);
    let secured = wire.peer(0, Identity::Psk(b"dev"));
    let id = wire.registered(secured, "dev");
    let nosec = wire.peer(1, Identity::NoSec);
    assert_eq!(
        wire.register(nosec, &QUERIES, OBJECTS).code,
        Code::BAD_REQUEST
    );
    assert_eq!(wire.server.find("dev").unwrap().id, id);
}

#[test]
fn a_secured_device_keeps_its_registration_from_a_new_address() {
    let mut wire = wire(EndpointPolicy::Open);
    let before = wire.peer(0, Identity::Psk(b"dev"));
    let id = wire.registered(before, "dev");
    let after = wire.peer_at(1, 50_000, Identity::Psk(b"dev"));
    wire.events();
    assert_eq!(wire.update(after, id, &[]).code, Code::CHANGED);
    let registration = wire.registration(id);
    assert_eq!(registration.peer, Some(after));
    assert_eq!(registration.address.port(), 50_000);
    let events = wire.events();
    assert!(matches!(events[..], [Event::Updated { changes, .. }] if changes.address));
    assert_eq!(wire.server.counters().moved, 1);
    assert_eq!(wire.closed(), [before]);
}

#[test]
fn another_identity_does_not_find_the_registration() {
    let mut wire = wire(EndpointPolicy::Open);
    let one = wire.peer(0, Identity::Psk(b"dev"));
    let id = wire.registered(one, "dev");
    let thief = wire.peer(1, Identity::Psk(b"thief"));
    assert_eq!(wire.update(thief, id, &[]).code, Code::NOT_FOUND);
    let path = format!("/rd/{id}");
    let sent = Sent {
        code: Code::DELETE,
        path: &path,
        ..Sent::default()
    };
    assert_eq!(wire.ask(thief, &sent).code, Code::NOT_FOUND);
    assert_eq!(wire.server.len(), 1);
    assert_eq!(wire.server.counters().unknown_registration, 2);
}

#[test]
fn nosec_from_another_address_has_to_register_again() {
    let mut wire = wire(EndpointPolicy::Open);
    let before = wire.peer(0, Identity::NoSec);
    let id = wire.registered(before, "dev");
    let after = wire.peer(1, Identity::NoSec);
    assert_eq!(wire.update(after, id, &[]).code, Code::NOT_FOUND);
    assert_eq!(wire.registration(id).peer, Some(before));
}

#[test]
fn nosec_roams_where_the_operator_allows_it() {
    let mut config = Config::default();
    config.nosec_roaming = true;
    let mut wire = Wire::new(config);
    let before = wire.peer(0, Identity::NoSec);
    let id = wire.registered(before, "dev");
    let after = wire.peer(1, Identity::NoSec);
    assert_eq!(wire.update(after, id, &[]).code, Code::CHANGED);
    assert_eq!(wire.registration(id).peer, Some(after));
    // And back again, from the old address as a new peer.
    let back = wire.peer_at(2, 40_000, Identity::NoSec);
    assert_eq!(wire.update(back, id, &[]).code, Code::CHANGED);
}

#[test]
fn a_restarted_driver_finds_a_nosec_device_by_its_address() {
    let mut wire = wire(EndpointPolicy::Open);
    let before = wire.peer_at(0, 41_000, Identity::NoSec);
    let id = wire.registered(before, "dev");
    let reason = lwm2m_coap::DownReason::Evicted;
    let down = lwm2m_coap::Input::PeerDown {
        peer: before,
        reason,
    };
    lwm2m_coap::Engine::handle_input(&mut wire.server, wire.now, down);
    assert_eq!(wire.registration(id).peer, None);
    let again = wire.peer_at(1, 41_000, Identity::NoSec);
    let answer = wire.update(again, id, &[]);
    assert_eq!(
        (answer.code, answer.message_type),
        (Code::CHANGED, MessageType::Acknowledgement)
    );
    assert_eq!(wire.registration(id).peer, Some(again));
}

/// Whose all addresses are, as the network says now.
#[derive(Clone, Default)]
struct Network(Arc<Mutex<Option<Subscriber>>>);

impl Network {
    fn gives_addresses_to(&self, imsi: Option<&str>) {
        *self.0.lock().unwrap() = imsi.map(|imsi| Subscriber::Imsi(imsi.into()));
    }
}

impl AccessIdentityResolver for Network {
    fn resolve(&self, _: SocketAddr) -> Option<Subscriber> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn without_security_a_subscriber_registers_under_its_own_names_only() {
    let network = Network::default();
    let mut wire = wire(EndpointPolicy::Open);
    wire.server.set_access(Access::new(network.clone()));
    let own = IdentityOwned::Subscriber(Subscriber::Imsi("1".into()));
    wire.server.allow("dev", own.clone());
    let peer = wire.peer(0, Identity::NoSec);
    let code = |wire: &mut Wire| wire.register(peer, &QUERIES, OBJECTS).code;
    assert_eq!(code(&mut wire), Code::BAD_REQUEST, "an address of nobody");
    network.gives_addresses_to(Some("2"));
    assert_eq!(code(&mut wire), Code::BAD_REQUEST, "another subscriber");
    let unknown = wire.register(peer, &["ep=new", "lt=300", "lwm2m=1.1"], OBJECTS);
    assert_eq!(unknown.code, Code::BAD_REQUEST, "a name of nobody");
    network.gives_addresses_to(Some("1"));
    assert_eq!(code(&mut wire), Code::CREATED);
    assert_eq!(wire.server.find("dev").unwrap().identity, own);
}

#[test]
fn an_address_that_is_given_to_another_subscriber_takes_no_registration_along() {
    let network = Network::default();
    network.gives_addresses_to(Some("1"));
    let mut wire = wire(EndpointPolicy::Open);
    wire.server.set_access(Access::new(network.clone()));
    let own = IdentityOwned::Subscriber(Subscriber::Imsi("1".into()));
    wire.server.allow("dev", own);
    let peer = wire.peer(0, Identity::NoSec);
    let id = wire.registered(peer, "dev");
    assert_eq!(wire.update(peer, id, &[]).code, Code::CHANGED);
    network.gives_addresses_to(Some("2"));
    assert_eq!(wire.update(peer, id, &[]).code, Code::NOT_FOUND);
    network.gives_addresses_to(Some("1"));
    let roamed = wire.peer_at(1, 50_000, Identity::NoSec);
    assert_eq!(
        wire.update(roamed, id, &[]).code,
        Code::CHANGED,
        "the subscriber's new address"
    );
}
