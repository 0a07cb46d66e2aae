//! Two sessions over a bad link, in virtual time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    dimpl::{Acceptor, Connector},
    session::{Output, Session},
};
use crate::{limits::Limits, psk::Psk};

/// A small generator (xorshift64*): the same seed gives the same link.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }
}

/// What the link does to each datagram.
#[derive(Clone, Copy, PartialEq)]
enum Link {
    /// Loses, repeats and reorders.
    Lossy,
    /// Changes bytes and cuts as well.
    Hostile,
}

struct End {
    session: Session,
    connected: bool,
    failed: bool,
    heard: Vec<Vec<u8>>,
    wake: Instant,
}

impl End {
    fn new(session: Session, now: Instant) -> Self {
        Self {
            session,
            connected: false,
            failed: false,
            heard: Vec::new(),
            wake: now,
        }
    }

    /// Takes out what the session wants to send.
    fn pump(&mut self) -> Vec<Vec<u8>> {
        let (mut buf, mut packets) = ([0; 2048], Vec::new());
        loop {
            match self.session.poll_output(&mut buf) {
                Output::Packet(packet) => packets.push(packet.to_vec()),
                Output::Connected => self.connected = true,
                Output::Data(data) => self.heard.push(data.to_vec()),
                Output::Closed => self.failed = true,
                Output::Nothing => {}
                Output::Idle(at) => {
                    self.wake = at;
                    return packets;
                }
            }
        }
    }
}

/// A client and a server, and the link between them.
struct Pair {
    ends: [End; 2],
    random: Random,
    link: Link,
    /// Receiver and datagram.
    flying: Vec<(usize, Vec<u8>)>,
    now: Instant,
}

impl Pair {
    fn new(setup: &(Connector, Acceptor), seed: u64, link: Link) -> Self {
        let now = Instant::now();
        let (identity, key): (Arc<[u8]>, _) = (b"device"[..].into(), Psk::new(*b"key"));
        let client = setup.0.connect(now, &identity, key.clone());
        let mut server = setup.1.accept(now);
        server.set_key(&identity, &key);
        let ends = [End::new(client, now), End::new(server, now)];
        let random = Random(seed * 2 + 1);
        Self {
            ends,
            random,
            link,
            flying: Vec::new(),
            now,
        }
    }

    /// One datagram arrives, or else time goes on.
    fn step(&mut self) {
        if self.flying.is_empty() {
            let wake = self
                .ends
                .iter()
                .map(|end| end.wake)
                .min()
                .expect("two ends");
            self.now = wake.max(self.now + Duration::from_millis(1));
            for end in 0..2 {
                self.act(end, None);
            }
            return;
        }
        let next = self.random.next(self.flying.len() as u64) as usize;
        let (to, mut datagram) = self.flying.swap_remove(next);
        match self.random.next(8) {
            0 => return,
            1 => self.flying.push((to, datagram.clone())),
            2..4 if self.link == Link::Hostile => {
                let at = self.random.next(datagram.len() as u64) as usize;
                datagram[at] ^= 1 << self.random.next(8);
            }
            4 if self.link == Link::Hostile => {
                let end = self.random.next(datagram.len() as u64) as usize;
                datagram.truncate(end);
            }
            _ => {}
        }
        self.act(to, Some(&datagram));
    }

    fn act(&mut self, index: usize, datagram: Option<&[u8]>) {
        let end = &mut self.ends[index];
        if end.failed {
            return;
        }
        let result = match datagram {
            Some(datagram) => end.session.handle_datagram(self.now, datagram),
            None => end.session.handle_timeout(self.now),
        };
        end.failed |= result.is_err();
        let packets = end.pump();
        self.flying
            .extend(packets.into_iter().map(|packet| (1 - index, packet)));
    }

    /// Lets whoever is connected say something now and then.
    fn talk(&mut self) {
        for index in 0..2 {
            let end = &mut self.ends[index];
            if end.connected && !end.failed && self.random.next(4) == 0 {
                end.failed |= end.session.send(b"genuine").is_err();
                let packets = end.pump();
                self.flying
                    .extend(packets.into_iter().map(|packet| (1 - index, packet)));
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.connected) || self.ends.iter().any(|end| end.failed)
    }
}

fn setup() -> (Connector, Acceptor) {
    let limits = Limits {
        handshake: Duration::from_secs(400),
        ..Limits::default()
    };
    let connector = Connector::new(&limits, b"device").expect("configured");
    (connector, Acceptor::new(&limits).expect("configured"))
}

#[test]
fn most_handshakes_survive_loss_repetition_and_disorder() {
    let setup = setup();
    let mut connected = 0;
    for seed in 0..200 {
        let mut pair = Pair::new(&setup, seed, Link::Lossy);
        while !pair.is_over() {
            pair.step();
        }
        connected += u32::from(pair.ends.iter().all(|end| end.connected));
    }
    // The rest lost one flight five times or met another flight's record out of place.
    assert!(connected >= 190, "{connected} of 200");
}

#[test]
fn a_hostile_link_neither_panics_nor_forges() {
    let setup = setup();
    for seed in 0..300 {
        let mut pair = Pair::new(&setup, seed, Link::Hostile);
        for _ in 0..400 {
            pair.step();
            pair.talk();
        }
        for end in &pair.ends {
            assert!(
                end.heard.iter().all(|data| data == b"genuine"),
                "seed {seed}"
            );
        }
    }
}
