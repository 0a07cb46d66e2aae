//! Block-wise transfer on the answering side (RFC 7959): bodies that arrive as Block1, and
//! answers that leave as Block2.

use alloc::{borrow::Cow, vec::Vec};

use lwm2m_codec::coap::{Block, Code, Message, OptionNumber};

use super::{Endpoint, Responder, Timer};
use crate::{EXCHANGE_LIFETIME, Instant, PeerId, draft::Draft, hash::Fnv};

/// Transfers under way per peer; one more ends the one that rested longest.
pub(super) const MAX_PEER_TRANSFERS: usize = 8;

/// Names a transfer of one peer: a hash of code and cache-key options (RFC 7959 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TransferKey {
    pub(super) peer: PeerId,
    hash: u64,
}

impl TransferKey {
    pub(super) fn new(peer: PeerId, message: &Message<'_>) -> Self {
        let mut hash = Fnv::new();
        hash.write(&[message.code().0]);
        for option in message.options() {
            let left_out = matches!(
                option.number,
                OptionNumber::BLOCK1
                    | OptionNumber::BLOCK2
                    | OptionNumber::OBSERVE
                    | OptionNumber::CONTENT_FORMAT
            );
            if option.number.is_cache_key() && !left_out {
                hash.write(&option.number.0.to_be_bytes());
                hash.write(&(option.value.len() as u16).to_be_bytes());
                hash.write(option.value);
            }
        }
        Self {
            peer,
            hash: hash.finish(),
        }
    }

    /// The smallest and the largest key of a peer.
    pub(super) fn range(peer: PeerId) -> core::ops::RangeInclusive<Self> {
        Self { peer, hash: 0 }..=Self {
            peer,
            hash: u64::MAX,
        }
    }
}

/// A transfer under way.
#[derive(Debug)]
pub(super) struct Transfer {
    kind: Kind,
    expires: Instant,
}

#[derive(Debug)]
enum Kind {
    /// A request body that arrives as Block1.
    Upload(Vec<u8>),
    /// An answer whose request can't be served again block by block: it had a body.
    Answer(Draft),
}

/// What a request with Block1 makes of its transfer.
pub(super) enum Upload<'d> {
    /// The body is complete.
    Complete(Cow<'d, [u8]>, Option<Block>),
    /// Answer at once: 2.31, or an error.
    Answer(Draft),
}

impl Endpoint {
    /// Adds one block to a request body (RFC 7959 §2.5).
    pub(super) fn upload<'d>(&mut self, key: TransferKey, message: &Message<'d>) -> Upload<'d> {
        let payload = message.payload();
        let Some(block) = message.block(OptionNumber::BLOCK1) else {
            return Upload::Complete(Cow::Borrowed(payload), None);
        };
        let max = self.config.max_body;
        let announced = message
            .option(OptionNumber::SIZE1)
            .and_then(|size| size.as_uint());
        if announced.is_some_and(|size| size as usize > max)
            || block.offset().saturating_add(payload.len()) > max
        {
            self.end_transfer(key);
            self.counters.bodies_refused += 1;
            return Upload::Answer(too_large(max));
        }
        let full = payload.len() == block.size();
        if payload.len() > block.size() || (block.more && !full) {
            let reason = "the payload does not fit its block";
            return Upload::Answer(Draft::new(Code::BAD_REQUEST).diagnostic(reason));
        }
        if block.num == 0 {
            self.end_transfer(key);
            if !block.more {
                return Upload::Complete(Cow::Borrowed(payload), Some(block));
            }
            if !self.begin_transfer(key, Kind::Upload(Vec::new())) {
                return Upload::Answer(Draft::new(Code::SERVICE_UNAVAILABLE));
            }
        }
        self.append(key, block, payload)
    }

    /// Adds a block to the body that waits for it.
    fn append<'d>(&mut self, key: TransferKey, block: Block, payload: &[u8]) -> Upload<'d> {
        let Some(Transfer {
            kind: Kind::Upload(body),
            ..
        }) = self.transfers.get_mut(&key)
        else {
            return Upload::Answer(incomplete());
        };
        let offset = block.offset();
        // A sender that missed our answer may send its block in a new message.
        let known = block.more && body.get(offset..offset + payload.len()) == Some(payload);
        if offset != body.len() && !known {
            self.end_transfer(key);
            return Upload::Answer(incomplete());
        }
        if !known {
            body.extend_from_slice(payload);
        }
        if block.more {
            self.touch_transfer(key);
            let szx = block.szx.min(Block::szx_of(self.config.block_size));
            let echo = Block { szx, ..block };
            Upload::Answer(Draft::new(Code::CONTINUE).uint(OptionNumber::BLOCK1, echo.to_uint()))
        } else {
            let body = core::mem::take(body);
            self.end_transfer(key);
            Upload::Complete(Cow::Owned(body), Some(block))
        }
    }

    /// Takes the answer kept for later blocks out of its transfer, to be put back after use.
    pub(super) fn take_kept(&mut self, key: TransferKey) -> Option<Draft> {
        match self.transfers.get_mut(&key) {
            Some(Transfer {
                kind: Kind::Answer(draft),
                ..
            }) => Some(core::mem::replace(draft, Draft::new(Code::EMPTY))),
            _ => None,
        }
    }

    /// Puts a kept answer back, and keeps it for longer.
    pub(super) fn put_back(&mut self, key: TransferKey, answer: Draft) {
        if let Some(transfer) = self.transfers.get_mut(&key) {
            transfer.kind = Kind::Answer(answer);
        }
        self.touch_transfer(key);
    }

    /// Keeps an answer for the requests for its later blocks.
    pub(super) fn keep(&mut self, key: TransferKey, answer: Draft) {
        self.end_transfer(key);
        self.begin_transfer(key, Kind::Answer(answer));
    }

    fn begin_transfer(&mut self, key: TransferKey, kind: Kind) -> bool {
        let own = self.transfers.range(TransferKey::range(key.peer));
        let oldest = own.clone().min_by_key(|(_, transfer)| transfer.expires);
        let oldest = oldest.map(|(key, _)| *key);
        let full = self.transfers.len() >= self.config.max_assemblies;
        if full || own.count() >= MAX_PEER_TRANSFERS {
            self.counters.bodies_refused += 1;
            match oldest {
                Some(oldest) => self.end_transfer(oldest),
                None => return false,
            }
        }
        let expires = self.now + EXCHANGE_LIFETIME;
        self.timers.set(expires, Timer::Transfer(key));
        self.transfers.insert(key, Transfer { kind, expires });
        true
    }

    fn touch_transfer(&mut self, key: TransferKey) {
        let expires = self.now + EXCHANGE_LIFETIME;
        if let Some(transfer) = self.transfers.get_mut(&key) {
            self.timers.clear(transfer.expires, Timer::Transfer(key));
            transfer.expires = expires;
            self.timers.set(expires, Timer::Transfer(key));
        }
    }

    pub(super) fn end_transfer(&mut self, key: TransferKey) {
        if let Some(transfer) = self.transfers.remove(&key) {
            self.timers.clear(transfer.expires, Timer::Transfer(key));
        }
    }
}

