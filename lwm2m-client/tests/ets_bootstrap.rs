//! The enabler test cases 0, 1, 4 to 9 and 12 of the bootstrap interface, by their ids. The device
//! is ours; the bootstrap server is one that says what the case says, and where a case is about
//! the server's behaviour, ours.

mod common;

use std::sync::Arc;

use common::{SECOND, Script, World, get, on, security, server};
use lwm2m_bootstrap::{
    AccountSecurity, accounts,
    server::{
        BootstrapServer, Config as ServerConfig, Entry, Event as ServerEvent, Provision,
        ServerEntry,
    },
    source::{Fixed, Information, Origin, establish},
};
use lwm2m_client::Config;
use lwm2m_coap::{
    Draft, Engine,
    sim::{LinkConfig, NodeId},
};
use lwm2m_codec::{ContentFormat, Encoder, Path, Record, Value, coap::Code};
use lwm2m_model::{
    Registry, Tree, Typed,
    objects::{AccessControl, Device, Security, Server},
};

/// Security instance of the bootstrap account (configuration C.13).
const ACCOUNT: u16 = 1;

/// Configuration C.13: a bootstrap account only, no instance of Server.
fn c13() -> Tree {
    let account = Security {
        bootstrap_server: true,
        short_server_id: None,
        ..security(0, "coap://bs")
    };
    let device = Device {
        manufacturer: Some("Open Mobile Alliance".into()),
        model_number: Some("Lightweight M2M Client".into()),
        serial_number: Some("345000123".into()),
        firmware_version: Some("1.0".into()),
        error_code: [(0, 0)].into(),
        supported_binding_and_modes: "U".into(),
        ..Device::default()
    };
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(ACCOUNT, account));
    tree.insert(Typed::<Server>::new().with_executable(9));
    tree.insert(Typed::<AccessControl>::new());
    tree.insert(Typed::new().with(0, device));
    tree
}

/// The same with the account of server 1 at `uri`, as the factory or an earlier bootstrap wrote.
fn with_server(uri: &str, server: Server) -> Tree {
    let mut tree = c13();
    let securities = tree.typed_mut::<Security>().unwrap();
    securities.insert(0, security(1, uri));
    tree.typed_mut::<Server>().unwrap().insert(0, server);
    tree
}

/// A device, the server `server` and a bootstrap server `bs`.
struct Case {
    world: World,
    bs: NodeId,
}

impl Case {
    fn new(tree: Tree, bs: impl Engine + 'static) -> Self {
        Self::with(Config::new("ets"), tree, bs)
    }

    fn with(config: Config, tree: Tree, bs: impl Engine + 'static) -> Self {
        let mut world = World::with(config, tree, LinkConfig::default());
        let bs = world.net.add_host("bs", bs);
        let now = world.net.now();
        world.client().start(now);
        world.run(SECOND);
        Self { world, bs }
    }

    fn bs(&mut self) -> &mut Script {
        self.world.net.get_mut(self.bs)
    }

    /// What the device sent to the bootstrap server, as method and path with query.
    fn asked(&mut self) -> Vec<String> {
        let got = std::mem::take(&mut self.bs().got);
        let line = |got: &common::Got| {
            let query = got.queries.join("&");
            format!("{} {}?{query}", got.code.name().unwrap(), got.path)
        };
        got.iter().map(line).collect()
    }

    /// One request of the bootstrap server: code and text of the answer.
    fn order(&mut self, draft: Draft) -> (Code, String) {
        let now = self.world.net.now();
        let (id, _) = self.bs().send(now, draft);
        self.world.run(SECOND);
        let responses = &self.bs().responses;
        let (_, answer) = responses.iter().find(|(other, _)| *other == id).unwrap();
        (answer.code, String::from_utf8_lossy(&answer.body).into())
    }

    fn expect(&mut self, draft: Draft, code: Code) {
        let (got, text) = self.order(draft);
        assert_eq!(got, code, "{text}");
    }

