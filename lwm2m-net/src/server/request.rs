//! A request to a device: what, how, and its answer.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lwm2m_coap::Instant;
use lwm2m_codec::{ContentFormat, DecodeError, EncodeError, ParsePathError, Path, Version};
use lwm2m_model::{Registry, field::FieldError};
use lwm2m_server::{DeviceView, FailReason, ObservationId, Registration, RequestId, WriteMode};
use tokio::sync::{mpsc, oneshot};

use super::{Answer, Body, Notification, Server, body::composite_format};
use crate::Closed;

/// Says why a request has no answer that could be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A path can't be read.
    #[error("the path is malformed: {0}")]
    Path(ParsePathError),
    /// The device is not registered.
    #[error("the device is not registered")]
    NotRegistered,
    /// The request can't be made.
    #[error(transparent)]
    Invalid(#[from] lwm2m_server::RequestError),
    /// The payload can't be encoded.
    #[error("the payload can't be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// The device refused.
    #[error("the device refused by {}{}", .0.code, .0.diagnostic().map(|d| format!(": {d}")).unwrap_or_default())]
    Refused(Box<Answer>),
    /// The answer can't be decoded.
    #[error("the answer can't be decoded: {error}")]
    Decode {
        /// What is wrong, and where.
        error: DecodeError,
        /// The answer, with the values before the error.
        answer: Box<Answer>,
    },
    /// A value does not fit the field of the struct.
    #[error("{path} does not fit: {error}")]
    Field {
        /// Where.
        path: Path,
        /// What does not fit.
        error: FieldError,
    },
    /// The device has another major version of the object than the struct: the same ids may mean
    /// something else.
    #[error(
        "the device has version {device} of object {object}, and the struct is of {definition}"
    )]
    Version {
        /// Object ID.
        object: u16,
        /// Version of the struct.
        definition: Version,
        /// Version that the device has.
        device: Version,
    },
    /// The request ended without an answer.
    #[error(transparent)]
    Failed(FailReason),
    /// No answer came within [`Request::timeout`].
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server has ended.
    #[error("the server has ended")]
    Closed,
}

impl From<Closed> for RequestError {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// What a device is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operation {
    Read(Path),
    Discover(Path, Option<u8>),
    Write(Path, WriteMode, Body),
    WriteAttributes(Path, String),
    Execute(Path, String),
    Create(u16, Body),
    Delete(Path),
    ReadComposite(Vec<Path>),
    WriteComposite(Body),
    Observe(Path, String),
    ObserveComposite(Vec<Path>, String),
    StopObserving(ObservationId, Vec<Path>),
}

/// How a request is made.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    /// Format of the payload, or else of the answer.
    pub(super) format: Option<ContentFormat>,
    /// Format of the list of paths of a composite operation.
    pub(super) path_format: Option<ContentFormat>,
    /// How long to wait for a device that sleeps or is away.
    pub(super) wait: Option<Duration>,
    /// Where notifications go.
    pub(super) stream: Option<mpsc::Sender<Notification>>,
}

/// An operation with its payload, for the engine.
pub(super) struct Prepared<'o> {
    operation: &'o Operation,
    accept: Option<ContentFormat>,
    path_format: ContentFormat,
    payload: Option<(ContentFormat, Vec<u8>)>,
}

impl Operation {
    pub(super) fn prepare(
        &self,
        device: &Registration,
        options: &Options,
        registry: &Registry,
    ) -> Result<Prepared<'_>, RequestError> {
        let format = options.format;
        let payload = match self {
            Self::Write(path, _, body) => Some(body.encode(*path, format, device, registry)?),
            Self::Create(object, body) => {
                Some(body.encode(Path::object(*object), format, device, registry)?)
            }
            Self::WriteComposite(body) => {
                Some(body.encode(Path::ROOT, format, device, registry)?)
            }
            _ => None,
        };
        Ok(Prepared {
            operation: self,
            accept: format,
            path_format: options
                .path_format
                .unwrap_or_else(|| composite_format(device)),
            payload,
        })
    }

    /// Where the values of the answer stand; `None` if it has none.
    pub(super) fn answer_base(&self) -> Option<Path> {
        match self {
            Self::Read(path) | Self::Observe(path, _) => Some(*path),
            Self::StopObserving(_, paths) => match paths.as_slice() {
                [path] => Some(*path),
                _ => Some(Path::ROOT),
            },
            Self::ReadComposite(_) | Self::ObserveComposite(..) => Some(Path::ROOT),
            _ => None,
        }
    }
}

