//! The async face of a device: [`lwm2m_client`] on tokio.
//!
//! ```no_run
//! use lwm2m_model::objects;
//! use lwm2m_net::device::{Device, Event};
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let (device, mut events) = Device::builder("urn:imei:490154203237518")
//!     .bootstrap("coaps://bs.example.com", ("490154203237518", *b"0123456789abcdef"))
//!     .object(objects::Device { manufacturer: Some("Acme".into()), ..Default::default() })
//!     .object(objects::Temperature { sensor_value: 21.5, ..Default::default() })
//!     .start()
//!     .await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Registered { .. } = event {
//!         device.set::<objects::Temperature>(0, |t| t.sensor_value = 22.0).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod accounts;
mod builder;
mod error;
mod keys;

use std::{sync::Arc, time::Duration};

use lwm2m_client::Client;
use lwm2m_coap::Instant;
use lwm2m_codec::{ContentFormat, ParsePathError, Path};
use lwm2m_model::{Failure, ObjectInstance, OwnedValue, Ticket, Tree};
use tokio::sync::{Notify, mpsc};

pub use self::{
    builder::{Builder, IntoObject},
    error::{ReadError, SendError, SetError, StartError, StopError, WriteError},
    keys::Keys,
};
#[doc(no_inline)]
pub use lwm2m_client::{Event, Failed, Operation, server_object};

use crate::{Closed, Counts, Handle};

/// A running device: it registers, serves its objects and notifies by itself.
///
/// Clones are the same device. It goes when all of them are dropped, without a word to its
/// servers; [`stop`](Device::stop) says farewell.
#[derive(Debug, Clone)]
pub struct Device {
    handle: Handle<Client>,
    /// Notified at each event.
    events: Arc<Notify>,
}

