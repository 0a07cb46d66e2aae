//! Operations on a device (TS-Core §6.3, §6.4; TS-Transport §6.4.4, §6.4.5).

use alloc::{string::ToString, vec, vec::Vec};

use lwm2m_coap::{Draft, Duration, Instant};
use lwm2m_codec::{
    ContentFormat, EncodeError, Path,
    coap::{Code, Token},
};

use crate::{
    ObservationId, Registration, RegistrationId, RequestId, Server, Target,
    drafts::{accepting, check_path, draft_of, under, with_attributes},
    observation::State,
    queue::{Kind, Request},
};

/// How a Write treats what it doesn't name (TS-Core §6.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteMode {
    /// The new content replaces the old: PUT.
    Replace,
    /// The new content is added to the old: POST.
    Update,
}

/// Says why a request is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no such registration any more.
    #[error("there is no such registration")]
    UnknownRegistration,
    /// There is no such observation.
    #[error("there is no such observation")]
    UnknownObservation,
    /// Too many requests wait.
    #[error("too many requests wait")]
    QueueFull,
    /// The device has as many observations as it may have.
    #[error("too many observations")]
    TooManyObservations,
    /// The payload is longer than allowed.
    #[error("the payload is too long")]
    TooLarge,
    /// The operation is not defined for a path of this depth.
    #[error("{0} can't be the target of this operation")]
    Path(Path),
    /// No path was given.
    #[error("no path was given")]
    NoPath,
    /// An attribute is unknown or malformed.
    #[error("an attribute is unknown or malformed")]
    Attributes,
    /// The list of paths can't be encoded.
    #[error("the list of paths can't be encoded: {0}")]
    Encode(EncodeError),
}

/// A device to send requests to.
///
/// Each request leaves when the device listens, one after the other, and is answered by
/// [`Event::Response`](crate::Event::Response) or
/// [`Event::RequestFailed`](crate::Event::RequestFailed). All are Confirmable.
#[derive(Debug)]
pub struct DeviceView<'a> {
    server: &'a mut Server,
    id: RegistrationId,
    lifetime: Option<Duration>,
}

impl Server {
    /// A registered device, to send requests to.
    pub fn device(&mut self, id: RegistrationId) -> Option<DeviceView<'_>> {
        self.registry.get(id)?;
        Some(DeviceView {
            server: self,
            id,
            lifetime: None,
        })
    }
}

