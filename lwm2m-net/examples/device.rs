//! A thermometer that registers with a server and gets warmer by a degree each second.
//!
//! Run a server by `cargo run -p lwm2m-net --example server -- 127.0.0.1:5683`, and this by
//! `cargo run -p lwm2m-net --example device -- coap://127.0.0.1:5683`. You see a line for each
//! event here, and 1, 2, 3 … degrees at the server. Ctrl-C de-registers.
use std::{error::Error, time::Duration};

use lwm2m_model::objects::{self, Temperature};
use lwm2m_net::device::{Device, Events};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args()
        .nth(1)
        .unwrap_or("coap://127.0.0.1:5683".into());
    let about = objects::Device {
        manufacturer: Some("Acme".into()),
        ..Default::default()
    };
    let device = Device::builder("thermometer")
        .server(1, uri, (), 300) // for coaps://, (identity, key) in place of ()
        .object(about)
        .object(Temperature::default());
    let (device, events) = device.start().await?;
    tokio::spawn(show(events));
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = second.tick() => device.set::<Temperature>(0, |t| t.sensor_value += 1.0).await?,
            result = tokio::signal::ctrl_c() => break result?,
        }
    }
    Ok(device.stop(Duration::from_secs(5)).await?)
}

async fn show(mut events: Events) {
    while let Some(event) = events.next().await {
        println!("{event:?}");
    }
}
