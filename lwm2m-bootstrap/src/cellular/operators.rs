//! A table of operators: what a SIM looks like, and where its operator's bootstrap server is.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use super::{Account, EndpointName, NetworkInfo, Plmn};
use crate::source::{Information, Origin, Source, SourceError};

/// By what an operator is known. A SIM has to match all that is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Match {
    /// Any of these networks.
    pub plmn: Vec<Plmn>,
    /// First bytes of EF_GID1.
    pub gid1: Option<Vec<u8>>,
    /// First bytes of EF_GID2.
    pub gid2: Option<Vec<u8>>,
    /// Name of the service provider, exactly.
    pub spn: Option<String>,
    /// First digits of the IMSI.
    pub imsi_prefix: Option<String>,
    /// First digits of the ICCID.
    pub iccid_prefix: Option<String>,
}

/// How closely a match describes a SIM: the more a value is that of few SIMs, the earlier it
/// counts. Digits of the ICCID, digits of the IMSI, bytes of GID2 and GID1, the provider's name,
/// the network.
type Rank = [usize; 6];

impl Match {
    /// How closely it describes a SIM; `None` if it does not.
    fn rank(&self, network: &dyn NetworkInfo) -> Option<Rank> {
        let text = |wanted: &Option<String>, is: Option<&str>| match wanted {
            None => Some(0),
            Some(wanted) => is?.starts_with(wanted.as_str()).then_some(wanted.len()),
        };
        let bytes = |wanted: &Option<Vec<u8>>, is: Option<&[u8]>| match wanted {
            None => Some(0),
            Some(wanted) => is?.starts_with(wanted).then_some(wanted.len()),
        };
        let spn = match &self.spn {
            None => 0,
            Some(spn) => (network.spn()? == spn).then_some(1)?,
        };
        let plmn = match self.plmn.is_empty() {
            true => 0,
            false => self.plmn.contains(&network.plmn()?).then_some(1)?,
        };
        Some([
            text(&self.iccid_prefix, network.iccid())?,
            text(&self.imsi_prefix, network.imsi())?,
            bytes(&self.gid2, network.gid2())?,
            bytes(&self.gid1, network.gid1())?,
            spn,
            plmn,
        ])
    }

    /// True if nothing is given, so that every SIM matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a device has to do for the SIMs of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Operator {
    /// Name for people.
    pub name: String,
    /// Its SIMs.
    pub matches: Match,
    /// Its bootstrap server; `None` if the card or the DNS names it.
    pub account: Option<Account>,
    /// How endpoint names are made; `None` leaves that to the device.
    pub endpoint: Option<EndpointName>,
    /// Asks the DNS, in the operator's zone or in this one.
    pub discover: Option<Zone>,
    /// Access point names to try, the best first.
    pub apn: Vec<String>,
    /// The container of the network to look at; `None` for none.
    pub container: Option<u16>,
    /// How long to wait after each attempt in vain; the last one counts for all that follow.
    pub retry: Vec<Duration>,
}

/// Where to ask the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zone {
    /// In the zone of the SIM's network ([`Plmn::zone`]).
    OfNetwork,
    /// In this one.
    Named(String),
}

impl Operator {
    /// How long to wait after an attempt in vain, counted from 0; `None` where the profile leaves
    /// it to the standard (TS-Core §6.2.1.1).
    pub fn retry_after(&self, attempt: usize) -> Option<Duration> {
        self.retry.get(attempt).or(self.retry.last()).copied()
    }

    /// The zone to ask for this SIM; `None` if the operator has no discovery.
    pub fn zone(&self, network: &dyn NetworkInfo) -> Option<String> {
        match self.discover.as_ref()? {
            Zone::OfNetwork => network.plmn().map(|plmn| plmn.zone()),
            Zone::Named(zone) => Some(zone.clone()),
        }
    }
}

/// Operators and how to know them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperatorTable {
    /// The operators, in the order of the file.
    pub operators: Vec<Operator>,
}

