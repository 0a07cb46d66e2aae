//! The table of one-time keys.

use lwm2m_bootstrap::one_time::{
    EndReason, Holder, IDENTITY_LEN, IssueError, KEY_LEN, KeyChange, KeySource, KeySourceFailed,
    MAX_UNUSED, OneTimeKey, OneTimeKeys, UseError,
};

const NOW: u64 = 1_700_000_000;
const HOUR: u64 = 3600;

/// Bytes that count up, so that no two keys are alike.
struct Counting(u32);

impl KeySource for Counting {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), KeySourceFailed> {
        for byte in bytes.chunks_mut(4) {
            self.0 += 1;
            byte.copy_from_slice(&self.0.to_be_bytes()[..byte.len()]);
        }
        Ok(())
    }
}

struct Broken;

impl KeySource for Broken {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), KeySourceFailed> {
        Err(KeySourceFailed)
    }
}

fn holder(endpoint: &str) -> Holder {
    Holder {
        endpoint: endpoint.into(),
        ssid: 1,
        subscriber: None,
    }
}

fn issue(keys: &mut OneTimeKeys, source: &mut Counting, now: u64, endpoint: &str) -> OneTimeKey {
    let (key, changes) = keys.issue(now, holder(endpoint), HOUR, source).unwrap();
    keys.apply(changes);
    key
}

fn ended(changes: &[KeyChange]) -> Vec<(&str, EndReason)> {
    let removed = changes.iter().filter_map(|change| match change {
        KeyChange::Remove {
            identity, reason, ..
        } => Some((identity.as_str(), *reason)),
        _ => None,
    });
    removed.collect()
}

#[test]
fn a_key_has_the_stated_lengths_and_is_not_printed() {
    let mut keys = OneTimeKeys::new();
    let key = issue(&mut keys, &mut Counting(0), NOW, "dev1");
    assert_eq!(key.identity.len(), 2 * IDENTITY_LEN);
    assert_eq!(key.key.expose().len(), KEY_LEN);
    assert!(format!("{key:?}").contains("SecretBytes(16 bytes)"));
}

#[test]
fn nothing_changes_before_it_is_applied() {
    let keys = OneTimeKeys::new();
    let (key, changes) = keys
        .issue(NOW, holder("dev1"), HOUR, &mut Counting(0))
        .unwrap();
    assert_eq!(changes, [KeyChange::Put(key.clone())]);
    assert_eq!(keys.find(NOW, key.identity.as_bytes()), None);
}

#[test]
fn a_key_is_bound_to_its_endpoint_and_its_subscriber() {
    let mut keys = OneTimeKeys::new();
    let subscribed = Holder {
        subscriber: Some("001010000000001".into()),
        ..holder("dev1")
    };
    let (key, changes) = keys.issue(NOW, subscribed, HOUR, &mut Counting(0)).unwrap();
    keys.apply(changes);
    let identity = key.identity.as_bytes();
    let check = |endpoint, subscriber| keys.check(NOW, identity, endpoint, subscriber).map(drop);
    assert_eq!(check("dev1", Some("001010000000001")), Ok(()));
    assert_eq!(
        check("dev2", Some("001010000000001")),
        Err(UseError::Endpoint)
    );
    assert_eq!(
        check("dev1", Some("001010000000002")),
        Err(UseError::Subscriber)
    );
    assert_eq!(check("dev1", None), Err(UseError::Subscriber));
    let unknown = keys.check(NOW, b"nobody", "dev1", None);
    assert_eq!(unknown, Err(UseError::Unknown));
}

#[test]
fn an_unused_key_ends_in_the_second_in_which_it_expires() {
    let mut keys = OneTimeKeys::new();
    let key = issue(&mut keys, &mut Counting(0), NOW, "dev1");
    let identity = key.identity.as_bytes();
    assert_eq!(keys.next_expiry(), Some(NOW + HOUR));
    assert!(keys.find(NOW + HOUR - 1, identity).is_some());
    assert!(keys.expired(NOW + HOUR - 1).is_empty());
    assert!(keys.find(NOW + HOUR, identity).is_none());
    let changes = keys.expired(NOW + HOUR);
    assert_eq!(ended(&changes), [(&*key.identity, EndReason::Expired)]);
    keys.apply(changes);
    assert_eq!(keys, OneTimeKeys::new());
}

