//! The bootstrap server of a case: Leshan's for our device, ours for Leshan's.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use super::peer::Peer;
use super::rest;
use super::site::{KEY, SOON, Session, Transport};

/// What a device gets: an account of the server of the case, with this lifetime in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Account {
    /// After all that there was is deleted.
    Full(u32),
    /// As far as it differs from what a Discover (and Read) told.
    Incremental(u32),
}

/// A bootstrap server that has an account for the device of a case.
#[derive(Debug)]
pub(super) struct BootServer {
    /// Ours, with its HTTP interface; Leshan's runs for all cases.
    own: Option<(Peer, SocketAddr)>,
    uri: String,
    /// Steps of Leshan's that were told so far.
    leshan: Option<Arc<Peer>>,
    endpoint: String,
}

impl BootServer {
    /// Starts it, if it does not run yet, with an [`Account::Full`].
    pub(super) fn start(s: &Session<'_>, lifetime: u32) -> Result<Self, String> {
        let server = match s.site.bootstrap(s.transport) {
            Some((leshan, uri)) => Self {
                own: None,
                uri,
                leshan: Some(leshan),
                endpoint: s.endpoint.clone(),
            },
            None => Self::ours(s, lifetime)?,
        };
        if server.leshan.is_some() {
            server.change(s, Account::Full(lifetime))?;
        }
        Ok(server)
    }

    fn ours(s: &Session<'_>, lifetime: u32) -> Result<Self, String> {
        let scheme = scheme(s.transport);
        let file = std::env::temp_dir().join(format!("lwm2m-interop-{}.toml", s.endpoint));
        let written = std::fs::File::create(&file)
            .and_then(|mut f| f.write_all(configuration(s, lifetime).as_bytes()));
        written.map_err(|error| format!("{}: {error}", file.display()))?;
        let mut command = Command::new(s.site.lwm2m());
        command.args(["bootstrap-server", "--json", "--http", "127.0.0.1:0"]);
        command.arg(format!("--{scheme}")).arg("127.0.0.1:0");
        let peer = Peer::start(command.arg("--config").arg(&file))?;
        let line = peer.wait(0, SOON, |line| line.contains("\"listening\""));
        // The server has read it.
        let _ = std::fs::remove_file(&file);
        let line: Value = serde_json::from_str(&line?).map_err(|error| error.to_string())?;
        let address = line[scheme][0].as_str().unwrap_or_default();
        let http = line["http"].as_str().unwrap_or_default().parse();
        let http = http.map_err(|_| format!("no address of HTTP in {line}"))?;
        Ok(Self {
            own: Some((peer, http)),
            uri: format!("{scheme}://{address}"),
            leshan: None,
            endpoint: s.endpoint.clone(),
        })
    }

    /// Where devices find it.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// Gives the device of the case another account.
    pub(super) fn change(&self, s: &Session<'_>, account: Account) -> Result<(), String> {
        match (&self.own, &self.leshan) {
            (Some((_, http)), _) => set(*http, s, account),
            (None, Some(leshan)) => tell(leshan, s, account),
            (None, None) => Err("there is no bootstrap server".into()),
        }
    }

    /// The steps that were answered with success, from the one of an index on: operation and path.
    pub(super) fn steps(&self, from: usize) -> Vec<(String, String)> {
        let steps: Vec<_> = match (&self.own, &self.leshan) {
            (Some((peer, _)), _) => {
                let lines = peer.lines(0, |line| line.contains("\"step\""));
                lines.iter().filter_map(|line| our_step(line)).collect()
            }
            (None, Some(leshan)) => {
                let prefix = format!("EVENT {} step ", self.endpoint);
                let lines = leshan.lines(0, |line| line.starts_with(&prefix));
                let words = lines.iter().map(|line| line[prefix.len()..].split(' '));
                let pair = |mut words: std::str::Split<'_, char>| {
                    Some((words.next()?.to_owned(), words.next()?.to_owned()))
                };
                words.filter_map(pair).collect()
            }
            (None, None) => Vec::new(),
        };
        steps.into_iter().skip(from).collect()
    }

    /// What it told about the device.
    pub(super) fn story(&self) -> String {
        let about = |line: &str| line.contains(&self.endpoint) || line.starts_with("stderr:");
        let lines = match (&self.own, &self.leshan) {
            (Some((peer, _)), _) => peer.lines(0, |_| true),
            (None, Some(leshan)) => leshan.lines(0, about),
            (None, None) => Vec::new(),
        };
        lines.join("\n")
    }
}

const fn scheme(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "coap",
        Transport::Dtls => "coaps",
    }
}

/// Our file of configurations.
fn configuration(s: &Session<'_>, lifetime: u32) -> String {
    let (own, security) = match s.transport {
        Transport::Udp => (String::new(), "security = \"nosec\"".to_owned()),
        Transport::Dtls => {
            let psk = format!("psk = {{ identity = \"{}\", key = \"{KEY}\" }}", s.endpoint);
            (format!("{psk}\n"), psk)
        }
    };
    format!(
        "[[endpoint]]\nname = \"{}\"\n{own}delete = [\"/1\"]\n\n[[endpoint.server]]\nssid = 1\n\
         uri = \"{}\"\n{security}\nlifetime = {lifetime}\n",
        s.endpoint,
        s.site.uri(s.transport)
    )
}

/// Sets a configuration of ours over HTTP, in the form of Leshan's demo server.
fn set(http: SocketAddr, s: &Session<'_>, account: Account) -> Result<(), String> {
    let (lifetime, incremental) = match account {
        Account::Full(lifetime) => (lifetime, false),
        Account::Incremental(lifetime) => (lifetime, true),
    };
    let key: Vec<u8> = (0..16).collect();
    let mut security = json!({"uri": s.site.uri(s.transport), "serverId": 1});
    if s.transport == Transport::Dtls {
        security["securityMode"] = json!("PSK");
        security["publicKeyOrId"] = json!(s.endpoint.as_bytes());
        security["secretKey"] = json!(key);
    }
    let deleted: &[&str] = if incremental { &[] } else { &["/1"] };
    let body = json!({
        "autoIdForSecurityObject": true,
        "incremental": incremental,
        "toDelete": deleted,
        "security": {"1": security},
        "servers": {"0": {"shortId": 1, "lifetime": lifetime, "binding": ["U"]}},
    });
    let body = body.to_string();
    let target = format!("/api/bootstrap/{}", s.endpoint);
    let answer = rest::call(http, "POST", &target, Some(("application/json", &body)))?;
    match answer.status {
        200..=299 => Ok(()),
        status => Err(format!("{target}: HTTP {status} {}", answer.text)),
    }
}

/// Gives Leshan's bootstrap server a line, and waits until it is done.
fn tell(leshan: &Peer, s: &Session<'_>, account: Account) -> Result<(), String> {
    let (verb, lifetime) = match account {
        Account::Full(lifetime) => ("full", lifetime),
        Account::Incremental(lifetime) => ("incremental", lifetime),
    };
    let key = match s.transport {
        Transport::Udp => String::new(),
        Transport::Dtls => format!(" {KEY}"),
    };
    let (name, uri) = (&s.endpoint, s.site.uri(s.transport));
    leshan.order(name, &format!("{verb} {name} {uri} {lifetime}{key}"))
}

/// A step in a line of ours, if it was answered with success.
fn our_step(line: &str) -> Option<(String, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let answered = line["event"] == "step" && line["code"].as_str()?.starts_with('2');
    let text = |name: &str| Some(line[name].as_str()?.to_owned());
    answered.then(|| Some((text("operation")?, text("path")?)))?
}
