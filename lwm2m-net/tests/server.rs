//! The async face of a server, against devices of the async face on loopback.

use std::{
    borrow::Cow,
    future::{Future, IntoFuture},
    sync::{Arc, Mutex},
    time::Duration,
};

use lwm2m_codec::{ContentFormat, Path, Version, coap::Code};
use lwm2m_model::{Field, ObjectDefinition, ObjectInstance, OwnedValue, objects};
use lwm2m_net::{
    Psk, SharedPsks, device,
    server::{
        Builder, Device, Event, Events, JournalStore, Record, RequestError, Server, StoreError,
    },
};
use lwm2m_server::{Change, Config, DeregisterReason, IdentityOwned, JournalRecord};
use tokio::time::timeout;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it came in time")
}

fn loopback() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

async fn started(builder: Builder) -> (Server, Events) {
    builder.start().await.expect("started")
}

/// A device with a temperature that has registered; the server's events up to there are gone.
async fn registered(server: &Server, events: &mut Events) -> (device::Device, Device) {
    let uri = format!("coap://{}", server.addresses().udp[0]);
    let thing = objects::Device {
        manufacturer: Some("Acme".into()),
        ..Default::default()
    };
    let temperature = objects::Temperature {
        sensor_value: 21.5,
        ..Default::default()
    };
    let (device, _) = device::Device::builder("dev1")
        .server(1, uri, device::Keys::None, 300)
        .object(thing)
        .object(temperature)
        .start()
        .await
        .expect("started");
    match soon(events.next()).await {
        Some(Event::Registered { device: seen, .. }) => (device, seen),
        other => panic!("{other:?} instead of a registration"),
    }
}

async fn pair() -> (Server, Events, device::Device, Device) {
    let (server, mut events) = started(Server::builder().coap(loopback())).await;
    let (device, seen) = registered(&server, &mut events).await;
    (server, events, device, seen)
}

#[tokio::test]
async fn an_instance_is_read_into_a_struct_and_a_value_by_its_path() {
    let (_server, _events, _device, seen) = pair().await;
    let thing: objects::Device = soon(seen.read_as(0)).await.unwrap();
    assert_eq!(thing.manufacturer.as_deref(), Some("Acme"));
    let answer = soon(seen.read("/3303/0/5700").into_future()).await.unwrap();
    assert_eq!(answer.value(), Some(&OwnedValue::Float(21.5)));
    assert_eq!(answer.code, Code::CONTENT);
    assert!(answer.bytes_sent > 4 && answer.bytes_received > 4);
    let tlv = seen.read("/3303/0").format(ContentFormat::TLV);
    let answer = soon(tlv.into_future()).await.unwrap();
    assert_eq!(answer.format, Some(ContentFormat::TLV));
    let path = Path::resource(3303, 0, 5700);
    assert_eq!(answer.value_at(path), Some(&OwnedValue::Float(21.5)));
}

/// A thermometer of version 2.0, where ids may mean something else than in 1.1.
#[derive(Debug, Clone, Default, PartialEq)]
struct Newer;

static NEWER: ObjectDefinition = ObjectDefinition {
    id: 3303,
    name: NOTHING,
    description: NOTHING,
    urn: NOTHING,
    version: Version::new(2, 0),
    lwm2m_version: Version::V1_0,
    multiple: true,
    mandatory: false,
    resources: Cow::Borrowed(&[]),
};

const NOTHING: Cow<'static, str> = Cow::Borrowed("");

impl ObjectInstance for Newer {
    const DEFINITION: &'static ObjectDefinition = &NEWER;

    fn field(&self, _: u16) -> Option<&dyn Field> {
        None
    }

    fn field_mut(&mut self, _: u16) -> Option<&mut dyn Field> {
        None
    }
}

#[tokio::test]
async fn a_struct_of_another_major_version_reads_nothing() {
    let (_server, _events, _device, seen) = pair().await;
    let reading = soon(seen.reading_as::<objects::Temperature>(0))
        .await
        .unwrap();
    assert!(reading.is_complete(), "{reading:?}");
    let refused = soon(seen.reading_as::<Newer>(0)).await.unwrap_err();
    let versions = "the device has version 1.1 of object 3303, and the struct is of 2.0";
    assert_eq!(refused.to_string(), versions);
}

