//! `lwm2m client`: a device with sensible objects, driven by lines on its standard input.

pub(crate) mod accounts;
mod executions;
mod firmware;
mod line;
mod objects;
mod session;
mod telling;
mod test_object;
mod value;

use std::path::PathBuf;

use lwm2m_codec::{Path, Version};
use lwm2m_model::{Registry, Tree};
use lwm2m_net::{
    Closed,
    device::{Builder, Device, Keys, StartError},
};

use self::{
    accounts::AccountsError, executions::Executions, session::Session, telling::Teller,
    value::ValueError,
};
use crate::{definitions, failure::Failure, hex, output};

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
    #[arg(long, value_name = "URI", required_unless_present_any = ["server", "data"])]
    bootstrap: Option<String>,
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
    /// File that keeps the accounts (objects 0, 1 and 2) over restarts. Once it exists, it counts
    /// in place of --server and --bootstrap. It holds keys: only its owner can read it.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Sets a value at start, such as /3303/0/5700=21.5; may come several times.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
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
    Start(#[from] StartError),
    #[error(transparent)]
    Ended(#[from] Closed),
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
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let registry = definitions::load(&args.objects)?;
    let (executions, requests) = executions::channel();
    let (builder, known) = describe(&args, &registry, &executions)?;
    let builder = match known {
        true => builder,
        false => account(builder, &args)?,
    };
    let builder = match args.trace {
        true => builder.trace(output::trace(registry)),
        false => builder,
    };
    let (device, events) = builder.start().await.map_err(ClientError::from)?;
    let session = Session::new(device, Teller::new(args.json), args.data)
        .end_with_input(args.shutdown_on_stdin_eof);
    Ok(session.run(events, requests).await?)
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
    for assignment in &args.set {
        set(&mut tree, assignment)?;
    }
    let builder = Device::builder(&args.endpoint)
        .tree(tree)
        .queue_mode(args.queue)
        .configure(|config| config.coap.max_body = MAX_BODY);
    Ok((
        match args.lwm2m {
            Some(version) => builder.versions([version]),
            None => builder,
        },
        known,
    ))
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
