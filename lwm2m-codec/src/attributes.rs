//! Notification attributes: what Write-Attributes sets and Discover shows (TS-Core §7.3).

use core::fmt;

use crate::{
    EncodeError, Version,
    link::{Link, LinkWriter},
};

/// The notification attributes attached to one node.
///
/// ```
/// use lwm2m_codec::Attributes;
/// let resource = Attributes::parse(["gt=45", "st=10"])?;
/// let object = Attributes::parse(["pmin=10", "gt=99"])?;
/// let effective = resource.or(object);
/// assert_eq!((effective.pmin, effective.gt), (Some(10), Some(45.0)));
/// # Ok::<(), lwm2m_codec::attributes::AttributeError<'static>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Attributes {
    /// Least time between two notifications, in seconds.
    pub pmin: Option<u32>,
    /// Most time between two notifications, in seconds; 0 is ignored by the evaluator.
    pub pmax: Option<u32>,
    /// Least time between two evaluations, in seconds.
    pub epmin: Option<u32>,
    /// Most time between two evaluations, in seconds.
    pub epmax: Option<u32>,
    /// Upper threshold.
    pub gt: Option<f64>,
    /// Lower threshold.
    pub lt: Option<f64>,
    /// Least change of the value.
    pub st: Option<f64>,
    /// Edge of a Boolean: false for falling, true for rising.
    pub edge: Option<bool>,
    /// Whether notifications are confirmable.
    pub con: Option<bool>,
    /// Most historical values kept while offline.
    pub hqmax: Option<u32>,
}

impl Attributes {
    /// No attribute.
    pub const NONE: Self = Self {
        pmin: None,
        pmax: None,
        epmin: None,
        epmax: None,
        gt: None,
        lt: None,
        st: None,
        edge: None,
        con: None,
        hqmax: None,
    };

    /// Reads the segments of a query, such as `pmin=10`; the last one of a name counts.
    ///
    /// # Errors
    /// The first segment that is no attribute or has a wrong value.
    pub fn parse<'q>(
        segments: impl IntoIterator<Item = &'q str>,
    ) -> Result<Self, AttributeError<'q>> {
        let mut attributes = Self::NONE;
        for segment in segments {
            attributes.apply(AttributeChange::parse(segment)?);
        }
        Ok(attributes)
    }

    /// Reads the attributes among the parameters of a link; other parameters are passed over,
    /// and so is what has no valid value.
    pub fn from_link(link: &Link<'_>) -> Self {
        let mut attributes = Self::NONE;
        for (name, value) in link.params() {
            let value = value.and_then(|value| value.as_plain());
            if let (Some(name), Some(value)) = (AttributeName::from_text(name), value) {
                if let Some(change) = AttributeChange::set(name, value) {
                    attributes.apply(change);
                }
            }
        }
        attributes
    }

    /// Sets or unsets one attribute.
    pub fn apply(&mut self, change: AttributeChange) {
        match change {
            AttributeChange::Pmin(value) => self.pmin = value,
            AttributeChange::Pmax(value) => self.pmax = value,
            AttributeChange::Epmin(value) => self.epmin = value,
            AttributeChange::Epmax(value) => self.epmax = value,
            AttributeChange::Gt(value) => self.gt = value,
            AttributeChange::Lt(value) => self.lt = value,
            AttributeChange::St(value) => self.st = value,
            AttributeChange::Edge(value) => self.edge = value,
            AttributeChange::Con(value) => self.con = value,
            AttributeChange::Hqmax(value) => self.hqmax = value,
        }
    }

    /// True if the attributes may stand together: `lt` < `gt`, `lt` + 2·`st` < `gt` and
    /// `epmin` < `epmax` (TS-Core §7.3.2).
    ///
    /// A `pmax` below `pmin` is consistent: whoever evaluates ignores it.
    pub fn is_consistent(&self) -> bool {
        let thresholds = match (self.lt, self.gt) {
            (Some(lt), Some(gt)) => lt + 2.0 * self.st.unwrap_or(0.0).max(0.0) < gt,
            _ => true,
        };
        let periods = match (self.epmin, self.epmax) {
            (Some(epmin), Some(epmax)) => epmin < epmax,
            _ => true,
        };
        thresholds && periods
    }

    /// These attributes, with what is missing taken from a node above (TS-Core §7.3.2).
    #[must_use]
    pub fn or(self, above: Self) -> Self {
        Self {
            pmin: self.pmin.or(above.pmin),
            pmax: self.pmax.or(above.pmax),
            epmin: self.epmin.or(above.epmin),
            epmax: self.epmax.or(above.epmax),
            gt: self.gt.or(above.gt),
            lt: self.lt.or(above.lt),
            st: self.st.or(above.st),
            edge: self.edge.or(above.edge),
            con: self.con.or(above.con),
            hqmax: self.hqmax.or(above.hqmax),
        }
    }

    /// True if no attribute is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// The attributes that are set; each prints as a query segment such as `pmin=10`.
    pub fn iter(&self) -> impl Iterator<Item = AttributeChange> + use<> {
        let all = [
            self.pmin.map(|v| AttributeChange::Pmin(Some(v))),
            self.pmax.map(|v| AttributeChange::Pmax(Some(v))),
            self.epmin.map(|v| AttributeChange::Epmin(Some(v))),
            self.epmax.map(|v| AttributeChange::Epmax(Some(v))),
            self.gt.map(|v| AttributeChange::Gt(Some(v))),
            self.lt.map(|v| AttributeChange::Lt(Some(v))),
            self.st.map(|v| AttributeChange::St(Some(v))),
            self.edge.map(|v| AttributeChange::Edge(Some(v))),
            self.con.map(|v| AttributeChange::Con(Some(v))),
            self.hqmax.map(|v| AttributeChange::Hqmax(Some(v))),
        ];
        all.into_iter().flatten()
    }

    /// Writes the attributes as parameters of the link begun last.
    ///
    /// # Errors
    /// As [`LinkWriter::attr`].
    pub fn write_params(&self, links: &mut LinkWriter<'_>) -> Result<(), EncodeError> {
        for attribute in self.iter() {
            links.attr(attribute.name().as_str(), attribute.value())?;
        }
        Ok(())
    }
}

