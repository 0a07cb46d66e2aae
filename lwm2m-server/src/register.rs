//! Reading of Register and Update: the query and the list of objects (TS-Core §6.2.1, §6.2.2).

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use lwm2m_codec::{ContentFormat, Version, coap::Message, link::Links};

use crate::{Bindings, Limits, ObjectList, RefuseReason};

/// Versions of LwM2M that the server speaks.
const SUPPORTED: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

/// Objects that a device must not list (TS-Core §6.2.1); listed all the same, they are left out.
const HIDDEN: [u16; 3] = [0, 21, 23];

/// The query of a Register or Update.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Parameters {
    pub(crate) endpoint: Option<String>,
    pub(crate) lifetime: Option<u32>,
    pub(crate) version: Option<Version>,
    pub(crate) binding: Option<Bindings>,
    /// `Q`, or the `Q` of LwM2M 1.0 in `b`.
    pub(crate) queue: bool,
    pub(crate) sms: Option<String>,
    pub(crate) profiles: Vec<String>,
    pub(crate) extra: Vec<(String, Option<String>)>,
}

impl Parameters {
    pub(crate) fn parse(message: &Message<'_>, limits: &Limits) -> Result<Self, RefuseReason> {
        let mut parameters = Self::default();
        for query in message.uri_query() {
            let query = query.ok_or(RefuseReason::Query)?;
            match query.split_once('=') {
                Some((name, value)) => parameters.take(name, Some(value), limits)?,
                None => parameters.take(query, None, limits)?,
            }
        }
        Ok(parameters)
    }

    fn take(
        &mut self,
        name: &str,
        value: Option<&str>,
        limits: &Limits,
    ) -> Result<(), RefuseReason> {
        match (name, value) {
            ("ep", Some(ep)) if !ep.is_empty() => {
                let limit = limits.endpoint_len;
                let what = "bytes of endpoint name";
                let ep = bounded(ep, what, limit)?;
                once(&mut self.endpoint, ep, "ep")
            }
            ("lt", Some(lt)) => {
                let lt = parse_lifetime(lt).ok_or(RefuseReason::Parameter("lt"))?;
                once(&mut self.lifetime, lt, "lt")
            }
            ("lwm2m", Some(version)) => {
                // Quoted in examples of 1.0.
                let version = version.trim_matches('"').parse();
                let version = version.map_err(|_| RefuseReason::Parameter("lwm2m"))?;
                once(&mut self.version, version, "lwm2m")
            }
            ("b", Some(letters)) => {
                let (binding, queue) = Bindings::parse(letters.trim_matches('"'))
                    .ok_or(RefuseReason::Parameter("b"))?;
                self.queue |= queue;
                once(&mut self.binding, binding, "b")
            }
            // A flag without value; some devices give it one.
            ("Q", None | Some("" | "1" | "true")) => {
                self.queue = true;
                Ok(())
            }
            ("sms", Some(sms)) => {
                let sms = bounded(sms, "bytes of a parameter", limits.text_len)?;
                once(&mut self.sms, sms, "sms")
            }
            ("pid", Some(profiles)) => self.take_profiles(profiles, limits),
            ("ep", _) => Err(RefuseReason::Parameter("ep")),
            ("lt", _) => Err(RefuseReason::Parameter("lt")),
            ("lwm2m", _) => Err(RefuseReason::Parameter("lwm2m")),
            ("b", _) => Err(RefuseReason::Parameter("b")),
            ("Q", _) => Err(RefuseReason::Parameter("Q")),
            ("sms", _) => Err(RefuseReason::Parameter("sms")),
            ("pid", _) => Err(RefuseReason::Parameter("pid")),
            _ => self.take_extra(name, value, limits),
        }
    }

