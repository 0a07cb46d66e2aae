//! The journal, and a server that takes over from one that stopped.

mod common;

use common::{OBJECTS, Sent, Wire};
use lwm2m_coap::{Duration, Identity, PeerId};
use lwm2m_codec::{
    Path,
    coap::{Code, MessageType, Token},
};
use lwm2m_server::{
    Change, Config, DeregisterReason, Event, JournalError, JournalRecord, RegistrationId,
};

/// Noon of some day.
const NOON: u64 = 1_700_000_000;

fn wire() -> Wire {
    let mut config = Config::default();
    config.journal = true;
    let mut wire = Wire::new(config);
    wire.server.set_unix_time(wire.now, NOON);
    wire
}

/// Stores what the server wants to be stored, as bytes.
fn store(wire: &mut Wire, log: &mut Vec<Vec<u8>>) {
    let mut last = None;
    while let Some(record) = wire.server.poll_journal() {
        last = Some(record.sequence);
        log.push(record.to_bytes());
    }
    if let Some(last) = last {
        wire.server.stored(wire.now, last);
    }
}

fn records(log: &[Vec<u8>]) -> Vec<JournalRecord> {
    log.iter()
        .map(|bytes| JournalRecord::from_bytes(bytes).unwrap())
        .collect()
}

fn register<'a>(queries: &'a [&'a str]) -> Sent<'a> {
    Sent {
        queries,
        payload: OBJECTS.as_bytes(),
        ..Sent::default()
    }
}

const QUERIES: [&str; 5] = ["ep=dev", "lt=300", "lwm2m=1.1", "sms=1", "x"];

/// A registered device that observes /3/0/9; returns the token.
fn observing(wire: &mut Wire, log: &mut Vec<Vec<u8>>, peer: PeerId) -> (RegistrationId, Token) {
    wire.send(peer, &register(&QUERIES));
    store(wire, log);
    wire.output();
    let id = wire.server.find("dev").unwrap().id;
    let now = wire.now;
    let path = Path::resource(3, 0, 9);
    wire.server
        .device(id)
        .unwrap()
        .observe(now, path, None, "pmin=1")
        .unwrap();
    let request = wire.output().remove(0);
    let content = Sent {
        code: Code::CONTENT,
        observe: Some(7),
        ..Sent::default()
    };
    wire.answer(&request, &content);
    store(wire, log);
    (id, request.token)
}

#[test]
fn answers_to_register_and_deregister_wait_until_their_record_is_stored() {
    let mut wire = wire();
    let mut log = Vec::new();
    let peer = wire.peer(0, Identity::NoSec);
    assert_eq!(wire.send(peer, &register(&QUERIES)), []);
    // Nothing is asked of a device that doesn't know yet that it is registered.
    let id = wire.server.find("dev").unwrap().id;
    let now = wire.now;
    wire.server
        .device(id)
        .unwrap()
        .read(now, Path::object(3), None)
        .unwrap();
    assert_eq!(wire.output(), []);
    store(&mut wire, &mut log);
    let output = wire.output();
    assert_eq!((output[0].code, output[1].code), (Code::CREATED, Code::GET));
    // An Update is answered at once, and recorded.
    assert_eq!(wire.update(peer, id, &[]).code, Code::CHANGED);
    let path = format!("/rd/{id}");
    let leave = Sent {
        code: Code::DELETE,
        path: &path,
        ..Sent::default()
    };
    assert_eq!(wire.send(peer, &leave), []);
    store(&mut wire, &mut log);
    assert_eq!(wire.output()[0].code, Code::DELETED);
    let changes: Vec<_> = records(&log)
        .into_iter()
        .map(|r| (r.sequence, r.change))
        .collect();
    assert!(matches!(
        changes[..],
        [
            (1, Change::Registered(_)),
            (
                2,
                Change::Updated {
                    snapshot: None,
                    unix_time: Some(NOON),
                    ..
                }
            ),
            (3, Change::Removed { .. }),
        ]
    ));
}

#[test]
fn a_journal_that_is_not_stored_in_time_is_a_5_03() {
    let mut wire = wire();
    let peer = wire.peer(0, Identity::NoSec);
    wire.send(peer, &register(&QUERIES));
    let output = wire.wait(Duration::from_secs(30));
    let codes: Vec<_> = output.iter().map(|m| m.code).collect();
    assert_eq!(codes, [Code::EMPTY, Code::SERVICE_UNAVAILABLE]);
}

#[test]
fn a_journal_that_nobody_takes_refuses_new_devices() {
    let mut config = Config::default();
    config.journal = true;
    config.limits.journal = 2;
    let mut wire = Wire::new(config);
    let peer = wire.peer(0, Identity::NoSec);
    wire.send(peer, &register(&["ep=a", "lwm2m=1.1"]));
    wire.send(peer, &register(&["ep=b", "lwm2m=1.1"]));
    let refused = wire.send(peer, &register(&["ep=c", "lwm2m=1.1"]));
    assert_eq!(refused[0].code, Code::SERVICE_UNAVAILABLE);
}

#[test]
fn a_restored_server_knows_devices_and_observations() {
    let mut log = Vec::new();
    let mut before = wire();
    let peer = before.peer_at(0, 41_000, Identity::NoSec);
    let (id, token) = observing(&mut before, &mut log, peer);
    let old = before.registration(id).clone();

    let mut after = wire();
    let restored = after.server.restore(after.now, NOON + 100, records(&log));
    assert_eq!(
        (
            restored.registrations,
            restored.observations,
            restored.refused
        ),
        (1, 1, 0)
    );
    assert!(after.server.poll_journal().is_none());
    let registration = after.registration(id);
    assert_eq!(registration.endpoint, old.endpoint);
    assert_eq!(registration.objects, old.objects);
    assert_eq!(
        (&registration.sms, &registration.extra),
        (&old.sms, &old.extra)
    );
    assert_eq!(
        (registration.peer, registration.address),
        (None, old.address)
    );
    // A notification from the same address is accepted.
    let back = after.peer_at(5, 41_000, Identity::NoSec);
    let notification = Sent {
        code: Code::CONTENT,
        token,
        path: "",
        observe: Some(8),
        payload: b"50",
        ..Sent::default()
    };
    let ack = after.send(back, &notification);
    assert_eq!(ack[0].message_type, MessageType::Acknowledgement);
    let observation = after.server.observations(id).next().unwrap();
    let events = after.events();
    let [
        Event::Notification {
            observation: same,
            payload,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*same, payload.as_slice()), (observation, &b"50"[..]));
    assert_eq!(
        after.server.observation(observation).unwrap().attributes,
        "pmin=1"
    );
    // And one from elsewhere is not.
    let stranger = after.peer(6, Identity::NoSec);
    let reset = after.send(
        stranger,
        &Sent {
            observe: Some(9),
            ..notification
        },
    );
    assert_eq!(reset[0].message_type, MessageType::Reset);
    // New ids don't collide with restored ones.
    let now = after.now;
    let mut device = after.server.device(id).unwrap();
    device
        .observe(now, Path::resource(3, 0, 7), None, "")
        .unwrap();
    assert_eq!(after.server.observations(id).count(), 2);
}

#[test]
fn lifetimes_go_on_while_the_server_is_away() {
    let mut log = Vec::new();
    let mut before = wire();
    let peer = before.peer(0, Identity::NoSec);
    let (id, _) = observing(&mut before, &mut log, peer);
    before.wait(Duration::from_secs(200));
    before.update(peer, id, &[]);
    store(&mut before, &mut log);

    // 100 s after the Update, 200 s are left.
    let mut after = wire();
    after.server.restore(after.now, NOON + 300, records(&log));
    after.wait(Duration::from_secs(199));
    assert_eq!(after.server.len(), 1);
    after.wait(Duration::from_secs(1));
    assert!(after.server.is_empty());

    let mut late = wire();
    late.server.restore(late.now, NOON + 10_000, records(&log));
    assert_eq!(late.server.len(), 1);
    late.wait(Duration::ZERO);
    assert!(matches!(
        late.events().last(),
        Some(Event::Deregistered {
            reason: DeregisterReason::Expired,
            ..
        })
    ));
}

#[test]
fn what_ended_before_the_restart_stays_ended() {
    let mut log = Vec::new();
    let mut before = wire();
    let peer = before.peer(0, Identity::NoSec);
    let (id, _) = observing(&mut before, &mut log, peer);
    let observation = before.server.observations(id).next().unwrap();
    before.server.cancel_observation(before.now, observation);
    store(&mut before, &mut log);
    let mut after = wire();
    let restored = after.server.restore(after.now, NOON, records(&log));
    assert_eq!((restored.registrations, restored.observations), (1, 0));
    before.server.remove(before.now, id);
    store(&mut before, &mut log);
    let mut after = wire();
    let restored = after.server.restore(after.now, NOON, records(&log));
    assert_eq!((restored.registrations, restored.refused), (0, 0));
}

#[test]
fn a_restored_secured_device_keeps_its_requests_waiting_until_it_is_back() {
    let mut log = Vec::new();
    let mut before = wire();
    let peer = before.peer(0, Identity::Psk(b"dev"));
    let (id, _) = observing(&mut before, &mut log, peer);
    let mut after = wire();
    after.server.restore(after.now, NOON, records(&log));
    let now = after.now;
    after
        .server
        .device(id)
        .unwrap()
        .read(now, Path::object(3), None)
        .unwrap();
    assert_eq!(after.output(), []);
    let back = after.peer(3, Identity::Psk(b"dev"));
    let path = format!("/rd/{id}");
    let output = after.send(
        back,
        &Sent {
            path: &path,
            ..Sent::default()
        },
    );
    let codes: Vec<_> = output.iter().map(|m| m.code).collect();
    assert_eq!(codes, [Code::CHANGED, Code::GET]);
}

#[test]
fn damaged_records_are_named_by_the_byte_and_never_panic() {
    let mut log = Vec::new();
    let mut wire = wire();
    let peer = wire.peer(0, Identity::Psk(b"dev"));
    observing(&mut wire, &mut log, peer);
    for bytes in &log {
        for len in 0..bytes.len() {
            assert!(JournalRecord::from_bytes(&bytes[..len]).is_err());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let _ = JournalRecord::from_bytes(&damaged);
        }
        let mut longer = bytes.clone();
        longer.push(0);
        let offset = bytes.len();
        let expected = "the end";
        assert_eq!(
            JournalRecord::from_bytes(&longer),
            Err(JournalError::Malformed { offset, expected })
        );
        let mut newer = bytes.clone();
        newer[0] = 9;
        assert_eq!(
            JournalRecord::from_bytes(&newer),
            Err(JournalError::Version(9))
        );
    }
}
