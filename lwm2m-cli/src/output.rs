//! What a command tells: lines on standard output for its user or for a program, and a log on
//! standard error.

use std::{
    fmt::Display,
    io::{self, Write},
    net::SocketAddr,
    time::Instant,
};

use lwm2m_model::Registry;
use lwm2m_net::{LocalAddrs, Trace};
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

/// Writes lines to standard output: for people, or JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes one line, in the form that was asked for.
    pub(crate) fn line(&self, text: impl Display, json: &Value) {
        let mut out = io::stdout().lock();
        let written = match self.json {
            true => writeln!(out, "{json}"),
            false => writeln!(out, "{text}"),
        };
        // Who read the lines may have gone; the command goes on.
        let _ = written.and_then(|()| out.flush());
    }

    /// Tells which addresses are bound: whoever gave port 0 reads them here.
    pub(crate) fn addresses(self, addresses: &LocalAddrs, http: Option<SocketAddr>) {
        let mut lines = Vec::new();
        lines.extend(addresses.udp.iter().map(|a| format!("coap {a}")));
        lines.extend(addresses.dtls.iter().map(|a| format!("coaps {a}")));
        lines.extend(http.iter().map(|a| format!("http {a}")));
        let text =
            |list: &[SocketAddr]| -> Vec<String> { list.iter().map(ToString::to_string).collect() };
        let json = json!({
            "event": "listening",
            "coap": text(&addresses.udp),
            "coaps": text(&addresses.dtls),
            "http": http.map(|address| address.to_string()),
        });
        self.line(lines.join("\n"), &json);
    }

    /// Tells where the bootstrap server of the same process listens.
    pub(crate) fn bootstrap_addresses(self, addresses: &LocalAddrs) {
        let udp = addresses.udp.iter().map(|a| format!("bootstrap coap {a}"));
        let dtls = addresses.dtls.iter();
        let dtls = dtls.map(|a| format!("bootstrap coaps {a}"));
        let lines: Vec<String> = udp.chain(dtls).collect();
        let json = json!({
            "event": "bootstrap-listening",
            "coap": addresses.udp,
            "coaps": addresses.dtls,
        });
        self.line(lines.join("\n"), &json);
    }
}

/// What `--trace` shows: each message on standard error, after the seconds since the start.
pub(crate) fn trace(registry: Registry) -> Trace {
    let start = Instant::now();
    Trace::new(registry, move |message| {
        let seconds = start.elapsed().as_secs_f64();
        // Who read it may have gone; the command goes on.
        let _ = writeln!(io::stderr().lock(), "{seconds:.3} {message}");
    })
}

/// Starts the log.
pub(crate) fn log() {
    let filter = EnvFilter::builder()
        .with_env_var("LWM2M_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false);
    // It fails only if there is a log already.
    let _ = log.try_init();
}
