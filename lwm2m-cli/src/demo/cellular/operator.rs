//! An operator of the demonstration: its SIM, its subscribers, its two servers.

use std::{fs, path::Path as FilePath};

use lwm2m_bootstrap::cellular::Plmn;
use serde_json::Value;

use crate::demo::{
    http::{Body, Events, Http},
    process::Process,
    reason::Reason,
    world::{address, listening, random_key},
};

/// Short Server ID that both operators give to their server.
pub(crate) const SSID: u16 = 1;
/// Lifetime of the registration in seconds.
pub(crate) const LIFETIME: u64 = 300;

/// What makes one operator another than the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) plmn: &'static str,
    pub(crate) iccid: &'static str,
    pub(crate) imsi: &'static str,
    pub(crate) server: &'static str,
    pub(crate) bootstrap: &'static str,
    /// The SIM holds the address of the bootstrap server; else the DNS does.
    pub(crate) on_card: bool,
}

/// A subscription: what is in the SIM, and in the operator's register.
#[derive(Debug)]
pub(crate) struct Secrets {
    k: String,
    opc: String,
    rand: String,
}

impl Secrets {
    pub(crate) fn random() -> Result<Self, Reason> {
        Ok(Self {
            k: random_key()?,
            opc: random_key()?,
            rand: random_key()?,
        })
    }

    fn lines(&self) -> String {
        let Self { k, opc, rand } = self;
        format!("k = \"{k}\"\nopc = \"{opc}\"\nrand = \"{rand}\"\n")
    }
}

/// A running operator.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) plan: Plan,
    pub(crate) zone: String,
    pub(crate) server: Process,
    pub(crate) bootstrap: Process,
    pub(crate) http: Http,
    pub(crate) events: Events,
    /// Name of the bootstrap server with its port.
    pub(crate) bootstrap_uri: String,
    pub(crate) bootstrap_port: u16,
    secrets: Secrets,
}

impl Operator {
    /// Starts the servers of an operator that knows these devices: the one of the demonstration,
    /// and another one.
    pub(crate) async fn start(
        plan: Plan,
        folder: &FilePath,
        endpoint: &str,
        other: &str,
    ) -> Result<Self, Reason> {
        let plmn: Plmn = plan.plmn.parse().map_err(|_| Reason::Random)?;
        let zone = plmn.zone();
        let secrets = Secrets::random()?;
        let subscribers = folder.join(format!("{}-subscribers.toml", plan.plmn));
        let stranger = Secrets::random()?;
        let list = format!(
            "{}{}",
            subscriber(plan.plmn, plan.imsi, endpoint, &secrets),
            subscriber(
                plan.plmn,
                &format!("{}999999999", plan.plmn),
                other,
                &stranger
            )
        );
        fs::write(&subscribers, list).map_err(Reason::Setup)?;
        let subscribers = subscribers.display().to_string();
        let naf = format!("lwm2m.{zone}");
        let mut arguments = vec!["server", "--http", "127.0.0.1:0", "--endpoints", "listed"];
        arguments.extend(["--subscribers", &subscribers, "--naf", &naf]);
        let (server, listening) = start(plan.server, &arguments).await?;
        let http = Http(address(&listening["http"])?);
        let events = http.events().await?;
        let port = address(&listening["coaps"][0])?.port();

        let provision = folder.join(format!("{}-bootstrap.toml", plan.plmn));
        let text = format!(
            "[[endpoint]]\nname = \"*\"\n\n[[endpoint.server]]\nssid = {SSID}\n\
             uri = \"coaps://{naf}:{port}\"\nsecurity = \"gba\"\nlifetime = {LIFETIME}\n"
        );
        fs::write(&provision, text).map_err(Reason::Setup)?;
        let provision = provision.display().to_string();
        let naf = format!("bs.{zone}");
        let mut arguments = vec!["bootstrap-server", "--config", &provision];
        arguments.extend(["--subscribers", &subscribers, "--naf", &naf]);
        let (bootstrap, listening) = start(plan.bootstrap, &arguments).await?;
        let bootstrap_port = address(&listening["coaps"][0])?.port();
        Ok(Self {
            plan,
            server,
            bootstrap,
            http,
            events,
            bootstrap_uri: format!("coaps://{naf}:{bootstrap_port}"),
            bootstrap_port,
            zone,
            secrets,
        })
    }

    /// Writes the SIM of its subscriber, maybe with a key that is not the subscriber's.
    pub(crate) fn write_sim(&self, file: &FilePath, wrong_key: bool) -> Result<(), Reason> {
        let Plan {
            iccid, imsi, plmn, ..
        } = self.plan;
        let wrong;
        let secrets = match wrong_key {
            true => {
                wrong = Secrets {
                    k: random_key()?,
                    opc: self.secrets.opc.clone(),
                    rand: self.secrets.rand.clone(),
                };
                &wrong
            }
            false => &self.secrets,
        };
        let keys = secrets.lines();
        let mut text = format!("iccid = \"{iccid}\"\nimsi = \"{imsi}\"\nplmn = \"{plmn}\"\n{keys}");
        if self.plan.on_card {
            let uri = &self.bootstrap_uri;
            text += &format!("\n[card.bootstrap]\nuri = \"{uri}\"\nsecurity = \"gba\"\n");
        }
        fs::write(file, text).map_err(Reason::Setup)
    }

    /// The endpoint names of the devices that are registered.
    pub(crate) async fn registered(&self) -> Result<Vec<String>, Reason> {
        let list = self.http.request("GET", "/api/clients", &Body::None);
        let list = list.await?;
        let names = list.as_array().into_iter().flatten();
        let names = names.filter_map(|device| device["endpoint"].as_str());
        Ok(names.map(ToOwned::to_owned).collect())
    }
}

fn subscriber(plmn: &str, imsi: &str, endpoint: &str, secrets: &Secrets) -> String {
    let keys = secrets.lines();
    format!(
        "[[subscriber]]\nimsi = \"{imsi}\"\nplmn = \"{plmn}\"\nendpoint = \"{endpoint}\"\n{keys}\n"
    )
}

async fn start(name: &'static str, arguments: &[&str]) -> Result<(Process, Value), Reason> {
    let common = [
        "--coaps",
        "127.0.0.1:0",
        "--json",
        "--shutdown-on-stdin-eof",
    ];
    let arguments: Vec<&str> = arguments.iter().chain(&common).copied().collect();
    let mut process = Process::start(name, &arguments, None)?;
    let listening = listening(&mut process).await?;
    Ok((process, listening))
}
