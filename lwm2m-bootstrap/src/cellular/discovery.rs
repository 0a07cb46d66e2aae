//! The DNS as a source: questions to the caller, who asks whatever resolver there is.

use alloc::{collections::VecDeque, format, string::String, vec::Vec};

use super::{Account, Proof};

/// Most service records of an answer that are looked at.
pub const MAX_RECORDS: usize = 32;

/// Services that are asked for, the best first. Neither name is registered for LwM2M: the first
/// is this project's, the second is that of CoAP over DTLS (RFC 7252 §12.7).
const SERVICES: [&str; 2] = ["_lwm2m-bs._udp", "_coaps._udp"];

/// Name of a host in the operator's zone that is asked for when there is no service.
const HOST: &str = "lwm2m-bs";

/// Port of a host that no service names.
const PORT: u16 = 5684;

/// What to ask the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The service records (SRV) of a name.
    Service(String),
    /// Whether a name has an address (AAAA or A).
    Address(String),
}

/// A service record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRecord {
    /// Lower ones are tried first.
    pub priority: u16,
    /// Share among those of the same priority.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Host; `.` or nothing if the service is not offered.
    pub target: String,
}

/// What the DNS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Service records; none if there is no such name.
    Services(Vec<ServiceRecord>),
    /// Whether the name has an address.
    Address(bool),
    /// The DNS could not be asked, or it failed.
    Failed,
}

/// A bootstrap server that the DNS knows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    host: String,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Asks for the services from this one on.
    Service(usize),
    /// Asks for the addresses of candidates.
    Address,
    Found(Candidate),
    Nothing,
}

/// Looks for a bootstrap server in a zone.
///
/// ```text
/// SRV _lwm2m-bs._udp.ZONE ──none──▶ SRV _coaps._udp.ZONE ──none──▶ address of lwm2m-bs.ZONE ─▶ nothing
///           └──────────records, in the order of RFC 2782: the first with an address─────────▶ found
/// ```
///
/// ```
/// use lwm2m_bootstrap::cellular::{Reply, Discovery, Question, ServiceRecord};
///
/// let mut discovery = Discovery::new("mnc001.mcc001.pub.3gppnetwork.org");
/// let name = "_lwm2m-bs._udp.mnc001.mcc001.pub.3gppnetwork.org";
/// assert_eq!(discovery.question(), Some(Question::Service(name.into())));
/// let target = String::from("bs.operator.example");
/// let record = ServiceRecord { priority: 0, weight: 0, port: 5684, target };
/// discovery.reply(Reply::Services(vec![record]), &mut || 4);
/// assert_eq!(discovery.question(), Some(Question::Address("bs.operator.example".into())));
/// discovery.reply(Reply::Address(true), &mut || 4);
/// assert_eq!(discovery.found().unwrap().uri, "coaps://bs.operator.example:5684");
/// ```
#[derive(Debug, Clone)]
pub struct Discovery {
    zone: String,
    proof: Proof,
    state: State,
    candidates: VecDeque<Candidate>,
    /// No service is left to ask for.
    last: bool,
    /// The DNS failed at least once.
    failed: bool,
}

impl Discovery {
    /// Begins in a zone; the device is to prove itself by a key of GBA.
    pub fn new(zone: impl Into<String>) -> Self {
        Self {
            zone: zone.into(),
            proof: Proof::Key(crate::DerivedKey::Gba),
            state: State::Service(0),
            candidates: VecDeque::new(),
            last: false,
            failed: false,
        }
    }

    /// Sets how the device is to prove itself. What the DNS says is no reason to go without DTLS:
    /// a key is all there is.
    #[must_use]
    pub const fn key(mut self, key: crate::DerivedKey) -> Self {
        self.proof = Proof::Key(key);
        self
    }

    /// The zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// What to ask next; `None` at the end. The same until it is answered.
    pub fn question(&self) -> Option<Question> {
        match &self.state {
            State::Service(index) => {
                let service = SERVICES.get(*index)?;
                Some(Question::Service(format!("{service}.{}", self.zone)))
            }
            State::Address => {
                let candidate = self.candidates.front()?;
                Some(Question::Address(candidate.host.clone()))
            }
            State::Found(_) | State::Nothing => None,
        }
    }

    /// Takes the reply to the question. `random` gives numbers for the choice among services of
    /// the same priority (RFC 2782).
    pub fn reply(&mut self, reply: Reply, random: &mut dyn FnMut() -> u32) {
        self.failed |= reply == Reply::Failed;
        match (&self.state, reply) {
            (State::Service(index), reply) => {
                let next = index + 1;
                if let Reply::Services(records) = reply {
                    self.candidates.extend(in_order(records, random));
                }
                match (self.candidates.is_empty(), next < SERVICES.len()) {
                    (false, _) => self.state = State::Address,
                    (true, true) => self.state = State::Service(next),
                    (true, false) => self.ask_for_host(),
                }
            }
            (State::Address, Reply::Address(true)) => {
                let found = self.candidates.pop_front();
                self.state = found.map_or(State::Nothing, State::Found);
            }
            (State::Address, _) => {
                self.candidates.pop_front();
                if self.candidates.is_empty() {
                    self.ask_for_host();
                }
            }
            _ => {}
        }
    }

    /// True if the DNS failed: that nothing was found says nothing then.
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// The account of the server that was found.
    pub fn found(&self) -> Option<Account> {
        let State::Found(Candidate { host, port }) = &self.state else {
            return None;
        };
        Some(Account {
            uri: format!("coaps://{host}:{port}"),
            proof: self.proof,
            hold_off: None,
        })
    }

