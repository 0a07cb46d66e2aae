//! Where a device with a SIM has its accounts from.

use lwm2m_bootstrap::{
    AccountSecurity, DerivedKey, accounts,
    cellular::{
        Account, Bearer, Container, Discovery, OperatorTable, Proof, Question, Reply, Search,
        ServiceRecord, Step, Subscription,
    },
    file::ConfigErrorKind,
    source::{Established, Fixed, Information, Origin, Source, SourceError, establish},
};
use lwm2m_model::{
    Registry, Tree, Typed,
    objects::{Security, Server},
};

const OPERATORS: &str = r#"
[[operator]]
name = "One"
plmn = ["00101"]
uri = "coaps://bs.one.example:5684"
security = "gba"
hold_off = 3

[[operator]]
name = "Two"
plmn = ["00102"]
discover = true

[[operator]]
name = "Bearer"
plmn = ["00103"]
uri = "coap://10.0.0.1"
security = "operator-bearer"
"#;

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.insert(Typed::<Security>::new());
    tree.insert(Typed::<Server>::new());
    tree
}

fn sim(plmn: &str) -> Subscription {
    Subscription {
        plmn: plmn.parse().ok(),
        imsi: Some(format!("{plmn}0000000001")),
        ..Subscription::default()
    }
}

fn table() -> OperatorTable {
    OPERATORS.parse().unwrap()
}

fn factory() -> Fixed {
    let text = "[bootstrap]\nuri = 'coap://factory.example'\nsecurity = 'nosec'";
    Fixed::new(Information::from_toml(text, &Registry::core()).unwrap())
}

fn card(uri: &str, proof: Proof) -> Fixed {
    let account = Account {
        uri: uri.into(),
        proof,
        hold_off: None,
    };
    Fixed::new(account.information(Origin::Smartcard))
}

/// Runs a search, and gives the tree what it found; `dns` answers.
fn run(
    mut search: Search<'_>,
    tree: &mut Tree,
    mut dns: impl FnMut(Question) -> Reply,
) -> Established {
    loop {
        match search.poll() {
            Step::Ask(question) => search.reply(dns(question), &mut || 0),
            Step::Done(answer) => {
                let mut found: Vec<_> = answer.found.into_iter().map(Fixed::new).collect();
                let mut sources: Vec<_> = found.iter_mut().map(|s| s as &mut dyn Source).collect();
                let mut established = establish(tree, &mut sources);
                established.failed.extend(answer.failed);
                return established;
            }
        }
    }
}

fn no_dns(question: Question) -> Reply {
    panic!("nobody should ask for {question:?}")
}

fn uri(tree: &Tree) -> Option<String> {
    accounts(tree).bootstrap.map(|account| account.uri)
}

#[test]
fn the_card_comes_first_and_nobody_else_is_asked() {
    let mut tree = tree();
    let search = Search::new(&Subscription::default())
        .source(card("coaps://card.example", Proof::Key(DerivedKey::Gba)))
        .source(table().source(&sim("00101")))
        .discovery(Discovery::new("zone.example"))
        .source(factory());
    let established = run(search, &mut tree, no_dns);
    assert_eq!(established.origin, Some(Origin::Smartcard));
    assert_eq!(uri(&tree).as_deref(), Some("coaps://card.example"));
}

#[test]
fn the_account_of_a_table_holds_how_its_key_is_made_and_no_key() {
    let mut tree = tree();
    let search = Search::new(&Subscription::default()).source(table().source(&sim("00101")));
    let established = run(search, &mut tree, no_dns);
    assert_eq!(established.origin, Some(Origin::OperatorTable));
    let bootstrap = accounts(&tree).bootstrap.unwrap();
    assert_eq!(
        bootstrap.security,
        AccountSecurity::DerivedPsk(DerivedKey::Gba)
    );
    assert_eq!(bootstrap.hold_off.as_secs(), 3);
    let security = tree.typed::<Security>().unwrap().get(0).unwrap();
    assert!(security.secret_key.is_empty());
}

#[test]
fn the_dns_is_asked_when_card_and_table_know_nothing() {
    let (mut tree, sim) = (tree(), sim("00102"));
    let table = table();
    let zone = table.find(&sim).unwrap().zone(&sim).unwrap();
    let search = Search::new(&Subscription::default())
        .source(table.source(&sim))
        .discovery(Discovery::new(zone))
        .source(factory());
    let established = run(search, &mut tree, |question| match question {
        Question::Service(name) => {
            assert_eq!(name, "_lwm2m-bs._udp.mnc002.mcc001.pub.3gppnetwork.org");
            Reply::Services(vec![ServiceRecord {
                priority: 0,
                weight: 0,
                port: 7000,
                target: "bs.two.example.".into(),
            }])
        }
        Question::Address(name) => Reply::Address(name == "bs.two.example"),
    });
    assert_eq!(established.origin, Some(Origin::Dns));
    assert_eq!(uri(&tree).as_deref(), Some("coaps://bs.two.example:7000"));
}

