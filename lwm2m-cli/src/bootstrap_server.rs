//! `lwm2m bootstrap-server`: provisions devices as a file says.

mod api;
mod configurations;
mod dry_run;
mod form;
mod service;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Instant,
};

use lwm2m_bootstrap::{
    file::ProvisioningFile,
    server::{Event, Operation, StepInfo},
};
use lwm2m_model::Registry;
use serde_json::{Value, json};
use tokio::sync::broadcast;

pub(crate) use self::service::{Service, Setup, Work};
use crate::server::{
    bind_http, check_http,
    credentials::Credentials,
    feed,
    store::{Keyring, Store},
};
use crate::{definitions, failure::Failure, output::Output, runtime};

const COAP: &str = "0.0.0.0:5683";
const COAPS: &str = "0.0.0.0:5684";

/// Run a bootstrap server: devices that have no server yet get one
///
/// Which devices it knows and what they get is in a TOML file, one table for each endpoint. The
/// first lines on standard output tell the addresses that are bound; then comes one for each step
/// of each device.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// Listen for CoAP without security; may be repeated, port 0 is any free one [default:
    /// 0.0.0.0:5683 if neither --coap nor --coaps is given]
    #[arg(long, value_name = "ADDR")]
    coap: Vec<SocketAddr>,
    /// Listen for CoAP over DTLS 1.2 with pre-shared keys; may be repeated [default: 0.0.0.0:5684
    /// if neither --coap nor --coaps is given]
    #[arg(long, value_name = "ADDR")]
    coaps: Vec<SocketAddr>,
    /// Which devices get what
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Subscribers of the operator (TOML): their devices use keys made of those of their SIMs, and
    /// may come without security from the addresses that the file says they have
    #[arg(long, value_name = "FILE", requires = "naf")]
    subscribers: Option<PathBuf>,
    /// Name by which devices know this server: keys made of those of a SIM are for this name only
    #[arg(long, value_name = "NAME", requires = "subscribers")]
    naf: Option<String>,
    /// Read object definitions from the XML files of a folder, for what the file writes; may be
    /// repeated
    #[arg(long, value_name = "DIR")]
    objects: Vec<PathBuf>,
    /// Check the file and stop
    #[arg(long)]
    check: bool,
    /// Print the requests that a device of this name would get, and stop; with --data also by what
    /// was set over HTTP. Keys are not shown
    #[arg(long, value_name = "ENDPOINT", conflicts_with = "check")]
    dry_run: Option<String>,
    /// Listen for HTTP: GET /api/bootstrap lists what devices get, POST and DELETE
    /// /api/bootstrap/ENDPOINT change it, /api/security/clients has the keys of devices, GET
    /// /api/event streams what happens. Must be a loopback address unless --http-token is given
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Answer HTTP requests with the header "Authorization: Bearer TOKEN" only
    #[arg(
        long,
        value_name = "TOKEN",
        env = "LWM2M_HTTP_TOKEN",
        hide_env_values = true
    )]
    http_token: Option<String>,
    /// Keep what is set over HTTP in a folder, over restarts; in memory without it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write JSON lines to standard output
    #[arg(long)]
    json: bool,
    /// Show each message in words on standard error: type, code, path, options, format and decoded
    /// values. Keys are left out
    #[arg(long)]
    trace: bool,
    /// Stop when standard input ends
    #[arg(long, hide = true)]
    shutdown_on_stdin_eof: bool,
}

const EXAMPLE: &str = r#"Example of a file:
  [[endpoint]]
  name = "dev1"                  # or "dev*", or "*"
  psk = { identity = "dev1-bs", key = "000102030405060708090a0b0c0d0e0f" }
  delete = ["/0", "/1"]

  [[endpoint.server]]
  ssid = 1
  uri = "coaps://server.example:5684"
  psk = { identity = "dev1", key = "101112131415161718191a1b1c1d1e1f" }
  lifetime = 300

  [[endpoint.write]]
  path = "/3/0/14"
  value = "+01:00"

With incremental = true in an [[endpoint]], what the device has already is read and left alone.
With one_time_psk = { expires = 3600 } in place of a server's psk, a key is made for each bootstrap;
that needs lwm2m server --bootstrap FILE, which is both servers in one process."#;

/// Runs the command until somebody stops it.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let output = Output::new(args.json);
    if let Some(address) = args.http {
        check_http(address, args.http_token.as_deref())?;
    }
    let setup = Setup {
        file: &args.config,
        coap: args.coap.clone(),
        coaps: args.coaps.clone(),
        registry: definitions::load(&args.objects)?,
        store: match &args.data {
            Some(folder) => Some(Store::open(folder).map_err(Failure::runtime)?),
            None => None,
        },
        // A dry run or check is for either command.
        one_time: args.check || args.dry_run.is_some(),
        subscribers: args.subscribers.as_deref().zip(args.naf.as_deref()),
        trace: args.trace,
    };
    if args.check || args.dry_run.is_some() {
        return inspect(output, &args, setup);
    }
    serve(output, args.clone(), setup).await
}

