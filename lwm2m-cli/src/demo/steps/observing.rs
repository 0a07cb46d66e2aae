//! Observe, Notify, cancel; of one path and of several.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::demo::{
    http::Body,
    node,
    reason::{Reason, expect},
    report::{Label, done},
    run::{Failed, Runner},
    world::World,
};

use super::reading::discovered;

/// pmin of the observation, as the attributes set it.
const PMIN: Duration = Duration::from_secs(1);
/// What the clocks of two processes may differ by within pmin.
const SLACK: Duration = Duration::from_millis(50);

pub(crate) async fn steps(runner: &mut Runner) -> Result<(), Failed> {
    single(runner).await?;
    composite(runner).await
}

async fn single(runner: &mut Runner) -> Result<(), Failed> {
    let mut observed = Instant::now();
    runner
        .step(
            Label::new("Observe", "/3303/0/5700", "CBOR"),
            async |world: &mut World| {
                let target = "/3303/0/5700/observe?format=CBOR";
                let answer = world.ask_for("POST", target, &Body::None, "2.05").await?;
                observed = Instant::now();
                let expected = node::single(5700, "float", "21.5");
                expect("the first value", &expected, &answer["content"])?;
                done("2.05", "21.5")
            },
        )
        .await?;
    runner
        .step(
            Label::new("Notify", "/3303/0/5700", "CBOR"),
            async |world: &mut World| {
                // The first change is too small for st, and the second comes before pmin is over:
                // the notification has to wait, and to carry the third.
                for value in ["21.75", "22.5", "23.75"] {
                    world
                        .tell_device(&format!("set /3303/0/5700 {value}"))
                        .await?;
                }
                let data = notification(world, "/3303/0/5700").await?;
                let after = observed.elapsed();
                let expected = node::single(5700, "float", "23.75");
                expect("the value", &expected, &data["val"])?;
                if after + SLACK < PMIN {
                    let after = json!(after.as_secs_f64());
                    return Err(Reason::Wrong {
                        what: "seconds since the first value".into(),
                        expected: json!("at least 1 (pmin)"),
                        got: after,
                    });
                }
                done(
                    "2.05",
                    format!("23.75, {:.2} s after the first", after.as_secs_f64()),
                )
            },
        )
        .await?;
    runner
        .step(
            Label::new("Write-Attributes", "/3303/0/5700 pmin pmax st", "-"),
            async |world: &mut World| {
                let target = "/3303/0/5700/attributes?pmin&pmax&st";
                world.ask_for("PUT", target, &Body::None, "2.04").await?;
                let links = discovered(world, "/3303/0/5700").await?;
                let expected = json!([{ "url": "/3303/0/5700", "attributes": {} }]);
                expect("the links", &expected, &json!(links))?;
                done("2.04", "attributes removed")
            },
        )
        .await?;
    cancel(runner).await
}

async fn cancel(runner: &mut Runner) -> Result<(), Failed> {
    runner
        .step(
            Label::new("Cancel", "/3303/0/5700", "CBOR"),
            async |world: &mut World| {
                let target = "/3303/0/5700/observe?active";
                let answer = world.ask_for("DELETE", target, &Body::None, "2.05").await?;
                let expected = node::single(5700, "float", "23.75");
                expect("the value", &expected, &answer["content"])?;
                world.waiting_events("NOTIFICATION");
                world.tell_device("set /3303/0/5700 24.75").await?;
                quiet(world, "24.75").await?;
                done("2.05", "changes are not notified now")
            },
        )
        .await
}

/// Checks that a change of the sensor's value is not notified: an answer that the device sent
/// after it is here, and no notification is.
async fn quiet(world: &mut World, value: &str) -> Result<(), Reason> {
    let answer = world
        .ask_for("GET", "/3303/0/5700?format=TEXT", &Body::None, "2.05")
        .await?;
    expect("the value", &json!(value), &answer["content"]["value"])?;
    let notified = world.waiting_events("NOTIFICATION");
    expect("notifications after the end", &json!([]), &json!(notified))
}

async fn composite(runner: &mut Runner) -> Result<(), Failed> {
    const PATHS: &str = "/3303/0/5700,/3442/0/120";
    let both = |sensor: &str, number: &str| {
        json!({
            "/3303/0/5700": node::single(5700, "float", sensor),
            "/3442/0/120": node::single(120, "integer", number),
        })
    };
    let label = |operation: &str| Label::new(operation, "/3303/0/5700 /3442/0/120", "SenML CBOR");
    runner
        .step(label("Observe-Composite"), async |world: &mut World| {
            let target = format!(
                "/composite/observe?paths={PATHS}&pathformat=SENML_CBOR&nodeformat=SENML_CBOR"
            );
            let answer = world.ask_for("POST", &target, &Body::None, "2.05").await?;
            expect("the first values", &both("24.75", "99"), &answer["content"])?;
            done("2.05", "24.75, 99")
        })
        .await?;
    runner
        .step(label("Notify"), async |world: &mut World| {
            world.tell_device("set /3442/0/120 100").await?;
            world.waiting = "a notification of both paths".into();
            let data = world.event("NOTIFICATION", "both paths", |data| {
                data["kind"] == "composite"
            });
            expect("the values", &both("24.75", "100"), &data.await?["val"])?;
            done("2.05", "24.75, 100")
        })
        .await?;
    runner
        .step(label("Cancel-Composite"), async |world: &mut World| {
            let target = format!("/composite/observe?paths={PATHS}&active");
            let answer = world
                .ask_for("DELETE", &target, &Body::None, "2.05")
                .await?;
            expect("the values", &both("24.75", "100"), &answer["content"])?;
            world.waiting_events("NOTIFICATION");
            world.tell_device("set /3303/0/5700 25.75").await?;
            quiet(world, "25.75").await?;
            done("2.05", "changes are not notified now")
        })
        .await
}

async fn notification(world: &mut World, path: &str) -> Result<Value, Reason> {
    world
        .event("NOTIFICATION", path, |data| data["res"] == path)
        .await
}
