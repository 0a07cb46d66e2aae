//! Whatever arrives, the server goes on.

mod common;

use common::{OBJECTS, Sent, Wire};
use lwm2m_coap::{Duration, Engine, Identity, Input, Rng};
use lwm2m_codec::{ContentFormat, Path, coap::Code};
use lwm2m_server::Config;

/// Valid messages to damage: Register, Update, Send, a notification.
fn templates(wire: &mut Wire) -> Vec<Vec<u8>> {
    let location = wire.server.find("dev").unwrap().id;
    let path = format!("/rd/{location}");
    let link = Some(ContentFormat::LINK);
    let queries = [
        "ep=dev",
        "lt=60",
        "lwm2m=1.1",
        "b=UQ",
        "sms=1",
        "pid=\"a,b\"",
        "x",
    ];
    let register = Sent {
        queries: &queries,
        format: link,
        payload: br#"</l>;rt="oma.lwm2m";ct="110 112",</l/1/0>,</l/3/0>;ver=1.1"#,
        ..Sent::default()
    };
    let update = Sent {
        path: &path,
        queries: &["lt=20"],
        format: link,
        payload: OBJECTS.as_bytes(),
        ..Sent::default()
    };
    let send = Sent {
        path: "/dp",
        format: Some(ContentFormat::SENML_JSON),
        payload: br#"[{"bn":"/3/0/","n":"9","v":1}]"#,
        ..Sent::default()
    };
    let notification = Sent {
        code: Code::CONTENT,
        observe: Some(3),
        path: "",
        payload: b"1",
        ..Sent::default()
    };
    [register, update, send, notification]
        .iter()
        .map(Sent::bytes)
        .collect()
}

#[test]
fn damaged_and_random_messages_never_stop_the_server() {
    let mut config = Config::default();
    config.journal = true;
    let mut wire = Wire::new(config);
    let peers = [
        wire.peer(0, Identity::NoSec),
        wire.peer(1, Identity::Psk(b"dev")),
        wire.peer(2, Identity::NoSec),
    ];
    let register = Sent {
        queries: &["ep=dev", "lt=60", "lwm2m=1.1"],
        payload: OBJECTS.as_bytes(),
        ..Sent::default()
    };
    wire.send(peers[1], &register);
    let mut rng = Rng::new(1);
    for round in 0..20_000u32 {
        if round % 50 == 0 {
            while let Some(record) = wire.server.poll_journal() {
                wire.server.stored(wire.now, record.sequence);
            }
            let now = wire.now;
            let id = wire.server.find("dev").unwrap().id;
            let mut device = wire.server.device(id).unwrap();
            let _ = device.observe(now, Path::resource(3, 0, 9), None, "");
            let _ = device.read(now, Path::object(3), None);
        }
        let templates = templates(&mut wire);
        let mut bytes = templates[rng.below(4) as usize].clone();
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            match rng.below(3) {
                0 => bytes[at] = rng.next_u32() as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, rng.next_u32() as u8),
            }
        }
        let peer = peers[rng.below(3) as usize];
        let data = &bytes;
        wire.server
            .handle_input(wire.now, Input::Message { peer, data });
        wire.output();
        wire.events();
        wire.closed();
        if round % 7 == 0 {
            wire.wait(Duration::from_millis(rng.below(2_000)));
        }
        // A damaged message may have used the next Message ID: then this is a duplicate.
        for _ in 0..10 {
            if wire.server.find("dev").is_none() {
                wire.send(peers[1], &register);
            }
        }
    }
    let coap = wire.server.coap_counters();
    assert!(coap.malformed > 100 && coap.received > 15_000, "{coap:?}");
    // It still serves.
    while let Some(record) = wire.server.poll_journal() {
        wire.server.stored(wire.now, record.sequence);
    }
    wire.output();
    let fresh = wire.peer(9, Identity::NoSec);
    wire.send(
        fresh,
        &Sent {
            queries: &["ep=other", "lwm2m=1.1"],
            ..register
        },
    );
    assert!(wire.server.find("other").is_some());
}
