//! A relay of datagrams between the device and a server, which counts what passes.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{net::UdpSocket, task::JoinHandle, time::Instant};

/// Largest UDP datagram.
const MAX_DATAGRAM: usize = 65_535;
/// Most datagrams in the record; further ones are counted only.
const MAX_RECORDED: usize = 1024;
/// DTLS record type of application data (RFC 6347 §4.1).
const APPLICATION_DATA: u8 = 23;
/// The line is quiet when nothing passed for this time …
const QUIET: Duration = Duration::from_millis(6);
/// … and is not waited for any longer than this.
const QUIET_LIMIT: Duration = Duration::from_millis(60);

/// Bytes that passed in each direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) to_device: usize,
    pub(crate) from_device: usize,
}

impl std::ops::Sub for Bytes {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            to_device: self.to_device - before.to_device,
            from_device: self.from_device - before.from_device,
        }
    }
}

impl std::ops::Add for Bytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            to_device: self.to_device + other.to_device,
            from_device: self.from_device + other.from_device,
        }
    }
}

/// A datagram that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Passed {
    to_device: bool,
    len: usize,
    application_data: bool,
}

#[derive(Debug)]
struct Record {
    total: Bytes,
    passed: Vec<Passed>,
    last: Instant,
}

/// A running relay; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    record: Arc<Mutex<Record>>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Starts a relay to a server, at a free port of the loopback interface.
    pub(crate) async fn start(server: SocketAddr) -> io::Result<Self> {
        let device_side = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let server_side = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        server_side.connect(server).await?;
        let address = device_side.local_addr()?;
        let record = Record {
            total: Bytes::default(),
            passed: Vec::new(),
            last: Instant::now(),
        };
        let record = Arc::new(Mutex::new(record));
        let task = tokio::spawn(pass(device_side, server_side, Arc::clone(&record)));
        Ok(Self {
            address,
            record,
            task,
        })
    }

    /// Where the device finds the server.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What passed so far.
    pub(crate) fn total(&self) -> Bytes {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .total
    }

    /// Waits until nothing passes any more, such as the acknowledgement of a notification.
    pub(crate) async fn settle(&self) {
        let start = Instant::now();
        while start.elapsed() < QUIET_LIMIT {
            let last = self
                .record
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .last;
            if last.elapsed() >= QUIET {
                return;
            }
            tokio::time::sleep_until(last + QUIET).await;
        }
    }

    /// Splits what passed into exchanges: first the handshake with the device's request and its
    /// answer, then each request of the server with its answer. `None` if they don't take turns,
    /// as after a retransmission.
    pub(crate) fn exchanges(&self) -> Option<Vec<Bytes>> {
        exchanges(
            &self
                .record
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .passed,
        )
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(device_side: UdpSocket, server_side: UdpSocket, record: Arc<Mutex<Record>>) {
    let (mut down, mut up) = (vec![0; MAX_DATAGRAM], vec![0; MAX_DATAGRAM]);
    let mut device = None;
    loop {
        // An error is an ICMP message about a side that is gone: what is lost is lost.
        tokio::select! {
            received = device_side.recv_from(&mut up) => {
                let Ok((len, from)) = received else { continue };
                device = Some(from);
                note(&record, false, &up[..len]);
                let _ = server_side.send(&up[..len]).await;
            }
            received = server_side.recv(&mut down) => {
                let (Ok(len), Some(device)) = (received, device) else { continue };
                note(&record, true, &down[..len]);
                let _ = device_side.send_to(&down[..len], device).await;
            }
        }
    }
}

fn note(record: &Mutex<Record>, to_device: bool, datagram: &[u8]) {
    let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
    let len = datagram.len();
    match to_device {
        true => record.total.to_device += len,
        false => record.total.from_device += len,
    }
    record.last = Instant::now();
    if record.passed.len() < MAX_RECORDED {
        let application_data = datagram.first() == Some(&APPLICATION_DATA);
        record.passed.push(Passed {
            to_device,
            len,
            application_data,
        });
    }
}

fn exchanges(passed: &[Passed]) -> Option<Vec<Bytes>> {
    let mut exchanges = vec![Bytes::default()];
    // The first exchange begins with the device, all others with the server.
    let mut messages = Vec::new();
    for datagram in passed {
        if datagram.application_data {
            messages.push(datagram);
        }
    }
    let mut turn_of_server = false;
    for (index, message) in messages.iter().enumerate() {
        if message.to_device != turn_of_server {
            return None;
        }
        // Device, server | server, device | server, device …
        turn_of_server = match index {
            0 | 1 => true,
            index => index % 2 == 1,
        };
        if index >= 2 && index % 2 == 0 {
            exchanges.push(Bytes::default());
        }
        add(exchanges.last_mut()?, message);
    }
    let first = exchanges.first_mut()?;
    passed
        .iter()
        .filter(|datagram| !datagram.application_data)
        .for_each(|datagram| {
            add(first, datagram);
        });
    Some(exchanges)
}

const fn add(bytes: &mut Bytes, datagram: &Passed) {
    match datagram.to_device {
        true => bytes.to_device += datagram.len,
        false => bytes.from_device += datagram.len,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn passed(to_device: bool, len: usize, application_data: bool) -> Passed {
        Passed {
            to_device,
            len,
            application_data,
        }
    }

    #[test]
    fn the_handshake_belongs_to_the_first_exchange() {
        let all = [
            passed(false, 100, false),
            passed(true, 60, false),
            passed(false, 10, true),
            passed(true, 5, true),
            passed(true, 20, true),
            passed(false, 7, true),
            passed(true, 30, true),
            passed(false, 8, true),
        ];
        let bytes = |to_device, from_device| Bytes {
            to_device,
            from_device,
        };
        assert_eq!(
            exchanges(&all),
            Some(vec![bytes(65, 110), bytes(20, 7), bytes(30, 8)])
        );
    }

    #[test]
    fn exchanges_that_overlap_are_not_split() {
        let all = [
            passed(false, 10, true),
            passed(false, 10, true),
            passed(true, 5, true),
        ];
        assert_eq!(exchanges(&all), None);
    }

    #[tokio::test]
    async fn datagrams_pass_both_ways_and_are_counted() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let relay = Relay::start(server.local_addr().unwrap()).await.unwrap();
        let device = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        device.send_to(b"ping", relay.address()).await.unwrap();
        let mut buffer = [0; 16];
        let (len, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..len], b"ping");
        server.send_to(b"answer", from).await.unwrap();
        let (len, _) = device.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..len], b"answer");
        assert_eq!(
            relay.total(),
            Bytes {
                to_device: 6,
                from_device: 4
            }
        );
    }
}