/// Checks the file, or shows what a device gets.
fn inspect(output: Output, args: &Args, setup: Setup<'_>) -> Result<(), Failure> {
    let store = setup.store.clone();
    let (file, configurations) = setup.open()?;
    if let Some(endpoint) = &args.dry_run {
        let keys = Credentials::new(Keyring::Bootstrap, store, &[])?;
        return dry_run::print(output, &configurations.entries(&keys), endpoint);
    }
    let count = file.entries.len();
    let text = format!("{}: {count} endpoints", args.config.display());
    output.line(text, &json!({"event": "checked", "endpoints": count}));
    Ok(())
}

async fn serve(output: Output, args: Args, mut setup: Setup<'_>) -> Result<(), Failure> {
    if args.coap.is_empty() && args.coaps.is_empty() {
        setup.coap.extend(COAP.parse::<SocketAddr>());
        setup.coaps.extend(COAPS.parse::<SocketAddr>());
    }
    let http = match args.http {
        Some(address) => Some(bind_http(address).await?),
        None => None,
    };
    let service = setup.start().await?;
    let http_address = match &http {
        Some(listener) => Some(listener.local_addr().map_err(Failure::runtime)?),
        None => None,
    };
    let stopped = runtime::stopped(args.shutdown_on_stdin_eof);
    output.addresses(service.addresses(), http_address);
    let (sender, _) = broadcast::channel(feed::BACKLOG);
    let (api, work) = service.split(sender, args.http_token);
    let handle = work.handle();
    let served = async {
        match http {
            Some(listener) => axum::serve(listener, api.router()).await,
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        () = stopped => Ok(()),
        () = work.run(output, None) => Err(Failure::runtime("the server ended")),
        result = served => {
            result.map_err(|error| Failure::runtime(format!("HTTP ended: {error}")))
        }
    };
    handle.shutdown().await;
    result
}

fn read(path: &Path, registry: &Registry) -> Result<ProvisioningFile, Failure> {
    let name = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("can't read {name}: {error}")))?;
    ProvisioningFile::parse_with(&text, registry)
        .map_err(|error| Failure::usage(format!("{name}: {error}")))
}

fn tell(output: Output, began: Instant, event: &Event) {
    let (name, endpoint, text, more) = match event {
        Event::SessionStarted {
            endpoint, format, ..
        } => {
            let more = json!({"format": format.map(|format| format.to_string())});
            (
                "started",
                endpoint.as_str(),
                "asks for servers".to_owned(),
                more,
            )
        }
        Event::Refused {
            endpoint, reason, ..
        } => {
            let endpoint = endpoint.as_deref().unwrap_or_default();
            let more = json!({"reason": reason.to_string()});
            ("refused", endpoint, format!("is refused: {reason}"), more)
        }
        Event::Step {
            endpoint,
            step,
            code,
            received,
            answer,
            ..
        } => {
            let text = format!("{step}, {} bytes: {code}, {received} bytes", step.sent);
            let mut more = step_of(step);
            more["code"] = json!(code.to_string());
            more["received"] = json!(received);
            if step.operation == Operation::Discover {
                more["links"] = json!(String::from_utf8_lossy(answer));
            }
            ("step", endpoint.as_str(), text, more)
        }
        Event::Packed {
            endpoint,
            format,
            sent,
            ..
        } => (
            "packed",
            endpoint.as_str(),
            format!("gets all in a pack, {format}, {sent} bytes"),
            json!({"format": format.to_string(), "sent": sent}),
        ),
        Event::Finished { endpoint, .. } => (
            "finished",
            endpoint.as_str(),
            "has its servers".to_owned(),
            json!({}),
        ),
        Event::Failed {
            endpoint,
            step,
            reason,
            ..
        } => {
            let mut more = step_of(step);
            more["reason"] = json!(reason.to_string());
            let text = format!("failed: {step}: {reason}");
            ("failed", endpoint.as_str(), text, more)
        }
        other => {
            tracing::debug!(?other, "an event that nobody hears of");
            return;
        }
    };
    let elapsed = began.elapsed();
    let mut json = more;
    json["event"] = json!(name);
    json["endpoint"] = json!(endpoint);
    json["seconds"] = json!(elapsed.as_millis() as f64 / 1000.0);
    output.line(format!("{endpoint}: {text}"), &json);
}

fn step_of(step: &StepInfo) -> Value {
    json!({
        "operation": step.operation.to_string(),
        "path": step.path.to_string(),
        "format": step.format.map(|format| format.to_string()),
        "sent": step.sent,
    })
}