impl DeviceView<'_> {
    /// The registration.
    pub fn registration(&self) -> Option<&Registration> {
        self.server.registration(self.id)
    }

    /// Sets how long the following requests may wait until they are sent, instead of
    /// [`Config::queue_lifetime`](crate::Config::queue_lifetime).
    #[must_use]
    pub fn within(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Reads an object, an instance, a resource or a resource instance.
    ///
    /// # Errors
    /// [`RequestError`]; nothing was queued then. So with all the others.
    pub fn read(
        &mut self,
        now: Instant,
        path: Path,
        accept: Option<ContentFormat>,
    ) -> Result<RequestId, RequestError> {
        let draft = self.at(Code::GET, path, 1..=4)?;
        self.plain(now, accepting(draft, accept))
    }

    /// Asks for the links below a path; `depth` 0 to 3 is of LwM2M 1.2.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn discover(
        &mut self,
        now: Instant,
        path: Path,
        depth: Option<u8>,
    ) -> Result<RequestId, RequestError> {
        let mut draft = self.at(Code::GET, path, 1..=3)?;
        if let Some(depth) = depth {
            draft = draft.query(&alloc::format!("depth={depth}"));
        }
        self.plain(now, draft.accept(ContentFormat::LINK))
    }

    /// Writes an instance, a resource or a resource instance.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn write(
        &mut self,
        now: Instant,
        path: Path,
        mode: WriteMode,
        format: ContentFormat,
        payload: Vec<u8>,
    ) -> Result<RequestId, RequestError> {
        let (code, depth) = match mode {
            WriteMode::Replace => (Code::PUT, 2..=4),
            WriteMode::Update => (Code::POST, 2..=3),
        };
        let draft = self.at(code, path, depth)?.content(format, payload);
        self.plain(now, draft)
    }

    /// Attaches notification attributes such as `pmin=10&pmax=60` to a path; a name without
    /// value takes the attribute away.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn write_attributes(
        &mut self,
        now: Instant,
        path: Path,
        attributes: &str,
    ) -> Result<RequestId, RequestError> {
        let draft = self.at(Code::PUT, path, 1..=4)?;
        self.plain(now, with_attributes(draft, attributes)?)
    }

    /// Executes a resource, with arguments such as `0='U'`, or none.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn execute(
        &mut self,
        now: Instant,
        path: Path,
        arguments: &str,
    ) -> Result<RequestId, RequestError> {
        let mut draft = self.at(Code::POST, path, 3..=3)?;
        if !arguments.is_empty() {
            draft = draft.content(ContentFormat::TEXT, arguments.as_bytes().to_vec());
        }
        self.plain(now, draft)
    }

    /// Creates an instance of an object.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn create(
        &mut self,
        now: Instant,
        object: u16,
        format: ContentFormat,
        payload: Vec<u8>,
    ) -> Result<RequestId, RequestError> {
        let draft = self.at(Code::POST, Path::object(object), 1..=1)?;
        self.plain(now, draft.content(format, payload))
    }

    /// Deletes an instance, or, in LwM2M 1.2, a resource instance.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn delete(&mut self, now: Instant, path: Path) -> Result<RequestId, RequestError> {
        let draft = self.at(Code::DELETE, path, 2..=4)?;
        self.plain(now, draft)
    }

    /// Reads several paths at once; `format` is that of the list of paths.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn read_composite(
        &mut self,
        now: Instant,
        paths: &[Path],
        format: ContentFormat,
        accept: Option<ContentFormat>,
    ) -> Result<RequestId, RequestError> {
        let target = Target {
            paths: paths.to_vec(),
            composite: Some(format),
            accept,
            attributes: "".to_string(),
        };
        let draft = draft_of(&target, self.root(), None)?;
        self.plain(now, draft)
    }

    /// Writes several resources at once.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn write_composite(
        &mut self,
        now: Instant,
        format: ContentFormat,
        payload: Vec<u8>,
    ) -> Result<RequestId, RequestError> {
        let draft = under(self.root(), Code::IPATCH, Path::ROOT);
        self.plain(now, draft.content(format, payload))
    }

    /// Observes a path; the response names the observation. An earlier one of the same path
    /// ends. `attributes` are for this observation only (LwM2M 1.2), mostly empty.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn observe(
        &mut self,
        now: Instant,
        path: Path,
        accept: Option<ContentFormat>,
        attributes: &str,
    ) -> Result<RequestId, RequestError> {
        let target = Target {
            paths: vec![path],
            composite: None,
            accept,
            attributes: attributes.to_string(),
        };
        self.start(now, target)
    }

    /// Observes several paths at once; `format` is that of the list of paths.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn observe_composite(
        &mut self,
        now: Instant,
        paths: &[Path],
        format: ContentFormat,
        accept: Option<ContentFormat>,
        attributes: &str,
    ) -> Result<RequestId, RequestError> {
        let target = Target {
            paths: paths.to_vec(),
            composite: Some(format),
            accept,
            attributes: attributes.to_string(),
        };
        self.start(now, target)
    }

    /// Ends an observation by a request (TS-Core §6.4.4); see
    /// [`Server::cancel_observation`] for the way without.
    ///
    /// # Errors
    /// [`RequestError::UnknownObservation`] also if the device has not accepted it yet.
    pub fn stop_observing(
        &mut self,
        now: Instant,
        id: ObservationId,
    ) -> Result<RequestId, RequestError> {
        let observation = self.server.registry.observations.get(&id);
        let observation = observation.filter(|o| o.registration == self.id);
        let observation = observation.ok_or(RequestError::UnknownObservation)?;
        let State::Active { token, .. } = observation.state else {
            return Err(RequestError::UnknownObservation);
        };
        let draft = draft_of(&observation.target, self.root(), Some(1))?;
        let request = self.send(now, Kind::Plain, draft, Some(token))?;
        self.server.drop_requests_of(self.id, id);
        self.server.forget_observation(id);
        Ok(request)
    }

    /// Sends any request, as it is: for what the other methods don't offer, and for tests.
    /// The device's alternate root is not added.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn raw(&mut self, now: Instant, draft: Draft) -> Result<RequestId, RequestError> {
        self.plain(now, draft)
    }

    fn start(&mut self, now: Instant, target: Target) -> Result<RequestId, RequestError> {
        let draft = draft_of(&target, self.root(), Some(0))?;
        let old = self.server.same_target(self.id, &target);
        let others = self.server.observations(self.id).count() - usize::from(old.is_some());
        if others >= self.server.config.limits.observations_per_device {
            self.server.counters.overflows += 1;
            return Err(RequestError::TooManyObservations);
        }
        let id = ObservationId(self.server.next_serial());
        self.server.insert_observation(id, self.id, target);
        let request = self.send(now, Kind::Observe(id), draft, None);
        match (request.is_ok(), old) {
            (true, Some(old)) => self.server.replace_observation(self.id, old),
            (true, None) => {}
            (false, _) => self.server.forget_observation(id),
        }
        request
    }

    fn plain(&mut self, now: Instant, draft: Draft) -> Result<RequestId, RequestError> {
        self.send(now, Kind::Plain, draft, None)
    }

    fn send(
        &mut self,
        now: Instant,
        kind: Kind,
        draft: Draft,
        token: Option<Token>,
    ) -> Result<RequestId, RequestError> {
        self.server.clock(now);
        let id = RequestId(self.server.next_serial());
        let request = Request {
            id: Some(id),
            kind,
            draft,
            token,
            expires: self.server.request_expiry(self.lifetime),
        };
        self.server.enqueue(self.id, request).map(|()| id)
    }

    fn root(&self) -> &str {
        self.registration().map_or("", |r| r.root.as_str())
    }

    fn at(
        &self,
        code: Code,
        path: Path,
        depth: core::ops::RangeInclusive<usize>,
    ) -> Result<Draft, RequestError> {
        check_path(path, depth)?;
        Ok(under(self.root(), code, path))
    }
}
