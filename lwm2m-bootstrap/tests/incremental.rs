//! Incremental bootstrap: a Discover and Reads say what is there, and only what differs is written.

mod common;

use common::{
    device::{Ended, LONG, TestDevice},
    run::{Run, config, run},
    *,
};
use lwm2m_bootstrap::{
    AccountSecurity, accounts,
    server::{Provision, ProvisionError, ServerEntry},
};
use lwm2m_coap::sim::LinkConfig;
use lwm2m_model::{
    Registry, Tree,
    objects::{AccessControl, Security, Server},
};

/// The account of server `ssid` as the bootstrap server wants it.
fn entry(ssid: u16) -> ServerEntry {
    let mut security = security(i64::from(ssid));
    security.secret_key = vec![0x77; 16].into();
    ServerEntry::new(ssid, security, server(i64::from(ssid)))
}

fn provision(ssids: &[u16]) -> Provision {
    let mut provision = Provision::default();
    provision.incremental = true;
    provision.servers = ssids.iter().map(|ssid| entry(*ssid)).collect();
    provision
}

fn access(object: i64, instance: i64, owner: i64) -> AccessControl {
    AccessControl {
        object_id: object,
        object_instance_id: instance,
        acl: [(1, 15)].into(),
        access_control_owner: owner,
    }
}

/// A run that must provision the device; the requests that it took.
fn provisioned(provision: Provision, tree: Tree) -> (Run, Vec<String>) {
    let run = run(config(provision), tree, &["ep=dev1", "pct=11542"]);
    assert_eq!(
        run.device().ended,
        Some(Ended::Provisioned),
        "{:?}",
        run.events
    );
    let requests = run.requests();
    (run, requests)
}

#[test]
fn a_device_that_has_everything_is_asked_and_left_as_it_is() {
    let (run, requests) = provisioned(provision(&[1]), provisioned_tree());
    assert_eq!(requests, ["GET /", "GET /1", "POST /bs"]);
    assert_eq!(
        snapshot(&run.device().tree),
        snapshot(&provisioned_tree()),
        "its key stays, too"
    );
}

#[test]
fn a_device_without_accounts_gets_them_all() {
    let (_, requests) = provisioned(provision(&[1]), factory_tree());
    assert_eq!(
        requests,
        [
            "GET /",
            "GET /1",
            "PUT /0/0 tlv",
            "PUT /1/0 tlv",
            "POST /bs"
        ]
    );
}

