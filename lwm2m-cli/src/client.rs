//! `lwm2m client`: a device with sensible objects, driven by lines on its standard input.

pub(crate) mod accounts;
mod executions;
mod factory;
mod firmware;
mod line;
mod modem;
mod objects;
#[cfg(feature = "pcsc")]
mod pcsc;
mod session;
mod telling;
mod test_object;
mod value;

use std::{
    net::SocketAddr,
    path::{Path as FilePath, PathBuf},
};

#[cfg(feature = "pcsc")]
use lwm2m_bootstrap::smartcard::CardSource;
use lwm2m_bootstrap::{
    cellular::{EndpointName, OperatorTable},
    file::ConfigError,
    source::{self, Fixed, Source},
};
use lwm2m_codec::{Path, Version};
use lwm2m_model::{Registry, Tree};
use lwm2m_net::{
    Closed,
    cellular::{Resolver, ResolverError},
    device::{Builder, Device, Keys, StartError},
};

use self::{
    accounts::AccountsError, executions::Executions, factory::FactoryError, modem::Modem,
    session::Session, telling::Teller, value::ValueError,
};
use crate::{definitions, failure::Failure, hex, output, sim::SimError};

// The values that the demonstration expects.
pub(crate) use self::{
    objects::{device as device_values, sensor as sensor_values},
    test_object::initial as test_values,
};

/// Largest body of a request or answer in bytes: a test device takes more than the default.
const MAX_BODY: usize = 64 * 1024;
/// Short Server ID of `--server`.
const SSID: u16 = 1;

/// Run a device: it registers, serves its objects, and takes commands
///
/// It has the objects 0 to 7, 3303 (temperature) and 3442 (test object) with sensible values, and
/// takes commands on its standard input, one on each line:
///
///   set PATH VALUE   changes a value, read-only ones, too; values are written as text/plain
///   get PATH         shows a value
///   send PATH...     sends values to the servers
///   collect PATH...  keeps values with their time, also while there is no server
///   send-collected   sends what was kept, with its times
///   update           sends an Update
///   bootstrap        asks the bootstrap server for accounts
///   sim FILE         puts in another SIM (--sim); sim none takes it out
///   quit             de-registers and ends
///
/// A format may stand behind send and send-collected: senml-cbor, as without one, or senml-json.
/// Each command is answered by one line. The end of the input changes nothing; Ctrl-C is like quit.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Endpoint Client Name, such as urn:imei:490154203237518.
    #[arg(long, value_name = "NAME")]
    endpoint: String,
    /// Server to register with: coap://HOST[:PORT] or coaps://HOST[:PORT]; its Short Server ID
    /// is 1.
    #[arg(long, value_name = "URI", conflicts_with = "bootstrap")]
    server: Option<String>,
    /// Bootstrap server to ask for accounts.
    #[arg(
        long,
        value_name = "URI",
        required_unless_present_any = ["server", "data", "factory", "sim"]
    )]
    bootstrap: Option<String>,
    /// Asks the bootstrap server for everything in one answer (Bootstrap-Pack) first.
    #[arg(long)]
    bootstrap_pack: bool,
    /// Accounts as the factory writes them, in place of --server and --bootstrap: a TOML file with
    /// [bootstrap], [[server]], [[access]] and [[write]] as in an endpoint of bootstrap-server's
    /// file, or a pack in SenML CBOR (.cbor) or SenML JSON (.json).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "bootstrap"])]
    factory: Option<PathBuf>,
    /// Takes the accounts of the card in the reader whose name has this in it, if there are any,
    /// before those of the other arguments.
    #[cfg(feature = "pcsc")]
    #[arg(long, value_name = "READER")]
    smartcard: Option<String>,
    /// PSK identity for coaps [default: the endpoint name].
    #[arg(long, value_name = "ID")]
    psk_identity: Option<String>,
    /// Pre-shared key for coaps. On the command line, other users of the machine see it.
    #[arg(
        long,
        value_name = "HEX",
        env = "LWM2M_PSK_KEY",
        hide_env_values = true
    )]
    psk_key: Option<String>,
    /// Lifetime of the registration at --server in seconds; 0 for one without end.
    #[arg(long, value_name = "S", default_value_t = 86_400)]
    lifetime: u64,
    /// The only version of LwM2M to speak [default: 1.2, stepping down when a server refuses].
    #[arg(long, value_name = "1.0|1.1|1.2", value_parser = version)]
    lwm2m: Option<Version>,
    /// Registers in queue mode: servers keep requests until the device wakes.
    #[arg(long)]
    queue: bool,
    /// Serve the objects of the definitions (OMA XML) in a folder, too, each with an instance 0;
    /// may be repeated.
    #[arg(long, value_name = "DIR")]
    objects: Vec<PathBuf>,
    /// File that keeps the accounts (objects 0, 1, 2, 21, 23 and 24) over restarts. Once it
    /// exists, it counts in place of --server, --bootstrap and --factory. A bootstrap changes it in
    /// one step, before its Finish is answered. It holds keys: only its owner can read it.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Sets a value at start, such as /3303/0/5700=21.5; may come several times.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// SIM in software (TOML): accounts and keys come from its card, its operator and the DNS; what
    /// --server or --bootstrap name is the factory's. --endpoint may then be made of it: urn-imei,
    /// imei-msisdn, iccid, or a text with {imei}, {imsi}, {iccid} or {msisdn}.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    sim: Option<PathBuf>,
    /// Operators and where their bootstrap servers are (TOML).
    #[arg(long, value_name = "FILE", requires = "sim")]
    operators: Option<PathBuf>,
    /// Serial number of the device, for endpoint names.
    #[arg(long, value_name = "DIGITS", requires = "sim")]
    imei: Option<String>,
    /// Name server to ask [default: those of the system]; may be repeated.
    #[arg(long, value_name = "ADDR", requires = "sim")]
    dns: Vec<SocketAddr>,
    /// Writes events and answers as JSON, one object on each line.
    #[arg(long)]
    json: bool,
    /// Shows each message in words on standard error: type, code, path, options, format and
    /// decoded values. Keys are left out.
    #[arg(long)]
    trace: bool,
    /// Stop when standard input ends.
    #[arg(long, hide = true)]
    shutdown_on_stdin_eof: bool,
}

