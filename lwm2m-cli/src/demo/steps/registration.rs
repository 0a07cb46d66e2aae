//! Register, Update, Send, Reboot, De-register.

use serde_json::{Value, json};

use crate::demo::{
    http::Body,
    node,
    reason::{Reason, expect},
    report::Label,
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
                check(&registration)
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
                Ok("19.25, 95".into())
            },
        )
        .await?;
    runner
        .step(
            Label::new("Update", "/rd/…", "-"),
            async |world: &mut World| {
                world.waiting_events("UPDATED");
                world.tell_device("update").await?;
                let updated = world.event("UPDATED", "an empty Update", |_| true).await?;
                expect(
                    "the lifetime",
                    &json!(LIFETIME),
                    &updated["registration"]["lifetime"],
                )?;
                Ok("CHANGED(204)".into())
            },
        )
        .await?;
    runner
        .step(
            Label::new("Update", "/rd/… lt=600", "-"),
            async |world: &mut World| {
                world.tell_device("set /1/0/1 600").await?;
                let updated = world.event("UPDATED", "the new lifetime", |_| true).await?;
                expect("the lifetime", &json!(600), &updated["update"]["lifetime"])?;
                Ok("lifetime 600 s".into())
            },
        )
        .await?;
    runner
        .step(
            Label::new("Execute", "/3/0/4 (reboot)", "-"),
            async |world: &mut World| {
                let target = "/3/0/4";
                world
                    .ask_for("POST", target, &Body::None, "CHANGED(204)")
                    .await?;
                world
                    .event("DEREGISTRATION", "before the reboot", |_| true)
                    .await?;
                let registration = registered(world).await?;
                expect("the lifetime", &json!(600), &registration["lifetime"])?;
                Ok("de-registered, registered again".into())
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
                expect("the endpoint", &json!(ENDPOINT), &gone["endpoint"])?;
                let Some(device) = &world.device else {
                    return Err(Reason::Device("it is not started".into()));
                };
                device.ending().wait().await.map_err(Reason::Device)?;
                Ok("DELETED(202), the device ended".into())
            },
        )
        .await
}

async fn registered(world: &mut World) -> Result<Value, Reason> {
    world.waiting = "a Register at the server".into();
    // The device knows best why it can't register.
    loop {
        let line = world.device_event().await;
        if line["event"] == "registered" {
            break;
        }
        if line["event"] == "registration-failed" {
            return Err(Reason::Device(text(&line["reason"])));
        }
    }
    world
        .event("REGISTRATION", "the device", |data| {
            data["endpoint"] == ENDPOINT
        })
        .await
}

/// Checks what the device registered.
fn check(registration: &Value) -> Result<String, Reason> {
    for (key, expected) in [
        ("lwM2mVersion", json!("1.2")),
        ("lifetime", json!(LIFETIME)),
        ("bindingMode", json!("U")),
        ("secure", json!(true)),
        ("queuemode", json!(false)),
        ("rootPath", json!("/")),
        (
            "availableInstances",
            json!({
                "1": [0], "2": [], "3": [0], "4": [0], "5": [0], "6": [0], "7": [0],
                "3303": [0], "3442": [0],
            }),
        ),
    ] {
        expect(key, &expected, &registration[key])?;
    }
    Ok("LwM2M 1.2, 9 objects".into())
}
