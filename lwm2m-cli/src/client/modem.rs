//! The SIM of the device and its operator: where its accounts and keys come from.

use std::path::Path as FilePath;

use lwm2m_bootstrap::{
    DerivedKey,
    cellular::{
        Account, Bearer, Container, Discovery, NetworkInfo, OperatorTable, Proof, Question, Reply,
        Search, Step, Subscription,
    },
    smartcard::{
        CardSource,
        soft::{SoftCard, SoftReader},
    },
    source::{Answer, Fixed, Information, Origin, SourceError},
};
use lwm2m_model::Registry;
use lwm2m_net::cellular::{Cellular, Resolver};
use serde_json::{Value, json};

use super::telling::Teller;
use crate::sim::{Sim, SimError};

/// A modem in software.
#[derive(Debug)]
pub(crate) struct Modem {
    table: OperatorTable,
    resolver: Resolver,
    cellular: Cellular,
    reader: SoftReader,
    subscription: Subscription,
    imei: Option<String>,
    /// What the DNS named. It counts until a bootstrap with it fails: of several services the
    /// choice is random, and the device must not move with each check.
    discovered: Option<Information>,
    /// Searches in vain, one after the other.
    vain: usize,
}

impl Modem {
    /// Makes a modem without a SIM.
    pub(crate) fn new(table: OperatorTable, resolver: Resolver, imei: Option<String>) -> Self {
        Self {
            table,
            resolver,
            cellular: Cellular::new(),
            reader: SoftReader::default(),
            subscription: Subscription::default(),
            imei,
            discovered: None,
            vain: 0,
        }
    }

    /// What the device's driver needs of it.
    pub(crate) fn cellular(&self) -> Cellular {
        self.cellular.clone()
    }

    /// Where names are resolved.
    pub(crate) fn resolver(&self) -> Resolver {
        self.resolver.clone()
    }

    /// What it tells of the SIM and the network.
    pub(crate) const fn network(&self) -> &Subscription {
        &self.subscription
    }

    /// Puts a SIM in, in place of the one that was there.
    pub(crate) fn insert(&mut self, file: &FilePath, teller: Teller) -> Result<(), SimError> {
        let sim = Sim::load(file, self.imei.as_deref())?;
        let network = &sim.subscription;
        let (iccid, imsi) = (
            network.iccid().unwrap_or_default(),
            network.imsi().unwrap_or_default(),
        );
        let mut card = SoftCard::new(iccid, imsi);
        if let Some(file) = &sim.card_file {
            card = card.with_file(file.to_vec());
        }
        self.reader.insert(card);
        self.cellular.set_keys(Some(Box::new(sim.keys())));
        self.cellular.set_bearer(network.bearer());
        let operator = self.table.find(network).map(|o| o.name.clone());
        let name = operator.as_deref().unwrap_or("an unknown operator");
        let told = json!({
            "event": "sim", "iccid": iccid, "imsi": imsi, "operator": operator,
            "plmn": network.plmn().map(|plmn| plmn.to_string()),
        });
        teller.tell(format_args!("SIM {iccid} of {name}"), &told);
        self.subscription = sim.subscription;
        self.discovered = None;
        self.vain = 0;
        Ok(())
    }

    /// Takes the SIM out. Sessions go on until the device has seen it.
    pub(crate) fn remove(&mut self, teller: Teller) {
        self.reader.remove();
        self.cellular.set_keys(None);
        self.cellular.set_bearer(Bearer::Other);
        self.subscription = Subscription {
            imei: self.imei.clone(),
            ..Subscription::default()
        };
        self.discovered = None;
        self.vain = 0;
        teller.tell("no SIM", &json!({ "event": "sim", "iccid": null }));
    }

