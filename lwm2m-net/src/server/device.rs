//! A device, as a server's application sees it.

use std::{fmt, sync::Arc};

use lwm2m_codec::{MAX_ID, Path};
use lwm2m_model::{
    ObjectInstance, Reading, Reason, ResourceDefinition, from_records, to_records, ver,
};
use lwm2m_server::{ObservationId, Registration, Target, WriteMode};

use super::{Body, Observe, Record, Request, RequestError, Server, core::Core, request::Operation};
use crate::Closed;

/// A device by its endpoint name. Each request goes to the registration that the name has then.
#[derive(Clone)]
pub struct Device {
    server: Server,
    endpoint: Arc<str>,
}

impl Device {
    pub(super) const fn new(server: Server, endpoint: Arc<str>) -> Self {
        Self { server, endpoint }
    }

    /// The endpoint name.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The server.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// The registration, if the device has one.
    ///
    /// # Errors
    /// [`Closed`] when the server has ended. So with all the others.
    pub async fn registration(&self) -> Result<Option<Registration>, Closed> {
        self.call(|core, endpoint| core.engine.find(endpoint).cloned())
            .await
    }

    /// True if the device is in queue mode and doesn't listen now (TS-Transport §6.5).
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn is_sleeping(&self) -> Result<bool, Closed> {
        self.call(|core, endpoint| {
            let registration = core.engine.find(endpoint);
            registration.is_some_and(|r| core.engine.is_sleeping(r.id))
        })
        .await
    }

    /// Reads an object, an instance, a resource or a resource instance.
    pub fn read(&self, path: impl AsPath) -> Request {
        self.request(path.as_path().map(Operation::Read))
    }

    /// Reads an instance into a struct.
    ///
    /// What the struct doesn't know is left out; mandatory resources that the device doesn't send
    /// have their defaults. [`reading_as`](Self::reading_as) tells of both.
    ///
    /// # Errors
    /// [`RequestError`]: of another major version is the object a different one, and
    /// [`RequestError::Field`] names a value that does not fit.
    pub async fn read_as<T: ObjectInstance>(&self, instance: u16) -> Result<T, RequestError> {
        let reading = self.reading_as::<T>(instance).await?;
        for remark in &reading.remarks {
            if let Reason::Field(error) = remark.reason {
                let path = remark.path;
                return Err(RequestError::Field { path, error });
            }
        }
        Ok(reading.value)
    }

    /// Reads an instance into a struct, and tells what was not understood and what is missing.
    ///
    /// # Errors
    /// [`RequestError`]; [`RequestError::Version`] if the device has another major version of the
    /// object than the struct.
    pub async fn reading_as<T: ObjectInstance>(
        &self,
        instance: u16,
    ) -> Result<Reading<T>, RequestError> {
        self.check_version::<T>().await?;
        let path = Path::instance(T::DEFINITION.id, instance);
        let answer = self.read(path).await?;
        let records = answer.records.iter().map(Record::as_record);
        Ok(from_records(instance, records))
    }

    /// Writes the writable resources of a struct to an instance; what else the instance has of
    /// them is removed.
    ///
    /// # Errors
    /// [`RequestError`]; [`RequestError::Version`] as with [`reading_as`](Self::reading_as).
    pub async fn write_as<T: ObjectInstance>(
        &self,
        instance: u16,
        value: &T,
    ) -> Result<super::Answer, RequestError> {
        self.check_version::<T>().await?;
        let path = Path::instance(T::DEFINITION.id, instance);
        self.write(path, writable(instance, value)).await
    }

    /// Writes the writable resources that a struct has a value of; the others stay.
    ///
    /// # Errors
    /// As [`write_as`](Self::write_as).
    pub async fn update_as<T: ObjectInstance>(
        &self,
        instance: u16,
        value: &T,
    ) -> Result<super::Answer, RequestError> {
        self.check_version::<T>().await?;
        let path = Path::instance(T::DEFINITION.id, instance);
        self.update(path, writable(instance, value)).await
    }

