//! A device's tree, and requests to it.
#![allow(dead_code, unreachable_pub)]

pub mod device;
pub mod run;

use std::collections::BTreeMap;

use lwm2m_bootstrap::device::{Progress, Provisioning};
use lwm2m_coap::Draft;
use lwm2m_codec::{
    ContentFormat, Encoder, Path, Record, Type, Value, Version,
    coap::{Code, Message, MessageId, MessageType, MessageWriter, OptionNumber, Token},
};
use lwm2m_model::{
    Constraint, Dynamic, ObjectDefinition, Operations, OwnedValue, ResourceDefinition, Tree, Typed,
    objects::{AccessControl, Device, Security, Server, Temperature},
};

pub const MAX_BODY: usize = 16 * 1024;

/// Security instance of the bootstrap server.
pub const BOOTSTRAP: u16 = 7;

pub fn path(text: &str) -> Path {
    text.parse().unwrap()
}

/// Security instance of a server with a pre-shared key.
pub fn security(ssid: i64) -> Security {
    Security {
        lwm2m_server_uri: "coaps://server.example".into(),
        security_mode: 0,
        public_key_or_identity: b"dev1".to_vec(),
        secret_key: vec![0x11; 16].into(),
        short_server_id: Some(ssid),
        ..Security::default()
    }
}

pub fn bootstrap_security() -> Security {
    Security {
        lwm2m_server_uri: "coap://bs.example".into(),
        bootstrap_server: true,
        security_mode: 3,
        client_hold_off_time: Some(2),
        ..Security::default()
    }
}

pub fn server(ssid: i64) -> Server {
    Server {
        short_server_id: ssid,
        lifetime: 300,
        binding: "U".into(),
        ..Server::default()
    }
}

fn bootstrap_only(id: u16, mandatory: bool, data_type: Type) -> ResourceDefinition {
    ResourceDefinition {
        id,
        name: "".into(),
        description: "".into(),
        operations: Operations::NONE,
        multiple: false,
        mandatory,
        data_type: Some(data_type),
        constraint: Constraint::None,
        range: "".into(),
        units: "".into(),
    }
}

/// Object 21, cut to its mandatory resources.
pub fn oscore() -> Dynamic {
    Dynamic::new(
        ObjectDefinition {
            id: 21,
            name: "OSCORE".into(),
            description: "".into(),
            urn: "urn:oma:lwm2m:oma:21:2.0".into(),
            version: Version::new(2, 0),
            lwm2m_version: Version::V1_1,
            multiple: true,
            mandatory: false,
            resources: vec![
                bootstrap_only(0, true, Type::Opaque),
                bootstrap_only(1, true, Type::Opaque),
                bootstrap_only(2, true, Type::Opaque),
            ]
            .into(),
        }
        .into(),
    )
}

/// A device that knows its bootstrap server only.
pub fn factory_tree() -> Tree {
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(BOOTSTRAP, bootstrap_security()));
    tree.insert(Typed::<Server>::new());
    tree.insert(Typed::<AccessControl>::new());
    let device = Device {
        manufacturer: Some("Acme".into()),
        supported_binding_and_modes: "U".into(),
        ..Device::default()
    };
    tree.insert(Typed::new().with(0, device));
    tree.insert(oscore());
    let sensor = Temperature {
        sensor_value: 21.5,
        ..Temperature::default()
    };
    tree.insert(Typed::new().with(0, sensor));
    tree
}

/// A device that has the account of server 1.
pub fn provisioned_tree() -> Tree {
    let mut tree = factory_tree();
    let securities = tree.typed_mut::<Security>().unwrap();
    securities.insert(0, security(1));
    tree.typed_mut::<Server>().unwrap().insert(0, server(1));
    tree
}