    /// Looks for accounts in all places behind an origin. Those that the device was started with
    /// are the factory's, and need no place.
    pub(crate) async fn search(&mut self, after: Option<Origin>, teller: Teller) -> Answer {
        let network = &self.subscription;
        let operator = self.table.find(network);
        let container = operator.and_then(|operator| operator.container);
        let zone = operator.and_then(|operator| operator.zone(network));
        let mut decode = uri_of_container;
        let mut search = Search::new(network);
        search = search.source(CardSource::new(&mut self.reader, Registry::core()));
        let container = container.and_then(|number| Container::new(network, number, &mut decode));
        if let Some(container) = container {
            search = search.source(container);
        }
        search = search.source(self.table.source(network));
        search = match (&self.discovered, zone) {
            (Some(discovered), _) => search.source(Fixed::new(discovered.clone())),
            (None, Some(zone)) => search.discovery(Discovery::new(zone)),
            (None, None) => search,
        };
        if let Some(after) = after {
            search = search.after(after);
        }
        loop {
            match search.poll() {
                Step::Ask(question) => {
                    let reply = self.resolver.ask(&question).await;
                    tell_question(teller, &question, &reply);
                    search.reply(reply, &mut || getrandom::u32().unwrap_or_default());
                }
                Step::Done(answer) => {
                    let found = answer.found.iter().find(|i| i.origin == Origin::Dns);
                    self.discovered = found.cloned();
                    tell_answer(teller, &answer);
                    return answer;
                }
            }
        }
    }

    /// Asks the DNS anew at the next search: a bootstrap failed with what it named.
    pub(crate) fn rediscover(&mut self) {
        self.discovered = None;
    }

    /// How long to wait before another search, after one that found nothing.
    pub(crate) fn retry_after(&mut self, answer: &Answer) -> Option<std::time::Duration> {
        if !answer.found.is_empty() {
            self.vain = 0;
            return None;
        }
        let operator = self.table.find(&self.subscription)?;
        let pause = operator.retry_after(self.vain);
        self.vain += 1;
        pause
    }
}

/// What this command makes of a container: the text is the URI of a server that asks for a GBA key.
fn uri_of_container(content: &[u8]) -> Result<Information, SourceError> {
    let uri = std::str::from_utf8(content);
    let uri = uri.map_err(|_| SourceError::Unreadable("the container is no text".into()))?;
    let account = Account {
        uri: uri.to_owned(),
        proof: Proof::Key(DerivedKey::Gba),
        hold_off: None,
    };
    Ok(account.information(Origin::Pco))
}

fn tell_question(teller: Teller, question: &Question, reply: &Reply) {
    let (kind, name) = match question {
        Question::Service(name) => ("SRV", name),
        Question::Address(name) => ("A/AAAA", name),
    };
    let (found, text) = match reply {
        Reply::Services(records) => {
            let records: Vec<Value> = records
                .iter()
                .map(|r| json!(format!("{}:{}", r.target.trim_end_matches('.'), r.port)))
                .collect();
            let text = format!("{} records", records.len());
            (json!(records), text)
        }
        Reply::Address(true) => (json!(true), "has an address".to_owned()),
        Reply::Address(false) => (json!(false), "has no address".to_owned()),
        Reply::Failed => (Value::Null, "no answer".to_owned()),
    };
    let told = json!({ "event": "dns", "type": kind, "name": name, "found": found });
    teller.tell(format_args!("DNS: {kind} {name}: {text}"), &told);
}

fn tell_answer(teller: Teller, answer: &Answer) {
    let uri = |information: &Information| {
        let uri = information
            .values
            .iter()
            .find_map(|(path, value)| matches!(*path.ids(), [0, _, 0]).then_some(value.as_value()));
        match uri {
            Some(lwm2m_codec::Value::String(uri)) => uri.as_plain().map(ToOwned::to_owned),
            _ => None,
        }
    };
    let found: Vec<Value> = answer
        .found
        .iter()
        .map(|found| json!({ "origin": found.origin.to_string(), "uri": uri(found) }))
        .collect();
    let failed: Vec<Value> = answer
        .failed
        .iter()
        .map(|(origin, e)| json!({ "origin": origin.to_string(), "reason": e.to_string() }))
        .collect();
    let mut text: Vec<String> = answer
        .found
        .iter()
        .map(|found| format!("{} names {}", found.origin, uri(found).unwrap_or_default()))
        .collect();
    let failures = answer.failed.iter();
    text.extend(failures.map(|(origin, error)| format!("{origin}: {error}")));
    if text.is_empty() {
        text.push("no source names a server".into());
    }
    let told = json!({ "event": "sources", "found": found, "failed": failed });
    teller.tell(text.join("; "), &told);
}