/// Names a notification attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttributeName {
    /// Minimum Period.
    Pmin,
    /// Maximum Period.
    Pmax,
    /// Minimum Evaluation Period.
    Epmin,
    /// Maximum Evaluation Period.
    Epmax,
    /// Greater Than.
    Gt,
    /// Less Than.
    Lt,
    /// Step.
    St,
    /// Edge.
    Edge,
    /// Confirmable Notification.
    Con,
    /// Maximum Historical Queue.
    Hqmax,
}

impl AttributeName {
    /// Every attribute, in the order of TS-Core Table 7.3.2.
    pub const ALL: [Self; 10] = [
        Self::Pmin,
        Self::Pmax,
        Self::Gt,
        Self::Lt,
        Self::St,
        Self::Epmin,
        Self::Epmax,
        Self::Edge,
        Self::Con,
        Self::Hqmax,
    ];

    /// The name in queries and links.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pmin => "pmin",
            Self::Pmax => "pmax",
            Self::Epmin => "epmin",
            Self::Epmax => "epmax",
            Self::Gt => "gt",
            Self::Lt => "lt",
            Self::St => "st",
            Self::Edge => "edge",
            Self::Con => "con",
            Self::Hqmax => "hqmax",
        }
    }

    /// The attribute of a name.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    /// The first version of the enabler that knows it.
    pub const fn since(self) -> Version {
        match self {
            Self::Pmin | Self::Pmax | Self::Gt | Self::Lt | Self::St => Version::V1_0,
            Self::Epmin | Self::Epmax => Version::V1_1,
            Self::Edge | Self::Con | Self::Hqmax => Version::V1_2,
        }
    }

    /// True if it may be attached to a path of this many ids: 1 is an object, 4 a resource
    /// instance, which LwM2M 1.0 does not know.
    pub const fn allowed_at(self, depth: usize) -> bool {
        match self {
            Self::Gt | Self::Lt | Self::St | Self::Edge => matches!(depth, 3 | 4),
            _ => matches!(depth, 1..=4),
        }
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Sets an attribute, or unsets it (`None`). Prints as a query segment.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum AttributeChange {
    /// Minimum Period in seconds.
    Pmin(Option<u32>),
    /// Maximum Period in seconds.
    Pmax(Option<u32>),
    /// Minimum Evaluation Period in seconds.
    Epmin(Option<u32>),
    /// Maximum Evaluation Period in seconds.
    Epmax(Option<u32>),
    /// Greater Than.
    Gt(Option<f64>),
    /// Less Than.
    Lt(Option<f64>),
    /// Step, not negative.
    St(Option<f64>),
    /// Edge: false for falling, true for rising.
    Edge(Option<bool>),
    /// Confirmable Notification.
    Con(Option<bool>),
    /// Maximum Historical Queue.
    Hqmax(Option<u32>),
}

impl AttributeChange {
    /// Reads `pmin=10`, or `pmin` to unset (TS-Core §7.3.2).
    ///
    /// # Errors
    /// An unknown name, which may be that of a read-only property such as `dim`; a wrong value.
    pub fn parse(segment: &str) -> Result<Self, AttributeError<'_>> {
        let (text, value) = match segment.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (segment, None),
        };
        let name = AttributeName::from_text(text).ok_or(AttributeError::Unknown(text))?;
        match value {
            None => Ok(Self::unset(name)),
            Some(value) => Self::set(name, value).ok_or(AttributeError::InvalidValue(name)),
        }
    }

    /// Unsets an attribute.
    pub const fn unset(name: AttributeName) -> Self {
        match name {
            AttributeName::Pmin => Self::Pmin(None),
            AttributeName::Pmax => Self::Pmax(None),
            AttributeName::Epmin => Self::Epmin(None),
            AttributeName::Epmax => Self::Epmax(None),
            AttributeName::Gt => Self::Gt(None),
            AttributeName::Lt => Self::Lt(None),
            AttributeName::St => Self::St(None),
            AttributeName::Edge => Self::Edge(None),
            AttributeName::Con => Self::Con(None),
            AttributeName::Hqmax => Self::Hqmax(None),
        }
    }

    fn set(name: AttributeName, value: &str) -> Option<Self> {
        Some(match name {
            AttributeName::Pmin => Self::Pmin(Some(integer(value)?)),
            AttributeName::Pmax => Self::Pmax(Some(integer(value)?)),
            AttributeName::Epmin => Self::Epmin(Some(integer(value)?)),
            AttributeName::Epmax => Self::Epmax(Some(integer(value)?)),
            AttributeName::Gt => Self::Gt(Some(decimal(value)?)),
            AttributeName::Lt => Self::Lt(Some(decimal(value)?)),
            AttributeName::St => Self::St(Some(decimal(value).filter(|step| *step >= 0.0)?)),
            AttributeName::Edge => Self::Edge(Some(boolean(value)?)),
            AttributeName::Con => Self::Con(Some(boolean(value)?)),
            AttributeName::Hqmax => Self::Hqmax(Some(integer(value)?)),
        })
    }

    /// The attribute's name.
    pub const fn name(&self) -> AttributeName {
        match self {
            Self::Pmin(_) => AttributeName::Pmin,
            Self::Pmax(_) => AttributeName::Pmax,
            Self::Epmin(_) => AttributeName::Epmin,
            Self::Epmax(_) => AttributeName::Epmax,
            Self::Gt(_) => AttributeName::Gt,
            Self::Lt(_) => AttributeName::Lt,
            Self::St(_) => AttributeName::St,
            Self::Edge(_) => AttributeName::Edge,
            Self::Con(_) => AttributeName::Con,
            Self::Hqmax(_) => AttributeName::Hqmax,
        }
    }

    /// True if it sets the attribute.
    pub const fn is_set(&self) -> bool {
        match self {
            Self::Pmin(v) | Self::Pmax(v) | Self::Epmin(v) | Self::Epmax(v) | Self::Hqmax(v) => {
                v.is_some()
            }
            Self::Gt(v) | Self::Lt(v) | Self::St(v) => v.is_some(),
            Self::Edge(v) | Self::Con(v) => v.is_some(),
        }
    }

    /// The value as it is written; nothing if the attribute is unset.
    const fn value(&self) -> AttributeValue {
        AttributeValue(*self)
    }
}