impl OperatorTable {
    /// The operator of a SIM: the one that describes it most closely, and of two that do equally
    /// the one that comes first.
    pub fn find(&self, network: &dyn NetworkInfo) -> Option<&Operator> {
        let mut best: Option<(Rank, &Operator)> = None;
        for operator in &self.operators {
            let Some(rank) = operator.matches.rank(network) else {
                continue;
            };
            if best.is_none_or(|(other, _)| rank > other) {
                best = Some((rank, operator));
            }
        }
        best.map(|(_, operator)| operator)
    }

    /// The table as a source for one SIM.
    pub fn source(&self, network: &dyn NetworkInfo) -> TableSource {
        let account = self.find(network).and_then(|o| o.account.clone());
        TableSource { account }
    }
}

/// What a table of operators says of a SIM.
#[derive(Debug, Clone)]
pub struct TableSource {
    account: Option<Account>,
}

impl Source for TableSource {
    fn origin(&self) -> Origin {
        Origin::OperatorTable
    }

    fn fetch(&mut self) -> Result<Option<Information>, SourceError> {
        let account = self.account.as_ref();
        Ok(account.map(|account| account.information(Origin::OperatorTable)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;
    use crate::cellular::Subscription;

    fn sim() -> Subscription {
        Subscription {
            imsi: Some("001010123456789".into()),
            iccid: Some("8988201234567890123".into()),
            plmn: "00101".parse().ok(),
            gid1: Some(vec![0xab, 0xcd]),
            spn: Some("Example".into()),
            ..Subscription::default()
        }
    }

    fn found(operators: &[(&str, Match)]) -> Option<String> {
        let operators = operators.iter().map(|(name, matches)| Operator {
            name: name.to_string(),
            matches: matches.clone(),
            ..Operator::default()
        });
        let table = OperatorTable {
            operators: operators.collect(),
        };
        table.find(&sim()).map(|operator| operator.name.clone())
    }

    fn plmn(text: &str) -> Match {
        Match {
            plmn: vec![text.parse().unwrap()],
            ..Match::default()
        }
    }

    fn imsi(prefix: &str) -> Match {
        Match {
            imsi_prefix: Some(prefix.into()),
            ..Match::default()
        }
    }

    #[test]
    fn the_longest_prefix_wins_wherever_it_stands() {
        let (short, long) = (("short", imsi("0010101")), ("long", imsi("001010123")));
        assert_eq!(found(&[short.clone(), long.clone()]).unwrap(), "long");
        assert_eq!(found(&[long, short]).unwrap(), "long");
    }

    #[test]
    fn a_network_is_the_weakest_description_and_a_card_the_strongest() {
        let gid = Match {
            gid1: Some(vec![0xab]),
            ..plmn("00101")
        };
        let card = Match {
            iccid_prefix: Some("89882".into()),
            ..Match::default()
        };
        let all = [
            ("network", plmn("00101")),
            ("group", gid),
            ("subscriber", imsi("001010")),
            ("card", card),
        ];
        for (count, expected) in [(1, "network"), (2, "group"), (3, "subscriber"), (4, "card")] {
            assert_eq!(found(all.get(..count).unwrap()).unwrap(), expected);
        }
    }

    #[test]
    fn of_two_equal_descriptions_the_first_wins() {
        let twice = [("first", plmn("00101")), ("second", plmn("00101"))];
        assert_eq!(found(&twice).unwrap(), "first");
    }

    #[test]
    fn all_that_is_given_has_to_match() {
        let other = Match {
            spn: Some("Other".into()),
            ..imsi("00101")
        };
        assert_eq!(
            found(&[("other", other), ("network", plmn("001001"))]),
            None
        );
        let unknown = Match {
            gid2: Some(vec![]),
            ..Match::default()
        };
        assert_eq!(found(&[("no GID2", unknown)]), None);
    }

    #[test]
    fn the_last_pause_counts_for_all_that_follow() {
        let operator = Operator {
            retry: vec![Duration::from_secs(120), Duration::from_secs(86_400)],
            ..Operator::default()
        };
        let pause = |attempt| operator.retry_after(attempt).map(|pause| pause.as_secs());
        assert_eq!(
            [pause(0), pause(1), pause(7)],
            [Some(120), Some(86_400), Some(86_400)]
        );
        assert_eq!(Operator::default().retry_after(0), None);
    }
}
