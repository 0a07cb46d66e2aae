//! What an endpoint knows of each peer.

use alloc::{collections::VecDeque, vec::Vec};

use lwm2m_codec::coap::{MessageId, Token};

use super::{ExchangeId, flight::FlightId};
use crate::{PeerId, dedup::Dedup};

/// Non-confirmable notifications remembered per peer, so that a RST can be matched.
const SENT_NON: usize = 8;

/// Exchange state of one peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) dedup: Dedup,
    /// Confirmable messages without ACK.
    pub(super) flying: Vec<FlightId>,
    /// Confirmable messages that wait for NSTART.
    pub(super) waiting: VecDeque<FlightId>,
    /// Requests of this side without a response.
    pub(super) exchanges: Vec<ExchangeId>,
    sent_non: VecDeque<(MessageId, Token)>,
    next_id: u16,
}

impl Peer {
    fn new(id: PeerId, first_message_id: u16) -> Self {
        Self {
            id,
            dedup: Dedup::default(),
            flying: Vec::new(),
            waiting: VecDeque::new(),
            exchanges: Vec::new(),
            sent_non: VecDeque::new(),
            next_id: first_message_id,
        }
    }

    /// The next Message ID of this side.
    pub(super) fn message_id(&mut self) -> MessageId {
        let id = MessageId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// Remembers a Non-confirmable notification.
    pub(super) fn remember_non(&mut self, id: MessageId, token: Token) {
        if self.sent_non.len() == SENT_NON {
            self.sent_non.pop_front();
        }
        self.sent_non.push_back((id, token));
    }

    /// The token of a Non-confirmable notification that a RST names.
    pub(super) fn take_non(&mut self, id: MessageId) -> Option<Token> {
        let index = self.sent_non.iter().position(|(sent, _)| *sent == id)?;
        self.sent_non.remove(index).map(|(_, token)| token)
    }
}

/// Peers by slot; a new generation replaces the old peer of its slot.
#[derive(Debug, Default)]
pub(super) struct Peers {
    slots: Vec<Option<Peer>>,
}

impl Peers {
    pub(super) fn insert(&mut self, id: PeerId, first_message_id: u16) {
        let index = id.index as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(Peer::new(id, first_message_id));
    }

    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.slots
            .get_mut(id.index as usize)?
            .as_mut()
            .filter(|peer| peer.id == id)
    }

    pub(super) fn contains(&self, id: PeerId) -> bool {
        let slot = self.slots.get(id.index as usize).and_then(Option::as_ref);
        slot.is_some_and(|peer| peer.id == id)
    }

    /// Removes a peer of this slot, whatever its generation.
    pub(super) fn remove_slot(&mut self, index: u32) -> Option<Peer> {
        self.slots.get_mut(index as usize)?.take()
    }

    /// True if no peer has a message or request under way.
    pub(super) fn is_idle(&self) -> bool {
        self.slots.iter().flatten().all(|peer| {
            peer.flying.is_empty() && peer.waiting.is_empty() && peer.exchanges.is_empty()
        })
    }

    pub(super) fn in_slot(&self, index: u32) -> Option<PeerId> {
        self.slots.get(index as usize)?.as_ref().map(|peer| peer.id)
    }
}
