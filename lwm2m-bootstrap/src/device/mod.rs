//! The device's side: what each request of the bootstrap server does to the objects.
//!
//! ```
//! use lwm2m_bootstrap::device::{Progress, Provisioning};
//! use lwm2m_codec::coap::{Code, Message};
//! use lwm2m_model::Tree;
//!
//! let mut tree = Tree::new();
//! let mut provisioning = Provisioning::new(0);
//! // Bootstrap-Finish: POST /bs.
//! let request = Message::parse(&[0x40, 0x02, 0, 1, 0xb2, b'b', b's']).unwrap();
//! let (answer, progress) = provisioning.handle(&mut tree, &request, &[], 16_384);
//! assert_eq!(answer.code, Code::NOT_ACCEPTABLE);
//! assert_eq!(answer.payload, b"/1: there is no server account");
//! assert_eq!(progress, Progress::Continue);
//! ```

mod delete;
mod discover;
mod finish;
mod pack;
mod purge;
mod read;
mod unbootstrap;
mod write;

use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
};
use core::fmt;

use lwm2m_coap::Draft;
use lwm2m_codec::{
    ContentFormat, EncodeError, Path, Version,
    coap::{Code, Message},
};
use lwm2m_model::{Failure, Tree};

pub(crate) use delete::delete_below;
pub use finish::Unfinished;
pub use pack::{PackError, pack_accounts};
pub use purge::remove_bootstrap_account;
pub(crate) use unbootstrap::{remove as remove_lost, ssids};
pub(crate) use write::write_record;

use crate::server::{Operation, StepInfo};

/// What a request of the bootstrap server led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More requests follow.
    Continue,
    /// The device is consistent, and nothing is kept yet: with
    /// [`holding`](Provisioning::holding) only. The answer must wait for
    /// [`commit`](Provisioning::commit).
    Prepared,
    /// The bootstrap is over: its changes are kept.
    Finished,
}

/// A request of the bootstrap server and what came of it, for whoever looks for the reason of a
/// failure. It holds no value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// What was asked, and the length of its payload.
    pub step: StepInfo,
    /// The answer's code.
    pub code: Code,
    /// Why it was refused; empty if it was not.
    pub diagnostic: String,
}

impl fmt::Display for Served {
    /// Writes `write /0/1 as tlv (11542), 12 bytes: 4.00 Bad Request: /0/1: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            code,
            diagnostic,
        } = self;
        let colon = if diagnostic.is_empty() { "" } else { ": " };
        write!(f, "{step}, {} bytes: {code}{colon}{diagnostic}", step.sent)
    }
}

/// One bootstrap on the device: from the first request of the bootstrap server to its
/// Bootstrap-Finish (TS-Core §6.1.4).
///
/// # Transaction
/// The first request that changes something opens a transaction on the tree, the Finish commits
/// it, and [`abort`](Provisioning::abort) undoes everything. **Dropping** this value between the
/// two leaves the transaction open, and the tree with it: end every bootstrap that did not finish
/// by `abort`. Each request is a transaction of its own inside, so that one that fails changes
/// nothing.
#[derive(Debug)]
#[must_use = "a bootstrap that does not finish must be aborted"]
pub struct Provisioning {
    account: u16,
    version: Version,
    format: ContentFormat,
    /// Leaves the commit to the caller.
    holding: bool,
    /// The state before the first change; `None` before that.
    started: Option<Started>,
    last: Option<Served>,
}

/// What has to be known at the end of how it began.
#[derive(Debug, Default)]
struct Started {
    /// Short Server IDs of the Security instances there were.
    ssids: BTreeSet<u16>,
    /// Server instances that the bootstrap server wrote.
    written: BTreeSet<u16>,
}

impl Provisioning {
    /// Starts a bootstrap by the server whose Security instance is `account`; that instance can't
    /// be deleted.
    pub const fn new(account: u16) -> Self {
        Self {
            account,
            version: Version::V1_1,
            format: ContentFormat::TLV,
            holding: false,
            started: None,
            last: None,
        }
    }

    /// Leaves the commit to the caller, who stores the accounts first:
    /// [`Progress::Prepared`] instead of [`Progress::Finished`].
    pub const fn holding(mut self) -> Self {
        self.holding = true;
        self
    }

    /// Security instance of the bootstrap server, as it was at the start.
    pub const fn account(&self) -> u16 {
        self.account
    }

