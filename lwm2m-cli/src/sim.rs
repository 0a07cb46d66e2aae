//! A SIM in software, and the subscribers of an operator: both sides of the same keys.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::IpAddr,
    path::{Path as FilePath, PathBuf},
};

use lwm2m_bootstrap::{
    cellular::{
        AkmaSession, Bearer, GbaSession, Plmn, PlmnError, SessionKeys, Subscription, UA_DTLS_PSK,
        milenage,
    },
    file::ConfigError,
    server::{EndpointPattern, Entry, Psk, find_entry},
    smartcard::{CardFile, CardObject, FileTooLong},
    source::Information,
};
use lwm2m_coap::{Access, Subscriber};
use lwm2m_codec::{ContentFormat, EncodeError, Encoder, Path, Record};
use lwm2m_model::{Registry, SecretBytes};
use serde::{Deserialize, Deserializer, de::Error};
use zeroize::Zeroizing;

use crate::hex;

/// Largest file of a SIM or of subscribers in bytes.
const MAX_FILE: u64 = 16 << 20;
/// Largest object in a card file in bytes.
const MAX_OBJECT: usize = 32 << 10;

/// Says what is wrong with the file of a SIM or of subscribers. It never shows a key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimError {
    #[error("{}: {error}", .file.display())]
    Io { file: PathBuf, error: io::Error },
    #[error("{}: larger than {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: line {line}: {message}", .file.display())]
    Toml {
        file: PathBuf,
        line: usize,
        message: String,
    },
    #[error("{}: {error}", .file.display())]
    Plmn { file: PathBuf, error: PlmnError },
    #[error("{}: card: {error}", .file.display())]
    Card { file: PathBuf, error: CardError },
    #[error("{}: two subscribers have {what}", .file.display())]
    Twice { file: PathBuf, what: String },
}

/// Says why the card of a SIM can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CardError {
    #[error("card_file is not written in pairs of hexadecimal digits")]
    Hex,
    #[error("only one of card and card_file can be there")]
    Both,
    #[error(transparent)]
    Accounts(#[from] ConfigError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    TooLong(#[from] FileTooLong),
}

/// Sixteen bytes of a key; wiped when dropped and never printed.
#[derive(Clone)]
struct Key(Zeroizing<[u8; 16]>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = hex::decode(&text).map(Zeroizing::new);
        let key = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
        let key = key.ok_or_else(|| D::Error::custom("expected 32 hexadecimal digits"))?;
        Ok(Self(Zeroizing::new(key)))
    }
}

/// The keys of a subscription, and the last authentication that was made with them.
#[derive(Deserialize, Clone)]
struct Secrets {
    /// The card's key K.
    k: Key,
    /// The operator's variant of Milenage for this card; made of an OP of zeros without it.
    opc: Option<Key>,
    /// RAND of the last run of the Ub interface (GBA).
    rand: Option<Key>,
}

impl Secrets {
    fn gba(&self, plmn: Plmn, imsi: &str) -> Option<GbaSession> {
        let rand = self.rand.as_ref()?;
        let opc = match &self.opc {
            Some(opc) => opc.0.clone(),
            None => milenage::opc(&self.k.0, &[0; 16]),
        };
        let session = GbaSession::from_milenage(&self.k.0, &opc, *rand.0, plmn, imsi);
        Some(session)
    }
}