#[test]
fn a_dns_that_fails_is_told_and_the_factory_is_left() {
    let mut tree = tree();
    let search = Search::new(&Subscription::default())
        .discovery(Discovery::new("zone.example"))
        .source(factory());
    let established = run(search, &mut tree, |_| Reply::Failed);
    assert_eq!(established.origin, Some(Origin::Factory));
    assert!(matches!(established.failed[..], [(Origin::Dns, _)]));
}

#[test]
fn coap_without_dtls_needs_the_operators_bearer() {
    let sim = sim("00103");
    let search = |bearer| {
        let sim = Subscription {
            bearer,
            ..sim.clone()
        };
        Search::new(&sim).source(table().source(&sim))
    };
    let mut first = tree();
    let established = run(search(Bearer::Other), &mut first, no_dns);
    assert_eq!(established.origin, None);
    let refused = (Origin::OperatorTable, SourceError::OperatorBearerOnly);
    assert_eq!(established.failed, [refused]);
    assert_eq!(uri(&first), None);

    let mut second = tree();
    let established = run(search(Bearer::Operator), &mut second, no_dns);
    assert_eq!(established.origin, Some(Origin::OperatorTable));
    assert_eq!(
        accounts(&second).bootstrap.unwrap().security,
        AccountSecurity::NoSec
    );
}

#[test]
fn a_card_without_keys_needs_the_operators_bearer_too() {
    let mut tree = tree();
    let search =
        Search::new(&Subscription::default()).source(card("coap://card.example", Proof::Bearer));
    let established = run(search, &mut tree, no_dns);
    assert_eq!(
        established.failed,
        [(Origin::Smartcard, SourceError::OperatorBearerOnly)]
    );
    assert_eq!(uri(&tree), None);
}

#[test]
fn a_container_counts_if_the_sims_own_operator_sent_it() {
    let container = |plmn: [u8; 3]| {
        let mut sim = sim("00101");
        let content = [&plmn[..], b"coaps://pco.example"].concat();
        sim.pco.insert(0xff00, content);
        let mut decode = |content: &[u8]| {
            let uri = String::from_utf8(content.to_vec());
            let uri = uri.map_err(|error| SourceError::Unreadable(error.to_string()))?;
            let proof = Proof::Key(DerivedKey::Akma);
            let hold_off = None;
            Ok(Account {
                uri,
                proof,
                hold_off,
            }
            .information(Origin::Pco))
        };
        let mut tree = tree();
        let source = Container::new(&sim, 0xff00, &mut decode).unwrap();
        let established = run(
            Search::new(&Subscription::default()).source(source),
            &mut tree,
            no_dns,
        );
        (established.origin, uri(&tree))
    };
    let own = container([0x00, 0xf1, 0x10]);
    assert_eq!(own, (Some(Origin::Pco), Some("coaps://pco.example".into())));
    assert_eq!(
        container([0x00, 0xf1, 0x20]),
        (None, None),
        "that of 001-02"
    );
    assert_eq!(container([0xff; 3]), (None, None));
}

#[test]
fn only_the_operators_containers_are_looked_at() {
    let sim = sim("00101");
    let mut decode = |_: &[u8]| -> Result<Information, SourceError> { panic!("nothing to decode") };
    assert!(Container::new(&sim, 0x000d, &mut decode).is_none());
}

#[test]
fn what_is_wrong_in_a_table_is_told_with_its_place() {
    let problem = |text: &str| {
        let error = OperatorTable::from_toml(text).unwrap_err();
        ((error.line, error.column), error.kind)
    };
    let with = |rest: &str| format!("[[operator]]\nname = 'x'\n{rest}");
    let at = |rest: &str| problem(&with(rest));
    assert_eq!(at("").1, ConfigErrorKind::MatchMissing);
    assert_eq!(at("plmn = ['0010']"), ((3, 9), ConfigErrorKind::Plmn));
    assert_eq!(
        at("imsi_prefix = '00x'"),
        ((3, 15), ConfigErrorKind::Digits)
    );
    assert_eq!(at("gid1 = 'a'"), ((3, 8), ConfigErrorKind::Hex));
    let known = "spn = 'x'\n";
    let container = at(&format!("{known}container = 13"));
    assert_eq!(container, ((4, 13), ConfigErrorKind::Container));
    let missing = at(&format!("{known}uri = 'coaps://h'")).1;
    assert_eq!(missing, ConfigErrorKind::SecurityMissing);
    let clear = at(&format!("{known}uri = 'coap://h'\nsecurity = 'gba'")).1;
    assert_eq!(clear, ConfigErrorKind::SchemeContradictsKeys);
    let word = at(&format!("{known}uri = 'coap://h'\nsecurity = 'nosec'")).1;
    assert_eq!(
        word,
        ConfigErrorKind::SecurityUnknown,
        "say that the bearer is trusted"
    );
}
