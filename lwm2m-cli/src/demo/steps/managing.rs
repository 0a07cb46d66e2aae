//! Execute, Create, Delete, Write-Attributes, and the composite operations.

use lwm2m_codec::Path;
use serde_json::{Value, json};

use crate::{
    client,
    demo::{
        http::Body,
        node,
        reason::{Reason, expect},
        report::{Label, done},
        run::{Failed, Runner},
        world::World,
    },
};

use super::reading::{discovered, read};

pub(crate) async fn steps(runner: &mut Runner) -> Result<(), Failed> {
    execute(runner).await?;
    create(runner).await?;
    composite(runner).await?;
    attributes(runner).await
}

async fn execute(runner: &mut Runner) -> Result<(), Failed> {
    runner
        .step(
            Label::new("Execute", "/3442/0/3 0='a',2", "Text"),
            async |world: &mut World| {
                let body = Body::Text("0='a',2".into());
                world.ask_for("POST", "/3442/0/3", &body, "2.04").await?;
                let expected = json!({
                    "id": 4, "kind": "multiResource", "type": "string",
                    "values": { "0": "a", "2": "" },
                });
                read(world, "/3442/0/4", "SENML_CBOR", &expected).await?;
                done("2.04", "the device kept 0='a' and 2")
            },
        )
        .await?;
    runner
        .step(
            Label::new("Execute", "/3442/0/0 (reset)", "-"),
            async |world: &mut World| {
                world
                    .ask_for("POST", "/3442/0/0", &Body::None, "2.04")
                    .await?;
                let expected = node::instance(0, &client::test_values());
                read(world, "/3442/0", "SENML_CBOR", &expected).await?;
                done("2.04", "all values are the initial ones")
            },
        )
        .await
}

async fn create(runner: &mut Runner) -> Result<(), Failed> {
    for (label, format, id, expected, instances) in [
        ("/3303/7", "TLV", Some(7), "/3303/7", json!([0, 7])),
        (
            "/3303 without id",
            "SenML JSON",
            None,
            "/3303/1",
            json!([0, 1, 7]),
        ),
    ] {
        runner
            .step(
                Label::new("Create", label, format),
                async |world: &mut World| {
                    let mut body = json!({ "kind": "instance", "resources": [
                        node::single(5750, "string", label),
                    ]});
                    if let (Some(id), Some(body)) = (id, body.as_object_mut()) {
                        body.insert("id".into(), json!(id));
                    }
                    let format = if id.is_some() { "TLV" } else { "SENML_JSON" };
                    let target = format!("/3303?format={format}");
                    let body = Body::Json(body);
                    let answer = world.ask_for("POST", &target, &body, "2.01").await?;
                    expect("the location", &json!(expected), &answer["location"])?;
                    let value = format!("{expected}/5750");
                    world.expect_on_device(value, label).await?;
                    updated(world, "3303", &instances).await?;
                    done("2.01", format!("{expected}, registration updated"))
                },
            )
            .await?;
    }
    for (path, instances) in [("/3303/7", json!([0, 1])), ("/3303/1", json!([0]))] {
        runner
            .step(
                Label::new("Delete", path, "-"),
                async |world: &mut World| {
                    world.ask_for("DELETE", path, &Body::None, "2.02").await?;
                    world.ask_for("GET", path, &Body::None, "4.04").await?;
                    updated(world, "3303", &instances).await?;
                    done("2.02", "gone, registration updated")
                },
            )
            .await?;
    }
    runner
        .step(
            Label::new("Delete", "/3/0", "-"),
            async |world: &mut World| {
                let status = "4.05";
                world.ask_for("DELETE", "/3/0", &Body::None, status).await?;
                done(status, "it stays")
            },
        )
        .await
}

/// Waits for the Update that tells the server of new instances, or of instances that are gone.
async fn updated(world: &mut World, object: &str, instances: &Value) -> Result<(), Reason> {
    let listed = |data: &Value| data["registration"]["availableInstances"][object] == *instances;
    world
        .event("UPDATED", "the new list of instances", listed)
        .await
        .map(|_| ())
}

async fn composite(runner: &mut Runner) -> Result<(), Failed> {
    for (name, format) in [("SenML CBOR", "SENML_CBOR"), ("SenML JSON", "SENML_JSON")] {
        let label = Label::new("Read-Composite", "/3/0/0 /3303/0/5700 /4/0/4", name);
        runner
            .step(label, async |world: &mut World| {
                let target = format!(
                    "/composite?paths=/3/0/0,/3303/0/5700,/4/0/4&pathformat={format}\
                     &nodeformat={format}"
                );
                let answer = world.ask_for("GET", &target, &Body::None, "2.05").await?;
                expect("the format", &json!(format), &answer["format"])?;
                let expected = json!({
                    "/3/0/0": node::single(0, "string", "lwm2m"),
                    "/3303/0/5700": node::single(5700, "float", "21.5"),
                    "/4/0/4": {
                        "id": 4, "kind": "multiResource", "type": "string",
                        "values": { "0": "127.0.0.1" },
                    },
                });
                expect("the values", &expected, &answer["content"])?;
                done("2.05", "3 values")
            })
            .await?;
    }
    let label = Label::new("Write-Composite", "/3/0/14 /3442/0/120", "SenML CBOR");
    runner
        .step(label, async |world: &mut World| {
            let body = json!({
                "/3/0/14": node::single(14, "string", "+04:00"),
                "/3442/0/120": node::single(120, "integer", "99"),
            });
            let target = "/composite?nodeformat=SENML_CBOR";
            world
                .ask_for("PUT", target, &Body::Json(body), "2.04")
                .await?;
            world
                .expect_on_device(Path::resource(3, 0, 14), "+04:00")
                .await?;
            world
                .expect_on_device(Path::resource(3442, 0, 120), "99")
                .await?;
            world.device_values.utc_offset = Some("+04:00".into());
            done("2.04", "+04:00, 99")
        })
        .await?;
    // The second value can't be written: the first must not be, either.
    let label = Label::new("Write-Composite", "/3442/0/120 /3/0/0", "SenML JSON");
    runner
        .step(label, async |world: &mut World| {
            let body = json!({
                "/3442/0/120": node::single(120, "integer", "100"),
                "/3/0/0": node::single(0, "string", "somebody else"),
            });
            let target = "/composite?nodeformat=SENML_JSON";
            let status = "4.05";
            world
                .ask_for("PUT", target, &Body::Json(body), status)
                .await?;
            world
                .expect_on_device(Path::resource(3442, 0, 120), "99")
                .await?;
            done(status, "nothing is written")
        })
        .await
}

async fn attributes(runner: &mut Runner) -> Result<(), Failed> {
    let label = Label::new("Write-Attributes", "/3303/0/5700 pmin pmax st", "-");
    runner
        .step(label, async |world: &mut World| {
            let target = "/3303/0/5700/attributes?pmin=1&pmax=60&st=0.5";
            world.ask_for("PUT", target, &Body::None, "2.04").await?;
            done("2.04", "pmin=1, pmax=60, st=0.5")
        })
        .await?;
    runner
        .step(
            Label::new("Discover", "/3303/0/5700", "Link"),
            async |world: &mut World| {
                let links = discovered(world, "/3303/0/5700").await?;
                let expected = json!([{
                    "url": "/3303/0/5700",
                    "attributes": { "pmin": "1", "pmax": "60", "st": "0.5" },
                }]);
                expect("the links", &expected, &json!(links))?;
                done("2.05", "pmin=1, pmax=60, st=0.5")
            },
        )
        .await
}
