//! From the handler of an executable resource to the session, which may change objects.

use lwm2m_codec::{Path, coap::Code};
use lwm2m_model::{Failure, Outcome, Ticket};
use tokio::sync::mpsc;

/// Most requests that wait for the session.
const MAX_WAITING: usize = 16;

/// What a server wants to have executed.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) path: Path,
    pub(crate) arguments: Vec<u8>,
    pub(crate) ticket: Ticket,
}

/// The handlers' end.
pub(crate) type Executions = mpsc::Sender<Execution>;
/// The session's end.
pub(crate) type Requests = mpsc::Receiver<Execution>;

pub(crate) fn channel() -> (Executions, Requests) {
    mpsc::channel(MAX_WAITING)
}

/// A handler that leaves the work, and the answer, to the session.
pub(crate) fn forward(
    executions: &Executions,
) -> impl FnMut(Path, &[u8], Ticket) -> Outcome + Send + 'static {
    let executions = executions.clone();
    move |path, arguments, ticket| {
        let execution = Execution {
            path,
            arguments: arguments.to_vec(),
            ticket,
        };
        match executions.try_send(execution) {
            Ok(()) => Outcome::Later,
            Err(_) => {
                let reason = "too many executions wait";
                Outcome::Fail(Failure::new(Code::SERVICE_UNAVAILABLE, path, reason))
            }
        }
    }
}
