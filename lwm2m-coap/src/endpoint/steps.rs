//! Block-wise transfer on the asking side (RFC 7959): which message comes next.

use alloc::{borrow::Cow, vec::Vec};

use lwm2m_codec::coap::{Block, Code, Message, OptionNumber};

use super::{block::max_len, exchange::ExchangeError, options::observe};
use crate::{
    NotificationOrder,
    draft::{Draft, Header},
};

/// A request and how far it came: the blocks of its body first, then those of the response.
#[derive(Debug)]
pub(super) struct Steps {
    draft: Draft,
    block_size: usize,
    /// The block of the request that is under way.
    upload: Option<Block>,
    download: Option<Download>,
    /// Observe of the first response; the following blocks don't repeat it.
    observe: Option<u32>,
    /// A changed body or a smaller block size made the transfer start again.
    restarted: bool,
}

/// A body that is being received as Block2.
#[derive(Debug)]
struct Download {
    body: Vec<u8>,
    next: Block,
    etag: Vec<u8>,
    /// Later blocks are asked for with the body of the request: the peer did not see it lately.
    with_body: bool,
}

/// What a response makes of an exchange.
pub(super) enum Step<'d> {
    /// Nothing: it is late.
    Ignore,
    /// The next message is due.
    Next,
    /// The exchange fails.
    Fail(ExchangeError),
    /// The whole body is there.
    Done(Cow<'d, [u8]>),
}

impl Steps {
    /// Begins with the request.
    pub(super) fn new(draft: Draft, block_size: usize) -> Self {
        let mut steps = Self {
            draft,
            block_size,
            upload: None,
            download: None,
            observe: None,
            restarted: false,
        };
        steps.rewind(Block::szx_of(block_size));
        steps
    }

    /// Begins behind the first block of a notification; at the beginning if that is no proper
    /// first block.
    pub(super) fn continuing(draft: Draft, block_size: usize, first: &Message<'_>) -> Self {
        let mut steps = Self::new(draft, block_size);
        let block = first.block(OptionNumber::BLOCK2);
        let Some(block) = block.filter(|block| block.num == 0 && block.more) else {
            return steps;
        };
        let short = steps.draft.payload.len() <= Block::new(0, false, block_size).size();
        if first.payload().len() == block.size() && short {
            steps.download = Some(Download {
                body: first.payload().to_vec(),
                next: Block {
                    num: 1,
                    more: false,
                    szx: block.szx,
                },
                etag: etag(first).to_vec(),
                with_body: steps.draft.code == Code::FETCH,
            });
        }
        steps
    }

    /// True if the body of the request may be sent.
    pub(super) fn fits(&self, max_body: usize) -> bool {
        let szx = Block::szx_of(self.block_size);
        self.draft.payload.len() <= max_body.min(max_len(szx))
    }

    /// Observe of the response, if it had one.
    pub(super) const fn observe(&self) -> Option<u32> {
        self.observe
    }

    /// True if the peer notifies under the token of the request by now.
    pub(super) const fn observes(&self) -> bool {
        self.observe.is_some()
    }

    /// Back to the request, in blocks of this exponent if its body is long.
    fn rewind(&mut self, szx: u8) {
        let block = Block {
            num: 0,
            more: true,
            szx,
        };
        self.download = None;
        self.upload = (self.draft.payload.len() > block.size()).then_some(block);
    }

    /// Writes the message that is due; `None` if it doesn't fit.
    pub(super) fn write(&self, buf: &mut [u8], header: Header) -> Option<usize> {
        let payload = self.draft.payload.as_slice();
        if let Some(download) = &self.download {
            let extra = [(OptionNumber::BLOCK2, download.next.to_uint())];
            let payload = if download.with_body { payload } else { &[] };
            return self.draft.write(buf, header, &extra, payload).ok();
        }
        let Some(block) = self.upload else {
            // RFC 7959 §2.4: a side with little memory asks for its block size early.
            let early = Block::new(0, false, self.block_size).to_uint();
            let early = [(OptionNumber::BLOCK2, early)];
            let asks = self.block_size < 1024
                && matches!(self.draft.code, Code::GET | Code::FETCH)
                && self.draft.options.first(OptionNumber::BLOCK2).is_none();
            let extra = if asks { &early[..] } else { &[] };
            return self.draft.write(buf, header, extra, payload).ok();
        };
        let start = block.offset();
        let end = payload.len().min(start + block.size());
        let option = (OptionNumber::BLOCK1, block.to_uint());
        let size = (OptionNumber::SIZE1, payload.len() as u32);
        let extra = [option, size];
        let extra = extra.get(..if block.num == 0 { 2 } else { 1 })?;
        let written = self
            .draft
            .write(buf, header, extra, payload.get(start..end)?);
        written.ok()
    }

