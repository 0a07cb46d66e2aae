//! `lwm2m server`: a server with an HTTP interface.

pub(crate) mod api;
mod catalogue;
pub(crate) mod credentials;
pub(crate) mod feed;
mod json;
pub(crate) mod keyring;
pub(crate) mod psk;
pub(crate) mod store;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::ValueEnum;
use lwm2m_coap::Access;
use lwm2m_net::{
    Psk,
    server::{Server, StartError},
};
use lwm2m_server::{Config, EndpointPolicy, IdentityOwned};
use tokio::net::TcpListener;

use self::{
    api::Api,
    catalogue::Catalogue,
    credentials::Credentials,
    feed::Feed,
    keyring::KeyRing,
    psk::{PskArgument, PskEntry},
    store::{Keyring, Store},
};
use crate::{
    bootstrap_server::{Service, Setup, Work},
    definitions,
    failure::Failure,
    output::{self, Output},
    runtime,
    sim::Subscribers,
};

const COAP: &str = "0.0.0.0:5683";
const COAPS: &str = "0.0.0.0:5684";

/// Run a server: devices over CoAP, applications over HTTP
///
/// The HTTP interface has the shape of Leshan's demo server: GET /api/clients lists devices,
/// GET /api/clients/ENDPOINT/3/0 reads, GET /api/event streams events. The first lines on
/// standard output tell the addresses that are bound.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Listen for CoAP without security; may be repeated, port 0 is any free one [default:
    /// 0.0.0.0:5683 if neither --coap nor --coaps is given]
    #[arg(long, value_name = "ADDR")]
    coap: Vec<SocketAddr>,
    /// Listen for CoAP over DTLS 1.2 with pre-shared keys; may be repeated [default: 0.0.0.0:5684
    /// if neither --coap nor --coaps is given]
    #[arg(long, value_name = "ADDR")]
    coaps: Vec<SocketAddr>,
    /// Listen for HTTP; must be a loopback address unless --http-token is given
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Have no HTTP interface
    #[arg(long, conflicts_with = "http")]
    no_http: bool,
    /// Answer HTTP requests with the header "Authorization: Bearer TOKEN" only
    #[arg(
        long,
        value_name = "TOKEN",
        env = "LWM2M_HTTP_TOKEN",
        hide_env_values = true
    )]
    http_token: Option<String>,
    /// Key of a device: its endpoint name, PSK identity and key in hexadecimal digits; may be
    /// repeated. The endpoint name then belongs to this identity and no other. Keys set over HTTP
    /// are added to these
    #[arg(long, value_name = "ENDPOINT,IDENTITY,HEXKEY")]
    psk: Vec<PskArgument>,
    /// Subscribers of the operator (TOML): their devices use keys made of those of their SIMs, and
    /// may come without security from the addresses that the file says they have
    #[arg(long, value_name = "FILE", requires = "naf")]
    subscribers: Option<PathBuf>,
    /// Name by which devices know this server: keys made of those of a SIM are for this name only
    #[arg(long, value_name = "NAME", requires = "subscribers")]
    naf: Option<String>,
    /// Which endpoint names may register besides those with a key
    #[arg(long, value_enum, default_value_t = Endpoints::Open)]
    endpoints: Endpoints,
    /// Let a device without security keep its registration when its address changes. Whoever
    /// knows its location can then take it over
    #[arg(long)]
    nosec_roaming: bool,
    /// Read object definitions from the XML files of a folder; may be repeated
    #[arg(long, value_name = "DIR")]
    objects: Vec<PathBuf>,
    /// Read the folders of --objects again as soon as a file in them changes. Without it, POST
    /// /api/objectspecs does so
    #[arg(long, requires = "objects")]
    watch_objects: bool,
    /// Keep registrations, observations, keys, and what is set over HTTP in a folder, over
    /// restarts; in memory without it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Be the bootstrap server, too, for the devices of a file as bootstrap-server has it. Only so
    /// one-time keys can be made: one_time_psk in the file. HTTP then has /api/bootstrap as well
    #[arg(long, value_name = "FILE")]
    bootstrap: Option<PathBuf>,
    /// Listen for bootstraps over CoAP without security; may be repeated
    #[arg(long, value_name = "ADDR", requires = "bootstrap")]
    bootstrap_coap: Vec<SocketAddr>,
    /// Listen for bootstraps over CoAP over DTLS 1.2 with the file's pre-shared keys; may be
    /// repeated
    #[arg(long, value_name = "ADDR", requires = "bootstrap")]
    bootstrap_coaps: Vec<SocketAddr>,
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