/// Says why the device can't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("a key is needed: --psk-key HEX or the variable LWM2M_PSK_KEY")]
    KeyMissing,
    #[error("the key is not a hexadecimal text of at least one byte")]
    Key,
    #[error("--set {0}: expected PATH=VALUE")]
    Set(String),
    #[error("--set {0}")]
    Value(#[from] ValueError),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Factory(#[from] FactoryError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Ended(#[from] Closed),
    #[error(transparent)]
    Sim(#[from] SimError),
    #[error("{}: {error}", .file.display())]
    OperatorsFile {
        file: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: {error}", .file.display())]
    Operators { file: PathBuf, error: ConfigError },
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    #[error("the SIM does not tell what the endpoint name {0:?} is made of")]
    Endpoint(String),
    #[error("neither {0} nor --server nor --bootstrap names a server")]
    NoAccount(PathBuf),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Start(_) | ClientError::Ended(_) | ClientError::Accounts(_) => {
                Self::runtime(error)
            }
            _ => Self::usage(error),
        }
    }
}

/// Runs the device until it is told to quit.
pub(crate) async fn run(mut args: Args) -> Result<(), Failure> {
    let teller = Teller::new(args.json);
    let modem = modem(&mut args, teller)?;
    let registry = definitions::load(&args.objects)?;
    let (executions, requests) = executions::channel();
    let (builder, known) = describe(&args, &registry, &executions)?;
    let builder = match known {
        true => builder,
        false => account(builder, &args)?,
    };
    let builder = match &modem {
        Some(modem) => builder
            .configure(|config| config.check_sources = true)
            .cellular(modem.cellular())
            .resolver(modem.resolver()),
        None => builder,
    };
    let builder = match args.trace {
        true => builder.trace(output::trace(registry)),
        false => builder,
    };
    let (device, events) = builder.start().await.map_err(ClientError::from)?;
    let session = Session::new(device, teller, args.data)
        .modem(modem)
        .end_with_input(args.shutdown_on_stdin_eof);
    Ok(session.run(events, requests).await?)
}

/// Makes the modem with its SIM, and the endpoint name of it.
fn modem(args: &mut Args, teller: Teller) -> Result<Option<Modem>, ClientError> {
    let Some(sim) = &args.sim else {
        return Ok(None);
    };
    let table = match &args.operators {
        Some(file) => operators(file)?,
        None => OperatorTable::default(),
    };
    let resolver = match args.dns.as_slice() {
        [] => Resolver::system(),
        servers => Resolver::at(servers),
    };
    let mut modem = Modem::new(table, resolver?, args.imei.clone());
    modem.insert(sim, teller)?;
    let Ok(name) = args.endpoint.parse::<EndpointName>();
    let endpoint = name.of(modem.network());
    args.endpoint = endpoint.ok_or_else(|| ClientError::Endpoint(args.endpoint.clone()))?;
    Ok(Some(modem))
}