    /// Takes a response; `current` if it carries the token of the last message, not that of the
    /// observation that the first one started.
    pub(super) fn take<'d>(
        &mut self,
        message: &Message<'d>,
        current: bool,
        max_body: usize,
    ) -> Step<'d> {
        if !current {
            return self.take_notification(message, max_body);
        }
        if message.code().is_success() {
            if let Some(observe) = observe(message) {
                self.observe.get_or_insert(observe);
            }
        }
        if let Some(step) = self.next_upload(message) {
            return step;
        }
        self.take_body(message, max_body)
    }

    /// A notification came while the blocks of an earlier state are being fetched: the newest
    /// state is what the observer wants (RFC 7641 §1.3).
    fn take_notification<'d>(&mut self, message: &Message<'d>, max_body: usize) -> Step<'d> {
        if message.code().is_success() {
            match (self.observe, observe(message)) {
                (Some(old), Some(new)) if NotificationOrder::follows(old, new) => {
                    self.observe = Some(new);
                }
                _ => return Step::Ignore,
            }
        }
        self.download = None;
        self.take_body(message, max_body)
    }

    fn take_body<'d>(&mut self, message: &Message<'d>, max_body: usize) -> Step<'d> {
        match message.block(OptionNumber::BLOCK2) {
            Some(block) if message.code().is_success() => {
                self.next_download(block, message, max_body)
            }
            _ => Step::Done(Cow::Borrowed(message.payload())),
        }
    }

    /// RFC 7959 §2.5: a 2.31 asks for the next block, a 4.13 with a smaller size for a restart.
    fn next_upload<'d>(&mut self, message: &Message<'d>) -> Option<Step<'d>> {
        if self.download.is_some() {
            return None;
        }
        let echo = message.block(OptionNumber::BLOCK1);
        if message.code() == Code::REQUEST_ENTITY_TOO_LARGE {
            let szx = echo?.szx;
            let smaller = match self.upload {
                Some(current) => szx < current.szx,
                None => self.draft.payload.len() > 16 << szx,
            };
            if self.restarted || !smaller {
                return None;
            }
            self.restarted = true;
            self.rewind(szx);
            return Some(Step::Next);
        }
        let more = self.upload.filter(|current| current.more);
        match (message.code(), more, echo) {
            // A peer that takes each block on its own may say 2.04 instead of 2.31.
            (code, Some(current), Some(echo)) if code.is_success() => {
                Some(if echo.num == current.num {
                    self.advance(current, echo.szx)
                } else {
                    Step::Ignore
                })
            }
            (Code::CONTINUE, ..) => Some(Step::Fail(ExchangeError::Blocks)),
            _ => None,
        }
    }

    /// Goes on to the next block, in the size that the peer wants if that is smaller.
    fn advance<'d>(&mut self, current: Block, szx: u8) -> Step<'d> {
        let offset = current.offset() + current.size();
        let szx = szx.min(current.szx);
        let size = 16 << szx;
        let total = self.draft.payload.len();
        if total > max_len(szx) {
            return Step::Fail(ExchangeError::Blocks);
        }
        self.upload = Some(Block {
            num: (offset / size) as u32,
            more: offset + size < total,
            szx,
        });
        Step::Next
    }

    /// RFC 7959 §2.4: collects the blocks of a response.
    fn next_download<'d>(
        &mut self,
        block: Block,
        message: &Message<'d>,
        max_body: usize,
    ) -> Step<'d> {
        let payload = message.payload();
        if self.download.is_none() {
            if block.num != 0 {
                return Step::Ignore;
            }
            if !block.more {
                return Step::Done(Cow::Borrowed(payload));
            }
            self.upload = None;
            // Only the first request observes (RFC 7959 §2.6).
            self.draft.options.remove(OptionNumber::OBSERVE);
        }
        let download = self.download.get_or_insert_with(|| Download {
            body: Vec::new(),
            next: block,
            etag: etag(message).to_vec(),
            with_body: false,
        });
        if block.offset() < download.body.len() {
            return Step::Ignore;
        }
        if etag(message) != download.etag {
            return self.restart();
        }
        let full = payload.len() == block.size() || (!block.more && payload.len() < block.size());
        if block.offset() != download.body.len() || !full {
            return Step::Fail(ExchangeError::Blocks);
        }
        let length = download.body.len().saturating_add(payload.len());
        if length > max_body {
            return Step::Fail(ExchangeError::TooLarge);
        }
        download.body.extend_from_slice(payload);
        if block.more {
            let num = (length / block.size()) as u32;
            if num > Block::MAX_NUM {
                return Step::Fail(ExchangeError::TooLarge);
            }
            download.next = Block {
                num,
                more: false,
                szx: block.szx,
            };
            Step::Next
        } else {
            Step::Done(Cow::Owned(core::mem::take(&mut download.body)))
        }
    }

    /// The body changed under way: starts again, once, if the request may be repeated.
    fn restart<'d>(&mut self) -> Step<'d> {
        if self.restarted || !matches!(self.draft.code, Code::GET | Code::FETCH) {
            return Step::Fail(ExchangeError::Blocks);
        }
        self.restarted = true;
        self.rewind(Block::szx_of(self.block_size));
        Step::Next
    }
}

fn etag<'d>(message: &Message<'d>) -> &'d [u8] {
    message
        .option(OptionNumber::ETAG)
        .map_or(&[], |option| option.value)
}
