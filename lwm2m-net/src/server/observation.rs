//! Observations and their notifications.

use std::{
    fmt::{Display, Write},
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    time::Duration,
};

use lwm2m_codec::{ContentFormat, DecodeError, Path};
use lwm2m_model::{ObjectInstance, Reading, from_records};
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

/// Says of an [`Observe`] that its reports are values by their paths, not structs.
#[derive(Debug, Clone, Copy)]
pub struct Values;

/// An Observe that is sent when it is awaited; it gives an [`Observation`], or a
/// [`TypedObservation`] of a struct `T`.
#[derive(Debug)]
#[must_use = "an Observe is sent when it is awaited"]
pub struct Observe<T = Values> {
    device: Device,
    paths: Result<Vec<Path>, RequestError>,
    composite: bool,
    attributes: String,
    format: Option<ContentFormat>,
    path_format: Option<ContentFormat>,
    timeout: Option<Duration>,
    of: PhantomData<fn() -> T>,
}

impl<T> Observe<T> {
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
            of: PhantomData,
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

    async fn observe(self) -> Result<Observation, RequestError> {
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
        Box::pin(self.observe())
    }
}

impl<T: ObjectInstance> IntoFuture for Observe<T> {
    type Output = Result<TypedObservation<T>, RequestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.device.check_version::<T>().await?;
            let path = self.paths.clone()?.first().copied();
            let instance = path.and_then(|path| path.instance_id()).unwrap_or(0);
            let observation = self.observe().await?;
            Ok(TypedObservation {
                first: read(instance, &observation.answer.records),
                instance,
                observation,
            })
        })
    }
}

fn read<T: ObjectInstance>(instance: u16, records: &[Record]) -> Reading<T> {
    from_records(instance, records.iter().map(Record::as_record))
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

/// A running observation of an instance, as structs; see
/// [`Device::observe_as`](super::Device::observe_as). Dropped, it ends.
#[derive(Debug)]
pub struct TypedObservation<T: ObjectInstance> {
    instance: u16,
    first: Reading<T>,
    observation: Observation,
}

impl<T: ObjectInstance> TypedObservation<T> {
    /// The instance as it was when the observation began.
    pub const fn first(&self) -> &Reading<T> {
        &self.first
    }

    /// The observation of the values behind it.
    pub const fn observation(&self) -> &Observation {
        &self.observation
    }

    /// The instance as the device reports it next; `None` when the observation has ended.
    ///
    /// # Errors
    /// Why the device's payload can't be decoded; the observation goes on.
    pub async fn next(&mut self) -> Option<Result<Reading<T>, DecodeError>> {
        let notification = self.observation.next().await?;
        Some(match notification.error {
            Some(error) => Err(error),
            None => Ok(read(self.instance, &notification.records)),
        })
    }

    /// Ends the observation by a request, as [`Observation::stop`].
    ///
    /// # Errors
    /// [`RequestError`]; the observation has ended all the same.
    pub async fn stop(self) -> Result<Answer, RequestError> {
        self.observation.stop().await
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