fn operators(file: &FilePath) -> Result<OperatorTable, ClientError> {
    let text = std::fs::read_to_string(file).map_err(|error| ClientError::OperatorsFile {
        file: file.to_owned(),
        error,
    })?;
    text.parse().map_err(|error| ClientError::Operators {
        file: file.to_owned(),
        error,
    })
}

/// Makes the device with its objects; true if it knows its accounts already.
fn describe(
    args: &Args,
    registry: &Registry,
    executions: &Executions,
) -> Result<(Builder, bool), ClientError> {
    let mut tree = objects::tree(&args.endpoint, executions);
    objects::serve(&mut tree, registry);
    let known = match &args.data {
        Some(file) => accounts::load(&mut tree, file)?,
        None => false,
    };
    let known = known || establish(args, &mut tree, registry)?;
    for assignment in &args.set {
        set(&mut tree, assignment)?;
    }
    let builder = Device::builder(&args.endpoint)
        .tree(tree)
        .queue_mode(args.queue)
        .configure(|config| {
            config.coap.max_body = MAX_BODY;
            config.bootstrap_pack = args.bootstrap_pack;
            config.store_accounts = args.data.is_some();
        });
    Ok((
        match args.lwm2m {
            Some(version) => builder.versions([version]),
            None => builder,
        },
        known,
    ))
}

/// Gives the device the accounts that it has before any bootstrap, by the order of TS-Core §6.1.4;
/// false if no source has any.
fn establish(args: &Args, tree: &mut Tree, registry: &Registry) -> Result<bool, ClientError> {
    #[cfg(feature = "pcsc")]
    if let Some(reader) = &args.smartcard {
        let channel = pcsc::PcscChannel::new(reader);
        let mut card = CardSource::new(channel, registry.clone());
        if source::establish(tree, &mut [&mut card]).origin.is_some() {
            return Ok(true);
        }
    }
    let Some(file) = &args.factory else {
        return Ok(false);
    };
    let mut factory = Fixed::new(factory::read(file, registry)?);
    let mut sources: [&mut dyn Source; 1] = [&mut factory];
    let established = source::establish(tree, &mut sources);
    match established.failed.into_iter().next() {
        Some((_, error)) if established.origin.is_none() => Err(FactoryError::Refused {
            file: file.clone(),
            error,
        }
        .into()),
        _ => Ok(established.origin.is_some()),
    }
}

/// Adds the account that the arguments name.
fn account(builder: Builder, args: &Args) -> Result<Builder, ClientError> {
    let keys = |uri: &str| -> Result<Keys, ClientError> {
        if !uri.to_ascii_lowercase().starts_with("coaps") {
            return Ok(Keys::None);
        }
        let key = args.psk_key.as_deref().ok_or(ClientError::KeyMissing)?;
        let key = hex::decode(key)
            .filter(|key| !key.is_empty())
            .ok_or(ClientError::Key)?;
        let identity = args.psk_identity.as_ref().unwrap_or(&args.endpoint);
        Ok(Keys::from((identity.as_str(), key)))
    };
    match (&args.server, &args.bootstrap, &args.data) {
        (Some(uri), ..) => Ok(builder.server(SSID, uri, keys(uri)?, args.lifetime)),
        (_, Some(uri), _) => Ok(builder.bootstrap(uri, keys(uri)?)),
        (.., Some(file)) => Err(ClientError::NoAccount(file.clone())),
        // clap asks for one of them.
        _ => Ok(builder),
    }
}

/// Does what `--set` asks for; an instance that is not there is made.
fn set(tree: &mut Tree, assignment: &str) -> Result<(), ClientError> {
    let (path, text) = assignment
        .split_once('=')
        .ok_or_else(|| ClientError::Set(assignment.to_owned()))?;
    let path = value::path(path)?;
    tree.begin();
    let set = create(tree, path).and_then(|()| value::write(tree, path, text));
    if set.is_ok() {
        return Ok(tree.commit().map_err(ValueError::from)?);
    }
    tree.rollback();
    Ok(set?)
}

/// Makes the instance of a path, if its object is there and it is not.
fn create(tree: &mut Tree, path: Path) -> Result<(), ValueError> {
    if let (Some(object), Some(instance)) = (path.object_id(), path.instance_id())
        && tree.get(object).is_some()
        && !tree.contains(Path::instance(object, instance))
    {
        tree.create(object, Some(instance))?;
    }
    Ok(())
}

/// Reads a version that the device speaks.
fn version(text: &str) -> Result<Version, &'static str> {
    let version = text.parse().ok();
    let known = [Version::V1_0, Version::V1_1, Version::V1_2];
    version
        .filter(|version| known.contains(version))
        .ok_or("expected 1.0, 1.1 or 1.2")
}
