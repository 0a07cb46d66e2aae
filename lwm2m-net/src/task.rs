//! The task that owns an engine: it brings what arrives, sends what leaves, and keeps the time.

use std::{future::poll_fn, pin::Pin, time::Instant as StdInstant};

use lwm2m_coap::{Action, Engine, Input};
use tokio::{
    sync::{mpsc, oneshot},
    time::Sleep,
};

use crate::{
    clock::Clock,
    handle::Command,
    net::{Done, Net, Ready},
    socket,
};

/// Datagrams that one socket may bring before the others, calls and timers get their turn.
const BATCH: usize = 32;

/// Inputs that one turn may give to an engine, lest one that answers a failure with the same
/// request keeps the task for itself.
const INPUTS: usize = 256;

/// The task of a driver.
pub(crate) struct Task<E, T, F> {
    engine: E,
    net: Net,
    clock: Clock,
    commands: mpsc::Receiver<Command<E>>,
    events: mpsc::Sender<T>,
    /// The channel of events was full when the engine was last asked for some.
    events_wait: bool,
    map: F,
    /// Where the engine writes.
    message: Box<[u8]>,
}

/// What woke the task.
enum Woken<E> {
    Command(Option<Command<E>>),
    Net(Ready),
    Timer,
    /// The channel of events has room, or there is more to tell the engine.
    Drain,
}

impl<E, T, F> Task<E, T, F>
where
    E: Engine,
    F: for<'e> FnMut(E::Event<'e>) -> Option<T>,
{
    pub(crate) fn new(
        engine: E,
        net: Net,
        commands: mpsc::Receiver<Command<E>>,
        events: mpsc::Sender<T>,
        map: F,
    ) -> Self {
        let message = vec![0; net.limits.max_datagram].into();
        Self {
            engine,
            net,
            clock: Clock::start(),
            commands,
            events,
            events_wait: false,
            map,
            message,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut sleep = Box::pin(tokio::time::sleep_until(Clock::now().into()));
        self.drain(Clock::now());
        loop {
            let woken = self.wait(&mut sleep).await;
            let now = Clock::now();
            match woken {
                Woken::Command(None) => break self.end(None),
                Woken::Command(Some(Command::Shutdown(answer))) => break self.end(Some(answer)),
                Woken::Command(Some(Command::Call(call))) => {
                    call(&mut self.engine, self.clock.to_engine(now));
                    self.drain(now);
                }
                Woken::Net(Ready::Socket(socket::Ready::Write(id))) => {
                    self.net.sockets.send_held(id);
                    self.drain(now);
                }
                Woken::Net(Ready::Socket(socket::Ready::Read(id))) => self.receive(id),
                Woken::Net(Ready::Task(done)) => {
                    self.task_done(now, done);
                    self.deliver(now);
                }
                Woken::Timer => {
                    self.net.handshake_timeouts(now);
                    self.engine
                        .handle_input(self.clock.to_engine(now), Input::Timeout);
                    self.drain(now);
                    self.deliver(now);
                }
                Woken::Drain => {
                    self.drain(now);
                    self.deliver(now);
                }
            }
        }
    }

    /// Waits until there is something to do.
    async fn wait(&mut self, sleep: &mut Pin<Box<Sleep>>) -> Woken<E> {
        if !self.net.events.is_empty() {
            tokio::task::yield_now().await;
            return Woken::Drain;
        }
        let engine = self.engine.poll_timeout().map(|at| self.clock.to_std(at));
        let deadline = [engine, self.net.handshakes.next_deadline()]
            .into_iter()
            .flatten()
            .min();
        if let Some(deadline) = deadline
            && sleep.deadline().into_std() != deadline
        {
            sleep.as_mut().reset(deadline.into());
        }
        let net = &mut self.net;
        tokio::select! {
            command = self.commands.recv() => Woken::Command(command),
            ready = poll_fn(|cx| net.poll_ready(cx)) => Woken::Net(ready),
            () = sleep.as_mut(), if deadline.is_some() => Woken::Timer,
            // A closed channel counts as one with room: events are thrown away then.
            _ = self.events.reserve(), if self.events_wait => Woken::Drain,
        }
    }

    /// Reads what a socket has.
    fn receive(&mut self, id: socket::SocketId) {
        for _ in 0..BATCH {
            let now = Clock::now();
            if !self.net.receive(now, id) {
                break;
            }
            self.deliver(now);
            // The datagram must be used up before the next one is read.
            if !self.net.events.is_empty() {
                break;
            }
        }
    }

    fn task_done(&mut self, now: StdInstant, done: Done) {
        match done {
            Done::Resolved {
                connect,
                keys,
                result,
            } => {
                self.net.resolved(now, connect, keys, result);
            }
            Done::Key {
                handshake,
                identity,
                result,
            } => {
                self.net.key_found(now, handshake, identity, result);
            }
        }
    }

    /// Tells the engine what has happened, and does what it wants after each.
    fn deliver(&mut self, now: StdInstant) {
        for _ in 0..INPUTS {
            let Some(event) = self.net.events.pop_front() else {
                self.net.inbox.clear();
                return;
            };
            self.net.show(&event);
            self.engine
                .handle_input(self.clock.to_engine(now), self.net.input(&event));
            self.drain(now);
        }
    }

    /// The run loop of [`Engine`]: messages, actions, events; the timer is armed in `wait`.
    fn drain(&mut self, now: StdInstant) {
        // A socket that is full keeps its datagram; the engine keeps the rest.
        while !self.net.sockets.is_blocked() {
            let at = self.clock.to_engine(now);
            let Some(transmit) = self.engine.poll_transmit(at, &mut self.message) else {
                break;
            };
            if let Some(message) = self.message.get(..transmit.len) {
                self.net.send(transmit.peer, message);
            }
        }
        while let Some(action) = self.engine.poll_action() {
            match action {
                Action::Connect { id, uri, security } => self.net.connect(id, uri, security),
                Action::Close { peer } => self.net.close(peer),
                other => tracing::warn!(?other, "an action that this driver doesn't know"),
            }
        }
        self.drain_events();
    }

    fn drain_events(&mut self) {
        use mpsc::error::TrySendError;
        loop {
            // Take the place first: an event that was polled can't go back.
            let permit = match self.events.try_reserve() {
                Ok(permit) => Some(permit),
                Err(TrySendError::Full(())) => {
                    self.events_wait = true;
                    return;
                }
                Err(TrySendError::Closed(())) => None,
            };
            let Some(event) = self.engine.poll_event() else {
                break;
            };
            if let Some(event) = (self.map)(event)
                && let Some(permit) = permit
            {
                permit.send(event);
            }
        }
        self.events_wait = false;
    }

    /// Closes all sessions.
    fn end(mut self, answer: Option<oneshot::Sender<()>>) {
        self.drain(Clock::now());
        self.net.close_all();
        if let Some(answer) = answer {
            // Who asked may have gone.
            let _ = answer.send(());
        }
    }
}
