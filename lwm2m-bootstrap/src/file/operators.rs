//! Tables of operators.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{str::FromStr, time::Duration};

use serde::Deserialize;
use toml::Spanned;

use super::{
    ConfigError,
    build::{Build, derived_key, problem},
    error::{ConfigErrorKind, Problem},
    parse,
    value::hex_or_text,
};
use crate::{
    cellular::{
        Account, EndpointName, Match, OPERATOR_CONTAINERS, Operator, OperatorTable, Plmn, Proof,
        Zone,
    },
    uri,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    operator: Vec<Spanned<Form>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    name: String,
    #[serde(default)]
    plmn: Vec<Spanned<String>>,
    gid1: Option<Spanned<String>>,
    gid2: Option<Spanned<String>>,
    spn: Option<String>,
    imsi_prefix: Option<Spanned<String>>,
    iccid_prefix: Option<Spanned<String>>,
    uri: Option<Spanned<String>>,
    security: Option<Spanned<String>>,
    hold_off: Option<u32>,
    endpoint: Option<String>,
    discover: Option<Discover>,
    #[serde(default)]
    apn: Vec<String>,
    container: Option<Spanned<u16>>,
    #[serde(default)]
    retry: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Discover {
    OfNetwork(bool),
    Named(String),
}

impl OperatorTable {
    /// Reads a table of operators.
    ///
    /// ```
    /// use lwm2m_bootstrap::cellular::{OperatorTable, Subscription};
    ///
    /// let table = OperatorTable::from_toml(r#"
    ///     [[operator]]
    ///     name = "Example One"
    ///     plmn = ["00101", "001-002"]        # any of these; all else that is given must match, too
    ///     gid1 = "ab"                        # gid2, spn, imsi_prefix, iccid_prefix
    ///     uri = "coaps://bs.one.example"
    ///     security = "gba"                   # akma, modem; operator-bearer for coap://
    ///     hold_off = 10
    ///     endpoint = "urn-imei"              # imei-msisdn, iccid, urn:uuid:…, "x-{imei}"
    ///     apn = ["iot.one.example"]
    ///     retry = [120, 240, 86400]          # seconds
    ///
    ///     [[operator]]
    ///     name = "Example Two"
    ///     imsi_prefix = "00102"
    ///     discover = true                    # or a zone
    ///     container = 0xff00                 # look into this container of the network
    /// "#)?;
    /// let sim = Subscription { imsi: Some("001020000000001".into()), ..Default::default() };
    /// assert_eq!(table.find(&sim).unwrap().name, "Example Two");
    /// # Ok::<(), lwm2m_bootstrap::file::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let operators = parse(text).and_then(|file: File| {
            let forms = file.operator.iter();
            forms.map(operator).collect::<Build<_>>()
        });
        operators
            .map(|operators| Self { operators })
            .map_err(|problem| ConfigError::at(text, problem))
    }
}

impl FromStr for OperatorTable {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::from_toml(text)
    }
}

fn operator(spanned: &Spanned<Form>) -> Build<Operator> {
    let form = spanned.get_ref();
    let matches = matches(form)?;
    if matches.is_empty() {
        return problem(spanned.span(), ConfigErrorKind::MatchMissing);
    }
    if let Some(container) = &form.container
        && !OPERATOR_CONTAINERS.contains(container.get_ref())
    {
        return problem(container.span(), ConfigErrorKind::Container);
    }
    Ok(Operator {
        name: form.name.clone(),
        matches,
        account: form
            .uri
            .as_ref()
            .map(|uri| account(form, uri))
            .transpose()?,
        endpoint: form.endpoint.as_deref().map(|text| {
            let Ok(name) = text.parse::<EndpointName>();
            name
        }),
        discover: match &form.discover {
            None | Some(Discover::OfNetwork(false)) => None,
            Some(Discover::OfNetwork(true)) => Some(Zone::OfNetwork),
            Some(Discover::Named(zone)) => Some(Zone::Named(zone.clone())),
        },
        apn: form.apn.clone(),
        container: form.container.as_ref().map(|c| *c.get_ref()),
        retry: form
            .retry
            .iter()
            .map(|s| Duration::from_secs((*s).into()))
            .collect(),
    })
}

fn matches(form: &Form) -> Build<Match> {
    let plmn = form.plmn.iter().map(|text| {
        let plmn: Result<Plmn, _> = text.get_ref().parse();
        plmn.map_err(|_| Problem::new(text.span(), ConfigErrorKind::Plmn))
    });
    Ok(Match {
        plmn: plmn.collect::<Build<_>>()?,
        gid1: form.gid1.as_ref().map(bytes).transpose()?,
        gid2: form.gid2.as_ref().map(bytes).transpose()?,
        spn: form.spn.clone(),
        imsi_prefix: form.imsi_prefix.as_ref().map(digits).transpose()?,
        iccid_prefix: form.iccid_prefix.as_ref().map(digits).transpose()?,
    })
}

fn bytes(text: &Spanned<String>) -> Build<Vec<u8>> {
    match hex_or_text(text.get_ref()) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => problem(text.span(), ConfigErrorKind::Hex),
    }
}

fn digits(text: &Spanned<String>) -> Build<String> {
    match text.get_ref().bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.get_ref().to_string()),
        false => problem(text.span(), ConfigErrorKind::Digits),
    }
}

fn account(form: &Form, uri: &Spanned<String>) -> Build<Account> {
    let secure = uri::is_secure(uri.get_ref())
        .map_err(|error| Problem::new(uri.span(), ConfigErrorKind::Uri(error)))?;
    let Some(word) = &form.security else {
        return problem(uri.span(), ConfigErrorKind::SecurityMissing);
    };
    let proof = match (derived_key(word.get_ref()), word.get_ref().as_str()) {
        (Some(key), _) => Proof::Key(key),
        (None, "operator-bearer") => Proof::Bearer,
        _ => return problem(word.span(), ConfigErrorKind::SecurityUnknown),
    };
    if secure == (proof == Proof::Bearer) {
        return problem(uri.span(), ConfigErrorKind::SchemeContradictsKeys);
    }
    Ok(Account {
        uri: uri.get_ref().clone(),
        proof,
        hold_off: form.hold_off,
    })
}