impl fmt::Display for AttributeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().as_str())?;
        if self.is_set() {
            write!(f, "={}", self.value())?;
        }
        Ok(())
    }
}

/// Prints the value of an attribute.
struct AttributeValue(AttributeChange);

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AttributeChange as C;
        match self.0 {
            C::Pmin(v) | C::Pmax(v) | C::Epmin(v) | C::Epmax(v) | C::Hqmax(v) => {
                v.map_or(Ok(()), |v| write!(f, "{v}"))
            }
            // `f64` prints in plain decimals, integral values without a point.
            C::Gt(v) | C::Lt(v) | C::St(v) => v.map_or(Ok(()), |v| write!(f, "{v}")),
            C::Edge(v) | C::Con(v) => v.map_or(Ok(()), |v| write!(f, "{}", u8::from(v))),
        }
    }
}

/// Says which part of a query is no attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError<'q> {
    /// No notification attribute has this name.
    #[error("{0} is not a notification attribute")]
    Unknown(&'q str),
    /// The value of this attribute is malformed or out of range.
    #[error("the value of {0} is not valid")]
    InvalidValue(AttributeName),
}

/// `1*DIGIT` below 2³².
fn integer(text: &str) -> Option<u32> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// `1*DIGIT ["." 1*DIGIT]`; a sign, which the ABNF lacks, is accepted.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (integral, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(integral) || !all_digits(fraction) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    #[test]
    fn a_name_without_value_unsets() {
        let mut attributes = Attributes::parse(["pmin=1", "edge=1"]).unwrap();
        attributes.apply(AttributeChange::parse("pmin").unwrap());
        assert_eq!(attributes.pmin, None);
        assert_eq!(attributes.edge, Some(true));
        assert_eq!(
            AttributeChange::unset(AttributeName::Pmin).to_string(),
            "pmin"
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |segment| AttributeChange::parse(segment).unwrap_err();
        assert_eq!(error("dim=1"), AttributeError::Unknown("dim"));
        assert_eq!(
            error("lt=1e3"),
            AttributeError::InvalidValue(AttributeName::Lt)
        );
        for segment in [
            "gt=.5",
            "gt=5.",
            "gt=+5",
            "st=-1",
            "pmin=4294967296",
            "con=",
        ] {
            assert!(matches!(error(segment), AttributeError::InvalidValue(_)));
        }
    }

    #[test]
    fn attributes_print_as_they_parse() {
        let segments = [
            "pmin=10", "epmax=4", "gt=50", "lt=-42.2", "con=0", "hqmax=3",
        ];
        let attributes = Attributes::parse(segments).unwrap();
        let printed: std::vec::Vec<String> = attributes.iter().map(|a| a.to_string()).collect();
        assert_eq!(printed, segments);
        let mut buf = [0; 80];
        let mut links = LinkWriter::new(&mut buf);
        links.link("/3").unwrap();
        attributes.write_params(&mut links).unwrap();
        let len = links.finish().unwrap();
        let link = crate::link::Links::new(&buf[..len])
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(Attributes::from_link(&link), attributes);
    }

    #[test]
    fn thresholds_need_room_for_two_steps() {
        let consistent = |s: &[&'static str]| {
            Attributes::parse(s.iter().copied())
                .unwrap()
                .is_consistent()
        };
        assert!(consistent(&["lt=20", "gt=31", "st=5"]));
        assert!(!consistent(&["lt=20", "gt=30", "st=5"]));
        assert!(!consistent(&["lt=20", "gt=20"]));
        assert!(consistent(&["lt=20", "st=50"]));
        assert!(!consistent(&["epmin=2", "epmax=2"]));
        assert!(consistent(&["pmin=10", "pmax=1"]));
    }

    #[test]
    fn thresholds_belong_to_resources_only() {
        assert!(!AttributeName::Gt.allowed_at(2));
        assert!(AttributeName::Gt.allowed_at(4));
        assert!(AttributeName::Pmin.allowed_at(1));
        assert!(!AttributeName::Pmin.allowed_at(0));
        assert_eq!(AttributeName::Hqmax.since(), Version::V1_2);
    }
}
