//! `lwm2m bootstrap-server`: provisions devices as a file says.

mod api;
mod configurations;
mod dry_run;
mod form;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use lwm2m_bootstrap::{
    file::ProvisioningFile,
    server::{BootstrapServer, Config, Event, Operation, StepInfo},
};
use lwm2m_model::Registry;
use lwm2m_net::{Driver, Psk, SharedPsks};
use serde_json::{Value, json};

use self::{api::Api, configurations::Configurations};
use crate::server::{bind_http, check_http};
use crate::{
    definitions,
    failure::Failure,
    output::{self, Output},
    runtime,
};

const COAP: &str = "0.0.0.0:5683";
const COAPS: &str = "0.0.0.0:5684";

/// Run a bootstrap server: devices that have no server yet get one
///
/// Which devices it knows and what they get is in a TOML file, one table for each endpoint. The
/// first lines on standard output tell the addresses that are bound; then comes one for each step
/// of each device.
#[derive(Debug, clap::Args)]
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
    /// Read object definitions from the XML files of a folder, for what the file writes; may be
    /// repeated
    #[arg(long, value_name = "DIR")]
    objects: Vec<PathBuf>,
    /// Check the file and stop
    #[arg(long)]
    check: bool,
    /// Print the requests that a device of this name would get, and stop. Keys are not shown
    #[arg(long, value_name = "ENDPOINT", conflicts_with = "check")]
    dry_run: Option<String>,
    /// Listen for HTTP: GET /api/bootstrap lists what devices get, POST and DELETE
    /// /api/bootstrap/ENDPOINT change it, GET /api/event streams what happens. Must be a loopback
    /// address unless --http-token is given
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
  value = "+01:00""#;

/// Runs the command until somebody stops it.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let output = Output::new(args.json);
    if let Some(address) = args.http {
        check_http(address, args.http_token.as_deref())?;
    }
    let registry = definitions::load(&args.objects)?;
    let file = read(&args.config, &registry)?;
    if args.check {
        let count = file.entries.len();
        let text = format!("{}: {count} endpoints", args.config.display());
        output.line(text, &json!({"event": "checked", "endpoints": count}));
        return Ok(());
    }
    let trace = args.trace.then(|| output::trace(registry.clone()));
    let kept = Configurations::open(file.entries.clone(), registry, args.data.as_deref());
    let configurations = kept.map_err(Failure::runtime)?;
    if let Some(endpoint) = &args.dry_run {
        return dry_run::print(output, &configurations.entries(), endpoint);
    }
    let keys: SharedPsks = file
        .entries
        .iter()
        .filter_map(|entry| entry.psk.as_ref())
        .map(|psk| (psk.identity.clone(), Psk::new(psk.key.expose())))
        .collect();
    let mut config = Config::default();
    config.entries = configurations.entries();
    let http = match args.http {
        Some(address) => Some(bind_http(address).await?),
        None => None,
    };
    let seed = getrandom::u64().map_err(|error| Failure::runtime(format!("no seed: {error}")))?;
    let mut driver = Driver::new(BootstrapServer::new(config, seed));
    if let Some(trace) = trace {
        driver = driver.trace(trace);
    }
    let defaults = args.coap.is_empty() && args.coaps.is_empty();
    let default = |text: &str| defaults.then(|| text.parse().ok()).flatten();
    for address in args.coap.iter().copied().chain(default(COAP)) {
        driver = driver.udp(address);
    }
    for address in args.coaps.iter().copied().chain(default(COAPS)) {
        driver = driver.dtls(address, keys.clone());
    }
    let spawned = driver.spawn(Some).await;
    let (handle, mut events, addresses) =
        spawned.map_err(|error| Failure::runtime(format!("can't listen: {error}")))?;
    let http_address = match &http {
        Some(listener) => Some(listener.local_addr().map_err(Failure::runtime)?),
        None => None,
    };
    let stopped = runtime::stopped(args.shutdown_on_stdin_eof);
    output.addresses(&addresses, http_address);
    let api = Api::new(handle.clone(), configurations, args.http_token);
    let served = async {
        match http {
            Some(listener) => axum::serve(listener, Arc::clone(&api).router()).await,
            None => std::future::pending().await,
        }
    };
    let began = Instant::now();
    let show = async {
        while let Some(event) = events.recv().await {
            api.tell(&event);
            tell(output, began, &event);
        }
    };
    let result = tokio::select! {
        () = stopped => Ok(()),
        () = show => Err(Failure::runtime("the server ended")),
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
