//! A name server for the zones of the operators, on the loopback interface.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

use hickory_proto::{
    op::{Message, Metadata, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, SRV},
    },
};
use tokio::{net::UdpSocket, task::JoinHandle};

/// How long an answer may be kept, in seconds.
const TTL: u32 = 5;
/// Largest question in bytes.
const MAX_QUESTION: usize = 1232;

/// A running name server; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Dns {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What it knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zones(Vec<Record>);

impl Zones {
    /// Adds a host of this machine.
    pub(crate) fn host(&mut self, name: &str) -> io::Result<()> {
        let data = RData::A(A(Ipv4Addr::LOCALHOST));
        self.0.push(Record::from_rdata(absolute(name)?, TTL, data));
        Ok(())
    }

    /// Adds a service of a host.
    pub(crate) fn service(&mut self, name: &str, host: &str, port: u16) -> io::Result<()> {
        let data = RData::SRV(SRV::new(0, 0, port, absolute(host)?));
        self.0.push(Record::from_rdata(absolute(name)?, TTL, data));
        Ok(())
    }

    /// Answers a question; `None` if it is none.
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let request = Message::from_vec(question).ok()?;
        let query = request.queries.first()?.clone();
        let mut response = Message::response(request.metadata.id, request.metadata.op_code);
        response.metadata = Metadata::response_from_request(&request.metadata);
        response.metadata.authoritative = true;
        let named: Vec<&Record> = self.0.iter().filter(|r| r.name == query.name).collect();
        if named.is_empty() {
            response.metadata.response_code = ResponseCode::NXDomain;
        }
        let wanted: RecordType = query.query_type;
        let answers = named.into_iter().filter(|r| r.record_type() == wanted);
        response.answers.extend(answers.cloned());
        response.queries.push(query);
        response.to_vec().ok()
    }
}

impl Dns {
    /// Starts it on a free port.
    pub(crate) async fn start(zones: Zones) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self {
            address: socket.local_addr()?,
            task: tokio::spawn(serve(socket, zones)),
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: UdpSocket, zones: Zones) {
    let mut question = vec![0; MAX_QUESTION];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut question).await else {
            continue;
        };
        let answer = question.get(..len).and_then(|bytes| zones.answer(bytes));
        if let Some(answer) = answer {
            // Whoever asked asks again if this gets lost.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

fn absolute(name: &str) -> io::Result<Name> {
    let name = Name::from_str(&format!("{name}."));
    name.map_err(|_| io::ErrorKind::InvalidInput.into())
}