/// A SIM as it is written.
#[derive(Deserialize)]
struct SimForm {
    iccid: String,
    imsi: String,
    plmn: String,
    #[serde(flatten)]
    secrets: Secrets,
    msisdn: Option<String>,
    gid1: Option<String>,
    gid2: Option<String>,
    spn: Option<String>,
    apn: Option<String>,
    akma: Option<AkmaForm>,
    /// True if the device's network is the operator's.
    #[serde(default)]
    operator_bearer: bool,
    /// Contents of containers by their numbers, such as ff00 = "00f110…".
    #[serde(default)]
    pco: BTreeMap<String, String>,
    /// The bytes of EF LwM2M_Bootstrap.
    card_file: Option<String>,
    /// Its accounts, as in a factory file.
    card: Option<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AkmaForm {
    k_akma: [Key; 2],
    a_kid: String,
}

/// A SIM in software with what its network tells.
pub(crate) struct Sim {
    /// What a modem tells.
    pub(crate) subscription: Subscription,
    /// The bootstrap file of its card.
    pub(crate) card_file: Option<Zeroizing<Vec<u8>>>,
    gba: Option<GbaSession>,
    akma: Option<AkmaSession>,
}

impl Sim {
    /// Reads a SIM.
    pub(crate) fn load(file: &FilePath, imei: Option<&str>) -> Result<Self, SimError> {
        let form: SimForm = read(file)?;
        let plmn: Plmn = form.plmn.parse().map_err(|error| SimError::Plmn {
            file: file.to_owned(),
            error,
        })?;
        let card_file = card_file(&form).map_err(|error| SimError::Card {
            file: file.to_owned(),
            error,
        })?;
        let bytes = |text: &Option<String>| text.as_deref().and_then(hex::decode);
        let pco = form.pco.iter().filter_map(|(number, content)| {
            let number = u16::from_str_radix(number, 16).ok()?;
            Some((number, hex::decode(content)?))
        });
        Ok(Self {
            gba: form.secrets.gba(plmn, &form.imsi),
            akma: form.akma.map(|akma| {
                let mut key = Zeroizing::new([0; 32]);
                let [first, second] = &akma.k_akma;
                let halves = first.0.iter().chain(&*second.0);
                key.iter_mut()
                    .zip(halves)
                    .for_each(|(to, from)| *to = *from);
                AkmaSession::new(key, akma.a_kid)
            }),
            card_file,
            subscription: Subscription {
                gid1: bytes(&form.gid1),
                gid2: bytes(&form.gid2),
                pco: pco.collect(),
                imsi: Some(form.imsi),
                iccid: Some(form.iccid),
                plmn: Some(plmn),
                spn: form.spn,
                apn: form.apn,
                msisdn: form.msisdn,
                imei: imei.map(ToOwned::to_owned),
                bearer: match form.operator_bearer {
                    true => Bearer::Operator,
                    false => Bearer::Other,
                },
            },
        })
    }

    /// Where the keys of its accounts come from.
    pub(crate) fn keys(&self) -> SessionKeys {
        SessionKeys {
            gba: self.gba.clone(),
            akma: self.akma.clone(),
            modem: None,
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}

/// Reads a TOML file; what is wrong is told without the text of its lines.
fn read<T: for<'de> Deserialize<'de>>(file: &FilePath) -> Result<T, SimError> {
    let failed = |error| SimError::Io {
        file: file.to_owned(),
        error,
    };
    if fs::metadata(file).map_err(failed)?.len() > MAX_FILE {
        return Err(SimError::TooLarge(file.to_owned()));
    }
    let text = Zeroizing::new(fs::read_to_string(file).map_err(failed)?);
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or_default();
        SimError::Toml {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            message: error.message().to_owned(),
        }
    })
}

/// The bootstrap file of a card: its bytes, or made of accounts.
fn card_file(form: &SimForm) -> Result<Option<Zeroizing<Vec<u8>>>, CardError> {
    match (&form.card_file, &form.card) {
        (Some(_), Some(_)) => Err(CardError::Both),
        (Some(digits), None) => {
            let bytes = hex::decode(digits).ok_or(CardError::Hex)?;
            Ok(Some(Zeroizing::new(bytes)))
        }
        (None, Some(accounts)) => encode(accounts).map(Some),
        (None, None) => Ok(None),
    }
}

fn encode(accounts: &toml::Table) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let text = Zeroizing::new(accounts.to_string());
    let information = Information::from_toml(&text, &Registry::core())?;
    let mut objects: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for (path, value) in &information.values {
        let object = path.object_id().unwrap_or_default();
        objects.entry(object).or_default().push((*path, value));
    }
    let mut file = CardFile::default();
    for (id, values) in objects {
        let mut buffer = Zeroizing::new(vec![0; MAX_OBJECT]);
        let mut encoder = Encoder::new(ContentFormat::TLV, Path::object(id), &mut buffer)?;
        for (path, value) in values {
            encoder.push(&Record::new(path, value.as_value()))?;
        }
        let len = encoder.finish()?;
        file.objects.push(CardObject {
            id,
            version: None,
            instances: SecretBytes::from(buffer.get(..len).unwrap_or_default()),
        });
    }
    Ok(file.encode()?)
}