    /// Writes the accounts of server 1 to the objects 0 and 1 as the cases do.
    fn write_accounts(&mut self) {
        let security = write(
            "/0",
            &[
                ("/0/0/0", Value::string("coap://server")),
                ("/0/0/1", Value::Boolean(false)),
                ("/0/0/2", Value::Integer(3)),
                ("/0/0/10", Value::Integer(1)),
            ],
        );
        self.expect(security, Code::CHANGED);
        let server = write(
            "/1",
            &[
                ("/1/0/0", Value::Integer(1)),
                ("/1/0/1", Value::Integer(86_400)),
                ("/1/0/6", Value::Boolean(false)),
                ("/1/0/7", Value::string("U")),
            ],
        );
        self.expect(server, Code::CHANGED);
    }

    fn registered(&mut self) -> Vec<u16> {
        self.world.run(SECOND * 3);
        self.world.client().registered_servers().collect()
    }

    /// Case 401 but for the security, which the network stands for: the server reads /3/0.
    fn passes_401(&mut self) {
        assert_eq!(self.registered(), [1]);
        assert_eq!(self.world.ask(get("/3/0")).code, Code::CONTENT);
    }

    fn tree(&mut self) -> &Tree {
        self.world.client().tree()
    }
}

fn write(target: &str, values: &[(&str, Value<'_>)]) -> Draft {
    let mut buf = vec![0; 1024];
    let base: Path = target.parse().unwrap();
    let mut encoder = Encoder::new(ContentFormat::TLV, base, &mut buf).unwrap();
    for (path, value) in values {
        encoder
            .push(&Record::new(path.parse().unwrap(), *value))
            .unwrap();
    }
    let len = encoder.finish().unwrap();
    on(Code::PUT, target).content(ContentFormat::TLV, buf[..len].to_vec())
}

fn discover(path: &str) -> Draft {
    get(path).accept(ContentFormat::LINK)
}

fn finish() -> Draft {
    on(Code::POST, "/bs")
}

const BOOTSTRAP_REQUEST: &str = "POST /bs?ep=ets&pct=112";

#[test]
fn ets_int_0_client_initiated_bootstrap() {
    let mut case = Case::new(c13(), Script::new());
    assert_eq!(case.asked(), [BOOTSTRAP_REQUEST]);
    case.write_accounts();
    let (code, links) = case.order(discover("/"));
    assert_eq!(code, Code::CONTENT);
    assert_eq!(
        links,
        "</>;lwm2m=1.2,</0/0>;ssid=1;uri=\"coap://server\",</0/1>,</1/0>;ssid=1,</2>,</3/0>"
    );
    case.expect(finish(), Code::CHANGED);
    assert_eq!(case.registered(), [1]);
}

/// Our bootstrap server, which gives the values of configuration C.1 by PSK.
fn c1_server() -> BootstrapServer {
    let keyed = Security {
        security_mode: 0,
        public_key_or_identity: b"ets-id".to_vec(),
        secret_key: vec![0x3c; 16].into(),
        ..security(1, "coaps://secure")
    };
    let values = Server {
        lifetime: 86_400,
        notification_storing_when_disabled_or_offline: false,
        ..server(1)
    };
    let mut provision = Provision::default();
    provision.delete = vec![Path::object(0), Path::object(1)];
    provision.servers = vec![ServerEntry::new(1, keyed, values)];
    let mut config = ServerConfig::default();
    config.entries = vec![Entry {
        name: "ets".parse().unwrap(),
        psk: None,
        provision: Arc::new(provision),
    }];
    BootstrapServer::new(config, 7)
}

/// A world with a server that takes the key of [`c1_server`] only.
fn keyed_world(config: Config) -> (Case, NodeId) {
    let mut world = World::with(config, c13(), LinkConfig::default());
    let bs = world.net.add_host("bs", c1_server());
    let secure = world.net.add_host("secure", Script::new());
    world.net.allow_psk(secure, b"ets-id", &[0x3c; 16]);
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND * 4);
    (Case { world, bs }, secure)
}

#[test]
fn ets_int_1_client_initiated_bootstrap_full_with_psk() {
    let (mut case, secure) = keyed_world(Config::new("ets"));
    let bs = case.world.net.get_mut::<BootstrapServer>(case.bs);
    let finished = std::iter::from_fn(|| bs.poll_event())
        .any(|event| matches!(event, ServerEvent::Finished { .. }));
    assert!(finished);
    // int-401: Register over PSK, then Read of /3/0.
    let registered: Vec<u16> = case.world.client().registered_servers().collect();
    assert_eq!(registered, [1]);
    let account = &accounts(case.tree()).servers[0];
    assert!(
        matches!(&account.security, AccountSecurity::Psk { identity, .. } if identity == b"ets-id")
    );
    let now = case.world.net.now();
    let script = case.world.net.get_mut::<Script>(secure);
    assert_eq!(script.got[0].path, "/rd");
    let (read, _) = script.send(now, get("/3/0"));
    case.world.run(SECOND);
    let script = case.world.net.get_mut::<Script>(secure);
    let answer = script.responses.iter().find(|(id, _)| *id == read).unwrap();
    assert_eq!(answer.1.code, Code::CONTENT);
}

#[test]
fn ets_int_4_bootstrap_delete() {
    let tree = with_server("coap://gone", server(1));
    let mut case = Case::new(tree, Script::new());
    let now = case.world.net.now();
    assert!(case.world.client().bootstrap(now));
    case.world.run(SECOND);
    assert_eq!(case.asked(), [BOOTSTRAP_REQUEST]);
    let (_, before) = case.order(discover("/"));
    assert!(before.contains("</1/0>;ssid=1"), "{before}");
    case.expect(get("/1"), Code::CONTENT);
    case.expect(on(Code::DELETE, "/0"), Code::DELETED);
    case.expect(on(Code::DELETE, "/1"), Code::DELETED);
    let (_, after) = case.order(discover("/"));
    assert_eq!(after, "</>;lwm2m=1.2,</0/1>,</1>,</2>,</3/0>");
    case.write_accounts();
    case.expect(finish(), Code::CHANGED);
    case.passes_401();
}

#[test]
fn ets_int_5_server_initiated_bootstrap() {
    let tree = with_server("coap://server", server(1));
    let mut case = Case::new(tree, Script::new());
    assert_eq!(case.registered(), [1]);
    assert!(case.asked().is_empty());
    assert_eq!(case.world.ask(on(Code::POST, "/1/0/9")).code, Code::CHANGED);
    case.world.run(SECOND);
    assert_eq!(case.asked(), [BOOTSTRAP_REQUEST]);
    case.write_accounts();
    case.expect(finish(), Code::CHANGED);
    case.passes_401();
}

/// A pack of the values that a source gives.
fn information(origin: Origin, uri: &str) -> Information {
    let pack = format!(
        r#"[{{"bn":"/0/0/","n":"0","vs":"{uri}"}},{{"n":"1","vb":false}},{{"n":"2","v":3}},
        {{"n":"10","v":1}},{{"bn":"/1/0/","n":"0","v":1}},{{"n":"1","v":86400}},
        {{"n":"6","vb":false}},{{"n":"7","vs":"U"}}]"#
    );
    let json = ContentFormat::SENML_JSON;
    Information::from_pack(origin, json, pack.as_bytes(), &Registry::core()).unwrap()
}

