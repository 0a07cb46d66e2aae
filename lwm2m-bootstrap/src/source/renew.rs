//! Sources that are asked again while the device runs: a card may be changed or taken out.

use alloc::vec::Vec;

use lwm2m_model::{Failure, Tree};

use super::{Established, Information, Origin, Provenance, Source, SourceError};
use crate::accounts;

/// What the sources gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// What was found, in the order of the sources.
    pub found: Vec<Information>,
    /// Sources that could not be read, and why.
    pub failed: Vec<(Origin, SourceError)>,
}

/// What an [`Answer`] means for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Everything is as it was.
    Unchanged,
    /// The source whose accounts are in use can't be read now: they stay, and the next check
    /// tells more.
    Unknown,
    /// The accounts of this origin must go, and others may take their place.
    Changed(Option<Origin>),
}

/// What became of the accounts of a device.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Renewal {
    /// Whose accounts were removed.
    pub removed: Option<Origin>,
    /// Whose accounts are used now, and which were refused.
    pub established: Established,
}

/// Asks the sources in their order, beginning behind `after`; stops once there is an account of a
/// bootstrap server. This may block; it is for drivers.
pub fn ask(sources: &mut [&mut dyn Source], after: Option<Origin>) -> Answer {
    let mut answer = Answer::default();
    for source in sources {
        let origin = source.origin();
        if after.is_some_and(|after| origin <= after) {
            continue;
        }
        match source.fetch() {
            Ok(Some(information)) => {
                let complete = information.has_bootstrap();
                answer.found.push(information);
                if complete {
                    break;
                }
            }
            Ok(None) => {}
            Err(error) => answer.failed.push((origin, error)),
        }
    }
    answer
}

/// True if a source may have what it had: nobody could see.
fn is_unreadable(answer: &Answer, origin: Origin) -> bool {
    let unreadable = |error: &SourceError| matches!(error, SourceError::Unreadable(_));
    let mut failed = answer.failed.iter();
    failed.any(|(failed, error)| *failed == origin && unreadable(error))
}

impl Provenance {
    /// Compares what the sources gave with what is in use.
    pub fn compare(&self, tree: &Tree, answer: &Answer) -> Verdict {
        let first = answer.found.iter().find(|found| !self.is_refused(found));
        let Some((origin, print)) = self.in_use() else {
            // The factory's information is for a device that has no account yet.
            let has = accounts(tree);
            let empty = has.bootstrap.is_none() && has.servers.is_empty();
            return match first {
                Some(first) if first.origin != Origin::Factory || empty => Verdict::Changed(None),
                _ => Verdict::Unchanged,
            };
        };
        match first {
            Some(first) if first.origin < origin => Verdict::Changed(Some(origin)),
            Some(first) if first.origin == origin => {
                let other = print.zip(first.fingerprint).is_some_and(|(a, b)| a != b);
                match other {
                    true => Verdict::Changed(Some(origin)),
                    false => Verdict::Unchanged,
                }
            }
            _ if is_unreadable(answer, origin) => Verdict::Unknown,
            _ => Verdict::Changed(Some(origin)),
        }
    }

    /// Does what an answer asks for: removes the accounts whose source changed or is gone, then
    /// takes the first consistent ones.
    ///
    /// # Errors
    /// What an object refuses when accounts are removed; nothing has changed then.
    pub fn renew(&mut self, tree: &mut Tree, answer: &Answer) -> Result<Renewal, Failure> {
        let mut renewal = Renewal::default();
        let Verdict::Changed(old) = self.compare(tree, answer) else {
            return Ok(renewal);
        };
        if let Some(origin) = old {
            self.remove(tree, origin)?;
            renewal.removed = Some(origin);
        }
        let established = &mut renewal.established;
        for information in &answer.found {
            if self.is_refused(information) {
                continue;
            }
            let has = accounts(tree);
            let known = has.bootstrap.is_some() || !has.servers.is_empty();
            // What the factory gave is back already, maybe with what a bootstrap made of it.
            if information.origin == Origin::Factory && established.origin.is_none() && known {
                continue;
            }
            self.establish(tree, information, established);
        }
        if established.origin.is_some() && established.bootstrap.is_none() {
            established.bootstrap = self.add_displaced_bootstrap(tree);
        }
        Ok(renewal)
    }
}