/// The part of an answer that one message carries.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// ETag, Block and Size options to add, ascending.
    pub(super) options: Vec<(OptionNumber, u32)>,
    pub(super) start: usize,
    pub(super) end: usize,
    /// True for the first of several blocks.
    pub(super) begins: bool,
}

impl Cut {
    /// Cuts out of an answer the block that the request asks for; the error is the answer to
    /// give instead.
    pub(super) fn new(
        responder: &Responder,
        draft: &Draft,
        block_size: usize,
    ) -> Result<Self, Draft> {
        let total = draft.payload.len();
        let mut cut = Self {
            end: total,
            ..Self::default()
        };
        if draft.code.is_success() {
            cut.block2(responder, draft, block_size)?;
        } else {
            // A diagnostic payload is for people: what doesn't fit is left out.
            cut.end = truncated(&draft.payload, Block::new(0, false, block_size).size());
        }
        if let Some(block) = responder.block1 {
            let szx = block.szx.min(Block::szx_of(block_size));
            let echo = Block { szx, ..block };
            cut.options.push((OptionNumber::BLOCK1, echo.to_uint()));
        }
        cut.options.sort_unstable();
        Ok(cut)
    }

    fn block2(
        &mut self,
        responder: &Responder,
        draft: &Draft,
        block_size: usize,
    ) -> Result<(), Draft> {
        let total = draft.payload.len();
        let own = Block::new(0, false, block_size);
        let asked = responder.block2.unwrap_or(own);
        let szx = asked.szx.min(own.szx);
        if responder.block2.is_none() && total <= own.size() {
            return Ok(());
        }
        let start = asked.offset();
        if asked.num > 0 && start >= total {
            let reason = "there is no such block";
            return Err(Draft::new(Code::BAD_REQUEST).diagnostic(reason));
        }
        let mut block = Block {
            // The number counts in the size of the answer.
            num: asked.num << (asked.szx - szx),
            more: false,
            szx,
        };
        if total > max_len(szx) {
            let reason = "the answer has too many blocks";
            return Err(Draft::new(Code::INTERNAL_SERVER_ERROR).diagnostic(reason));
        }
        self.start = start.min(total);
        self.end = total.min(self.start + block.size());
        block.more = self.end < total;
        self.begins = block.num == 0 && block.more;
        self.options.push((OptionNumber::BLOCK2, block.to_uint()));
        if self.begins {
            self.options.push((OptionNumber::SIZE2, total as u32));
        }
        if self.start > 0 || block.more {
            self.options.extend(own_etag(draft));
        }
        Ok(())
    }
}

/// Longest body that blocks of a size exponent can carry, in bytes.
pub(super) const fn max_len(szx: u8) -> usize {
    (Block::MAX_NUM as usize + 1) << (szx + 4)
}

/// An ETag of the body, if the draft has none: blocks of different bodies must not be mixed
/// (RFC 7959 §2.4).
pub(super) fn own_etag(draft: &Draft) -> Option<(OptionNumber, u32)> {
    if draft.options.first(OptionNumber::ETAG).is_some() {
        return None;
    }
    let mut hash = Fnv::new();
    hash.write(&draft.payload);
    // An ETag has at least one byte: a number above 0.
    Some((OptionNumber::ETAG, hash.short() | 1 << 31))
}

/// The length up to `max` at which a text can be cut.
fn truncated(text: &[u8], max: usize) -> usize {
    let mut end = text.len().min(max);
    // 10xxxxxx continues an UTF-8 sequence.
    while end > 0 && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    end
}

fn too_large(max: usize) -> Draft {
    let max = u32::try_from(max).unwrap_or(u32::MAX);
    Draft::new(Code::REQUEST_ENTITY_TOO_LARGE).uint(OptionNumber::SIZE1, max)
}

pub(super) fn incomplete() -> Draft {
    Draft::new(Code::REQUEST_ENTITY_INCOMPLETE).diagnostic("a block is missing before this one")
}
