//! Whatever a peer sends, the endpoint neither panics nor keeps anything for ever.

mod common;

use common::*;
use lwm2m_coap::{Config, Draft, Duration};
use lwm2m_codec::coap::{Code, MessageType, OptionNumber, Token};
use proptest::{collection::vec, prelude::*, sample::select};

/// What happens to the endpoint.
#[derive(Debug, Clone)]
enum Step {
    Garbage(Vec<u8>),
    Message {
        message_type: u8,
        code: Code,
        id: u16,
        options: Vec<(OptionNumber, Vec<u8>)>,
        payload: usize,
    },
    /// Answers the message sent last.
    Answer {
        code: Code,
        options: Vec<(OptionNumber, Vec<u8>)>,
        payload: usize,
        piggybacked: bool,
    },
    /// An Empty message about the message sent last.
    Empty(u8),
    Request(Code, usize, bool),
    Notify(usize, bool),
    Restart,
    Pass(u32),
}

fn option() -> impl Strategy<Value = (OptionNumber, Vec<u8>)> {
    let blocks = (
        select(vec![OptionNumber::BLOCK1, OptionNumber::BLOCK2]),
        0u32..6,
        any::<bool>(),
        select(vec![16usize, 64, 1024]),
    );
    let number = select(vec![
        OptionNumber::ETAG,
        OptionNumber::OBSERVE,
        OptionNumber::URI_PATH,
        OptionNumber::BLOCK1,
        OptionNumber::BLOCK2,
        OptionNumber::SIZE1,
        OptionNumber::SIZE2,
        OptionNumber(2049),
    ]);
    prop_oneof![
        4 => blocks.prop_map(|(number, num, more, size)| (number, block(num, more, size))),
        1 => (number, vec(any::<u8>(), 0..6)),
    ]
}

fn options() -> impl Strategy<Value = Vec<(OptionNumber, Vec<u8>)>> {
    vec(option(), 0..4).prop_map(|mut options| {
        options.sort();
        options
    })
}

fn code() -> impl Strategy<Value = Code> {
    prop_oneof![
        any::<u8>().prop_map(Code),
        select(vec![Code::GET, Code::POST, Code::PUT, Code::FETCH]),
        select(vec![Code::CONTENT, Code::CONTINUE, Code::CHANGED]),
        select(vec![Code::NOT_FOUND, Code::REQUEST_ENTITY_TOO_LARGE]),
    ]
}

fn length() -> impl Strategy<Value = usize> {
    select(vec![0usize, 1, 16, 64, 65, 1024, 1200])
}

fn step() -> impl Strategy<Value = Step> {
    let message = (0u8..4, code(), 0u16..20, options(), length());
    let answer = (code(), options(), length(), any::<bool>());
    prop_oneof![
        1 => vec(any::<u8>(), 0..40).prop_map(Step::Garbage),
        6 => message.prop_map(|(message_type, code, id, options, payload)| Step::Message {
            message_type, code, id, options, payload,
        }),
        6 => answer.prop_map(|(code, options, payload, piggybacked)| Step::Answer {
            code, options, payload, piggybacked,
        }),
        2 => (0u8..4).prop_map(Step::Empty),
        3 => ((1u8..32).prop_map(Code), 0usize..5000, any::<bool>())
            .prop_map(|(code, length, confirmable)| Step::Request(code, length, confirmable)),
        2 => (0usize..3000, any::<bool>()).prop_map(|(length, con)| Step::Notify(length, con)),
        1 => Just(Step::Restart),
        3 => (0u32..100_000).prop_map(Step::Pass),
    ]
}

fn message_type(number: u8) -> MessageType {
    match number {
        0 => MessageType::Confirmable,
        1 => MessageType::NonConfirmable,
        2 => MessageType::Acknowledgement,
        _ => MessageType::Reset,
    }
}

fn borrow(options: &[(OptionNumber, Vec<u8>)]) -> Vec<(OptionNumber, &[u8])> {
    options
        .iter()
        .map(|(number, value)| (*number, value.as_slice()))
        .collect()
}

struct Run {
    bench: Bench,
    /// The message that the endpoint sent last.
    last: Vec<u8>,
    next: u16,
}