/// Which endpoint names may register besides those with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Endpoints {
    /// Devices without security under any name, others under their identity
    Open,
    /// Devices under their identity only
    Secured,
    /// None
    Listed,
}

impl From<Endpoints> for EndpointPolicy {
    fn from(endpoints: Endpoints) -> Self {
        match endpoints {
            Endpoints::Open => Self::Open,
            Endpoints::Secured => Self::Secured,
            Endpoints::Listed => Self::Listed,
        }
    }
}

/// Runs the command until somebody stops it.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let output = Output::new(args.json);
    if !args.no_http {
        check_http(args.http, args.http_token.as_deref())?;
    }
    let folder = definitions::open(&args.objects)?;
    let store = match &args.data {
        Some(folder) => Some(Store::open(folder).map_err(Failure::runtime)?),
        None => None,
    };
    let credentials = Arc::new(Credentials::new(
        Keyring::Server,
        store.clone(),
        &keys_of(&args)?,
    )?);
    let http = match args.no_http {
        true => None,
        false => Some(bind_http(args.http).await?),
    };
    let bootstrap = bootstrap(&args, folder.registry(), store.as_ref()).await?;
    let keys = keyring::load(store.as_ref(), &credentials.keys()).map_err(Failure::runtime)?;
    let subscribers = match &args.subscribers {
        Some(file) => Subscribers::load(file).map_err(Failure::usage)?,
        None => Subscribers::default(),
    };
    let naf = args.naf.as_deref().unwrap_or_default();
    let mut allowed = identities(&credentials, &subscribers, naf);
    allowed.extend(keys.iter().map(keyring::allowed));
    let (server, events) = start(
        &args,
        folder.registry().clone(),
        store.clone(),
        &credentials,
        allowed,
        subscribers.access(),
    )
    .await?;
    let keys = KeyRing::new(keys, store, server.clone(), Arc::clone(&credentials));
    let http_address = match &http {
        Some(listener) => Some(listener.local_addr().map_err(Failure::runtime)?),
        None => None,
    };
    let stopped = runtime::stopped(args.shutdown_on_stdin_eof);
    output.addresses(&server.addresses(), http_address);
    if let Some(bootstrap) = &bootstrap {
        output.bootstrap_addresses(bootstrap.addresses());
    }
    let feed = Feed::new(server.clone(), Some(Arc::clone(&keys)));
    let beside = bootstrap.map(|service| service.beside(feed.sender(), args.http_token.clone()));
    let (routes, work) = beside.unzip();
    let handle = work.as_ref().map(Work::handle);
    let pump = tokio::spawn(Arc::clone(&feed).pump(events, output));
    let catalogue = Catalogue::new(folder, server.clone(), Arc::clone(&feed));
    let watch = async {
        match args.watch_objects {
            true => Arc::clone(&catalogue).watch().await,
            false => std::future::pending().await,
        }
    };
    let expiry = tokio::spawn(Arc::clone(&keys).run());
    let bootstraps = tokio::spawn(work_of(work, output, Arc::clone(&keys)));
    let api = Api::new(
        server.clone(),
        credentials,
        Some(keys),
        feed,
        Arc::clone(&catalogue),
        args.http_token,
    );
    let served = async {
        match http {
            Some(listener) => {
                let router = api.router(routes.unwrap_or_default());
                axum::serve(listener, router).await
            }
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        () = stopped => Ok(()),
        result = served => {
            result.map_err(|error| Failure::runtime(format!("HTTP ended: {error}")))
        }
        () = watch => Ok(()),
        _ = pump => Err(Failure::runtime("the server ended")),
        _ = bootstraps => Err(Failure::runtime("the bootstrap server ended")),
    };
    expiry.abort();
    if let Some(handle) = handle {
        handle.shutdown().await;
    }
    server.shutdown().await;
    result
}