#[test]
fn the_first_register_keeps_its_key_for_good_and_ends_the_older_ones() {
    let mut keys = OneTimeKeys::new();
    let source = &mut Counting(0);
    let old = issue(&mut keys, source, NOW, "dev1");
    keys.apply(keys.registered("dev1", old.identity.as_bytes()));
    let lost = issue(&mut keys, source, NOW + 10, "dev1");
    let new = issue(&mut keys, source, NOW + 20, "dev1");
    let other = issue(&mut keys, source, NOW + 20, "dev2");
    assert!(keys.find(NOW + 20, old.identity.as_bytes()).is_some());

    let changes = keys.registered("dev1", new.identity.as_bytes());
    let mut gone = ended(&changes);
    gone.sort_unstable_by_key(|(identity, _)| *identity);
    let mut expected = [
        (&*old.identity, EndReason::Replaced),
        (&*lost.identity, EndReason::Replaced),
    ];
    expected.sort_unstable_by_key(|(identity, _)| *identity);
    assert_eq!(gone, expected);
    keys.apply(changes);
    let left: Vec<&str> = keys.of("dev1", 1).map(|key| &*key.identity).collect();
    assert_eq!(left, [&*new.identity]);
    assert!(
        keys.find(NOW + 1000 * HOUR, new.identity.as_bytes())
            .is_some()
    );
    assert!(keys.find(NOW + 20, other.identity.as_bytes()).is_some());
    assert!(keys.registered("dev1", new.identity.as_bytes()).is_empty());
    assert!(
        keys.registered("dev1", other.identity.as_bytes())
            .is_empty()
    );
}

#[test]
fn what_no_device_took_is_revoked_but_not_what_is_in_use() {
    let mut keys = OneTimeKeys::new();
    let source = &mut Counting(0);
    let used = issue(&mut keys, source, NOW, "dev1");
    keys.apply(keys.registered("dev1", used.identity.as_bytes()));
    let lost = issue(&mut keys, source, NOW, "dev1");
    let changes = keys.revoked([&used.identity, &lost.identity]);
    assert_eq!(ended(&changes), [(&*lost.identity, EndReason::NotTaken)]);
}

#[test]
fn a_device_that_asks_again_and_again_loses_its_oldest_unused_key_only() {
    let mut keys = OneTimeKeys::new();
    let source = &mut Counting(0);
    let used = issue(&mut keys, source, NOW, "dev1");
    keys.apply(keys.registered("dev1", used.identity.as_bytes()));
    let unused: Vec<OneTimeKey> = (1..=MAX_UNUSED as u64)
        .map(|second| issue(&mut keys, source, NOW + second, "dev1"))
        .collect();
    let (_, changes) = keys.issue(NOW + 10, holder("dev1"), HOUR, source).unwrap();
    assert_eq!(
        ended(&changes),
        [(&*unused[0].identity, EndReason::TooMany)]
    );
}

#[test]
fn stored_keys_come_back() {
    let mut keys = OneTimeKeys::new();
    let source = &mut Counting(0);
    let used = issue(&mut keys, source, NOW, "dev1");
    keys.apply(keys.registered("dev1", used.identity.as_bytes()));
    issue(&mut keys, source, NOW, "dev2");
    assert_eq!(OneTimeKeys::restore(keys.iter().cloned()), keys);
}

#[test]
fn without_randomness_or_with_a_source_that_repeats_itself_there_is_no_key() {
    let mut keys = OneTimeKeys::new();
    let failed = keys.issue(NOW, holder("dev1"), HOUR, &mut Broken);
    assert_eq!(failed, Err(IssueError::Source(KeySourceFailed)));
    issue(&mut keys, &mut Counting(0), NOW, "dev1");
    let again = keys.issue(NOW, holder("dev2"), HOUR, &mut Counting(0));
    assert_eq!(again, Err(IssueError::Repeats));
}