    /// Goes on to the well-known name, once.
    fn ask_for_host(&mut self) {
        if core::mem::replace(&mut self.last, true) {
            self.state = State::Nothing;
            return;
        }
        let host = format!("{HOST}.{}", self.zone);
        self.candidates.push_back(Candidate { host, port: PORT });
        self.state = State::Address;
    }
}

/// Puts service records into the order in which they are tried (RFC 2782).
fn in_order(
    mut records: Vec<ServiceRecord>,
    random: &mut dyn FnMut() -> u32,
) -> impl Iterator<Item = Candidate> {
    records.truncate(MAX_RECORDS);
    // Those without weight come first among their priority: they get their small chance.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::new();
    while let Some(first) = records.first() {
        let priority = first.priority;
        let same = records.iter().take_while(|r| r.priority == priority);
        let total: u32 = same.map(|record| u32::from(record.weight)).sum();
        let mut chosen = random() % (total + 1);
        let index = records.iter().position(|record| {
            let weight = u32::from(record.weight);
            let here = chosen <= weight;
            chosen = chosen.saturating_sub(weight);
            here
        });
        ordered.push(records.remove(index.unwrap_or(0)));
    }
    ordered.into_iter().filter_map(|record| {
        let host = record.target.trim_end_matches('.');
        (!host.is_empty() && record.port != 0).then(|| Candidate {
            host: host.into(),
            port: record.port,
        })
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn record(priority: u16, weight: u16, target: &str) -> ServiceRecord {
        ServiceRecord {
            priority,
            weight,
            port: 5684,
            target: target.into(),
        }
    }

    fn order(records: &[ServiceRecord], random: &mut dyn FnMut() -> u32) -> Vec<String> {
        in_order(records.to_vec(), random).map(|c| c.host).collect()
    }

    /// Answers all questions of a discovery, and returns these with what it found.
    fn walk(answers: Vec<Reply>) -> (Vec<Question>, Option<String>) {
        let mut discovery = Discovery::new("zone.example");
        let mut asked = Vec::new();
        for answer in answers {
            asked.push(discovery.question().unwrap());
            discovery.reply(answer, &mut || 0);
        }
        assert_eq!(discovery.question(), None);
        (asked, discovery.found().map(|account| account.uri))
    }

    fn service(name: &str) -> Question {
        Question::Service(name.into())
    }

    fn address(name: &str) -> Question {
        Question::Address(name.into())
    }

    #[test]
    fn lower_priorities_come_first_whatever_their_weight() {
        let records = [record(20, 100, "b"), record(10, 0, "a"), record(30, 9, "c")];
        for number in [0, 1, 99, u32::MAX] {
            assert_eq!(order(&records, &mut || number), ["a", "b", "c"]);
        }
    }

    #[test]
    fn services_are_chosen_in_proportion_to_their_weights() {
        let records = [
            record(0, 1, "small"),
            record(0, 3, "large"),
            record(0, 0, "none"),
        ];
        let mut first = alloc::collections::BTreeMap::new();
        for number in 0..500 {
            let order = order(&records, &mut || number);
            assert_eq!(order.len(), 3);
            *first.entry(order[0].clone()).or_insert(0) += 1;
        }
        // Of the numbers 0 to 4: 0 is that of the one without weight, 1 the small, 2 to 4 the large.
        assert_eq!(
            (first["none"], first["small"], first["large"]),
            (100, 100, 300)
        );
    }

    #[test]
    fn all_names_are_asked_for_in_turn() {
        let none = || Reply::Services(vec![]);
        let (asked, found) = walk(vec![none(), none(), Reply::Address(false)]);
        let expected = [
            service("_lwm2m-bs._udp.zone.example"),
            service("_coaps._udp.zone.example"),
            address("lwm2m-bs.zone.example"),
        ];
        assert_eq!(asked, expected);
        assert_eq!(found, None);
    }

    #[test]
    fn the_next_service_is_taken_if_a_host_has_no_address() {
        let records = vec![record(1, 0, "one.example."), record(2, 0, "two.example.")];
        let (asked, found) = walk(vec![
            Reply::Services(records),
            Reply::Address(false),
            Reply::Address(true),
        ]);
        assert_eq!(asked[1..], [address("one.example"), address("two.example")]);
        assert_eq!(found.as_deref(), Some("coaps://two.example:5684"));
    }

    #[test]
    fn the_well_known_name_has_the_default_port() {
        let none = || Reply::Services(vec![]);
        let (_, found) = walk(vec![none(), none(), Reply::Address(true)]);
        assert_eq!(found.as_deref(), Some("coaps://lwm2m-bs.zone.example:5684"));
    }

    #[test]
    fn a_service_that_is_not_offered_is_none() {
        let records = vec![record(0, 0, ".")];
        let (asked, _) = walk(vec![
            Reply::Services(records),
            Reply::Services(vec![]),
            Reply::Address(false),
        ]);
        assert_eq!(asked[1], service("_coaps._udp.zone.example"));
    }

    #[test]
    fn a_failure_is_not_taken_for_an_answer() {
        let mut discovery = Discovery::new("zone.example");
        for _ in 0..3 {
            discovery.reply(Reply::Failed, &mut || 0);
        }
        assert_eq!((discovery.question(), discovery.found()), (None, None));
        assert!(discovery.has_failed());
    }

    #[test]
    fn the_records_of_an_answer_are_bounded() {
        let records: Vec<_> = (0..1000).map(|_| record(0, 1, "a")).collect();
        assert_eq!(order(&records, &mut || 7).len(), MAX_RECORDS);
    }
}
