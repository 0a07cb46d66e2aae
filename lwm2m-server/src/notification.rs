//! Notifications: from the datagram to the event (RFC 7641 §3.2, §3.4; RFC 7959 §2.6).

use lwm2m_coap::{Draft, Instant, NotificationOrder, PeerId};
use lwm2m_codec::coap::{Code, Message, OptionNumber};

use crate::{
    EndReason, Event, ObservationId, RegistrationId, Server,
    drafts::draft_of,
    observation::State,
    queue::{Kind, Request},
};

impl Server {
    /// A response that answers no request: a notification, if the token is known and the
    /// device is who observes.
    pub(crate) fn on_notification(&mut self, peer: PeerId, message: &Message<'_>) {
        let token = message.token();
        let range = (token, RegistrationId::MIN)..=(token, RegistrationId::MAX);
        let mut candidates = self.registry.by_token.range(range);
        let known = candidates.find(|((_, registration), _)| self.owns(peer, *registration));
        let Some(((_, registration), id)) = known.map(|(key, id)| (*key, *id)) else {
            self.counters.unknown_notifications += 1;
            return self.endpoint.reject(self.now, peer, message);
        };
        self.endpoint.accept(self.now, peer, message);
        self.follow(registration, peer);
        self.take_notification(registration, id, peer, message);
        self.heard(registration);
    }

    fn take_notification(
        &mut self,
        registration: RegistrationId,
        id: ObservationId,
        peer: PeerId,
        message: &Message<'_>,
    ) {
        // RFC 7641 §3.2: an error is the last notification, and so is one without Observe.
        if !message.code().is_success() {
            let reason = EndReason::Device(message.code());
            return self.end_observation(registration, id, reason);
        }
        let Some(observe) = message.observe() else {
            self.notify(id, None, message, message.payload());
            return self.end_observation(registration, id, EndReason::NotObserving);
        };
        let Some(observation) = self.registry.observations.get_mut(&id) else {
            return;
        };
        if let State::Active { order, .. } = &mut observation.state {
            let fresh = match order {
                Some(order) => order.accept(observe, self.now),
                None => true,
            };
            order.get_or_insert(NotificationOrder::new(observe, self.now));
            if !fresh {
                self.counters.stale_notifications += 1;
                return;
            }
        }
        let block = message.block(OptionNumber::BLOCK2);
        if block.is_none_or(|block| !block.more) {
            return self.notify(id, Some(observe), message, message.payload());
        }
        self.download(registration, id, observe, peer, message);
    }

    /// The notification holds the first block only: fetch the rest (RFC 7959 §2.6). A newer
    /// notification makes an older download useless.
    fn download(
        &mut self,
        registration: RegistrationId,
        id: ObservationId,
        observe: u32,
        peer: PeerId,
        message: &Message<'_>,
    ) {
        self.drop_requests_of(registration, id);
        let root = self
            .registration(registration)
            .map_or("", |r| r.root.as_str());
        let draft = match self.registry.observations.get(&id) {
            Some(observation) => draft_of(&observation.target, root, None),
            None => return,
        };
        let Ok(draft) = draft else { return };
        let request = Request {
            id: None,
            kind: Kind::Download(id, observe),
            draft: Draft::new(Code::GET),
            token: None,
            expires: Instant::from_micros(u64::MAX),
        };
        let exchange = self
            .endpoint
            .continue_download(self.now, peer, draft, message);
        match exchange {
            Ok(exchange) => self.depart(registration, exchange, request),
            Err(_) => self.on_download_failed(id),
        }
    }

    pub(crate) fn on_downloaded(
        &mut self,
        id: ObservationId,
        sequence: u32,
        message: &Message<'_>,
        body: &[u8],
    ) {
        match message.code().is_success() {
            true => self.notify(id, Some(sequence), message, body),
            false => self.on_download_failed(id),
        }
    }

    /// The rest of a notification is lost; the next one brings the newest state.
    pub(crate) fn on_download_failed(&mut self, id: ObservationId) {
        self.counters.failed_requests += 1;
        tracing::debug!(observation = %id, "the rest of a notification is lost");
    }

    pub(crate) fn notify(
        &mut self,
        id: ObservationId,
        sequence: Option<u32>,
        message: &Message<'_>,
        payload: &[u8],
    ) {
        let Some(observation) = self.registry.observations.get(&id) else {
            return;
        };
        self.counters.notifications += 1;
        let event = Event::Notification {
            observation: id,
            registration: observation.registration,
            paths: observation.target.paths.clone(),
            sequence: sequence.unwrap_or_default(),
            format: message.content_format(),
            payload: payload.to_vec(),
        };
        self.emit(event);
    }
}
