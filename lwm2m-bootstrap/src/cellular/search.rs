//! All sources one after the other, the DNS among them.

use alloc::{boxed::Box, collections::VecDeque, string::ToString, vec::Vec};
use core::fmt;

use lwm2m_codec::Value;

use super::{Bearer, Discovery, NetworkInfo, Question, Reply};
use crate::source::{Answer, Fixed, Information, Origin, Source, SourceError, fingerprint};

/// Looks for accounts in all places, in their order, until there is an account of a bootstrap
/// server.
///
/// It asks no resolver by itself: [`poll`](Search::poll) says what to ask, until it is done.
///
/// ```
/// use lwm2m_bootstrap::cellular::{Discovery, Question, Reply, Search, Step, Subscription};
///
/// let sim = Subscription::default();
/// let mut search = Search::new(&sim).discovery(Discovery::new("operator.example"));
/// let found = loop {
///     match search.poll() {
///         Step::Ask(Question::Service(_)) => search.reply(Reply::Services(vec![]), &mut || 4),
///         Step::Ask(Question::Address(_)) => search.reply(Reply::Address(true), &mut || 4),
///         Step::Done(answer) => break answer.found,
///     }
/// };
/// let uri = found[0].values[0].1.as_value();
/// assert_eq!(format!("{uri:?}"), "String(\"coaps://lwm2m-bs.operator.example:5684\")");
/// ```
#[must_use]
pub struct Search<'a> {
    places: VecDeque<Place<'a>>,
    bearer: Bearer,
    iccid: Vec<u8>,
    answer: Answer,
}

enum Place<'a> {
    Source(Box<dyn Source + 'a>),
    Discovery(Discovery),
}

/// What a search needs or has come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ask the DNS, then call [`Search::reply`].
    Ask(Question),
    /// What the places gave, for the device to take. Of a search that is done there is nothing
    /// left.
    Done(Answer),
}

impl<'a> Search<'a> {
    /// Begins without any place, for the SIM that a device has.
    pub fn new(network: &dyn NetworkInfo) -> Self {
        let iccid = network.iccid().unwrap_or_default();
        Self {
            places: VecDeque::new(),
            bearer: network.bearer(),
            iccid: iccid.as_bytes().to_vec(),
            answer: Answer::default(),
        }
    }

    /// Adds a place.
    pub fn source(mut self, source: impl Source + 'a) -> Self {
        self.places.push_back(Place::Source(Box::new(source)));
        self
    }

    /// Adds the DNS.
    pub fn discovery(mut self, discovery: Discovery) -> Self {
        self.places.push_back(Place::Discovery(discovery));
        self
    }

    /// Leaves out all places up to an origin, whose accounts the device could not take.
    pub fn after(mut self, origin: Origin) -> Self {
        self.places.retain(|place| match place {
            Place::Source(source) => source.origin() > origin,
            Place::Discovery(discovery) => discovery.origin() > origin,
        });
        self
    }

    /// Goes on until it has to ask or is done.
    pub fn poll(&mut self) -> Step {
        while let Some(place) = self.places.pop_front() {
            match place {
                Place::Source(source) => self.fetch(source),
                Place::Discovery(discovery) => match discovery.question() {
                    Some(question) => {
                        self.places.push_front(Place::Discovery(discovery));
                        return Step::Ask(question);
                    }
                    None => self.fetch(Box::new(discovery)),
                },
            }
        }
        Step::Done(core::mem::take(&mut self.answer))
    }

    /// Takes the reply of the DNS; `random` is as for [`Discovery::reply`].
    pub fn reply(&mut self, reply: Reply, random: &mut dyn FnMut() -> u32) {
        if let Some(Place::Discovery(discovery)) = self.places.front_mut() {
            discovery.reply(reply, random);
        }
    }

    /// Makes what is not from the card itself differ from card to card.
    fn mark(&self, information: &mut Information) {
        if information.fingerprint.is_none() && information.origin != Origin::Factory {
            let uri = information.values.iter().find_map(|(path, value)| {
                matches!(*path.ids(), [0, _, 0]).then_some(value.as_value())
            });
            let uri = match &uri {
                Some(Value::String(uri)) => uri.as_plain().unwrap_or_default(),
                _ => "",
            };
            information.fingerprint = Some(fingerprint(&self.iccid, uri.as_bytes()));
        }
    }

    fn fetch(&mut self, source: Box<dyn Source + '_>) {
        let bearer = self.bearer;
        let mut source = Guarded { source, bearer };
        match source.fetch() {
            Ok(Some(mut information)) => {
                self.mark(&mut information);
                if information.has_bootstrap() {
                    self.places.clear();
                }
                self.answer.found.push(information);
            }
            Ok(None) => {}
            Err(error) => {
                let origin = source.origin();
                tracing::warn!(%origin, %error, "a source of accounts is not used");
                self.answer.failed.push((origin, error));
            }
        }
    }
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search")
            .field("places", &self.places.len())
            .field("bearer", &self.bearer)
            .field("answer", &self.answer)
            .finish()
    }
}

impl Source for Discovery {
    fn origin(&self) -> Origin {
        Origin::Dns
    }

    /// Gives what was found; asks nobody.
    fn fetch(&mut self) -> Result<Option<Information>, SourceError> {
        match self.found() {
            Some(account) => Fixed::new(account.information(Origin::Dns)).fetch(),
            None if self.has_failed() => {
                let reason = "the DNS could not be asked".to_string();
                Err(SourceError::Unreadable(reason))
            }
            None => Ok(None),
        }
    }
}

/// A source whose bootstrap server may go without DTLS over the operator's bearer only. The
/// factory may have reasons of its own, such as a laboratory.
struct Guarded<'a> {
    source: Box<dyn Source + 'a>,
    bearer: Bearer,
}

impl Source for Guarded<'_> {
    fn origin(&self) -> Origin {
        self.source.origin()
    }

    fn fetch(&mut self) -> Result<Option<Information>, SourceError> {
        let information = self.source.fetch()?;
        let trusted = self.bearer == Bearer::Operator || self.origin() == Origin::Factory;
        match information {
            Some(information) if !trusted && has_clear_server(&information) => {
                Err(SourceError::OperatorBearerOnly)
            }
            information => Ok(information),
        }
    }
}

/// True if a server is to be reached without security (/0/x/2).
fn has_clear_server(information: &Information) -> bool {
    information.values.iter().any(|(path, value)| {
        matches!(*path.ids(), [0, _, 2]) && value.as_value() == Value::Integer(3)
    })
}
