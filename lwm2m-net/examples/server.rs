//! A server that reads the Device object of each device that registers, and observes its
//! temperature.
//!
//! Run it by `cargo run -p lwm2m-net --example server -- 127.0.0.1:5683`, then a device by
//! `cargo run -p lwm2m-cli -- client --endpoint dev1 --server coap://127.0.0.1:5683`. You see a
//! line when the device registers, one for its manufacturer, and one for each temperature.
use std::error::Error;

use lwm2m_model::objects;
use lwm2m_net::server::{Device, Event, RequestError, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("0.0.0.0:5683".into());
    let (server, mut events) = Server::builder().coap(address.parse()?).start().await?;
    println!("listening at {:?}", server.addresses().udp);
    while let Some(event) = events.next().await {
        if let Event::Registered { device, .. } = event {
            println!("{} registered", device.endpoint());
            tokio::spawn(async move {
                if let Err(error) = watch(&device).await {
                    println!("{}: {error}", device.endpoint());
                }
            });
        }
    }
    Ok(())
}

async fn watch(device: &Device) -> Result<(), RequestError> {
    let about: objects::Device = device.read_as(0).await?;
    println!("{} is made by {:?}", device.endpoint(), about.manufacturer);
    let mut readings = device.observe("/3303/0/5700").await?;
    println!("{} has {:?}", device.endpoint(), readings.first().value());
    while let Some(reading) = readings.next().await {
        println!("{} has {:?}", device.endpoint(), reading.value());
    }
    Ok(())
}
