//! The registration interface: Register, Update, De-register (TS-Core §6.2).

use alloc::{boxed::Box, string::String, string::ToString};

use lwm2m_coap::{Draft, Duration, Instant, PeerId, Responder};
use lwm2m_codec::coap::{Code, Message, OptionNumber};

use crate::{
    Bindings, Change, Changes, DeregisterReason, EndReason, EndpointPolicy, Event, FailReason,
    IdentityOwned, RefuseReason, Registration, RegistrationId, RegistrationRecord, Server,
    identity::Owner,
    register::{Listing, Parameters},
    registry::Device,
    server::{Candidate, refusal},
};

impl Server {
    pub(crate) fn on_register(&mut self, responder: Responder, message: &Message<'_>, body: &[u8]) {
        let mut endpoint = None;
        match self.read_register(responder.peer(), message, body, &mut endpoint) {
            Err(reason) => self.refuse(responder, endpoint, reason),
            Ok(candidate) if self.config.decide_register => self.ask(responder, candidate),
            Ok(candidate) => {
                self.admit(responder, candidate);
            }
        }
    }

    /// Checks a Register in the order version, endpoint, identity, objects.
    fn read_register(
        &mut self,
        peer: PeerId,
        message: &Message<'_>,
        body: &[u8],
        endpoint: &mut Option<String>,
    ) -> Result<Candidate, RefuseReason> {
        let limits = &self.config.limits;
        let parameters = Parameters::parse(message, limits)?;
        endpoint.clone_from(&parameters.endpoint);
        let version = parameters.supported_version()?;
        let entry = self.registry.peer(peer).ok_or(RefuseReason::Late)?;
        let (identity, address) = (entry.owner.identity(), entry.address);
        // TS-Core §6.2.1: the name may be missing if the security layer proves it.
        let name = match &parameters.endpoint {
            Some(name) => name.clone(),
            None => self
                .directory
                .endpoint_of(&identity)
                .ok_or(RefuseReason::Missing("ep"))?,
        };
        *endpoint = Some(name.clone());
        self.check_endpoint(&name, &identity)?;
        let listing = Listing::parse(message.content_format(), body, limits)?;
        let listing = self.resolve_listing(version, &parameters, listing)?;
        let unix = self.unix_now();
        Ok(Box::new(Registration {
            id: self.new_location(),
            endpoint: name,
            peer: Some(peer),
            identity,
            address,
            lifetime: parameters.lifetime.unwrap_or(self.config.default_lifetime),
            version,
            binding: parameters.binding.unwrap_or(Bindings::UDP),
            queue_mode: parameters.queue,
            sms: parameters.sms,
            profiles: parameters.profiles,
            root: listing.root,
            formats: listing.formats,
            objects: listing.objects,
            extra: parameters.extra,
            registered_at: self.now,
            registered_unix: unix,
            updated_at: self.now,
            updated_unix: unix,
        }))
    }

    /// Checks whether an identity may register under a name now. A name that is in use by an
    /// identity can't be taken by another one.
    pub(crate) fn check_endpoint(
        &self,
        endpoint: &str,
        identity: &IdentityOwned,
    ) -> Result<(), RefuseReason> {
        let policy = self.config.endpoint_policy;
        self.directory.check(policy, endpoint, identity)?;
        if !self.journal_has_room() {
            return Err(RefuseReason::Full);
        }
        let Some(present) = self.find(endpoint) else {
            return match self.registry.len() < self.config.limits.registrations {
                true => Ok(()),
                false => Err(RefuseReason::Full),
            };
        };
        let open = present.identity == IdentityOwned::NoSec || present.identity == *identity;
        match open || policy == EndpointPolicy::DangerouslyAny || self.directory.lists(endpoint) {
            true => Ok(()),
            false => Err(RefuseReason::IdentityMismatch),
        }
    }

    fn new_location(&mut self) -> RegistrationId {
        loop {
            let random = self.endpoint.rng().next_u64();
            let id = RegistrationId::new(self.config.shard, random);
            if self.registry.get(id).is_none() {
                return id;
            }
        }
    }

