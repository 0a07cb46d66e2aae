//! Write in both modes, and large values in blocks.

use lwm2m_codec::Path;
use serde_json::json;

use crate::{
    client,
    demo::{
        http::Body,
        node,
        report::{Label, done},
        run::{Failed, Runner},
        world::World,
    },
    hex,
};

use super::reading::read;

/// Bytes of the large value: several blocks of the largest size.
const LARGE: usize = 5000;

pub(crate) async fn steps(runner: &mut Runner) -> Result<(), Failed> {
    resources(runner).await?;
    instances(runner).await?;
    refused(runner).await?;
    large(runner).await
}

async fn resources(runner: &mut Runner) -> Result<(), Failed> {
    for (name, format, offset) in [("Text", "TEXT", "+02:00"), ("CBOR", "CBOR", "+03:00")] {
        runner
            .step(
                Label::new("Write", "/3/0/14", name),
                async |world: &mut World| {
                    let body = Body::Json(node::single(14, "string", offset));
                    let target = format!("/3/0/14?format={format}");
                    world.ask_for("PUT", &target, &body, "2.04").await?;
                    world
                        .expect_on_device(Path::resource(3, 0, 14), offset)
                        .await?;
                    world.device_values.utc_offset = Some(offset.into());
                    done("2.04", offset)
                },
            )
            .await?;
    }
    runner
        .step(
            Label::new("Write", "/3442/0/1120/1", "Text"),
            async |world: &mut World| {
                let body = json!({
                    "id": 1, "kind": "resourceInstance", "type": "integer", "value": "-7",
                });
                let target = "/3442/0/1120/1?format=TEXT";
                world
                    .ask_for("PUT", target, &Body::Json(body), "2.04")
                    .await?;
                world.expect_on_device("/3442/0/1120/1", "-7").await?;
                done("2.04", "-7")
            },
        )
        .await
}

/// A partial update keeps what it does not name; a replacement removes it.
async fn instances(runner: &mut Runner) -> Result<(), Failed> {
    let formats = [
        ("TLV", "TLV"),
        ("SenML JSON", "SENML_JSON"),
        ("LwM2M CBOR", "LWM2M_CBOR"),
    ];
    for (index, (name, format)) in (0_i64..).zip(formats) {
        runner
            .step(
                Label::new("Write (update)", "/3442/0", name),
                async |world: &mut World| {
                    let number = 2000 + index;
                    let body = json!({ "id": 0, "kind": "instance", "resources": [
                        node::single(120, "integer", number.to_string()),
                        node::single(140, "boolean", index % 2 == 1),
                    ]});
                    let target = format!("/3442/0?replace=false&format={format}");
                    world
                        .ask_for("PUT", &target, &Body::Json(body), "2.04")
                        .await?;
                    let mut expected = client::test_values();
                    expected.integer_value = Some(number);
                    expected.boolean_value = Some(index % 2 == 1);
                    expected.multiple_integer_value.insert(1, -7);
                    let expected = node::instance(0, &expected);
                    read(world, "/3442/0", "TLV", &expected).await?;
                    done("2.04", "2 changed, all others kept")
                },
            )
            .await?;
    }
    runner
        .step(
            Label::new("Write (replace)", "/3442/0", "SenML CBOR"),
            async |world: &mut World| {
                let resources = [
                    node::single(110, "string", "all that is left"),
                    node::single(130, "float", "-0.125"),
                ];
                let body = json!({ "id": 0, "kind": "instance", "resources": resources });
                let target = "/3442/0?replace=true&format=SENML_CBOR";
                world
                    .ask_for("PUT", target, &Body::Json(body.clone()), "2.04")
                    .await?;
                read(world, "/3442/0", "SENML_JSON", &body).await?;
                done("2.04", "2 written, all others removed")
            },
        )
        .await
}

async fn refused(runner: &mut Runner) -> Result<(), Failed> {
    runner
        .step(
            Label::new("Write", "/3/0/0", "Text"),
            async |world: &mut World| {
                let body = Body::Json(node::single(0, "string", "somebody else"));
                let status = "4.05";
                world
                    .ask_for("PUT", "/3/0/0?format=TEXT", &body, status)
                    .await?;
                world
                    .expect_on_device(Path::resource(3, 0, 0), "lwm2m")
                    .await?;
                done(status, "nothing is written")
            },
        )
        .await
}

/// A value that needs several blocks each way (RFC 7959).
async fn large(runner: &mut Runner) -> Result<(), Failed> {
    // Every byte differs from its neighbours, so that a block in the wrong place shows.
    let bytes: Vec<u8> = (0..LARGE).map(|at| (at * 7 + at / 256) as u8).collect();
    let value = hex::encode(&bytes);
    let path = Path::resource(3442, 0, 150);
    runner
        .step(
            Label::new("Write (Block1)", "/3442/0/150", "Opaque"),
            async |world: &mut World| {
                let body = Body::Json(node::single(150, "opaque", value.clone()));
                let target = "/3442/0/150?format=OPAQUE";
                world.ask_for("PUT", target, &body, "2.04").await?;
                world.expect_on_device(path, &value).await?;
                done("2.04", format!("{LARGE} bytes"))
            },
        )
        .await?;
    runner
        .step(
            Label::new("Read (Block2)", "/3442/0/150", "Opaque"),
            async |world: &mut World| {
                let expected = node::single(150, "opaque", value.clone());
                read(world, "/3442/0/150", "OPAQUE", &expected).await?;
                done("2.05", format!("{LARGE} bytes"))
            },
        )
        .await
}