    /// One profile, or a quoted list with commas; `pid` may be repeated (TS-Core 1.2 §6.2.1).
    fn take_profiles(&mut self, profiles: &str, limits: &Limits) -> Result<(), RefuseReason> {
        for profile in profiles.trim_matches('"').split(',') {
            if profile.is_empty() {
                return Err(RefuseReason::Parameter("pid"));
            }
            room(self.profiles.len(), limits)?;
            let profile = bounded(profile, "bytes of a parameter", limits.text_len)?;
            self.profiles.push(profile);
        }
        Ok(())
    }

    /// Unknown parameters are kept for the application: extensions use them.
    fn take_extra(
        &mut self,
        name: &str,
        value: Option<&str>,
        limits: &Limits,
    ) -> Result<(), RefuseReason> {
        room(self.extra.len(), limits)?;
        let what = "bytes of a parameter";
        let name = bounded(name, what, limits.text_len)?;
        let value = value.map(|v| bounded(v, what, limits.text_len));
        self.extra.push((name, value.transpose()?));
        Ok(())
    }

    /// The version of a Register, which must state one that the server speaks.
    pub(crate) fn supported_version(&self) -> Result<Version, RefuseReason> {
        let version = self.version.ok_or(RefuseReason::Missing("lwm2m"))?;
        match SUPPORTED.contains(&version) {
            true => Ok(version),
            false => Err(RefuseReason::Version(version)),
        }
    }
}

/// Seconds; what exceeds 32 bits, 136 years, is cut to that.
fn parse_lifetime(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

fn once<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), RefuseReason> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(RefuseReason::Parameter(name)),
    }
}

fn bounded(text: &str, what: &'static str, limit: usize) -> Result<String, RefuseReason> {
    match text.len() <= limit {
        true => Ok(text.to_owned()),
        false => Err(RefuseReason::Limit { what, limit }),
    }
}

fn room(used: usize, limits: &Limits) -> Result<(), RefuseReason> {
    let limit = limits.parameters;
    let what = "parameters of a kind";
    match used < limit {
        true => Ok(()),
        false => Err(RefuseReason::Limit { what, limit }),
    }
}

/// The payload of a Register or Update.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Listing {
    pub(crate) root: String,
    pub(crate) formats: Vec<ContentFormat>,
    pub(crate) objects: ObjectList,
}

impl Listing {
    /// Reads the list; `None` if there is no payload.
    pub(crate) fn parse(
        format: Option<ContentFormat>,
        payload: &[u8],
        limits: &Limits,
    ) -> Result<Option<Self>, RefuseReason> {
        if payload.is_empty() {
            return Ok(None);
        }
        // Some devices leave the format out; there is no other it could be.
        if let Some(other) = format.filter(|format| *format != ContentFormat::LINK) {
            return Err(RefuseReason::Format(other));
        }
        let mut listing = Self::default();
        listing.find_root(payload, limits)?;
        listing.collect(payload, limits)?;
        Ok(Some(listing))
    }

    /// The root link may stand anywhere: `</lwm2m>;rt="oma.lwm2m"`, or `</>;ct=110`.
    fn find_root(&mut self, payload: &[u8], limits: &Limits) -> Result<(), RefuseReason> {
        for link in Links::new(payload) {
            let link = link.map_err(RefuseReason::Payload)?;
            let rt = link.rt().and_then(|rt| rt.as_plain());
            let named = rt.is_some_and(|rt| rt.split(' ').any(|t| t == "oma.lwm2m"));
            let root = link.target.trim_end_matches('/');
            if named {
                // TS-Core §6.2.1: no segment of the root may look like an id.
                let numeric = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
                if root.split('/').any(numeric) || !(root.is_empty() || root.starts_with('/')) {
                    return Err(RefuseReason::Parameter("rt"));
                }
                self.root = bounded(root, "bytes of root path", limits.text_len)?;
            }
            if named || root.is_empty() {
                self.formats.extend(link.ct().take(limits.parameters));
                self.formats.truncate(limits.parameters);
            }
        }
        Ok(())
    }