    /// Makes a checked Register a registration and answers it.
    pub(crate) fn admit(&mut self, responder: Responder, candidate: Candidate) -> RegistrationId {
        let id = candidate.id;
        self.counters.registered += 1;
        let old = self.registry.by_endpoint(&candidate.endpoint);
        let old = old.and_then(|old| self.registry.remove(old));
        let left = old.as_ref().and_then(|old| old.registration.peer);
        let record = Change::Registered(Box::new(RegistrationRecord::of(&candidate)));
        let mut device = Device::new(*candidate);
        device.expires = self.expiry(device.registration.lifetime);
        if device.registration.queue_mode {
            device.awake_until = Some(self.now + self.config.awake_time);
        }
        self.registry.insert(device);
        let replaced = old.map(|old| self.take_over(old, id));
        if let Some(replaced) = &replaced {
            self.record(Change::Removed {
                registration: replaced.id,
            });
        }
        self.record(record);
        let answer = Draft::new(Code::CREATED)
            .option(OptionNumber::LOCATION_PATH, b"rd")
            .option(OptionNumber::LOCATION_PATH, id.to_string().as_bytes());
        self.emit(Event::Registered {
            registration: id,
            replaced,
        });
        self.answer_when_stored(responder, answer, Some(id));
        self.close_if_unused(left);
        id
    }

    pub(crate) fn refuse(
        &mut self,
        responder: Responder,
        endpoint: Option<String>,
        reason: RefuseReason,
    ) {
        self.counters.refused += 1;
        let mismatch = reason == RefuseReason::IdentityMismatch;
        self.counters.identity_mismatches += u64::from(mismatch);
        self.counters.overflows += u64::from(reason == RefuseReason::Full);
        tracing::debug!(peer = ?responder.peer(), ?endpoint, %reason, "register refused");
        let peer = responder.peer();
        self.respond(responder, refusal(&reason));
        self.emit(Event::RegisterRefused {
            endpoint,
            peer,
            reason,
        });
    }

    /// True if a registration belongs to whoever a peer is.
    pub(crate) fn owns(&self, peer: PeerId, id: RegistrationId) -> bool {
        let Some((device, peer)) = self.registry.get(id).zip(self.registry.peer(peer)) else {
            return false;
        };
        let roams = self.config.nosec_roaming
            && device.registration.identity == IdentityOwned::NoSec
            && matches!(peer.owner, Owner::Address(_));
        roams || device.owner() == peer.owner
    }

    /// The registration at a location, if it belongs to the peer.
    fn at_location(&mut self, peer: PeerId, location: &str) -> Option<RegistrationId> {
        let id = location.parse().ok().filter(|id| self.owns(peer, *id));
        self.counters.unknown_registration += u64::from(id.is_none());
        id
    }

    pub(crate) fn on_update(
        &mut self,
        responder: Responder,
        location: &str,
        message: &Message<'_>,
        body: &[u8],
    ) {
        // TS-Core §6.2.2: 4.04 makes the device register again.
        let Some(id) = self.at_location(responder.peer(), location) else {
            return self.respond(responder, refusal(&RefuseReason::UnknownRegistration));
        };
        let limits = &self.config.limits;
        let update = Parameters::parse(message, limits).and_then(|parameters| {
            let listing = Listing::parse(message.content_format(), body, limits)?;
            Ok((parameters, listing))
        });
        let (parameters, listing) = match update {
            Ok(update) => update,
            Err(reason) => return self.respond(responder, refusal(&reason)),
        };
        let listing = self.updated_listing(id, &parameters, listing);
        let moved = self.follow(id, responder.peer());
        let (now, unix) = (self.now, self.unix_now());
        let Some(device) = self.registry.get_mut(id) else {
            return self.respond(responder, refusal(&RefuseReason::UnknownRegistration));
        };
        let registration = &mut device.registration;
        registration.updated_at = now;
        registration.updated_unix = unix;
        let mut changes = apply(registration, parameters, listing);
        let snapshot = changes
            .any()
            .then(|| Box::new(RegistrationRecord::of(registration)));
        changes.address = moved;
        let lifetime = registration.lifetime;
        let expires = self.expiry(lifetime);
        if let Some(device) = self.registry.get_mut(id) {
            device.expires = expires;
        }
        self.counters.updated += 1;
        self.respond(responder, Draft::new(Code::CHANGED));
        self.record(Change::Updated {
            registration: id,
            unix_time: unix,
            snapshot,
        });
        self.emit(Event::Updated {
            registration: id,
            changes,
        });
        self.restart_observations(id);
        self.heard(id);
    }