/// What happens to a [`Device`]. If nobody takes the events, the oldest are dropped.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// Waits for the next event; `None` when the device has ended.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Device {
    /// Starts to describe a device by its Endpoint Client Name (TS-Core §7.4.1).
    pub fn builder(endpoint: impl Into<String>) -> Builder {
        Builder::new(endpoint.into())
    }

    /// De-registers from all servers and ends, at the latest after `timeout`.
    ///
    /// # Errors
    /// [`StopError`]; the device has ended all the same.
    pub async fn stop(self, timeout: Duration) -> Result<(), StopError> {
        let left = self.leave(timeout).await;
        self.handle.shutdown().await;
        left
    }

    /// De-registers from all servers and registers again, as after a power cycle.
    ///
    /// # Errors
    /// [`StopError`]; after [`StopError::Timeout`] the device registers all the same.
    pub async fn restart(&self, timeout: Duration) -> Result<(), StopError> {
        let left = self.leave(timeout).await;
        self.call(Client::start).await?;
        left
    }

    /// De-registers and waits for the servers' answers.
    async fn leave(&self, timeout: Duration) -> Result<(), StopError> {
        let left = async {
            self.call(Client::stop).await?;
            // Each end of a registration is an event.
            while !self.call(|client, _| client.is_stopped()).await? {
                self.events.notified().await;
            }
            Ok(())
        };
        tokio::time::timeout(timeout, left)
            .await
            .unwrap_or(Err(StopError::Timeout))
    }

    /// Changes an instance of a typed object. Whoever observes what differs then is notified, as
    /// the attributes say.
    ///
    /// # Errors
    /// [`SetError`].
    pub async fn set<T: ObjectInstance>(
        &self,
        instance: u16,
        change: impl FnOnce(&mut T) + Send + 'static,
    ) -> Result<(), SetError> {
        let path = Path::instance(T::DEFINITION.id, instance);
        let set = self.call(move |client, now| client.update_object(now, instance, change));
        set.await?.ok_or(SetError::Missing(path))
    }

    /// A copy of an instance of a typed object.
    ///
    /// # Errors
    /// [`SetError`].
    pub async fn get<T: ObjectInstance>(&self, instance: u16) -> Result<T, SetError> {
        let path = Path::instance(T::DEFINITION.id, instance);
        let get = self.call(move |client, _| client.tree().typed::<T>()?.get(instance).cloned());
        get.await?.ok_or(SetError::Missing(path))
    }

    /// Writes the value at the path of a resource or Resource Instance, read-only ones, too.
    ///
    /// # Errors
    /// [`WriteError`]: what does not fit, by path.
    pub async fn write(&self, path: Path, value: impl Into<OwnedValue>) -> Result<(), WriteError> {
        let value = value.into();
        let write = move |tree: &mut Tree| tree.write(path, value.as_value());
        Ok(self.change(write).await??)
    }

    /// The value at the path of a single-instance resource or a Resource Instance.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, path: Path) -> Result<OwnedValue, ReadError> {
        let read = self.call(move |client, _| {
            let mut value = None;
            client
                .tree()
                .read(path, &mut |found| value = OwnedValue::from_value(found))?;
            Ok(value)
        });
        let value: Result<_, Failure> = read.await?;
        value?.ok_or_else(|| ReadError::Refused(Failure::not_found(path)))
    }

    /// Changes any objects at once, and returns what `change` does.
    ///
    /// # Errors
    /// [`Closed`] when the device has ended.
    pub async fn change<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tree) -> R + Send + 'static,
    ) -> Result<R, Closed> {
        self.call(move |client, now| client.change(now, change))
            .await
    }

    /// Sends the values at some paths to all servers that have a registration, unasked
    /// (TS-Core §6.4.6). [`Event::Sent`] tells what came of it.
    ///
    /// # Errors
    /// [`SendError`]: the first server to which it is not possible.
    pub async fn send(&self, paths: &[impl AsRef<str>]) -> Result<(), SendError> {
        self.send_as(ContentFormat::SENML_CBOR, paths).await
    }

    /// The same as [`send`](Device::send) in SenML CBOR, SenML JSON or LwM2M CBOR.
    ///
    /// # Errors
    /// [`SendError`]: the first server to which it is not possible.
    pub async fn send_as(
        &self,
        format: ContentFormat,
        paths: &[impl AsRef<str>],
    ) -> Result<(), SendError> {
        let paths = parse(paths)?;
        self.to_servers(move |client, now, server| client.send_as(now, server, format, &paths))
            .await
    }

    /// Keeps the values at some paths with the time of now for
    /// [`send_collected`](Device::send_collected), also while there is no server; returns how many
    /// there were. Of more than 256 values the oldest go.
    ///
    /// # Errors
    /// [`SendError::Path`]; [`SendError::Values`] if a path is not there.
    pub async fn collect(&self, paths: &[impl AsRef<str>]) -> Result<usize, SendError> {
        let paths = parse(paths)?;
        let collect = self.call(move |client, now| client.collect(now, &paths));
        Ok(collect.await??)
    }

    /// Sends all collected values with their times, in SenML CBOR or SenML JSON, to all servers
    /// that have a registration. They are kept until [`Event::Sent`] tells that one took them.
    ///
    /// # Errors
    /// [`SendError`]: the first server to which it is not possible.
    pub async fn send_collected(&self, format: ContentFormat) -> Result<(), SendError> {
        self.to_servers(move |client, now, server| client.send_collected(now, server, format))
            .await
    }

    async fn to_servers(
        &self,
        send: impl Fn(&mut Client, Instant, u16) -> Result<(), lwm2m_client::SendError> + Send + 'static,
    ) -> Result<(), SendError> {
        let send = self.call(move |client, now| {
            let servers: Vec<u16> = client.registered_servers().collect();
            if servers.is_empty() {
                return Err(SendError::NotRegistered);
            }
            for server in servers {
                send(client, now, server)?;
            }
            Ok(())
        });
        send.await?
    }

    /// Sends an Update to all servers; [`Event::Updated`] tells when it is answered.
    ///
    /// # Errors
    /// [`Closed`] when the device has ended.
    pub async fn update(&self) -> Result<(), Closed> {
        self.call(|client, now| client.request_update(now, None))
            .await
    }

    /// Short Server IDs of the servers that have a registration now.
    ///
    /// # Errors
    /// [`Closed`] when the device has ended.
    pub async fn registered_servers(&self) -> Result<Vec<u16>, Closed> {
        self.call(|client, _| client.registered_servers().collect())
            .await
    }

    /// Asks the bootstrap server for accounts; false if there is no account of it.
    ///
    /// # Errors
    /// [`Closed`] when the device has ended.
    pub async fn bootstrap(&self) -> Result<bool, Closed> {
        self.call(Client::bootstrap).await
    }

    /// Gives the answer to an Execute whose handler said [`Later`](lwm2m_model::Outcome::Later);
    /// false if its deadline is over.
    ///
    /// # Errors
    /// [`Closed`] when the device has ended.
    pub async fn answer(
        &self,
        ticket: Ticket,
        result: Result<(), Failure>,
    ) -> Result<bool, Closed> {
        self.call(move |client, now| client.answer(now, ticket, result))
            .await
    }

    /// What the driver has counted so far.
    pub fn counts(&self) -> Counts {
        self.handle.counts()
    }

    /// Runs `call` with the engine; see [`Handle::call`].
    ///
    /// # Errors
    /// [`Closed`] when the device has ended.
    pub async fn call<R, F>(&self, call: F) -> Result<R, Closed>
    where
        R: Send + 'static,
        F: FnOnce(&mut Client, lwm2m_coap::Instant) -> R + Send + 'static,
    {
        self.handle.call(call).await
    }
}

fn parse(paths: &[impl AsRef<str>]) -> Result<Vec<Path>, ParsePathError> {
    paths.iter().map(|path| path.as_ref().parse()).collect()
}