/// Everything in a tree, keys included.
pub fn snapshot(tree: &Tree) -> BTreeMap<Path, Option<OwnedValue>> {
    let mut all = BTreeMap::new();
    let _ = tree
        .visit(Path::ROOT, &|_, _| true, &mut |record| {
            all.insert(record.path, record.value.and_then(OwnedValue::from_value));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    all
}

/// A request to a device.
#[derive(Debug, Clone)]
pub struct Request {
    pub code: Code,
    pub path: String,
    pub format: Option<ContentFormat>,
    pub accept: Option<ContentFormat>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(code: Code, path: &str) -> Self {
        Self {
            code,
            path: path.into(),
            format: None,
            accept: None,
            body: Vec::new(),
        }
    }

    pub fn body(mut self, format: ContentFormat, body: &[u8]) -> Self {
        self.format = Some(format);
        self.body = body.to_vec();
        self
    }

    pub fn accept(mut self, format: ContentFormat) -> Self {
        self.accept = Some(format);
        self
    }

    pub fn datagram(&self) -> Vec<u8> {
        let mut buf = vec![0; 2048];
        let mut writer = MessageWriter::new(
            &mut buf,
            MessageType::Confirmable,
            self.code,
            MessageId(1),
            Token::EMPTY,
        )
        .unwrap();
        for segment in self.path.split('/').filter(|segment| !segment.is_empty()) {
            writer
                .option(OptionNumber::URI_PATH, segment.as_bytes())
                .unwrap();
        }
        if let Some(format) = self.format {
            writer
                .uint(OptionNumber::CONTENT_FORMAT, format.0.into())
                .unwrap();
        }
        if let Some(accept) = self.accept {
            writer.uint(OptionNumber::ACCEPT, accept.0.into()).unwrap();
        }
        let len = writer.payload(&self.body).unwrap();
        buf.truncate(len);
        buf
    }

    pub fn run(&self, provisioning: &mut Provisioning, tree: &mut Tree) -> (Draft, Progress) {
        let datagram = self.datagram();
        let message = Message::parse(&datagram).unwrap();
        provisioning.handle(tree, &message, &self.body, MAX_BODY)
    }
}

pub fn get(path: &str) -> Request {
    Request::new(Code::GET, path)
}

pub fn discover(path: &str) -> Request {
    get(path).accept(ContentFormat::LINK)
}

pub fn delete(path: &str) -> Request {
    Request::new(Code::DELETE, path)
}

pub fn finish() -> Request {
    Request::new(Code::POST, "/bs")
}

/// A Bootstrap-Write in TLV.
pub fn write(target: &str, values: &[(&str, Value<'_>)]) -> Request {
    write_as(ContentFormat::TLV, target, values)
}

pub fn write_as(format: ContentFormat, target: &str, values: &[(&str, Value<'_>)]) -> Request {
    let mut buf = vec![0; 2048];
    let mut encoder = Encoder::new(format, path(target), &mut buf).unwrap();
    for (at, value) in values {
        encoder.push(&Record::new(path(at), *value)).unwrap();
    }
    let len = encoder.finish().unwrap();
    Request::new(Code::PUT, target).body(format, &buf[..len])
}

/// The Security instance of server `ssid`, with a pre-shared key.
pub fn write_security(instance: u16, ssid: i64) -> Request {
    let at = |resource: u16| format!("/0/{instance}/{resource}");
    write(
        &format!("/0/{instance}"),
        &[
            (&at(0), Value::string("coaps://new.example")),
            (&at(1), Value::Boolean(false)),
            (&at(2), Value::Integer(0)),
            (&at(3), Value::opaque(b"identity")),
            (&at(4), Value::opaque(b"")),
            (&at(5), Value::opaque(&[0x22; 16])),
            (&at(10), Value::Integer(ssid)),
        ],
    )
}

pub fn write_server(instance: u16, ssid: i64) -> Request {
    let at = |resource: u16| format!("/1/{instance}/{resource}");
    write(
        &format!("/1/{instance}"),
        &[
            (&at(0), Value::Integer(ssid)),
            (&at(1), Value::Integer(600)),
            (&at(6), Value::Boolean(true)),
            (&at(7), Value::string("U")),
        ],
    )
}

/// Runs a request that must be answered by `code`.
pub fn expect(provisioning: &mut Provisioning, tree: &mut Tree, request: Request, code: Code) {
    let (draft, _) = request.run(provisioning, tree);
    let reason = String::from_utf8_lossy(&draft.payload);
    assert_eq!(draft.code, code, "{request:?}: {reason}");
}

/// The text of an answer.
pub fn text(draft: &Draft) -> String {
    String::from_utf8(draft.payload.clone()).unwrap()
}
