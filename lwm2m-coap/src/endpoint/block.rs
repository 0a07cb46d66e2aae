//! Block-wise transfer on the answering side (RFC 7959): bodies that arrive as Block1, and
//! answers that leave as Block2.

use alloc::{borrow::Cow, vec::Vec};

use lwm2m_codec::coap::{Block, Code, Message, OptionNumber};

use super::{Endpoint, Responder, Timer};
use crate::{EXCHANGE_LIFETIME, Instant, PeerId, draft::Draft};

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
        Self { peer, hash: hash.0 }
    }

    /// The smallest and the largest key of a peer.
    pub(super) fn range(peer: PeerId) -> core::ops::RangeInclusive<Self> {
        Self { peer, hash: 0 }..=Self {
            peer,
            hash: u64::MAX,
        }
    }
}

/// FNV-1a: a peer that makes its keys collide only spoils its own transfers.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
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
        if block.num == 0 && !block.more {
            self.end_transfer(key);
            return Upload::Complete(Cow::Borrowed(payload), Some(block));
        }
        if block.more && payload.len() != block.size() {
            let reason = "a block that is not the last must be full";
            return Upload::Answer(Draft::new(Code::BAD_REQUEST).diagnostic(reason));
        }
        if block.num == 0 {
            self.end_transfer(key);
            if !self.begin_transfer(key, Kind::Upload(Vec::new())) {
                return Upload::Answer(Draft::new(Code::SERVICE_UNAVAILABLE));
            }
        }
        let Some(Transfer {
            kind: Kind::Upload(body),
            ..
        }) = self.transfers.get_mut(&key)
        else {
            return Upload::Answer(incomplete());
        };
        if block.offset() != body.len() {
            self.end_transfer(key);
            return Upload::Answer(incomplete());
        }
        body.extend_from_slice(payload);
        let szx = block.szx.min(Block::szx_of(self.config.block_size));
        if block.more {
            self.touch_transfer(key);
            let echo = Block { szx, ..block };
            Upload::Answer(Draft::new(Code::CONTINUE).uint(OptionNumber::BLOCK1, echo.to_uint()))
        } else {
            let body = core::mem::take(body);
            self.end_transfer(key);
            Upload::Complete(Cow::Owned(body), Some(block))
        }
    }

    /// The answer kept for a request that asks for a later block of it.
    pub(super) fn kept_answer(&mut self, key: TransferKey, message: &Message<'_>) -> Option<Draft> {
        let block = message.block(OptionNumber::BLOCK2)?;
        if block.num == 0 || message.code() == Code::GET {
            return None;
        }
        match self.transfers.get(&key) {
            Some(Transfer {
                kind: Kind::Answer(draft),
                ..
            }) => {
                let draft = draft.clone();
                self.touch_transfer(key);
                Some(draft)
            }
            _ => None,
        }
    }

    /// Cuts the block that the request asks for out of an answer; returns the Block and Size
    /// options to add, in ascending order, and the range of the payload.
    pub(super) fn cut(&mut self, responder: &Responder, draft: &Draft) -> Result<Cut, Draft> {
        let mut cut = Cut {
            options: Vec::new(),
            start: 0,
            end: draft.payload.len(),
        };
        if draft.code.is_success() {
            self.cut_block2(responder, draft, &mut cut)?;
        }
        if let Some(block) = responder.block1 {
            let szx = block.szx.min(Block::szx_of(self.config.block_size));
            cut.options
                .push((OptionNumber::BLOCK1, Block { szx, ..block }.to_uint()));
            cut.options.sort_unstable();
        }
        Ok(cut)
    }

    fn cut_block2(
        &mut self,
        responder: &Responder,
        draft: &Draft,
        cut: &mut Cut,
    ) -> Result<(), Draft> {
        let total = draft.payload.len();
        let own = Block::new(0, false, self.config.block_size);
        let asked = responder.block2.unwrap_or(own);
        // A later block keeps the size that the peer asked for: its number counts in it.
        let szx = if asked.num == 0 {
            asked.szx.min(own.szx)
        } else {
            asked.szx
        };
        let mut block = Block {
            num: asked.num,
            more: false,
            szx,
        };
        if responder.block2.is_none() && total <= block.size() {
            return Ok(());
        }
        if block.num > 0 && block.offset() >= total {
            let reason = "there is no such block";
            return Err(Draft::new(Code::BAD_REQUEST).diagnostic(reason));
        }
        cut.start = block.offset().min(total);
        cut.end = total.min(cut.start + block.size());
        block.more = cut.end < total;
        cut.options.push((OptionNumber::BLOCK2, block.to_uint()));
        if block.num == 0 && block.more {
            cut.options.push((OptionNumber::SIZE2, total as u32));
        }
        if block.num == 0 && block.more && responder.code != Code::GET {
            self.end_transfer(responder.key);
            self.begin_transfer(responder.key, Kind::Answer(draft.clone()));
        }
        Ok(())
    }

    fn begin_transfer(&mut self, key: TransferKey, kind: Kind) -> bool {
        if self.transfers.len() >= self.config.max_assemblies {
            self.counters.bodies_refused += 1;
            return false;
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
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) options: Vec<(OptionNumber, u32)>,
    pub(super) start: usize,
    pub(super) end: usize,
}

fn too_large(max: usize) -> Draft {
    Draft::new(Code::REQUEST_ENTITY_TOO_LARGE).uint(OptionNumber::SIZE1, max as u32)
}

fn incomplete() -> Draft {
    Draft::new(Code::REQUEST_ENTITY_INCOMPLETE).diagnostic("a block is missing before this one")
}
