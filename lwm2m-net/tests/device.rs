//! The async face of a device, with a server of this crate, over real sockets.

use std::time::Duration;

use lwm2m_codec::{Path, Version, coap::Code};
use lwm2m_model::{
    Dynamic, Failure, Outcome, OwnedValue, Registry, Ticket, Typed,
    objects::{self, Temperature},
};
use lwm2m_net::{
    Psk, SharedPsks,
    device::{Builder, Device, Event, Events, Failed, Operation, SendError, SetError, StartError},
    server::{self, RequestError, Server},
};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
const KEY: [u8; 16] = *b"0123456789abcdef";
const SENSOR: Path = Path::resource(3303, 0, 5700);

fn about() -> objects::Device {
    objects::Device {
        manufacturer: Some("Acme".into()),
        ..Default::default()
    }
}

fn sensor() -> Temperature {
    Temperature {
        sensor_value: 21.5,
        ..Default::default()
    }
}

fn described(endpoint: &str) -> Builder {
    Device::builder(endpoint).object(about()).object(sensor())
}

async fn server() -> (Server, server::Events, String) {
    let started = Server::builder()
        .coap("127.0.0.1:0".parse().unwrap())
        .start()
        .await
        .unwrap();
    let uri = format!("coap://{}", started.0.addresses().udp[0]);
    (started.0, started.1, uri)
}

