//! Read and Discover, in every format.

use lwm2m_model::objects;
use serde_json::{Value, json};

use crate::{
    client,
    demo::{
        http::Body,
        node,
        reason::{Reason, expect},
        report::{Label, done},
        run::{Failed, Runner},
        world::{World, text},
    },
};

/// Formats of several values: their name in the table and in the HTTP interface.
pub(crate) const FORMATS: [(&str, &str); 5] = [
    ("TLV", "TLV"),
    ("OMA JSON", "JSON"),
    ("SenML JSON", "SENML_JSON"),
    ("SenML CBOR", "SENML_CBOR"),
    ("LwM2M CBOR", "LWM2M_CBOR"),
];

/// Executable resources of the Device object that the device has.
const EXECUTABLE: [u16; 2] = [
    objects::device::ids::REBOOT,
    objects::device::ids::RESET_ERROR_CODE,
];

pub(crate) async fn steps(runner: &mut Runner) -> Result<(), Failed> {
    discover(runner).await?;
    whole(runner).await?;
    single_values(runner).await?;
    refused(runner).await
}

async fn discover(runner: &mut Runner) -> Result<(), Failed> {
    runner
        .step(
            Label::new("Discover", "/3", "Link"),
            async |world: &mut World| {
                let links = discovered(world, "/3").await?;
                let urls: Vec<&str> = links
                    .iter()
                    .filter_map(|link| link["url"].as_str())
                    .collect();
                let expected = node::links(&world.device_values, &EXECUTABLE);
                expect("the links", &json!(expected), &json!(urls))?;
                for (url, dim) in [
                    ("/3/0/6", "2"),
                    ("/3/0/7", "2"),
                    ("/3/0/8", "2"),
                    ("/3/0/11", "1"),
                ] {
                    let link = links.iter().find(|link| link["url"] == url);
                    let dim = json!({ "dim": dim });
                    expect(
                        url,
                        &dim,
                        link.map_or(&Value::Null, |link| &link["attributes"]),
                    )?;
                }
                done("2.05", format!("{} links", links.len()))
            },
        )
        .await
}

/// The links of a Discover.
pub(crate) async fn discovered(world: &mut World, path: &str) -> Result<Vec<Value>, Reason> {
    let target = format!("{path}/discover");
    let answer = world.ask_for("GET", &target, &Body::None, "2.05").await?;
    expect("the format", &json!("LINK"), &answer["format"])?;
    Ok(answer["objectLinks"]
        .as_array()
        .cloned()
        .unwrap_or_default())
}

/// An instance with many values, and an object.
async fn whole(runner: &mut Runner) -> Result<(), Failed> {
    for (name, format) in FORMATS {
        runner
            .step(
                Label::new("Read", "/3/0", name),
                async |world: &mut World| {
                    let expected = node::instance(0, &world.device_values);
                    read(world, "/3/0", format, &expected).await?;
                    done("2.05", count(&expected))
                },
            )
            .await?;
    }
    for (name, format) in FORMATS {
        runner
            .step(
                Label::new("Read", "/3442/0", name),
                async |world: &mut World| {
                    let expected = node::instance(0, &client::test_values());
                    read(world, "/3442/0", format, &expected).await?;
                    done("2.05", count(&expected))
                },
            )
            .await?;
    }
    runner
        .step(
            Label::new("Read", "/3303", "SenML CBOR"),
            async |world: &mut World| {
                let instance = node::instance(0, &client::sensor_values());
                let expected = json!({ "id": 3303, "kind": "obj", "instances": [instance] });
                read(world, "/3303", "SENML_CBOR", &expected).await?;
                done("2.05", "1 instance")
            },
        )
        .await
}

async fn single_values(runner: &mut Runner) -> Result<(), Failed> {
    let opaque = "0123456789abcdef";
    let instance = json!({ "id": 1, "kind": "resourceInstance", "type": "string", "value": "initial value 2" });
    for (path, name, format, expected) in [
        ("/3/0/0", "Text", "TEXT", node::single(0, "string", "lwm2m")),
        (
            "/3303/0/5700",
            "Text",
            "TEXT",
            node::single(5700, "float", "21.5"),
        ),
        (
            "/3442/0/150",
            "Opaque",
            "OPAQUE",
            node::single(150, "opaque", opaque),
        ),
        (
            "/3303/0/5700",
            "CBOR",
            "CBOR",
            node::single(5700, "float", "21.5"),
        ),
        ("/3442/0/1110/1", "Text", "TEXT", instance),
    ] {
        runner
            .step(Label::new("Read", path, name), async |world: &mut World| {
                read(world, path, format, &expected).await?;
                done("2.05", text(&expected["value"]))
            })
            .await?;
    }
    Ok(())
}

/// What is not there, and what can't be read.
async fn refused(runner: &mut Runner) -> Result<(), Failed> {
    for (path, status) in [("/3/0/99", "4.04"), ("/3/0/4", "4.05"), ("/0/0", "4.01")] {
        runner
            .step(Label::new("Read", path, "-"), async |world: &mut World| {
                world.ask_for("GET", path, &Body::None, status).await?;
                done(status, "refused")
            })
            .await?;
    }
    Ok(())
}

/// Reads in a format, and checks that the answer is in it and all that is there.
pub(crate) async fn read(
    world: &mut World,
    path: &str,
    format: &str,
    expected: &Value,
) -> Result<(), Reason> {
    let target = format!("{path}?format={format}");
    let answer = world.ask_for("GET", &target, &Body::None, "2.05").await?;
    expect("the format", &json!(format), &answer["format"])?;
    expect(path, expected, &answer["content"])
}

fn count(instance: &Value) -> String {
    format!(
        "{} resources",
        instance["resources"].as_array().map_or(0, Vec::len)
    )
}
