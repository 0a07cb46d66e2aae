//! Observations: who observes what, when a notification is due, and what becomes of it
//! (TS-Core §6.4, §7.3.2; RFC 7641).

use alloc::{vec, vec::Vec};
use core::ops::ControlFlow;

use lwm2m_coap::{Draft, Duration, Instant, PeerId};
use lwm2m_codec::{
    ContentFormat, Path, Value,
    attributes::Attributes,
    coap::{Code, Token},
};
use lwm2m_model::{Failure, Tree};

use crate::{
    Client, Operation,
    attributes::{deciding, of_request},
    requests::{Answer, Request},
    values::{self, server},
};

/// One observation of one server.
#[derive(Debug)]
pub(crate) struct Observation {
    ssid: u16,
    token: Token,
    /// One path, or those of an Observe-Composite.
    paths: Vec<Path>,
    composite: bool,
    format: ContentFormat,
    /// Attributes of the Observe request itself.
    query: Option<Attributes>,
    sequence: u32,
    last_sent: Instant,
    last_confirmed: Instant,
    last_evaluated: Instant,
    /// What was reported last: a hash of the payload, and the values that conditions compare.
    reported: u64,
    samples: Vec<Sample>,
    /// Something below a path changed since the last evaluation.
    changed: bool,
    /// A notification has to go out when the shortest period allows it.
    candidate: bool,
    /// A Confirmable notification has no ACK yet.
    in_flight: bool,
    /// A notification found no room in the queue of messages; the next input makes another try.
    blocked: bool,
    due: Option<Instant>,
}

/// A value that gt, lt, st and edge compare with the next one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    path: Path,
    number: f64,
    boolean: bool,
}

impl Observation {
    /// When the observation needs attention by itself.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }
}

/// Periods and mode of one observation after all defaults.
#[derive(Debug, Clone, Copy)]
struct Timing {
    pmin: Duration,
    pmax: Option<Duration>,
    epmin: Option<Duration>,
    epmax: Option<Duration>,
    confirmable: Option<bool>,
}

impl Client {
    pub(crate) fn observe(&mut self, request: &Request<'_>) -> Result<Answer, Failure> {
        let query = of_request(request)?;
        let (format, payload) = self.read_payload(request, Operation::Observe)?;
        let draft = Draft::new(Code::CONTENT).content(format, payload);
        let draft = self.etag(request.path, draft);
        Ok(self.start_observation(request, vec![request.path], format, query, draft))
    }

    pub(crate) fn observe_composite(&mut self, request: &Request<'_>) -> Result<Answer, Failure> {
        let query = of_request(request)?;
        let (format, paths) = self.composite_target(request)?;
        let payload = self.encode_composite(&paths, format)?;
        let draft = Draft::new(Code::CONTENT).content(format, payload);
        Ok(self.start_observation(request, paths, format, query, draft))
    }

    /// Remembers an observation and answers with its first notification. When the table is full
    /// the answer says by its missing Observe option that there will be no more (RFC 7641 §4.1).
    fn start_observation(
        &mut self,
        request: &Request<'_>,
        paths: Vec<Path>,
        format: ContentFormat,
        query: Option<Attributes>,
        draft: Draft,
    ) -> Answer {
        let ssid = self.links[request.link].ssid;
        self.observations
            .retain(|o| o.ssid != ssid || o.token != request.token);
        if self.observations.len() >= self.config.max_observations {
            tracing::warn!(ssid, path = %request.path, "too many observations");
            return Answer::Now(draft);
        }
        let samples = sample(&self.tree, &paths);
        let observation = Observation {
            ssid,
            token: request.token,
            composite: request.path.is_root(),
            paths,
            format,
            query,
            sequence: 1,
            last_sent: self.now,
            last_confirmed: self.now,
            last_evaluated: self.now,
            reported: hash(&draft.payload),
            samples,
            changed: false,
            candidate: false,
            in_flight: false,
            blocked: false,
            due: None,
        };
        let draft = draft.observe(observation.sequence);
        self.observations.push(observation);
        let index = self.observations.len() - 1;
        self.schedule(index);
        Answer::Now(draft)
    }

    /// GET or FETCH with Observe 1: ends the observation and answers like a Read.
    pub(crate) fn cancel_observation(&mut self, request: &Request<'_>) -> Result<Answer, Failure> {
        let ssid = self.links[request.link].ssid;
        self.observations
            .retain(|o| o.ssid != ssid || o.token != request.token);
        match request.path.is_root() {
            true => self.read_composite(request),
            false => self.read(request),
        }
    }

