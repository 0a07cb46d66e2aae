//! A new server takes over where the old one stopped.

use lwm2m_coap::{Duration, Instant};

use crate::{
    Change, JournalRecord, ObservationRecord, Registration, RegistrationRecord, Server,
    observation::State, registry::Device,
};

/// What [`Server::restore`] made of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Restored {
    /// Records read.
    pub records: usize,
    /// Registrations that live on.
    pub registrations: usize,
    /// Observations that live on.
    pub observations: usize,
    /// Records that a bound of this server refused, or that name what is unknown.
    pub refused: usize,
}

impl Server {
    /// Takes over registrations and observations from journal records, in ascending order of
    /// their sequence numbers; `unix_time` is the time in seconds since 1970.
    ///
    /// Lifetimes went on while the server was away: what ended meanwhile ends with the next
    /// timeout. Sessions are gone; requests to a device wait until it sends something.
    pub fn restore(
        &mut self,
        now: Instant,
        unix_time: u64,
        records: impl IntoIterator<Item = JournalRecord>,
    ) -> Restored {
        self.set_unix_time(now, unix_time);
        // What the restored state itself would record is in the journal already.
        let journal = core::mem::replace(&mut self.config.journal, false);
        let mut restored = Restored::default();
        for record in records {
            restored.records += 1;
            self.journal.continue_after(record.sequence);
            let done = match record.change {
                Change::Registered(record) => self.restore_registration(*record),
                Change::Updated {
                    snapshot: Some(record),
                    ..
                } => self.restore_registration(*record),
                Change::Updated {
                    registration,
                    unix_time,
                    ..
                } => self.renew(registration, unix_time),
                Change::Removed { registration } => self.forget(registration),
                Change::Observed(record) => self.restore_observation(*record),
                Change::Cancelled { observation } => {
                    self.serial = self.serial.max(observation.0);
                    self.forget_observation(observation);
                    true
                }
            };
            restored.refused += usize::from(!done);
        }
        self.config.journal = journal;
        restored.registrations = self.registry.len();
        restored.observations = self.registry.observations.len();
        restored
    }

    fn restore_registration(&mut self, record: RegistrationRecord) -> bool {
        let id = record.id;
        let known = self.registry.by_endpoint(&record.endpoint);
        let full = self.registry.len() >= self.config.limits.registrations;
        if known.is_none() && full {
            return false;
        }
        let before = known.and_then(|known| self.registry.remove(known));
        let unix = record.updated_unix;
        let registration = self.registration_from(record);
        let mut device = Device::new(registration);
        device.answered = true;
        if let Some(before) = before {
            if before.registration.id == id {
                device.observations = before.observations;
            } else {
                for observation in before.observations {
                    self.forget_observation(observation);
                }
            }
        }
        self.registry.insert(device);
        self.renew(id, unix)
    }

    fn registration_from(&self, r: RegistrationRecord) -> Registration {
        Registration {
            id: r.id,
            endpoint: r.endpoint,
            peer: None,
            identity: r.identity,
            address: r.address,
            lifetime: r.lifetime,
            version: r.version,
            binding: r.binding,
            queue_mode: r.queue_mode,
            sms: r.sms,
            profiles: r.profiles,
            root: r.root,
            formats: r.formats,
            objects: r.objects,
            extra: r.extra,
            registered_at: self.moment_of(r.registered_unix),
            registered_unix: r.registered_unix,
            updated_at: self.moment_of(r.updated_unix),
            updated_unix: r.updated_unix,
        }
    }

    /// Seconds since 1970 that passed since a moment in the past.
    fn age(&self, unix: Option<u64>) -> Duration {
        let age = self
            .unix_now()
            .zip(unix)
            .map(|(now, then)| now.saturating_sub(then));
        Duration::from_secs(age.unwrap_or_default())
    }

    fn moment_of(&self, unix: Option<u64>) -> Instant {
        let age = u64::try_from(self.age(unix).as_micros()).unwrap_or(u64::MAX);
        Instant::from_micros(self.now.as_micros().saturating_sub(age))
    }

    /// Sets the rest of the lifetime of a registration that was renewed in the past.
    fn renew(&mut self, id: crate::RegistrationId, unix: Option<u64>) -> bool {
        let (age, moment, now) = (self.age(unix), self.moment_of(unix), self.now);
        let grace = self.config.lifetime_grace;
        let Some(device) = self.registry.get_mut(id) else {
            return false;
        };
        device.registration.updated_unix = unix;
        device.registration.updated_at = moment;
        let lifetime = Duration::from_secs(u64::from(device.registration.lifetime));
        device.expires =
            (!lifetime.is_zero()).then(|| now + (lifetime + grace).saturating_sub(age));
        self.registry.arm(id);
        true
    }

    fn forget(&mut self, id: crate::RegistrationId) -> bool {
        let Some(device) = self.registry.remove(id) else {
            return false;
        };
        let Device { observations, .. } = *device;
        for observation in observations {
            self.forget_observation(observation);
        }
        true
    }

    fn restore_observation(&mut self, record: ObservationRecord) -> bool {
        self.serial = self.serial.max(record.id.0);
        let limit = self.config.limits.observations_per_device;
        let device = self.registry.get(record.registration);
        if device.is_none_or(|device| device.observations.len() >= limit) {
            return false;
        }
        self.forget_observation(record.id);
        self.insert_observation(record.id, record.registration, record.target);
        let Some(observation) = self.registry.observations.get_mut(&record.id) else {
            return false;
        };
        observation.state = State::Active {
            token: record.token,
            order: None,
        };
        let key = (record.token, record.registration);
        self.registry.by_token.insert(key, record.id);
        true
    }
}