#[test]
fn ets_int_6_bootstrap_sequence() {
    // Steps 1 and 2: the smartcard goes before the factory.
    let mut tree = c13();
    let mut card = Fixed::new(information(Origin::Smartcard, "coap://card"));
    let mut factory = Fixed::new(information(Origin::Factory, "coap://factory"));
    let established = establish(&mut tree, &mut [&mut card, &mut factory]);
    assert_eq!(established.origin, Some(Origin::Smartcard));
    assert_eq!(accounts(&tree).servers[0].uri, "coap://card");

    // Step 3: what there is registers, and nobody asks the bootstrap server.
    let tree = with_server("coap://server", server(1));
    let mut case = Case::new(tree, Script::new());
    assert_eq!(case.registered(), [1]);
    assert!(case.asked().is_empty());

    // Step 4: without any server, or when all fail, the device asks.
    let mut case = Case::new(c13(), Script::new());
    assert_eq!(case.asked(), [BOOTSTRAP_REQUEST]);

    // Step 5: a server may ask for it as long as the bootstrap account is kept.
    let mut tree = with_server("coap://server", server(1));
    tree.delete(Path::instance(0, ACCOUNT)).unwrap();
    let mut case = Case::new(tree, Script::new());
    assert_eq!(case.registered(), [1]);
    let refused = case.world.ask(on(Code::POST, "/1/0/9")).code;
    assert_eq!(refused, Code::METHOD_NOT_ALLOWED);
    assert!(case.asked().is_empty());
}