    /// A registration ended or begins anew: its observations are gone (TS-Core §6.2.1).
    pub(crate) fn forget_observations(&mut self, link: usize) {
        let ssid = self.links[link].ssid;
        self.observations
            .retain(|observation| observation.ssid != ssid);
    }

    /// Marks the observations that a change of the tree may concern.
    pub(crate) fn note_changes_for_observers(&mut self, changes: &[Path]) {
        for observation in &mut self.observations {
            observation.changed |= changes.iter().any(|change| {
                observation
                    .paths
                    .iter()
                    .any(|path| path.contains(change) || change.contains(path))
            });
        }
    }

    /// New attributes at a path: the periods of its observations may differ now.
    pub(crate) fn reschedule_observations(&mut self, link: usize, path: Path) {
        let ssid = self.links[link].ssid;
        for index in 0..self.observations.len() {
            let observation = &self.observations[index];
            if observation.ssid == ssid && observation.paths.iter().any(|p| path.contains(p)) {
                self.schedule(index);
            }
        }
    }

    /// Evaluates what changed and sends what is due.
    pub(crate) fn drive_observations(&mut self) {
        if self.boot.is_provisioning() {
            return;
        }
        for index in 0..self.observations.len() {
            let observation = &self.observations[index];
            let due = observation.due.is_some_and(|at| at <= self.now);
            if !observation.changed && !observation.blocked && !due {
                continue;
            }
            let Some(link) = self.links.iter().position(|l| l.ssid == observation.ssid) else {
                continue;
            };
            let timing = self.timing(link, index);
            self.evaluate(link, index, timing);
            self.send_if_due(link, index, timing);
            self.schedule(index);
        }
        self.observations
            .retain(|observation| !observation.paths.is_empty());
    }

    /// The connection of a server is gone: what was under way has to be told again.
    pub(crate) fn hold_observations(&mut self, link: usize) {
        let ssid = self.links[link].ssid;
        for observation in self.observations.iter_mut().filter(|o| o.ssid == ssid) {
            observation.candidate |= observation.in_flight;
            observation.in_flight = false;
        }
        self.resume_observations(link);
    }

    /// The connection of a server is gone or back: what is due differs.
    pub(crate) fn resume_observations(&mut self, link: usize) {
        let ssid = self.links[link].ssid;
        for index in 0..self.observations.len() {
            if self.observations[index].ssid == ssid {
                self.schedule(index);
            }
        }
    }

    fn timing(&self, link: usize, index: usize) -> Timing {
        let observation = &self.observations[index];
        let default = |resource| {
            let path = self.links[link].resource(resource);
            values::unsigned(&self.tree, path).map(Duration::from_secs)
        };
        let mut timing = Timing {
            pmin: Duration::ZERO,
            pmax: None,
            epmin: None,
            epmax: None,
            confirmable: None,
        };
        let seconds = |period: u32| Duration::from_secs(u64::from(period));
        let least = |one: Option<Duration>, two: Option<Duration>| one.into_iter().chain(two).min();
        let mut pmin = None;
        for path in &observation.paths {
            let attributes = deciding(self, link, *path, observation.query.as_ref());
            pmin = least(pmin, attributes.pmin.map(seconds));
            timing.pmax = least(timing.pmax, attributes.pmax.map(seconds));
            timing.epmin = least(timing.epmin, attributes.epmin.map(seconds));
            timing.epmax = least(timing.epmax, attributes.epmax.map(seconds));
            // Confirmable if any part asks for it (TS-Core §7.3.2).
            if let Some(con) = attributes.con {
                timing.confirmable = Some(con || timing.confirmable == Some(true));
            }
        }
        timing.pmin = pmin
            .or(default(server::DEFAULT_MIN_PERIOD))
            .unwrap_or_default();
        // TS-Core §7.3.2: a pmax of 0, or below pmin, is ignored.
        timing.pmax = timing
            .pmax
            .or(default(server::DEFAULT_MAX_PERIOD))
            .filter(|pmax| !pmax.is_zero() && *pmax >= timing.pmin);
        timing.confirmable = timing.confirmable.or_else(|| {
            let path = self.links[link].resource(server::NOTIFICATION_MODE);
            values::unsigned(&self.tree, path).map(|mode| mode == 1)
        });
        timing
    }