impl Prepared<'_> {
    pub(super) fn send(
        self,
        now: Instant,
        mut device: DeviceView<'_>,
    ) -> Result<RequestId, lwm2m_server::RequestError> {
        let (accept, list) = (self.accept, self.path_format);
        let (format, payload) = self.payload.unwrap_or((ContentFormat::TEXT, Vec::new()));
        match self.operation {
            Operation::Read(path) => device.read(now, *path, accept),
            Operation::Discover(path, depth) => device.discover(now, *path, *depth),
            Operation::Write(path, mode, _) => device.write(now, *path, *mode, format, payload),
            Operation::WriteAttributes(path, attributes) => {
                device.write_attributes(now, *path, attributes)
            }
            Operation::Execute(path, arguments) => device.execute(now, *path, arguments),
            Operation::Create(object, _) => device.create(now, *object, format, payload),
            Operation::Delete(path) => device.delete(now, *path),
            Operation::ReadComposite(paths) => device.read_composite(now, paths, list, accept),
            Operation::WriteComposite(_) => device.write_composite(now, format, payload),
            Operation::Observe(path, attributes) => device.observe(now, *path, accept, attributes),
            Operation::ObserveComposite(paths, attributes) => {
                device.observe_composite(now, paths, list, accept, attributes)
            }
            Operation::StopObserving(id, _) => device.stop_observing(now, *id),
        }
    }
}

/// A request that is sent when it is awaited.
///
/// It leaves when the device listens; a device in queue mode may take days. Dropped before its
/// answer, the request is given up.
#[derive(Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct Request {
    server: Server,
    endpoint: Arc<str>,
    operation: Result<Operation, RequestError>,
    options: Options,
    timeout: Option<Duration>,
}

impl Request {
    pub(super) fn new(
        server: Server,
        endpoint: Arc<str>,
        operation: Result<Operation, RequestError>,
    ) -> Self {
        Self {
            server,
            endpoint,
            operation,
            options: Options::default(),
            timeout: None,
        }
    }

    /// Sets the format of what is written, or of the answer to what is read.
    pub const fn format(mut self, format: ContentFormat) -> Self {
        self.options.format = Some(format);
        self
    }

    /// Sets the format in which a composite operation names its paths.
    pub const fn path_format(mut self, format: ContentFormat) -> Self {
        self.options.path_format = Some(format);
        self
    }

    /// Gives up when no answer came after this time.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long the request may wait for a device that sleeps or is away, instead of the time in
    /// [`Config::queue_lifetime`](lwm2m_server::Config::queue_lifetime).
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    pub(super) fn stream(mut self, stream: mpsc::Sender<Notification>) -> Self {
        self.options.stream = Some(stream);
        self
    }

    async fn send(self) -> Result<Answer, RequestError> {
        let operation = self.operation?;
        let (endpoint, options) = (self.endpoint, self.options);
        let (reply, answer) = oneshot::channel();
        let guard = Guard::new(self.server.clone());
        let key = guard.key;
        let start = self.server.inner.call(move |core, now| {
            core.start(now, key, &endpoint, operation, options, reply);
        });
        let answered = async {
            start.await?;
            answer.await.unwrap_or(Err(RequestError::Closed))
        };
        let result = match self.timeout {
            None => answered.await,
            Some(limit) => match tokio::time::timeout(limit, answered).await {
                Ok(result) => result,
                // The guard cancels.
                Err(_) => return Err(RequestError::Timeout(limit)),
            },
        };
        guard.disarm();
        result
    }
}

impl IntoFuture for Request {
    type Output = Result<Answer, RequestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Cancels a request when it is dropped.
struct Guard {
    server: Server,
    key: u64,
    armed: bool,
}

impl Guard {
    fn new(server: Server) -> Self {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        Self {
            server,
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            armed: true,
        }
    }

    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed {
            let key = self.key;
            self.server
                .inner
                .post(move |core, now| core.cancel(now, key));
        }
    }
}