/// Waits for an event of the device that is wanted.
async fn event(events: &mut Events, mut wanted: impl FnMut(&Event) -> bool) -> Event {
    let found = async {
        loop {
            let event = events.next().await.expect("the device runs");
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .expect("an event")
}

async fn registered(events: &mut Events) -> Event {
    event(events, |event| matches!(event, Event::Registered { .. })).await
}

#[tokio::test]
async fn a_change_reaches_whoever_observes_it() {
    let (server, _events, uri) = server().await;
    let (device, mut events) = described("dev")
        .server(1, uri, (), 300)
        .start()
        .await
        .unwrap();
    registered(&mut events).await;
    let mut readings = server.device("dev").observe("/3303/0/5700").await.unwrap();
    assert_eq!(readings.first().value(), Some(&OwnedValue::Float(21.5)));
    device
        .set::<Temperature>(0, |t| t.sensor_value = 22.5)
        .await
        .unwrap();
    let reading = readings.next().await.unwrap();
    assert_eq!(reading.value(), Some(&OwnedValue::Float(22.5)));
    device.write(SENSOR, 23.5).await.unwrap();
    assert_eq!(
        readings.next().await.unwrap().value(),
        Some(&OwnedValue::Float(23.5))
    );
    assert_eq!(
        device.get::<Temperature>(0).await.unwrap().sensor_value,
        23.5
    );
    assert_eq!(device.read(SENSOR).await, Ok(OwnedValue::Float(23.5)));
}

#[tokio::test]
async fn a_write_of_the_server_is_an_event() {
    let (server, _events, uri) = server().await;
    let (device, mut events) = described("dev")
        .server(1, uri, (), 300)
        .start()
        .await
        .unwrap();
    registered(&mut events).await;
    server
        .device("dev")
        .write("/3/0/15", "Europe/Berlin")
        .await
        .unwrap();
    let path = Path::resource(3, 0, 15);
    let changed = event(&mut events, |event| matches!(event, Event::Changed { .. })).await;
    assert_eq!(
        changed,
        Event::Changed {
            server: 1,
            path,
            operation: Operation::Write
        }
    );
    let about: objects::Device = device.get(0).await.unwrap();
    assert_eq!(about.timezone.as_deref(), Some("Europe/Berlin"));
}

#[tokio::test]
async fn values_are_sent_unasked_and_the_answer_is_an_event() {
    let (_server, mut server_events, uri) = server().await;
    let (device, mut events) = described("dev")
        .server(1, uri, (), 300)
        .start()
        .await
        .unwrap();
    assert_eq!(
        device.send(&["/3303/0/5700"]).await,
        Err(SendError::NotRegistered)
    );
    registered(&mut events).await;
    device.send(&["/3303/0/5700"]).await.unwrap();
    let sent = event(&mut events, |event| matches!(event, Event::Sent { .. })).await;
    assert_eq!(
        sent,
        Event::Sent {
            server: 1,
            result: Ok(())
        }
    );
    let values = loop {
        if let server::Event::Send { records, .. } = server_events.next().await.unwrap() {
            break records;
        }
    };
    assert_eq!(values[0].value, Some(OwnedValue::Float(21.5)));
    assert!(matches!(
        device.send(&["/3303/x"]).await,
        Err(SendError::Path(_))
    ));
}

#[tokio::test]
async fn an_execution_may_be_answered_later() {
    let (server, _events, uri) = server().await;
    let (tickets, mut asked) = tokio::sync::mpsc::unbounded_channel::<Ticket>();
    let about = Typed::new()
        .with(0, about())
        .on_execute(move |_, _, ticket| {
            tickets.send(ticket).unwrap();
            Outcome::Later
        });
    let described = Device::builder("dev").object(about).server(1, uri, (), 300);
    let (device, mut events) = described.start().await.unwrap();
    registered(&mut events).await;
    for (answer, code) in [
        (Ok(()), Code::CHANGED),
        (
            Err(Failure::not_allowed(Path::resource(3, 0, 4))),
            Code::METHOD_NOT_ALLOWED,
        ),
    ] {
        let server = server.clone();
        let execute = tokio::spawn(async move { server.device("dev").execute("/3/0/4", "").await });
        let ticket = asked.recv().await.unwrap();
        assert_eq!(device.answer(ticket, answer.clone()).await, Ok(true));
        assert_eq!(
            device.answer(ticket, answer).await,
            Ok(false),
            "once is enough"
        );
        let got = match execute.await.unwrap() {
            Ok(answer) => answer.code,
            Err(RequestError::Refused(answer)) => answer.code,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(got, code);
    }
}

#[tokio::test]
async fn stop_waits_for_the_answer_to_the_farewell() {
    let (server, _events, uri) = server().await;
    let (device, mut events) = described("dev")
        .server(1, uri, (), 300)
        .start()
        .await
        .unwrap();
    registered(&mut events).await;
    assert_eq!(server.registrations().await.unwrap().len(), 1);
    let other = device.clone();
    device.stop(PATIENCE).await.unwrap();
    assert_eq!(server.registrations().await.unwrap().len(), 0);
    event(&mut events, |event| {
        *event == Event::Deregistered { server: 1 }
    })
    .await;
    assert!(events.next().await.is_none(), "the device has ended");
    let set = other.set::<Temperature>(0, |_| ()).await;
    assert!(matches!(set, Err(SetError::Closed(_))));
}

#[tokio::test]
async fn a_restart_registers_anew() {
    let (_server, _events, uri) = server().await;
    let (device, mut events) = described("dev")
        .server(1, uri, (), 300)
        .start()
        .await
        .unwrap();
    let first = registered(&mut events).await;
    device.restart(PATIENCE).await.unwrap();
    event(&mut events, |event| {
        *event == Event::Deregistered { server: 1 }
    })
    .await;
    let second = registered(&mut events).await;
    assert_ne!(first, second, "the location is another one");
    device.update().await.unwrap();
    event(&mut events, |event| *event == Event::Updated { server: 1 }).await;
}

#[tokio::test]
async fn a_key_secures_the_registration() {
    let keys: SharedPsks = [("dev", Psk::new(KEY))].into_iter().collect();
    let address = "127.0.0.1:0".parse().unwrap();
    let (server, _events) = Server::builder()
        .coaps(address, keys)
        .start()
        .await
        .unwrap();
    let uri = format!("coaps://{}", server.addresses().dtls[0]);
    let right = described("dev").server(1, uri.clone(), ("dev", KEY), 300);
    let (_device, mut events) = right.versions([Version::V1_1]).start().await.unwrap();
    let Event::Registered { version, .. } = registered(&mut events).await else {
        unreachable!()
    };
    assert_eq!(version, Version::V1_1);

    let wrong = described("dev").server(1, uri, ("dev", *b"another key 1234"), 300);
    let (_device, mut events) = wrong.start().await.unwrap();
    let failed = event(&mut events, |event| {
        matches!(event, Event::RegistrationFailed { .. })
    })
    .await;
    let Event::RegistrationFailed { reason, .. } = failed else {
        unreachable!()
    };
    assert!(matches!(reason, Failed::Connect(_)), "{reason}");
}

#[tokio::test]
async fn objects_can_be_instances_whole_or_dynamic() {
    let (server, _events, uri) = server().await;
    let mut definition = Registry::core().latest(3303).unwrap().as_ref().clone();
    definition.id = 3300;
    let mut generic = Dynamic::new(definition.into());
    generic.insert(4);
    generic.set("/3300/4/5700".parse().unwrap(), 1.5).unwrap();
    let described = described("dev")
        .object(sensor())
        .object(generic)
        .server(1, uri, (), 300);
    let (_device, mut events) = described.start().await.unwrap();
    registered(&mut events).await;
    let registration = server.device("dev").registration().await.unwrap().unwrap();
    assert!(registration.objects.instances(3303).eq([0, 1]));
    assert!(registration.objects.instances(3300).eq([4]));
}

#[tokio::test]
async fn what_can_not_work_does_not_start() {
    let start = async |builder: Builder| builder.start().await.map(|_| ()).unwrap_err();
    assert_eq!(start(described("dev")).await, StartError::NoAccount);
    let bare = Device::builder("dev").server(1, "coap://127.0.0.1", (), 60);
    assert_eq!(start(bare).await, StartError::DeviceMissing);
    let long = described("dev").server(1, "coap://127.0.0.1", (), u64::MAX);
    assert_eq!(start(long).await, StartError::Lifetime(u64::MAX));
    for (uri, keys) in [("http://h", ()), ("coaps://h", ())] {
        let error = start(described("dev").server(1, uri, keys, 60)).await;
        assert!(matches!(error, StartError::Accounts(_)), "{error}");
    }
    let twice = described("dev")
        .server(1, "coap://a", (), 60)
        .server(1, "coap://b", (), 60);
    assert!(matches!(start(twice).await, StartError::Accounts(_)));
    let mixed = Device::builder("dev")
        .object(Dynamic::new(Registry::core().latest(3303).unwrap().clone()))
        .object(sensor());
    assert_eq!(start(mixed).await, StartError::NotTyped(3303));
}