    /// Binds a registration to the peer that a message of its owner came from; true if that is
    /// another one than before.
    pub(crate) fn follow(&mut self, id: RegistrationId, peer: PeerId) -> bool {
        let moved = self.registry.attach(id, peer);
        self.counters.moved += u64::from(moved.address);
        if let Some(left) = moved.left {
            self.close(left);
        }
        // Without an identity the address is what the registration belongs to.
        if moved.address {
            if let Some(registration) = self.registration(id) {
                let change = Change::Updated {
                    registration: id,
                    unix_time: registration.updated_unix,
                    snapshot: Some(Box::new(RegistrationRecord::of(registration))),
                };
                self.record(change);
            }
        }
        moved.session
    }

    fn close_if_unused(&mut self, peer: Option<PeerId>) {
        let unused = |peer: &PeerId| self.registry.is_unused(*peer);
        if let Some(peer) = peer.filter(unused) {
            self.close(peer);
        }
    }

    pub(crate) fn on_deregister(&mut self, responder: Responder, location: &str) {
        let Some(id) = self.at_location(responder.peer(), location) else {
            return self.respond(responder, refusal(&RefuseReason::UnknownRegistration));
        };
        if !self.journal_has_room() {
            self.counters.overflows += 1;
            return self.respond(responder, refusal(&RefuseReason::Full));
        }
        self.counters.deregistered += 1;
        self.end_registration(id, DeregisterReason::Device);
        self.answer_when_stored(responder, Draft::new(Code::DELETED), None);
    }

    /// Removes a registration; false if there is none. The device learns it from the 4.04 to
    /// its next Update.
    pub fn remove(&mut self, now: Instant, id: RegistrationId) -> bool {
        self.clock(now);
        self.end_registration(id, DeregisterReason::Application)
    }

    /// Removes a registration with its observations and requests.
    pub(crate) fn end_registration(
        &mut self,
        id: RegistrationId,
        reason: DeregisterReason,
    ) -> bool {
        let Some(mut device) = self.registry.remove(id) else {
            return false;
        };
        self.counters.expired += u64::from(reason == DeregisterReason::Expired);
        for observation in core::mem::take(&mut device.observations) {
            self.end_observation(id, observation, EndReason::Deregistered(reason));
        }
        self.fail_all(&mut device, FailReason::Deregistered(reason));
        self.record(Change::Removed { registration: id });
        self.emit(Event::Deregistered {
            registration: Box::new(device.registration),
            reason,
        });
        true
    }

    /// When a registration ends that was renewed now; a lifetime of 0 never does.
    pub(crate) fn expiry(&self, lifetime: u32) -> Option<Instant> {
        let lifetime = Duration::from_secs(u64::from(lifetime));
        (!lifetime.is_zero()).then(|| self.now + lifetime + self.config.lifetime_grace)
    }
}

/// Takes over what an Update carries; what it doesn't, stays (TS-Core §6.2.2).
fn apply(
    registration: &mut Registration,
    parameters: Parameters,
    listing: Option<Listing>,
) -> Changes {
    let mut changes = Changes::default();
    let set = |changed: &mut bool, equal: bool| *changed |= !equal;
    if let Some(lifetime) = parameters.lifetime {
        set(&mut changes.lifetime, registration.lifetime == lifetime);
        registration.lifetime = lifetime;
    }
    // A binding says whether queue mode goes on; `Q` alone only starts it.
    if parameters.binding.is_some() || parameters.queue {
        let binding = parameters.binding.unwrap_or(registration.binding);
        let equal = (registration.binding, registration.queue_mode) == (binding, parameters.queue);
        set(&mut changes.binding, equal);
        registration.binding = binding;
        registration.queue_mode = parameters.queue;
    }
    if parameters.sms.is_some() {
        set(&mut changes.sms, registration.sms == parameters.sms);
        registration.sms = parameters.sms;
    }
    if !parameters.profiles.is_empty() {
        set(
            &mut changes.profiles,
            registration.profiles == parameters.profiles,
        );
        registration.profiles = parameters.profiles;
    }
    if !parameters.extra.is_empty() {
        set(&mut changes.extra, registration.extra == parameters.extra);
        registration.extra = parameters.extra;
    }
    if let Some(listing) = listing {
        let equal = registration.objects == listing.objects
            && registration.root == listing.root
            && registration.formats == listing.formats;
        set(&mut changes.objects, equal);
        registration.objects = listing.objects;
        registration.root = listing.root;
        registration.formats = listing.formats;
    }
    changes
}
