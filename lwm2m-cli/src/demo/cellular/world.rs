//! Two operators, the DNS and one device.

use std::{
    collections::VecDeque,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    Sabotage,
    dns::{Dns, Zones},
    operator::{Operator, Plan},
};
use crate::demo::{
    http::ServerEvent,
    process::{Ending, Process},
    reason::Reason,
    report::{Done, Label, Report},
    run::{Failed, STEP_TIMEOUT, first},
    world::text,
};

/// Serial number of the device.
pub(crate) const IMEI: &str = "490154203237518";
/// Endpoint name of the device: it says nothing of any operator.
pub(crate) const ENDPOINT: &str = "urn:imei:490154203237518";
/// Endpoint name of a device of another subscriber.
const OTHER: &str = "urn:imei:356938035643809";
/// How long the bootstrap server's own words are waited for when the device says that it failed.
const WORDS_TIMEOUT: Duration = Duration::from_millis(500);

const ONE: Plan = Plan {
    name: "Operator One",
    plmn: "00101",
    iccid: "8988101000000000017",
    imsi: "001010000000017",
    server: "server-one",
    bootstrap: "bootstrap-one",
    on_card: true,
};

const TWO: Plan = Plan {
    name: "Operator Two",
    plmn: "00102",
    iccid: "8988102000000000025",
    imsi: "001020000000025",
    server: "server-two",
    bootstrap: "bootstrap-two",
    on_card: false,
};

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) operators: [Operator; 2],
    dns: Dns,
    device: Option<Process>,
    /// Events of the device that came while something else was waited for.
    events: VecDeque<Value>,
    /// What is waited for, for a report.
    pub(crate) waiting: String,
    endpoint: &'static str,
    /// The device may end.
    released: bool,
    folder: TempDir,
}

impl World {
    /// Starts all but the device.
    pub(crate) async fn start(sabotage: Option<Sabotage>) -> Result<Self, Reason> {
        let folder = TempDir::with_prefix("lwm2m-demo-").map_err(Reason::Setup)?;
        let path = folder.path();
        let (one, two) = tokio::join!(
            Operator::start(ONE, path, ENDPOINT, OTHER),
            Operator::start(TWO, path, ENDPOINT, OTHER)
        );
        let operators = [one?, two?];
        let mut zones = Zones::default();
        for operator in &operators {
            if sabotage == Some(Sabotage::MissingDns) && !operator.plan.on_card {
                continue;
            }
            let zone = &operator.zone;
            let bootstrap = format!("bs.{zone}");
            zones.host(&bootstrap).map_err(Reason::Setup)?;
            zones
                .host(&format!("lwm2m.{zone}"))
                .map_err(Reason::Setup)?;
            if !operator.plan.on_card {
                let service = format!("_lwm2m-bs._udp.{zone}");
                zones
                    .service(&service, &bootstrap, operator.bootstrap_port)
                    .map_err(Reason::Setup)?;
            }
        }
        let dns = Dns::start(zones).await.map_err(Reason::Setup)?;
        let [one, two] = &operators;
        let wrong = sabotage == Some(Sabotage::WrongK);
        one.write_sim(&path.join("sim-one.toml"), wrong)?;
        two.write_sim(&path.join("sim-two.toml"), false)?;
        std::fs::write(path.join("operators.toml"), table()).map_err(Reason::Setup)?;
        Ok(Self {
            operators,
            dns,
            device: None,
            events: VecDeque::new(),
            waiting: String::new(),
            endpoint: match sabotage {
                Some(Sabotage::OtherSubscriber) => OTHER,
                _ => ENDPOINT,
            },
            released: false,
            folder,
        })
    }

    /// The file of an operator's SIM.
    pub(crate) fn sim(&self, operator: usize) -> PathBuf {
        let name = ["sim-one.toml", "sim-two.toml"];
        self.folder.path().join(name.get(operator).unwrap_or(&""))
    }

