//! The bootstrap, as the bootstrap server tells it.

use lwm2m_codec::Path;
use serde_json::{Value, json};

use crate::demo::{
    reason::{Reason, expect},
    report::{Label, done},
    run::{Count, Failed, Runner},
    world::{ENDPOINT, LIFETIME, SSID, UTC_OFFSET, World, text},
};

/// The requests of the bootstrap server in order: operation, path, code of the answer.
const SEQUENCE: [(&str, &str, &str); 8] = [
    ("discover", "/", "2.05"),
    ("read", "/1", "2.05"),
    ("delete", "/0", "2.02"),
    ("delete", "/1", "2.02"),
    ("write", "/0/1", "2.04"),
    ("write", "/1/0", "2.04"),
    ("write", "/3/0/14", "2.04"),
    ("finish", "/", "2.04"),
];

/// What a device that knows nothing but its bootstrap server has (TS-Core §6.1.7.3).
const DISCOVERED: &str = "</>;lwm2m=1.2,</0/0>,</1>,</2>,</3/0>,</4/0>,</5/0>,</6/0>,</7/0>,\
    </3303/0>;ver=1.1,</3442/0>";

/// The device starts, asks for accounts and gets them.
pub(crate) async fn steps(runner: &mut Runner) -> Result<(), Failed> {
    let label = Label::new("Bootstrap-Request", format!("/bs?ep={ENDPOINT}"), "-");
    runner
        .counted(label, Count::Bootstrap(0), async |world: &mut World| {
            world.start_device()?;
            let started = told(world, "started").await?;
            expect("the endpoint", &json!(ENDPOINT), &started["endpoint"])?;
            done("2.04", "Changed")
        })
        .await?;
    for (number, (operation, path, code)) in (1..).zip(SEQUENCE) {
        let name = format!(
            "Bootstrap-{}{}",
            operation[..1].to_uppercase(),
            &operation[1..]
        );
        let format = match operation {
            "discover" => "Link",
            "read" | "write" => "SenML CBOR",
            _ => "-",
        };
        let path = if operation == "finish" { "/bs" } else { path };
        runner
            .counted(
                Label::new(name, path, format),
                Count::Bootstrap(number),
                async |world: &mut World| {
                    let step = told(world, "step").await?;
                    expect("the operation", &json!(operation), &step["operation"])?;
                    if operation != "finish" {
                        expect("the path", &json!(path), &step["path"])?;
                    }
                    if format == "SenML CBOR" {
                        expect("the format", &json!("senml-cbor (112)"), &step["format"])?;
                    }
                    let got = text(&step["code"]);
                    let number = got.split(' ').next().unwrap_or_default();
                    expect("the answer's code", &json!(code), &json!(number))?;
                    if operation == "discover" {
                        expect("the links", &json!(DISCOVERED), &step["links"])?;
                    }
                    if operation == "finish" {
                        written(world).await?;
                    }
                    done(number, got.trim_start_matches(number).trim())
                },
            )
            .await?;
    }
    Ok(())
}

/// Checks on the device what the bootstrap server wrote.
async fn written(world: &mut World) -> Result<(), Reason> {
    for (path, value) in [
        (Path::resource(0, 1, 10), SSID.to_string()),
        (Path::resource(1, 0, 0), SSID.to_string()),
        (Path::resource(1, 0, 1), LIFETIME.to_string()),
        (Path::resource(3, 0, 14), UTC_OFFSET.to_owned()),
    ] {
        world.expect_on_device(path, &value).await?;
    }
    world.device_values.utc_offset = Some(UTC_OFFSET.into());
    Ok(())
}

/// Waits for a line of the bootstrap server; the device may know sooner that it fails.
async fn told(world: &mut World, event: &str) -> Result<Value, Reason> {
    world.waiting = format!("{event} at the bootstrap server");
    loop {
        let line = match &mut world.device {
            Some(device) => tokio::select! {
                line = world.bootstrap.line() => line,
                line = device.line() => match line["event"] == "bootstrap-failed" {
                    true => return Err(Reason::Device(text(&line["reason"]))),
                    false => {
                        world.device_events.push_back(line);
                        continue;
                    }
                },
            },
            None => world.bootstrap.line().await,
        };
        match line["event"].as_str() {
            Some("failed" | "refused") => return Err(Reason::Bootstrap(text(&line["reason"]))),
            Some(name) if name == event => return Ok(line),
            _ => {}
        }
    }
}