#[tokio::test]
async fn a_write_takes_the_type_of_the_definition_and_a_refusal_is_an_error() {
    let (_server, _events, device, seen) = pair().await;
    soon(seen.write("/3/0/14", "+02:00").into_future())
        .await
        .unwrap();
    let written = device.read(Path::resource(3, 0, 14)).await.unwrap();
    assert_eq!(written, OwnedValue::from("+02:00"));
    let records = vec![Record::new(Path::resource(1, 0, 1), 600_i64)];
    soon(seen.update("/1/0", records).into_future())
        .await
        .unwrap();
    let written = device.read(Path::resource(1, 0, 1)).await.unwrap();
    assert_eq!(written.as_value().as_f64(), Some(600.0));

    let refused = soon(seen.write("/3/0/0", "Other").into_future()).await;
    let Err(RequestError::Refused(answer)) = refused else {
        panic!("{refused:?} instead of a refusal");
    };
    assert_eq!(answer.code, Code::METHOD_NOT_ALLOWED);
    let nothing = soon(seen.read("/3/9").into_future()).await;
    assert!(matches!(nothing, Err(RequestError::Refused(a)) if a.code == Code::NOT_FOUND));
}

#[tokio::test]
async fn what_can_not_be_sent_is_an_error_at_once() {
    let (server, _events, _device, seen) = pair().await;
    let wrong = seen.read("/3/x").await;
    assert!(matches!(wrong, Err(RequestError::Path(_))), "{wrong:?}");
    let wrong = seen.read("/").await;
    assert!(matches!(wrong, Err(RequestError::Invalid(_))), "{wrong:?}");
    let unknown = server.device("nobody").read("/3/0").await;
    assert_eq!(unknown, Err(RequestError::NotRegistered));
    server.shutdown().await;
    assert_eq!(seen.read("/3/0").await, Err(RequestError::Closed));
}

#[tokio::test]
async fn an_observation_streams_what_the_device_reports_until_it_is_dropped() {
    let (_server, mut events, device, seen) = pair().await;
    let mut readings = soon(seen.observe("/3303/0/5700").into_future())
        .await
        .unwrap();
    assert_eq!(readings.first().value(), Some(&OwnedValue::Float(21.5)));
    let set = |value| device.set::<objects::Temperature>(0, move |t| t.sensor_value = value);
    set(22.0).await.unwrap();
    let reading = soon(readings.next()).await.unwrap();
    assert_eq!(reading.value(), Some(&OwnedValue::Float(22.0)));
    drop(readings);
    // The device hears of it by the Reset to its next notification.
    set(23.0).await.unwrap();
    let event = async {
        while device
            .call(|client, _| client.observation_count())
            .await
            .unwrap()
            > 0
        {
            tokio::task::yield_now().await;
        }
    };
    soon(event).await;
    assert_eq!(seen.observations().await, Ok(Vec::new()));
    drop(device);
    let next = timeout(Duration::ZERO, events.next()).await;
    assert!(next.is_err(), "{next:?} is an event");
}

