//! `lwm2m demo --cellular`: one device, the SIMs of two operators, and no server known to it.

mod dns;
mod operator;
mod world;

use std::time::Instant;

use serde_json::{Value, json};

use self::{
    operator::LIFETIME,
    world::{ENDPOINT, Runner, World},
};
use super::{
    http::Body,
    reason::{Reason, expect},
    report::{Label, Report, done},
    run::Failed,
};
use crate::failure::Failure;

/// What the table shows.
const HEAD: &str = "\
One device, made for any operator, and the SIMs of two. Each operator has a bootstrap server, a
server and a zone in the DNS; the device knows no server and no key. All talk over DTLS 1.2 on
loopback, with keys (GBA) that device and operator each derive of K in the SIM.
";

/// What the tests break, to see that the demonstration notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sabotage {
    /// The SIM of the first operator holds another K than its register.
    WrongK,
    /// The DNS does not know the zone of the second operator.
    MissingDns,
    /// The device takes the endpoint name of another subscriber.
    OtherSubscriber,
}

/// Runs the demonstration.
pub(crate) async fn run(sabotage: Option<Sabotage>) -> Result<(), Failure> {
    let start = Instant::now();
    let world = World::start(sabotage).await.map_err(Failure::runtime)?;
    let report = Report::new();
    report.head(HEAD);
    let mut runner = Runner::new(world, report);
    let done = all(&mut runner).await;
    let shown = done.is_ok() && sabotage.is_none();
    runner.end(shown.then(|| start.elapsed())).await;
    match (done, sabotage) {
        (Ok(()), Some(_)) => Err(Failure::runtime("nothing noticed the sabotage")),
        (done, _) => done.map_err(Failure::runtime),
    }
}

async fn all(runner: &mut Runner) -> Result<(), Failed> {
    first_sim(runner).await?;
    bootstrap(runner, 0).await?;
    at_home(runner, 0).await?;
    second_sim(runner).await?;
    bootstrap(runner, 1).await?;
    at_home(runner, 1).await?;
    no_sim(runner).await
}

/// The first SIM: its card names the bootstrap server.
async fn first_sim(runner: &mut Runner) -> Result<(), Failed> {
    let label = Label::new("Insert SIM", "ICCID 8988101000000000017", "-");
    let insert = async |world: &mut World| {
        world.start_device()?;
        inserted(world, 0).await
    };
    runner.step(label, insert).await?;
    let label = Label::new("Find server", "EF LwM2M_Bootstrap", "card");
    let find = async |world: &mut World| found(world, 0, "the smartcard").await;
    runner.step(label, find).await
}

/// Another SIM while the device runs: it leaves the first operator, and asks the DNS.
async fn second_sim(runner: &mut Runner) -> Result<(), Failed> {
    let label = Label::new("Swap SIM", "ICCID 8988102000000000025", "-");
    let swap = async |world: &mut World| {
        let file = world.sim(1);
        world.forget();
        world.tell(&format!("sim {}", file.display())).await?;
        inserted(world, 1).await
    };
    runner.step(label, swap).await?;
    let label = Label::new("Find server", "_lwm2m-bs._udp.mnc002.mcc0…", "DNS SRV");
    let find = async |world: &mut World| found(world, 1, "the operator's names").await;
    runner.step(label, find).await?;
    runner
        .step(leave_label("Operator One"), async |world: &mut World| {
            left(world, 0, "the smartcard").await
        })
        .await
}

/// The SIM goes, and with it all that came from it.
async fn no_sim(runner: &mut Runner) -> Result<(), Failed> {
    let label = Label::new("Remove SIM", "-", "-");
    let remove = async |world: &mut World| {
        world.forget();
        world.tell("sim none").await?;
        done("-", "no SIM")
    };
    runner.step(label, remove).await?;
    runner
        .step(leave_label("Operator Two"), async |world: &mut World| {
            left(world, 1, "the operator's names").await
        })
        .await?;
    let label = Label::new("Quit", "-", "-");
    runner.release();
    let quit = async |world: &mut World| {
        world.tell("quit").await?;
        world.gone().await?;
        done("-", "the device ended")
    };
    runner.step(label, quit).await
}