/// The keys of the command line.
fn keys_of(args: &Args) -> Result<Vec<PskEntry>, Failure> {
    let keys = args.psk.iter().enumerate().map(|(index, argument)| {
        let wrong = |error| Failure::usage(format!("--psk number {}: {error}", index + 1));
        argument.read().map_err(wrong)
    });
    keys.collect()
}

/// Which endpoint name belongs to whom, besides those with one-time keys. The keys that the SIMs
/// of subscribers make become known to the sockets.
fn identities(
    credentials: &Credentials,
    subscribers: &Subscribers,
    naf: &str,
) -> Vec<(String, IdentityOwned)> {
    let derived = subscribers.keys(naf).map(|(endpoint, psk)| {
        let key = Psk::new(psk.key.expose());
        credentials.keys().insert(psk.identity.clone(), key);
        let identity = IdentityOwned::Psk(psk.identity.into());
        (endpoint.to_owned(), identity)
    });
    let names = subscribers.names().map(|(endpoint, subscriber)| {
        let identity = IdentityOwned::Subscriber(subscriber.clone());
        (endpoint.to_owned(), identity)
    });
    let listed = credentials.allowed().into_iter();
    listed.chain(derived).chain(names).collect()
}

/// Starts the bootstrap server of the same process, if there is to be one.
async fn bootstrap(
    args: &Args,
    registry: &lwm2m_model::Registry,
    store: Option<&Store>,
) -> Result<Option<Service>, Failure> {
    let Some(file) = &args.bootstrap else {
        return Ok(None);
    };
    if args.bootstrap_coap.is_empty() && args.bootstrap_coaps.is_empty() {
        return Err(Failure::usage(
            "--bootstrap needs an address: --bootstrap-coap or --bootstrap-coaps",
        ));
    }
    let setup = Setup {
        file,
        coap: args.bootstrap_coap.clone(),
        coaps: args.bootstrap_coaps.clone(),
        registry: registry.clone(),
        store: store.cloned(),
        one_time: true,
        subscribers: args.subscribers.as_deref().zip(args.naf.as_deref()),
        trace: args.trace,
    };
    setup.start().await.map(Some)
}

async fn work_of(work: Option<Work>, output: Output, keys: Arc<KeyRing>) {
    match work {
        Some(work) => work.run(output, Some(keys)).await,
        None => std::future::pending().await,
    }
}

async fn start(
    args: &Args,
    registry: lwm2m_model::Registry,
    store: Option<Store>,
    credentials: &Credentials,
    allowed: Vec<(String, IdentityOwned)>,
    access: Access,
) -> Result<(Server, lwm2m_net::server::Events), Failure> {
    let mut config = Config::default();
    config.endpoint_policy = args.endpoints.into();
    config.nosec_roaming = args.nosec_roaming;
    let mut builder = Server::builder().config(config).access(access);
    if args.trace {
        builder = builder.trace(output::trace(registry.clone()));
    }
    builder = builder.registry(registry);
    let defaults = args.coap.is_empty() && args.coaps.is_empty();
    let default = |text: &str| defaults.then(|| text.parse().ok()).flatten();
    for address in args.coap.iter().copied().chain(default(COAP)) {
        builder = builder.coap(address);
    }
    for address in args.coaps.iter().copied().chain(default(COAPS)) {
        builder = builder.coaps(address, credentials.keys());
    }
    for (endpoint, identity) in allowed {
        builder = builder.allow(endpoint, identity);
    }
    if let Some(store) = store {
        builder = builder.journal(store);
    }
    builder.start().await.map_err(|error| match error {
        StartError::Bind(error) => Failure::runtime(format!("can't listen: {error}")),
        error => Failure::runtime(error),
    })
}

/// Refuses an HTTP interface that anybody could use.
pub(crate) fn check_http(address: SocketAddr, token: Option<&str>) -> Result<(), Failure> {
    if token.is_none() && !address.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "--http {address} is not a loopback address: anybody could command the devices; \
             give a --http-token"
        )));
    }
    if token == Some("") {
        return Err(Failure::usage("--http-token is empty"));
    }
    Ok(())
}

/// Listens for HTTP.
pub(crate) async fn bind_http(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => "it is in use".to_owned(),
            _ => error.to_string(),
        };
        Failure::runtime(format!("can't listen for HTTP at {address}: {why}"))
    })
}
