//! A device that serves an object of its own, defined in `objects/lamp.xml`.
//!
//! Start a server, then this device:
//!
//! ```console
//! $ cargo run --release -- server        # in the workspace
//! $ cargo run -- coap://127.0.0.1        # here
//! ```
//!
//! The server lists the endpoint `desk-lamp-1` with `/42769/0`. A Write of 101 to `/42769/0/0` is
//! refused by 4.00 before this program hears of it; an Execute of `/42769/0/2` prints a line.

use lwm2m_model::{Call, Outcome, Typed};
use lwm2m_net::device::{Device, Event, Keys};

mod objects {
    #![allow(missing_docs)]
    include!(concat!(env!("OUT_DIR"), "/lwm2m_objects.rs"));
}
use objects::{
    DeskLamp,
    desk_lamp::{DeskLampActions, actions, values},
};

/// What the executable resources do.
struct Bulb;

impl DeskLampActions for Bulb {
    fn flash(&mut self, call: Call<'_>) -> Outcome {
        match call.parse() {
            Ok(arguments) => {
                let times = arguments.find(0).flatten().unwrap_or("1");
                println!("lamp {} flashes {times} times", call.instance());
                Outcome::Done
            }
            Err(failure) => Outcome::Fail(failure),
        }
    }
}

/// A lamp as it is delivered.
fn lamp() -> Typed<DeskLamp> {
    let lamp = DeskLamp {
        brightness: 50,
        colour: Some(values::colour::WARM),
    };
    Typed::new().with(0, lamp).on_execute(actions(Bulb))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let uri = std::env::args()
        .nth(1)
        .ok_or("usage: own-object SERVER_URI")?;
    let (device, mut events) = Device::builder("desk-lamp-1")
        .server(1, uri, Keys::None, 300)
        .object(lamp())
        .start()
        .await?;
    while let Some(event) = events.next().await {
        println!("{event:?}");
        if let Event::Registered { .. } = event {
            // Whoever observes it is notified.
            device
                .set::<DeskLamp>(0, |lamp| lamp.brightness = 80)
                .await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lwm2m_codec::{Path, Value, coap::Code};
    use lwm2m_model::{Failure, Ticket, Tree};

    use super::*;
    use crate::objects::desk_lamp::ids;

    fn at(resource: u16) -> Path {
        Path::resource(DeskLamp::ID, 0, resource)
    }

    #[test]
    fn writes_are_checked_before_the_lamp_sees_them() {
        let mut tree = Tree::new();
        tree.insert(lamp());
        let code = |result: Result<(), Failure>| result.map_err(|failure| failure.code);
        let mut write = |id, value| code(tree.write(at(id), value));
        assert_eq!(write(ids::BRIGHTNESS, Value::Unsigned(100)), Ok(()));
        for (id, value) in [
            (ids::BRIGHTNESS, Value::Unsigned(101)),
            (ids::BRIGHTNESS, Value::string("bright")),
            (ids::COLOUR, Value::Integer(3)),
        ] {
            assert_eq!(write(id, value), Err(Code::BAD_REQUEST));
        }
        assert_eq!(
            write(ids::FLASH, Value::Integer(1)),
            Err(Code::METHOD_NOT_ALLOWED)
        );
        assert_eq!(
            tree.typed().and_then(|lamps| lamps.get(0)),
            Some(&DeskLamp {
                brightness: 100,
                colour: Some(values::colour::WARM),
            })
        );
        let flashed = tree.execute(at(ids::FLASH), b"0='3'", Ticket(1));
        assert_eq!(flashed, Outcome::Done);
    }
}