    /// Decides whether what changed is worth a notification (TS-Core §7.3.2).
    fn evaluate(&mut self, link: usize, index: usize, timing: Timing) {
        let observation = &self.observations[index];
        let since = self.now.since(observation.last_evaluated);
        let too_early = timing.epmin.is_some_and(|epmin| since < epmin);
        let periodic = timing.epmax.is_some_and(|epmax| since >= epmax);
        if (too_early || !observation.changed) && !periodic {
            return;
        }
        let samples = sample(&self.tree, &observation.paths);
        let mut candidate = false;
        let mut plain = false;
        for path in &observation.paths {
            let attributes = deciding(self, link, *path, observation.query.as_ref());
            let attached = match &observation.query {
                // Change conditions that are attached stay in force for composites.
                Some(_) if observation.composite => deciding(self, link, *path, None),
                _ => attributes,
            };
            let conditions = path.len() >= 3
                && (attached.gt.is_some()
                    || attached.lt.is_some()
                    || attached.st.is_some()
                    || attached.edge.is_some());
            if conditions {
                let pairs = samples
                    .iter()
                    .filter(|now| path.contains(&now.path))
                    .map(|now| {
                        (
                            observation
                                .samples
                                .iter()
                                .find(|before| before.path == now.path),
                            now,
                        )
                    });
                candidate |= pairs
                    .into_iter()
                    .any(|(before, now)| crosses(&attached, before, now));
            } else {
                plain = true;
            }
        }
        if plain && !candidate {
            let payload = self.notification_payload(index);
            // What is gone has to be told as well.
            candidate = payload.map_or(true, |p| hash(&p) != self.observations[index].reported);
        }
        let observation = &mut self.observations[index];
        observation.candidate |= candidate;
        observation.changed = false;
        observation.last_evaluated = self.now;
    }

    fn notification_payload(&self, index: usize) -> Result<Vec<u8>, Failure> {
        let observation = &self.observations[index];
        match observation.paths.as_slice() {
            [path] if !observation.composite => self.encode(*path, observation.format),
            paths => self.encode_composite(paths, observation.format),
        }
    }

    fn send_if_due(&mut self, link: usize, index: usize, timing: Timing) {
        let observation = &self.observations[index];
        let elapsed = self.now.since(observation.last_sent);
        let periodic = timing.pmax.is_some_and(|pmax| elapsed >= pmax);
        let due = periodic || (observation.candidate && elapsed >= timing.pmin);
        let held = observation.in_flight || !due;
        self.observations[index].blocked = false;
        if held {
            return;
        }
        let Some(peer) = self.links[link].peer else {
            // An Update brings the connection back; the notification follows it.
            if let Some(registered) = self.links[link].registered_mut() {
                registered.update_wanted = true;
            }
            self.observations[index].candidate = true;
            return;
        };
        self.notify(link, index, peer, timing);
    }

    fn notify(&mut self, link: usize, index: usize, peer: PeerId, timing: Timing) {
        let payload = match self.notification_payload(index) {
            Ok(payload) => payload,
            Err(failure) => return self.end_by_failure(index, peer, &failure),
        };
        let samples = sample(&self.tree, &self.observations[index].paths);
        let observation = &mut self.observations[index];
        observation.sequence = (observation.sequence + 1) & 0x00ff_ffff;
        let long_ago = self.now.since(observation.last_confirmed) >= self.config.confirm_interval;
        let confirmable = long_ago
            || timing
                .confirmable
                .unwrap_or(self.config.confirmable_notifications);
        let hashed = hash(&payload);
        let draft = Draft::new(Code::CONTENT)
            .observe(observation.sequence)
            .content(observation.format, payload);
        let (token, path) = (observation.token, observation.paths.first().copied());
        let draft = self.etag(path.unwrap_or(Path::ROOT), draft);
        if !self
            .endpoint
            .notify(self.now, peer, token, &draft, confirmable)
        {
            self.observations[index].candidate = true;
            self.observations[index].blocked = true;
            return;
        }
        let observation = &mut self.observations[index];
        observation.in_flight = confirmable;
        observation.candidate = false;
        observation.last_sent = self.now;
        observation.reported = hashed;
        observation.samples = samples;
        if confirmable {
            observation.last_confirmed = self.now;
        }
        self.touch_link(link);
    }

    /// What is observed is gone: an error response ends the observation (RFC 7641 §4.2).
    fn end_by_failure(&mut self, index: usize, peer: PeerId, failure: &Failure) {
        let token = self.observations[index].token;
        let draft = crate::requests::failure_draft(failure);
        if !self.endpoint.notify(self.now, peer, token, &draft, true) {
            self.observations[index].candidate = true;
            self.observations[index].blocked = true;
            return;
        }
        // An observation without paths is removed after the loop over all.
        let observation = &mut self.observations[index];
        observation.paths.clear();
        observation.candidate = false;
        observation.in_flight = false;
        observation.due = None;
    }