#[test]
fn a_second_server_is_added_beside_the_first() {
    let (run, requests) = provisioned(provision(&[1, 2]), provisioned_tree());
    assert_eq!(
        requests,
        [
            "GET /",
            "GET /1",
            "PUT /0/1 tlv",
            "PUT /1/1 tlv",
            "POST /bs"
        ]
    );
    let servers = accounts(&run.device().tree).servers;
    let keys: Vec<_> = servers
        .iter()
        .map(|account| match &account.security {
            AccountSecurity::Psk { key, .. } => key.expose()[0],
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(keys, [0x11, 0x77]);
}

#[test]
fn the_account_of_a_server_that_is_not_wanted_is_deleted() {
    let (run, requests) = provisioned(provision(&[2]), provisioned_tree());
    assert_eq!(
        requests,
        [
            "GET /",
            "GET /1",
            "DELETE /0/0",
            "DELETE /1/0",
            "PUT /0/1 tlv",
            "PUT /1/1 tlv",
            "POST /bs"
        ]
    );
    let ssids: Vec<u16> = accounts(&run.device().tree)
        .servers
        .iter()
        .map(|account| account.ssid)
        .collect();
    assert_eq!(ssids, [2]);
}

#[test]
fn what_differs_in_a_server_is_written_and_what_it_lacks_goes() {
    let changes: [fn(&mut Server); 3] = [
        |server| server.lifetime = 77,
        |server| server.communication_retry_count = Some(9),
        |server| server.binding = "UQ".into(),
    ];
    for change in changes {
        let mut tree = provisioned_tree();
        let servers = tree.typed_mut::<Server>().unwrap();
        change(servers.get_mut(0).unwrap());
        let (run, requests) = provisioned(provision(&[1]), tree);
        assert_eq!(requests, ["GET /", "GET /1", "PUT /1/0 tlv", "POST /bs"]);
        assert_eq!(snapshot(&run.device().tree), snapshot(&provisioned_tree()));
    }
}

#[test]
fn what_the_device_itself_notes_in_a_server_is_no_difference() {
    let mut tree = provisioned_tree();
    let servers = tree.typed_mut::<Server>().unwrap();
    servers.get_mut(0).unwrap().tls_dtls_alert_code = Some(115);
    let (_, requests) = provisioned(provision(&[1]), tree);
    assert_eq!(requests, ["GET /", "GET /1", "POST /bs"]);
}

#[test]
fn an_account_with_another_uri_is_written_to_its_place_with_its_key() {
    let mut tree = provisioned_tree();
    let securities = tree.typed_mut::<Security>().unwrap();
    securities.get_mut(0).unwrap().lwm2m_server_uri = "coaps://old.example".into();
    let (run, requests) = provisioned(provision(&[1]), tree);
    assert_eq!(requests, ["GET /", "GET /1", "PUT /0/0 tlv", "POST /bs"]);
    assert_eq!(
        accounts(&run.device().tree).servers[0].uri,
        "coaps://server.example"
    );
}

#[test]
fn access_control_is_matched_by_what_it_is_for() {
    let mut tree = provisioned_tree();
    let controls = tree.typed_mut::<AccessControl>().unwrap();
    controls.insert(0, access(3303, 0, 1));
    controls.insert(4, access(3, 0, 1));
    let mut provision = provision(&[1]);
    // The first is there, the second differs, the third is new and takes a free place.
    provision.access_control = vec![access(3, 0, 1), access(3303, 0, 65535), access(1, 0, 1)];
    let (run, requests) = provisioned(provision, tree);
    assert_eq!(
        requests,
        [
            "GET /",
            "GET /1",
            "GET /2",
            "PUT /2/0 tlv",
            "PUT /2/1 tlv",
            "POST /bs"
        ]
    );
    let controls = run.device().tree.typed::<AccessControl>().unwrap();
    assert_eq!(controls.get(0).unwrap().access_control_owner, 65535);
    assert_eq!(controls.get(1).unwrap().object_id, 1);
    assert_eq!(controls.get(4).unwrap().object_id, 3);
}

#[test]
fn a_read_that_is_refused_makes_everything_a_difference() {
    let refuses: device::Override = |_, message| {
        let mut path = message.uri_path();
        (path.next() == Some(Some("1")) && message.code() == lwm2m_codec::coap::Code::GET)
            .then(|| lwm2m_coap::Draft::new(lwm2m_codec::coap::Code::NOT_FOUND))
    };
    let device = TestDevice::new(provisioned_tree(), &["ep=dev1"], 1).overriding(refuses);
    let link = LinkConfig::default();
    let run = Run::new(link, 1, config(provision(&[1])), device).run(LONG);
    assert_eq!(
        run.requests(),
        ["GET /", "GET /1", "PUT /1/0 tlv", "POST /bs"]
    );
}

#[test]
fn what_contradicts_an_incremental_bootstrap_is_refused_before_any_device_sees_it() {
    let check = |change: fn(&mut Provision)| {
        let mut provision = provision(&[1]);
        change(&mut provision);
        provision.check(&Registry::core())
    };
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(
        check(|p| p.delete = vec![path("/0")]),
        Err(ProvisionError::IncrementalDelete(path("/0")))
    );
    assert_eq!(
        check(|p| p.delete = vec![path("/")]),
        Err(ProvisionError::IncrementalDelete(path("/")))
    );
    assert_eq!(check(|p| p.delete = vec![path("/3303")]), Ok(()));
    assert_eq!(
        check(|p| p.discover = false),
        Err(ProvisionError::IncrementalBlind)
    );
    assert!(
        check(|p| p.servers.clear()).is_err(),
        "all would be deleted"
    );
}

#[test]
fn the_planned_sequence_names_the_reads() {
    let steps = provision(&[1])
        .sequence(lwm2m_codec::ContentFormat::TLV)
        .unwrap();
    let names: Vec<String> = steps.iter().map(|step| step.info.to_string()).collect();
    assert_eq!(
        names,
        [
            "discover /",
            "read /1 as tlv (11542)",
            "write /0/0 as tlv (11542)",
            "write /1/0 as tlv (11542)",
            "finish"
        ]
    );
}
