//! The table of registered devices, and the timers of each.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
    vec::Vec,
};
use core::net::SocketAddr;

use foldhash::quality::FixedState;
use hashbrown::HashMap;
use lwm2m_coap::{ExchangeId, Instant, PeerId};
use lwm2m_codec::coap::Token;

use crate::{
    ObservationId, Registration, RegistrationId,
    identity::Owner,
    observation::Observation,
    queue::{InFlight, Request},
};

pub(crate) type Map<K, V> = HashMap<K, V, FixedState>;

/// A registered device: what it told, and what goes on with it.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) registration: Registration,
    /// The answer to the Register has left: requests may follow (TS-Core §6.2.1).
    pub(crate) answered: bool,
    /// In queue mode: when the device stops to listen; `None` while it sleeps.
    pub(crate) awake_until: Option<Instant>,
    /// When the registration ends; `None` with an infinite lifetime.
    pub(crate) expires: Option<Instant>,
    /// Requests that wait, in order.
    pub(crate) waiting: VecDeque<Request>,
    /// Requests that were sent.
    pub(crate) in_flight: Vec<ExchangeId>,
    pub(crate) observations: Vec<ObservationId>,
    /// The timer that is set; it may be too early, never too late.
    armed: Option<Instant>,
}

impl Device {
    pub(crate) fn new(registration: Registration) -> Self {
        Self {
            registration,
            answered: false,
            awake_until: None,
            expires: None,
            waiting: VecDeque::new(),
            in_flight: Vec::new(),
            observations: Vec::new(),
            armed: None,
        }
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner::new(&self.registration.identity, self.registration.address)
    }

    /// True if a request would reach the device now.
    pub(crate) fn listens(&self) -> bool {
        let awake = !self.registration.queue_mode || self.awake_until.is_some();
        self.answered && awake && self.registration.peer.is_some()
    }

    /// When something of this device is due.
    fn due(&self) -> Option<Instant> {
        let queue = self.waiting.iter().map(|request| request.expires).min();
        let awake = self.awake_until.filter(|_| self.registration.queue_mode);
        [self.expires, awake, queue].into_iter().flatten().min()
    }
}

/// A peer: who it is. Its registrations are those of its owner that name it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) owner: Owner,
    pub(crate) address: SocketAddr,
}

/// Devices by id, endpoint, owner and peer; observations and requests by their ids.
#[derive(Debug)]
pub(crate) struct Registry {
    devices: Map<RegistrationId, Box<Device>>,
    by_endpoint: Map<String, RegistrationId>,
    by_owner: BTreeSet<(Owner, RegistrationId)>,
    /// Peers by slot.
    peers: Map<u32, Peer>,
    timers: BTreeSet<(Instant, RegistrationId)>,
    pub(crate) observations: Map<ObservationId, Observation>,
    pub(crate) by_token: BTreeMap<(Token, RegistrationId), ObservationId>,
    pub(crate) requests: Map<crate::RequestId, RegistrationId>,
    pub(crate) in_flight: Map<ExchangeId, InFlight>,
}