fn leave_label(operator: &str) -> Label {
    Label::new("De-register", format!("/rd/… at {operator}"), "-")
}

/// The device has seen a SIM.
async fn inserted(world: &mut World, operator: usize) -> Result<super::report::Done, Reason> {
    let told = world.told("sim").await?;
    let plan = plan(world, operator)?;
    expect("the SIM", &json!(plan.iccid), &told["iccid"])?;
    expect("the operator", &json!(plan.name), &told["operator"])?;
    done("-", format!("a SIM of {}", plan.name))
}

fn plan(world: &World, operator: usize) -> Result<operator::Plan, Reason> {
    let known = world.operators.get(operator);
    known.map(|operator| operator.plan).ok_or(Reason::NotJson)
}

/// The device has found a bootstrap server.
async fn found(
    world: &mut World,
    operator: usize,
    origin: &str,
) -> Result<super::report::Done, Reason> {
    let told = world.told("sources").await?;
    let uri = world
        .operators
        .get(operator)
        .map(|o| o.bootstrap_uri.clone());
    let expected = json!([{ "origin": origin, "uri": uri }]);
    expect("what the device found", &expected, &told["found"])?;
    done("-", format!("found by {origin}"))
}

/// The device gets its account from an operator; both derive the key of the session.
async fn bootstrap(runner: &mut Runner, operator: usize) -> Result<(), Failed> {
    let label = Label::new("Bootstrap", format!("/bs?ep={ENDPOINT}"), "GBA");
    let bootstrap = async |world: &mut World| {
        let finished = world.bootstrapped(operator).await?;
        expect("the endpoint", &json!(ENDPOINT), &finished["endpoint"])?;
        done("2.04", format!("by {}", plan(world, operator)?.name))
    };
    runner.step(label, bootstrap).await
}

/// The device is registered and can be read, and holds no key.
async fn at_home(runner: &mut Runner, operator: usize) -> Result<(), Failed> {
    let register = async |world: &mut World| {
        world.told("registered").await?;
        let registration = world.event(operator, "REGISTRATION").await?;
        expect("DTLS", &json!(true), &registration["secure"])?;
        expect("the lifetime", &json!(LIFETIME), &registration["lifetime"])?;
        done("2.01", format!("at {}", plan(world, operator)?.name))
    };
    let label = Label::new("Register", format!("/rd?ep={ENDPOINT}"), "GBA");
    runner.step(label, register).await?;
    let read = async |world: &mut World| {
        world.waiting = "the answer to a Read".into();
        let target = format!("/api/clients/{ENDPOINT}/3/0/16");
        let http = world.operators.get(operator).map(|operator| operator.http);
        let http = http.ok_or(Reason::NotJson)?;
        let answer = http.request("GET", &target, &Body::None).await?;
        expect("the binding", &json!("U"), &answer["content"]["value"])?;
        done("2.05", "U")
    };
    runner
        .step(Label::new("Read", "/3/0/16", "-"), read)
        .await?;
    let look = async |world: &mut World| {
        for instance in 0..2 {
            let identity = world.tell(&format!("get /0/{instance}/3")).await?;
            let key = world.tell(&format!("get /0/{instance}/5")).await?;
            let hint = crate::hex::encode(b"3GPP-bootstrapping");
            let what = format!("/0/{instance}/3 on the device");
            expect(&what, &json!(hint), &json!(identity))?;
            if !key.is_empty() {
                return Err(Reason::Device(format!("/0/{instance}/5 holds a key")));
            }
        }
        done("-", "no key in any account")
    };
    runner
        .step(Label::new("Look", "/0/0/5 /0/1/5", "device"), look)
        .await
}

/// The device has left an operator, whose accounts are gone.
async fn left(
    world: &mut World,
    operator: usize,
    origin: &str,
) -> Result<super::report::Done, Reason> {
    world.event(operator, "DEREGISTRATION").await?;
    let told: Value = world.told("accounts").await?;
    expect("whose accounts are gone", &json!(origin), &told["removed"])?;
    let known = match world.operators.get(operator) {
        Some(operator) => operator.registered().await?,
        None => Vec::new(),
    };
    expect("who is registered", &json!([]), &json!(known))?;
    done("2.02", "all accounts of that SIM are gone")
}