    fn collect(&mut self, payload: &[u8], limits: &Limits) -> Result<(), RefuseReason> {
        for link in Links::new(payload) {
            let link = link.map_err(RefuseReason::Payload)?;
            // Other resources of the device, and what lies deeper, are no objects.
            let path = link.path_below(&self.root).filter(|path| path.len() <= 2);
            let Some(object) = path.and_then(|path| path.object_id()) else {
                continue;
            };
            let instance = path.and_then(|path| path.instance_id());
            let reserved = lwm2m_codec::MAX_ID;
            if HIDDEN.contains(&object) || object == reserved || instance == Some(reserved) {
                continue;
            }
            if self.objects.len() >= limits.objects {
                return Err(RefuseReason::Limit {
                    what: "objects",
                    limit: limits.objects,
                });
            }
            self.objects.insert(object, instance, link.ver());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lwm2m_codec::Path;

    fn listing(payload: &str) -> Result<Option<Listing>, RefuseReason> {
        let format = Some(ContentFormat::LINK);
        Listing::parse(format, payload.as_bytes(), &Limits::default())
    }

    fn paths(payload: &str) -> Vec<Path> {
        listing(payload).unwrap().unwrap().objects.paths().collect()
    }

    #[test]
    fn an_alternate_root_is_stripped_from_every_link() {
        let payload = r#"</lwm2m/1/0>,</lwm2m>;rt="oma.lwm2m";ct="110 112",</lwm2m/3/0>,</4/0>"#;
        let listing = listing(payload).unwrap().unwrap();
        assert_eq!(listing.root, "/lwm2m");
        let formats = [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR];
        assert_eq!(listing.formats, formats);
        let paths: Vec<_> = listing.objects.paths().collect();
        assert_eq!(paths, [Path::instance(1, 0), Path::instance(3, 0)]);
    }

    #[test]
    fn a_root_that_looks_like_an_id_is_refused() {
        let error = listing(r#"</3>;rt="oma.lwm2m",</3/3/0>"#);
        assert_eq!(error, Err(RefuseReason::Parameter("rt")));
    }

    #[test]
    fn wakaama_names_the_slash_as_root() {
        let listing = listing(r#"</>;rt="oma.lwm2m";ct=11543,</1/0>"#)
            .unwrap()
            .unwrap();
        assert_eq!(listing.root, "");
        assert_eq!(listing.formats, [ContentFormat::OMA_JSON]);
        assert_eq!(listing.objects.len(), 1);
    }

    #[test]
    fn what_is_no_object_and_what_must_stay_hidden_is_left_out() {
        let payload = "</0/0>,</21/0>,</23>,</sensors/temp>,</3/0/1>,</03/0>,</65535/0>,</5>";
        assert_eq!(paths(payload), [Path::object(5)]);
    }

    #[test]
    fn a_version_is_read_from_both_places_quoted_or_not() {
        let list = listing(r#"</55>;ver=1.9,</55/0>,</44/0>;ver="2.2""#);
        let objects = list.unwrap().unwrap().objects;
        assert_eq!(objects.stated_version(55), Some(Version::new(1, 9)));
        assert_eq!(objects.stated_version(44), Some(Version::new(2, 2)));
    }

    #[test]
    fn another_format_than_links_is_refused() {
        let limits = Limits::default();
        let tlv = Some(ContentFormat::TLV);
        let refused = Listing::parse(tlv, b"x", &limits);
        assert_eq!(refused, Err(RefuseReason::Format(ContentFormat::TLV)));
        assert!(matches!(listing("</1"), Err(RefuseReason::Payload(_))));
        assert_eq!(listing(""), Ok(None));
    }

    #[test]
    fn a_lifetime_above_32_bits_is_cut_and_a_sign_is_refused() {
        assert_eq!(parse_lifetime("86400"), Some(86_400));
        assert_eq!(parse_lifetime("99999999999"), Some(u32::MAX));
        for wrong in ["", "-1", "+1", "1.5", " 1"] {
            assert_eq!(parse_lifetime(wrong), None, "{wrong}");
        }
    }
}