    /// The last request of the bootstrap server.
    pub const fn last(&self) -> Option<&Served> {
        self.last.as_ref()
    }

    /// Sets the enabler version that Bootstrap-Discover tells; 1.1 without it.
    pub const fn with_version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Sets the format of a Bootstrap-Read without Accept: what the Bootstrap-Request stated as
    /// `pct`. TLV without it.
    pub const fn with_format(mut self, format: ContentFormat) -> Self {
        self.format = format;
        self
    }

    /// True if the bootstrap server has changed something that is neither kept nor undone.
    pub const fn is_open(&self) -> bool {
        self.started.is_some()
    }

    /// Deals with one complete request of the bootstrap server; `body` is its whole payload, and
    /// the answer's payload has at most `max_body` bytes.
    ///
    /// Only requests from the bootstrap server may come here: it has all rights.
    pub fn handle(
        &mut self,
        tree: &mut Tree,
        message: &Message<'_>,
        body: &[u8],
        max_body: usize,
    ) -> (Draft, Progress) {
        let target = Target::of(message);
        let (draft, progress) = match (message.code(), target) {
            (Code::POST, Target::Finish) => self.finish(tree),
            _ => {
                let result = self.serve(tree, message, target, body, max_body);
                let (Ok(draft) | Err(draft)) = result.map_err(Refusal::into_draft);
                (draft, Progress::Continue)
            }
        };
        if let (Target::Node(path), Code::PUT, true) =
            (target, message.code(), draft.code.is_success())
        {
            self.note_write(tree, path);
        }
        self.note(message, target, body.len(), &draft);
        (draft, progress)
    }

    /// Serves anything but Bootstrap-Finish.
    fn serve(
        &mut self,
        tree: &mut Tree,
        message: &Message<'_>,
        target: Target,
        body: &[u8],
        max_body: usize,
    ) -> Answer {
        match (message.code(), target) {
            (Code::GET, Target::Node(path)) => self.get(tree, message, path, max_body),
            (Code::PUT, Target::Node(path)) => {
                self.change(tree, |tree| write::write(tree, path, message, body))
            }
            (Code::DELETE, Target::Node(path)) => {
                let account = self.account;
                self.change(tree, |tree| delete::delete(tree, path, account))
            }
            (Code::GET, _) => Err(Refusal::new(Code::NOT_FOUND, "there is nothing here")),
            (Code::POST, _) => Err(Refusal::new(
                Code::BAD_REQUEST,
                "Bootstrap-Finish goes to /bs",
            )),
            (Code::PUT | Code::DELETE, _) => Err(Refusal::new(
                Code::BAD_REQUEST,
                "the path is not one of objects",
            )),
            _ => Err(Refusal::new(
                Code::METHOD_NOT_ALLOWED,
                "the method has no meaning during a bootstrap",
            )),
        }
    }

    /// Keeps what was asked and answered.
    fn note(&mut self, message: &Message<'_>, target: Target, sent: usize, draft: &Draft) {
        let path = match target {
            Target::Node(path) => path,
            Target::Finish | Target::Unknown => Path::ROOT,
        };
        let link = message.accept() == Some(ContentFormat::LINK) || path == Path::ROOT;
        let (operation, format) = match message.code() {
            Code::GET if link => (Operation::Discover, None),
            Code::GET => (Operation::Read, message.accept()),
            Code::DELETE => (Operation::Delete, None),
            Code::POST => (Operation::Finish, None),
            _ => (Operation::Write, message.content_format()),
        };
        let refused = !draft.code.is_success();
        let text = String::from_utf8_lossy(&draft.payload);
        let served = Served {
            step: StepInfo {
                operation,
                path,
                format,
                sent,
            },
            code: draft.code,
            diagnostic: if refused {
                text.into_owned()
            } else {
                String::new()
            },
        };
        tracing::debug!(%served, "bootstrap");
        self.last = Some(served);
    }

    /// Keeps what the bootstrap made of the device, after [`Progress::Prepared`].
    ///
    /// # Errors
    /// What an object finds wrong; everything is undone then.
    pub fn commit(mut self, tree: &mut Tree) -> Result<(), Failure> {
        match self.started.take() {
            Some(_) => tree.commit(),
            None => Ok(()),
        }
    }

    /// Ends the bootstrap and undoes everything it changed.
    pub fn abort(self, tree: &mut Tree) {
        if self.is_open() {
            tree.rollback();
        }
    }