#[tokio::test]
async fn a_struct_is_written_updated_created_and_observed() {
    let (_server, _events, device, seen) = pair().await;
    let mut readings = soon(seen.observe_as::<objects::Temperature>(0).into_future())
        .await
        .unwrap();
    assert_eq!(readings.first().value.sensor_value, 21.5);
    let set = device.set::<objects::Temperature>(0, |t| t.sensor_value = 22.0);
    set.await.unwrap();
    let reading = soon(readings.next()).await.unwrap().unwrap();
    assert_eq!(reading.value.sensor_value, 22.0);
    assert!(reading.is_complete(), "{reading:?}");
    let last = soon(readings.stop()).await.unwrap();
    assert_eq!(last.code, Code::CONTENT);

    let offset = |text: Option<&str>| objects::Device {
        manufacturer: Some("not ours to write".into()),
        timezone: Some("Europe/Berlin".into()),
        utc_offset: text.map(Into::into),
        ..Default::default()
    };
    soon(seen.write_as(0, &offset(Some("+02:00"))))
        .await
        .unwrap();
    soon(seen.update_as(0, &offset(None))).await.unwrap();
    let thing: objects::Device = soon(seen.read_as(0)).await.unwrap();
    assert_eq!(thing.utc_offset.as_deref(), Some("+02:00"));
    assert_eq!(thing.manufacturer.as_deref(), Some("Acme"));
    soon(seen.write_as(0, &offset(None))).await.unwrap();
    let thing: objects::Device = soon(seen.read_as(0)).await.unwrap();
    assert_eq!(thing.utc_offset, None, "a Write replaces");

    let second = objects::Temperature {
        application_type: Some("cellar".into()),
        ..Default::default()
    };
    let created = soon(seen.create_as(Some(5), &second)).await.unwrap();
    assert_eq!(created.code, Code::CREATED);
    let read: objects::Temperature = soon(seen.read_as(5)).await.unwrap();
    assert_eq!(read.application_type.as_deref(), Some("cellar"));
    let chosen = soon(seen.create_as(None, &second)).await.unwrap();
    assert_eq!(chosen.location, Some(Path::instance(3303, 1)));

    let refused = soon(seen.observe_as::<Newer>(0).into_future()).await;
    assert!(matches!(refused, Err(RequestError::Version { .. })));
    let refused = soon(seen.write_as(0, &Newer)).await;
    assert!(matches!(refused, Err(RequestError::Version { .. })));
}

#[tokio::test]
async fn other_definitions_apply_at_once_and_registrations_stay() {
    let (server, _events, _device, seen) = pair().await;
    let mut thermometer = ObjectDefinition::clone(objects::Temperature::DEFINITION);
    let resources = thermometer.resources.to_mut();
    let value = resources.iter_mut().find(|r| r.id == 5700).unwrap();
    value.data_type = Some(lwm2m_codec::Type::Opaque);
    let before = server.registry();
    let mut registry = lwm2m_model::Registry::clone(&before);
    registry.insert(thermometer);
    server.replace_registry(registry);
    // TLV has no types: the four bytes of the float are now what they are.
    let tlv = seen.read("/3303/0/5700").format(ContentFormat::TLV);
    let answer = soon(tlv.into_future()).await.unwrap();
    assert_eq!(
        answer.value(),
        Some(&OwnedValue::Opaque(21.5_f32.to_be_bytes().to_vec()))
    );
    server.replace_registry(before);
    let answer = soon(seen.read("/3303/0/5700").into_future()).await.unwrap();
    assert_eq!(answer.value(), Some(&OwnedValue::Float(21.5)));
}

#[tokio::test]
async fn an_observation_by_events_lives_until_it_is_stopped() {
    let (_server, mut events, device, seen) = pair().await;
    let answer = soon(seen.observe("/3303/0/5700").as_events().into_future())
        .await
        .unwrap();
    let id = answer.observation.expect("the device observes");
    let set = device.set::<objects::Temperature>(0, |t| t.sensor_value = -4.0);
    set.await.unwrap();
    match soon(events.next()).await {
        Some(Event::Notification {
            device,
            notification,
        }) => {
            assert_eq!(device.endpoint(), "dev1");
            assert_eq!(notification.observation, id);
            assert_eq!(notification.value(), Some(&OwnedValue::Float(-4.0)));
        }
        other => panic!("{other:?} instead of a notification"),
    }
    let last = soon(seen.stop_observing(id)).await.unwrap();
    assert_eq!(last.value(), Some(&OwnedValue::Float(-4.0)));
    let count = device
        .call(|client, _| client.observation_count())
        .await
        .unwrap();
    assert_eq!(count, 0);
    assert_eq!(seen.observations().await, Ok(Vec::new()));
}

