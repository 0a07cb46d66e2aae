//! Keys that are made of those of the SIM.

use lwm2m_bootstrap::{
    DerivedKey,
    cellular::{
        AkmaSession, GbaSession, KeyContext, KeyError, KeyProvider, PskIdentity, SessionKeys,
        milenage,
    },
};
use zeroize::Zeroizing;

/// A text of the test data, by its table and its name.
fn text(table: &str, name: &str) -> String {
    let data: toml::Table = include_str!("data/cellular.toml").parse().unwrap();
    data[table][name].as_str().unwrap().to_owned()
}

fn bytes<const N: usize>(table: &str, name: &str) -> [u8; N] {
    let digits = text(table, name);
    assert_eq!(digits.len(), 2 * N, "{table}.{name}");
    std::array::from_fn(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap())
}

fn gba() -> GbaSession {
    let id = "kdf-gba-ks-naf";
    let ks = Zeroizing::new(bytes(id, "ks"));
    GbaSession::new(ks, bytes(id, "rand"), text(id, "impi"), "btid".into())
}

fn akma() -> AkmaSession {
    let k_akma = Zeroizing::new(bytes("kdf-akma-kaf", "k_akma"));
    AkmaSession::new(k_akma, "akid".into())
}

#[test]
fn the_key_of_gba_is_that_of_the_vector() {
    let id = "kdf-gba-ks-naf";
    let key = gba().ks_naf(&text(id, "fqdn"), bytes(id, "ua")).unwrap();
    assert_eq!(*key, bytes(id, "key"));
    let upper = text(id, "fqdn").to_uppercase();
    assert_eq!(gba().ks_naf(&upper, bytes(id, "ua")).unwrap(), key);
}

#[test]
fn the_key_of_akma_is_that_of_the_vector() {
    let id = "kdf-akma-kaf";
    let key = akma().k_af(&text(id, "fqdn"), bytes(id, "ua")).unwrap();
    assert_eq!(*key, bytes(id, "key"));
}

#[test]
fn another_server_or_protocol_has_another_key() {
    let ua = [1, 0, 1, 0, 2];
    let key = gba().ks_naf("one.example", ua).unwrap();
    assert_ne!(gba().ks_naf("two.example", ua).unwrap(), key);
    assert_ne!(gba().ks_naf("one.example", [1, 0, 1, 0, 3]).unwrap(), key);
    assert_ne!(akma().k_af("one.example", ua).unwrap(), key);
}

#[test]
fn milenage_gives_the_keys_of_the_standards_test_set() {
    let (k, rand) = (bytes("milenage", "k"), bytes("milenage", "rand"));
    let opc = milenage::opc(&k, &bytes("milenage", "op"));
    assert_eq!(*opc, bytes("milenage", "opc"));
    let (ck, ik) = milenage::ck_ik(&k, &opc, &rand);
    assert_eq!(*ck, bytes("milenage", "ck"));
    assert_eq!(*ik, bytes("milenage", "ik"));
}

#[test]
fn the_sim_and_the_operator_come_to_the_same_key() {
    let plmn = "00101".parse().unwrap();
    let side = |k| GbaSession::from_milenage(&[k; 16], &[2; 16], [3; 16], plmn, "001010000000001");
    let (sim, operator) = (side(1), side(1));
    let ua = [1, 0, 1, 0, 2];
    assert_eq!(
        sim.ks_naf("bs.example", ua),
        operator.ks_naf("bs.example", ua)
    );
    assert_ne!(
        sim.ks_naf("bs.example", ua),
        side(9).ks_naf("bs.example", ua)
    );
    assert_eq!(
        sim.btid(),
        "AwMDAwMDAwMDAwMDAwMDAw==@bsf.mnc001.mcc001.pub.3gppnetwork.org"
    );
}

#[test]
fn an_account_gets_the_key_that_it_asks_for() {
    let mut keys = SessionKeys {
        gba: Some(gba()),
        ..SessionKeys::default()
    };
    let mut key = Zeroizing::new(Vec::new());
    let context = KeyContext::dtls("bs.example", 5684, DerivedKey::Gba);
    let identity = keys.psk(&context, &mut key).unwrap();
    assert_eq!(identity, PskIdentity(b"btid".to_vec()));
    assert_eq!(
        **key,
        *gba().ks_naf("bs.example", context.ua_protocol).unwrap()
    );
    for kind in [DerivedKey::Akma, DerivedKey::Modem] {
        let context = KeyContext {
            kind,
            ..context.clone()
        };
        assert_eq!(keys.psk(&context, &mut key), Err(KeyError::NoSession(kind)));
    }
    keys.akma = Some(akma());
    let context = KeyContext {
        kind: DerivedKey::Akma,
        ..context
    };
    assert_eq!(
        keys.psk(&context, &mut key),
        Ok(PskIdentity(b"akid".to_vec()))
    );
}

#[test]
fn no_key_is_printed() {
    let keys = SessionKeys {
        gba: Some(gba()),
        akma: Some(akma()),
        modem: None,
    };
    let printed = format!("{keys:?}");
    assert!(printed.contains("btid") && printed.contains("akid"));
    // The first bytes of Ks and K_AKMA, and their sum of digits in a list.
    assert!(!printed.contains("0, 1, 2") && !printed.contains("000102"));
}