    fn get(&self, tree: &Tree, message: &Message<'_>, path: Path, max_body: usize) -> Answer {
        match (message.accept(), path.len()) {
            (Some(ContentFormat::LINK), 0 | 1) | (None, 0) => {
                discover::discover(tree, path, self.version, max_body)
            }
            (Some(ContentFormat::LINK), _) => Err(Refusal::new(
                Code::BAD_REQUEST,
                "Bootstrap-Discover takes / or an object",
            )),
            // RFC 7252 §5.10.4: Accept is critical.
            (Some(_), 0) => Err(Refusal::new(
                Code::NOT_ACCEPTABLE,
                "Bootstrap-Discover answers in link format",
            )),
            (accept, _) => read::read(tree, path, accept.unwrap_or(self.format), max_body),
        }
    }

    /// Runs a change in a transaction of its own, inside that of the bootstrap.
    fn change(&mut self, tree: &mut Tree, change: impl FnOnce(&mut Tree) -> Answer) -> Answer {
        self.open(tree);
        tree.begin();
        let result = change(tree);
        match &result {
            // Mandatory values may still be missing; the Finish looks at them.
            Ok(_) => tree.merge(),
            Err(_) => tree.rollback(),
        }
        result
    }

    /// Opens the transaction before the first change.
    fn open(&mut self, tree: &mut Tree) {
        if self.started.is_none() {
            self.started = Some(Started {
                ssids: unbootstrap::ssids(tree),
                written: BTreeSet::new(),
            });
            tree.begin();
        }
    }

    fn note_write(&mut self, tree: &Tree, path: Path) {
        use crate::view::{id, instances};
        let Some(started) = &mut self.started else {
            return;
        };
        match *path.ids() {
            [id::SERVER] => started.written.extend(instances(tree, id::SERVER)),
            [id::SERVER, instance, ..] => {
                started.written.insert(instance);
            }
            _ => {}
        }
    }
}

/// What the Uri-Path of a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// `/bs`.
    Finish,
    /// A path of ids.
    Node(Path),
    /// Anything else.
    Unknown,
}

impl Target {
    fn of(message: &Message<'_>) -> Self {
        let mut path = Path::ROOT;
        let mut segments = message.uri_path().peekable();
        if segments.peek() == Some(&Some("bs")) {
            return match segments.count() {
                1 => Self::Finish,
                _ => Self::Unknown,
            };
        }
        // A trailing slash makes an empty segment; it says nothing.
        for segment in segments.filter(|segment| *segment != Some("")) {
            match segment
                .and_then(parse_id)
                .and_then(|number| path.child(number))
            {
                Some(child) => path = child,
                None => return Self::Unknown,
            }
        }
        Self::Node(path)
    }
}

/// Parses an id: decimal, no sign, no leading zero.
fn parse_id(segment: &str) -> Option<u16> {
    let canonical = segment == "0" || !segment.starts_with('0');
    let digits = segment.bytes().all(|b| b.is_ascii_digit());
    if canonical && digits {
        segment.parse().ok()
    } else {
        None
    }
}

/// The answer to a request.
type Answer = Result<Draft, Refusal>;

/// An error answer: code, and why, for people. It never holds a value.
#[derive(Debug)]
struct Refusal {
    code: Code,
    reason: alloc::borrow::Cow<'static, str>,
}

impl Refusal {
    fn new(code: Code, reason: impl Into<alloc::borrow::Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    fn bad_request(reason: impl Into<alloc::borrow::Cow<'static, str>>) -> Self {
        Self::new(Code::BAD_REQUEST, reason)
    }

    /// A change that the tree refuses is 4.00, whatever the object said: TS-Core §6.1.7 and
    /// TS-Transport §6.4.2 give Bootstrap-Write and Bootstrap-Delete no other code for it.
    fn change(failure: &Failure) -> Self {
        Self::bad_request(failure.to_string())
    }

    fn into_draft(self) -> Draft {
        Draft::new(self.code).diagnostic(&self.reason)
    }
}

/// What an encoder's error means to the bootstrap server.
fn encode_refusal(error: EncodeError) -> Refusal {
    let code = match error {
        EncodeError::UnsupportedFormat(_) | EncodeError::NotExpressible { .. } => {
            Code::NOT_ACCEPTABLE
        }
        _ => Code::INTERNAL_SERVER_ERROR,
    };
    Refusal::new(code, error.to_string())
}
