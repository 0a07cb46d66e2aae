//! From a server's request to its answer: target, right, operation (TS-Core §6.3, TS-Transport
//! §6.4.4).

use alloc::{string::ToString, vec::Vec};

use lwm2m_coap::{Draft, Duration, Responder};
use lwm2m_codec::{
    ContentFormat, Path, Version,
    arguments::Arguments,
    coap::{Code, Message, OptionNumber},
};
use lwm2m_model::{Failure, Outcome, Ticket};

use crate::{
    Client, Event, Operation,
    bootstrap::Urgency,
    link::{State, Then},
    values::{self, server},
};

/// A request of a server, ready to be served.
#[derive(Debug)]
pub(crate) struct Request<'r> {
    /// Index of the server's link.
    pub(crate) link: usize,
    pub(crate) version: Version,
    pub(crate) path: Path,
    pub(crate) format: Option<ContentFormat>,
    pub(crate) accept: Option<ContentFormat>,
    pub(crate) queries: Vec<&'r str>,
    pub(crate) observe: Option<u32>,
    pub(crate) token: lwm2m_codec::coap::Token,
    pub(crate) body: &'r [u8],
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The answer is there.
    Now(Draft),
    /// The application gives it later.
    Later(Ticket),
    /// The answer is there, and something has to follow it.
    Then(Draft, Effect),
}

/// What follows an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    Disable(Duration),
    Update,
    Bootstrap,
}

type Answered = Result<Answer, Failure>;

impl Client {
    /// Serves a request: of the bootstrap server, or of the server that the peer is.
    pub(crate) fn on_request(&mut self, responder: Responder, message: &Message<'_>, body: &[u8]) {
        if self.boot.peer() == Some(responder.peer()) {
            return self.on_bootstrap_request(responder, message, body);
        }
        let link = self
            .link_of_peer(responder.peer())
            .filter(|_| !self.boot.is_provisioning());
        let Some(link) = link.filter(|link| self.links[*link].registered().is_some()) else {
            // TS-Core §6.1.4: unrelated requests may be ignored during a bootstrap.
            // TS-Core §6.2.1: requests before the registration is complete are ignored.
            return self.endpoint.ignore(self.now, responder);
        };
        self.touch_link(link);
        let answer = match self.parse(link, &responder, message, body) {
            Ok(request) => self.serve(message.code(), &request),
            Err(failure) => Err(failure),
        };
        match answer {
            Ok(Answer::Now(draft)) => self.endpoint.respond(self.now, responder, draft),
            Ok(Answer::Later(ticket)) => self.defer(responder, ticket),
            Ok(Answer::Then(draft, effect)) => {
                self.endpoint.respond(self.now, responder, draft);
                self.follow(link, effect);
            }
            Err(failure) => {
                tracing::debug!(%failure, "refuses a request");
                self.endpoint
                    .respond(self.now, responder, failure_draft(&failure));
            }
        }
    }

    fn follow(&mut self, link: usize, effect: Effect) {
        match effect {
            Effect::Disable(after) => self.deregister(link, Then::Return(after)),
            Effect::Update => {
                if let State::Registered(registered) = &mut self.links[link].state {
                    registered.update_wanted = true;
                }
            }
            Effect::Bootstrap => self.request_bootstrap(Urgency::Asked),
        }
    }