#[test]
fn ets_int_7_fallback_to_bootstrap() {
    let quick = Server {
        communication_retry_count: Some(2),
        communication_retry_timer: Some(5),
        ..server(1)
    };
    let mut case = Case::new(with_server("coap://gone", quick), Script::new());
    assert!(case.asked().is_empty());
    case.world.run(SECOND * 10);
    assert_eq!(case.asked(), [BOOTSTRAP_REQUEST]);
    case.write_accounts();
    case.expect(finish(), Code::CHANGED);
    case.passes_401();
}

#[test]
fn ets_int_8_bootstrap_read() {
    let mut case = Case::new(c13(), Script::new());
    case.write_accounts();
    let access = write(
        "/2/0",
        &[
            ("/2/0/0", Value::Integer(3)),
            ("/2/0/1", Value::Integer(0)),
            ("/2/0/2/0", Value::Integer(31)),
            ("/2/0/3", Value::Integer(65_535)),
        ],
    );
    case.expect(access, Code::CHANGED);
    case.expect(get("/1"), Code::CONTENT);
    let (code, text) = case.order(get("/2").accept(ContentFormat::SENML_JSON));
    assert_eq!(code, Code::CONTENT);
    assert!(
        text.contains(r#""v":31"#) && text.contains("65535"),
        "{text}"
    );
    case.expect(get("/0"), Code::METHOD_NOT_ALLOWED);
    case.expect(finish(), Code::CHANGED);
    assert_eq!(case.registered(), [1]);
}

#[test]
fn ets_int_9_bootstrap_and_configuration_consistency() {
    let mut case = Case::new(c13(), Script::new());
    let text = b"86400".to_vec();
    let timeout = on(Code::PUT, "/1/0/5").content(ContentFormat::TEXT, text);
    case.expect(timeout, Code::CHANGED);
    let (code, reason) = case.order(finish());
    assert_eq!(code, Code::NOT_ACCEPTABLE);
    assert_eq!(reason, "/1/0/0: expected 1..65534");
    assert!(case.registered().is_empty());
}

#[test]
fn ets_int_12_bootstrap_pack() {
    let mut config = Config::new("ets");
    config.bootstrap_pack = true;
    let (mut case, secure) = keyed_world(config);
    let bs = case.world.net.get_mut::<BootstrapServer>(case.bs);
    let counters = bs.counters();
    assert_eq!((counters.packed, counters.started), (1, 0));
    let registered: Vec<u16> = case.world.client().registered_servers().collect();
    assert_eq!(registered, [1]);
    assert_eq!(case.world.net.get::<Script>(secure).got[0].path, "/rd");
    // The bootstrap account of the request's `acc` is where it was.
    assert_eq!(accounts(case.tree()).bootstrap.unwrap().instance, ACCOUNT);

    // On the wire: GET /bspack with the endpoint name and the instances of the account.
    let mut config = Config::new("ets");
    config.bootstrap_pack = true;
    let mut case = Case::with(config, c13(), Script::new());
    assert_eq!(case.asked()[0], "GET /bspack?ep=ets&acc=</0/1>");
}