impl Registry {
    pub(crate) fn new(seed: u64) -> Self {
        let state = || FixedState::with_seed(seed);
        Self {
            devices: Map::with_hasher(state()),
            by_endpoint: Map::with_hasher(state()),
            by_owner: BTreeSet::new(),
            peers: Map::with_hasher(state()),
            timers: BTreeSet::new(),
            observations: Map::with_hasher(state()),
            by_token: BTreeMap::new(),
            requests: Map::with_hasher(state()),
            in_flight: Map::with_hasher(state()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    pub(crate) fn get(&self, id: RegistrationId) -> Option<&Device> {
        self.devices.get(&id).map(|device| &**device)
    }

    pub(crate) fn get_mut(&mut self, id: RegistrationId) -> Option<&mut Device> {
        self.devices.get_mut(&id).map(|device| &mut **device)
    }

    pub(crate) fn by_endpoint(&self, endpoint: &str) -> Option<RegistrationId> {
        self.by_endpoint.get(endpoint).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Device> {
        self.devices.values().map(|device| &**device)
    }

    /// The registrations that belong to an owner.
    pub(crate) fn owned_by(&self, owner: &Owner) -> impl Iterator<Item = RegistrationId> + '_ {
        let range = (owner.clone(), RegistrationId::MIN)..=(owner.clone(), RegistrationId::MAX);
        self.by_owner.range(range).map(|(_, id)| *id)
    }

    /// Adds a device; its id and its endpoint must be new.
    pub(crate) fn insert(&mut self, device: Device) {
        let id = device.registration.id;
        let endpoint = device.registration.endpoint.clone();
        self.by_endpoint.insert(endpoint, id);
        self.by_owner.insert((device.owner(), id));
        self.devices.insert(id, Box::new(device));
        self.arm(id);
    }

    /// Takes a device out of all tables but those of its requests and observations.
    pub(crate) fn remove(&mut self, id: RegistrationId) -> Option<Box<Device>> {
        let device = self.devices.remove(&id)?;
        self.by_endpoint.remove(&device.registration.endpoint);
        self.by_owner.remove(&(device.owner(), id));
        if let Some(at) = device.armed {
            self.timers.remove(&(at, id));
        }
        Some(device)
    }

    /// Binds a registration to the peer that it came from; returns the peer that it leaves, if
    /// no other registration uses that.
    pub(crate) fn attach(&mut self, id: RegistrationId, peer: PeerId) -> Moved {
        let entry = self.peers.get(&peer.index).filter(|e| e.id == peer);
        let Some((device, entry)) = self.devices.get_mut(&id).zip(entry) else {
            return Moved::default();
        };
        let registration = &mut device.registration;
        if registration.peer == Some(peer) {
            return Moved::default();
        }
        let address = registration.address != entry.address;
        if address && matches!(entry.owner, Owner::Address(_)) {
            let old = Owner::new(&registration.identity, registration.address);
            self.by_owner.remove(&(old, id));
            self.by_owner.insert((entry.owner.clone(), id));
        }
        registration.address = entry.address;
        let left = registration.peer.replace(peer);
        Moved {
            address,
            session: true,
            left: left.filter(|left| self.is_unused(*left)),
        }
    }

    /// True if a peer has no registration.
    pub(crate) fn is_unused(&self, id: PeerId) -> bool {
        let Some(peer) = self.peer(id) else {
            return false;
        };
        let mut owned = self.owned_by(&peer.owner);
        !owned.any(|owned| {
            self.get(owned)
                .is_some_and(|d| d.registration.peer == Some(id))
        })
    }

    pub(crate) fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(&id.index).filter(|peer| peer.id == id)
    }

    /// Adds a peer; one of another generation leaves the slot.
    pub(crate) fn insert_peer(&mut self, peer: Peer) {
        if let Some(old) = self.peers.get(&peer.id.index) {
            self.remove_peer(old.id);
        }
        self.peers.insert(peer.id.index, peer);
    }

    /// Removes a peer; its registrations stay, without a session.
    pub(crate) fn remove_peer(&mut self, id: PeerId) {
        if self.peer(id).is_none() {
            return;
        }
        let Some(peer) = self.peers.remove(&id.index) else {
            return;
        };
        let owned: Vec<_> = self.owned_by(&peer.owner).collect();
        for registration in owned {
            if let Some(device) = self.get_mut(registration) {
                if device.registration.peer == Some(id) {
                    device.registration.peer = None;
                }
            }
        }
    }

    /// Sets the timer of a device, unless one is set that ends early enough.
    pub(crate) fn arm(&mut self, id: RegistrationId) {
        let Some(device) = self.devices.get_mut(&id) else {
            return;
        };
        let Some(due) = device.due() else {
            return;
        };
        if device.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        if let Some(old) = device.armed.replace(due) {
            self.timers.remove(&(old, id));
        }
        self.timers.insert((due, id));
    }

    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes the next device whose timer ended; the caller arms it again.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<RegistrationId> {
        let (at, id) = self.timers.first().copied().filter(|(at, _)| *at <= now)?;
        self.timers.remove(&(at, id));
        if let Some(device) = self.devices.get_mut(&id) {
            device.armed = None;
        }
        Some(id)
    }
}

/// What [`Registry::attach`] changed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moved {
    pub(crate) address: bool,
    pub(crate) session: bool,
    /// The old peer, if nothing else uses it.
    pub(crate) left: Option<PeerId>,
}