impl Run {
    fn new() -> Self {
        let mut config = Config::default();
        config.block_size = 64;
        config.max_body = 4000;
        config.max_long_answers = 2;
        let mut turn = 0;
        let script = move |_: &Ask| {
            turn += 1;
            let draft = content(&body(turn * 97 % 3000));
            match turn % 5 {
                0 => Reply::Later(Duration::from_millis(1700), draft),
                1 => Reply::Deferred(Duration::from_millis(700), draft),
                2 => Reply::Never,
                _ => Reply::Now(draft),
            }
        };
        let bench = Bench::new(config).serving(script);
        Self {
            bench,
            last: empty(MessageType::Confirmable, 1),
            next: 1000,
        }
    }

    fn take(&mut self, sent: Vec<Vec<u8>>) {
        self.last = sent
            .into_iter()
            .last()
            .unwrap_or(core::mem::take(&mut self.last));
    }

    fn feed(&mut self, datagram: &[u8]) {
        let sent = self.bench.feed(datagram);
        self.take(sent);
    }

    fn apply(&mut self, step: Step) {
        let (now, peer) = (self.bench.now, self.bench.peer);
        let (last_id, last_token) = {
            let last = parse(&self.last);
            (last.id().0, last.token())
        };
        match step {
            Step::Garbage(bytes) => self.feed(&bytes),
            Step::Message {
                message_type: kind,
                code,
                id,
                options,
                payload,
            } => {
                let (options, payload) = (borrow(&options), vec![7; payload]);
                self.feed(&datagram(
                    message_type(kind),
                    code,
                    id,
                    &[1],
                    &options,
                    &payload,
                ));
            }
            Step::Answer {
                code,
                options,
                payload,
                piggybacked,
            } => {
                self.next += 1;
                let (kind, id) = match piggybacked {
                    true => (MessageType::Acknowledgement, last_id),
                    false => (MessageType::Confirmable, self.next),
                };
                let (options, payload) = (borrow(&options), vec![7; payload]);
                self.feed(&datagram(
                    kind,
                    code,
                    id,
                    last_token.as_bytes(),
                    &options,
                    &payload,
                ));
            }
            Step::Empty(kind) => self.feed(&empty(message_type(kind), last_id)),
            Step::Request(code, length, confirmable) => {
                let draft = Draft {
                    payload: body(length),
                    ..Draft::new(code).path_segment("a")
                };
                let options = lwm2m_coap::RequestOptions {
                    confirmable,
                    token: None,
                };
                let _ = self
                    .bench
                    .engine
                    .endpoint
                    .request(now, peer, draft.observe(0), options);
                let sent = self.bench.drain();
                self.take(sent);
            }
            Step::Notify(length, confirmable) => {
                let (token, draft) = (Token::EMPTY, content(&body(length)));
                self.bench
                    .engine
                    .endpoint
                    .notify(now, peer, token, &draft, confirmable);
                let sent = self.bench.drain();
                self.take(sent);
            }
            Step::Restart => {
                let generation = self.bench.peer.generation + 1;
                self.bench.peer_up(lwm2m_coap::PeerId {
                    index: 0,
                    generation,
                });
            }
            Step::Pass(millis) => {
                let sent = self.bench.pass(Duration::from_millis(u64::from(millis)));
                self.take(sent.into_iter().map(|(_, datagram)| datagram).collect());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn datagrams_never_panic(datagrams in vec(vec(any::<u8>(), 0..80), 0..40)) {
        let mut bench = Bench::new(Config::default());
        bench.request(get("a"));
        for mut datagram in datagrams {
            bench.feed(&datagram);
            if let Some(first) = datagram.first_mut() {
                *first = 0x40 | *first & 0x3f;
                bench.feed(&datagram);
            }
        }
    }

    #[test]
    fn everything_ends_whatever_happened(steps in vec(step(), 0..80)) {
        let mut run = Run::new();
        for step in steps {
            run.apply(step);
        }
        run.bench.pass(Duration::from_secs(3000));
        prop_assert!(run.bench.engine.endpoint.is_idle(), "{:?}", run.bench.engine.endpoint);
    }
}