    /// Creates an instance with the values of a struct; without an id the device chooses one,
    /// and the answer has the [`location`](super::Answer::location). Of resources that servers
    /// can't write the device may set its own values (TS-Core §6.3.5).
    ///
    /// # Errors
    /// As [`write_as`](Self::write_as).
    pub async fn create_as<T: ObjectInstance>(
        &self,
        instance: Option<u16>,
        value: &T,
    ) -> Result<super::Answer, RequestError> {
        self.check_version::<T>().await?;
        let records = owned(instance.unwrap_or(MAX_ID), value, |_| true);
        self.create(T::DEFINITION.id, records).await
    }

    /// Fails if the device has another major version of the object than the struct
    /// (TS-Core §7.2.1).
    pub(super) async fn check_version<T: ObjectInstance>(&self) -> Result<(), RequestError> {
        let registration = self.registration().await?;
        let registration = registration.ok_or(RequestError::NotRegistered)?;
        let object = T::DEFINITION.id;
        let (definition, device) = (T::DEFINITION.version, registration.version_of(object));
        match ver::fit(definition, device).is_readable() {
            true => Ok(()),
            false => Err(RequestError::Version {
                object,
                definition,
                device,
            }),
        }
    }

    /// Asks for what exists below a path, and for the attributes there; the answer has
    /// [`links`](super::Answer::links).
    pub fn discover(&self, path: impl AsPath) -> Request {
        self.request(path.as_path().map(|path| Operation::Discover(path, None)))
    }

    /// Discovers to a depth of 0 to 3 (LwM2M 1.2).
    pub fn discover_to(&self, path: impl AsPath, depth: u8) -> Request {
        let path = path.as_path();
        self.request(path.map(|path| Operation::Discover(path, Some(depth))))
    }

    /// Writes; the new content replaces the old.
    pub fn write(&self, path: impl AsPath, body: impl Into<Body>) -> Request {
        self.write_by(WriteMode::Replace, path, body.into())
    }

    /// Writes; what the new content doesn't name stays.
    pub fn update(&self, path: impl AsPath, body: impl Into<Body>) -> Request {
        self.write_by(WriteMode::Update, path, body.into())
    }

    fn write_by(&self, mode: WriteMode, path: impl AsPath, body: Body) -> Request {
        let path = path.as_path();
        self.request(path.map(|path| Operation::Write(path, mode, body)))
    }

    /// Attaches notification attributes such as `pmin=10&pmax=60`; a name without value takes
    /// the attribute away.
    pub fn write_attributes(&self, path: impl AsPath, attributes: impl Into<String>) -> Request {
        let attributes = attributes.into();
        let path = path.as_path();
        self.request(path.map(|path| Operation::WriteAttributes(path, attributes)))
    }

    /// Executes a resource with arguments such as `0='U'`, or none.
    pub fn execute(&self, path: impl AsPath, arguments: impl Into<String>) -> Request {
        let arguments = arguments.into();
        let path = path.as_path();
        self.request(path.map(|path| Operation::Execute(path, arguments)))
    }

    /// Creates an instance of an object; the answer has its
    /// [`location`](super::Answer::location).
    ///
    /// Records below an instance of the object decide its id; below instance 65535 they leave it
    /// to the device.
    pub fn create(&self, object: u16, body: impl Into<Body>) -> Request {
        self.request(Ok(Operation::Create(object, body.into())))
    }

    /// Deletes an instance, or, in LwM2M 1.2, a resource instance.
    pub fn delete(&self, path: impl AsPath) -> Request {
        self.request(path.as_path().map(Operation::Delete))
    }

    /// Reads several paths at once (LwM2M 1.1).
    pub fn read_composite<P: AsPath>(&self, paths: impl IntoIterator<Item = P>) -> Request {
        self.request(all(paths).map(Operation::ReadComposite))
    }

    /// Writes several resources at once: all or none (LwM2M 1.1).
    pub fn write_composite(&self, body: impl Into<Body>) -> Request {
        self.request(Ok(Operation::WriteComposite(body.into())))
    }

    /// Observes a path. An earlier observation of the same path ends.
    pub fn observe(&self, path: impl AsPath) -> Observe {
        let path = path.as_path().map(|path| vec![path]);
        Observe::new(self.clone(), path, false)
    }