#[tokio::test]
async fn create_discover_execute_and_delete_reach_the_device() {
    let (_server, _events, device, seen) = pair().await;
    let any = u16::MAX;
    let values = vec![Record::new(Path::resource(3303, any, 5750), "oven")];
    let created = soon(seen.create(3303, values).into_future()).await.unwrap();
    assert_eq!(created.location, Some(Path::instance(3303, 1)));
    let read = device.read(Path::resource(3303, 1, 5750)).await;
    assert_eq!(read.unwrap(), OwnedValue::from("oven"));

    soon(seen.write_attributes("/3303/1", "pmin=5").into_future())
        .await
        .unwrap();
    let found = soon(seen.discover("/3303/1").into_future()).await.unwrap();
    let first = found.links().next().unwrap().unwrap();
    assert_eq!(first.path(), Some(Path::instance(3303, 1)));
    assert_eq!(first.param("pmin").unwrap(), "5");

    let refused = soon(seen.execute("/3303/0/5700", "").into_future()).await;
    assert!(
        matches!(refused, Err(RequestError::Refused(_))),
        "{refused:?}"
    );
    soon(seen.delete("/3303/1").into_future()).await.unwrap();
    assert!(device.read(Path::resource(3303, 1, 5750)).await.is_err());
}

#[tokio::test]
async fn composite_operations_reach_the_device() {
    let (_server, _events, device, seen) = pair().await;
    let paths = ["/3/0/0", "/3303/0/5700"];
    let answer = soon(seen.read_composite(paths).into_future())
        .await
        .unwrap();
    assert_eq!(
        answer.value_at(Path::resource(3, 0, 0)),
        Some(&"Acme".into())
    );
    let mut both = soon(seen.observe_composite(paths).into_future())
        .await
        .unwrap();
    assert_eq!(both.first().records.len(), 2);
    let set = device.set::<objects::Temperature>(0, |t| t.sensor_value = 9.0);
    set.await.unwrap();
    let reading = soon(both.next()).await.unwrap();
    assert_eq!(reading.paths.len(), 2);
    soon(both.stop()).await.unwrap();
    let values = vec![
        Record::new(Path::resource(3, 0, 14), "+03:00"),
        Record::new(Path::resource(1, 0, 2), 1_i64),
    ];
    soon(seen.write_composite(values).into_future())
        .await
        .unwrap();
    let read = device.read(Path::resource(3, 0, 14)).await.unwrap();
    assert_eq!(read, OwnedValue::from("+03:00"));
}

#[tokio::test]
async fn a_request_that_is_dropped_or_late_leaves_room_for_the_next() {
    let config = |config: &mut Config| config.limits.requests_per_device = 1;
    let mut limited = Config::default();
    config(&mut limited);
    let builder = Server::builder().coap(loopback()).config(limited);
    let (server, mut events) = started(builder).await;
    let (device, seen) = registered(&server, &mut events).await;
    // A device without a driver is silent.
    drop(device);
    let late = seen.read("/3/0").timeout(Duration::from_millis(10));
    let result = soon(late.into_future()).await;
    assert_eq!(
        result,
        Err(RequestError::Timeout(Duration::from_millis(10)))
    );
    for _ in 0..3 {
        let request = seen.read("/3/0").into_future();
        assert!(timeout(Duration::from_millis(10), request).await.is_err());
    }
    let counters = server.counters().await.unwrap();
    assert_eq!(counters.overflows, 0);
}

#[tokio::test]
async fn a_device_leaves_with_an_event_and_is_then_not_registered() {
    let (server, mut events, device, seen) = pair().await;
    assert_eq!(server.registrations().await.unwrap().len(), 1);
    device.stop(PATIENCE).await.unwrap();
    match soon(events.next()).await {
        Some(Event::Deregistered {
            registration,
            reason,
        }) => {
            assert_eq!(registration.endpoint, "dev1");
            assert_eq!(reason, DeregisterReason::Device);
        }
        other => panic!("{other:?} instead of the end"),
    }
    assert_eq!(seen.read("/3/0").await, Err(RequestError::NotRegistered));
}