/// A subscriber of an operator as it is written.
#[derive(Deserialize)]
struct SubscriberForm {
    imsi: String,
    plmn: String,
    /// The endpoint name of the device that has the SIM, which the operator knows by its IMEI.
    endpoint: String,
    #[serde(flatten)]
    secrets: Secrets,
    /// Addresses that the operator's network gives to this SIM and to nobody else.
    #[serde(default)]
    addresses: Vec<IpAddr>,
}

#[derive(Deserialize)]
struct SubscribersForm {
    #[serde(default)]
    subscriber: Vec<SubscriberForm>,
}

/// The subscribers of an operator, as a server needs them.
#[derive(Default)]
pub(crate) struct Subscribers {
    all: Vec<Known>,
}

/// A subscriber.
struct Known {
    endpoint: String,
    subscriber: Subscriber,
    gba: Option<GbaSession>,
    addresses: Vec<IpAddr>,
}

impl Subscribers {
    /// Reads a file.
    pub(crate) fn load(file: &FilePath) -> Result<Self, SimError> {
        let form: SubscribersForm = read(file)?;
        let mut endpoints = std::collections::BTreeSet::new();
        let mut all = Vec::new();
        for subscriber in form.subscriber {
            let plmn: Plmn = subscriber.plmn.parse().map_err(|error| SimError::Plmn {
                file: file.to_owned(),
                error,
            })?;
            if !endpoints.insert(subscriber.endpoint.clone()) {
                return Err(SimError::Twice {
                    file: file.to_owned(),
                    what: format!("the endpoint name {}", subscriber.endpoint),
                });
            }
            all.push(Known {
                gba: subscriber.secrets.gba(plmn, &subscriber.imsi),
                subscriber: Subscriber::Imsi(subscriber.imsi),
                endpoint: subscriber.endpoint,
                addresses: subscriber.addresses,
            });
        }
        Ok(Self { all })
    }

    /// Endpoint names with the identity and the key of each for the server of a name.
    pub(crate) fn keys<'a>(&'a self, naf: &'a str) -> impl Iterator<Item = (&'a str, Psk)> + 'a {
        self.all.iter().filter_map(move |known| {
            let session = known.gba.as_ref()?;
            let key = session.ks_naf(naf, UA_DTLS_PSK).ok()?;
            let psk = Psk {
                identity: session.btid().as_bytes().to_vec(),
                key: SecretBytes::from(key.as_slice()),
            };
            Some((known.endpoint.as_str(), psk))
        })
    }

    /// Endpoint names and whose they are.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, &Subscriber)> {
        self.all
            .iter()
            .map(|k| (k.endpoint.as_str(), &k.subscriber))
    }

    /// Who has which address; nobody, if no subscriber has any.
    pub(crate) fn access(&self) -> Access {
        let pairs = self.all.iter().flat_map(|known| {
            let addresses = known.addresses.iter();
            addresses.map(|address| (*address, known.subscriber.clone()))
        });
        let table: BTreeMap<IpAddr, Subscriber> = pairs.collect();
        match table.is_empty() {
            true => Access::default(),
            false => Access::new(table),
        }
    }

    /// Gives each subscriber an entry of its own: what the entry for its endpoint name says, with
    /// its key at the bootstrap server of a name.
    pub(crate) fn extend(&self, entries: &mut Vec<Entry>, naf: &str) {
        let keys: BTreeMap<&str, Psk> = self.keys(naf).collect();
        for (endpoint, subscriber) in self.names() {
            let Some(entry) = find_entry(entries, endpoint).cloned() else {
                continue;
            };
            let name = EndpointPattern::Exact(endpoint.to_owned());
            entries.retain(|other| other.name != name);
            entries.push(Entry {
                name,
                psk: keys.get(endpoint).cloned().or(entry.psk),
                subscriber: Some(subscriber.clone()),
                provision: entry.provision,
            });
        }
    }
}

impl fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribers")
            .field("count", &self.all.len())
            .finish_non_exhaustive()
    }
}