    /// Observes an instance, and makes a struct of each report.
    ///
    /// ```no_run
    /// use lwm2m_model::objects::Temperature;
    ///
    /// # async fn f(device: lwm2m_net::server::Device) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut readings = device.observe_as::<Temperature>(0).pmin(1).pmax(60).await?;
    /// println!("{} degrees", readings.first().value.sensor_value);
    /// while let Some(reading) = readings.next().await {
    ///     println!("{} degrees", reading?.value.sensor_value);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn observe_as<T: ObjectInstance>(&self, instance: u16) -> Observe<T> {
        let path = Path::instance(T::DEFINITION.id, instance);
        Observe::new(self.clone(), Ok(vec![path]), false)
    }

    /// Observes several paths at once (LwM2M 1.1).
    pub fn observe_composite<P: AsPath>(&self, paths: impl IntoIterator<Item = P>) -> Observe {
        Observe::new(self.clone(), all(paths), true)
    }

    /// The observations of the device, those included that wait to be started.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn observations(&self) -> Result<Vec<(ObservationId, Target)>, Closed> {
        self.call(|core, endpoint| {
            let Some(registration) = core.engine.find(endpoint) else {
                return Vec::new();
            };
            let ids = core.engine.observations(registration.id);
            ids.filter_map(|id| Some((id, core.engine.observation(id)?.clone())))
                .collect()
        })
        .await
    }

    /// Forgets an observation without a message: the device learns it from the Reset to its next
    /// notification. False if there is none.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn forget_observation(&self, id: ObservationId) -> Result<bool, Closed> {
        let call = move |core: &mut Core, now| core.forget(now, id);
        self.server.inner.call(call).await
    }

    /// Ends an observation by a request (TS-Core §6.4.4).
    pub async fn stop_observing(&self, id: ObservationId) -> Result<super::Answer, RequestError> {
        let known = self.observations().await?;
        let target = known.into_iter().find(|(known, _)| *known == id);
        let paths = target.map_or_else(Vec::new, |(_, target)| target.paths);
        self.request(Ok(Operation::StopObserving(id, paths))).await
    }

    pub(super) fn request(&self, operation: Result<Operation, RequestError>) -> Request {
        self.server.request(&self.endpoint, operation)
    }

    async fn call<R, F>(&self, call: F) -> Result<R, Closed>
    where
        R: Send + 'static,
        F: FnOnce(&mut Core, &str) -> R + Send + 'static,
    {
        let endpoint = Arc::clone(&self.endpoint);
        let call = move |core: &mut Core, _| call(core, &endpoint);
        self.server.inner.call(call).await
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Device").field(&self.endpoint).finish()
    }
}

fn writable<T: ObjectInstance>(instance: u16, value: &T) -> Vec<Record> {
    owned(instance, value, |resource| resource.operations.write)
}

fn owned<T: ObjectInstance>(
    instance: u16,
    value: &T,
    wanted: fn(&ResourceDefinition) -> bool,
) -> Vec<Record> {
    to_records(instance, value, wanted)
        .map(Record::from)
        .collect()
}

/// A path, or a text such as `/3/0/9` that names one.
pub trait AsPath {
    /// The path.
    ///
    /// # Errors
    /// [`RequestError::Path`] for a text that names none.
    fn as_path(&self) -> Result<Path, RequestError>;
}

impl AsPath for Path {
    fn as_path(&self) -> Result<Path, RequestError> {
        Ok(*self)
    }
}

impl AsPath for str {
    fn as_path(&self) -> Result<Path, RequestError> {
        self.parse().map_err(RequestError::Path)
    }
}

impl AsPath for String {
    fn as_path(&self) -> Result<Path, RequestError> {
        self.as_str().as_path()
    }
}

impl<T: AsPath + ?Sized> AsPath for &T {
    fn as_path(&self) -> Result<Path, RequestError> {
        (**self).as_path()
    }
}

fn all<P: AsPath>(paths: impl IntoIterator<Item = P>) -> Result<Vec<Path>, RequestError> {
    paths.into_iter().map(|path| path.as_path()).collect()
}
