//! `lwm2m client`: a device with sensible objects, driven by lines on its standard input.

mod accounts;
mod executions;
mod firmware;
mod line;
mod objects;
mod output;
mod session;
mod test_object;
mod value;

use std::path::PathBuf;

use clap::Args;
use lwm2m_codec::{Path, Version};
use lwm2m_model::Tree;
use lwm2m_net::{
    Closed,
    device::{Builder, Device, Keys, StartError},
};

use self::{accounts::AccountsError, objects::ObjectsError, output::Output, value::ValueError};

/// The variable that holds the key if `--psk-key` does not.
const KEY_VARIABLE: &str = "LWM2M_PSK_KEY";
/// Short Server ID of `--server`.
const SSID: u16 = 1;

/// Runs a device.
///
/// It has the objects 0 to 7, 3303 (temperature) and 3442 (test object) with sensible values, and
/// takes commands on its standard input, one on each line:
///
///   set PATH VALUE   changes a value, read-only ones, too; values are written as text/plain
///   get PATH         shows a value
///   send PATH...     sends values to the servers
///   update           sends an Update
///   bootstrap        asks the bootstrap server for accounts
///   quit             de-registers and ends
///
/// Each command is answered by one line. The end of the input changes nothing; Ctrl-C is like quit.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ClientArgs {
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
    /// Pre-shared key for coaps; the variable LWM2M_PSK_KEY can hold it instead, where other
    /// users of the machine don't see it.
    #[arg(long, value_name = "HEX")]
    psk_key: Option<String>,
    /// Lifetime of the registration at --server in seconds; 0 for one without end.
    #[arg(long, value_name = "S", default_value_t = 86_400)]
    lifetime: u64,
    /// The only version of LwM2M to speak [default: 1.2, stepping down when a server refuses].
    #[arg(long, value_name = "VERSION", value_parser = ["1.0", "1.1", "1.2"])]
    lwm2m: Option<String>,
    /// Registers in queue mode: servers keep requests until the device wakes.
    #[arg(long)]
    queue: bool,
    /// Folder of object definitions (OMA XML); each object that the device does not have yet is
    /// served with an instance 0.
    #[arg(long, value_name = "DIR")]
    objects: Option<PathBuf>,
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
}

/// Says why the device can't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("a key is needed: --psk-key HEX or the variable {KEY_VARIABLE}")]
    KeyMissing,
    #[error("the key is not a hexadecimal text of at least one byte")]
    Key,
    #[error("--set {0}: expected PATH=VALUE")]
    Set(String),
    #[error("--set {0}")]
    Value(#[from] ValueError),
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Ended(#[from] Closed),
    #[error("neither {0} nor --server nor --bootstrap names a server")]
    NoAccount(PathBuf),
}

/// Runs the device until it is told to quit.
pub(crate) async fn run(args: ClientArgs) -> Result<(), ClientError> {
    let output = Output::new(args.json);
    let (executions, requests) = executions::channel();
    let mut tree = objects::tree(&args.endpoint, &executions);
    if let Some(folder) = &args.objects {
        for warning in objects::load(&mut tree, folder)? {
            output.warn(&warning);
        }
    }
    let known = match &args.data {
        Some(file) => accounts::load(&mut tree, file)?,
        None => false,
    };
    for assignment in &args.set {
        set(&mut tree, assignment)?;
    }
    let mut builder = Device::builder(&args.endpoint)
        .tree(tree)
        .queue_mode(args.queue);
    if let Some(version) = args
        .lwm2m
        .as_deref()
        .and_then(|text| text.parse::<Version>().ok())
    {
        builder = builder.versions([version]);
    }
    if !known {
        builder = account(builder, &args)?;
    }
    let (device, events) = builder.start().await?;
    session::Session::new(device, output, args.data)
        .run(events, requests)
        .await
}

/// Adds the account that the arguments name.
fn account(builder: Builder, args: &ClientArgs) -> Result<Builder, ClientError> {
    let keys = |uri: &str| -> Result<Keys, ClientError> {
        if !uri.to_ascii_lowercase().starts_with("coaps") {
            return Ok(Keys::None);
        }
        let variable = std::env::var(KEY_VARIABLE).ok();
        let key = args
            .psk_key
            .clone()
            .or(variable)
            .ok_or(ClientError::KeyMissing)?;
        let key = value::from_hex(&key)
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
