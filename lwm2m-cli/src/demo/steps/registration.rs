//! Register, Update, Send, Reboot, De-register.

use serde_json::{Value, json};

use crate::demo::{
    http::Body,
    node,
    reason::{Reason, expect},
    report::{Label, done},
    run::{Failed, Runner},
    world::{DEVICE, ENDPOINT, LIFETIME, World, text},
};

/// The device registers with the server that the bootstrap server gave it.
pub(crate) async fn register(runner: &mut Runner) -> Result<(), Failed> {
    runner
        .step(
            Label::new("Register", "/rd", "Link"),
            async |world: &mut World| {
                let registration = registered(world).await?;
                check(&registration, LIFETIME)?;
                done("2.01", "LwM2M 1.2, 9 objects")
            },
        )
        .await
}

/// What a device does of its own accord, and its farewell.
pub(crate) async fn steps(runner: &mut Runner) -> Result<(), Failed> {
    runner
        .step(
            Label::new("Send", "/3303/0/5700 /3/0/9", "SenML CBOR"),
            async |world: &mut World| {
                world.tell_device("set /3303/0/5700 19.25").await?;
                world.tell_device("send /3303/0/5700 /3/0/9").await?;
                let sent = world.event("SEND", "the values", |_| true).await?;
                let expected = json!({
                    "/3/0/9": node::single(9, "integer", "95"),
                    "/3303/0/5700": node::single(5700, "float", "19.25"),
                });
                expect("the values", &expected, &sent["val"])?;
                told(world, "sent", "send-failed").await?;
                done("2.04", "19.25, 95")
            },
        )
        .await?;
    runner
        .step(
            Label::new("Update", "/rd/…", "-"),
            async |world: &mut World| {
                world.waiting_events("UPDATED");
                world.tell_device("update").await?;
                world.device_events.clear();
                let updated = world.event("UPDATED", "an empty Update", |_| true).await?;
                check(&updated["registration"], LIFETIME)?;
                answered(world).await?;
                done("2.04", "nothing changed")
            },
        )
        .await?;
    runner
        .step(
            Label::new("Update", "/rd/… lt=600", "-"),
            async |world: &mut World| {
                world.tell_device("set /1/0/1 600").await?;
                world.device_events.clear();
                let updated = world.event("UPDATED", "the new lifetime", |_| true).await?;
                expect("the lifetime", &json!(600), &updated["update"]["lifetime"])?;
                check(&updated["registration"], 600)?;
                answered(world).await?;
                done("2.04", "lifetime 600 s")
            },
        )
        .await?;
    runner
        .step(
            Label::new("Execute", "/3/0/4 (reboot)", "-"),
            async |world: &mut World| {
                let target = "/3/0/4";
                world.ask_for("POST", target, &Body::None, "2.04").await?;
                world
                    .event("DEREGISTRATION", "before the reboot", |_| true)
                    .await?;
                let registration = registered(world).await?;
                check(&registration, 600)?;
                done("2.04", "de-registered, registered again")
            },
        )
        .await?;
    runner.release(DEVICE);
    runner
        .step(
            Label::new("De-register", "/rd/…", "-"),
            async |world: &mut World| {
                world.tell_device("quit").await?;
                let gone = world
                    .event("DEREGISTRATION", "at the end", |_| true)
                    .await?;
                check(&gone, 600)?;
                let Some(device) = &world.device else {
                    return Err(Reason::Device("it is not started".into()));
                };
                device.ending().wait().await.map_err(Reason::Device)?;
                done("2.02", "the device ended")
            },
        )
        .await
}

/// Waits until the device is registered, and returns its registration.
async fn registered(world: &mut World) -> Result<Value, Reason> {
    world.waiting = "a Register at the server".into();
    told(world, "registered", "registration-failed").await?;
    world
        .event("REGISTRATION", "the device", |data| {
            data["endpoint"] == ENDPOINT
        })
        .await
}

/// Waits for the server's answer to the Update that a command just brought about.
async fn answered(world: &mut World) -> Result<(), Reason> {
    told(world, "updated", "registration-failed").await
}

/// Waits for an event of the device, which knows best why something fails.
async fn told(world: &mut World, event: &str, failure: &str) -> Result<(), Reason> {
    loop {
        let line = world.device_event().await;
        if line["event"] == event {
            return Ok(());
        }
        if line["event"] == failure {
            return Err(Reason::Device(text(&line["reason"])));
        }
    }
}

/// Checks all that the device registers.
fn check(registration: &Value, lifetime: u64) -> Result<(), Reason> {
    for (key, expected) in [
        ("endpoint", json!(ENDPOINT)),
        ("lwM2mVersion", json!("1.2")),
        ("lifetime", json!(lifetime)),
        ("bindingMode", json!("U")),
        ("secure", json!(true)),
        ("queuemode", json!(false)),
        ("rootPath", json!("/")),
    ] {
        expect(key, &expected, &registration[key])?;
    }
    let plain = |url: &str| json!({ "url": url, "attributes": {} });
    let links = json!([
        { "url": "/", "attributes": { "ct": "60 110 112 320 322 11542 11543 11544" } },
        plain("/1/0"), plain("/2"), plain("/3/0"), plain("/4/0"), plain("/5/0"), plain("/6/0"),
        plain("/7/0"), { "url": "/3303/0", "attributes": { "ver": "1.1" } }, plain("/3442/0"),
    ]);
    expect("the links", &links, &registration["objectLinks"])
}