#[tokio::test]
async fn the_application_decides_who_registers() {
    let mut config = Config::default();
    config.decide_register = true;
    let builder = Server::builder().coap(loopback()).config(config);
    let (server, mut events) = started(builder).await;
    let uri = format!("coap://{}", server.addresses().udp[0]);
    let device = |name: &str| {
        let builder = device::Device::builder(name).object(objects::Device::default());
        builder
            .server(1, uri.clone(), device::Keys::None, 300)
            .start()
    };
    let _one = device("one").await.unwrap();
    let Some(Event::RegisterRequested(request)) = soon(events.next()).await else {
        panic!("nobody asked");
    };
    assert_eq!(request.registration().endpoint, "one");
    request.reject(Code::FORBIDDEN).await.unwrap();
    assert!(matches!(
        soon(events.next()).await,
        Some(Event::Refused { .. })
    ));
    let _two = device("two").await.unwrap();
    let Some(Event::RegisterRequested(request)) = soon(events.next()).await else {
        panic!("nobody asked");
    };
    request.accept().await.unwrap();
    assert!(matches!(
        soon(events.next()).await,
        Some(Event::Registered { .. })
    ));
}

#[tokio::test]
async fn a_name_belongs_to_the_identity_that_it_was_given_to() {
    let keys: SharedPsks = [("id", Psk::new(*b"0123456789abcdef"))]
        .into_iter()
        .collect();
    let builder = Server::builder()
        .coaps(loopback(), keys)
        .allow("dev1", IdentityOwned::Psk((*b"id").into()));
    let (server, mut events) = started(builder).await;
    let uri = format!("coaps://{}", server.addresses().dtls[0]);
    let device = |name: &str| {
        let keys = ("id", *b"0123456789abcdef");
        let builder = device::Device::builder(name).object(objects::Device::default());
        builder.server(1, uri.clone(), keys, 300).start()
    };
    let _other = device("dev2").await.unwrap();
    match soon(events.next()).await {
        Some(Event::Refused {
            endpoint, address, ..
        }) => {
            assert_eq!(endpoint.as_deref(), Some("dev2"));
            assert!(address.is_some());
        }
        other => panic!("{other:?} instead of a refusal"),
    }
    let _own = device("dev1").await.unwrap();
    assert!(matches!(
        soon(events.next()).await,
        Some(Event::Registered { .. })
    ));
}

/// A store in memory that fails as often as a test wants.
#[derive(Clone, Default)]
struct Memory {
    records: Arc<Mutex<Vec<JournalRecord>>>,
    failures: Arc<Mutex<u32>>,
}

impl JournalStore for Memory {
    fn load(&mut self) -> Result<Vec<JournalRecord>, StoreError> {
        Ok(self.records.lock().unwrap().clone())
    }

    fn commit(&mut self, records: &[JournalRecord]) -> Result<(), StoreError> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(StoreError::new("disk full"));
        }
        self.records.lock().unwrap().extend_from_slice(records);
        Ok(())
    }
}

#[tokio::test]
async fn a_registration_outlives_the_server_that_stored_it() {
    let store = Memory::default();
    let builder = || Server::builder().coap(loopback()).journal(store.clone());
    let (server, mut events) = started(builder()).await;
    let (_device, seen) = registered(&server, &mut events).await;
    soon(seen.observe("/3303/0/5700").as_events().into_future())
        .await
        .unwrap();
    server.shutdown().await;
    let changes: Vec<_> = store.records.lock().unwrap().clone();
    assert!(matches!(changes[0].change, Change::Registered(_)));
    assert!(matches!(changes[1].change, Change::Observed(_)));
    assert!(changes.is_sorted_by_key(|record| record.sequence));

    let (server, _events) = started(builder()).await;
    let registrations = server.registrations().await.unwrap();
    assert_eq!(registrations[0].endpoint, "dev1");
    let observations = server.device("dev1").observations().await.unwrap();
    assert_eq!(observations[0].1.paths, [Path::resource(3303, 0, 5700)]);
}

#[tokio::test]
async fn a_store_that_fails_is_told_of_and_tried_again() {
    let store = Memory::default();
    *store.failures.lock().unwrap() = 1;
    let builder = Server::builder().coap(loopback()).journal(store.clone());
    let (server, mut events) = started(builder).await;
    let (device, _) = registered(&server, &mut events).await;
    match soon(events.next()).await {
        Some(Event::StoreFailed(error)) => assert_eq!(error.to_string(), "disk full"),
        other => panic!("{other:?} instead of the failure"),
    }
    // The device has its answer as soon as the record is stored.
    let registered = async {
        while device.registered_servers().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon(registered).await;
    assert_eq!(store.records.lock().unwrap().len(), 1);
}