    /// Sets when the observation is due next.
    fn schedule(&mut self, index: usize) {
        let observation = &self.observations[index];
        let link = self
            .links
            .iter()
            .position(|link| link.ssid == observation.ssid);
        let due = match link {
            Some(link) if !observation.in_flight && !observation.paths.is_empty() => {
                let timing = self.timing(link, index);
                let waits = observation.blocked || self.links[link].is_reconnecting();
                let soonest =
                    (observation.candidate && !waits).then(|| observation.last_sent + timing.pmin);
                let latest = timing
                    .pmax
                    .filter(|_| !waits)
                    .map(|pmax| observation.last_sent + pmax);
                let evaluation = timing.epmax.map(|epmax| observation.last_evaluated + epmax);
                let delayed = timing
                    .epmin
                    .filter(|_| observation.changed)
                    .map(|epmin| observation.last_evaluated + epmin);
                [soonest, latest, evaluation, delayed]
                    .into_iter()
                    .flatten()
                    .min()
            }
            _ => None,
        };
        self.observations[index].due = due;
    }

    fn observation_of(&mut self, peer: PeerId, token: Token) -> Option<usize> {
        let link = self.link_of_peer(peer)?;
        let ssid = self.links[link].ssid;
        self.observations
            .iter()
            .position(|o| o.ssid == ssid && o.token == token)
    }

    /// A Confirmable notification was acknowledged; a newer state may go out now.
    pub(crate) fn delivered(&mut self, peer: PeerId, token: Token) {
        if let Some(link) = self.link_of_peer(peer) {
            self.touch_link(link);
        }
        if let Some(index) = self.observation_of(peer, token) {
            self.observations[index].in_flight = false;
            self.schedule(index);
        }
    }

    /// The server doesn't want the observation (RFC 7641 §3.6).
    pub(crate) fn refused(&mut self, peer: PeerId, token: Token) {
        if let Some(index) = self.observation_of(peer, token) {
            self.observations.swap_remove(index);
        }
    }

    /// A notification never arrived: the state is still to be told, after an Update has found
    /// out whether the registration holds.
    pub(crate) fn lost(&mut self, peer: PeerId, token: Token) {
        if let Some(index) = self.observation_of(peer, token) {
            let observation = &mut self.observations[index];
            observation.in_flight = false;
            observation.candidate = true;
            self.schedule(index);
        }
        if let Some(link) = self.link_of_peer(peer) {
            if let Some(registered) = self.links[link].registered_mut() {
                registered.update_wanted = true;
            }
        }
    }
}

/// Reads the values that conditions compare, at and below the paths of resources.
fn sample(tree: &Tree, paths: &[Path]) -> Vec<Sample> {
    let mut samples = Vec::new();
    for path in paths.iter().filter(|path| path.len() >= 3) {
        let visited = tree.visit(*path, &|_, _| true, &mut |record| {
            let boolean = match record.value {
                Some(Value::Boolean(boolean)) => Some(boolean),
                _ => None,
            };
            let number = record.value.as_ref().and_then(Value::as_f64);
            if boolean.is_some() || number.is_some() {
                samples.push(Sample {
                    path: record.path,
                    number: number.unwrap_or(f64::NAN),
                    boolean: boolean.unwrap_or(false),
                });
            }
            ControlFlow::Continue(())
        });
        // What can't be read has no sample.
        let _ = visited;
    }
    samples
}

/// TS-Core §7.3.2, Conditional Attributes: a limit is crossed in either direction, the step is
/// reached, or the edge seen. A value that was not there before counts as crossing.
fn crosses(attributes: &Attributes, before: Option<&Sample>, now: &Sample) -> bool {
    let Some(before) = before else { return true };
    let beyond = |limit: Option<f64>, is: fn(f64, f64) -> bool| {
        limit.is_some_and(|limit| is(now.number, limit) != is(before.number, limit))
    };
    let greater = beyond(attributes.gt, |value, limit| value > limit);
    let less = beyond(attributes.lt, |value, limit| value < limit);
    let difference = now.number - before.number;
    let step = attributes
        .st
        .is_some_and(|st| difference >= st || -difference >= st);
    let edge = attributes
        .edge
        .is_some_and(|to| before.boolean != to && now.boolean == to);
    greater || less || step || edge
}

/// FNV-1a: tells a changed payload from an equal one.
fn hash(payload: &[u8]) -> u64 {
    payload.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