    /// Starts the device with the first SIM. It knows the operators, and none of their servers.
    pub(crate) fn start_device(&mut self) -> Result<(), Reason> {
        let operators = self.folder.path().join("operators.toml");
        let arguments = [
            "client".to_owned(),
            "--endpoint".to_owned(),
            self.endpoint.to_owned(),
            "--imei".to_owned(),
            IMEI.to_owned(),
            "--sim".to_owned(),
            self.sim(0).display().to_string(),
            "--operators".to_owned(),
            operators.display().to_string(),
            "--dns".to_owned(),
            self.dns.address().to_string(),
            "--json".to_owned(),
            "--shutdown-on-stdin-eof".to_owned(),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.device = Some(Process::start("device", &arguments, None)?);
        Ok(())
    }

    /// Gives the device a command and returns the value of its answer.
    pub(crate) async fn tell(&mut self, command: &str) -> Result<String, Reason> {
        self.waiting = format!("the device's answer to {command:?}");
        let Some(device) = &mut self.device else {
            return Err(Reason::Device("it is not started".into()));
        };
        device.ask(command, &mut self.events).await
    }

    /// Forgets what the device told so far.
    pub(crate) fn forget(&mut self) {
        self.events.clear();
    }

    /// Waits for an event of the device; one that says that something failed ends that.
    pub(crate) async fn told(&mut self, event: &str) -> Result<Value, Reason> {
        self.waiting = format!("{event:?} of the device");
        loop {
            let line = self.line().await;
            if line["event"] == event {
                return Ok(line);
            }
            let name = line["event"].as_str().unwrap_or_default();
            if matches!(name, "bootstrap-failed" | "registration-failed") {
                return Err(Reason::Device(text(&line["reason"])));
            }
        }
    }

    async fn line(&mut self) -> Value {
        match (self.events.pop_front(), &mut self.device) {
            (Some(line), _) => line,
            (None, Some(device)) => device.line().await,
            (None, None) => std::future::pending().await,
        }
    }

    /// Waits until the device has bootstrapped at an operator. If it fails, the bootstrap server
    /// may know better why.
    pub(crate) async fn bootstrapped(&mut self, operator: usize) -> Result<Value, Reason> {
        let told = self.told("bootstrap-finished").await;
        let Some(operator) = self.operators.get_mut(operator) else {
            return told;
        };
        let bootstrap = &mut operator.bootstrap;
        let wanted = match &told {
            Ok(_) => "finished",
            Err(_) => "refused",
        };
        let words = async {
            loop {
                let line = bootstrap.line().await;
                if line["event"] == wanted {
                    return line;
                }
            }
        };
        match (told, tokio::time::timeout(WORDS_TIMEOUT, words).await) {
            (Err(_), Ok(line)) => Err(Reason::Bootstrap(text(&line["reason"]))),
            (Ok(_), Ok(line)) => Ok(line),
            (told, Err(_)) => told,
        }
    }

    /// Waits for an event of an operator's server about the device.
    pub(crate) async fn event(&mut self, operator: usize, name: &str) -> Result<Value, Reason> {
        let Some(operator) = self.operators.get_mut(operator) else {
            return Err(Reason::NotJson);
        };
        self.waiting = format!("{name} at {}", operator.plan.name);
        loop {
            let ServerEvent { name: got, data } = operator.events.next().await;
            if got == name && data["endpoint"] == self.endpoint {
                return Ok(data);
            }
        }
    }

    /// Waits until the device has ended.
    pub(crate) async fn gone(&mut self) -> Result<(), Reason> {
        match &self.device {
            Some(device) => device.ending().wait().await.map_err(Reason::Device),
            None => Ok(()),
        }
    }

    fn endings(&self) -> Vec<Ending> {
        let servers = self
            .operators
            .iter()
            .flat_map(|o| [&o.server, &o.bootstrap]);
        let device = self.device.iter().filter(|_| !self.released);
        servers.chain(device).map(Process::ending).collect()
    }

    /// Ends all processes.
    pub(crate) async fn end(self) {
        if let Some(device) = self.device {
            device.end().await;
        }
        for operator in self.operators {
            operator.server.end().await;
            operator.bootstrap.end().await;
        }
    }
}

/// The table that the device is made with: how SIMs are told apart, and no server.
fn table() -> String {
    let one = format!(
        "[[operator]]\nname = \"{}\"\nplmn = [\"{}\"]\n",
        ONE.name, ONE.plmn
    );
    let two = format!(
        "[[operator]]\nname = \"{}\"\nplmn = [\"{}\"]\n",
        TWO.name, TWO.plmn
    );
    format!("{one}\n{two}discover = true\n")
}

/// Runs the steps.
#[derive(Debug)]
pub(crate) struct Runner {
    world: World,
    report: Report,
    number: usize,
}

impl Runner {
    pub(crate) const fn new(world: World, report: Report) -> Self {
        Self {
            world,
            report,
            number: 0,
        }
    }

    /// Runs a step and prints its row.
    pub(crate) async fn step(
        &mut self,
        label: Label,
        work: impl AsyncFnOnce(&mut World) -> Result<Done, Reason>,
    ) -> Result<(), Failed> {
        self.number += 1;
        let started = Instant::now();
        let endings = self.world.endings();
        let worked = tokio::select! {
            worked = tokio::time::timeout(STEP_TIMEOUT, work(&mut self.world)) => worked,
            reason = first(endings) => Ok(Err(reason)),
        };
        let result = worked.unwrap_or_else(|_| {
            Err(Reason::Timeout {
                what: self.world.waiting.clone(),
                after: STEP_TIMEOUT,
            })
        });
        let took = started.elapsed();
        match result {
            Ok(done) => {
                self.report.row(&label, None, &done, took);
                Ok(())
            }
            Err(reason) => {
                self.report.failed(&label, took);
                Err(Failed::new(self.number, label, reason))
            }
        }
    }

    /// From the next step on the device may end.
    pub(crate) const fn release(&mut self) {
        self.world.released = true;
    }

    /// Prints the summary, if all went well, and ends the processes.
    pub(crate) async fn end(self, took: Option<Duration>) {
        if let Some(took) = took {
            self.report.story(took);
        }
        self.world.end().await;
    }
}
