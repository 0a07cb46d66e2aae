//! Observations and their notifications.

use std::{
    fmt::{Display, Write},
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use lwm2m_codec::{ContentFormat, DecodeError, Path};
use lwm2m_server::ObservationId;
use tokio::sync::mpsc;

use super::{Answer, Device, Record, Request, RequestError, request::Operation};

/// Notifications that wait for the application; while so many do, further ones are dropped.
const MAX_NOTIFICATIONS: usize = 64;

/// What a device reported.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Notification {
    /// The observation.
    pub observation: ObservationId,
    /// What is observed: one path, or those of a composite observation.
    pub paths: Vec<Path>,
    /// Format of the payload.
    pub format: Option<ContentFormat>,
    /// Payload.
    pub payload: Vec<u8>,
    /// The values.
    pub records: Vec<Record>,
    /// Why there are no more values, if the payload can't be decoded.
    pub error: Option<DecodeError>,
}

impl Notification {
    /// The first value.
    pub fn value(&self) -> Option<&lwm2m_model::OwnedValue> {
        self.records.iter().find_map(|record| record.value.as_ref())
    }
}

/// An Observe that is sent when it is awaited.
#[derive(Debug)]
#[must_use = "an Observe is sent when it is awaited"]
pub struct Observe {
    device: Device,
    paths: Result<Vec<Path>, RequestError>,
    composite: bool,
    attributes: String,
    format: Option<ContentFormat>,
    path_format: Option<ContentFormat>,
    timeout: Option<Duration>,
}

impl Observe {
    pub(super) const fn new(
        device: Device,
        paths: Result<Vec<Path>, RequestError>,
        composite: bool,
    ) -> Self {
        Self {
            device,
            paths,
            composite,
            attributes: String::new(),
            format: None,
            path_format: None,
            timeout: None,
        }
    }

    /// Sets the format of the notifications.
    pub const fn format(mut self, format: ContentFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets the format in which a composite observation names its paths.
    pub const fn path_format(mut self, format: ContentFormat) -> Self {
        self.path_format = Some(format);
        self
    }

    /// Gives up when no answer came after this time.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the least time between two notifications, in seconds, for this observation only
    /// (LwM2M 1.2; a device of an older version wants a Write-Attributes before).
    pub fn pmin(self, seconds: u32) -> Self {
        self.attribute("pmin", seconds)
    }

    /// Sets the most time between two notifications, in seconds, as [`pmin`](Observe::pmin).
    pub fn pmax(self, seconds: u32) -> Self {
        self.attribute("pmax", seconds)
    }

    /// Sets an attribute of TS-Core §7.3 for this observation only (LwM2M 1.2).
    pub fn attribute(mut self, name: &str, value: impl Display) -> Self {
        let separator = if self.attributes.is_empty() { "" } else { "&" };
        // Writing to a String can't fail.
        let _ = write!(self.attributes, "{separator}{name}={value}");
        self
    }

    /// Makes the notifications come as [`Event::Notification`](super::Event::Notification): the
    /// observation lives until it is forgotten or stopped, also over a restart if the server
    /// has a journal.
    pub fn as_events(self) -> Request {
        let (attributes, composite) = (self.attributes, self.composite);
        let operation = self.paths.map(|paths| match (composite, paths.as_slice()) {
            (false, [path]) => Operation::Observe(*path, attributes),
            _ => Operation::ObserveComposite(paths, attributes),
        });
        let mut request = self.device.request(operation);
        if let Some(format) = self.format {
            request = request.format(format);
        }
        if let Some(format) = self.path_format {
            request = request.path_format(format);
        }
        match self.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        }
    }

    async fn start(self) -> Result<Observation, RequestError> {
        let device = self.device.clone();
        let (stream, notifications) = mpsc::channel(MAX_NOTIFICATIONS);
        let answer = self.as_events().stream(stream).await?;
        let id = answer.observation;
        Ok(Observation {
            device,
            id,
            answer,
            notifications,
        })
    }
}

impl IntoFuture for Observe {
    type Output = Result<Observation, RequestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

/// A running observation. Dropped, it ends: the device learns it from the Reset to its next
/// notification.
#[derive(Debug)]
pub struct Observation {
    device: Device,
    /// `None` if the device does not observe: then there is the first value only.
    id: Option<ObservationId>,
    answer: Answer,
    notifications: mpsc::Receiver<Notification>,
}

impl Observation {
    /// The answer to the Observe, which has the first value.
    pub const fn first(&self) -> &Answer {
        &self.answer
    }

    /// Its id; `None` if the device answered without observing.
    pub const fn id(&self) -> Option<ObservationId> {
        self.id
    }

    /// The next notification; `None` when the observation has ended.
    pub async fn next(&mut self) -> Option<Notification> {
        self.notifications.recv().await
    }

    /// Ends the observation by a request (TS-Core §6.4.4).
    ///
    /// # Errors
    /// [`RequestError`]; the observation has ended all the same.
    pub async fn stop(mut self) -> Result<Answer, RequestError> {
        match self.id.take() {
            Some(id) => self.device.stop_observing(id).await,
            None => Ok(self.answer.clone()),
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let inner = &self.device.server().inner;
            inner.post(move |core, now| {
                core.forget(now, id);
            });
        }
    }
}