    fn parse<'r>(
        &self,
        link: usize,
        responder: &Responder,
        message: &Message<'r>,
        body: &'r [u8],
    ) -> Result<Request<'r>, Failure> {
        let mut path = Path::ROOT;
        for segment in message.uri_path() {
            let one = segment.and_then(|segment| segment.parse::<Path>().ok());
            let id = one
                .filter(|one| one.len() == 1)
                .and_then(|one| one.object_id());
            let id = id.ok_or_else(|| Failure::not_found(path))?;
            path = path.child(id).ok_or_else(|| Failure::not_allowed(path))?;
        }
        let queries: Option<Vec<&str>> = message.uri_query().collect();
        let utf8 = || Failure::bad_request(path, "a query is not UTF-8");
        let versions = &self.config.versions;
        Ok(Request {
            link,
            version: versions
                .get(self.links[link].version)
                .copied()
                .unwrap_or(Version::V1_0),
            path,
            format: message.content_format().map(ContentFormat::canonical),
            accept: message.accept().map(ContentFormat::canonical),
            queries: queries.ok_or_else(utf8)?,
            observe: message.observe(),
            token: responder.token(),
            body,
        })
    }

    /// Finds the operation that method, target and options mean.
    fn serve(&mut self, method: Code, request: &Request<'_>) -> Answered {
        let path = request.path;
        match method {
            Code::GET if request.accept == Some(ContentFormat::LINK) => self.discover(request),
            Code::GET => match request.observe {
                Some(0) => self.observe(request),
                Some(_) => self.cancel_observation(request),
                None => self.read(request),
            },
            Code::PUT if request.format.is_none() && request.body.is_empty() => {
                self.write_attributes(request)
            }
            Code::PUT => self.write_replace(request),
            Code::POST if path.len() == 1 => self.create(request),
            Code::POST if path.len() == 3 && !self.is_partial_update(request) => {
                self.execute(request)
            }
            Code::POST => self.write_update(request),
            Code::DELETE => self.delete(request),
            Code::FETCH => match request.observe {
                Some(0) => self.observe_composite(request),
                Some(_) => self.cancel_observation(request),
                None => self.read_composite(request),
            },
            Code::IPATCH => self.write_composite(request),
            _ => Err(Failure::not_allowed(path)),
        }
    }

    /// TS-Transport §6.4.4: POST on a resource executes it, unless it is a multiple-instance
    /// resource with a payload (1.2), or, by the example of TS-Core §E.6, a writable one.
    fn is_partial_update(&self, request: &Request<'_>) -> bool {
        let definition = self.tree.resource_definition(request.path);
        definition.is_some_and(|d| !d.operations.execute && d.operations.write)
            && request.format.is_some()
    }

    /// The one place where a server's right to an operation is decided: existence first, then
    /// protected objects, as TS-Core §8 orders it.
    pub(crate) fn authorize(
        &self,
        _link: usize,
        _operation: Operation,
        path: Path,
    ) -> Result<(), Failure> {
        if Self::is_protected(path) {
            let reason = "no server may access this object";
            return Err(Failure::new(Code::UNAUTHORIZED, path, reason));
        }
        match self.tree.contains(path) {
            true => Ok(()),
            false => Err(Failure::not_found(path)),
        }
    }

    fn execute(&mut self, request: &Request<'_>) -> Answered {
        let path = request.path;
        self.authorize(request.link, Operation::Execute, path)?;
        let definition = self.tree.resource_definition(path);
        if !definition.is_some_and(|definition| definition.operations.execute) {
            return Err(Failure::not_allowed(path));
        }
        if !matches!(request.format, None | Some(ContentFormat::TEXT)) {
            let reason = "arguments are plain text";
            return Err(Failure::new(Code::UNSUPPORTED_CONTENT_FORMAT, path, reason));
        }
        Arguments::parse(request.body)
            .map_err(|error| Failure::bad_request(path, error.to_string()))?;
        let ssid = self.links[request.link].ssid;
        let answer = match path.object_id() {
            Some(server::OBJECT) => self.execute_server_resource(request)?,
            // Whatever can't be answered later must not happen, or the server repeats it.
            _ if !self.can_defer() => {
                let reason = "too many answers are due";
                return Err(Failure::new(Code::SERVICE_UNAVAILABLE, path, reason));
            }
            _ => {
                let ticket = self.new_ticket();
                match self.tree.execute(path, request.body, ticket) {
                    Outcome::Done => Answer::Now(Draft::new(Code::CHANGED)),
                    Outcome::Fail(failure) => return Err(failure),
                    Outcome::Later => Answer::Later(ticket),
                }
            }
        };
        self.push_event(Event::Changed {
            server: ssid,
            path,
            operation: Operation::Execute,
        });
        Ok(answer)
    }

    /// Executes a resource of the Server object, which concerns the registration (TS-Core §E.2).
    fn execute_server_resource(&mut self, request: &Request<'_>) -> Answered {
        let changed = Draft::new(Code::CHANGED);
        let link = &self.links[request.link];
        let own = request.path.instance_id() == Some(link.server);
        let effect = match request.path.resource_id() {
            Some(server::DISABLE) => {
                let path = link.resource(server::DISABLE_TIMEOUT);
                let seconds = values::unsigned(&self.tree, path).unwrap_or(86_400);
                Effect::Disable(Duration::from_secs(seconds))
            }
            Some(server::UPDATE_TRIGGER) => Effect::Update,
            Some(server::BOOTSTRAP_TRIGGER) if self.has_bootstrap_account() => Effect::Bootstrap,
            Some(server::BOOTSTRAP_TRIGGER) => {
                let reason = "there is no bootstrap account";
                return Err(Failure::new(Code::METHOD_NOT_ALLOWED, request.path, reason));
            }
            _ => return Err(Failure::not_allowed(request.path)),
        };
        if !own {
            return Err(Failure::not_allowed(request.path));
        }
        Ok(Answer::Then(changed, effect))
    }

    /// Adds an ETag that changes with the objects of an answer.
    pub(crate) fn etag(&self, path: Path, draft: Draft) -> Draft {
        let revision = self.tree.revision_of(path).to_be_bytes();
        draft.option(OptionNumber::ETAG, &revision[4..])
    }
}

/// The error response of a failure: its code, and where and why as diagnostic payload.
pub(crate) fn failure_draft(failure: &Failure) -> Draft {
    Draft::new(failure.code).diagnostic(&failure.to_string())
}
